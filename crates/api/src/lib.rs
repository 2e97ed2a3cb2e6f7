//! The API: what the commands print, as JSON, and the few things that may be changed. On loopback,
//! and where it is configured for other machines, with TLS.
//!
//! 1. A page of another site must not read it: requests whose `Host` is not a name or address of
//!    loopback are refused (name rebinding), and no CORS header is ever sent.
//! 2. What changes something needs the token, is bounded in size and time, and leaves a line in the
//!    audit log.
//!    A page has a cookie instead, for which the token was given once.
//! 3. Who asks from another machine needs TLS, and the token or cookie for reading too.
//! 4. Errors are problem documents with a stable code; refused requests are counted by it.

mod backup;
mod file;
mod guard;
mod limits;
pub mod openapi;
pub mod page;
mod page_routes;
mod patience;
mod places;
mod problem;
mod routes;
mod session;
mod token;
mod writes;

pub use file::{ApiFile, FILE, PID_HEADER};
pub use limits::{Entry, serve};
pub use problem::{Problem, Refusal, Refusals};
pub use routes::{Api, Metrics};
pub use token::{TOKEN_FILE, Token, chance};
pub use writes::Changes;
