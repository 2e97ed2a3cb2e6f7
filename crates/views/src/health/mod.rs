//! Whether all goes on as it should: what is wrong, since when, and what to do about it.
//!
//! What is known is gathered as plain values ([`Signs`]); the rules over them are pure
//! ([`findings`]) and the same for a running daemon and for the files of one that does not run.

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
mod tests;
