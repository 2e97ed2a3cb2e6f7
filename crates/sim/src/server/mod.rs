//! The exchange as a process: one port for REST, market streams, the WebSocket API and
//! administration.

pub mod admin;
pub mod answer;
pub mod api;
pub mod desk;
mod guard;
pub mod hub;
pub mod limits;
pub mod line;
pub mod pace;
pub mod port;
pub mod requests;
pub mod rest;
pub mod routes;
mod run;
pub mod sockets;
pub mod through;

#[cfg(test)]
mod tests;

pub use pace::Pace;
pub use run::{IDLE_EXIT, SimError, SimHandle, SimOptions, serve, start, start_on};
