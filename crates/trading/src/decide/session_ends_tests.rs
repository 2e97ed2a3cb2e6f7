//! Tests entries at the end of a session, with a calendar.

use super::*;
use everwarm_domain::features::FeatureTable;
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::{DAY, Timeframe};

/// Opening of the second session.
const NEXT: i64 = 120 * MINUTE;

/// The sessions of this day, each from its opening to its end.
fn sessions(spans: &[(i64, i64)]) -> Fact<Body> {
    let spans = spans.iter().map(|(open, close)| Session { open: *open, close: *close });
    let sessions = Sessions::new(0, DAY, spans.collect()).unwrap();
    input(1, Body::Market(Market::Sessions { venue: VenueId::default(), sessions }))
}

/// A stage whose last close ends a session. The next one opens at [`NEXT`].
fn ended() -> Decide {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &sessions(&[(0, T), (NEXT, 2 * NEXT)]));
    stage
}

const BOUGHT: [&str; 1] = ["Buy 10 BTCUSDT holding 1010"];
const DECLINED: [&str; 1] = [
    "BTCUSDT market-closed: the session of BTCUSDT ends with this close; the next session opens on \
     1970-01-01 at 02:00 UTC",
];

#[test]
fn an_entry_at_the_last_close_of_a_session_is_declined() {
    let mut stage = ended();
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), DECLINED);
    let mut again = Decide::default();
    again.load(&stage.save()).unwrap();
    assert_eq!(ask(&mut again, &[buy("BTCUSDT")]), DECLINED, "the calendar is remembered");
    // The venue reports a longer session.
    facts_of(&mut again, &sessions(&[(0, T + MINUTE), (NEXT, 2 * NEXT)]));
    assert_eq!(ask(&mut again, &[buy("BTCUSDT")]), BOUGHT);
}

#[test]
fn an_entry_at_an_earlier_close_is_as_before() {
    // A close of an hour is such a close, too.
    for spans in [&[(0, T + MINUTE)][..], &[(0, 2 * NEXT)], &[(0, T), (T, 2 * NEXT)]] {
        let mut stage = ready(|_| {});
        facts_of(&mut stage, &sessions(spans));
        assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), BOUGHT, "{spans:?}");
    }
}

#[test]
fn a_half_day_ends_at_its_own_time() {
    let mut stage = ready(|_| {});
    let half = (NEXT, NEXT + 90 * MINUTE);
    facts_of(&mut stage, &sessions(&[(0, NEXT / 2), half]));
    let closes = |stage: &mut Decide, time: i64| {
        facts_of(stage, &input(1, close("BTCUSDT", time / MINUTE - 1, 100)));
        ask(stage, &[signal("BTCUSDT", Side::Buy, time)]).remove(0)
    };
    let last = closes(&mut stage, half.1);
    assert_eq!(last, "BTCUSDT market-closed: the session of BTCUSDT ends with this close");
    assert_eq!(closes(&mut stage, half.1 - MINUTE), BOUGHT[0]);
}

#[test]
fn where_no_session_is_known_the_market_is_open() {
    let mut stage = ready(|_| {});
    let known = Sessions::new(0, T, vec![Session { open: 0, close: T }]).unwrap();
    let venue = VenueId::default();
    facts_of(&mut stage, &input(1, Body::Market(Market::Sessions { venue, sessions: known })));
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), BOUGHT, "the calendar ends here");
    let mut stage = ready(|_| {});
    let night = Sessions::new(0, DAY, vec![Session { open: 0, close: T }]).unwrap();
    let venue = VenueId::Alpaca;
    let other = Body::Market(Market::Sessions { venue, sessions: night });
    facts_of(&mut stage, &input(1, other));
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), BOUGHT, "another venue is closed");
}

#[test]
fn an_exit_at_the_last_close_is_requested() {
    let mut stage = ended();
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "10", "9000")));
    let sold = exits(&mut stage, &signals(vec![sell("BTCUSDT")]));
    assert_eq!(sold, ["BTCUSDT owed".to_owned(), format!("Sell 10 BTCUSDT of {T}")]);
}

#[test]
fn an_entry_by_daily_bars_waits_for_the_next_opening() {
    let values = |n, timeframe| {
        let table = FeatureTable::new(0);
        fact(n, 200, Body::Analysis(Analysis::FeatureValues { plan: 1, timeframe, table }))
    };
    let signalled = |stage: &mut Decide, of: &Fact<Body>| {
        facts_of(stage, of);
        let rows = vec![buy("BTCUSDT")];
        let signals = fact(of.key.n, 400, Body::Analysis(Analysis::Signals { rows }));
        exits(stage, &Fact { because: vec![of.key], ..signals })
    };
    let declined = ["BTCUSDT market-closed"];
    let mut stage = ended();
    facts_of(&mut stage, &input(2, close("BTCUSDT", T / MINUTE - 1, 100)));
    assert_eq!(signalled(&mut stage, &values(2, Timeframe::M1)), declined);
    assert_eq!(signalled(&mut stage, &values(2, Timeframe::H1)), declined);
    let daily = values(2, Timeframe::D1);
    assert_eq!(signalled(&mut stage, &daily), [format!("Buy 10 BTCUSDT of {T}")]);
    let mut stage = ended();
    facts_of(&mut stage, &daily);
    facts_of(&mut stage, &input(3, close("BTCUSDT", T / MINUTE - 1, 100)));
    assert_eq!(signalled(&mut stage, &values(3, Timeframe::M1)), declined, "another close");
}

#[test]
fn nothing_more_is_sold_of_what_panic_sells_at_the_opening() {
    let compared = |stage: &mut Decide, n: u64, open: &[&str]| {
        let (asset, free, locked) = ("BTC".to_owned(), Decimal::ZERO, dec("10"));
        let of = |id: &&str| (ClientOrderId((*id).to_owned()), sym("BTCUSDT"));
        let balances = vec![Balance { asset, free, locked }];
        let open = open.iter().map(of).collect();
        let account = AccountFact { balances, open, ..AccountFact::default() };
        facts_of(stage, &input(n, account.body()));
        exits(stage, &fact(n, 800, reconciled(1, "9000")))
    };
    let waits = "BTCUSDT owed: the account has 0 of the 10 BTC held";
    let sells = "Sell 10 BTCUSDT holding 0";
    for (mut stage, open, decided) in [
        (ended(), "ew-panic-1-0", waits),
        (ended(), "ew-other", sells),
        (ready(|_| {}), "ew-panic-1-0", sells),
    ] {
        facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "10", "9000")));
        assert_eq!(compared(&mut stage, 2, &[open]), [""; 0]);
        assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), [decided], "{open}");
        if decided == waits {
            let decided = compared(&mut stage, 3, &[]);
            assert!(decided.contains(&format!("Sell 10 BTCUSDT of {T}")), "{decided:?}");
        }
    }
}
