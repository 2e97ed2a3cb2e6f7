//! What the stages are told of the configuration, as one value carried by `ConfigApplied`.

use super::bounds;
use super::id::Symbol;
use super::money::Decimal;
use serde::{Deserialize, Serialize};

mod strategies;

pub use strategies::{Instance, Strategies};

/// Settings of all stages. Travels as JSON text inside a fact, so that a later field has its
/// default in older facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[market.universe]`, and the names of `market.symbols`.
    pub universe: Selection,
    /// `[trading]`
    pub trading: Trading,
    /// `[risk]`
    pub risk: Risk,
    /// `[strategy.*]`. States of stages hold none.
    pub strategy: Strategies,
    /// `[market]`. States of stages hold settings by their places: new ones come last.
    pub market: MarketRules,
}

/// Which symbols are traded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Only these, by name; empty: all the venue has.
    pub names: Vec<Symbol>,
    /// Only those paid in this asset; empty: in any.
    pub quote: String,
    /// Only the first so many by volume; 0: all.
    pub top: u32,
    /// Only those with this volume a day, in quote units.
    pub min_volume: Decimal,
    /// Not these, by name.
    pub exclude: Vec<Symbol>,
    /// How long between two looks at what the venue has, seconds of event time.
    pub refresh_s: i64,
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
        }
    }
}

impl Selection {
    /// Whether volumes decide.
    #[must_use]
    pub fn ranks(&self) -> bool {
        self.top > 0 || self.min_volume > Decimal::ZERO
    }
}

/// What is believed of the market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketRules {
    /// How far a bar may lie from the close before it, percent of that; 0: as far as it likes.
    pub max_jump_percent: u32,
}

impl Default for MarketRules {
    fn default() -> Self {
        MarketRules { max_jump_percent: 30 }
    }
}

/// What is traded and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trading {
    /// The asset cash is counted in. Empty: the quote asset of the first instrument by name.
    pub quote_asset: String,
    /// Quote amount of one entry.
    pub notional: Decimal,
    /// Entries and open positions together at any time.
    pub max_positions: u32,
    /// How long after its close an intent may be sent for the first time, in seconds of event time.
    pub valid_for_s: i64,
    /// How long a request may be on its way before the venue refuses it, milliseconds of venue
    /// time.
    pub recv_window_ms: i64,
    /// How old the newest bar of a symbol may be for an entry, seconds of event time.
    pub stale_s: i64,
}

impl Default for Trading {
    fn default() -> Self {
        Trading {
            quote_asset: String::new(),
            notional: Decimal::new(1000, 0),
            max_positions: 10,
            valid_for_s: 300,
            recv_window_ms: 5000,
            stale_s: 180,
        }
    }
}

/// Limits of the circuit breaker. Zero switches a limit off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Risk {
    /// Rejected or expired orders in a row before the account goes to exits-only.
    pub max_consecutive_failures: u32,
    /// Entries a UTC day.
    pub max_trades_per_day: u32,
    /// Realised loss a UTC day, in the quote asset, before the account goes to exits-only.
    pub max_loss_per_day: Decimal,
}

impl Default for Risk {
    fn default() -> Self {
        Risk { max_consecutive_failures: 5, max_trades_per_day: 0, max_loss_per_day: Decimal::ZERO }
    }
}

/// Seconds of any wait at most: ten years.
const SECONDS_MAX: i64 = 315_360_000;

impl Settings {
    /// Whether a stage can work by them. A configuration has narrower limits; these hold for what a
    /// journal holds, however it came there.
    ///
    /// # Errors
    /// Names the value and its limits.
    pub fn check(&self) -> Result<(), String> {
        // Any limit of a jump can be reckoned with.
        // Sections of strategies are their kinds' own.
        let Settings { universe, trading, risk, strategy: _, market: MarketRules { .. } } = self;
        for (what, value) in [
            ("refresh_s", universe.refresh_s),
            ("valid_for_s", trading.valid_for_s),
            ("stale_s", trading.stale_s),
            ("recv_window_ms", trading.recv_window_ms),
        ] {
            if !(0..=SECONDS_MAX).contains(&value) {
                return Err(format!("{what} {value} is not from 0 to {SECONDS_MAX}"));
            }
        }
        bounds::quote("notional", trading.notional)?;
        bounds::quote("min_volume", universe.min_volume)?;
        bounds::quote("max_loss_per_day", risk.max_loss_per_day).map(drop)
    }
}

impl Settings {
    /// The settings in the text of a `ConfigApplied`.
    ///
    /// # Errors
    /// Names the place in the text, or the value that is beyond its limit.
    pub fn from_text(text: &str) -> Result<Settings, String> {
        let read: Result<Settings, _> = serde_json::from_str(text);
        let settings = read.map_err(|e| format!("settings: {e}"))?;
        settings.check().map_err(|why| format!("settings: {why}"))?;
        Ok(settings)
    }

    /// The text for a `ConfigApplied`.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("settings are plain values")
    }
}
