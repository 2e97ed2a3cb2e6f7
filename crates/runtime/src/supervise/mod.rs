//! Supervision: a tree of actors that is declared as data, started and stopped in order, and whose
//! failed parts are replaced.
//!
//! The base is plain data. `rules` hold the behaviour of a tree, `event` its events, `exit` the
//! reasons of ends, `injected` the faults to inject. `policy` is a pure state machine over them and
//! holds every rule. `slot` finds actors by path. `tree` holds the data that all share.
//!
//! `spec` declares how each child is started, and `check` validates it. `supervisor` is the actor
//! that applies the policy. `instance` is the task beside each actor. `watched` is the one wrapper
//! around actors, and `busy` stamps their polls. `requests` change a running supervisor, `disturb`
//! injects faults, `root` is the handle of the tree. `watchdog` detects blocked threads, which a
//! kill cannot end.

mod busy;
mod check;
mod disturb;
mod event;
mod exit;
mod injected;
mod instance;
mod policy;
mod requested_child;
mod requests;
mod root;
mod rules;
mod slot;
mod spec;
mod supervisor;
mod tree;
mod watchdog;
mod watched;

pub use disturb::NotInjected;
pub use event::{
    Action, Announcement, ChildView, Event, Outcome, RequestError, Seat, State, SupervisionNotice,
    Timer,
};
pub use exit::{Exit, GaveUp, Ignore, Injected, StartError};
pub use injected::InjectedFault;
pub use policy::Policy;
pub use requested_child::Child;
pub use requests::{ChildInfo, Count, SupervisorRef};
pub use root::{RootError, RootHandle, RootOutcome};
pub use rules::{
    AutoShutdown, Backoff, Kind, OnGiveUp, Restart, Rules, Settings, Shutdown, SpecError, Strategy,
};
pub use slot::{ActorReading, Directory, Slot, TreeView, Unsent};
pub use spec::{
    BoxFuture, ChildSpec, Extra, StartContext, StartFn, Started, SupervisorSpec, custom,
    supervisor, template, worker,
};
pub use tree::{Observer, Tree, Wall};
pub use watchdog::{Limits, Watchdog};
