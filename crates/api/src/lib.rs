//! The API: the data that commands print, as JSON, and a few changes. It listens on loopback and,
//! if configured, with TLS for other machines.
//!
//! 1. Pages of other sites cannot read it. It refuses requests whose `Host` is not loopback (DNS
//!    rebinding), and sends no CORS header.
//! 2. Changes need the token, have limits of size and time, and write a line to the audit log. A
//!    page uses a cookie, which it got once for the token.
//! 3. Requests from other machines need TLS, and the token or cookie for reading too.
//! 4. Errors are problem documents with a stable code. Refused requests are counted by code.

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
mod signed;
mod token;
mod writes;

pub use file::{ApiFile, FILE, PID_HEADER};
pub use limits::{Entry, serve};
pub use problem::{Problem, Refusal, Refusals};
pub use routes::{Api, Metrics};
pub use token::{TOKEN_FILE, Token, chance};
pub use writes::Changes;
