//! What a venue that lies can do: to a stage by its numbers, to a journal, to the daemon.

mod journal;
mod numbers;
