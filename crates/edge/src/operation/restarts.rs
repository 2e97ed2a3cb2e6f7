//! Reports restarts of actors as inputs, for later reports about the run. The first restart is
//! reported immediately. Those within the next ten seconds are gathered, so that a loop of restarts
//! does not fill the journal.

use everwarm_domain::fact::{Body, Operator, Restarts};
use everwarm_domain::path;
use everwarm_runtime::journal::{Journal, Writer};
use everwarm_runtime::supervise::{Announcement, Directory, Exit, SupervisionNotice};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// Its name as a writer.
const NAME: &str = "restarts";
/// How long restarts are gathered.
const GATHERED: Duration = Duration::from_secs(10);
/// Most pairs of actor and cause in one input.
const ROWS: usize = 64;

/// Gathers restarts and appends them.
pub struct Restarting(Arc<Shared>);

struct Shared {
    journal: Weak<Journal<Body>>,
    writer: Writer,
    /// Distinguishes a panic from an error.
    directory: Directory,
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    /// Why instances ended that are not up again yet, by path.
    ended: BTreeMap<String, &'static str>,
    /// Restarts since the last input, by name and cause.
    times: BTreeMap<(String, &'static str), u32>,
    /// Number of panics of handlers, by path.
    panics: BTreeMap<String, u64>,
    /// Whether a task will append them when the time is over.
    waits: bool,
}

impl Gathered {
    /// Applies a notice. `panics` is the number of handler panics at that path so far. Returns
    /// whether there is something to append.
    fn apply(&mut self, notice: &SupervisionNotice, panics: u64) -> bool {
        match &notice.news {
            Announcement::Exited { exit, asked, .. } => {
                let before = self.panics.insert(notice.path.clone(), panics).unwrap_or(0);
                let why = reason(exit, before < panics).filter(|_| !asked);
                self.ended.extend(why.map(|why| (notice.path.clone(), why)));
                false
            }
            Announcement::Started { .. } => {
                let Some(why) = self.ended.remove(&notice.path) else { return false };
                let key = (path::label(&notice.path).to_owned(), why);
                if self.times.len() < ROWS || self.times.contains_key(&key) {
                    let times = self.times.entry(key).or_default();
                    *times = times.saturating_add(1);
                }
                true
            }
            Announcement::Removed => {
                self.ended.remove(&notice.path);
                self.panics.remove(&notice.path);
                false
            }
            Announcement::StartFailed { .. }
            | Announcement::StopFailed { .. }
            | Announcement::Blocked { .. }
            | Announcement::Unblocked { .. }
            | Announcement::BranchDown { .. }
            | Announcement::BranchUp
            | Announcement::GaveUp { .. }
            | Announcement::Stray { .. }
            | Announcement::Ignored => false,
        }
    }

    /// The input to append now; none if there is none.
    fn take(&mut self) -> Option<Operator> {
        let times = std::mem::take(&mut self.times).into_iter();
        let row =
            |((actor, reason), times)| Restarts { actor, reason: String::from(reason), times };
        let actors: Vec<Restarts> = times.map(row).collect();
        (!actors.is_empty()).then_some(Operator::Restarted { actors })
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, input: Option<Operator>) {
        let (Some(operator), Some(journal)) = (input, self.journal.upgrade()) else { return };
        if let Err(e) = journal.append(&self.writer, i64::MIN, vec![Body::Operator(operator)]) {
            tracing::debug!("restarts were not recorded: {e}");
        }
    }
}

impl Restarting {
    /// Appends to `journal`.
    #[must_use]
    pub fn new(journal: &Arc<Journal<Body>>, directory: Directory) -> Restarting {
        let (writer, journal) = (journal.writer(NAME), Arc::downgrade(journal));
        Restarting(Arc::new(Shared { journal, writer, directory, gathered: Mutex::default() }))
    }

    /// Applies a notice. Supervisors call it: it waits for nothing.
    pub fn apply(&self, notice: &SupervisionNotice) {
        let panics = if let Announcement::Exited { .. } = &notice.news {
            self.0.directory.slot(&notice.path).mailbox().meter().panics()
        } else {
            0
        };
        let mut gathered = self.0.gathered();
        if !gathered.apply(notice, panics) || gathered.waits {
            return;
        }
        let input = gathered.take();
        // Without a runtime each restart is appended immediately.
        if let Ok(runtime) = Handle::try_current() {
            gathered.waits = true;
            let shared = Arc::downgrade(&self.0);
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(GATHERED).await;
                    let Some(shared) = shared.upgrade() else { return };
                    let mut gathered = shared.gathered();
                    let input = gathered.take();
                    gathered.waits = input.is_some();
                    drop(gathered);
                    if input.is_none() {
                        return;
                    }
                    shared.append(input);
                }
            });
        }
        drop(gathered);
        self.0.append(input);
    }
}

/// Why an instance ended unexpectedly, in one word; none if the end of another one is reported.
fn reason(exit: &Exit, panicked: bool) -> Option<&'static str> {
    match exit {
        Exit::Failed(_) if panicked => Some("panic"),
        Exit::Failed(_) => Some("error"),
        Exit::Killed => Some("killed"),
        Exit::Lost => Some("lost"),
        Exit::GaveUp(_) => Some("gave_up"),
        Exit::Injected(_) => Some("injected"),
        Exit::Normal(_) | Exit::Orphaned => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::supervise::Kind;

    fn notice(path: &str, news: Announcement) -> SupervisionNotice {
        SupervisionNotice { path: path.to_owned(), kind: Kind::Worker, at_ms: 0, news }
    }

    fn exited(exit: Exit, asked: bool) -> Announcement {
        Announcement::Exited { exit, uptime: Duration::ZERO, restarts: 0, asked }
    }

    #[test]
    fn restarts_are_gathered_by_actor_and_cause() {
        let mut gathered = Gathered::default();
        let mut panics = 0;
        let mut again = |path: &str, exit, asked| {
            panics += u64::from(exit == Exit::Failed("panics".into()));
            assert!(!gathered.apply(&notice(path, exited(exit, asked)), panics));
            gathered.apply(&notice(path, Announcement::Started { restarts: 1 }), panics)
        };
        let feed = "root/trading/feeds/sim/feed";
        assert!(again(feed, Exit::Failed("no".into()), false));
        assert!(again(feed, Exit::Failed("panics".into()), false));
        assert!(again(feed, Exit::Killed, false));
        assert!(again(feed, Exit::Killed, false));
        for symbol in ["AAA", "BBB"] {
            let path = format!("{}/{symbol}", everwarm_domain::path::BARS);
            assert!(again(&path, Exit::Injected("kill".into()), false));
        }
        assert!(!again(feed, Exit::Normal("asked".into()), true), "for a sibling's sake");
        assert!(!again(feed, Exit::Orphaned, false), "its supervisor is notified");
        let Some(Operator::Restarted { actors }) = gathered.take() else { panic!() };
        let row = |of: &Restarts| format!("{} {} {}", of.actor, of.reason, of.times);
        let rows: Vec<String> = actors.iter().map(row).collect();
        assert_eq!(rows, ["bar injected 2", "feed error 1", "feed killed 2", "feed panic 1"]);
        assert_eq!(gathered.take(), None, "once");
        assert!(
            !gathered.apply(&notice(feed, Announcement::Started { restarts: 0 }), 0),
            "a first start"
        );
    }
}
