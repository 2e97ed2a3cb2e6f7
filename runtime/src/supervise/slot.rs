//! Where an actor is found: its slot, by its path in the tree.
//!
//! Handles go stale at each restart, so nobody keeps one. A slot stays the same for the life of the
//! process and is filled and emptied by the supervisor; a path may be asked for before it is in the
//! tree.

use super::event::{ChildView, State};
use super::exit::{Exit, Injected};
use super::spec::Kind;
use super::supervisor::SupervisorRef;
use ractor::{ActorCell, ActorId, ActorRef, Message};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::watch;

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
}

#[derive(Debug, Default)]
struct Record {
    /// The end that was foretold for an instance.
    announced: Option<(ActorId, Exit)>,
    /// `None` while the path is not in the tree.
    node: Option<Node>,
    /// Outlives the supervisor, so that its successor knows.
    down: bool,
}

#[derive(Clone, Debug)]
struct Node {
    order: u64,
    kind: Kind,
    view: ChildView,
    since_ms: i64,
}

impl Slot {
    fn new(path: &str) -> Slot {
        Slot { path: path.to_owned(), holder: watch::Sender::new(None), record: Mutex::default() }
    }

    /// The path it stands for.
    pub fn path(&self) -> &str {
        &self.path
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
        let Some(actor) = self.actor::<M>() else { return Err(Unsent(message)) };
        match actor.send_message(message) {
            Ok(()) => Ok(()),
            Err(ractor::MessagingErr::SendErr(message)) => Err(Unsent(message)),
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

    pub(crate) fn announced(&self, id: ActorId) -> Option<Exit> {
        let announced = self.record().announced.take_if(|(of, _)| *of == id);
        announced.map(|(_, exit)| exit)
    }

    /// Shows how the child is doing, from `now_ms` on where that is new.
    pub(crate) fn show(&self, order: u64, kind: Kind, view: ChildView, now_ms: i64) {
        let mut record = self.record();
        let same = record.node.as_ref().filter(|node| node.view.state == view.state);
        let since_ms = same.map_or(now_ms, |node| node.since_ms);
        record.down = view.down;
        record.node = Some(Node { order, kind, view, since_ms });
    }

    pub(crate) fn was_down(&self) -> bool {
        self.record().down
    }

    fn hide(&self) {
        self.record().node = None;
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
}

impl Directory {
    /// The slot of `path`; the same one for ever while anybody holds it.
    pub fn slot(&self, path: &str) -> Arc<Slot> {
        if let Some(slot) = self.find(path) {
            return slot;
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.entry(path.to_owned()).or_insert_with(|| Arc::new(Slot::new(path))).clone()
    }

    /// The supervisor at `path`, to ask it for children.
    pub fn supervisor(&self, path: &str) -> SupervisorRef {
        SupervisorRef::new(self.slot(path))
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
        let mut below: BTreeMap<&str, Vec<(&str, Node)>> = BTreeMap::new();
        let slots = self.read();
        for (path, slot) in slots.iter() {
            if let Some(node) = slot.record().node.clone() {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                below.entry(parent).or_default().push((path, node));
            }
        }
        for nodes in below.values_mut() {
            nodes.sort_by_key(|(_, node)| node.order);
        }
        children(&mut below, "").pop()
    }

    pub(crate) fn forget(&self, path: &str) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(path) {
            slot.hide();
            slot.record().down = false;
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

    fn find(&self, path: &str) -> Option<Arc<Slot>> {
        self.read().get(path).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
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
    /// Its children in the order of their start.
    pub children: Vec<TreeView>,
}

fn children(below: &mut BTreeMap<&str, Vec<(&str, Node)>>, parent: &str) -> Vec<TreeView> {
    let nodes = below.remove(parent).unwrap_or_default();
    let view = |(path, node): (&str, Node)| TreeView {
        path: path.to_owned(),
        kind: node.kind,
        state: node.view.state,
        since_ms: node.since_ms,
        restarts: node.view.restarts,
        injected: node.view.injected,
        last_failure: node.view.last_failure,
        down: node.view.down,
        children: children(below, path),
    };
    nodes.into_iter().map(view).collect()
}
