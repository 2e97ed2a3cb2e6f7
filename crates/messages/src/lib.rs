//! What people are told where they are: fills, halts, conflicts and the like, to a webhook and to
//! Telegram, and a sign of life.
//!
//! 1. What is told follows from facts on disk alone ([`everwarm_views::news`]), one item a fact,
//!    whose number names the item: told twice, it has the same id.
//! 2. A message is on disk before it is sent, and remembered until it is taken ([`outbox`]). So it
//!    arrives at least once, over any kill, and unchanged if twice.
//! 3. What is urgent overtakes the rest, and a message that its receiver refuses for good is set
//!    apart ([`mail`]).
//! 4. Whoever does not take messages costs nothing but their delay: facts are read again where
//!    they lie, and no more is held than one message ([`courier`]).

pub mod courier;
pub mod heartbeat;
pub mod mail;
pub mod outbox;
pub mod receiver;
