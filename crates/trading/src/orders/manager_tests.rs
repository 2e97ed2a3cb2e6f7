//! Tests the order manager with tables of inputs and appended facts.
//!
//! Over 500 lines: one subject, one test a promise.

use super::*;
use crate::orders::order_states::{PATIENCE_MS, QUIET_MS, ToSend, Why};
use crate::testing::{AccountFact, dec, fact, facts_of, input, sent, sym, trade};
use everwarm_domain::fact::{Conflict, Decision};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderReport, OrderType, ReportSource, Side, VenueFill};

const ID: &str = "ew-smacross-a";
/// Venue time of the first attempt; it is settled 15 s later.
const T: i64 = 100_000;
const VALID_UNTIL: i64 = 400_000;

fn id(text: &str) -> ClientOrderId {
    ClientOrderId(text.to_owned())
}

fn approved(text: &str) -> Body {
    let intent = OrderIntent {
        client_id: id(text),
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: dec("10"),
        price: None,
        close_time: VALID_UNTIL - 300_000,
        valid_until: VALID_UNTIL,
        terms: Box::default(),
    };
    let (reserved, reason) = (Decimal::ONE, String::new());
    Body::Decision(Decision::Approved { intent, reserved, reason, sizing: None })
}

fn report(status: OrderStatus, executed: &str, fills: &[VenueFill]) -> OrderReport {
    OrderReport {
        source: ReportSource::Stream,
        client_id: id(ID),
        venue_order_id: 7.into(),
        symbol: sym("BTCUSDT"),
        side: Side::Buy,
        status,
        quantity: dec("10"),
        executed: dec(executed),
        executed_quote: Decimal::ZERO,
        fills: fills.to_vec(),
        time: T + 50,
    }
}

fn reported(status: OrderStatus, executed: &str, fills: &[VenueFill]) -> Body {
    Body::Venue(Venue::Reported(report(status, executed, fills)))
}

fn refused(attempt: u32, again: bool) -> Body {
    let text = "no".to_owned();
    Body::Venue(Venue::Refused { client_id: id(ID), attempt, code: -1, text, again })
}

fn unanswered(attempt: u32) -> Body {
    let reason = "timeout".to_owned();
    Body::Venue(Venue::Unanswered { client_id: id(ID), attempt, reason })
}

fn absent(asked: i64) -> Body {
    Body::Venue(Venue::Absent { client_id: id(ID), asked })
}

fn started(life: u64, epoch: u64) -> Body {
    let installation = "inst".to_owned();
    Body::Operator(Operator::Started { life, installation, epoch })
}

fn clock(time: i64) -> Body {
    Body::Operator(Operator::Clock { time })
}

fn account(time: i64, open: &[(&str, &str)]) -> Body {
    let open: Vec<(ClientOrderId, Symbol)> = open.iter().map(|(i, s)| (id(i), sym(s))).collect();
    AccountFact { life: 2, time, open, ..AccountFact::default() }.body()
}

/// The facts of each input in short form, with `|` between inputs. A resumed manager appends the
/// same.
fn run(inputs: &[Body]) -> String {
    let mut manager = Manager::default();
    run_on(&mut manager, inputs)
}

fn run_on(manager: &mut Manager, inputs: &[Body]) -> String {
    let mut words = Vec::new();
    for (n, body) in (1..).zip(inputs) {
        let from = if matches!(body, Body::Decision(_)) { rank::DECISION.0 } else { 0 };
        let facts = facts_of(manager, &fact(n, from, body.clone()));
        words.push(facts.iter().map(short).collect::<Vec<_>>().join(", "));
        let bytes = manager.save();
        *manager = Manager::default();
        manager.load(&bytes).unwrap();
        assert_eq!(manager.save(), bytes);
    }
    words.join(" | ")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is expected")]
fn short(body: &Body) -> String {
    match body {
        Body::Order(OrderFact::Intent(_)) => "Intent".to_owned(),
        Body::Order(OrderFact::Granted { attempt, .. }) => format!("Granted {attempt}"),
        Body::Order(OrderFact::Changed { status, executed, .. }) if executed.is_zero() => {
            format!("{status:?}")
        }
        Body::Order(OrderFact::Changed { status, executed, .. }) => {
            format!("{status:?} {executed}")
        }
        Body::Order(OrderFact::Filled { k, fill, .. }) => {
            format!("fill {k}={} x{}", fill.trade_id, fill.quantity)
        }
        Body::Order(OrderFact::Compared { conflicts, .. }) => {
            let words = conflicts.iter().map(|c| format!("{}: {} / {}", c.about, c.ours, c.theirs));
            format!("Compared [{}]", words.collect::<Vec<_>>().join("; "))
        }
        _ => panic!("{body:?}"),
    }
}

fn due(manager: &Manager, now: i64) -> Vec<u32> {
    manager.book().to_send(now).iter().map(|ToSend { attempt, .. }| *attempt).collect()
}

use OrderStatus as S;

#[test]
fn an_order_is_silent_until_all_is_reported_that_was_filled() {
    let mut manager = Manager::default();
    let part = reported(S::PartlyFilled, "4", &[trade(3, "100", "4")]);
    run_on(&mut manager, &[approved(ID), sent(ID, 1, T), part]);
    let (order, at) = (manager.book().get(&id(ID)).unwrap(), T + 50);
    assert!(!order.is_silent_since(at, dec("4")));
    // One order may trade twice at one time.
    assert!(order.is_silent_since(at, dec("8")));
    assert!(order.is_silent_since(at + 1, dec("4")));
    // The report of one trade may be lost, and that of a later one may say how much is filled.
    let end = reported(S::Filled, "8", &[trade(5, "100", "2")]);
    run_on(&mut manager, &[end]);
    assert!(manager.book().get(&id(ID)).unwrap().is_silent_since(at, dec("8")));
}

#[test]
fn an_order_goes_its_way() {
    let fills = [trade(3, "100", "4"), trade(4, "101", "6")];
    let appended = run(&[
        approved(ID),
        sent(ID, 1, T),
        reported(S::Open, "0", &[]),
        reported(S::PartlyFilled, "4", &fills[..1]),
        reported(S::Filled, "10", &fills),
    ]);
    let want = "Intent | Sent | Open | fill 1=3 x4, PartlyFilled 4 | fill 2=4 x6, Filled 10";
    assert_eq!(appended, want);
}

#[test]
fn reports_in_any_order_doubled_or_torn_lead_to_the_same_fills() {
    let fills = [trade(3, "100", "4"), trade(4, "101", "5"), trade(9, "99", "1")];
    let open = reported(S::Open, "0", &[]);
    let first = reported(S::PartlyFilled, "4", &fills[..1]);
    let second = reported(S::PartlyFilled, "9", &fills[1..2]);
    let third = reported(S::Filled, "10", &fills[2..]);
    let whole = reported(S::Filled, "10", &fills);
    let silent = reported(S::Filled, "10", &[]);
    let orders: [&[&Body]; 7] = [
        &[&open, &first, &second, &third],
        &[&first, &first, &open, &second, &third, &third, &open],
        &[&third, &second, &first],
        &[&second, &open, &third, &first, &whole],
        &[&whole, &first, &second, &third],
        &[&silent, &whole],
        &[&third, &silent, &whole, &whole],
    ];
    for order in orders {
        let mut inputs = vec![approved(ID), sent(ID, 1, T)];
        inputs.extend(order.iter().map(|body| (*body).clone()));
        let appended = run(&inputs);
        let fills: Vec<_> = appended.split([',', '|']).map(str::trim).collect();
        let fills: Vec<_> = fills.iter().filter(|word| word.starts_with("fill")).collect();
        assert_eq!(fills, [&"fill 1=3 x4", &"fill 2=4 x5", &"fill 3=9 x1"], "{appended}");
        let ends: Vec<_> = appended.matches("Filled 10").collect();
        assert_eq!(ends.len(), 1, "{appended}");
    }
}

/// Every permutation of every subset of `all`.
fn orders_of_parts<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    let mut found = vec![Vec::new()];
    for at in 0..all.len() {
        let mut rest = all.to_vec();
        let first = rest.remove(at);
        for mut tail in orders_of_parts(&rest) {
            tail.insert(0, first.clone());
            found.push(tail);
        }
    }
    found
}

#[test]
fn whatever_of_the_stream_is_lost_doubled_or_late_the_venue_asked_says_it_all() {
    let fills = [trade(1, "100", "4"), trade(2, "101", "3"), trade(3, "99", "3")];
    let reports = [
        reported(OrderStatus::Open, "0", &[]),
        reported(OrderStatus::PartlyFilled, "4", &fills[..1]),
        reported(OrderStatus::PartlyFilled, "7", &fills[1..2]),
        reported(OrderStatus::Filled, "10", &fills[2..]),
    ];
    let mut answer = report(OrderStatus::Filled, "10", &fills);
    answer.source = ReportSource::Query;
    let streams = orders_of_parts(&reports);
    assert_eq!(streams.len(), 65, "all orders of all parts of four");
    for stream in streams {
        let mut inputs = vec![approved(ID), sent(ID, 1, T)];
        for message in &stream {
            inputs.extend([message.clone(), message.clone()]);
        }
        inputs.push(Body::Venue(Venue::Reported(answer.clone())));
        // Reports after the complete one change nothing.
        inputs.extend(stream.iter().cloned());
        let mut manager = Manager::default();
        let appended = run_on(&mut manager, &inputs);
        let words: Vec<&str> = appended.split([',', '|']).map(str::trim).collect();
        let fills = words.iter().filter(|word| word.starts_with("fill ")).count();
        let ends = words.iter().filter(|word| **word == "Filled 10").count();
        assert_eq!((fills, ends), (3, 1), "{appended}");
    }
}

#[test]
fn an_order_is_final_only_when_its_fills_add_up() {
    let mut manager = Manager::default();
    let appended = run_on(
        &mut manager,
        &[approved(ID), sent(ID, 1, T), reported(S::Cancelled, "6", &[trade(4, "1", "2")])],
    );
    assert_eq!(appended, "Intent | Sent | Open");
    let queries = manager.book().to_query(T);
    assert_eq!(queries.iter().map(|q| q.why).collect::<Vec<_>>(), [Why::FillsMissing]);
    assert_eq!(queries[0].venue_order_id, Some(7.into()));
    let rest = [trade(4, "1", "2"), trade(3, "1", "4")];
    let appended = run_on(&mut manager, &[reported(S::Cancelled, "6", &rest)]);
    assert_eq!(appended, "fill 1=3 x4, fill 2=4 x2, Cancelled 6");
    assert!(manager.book().to_query(i64::MAX).is_empty());
    // A fill after the end counts; until it is known, the order is queried again.
    let appended = run_on(&mut manager, &[reported(S::Cancelled, "7", &[])]);
    assert_eq!(appended, "");
    assert_eq!(manager.book().to_query(T).len(), 1);
    let appended = run_on(&mut manager, &[reported(S::Cancelled, "7", &[trade(5, "1", "1")])]);
    assert_eq!(appended, "fill 3=5 x1, Cancelled 7");
}

#[test]
fn an_intent_lapses_once_its_time_has_passed() {
    let until = |body: fn(i64) -> Body, time| run(&[approved(ID), body(time)]);
    let accounts: fn(i64) -> Body = |time| account(time, &[]);
    assert_eq!(until(clock, VALID_UNTIL), "Intent | ");
    assert_eq!(until(clock, VALID_UNTIL + 1), "Intent | Expired");
    assert_eq!(until(accounts, VALID_UNTIL + 1), "Intent | Compared [], Expired");
    assert_eq!(
        until(|time| sent("foreign", 1, time), VALID_UNTIL),
        "Intent | Compared [order \
        foreign: never decided / attempt 1 is being sent]"
    );
    let mut manager = Manager::default();
    run_on(&mut manager, &[approved(ID)]);
    assert_eq!(manager.next_wake(), Some(VALID_UNTIL + 1));
    assert_eq!((due(&manager, VALID_UNTIL), due(&manager, VALID_UNTIL + 1)), (vec![1], vec![]));
    run_on(&mut manager, &[sent(ID, 1, T)]);
    assert_eq!(manager.next_wake(), None);
    assert_eq!(run_on(&mut manager, &[clock(VALID_UNTIL + 1)]), "", "it has left");
    // The request was sent at the moment in which the clock made it too late.
    let appended = run(&[approved(ID), clock(VALID_UNTIL + 1), sent(ID, 1, VALID_UNTIL)]);
    assert_eq!(appended, "Intent | Expired | Sent");
}

#[test]
fn a_definite_no_ends_it_or_grants_another_attempt() {
    let way = |inputs: &[Body]| {
        let mut all = vec![approved(ID), sent(ID, 1, T)];
        all.extend_from_slice(inputs);
        run(&all).trim_start_matches("Intent | Sent | ").to_owned()
    };
    assert_eq!(way(&[refused(1, false)]), "Rejected");
    assert_eq!(
        way(&[refused(1, true), sent(ID, 2, T + 9), refused(2, false)]),
        "Granted 2 | Sent | Rejected"
    );
    assert_eq!(way(&[refused(1, true), refused(1, true)]), "Granted 2 | ", "reported twice");
    assert_eq!(way(&[refused(1, true), clock(VALID_UNTIL + 1)]), "Granted 2 | Expired");
    assert_eq!(way(&[clock(VALID_UNTIL + 1), refused(1, true)]), " | Expired");
    assert_eq!(way(&[unanswered(1), refused(1, false)]), "Unknown | Rejected");
    assert_eq!(way(&[refused(1, true), unanswered(1)]), "Granted 2 | ", "not its attempt");
    let contradiction = way(&[reported(S::Open, "0", &[]), refused(1, false)]);
    assert_eq!(
        contradiction,
        "Open | Compared [order ew-smacross-a: Open / an order that is Open \
        cannot be Refused]"
    );
}

#[test]
fn only_a_proved_absence_grants_another_attempt() {
    let settled = T + 15_000;
    let way = |asked: &[i64]| {
        let mut all = vec![approved(ID), sent(ID, 1, T), unanswered(1)];
        all.extend(asked.iter().map(|at| absent(*at)));
        run(&all).trim_start_matches("Intent | Sent | Unknown | ").to_owned()
    };
    assert_eq!(way(&[T + 1, T + 9_000, settled]), " |  | ", "it might still arrive");
    assert_eq!(way(&[T + 1, settled + 1]), " | ", "one is none");
    assert_eq!(way(&[settled, settled + 1_000]), " | ", "one of two came too early");
    assert_eq!(way(&[settled + 1, settled + 1_000]), " | ", "a second apart");
    assert_eq!(way(&[settled + 1, settled + 1_001]), " | Granted 2");
    assert_eq!(way(&[settled + 1, settled + 9, settled + 1_001]), " |  | Granted 2");
    assert_eq!(way(&[settled + 1, VALID_UNTIL + 1]), " | Expired", "too late for another");
    // The next attempt needs its own proof.
    let mut all = vec![approved(ID), sent(ID, 1, T), absent(settled + 1), absent(settled + 1_001)];
    all.extend([sent(ID, 2, T + 20_000), absent(settled + 21_000), absent(settled + 22_000)]);
    assert_eq!(run(&all), "Intent | Sent |  | Granted 2 | Sent |  | Granted 3");
    // It is found after all: the venue's report counts.
    all.truncate(4);
    all.push(reported(S::Open, "0", &[]));
    assert_eq!(run(&all), "Intent | Sent |  | Granted 2 | Open");
}

#[test]
fn a_new_life_asks_before_it_believes() {
    let mut manager = Manager::default();
    let appended = run_on(
        &mut manager,
        &[started(1, 1), approved("ew-1"), approved(ID), sent(ID, 1, T), started(2, 1)],
    );
    assert_eq!(appended, " | Intent | Intent | Sent | Unknown");
    assert_eq!(due(&manager, T), [1], "what never left may still go");
    let book = |m: &Manager| m.book().clone();
    let ask = |m: &Manager, now| m.book().to_query(now).iter().map(|q| q.why).collect::<Vec<_>>();
    assert_eq!(ask(&manager, 0), [Why::Earlier], "at once");
    run_on(&mut manager, &[absent(T + 10)]);
    assert_eq!(book(&manager).next_query_at(), Some(T + 5_010), "rarely while it may arrive");
    run_on(&mut manager, &[absent(T + 12_000)]);
    assert_eq!(book(&manager).next_query_at(), Some(T + 15_001), "then as soon as it cannot");
    run_on(&mut manager, &[absent(T + 15_001)]);
    assert_eq!(book(&manager).next_query_at(), Some(T + 16_001), "and a second later");
    let mut answer = report(S::Filled, "10", &[trade(1, "1", "10")]);
    answer.source = ReportSource::Query;
    let appended = run_on(&mut manager, &[Body::Venue(Venue::Reported(answer))]);
    assert_eq!(appended, "fill 1=1 x10, Filled 10");
    assert_eq!(book(&manager).next_query_at(), None);
}

#[test]
fn what_contradicts_the_records_is_a_conflict_until_the_epoch_changes() {
    let other = |client: &str, number: u64| {
        let mut report = report(S::Open, "0", &[]);
        (report.client_id, report.venue_order_id) = (id(client), number.into());
        Body::Venue(Venue::Reported(report))
    };
    assert_eq!(run(&[other("x-7", 1)]), "", "not ours");
    let twin = "order ew-9: no such order / order 1 in BTCUSDT";
    let appended = run(&[
        started(1, 1),
        other("ew-9", 1),
        other("ew-9", 1),
        started(2, 1),
        account(T, &[]),
        started(3, 2),
        account(T, &[]),
    ]);
    let want = format!(" | Compared [{twin}] |  |  | Compared [{twin}] |  | Compared []");
    assert_eq!(appended, want);
    let unsent = "order ew-smacross-a: never sent / order 7 in BTCUSDT";
    assert_eq!(run(&[approved(ID), other(ID, 7)]), format!("Intent | Compared [{unsent}]"));
    let second = "order ew-smacross-a: order 7 / order 8 in BTCUSDT";
    let appended = run(&[approved(ID), sent(ID, 1, T), other(ID, 7), other(ID, 8)]);
    assert_eq!(appended, format!("Intent | Sent | Open | Compared [{second}]"));
    let mut larger = report(S::Open, "0", &[]);
    larger.quantity = dec("11");
    let appended = run(&[approved(ID), sent(ID, 1, T), Body::Venue(Venue::Reported(larger))]);
    let size = "order ew-smacross-a: Buy 10 BTCUSDT / Buy 11 BTCUSDT, order 7";
    assert_eq!(appended, format!("Intent | Sent | Compared [{size}]"));
}

#[test]
fn open_orders_are_compared() {
    let way = |inputs: &[Body]| run(inputs).rsplit(" | ").next().unwrap().to_owned();
    let open = [approved(ID), sent(ID, 1, T), reported(S::Open, "0", &[])];
    let with = |more: &[Body]| [&open[..], more].concat();
    let here = [(ID, "BTCUSDT")];
    assert_eq!(way(&with(&[account(T + 99, &here)])), "Compared []");
    assert_eq!(
        way(&with(&[account(T + 99, &[])])),
        "Compared [order ew-smacross-a: Open in BTCUSDT \
        / not among the open orders; only a query can tell what became of it]"
    );
    assert_eq!(way(&with(&[account(T, &[])])), "Compared []", "the picture is older");
    let filled = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    assert_eq!(
        way(&with(&[filled.clone(), account(T + 99, &here)])),
        "Compared [order ew-smacross-a: Filled / open in BTCUSDT]"
    );
    assert_eq!(way(&with(&[filled, account(T, &here)])), "Compared []");
    assert_eq!(
        way(&[account(T, &[("ew-9", "A"), ("hand", "A")])]),
        "Compared [order ew-9: no such order / open in A]"
    );
    assert_eq!(
        way(&[approved(ID), account(T, &here)]),
        "Compared [order ew-smacross-a: never sent / open in BTCUSDT]"
    );
    assert_eq!(way(&[approved(ID), sent(ID, 1, T), account(T, &here)]), "Compared []");
}

#[test]
fn final_orders_are_forgotten_after_a_day_and_late_news_of_them_is_no_conflict() {
    let filled = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    let mut manager = Manager::default();
    run_on(&mut manager, &[approved(ID), sent(ID, 1, T), filled.clone()]);
    run_on(&mut manager, &[clock(T + 86_400_000)]);
    assert!(manager.book().remembers(&id(ID)));
    run_on(&mut manager, &[clock(T + 86_400_051)]);
    assert!(!manager.book().remembers(&id(ID)));
    assert_eq!(run_on(&mut manager, &[filled]), "");
}

#[test]
fn a_final_order_is_packed_and_taken_out_when_it_is_named() {
    let first = trade(1, "1", "4");
    let cancelled = reported(S::Cancelled, "4", std::slice::from_ref(&first));
    let mut manager = Manager::default();
    run_on(&mut manager, &[approved(ID), sent(ID, 1, T), cancelled.clone(), clock(T + 1)]);
    assert!(manager.book().remembers(&id(ID)) && manager.book().get(&id(ID)).is_none());
    // It is packed in a checkpoint too, and a repeated report appends nothing.
    let bytes = manager.save();
    manager.load(&bytes).unwrap();
    assert_eq!(manager.save(), bytes);
    assert_eq!(run_on(&mut manager, &[cancelled, clock(T + 2)]), " | ");
    // A fill that was missed is still applied, as the second of the order.
    let late = reported(S::Cancelled, "6", &[first, trade(2, "1", "2")]);
    let appended = run_on(&mut manager, &[late]);
    assert_eq!(appended, "fill 2=2 x2, Cancelled 6");
    assert_eq!(manager.book().get(&id(ID)).unwrap().applied, 2);
    // No other order may use the same id.
    assert_eq!(run_on(&mut manager, &[clock(T + 3), approved(ID)]), " | ");
}

#[test]
fn a_gateway_may_fold_inputs_before_what_the_manager_says_of_them() {
    let fills = [trade(1, "1", "4"), trade(2, "1", "6")];
    let inputs = [
        approved(ID),
        sent(ID, 1, T),
        unanswered(1),
        reported(S::PartlyFilled, "4", &fills[..1]),
        reported(S::Filled, "10", &fills),
    ];
    let mut manager = Manager::default();
    let mut facts = Vec::new();
    for (n, body) in (1..).zip(&inputs) {
        let from = if n == 1 { rank::DECISION.0 } else { 0 };
        facts.extend(facts_of(&mut manager, &fact(n, from, body.clone())));
    }
    // The intent comes before the request, as the gateway reads it from the journal; the rest is
    // late.
    let mut book = OrderStates::default();
    book.fold(&fact(1, rank::ORDER_MANAGER.0, facts[0].clone()));
    assert_eq!(book.to_send(T).len(), 1);
    for body in &inputs[1..] {
        book.fold(&input(1, body.clone()));
        assert!(book.to_send(T).is_empty(), "never twice");
    }
    facts[1..].iter().for_each(|body| book.fold(&fact(1, rank::ORDER_MANAGER.0, body.clone())));
    book.check();
    let (theirs, ours) = (book.get(&id(ID)).unwrap(), manager.book().get(&id(ID)).unwrap());
    assert_eq!((theirs.status, theirs.executed), (ours.status, ours.executed));
    assert!(book.to_query(i64::MAX).is_empty());
}

#[test]
fn a_hint_leaves_a_lost_answer_open() {
    let asks = |inputs: &[Body]| {
        let mut manager = Manager::default();
        run_on(&mut manager, inputs);
        let asks = manager.book().to_query(T).into_iter().map(|ask| ask.why).collect::<Vec<_>>();
        (asks, manager.book().next_query_at())
    };
    let lost = [approved(ID), sent(ID, 1, T), unanswered(1)];
    assert_eq!(asks(&lost).0, [Why::Unanswered]);
    // The stream shows that the order exists, but its reports of fills may be lost.
    let open = reported(S::Open, "0", &[]);
    assert_eq!(asks(&[&lost[..], std::slice::from_ref(&open)].concat()).0, [Why::Unanswered]);
    let before = [approved(ID), sent(ID, 1, T), open, unanswered(1)];
    assert_eq!(asks(&before).0, [Why::Unanswered], "whichever came first");
    // A query that does not find it yet changes nothing, and is repeated.
    let absent = [&before[..], &[absent(T)]].concat();
    assert!(asks(&absent).0.is_empty() && asks(&absent).1.is_some_and(|at| at > T));
    let mut found = report(S::Open, "0", &[]);
    found.source = ReportSource::Query;
    let found = [&before[..], &[Body::Venue(Venue::Reported(found))]].concat();
    assert_eq!(asks(&found).0, [], "found, it is one that works");
    let filled = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    assert_eq!(
        asks(&[&before[..], &[filled]].concat()),
        (Vec::new(), None),
        "all of it was reported"
    );
}

#[test]
fn an_order_that_works_quietly_is_asked_for_now_and_then() {
    let mut manager = Manager::default();
    run_on(&mut manager, &[approved(ID), sent(ID, 1, T), reported(S::Open, "0", &[])]);
    let reported_at = manager.book().get(&id(ID)).unwrap().reported_at;
    let asks = |manager: &Manager, at| {
        manager.book().to_query(at).into_iter().map(|ask| ask.why).collect::<Vec<_>>()
    };
    assert_eq!(asks(&manager, reported_at + QUIET_MS - 1), []);
    assert_eq!(asks(&manager, reported_at + QUIET_MS), [Why::Quiet]);
    assert_eq!(manager.book().next_look_at(), Some(reported_at + QUIET_MS));
    assert_eq!(manager.book().next_query_at(), None, "time does not wait for it");
    // It is final: no query follows, and its number is still known as ours.
    run_on(&mut manager, &[reported(S::Filled, "10", &[trade(1, "1", "10")])]);
    assert_eq!(asks(&manager, i64::MAX), []);
    let numbers = manager.book().numbers();
    assert_eq!(numbers.get(sym("BTCUSDT"), &7.into()), Some(&id(ID)));
}

fn resolved(conflict: &str, dispute: Dispute, accept: Accept) -> Body {
    let (about, words) = conflict.split_once(": ").unwrap();
    let (ours, theirs) = words.split_once(" / ").unwrap();
    let (about, ours, theirs) = (about.to_owned(), ours.to_owned(), theirs.to_owned());
    let conflict = Conflict { about, ours, theirs, dispute };
    Body::Operator(Operator::Resolved {
        conflict,
        accept,
        reason: "r".to_owned(),
        venue: VenueId::default(),
    })
}

#[test]
fn the_venues_word_on_an_order_is_taken_as_an_operator_says() {
    let venue = |conflict: &str, dispute| resolved(conflict, dispute, Accept::Venue);
    let way = |inputs: &[Body]| {
        let all = [&[started(1, 1), approved(ID), sent(ID, 1, T)], inputs].concat();
        run(&all).trim_start_matches(" | Intent | Sent | ").to_owned()
    };
    let gone = "order ew-smacross-a: Open in BTCUSDT / not among the open orders; only a query can \
                tell what became of it";
    let open = [reported(S::Open, "0", &[]), account(T + 99, &[])];
    let end = [venue(gone, Dispute::Order), account(T + 199, &[])];
    let appended = way(&[&open[..], &end].concat());
    assert_eq!(appended, format!("Open | Compared [{gone}] | Cancelled | Compared []"));
    // Its earlier fills are reported later, and count.
    let late = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    let appended = way(&[&open[..], &end, &[late]].concat());
    assert!(appended.ends_with("Compared [] | fill 1=1 x10, Filled 10"), "{appended}");

    let refused_and_filled = "order ew-smacross-a: Rejected / an order that is Rejected cannot be \
                              Cancelled";
    let appended = way(&[
        refused(1, false),
        reported(S::Cancelled, "0", &[]),
        venue(refused_and_filled, Dispute::Order),
        account(T + 99, &[]),
    ]);
    let conflict = format!("Compared [{refused_and_filled}]");
    let want = format!("Rejected | Rejected, {conflict} | Cancelled | Compared []");
    assert_eq!(appended, want);

    // An order that another process sent under our id is not sent again.
    let unsent = "order ew-smacross-a: never sent / open in BTCUSDT";
    let mut manager = Manager::default();
    let here = [(ID, "BTCUSDT")];
    let appended = run_on(&mut manager, &[approved(ID), account(T, &here)]);
    assert_eq!(appended, format!("Intent | Compared [{unsent}]"));
    let appended = run_on(&mut manager, &[venue(unsent, Dispute::Twin), account(T + 9, &here)]);
    assert_eq!(appended, "Expired | Compared []");
    assert_eq!(due(&manager, T), Vec::<u32>::new());
}

#[test]
fn where_our_word_counts_the_venues_is_set_aside_until_it_changes() {
    let other = |number: u64, status| {
        let mut report = report(status, "0", &[]);
        (report.client_id, report.venue_order_id) = (id("ew-9"), number.into());
        Body::Venue(Venue::Reported(report))
    };
    let ours = |conflict: &str| resolved(conflict, Dispute::Twin, Accept::Ours);
    let twin = "order ew-9: no such order / order 1 in BTCUSDT";
    let mut manager = Manager::default();
    let appended = run_on(&mut manager, &[started(1, 1), other(1, S::Open), ours(twin)]);
    assert_eq!(appended, format!(" | Compared [{twin}] | "));
    let quiet = [
        other(1, S::Filled),
        account(T, &[("ew-9", "BTCUSDT")]),
        started(2, 1),
        account(T, &[("ew-9", "BTCUSDT")]),
    ];
    let appended = run_on(&mut manager, &quiet);
    assert_eq!(appended, " | Compared [] |  | Compared []", "it is left, in the next life too");
    let appended = run_on(&mut manager, &[account(T, &[("ew-8", "BTCUSDT")])]);
    assert_eq!(appended, "Compared [order ew-8: no such order / open in BTCUSDT]", "another one");

    let second = |number| format!("order ew-smacross-a: order 7 / order {number} in BTCUSDT");
    let same = |number: u64| {
        let mut report = report(S::Open, "0", &[]);
        report.venue_order_id = number.into();
        Body::Venue(Venue::Reported(report))
    };
    let appended =
        run(&[approved(ID), sent(ID, 1, T), same(7), same(8), ours(&second(8)), same(8), same(9)]);
    let (eight, nine) = (second(8), second(9));
    assert_eq!(
        appended,
        format!("Intent | Sent | Open | Compared [{eight}] |  |  | Compared [{nine}]")
    );
}

#[test]
fn what_panic_traded_is_filled_once_and_is_no_twin() {
    let mut manager = Manager::default();
    facts_of(&mut manager, &input(1, started(1, 0)));
    let of = |client: &str, trade_id: u64| PanicTrade {
        client_id: id(client),
        symbol: sym("BTCUSDT"),
        side: Side::Sell,
        fill: trade(trade_id, "100", "1"),
    };
    let mut apply = |n, trades: &[PanicTrade]| {
        let body =
            Body::Venue(Venue::PanicTraded { trades: trades.to_vec(), venue: VenueId::default() });
        let facts = facts_of(&mut manager, &input(n, body));
        let bytes = manager.save();
        manager = Manager::default();
        manager.load(&bytes).unwrap();
        let filled = facts.iter().map(|body| {
            let Body::Order(OrderFact::Filled { client_id, strategy, k, fill, .. }) = body else {
                panic!("{body:?}")
            };
            format!("{client_id} {strategy} {k} {}", fill.trade_id)
        });
        filled.collect::<Vec<_>>().join(", ")
    };
    let (a, b) = ("ew-panic-1-0", "ew-panic-1-1");
    let first = apply(2, &[of(a, 5), of(a, 6), of(a, 6), of("by-hand", 7)]);
    assert_eq!(first, format!("{a} panic 1 5, {a} panic 2 6"));
    let again = apply(3, &[of(a, 5), of(a, 6), of(a, 8), of(b, 9)]);
    assert_eq!(again, format!("{a} panic 3 8, {b} panic 1 9"));
    assert_eq!(apply(4, &[of(a, 8)]), "");
    let facts = facts_of(&mut manager, &input(5, account(T, &[(a, "BTCUSDT")])));
    assert!(
        matches!(&facts[..], [Body::Order(OrderFact::Compared { conflicts, .. })]
        if conflicts.is_empty()),
        "{facts:?}"
    );
}

#[path = "proof_tests.rs"]
mod proof;

#[path = "cancels_tests.rs"]
mod cancels;
