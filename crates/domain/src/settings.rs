//! The settings of all stages, which `ConfigApplied` carries as one value.

use super::bounds;
use super::id::Symbol;
use super::money::Decimal;
use serde::{Deserialize, Serialize};

mod strategies;

pub use strategies::{Instance, Strategies};

/// Settings of all stages. A fact carries them as JSON text, so that a later field has its default
/// in older facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[market.universe]`, and the names of `market.symbols`.
    pub universe: Selection,
    /// `[trading]`
    pub trading: Trading,
    /// `[risk]`
    pub risk: Risk,
    /// `[strategy.*]`. Saved states of stages do not hold it.
    pub strategy: Strategies,
    /// `[market]`. Saved states of stages are positional, so new fields come last.
    pub market: MarketRules,
}

/// Which symbols are traded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Whether volumes decide which symbols are traded.
    #[must_use]
    pub fn ranks(&self) -> bool {
        self.top > 0 || self.min_volume > Decimal::ZERO
    }
}

/// Which market data is plausible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketRules {
    /// How far a bar may be from the close before it, percent of that close; 0: no limit.
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
    /// Most entries and open positions together at any time.
    pub max_positions: u32,
    /// How long after its close an intent may be sent for the first time, in seconds of event time.
    pub valid_for_s: i64,
    /// How long a request may be under way before the venue rejects it, milliseconds of venue time.
    pub recv_window_ms: i64,
    /// Maximum age of the newest bar of a symbol for an entry, seconds of event time.
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
    /// Most entries a UTC day.
    pub max_trades_per_day: u32,
    /// Realised loss a UTC day, in the quote asset, before the account goes to exits-only.
    pub max_loss_per_day: Decimal,
}

impl Default for Risk {
    fn default() -> Self {
        Risk { max_consecutive_failures: 5, max_trades_per_day: 0, max_loss_per_day: Decimal::ZERO }
    }
}

/// The longest wait that is accepted, seconds: ten years.
const SECONDS_MAX: i64 = 315_360_000;

impl Settings {
    /// Checks that stages can work with these settings. A configuration has narrower limits; these
    /// hold for every journal.
    ///
    /// # Errors
    /// Names the value and its limits.
    pub fn check(&self) -> Result<(), String> {
        // Every limit of a jump is valid.
        // Each kind of strategy checks its own sections.
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
    /// Names the place in the text, or the value beyond its limit.
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
