//! Where an actor is found: its slot, by its path in the tree.
//!
//! Handles go stale at each restart, so nobody keeps one. A slot stays the same for the life of the
//! process and is filled and emptied by the supervisor; a path may be asked for before it is in the
//! tree.
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

/// A message that did not reach an instance; safe to send again.
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
    /// Something is planned for it.
    threatened: AtomicBool,
}

#[derive(Debug, Default)]
struct Record {
    /// The end that was foretold for an instance.
    announced: Option<(ActorId, Exit)>,
    /// The instance whose state panicked in its `Drop`, and the text of that panic.
    dropped: Option<(ActorId, String)>,
    /// `None` while the path is not in the tree.
    node: Option<Node>,
    /// What was shown when its supervisor ended, so that the successor goes on from there.
    past: Option<ChildView>,
    /// Holds its thread for long.
    blocked: bool,
    /// What befalls it at its next message.
    harm: Option<InjectedFault>,
    /// When it is tried again.
    retry: Option<Instant>,
    /// How long its start may take.
    start_limit: Duration,
    /// Of a supervisor: the restarts it counted.
    window: Window,
}

/// Restarts a supervisor counted, and what it allows.
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

    /// The path it stands for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where messages that may come in numbers take their places; the same for all instances.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn busy(&self) -> &Busy {
        &self.busy
    }

    /// The current instance, which may be gone the next moment. Use it at once; never keep it.
    pub fn cell(&self) -> Option<ActorCell> {
        self.holder.borrow().clone()
    }

    /// The same, typed; `None` also where the actor takes another type of message.
    pub fn actor<M: Message>(&self) -> Option<ActorRef<M>> {
        let cell = self.cell()?;
        (cell.is_message_type_of::<M>() == Some(true)).then(|| cell.into())
    }

    /// Follows who is in it.
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
            // The sender lives in the slot, which is borrowed: it cannot be gone.
            changes.changed().await.ok();
        }
    }

    /// Sends to the current instance.
    ///
    /// # Errors
    /// There is none, or it is ending, or it does not take this type; the message comes back.
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

    /// Foretells how instance `id` will end. That it was on purpose never hides another reason.
    pub(crate) fn announce(&self, id: ActorId, exit: Exit) {
        let mut record = self.record();
        if exit.is_injected() && record.announced.as_ref().is_some_and(|(of, _)| *of == id) {
            return;
        }
        record.announced = Some((id, exit));
    }

    /// Whether instance `id` is known to be ended on purpose.
    pub(crate) fn is_injected(&self, id: ActorId) -> bool {
        let record = self.record();
        record.announced.as_ref().is_some_and(|(of, exit)| *of == id && exit.is_injected())
    }

    pub(crate) fn announced(&self, id: ActorId) -> Option<Exit> {
        let announced = self.record().announced.take_if(|(of, _)| *of == id);
        announced.map(|(_, exit)| exit)
    }

    /// Notes that the state of instance `id` panicked in its `Drop`.
    pub(crate) fn panicked_in_drop(&self, id: ActorId, why: String) {
        self.record().dropped = Some((id, why));
    }

    /// How the state of instance `id` panicked in its `Drop`, where it did.
    pub(crate) fn drop_panic(&self, id: ActorId) -> Option<String> {
        let dropped = self.record().dropped.take_if(|(of, _)| *of == id);
        dropped.map(|(_, why)| why)
    }

    /// Shows how the child is doing, from `now_ms` on where that is new.
    pub(crate) fn show(&self, order: u64, kind: Kind, view: ChildView, now_ms: i64) {
        let mut record = self.record();
        let same = record.node.as_ref().filter(|node| node.view.state == view.state);
        let since_ms = same.map_or(now_ms, |node| node.since_ms);
        record.node = Some(Node { order, kind, view, since_ms });
    }

    /// Plans it for the next message, unless something is planned already: then that.
    pub(crate) fn plan_harm(&self, harm: InjectedFault) -> Result<(), InjectedFault> {
        let mut record = self.record();
        if let Some(first) = record.harm {
            return Err(first);
        }
        record.harm = Some(harm);
        self.threatened.store(true, Relaxed);
        Ok(())
    }

    /// Whether something is planned; one load where not.
    pub(crate) fn is_threatened(&self) -> bool {
        self.threatened.load(Relaxed)
    }

    pub(crate) fn take_harm(&self) -> Option<InjectedFault> {
        self.threatened.store(false, Relaxed);
        self.record().harm.take()
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

    /// How long its start may take; zero where nobody has said.
    pub(crate) fn start_limit(&self) -> Duration {
        self.record().start_limit
    }

    pub(crate) fn show_window(&self, window: Window) {
        self.record().window = window;
    }

    /// How it is doing now; `None` while it is not in the tree.
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

    /// Shows that the instance has ended, with nobody left to say so.
    pub(crate) fn show_orphan(&self, id: ActorId, exit: &Exit, now_ms: i64) {
        self.vacate(id);
        if let Some(Node { view, since_ms, .. }) = &mut self.record().node {
            (view.state, *since_ms) = (State::Stopped, now_ms);
            view.last_failure = Some(exit.to_string());
            view.injected += u32::from(exit.is_injected());
        }
    }

    /// How it did under a supervisor that has ended.
    pub(crate) fn past(&self) -> Option<ChildView> {
        self.record().past.clone()
    }

    /// Its supervisor has ended.
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
    /// What the children of each pool share.
    pools: Arc<Mutex<BTreeMap<&'static str, Arc<Meter>>>>,
}

impl Directory {
    /// Nobody yet; what else is to be measured of them.
    #[must_use]
    pub fn measuring(wanted: Wanted) -> Directory {
        Directory { wanted: Arc::new(wanted), ..Directory::default() }
    }

    /// The slot of `path`; the same one for ever while anybody holds it.
    pub fn slot(&self, path: &str) -> Arc<Slot> {
        if let Some(slot) = self.find(path) {
            return slot;
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Slot::new(path, self.meter(path)));
        slots.entry(path.to_owned()).or_insert_with(make).clone()
    }

    /// What an actor is measured with: its own, or that of its pool.
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

    /// Kills the instance at `path`; false when there is none. It takes effect at its next await.
    pub fn kill(&self, path: &str) -> bool {
        let cell = self.find(path).and_then(|slot| slot.cell());
        cell.inspect(ActorCell::kill).is_some()
    }

    /// Says that the instance now at `path` is going to be ended on purpose, so that its end costs
    /// no budget; false when there is none.
    pub fn note_injected(&self, path: &str, what: &Injected) -> bool {
        let Some(slot) = self.find(path) else { return false };
        let cell = slot.cell();
        cell.inspect(|cell| slot.announce(cell.get_id(), Exit::Injected(what.0.clone()))).is_some()
    }

    /// Kills the instance at `path` on purpose; false when there is none.
    pub fn inject_kill(&self, path: &str, what: &Injected) -> bool {
        let Some(slot) = self.find(path) else { return false };
        let Some(cell) = slot.cell() else { return false };
        slot.announce(cell.get_id(), Exit::Injected(what.0.clone()));
        cell.kill();
        true
    }

    /// The tree as it stands; `None` before its root was started.
    pub fn view(&self) -> Option<TreeView> {
        let mut below: Below = BTreeMap::new();
        let slots = self.read();
        for (path, slot) in slots.iter() {
            let record = slot.record();
            if let Some(node) = record.node.clone() {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                let (blocked, planned) = (record.blocked, record.harm);
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

    /// Empties all slots below `path`: the supervisor there and all its children are gone.
    pub(crate) fn vacate_below(&self, path: &str) {
        let prefix = format!("{path}/");
        for (path, slot) in self.read().range(prefix.clone()..) {
            if !path.starts_with(&prefix) {
                break;
            }
            slot.hide();
        }
    }

    /// How everybody in the tree is doing, by path.
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

/// What programs watch of one actor.
#[derive(Clone, Debug)]
pub struct ActorReading {
    /// Its place in the tree.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// What it is doing.
    pub state: State,
    /// Since when, wall clock, UTC milliseconds.
    pub since_ms: i64,
    /// Whether an instance is up.
    pub alive: bool,
    /// Messages with a ticket that wait for it.
    pub waiting: usize,
    /// Time until its next start, where it waits for one.
    pub retry_in: Duration,
    /// Of a supervisor: restarts counted within its period, and how many it allows.
    pub restarts: (u32, u32),
    /// What is measured of it; the children of a pool share one.
    pub meter: Arc<Meter>,
}

impl ActorReading {
    /// Whether its branch is kept down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.state == State::Down
    }
}

/// A child and all below it at one moment, for people and JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TreeView {
    /// Its place, `root/…/id`.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// What it is doing.
    pub state: State,
    /// Since when, wall clock, UTC milliseconds.
    pub since_ms: i64,
    /// How often an instance has replaced another.
    pub restarts: u32,
    /// How often it was ended on purpose.
    pub injected: u32,
    /// How it failed last.
    pub last_failure: Option<String>,
    /// Whether its branch counts as down, up to its proof of health.
    pub down: bool,
    /// Whether its start or a handler of it holds its thread for longer than a watchdog allows.
    pub blocked: bool,
    /// What is planned for it at its next message, in words.
    pub planned: Option<String>,
    /// How many messages that may come in numbers are on their way to it.
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

/// What is below each path.
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
        planned: planned.map(|harm| harm.to_string()),
        mailbox: slot.mailbox.depth(),
        children: children(below, &slot.path),
    };
    nodes.into_iter().map(view).collect()
}
