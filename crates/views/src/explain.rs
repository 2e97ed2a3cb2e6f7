//! Explains an order, a fill or a fact: its causes back to the bars, and its effects.
//!
//! An id is a client order id or a unique prefix of one, `SYMBOL:TRADE` for a fill, or the key of a
//! fact: `N` for an input, `N.RANK.I` for a derived fact.
//!
//! A fact follows all its causes in the journal. The code assumes nothing else about the order of
//! rows: while stages catch up, facts of later stages about an input follow later inputs.
//!
//! Over 500 lines: one story, and each kind of fact is a case of it.

use super::exit::Failure;
use super::features::Plans;
use super::journal_reader::JournalFacts;
use super::sentences::{self, describe};
use super::stored_texts::shown;
use super::views::{ExplainStep, ExplainView};
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_kernel::fact::{Body as _, Fact, Key};
use everwarm_words::text::{plain, rounded};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Maximum number of facts in one explanation.
const FACTS_MAX: usize = 500;
/// Maximum number of passes over the journal in search of causes.
const WALKS_MAX: usize = 12;
/// Rows between two noted positions. A later pass starts at a noted row instead of the first.
const NOTE_EVERY: u64 = 4096;

/// The subject of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Order(String),
    Fill(Symbol, VenueTradeId),
    Fact(Key),
}

impl Asked {
    fn parse(id: &str) -> Asked {
        if let Ok(key) = id.parse() {
            return Asked::Fact(key);
        }
        // A symbol has no colon, and the id of a trade may have one.
        let fill = id.split_once(':').and_then(|(symbol, trade)| {
            Some(Asked::Fill(Symbol::named(symbol).ok()?, VenueTradeId::new(trade).ok()?))
        });
        fill.unwrap_or_else(|| Asked::Order(id.to_owned()))
    }
}

/// Explains `id`; `None` if the journal has nothing with that id. If no process runs (`at_rest`),
/// an order has the status that the next start finds.
///
/// # Errors
/// The journal could not be read, or several orders begin with `id`.
pub fn explain(
    journal: &dyn JournalFacts,
    id: &str,
    at_rest: bool,
) -> Result<Option<ExplainView>, Failure> {
    let asked = Asked::parse(id);
    let mut story = Story { at_rest, ..Story::default() };
    if let Asked::Fact(key) = asked {
        story.wanted.insert(key);
        story.asked = Some(key);
    } else {
        story.order = order_of(journal, &asked)?;
        if story.order.is_none() {
            return Ok(None);
        }
    }
    story.forward(journal)?;
    story.causes(journal)?;
    if story.asked.is_some_and(|key| !story.facts.contains_key(&key)) || story.facts.is_empty() {
        return Ok(None);
    }
    Ok(Some(story.view(id)))
}

/// The error text for an id that the journal does not contain.
#[must_use]
pub fn no_story(id: &str) -> String {
    format!(
        "nothing is known of {id:?}: give a client order id, SYMBOL:TRADE for a fill, or the key \
         of a fact, like 120 or 120.600.0"
    )
}

/// The id of the requested order; none if no order matches.
fn order_of(journal: &dyn JournalFacts, asked: &Asked) -> Result<Option<ClientOrderId>, Failure> {
    let mut found = BTreeSet::new();
    match asked {
        Asked::Fact(_) => {}
        Asked::Order(id) => journal.each(0, &mut |_, fact| {
            // Orders of `everwarm panic` and adopted ones have fills but no decision in this
            // journal.
            if let Body::Order(Order::Filled { client_id, .. }) = &fact.body
                && (client_id.is_panic() || client_id.is_external())
                && client_id.0.starts_with(id.as_str())
            {
                found.insert(client_id.clone());
            }
            if let Body::Order(Order::Intent(intent)) = &fact.body {
                if intent.client_id.0 == *id {
                    found = BTreeSet::from([intent.client_id.clone()]);
                    return ControlFlow::Break(());
                }
                if intent.client_id.0.starts_with(id.as_str()) {
                    found.insert(intent.client_id.clone());
                }
            }
            ControlFlow::Continue(())
        })?,
        Asked::Fill(of, trade) => journal.each(0, &mut |_, fact| {
            if let Body::Order(Order::Filled { client_id, symbol, fill, .. }) = &fact.body
                && symbol == of
                && fill.trade_id == *trade
            {
                found.insert(client_id.clone());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?,
    }
    if found.len() > 1 {
        let some: Vec<String> = found.iter().take(5).map(ClientOrderId::to_string).collect();
        let text = format!(
            "the id matches {} orders: {} …; give more of it",
            found.len(),
            some.join(", ")
        );
        return Err(Failure::new(super::exit::Exit::Usage, text).coded("ambiguous-id"));
    }
    Ok(found.pop_first())
}

/// The facts of an explanation, as far as they are collected.
#[derive(Debug, Default)]
struct Story {
    at_rest: bool,
    order: Option<ClientOrderId>,
    asked: Option<Key>,
    focus: Option<Symbol>,
    facts: BTreeMap<Key, Fact<Body>>,
    wanted: BTreeSet<Key>,
    /// Rows of some inputs, by number of the input. Facts about an input are in later rows.
    rows: BTreeMap<u64, u64>,
    plans: Plans,
    /// The row of the last collected fact. All causes are in earlier rows.
    last: u64,
}

impl Story {
    /// The first pass: collects the subject's facts and everything that follows from them.
    fn forward(&mut self, journal: &dyn JournalFacts) -> Result<(), Failure> {
        let mut breaker: BTreeMap<Key, Fact<Body>> = BTreeMap::new();
        let mut noted = 0_u64;
        journal.each(0, &mut |row, fact| {
            if fact.key.rank == 0 && row >= noted {
                self.rows.insert(fact.key.n, row);
                noted = row + NOTE_EVERY;
            }
            self.plans.fold(fact);
            if let Body::Decision(Decision::Breaker { .. }) = fact.body {
                breaker.insert(fact.key, fact.clone());
            }
            if !self.belongs(fact) {
                return ControlFlow::Continue(());
            }
            self.adopt(fact);
            self.last = row;
            if let Body::Decision(_) = fact.body {
                let in_force = breaker.range(..=fact.key).next_back();
                self.facts.extend(in_force.map(|(key, found)| (*key, found.clone())));
            }
            if self.facts.len() < FACTS_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
    }

    /// Whether a fact belongs to the subject or follows from it. Facts come in journal order.
    fn belongs(&self, fact: &Fact<Body>) -> bool {
        if let Some(order) = &self.order
            && mentions(&fact.body, order)
        {
            return true;
        }
        if self.asked == Some(fact.key) {
            return true;
        }
        let whole_input = self.asked.is_some_and(|key| key.rank == 0 && fact.key.n == key.n);
        let follows = fact.because.iter().any(|key| {
            self.facts.get(key).is_some_and(|cause| cause.key.rank > 0 && self.is_effect(cause))
        });
        // The books change in the same round as the fill.
        let books = match (&fact.body, self.focus) {
            (
                Body::Ledger(Ledger::Position { symbol, .. } | Ledger::Lot { symbol, .. }),
                Some(focus),
            ) if *symbol == focus => {
                let round = Key { n: fact.key.n, ..Key::default() }..=fact.key;
                self.facts
                    .range(round)
                    .any(|(_, f)| matches!(f.body, Body::Order(Order::Filled { .. })))
            }
            _ => false,
        };
        whole_input || follows || books
    }

    /// Whether the explanation includes what follows from `cause`. It excludes the effects of a
    /// breaker level, which is a cause of many orders, unless the level is the subject.
    fn is_effect(&self, cause: &Fact<Body>) -> bool {
        !matches!(cause.body, Body::Decision(Decision::Breaker { .. }))
            || self.asked == Some(cause.key)
    }

    fn adopt(&mut self, fact: &Fact<Body>) {
        if let Some(order) = approved(&fact.body)
            && self.asked.is_some_and(|key| key.rank > 0)
            && self.order.is_none()
        {
            self.order = Some(order.clone());
        }
        if self.focus.is_none() && (self.order.is_some() || self.asked.is_some_and(|k| k.rank > 0))
        {
            self.focus = symbol_of(&fact.body);
        }
        self.wanted.extend(fact.because.iter().copied());
        if fact.key.rank > 0 {
            self.wanted.insert(Key { n: fact.key.n, rank: 0, i: 0 });
        }
        self.wanted.remove(&fact.key);
        self.facts.insert(fact.key, fact.clone());
    }

    /// Further passes until every cause is collected. They include the facts of the round that led
    /// to a signal, even if no fact names them as a cause.
    fn causes(&mut self, journal: &dyn JournalFacts) -> Result<(), Failure> {
        let rounds: BTreeSet<u64> = self
            .facts
            .values()
            .filter(|f| matches!(f.body, Body::Decision(_) | Body::Analysis(_)))
            .filter(|f| !matches!(f.body, Body::Decision(Decision::Breaker { .. })))
            .map(|f| f.key.n)
            .collect();
        for walk in 0..WALKS_MAX {
            self.wanted.retain(|key| !self.facts.contains_key(key));
            let rounds = if walk == 0 { &rounds } else { &BTreeSet::new() };
            let numbers = || self.wanted.iter().map(|key| key.n).chain(rounds.iter().copied());
            let Some(first) = numbers().min() else { break };
            let from = self.rows.range(..=first).next_back().map_or(0, |(_, row)| *row);
            let (mut found, last) = (Vec::new(), self.last);
            journal.each(from, &mut |row, fact| {
                let led = rounds.contains(&fact.key.n) && self.leads(fact);
                if self.wanted.contains(&fact.key) || led {
                    found.push(fact.clone());
                }
                if row >= last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if found.is_empty() || self.facts.len() > FACTS_MAX {
                break;
            }
            for fact in &found {
                self.adopt(fact);
            }
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    fn leads(&self, fact: &Fact<Body>) -> bool {
        let Some(focus) = self.focus else { return false };
        let ours = |symbol: Symbol| symbol == focus;
        let before_asked = self.asked.is_none_or(|key| fact.key <= key || self.order.is_some());
        before_asked
            && match &fact.body {
                Body::Market(Market::Close { .. }) => true,
                Body::Analysis(
                    Analysis::FeatureValues { table, .. } | Analysis::Kept { rows: table, .. },
                ) => table.row(focus).is_some(),
                Body::Analysis(Analysis::Signals { rows }) => rows.iter().any(|r| ours(r.symbol)),
                _ => false,
            }
    }

    fn view(&self, id: &str) -> ExplainView {
        let steps = self.facts.values().map(|fact| step(fact, self.focus, &self.plans));
        ExplainView { id: id.to_owned(), title: self.title(id), steps: steps.collect() }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    fn title(&self, id: &str) -> String {
        let Some(order) = &self.order else {
            let asked = self.asked.and_then(|key| self.facts.get(&key));
            return asked.map_or(id.to_owned(), |f| describe(&f.body, self.focus));
        };
        let mut what = None;
        let mut state = OrderStatus::Intent;
        let mut done = (Decimal::ZERO, Decimal::ZERO);
        let mut why = String::new();
        for fact in self.facts.values() {
            match &fact.body {
                Body::Order(Order::Intent(intent)) if intent.client_id == *order => {
                    what = Some(intent);
                }
                Body::Decision(Decision::Approved { intent, reason, .. })
                    if intent.client_id == *order =>
                {
                    why = format!(", because {}", shown(reason));
                }
                Body::Order(Order::Changed {
                    client_id, status, executed, executed_quote, ..
                }) if client_id == order => {
                    state = *status;
                    done = (*executed, *executed_quote);
                }
                Body::Venue(venue) if self.at_rest => state = found(venue, order).unwrap_or(state),
                _ => {}
            }
        }
        if self.at_rest && state == OrderStatus::Sent {
            state = OrderStatus::Unknown;
        }
        let Some(intent) = what else { return format!("order {order}") };
        let close = everwarm_words::text::clock(intent.close_time);
        let filled = done.1.checked_div(done.0).map_or(String::new(), |price| {
            format!(", {} at average price {}", plain(done.0), rounded(price))
        });
        format!(
            "{} by {} at the close {close} UTC{why}: {}{filled}",
            sentences::intent(intent),
            intent.strategy,
            sentences::status(state)
        )
    }
}

/// The status of an order that an input shows, before the order manager processes the input.
#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn found(venue: &Venue, order: &ClientOrderId) -> Option<OrderStatus> {
    match venue {
        Venue::Sent { attempts } => {
            attempts.iter().any(|a| a.client_id == *order).then_some(OrderStatus::Sent)
        }
        Venue::Reported(report) => (report.client_id == *order).then_some(report.status),
        Venue::Refused { client_id, again, .. } => {
            (client_id == order && !again).then_some(OrderStatus::Rejected)
        }
        _ => None,
    }
}

/// A fact as one step of an explanation.
pub fn step(fact: &Fact<Body>, focus: Option<Symbol>, plans: &Plans) -> ExplainStep {
    let values = focus.and_then(|symbol| Some((symbol, plans.values(&fact.body, symbol)?)));
    let text = match values {
        Some((symbol, values)) => sentences::features(symbol, &values),
        None => describe(&fact.body, focus),
    };
    ExplainStep {
        key: fact.key.to_string(),
        because: fact.because.iter().map(Key::to_string).collect(),
        kind: Body::name(fact.body.kind()).to_owned(),
        time: fact.time,
        depth: u8::from(fact.key.rank > 0),
        text,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
fn approved(body: &Body) -> Option<&ClientOrderId> {
    match body {
        Body::Decision(Decision::Approved { intent, .. }) | Body::Order(Order::Intent(intent)) => {
            Some(&intent.client_id)
        }
        _ => None,
    }
}

/// The one symbol a fact is about.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
fn symbol_of(body: &Body) -> Option<Symbol> {
    match body {
        Body::Analysis(Analysis::Signals { rows }) => match rows.as_slice() {
            [one] => Some(one.symbol),
            _ => None,
        },
        Body::Decision(Decision::Approved { intent, .. }) | Body::Order(Order::Intent(intent)) => {
            Some(intent.symbol)
        }
        Body::Decision(Decision::Declined { signal, .. }) => Some(signal.symbol),
        Body::Decision(
            Decision::Withdrawn { symbol, .. }
            | Decision::CancelIntent { symbol, .. }
            | Decision::Guarded { symbol, .. },
        )
        | Body::Order(Order::Changed { symbol, .. } | Order::Filled { symbol, .. })
        | Body::Ledger(Ledger::Position { symbol, .. } | Ledger::Lot { symbol, .. })
        | Body::Market(Market::HistoryLoaded { symbol, .. }) => Some(*symbol),
        Body::Venue(Venue::Reported(report)) => Some(report.symbol),
        Body::Market(Market::LateBar { bar, .. }) => Some(bar.symbol),
        Body::Operator(Operator::Manual { request, .. }) => Some(request.symbol()),
        Body::Operator(Operator::Signalled(signal)) => Some(signal.symbol),
        _ => None,
    }
}

/// Whether a fact is about an order.
#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn mentions(body: &Body, id: &ClientOrderId) -> bool {
    match body {
        Body::Venue(Venue::Sent { attempts }) => attempts.iter().any(|a| a.client_id == *id),
        Body::Venue(Venue::Reported(report)) => report.client_id == *id,
        Body::Venue(Venue::Account { open, .. }) => open.iter().any(|(open, _)| open == id),
        Body::Venue(Venue::PanicTraded { trades, .. }) => {
            trades.iter().any(|trade| trade.client_id == *id)
        }
        Body::Venue(Venue::Requested(request)) => request.of == *id,
        Body::Venue(Venue::ExternalTraded(external)) => {
            external.trades.iter().any(|trade| trade.client_id == *id)
        }
        Body::Decision(Decision::Approved { intent, .. }) | Body::Order(Order::Intent(intent)) => {
            intent.client_id == *id
        }
        Body::Venue(
            Venue::Refused { client_id, .. }
            | Venue::Unanswered { client_id, .. }
            | Venue::Absent { client_id, .. }
            | Venue::Responded { of: client_id, .. },
        )
        | Body::Decision(
            Decision::Withdrawn { client_id, .. } | Decision::CancelIntent { client_id, .. },
        )
        | Body::Order(
            Order::Granted { client_id, .. }
            | Order::Changed { client_id, .. }
            | Order::Filled { client_id, .. },
        ) => client_id == id,
        Body::Order(Order::Compared { conflicts, .. }) => conflicts.iter().any(|c| c.about == id.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Facts, ID, journal};
    use super::*;

    fn lines(id: &str) -> Vec<String> {
        let view = explain(&journal(), id, false).unwrap().unwrap();
        let step = |s: &ExplainStep| format!("{} {}", s.key, s.text);
        std::iter::once(view.title.clone()).chain(view.steps.iter().map(step)).collect()
    }

    #[test]
    fn an_order_is_told_from_the_bars_to_the_books() {
        let expected = [
            "buy 0.8 ETHUSD at market by sma_cross at the close 12:03 UTC, because the \
             10-bar average crossed above the 30-bar one: filled, 0.8 at average price 1250.5",
            "1.500.0 the breaker is at normal",
            "3 close at 12:03 UTC: ETHUSD open 1245, high 1251, low 1241, close 1250, \
             volume 12.5; missing: LTCUSD",
            "3.200.0 features of ETHUSD: sma(10)@1m 1249.5000, sma(30)@1m 1249.2500",
            "3.400.0 sma_cross signals buy ETHUSD at 1250: the 10-bar average crossed above the \
             30-bar one",
            "3.600.0 approved: buy 0.8 ETHUSD at market, 1,005.00 reserved",
            "3.700.0 order ew-abcdefghijklmnopqrstuvwxyz: buy 0.8 ETHUSD at market, may be \
             sent until 12:08",
            "4 sent to the venue: order ew-abcdefghijklmnopqrstuvwxyz, attempt 1, signed for \
             12:03:00.012, valid until 12:03:05.012",
            "4.700.0 order ew-abcdefghijklmnopqrstuvwxyz: sent",
            "5 the venue responded: order ew-abcdefghijklmnopqrstuvwxyz, venue id 17: filled, \
             0.8 of 0.8 filled",
            "5.700.0 fill 1: bought 0.5 ETHUSD at 1250.5, fee 0.25 USD, at 12:03:00.020 (trade \
             901)",
            "5.700.1 fill 2: bought 0.3 ETHUSD at 1250.5, fee 0.25 USD, at 12:03:00.020 (trade \
             902)",
            "5.700.2 order ew-abcdefghijklmnopqrstuvwxyz: filled, 0.8 filled, average price \
             1250.5",
            "5.800.0 position 0.5 ETHUSD, average price 1250.5, realised -0.25, cash 9,000.00",
            "5.800.1 position 0.8 ETHUSD, average price 1250.5, realised -0.25, cash 9,000.00",
        ];
        assert_eq!(lines(ID), expected);
        assert_eq!(lines("ew-abc"), expected);
        assert_eq!(lines("ETHUSD:902"), expected);
    }

    #[test]
    fn the_size_of_an_order_is_told_as_arithmetic() {
        let mut facts = journal().0;
        for fact in &mut facts {
            if let Body::Decision(Decision::Approved { sizing, .. }) = &mut fact.body {
                *sizing = Some("equity 10000 x 10% / 1250 = 0.8, down to 0.8".to_owned());
            }
        }
        let view = explain(&Facts(facts), ID, false).unwrap().unwrap();
        let step = view.steps.iter().find(|step| step.key == "3.600.0").unwrap();
        assert_eq!(
            step.text,
            "approved: buy 0.8 ETHUSD at market, 1,005.00 reserved; size: equity 10000 x 10% \
             / 1250 = 0.8, down to 0.8"
        );
    }

    #[test]
    fn an_order_that_was_announced_before_a_kill_is_told_as_the_next_start_finds_it() {
        let facts = |count: usize| Facts(journal().0[..count].to_vec());
        let title = |count, at_rest| explain(&facts(count), ID, at_rest).unwrap().unwrap().title;
        let unknown = sentences::status(OrderStatus::Unknown);
        for count in [13, 14] {
            assert!(title(count, true).ends_with(&format!(": {unknown}")), "{count}");
        }
        assert!(title(12, true).ends_with(sentences::status(OrderStatus::Intent)));
        assert!(!title(13, false).contains(unknown), "the order manager speaks in a moment");
        assert!(title(15, true).contains(sentences::status(OrderStatus::Filled)));
    }

    #[test]
    fn a_refusal_is_told_with_what_it_refuses() {
        let story = lines("3.600.1");
        assert_eq!(story[0], "declined: buy BTCUSD: 1 position is open, 1 is allowed");
        let keys: Vec<_> = story[1..].iter().map(|s| s.split(' ').next().unwrap()).collect();
        assert_eq!(keys, ["1.500.0", "3", "3.200.0", "3.400.0", "3.600.1"]);
        assert!(story[4].contains("BTCUSD") && !story[4].contains("ETHUSD"), "{}", story[4]);
    }

    #[test]
    fn a_close_is_told_with_all_facts_about_it() {
        let story = lines("3");
        assert!(story[0].starts_with("close at 12:03 UTC: 2 bars of BTCUSD, ETHUSD"));
        assert!(story.iter().any(|s| s.starts_with("3.600.1 ")));
        assert!(story.iter().any(|s| s.starts_with("3.800.0 equity at 12:03")));
    }

    #[test]
    fn what_is_not_there_has_no_story() {
        for id in ["ew-zzz", "LTCUSD:1", "99", "3.600.7"] {
            assert_eq!(explain(&journal(), id, false).unwrap(), None, "{id}");
        }
    }
}
