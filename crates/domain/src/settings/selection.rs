//! Which symbols are traded: `[market.universe]`, and the names of `market.symbols`.

use crate::id::Symbol;
use crate::money::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which symbols are traded.
///
/// Saved states of stages do not hold the limits. The universe saves them at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Selection {
    /// Only these symbols, by name; empty: all symbols of the venue.
    pub names: Vec<Symbol>,
    /// Only symbols paid in this asset; empty: any asset.
    pub quote: String,
    /// Only this many symbols, those with the highest volume; 0: all.
    pub top: u32,
    /// Only symbols with at least this volume a day, in quote units.
    pub min_volume: Decimal,
    /// Excluded symbols, by name.
    pub exclude: Vec<Symbol>,
    /// Time between queries of the venue's symbols, seconds of event time.
    pub refresh_s: i64,
    /// Only symbols with such a market.
    pub limits: MarketLimits,
}

/// What the market of a symbol is to be like. Zero switches a limit off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketLimits {
    /// The largest distance between the best bid and the best ask, millionths of their middle.
    pub max_spread_ppm: u32,
    /// The least age of the symbol's first daily bar, days.
    pub min_age_d: u32,
    /// The least range of the last 24 hours, millionths of its lowest price.
    pub min_volatility_ppm: u32,
    /// The largest range of the last 24 hours, millionths of its lowest price.
    pub max_volatility_ppm: u32,
}

impl Default for Selection {
    fn default() -> Self {
        Selection {
            names: Vec::new(),
            quote: String::new(),
            top: 0,
            min_volume: Decimal::ZERO,
            exclude: Vec::new(),
            refresh_s: 3600,
            limits: MarketLimits::default(),
        }
    }
}

impl Selection {
    /// Whether volumes decide which symbols are traded.
    #[must_use]
    pub fn ranks(&self) -> bool {
        self.top > 0 || self.min_volume > Decimal::ZERO
    }
}

impl MarketLimits {
    /// Whether the statistics of the last 24 hours are needed.
    #[must_use]
    pub fn needs_days(&self) -> bool {
        self.max_spread_ppm > 0 || self.min_volatility_ppm > 0 || self.max_volatility_ppm > 0
    }
}

/// The members that saved states of stages hold.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Selection")]
struct InState {
    names: Vec<Symbol>,
    quote: String,
    top: u32,
    min_volume: Decimal,
    exclude: Vec<Symbol>,
    refresh_s: i64,
}

impl Serialize for Selection {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return Selection::serialize(self, to);
        }
        let Selection { names, quote, top, min_volume, exclude, refresh_s, limits: _ } =
            self.clone();
        InState { names, quote, top, min_volume, exclude, refresh_s }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Selection, D::Error> {
        if from.is_human_readable() {
            return Selection::deserialize(from);
        }
        let InState { names, quote, top, min_volume, exclude, refresh_s } =
            InState::deserialize(from)?;
        let limits = MarketLimits::default();
        Ok(Selection { names, quote, top, min_volume, exclude, refresh_s, limits })
    }
}
