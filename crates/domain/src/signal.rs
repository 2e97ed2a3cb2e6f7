//! Signals: what strategies propose to trade.

use super::id::Symbol;
use super::money::{Decimal, Price};
use super::order::{ExitPrices, Side};
use super::time::UtcMs;
use serde::{Deserialize, Serialize};

/// What a signal does to the lot of its strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Opens it.
    Open,
    /// Adds to it.
    Add,
    /// Closes a part of it.
    Reduce,
    /// Closes it.
    Close,
}

/// Whether the lot of a strategy is long or short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The lot is bought to open.
    #[default]
    Long,
    /// The lot is sold to open.
    Short,
}

/// A signal of a strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Signal {
    /// The strategy.
    pub strategy: String,
    /// The symbol.
    pub symbol: Symbol,
    /// What it does to the lot.
    pub intent: Intent,
    /// The direction of the lot.
    pub direction: Direction,
    /// The confidence, 0 to 1,000,000 millionths.
    pub confidence_ppm: u32,
    /// The closing price that it was decided on.
    pub price: Price,
    /// End of the bar it was decided on, UTC milliseconds.
    pub close_time: UtcMs,
    /// Why, in words for people.
    pub reason: String,
    /// Further terms.
    pub terms: Box<SignalTerms>,
}

/// Optional terms of a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalTerms {
    /// Size hint, millionths of the usual size of an entry, or of the lot; none: all of it.
    pub size_ppm: Option<u32>,
    /// Worst acceptable price, quote units.
    pub limit: Option<Decimal>,
    /// Price at which the lot is closed with a loss, quote units.
    pub stop: Option<Decimal>,
    /// Price at which the lot is closed with a profit, quote units.
    pub target: Option<Decimal>,
    /// After this instant no order is sent for it for the first time, UTC milliseconds; none: as
    /// configured.
    pub valid_until: Option<UtcMs>,
    /// Its id, if its source gave it one; at most 64 characters.
    pub id: Option<String>,
    /// The id of the signal that this one belongs to.
    pub parent: Option<String>,
}

impl Signal {
    /// The prices that it gives the lot which it opens.
    #[must_use]
    pub const fn exits(&self) -> ExitPrices {
        ExitPrices { stop: self.terms.stop, target: self.terms.target }
    }

    /// The side of an order for this signal.
    #[must_use]
    pub const fn side(&self) -> Side {
        match (self.intent, self.direction) {
            (Intent::Open | Intent::Add, Direction::Long)
            | (Intent::Reduce | Intent::Close, Direction::Short) => Side::Buy,
            (Intent::Open | Intent::Add, Direction::Short)
            | (Intent::Reduce | Intent::Close, Direction::Long) => Side::Sell,
        }
    }
}

impl From<Side> for Intent {
    /// The intent for a long lot.
    fn from(side: Side) -> Intent {
        match side {
            Side::Buy => Intent::Open,
            Side::Sell => Intent::Close,
        }
    }
}

/// The stored form of a signal. Earlier versions stored only the side. Their facts stay byte for
/// byte the same.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    strategy: String,
    symbol: Symbol,
    side: Side,
    confidence_ppm: u32,
    price: Price,
    close_time: UtcMs,
    reason: String,
    #[serde(default, skip_serializing_if = "More::is_default")]
    more: More,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct More {
    /// None: what the side means for a long lot.
    does: Option<(Intent, Direction)>,
    terms: Box<SignalTerms>,
}

impl More {
    fn is_default(&self) -> bool {
        *self == More::default()
    }
}

impl From<Signal> for Stored {
    fn from(signal: Signal) -> Stored {
        let side = signal.side();
        let Signal { strategy, symbol, intent, direction, confidence_ppm, price, .. } = signal;
        let Signal { close_time, reason, terms, .. } = signal;
        let usual = (Intent::from(side), Direction::Long);
        let does = Some((intent, direction)).filter(|does| *does != usual);
        let more = More { does, terms };
        Stored { strategy, symbol, side, confidence_ppm, price, close_time, reason, more }
    }
}

impl From<Stored> for Signal {
    fn from(stored: Stored) -> Signal {
        let Stored { strategy, symbol, side, confidence_ppm, price, close_time, .. } = stored;
        let (reason, More { does, terms }) = (stored.reason, stored.more);
        let (intent, direction) = does.unwrap_or((Intent::from(side), Direction::Long));
        Signal {
            strategy,
            symbol,
            intent,
            direction,
            confidence_ppm,
            price,
            close_time,
            reason,
            terms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(intent: Intent, direction: Direction, terms: SignalTerms) -> Signal {
        Signal {
            strategy: "a".to_owned(),
            symbol: Symbol::new("BTCUSDT").unwrap(),
            intent,
            direction,
            confidence_ppm: 1,
            price: Price::e8(2),
            close_time: 3,
            reason: "why".to_owned(),
            terms: Box::new(terms),
        }
    }

    fn members(signal: &Signal) -> usize {
        let value = serde_json::to_value(signal).unwrap();
        let members = value.as_object().unwrap().len();
        assert_eq!(serde_json::from_value::<Signal>(value).unwrap(), *signal);
        members
    }

    #[test]
    fn what_releases_before_could_say_is_stored_as_they_stored_it() {
        let usual = SignalTerms::default;
        for intent in [Intent::Open, Intent::Close] {
            assert_eq!(members(&signal(intent, Direction::Long, usual())), 7);
        }
        for intent in [Intent::Open, Intent::Add, Intent::Reduce, Intent::Close] {
            assert_eq!(members(&signal(intent, Direction::Short, usual())), 8);
        }
        assert_eq!(members(&signal(Intent::Add, Direction::Long, usual())), 8);
        let terms = SignalTerms { stop: Some(Decimal::ONE), ..usual() };
        assert_eq!(members(&signal(Intent::Open, Direction::Long, terms)), 8);
    }

    #[test]
    fn a_short_lot_is_sold_first() {
        let side = |intent, direction| signal(intent, direction, SignalTerms::default()).side();
        assert_eq!(side(Intent::Open, Direction::Long), Side::Buy);
        assert_eq!(side(Intent::Reduce, Direction::Long), Side::Sell);
        assert_eq!(side(Intent::Open, Direction::Short), Side::Sell);
        assert_eq!(side(Intent::Close, Direction::Short), Side::Buy);
    }
}
