//! Explains why there was no order for a symbol at a close, from the facts of every stage.
//!
//! Over 500 lines: one question, and each stage is a case of its answer.

mod entry;

use self::entry::LastEntry;
use super::exit::{Exit, Failure};
use super::explain::step;
use super::features::Plans;
use super::journal_reader::JournalFacts;
use super::sentences;
use super::stored_texts::shown;
use super::views::ExplainView;
use everwarm_domain::fact::{
    Analysis, AtVenue, Body, BreakerLevel, Decision, Ledger, Listed, Market, Operator, Order,
    Signal, Standing,
};
use everwarm_domain::features::FeatureHead;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::quarantine::{Quarantine, Quarantines};
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::Switches;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Effect, Fact, Key};
use everwarm_trading::strategy::{self, LotView, View, WhyNot};
use everwarm_words::text::instant;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Why there was no order for `symbol` at the close of `time`, or at the newest close. If there was
/// an order, the answer names it.
///
/// # Errors
/// The journal could not be read, or there was no such close or symbol.
pub fn why_not(
    journal: &dyn JournalFacts,
    symbol: Symbol,
    time: Option<UtcMs>,
) -> Result<ExplainView, Failure> {
    let found = find(journal, time)?;
    if let Some((input, row)) = found.wanted.zip(found.decided) {
        let mut seen = Seen::new(symbol, input);
        journal.each(0, &mut |at, fact| {
            // Stages may have appended facts about later inputs already.
            if fact.key.n <= input {
                seen.fold(fact);
            }
            if at >= row { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(view) = seen.answer {
            return Ok(view);
        }
    }
    let text = match (found.closes, time) {
        (None, _) => "there is no close yet".to_owned(),
        (Some(_), Some(time)) if found.wanted.is_some() => {
            format!("the close at {} UTC is not decided yet", instant(time))
        }
        (Some((first, last)), Some(time)) => format!(
            "there was no close at {} UTC; the closes are from {} to {}{}",
            instant(time),
            instant(first),
            instant(last),
            removed(journal)
        ),
        (Some(_), None) => "the first close is not decided yet".to_owned(),
    };
    Err(Failure::new(Exit::Failed, text).coded("no-such-id"))
}

/// What follows the times of the closes: whether older ones were removed.
fn removed(journal: &dyn JournalFacts) -> &'static str {
    let whole = journal.store().is_none_or(|store| store.whole_from().is_ok_and(|row| row == 1));
    if whole { "" } else { "; of those before storage.analysis_days, most were removed" }
}

/// The position of the requested close in the journal.
#[derive(Default)]
struct Found {
    /// Number of that close; without a time, of the newest decided close.
    wanted: Option<u64>,
    /// The row at which the last stage processed it.
    decided: Option<u64>,
    /// Times of the first and the newest close.
    closes: Option<(UtcMs, UtcMs)>,
}

fn find(journal: &dyn JournalFacts, time: Option<UtcMs>) -> Result<Found, Failure> {
    let mut found = Found::default();
    journal.each(0, &mut |row, fact| {
        if let Body::Market(Market::Close { time: now, .. }) = &fact.body {
            found.closes = Some((found.closes.map_or(*now, |(first, _)| first), *now));
            if time == Some(*now) {
                found.wanted = Some(fact.key.n);
            }
        }
        if let Body::Ledger(Ledger::Equity { .. }) = &fact.body {
            if time.is_none() {
                (found.wanted, found.decided) = (Some(fact.key.n), Some(row));
            } else if found.wanted == Some(fact.key.n) {
                found.decided = Some(row);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// A close while the stages process it.
struct Round {
    time: UtcMs,
    /// The facts about the symbol, the close first.
    facts: Vec<Fact<Body>>,
    /// Whether the close has a bar of the symbol or lacks it; none: the bar is not expected.
    bar: Option<bool>,
    /// Why strategies that saw the close gave no signal, by id.
    why: BTreeMap<String, String>,
    signal: Option<Signal>,
}

/// Maximum number of facts that wait for their order: a stage may append facts about later inputs
/// before another stage processes this one.
const WAITING: usize = 4_096;

/// A fact that the strategies see again.
enum Shown {
    Settings(Box<Settings>),
    Values(Timeframe, FeatureHead, Vec<(String, f64)>),
    Signalled(String, Side),
    /// The base units of a lot.
    Held(String, Decimal),
    /// An order of an entry.
    Entry(String, ClientOrderId),
    /// The end of an order.
    Ended(ClientOrderId),
    /// Whether an exit is owed.
    Leaves(String, bool),
}

/// A strategy that runs again on the values of the journal.
struct Asked {
    section: String,
    why_not: Box<dyn WhyNot>,
    timeframe: Timeframe,
    /// The features it needs, with their newest values.
    values: Vec<(String, f64)>,
    /// Whether its last signal was a buy.
    long: bool,
    /// Whether its position ends with its lot.
    ends_with_lot: bool,
    /// Base units of its lot, its entries that are not final, and whether its exit is owed.
    held: Decimal,
    entries: BTreeSet<ClientOrderId>,
    leaves: bool,
}

impl Asked {
    fn lot(&self) -> LotView {
        LotView { held: self.held, enters: !self.entries.is_empty(), leaves: self.leaves }
    }

    /// Whether the strategy is long, as [`Strategy::update`](strategy::Strategy::update) has it.
    fn is_long(&self) -> bool {
        if !self.ends_with_lot {
            return self.long;
        }
        !self.leaves && (!self.held.is_zero() || !self.entries.is_empty())
    }
}

/// A strategy with another section than before. What it holds stays.
fn new_section(kind: &strategy::Kind, section: String, former: Option<Asked>) -> Option<Asked> {
    let (why_not, timeframe) = ((kind.why_not)(&section)?, (kind.timeframe)(&section)?);
    let values = (kind.features)(&section).into_iter().map(|name| (name, f64::NAN)).collect();
    let ends_with_lot = kind.ends_with_lot;
    let (long, held, entries, leaves) = former.map_or_else(Default::default, |former| {
        (former.long, former.held, former.entries, former.leaves)
    });
    Some(Asked { section, why_not, timeframe, values, long, ends_with_lot, held, entries, leaves })
}

/// The state of the fold over the journal.
struct Seen {
    symbol: Symbol,
    /// Number of the close.
    input: u64,
    round: Option<Round>,
    settings: Settings,
    switches: Switches,
    quarantines: Quarantines,
    /// Branches that their supervisors stopped, and how they ended last.
    branches: BTreeMap<String, String>,
    breaker: Option<Fact<Body>>,
    /// The listing of the symbol; none: it is not listed.
    listed: Option<Listed>,
    asked: BTreeMap<String, Asked>,
    /// Facts that the strategies have not seen yet, by key.
    waiting: BTreeMap<Key, Shown>,
    plans: Plans,
    entry: LastEntry,
    answer: Option<ExplainView>,
}

impl Seen {
    fn new(symbol: Symbol, input: u64) -> Seen {
        Seen {
            symbol,
            input,
            round: None,
            settings: Settings::default(),
            switches: Switches::default(),
            quarantines: Quarantines::default(),
            branches: BTreeMap::new(),
            breaker: None,
            listed: None,
            asked: BTreeMap::new(),
            waiting: BTreeMap::new(),
            plans: Plans::default(),
            entry: LastEntry::default(),
            answer: None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    fn fold(&mut self, fact: &Fact<Body>) {
        self.plans.fold(fact);
        self.entry.fold(fact, self.symbol);
        match &fact.body {
            Body::Market(Market::Close { time, bars, missing, .. }) if fact.key.n == self.input => {
                let has = bars.iter().any(|bar| bar.symbol == self.symbol);
                let lacks = missing.contains(&self.symbol);
                let bar = if has { Some(true) } else { lacks.then_some(false) };
                let (time, facts) = (*time, vec![fact.clone()]);
                let why = BTreeMap::new();
                let round = Round { time, facts, bar, why, signal: None };
                self.round = Some(round);
            }
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                let now = listed.iter().find(|row| row.symbol == self.symbol);
                if now.is_some() || unlisted.contains(&self.symbol) {
                    self.listed = now.cloned();
                }
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                self.settings = Settings::from_text(text).unwrap_or_default();
                self.show(fact.key, Shown::Settings(Box::new(self.settings.clone())));
            }
            Body::Operator(Operator::Switched { .. }) => self.switches.fold(fact),
            Body::Operator(Operator::Quarantined { .. } | Operator::Released { .. }) => {
                self.quarantines.fold(fact);
            }
            Body::Operator(Operator::Branch { path, down }) => {
                self.branches.remove(path);
                self.branches.extend(down.clone().map(|why| (path.clone(), why)));
            }
            // A new run starts with all branches up.
            Body::Operator(Operator::Started { .. }) => self.branches.clear(),
            Body::Decision(Decision::Breaker { .. }) => self.breaker = Some(fact.clone()),
            Body::Analysis(analysis) => self.analysis(fact, analysis),
            Body::Decision(Decision::Approved { intent, .. }) if intent.symbol == self.symbol => {
                self.note(fact);
            }
            Body::Decision(Decision::Declined { signal, .. }) if signal.symbol == self.symbol => {
                self.note(fact);
            }
            Body::Decision(Decision::Owed { symbol, strategy, ended, .. })
                if *symbol == self.symbol =>
            {
                self.note(fact);
                self.show(fact.key, Shown::Leaves(strategy.clone(), ended.is_none()));
            }
            Body::Decision(
                Decision::Withdrawn { symbol, .. } | Decision::CancelIntent { symbol, .. },
            ) if *symbol == self.symbol => self.note(fact),
            Body::Order(order) => self.order(fact, order),
            Body::Ledger(Ledger::Lot { symbol, strategy, quantity, .. })
                if *symbol == self.symbol =>
            {
                self.show(fact.key, Shown::Held(strategy.clone(), *quantity));
            }
            Body::Ledger(Ledger::Equity { .. }) if fact.key.n == self.input => {
                // The last rank has processed the close, so all facts about it are known.
                while !self.waiting.is_empty() {
                    self.take_first();
                }
                if let Some(round) = self.round.take() {
                    self.answer = Some(self.view(round));
                }
            }
            _ => {}
        }
    }

    fn order(&mut self, fact: &Fact<Body>, order: &Order) {
        match order {
            Order::Intent(intent) if intent.symbol == self.symbol => {
                self.note(fact);
                if intent.side == Side::Buy {
                    let (strategy, id) = (intent.strategy.clone(), intent.client_id.clone());
                    self.show(fact.key, Shown::Entry(strategy, id));
                }
            }
            Order::Changed { client_id, symbol, status, .. }
                if *symbol == self.symbol && status.is_final() =>
            {
                self.show(fact.key, Shown::Ended(client_id.clone()));
            }
            Order::Intent(_)
            | Order::Changed { .. }
            | Order::Granted { .. }
            | Order::Filled { .. }
            | Order::Compared { .. } => {}
        }
    }

    fn note(&mut self, fact: &Fact<Body>) {
        if let Some(round) = self.round.as_mut().filter(|_| fact.key.n == self.input) {
            round.facts.push(fact.clone());
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other numbers are no answer")]
    fn analysis(&mut self, fact: &Fact<Body>, analysis: &Analysis) {
        let round = self.round.as_mut().filter(|_| fact.key.n == self.input);
        match analysis {
            Analysis::FeatureValues { timeframe, table, .. } => {
                let Some(values) = self.plans.values(&fact.body, self.symbol) else { return };
                let Some(row) = table.row(self.symbol) else { return };
                self.show(fact.key, Shown::Values(*timeframe, row.head, values));
                self.note(fact);
            }
            Analysis::Kept { rows, .. } => {
                if let Some(round) = round.filter(|_| rows.row(self.symbol).is_some()) {
                    round.facts.push(fact.clone());
                }
            }
            Analysis::Signals { rows } => {
                let Some(signal) = rows.iter().find(|row| row.symbol == self.symbol) else {
                    return;
                };
                if let Some(round) = round {
                    round.facts.push(fact.clone());
                    round.signal = Some(signal.clone());
                }
                let shown = Shown::Signalled(signal.strategy.clone(), signal.side());
                self.show(fact.key, shown);
            }
            _ => {}
        }
    }

    fn show(&mut self, key: Key, shown: Shown) {
        self.waiting.insert(key, shown);
        if self.waiting.len() > WAITING {
            self.take_first();
        }
    }

    /// Shows the first waiting fact to the strategies.
    fn take_first(&mut self) {
        let Some((key, shown)) = self.waiting.pop_first() else { return };
        match shown {
            Shown::Settings(settings) => self.configured(&settings),
            Shown::Signalled(strategy, side) => {
                if let Some(asked) = self.asked.get_mut(&strategy) {
                    asked.long = side == Side::Buy;
                }
            }
            Shown::Held(strategy, quantity) => {
                if let Some(asked) = self.asked.get_mut(&strategy) {
                    asked.held = quantity;
                }
            }
            Shown::Entry(strategy, id) => {
                if let Some(asked) = self.asked.get_mut(&strategy) {
                    asked.entries.insert(id);
                }
            }
            Shown::Ended(id) => {
                for asked in self.asked.values_mut() {
                    asked.entries.remove(&id);
                }
            }
            Shown::Leaves(strategy, leaves) => {
                if let Some(asked) = self.asked.get_mut(&strategy) {
                    asked.leaves = leaves;
                }
            }
            Shown::Values(timeframe, head, values) => {
                let why = self.see((timeframe, head), &values);
                if let Some(round) = self.round.as_mut().filter(|_| key.n == self.input) {
                    round.why.extend(why);
                }
            }
        }
    }

    /// Applies a configuration. A strategy with the same settings keeps its state.
    fn configured(&mut self, settings: &Settings) {
        let mut before = std::mem::take(&mut self.asked);
        for (id, one) in settings.strategy.0.iter().filter(|(_, one)| one.enabled) {
            let Some(kind) = strategy::kind(&one.kind) else { continue };
            let Ok(section) = (kind.read)(&one.section) else { continue };
            let former = before.remove(id);
            let asked = match former {
                Some(former) if former.section == section => Some(former),
                former => new_section(kind, section, former),
            };
            self.asked.extend(asked.map(|asked| (id.clone(), asked)));
        }
    }

    /// Shows the values of a bar width to the strategies that need them. Returns why strategies of
    /// this width gave no signal.
    fn see(
        &mut self,
        (timeframe, head): (Timeframe, FeatureHead),
        newest: &[(String, f64)],
    ) -> BTreeMap<String, String> {
        let mut why = BTreeMap::new();
        for (id, asked) in &mut self.asked {
            for (name, value) in &mut asked.values {
                if let Some((_, now)) = newest.iter().find(|(column, _)| column == name) {
                    *value = *now;
                }
            }
            if asked.timeframe == timeframe {
                let values: Vec<f64> = asked.values.iter().map(|(_, value)| *value).collect();
                let (long, lot) = (asked.is_long(), asked.lot());
                let reason = asked.why_not.see(long, &View { head, values: &values, lot });
                why.extend(reason.map(|reason| (id.clone(), reason)));
            }
        }
        why
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
            steps: round.facts.iter().map(|fact| step(fact, Some(symbol), &self.plans)).collect(),
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

    /// Which of these stages is quarantined or stopped, and why.
    fn speechless(&self, stages: &[&str]) -> Option<String> {
        let is_one = |name: &str| stages.contains(&name);
        let out = |one: &Quarantine| one.effect == Effect::Stage && is_one(&one.stage);
        if let Some((id, one)) = self.quarantines.all().find(|(_, one)| out(one)) {
            return Some(format!("quarantine {id}: {}", one.words()));
        }
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (path, why) = self.branches.iter().find(|(path, _)| is_one(&name(path)))?;
        Some(format!("{path} is stopped by its supervisor: {why}"))
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
        if let Some(away) = self.speechless(&["roll-up", "indicator"]) {
            return away;
        }
        let each = self.asked.iter().map(|(id, asked)| self.of_one(id, asked, round));
        each.collect::<Vec<_>>().join("; ")
    }

    /// Why one strategy gave no signal.
    fn of_one(&self, id: &str, asked: &Asked, round: &Round) -> String {
        if let Some(off) = self.switches.strategies.get(id) {
            return format!("an operator turned {id} off: {}", off.reason);
        }
        if let Some(away) = self.speechless(&[id]) {
            return away;
        }
        if let Some(why) = round.why.get(id) {
            return format!("{id}: {why}");
        }
        let timeframe = asked.timeframe;
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
        why_not(facts, Symbol::new(symbol).unwrap(), time).unwrap().title
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
        let view = why_not(&journal, Symbol::new("BTCUSD").unwrap(), Some(T)).unwrap();
        let keys: Vec<&str> = view.steps.iter().map(|step| step.key.as_str()).collect();
        assert_eq!(keys, ["1.500.0", "3", "3.200.0", "3.400.0", "3.600.1"]);
    }

    #[test]
    fn a_close_that_was_not_is_told() {
        let symbol = Symbol::new("BTCUSD").unwrap();
        let failure = why_not(&journal(), symbol, Some(T + 5 * MINUTE)).unwrap_err();
        assert_eq!(
            failure.text,
            "there was no close at 2021-01-08 12:08 UTC; the closes are from 2021-01-08 12:03 to \
             2021-01-08 12:04"
        );
        let failure = why_not(&Facts(vec![]), symbol, None).unwrap_err();
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
