//! The settings of all stages, which `ConfigApplied` carries as one value.

use super::bounds;
use super::money::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub mod confidence;
pub mod drivers;
pub mod entries;
pub mod exits;
pub mod regimes;
pub mod selection;
pub mod sizes;
mod strategies;
pub mod warm_up;

pub use drivers::{Driver, DriverLevels, DriverRule};
pub use entries::EntryRule;
pub use exits::ExitRules;
pub use regimes::{Regime, RegimeRule};
pub use selection::{MarketLimits, Selection};
pub use sizes::{Size, SizeRules};
pub use strategies::{Instance, Strategies};
pub use warm_up::WarmUp;

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

/// What follows from open orders that somebody else placed at the account. Orders with our prefix
/// that we do not know always halt trading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum ExternalOrders {
    /// Nothing. What they trade shows in the balances.
    #[default]
    Ignore,
    /// Trading is halted while there are any.
    Halt,
    /// What they trade becomes part of the books: the strategy `manual` owns it. Saved states of
    /// stages do not distinguish it from `Ignore`, because no stage does.
    Adopt,
}

impl Serialize for ExternalOrders {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return ExternalOrders::serialize(self, to);
        }
        let halts = *self == ExternalOrders::Halt;
        let saved = if halts { ExternalInState::Halt } else { ExternalInState::Ignore };
        saved.serialize(to)
    }
}

impl<'de> Deserialize<'de> for ExternalOrders {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ExternalOrders, D::Error> {
        if from.is_human_readable() {
            return ExternalOrders::deserialize(from);
        }
        Ok(match ExternalInState::deserialize(from)? {
            ExternalInState::Ignore => ExternalOrders::Ignore,
            ExternalInState::Halt => ExternalOrders::Halt,
        })
    }
}

/// The policies that saved states of stages distinguish.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExternalInState {
    Ignore,
    Halt,
}

/// Rules of the circuit breaker. Zero switches a rule off.
///
/// Saved states of stages hold the first three members only. The breaker saves all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Risk {
    /// Rejected or expired orders in a row before the account goes to exits-only.
    pub max_consecutive_failures: u32,
    /// Most entries a day.
    pub max_trades_per_day: u32,
    /// Loss of equity since the day began, in the quote asset, before the account goes to
    /// exits-only.
    pub max_loss_per_day: Decimal,
    /// Drawdown of the equity before the account goes to reduced, percent of the peak.
    pub reduce_at_drawdown_percent: u32,
    /// Drawdown of the equity before the account goes to exits-only, percent of the peak.
    pub exits_only_at_drawdown_percent: u32,
    /// Drawdown of the equity before the account goes to halted, percent of the peak.
    pub halt_at_drawdown_percent: u32,
    /// The peak is the highest equity of this many days.
    pub peak_days: u32,
    /// Losing trades in a row of a symbol before it is barred.
    pub losses_in_a_row: u32,
    /// How long they bar it, minutes.
    pub losses_bar_minutes: u32,
    /// Trades of a symbol within 24 h that bar it if their sum is a loss.
    pub symbol_trades: u32,
    /// How long they bar it, minutes.
    pub symbol_trades_bar_minutes: u32,
    /// How long a stop bars its symbol, minutes.
    pub stop_cooldown_minutes: u32,
    /// Stop-outs of a strategy within 24 h before it goes to reduced.
    pub strategy_reduce_at_stops: u32,
    /// The least share of stop-outs among its exits for that, percent.
    pub strategy_reduce_at_stop_percent: u32,
    /// Stop-outs of a strategy within 24 h before it goes to exits-only.
    pub strategy_exits_only_at_stops: u32,
    /// The least share of stop-outs among its exits for that, percent.
    pub strategy_exits_only_at_stop_percent: u32,
    /// How long an order may be unknown before the account goes to exits-only, seconds of event
    /// time.
    pub unknown_order_s: i64,
    /// How long the venue may fail to respond before the account goes to exits-only, seconds.
    pub venue_silent_s: i64,
    /// How long no close may come during trading hours, seconds of event time.
    pub no_close_s: i64,
    /// How far this machine's clock may differ from the venue's, milliseconds.
    pub clock_off_ms: i64,
    /// How long a commit may wait for the disk, seconds.
    pub disk_behind_s: i64,
    /// Starts of the daemon and unplanned restarts of actors within an hour of event time before
    /// the account goes to exits-only.
    pub restarts_per_hour: u32,
    /// What follows from open orders of the account that are not ours.
    pub external_orders: ExternalOrders,
    /// The caps of exposure, and the costs of a stop. Saved states of stages hold none of it.
    pub sizes: SizeRules,
    /// The level of the account by the drivers of symbols. Saved states of stages hold none of it.
    pub driver_levels: DriverLevels,
}

impl Default for Risk {
    fn default() -> Self {
        Risk {
            max_consecutive_failures: 5,
            max_trades_per_day: 0,
            max_loss_per_day: Decimal::ZERO,
            reduce_at_drawdown_percent: 0,
            exits_only_at_drawdown_percent: 0,
            halt_at_drawdown_percent: 0,
            peak_days: 0,
            losses_in_a_row: 0,
            losses_bar_minutes: 0,
            symbol_trades: 0,
            symbol_trades_bar_minutes: 0,
            stop_cooldown_minutes: 0,
            strategy_reduce_at_stops: 0,
            strategy_reduce_at_stop_percent: 0,
            strategy_exits_only_at_stops: 0,
            strategy_exits_only_at_stop_percent: 0,
            unknown_order_s: 0,
            venue_silent_s: 0,
            no_close_s: 0,
            clock_off_ms: 0,
            disk_behind_s: 0,
            restarts_per_hour: 0,
            external_orders: ExternalOrders::Ignore,
            sizes: SizeRules::default(),
            driver_levels: DriverLevels::default(),
        }
    }
}

/// The rules that saved states of stages hold.
#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the keys")]
struct InState {
    max_consecutive_failures: u32,
    max_trades_per_day: u32,
    max_loss_per_day: Decimal,
}

impl Serialize for Risk {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return Risk::serialize(self, to);
        }
        let Risk { max_consecutive_failures, max_trades_per_day, max_loss_per_day, .. } = *self;
        InState { max_consecutive_failures, max_trades_per_day, max_loss_per_day }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Risk {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Risk, D::Error> {
        if from.is_human_readable() {
            return Risk::deserialize(from);
        }
        let InState { max_consecutive_failures, max_trades_per_day, max_loss_per_day } =
            InState::deserialize(from)?;
        let rest = Risk::default();
        Ok(Risk { max_consecutive_failures, max_trades_per_day, max_loss_per_day, ..rest })
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
            ("unknown_order_s", risk.unknown_order_s),
            ("venue_silent_s", risk.venue_silent_s),
            ("no_close_s", risk.no_close_s),
            ("clock_off_ms", risk.clock_off_ms),
            ("disk_behind_s", risk.disk_behind_s),
        ] {
            if !(0..=SECONDS_MAX).contains(&value) {
                return Err(format!("{what} {value} is not from 0 to {SECONDS_MAX}"));
            }
        }
        bounds::quote("notional", trading.notional)?;
        bounds::quote("min_volume", universe.min_volume)?;
        bounds::quote("max_loss_per_day", risk.max_loss_per_day)?;
        let SizeRules { groups, fee_ppm, slippage_ppm, .. } = &risk.sizes;
        let caps = risk.sizes.amounts().into_iter().flatten();
        for cap in caps.chain(groups.iter().map(|group| group.most)) {
            bounds::quote("a cap of exposure", cap)?;
        }
        for (what, ppm) in [("fee", *fee_ppm), ("slippage", *slippage_ppm)] {
            if ppm >= sizes::MILLION {
                return Err(format!("{what} {} is not below 100%", sizes::percent(ppm)));
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_kernel::state;

    #[test]
    fn a_configuration_of_an_earlier_version_has_later_rules_off() {
        let text = r#"{"risk":{"max_trades_per_day":3}}"#;
        let risk = Settings::from_text(text).unwrap().risk;
        assert_eq!(risk, Risk { max_trades_per_day: 3, ..Risk::default() });
        let risk = Risk { reduce_at_drawdown_percent: 5, ..risk };
        let text = Settings { risk: risk.clone(), ..Settings::default() }.to_text();
        assert_eq!(Settings::from_text(&text).unwrap().risk, risk);
    }

    #[test]
    fn a_saved_state_ignores_orders_that_are_adopted_and_a_configuration_does_not() {
        let all = [ExternalOrders::Ignore, ExternalOrders::Halt, ExternalOrders::Adopt];
        let saved: [ExternalOrders; 3] =
            all.map(|policy| state::load(1, &state::save(1, &policy)).unwrap());
        assert_eq!(saved, [ExternalOrders::Ignore, ExternalOrders::Halt, ExternalOrders::Ignore]);
        let text = all.map(|policy| serde_json::to_string(&policy).unwrap());
        assert_eq!(text, [r#""ignore""#, r#""halt""#, r#""adopt""#]);
        let read: [ExternalOrders; 3] = text.map(|text| serde_json::from_str(&text).unwrap());
        assert_eq!(read, all);
    }

    #[test]
    fn caps_and_costs_beyond_their_limits_are_refused() {
        let why = |text: &str| {
            let text = format!(r#"{{"risk":{{"sizes":{text}}}}}"#);
            Settings::from_text(&text).unwrap_err()
        };
        assert!(why(r#"{"max_exposure":"-1"}"#).contains("a cap of exposure -1"));
        assert_eq!(why(r#"{"fee_ppm":1000000}"#), "settings: fee 100% is not below 100%");
        assert!(why(r#"{"most":"1"}"#).contains("unknown field"));
    }
}
