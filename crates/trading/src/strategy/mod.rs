//! Strategies: what trades, and nothing about how it is kept alive.
//!
//! A strategy is one file that implements [`Strategy`], one line in [`REGISTRY`] and one section of
//! the settings. It has a rank of its own between 400 and 499 and never sees orders, cash or the
//! breaker.

mod sma_cross;
mod stage;

pub use sma_cross::SmaCross;
pub use stage::StrategyStage;

use everwarm_domain::fact::{Body, FeatureRow};
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::Timeframe;
use everwarm_kernel::fact::Rank;
use everwarm_kernel::stage::Stage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Every strategy, by rank.
pub const REGISTRY: &[Entry] = &[entry::<SmaCross>()];

/// Trading logic of one kind, symbol by symbol.
pub trait Strategy: Send + 'static {
    /// Its name: in settings, signals and orders.
    const NAME: &'static str;
    /// Its rank, 400 to 499, never that of another one.
    const RANK: Rank;
    /// Rises whenever the same rows may give other wishes.
    const VERSION: u16;
    /// Its section of the settings.
    type Section: Clone + Debug + PartialEq + Send + Serialize + DeserializeOwned;
    /// What it remembers of a symbol.
    type Memory: Debug + Default + Send + Serialize + DeserializeOwned;

    /// Its section; none when it is off.
    fn section(settings: &Settings) -> Option<Self::Section>;
    /// The rows it wants to be given.
    fn need(section: &Self::Section) -> Need;
    /// Takes the next row of a symbol. `long`: it holds the symbol or has decided to, and no exit
    /// is decided. Only a buy that begins that and a sell that ends it are passed on.
    fn update(
        section: &Self::Section,
        memory: &mut Self::Memory,
        long: bool,
        row: &FeatureRow,
    ) -> Option<Wish>;
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

/// Rows of indicator values on one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// Length of the fast average, in bars.
    pub fast: u32,
    /// Length of the slow averages, in bars.
    pub slow: u32,
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
    /// The rows it wants under these settings; none when it is off.
    pub need: fn(&Settings) -> Option<Need>,
}

const fn entry<S: Strategy>() -> Entry {
    Entry {
        name: S::NAME,
        rank: S::RANK,
        make: || Box::new(StrategyStage::<S>::default()),
        need: |settings| S::section(settings).map(|section| S::need(&section)),
    }
}

/// What each enabled strategy wants, by its rank.
#[must_use]
pub fn needs_by_rank(settings: &Settings) -> BTreeMap<u16, Need> {
    let need = |entry: &Entry| Some((entry.rank.0, (entry.need)(settings)?));
    REGISTRY.iter().filter_map(need).collect()
}

/// The strategies that settings have off, by name.
#[must_use]
pub fn off(settings: &Settings) -> Vec<String> {
    let off = REGISTRY.iter().filter(|entry| (entry.need)(settings).is_none());
    off.map(|entry| entry.name.to_owned()).collect()
}

/// What the enabled strategies want, by width. A width has one set of lengths; where two strategies
/// differ, the lower rank's holds.
#[must_use]
pub fn needs(settings: &Settings) -> Vec<Need> {
    let mut needs: Vec<Need> = REGISTRY.iter().filter_map(|entry| (entry.need)(settings)).collect();
    needs.sort_by_key(|need| need.timeframe);
    needs.dedup_by_key(|need| need.timeframe);
    needs
}
