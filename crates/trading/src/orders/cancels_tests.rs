//! Tests cancels: the requests and queries to the venue, and the effects of its responses.

use super::*;
use crate::orders::order_states::CANCELS_MAX;
use crate::orders::{BookBefore, BookOfNumbers};
use everwarm_domain::order::{OrderRequest, RequestKind, Response};

fn take_back(sent: bool) -> Body {
    let (client_id, strategy, symbol) = (id(ID), "sma_cross".to_owned(), sym("BTCUSDT"));
    let (side, reason) = (Side::Buy, "it turned".to_owned());
    Body::Decision(if sent {
        Decision::CancelIntent { client_id, strategy, symbol, side, reason }
    } else {
        Decision::Withdrawn { client_id, strategy, symbol, side, reason }
    })
}

fn requested(attempt: u32, timestamp: i64) -> Body {
    let (of, what) = (id(ID), RequestKind::Cancel);
    Body::Venue(Venue::Requested(OrderRequest {
        id: OrderRequest::id_of(&of, what, attempt),
        of,
        symbol: sym("BTCUSDT"),
        what,
        attempt,
        timestamp,
        deadline: timestamp + 5_000,
        settled_at: Some(timestamp + 15_000),
        proof: Proof::default(),
    }))
}

fn responded(attempt: u32, response: Response) -> Body {
    let of = id(ID);
    let id = OrderRequest::id_of(&of, RequestKind::Cancel, attempt);
    Body::Venue(Venue::Responded { id, of, attempt, response })
}

fn lost(attempt: u32) -> Body {
    responded(attempt, Response::Unknown { reason: "reset".into() })
}

fn found(status: S, executed: &str, fills: &[VenueFill]) -> Body {
    let source = ReportSource::Query;
    Body::Venue(Venue::Reported(OrderReport { source, ..report(status, executed, fills) }))
}

/// Numbers of the cancel requests that are allowed at that venue time.
fn cancels(manager: &Manager, now: i64) -> Vec<u32> {
    manager.book().to_cancel(now).iter().map(|to_cancel| to_cancel.attempt).collect()
}

fn asks(manager: &Manager, now: i64) -> usize {
    manager.book().to_query(now).len()
}

/// A manager with an open order that must be cancelled.
fn working() -> Manager {
    let mut manager = Manager::default();
    let open = [approved(ID), sent(ID, 1, T), reported(S::Open, "0", &[])];
    assert_eq!(run_on(&mut manager, &open), "Intent | Sent | Open");
    assert_eq!(cancels(&manager, T), [0; 0], "nobody wants that");
    assert_eq!(run_on(&mut manager, &[take_back(true)]), "");
    manager
}

#[test]
fn what_was_not_sent_ends_when_it_is_withdrawn_and_is_not_sent() {
    let mut manager = Manager::default();
    assert_eq!(run_on(&mut manager, &[approved(ID)]), "Intent");
    assert_eq!(due(&manager, T), [1]);
    assert_eq!(run_on(&mut manager, &[take_back(false)]), "Cancelled");
    assert_eq!((due(&manager, T), manager.next_wake()), (vec![], None));
    assert_eq!(run_on(&mut manager, &[clock(VALID_UNTIL + 1), take_back(false)]), " | ");
    // A sent order continues like any other.
    let mut manager = Manager::default();
    let appended = run_on(&mut manager, &[approved(ID), sent(ID, 1, T), take_back(false)]);
    assert_eq!(appended, "Intent | Sent | ");
}

#[test]
fn what_may_not_be_there_is_found_first_and_never_sent_again() {
    let settled = T + 15_000;
    let begun = [approved(ID), sent(ID, 1, T), unanswered(1), take_back(true)];
    let mut manager = Manager::default();
    assert_eq!(run_on(&mut manager, &begun), "Intent | Sent | Unknown | ");
    assert_eq!(cancels(&manager, i64::MAX), [0; 0], "there may be nothing to cancel");
    let mut gone = Manager::default();
    run_on(&mut gone, &begun);
    let proof = [absent(settled + 1), absent(settled + 1_001)];
    assert_eq!(run_on(&mut gone, &proof), " | Cancelled");
    assert_eq!(due(&gone, T), [0; 0]);
    let mut refusal = Manager::default();
    run_on(&mut refusal, &[approved(ID), sent(ID, 1, T), take_back(true)]);
    assert_eq!(run_on(&mut refusal, &[refused(1, true)]), "Cancelled");
    // The venue has it after all.
    assert_eq!(run_on(&mut manager, &[found(S::Open, "0", &[])]), "Open");
    assert_eq!(cancels(&manager, T), [1]);
}

#[test]
fn a_cancel_that_is_answered_ends_the_order_with_what_was_filled() {
    let mut manager = working();
    assert_eq!(cancels(&manager, T), [1]);
    assert_eq!(run_on(&mut manager, &[requested(1, T)]), "");
    assert_eq!(
        (cancels(&manager, i64::MAX), manager.book().unanswered_cancels().count()),
        (vec![], 1)
    );
    let answer = report(S::Cancelled, "4", &[]);
    let answer = OrderReport { source: ReportSource::Answer, ..answer };
    let answered = [Body::Venue(Venue::Reported(answer)), responded(1, Response::Accepted)];
    assert_eq!(run_on(&mut manager, &answered), " | ", "its fills are not known yet");
    assert_eq!((asks(&manager, T), manager.book().unanswered_cancels().count()), (1, 0));
    let whole = found(S::Cancelled, "4", &[trade(1, "100", "4")]);
    assert_eq!(run_on(&mut manager, &[whole]), "fill 1=1 x4, Cancelled 4");
    assert_eq!((asks(&manager, i64::MAX), cancels(&manager, i64::MAX)), (0, vec![]));
    let concluded = |manager: &Manager| {
        let all = manager.book().concluded().map(|(_, attempt, done)| (attempt, done));
        all.collect::<Vec<_>>()
    };
    assert_eq!(concluded(&manager), [(1, true)], "as soon as it is over");
    assert_eq!(run_on(&mut manager, &[clock(T + 1)]), "");
    assert_eq!(concluded(&manager), [(1, true)], "until it is appended");
    assert_eq!(run_on(&mut manager, &[responded(1, Response::Accepted)]), "");
    assert_eq!(concluded(&manager), []);
}

#[test]
fn what_ended_an_order_is_said_after_its_end_and_once() {
    let concluded = |manager: &Manager| {
        let all = manager.book().concluded().map(|(_, attempt, done)| (attempt, done));
        all.collect::<Vec<_>>()
    };
    // Response and end come together: no outcome is left to append.
    let mut manager = working();
    let answer = OrderReport { source: ReportSource::Answer, ..report(S::Cancelled, "0", &[]) };
    let answer = Body::Venue(Venue::Reported(answer));
    let appended = run_on(&mut manager, &[requested(1, T), answer]);
    assert_eq!(
        (appended.as_str(), concluded(&manager)),
        (" | Cancelled", vec![]),
        "an answer comes"
    );
    run_on(&mut manager, &[responded(1, Response::Accepted)]);
    assert_eq!((concluded(&manager), manager.book().unanswered_cancels().count()), (vec![], 0));
    // The response is lost, and the stream reports the end.
    let mut manager = working();
    run_on(&mut manager, &[requested(1, T), lost(1), reported(S::Cancelled, "0", &[])]);
    assert_eq!(concluded(&manager), [(1, true)]);
    // It was filled first.
    let mut manager = working();
    let filled = reported(S::Filled, "10", &[trade(1, "100", "10")]);
    run_on(&mut manager, &[requested(1, T), responded(1, Response::NotOpen), filled]);
    assert_eq!(concluded(&manager), [(1, false)]);
    // No process can receive the response for an order that is final by now.
    let mut manager = working();
    let over = [requested(1, T), reported(S::Cancelled, "0", &[]), started(2, 1)];
    run_on(&mut manager, &over);
    assert_eq!((manager.book().unanswered_cancels().count(), concluded(&manager)), (1, vec![]));
    run_on(&mut manager, &[lost(1), clock(T + 1)]);
    assert_eq!((manager.book().unanswered_cancels().count(), concluded(&manager)), (0, vec![]));
}

#[test]
fn nothing_is_concluded_from_a_cancel_that_failed_before_the_order_was_asked_for() {
    let refusal = Response::Refused { code: -1, text: "no".into() };
    for response in [Response::NotOpen, refusal, Response::Unknown { reason: "reset".into() }] {
        let mut manager = working();
        let appended = run_on(&mut manager, &[requested(1, T), responded(1, response)]);
        assert_eq!(appended, " | ");
        assert_eq!(cancels(&manager, i64::MAX), [0; 0]);
        assert_eq!(asks(&manager, T), 1, "at once");
        assert_eq!(manager.book().next_query_at(), Some(i64::MIN));
        // It was filled meanwhile.
        let filled = found(S::Filled, "10", &[trade(1, "100", "10")]);
        assert_eq!(run_on(&mut manager, &[filled]), "fill 1=1 x10, Filled 10");
        assert_eq!(cancels(&manager, i64::MAX), [0; 0]);
    }
}

#[test]
fn an_order_that_works_still_is_cancelled_again_later_each_time_and_not_for_ever() {
    let mut manager = working();
    let (mut now, mut waits) = (T, Vec::new());
    for attempt in 1..=CANCELS_MAX {
        assert_eq!(cancels(&manager, now), [attempt]);
        let tried = [requested(attempt, now), lost(attempt)];
        assert_eq!(run_on(&mut manager, &tried), " | ");
        assert_eq!(run_on(&mut manager, &[found(S::Open, "0", &[])]), "");
        let next = manager.book().next_cancel_at();
        waits.extend(next.map(|at| (at - now) / PATIENCE_MS));
        now = next.unwrap_or(now);
    }
    assert_eq!(waits, [1, 2, 4, 8, 12, 12, 12]);
    assert_eq!(cancels(&manager, i64::MAX), [0; 0]);
    assert_eq!(run_on(&mut manager, &[found(S::Cancelled, "0", &[])]), "Cancelled");
}

#[test]
fn a_new_life_asks_for_the_order_before_it_cancels_again() {
    let mut manager = working();
    let appended = run_on(&mut manager, &[requested(1, T), started(2, 1), lost(1)]);
    assert_eq!(appended, " |  | ");
    assert_eq!((cancels(&manager, i64::MAX), asks(&manager, T)), (vec![], 1));
    run_on(&mut manager, &[found(S::Open, "0", &[])]);
    assert_eq!(cancels(&manager, T + PATIENCE_MS), [2]);
    // A run that began before any request queries the order, too.
    let mut manager = working();
    run_on(&mut manager, &[started(2, 1)]);
    assert_eq!(cancels(&manager, i64::MAX), [0; 0]);
    run_on(&mut manager, &[found(S::Open, "0", &[])]);
    assert_eq!(cancels(&manager, T), [1]);
}

#[test]
fn books_of_the_versions_before_are_taken_over() {
    let mut manager = Manager::default();
    run_on(&mut manager, &[approved("ew-1"), approved(ID), sent(ID, 1, T)]);
    let filled = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    run_on(&mut manager, &[filled, clock(T + 1)]);
    let before = BookBefore::from(manager.book().clone());
    for bytes in [state::save(2, &before), crate::testing::old_state(2, &before)] {
        let mut next = Manager::default();
        next.convert(2, &bytes).unwrap();
        assert_eq!(next.save(), manager.save());
    }
    let of_numbers = BookOfNumbers::from(manager.book().clone());
    let bytes = state::save(3, &of_numbers);
    let head = state::head(&bytes).unwrap().unwrap();
    assert_eq!(head.fingerprint, 0x6075_d06b_0c2c_09a4, "as releases saved it");
    for bytes in [bytes, crate::testing::old_state(3, &of_numbers)] {
        let mut next = Manager::default();
        next.convert(3, &bytes).unwrap();
        assert_eq!(next.save(), manager.save());
    }
    assert_eq!(manager.converts(), [2, 3, 4]);
}
