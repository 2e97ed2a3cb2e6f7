//! The API on loopback: what the commands print, as JSON, and the few things that may be changed.
//!
//! 1. A page of another site must not read it: requests whose `Host` is not a name or address of
//!    loopback are refused (name rebinding), and no CORS header is ever sent.
//! 2. What changes something needs the token, is bounded in size and time, and leaves a line in the
//!    audit log.
//! 3. Errors are problem documents with a stable code; refused requests are counted by it.

mod file;
mod guard;
mod limits;
mod patience;
mod problem;
mod routes;
mod token;
mod writes;

pub use file::{ApiFile, FILE, PID_HEADER};
pub use limits::serve;
pub use problem::{Problem, Refusal, Refusals};
pub use routes::{Api, Metrics, no_story};
pub use token::{TOKEN_FILE, Token};
pub use writes::{AUDIT_FILE, Changes, LogLevel};
