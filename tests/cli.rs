//! The built binary as a person meets it.

mod demo;
mod look;
mod refuse;
mod words;
