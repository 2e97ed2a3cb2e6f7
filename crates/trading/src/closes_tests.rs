//! Tests the core of the closer, close by close.
//!
//! Over 500 lines: one subject, one test a promise.

use super::*;
use crate::testing::golden::Series;
use crate::testing::{bar, input, sym};
use everwarm_domain::fact::Listed;
use everwarm_domain::id::VenueId;
use everwarm_domain::money::Price;
use everwarm_domain::sessions::{Session, Sessions};
use std::collections::BTreeSet;

const GRACE: UtcMs = 2_000;

/// A closer without its actor.
struct TestCloser {
    closes: Closes,
    assembly: CloseAssembly,
    n: u64,
}

impl TestCloser {
    fn new(lockstep: bool, symbols: &[&str]) -> TestCloser {
        let mut closer =
            TestCloser { closes: Closes::default(), assembly: CloseAssembly::new(lockstep), n: 0 };
        closer.list(symbols, AtVenue::Trading);
        closer
    }

    fn apply(&mut self, market: Market) {
        self.n += 1;
        self.closes.evolve(&input(self.n, Body::Market(market)));
    }

    fn list(&mut self, symbols: &[&str], venue: AtVenue) {
        let why = String::new();
        let row = |s: &&str| Listed { symbol: sym(s), wanted: true, venue, why: why.clone() };
        let listed = symbols.iter().map(row).collect();
        self.apply(Market::Universe { asked: 0, basis: 0, listed, unlisted: Vec::new() });
    }

    /// Loads the history of symbols up to the end of a minute.
    fn past(&mut self, symbols: &[&str], through: i64) {
        self.past_at(symbols, through, through);
    }

    /// The same, with a last price.
    fn past_at(&mut self, symbols: &[&str], through: i64, price: i64) {
        for symbol in symbols {
            let bars = vec![bar(symbol, through - 1, price)];
            let (symbol, to) = (sym(symbol), (through - 1) * MINUTE);
            let timeframe = everwarm_domain::time::Timeframe::M1;
            let (from, count, digest, plan) = (to, 1, 0, 0);
            self.apply(Market::HistoryLoaded { symbol, timeframe, from, to, count, digest, plan });
            self.apply(Market::HistoryBars { symbol, timeframe, bars, plan });
            self.assembly.fetched(symbol, through * MINUTE);
        }
    }

    /// Offers the bar of the minute that ends at `end`.
    fn bar(&mut self, symbol: &str, end: i64) -> Offered {
        self.assembly.offer(&self.closes, bar(symbol, end - 1, end))
    }

    /// All its actions at a second of venue time, as text; facts are appended as it returns them.
    fn go(&mut self, seconds: i64) -> String {
        let mut words = Vec::new();
        loop {
            match self.assembly.next(&self.closes, seconds * 1000, GRACE) {
                Next::Append(market) => {
                    words.push(describe(&market));
                    self.apply(market);
                }
                Next::Fetch(close, symbols) => {
                    words.push(format!("fetch {} {}", close / MINUTE, list(&symbols)));
                    return words.join(", ");
                }
                Next::Wait(until) => {
                    words.push(format!("wait {}", until / 1000));
                    return words.join(", ");
                }
                Next::Held => panic!("nothing is held"),
                Next::Asked => panic!("no splits are queried"),
                Next::Idle => return words.join(", "),
            }
        }
    }
}

fn list(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is expected")]
fn describe(market: &Market) -> String {
    match market {
        Market::Close { time, bars, missing, odd } => {
            let bars: Vec<Symbol> = bars.iter().map(|bar| bar.symbol).collect();
            let without =
                if missing.is_empty() { String::new() } else { format!(" -{}", list(missing)) };
            let odd: Vec<String> =
                odd.iter().map(|o| format!(" {}:{:?}", o.symbol, o.why)).collect();
            format!("close {} {}{without}{}", time / MINUTE, list(&bars), odd.join(""))
        }
        Market::LateBar { bar, odd } => {
            let odd = odd.map_or(String::new(), |why| format!(" {why:?}"));
            format!("late {} {}{odd}", bar.open_time / MINUTE + 1, bar.symbol)
        }
        Market::BarRefused { symbol, time, reason, .. } => {
            format!("refused {} {symbol} ({reason})", time / MINUTE + 1)
        }
        _ => panic!("{market:?}"),
    }
}

#[test]
fn a_close_is_said_once_all_have_delivered_or_are_known_to_have_none() {
    let mut closer = TestCloser::new(false, &["A", "B"]);
    closer.past(&["A"], 10);
    closer.bar("A", 11);
    assert_eq!(closer.go(661), "", "B's past is not there yet: before the first close all wait");
    closer.past(&["B"], 10);
    assert_eq!(closer.go(661), "wait 662");
    assert_eq!(closer.bar("B", 11), Offered::New);
    assert_eq!(closer.go(661), "close 11 A B");
    closer.bar("A", 12);
    assert_eq!(closer.go(723), "fetch 12 B");
    closer.assembly.fetched(sym("B"), 12 * MINUTE);
    assert_eq!(closer.go(723), "close 12 A -B");
    assert_eq!(closer.bar("B", 12), Offered::New);
    assert_eq!(closer.go(724), "late 12 B");
    assert_eq!(closer.go(724), "", "once");
}

#[test]
fn nothing_is_missing_while_the_venue_does_not_trade() {
    let mut closer = TestCloser::new(false, &["A", "B"]);
    let span = |open: i64, close: i64| Session { open: open * MINUTE, close: close * MINUTE };
    let sessions = Sessions::new(0, 90 * MINUTE, vec![span(5, 12), span(60, 80)]).unwrap();
    closer.apply(Market::Sessions { venue: VenueId::default(), sessions });
    closer.past(&["A", "B"], 11);
    closer.bar("A", 12);
    assert_eq!(closer.go(723), "fetch 12 B");
    closer.assembly.fetched(sym("B"), 12 * MINUTE);
    assert_eq!(closer.go(723), "close 12 A -B");
    // In the morning, no bar of the night is fetched.
    closer.priced("A", 61, 12);
    closer.priced("B", 61, 12);
    assert_eq!(closer.go(3_661), "close 61 A B");
    // A bar at night is accepted, and no other symbol is missing.
    closer.priced("A", 81, 12);
    closer.assembly.fetched(sym("A"), 80 * MINUTE);
    assert_eq!(closer.go(4_861), "close 81 A");
}

#[test]
fn repeats_are_known_and_what_differs_is_a_revision() {
    let mut closer = TestCloser::new(false, &["A", "B"]);
    closer.past(&["A", "B"], 10);
    assert_eq!(closer.bar("A", 11), Offered::New);
    assert_eq!(closer.bar("A", 11), Offered::Known, "twice before its close");
    assert_eq!(closer.assembly.offer(&closer.closes, bar("A", 10, 5)), Offered::Revised);
    closer.bar("B", 11);
    assert_eq!(closer.go(661), "close 11 A B");
    assert_eq!(closer.bar("A", 11), Offered::Known, "and after");
    assert_eq!(closer.assembly.offer(&closer.closes, bar("A", 10, 5)), Offered::Revised);
    assert_eq!(closer.bar("A", 9), Offered::Known, "of the past");
    assert_eq!(closer.bar("C", 12), Offered::Strange);
    assert_eq!(closer.go(662), "");
}

#[test]
fn a_hole_is_looked_for_before_what_follows_it_is_said() {
    let mut closer = TestCloser::new(false, &["A", "B"]);
    closer.past(&["A", "B"], 10);
    // The stream was down for a minute, so the bars of 11 are missing.
    closer.bar("A", 12);
    closer.bar("B", 12);
    assert_eq!(closer.go(721), "fetch 12 A B");
    for symbol in ["A", "B"] {
        closer.bar(symbol, 11);
        closer.assembly.fetched(sym(symbol), 12 * MINUTE);
    }
    assert_eq!(closer.go(721), "close 11 A B, close 12 A B");
    // The venue has no bars of 13; a fetch shows that.
    closer.bar("A", 14);
    closer.bar("B", 14);
    for symbol in ["A", "B"] {
        closer.assembly.fetched(sym(symbol), 13 * MINUTE);
    }
    assert_eq!(closer.go(841), "close 14 A B");
    // A venue that streams but does not respond must not stop all closes.
    closer.bar("A", 16);
    closer.bar("B", 16);
    assert_eq!(closer.go(961), "fetch 16 A B");
    assert_eq!(closer.go(1021), "close 16 A B");
    assert_eq!(closer.bar("A", 15), Offered::Known, "it would be behind what was appended");
}

#[test]
fn who_joins_is_expected_once_its_past_is_there() {
    let mut closer = TestCloser::new(false, &["A"]);
    closer.past(&["A"], 10);
    closer.bar("A", 11);
    assert_eq!(closer.go(661), "close 11 A");
    closer.list(&["B"], AtVenue::Trading);
    closer.bar("A", 12);
    closer.bar("B", 12);
    assert_eq!(closer.go(721), "close 12 A", "not waited for, and not in it");
    closer.past(&["B"], 11);
    assert_eq!(closer.bar("B", 12), Offered::New);
    assert_eq!(closer.go(722), "late 12 B");
    closer.bar("A", 13);
    assert_eq!(closer.go(781), "wait 782", "from here on it is expected");
    closer.bar("B", 13);
    assert_eq!(closer.go(781), "close 13 A B");
    // In lockstep, no close comes until its history is loaded.
    let mut closer = TestCloser::new(true, &["A"]);
    closer.past(&["A"], 10);
    closer.bar("A", 11);
    closer.assembly.traded(11 * MINUTE, BTreeSet::from([sym("A")]));
    assert_eq!(closer.go(660), "close 11 A");
    closer.list(&["B"], AtVenue::Trading);
    assert!(!closer.assembly.is_caught_up(&closer.closes));
    closer.past(&["B"], 11);
    assert!(closer.assembly.is_caught_up(&closer.closes));
}

#[test]
fn who_is_halted_gone_or_unlisted_is_not_waited_for() {
    let mut closer = TestCloser::new(false, &["A", "B", "C", "D"]);
    closer.past(&["A", "B", "C", "D"], 10);
    for symbol in ["A", "B", "C", "D"] {
        closer.bar(symbol, 11);
    }
    assert_eq!(closer.go(661), "close 11 A B C D");
    closer.list(&["B"], AtVenue::Halted);
    closer.list(&["C"], AtVenue::Gone);
    let (listed, unlisted) = (Vec::new(), vec![sym("D")]);
    closer.apply(Market::Universe { asked: 0, basis: 0, listed, unlisted });
    closer.bar("A", 12);
    assert_eq!(closer.bar("D", 12), Offered::Strange);
    assert_eq!(closer.go(721), "close 12 A");
    // It trades again: it is expected as before, and the gap is fetched.
    closer.list(&["B"], AtVenue::Trading);
    closer.bar("A", 13);
    closer.bar("B", 13);
    assert_eq!(closer.go(781), "fetch 13 B");
    closer.assembly.fetched(sym("B"), 13 * MINUTE);
    assert_eq!(closer.go(781), "close 13 A B");
    // After it was unlisted and listed again, nothing of it is remembered.
    closer.list(&["D"], AtVenue::Trading);
    assert_eq!(closer.closes.through(sym("D")), None);
}

#[test]
fn who_missed_most_recent_closes_is_not_waited_for() {
    let mut closer = TestCloser::new(false, &["A", "B"]);
    closer.past(&["A", "B"], 10);
    for end in 11..14 {
        closer.bar("A", end);
        assert_eq!(closer.go(end * 60 + 3), format!("fetch {end} B"));
        closer.assembly.fetched(sym("B"), end * MINUTE);
        assert_eq!(closer.go(end * 60 + 3), format!("close {end} A -B"));
    }
    closer.bar("A", 14);
    assert_eq!(closer.go(841), "close 14 A -B");
    // In lockstep it is waited for, even by a closer that missed the exchange's list of this
    // minute. The closes must not depend on whether the previous closer was killed.
    let mut closer = TestCloser::new(true, &["A", "B"]);
    closer.past(&["A", "B"], 10);
    for end in 11..14 {
        closer.bar("A", end);
        closer.assembly.traded(end * MINUTE, BTreeSet::from([sym("A")]));
        assert_eq!(closer.go(end * 60), format!("close {end} A -B"));
    }
    closer.bar("A", 14);
    assert_eq!(closer.go(843), "fetch 14 B");
    closer.priced("B", 14, 11);
    assert_eq!(closer.go(843), "close 14 A B");
}

/// A and B, whose last bars closed at minute 11 at a price of 100.
fn at_a_hundred(lockstep: bool) -> TestCloser {
    let mut closer = TestCloser::new(lockstep, &["A", "B"]);
    closer.past_at(&["A", "B"], 10, 100);
    closer.priced("A", 11, 100);
    closer.priced("B", 11, 100);
    assert_eq!(closer.go(661), "close 11 A B");
    closer
}

impl TestCloser {
    /// Offers the streamed bar of the minute that ends at `end`, at that price.
    fn priced(&mut self, symbol: &str, end: i64, price: i64) -> Offered {
        self.assembly.offer(&self.closes, bar(symbol, end - 1, price))
    }

    /// Fetches records up to the end of a minute. They contain these bars: minute, price, and
    /// whether the records repeated an odd one.
    fn records(&mut self, symbol: &str, through: i64, bars: &[(i64, i64, bool)], seconds: i64) {
        for (end, price, confirmed) in bars {
            self.assembly.found(&self.closes, bar(symbol, end - 1, *price), *confirmed);
        }
        let through = (sym(symbol), through * MINUTE);
        self.assembly.apply_fetched(&self.closes, through, Vec::new(), seconds * 1000);
    }
}

#[test]
fn an_odd_bar_of_the_stream_waits_for_the_records_and_enters_marked_where_they_repeat_it() {
    for lockstep in [false, true] {
        let mut closer = at_a_hundred(lockstep);
        closer.priced("A", 12, 50);
        closer.priced("B", 12, 101);
        let traded = BTreeSet::from([sym("A"), sym("B")]);
        closer.assembly.traded(12 * MINUTE, traded.clone());
        assert_eq!(closer.go(721), "fetch 12 A", "nobody is waited for but A");
        assert_eq!(closer.priced("A", 12, 50), Offered::Known, "reported again meanwhile");
        assert_eq!(closer.go(722), "fetch 12 A");
        closer.records("A", 12, &[(12, 50, true)], 723);
        assert_eq!(closer.go(723), "close 12 A B A:Jump");
        // The next bar is near it.
        closer.priced("A", 13, 51);
        closer.priced("B", 13, 101);
        closer.assembly.traded(13 * MINUTE, traded);
        assert_eq!(closer.go(781), "close 13 A B");
    }
}

#[test]
fn the_first_bar_of_a_symbol_without_a_past_waits_for_the_records() {
    for lockstep in [false, true] {
        let mut closer = TestCloser::new(lockstep, &["A"]);
        let (symbol, timeframe) = (sym("A"), everwarm_domain::time::Timeframe::M1);
        let (from, to, count, digest, plan) = (0, 9 * MINUTE, 0, 0, 0);
        closer.apply(Market::HistoryLoaded { symbol, timeframe, from, to, count, digest, plan });
        closer.assembly.fetched(symbol, 10 * MINUTE);
        closer.assembly.traded(11 * MINUTE, BTreeSet::from([symbol]));
        closer.priced("A", 11, 10);
        assert_eq!(closer.go(661), "fetch 11 A", "nothing can be compared with it");
        // The records have another price.
        closer.records("A", 11, &[(11, 100, false)], 662);
        let actions = closer.go(662);
        assert!(actions.starts_with("refused") && actions.ends_with("close 11 A"), "{actions}");
        closer.assembly.traded(12 * MINUTE, BTreeSet::from([symbol]));
        closer.priced("A", 12, 101);
        assert_eq!(closer.go(721), "close 12 A", "one of the records is believed");
    }
}

#[test]
fn what_the_records_contradict_is_refused_and_theirs_enters() {
    let mut closer = at_a_hundred(false);
    closer.priced("A", 12, 50);
    closer.priced("B", 12, 101);
    assert_eq!(closer.go(721), "fetch 12 A");
    closer.records("A", 12, &[(12, 99, false)], 723);
    let why = "the exchange's records contradict the stream";
    assert_eq!(closer.go(723), format!("refused 12 A ({why}), close 12 A B"));
    assert_eq!(closer.closes.symbols.get(sym("A")).unwrap().bar, Some(bar("A", 11, 99)));
    // The records have no bar: it is missing, and fetched once more before the next bar.
    closer.priced("A", 13, 500);
    closer.priced("B", 13, 101);
    assert_eq!(closer.go(781), "fetch 13 A");
    closer.records("A", 13, &[], 843);
    let why = "the exchange's records do not have it";
    assert_eq!(closer.go(843), format!("refused 13 A ({why}), close 13 B -A"));
    // At most one refusal of a symbol is appended in a minute of venue time; all are counted.
    let strange = Refused::of(&bar("A", 90, 1), "x");
    closer.assembly.refuse(strange.clone(), 843_000);
    closer.assembly.refuse(strange, 844_000);
    assert_eq!((closer.go(843), closer.assembly.take_refused()), (String::new(), 4));
}

#[test]
fn a_look_that_refuses_is_made_once_more_before_the_next_bar() {
    for lockstep in [false, true] {
        let mut closer = at_a_hundred(lockstep);
        closer.priced("B", 12, 101);
        closer.assembly.traded(12 * MINUTE, BTreeSet::from([sym("B")]));
        let refused = || vec![Refused::of(&bar("A", 11, 1), "too large")];
        closer.assembly.apply_fetched(&closer.closes, (sym("A"), 12 * MINUTE), refused(), 723_000);
        assert_eq!(closer.go(723), "refused 12 A (too large), close 12 B -A");
        for symbol in ["A", "B"] {
            closer.priced(symbol, 13, 101);
        }
        closer.assembly.traded(13 * MINUTE, BTreeSet::from([sym("A"), sym("B")]));
        assert_eq!(closer.go(781), "fetch 13 A");
        // Refused again: the close does not wait any longer.
        let mut again = closer.assembly.clone();
        again.apply_fetched(&closer.closes, (sym("A"), 13 * MINUTE), refused(), 785_000);
        assert!(matches!(again.next(&closer.closes, 785_000, GRACE), Next::Append(_)));
        closer.records("A", 13, &[(12, 100, false), (13, 101, false)], 785);
        assert_eq!(closer.go(785), "late 12 A, close 13 A B");
    }
}

#[test]
fn records_that_do_not_answer_hold_the_others_up_for_a_minute() {
    let mut closer = at_a_hundred(false);
    closer.priced("A", 12, 50);
    closer.priced("B", 12, 101);
    assert_eq!(closer.go(721), "fetch 12 A");
    assert_eq!(closer.go(781), "fetch 12 A");
    let why = "the exchange's records did not answer within a minute";
    assert_eq!(closer.go(782), format!("refused 12 A ({why}), close 12 B -A"));
    // It is odd after the last appended bar, so the records are queried again.
    closer.priced("A", 13, 51);
    closer.priced("B", 13, 101);
    assert_eq!(closer.go(782), "fetch 13 A");
    closer.records("A", 13, &[(12, 50, true), (13, 51, true)], 790);
    assert_eq!(closer.go(790), "late 12 A Jump, close 13 A B");
}

/// No close is appended while the account cannot be read. Then the bars of the stream are old.
#[test]
fn records_have_a_minute_to_answer_however_old_the_close_is() {
    for lockstep in [false, true] {
        let mut closer = at_a_hundred(lockstep);
        closer.priced("A", 12, 50);
        closer.priced("B", 12, 101);
        closer.assembly.traded(12 * MINUTE, BTreeSet::from([sym("A"), sym("B")]));
        assert_eq!(closer.go(1_320), "fetch 12 A");
        assert_eq!(closer.go(1_321), "fetch 12 A");
        closer.records("A", 12, &[(12, 50, true)], 1_322);
        assert_eq!(closer.go(1_322), "close 12 A B A:Jump");
    }
}

#[test]
fn a_bar_whose_prices_contradict_each_other_enters_with_them_in_order() {
    let mut closer = at_a_hundred(false);
    let odd = Bar { high: Price::e8(9_000_000_000), ..bar("A", 11, 100) };
    closer.assembly.found(&closer.closes, odd, true);
    closer.priced("B", 12, 101);
    let next = closer.assembly.next(&closer.closes, 721_000, GRACE);
    let Next::Append(Market::Close { bars, odd: marked, .. }) = next else { panic!("{next:?}") };
    assert_eq!((bars[0], marked.len()), (odd.ordered(), 1));
    assert!(bars[0].validate().is_ok());
}

#[test]
fn the_limit_of_a_jump_is_what_is_configured_last() {
    let mut closer = at_a_hundred(false);
    let mut settings = everwarm_domain::settings::Settings::default();
    settings.market.max_jump_percent = 60;
    let configured = crate::testing::configured(&settings);
    closer.closes.evolve(&input(90, configured));
    closer.priced("A", 12, 50);
    closer.priced("B", 12, 101);
    assert_eq!(closer.go(721), "close 12 A B");
    let mut again = Closes::default();
    again.load(&closer.closes.save()).unwrap();
    assert_eq!(again, closer.closes);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn no_bar_of_a_recording_is_odd_but_for_a_split() {
    // On 2014-06-09 a share of AAPL became seven.
    const SPLIT: UtcMs = 1_402_300_800_000;
    let rules = MarketRules::default();
    for name in [
        "binance/BTCBUSD",
        "binance_futures/ADAUSDT",
        "btcperp/BTC-PERP",
        "coinbase/BTCUSD",
        "coinbase/ETHUSD",
        "coinbase/LTCUSD",
        "freqtrade/XRPETH",
        "us_equities/AAPL",
        "us_equities/SPY",
    ] {
        let series = Series::read(&format!("data/{name}_1m.csv.gz"), usize::MAX);
        let (recent, max_jump_percent) = (Recent::default(), rules.max_jump_percent);
        let odd = Known { recent, max_jump_percent }.odd(&series.bars);
        let wanted: &[UtcMs] = if name == "us_equities/AAPL" { &[SPLIT] } else { &[] };
        assert_eq!(odd, wanted, "{name}");
        assert!(series.bars.len() > 1_000, "{name}");
    }
}

#[test]
fn a_bar_of_a_minute_that_the_past_has_is_no_close() {
    let mut closer = TestCloser::new(false, &["A", "B"]);
    // They come before the history is loaded: one of yesterday, one of the last minute of the
    // history.
    assert_eq!(closer.bar("A", 3), Offered::New);
    assert_eq!(closer.bar("A", 10), Offered::New);
    closer.past(&["A", "B"], 10);
    assert_eq!(closer.go(605), "");
    closer.bar("A", 11);
    closer.bar("B", 11);
    assert_eq!(closer.go(661), "close 11 A B");
}

#[test]
fn a_plan_with_new_features_owes_them_the_past_and_in_lockstep_closes_wait_for_it() {
    for lockstep in [false, true] {
        let mut closer = at_a_hundred(lockstep);
        let under = |closer: &mut TestCloser, fast, slow| {
            let settings = crate::testing::crossing(fast, slow);
            closer.n += 1;
            closer.closes.evolve(&input(closer.n, crate::testing::configured(&settings)));
            let mut again = Closes::default();
            again.load(&closer.closes.save()).unwrap();
            assert_eq!(again, closer.closes);
        };
        under(&mut closer, 10, 30);
        let all = |closer: &TestCloser| {
            closer.closes.owing().map(|(s, o)| (s.to_string(), o)).collect::<Vec<_>>()
        };
        assert_eq!(all(&closer).len(), 2, "what was computed before was not known");
        let answer_with = |closer: &mut TestCloser, symbol: &str, timeframe, plan| {
            let (from, to) = (0, 0);
            let (symbol, count, digest) = (sym(symbol), 0, 0);
            closer.apply(Market::HistoryLoaded {
                symbol,
                timeframe,
                from,
                to,
                count,
                digest,
                plan,
            });
        };
        let answer = |closer: &mut TestCloser, symbol: &str, plan| {
            answer_with(closer, symbol, Timeframe::M1, plan);
        };
        let plan = all(&closer)[0].1.plan;
        for symbol in ["A", "B"] {
            answer(&mut closer, symbol, plan);
        }
        assert_eq!(all(&closer), []);
        under(&mut closer, 10, 30);
        assert_eq!(all(&closer), [], "nothing is new");

        // B is delisted: its history is owed when it returns.
        closer.list(&["B"], AtVenue::Gone);
        under(&mut closer, 20, 30);
        let owed = closer.closes.owed(sym("A")).unwrap();
        let (from, to) = ((11 - 20) * MINUTE, 10 * MINUTE);
        assert_eq!(owed, Owed { plan: owed.plan, n: closer.n, from, to });
        assert_eq!(closer.closes.owed(sym("B")), None);
        closer.priced("A", 12, 101);
        closer.assembly.traded(12 * MINUTE, BTreeSet::from([sym("A")]));
        assert_eq!(closer.go(723), if lockstep { "" } else { "close 12 A" });
        // Another plan before it is loaded: one range serves both.
        under(&mut closer, 3, 20);
        answer(&mut closer, "A", owed.plan);
        let both = closer.closes.owed(sym("A")).unwrap();
        assert_eq!((both.n, both.plan == owed.plan), (closer.n - 1, false));
        let through = if lockstep { 11 } else { 12 };
        assert_eq!(both.times(), (through - 20) * MINUTE..=(through - 1) * MINUTE);
        answer_with(&mut closer, "A", Timeframe::D1, both.plan);
        assert_eq!(closer.closes.owed(sym("A")), Some(both), "minutes come after wide bars");
        answer(&mut closer, "A", both.plan);
        assert_eq!(all(&closer), []);
        assert_eq!(closer.go(724), if lockstep { "close 12 A" } else { "" });
        assert_eq!(closer.closes.through(sym("A")), Some(12 * MINUTE), "no past moves it");
        closer.list(&["B"], AtVenue::Trading);
        assert_eq!(all(&closer), [("B".to_owned(), closer.closes.owed(sym("B")).unwrap())]);
        closer.apply(Market::Universe {
            asked: 0,
            basis: 0,
            listed: Vec::new(),
            unlisted: vec![sym("B")],
        });
        assert_eq!(all(&closer), []);
    }
}

#[test]
fn a_state_of_version_2_goes_on_and_owes_what_is_configured_next() {
    let closer = at_a_hundred(false);
    let mut symbols = SymbolMap::default();
    for (symbol, of) in closer.closes.symbols.iter() {
        let SymbolCloses { venue, through, bar, history, misses, recent, owed: None } = of.clone()
        else {
            panic!("nothing is owed")
        };
        symbols.insert(symbol, old::OldSymbol { venue, through, bar, history, misses, recent });
    }
    let Closes { last, account, newest, universes, rules, .. } = closer.closes.clone();
    let state = old::Old { last, account, newest, universes, symbols, rules };
    for bytes in [crate::testing::old_state(2, &state), everwarm_kernel::state::save(2, &state)] {
        let mut again = Closes::default();
        assert!(again.convert(2, &bytes[..bytes.len() - 2]).is_err());
        again.convert(2, &bytes).unwrap();
        assert_eq!(again, closer.closes);
        let settings = crate::testing::crossing(10, 30);
        again.evolve(&input(90, crate::testing::configured(&settings)));
        assert_eq!(again.owing().count(), 2);
    }
}

#[path = "closes/split_tests.rs"]
mod on_splits;
