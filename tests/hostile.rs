//! What a venue that lies can do: to a stage by its numbers, to a journal, to the daemon.

mod answers;
mod journal;
mod numbers;
mod stored;
mod venue;
