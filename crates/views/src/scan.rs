//! What every strategy says about every symbol at one close, the nearest to a signal first.
//!
//! [`Distance`] defines the order. Ties are sorted by symbol, then by strategy. Rows that cannot be
//! judged come last.

use super::decided_close::Found;
use super::evaluations::Evaluations;
use super::exit::Failure;
use super::journal_reader::JournalFacts;
use super::known_strategies::known;
use super::silenced::Silenced;
use everwarm_domain::fact::{Body, Market, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Fact;
use everwarm_trading::strategy::{Compared, Condition, Conditions, Distance, LotView, Verdict};
use everwarm_words::shapes;
use everwarm_words::text::instant;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Rows of a scan by default.
pub const TOP: u32 = 20;
/// Most rows of a scan.
pub const TOP_MAX: u32 = 10_000;

/// What a strategy does with a symbol at a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScanState {
    /// It signals the opening of a lot.
    Enters,
    /// It signals an addition to its lot.
    Adds,
    /// It signals the end of its lot.
    Exits,
    /// It holds a lot or buys one, and signals nothing.
    Holds,
    /// It holds nothing and signals nothing.
    Waits,
    /// Its conditions cannot be judged.
    Unjudged,
}

/// One condition of a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConditionView {
    /// Its name.
    pub name: String,
    /// Whether it is met.
    pub met: bool,
    /// The number that it compares; none: it compares none, or the number is not known.
    pub value: Option<f64>,
    /// The bound of that number.
    pub bound: Option<f64>,
}

/// What one strategy says about one symbol at a close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScanView {
    /// The close, UTC milliseconds.
    pub close: UtcMs,
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The strategy.
    pub strategy: String,
    /// What the strategy does.
    pub state: ScanState,
    /// The side of the signal that the distance belongs to; none: it cannot be judged.
    #[schema(value_type = Option<shapes::Side>)]
    pub signal: Option<Side>,
    /// Number of failed conditions; none: they cannot be judged.
    pub failed: Option<u32>,
    /// The gap of the first failed condition that compares numbers: |value - bound| / |bound|.
    /// None: no failed condition has one.
    pub gap: Option<f64>,
    /// The number of that condition.
    pub value: Option<f64>,
    /// The bound of that number.
    pub bound: Option<f64>,
    /// End of the bar that was judged, UTC milliseconds; none: there was none.
    pub bar: Option<UtcMs>,
    /// The first failed condition with its numbers, the reason of the signal, or why the row cannot
    /// be judged.
    pub why: String,
    /// Each condition, in the order in which `why-not` names them.
    pub conditions: Vec<ConditionView>,
}

impl ScanView {
    /// Orders rows, the nearest to a signal first.
    pub(crate) fn order(&self, other: &ScanView) -> Ordering {
        let distance = |of: &ScanView| of.failed.map(|failed| Distance { failed, gap: of.gap });
        let by_distance = match (distance(self), distance(other)) {
            (Some(one), Some(other)) => one.order(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        let by_symbol = || self.symbol.cmp(&other.symbol);
        by_distance.then_with(by_symbol).then_with(|| self.strategy.cmp(&other.strategy))
    }
}

/// The rows of a scan at the close of `time`, or at the newest close: at most `top`. With a
/// strategy, only its rows.
///
/// # Errors
/// The journal could not be read, or there was no such close or strategy.
pub fn scan(
    journal: &dyn JournalFacts,
    time: Option<UtcMs>,
    strategy: Option<&str>,
    top: usize,
) -> Result<Vec<ScanView>, Failure> {
    let found = Found::of(journal, time)?;
    let missing = || found.missing(journal, time);
    let mut seen = Seen::new(found.input().ok_or_else(missing)?);
    found.each(journal, &mut |fact| seen.fold(fact))?;
    let close = seen.close.take().ok_or_else(missing)?;
    strategy.map_or(Ok(()), |strategy| known(strategy, &seen.settings))?;
    let mut rows = Vec::new();
    for (id, timeframe) in seen.strategies.strategies() {
        if strategy.is_none_or(|strategy| strategy == id) {
            let of = |symbol: &Symbol| seen.row(&close, (id, timeframe), *symbol);
            rows.extend(seen.listed.iter().map(of));
        }
    }
    rows.sort_by(ScanView::order);
    rows.truncate(top);
    Ok(rows)
}

/// The close, and its symbols.
struct Close {
    time: UtcMs,
    /// Symbols with a bar, and those whose bar is missing.
    bars: BTreeSet<Symbol>,
    missing: BTreeSet<Symbol>,
}

/// The state of the fold over the journal.
struct Seen {
    /// Number of the close.
    input: u64,
    close: Option<Close>,
    settings: Settings,
    silenced: Silenced,
    listed: BTreeSet<Symbol>,
    strategies: Evaluations,
}

impl Seen {
    fn new(input: u64) -> Seen {
        Seen {
            input,
            close: None,
            settings: Settings::default(),
            silenced: Silenced::default(),
            listed: BTreeSet::new(),
            strategies: Evaluations::new(None),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other folds take every other fact")]
    fn fold(&mut self, fact: &Fact<Body>) {
        self.strategies.fold(fact);
        self.silenced.fold(fact);
        match &fact.body {
            Body::Market(Market::Close { time, bars, missing, .. }) if fact.key.n == self.input => {
                let bars = bars.iter().map(|bar| bar.symbol).collect();
                let missing = missing.iter().copied().collect();
                self.close = Some(Close { time: *time, bars, missing });
            }
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                self.listed.retain(|symbol| !unlisted.contains(symbol));
                self.listed.extend(listed.iter().map(|row| row.symbol));
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                self.settings = Settings::from_text(text).unwrap_or_default();
            }
            _ => {}
        }
    }

    /// What a strategy says about a symbol.
    fn row(&self, close: &Close, (id, width): (&str, Timeframe), symbol: Symbol) -> ScanView {
        let verdict = self.strategies.verdict(id, symbol);
        let bar = verdict.as_ref().map(|verdict| verdict.head.time);
        let mut row = ScanView { bar, ..ScanView::unjudged(close.time, id, symbol) };
        let unjudged = self.unjudged(close, (id, width), symbol, verdict.as_ref());
        match (unjudged, verdict) {
            (None, Some(verdict)) => row.judge(verdict),
            (why, _) => row.why = why.unwrap_or_default(),
        }
        row
    }

    /// Why a row cannot be judged; none: it can.
    fn unjudged(
        &self,
        close: &Close,
        (id, width): (&str, Timeframe),
        symbol: Symbol,
        verdict: Option<&Verdict>,
    ) -> Option<String> {
        if close.missing.contains(&symbol) {
            return Some("it has no bar in this close".to_owned());
        }
        if !close.bars.contains(&symbol) {
            return Some("the close does not wait for its bars yet".to_owned());
        }
        let away = |stages: &[&str]| self.silenced.away(stages);
        if let Some(away) = away(&["roll-up", "indicator"]).or_else(|| away(&[id])) {
            return Some(away);
        }
        let Some(verdict) = verdict else {
            return Some(format!("no bar of {width} with values ended yet"));
        };
        let time = verdict.head.time;
        if let Some(newest) = self.strategies.newest(width).filter(|newest| time < *newest) {
            let (time, newest) = (instant(time), instant(newest));
            return Some(format!(
                "its newest {width} bar ended at {time} UTC, those of others at {newest} UTC"
            ));
        }
        let entry = |intent: Intent| matches!(intent, Intent::Open | Intent::Add);
        let enters = verdict.judged.as_ref().is_ok_and(|all| entry(all.intent));
        let off = self.silenced.off(id).filter(|_| enters);
        off.or_else(|| verdict.judged.clone().err().filter(|_| verdict.signal.is_none()))
    }
}

impl ScanView {
    /// What a strategy says about the symbol of a bar, as of that bar.
    pub(crate) fn of_bar(id: &str, verdict: Verdict) -> ScanView {
        let (symbol, time) = (verdict.head.symbol, verdict.head.time);
        let mut row = ScanView { bar: Some(time), ..ScanView::unjudged(time, id, symbol) };
        row.judge(verdict);
        row
    }

    fn unjudged(close: UtcMs, id: &str, symbol: Symbol) -> ScanView {
        ScanView {
            close,
            symbol,
            strategy: id.to_owned(),
            state: ScanState::Unjudged,
            signal: None,
            failed: None,
            gap: None,
            value: None,
            bound: None,
            bar: None,
            why: String::new(),
            conditions: Vec::new(),
        }
    }

    /// Takes over what the values of a bar gave.
    fn judge(&mut self, verdict: Verdict) {
        let Verdict { lot, signal, judged, .. } = verdict;
        let conditions = judged.map(|all| (all.intent, all)).ok();
        let LotView { held, enters, .. } = lot;
        let rests = if enters || !held.is_zero() { ScanState::Holds } else { ScanState::Waits };
        let (intent, distance, state, why) = match (signal, &conditions) {
            (Some(signal), _) => {
                let state = match signal.intent {
                    Intent::Open => ScanState::Enters,
                    Intent::Add => ScanState::Adds,
                    Intent::Reduce | Intent::Close => ScanState::Exits,
                };
                (signal.intent, Distance::SIGNAL, state, signal.reason)
            }
            (None, Some((intent, all))) => {
                let why = all.first_failed().map_or_else(String::new, |one| one.lacks.clone());
                (*intent, all.distance(), rests, why)
            }
            (None, None) => return,
        };
        self.state = state;
        self.signal = Some(match intent {
            Intent::Open | Intent::Add => Side::Buy,
            Intent::Reduce | Intent::Close => Side::Sell,
        });
        (self.failed, self.gap, self.why) = (Some(distance.failed), distance.gap, why);
        let compared = conditions.as_ref().and_then(|(_, all)| all.first_gap());
        (self.value, self.bound) = compared.map(|of| (of.value, of.bound)).unzip();
        let all = conditions.map(|(_, Conditions { all, .. })| all).unwrap_or_default();
        // A kind that names no conditions has one that is never met.
        let shown = |condition: &Condition| condition.met || distance.failed > 0;
        self.conditions = all.iter().filter(|of| shown(of)).map(ConditionView::of).collect();
    }
}

impl ConditionView {
    fn of(condition: &Condition) -> ConditionView {
        let Condition { name, met, numbers, .. } = *condition;
        let known = |number: f64| Some(number).filter(|number| number.is_finite());
        let value = numbers.and_then(|Compared { value, .. }| known(value));
        let bound = numbers.and_then(|Compared { bound, .. }| known(bound));
        ConditionView { name: name.to_owned(), met, value, bound }
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
pub(crate) mod tests;
