//! The built binary as a person meets it.

mod absent;
mod api;
mod config;
mod demo;
mod look;
mod nouns;
mod refuse;
mod words;
