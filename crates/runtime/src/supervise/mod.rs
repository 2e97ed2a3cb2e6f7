//! Supervision: a tree of actors that is declared as data, started and stopped in order, and whose
//! failed parts are replaced.
//!
//! Plain data lies below: `rules` say how a tree behaves, `event` what happens in it, `exit` how
//! an actor ended, `injected` what may be done to one on purpose. `policy` is a pure state machine
//! over them that holds every rule. Others are found through `slot`, and `tree` is what all share.
//!
//! `spec` says how each child is started, `check` what is wrong with that. `supervisor` is the
//! actor that obeys the policy, `instance` the task beside each actor, `busy` the one wrapper
//! around actors. `requests` may be asked of a supervisor, `disturb` does harm, `root` is the
//! handle of it all. `watchdog` sees what a kill cannot end: handlers that hold their thread, as
//! `stamp` notes.

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
