//! Explains why there was no order for a symbol at a close, from the facts of every stage.

mod entry;

use self::entry::LastEntry;
use super::decided_close::Found;
use super::evaluations::Evaluations;
use super::exit::Failure;
use super::explain::step;
use super::journal_reader::JournalFacts;
use super::known_strategies::known;
use super::sentences;
use super::silenced::Silenced;
use super::stored_texts::shown;
use super::views::ExplainView;
use everwarm_domain::fact::{
    Analysis, AtVenue, Body, BreakerLevel, Decision, Ledger, Listed, Market, Operator, Order,
    Signal, Standing,
};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::Fact;
use everwarm_words::text::instant;

/// Why there was no order for `symbol` at the close of `time`, or at the newest close. If there was
/// an order, the answer names it. With a strategy, only that one counts.
///
/// # Errors
/// The journal could not be read, or there was no such close, symbol or strategy.
pub fn why_not(
    journal: &dyn JournalFacts,
    symbol: Symbol,
    time: Option<UtcMs>,
    strategy: Option<&str>,
) -> Result<ExplainView, Failure> {
    let found = Found::of(journal, time)?;
    let missing = || found.missing(journal, time);
    let mut seen = Seen::new(symbol, found.input().ok_or_else(missing)?, strategy);
    found.each(journal, &mut |fact| seen.fold(fact))?;
    strategy.map_or(Ok(()), |strategy| known(strategy, &seen.settings))?;
    seen.answer.ok_or_else(missing)
}

/// A close while the stages process it.
struct Round {
    time: UtcMs,
    /// The facts about the symbol, the close first.
    facts: Vec<Fact<Body>>,
    /// Whether the close has a bar of the symbol or lacks it; none: the bar is not expected.
    bar: Option<bool>,
    signal: Option<Signal>,
}

/// The state of the fold over the journal.
struct Seen {
    symbol: Symbol,
    /// The only strategy that counts; none: all.
    only: Option<String>,
    /// Number of the close.
    input: u64,
    round: Option<Round>,
    settings: Settings,
    silenced: Silenced,
    breaker: Option<Fact<Body>>,
    /// The listing of the symbol; none: it is not listed.
    listed: Option<Listed>,
    strategies: Evaluations,
    entry: LastEntry,
    answer: Option<ExplainView>,
}

impl Seen {
    fn new(symbol: Symbol, input: u64, only: Option<&str>) -> Seen {
        Seen {
            symbol,
            only: only.map(str::to_owned),
            input,
            round: None,
            settings: Settings::default(),
            silenced: Silenced::default(),
            breaker: None,
            listed: None,
            strategies: Evaluations::new(Some(symbol)),
            entry: LastEntry::default(),
            answer: None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    fn fold(&mut self, fact: &Fact<Body>) {
        self.strategies.fold(fact);
        self.silenced.fold(fact);
        self.entry.fold(fact, self.symbol, self.only.as_deref());
        match &fact.body {
            Body::Market(Market::Close { time, bars, missing, .. }) if fact.key.n == self.input => {
                let has = bars.iter().any(|bar| bar.symbol == self.symbol);
                let lacks = missing.contains(&self.symbol);
                let bar = if has { Some(true) } else { lacks.then_some(false) };
                let (time, facts) = (*time, vec![fact.clone()]);
                self.round = Some(Round { time, facts, bar, signal: None });
            }
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                let now = listed.iter().find(|row| row.symbol == self.symbol);
                if now.is_some() || unlisted.contains(&self.symbol) {
                    self.listed = now.cloned();
                }
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                self.settings = Settings::from_text(text).unwrap_or_default();
            }
            Body::Decision(Decision::Breaker { .. }) => self.breaker = Some(fact.clone()),
            Body::Analysis(analysis) => self.analysis(fact, analysis),
            Body::Decision(Decision::Approved { intent, .. })
            | Body::Order(Order::Intent(intent))
                if self.counts(intent.symbol, &intent.strategy) =>
            {
                self.note(fact);
            }
            Body::Decision(Decision::Declined { signal, .. })
                if self.counts(signal.symbol, &signal.strategy) =>
            {
                self.note(fact);
            }
            Body::Decision(
                Decision::Owed { symbol, strategy, .. }
                | Decision::Withdrawn { symbol, strategy, .. }
                | Decision::CancelIntent { symbol, strategy, .. },
            ) if self.counts(*symbol, strategy) => self.note(fact),
            Body::Ledger(Ledger::Equity { .. }) if fact.key.n == self.input => {
                // The last rank has processed the close, so all facts about it are known.
                if let Some(round) = self.round.take() {
                    self.answer = Some(self.view(round));
                }
            }
            _ => {}
        }
    }

    /// Whether a fact about a symbol and a strategy counts.
    fn counts(&self, symbol: Symbol, strategy: &str) -> bool {
        symbol == self.symbol && self.only.as_deref().is_none_or(|only| only == strategy)
    }

    fn note(&mut self, fact: &Fact<Body>) {
        if let Some(round) = self.round.as_mut().filter(|_| fact.key.n == self.input) {
            round.facts.push(fact.clone());
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other numbers are no answer")]
    fn analysis(&mut self, fact: &Fact<Body>, analysis: &Analysis) {
        match analysis {
            Analysis::FeatureValues { table: rows, .. } | Analysis::Kept { rows, .. }
                if rows.row(self.symbol).is_some() =>
            {
                self.note(fact);
            }
            Analysis::Signals { rows } => {
                let signal = rows.iter().find(|row| self.counts(row.symbol, &row.strategy));
                let Some(signal) = signal.cloned() else { return };
                if let Some(round) = self.round.as_mut().filter(|_| fact.key.n == self.input) {
                    round.facts.push(fact.clone());
                    round.signal = Some(signal);
                }
            }
            _ => {}
        }
    }

    fn view(&mut self, mut round: Round) -> ExplainView {
        let mut why = self.why(&round);
        if let Some(entry) = self.entry.words() {
            why = format!("{why}; {entry}");
        }
        let (symbol, time) = (self.symbol, instant(round.time));
        let decided = round.facts.iter().any(|fact| matches!(fact.body, Body::Decision(_)));
        round.facts.extend(self.breaker.clone().filter(|_| decided || self.limited().is_some()));
        round.facts.sort_by_key(|fact| fact.key);
        ExplainView {
            id: format!("{symbol} {}", round.time),
            title: format!("{symbol} at the close {time} UTC: {why}"),
            steps: round
                .facts
                .iter()
                .map(|fact| step(fact, Some(symbol), &self.strategies.plans))
                .collect(),
        }
    }

    /// Why the symbol gets no entries: it is not trading, it is barred, or the breaker is not at
    /// normal.
    fn limited(&self) -> Option<String> {
        if let Some(row) = self.listed.as_ref().filter(|l| l.standing() != Standing::Trading) {
            return Some(format!("{} is {}: {}", self.symbol, row.standing().name(), away(row)));
        }
        let Some(Body::Decision(Decision::Breaker { level, reasons, barred, .. })) =
            self.breaker.as_ref().map(|fact| &fact.body)
        else {
            return None;
        };
        if let Some((symbol, why)) = barred.iter().find(|(symbol, _)| *symbol == self.symbol) {
            return Some(format!("{symbol} gets no entries: {}", shown(why)));
        }
        let reasons = shown(&reasons.join("; "));
        let colon = if reasons.is_empty() { "" } else { ": " };
        (*level != BreakerLevel::Normal)
            .then(|| format!("the breaker is at {}{colon}{reasons}", sentences::level(*level)))
    }

    fn why(&self, round: &Round) -> String {
        for fact in &round.facts {
            match &fact.body {
                Body::Decision(Decision::Declined { text, signal, .. }) => {
                    let side = sentences::side(signal.side());
                    return format!(
                        "{} signalled {side}, declined: {}",
                        signal.strategy,
                        shown(text)
                    );
                }
                Body::Order(Order::Intent(intent)) => {
                    let id = &intent.client_id;
                    return format!("there was an order, {id}; see `everwarm explain {id}`");
                }
                Body::Decision(Decision::Owed { strategy, refusal: Some(why), .. }) => {
                    return format!("an exit of {strategy} is owed and waits: {}", shown(why));
                }
                // Its exit ended in the round that opened it: there is too little to sell.
                Body::Decision(Decision::Owed { strategy, ended: Some(why), .. })
                    if round.signal.as_ref().is_some_and(|of| of.side() == Side::Sell) =>
                {
                    return format!("{strategy} signalled sell, declined: {}", shown(why));
                }
                Body::Market(_)
                | Body::Venue(_)
                | Body::Operator(_)
                | Body::Analysis(_)
                | Body::Decision(_)
                | Body::Order(_)
                | Body::Ledger(_) => {}
            }
        }
        if let Some(signal) = &round.signal {
            let side = sentences::side(signal.side());
            let back = |fact: &Fact<Body>| match &fact.body {
                Body::Decision(decision) => entry::takes_back(decision),
                Body::Market(_)
                | Body::Venue(_)
                | Body::Operator(_)
                | Body::Analysis(_)
                | Body::Order(_)
                | Body::Ledger(_) => false,
            };
            if round.facts.iter().any(back) {
                let strategy = &signal.strategy;
                return format!("{strategy} signalled {side}, so its earlier order is withdrawn");
            }
            return format!("{} signalled {side}, but there was no decision", signal.strategy);
        }
        let silent = self.silent(round);
        self.limited().map_or(silent.clone(), |limited| format!("{silent}; also, {limited}"))
    }

    /// Why no strategy gave a signal.
    fn silent(&self, round: &Round) -> String {
        match round.bar {
            None if self.listed.is_some() => {
                return "the close does not wait for its bars yet".to_owned();
            }
            None => return "the symbol is not listed".to_owned(),
            Some(false) => {
                return "it has no bar in this close, so no strategy saw it".to_owned();
            }
            Some(true) => {}
        }
        let all = &self.settings.strategy.0;
        if all.values().all(|one| !one.enabled) {
            let keys = all.keys().map(|id| format!("strategy.{id}.enabled"));
            let keys = keys.collect::<Vec<_>>().join(", ");
            return format!("every strategy is off ({keys})");
        }
        if let Some(away) = self.silenced.away(&["roll-up", "indicator"]) {
            return away;
        }
        let all = self.strategies.strategies();
        let each = all
            .filter(|(id, _)| self.counts(self.symbol, id))
            .map(|(id, timeframe)| self.of_one(id, timeframe));
        each.collect::<Vec<_>>().join("; ")
    }

    /// Why one strategy gave no signal.
    fn of_one(&self, id: &str, timeframe: Timeframe) -> String {
        let silenced = &self.silenced;
        if let Some(why) = silenced.off(id).or_else(|| silenced.away(&[id])) {
            return why;
        }
        if let Some(why) = self.strategies.why(id, self.symbol, self.input) {
            return format!("{id}: {why}");
        }
        format!("{id} uses {timeframe} bars, and none ended at this close")
    }
}

/// Why a listed symbol gets no entries.
fn away(row: &Listed) -> String {
    match row.venue {
        AtVenue::Trading => shown(&row.why),
        AtVenue::Halted => "the venue accepts no orders in it now".to_owned(),
        AtVenue::Gone => "the venue delisted it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Facts, T};
    use super::*;
    use everwarm_domain::fact::kinds::kind;
    use everwarm_domain::features::FeatureTable;
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::fact::Body as _;
    use everwarm_trading::testing::{configured, crossing, input};

    /// The sample journal with a configuration.
    fn journal() -> Facts {
        let mut facts = super::super::testing::journal();
        facts.0.insert(0, input(0, configured(&crossing(10, 30))));
        facts
    }

    fn title(facts: &Facts, symbol: &str, time: Option<UtcMs>) -> String {
        why_not(facts, Symbol::new(symbol).unwrap(), time, None).unwrap().title
    }

    #[test]
    fn the_answer_follows_the_facts_of_the_stages() {
        let journal = journal();
        for (symbol, answer) in [
            ("BTCUSD", "sma_cross signalled buy, declined: 1 position is open, 1 is allowed"),
            ("ETHUSD", "there was an order, ew-abcdefghijklmnopqrstuvwxyz; see `everwarm explain"),
            ("LTCUSD", "it has no bar in this close, so no strategy saw it"),
            ("XRPUSD", "the symbol is not listed"),
        ] {
            let text = title(&journal, symbol, Some(T));
            let at = format!("{symbol} at the close 2021-01-08 12:03 UTC: ");
            assert!(text.starts_with(&format!("{at}{answer}")), "{text}");
        }
        let newest = title(&journal, "ETHUSD", None);
        assert!(newest.contains("12:04 UTC: sma_cross uses 1m bars, and none ended"), "{newest}");
        let view = why_not(&journal, Symbol::new("BTCUSD").unwrap(), Some(T), None).unwrap();
        let keys: Vec<&str> = view.steps.iter().map(|step| step.key.as_str()).collect();
        assert_eq!(keys, ["1.500.0", "3", "3.200.0", "3.400.0", "3.600.1"]);
    }

    #[test]
    fn one_strategy_is_explained_alone() {
        let mut settings = crossing(10, 30);
        settings.strategy.set("other", "fast", 3);
        settings.strategy.0.get_mut("other").unwrap().kind = "sma_cross".to_owned();
        let mut facts = super::super::testing::journal();
        facts.0.insert(0, input(0, configured(&settings)));
        let of = |strategy| {
            let symbol = Symbol::new("ETHUSD").unwrap();
            why_not(&facts, symbol, Some(T), Some(strategy)).map(|view| view.title)
        };
        let mine = of("sma_cross").unwrap();
        assert!(mine.contains("there was an order"), "{mine}");
        let other = of("other").unwrap();
        let end = "UTC: other: the averages are not warm yet: the slow one needs 30 bars";
        assert!(other.ends_with(end), "{other}");
        let wrong = of("otter").unwrap_err().text;
        assert_eq!(wrong, "there is no strategy \"otter\"; did you mean other?");
    }

    #[test]
    fn a_close_that_was_not_is_told() {
        let symbol = Symbol::new("BTCUSD").unwrap();
        let failure = why_not(&journal(), symbol, Some(T + 5 * MINUTE), None).unwrap_err();
        assert_eq!(
            failure.text,
            "there was no close at 2021-01-08 12:08 UTC; the closes are from 2021-01-08 12:03 to \
             2021-01-08 12:04"
        );
        let failure = why_not(&Facts(vec![]), symbol, None, None).unwrap_err();
        assert_eq!(failure.text, "there is no close yet");
    }

    #[test]
    fn silence_is_told_by_where_the_averages_stood() {
        let title_after = |rows: &[(f64, f64)]| {
            let sample = journal().0;
            let (mut facts, mut n) = (Vec::new(), 0);
            for (fast, slow) in rows {
                n += 1;
                let at = |kind| sample.iter().position(move |f| f.body.kind() == kind).unwrap();
                let features = &sample[at(kind::FEATURE_VALUES)].body;
                let Body::Analysis(Analysis::FeatureValues { plan, timeframe, table }) = features
                else {
                    panic!("it has values")
                };
                let heads: Vec<_> = table.rows().map(|row| row.head).collect();
                let values = [*fast, *slow].repeat(heads.len());
                let table = FeatureTable::of(2, heads, values);
                let (plan, timeframe) = (*plan, *timeframe);
                let features = Analysis::FeatureValues { plan, timeframe, table };
                let close = &sample[at(kind::CLOSE)];
                let equity = &sample[at(kind::EQUITY)];
                let planned = &sample[at(kind::FEATURE_PLAN)];
                if n == 1 {
                    let mut planned = planned.clone();
                    planned.key.n = 1;
                    facts.extend([input(0, configured(&crossing(10, 30))), planned]);
                }
                for (rank, body) in [
                    (0, close.body.clone()),
                    (200, Body::Analysis(features)),
                    (800, equity.body.clone()),
                ] {
                    let mut fact = close.clone();
                    (fact.key.n, fact.key.rank, fact.body) = (n, rank, body);
                    facts.push(fact);
                }
            }
            title(&Facts(facts), "ETHUSD", None)
        };
        for (rows, answer) in [
            (&[(f64::NAN, f64::NAN)][..], "the averages are not warm yet: the slow one needs 30"),
            (&[(2.0, 1.0)], "no earlier value to compare with"),
            (&[(2.0, 1.0), (3.0, 1.0)], "is above the slow one, as at the close before"),
            (&[(2.0, 1.0), (0.5, 1.0)], "it was above before, but the strategy holds nothing"),
        ] {
            let text = title_after(rows);
            assert!(text.contains(answer), "{answer}: {text}");
        }
    }
}
