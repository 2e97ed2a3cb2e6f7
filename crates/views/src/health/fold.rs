//! Open items that facts show, and since when, in event time.

use crate::sentences;
use crate::status_fold::StatusFold;
use crate::stored_texts::shown;
use crate::views::SymbolView;
use everwarm_domain::fact::{
    Analysis, Body, BreakerLevel, Decision, Ledger, Market, Operator, Order, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::odd::OddBar;
use everwarm_domain::order::{OrderStatus, Side, is_adopted};
use everwarm_domain::settings::Settings;
use everwarm_domain::split::Found;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::Fact;
use everwarm_trading::calendar::Calendar;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events of one kind since another event, and the time of the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Their number.
    pub count: u64,
    /// Event time of the first; 0: there is none.
    pub first: UtcMs,
}

impl Run {
    fn more(&mut self, time: UtcMs, count: u64) {
        if self.count == 0 && count > 0 {
            self.first = time;
        }
        self.count += count;
    }
}

/// The open items, as of the facts taken in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthFold {
    /// Event time of the newest fact.
    pub now: UtcMs,
    /// End of the newest close.
    pub close: Option<UtcMs>,
    /// Maximum age of a bar, milliseconds.
    pub stale: UtcMs,
    /// Signals since the last order.
    pub signals: Run,
    /// Why the newest of them was declined.
    pub declined: Option<String>,
    /// Orders since the last fill.
    pub orders: Run,
    /// Orders that are decided and have no later status yet, with their side.
    #[serde(default)]
    pub due: BTreeMap<ClientOrderId, (UtcMs, Side)>,
    /// Orders with unknown status.
    pub unknown: BTreeMap<ClientOrderId, UtcMs>,
    /// Branches that their supervisors stopped.
    pub branches: BTreeMap<String, UtcMs>,
    /// Conflicts, by id.
    pub conflicts: BTreeMap<String, UtcMs>,
    /// Holdings that are large enough to sell.
    pub held: BTreeMap<Symbol, UtcMs>,
    /// The level of the breaker.
    #[serde(default)]
    pub level: BreakerLevel,
    /// Event time since which it is at that level; none at normal.
    pub breaker: Option<UtcMs>,
    /// The last odd or refused bar of each symbol, in words, shown for [`STRANGE`].
    #[serde(default)]
    pub strange: BTreeMap<Symbol, (UtcMs, String)>,
    /// Orders at the venue with a decided cancel that are not final.
    #[serde(default)]
    pub cancels: BTreeMap<ClientOrderId, Cancelling>,
    /// Trading hours of the symbols.
    #[serde(default)]
    pub calendar: Calendar,
    /// How often signals since the last order were declined or exits not requested, by reason.
    #[serde(default)]
    pub held_up: BTreeMap<String, u64>,
    /// How orders since the last fill ended, by status and reason.
    #[serde(default)]
    pub unfilled: BTreeMap<String, u64>,
    /// The symbols whose splits are queried, in words.
    #[serde(default)]
    pub split_doubts: BTreeMap<Symbol, (UtcMs, String)>,
}

/// Number of different reasons that are counted; further ones are not.
const REASONS: usize = 20;

fn count(reasons: &mut BTreeMap<String, u64>, why: String) {
    if reasons.len() < REASONS || reasons.contains_key(&why) {
        *reasons.entry(why).or_default() += 1;
    }
}

/// The most frequent reason with its number; none: there is none.
#[must_use]
pub fn most_frequent(reasons: &BTreeMap<String, u64>) -> Option<(&str, u64)> {
    let first = reasons.iter().max_by_key(|(why, times)| (**times, std::cmp::Reverse(*why)));
    first.map(|(why, times)| (why.as_str(), *times))
}

/// The progress of the cancel of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelling {
    /// What the order trades.
    pub symbol: Symbol,
    /// Direction of the order.
    pub side: Side,
    /// Event time at which the cancel was decided, UTC milliseconds.
    pub since: UtcMs,
    /// Number of announced requests.
    pub attempts: u32,
    /// Whether the last one has no response yet.
    pub waits: bool,
    /// The last response, in words.
    pub last: Option<String>,
}

/// How long an odd or refused bar is shown: entries pause for as many closes.
const STRANGE: UtcMs = 15 * MINUTE;

impl HealthFold {
    /// Whether the newest bar of a symbol is too old at venue time `now`.
    #[must_use]
    pub fn is_stale(&self, row: &SymbolView, now: UtcMs) -> bool {
        let age = |newest| self.calendar.of(row.symbol).open_between(newest, now);
        self.stale > 0 && row.newest_bar.is_some_and(|newest| age(newest) > self.stale)
    }

    /// Event time since which the breaker is at `level`; none: unknown, or it is at another level.
    #[must_use]
    pub fn at(&self, level: BreakerLevel) -> Option<UtcMs> {
        self.breaker.filter(|_| self.level == level)
    }

    /// Takes an odd bar of the close at `time`. The response about splits came before that close
    /// was appended, and stays in the text.
    fn odd(&mut self, odd: &OddBar, time: UtcMs) {
        let mut text = sentences::odd(odd.symbol, odd.why);
        let response = self.strange.remove(&odd.symbol);
        if let Some((_, of)) = response.filter(|(since, _)| *since >= time) {
            text = format!("{text}; {of}");
        }
        self.strange.insert(odd.symbol, (time, text));
    }

    /// Takes one fact in, in the order of their keys; `status` has taken it in already.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what opens or ends nothing needs no word")]
    pub fn fold(&mut self, fact: &Fact<Body>, status: &StatusFold) {
        let time = fact.time;
        self.now = self.now.max(time);
        if let Body::Market(market) = &fact.body {
            self.calendar.fold(market);
        }
        match &fact.body {
            Body::Market(Market::Close { time, odd, .. }) => {
                self.close = Some(*time);
                self.strange.retain(|_, (since, _)| *time - *since < STRANGE);
                for odd in odd {
                    self.odd(odd, *time);
                }
            }
            Body::Market(Market::LateBar { bar, odd: Some(why) }) => {
                self.strange.insert(bar.symbol, (time, sentences::odd(bar.symbol, *why)));
            }
            Body::Market(Market::BarRefused { symbol, .. }) => {
                self.strange
                    .insert(*symbol, (time, sentences::describe(&fact.body, Some(*symbol))));
            }
            Body::Market(Market::CorporateAction(action)) => {
                let symbol = action.symbol;
                let text = sentences::describe(&fact.body, Some(symbol));
                let since = self.split_doubts.remove(&symbol).map_or(time, |(since, _)| since);
                match action.found {
                    Found::Asked(_) => drop(self.split_doubts.insert(symbol, (since, text))),
                    Found::Nothing | Found::Split { .. } => {
                        self.strange.insert(symbol, (time, text));
                    }
                }
            }
            Body::Market(Market::Instruments { .. }) => self.holds(status, time),
            Body::Operator(Operator::Started { .. }) => {
                self.branches.clear();
                self.conflicts.clear();
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Ok(settings) = Settings::from_text(text) {
                    self.stale = settings.trading.stale_s * 1000;
                }
            }
            Body::Operator(Operator::Branch { path, down }) => {
                self.branches.remove(path);
                self.branches.extend(down.as_ref().map(|_| (path.clone(), time)));
            }
            Body::Operator(Operator::Resolved { conflict, .. }) => {
                self.conflicts.remove(&conflict.id());
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                self.signals.more(time, rows.len() as u64);
            }
            Body::Decision(decision) => self.decided(decision, time),
            Body::Venue(Venue::Requested(request)) => {
                if let Some(one) = self.cancels.get_mut(&request.of) {
                    (one.attempts, one.waits) = (request.attempt, true);
                }
            }
            Body::Venue(Venue::Responded { of, attempt, response, .. }) => {
                if let Some(one) = self.cancels.get_mut(of).filter(|one| one.attempts == *attempt) {
                    (one.waits, one.last) = (false, Some(sentences::describe_response(response)));
                }
            }
            Body::Order(order) => self.order(order, time),
            Body::Ledger(ledger) => self.ledger(ledger, status, time),
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn decided(&mut self, decision: &Decision, time: UtcMs) {
        match decision {
            Decision::Declined { code, text, .. } => {
                self.declined = Some(shown(text));
                count(&mut self.held_up, code.clone());
            }
            Decision::Owed { refusal: Some(why), .. } => {
                count(&mut self.held_up, format!("an exit waits: {}", shown(why)));
            }
            Decision::Breaker { level, .. } if *level != self.level => {
                self.level = *level;
                self.breaker = (*level != BreakerLevel::Normal).then_some(time);
            }
            Decision::CancelIntent { client_id, symbol, side, .. } => {
                let (symbol, side) = (*symbol, *side);
                let begun =
                    Cancelling { symbol, side, since: time, attempts: 0, waits: false, last: None };
                self.cancels.entry(client_id.clone()).or_insert(begun);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, order: &Order, time: UtcMs) {
        match order {
            Order::Intent(intent) => {
                self.due.insert(intent.client_id.clone(), (time, intent.side));
                (self.signals, self.declined) = (Run::default(), None);
                self.held_up.clear();
                self.orders.more(time, 1);
            }
            Order::Changed { client_id, status, reason, .. } => {
                self.due.remove(client_id);
                if status.is_final() {
                    self.cancels.remove(client_id);
                    let colon = if reason.is_empty() { "" } else { ": " };
                    let why = format!("{}{colon}{}", sentences::status(*status), shown(reason));
                    count(&mut self.unfilled, why);
                }
                if *status == OrderStatus::Unknown {
                    self.unknown.entry(client_id.clone()).or_insert(time);
                } else {
                    self.unknown.remove(client_id);
                }
            }
            // It says nothing about our orders.
            Order::Filled { client_id, strategy, .. } if is_adopted(client_id, strategy) => {}
            Order::Filled { .. } => {
                self.orders = Run::default();
                self.unfilled.clear();
            }
            _ => {}
        }
    }

    /// Updates the holdings. Dust stays forever, so a holding begins when it exceeds dust.
    fn holds(&mut self, status: &StatusFold, time: UtcMs) {
        let held = status.sellable().into_keys();
        let since = |symbol: &Symbol| self.held.get(symbol).copied().unwrap_or(time);
        self.held = held.map(|symbol| (symbol, since(&symbol))).collect();
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, ledger: &Ledger, status: &StatusFold, time: UtcMs) {
        match ledger {
            Ledger::Position { .. } => self.holds(status, time),
            Ledger::Reconciled { conflicts, .. } => {
                let since = |id: &String| self.conflicts.get(id).copied().unwrap_or(time);
                let ids = conflicts.iter().map(everwarm_domain::fact::Conflict::id);
                self.conflicts = ids.map(|id| (id.clone(), since(&id))).collect();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Signs, findings};
    use crate::views::Severity;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::{OrderRequest, Proof, RequestKind, Response};
    use everwarm_trading::orders::order_states::CANCELS_MAX;
    use everwarm_trading::testing::{input, sym};

    fn id() -> ClientOrderId {
        ClientOrderId("ew-1".into())
    }

    fn intent() -> Body {
        let (client_id, symbol) = (id(), sym("ETHUSD"));
        let (strategy, side, reason) = ("sma_cross".to_owned(), Side::Buy, "r".to_owned());
        Body::Decision(Decision::CancelIntent { client_id, strategy, symbol, side, reason })
    }

    fn requested(attempt: u32) -> Body {
        let (what, symbol) = (RequestKind::Cancel, sym("ETHUSD"));
        let (id, of) = (OrderRequest::id_of(&id(), what, attempt), id());
        let (timestamp, deadline, settled_at, proof) = (0, 5_000, None, Proof::default());
        let request =
            OrderRequest { id, of, symbol, what, attempt, timestamp, deadline, settled_at, proof };
        Body::Venue(Venue::Requested(request))
    }

    fn refused(attempt: u32) -> Body {
        let (id, of) = (OrderRequest::id_of(&id(), RequestKind::Cancel, attempt), id());
        let response = Response::Refused { code: -2011, text: "denied".to_owned() };
        Body::Venue(Venue::Responded { id, of, attempt, response })
    }

    fn changed(status: OrderStatus) -> Body {
        let (executed, executed_quote) = (Decimal::ZERO, Decimal::ZERO);
        let (client_id, symbol, reason) = (id(), sym("ETHUSD"), String::new());
        let venue_order_id = Some(7.into());
        Body::Order(Order::Changed {
            client_id,
            symbol,
            venue_order_id,
            status,
            executed,
            executed_quote,
            reason,
        })
    }

    /// The findings about cancels at the time `later` after these facts.
    fn found(bodies: Vec<Body>, later: UtcMs) -> Vec<(Severity, String, Option<String>)> {
        let (mut facts, status) = (HealthFold::default(), StatusFold::default());
        for (n, body) in (1..).zip(bodies) {
            facts.fold(&input(n, body), &status);
        }
        let venue = facts.now + later;
        let signs = Signs { running: true, passes: true, venue, facts, ..Signs::default() };
        let all = findings(&signs).findings.into_iter().filter(|found| found.check == "cancels");
        all.map(|found| (found.severity, found.text, found.command)).collect()
    }

    #[test]
    fn a_cancel_that_takes_long_or_failed_for_good_is_told_until_the_order_is_over() {
        let one = vec![intent(), requested(1), refused(1)];
        assert_eq!(found(one.clone(), 2 * MINUTE - 1), []);
        let late = found(one, 2 * MINUTE);
        let text = "order ew-1 to buy ETHUSD is not cancelled yet after 1 attempt; last: the \
                    venue rejected it: denied (-2011)";
        let command = Some("everwarm explain ew-1".to_owned());
        assert_eq!(late, [(Severity::Warning, text.to_owned(), command)]);

        let each = (1..=CANCELS_MAX).flat_map(|n| [requested(n), refused(n)]);
        let mut all: Vec<Body> = [intent()].into_iter().chain(each).collect();
        let last = all.pop().unwrap();
        assert_eq!(found(all.clone(), 0), [], "the last one may still be done");
        all.push(last);
        all.push(changed(OrderStatus::PartlyFilled));
        let (severity, text, command) = found(all.clone(), 0).remove(0);
        assert_eq!(severity, Severity::Broken);
        assert!(text.starts_with("order ew-1 to buy ETHUSD is still open: 8 cancels failed; last"));
        assert_eq!(command.as_deref(), Some("everwarm panic --venue sim"));
        all.push(changed(OrderStatus::Cancelled));
        assert_eq!(found(all, 9 * MINUTE), [], "it is over, by whoever");
    }
}
