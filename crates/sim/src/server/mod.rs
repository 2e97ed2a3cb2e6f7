//! The exchange as a process: one port for REST, streams and administration, in one of its
//! protocols.

pub mod account_keys;
pub mod admin;
pub mod answer;
pub mod api;
pub mod connections;
mod guard;
pub mod handle;
pub mod hub;
pub mod limits;
pub mod pace;
pub mod port;
pub mod protocol;
pub mod queue;
pub mod request_queue;
pub mod requests;
pub mod rest;
pub mod routes;
mod run;
pub mod sockets;

#[cfg(test)]
mod tests;

pub use pace::Pace;
pub use protocol::Protocol;
pub use run::{IDLE_EXIT, SimError, SimHandle, SimOptions, serve, start, start_on};
