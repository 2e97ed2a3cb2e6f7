//! Keeps one order: its intent, the venue's reports about it, and the queries it needs.

use super::lifecycle::Event;
use super::order_states::{PATIENCE_MS, PROOF_GAP_MS, QUIET_MS};
use super::saved::Known;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{
    OrderIntent, OrderReport, OrderStatus, Proof, ReportSource, VenueFill,
};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use everwarm_kernel::fact::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A sent order request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Number of the attempt, from 1.
    pub number: u32,
    /// The venue time it was signed for.
    pub timestamp: UtcMs,
    /// After this venue time, neither it nor an earlier attempt can arrive. `None`: they may always
    /// arrive.
    pub settled: Option<UtcMs>,
    /// The proof required that the venue does not have the order.
    #[serde(default)]
    pub proof: Proof,
    /// An earlier attempt was sent and may still arrive until `settled`.
    #[serde(default)]
    pub earlier: bool,
    /// The venue refused this attempt finally; an earlier one may still arrive.
    #[serde(default)]
    pub refused: bool,
}

impl Attempt {
    /// Whether no sent request can arrive after this venue time.
    #[must_use]
    pub fn is_settled(&self, at: UtcMs) -> bool {
        self.settled.is_some_and(|settled| at > settled)
    }
}

/// One order, with all evidence about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The approved intent.
    #[serde(with = "super::saved::intent")]
    pub intent: OrderIntent,
    /// Key of the `Intent` fact.
    pub key: Key,
    /// Status, as last set by the order manager.
    pub status: OrderStatus,
    /// Highest attempt number that may be sent.
    pub granted: u32,
    /// The last sent attempt.
    pub attempt: Option<Attempt>,
    /// Cumulative quantity of the applied fills, base units.
    pub executed: Decimal,
    /// Cumulative amount of the applied fills, quote units.
    pub executed_quote: Decimal,
    /// Number of applied fills.
    pub applied: u32,
    /// The venue's id, from the order manager's facts.
    pub venue_order_id: Option<VenueOrderId>,
    /// The venue's id, as first reported.
    #[serde(rename = "told_id")]
    pub(super) reported_id: Option<VenueOrderId>,
    /// The most advanced status that the venue reported.
    #[serde(rename = "told")]
    pub(super) reported_status: Option<OrderStatus>,
    /// The largest cumulative quantity that the venue reported.
    #[serde(rename = "told_executed")]
    pub(super) reported_executed: Decimal,
    /// Venue time of the newest report.
    #[serde(rename = "told_at")]
    pub(super) reported_at: UtcMs,
    /// Reported fills, by trade id.
    pub(super) fills: BTreeMap<VenueTradeId, Known>,
    /// Venue time of the first absence that may prove that the order does not exist.
    pub(super) absent: Option<UtcMs>,
    /// The last attempt has no clear response.
    pub(super) unanswered: bool,
    /// Sent by an earlier run or gateway, which cannot receive the response. A query clears this.
    pub(super) orphaned: bool,
    /// Venue time of the last query.
    pub(super) asked: Option<UtcMs>,
}

/// Why an order must be queried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The last attempt has no clear response.
    Unanswered,
    /// It was sent or open before this run or this gateway began.
    Earlier,
    /// The reported executed quantity exceeds the reported fills.
    FillsMissing,
    /// It is open at the venue and the stream has not reported it for a while. A message may have
    /// been lost.
    Quiet,
}

/// A request the gateway may make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    /// What to send.
    pub intent: OrderIntent,
    /// Number of the attempt, for its `Sent`.
    pub attempt: u32,
}

/// A query the gateway must make: for the order by our id, and for its trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToQuery {
    /// Our id.
    pub client_id: ClientOrderId,
    /// Its symbol.
    pub symbol: Symbol,
    /// The venue's id, where known.
    pub venue_order_id: Option<VenueOrderId>,
    /// Venue time of its last attempt: no trade of it is older.
    pub since: UtcMs,
    /// Time of the close it was decided at: nothing about it is older.
    pub decided: UtcMs,
    /// Reason of the query.
    pub why: Why,
    /// Executed quantity reported so far, base units.
    pub executed: Decimal,
    /// Whether the venue has reported a final status.
    pub over: bool,
    /// The proof required that the venue does not have it.
    pub proof: Proof,
}

impl Order {
    pub(super) fn new(intent: OrderIntent, key: Key) -> Order {
        Order {
            intent,
            key,
            status: OrderStatus::Intent,
            granted: 1,
            attempt: None,
            executed: Decimal::ZERO,
            executed_quote: Decimal::ZERO,
            applied: 0,
            venue_order_id: None,
            reported_id: None,
            reported_status: None,
            reported_executed: Decimal::ZERO,
            reported_at: UtcMs::MIN,
            fills: BTreeMap::new(),
            absent: None,
            unanswered: false,
            orphaned: false,
            asked: None,
        }
    }

    /// The query for this order.
    #[must_use]
    pub fn to_query(&self, why: Why) -> ToQuery {
        let (client_id, symbol) = (self.intent.client_id.clone(), self.intent.symbol);
        let since = self.attempt.map_or(self.intent.close_time, |a| a.timestamp);
        let (venue_order_id, executed) = (self.reported_id.clone(), self.reported_executed);
        let over = self.reported_status.is_some_and(OrderStatus::is_final);
        let decided = self.intent.close_time;
        let proof = self.attempt.map_or(Proof::default(), |attempt| attempt.proof);
        ToQuery { client_id, symbol, venue_order_id, since, decided, why, executed, over, proof }
    }

    /// Number of the last sent attempt; 0: never sent.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.attempt.map_or(0, |attempt| attempt.number)
    }

    /// Grants another attempt, after a definite refusal or a proved absence.
    pub(super) fn grant(&mut self, attempt: u32) {
        if let (Some(absent), Some(last)) = (self.absent, &mut self.attempt) {
            last.earlier |= !last.is_settled(absent);
        }
        self.granted = attempt;
        self.status = OrderStatus::Intent;
        self.unanswered = false;
        self.absent = None;
    }

    /// Whether a granted attempt was not sent yet.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.status == OrderStatus::Intent
            && self.reported_status.is_none()
            && self.granted > self.sent()
    }

    /// Whether it is open or partly filled at the venue.
    #[must_use]
    pub fn is_working(&self) -> bool {
        matches!(self.status, OrderStatus::Open | OrderStatus::PartlyFilled)
    }

    /// Whether it lives and was not reported at venue time `at` or later with each fill of
    /// `executed` base units.
    #[must_use]
    pub fn is_silent_since(&self, at: UtcMs, executed: Decimal) -> bool {
        let reported = self.reported_at >= at && self.known_quantity() >= executed;
        self.lives() && self.sent() > 0 && !reported
    }

    /// Whether the reported executed quantity exceeds the reported fills.
    #[must_use]
    pub fn fills_missing(&self) -> bool {
        self.known_quantity() < self.reported_executed
    }

    fn known_quantity(&self) -> Decimal {
        money::total(self.fills.values().map(|known| known.fill.quantity))
    }

    /// Reported fills that are not applied yet, by venue time, then by id.
    pub(super) fn due_fills(&self) -> Vec<&VenueFill> {
        let known = self.fills.values().filter(|known| !known.applied);
        let mut due: Vec<&VenueFill> = known.map(|known| &known.fill).collect();
        due.sort_by_key(|fill| fill.time);
        due
    }

    /// Whether the venue reported it under this id.
    pub(super) fn is_reported_as(&self, id: &VenueOrderId) -> bool {
        self.reported_id.as_ref() == Some(id)
    }

    /// Whether the venue refused the last attempt finally.
    pub(super) fn was_refused(&self) -> bool {
        self.attempt.is_some_and(|attempt| attempt.refused)
    }

    /// Whether no sent request can arrive after this venue time.
    pub(super) fn is_settled(&self, at: UtcMs) -> bool {
        self.attempt.is_none_or(|attempt| attempt.is_settled(at))
    }

    /// Whether it may end at this venue time without a report: no earlier attempt can still arrive.
    pub(super) fn may_end(&self, at: UtcMs) -> bool {
        self.attempt.is_none_or(|attempt| !attempt.earlier || attempt.is_settled(at))
    }

    /// Adds a fill to the executed quantity and amount.
    pub(super) fn apply_fill(&mut self, fill: &VenueFill) {
        let amount = fill.price.saturating_mul(fill.quantity);
        self.executed = self.executed.saturating_add(fill.quantity);
        self.executed_quote = self.executed_quote.saturating_add(amount);
    }

    pub(super) fn lives(&self) -> bool {
        !self.status.is_final() || self.fills_missing()
    }

    /// Whether `attempt` is the one on its way.
    pub(super) fn is_current(&self, attempt: u32) -> bool {
        self.sent() == attempt && self.granted == attempt
    }

    /// The event that the reports so far amount to. It is final only once the fills add up.
    pub(super) fn reported_event(&self) -> Option<Event> {
        let reported = self.reported_status?;
        let known = self.known_quantity();
        let working = if known.is_zero() { Event::Opened } else { Event::PartFilled };
        if self.fills_missing() {
            return Some(if self.applied == 0 { Event::Opened } else { Event::PartFilled });
        }
        if !known.is_zero() && known >= self.intent.quantity {
            return Some(Event::Filled);
        }
        Some(match reported {
            OrderStatus::Filled => Event::Filled,
            OrderStatus::Cancelled => Event::Cancelled,
            OrderStatus::Rejected => Event::Rejected,
            OrderStatus::Expired => Event::Expired,
            OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => working,
        })
    }

    pub(super) fn report(&mut self, report: &OrderReport) {
        self.reported_id = Some(report.venue_order_id.clone());
        let rank = |status| match status {
            OrderStatus::Intent | OrderStatus::Sent | OrderStatus::Unknown | OrderStatus::Open => 0,
            OrderStatus::PartlyFilled => 1,
            OrderStatus::Cancelled | OrderStatus::Rejected | OrderStatus::Expired => 2,
            OrderStatus::Filled => 3,
        };
        if self.reported_status.is_none_or(|before| rank(before) < rank(report.status)) {
            self.reported_status = Some(report.status);
        }
        self.reported_executed = self.reported_executed.max(report.executed);
        self.reported_at = self.reported_at.max(report.time);
        for fill in &report.fills {
            let known = || Known { fill: fill.clone(), applied: false };
            self.fills.entry(fill.trade_id.clone()).or_insert_with(known);
        }
        self.absent = None;
        match report.source {
            // A stream shows that the order exists, but may have lost an earlier report with fills.
            ReportSource::Stream => {}
            ReportSource::Answer => self.unanswered = false,
            ReportSource::Query => (self.unanswered, self.orphaned) = (false, false),
        }
    }

    pub(super) fn query(&self) -> Option<(Why, UtcMs)> {
        let why = if self.fills_missing() {
            Why::FillsMissing
        } else if self.status.is_final() || self.attempt.is_none() || self.is_due() {
            return None;
        } else if self.orphaned {
            Why::Earlier
        } else if self.unanswered || self.status == OrderStatus::Unknown {
            Why::Unanswered
        } else if self.is_working() {
            let last = self.asked.map_or(self.reported_at, |asked| asked.max(self.reported_at));
            return Some((Why::Quiet, last.saturating_add(QUIET_MS)));
        } else {
            return None;
        };
        let settled = self.attempt.map_or(UtcMs::MIN, |a| a.settled.unwrap_or(UtcMs::MAX));
        let at = match self.asked {
            None => UtcMs::MIN,
            Some(asked) if why == Why::FillsMissing || asked > settled => {
                asked.saturating_add(PROOF_GAP_MS)
            }
            Some(asked) => asked.saturating_add(PATIENCE_MS).min(settled.saturating_add(1)),
        };
        Some((why, at))
    }
}
