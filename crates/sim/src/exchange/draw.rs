//! Random numbers as a function of known values: no generator, no state, no order of calls.

use everwarm_domain::id::Symbol;
use everwarm_domain::time::UtcMs;
use sha2::{Digest, Sha256};

/// The purpose of a random number. Different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether and into how many trades a taking order is split.
    Split,
    /// Distance of the first price from the last trade.
    Slip,
    /// Distance between the prices of a split order.
    Step,
    /// Share of a bar's volume that resting orders can have.
    Share,
    /// An id for a client that gave none.
    Name,
}

/// The source of random numbers: the seed, the symbol, the close of the last released minute (never
/// venue time) and the client's id.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The seed of the exchange.
    pub seed: u64,
    /// The symbol.
    pub symbol: Symbol,
    /// Close of the last released minute.
    pub minute: UtcMs,
    /// The client's id of the order; empty if all orders are concerned.
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
