//! The conditions under which an order is sent, and its announcement in the journal.
//!
//! An order leaves if all of this holds. The gateway checks it in this order:
//! 1. The symbols are listed, no round of requests is under way, and every fact of the journal is
//!    known here: `State::is_under_way`.
//! 2. The time of the venue is known: `State::act`.
//! 3. Every announced request has its response, and no report of the private stream waits:
//!    `append_lost`, `append_hints`.
//! 4. The venue did not tell us to wait: `Schedule::kept`.
//! 5. This run compared the account with the books: `SendState::is_reconciled`.
//! 6. No order is to be cancelled or queried first: `State::next_task`, `Schedule::next`.
//! 7. The order manager granted the attempt, and the order did not expire: `OrderStates::to_send`.
//! 8. No operator and no level of the breaker forbids it, and no conflict stands against it:
//!    `SendState::may_leave`.
//! 9. It is within the limits of real money, which its owner confirmed: `SendState::within_caps`.
//! 10. The rate limits of the venue have room for it: `Venue::may_place`.
//!     Of a pair, both orders may leave: [`whole_pairs`].
//! 11. The disk is not behind by more than [`STORE_LAG`], and no fact came in between:
//!     `announce_sends`, `append_seen`.
//! 12. Its announcement is on disk: `run_round`, `Journal::durable`.

use super::{HOLD_MS, NAME, State};
use crate::orders::report_checks::Known;
use crate::orders::rounds::{Due, RoundTask};
use everwarm_domain::fact::{Body, Venue};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::order::{OrderRequest, RequestKind, SendAttempt, Side};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::chaos::{Sabotage, Site};
use everwarm_trading::orders::order_states::{ToCancel, ToSend};
use everwarm_venue::port::MayPlace;
use ractor::ActorProcessingErr;
use std::time::Duration;

/// Age of the oldest uncommitted fact above which nothing is sent.
const STORE_LAG: Duration = Duration::from_secs(2);

impl State {
    /// What may be sent now, and how long the rest waits for the venue's rate limit, milliseconds
    /// of wall time. An order that would be rejected is not announced.
    pub(super) fn sendable_orders(&self, life: u64, now: UtcMs) -> (Vec<ToSend>, Option<UtcMs>) {
        let outgoing = self.outgoing.stage();
        let mut due = outgoing.orders.to_send(now);
        due.retain(|to_send| outgoing.may_leave(life, &to_send.intent));
        let due = outgoing.within_caps(due);
        if due.is_empty() || (self.world.live && !outgoing.is_confirmed()) {
            return (Vec::new(), None);
        }
        let sides: Vec<Side> = due.iter().map(|to_send| to_send.intent.side).collect();
        let MayPlace { now: may, wait } = self.world.venue.may_place(&sides);
        let due = due.into_iter().zip(may).filter_map(|(to_send, may)| may.then_some(to_send));
        (whole_pairs(due.collect()), wait.map(|wait| UtcMs::try_from(wait).unwrap_or(UtcMs::MAX)))
    }

    pub(super) fn announce_sends(
        &mut self,
        due: Vec<ToSend>,
        now: UtcMs,
    ) -> Result<Due, ActorProcessingErr> {
        if self.world.journal.uncommitted_age() > STORE_LAG {
            return Ok(Due::Held(HOLD_MS));
        }
        // An order that is withdrawn by an input meanwhile is not sent: check again.
        let task = self.announce_due(due, now)?;
        Ok(task.map_or(Due::Held(0), |task| Due::Now(Box::new(task))))
    }

    /// Appends `Requested` for each order that is to be cancelled.
    pub(super) fn announce_cancels(
        &mut self,
        due: Vec<ToCancel>,
        now: UtcMs,
    ) -> Result<Due, ActorProcessingErr> {
        if self.world.journal.uncommitted_age() > STORE_LAG {
            return Ok(Due::Held(HOLD_MS));
        }
        let validity = self.world.venue.validity(now);
        let request = |to_cancel: ToCancel| {
            let ToCancel { client_id: of, symbol, attempt, decided } = to_cancel;
            let what = RequestKind::Cancel;
            (OrderRequest::new(of, symbol, what, attempt, validity), decided)
        };
        let requests: Vec<_> = due.into_iter().map(request).collect();
        let fact =
            |(request, _): &(OrderRequest, UtcMs)| Body::Venue(Venue::Requested(request.clone()));
        let facts = requests.iter().map(fact).collect();
        let Some(row) = self.append_seen(now, facts)? else { return Ok(Due::Held(0)) };
        let known = Known::of(self.outgoing.stage());
        Ok(Due::Now(Box::new(RoundTask::Cancel { requests, row, known })))
    }

    /// Appends what is about to be sent, if it has seen everything in the journal. Returns the row.
    fn append_seen(&self, now: UtcMs, facts: Vec<Body>) -> Result<Option<u64>, ActorProcessingErr> {
        self.world.chaos().point(Site::BeforeAppend, NAME);
        let (journal, seen) = (&self.world.journal, self.outgoing.cursor());
        let Some(appended) = journal.append_behind(&self.writer, seen, now, facts)? else {
            return Ok(None);
        };
        self.world.chaos().point(Site::AfterAppend, NAME);
        Ok(Some(appended.row))
    }

    /// Appends `Sent` for all that is due: one announcement, one flush.
    fn announce_due(
        &mut self,
        due: Vec<ToSend>,
        now: UtcMs,
    ) -> Result<Option<RoundTask>, ActorProcessingErr> {
        let validity = self.world.venue.validity(now);
        let attempt = |to_send: ToSend| {
            let client_id = to_send.intent.client_id.clone();
            let attempt = to_send.attempt;
            let attempt = SendAttempt { client_id, attempt, validity };
            (to_send.intent, attempt)
        };
        let orders: Vec<_> = due.into_iter().map(attempt).collect();
        let mut attempts: Vec<_> = orders.iter().map(|(_, attempt)| attempt.clone()).collect();
        if self.world.chaos().sabotaged(Sabotage::NoSettling) {
            for attempt in &mut attempts {
                attempt.validity.settled_at = Some(now);
            }
        }
        let sent = Body::Venue(Venue::Sent { attempts });
        let Some(row) = self.append_seen(now, vec![sent])? else { return Ok(None) };
        let known = Known::of(self.outgoing.stage());
        Ok(Some(RoundTask::Send { orders, row, known }))
    }
}

/// Leaves out orders of a pair whose other order may not be sent now: a pair is one request.
fn whole_pairs(due: Vec<ToSend>) -> Vec<ToSend> {
    let pair = |to_send: &ToSend| to_send.intent.terms.list.clone();
    let pairs: Vec<ClientOrderId> = due.iter().filter_map(pair).collect();
    let is_whole = |list: &ClientOrderId| pairs.iter().filter(|other| *other == list).count() == 2;
    due.into_iter().filter(|one| pair(one).is_none_or(|list| is_whole(&list))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::order::{OrderIntent, OrderType, Terms};
    use everwarm_trading::testing::{dec, sym};

    #[test]
    fn an_order_of_a_pair_does_not_leave_alone() {
        let id = |id: &str| ClientOrderId(id.to_owned());
        let to_send = |name: &str, list: Option<&str>| {
            let terms = Terms { list: list.map(id), ..Terms::default() };
            ToSend {
                intent: OrderIntent {
                    client_id: id(name),
                    strategy: "s".to_owned(),
                    symbol: sym("A"),
                    side: Side::Sell,
                    order_type: OrderType::Market,
                    quantity: dec("1"),
                    price: None,
                    close_time: 0,
                    valid_until: 0,
                    terms: Box::new(terms),
                },
                attempt: 1,
            }
        };
        let due = vec![
            to_send("a", None),
            to_send("b", Some("one")),
            to_send("c", Some("two")),
            to_send("d", Some("one")),
        ];
        let left = whole_pairs(due).into_iter().map(|to_send| to_send.intent.client_id.0);
        assert_eq!(left.collect::<Vec<_>>(), ["a", "b", "d"]);
    }
}
