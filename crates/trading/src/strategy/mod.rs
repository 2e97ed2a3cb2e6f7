//! Defines strategies: the trading logic, separate from supervision and recovery.
//!
//! A kind of strategy is a file that implements [`Strategy`], and an entry in [`KINDS`]. A program
//! can [`add`] kinds of its own. The configuration makes instances of kinds: `[strategy.<id>]`. An
//! instance has its own rank between 400 and 499 and never reads cash or the breaker. The trait
//! provides everything else: settings with schema, checks and defaults, features, and the texts of
//! `why-not`.

mod channel;
pub mod check;
mod conditions;
mod dca;
mod edge;
mod external;
mod kind;
mod kinds;
mod numbers;
#[cfg(any(test, feature = "example-kinds"))]
mod rsi_reversal;
mod setting;
mod settled;
mod sma_cross;
mod smc;
mod stage;
mod swing;
mod thresholds;
mod why_not;

pub use conditions::{Compared, Condition, Conditions, Distance, first_lack};
pub use edge::Edge;
pub use kind::Kind;
pub use kinds::{add, is_name, kind, kinds};
pub use numbers::{ppm, saturating, show};
pub use setting::{Added, ENTRY, EXITS, Form, SIZE, Setting, TIMEFRAME, Wrong, of_every};
pub(crate) use settled::{Counted, counted_by_strategy};
pub use sma_cross::SmaCross;
pub use stage::StrategyStage;
pub use why_not::{Verdict, WhyNot};

use crate::indicators::{self, Feature};
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::fact::Retained;
use everwarm_domain::features::FeatureHead;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::ExitPrices;
use everwarm_domain::settings::exits::AtrStop;
use everwarm_domain::settings::{ExitRules, Instance, Settings};
use everwarm_domain::signal::{Direction, Intent, Signal, SignalTerms};
use everwarm_domain::time::Timeframe;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The built-in kinds. [`kinds`] also has those that the program added.
pub const KINDS: &[Kind] = &[
    Kind::of::<SmaCross>(),
    Kind::of::<swing::Swing>(),
    Kind::of::<channel::Channel>(),
    Kind::of::<dca::Dca>(),
    Kind::of::<smc::Smc>(),
    Kind::of::<external::External>(),
    #[cfg(any(test, feature = "example-kinds"))]
    Kind::of::<rsi_reversal::RsiReversal>(),
];

/// Most former settings of one strategy that a configuration carries. Positions opened with older
/// ones are closed by the settings in force.
const RETAINED_MAX: usize = 4;

/// The trading logic of one kind, run for each symbol separately.
pub trait Strategy: Send + 'static {
    /// Name of the kind, as in the configuration key `kind`.
    const KIND: &'static str;
    /// Version; it rises whenever the same values may give other signals.
    const VERSION: u16;
    /// Older versions whose states can be converted.
    const CONVERTS: &'static [u16] = &[];
    /// Whether a position ends with its lot. Otherwise it lasts until the strategy sells, so that
    /// no entry follows a stop at once.
    const ENDS_WITH_LOT: bool = false;
    /// Whether it takes signals of external programs: see [`Strategy::external`].
    const EXTERNAL: bool = false;
    /// Settings: the members of its section.
    const SETTINGS: &'static [Setting];
    /// The settings that later versions added, in the order of their versions. They are the last
    /// members of the section.
    ///
    /// Journals hold sections without them. Such a section has the value that `#[serde(default)]`
    /// gives the member; a new configuration has that of the section's `Default`. So a kind can
    /// change a formula, and no stored configuration changes its meaning.
    const ADDED: &'static [Added] = &[];
    /// Typed settings, with their defaults.
    type Section: Clone + Debug + Default + PartialEq + Send + Serialize + DeserializeOwned;
    /// Memory of one symbol between updates.
    type Memory: Clone + Debug + Default + Send + Serialize + DeserializeOwned;

    /// Checks the settings against each other. Each one was checked alone before.
    ///
    /// # Errors
    /// The settings that contradict each other, and why.
    fn check(_section: &Self::Section) -> Result<(), Wrong> {
        Ok(())
    }
    /// The exit rules of its lots, where the configuration sets none.
    #[must_use]
    fn exits() -> ExitRules {
        ExitRules::default()
    }
    /// Width of the bars at whose ends [`Strategy::update`] runs.
    fn timeframe(section: &Self::Section) -> Timeframe;
    /// The needed features, by name: `sma(20)@1h`. Values of wider bars are those of the last
    /// finished bar.
    fn features(section: &Self::Section) -> Vec<String>;
    /// Takes the next values of a symbol and returns a signal, if any. `long`: the symbol is held
    /// or being bought, and no exit is owed. The stage passes on only an opening while not long, a
    /// closing while long, and an addition to a lot without an open entry.
    fn update(
        section: &Self::Section,
        memory: &mut Self::Memory,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal>;
    /// Takes a signal of an external program, between two closes. Returns the newest close of the
    /// symbol and the signal. The stage passes it on, except an opening while the strategy is off.
    fn external(
        _section: &Self::Section,
        _memory: &mut Self::Memory,
        _given: &ExternalSignal,
    ) -> Option<(FeatureHead, StrategySignal)> {
        None
    }
    /// The conditions of the next signal at these values, in the order in which `why-not` names
    /// them. `scan` shows them and orders symbols by them. `memory` is the memory before these
    /// values. Without this function they are one condition without numbers.
    ///
    /// # Errors
    /// These values cannot be judged, and why: a feature is not warm.
    fn conditions(
        section: &Self::Section,
        memory: &Self::Memory,
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let why = Self::why_not(section, memory, long, view);
        if view.values.iter().any(|value| value.is_nan()) {
            return Err(why);
        }
        let intent = if long { Intent::Close } else { Intent::Open };
        Ok(Conditions::new(intent, vec![Condition::new("signal", false, || why)]))
    }
    /// Why these values gave no signal: the first condition that was not met. `memory` is the
    /// memory before these values.
    fn why_not(
        section: &Self::Section,
        memory: &Self::Memory,
        long: bool,
        view: &View<'_>,
    ) -> String;
}

/// The values of a symbol after a bar, as a strategy receives them.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Symbol, time and closing price.
    pub head: FeatureHead,
    /// Values of [`Strategy::features`], in that order; `NaN` if not defined yet.
    pub values: &'a [f64],
    /// What the strategy holds of the symbol.
    pub lot: LotView,
}

/// What a strategy holds of a symbol, as of the previous input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LotView {
    /// Base units of its lot.
    pub held: Decimal,
    /// Whether an order of an entry is not final.
    pub enters: bool,
    /// Whether an exit is owed.
    pub leaves: bool,
}

/// A signal of a strategy for the symbol of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategySignal {
    /// Whether it opens, adds to or closes the lot. Parts of a lot are not sold.
    pub intent: Intent,
    /// Confidence from 0 to 1,000,000. Of several signals of a close, the highest is decided first.
    pub confidence_ppm: u32,
    /// Reason for people, with the numbers.
    pub reason: String,
    /// Prices at which the lot that it opens is sold, in place of the exit rules.
    pub exits: ExitPrices,
    /// Size of the entry, millionths of the usual one; none: all of it. Only an addition may be
    /// larger than usual.
    pub size_ppm: Option<u32>,
}

impl StrategySignal {
    /// A signal of the usual size that leaves the prices of its exits to the exit rules.
    #[must_use]
    pub fn new(intent: Intent, confidence_ppm: u32, reason: String) -> StrategySignal {
        let (exits, size_ppm) = (ExitPrices::default(), None);
        StrategySignal { intent, confidence_ppm, reason, exits, size_ppm }
    }

    /// The signal of strategy `id` after the bar of `head`.
    pub(super) fn of(self, id: &str, head: FeatureHead) -> Signal {
        let (ExitPrices { stop, target }, size_ppm) = (self.exits, self.size_ppm);
        let terms = SignalTerms { stop, target, size_ppm, ..SignalTerms::default() };
        Signal {
            strategy: id.to_owned(),
            symbol: head.symbol,
            intent: self.intent,
            direction: Direction::Long,
            confidence_ppm: self.confidence_ppm.min(1_000_000),
            price: head.close,
            close_time: head.time,
            reason: self.reason,
            terms: Box::new(terms),
        }
    }
}

/// The kind and checked section of an enabled instance. `None` if there is no such instance or
/// kind, or the section cannot be read.
fn section(one: Option<&Instance>) -> Option<(&'static Kind, String)> {
    let one = one.filter(|one| one.enabled)?;
    let kind = kind(&one.kind)?;
    Some((kind, (kind.read)(&one.section).ok()?))
}

/// Checks all strategy sections whose kind this program has.
///
/// # Errors
/// The strategy and what is wrong with its section.
pub fn check(settings: &Settings) -> Result<(), String> {
    for (id, one) in &settings.strategy.0 {
        if let Some(kind) = kind(&one.kind) {
            (kind.read)(&one.section).map_err(|wrong| format!("strategy.{id}: {}", wrong.text))?;
        }
    }
    Ok(())
}

/// The features needed by the settings, by retained former settings, and by the breaker.
#[must_use]
pub fn features(settings: &Settings, retained: &[Retained]) -> Vec<String> {
    let now = settings.strategy.0.values().flat_map(features_of);
    let before = retained.iter().filter_map(|row| Some((kind(&row.kind)?, &row.settings)));
    let risk = settings.risk.driver_levels.feature().map(str::to_owned);
    now.chain(before.flat_map(|(kind, section)| (kind.features)(section))).chain(risk).collect()
}

/// The features of each enabled strategy, by id.
#[must_use]
pub fn features_by_strategy(settings: &Settings) -> BTreeMap<String, Vec<String>> {
    let enabled = settings.strategy.0.iter().filter(|(_, one)| one.enabled);
    enabled.map(|(id, one)| (id.clone(), features_of(one))).collect()
}

/// The features needed by an instance, if it is enabled, with the counts of their bars.
fn features_of(one: &Instance) -> Vec<String> {
    let features = features_without_counts(one);
    let counts: Vec<String> = settled::counts(one, &features).collect();
    [features, counts].concat()
}

/// The features needed by an instance, if it is enabled: those of its kind, of its stop, of its
/// regimes and of its drivers, each once.
fn features_without_counts(one: &Instance) -> Vec<String> {
    let Some((kind, section)) = section(Some(one)) else { return Vec::new() };
    let stop = stop_by_range(one).map(|(_, feature)| feature);
    let regime = one.regimes.feature().map(str::to_owned);
    let drivers = one.drivers.features().map(str::to_owned);
    let mut features = (kind.features)(&section);
    for feature in stop.into_iter().chain(regime).chain(drivers) {
        if !features.contains(&feature) {
            features.push(feature);
        }
    }
    features
}

/// The stop of an enabled instance that is a multiple of an average true range, and its feature.
fn stop_by_range(one: &Instance) -> Option<(AtrStop, String)> {
    let (kind, section) = section(Some(one))?;
    let stop = one.exits.as_ref()?.stop_atr?;
    Some((stop, stop.feature((kind.timeframe)(&section)?)))
}

/// The strategies whose stop is a multiple of an average true range, with its feature.
pub(crate) fn stops_by_range(settings: &Settings) -> BTreeMap<String, (AtrStop, String)> {
    let of = |(id, one): (&String, &Instance)| Some((id.clone(), stop_by_range(one)?));
    settings.strategy.0.iter().filter_map(of).collect()
}

/// Why settings need too much memory or name no feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaffordable {
    /// The strategy concerned. If all together need too much, the one that needs most.
    pub id: String,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Checks that the needed features can be computed for so many symbols. Those of retained former
/// settings count too.
///
/// # Errors
/// The strategy, and the reason.
pub fn affordable(
    settings: &Settings,
    retained: &[Retained],
    symbols: usize,
) -> Result<(), Unaffordable> {
    let mut most: (u64, &str) = (0, "");
    for (id, one) in &settings.strategy.0 {
        let mut bytes: u64 = 0;
        for text in features_of(one) {
            let read = text.parse::<Feature>();
            let feature = read.map_err(|text| Unaffordable { id: id.clone(), text })?;
            bytes = bytes.saturating_add(feature.formula.bytes());
        }
        most = most.max((bytes, id));
    }
    let checked = indicators::check(&features(settings, retained), symbols);
    checked.map_err(|text| Unaffordable { id: most.1.to_owned(), text })
}

/// The former settings that the next configuration must carry: those it changes or ends, and the
/// newest of the retained ones.
#[must_use]
pub fn retained(before: &Settings, retained: &[Retained], after: &Settings) -> Vec<Retained> {
    // Those of earlier versions may lack settings that their kind gained since.
    let whole = |row: &Retained| {
        let read = kind(&row.kind).and_then(|kind| (kind.read)(&row.settings).ok());
        Retained { settings: read.unwrap_or_else(|| row.settings.clone()), ..row.clone() }
    };
    let mut all: Vec<Retained> = retained.iter().map(whole).collect();
    let mut ids: Vec<&String> = before.strategy.0.keys().chain(after.strategy.0.keys()).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let of = |settings: &Settings| section(settings.strategy.0.get(id));
        let (former, now) = (of(before), of(after));
        let is = |row: &Retained, of: &Option<(&Kind, String)>| {
            row.id == *id && of.as_ref().is_some_and(|(_, section)| *section == row.settings)
        };
        all.retain(|row| !is(row, &former) && !is(row, &now));
        let same = former.as_ref().map(|(_, s)| s) == now.as_ref().map(|(_, s)| s);
        if let Some((kind, settings)) = former.filter(|_| !same) {
            let (id, kind) = (id.clone(), kind.name.to_owned());
            all.push(Retained { id, settings, kind });
        }
        while all.iter().filter(|row| row.id == *id).count() > RETAINED_MAX {
            let oldest = all.iter().position(|row| row.id == *id);
            oldest.map(|at| all.remove(at));
        }
    }
    all
}

/// The ids of the disabled strategies.
#[must_use]
pub fn off(settings: &Settings) -> Vec<String> {
    let off = settings.strategy.0.iter().filter(|(_, one)| !one.enabled);
    off.map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::crossing;

    #[test]
    fn too_much_is_refused_by_the_strategy_that_costs_most() {
        let mut settings = crossing(10, 30);
        for (id, slow) in [("long", 1000), ("short", 40)] {
            settings.strategy.0.insert(id.to_owned(), settings.strategy.0["sma_cross"].clone());
            settings.strategy.set(id, "slow", slow);
        }
        assert_eq!(affordable(&settings, &[], 1_000), Ok(()));
        // Three strategies need four features, which store 1,080 prices a symbol.
        let wrong = affordable(&settings, &[], 31_000).unwrap_err();
        assert_eq!(wrong.id, "long");
        assert!(wrong.text.starts_with("4 features of 31000 symbols take 264"), "{}", wrong.text);
        settings.strategy.enable("long", false);
        assert_eq!(affordable(&settings, &[], 31_000), Ok(()), "what is off computes nothing");
        // Features of former settings with an open position are computed as well.
        let before = |slow: u32| Retained {
            id: "short".to_owned(),
            settings: format!(r#"{{"fast":10,"slow":{slow},"timeframe":"1m"}}"#),
            kind: "sma_cross".to_owned(),
        };
        let retained: Vec<Retained> = (997..=1000).map(before).collect();
        let wrong = affordable(&settings, &retained, 31_000).unwrap_err();
        assert!(wrong.text.starts_with("7 features"), "{}", wrong.text);
    }
}
