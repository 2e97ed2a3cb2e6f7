//! The last order to buy a symbol: whether the decision took it back, and how that ended.

use crate::sentences;
use crate::stored_texts::shown;
use everwarm_domain::fact::{Body, Decision, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Fact;
use everwarm_trading::orders::order_states::CANCELS_MAX;
use everwarm_words::text::{count, instant};

/// The last entry of one symbol; none if there was no entry.
#[derive(Debug, Default)]
pub(super) struct LastEntry(Option<Entry>);

#[derive(Debug)]
struct Entry {
    id: ClientOrderId,
    taken_back: Option<TakenBack>,
}

/// A decision to take an order back, and how that ended.
#[derive(Debug)]
struct TakenBack {
    time: UtcMs,
    reason: String,
    /// Whether the order was sent. A sent order is cancelled, another is withdrawn.
    sent: bool,
    /// Number of requests to cancel it.
    attempts: u32,
    /// Whether the last request has no response yet.
    waits: bool,
    /// Its final status; none: it is not final.
    over: Option<OrderStatus>,
}

/// Whether a decision takes an order back: withdraws or cancels it.
pub(super) const fn takes_back(decision: &Decision) -> bool {
    matches!(decision, Decision::Withdrawn { .. } | Decision::CancelIntent { .. })
}

impl LastEntry {
    /// Takes one fact in. With a strategy, only its orders count.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other fact is about something else")]
    pub(super) fn fold(&mut self, fact: &Fact<Body>, symbol: Symbol, only: Option<&str>) {
        let counts = |strategy: &str| only.is_none_or(|only| only == strategy);
        match &fact.body {
            Body::Order(Order::Intent(intent))
                if (intent.symbol, intent.side) == (symbol, Side::Buy)
                    && counts(&intent.strategy) =>
            {
                self.0 = Some(Entry { id: intent.client_id.clone(), taken_back: None });
            }
            Body::Decision(
                decision @ (Decision::Withdrawn {
                    client_id,
                    strategy,
                    symbol: of,
                    side: Side::Buy,
                    reason,
                    ..
                }
                | Decision::CancelIntent {
                    client_id,
                    strategy,
                    symbol: of,
                    side: Side::Buy,
                    reason,
                    ..
                }),
            ) if *of == symbol && counts(strategy) => {
                let sent = matches!(decision, Decision::CancelIntent { .. });
                let (time, reason) = (fact.time, reason.clone());
                let taken_back =
                    TakenBack { time, reason, sent, attempts: 0, waits: false, over: None };
                self.0 = Some(Entry { id: client_id.clone(), taken_back: Some(taken_back) });
            }
            Body::Venue(Venue::Requested(request)) => self.change(&request.of, |taken| {
                (taken.attempts, taken.waits) = (request.attempt, true);
            }),
            Body::Venue(Venue::Responded { of, attempt, .. }) => self.change(of, |taken| {
                taken.waits &= taken.attempts != *attempt;
            }),
            Body::Order(Order::Changed { client_id, status, .. }) if status.is_final() => {
                self.change(client_id, |taken| taken.over = Some(*status));
            }
            _ => {}
        }
    }

    /// Changes the entry if it has this id and was taken back.
    fn change(&mut self, id: &ClientOrderId, change: impl FnOnce(&mut TakenBack)) {
        let entry = self.0.as_mut().filter(|entry| entry.id == *id);
        if let Some(taken) = entry.and_then(|entry| entry.taken_back.as_mut()) {
            change(taken);
        }
    }

    /// The result in words; none if the entry was not taken back.
    pub(super) fn words(&self) -> Option<String> {
        let Entry { id, taken_back } = self.0.as_ref()?;
        let TakenBack { time, reason, sent, attempts, waits, over } = taken_back.as_ref()?;
        let became = match (sent, over) {
            (false, _) => "was withdrawn before it was sent".to_owned(),
            (true, None) if *attempts >= CANCELS_MAX && !waits => {
                format!("is still open: {attempts} cancels failed; see `everwarm doctor`")
            }
            (true, None) => {
                format!("is being cancelled, {} so far", count((*attempts).into(), "request"))
            }
            (true, Some(OrderStatus::Cancelled)) => "was cancelled".to_owned(),
            (true, Some(OrderStatus::Filled)) => "was filled before its cancel".to_owned(),
            (true, Some(other)) => {
                format!("had a cancel request and is {}", sentences::status(*other))
            }
        };
        let when = instant(*time);
        let reason = shown(reason);
        Some(format!("its last entry, order {id}, {became}; reason at {when} UTC: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Facts, ID, T, journal};
    use crate::why_not::why_not;
    use everwarm_domain::fact::Analysis;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::order::{OrderRequest, Proof, RequestKind, Response};
    use everwarm_trading::testing::{fact, sym};

    fn taken(sent: bool) -> Body {
        let (client_id, strategy) = (ClientOrderId(ID.into()), "sma_cross".to_owned());
        let (symbol, side) = (sym("ETHUSD"), Side::Buy);
        let reason = "an exit was decided: sma10 crossed below sma30".to_owned();
        Body::Decision(if sent {
            Decision::CancelIntent { client_id, strategy, symbol, side, reason }
        } else {
            Decision::Withdrawn { client_id, strategy, symbol, side, reason }
        })
    }

    fn requested(attempt: u32) -> Body {
        let (of, what) = (ClientOrderId(ID.into()), RequestKind::Cancel);
        let (id, symbol) = (OrderRequest::id_of(&of, what, attempt), sym("ETHUSD"));
        let (timestamp, deadline) = (T, T + 5_000);
        let (settled_at, proof) = (None, Proof::default());
        let request =
            OrderRequest { id, of, symbol, what, attempt, timestamp, deadline, settled_at, proof };
        Body::Venue(Venue::Requested(request))
    }

    fn lost(attempt: u32) -> Body {
        let of = ClientOrderId(ID.into());
        let id = OrderRequest::id_of(&of, RequestKind::Cancel, attempt);
        let response = Response::Unknown { reason: "reset".to_owned() };
        Body::Venue(Venue::Responded { id, of, attempt, response })
    }

    fn ended(status: OrderStatus) -> Body {
        let zero = Decimal::ZERO;
        Body::Order(Order::Changed {
            client_id: ClientOrderId(ID.into()),
            symbol: sym("ETHUSD"),
            venue_order_id: Some(17.into()),
            status,
            executed: zero,
            executed_quote: zero,
            reason: String::new(),
        })
    }

    /// The title for the symbol at the second close, with the facts `before` about its entry before
    /// the close, and the facts `at_it` at the close.
    fn answered(before: Vec<Body>, at_it: Vec<(u16, Body)>) -> String {
        let mut facts = journal().0;
        let close = facts.iter().position(|fact| fact.key.n == 6).unwrap();
        facts.splice(close + 1..=close, at_it.into_iter().map(|(rank, body)| fact(6, rank, body)));
        let before = before.into_iter().map(|body| Fact { time: T, ..fact(5, 701, body) });
        facts.splice(close..close, before);
        why_not(&Facts(facts), sym("ETHUSD"), None, None).unwrap().title
    }

    fn title_after(before: Vec<Body>) -> String {
        answered(before, Vec::new())
    }

    #[test]
    fn a_last_entry_that_was_taken_back_is_named_with_what_came_of_it() {
        let untouched = title_after(vec![]);
        assert!(!untouched.contains("last entry"), "{untouched}");
        let withdrawn = title_after(vec![taken(false)]);
        let order = format!("; its last entry, order {ID}, ");
        for part in [&*order, "was withdrawn before it was sent", "12:03 UTC: an exit was decided"]
        {
            assert!(withdrawn.contains(part), "{part}: {withdrawn}");
        }
        let two = vec![taken(true), requested(1), lost(1), requested(2)];
        let under_way = title_after(two.clone());
        assert!(under_way.contains("is being cancelled, 2 requests so far"), "{under_way}");
        let ended = |status| title_after([two.clone(), vec![ended(status)]].concat());
        let cancelled = ended(OrderStatus::Cancelled);
        assert!(cancelled.contains(&format!("{order}was cancelled; reason")), "{cancelled}");
        let filled = ended(OrderStatus::Filled);
        assert!(filled.contains("was filled before its cancel"), "{filled}");

        let all = |last: bool| {
            let each = (1..=CANCELS_MAX).flat_map(|n| [requested(n), lost(n)]);
            let mut all: Vec<Body> = [taken(true)].into_iter().chain(each).collect();
            all.truncate(all.len() - usize::from(!last));
            title_after(all)
        };
        assert!(all(false).contains("is being cancelled, 8 requests so far"), "{}", all(false));
        let failed = all(true);
        assert!(
            failed.contains("is still open: 8 cancels failed; see `everwarm doctor`"),
            "{failed}"
        );
    }

    #[test]
    fn a_signal_that_takes_an_order_back_is_told_as_that() {
        let signal = everwarm_trading::testing::signal("ETHUSD", Side::Sell, T);
        let signals = Body::Analysis(Analysis::Signals { rows: vec![signal] });
        let title = answered(Vec::new(), vec![(400, signals), (600, taken(false))]);
        let answer =
            "sma_cross signalled sell, so its earlier order is withdrawn; its last entry, order";
        assert!(title.contains(answer), "{title}");
    }

    #[test]
    fn an_exit_that_waits_is_told_with_what_it_waits_for() {
        let owed = Body::Decision(Decision::Owed {
            strategy: "sma_cross".to_owned(),
            symbol: sym("ETHUSD"),
            since: T,
            cause: "c".to_owned(),
            revision: 0,
            tries: 0,
            refusal: Some("the symbol is halted".to_owned()),
            ended: None,
            rule: None,
        });
        let title = answered(Vec::new(), vec![(600, owed)]);
        let answer = "an exit of sma_cross is owed and waits: the symbol is halted";
        assert!(title.contains(answer), "{title}");
    }
}
