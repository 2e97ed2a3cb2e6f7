//! Supervision: a tree of actors that is declared as data, started and stopped in order, and whose
//! failed parts are replaced.
//!
//! `spec` says what a tree is made of. `policy` is a pure state machine that holds every rule, in
//! the words of `event`. `supervisor` is the actor that obeys it, `instance` the task beside each
//! actor, `root` the handle of it all. Others are found through `slot`. `exit` tells how an actor
//! ended.

mod event;
mod exit;
mod instance;
mod policy;
mod root;
mod slot;
mod spec;
mod supervisor;

pub use event::{Action, ChildView, Event, News, Outcome, RequestError, Seat, State, Timer};
pub use exit::{Exit, GaveUp, Injected, StartError};
pub use policy::Policy;
pub use root::{RootError, RootHandle, RootOutcome};
pub use slot::{Directory, Slot, TreeView, Unsent};
pub use spec::{
    Backoff, BoxFuture, ChildSpec, Kind, OnGiveUp, Restart, Rules, Settings, Shutdown, SpecError,
    StartContext, StartFn, Started, Strategy, SupervisorSpec, custom, supervisor, worker,
};
pub use supervisor::{Observer, SupervisionNotice, SupervisorRef, Tree, Wall};
