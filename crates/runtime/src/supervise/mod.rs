//! Supervision: a tree of actors that is declared as data. It is started and stopped in order, and
//! its failed parts are replaced.
//!
//! Plain data: `rules` (restart rules), `event` (inputs and outputs of the policy), `exit` (ends of
//! an actor), `fault` (faults to inject). `policy` is a pure state machine over them and contains
//! every rule. `slot` is the address of an actor, `tree` the data that all actors of a tree share.
//!
//! `spec` declares how each child is started, `check` validates it. `supervisor` is the actor that
//! obeys the policy, `instance` the task beside each actor, `busy` the one wrapper around actors.
//! `requests` are changes at run time, `inject` injects faults, `root` is the handle of a tree.
//! `watchdog` finds handlers that block their thread, from the marks of `stamp`.

mod busy;
mod check;
mod child;
mod event;
mod exit;
mod fault;
mod inject;
mod instance;
mod policy;
mod requests;
mod root;
mod rules;
mod slot;
mod spec;
mod stamp;
mod supervisor;
mod tree;
mod watchdog;

pub use child::Child;
pub use event::{
    Action, ChildView, Event, News, Outcome, RequestError, Seat, State, SupervisionNotice, Timer,
};
pub use exit::{Exit, GaveUp, Ignore, Injected, StartError};
pub use fault::ActorFault;
pub use inject::NotInjected;
pub use policy::Policy;
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
