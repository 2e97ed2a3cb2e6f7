//! Strategies: what trades, and nothing about how it is kept alive.
//!
//! A strategy is one file that implements [`Strategy`], one line in [`REGISTRY`] and one section of
//! the settings. It has a rank of its own between 400 and 499 and never sees orders, cash or the
//! breaker.

mod sma_cross;
mod stage;

pub use sma_cross::SmaCross;
pub use stage::StrategyStage;

use everwarm_domain::fact::{Body, Retained};
use everwarm_domain::features::FeatureHead;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::Timeframe;
use everwarm_kernel::fact::Rank;
use everwarm_kernel::stage::Stage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Every strategy, by rank.
pub const REGISTRY: &[Entry] = &[entry::<SmaCross>()];

/// Former settings of one strategy that a configuration carries at most. What was entered under
/// older ones is left by those in force.
const RETAINED_MAX: usize = 4;

/// Trading logic of one kind, symbol by symbol.
pub trait Strategy: Send + 'static {
    /// Its name: in settings, signals and orders.
    const NAME: &'static str;
    /// Its rank, 400 to 499, never that of another one.
    const RANK: Rank;
    /// Rises whenever the same values may give other wishes.
    const VERSION: u16;
    /// Older versions whose states are taken over.
    const CONVERTS: &'static [u16] = &[];
    /// Its section of the settings.
    type Section: Clone + Debug + PartialEq + Send + Serialize + DeserializeOwned;
    /// What it remembers of a symbol.
    type Memory: Debug + Default + Send + Serialize + DeserializeOwned;

    /// Its section; none when it is off.
    fn section(settings: &Settings) -> Option<Self::Section>;
    /// Width of the bars it looks at: it is asked about each.
    fn timeframe(section: &Self::Section) -> Timeframe;
    /// The features it needs, by name, on bars of that width: `sma(20)@1h`.
    fn features(section: &Self::Section) -> Vec<String>;
    /// Takes the next values of a symbol. `long`: it holds the symbol or has decided to, and no
    /// exit is decided. Only a buy that begins that and a sell that ends it are passed on.
    fn update(
        section: &Self::Section,
        memory: &mut Self::Memory,
        long: bool,
        view: &View<'_>,
    ) -> Option<Wish>;
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

/// One line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its rank.
    pub rank: Rank,
    /// A stage with no memory.
    pub make: fn() -> Box<dyn Stage<Body = Body>>,
    /// Its section of these settings, as JSON; none when it is off.
    pub section: fn(&Settings) -> Option<String>,
    /// The features it needs under a section, which is JSON; none where that cannot be read.
    pub features: fn(&str) -> Vec<String>,
}

const fn entry<S: Strategy>() -> Entry {
    Entry {
        name: S::NAME,
        rank: S::RANK,
        make: || Box::new(StrategyStage::<S>::default()),
        section: |settings| {
            let text = |section| serde_json::to_string(&section).expect("settings are plain");
            S::section(settings).map(text)
        },
        features: |section| {
            let section: Option<S::Section> = serde_json::from_str(section).ok();
            section.map_or_else(Vec::new, |section| S::features(&section))
        },
    }
}

/// The features that are needed under settings, and under former ones that are retained.
#[must_use]
pub fn features(settings: &Settings, retained: &[Retained]) -> Vec<String> {
    let now = REGISTRY.iter().filter_map(|entry| Some((entry, (entry.section)(settings)?)));
    let before = retained.iter().filter_map(|former| {
        let entry = REGISTRY.iter().find(|entry| entry.name == former.id)?;
        Some((entry, former.settings.clone()))
    });
    now.chain(before).flat_map(|(entry, section)| (entry.features)(&section)).collect()
}

/// The former settings that a configuration carries which follows another one: those it changes or
/// ends, and the newest of those that were retained already.
#[must_use]
pub fn retained(before: &Settings, retained: &[Retained], after: &Settings) -> Vec<Retained> {
    let mut all = retained.to_vec();
    for entry in REGISTRY {
        let (former, now) = ((entry.section)(before), (entry.section)(after));
        let id = entry.name;
        let of = |row: &Retained, section: &Option<String>| {
            row.id == id && section.as_ref() == Some(&row.settings)
        };
        all.retain(|row| !of(row, &former) && !of(row, &now));
        if let Some(settings) = former.clone().filter(|_| former != now) {
            all.push(Retained { id: id.to_owned(), settings });
        }
        while all.iter().filter(|row| row.id == id).count() > RETAINED_MAX {
            let oldest = all.iter().position(|row| row.id == id);
            oldest.map(|at| all.remove(at));
        }
    }
    all
}

/// The strategies that settings have off, by name.
#[must_use]
pub fn off(settings: &Settings) -> Vec<String> {
    let off = REGISTRY.iter().filter(|entry| (entry.section)(settings).is_none());
    off.map(|entry| entry.name.to_owned()).collect()
}
