//! Health checks: what is wrong, since when, and what to do about it.
//!
//! [`Signs`] has the observations as plain values. The rules over them are pure ([`findings`]).
//! They are the same for a running daemon and for the files of a stopped one.

mod causes;
mod exposed;
mod fold;
mod lasting;
mod rules;
mod signs;
pub mod views;

pub use causes::causes_first;
pub use exposed::{Cause, Exposed, exposed};
pub use fold::{Cancelling, HealthFold, Run};
pub use lasting::Lasting;
pub use rules::{findings, is_configured, never_done};
pub use signs::disk_of;
pub use signs::{Disk, Progress, Signs, Waiting};

#[cfg(test)]
mod sample_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;
