//! The directory of actors: one slot for each path in the tree.
//!
//! Handles become stale at each restart, so callers keep slots instead. A slot stays the same while
//! anyone holds it. The supervisor fills and empties it. Callers may request a slot before its path
//! is in the tree.
//!
//! Over 500 lines: the whole way of one child, from its start to its end.

use super::busy::Busy;
use super::event::{Announcement, ChildView, State, SupervisionNotice};
use super::exit::{Exit, Injected};
use super::injected::InjectedFault;
use super::rules::Kind;
use crate::mailbox::Mailbox;
use crate::meter::{Meter, Wanted};
use ractor::{ActorCell, ActorId, ActorRef, Message};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A message that did not reach an instance. It is safe to send it again.
#[derive(Debug, thiserror::Error)]
#[error("no instance took the message")]
pub struct Unsent<M>(pub M);

/// The current instance of one child.
#[derive(Debug)]
pub struct Slot {
    path: String,
    holder: watch::Sender<Option<ActorCell>>,
    record: Mutex<Record>,
    busy: Busy,
    mailbox: Arc<Mailbox>,
    /// Whether a fault is planned for its next message.
    threatened: AtomicBool,
}

#[derive(Debug, Default)]
struct Record {
    /// The instance whose reason to end was announced, and that reason.
    expected_exit: Option<(ActorId, Exit)>,
    /// The instance whose state panicked in its `Drop`, and the text of that panic.
    dropped: Option<(ActorId, String)>,
    /// `None` while the path is not in the tree.
    node: Option<Node>,
    /// Its view when its supervisor ended, from which the successor continues.
    past: Option<ChildView>,
    /// Whether it blocks its thread for longer than the watchdog allows.
    blocked: bool,
    /// The fault planned for its next message.
    planned: Option<InjectedFault>,
    /// Time of the next retry.
    retry: Option<Instant>,
    /// Maximum time of its start.
    start_limit: Duration,
    /// For a supervisor: the restarts it counted.
    window: Window,
}

/// The restarts that a supervisor counted, and its budget.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub at: Vec<Instant>,
    pub allowed: u32,
    pub period: Duration,
}

#[derive(Clone, Debug)]
struct Node {
    order: u64,
    kind: Kind,
    view: ChildView,
    since_ms: i64,
}

impl Slot {
    fn new(path: &str, meter: Arc<Meter>) -> Slot {
        Slot {
            path: path.to_owned(),
            holder: watch::Sender::new(None),
            record: Mutex::default(),
            busy: Busy::default(),
            mailbox: Arc::new(Mailbox::of(meter)),
            threatened: AtomicBool::new(false),
        }
    }

    /// The path of the slot.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Counts the waiting messages that carry a ticket. All instances share it.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn busy(&self) -> &Busy {
        &self.busy
    }

    /// The current instance, which may end at any moment. Use it immediately; never keep it.
    pub fn cell(&self) -> Option<ActorCell> {
        self.holder.borrow().clone()
    }

    /// As [`Slot::cell`], typed. `None` also if the actor takes another type of message.
    pub fn actor<M: Message>(&self) -> Option<ActorRef<M>> {
        let cell = self.cell()?;
        (cell.is_message_type_of::<M>() == Some(true)).then(|| cell.into())
    }

    /// Watches the current instance.
    pub fn changes(&self) -> watch::Receiver<Option<ActorCell>> {
        self.holder.subscribe()
    }

    /// Waits until there is an instance.
    pub async fn occupied(&self) -> ActorCell {
        let mut changes = self.holder.subscribe();
        loop {
            if let Some(cell) = changes.borrow_and_update().clone() {
                return cell;
            }
            // The sender is in the slot, which is borrowed, so it cannot be dropped.
            changes.changed().await.ok();
        }
    }

    /// Sends a message to the current instance.
    ///
    /// # Errors
    /// There is no instance, it is ending, or it does not take this type. The message is returned.
    pub fn send<M: Message>(&self, message: M) -> Result<(), Unsent<M>> {
        let Some(actor) = self.actor::<M>() else {
            self.mailbox.meter().unsent();
            return Err(Unsent(message));
        };
        match actor.send_message(message) {
            Ok(()) => Ok(()),
            Err(ractor::MessagingErr::SendErr(message)) => {
                self.mailbox.meter().unsent();
                Err(Unsent(message))
            }
            Err(ractor::MessagingErr::ChannelClosed | ractor::MessagingErr::InvalidActorType) => {
                unreachable!("a message that was not sent comes back, and its type was checked")
            }
        }
    }

    pub(crate) fn fill(&self, cell: ActorCell) {
        self.holder.send_replace(Some(cell));
    }

    /// Empties the slot if `id` is in it.
    pub(crate) fn vacate(&self, id: ActorId) {
        self.holder.send_if_modified(|holder| {
            let held = holder.as_ref().is_some_and(|cell| cell.get_id() == id);
            if held {
                *holder = None;
            }
            held
        });
    }

    /// Announces the reason for which instance `id` will end. An injected reason never replaces
    /// another one.
    pub(crate) fn expect_exit(&self, id: ActorId, exit: Exit) {
        let mut record = self.record();
        if exit.is_injected() && record.expected_exit.as_ref().is_some_and(|(of, _)| *of == id) {
            return;
        }
        record.expected_exit = Some((id, exit));
    }

    /// Whether an injected end was announced for instance `id`.
    pub(crate) fn is_injected(&self, id: ActorId) -> bool {
        let record = self.record();
        record.expected_exit.as_ref().is_some_and(|(of, exit)| *of == id && exit.is_injected())
    }

    pub(crate) fn take_expected_exit(&self, id: ActorId) -> Option<Exit> {
        let expected = self.record().expected_exit.take_if(|(of, _)| *of == id);
        expected.map(|(_, exit)| exit)
    }

    /// Notes that the state of instance `id` panicked in its `Drop`.
    pub(crate) fn panicked_in_drop(&self, id: ActorId, why: String) {
        self.record().dropped = Some((id, why));
    }

    /// Text of the panic in the `Drop` of instance `id`'s state, if there was one.
    pub(crate) fn drop_panic(&self, id: ActorId) -> Option<String> {
        let dropped = self.record().dropped.take_if(|(of, _)| *of == id);
        dropped.map(|(_, why)| why)
    }

    /// Sets the shown state of the child. `now_ms` counts only if the state is new.
    pub(crate) fn show(&self, order: u64, kind: Kind, view: ChildView, now_ms: i64) {
        let mut record = self.record();
        let same = record.node.as_ref().filter(|node| node.view.state == view.state);
        let since_ms = same.map_or(now_ms, |node| node.since_ms);
        record.node = Some(Node { order, kind, view, since_ms });
    }

    /// Plans a fault for the next message. If one is planned already, returns that one as the
    /// error.
    pub(crate) fn plan_fault(&self, fault: InjectedFault) -> Result<(), InjectedFault> {
        let mut record = self.record();
        if let Some(first) = record.planned {
            return Err(first);
        }
        record.planned = Some(fault);
        self.threatened.store(true, Relaxed);
        Ok(())
    }

    /// Whether a fault is planned. One relaxed load.
    pub(crate) fn is_threatened(&self) -> bool {
        self.threatened.load(Relaxed)
    }

    pub(crate) fn take_fault(&self) -> Option<InjectedFault> {
        self.threatened.store(false, Relaxed);
        self.record().planned.take()
    }

    pub(crate) fn show_blocked(&self, blocked: bool) {
        self.record().blocked = blocked;
    }

    /// A notice about the child; `None` while it is not in the tree.
    pub(crate) fn notice(&self, at_ms: i64, news: Announcement) -> Option<SupervisionNotice> {
        let kind = self.record().node.as_ref()?.kind;
        Some(SupervisionNotice { path: self.path.clone(), kind, at_ms, news })
    }

    pub(crate) fn show_retry(&self, at: Instant) {
        self.record().retry = Some(at);
    }

    pub(crate) fn show_start_limit(&self, limit: Duration) {
        self.record().start_limit = limit;
    }

    /// Maximum time of its start; zero until it is set.
    pub(crate) fn start_limit(&self) -> Duration {
        self.record().start_limit
    }

    pub(crate) fn show_window(&self, window: Window) {
        self.record().window = window;
    }

    /// Its current values; `None` while it is not in the tree.
    pub(crate) fn reading(&self) -> Option<ActorReading> {
        let record = self.record();
        let node = record.node.as_ref()?;
        let now = Instant::now();
        let Window { at, allowed, period } = &record.window;
        let used = at.iter().filter(|at| now.saturating_duration_since(**at) <= *period).count();
        let waits = node.view.state == State::Backoff || node.view.state == State::Down;
        let retry = record.retry.filter(|_| waits);
        Some(ActorReading {
            path: self.path.clone(),
            kind: node.kind,
            state: node.view.state,
            since_ms: node.since_ms,
            alive: self.holder.borrow().is_some(),
            waiting: self.mailbox.depth(),
            retry_in: retry.map_or(Duration::ZERO, |at| at.saturating_duration_since(now)),
            restarts: (u32::try_from(used).unwrap_or(u32::MAX), *allowed),
            meter: Arc::clone(self.mailbox.meter()),
        })
    }

    /// Shows that the instance has ended, if its supervisor can no longer report it.
    pub(crate) fn show_orphan(&self, id: ActorId, exit: &Exit, now_ms: i64) {
        self.vacate(id);
        if let Some(Node { view, since_ms, .. }) = &mut self.record().node {
            (view.state, *since_ms) = (State::Stopped, now_ms);
            view.last_failure = Some(exit.to_string());
            view.injected += u32::from(exit.is_injected());
        }
    }

    /// Its view under a supervisor that has ended.
    pub(crate) fn past(&self) -> Option<ChildView> {
        self.record().past.clone()
    }

    /// Removes the node from view, because its supervisor has ended.
    fn hide(&self) {
        let mut record = self.record();
        record.past = record.node.take().map(|node| node.view).or(record.past.take());
        drop(record);
        self.holder.send_replace(None);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All slots of one tree, by path. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    slots: Arc<RwLock<BTreeMap<String, Arc<Slot>>>>,
    wanted: Arc<Wanted>,
    /// The meter that the children of each pool share.
    pools: Arc<Mutex<BTreeMap<&'static str, Arc<Meter>>>>,
}

impl Directory {
    /// An empty directory that also measures `wanted` of its actors.
    #[must_use]
    pub fn measuring(wanted: Wanted) -> Directory {
        Directory { wanted: Arc::new(wanted), ..Directory::default() }
    }

    /// The slot of `path`. It stays the same while anyone holds it.
    pub fn slot(&self, path: &str) -> Arc<Slot> {
        if let Some(slot) = self.find(path) {
            return slot;
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Slot::new(path, self.meter(path)));
        slots.entry(path.to_owned()).or_insert_with(make).clone()
    }

    /// The meter of an actor: its own, or that of its pool.
    fn meter(&self, path: &str) -> Arc<Meter> {
        let new = || Arc::new(Meter::new(Arc::clone(&self.wanted)));
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let Some(pool) = self.wanted.pools.iter().find(|pool| **pool == parent) else {
            return new();
        };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pools.entry(pool).or_insert_with(new))
    }

    /// Ids of the children listed by the supervisor at `path`, by name.
    pub fn children(&self, path: &str) -> Vec<String> {
        let above = format!("{path}/");
        let slots = self.read();
        let below = slots.range(above.clone()..).take_while(|(of, _)| of.starts_with(&above));
        let listed = below.filter(|(_, slot)| slot.record().node.is_some());
        let ids = listed.map(|(of, _)| &of[above.len()..]);
        ids.filter(|id| !id.contains('/')).map(str::to_owned).collect()
    }

    /// Kills the instance at `path`, which ends at its next await. False if there is none.
    pub fn kill(&self, path: &str) -> bool {
        let cell = self.find(path).and_then(|slot| slot.cell());
        cell.inspect(ActorCell::kill).is_some()
    }

    /// Announces that an injected fault will end the instance now at `path`, so that its end uses
    /// no budget. False if there is none.
    pub fn note_injected(&self, path: &str, what: &Injected) -> bool {
        let Some(slot) = self.find(path) else { return false };
        let cell = slot.cell();
        cell.inspect(|cell| slot.expect_exit(cell.get_id(), Exit::Injected(what.0.clone())))
            .is_some()
    }

    /// Kills the instance at `path` as an injected fault. False if there is none.
    pub fn inject_kill(&self, path: &str, what: &Injected) -> bool {
        let Some(slot) = self.find(path) else { return false };
        let Some(cell) = slot.cell() else { return false };
        slot.expect_exit(cell.get_id(), Exit::Injected(what.0.clone()));
        cell.kill();
        true
    }

    /// The current tree; `None` before its root was started.
    pub fn view(&self) -> Option<TreeView> {
        let mut below: Below = BTreeMap::new();
        let slots = self.read();
        for (path, slot) in slots.iter() {
            let record = slot.record();
            if let Some(node) = record.node.clone() {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                let (blocked, planned) = (record.blocked, record.planned);
                below.entry(parent).or_default().push(Placed { slot, node, blocked, planned });
            }
        }
        for nodes in below.values_mut() {
            nodes.sort_by_key(|placed| placed.node.order);
        }
        children(&mut below, "").pop()
    }

    pub(crate) fn forget(&self, path: &str) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(path) {
            slot.hide();
            slot.record().past = None;
            if Arc::strong_count(slot) == 1 {
                slots.remove(path);
            }
        }
    }

    /// Empties all slots below `path`. The supervisor there and all its children must have ended.
    pub(crate) fn vacate_below(&self, path: &str) {
        let prefix = format!("{path}/");
        for (path, slot) in self.read().range(prefix.clone()..) {
            if !path.starts_with(&prefix) {
                break;
            }
            slot.hide();
        }
    }

    /// Current values of every actor in the tree, by path.
    #[must_use]
    pub fn readings(&self) -> Vec<ActorReading> {
        self.read().values().filter_map(|slot| slot.reading()).collect()
    }

    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.read().values().cloned().collect()
    }

    fn find(&self, path: &str) -> Option<Arc<Slot>> {
        self.read().get(path).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Values of one actor, for metrics and health checks.
#[derive(Clone, Debug)]
pub struct ActorReading {
    /// Its path in the tree.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Its state.
    pub state: State,
    /// Time when it entered the state, wall clock, UTC milliseconds.
    pub since_ms: i64,
    /// Whether an instance is up.
    pub alive: bool,
    /// Number of waiting messages that carry a ticket.
    pub waiting: usize,
    /// Time until its next start; zero unless it waits for one.
    pub retry_in: Duration,
    /// For a supervisor: restarts counted within its period, and how many it allows.
    pub restarts: (u32, u32),
    /// Its meter. The children of a pool share one.
    pub meter: Arc<Meter>,
}

impl ActorReading {
    /// Whether its branch is stopped by its supervisor.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.state == State::Down
    }
}

/// A child and all children below it at one moment, for display and JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeView {
    /// Its path in the tree, `root/…/id`.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Its state.
    pub state: State,
    /// Time when it entered the state, wall clock, UTC milliseconds.
    pub since_ms: i64,
    /// Number of times an instance has replaced another.
    pub restarts: u32,
    /// Number of instances that ended by an injected fault.
    pub injected: u32,
    /// Text of its last failure.
    pub last_failure: Option<String>,
    /// Whether its branch counts as down. It does until it has been healthy long enough.
    pub down: bool,
    /// Whether its start or a handler blocks its thread for longer than the watchdog allows.
    pub blocked: bool,
    /// Description of the fault planned for its next message.
    pub planned: Option<String>,
    /// Number of waiting messages that carry a ticket.
    pub mailbox: usize,
    /// Its children in the order of their start.
    pub children: Vec<TreeView>,
}

struct Placed<'a> {
    slot: &'a Arc<Slot>,
    node: Node,
    blocked: bool,
    planned: Option<InjectedFault>,
}

/// The children of each path.
type Below<'a> = BTreeMap<&'a str, Vec<Placed<'a>>>;

fn children<'a>(below: &mut Below<'a>, parent: &str) -> Vec<TreeView> {
    let nodes = below.remove(parent).unwrap_or_default();
    let view = |Placed { slot, node, blocked, planned }: Placed<'a>| TreeView {
        path: slot.path.clone(),
        kind: node.kind,
        state: node.view.state,
        since_ms: node.since_ms,
        restarts: node.view.restarts(),
        injected: node.view.injected,
        last_failure: node.view.last_failure,
        down: node.view.down,
        blocked,
        planned: planned.map(|fault| fault.to_string()),
        mailbox: slot.mailbox.depth(),
        children: children(below, &slot.path),
    };
    nodes.into_iter().map(view).collect()
}
