//! How many past bars the features of each strategy have, of those that they need.
//!
//! A series is the bars of one symbol and width. Its bars are counted from the facts that load and
//! close them. A series is ready once each feature has its first value.

use everwarm_domain::fact::{Analysis, AtVenue, Body, Market, Operator};
use everwarm_domain::id::Symbol;
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
    pub const fn is_ready(self) -> bool {
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
    /// Its state.
    pub state: SeriesState,
    /// Venue time until the first value, milliseconds; none: it has one, or its history is being
    /// loaded.
    pub ready_in_ms: Option<i64>,
}

/// The symbols for which a strategy has all values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StrategyReadyView {
    /// Its id.
    pub strategy: String,
    /// Listed symbols.
    pub symbols: u64,
    /// Those for which each of its features has a value.
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
    /// Series that are not ready, the longest wait first; at most ten.
    pub cold: Vec<SeriesView>,
    /// Enabled strategies, by id.
    pub strategies: Vec<StrategyReadyView>,
}

impl CoverageView {
    /// Number of series, and of those that are ready.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let ready = self.series.iter().filter(|(state, _)| state.is_ready());
        (self.series.values().sum(), ready.map(|(_, count)| count).sum())
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
            Market::LateBar { .. }
            | Market::BarRefused { .. }
            | Market::HistoryBars { .. }
            | Market::Instruments { .. }
            | Market::Sessions { .. }
            | Market::DayBegins { .. }
            | Market::Capabilities { .. } => {}
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
            if !series.state.is_ready() {
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
            needs.iter().all(|(timeframe, need)| counts.state(*timeframe, *need).is_ready())
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
        let (Need { first, settled }, state) = (need, counts.state(timeframe, need));
        let bars = counts.bars[place(timeframe)];
        let left = i64::try_from(first.saturating_sub(bars)).unwrap_or(i64::MAX);
        let end =
            timeframe.open_of(self.closed).saturating_add(left.saturating_mul(timeframe.ms()));
        let wait = (state == SeriesState::Cold).then(|| end.saturating_sub(self.closed));
        SeriesView { symbol, timeframe, bars, first, settled, state, ready_in_ms: wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::DAY;
    use everwarm_kernel::fact::Key;
    use everwarm_trading::testing::{bar, input, sym};

    fn loaded(symbol: &str, timeframe: Timeframe, (from, count): (UtcMs, u32), plan: u64) -> Body {
        let to = from + (i64::from(count) - 1) * timeframe.ms();
        let symbol = sym(symbol);
        Body::Market(Market::HistoryLoaded { symbol, timeframe, from, to, count, digest: 0, plan })
    }

    fn listed(symbols: &[&str]) -> Body {
        let row = |name: &&str| everwarm_domain::fact::Listed {
            symbol: sym(name),
            venue: AtVenue::Trading,
            wanted: true,
            why: String::new(),
        };
        let (listed, unlisted) = (symbols.iter().map(row).collect(), Vec::new());
        Body::Market(Market::Universe { asked: 0, basis: 0, listed, unlisted })
    }

    /// Strategies on minutes and on days.
    fn begun() -> Coverage {
        let mut settings = everwarm_trading::testing::crossing(10, 30);
        let mut days = settings.strategy.0["sma_cross"].clone();
        days.section = r#"{"timeframe":"1d","fast":5,"slow":20}"#.to_owned();
        settings.strategy.0.insert("days".to_owned(), days);
        let mut coverage = Coverage::default();
        let applied = Operator::configured(1, &settings);
        coverage.fold(&input(1, Body::Operator(applied)));
        let features = ["sma(10)@1m", "sma(20)@1d", "sma(30)@1m", "sma(5)@1d"];
        coverage.fold(&derived(plan(7, &features)));
        coverage.fold(&input(2, listed(&["A", "B"])));
        coverage
    }

    fn plan(plan: u64, features: &[&str]) -> Body {
        let features = features.iter().map(|text| (*text).to_owned()).collect();
        Body::Analysis(Analysis::FeaturePlan { plan, features })
    }

    fn derived(body: Body) -> Fact<Body> {
        Fact { key: Key { n: 1, rank: 200, i: 0 }, ..input(1, body) }
    }

    /// Ready symbols of the strategies on days and on minutes, then the cold series.
    fn shown(coverage: &Coverage) -> String {
        let view = coverage.view();
        let ready = view.strategies.iter().map(|one| format!("{}/{}", one.ready, one.symbols));
        let cold = view.cold.iter().map(|one| {
            let wait = one.ready_in_ms.map_or("?".to_owned(), |ms| (ms / 60_000).to_string());
            format!("{} {} {} of {} in {wait}", one.symbol, one.timeframe, one.bars, one.first)
        });
        ready.chain(cold).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_strategy_is_ready_for_a_symbol_once_its_features_have_values() {
        let mut coverage = begun();
        let starts = shown(&coverage);
        assert!(starts.starts_with("0/2, 0/2, A 1m 0 of 30 in ?"), "{starts}");
        let midnight = 1_000 * DAY;
        let minutes = (midnight - 999 * MINUTE, 1_000);
        coverage.fold(&input(3, loaded("A", Timeframe::D1, (midnight - 19 * DAY, 19), 0)));
        coverage.fold(&input(4, loaded("A", Timeframe::M1, minutes, 0)));
        coverage.fold(&input(5, loaded("B", Timeframe::D1, (midnight - 20 * DAY, 20), 0)));
        coverage.fold(&input(6, loaded("B", Timeframe::M1, minutes, 0)));
        coverage.fold(&input(
            7,
            Body::Market(Market::close(midnight + MINUTE, vec![bar("A", 0, 1)], Vec::new())),
        ));
        assert_eq!(shown(&coverage), "1/2, 2/2, A 1d 19 of 20 in 1439");
        assert_eq!(coverage.view().counts(), (4, 3));
        let all = coverage.series();
        let names = all.iter().map(|one| format!("{} {}", one.symbol, one.timeframe));
        assert_eq!(names.collect::<Vec<_>>(), ["A 1m", "A 1d", "B 1m", "B 1d"]);
        let day = everwarm_domain::market::RolledBar {
            bar: bar("A", 0, 1),
            count: 1_440,
            complete: true,
        };
        let bars = vec![day];
        let rolled = Analysis::Rolled { timeframe: Timeframe::D1, bars };
        coverage.fold(&derived(Body::Analysis(rolled)));
        assert_eq!(shown(&coverage), "2/2, 2/2");
    }

    #[test]
    fn a_feature_that_a_reload_adds_waits_for_its_bars() {
        let mut coverage = begun();
        let minutes = (1_000 * DAY, 1_000);
        for name in ["A", "B"] {
            coverage.fold(&input(3, loaded(name, Timeframe::D1, (0, 20), 0)));
            coverage.fold(&input(4, loaded(name, Timeframe::M1, minutes, 0)));
        }
        assert_eq!(shown(&coverage), "2/2, 2/2");
        coverage.fold(&derived(plan(8, &["sma(10)@1m", "sma(20)@1d", "sma(40)@1m", "sma(5)@1d"])));
        assert!(shown(&coverage).starts_with("0/2, 0/2, A 1m 1000 of 30 in ?"));
        coverage.fold(&input(5, loaded("A", Timeframe::M1, minutes, 8)));
        assert!(shown(&coverage).starts_with("1/2, 1/2, B 1m"), "{}", shown(&coverage));
        coverage.fold(&input(6, loaded("B", Timeframe::M1, minutes, 7)));
        assert!(shown(&coverage).starts_with("1/2, 1/2, B 1m"), "of another plan");
    }

    #[test]
    fn minutes_make_whole_wide_bars_only() {
        let mut counts = Counts::default();
        // From 23:50 to 02:10.
        counts.loaded(Timeframe::M1, (DAY - 10 * MINUTE, DAY + 129 * MINUTE, 140));
        assert_eq!(counts.bars, [140, 28, 8, 2, 0, 0]);
    }
}
