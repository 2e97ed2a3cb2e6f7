//! Random draws as pure hashes: no generator, no state, and no dependence on the order of calls.

use everwarm_domain::id::Symbol;
use everwarm_domain::time::UtcMs;
use sha2::{Digest, Sha256};

/// What a draw is for. Different purposes draw independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether and into how many trades a taking order is split.
    Split,
    /// Distance of the first price from the last trade.
    Slip,
    /// Distance between the prices of a split order.
    Step,
    /// Share of a bar's volume that resting orders can fill.
    Share,
    /// An id that replaces a missing client id.
    Name,
}

/// The inputs of a draw. Venue time is not one of them: a repeat in the same minute draws the same.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Seed of the exchange.
    pub seed: u64,
    /// The traded symbol.
    pub symbol: Symbol,
    /// Close of the last released minute.
    pub minute: UtcMs,
    /// The client's id of the order; empty for draws that concern all orders.
    pub client_id: &'a str,
}

impl Draw<'_> {
    /// A number over the whole range of `u64`.
    #[must_use]
    pub fn number(&self, purpose: Purpose) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.minute.to_be_bytes());
        hash.update([purpose as u8]);
        hash.update(self.symbol.as_str().as_bytes());
        hash.update([0]);
        hash.update(self.client_id.as_bytes());
        let bytes = hash.finalize();
        bytes.iter().take(8).fold(0, |sum, b| sum << 8 | u64::from(*b))
    }

    /// A number from `low` to `high`, both inclusive; `low` if the range is empty.
    #[must_use]
    pub fn between(&self, purpose: Purpose, low: u64, high: u64) -> u64 {
        low + self.number(purpose) % (high.saturating_sub(low) + 1)
    }
}
