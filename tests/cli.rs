//! The built binary as a person meets it.

mod config;
mod demo;
mod look;
mod refuse;
mod words;
