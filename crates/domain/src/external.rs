//! Signals of external programs.

use super::id::Symbol;
use super::money::Decimal;
use super::order::Side;
use super::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most characters of the id of a signal.
pub const ID_MAX: usize = 64;
/// Age at which a signal is refused if its sender sets none, seconds.
pub const AGE_S: u32 = 120;
/// Highest age that a sender may allow, seconds.
pub const AGE_MAX_S: u32 = 3_600;
/// How far the clock of a sender may be ahead, milliseconds.
pub const AHEAD_MS: UtcMs = 60_000;

/// A signal that an external program sends to a strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalSignal {
    /// The id that the sender gave it, at most 64 characters. It counts once for each strategy and
    /// symbol.
    pub id: String,
    /// The strategy that takes it.
    pub strategy: String,
    /// The symbol.
    pub symbol: Symbol,
    /// A buy opens the lot of the strategy, a sell closes it.
    pub side: Side,
    /// Its confidence, 0 to 1,000,000 millionths.
    pub confidence_ppm: u32,
    /// Price at which its lot is sold with a loss, quote units; none: the exit rules.
    pub stop: Option<Decimal>,
    /// Price at which its lot is sold with a profit, quote units; none: the exit rules.
    pub target: Option<Decimal>,
    /// When its sender made it, UTC milliseconds.
    pub time: UtcMs,
    /// Why, in the sender's words.
    pub reason: String,
}

impl ExternalSignal {
    /// Checks the id of a signal.
    ///
    /// # Errors
    /// It is empty, too long or has other characters.
    pub fn check_id(id: &str) -> Result<(), String> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        if (1..=ID_MAX).contains(&id.len()) && id.chars().all(known) {
            return Ok(());
        }
        Err(format!("the id of a signal must be 1 to {ID_MAX} letters, digits, . _ - or :"))
    }
}

impl fmt::Display for ExternalSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExternalSignal { strategy, symbol, side, stop, target, .. } = self;
        let does = match side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        write!(f, "{does} {symbol} for {strategy}")?;
        for (name, price) in [("stop", stop), ("target", target)] {
            if let Some(price) = price {
                write!(f, ", {name} {}", price.normalize())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        for id in ["a", "trend-BTCUSDT-1767600000000-buy", "2026-01-05T07:00:00Z", &"x".repeat(64)]
        {
            assert_eq!(ExternalSignal::check_id(id), Ok(()));
        }
        for id in ["", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert!(ExternalSignal::check_id(id).is_err(), "{id:?}");
        }
    }
}
