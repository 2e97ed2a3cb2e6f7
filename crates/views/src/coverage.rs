//! How many past bars the features of each strategy have, of those that they need.
//!
//! A series is the bars of one symbol and width. Its bars are counted from the facts that load and
//! close them. A series is ready once each feature has its first value. One that a strategy with
//! `warmup = "settled"` needs is ready once each of its features is settled.

use everwarm_domain::fact::{Analysis, AtVenue, Body, Market, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::Fact;
use everwarm_trading::indicators::Feature;
use everwarm_trading::strategy;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Series that are not ready, at most, in a view.
const SHOWN: usize = 10;

/// Counts bars, as of the facts taken in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The features of each enabled strategy.
    strategies: BTreeMap<String, Vec<String>>,
    /// The features that are computed, and the number of their plan.
    plan: (u64, BTreeSet<String>),
    /// The listed symbols.
    symbols: BTreeMap<Symbol, Counts>,
    /// The newest close.
    closed: UtcMs,
    /// The sessions of the venue.
    #[serde(default)]
    sessions: Sessions,
}

/// The bars of one symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    /// Whether the venue trades it or has halted it.
    live: bool,
    /// Whether its history was loaded.
    loaded: bool,
    /// Whether features that a reload added wait for its history.
    waits: bool,
    /// Bars by width, in the order of [`Timeframe::ALL`].
    bars: [u64; Timeframe::ALL.len()],
}

/// Bars that a series needs.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    first: u64,
    entry: u64,
    settled: u64,
}

/// State of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesState {
    /// It has too few bars for a first value.
    Cold,
    /// Its history is being loaded.
    Loading,
    /// It has values. The bars before its first one still weigh more than 1 %.
    Settling,
    /// It has all bars that its features need.
    Warm,
}

impl SeriesState {
    /// All states, with their names.
    pub const ALL: [(SeriesState, &'static str); 4] = [
        (SeriesState::Cold, "cold"),
        (SeriesState::Loading, "loading"),
        (SeriesState::Settling, "settling"),
        (SeriesState::Warm, "warm"),
    ];

    /// Whether its features have values.
    #[must_use]
    pub const fn has_values(self) -> bool {
        matches!(self, SeriesState::Settling | SeriesState::Warm)
    }
}

/// The bars of one symbol and width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeriesView {
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The width of the bars.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Bars that are known.
    pub bars: u64,
    /// Bars until every feature has its first value.
    pub first: u64,
    /// Bars after which earlier ones weigh at most 1 %.
    pub settled: u64,
    /// Bars until strategies enter: `first`, or with `warmup = "settled"` those that settle the
    /// features of that strategy.
    #[serde(default)]
    pub needed: u64,
    /// Its state.
    pub state: SeriesState,
    /// Venue time until strategies enter, milliseconds; none: they do, or its history is being
    /// loaded.
    pub ready_in_ms: Option<i64>,
}

impl SeriesView {
    /// Whether strategies enter with its values.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.state.has_values() && self.bars >= self.needed
    }
}

/// The symbols for which a strategy has all values that it enters with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StrategyReadyView {
    /// Its id.
    pub strategy: String,
    /// Listed symbols.
    pub symbols: u64,
    /// Those for which each of its features has a value, a settled one with `warmup = "settled"`.
    pub ready: u64,
}

/// Which series have the bars that their features need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CoverageView {
    /// Listed symbols.
    pub symbols: u64,
    /// Those whose series are all ready.
    pub symbols_ready: u64,
    /// Series by state.
    pub series: BTreeMap<SeriesState, u64>,
    /// Series that are ready.
    pub series_ready: u64,
    /// Series that are not ready, the longest wait first; at most ten.
    pub cold: Vec<SeriesView>,
    /// Enabled strategies, by id.
    pub strategies: Vec<StrategyReadyView>,
}

impl CoverageView {
    /// Number of series, and of those that are ready.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.series.values().sum(), self.series_ready)
    }
}

/// The place of a width in [`Timeframe::ALL`].
fn place(timeframe: Timeframe) -> usize {
    Timeframe::ALL.iter().position(|of| *of == timeframe).unwrap_or(0)
}

/// What features need, by width.
fn needs<'a>(features: impl Iterator<Item = &'a String>) -> BTreeMap<Timeframe, Need> {
    let mut needs: BTreeMap<Timeframe, Need> = BTreeMap::new();
    for feature in features.filter_map(|text| text.parse::<Feature>().ok()) {
        let need = needs.entry(feature.timeframe).or_default();
        need.first = need.first.max(feature.first().unsigned_abs());
        need.entry = need.entry.max(feature.entry().unsigned_abs());
        need.settled = need.settled.max(feature.settled().unsigned_abs());
    }
    needs
}

impl Counts {
    /// Notes loaded bars with opening times from `from` to `to`. Minutes also make wide bars.
    fn loaded(&mut self, timeframe: Timeframe, (from, to, count): (UtcMs, UtcMs, u32)) {
        let mut note = |timeframe, count: u64| {
            let bars = &mut self.bars[place(timeframe)];
            *bars = (*bars).max(count);
        };
        note(timeframe, count.into());
        if timeframe != Timeframe::M1 || count == 0 {
            return;
        }
        for wide in Timeframe::ALL {
            let (width, end) = (wide.ms(), to.saturating_add(MINUTE));
            let begin = from.saturating_add(width - 1);
            let whole = (wide.open_of(end) - wide.open_of(begin)) / width;
            note(wide, u64::try_from(whole).unwrap_or(0));
        }
    }

    fn is_ready(&self, timeframe: Timeframe, need: Need) -> bool {
        let has_values = self.state(timeframe, need).has_values();
        has_values && self.bars[place(timeframe)] >= need.entry
    }

    fn state(&self, timeframe: Timeframe, need: Need) -> SeriesState {
        let bars = self.bars[place(timeframe)];
        if !self.loaded || self.waits {
            SeriesState::Loading
        } else if bars >= need.settled {
            SeriesState::Warm
        } else if bars >= need.first {
            SeriesState::Settling
        } else {
            SeriesState::Cold
        }
    }
}

impl Coverage {
    /// Takes one fact in.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(market) => self.market(market),
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Ok(settings) = Settings::from_text(text) {
                    self.strategies = strategy::features_by_strategy(&settings);
                }
            }
            Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
                for rolled in bars {
                    self.add(rolled.bar.symbol, *timeframe);
                }
            }
            Body::Analysis(Analysis::FeaturePlan { plan, features }) => {
                let features: BTreeSet<String> = features.iter().cloned().collect();
                let (before, known) = std::mem::replace(&mut self.plan, (*plan, features));
                if before != 0 && !self.plan.1.is_subset(&known) {
                    for counts in self.symbols.values_mut().filter(|counts| counts.loaded) {
                        counts.waits = true;
                    }
                }
            }
            Body::Analysis(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn market(&mut self, market: &Market) {
        match market {
            Market::Close { time, bars, .. } => {
                self.closed = *time;
                for bar in bars {
                    self.add(bar.symbol, Timeframe::M1);
                }
            }
            Market::HistoryLoaded { symbol, timeframe, from, to, count, plan, .. } => {
                let counts = self.symbols.entry(*symbol).or_default();
                counts.loaded(*timeframe, (*from, *to, *count));
                if *timeframe == Timeframe::M1 {
                    counts.loaded |= *plan == 0;
                    counts.waits &= *plan != self.plan.0;
                }
            }
            Market::Universe { listed, unlisted, .. } => {
                for symbol in unlisted {
                    self.symbols.remove(symbol);
                }
                for row in listed {
                    let live = matches!(row.venue, AtVenue::Trading | AtVenue::Halted);
                    self.symbols.entry(row.symbol).or_default().live = live;
                }
            }
            Market::Sessions { sessions, .. } => self.sessions.follow(sessions),
            // The indicators of a symbol begin again with a split.
            Market::CorporateAction(action) => {
                if action.split().is_some()
                    && let Some(counts) = self.symbols.get_mut(&action.symbol)
                {
                    counts.bars = [0; Timeframe::ALL.len()];
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, symbol: Symbol, timeframe: Timeframe) {
        if let Some(counts) = self.symbols.get_mut(&symbol) {
            counts.bars[place(timeframe)] += 1;
        }
    }

    fn live(&self) -> impl Iterator<Item = (&Symbol, &Counts)> {
        self.symbols.iter().filter(|(_, counts)| counts.live)
    }

    /// Symbols whose history is being loaded.
    #[must_use]
    pub fn loading(&self) -> BTreeSet<Symbol> {
        let loading = self.live().filter(|(_, counts)| !counts.loaded || counts.waits);
        loading.map(|(symbol, _)| *symbol).collect()
    }

    /// The newest close, UTC milliseconds; 0: there is none.
    #[must_use]
    pub const fn closed(&self) -> UtcMs {
        self.closed
    }

    /// The sessions of the venue.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Every series that a feature needs, by symbol and width.
    #[must_use]
    pub fn series(&self) -> Vec<SeriesView> {
        let all = needs(self.strategies.values().flatten());
        let of = |(symbol, counts): (&Symbol, &Counts)| {
            let one =
                |(width, need): (&Timeframe, &Need)| self.one((*symbol, counts), *width, *need);
            all.iter().map(one).collect::<Vec<SeriesView>>()
        };
        self.live().flat_map(of).collect()
    }

    /// What the facts show.
    #[must_use]
    pub fn view(&self) -> CoverageView {
        let mut view = CoverageView::default();
        let mut waiting = BTreeSet::new();
        for series in self.series() {
            *view.series.entry(series.state).or_default() += 1;
            if series.is_ready() {
                view.series_ready += 1;
            } else {
                waiting.insert(series.symbol);
                view.cold.push(series);
            }
        }
        view.symbols = self.live().count() as u64;
        view.symbols_ready = view.symbols - waiting.len() as u64;
        view.cold.sort_by_key(|series| std::cmp::Reverse(series.ready_in_ms));
        view.cold.truncate(SHOWN);
        view.strategies = self.strategies.iter().map(|one| self.strategy(one)).collect();
        view
    }

    fn strategy(&self, (id, features): (&String, &Vec<String>)) -> StrategyReadyView {
        let needs = needs(features.iter());
        let is_ready = |counts: &Counts| {
            needs.iter().all(|(timeframe, need)| counts.is_ready(*timeframe, *need))
        };
        let symbols = self.live().count() as u64;
        let ready = self.live().filter(|(_, counts)| is_ready(counts)).count() as u64;
        StrategyReadyView { strategy: id.clone(), symbols, ready }
    }

    fn one(
        &self,
        (symbol, counts): (Symbol, &Counts),
        timeframe: Timeframe,
        need: Need,
    ) -> SeriesView {
        let (Need { first, entry, settled }, state) = (need, counts.state(timeframe, need));
        let bars = counts.bars[place(timeframe)];
        let left = i64::try_from(entry.saturating_sub(bars)).unwrap_or(i64::MAX);
        let end =
            timeframe.open_of(self.closed).saturating_add(left.saturating_mul(timeframe.ms()));
        let waits = state != SeriesState::Loading && bars < entry;
        let ready_in_ms = waits.then(|| end.saturating_sub(self.closed));
        let needed = entry;
        SeriesView { symbol, timeframe, bars, first, settled, needed, state, ready_in_ms }
    }
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
