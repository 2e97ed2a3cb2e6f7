//! Messages to people: fills, halts, conflicts and the like, to a webhook and to Telegram. Also a
//! heartbeat.
//!
//! 1. Messages follow from durable facts alone ([`everwarm_views::news`]), one item for each fact.
//!    The fact's number is the item's id, so a repeated item has the same id.
//! 2. A message is durable before it is sent, and stays until the receiver accepts it ([`outbox`]).
//!    So it arrives at least once across any kill, and repeated ones are identical.
//! 3. Urgent items overtake the others. A message that its receiver rejects for good is stored
//!    apart ([`mail`]).
//! 4. A receiver that accepts nothing only delays its messages. Facts are read again from the
//!    journal, and each outbox holds one message at most ([`courier`]).
//! 5. One chat may also send commands, if that is configured ([`commander`]). A command acts once.

mod code;
pub mod commander;
pub mod commands;
pub mod courier;
pub mod heartbeat;
pub mod mail;
pub mod outbox;
pub mod receiver;
