//! Supervision: a tree of actors that is declared as data, started and stopped in order, and whose
//! failed parts are replaced.
//!
//! `spec` says what a tree is made of, `check` what is wrong with that. `policy` is a pure state
//! machine that holds every rule, in the words of `event`. `supervisor` is the actor that obeys it,
//! `instance` the task beside each actor, `requests` what may be asked of it, `root` the handle of
//! it all. Others are found through `slot`. `exit` tells how an actor ended. `watchdog` sees what a
//! kill cannot end: handlers that hold their thread, which `busy` stamps. `harm` is what may be
//! done to an actor on purpose.

mod busy;
mod check;
mod event;
mod exit;
mod harm;
mod instance;
mod policy;
mod requests;
mod root;
mod slot;
mod spec;
mod supervisor;
mod watchdog;

pub use check::SpecError;
pub use event::{Action, ChildView, Event, News, Outcome, RequestError, Seat, State, Timer};
pub use exit::{Exit, GaveUp, Ignore, Injected, StartError};
pub use harm::{Harm, NotHarmed};
pub use policy::Policy;
pub use requests::{Child, ChildInfo, Count, SupervisorRef};
pub use root::{RootError, RootHandle, RootOutcome};
pub use slot::{ActorReading, Directory, Slot, TreeView, Unsent};
pub use spec::{
    AutoShutdown, Backoff, BoxFuture, ChildSpec, Extra, Kind, OnGiveUp, Restart, Rules, Settings,
    Shutdown, StartContext, StartFn, Started, Strategy, SupervisorSpec, custom, supervisor,
    template, worker,
};
pub use supervisor::{Observer, SupervisionNotice, Tree, Wall};
pub use watchdog::{Limits, Watchdog};
