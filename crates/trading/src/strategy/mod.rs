//! Strategies: what trades, and nothing about how it is kept alive.
//!
//! A kind of strategy is one file that implements [`Strategy`] and one line in [`KINDS`]. The
//! configuration makes instances of kinds: `[strategy.<id>]`. An instance has a rank of its own
//! between 400 and 499 and never sees cash or the breaker. Nothing but its file and its line names
//! a kind: settings with their schema, checks and defaults, features, and the words for `why-not`
//! come from the trait.

mod kind;
#[cfg(any(test, feature = "example-kinds"))]
mod rsi_reversal;
mod setting;
mod sma_cross;
mod stage;
mod why_not;

pub use kind::Kind;
pub use setting::{Form, Setting, Wrong};
pub use sma_cross::SmaCross;
pub use stage::StrategyStage;
pub use why_not::WhyNot;

use crate::indicators::{self, Feature};
use everwarm_domain::fact::Retained;
use everwarm_domain::features::FeatureHead;
use everwarm_domain::order::Side;
use everwarm_domain::settings::{Instance, Settings};
use everwarm_domain::time::Timeframe;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Every kind, by name.
pub const KINDS: &[Kind] = &[
    Kind::of::<SmaCross>(),
    #[cfg(any(test, feature = "example-kinds"))]
    Kind::of::<rsi_reversal::RsiReversal>(),
];

/// Former settings of one strategy that a configuration carries at most. What was entered under
/// older ones is left by those in force.
const RETAINED_MAX: usize = 4;

/// Trading logic of one kind, symbol by symbol.
pub trait Strategy: Send + 'static {
    /// Its name: what `kind` says in the configuration.
    const KIND: &'static str;
    /// Rises whenever the same values may give other wishes.
    const VERSION: u16;
    /// Older versions whose states are taken over.
    const CONVERTS: &'static [u16] = &[];
    /// Its settings: the members of its section.
    const SETTINGS: &'static [Setting];
    /// Its settings in their types, with their defaults.
    type Section: Clone + Debug + Default + PartialEq + Send + Serialize + DeserializeOwned;
    /// What it remembers of a symbol.
    type Memory: Clone + Debug + Default + Send + Serialize + DeserializeOwned;

    /// What is wrong between its settings. Each by itself was checked.
    ///
    /// # Errors
    /// Names the settings in question.
    fn check(_section: &Self::Section) -> Result<(), Wrong> {
        Ok(())
    }
    /// Width of the bars at whose ends it is asked.
    fn timeframe(section: &Self::Section) -> Timeframe;
    /// The features it needs, by name: `sma(20)@1h`. Those of wider bars are seen as of the last
    /// one that ended.
    fn features(section: &Self::Section) -> Vec<String>;
    /// Takes the next values of a symbol. `long`: it holds the symbol or has decided to, and no
    /// exit is decided. Only a buy that begins that and a sell that ends it are passed on.
    fn update(
        section: &Self::Section,
        memory: &mut Self::Memory,
        long: bool,
        view: &View<'_>,
    ) -> Option<Wish>;
    /// Why it wished nothing at these values: the first condition that was not met. `memory` is
    /// that from before.
    fn why_not(
        section: &Self::Section,
        memory: &Self::Memory,
        long: bool,
        view: &View<'_>,
    ) -> String;
}

/// What a strategy sees of a symbol after a bar.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Whose, and of which bar.
    pub head: FeatureHead,
    /// The features it asked for, in its order; `NaN` where one is not defined yet.
    pub values: &'a [f64],
}

/// What a strategy wants for the symbol of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Buy enters, sell leaves.
    pub side: Side,
    /// 0 to 1,000,000; of several wishes of one close the surest comes first.
    pub confidence_ppm: u32,
    /// Why, in words a person understands, with the numbers.
    pub reason: String,
}

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The settings of an instance as its kind knows them, where it is enabled; none where there is no
/// such instance or kind, or it cannot be read.
fn section(one: Option<&Instance>) -> Option<(&'static Kind, String)> {
    let one = one.filter(|one| one.enabled)?;
    let kind = kind(&one.kind)?;
    Some((kind, (kind.read)(&one.section).ok()?))
}

/// What of settings no stage can work by. A kind that this program lacks is nobody's here.
///
/// # Errors
/// Names the strategy and what is wrong.
pub fn check(settings: &Settings) -> Result<(), String> {
    for (id, one) in &settings.strategy.0 {
        if let Some(kind) = kind(&one.kind) {
            (kind.read)(&one.section).map_err(|wrong| format!("strategy.{id}: {}", wrong.text))?;
        }
    }
    Ok(())
}

/// The features that are needed under settings, and under former ones that are retained.
#[must_use]
pub fn features(settings: &Settings, retained: &[Retained]) -> Vec<String> {
    let now = settings.strategy.0.values().filter_map(|one| section(Some(one)));
    let before = retained.iter().filter_map(|row| Some((kind(&row.kind)?, row.settings.clone())));
    now.chain(before).flat_map(|(kind, section)| (kind.features)(&section)).collect()
}

/// What of settings costs too much, or names no feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaffordable {
    /// The strategy in question. Of many that cost too much together: that which costs most.
    pub id: String,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Whether the features that settings need can be computed of so many symbols, with those of former
/// settings that are retained.
///
/// # Errors
/// Names the strategy.
pub fn affordable(
    settings: &Settings,
    retained: &[Retained],
    symbols: usize,
) -> Result<(), Unaffordable> {
    let mut most: (u64, &str) = (0, "");
    for (id, one) in &settings.strategy.0 {
        let needed = section(Some(one)).map(|(kind, section)| (kind.features)(&section));
        let mut bytes: u64 = 0;
        for text in needed.into_iter().flatten() {
            let read = text.parse::<Feature>();
            let feature = read.map_err(|text| Unaffordable { id: id.clone(), text })?;
            bytes = bytes.saturating_add(feature.formula.bytes());
        }
        most = most.max((bytes, id));
    }
    let checked = indicators::check(&features(settings, retained), symbols);
    checked.map_err(|text| Unaffordable { id: most.1.to_owned(), text })
}

/// The former settings that a configuration carries which follows another one: those it changes or
/// ends, and the newest of those that were retained already.
#[must_use]
pub fn retained(before: &Settings, retained: &[Retained], after: &Settings) -> Vec<Retained> {
    let mut all = retained.to_vec();
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

/// The strategies that settings have off, by id.
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
        // Three strategies need four features: 1,080 prices a symbol.
        let wrong = affordable(&settings, &[], 31_000).unwrap_err();
        assert_eq!(wrong.id, "long");
        assert!(wrong.text.starts_with("4 features of 31000 symbols take 264"), "{}", wrong.text);
        settings.strategy.enable("long", false);
        assert_eq!(affordable(&settings, &[], 31_000), Ok(()), "what is off computes nothing");
        // Former settings that something is held by are computed as well.
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
