//! Tests how long a request may arrive and how its absence is proved, as venue adapters state.

use super::*;
use everwarm_domain::order::{Proof, Validity};
use everwarm_domain::venue_ids::VenueTradeId;

fn sent_as(attempt: u32, timestamp: i64, settled_at: Option<i64>, proof: Proof) -> Body {
    let validity = Validity { timestamp, deadline: timestamp + 1, settled_at, proof };
    let attempts = vec![SendAttempt { client_id: id(ID), attempt, validity }];
    Body::Venue(Venue::Sent { attempts })
}

/// An attempt at a venue that keeps our ids unique, where a request may arrive at any time.
fn endless(attempt: u32, timestamp: i64) -> Body {
    sent_as(attempt, timestamp, None, Proof::ById)
}

#[test]
fn where_an_id_stays_unique_one_absence_allows_another_attempt() {
    let mut manager = Manager::default();
    let appended = run_on(&mut manager, &[approved(ID), endless(1, T), unanswered(1)]);
    assert_eq!(appended, "Intent | Sent | Unknown");
    let asks = manager.book().to_query(T);
    assert_eq!((asks.len(), asks[0].proof), (1, Proof::ById));
    let appended = run_on(&mut manager, &[absent(T + 1)]);
    assert_eq!(appended, "Granted 2", "the venue takes one order of an id");
    assert_eq!(due(&manager, T + 1), [2]);
    let filled = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    let appended = run_on(&mut manager, &[endless(2, T + 2), unanswered(2), filled]);
    assert_eq!(appended, "Sent | Unknown | fill 1=1 x10, Filled 10", "whichever of them arrived");
}

#[test]
fn a_request_that_never_settles_is_neither_failed_nor_forgotten() {
    let lost = [approved(ID), endless(1, T), unanswered(1)];
    // Too late for another attempt: the first may still arrive.
    let mut manager = Manager::default();
    run_on(&mut manager, &lost);
    let late = VALID_UNTIL + 1;
    assert_eq!(run_on(&mut manager, &[absent(late), absent(late + 86_400_000)]), " | ");
    let next = Some(late + 86_400_000 + PATIENCE_MS);
    assert_eq!(manager.book().next_query_at(), next, "it is asked for again");
    // A definite refusal of the second attempt shows nothing about the first.
    let mut manager = Manager::default();
    run_on(&mut manager, &[&lost[..], &[absent(T + 1), endless(2, T + 2)]].concat());
    let appended = run_on(&mut manager, &[refused(2, false), absent(T + 9), absent(late)]);
    assert_eq!(appended, "Unknown |  | ");
    assert_eq!(due(&manager, T + 9), [0; 0], "it is wrong as it stands");
    let filled = reported(S::Filled, "10", &[trade(1, "1", "10")]);
    assert_eq!(run_on(&mut manager, &[filled]), "fill 1=1 x10, Filled 10");
    // A definite refusal of the only attempt ends it.
    assert_eq!(run(&[approved(ID), endless(1, T), refused(1, false)]), "Intent | Sent | Rejected");
    // Where our id alone proves nothing, an absence proves nothing, however often it is seen.
    let never = sent_as(1, T, None, Proof::ByAbsenceAndTrades);
    let absences = [T + 1, late, late + 86_400_000].map(absent);
    let appended = run(&[&[approved(ID), never, unanswered(1)], &absences[..]].concat());
    assert_eq!(appended, "Intent | Sent | Unknown |  |  | ");
}

#[test]
fn a_venue_with_unique_ids_ends_an_order_once_all_its_attempts_are_settled() {
    let by_id =
        |attempt, timestamp, settled| sent_as(attempt, timestamp, Some(settled), Proof::ById);
    // The first attempt settles after the second.
    let twice = [approved(ID), by_id(1, T, T + 90), absent(T + 1), by_id(2, T + 2, T + 50)];
    let no = [refused(2, false), absent(T + 90), absent(T + 91)];
    assert_eq!(
        run(&[&twice[..], &no].concat()),
        "Intent | Sent | Granted 2 | Sent | Unknown |  | Rejected"
    );
    let late = run(&[approved(ID), by_id(1, T, T + 90), unanswered(1), absent(VALID_UNTIL + 1)]);
    assert_eq!(late, "Intent | Sent | Unknown | Expired");
}

#[test]
fn a_granted_attempt_that_is_not_sent_ends_no_order_whose_first_attempt_may_arrive() {
    // The venue does not know the id, so another attempt is granted. The daemon is down until it
    // is too late for that one.
    let settled = VALID_UNTIL + 60_000;
    let by_id = |attempt, at| sent_as(attempt, at, Some(settled), Proof::ById);
    let granted = [approved(ID), by_id(1, T), absent(T + 1)];
    let late = || {
        let mut manager = Manager::default();
        assert_eq!(run_on(&mut manager, &granted), "Intent | Sent | Granted 2");
        assert_eq!(run_on(&mut manager, &[clock(VALID_UNTIL + 1)]), "Unknown");
        manager
    };
    let mut manager = late();
    assert_eq!(due(&manager, T), [0; 0], "it is not sent again");
    assert_eq!(manager.book().to_query(VALID_UNTIL + 1).len(), 1, "but queried");
    let appended = run_on(&mut manager, &[absent(VALID_UNTIL + 2), absent(settled + 1)]);
    assert_eq!(appended, " | Expired", "once the first attempt can no longer arrive");
    let filled = || reported(S::Filled, "10", &[trade(1, "1", "10")]);
    let found = run_on(&mut late(), &[absent(VALID_UNTIL + 2), filled()]);
    assert_eq!(found, " | fill 1=1 x10, Filled 10", "the first attempt arrived late");
    // The second attempt left at the moment in which it lapsed.
    let mut manager = late();
    let appended = run_on(&mut manager, &[by_id(2, VALID_UNTIL), filled()]);
    assert_eq!(appended, "Sent | fill 1=1 x10, Filled 10");
    assert!(manager.book().conflicts.is_empty());
    // The same order, withdrawn instead.
    let mut manager = Manager::default();
    run_on(&mut manager, &granted);
    let withdrawn = Decision::Withdrawn {
        client_id: id(ID),
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        side: everwarm_domain::order::Side::Buy,
        reason: "the signal ended".to_owned(),
    };
    assert_eq!(run_on(&mut manager, &[Body::Decision(withdrawn)]), "Unknown");
    assert_eq!(run_on(&mut manager, &[absent(T + 9), absent(settled + 1)]), " | Cancelled");
}

#[test]
fn a_venue_says_how_long_its_requests_may_arrive() {
    let quick = sent_as(1, T, Some(T + 3), Proof::ByAbsenceAndTrades);
    let all = [approved(ID), quick, absent(T + 3), absent(T + 4), absent(T + 1_004)];
    assert_eq!(run(&all), "Intent | Sent |  |  | Granted 2");
    let slow = sent_as(1, T, Some(T + 60_000), Proof::ByAbsenceAndTrades);
    let all = [approved(ID), slow, absent(T + 30_000), absent(T + 31_000)];
    assert_eq!(run(&all), "Intent | Sent |  | ");
}

#[test]
fn fills_are_applied_by_venue_time_and_then_by_id() {
    let fill = |id: &str, time, quantity: &str| {
        let trade_id = VenueTradeId::new(id).unwrap();
        VenueFill { trade_id, time, ..trade(0, "1", quantity) }
    };
    let fills = [fill("a", 7, "1"), fill("zz", 5, "2"), fill("b", 5, "3"), fill("10", 5, "4")];
    let appended = run(&[approved(ID), sent(ID, 1, T), reported(S::Filled, "10", &fills)]);
    let want = "fill 1=b x3, fill 2=10 x4, fill 3=zz x2, fill 4=a x1, Filled 10";
    assert_eq!(appended, format!("Intent | Sent | {want}"));
}

#[test]
fn a_packed_order_of_a_version_with_numbers_is_read() {
    let mut manager = Manager::default();
    let fills = [trade(u64::MAX, "1", "6"), trade(9, "1", "4")];
    run_on(&mut manager, &[approved(ID), sent(ID, 1, T), reported(S::Filled, "10", &fills)]);
    let order = manager.book().get(&id(ID)).unwrap().clone();
    let packed = crate::orders::old_states::packed(&order);
    assert_eq!(rmp_serde::from_slice::<Order>(&packed).unwrap(), order);
}
