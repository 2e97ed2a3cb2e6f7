//! A thread outside every runtime that detects handlers and starts which block their thread.
//!
//! A kill takes effect at the next await, so it cannot end a handler that never reaches one. After
//! one limit, the watchdog reports the handler. After another limit, the caller must end the
//! process. The same holds for a start, which its supervisor cannot end either. But a start may
//! have much to read, so its limits are longer.

use super::busy::Entry;
use super::event::Announcement;
use super::slot::Slot;
use super::tree::Tree;
use crate::clock;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Limits for handlers that block their thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time between two checks. Shorter blocks are not detected.
    pub look: Duration,
    /// Time after which a handler is reported. A start is reported after half of its start limit,
    /// if that is longer.
    pub report: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { look: Duration::from_millis(250), report: Duration::from_secs(1) }
    }
}

/// Watches the actors of a tree until it is dropped.
pub struct Watchdog {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Seen {
    entry: Entry,
    since: Instant,
    reported: bool,
    hopeless: bool,
}

struct Round<L, F> {
    tree: Tree,
    limits: Limits,
    limit: L,
    seen: BTreeMap<String, Seen>,
    hopeless: F,
}

impl Watchdog {
    /// Watches a tree from a thread of its own, also before the tree is started. It notifies the
    /// tree's observer of blocked actors and of those that continue, and shows them in the view. It
    /// calls `hopeless` once for each handler that exceeds the current value of `limit`, with the
    /// path and the time. For a start, both `limit` and its start limit must be exceeded.
    ///
    /// # Errors
    /// The system cannot create the thread.
    pub fn start(
        tree: Tree,
        limits: Limits,
        limit: impl Fn() -> Duration + Send + 'static,
        hopeless: impl FnMut(&str, Duration) + Send + 'static,
    ) -> io::Result<Watchdog> {
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let mut round = Round { tree, limits, limit, seen: BTreeMap::new(), hopeless };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            while !over.load(Relaxed) {
                std::thread::park_timeout(limits.look);
                round.look();
            }
        })?;
        Ok(Watchdog { ended, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the observer may have ended the thread before.
            drop(thread.join());
        }
    }
}

impl<L: Fn() -> Duration, F: FnMut(&str, Duration)> Round<L, F> {
    fn look(&mut self) {
        let now = clock::now();
        for slot in self.tree.directory.slots() {
            match slot.busy().inside() {
                Some(entry) => self.inside(&slot, entry, now),
                None => self.outside(&slot, now),
            }
        }
    }

    /// The times after which an entry is reported, and after which it is hopeless.
    fn limits(&self, slot: &Slot, entry: Entry) -> (Duration, Duration) {
        let (report, limit) = (self.limits.report, (self.limit)());
        match entry {
            Entry::Handler(_) => (report, limit),
            Entry::Start(_) => {
                let whole = slot.start_limit();
                (report.max(whole / 2), limit.max(whole))
            }
        }
    }

    fn inside(&mut self, slot: &Slot, entry: Entry, now: Instant) {
        let (report, limit) = self.limits(slot, entry);
        if self.seen.get(slot.path()).is_some_and(|seen| seen.entry != entry) {
            self.outside(slot, now);
        }
        let fresh = Seen { entry, since: now, reported: false, hopeless: false };
        let seen = self.seen.entry(slot.path().to_owned()).or_insert(fresh);
        let holds = now.saturating_duration_since(seen.since);
        let mut news = None;
        if holds >= report && !std::mem::replace(&mut seen.reported, true) {
            news = Some(Announcement::Blocked { holds });
        }
        let hopeless = holds >= limit && !std::mem::replace(&mut seen.hopeless, true);
        if let Some(news) = news {
            self.announce(slot, true, news);
        }
        if hopeless {
            (self.hopeless)(slot.path(), holds);
        }
    }

    fn outside(&mut self, slot: &Slot, now: Instant) {
        if let Some(seen) = self.seen.remove(slot.path()).filter(|seen| seen.reported) {
            let held = now.saturating_duration_since(seen.since);
            self.announce(slot, false, Announcement::Unblocked { held });
        }
    }

    fn announce(&self, slot: &Slot, blocked: bool, news: Announcement) {
        slot.show_blocked(blocked);
        if let Some(notice) = slot.notice((self.tree.wall)().utc(), news) {
            (self.tree.observer)(&notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::{RootOutcome, Strategy, supervisor, worker};
    use ractor::{Actor, ActorProcessingErr, ActorRef};
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Blocks its thread, the only one of its runtime, in its start or in a handler.
    #[derive(Clone, Copy, PartialEq)]
    enum Blocker {
        Starting,
        Handling,
    }

    impl Actor for Blocker {
        type Msg = ();
        type State = Arc<Mutex<Receiver<()>>>;
        type Arguments = Arc<Mutex<Receiver<()>>>;

        async fn pre_start(
            &self,
            _: ActorRef<()>,
            until: Self::Arguments,
        ) -> Result<Self::State, ActorProcessingErr> {
            if *self == Blocker::Starting {
                until.lock().unwrap().recv().ok();
            }
            Ok(until)
        }

        async fn handle(
            &self,
            _: ActorRef<()>,
            (): (),
            until: &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            until.lock().unwrap().recv().ok();
            Ok(())
        }
    }

    fn runtime(name: &str) -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).enable_all().build().unwrap()
    }

    fn blocker(id: &str, until: Receiver<()>) -> crate::supervise::ChildSpec {
        let until = Arc::new(Mutex::new(until));
        worker(id, move |_| (Blocker::Handling, Arc::clone(&until)))
    }

    /// An observer that sends the state changes of actors as text.
    fn observer(sender: SyncSender<String>) -> crate::supervise::Observer {
        Arc::new(move |notice: &crate::supervise::SupervisionNotice| {
            let word = match &notice.news {
                Announcement::Blocked { .. } => "blocked",
                Announcement::Unblocked { .. } => "unblocked",
                Announcement::Exited { asked: false, .. } => "exited",
                Announcement::Started { .. }
                | Announcement::Ignored
                | Announcement::StartFailed { .. }
                | Announcement::Exited { .. }
                | Announcement::StopFailed { .. }
                | Announcement::BranchDown { .. }
                | Announcement::BranchUp
                | Announcement::GaveUp { .. }
                | Announcement::Removed
                | Announcement::Stray { .. } => return,
            };
            sender.try_send(format!("{} {word}", notice.path)).unwrap();
        })
    }

    #[test]
    fn a_blocked_handler_is_reported_and_holds_up_neither_supervisors_nor_the_watchdog() {
        let (control, workers) = (runtime("control"), runtime("worker"));
        let (sender, notices) = sync_channel(100);
        let ((go_a, until_a), (_go_b, until_b)): ((SyncSender<()>, _), _) =
            (sync_channel(1), sync_channel(1));
        let spec = supervisor("root", Strategy::OneForOne)
            .child(blocker("a", until_a).on(workers.handle().clone()))
            .child(blocker("b", until_b));
        let tree = Tree::new(observer(sender), Arc::new(crate::clock::WallMs::default));
        let root = control.block_on(async {
            tokio::spawn(async move { tree.start(spec).await.unwrap() }).await.unwrap()
        });
        let limits = Limits { look: Duration::from_millis(5), report: Duration::from_millis(50) };
        // The limit changes while the handler hangs.
        let limit = Arc::new(Mutex::new(Duration::MAX));
        let now = Arc::clone(&limit);
        let (give_up, hopeless) = sync_channel(1);
        let watchdog = Watchdog::start(
            root.tree().clone(),
            limits,
            move || *now.lock().unwrap(),
            move |path, _| {
                give_up.try_send(path.to_owned()).unwrap();
            },
        );
        let next = || notices.recv_timeout(Duration::from_secs(20)).unwrap();

        root.directory().slot("root/a").send(()).unwrap();
        assert_eq!(next(), "root/a blocked");
        let shown = |path: &str| {
            let view = root.directory().view().unwrap();
            view.children.iter().find(|child| child.path == path).unwrap().blocked
        };
        assert!(shown("root/a") && !shown("root/b"));
        // The supervisor keeps working meanwhile.
        assert!(root.directory().kill("root/b"));
        assert_eq!(next(), "root/b exited");
        *limit.lock().unwrap() = Duration::from_millis(150);
        assert_eq!(hopeless.recv_timeout(Duration::from_secs(20)).unwrap(), "root/a");
        go_a.send(()).unwrap();
        assert_eq!(next(), "root/a unblocked");
        assert!(!shown("root/a"));
        drop(watchdog);
        let outcome = control.block_on(async { root.stop(Duration::from_secs(5)).await });
        assert_eq!(outcome, RootOutcome::Stopped);
    }

    /// Its supervisor ends the start at its limit, but the blocked start does not react.
    #[test]
    fn s66_a_start_that_holds_its_thread_is_reported_and_hopeless_at_its_own_limit() {
        let (control, workers) = (runtime("control"), runtime("worker"));
        let (sender, notices) = sync_channel(100);
        let (go, until) = sync_channel(1);
        let until = Arc::new(Mutex::new(until));
        let limit = Duration::from_millis(300);
        let starting = worker("a", move |_| (Blocker::Starting, Arc::clone(&until)));
        let spec = supervisor("root", Strategy::OneForOne)
            .child(starting.start_limit(limit).on(workers.handle().clone()));
        let tree = Tree::new(observer(sender), Arc::new(crate::clock::WallMs::default));
        let look = Duration::from_millis(5);
        let (give_up, hopeless) = sync_channel(1);
        // The watchdog starts before the tree: the first start may be the one that hangs.
        let watchdog = Watchdog::start(
            tree.clone(),
            Limits { look, report: look },
            move || look * 2,
            move |path, held| {
                give_up.try_send((path.to_owned(), held)).unwrap();
            },
        );
        let directory = tree.directory.clone();
        let started = control.spawn(async move { drop(tree.start(spec).await) });
        let patience = Duration::from_secs(20);
        assert_eq!(notices.recv_timeout(patience).unwrap(), "root/a blocked");
        assert!(directory.view().unwrap().children[0].blocked);
        let (path, held) = hopeless.recv_timeout(patience).unwrap();
        assert!(path == "root/a" && held >= limit, "{path} {held:?}");
        assert!(control.block_on(directory.supervisor("root").answers()), "it goes on");
        // It releases the thread. Later starts return immediately.
        drop(go);
        control.block_on(started).unwrap();
        drop(watchdog);
    }
}
