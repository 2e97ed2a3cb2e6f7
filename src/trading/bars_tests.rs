use super::*;
use crate::domain::fact::Listed;
use crate::trading::testing::{bar, input, sym};

const GRACE: UtcMs = 2_000;

/// A closer without its actor.
struct Told {
    said: Closes,
    gathering: Gathering,
    n: u64,
}

impl Told {
    fn new(lockstep: bool, symbols: &[&str]) -> Told {
        let mut told = Told { said: Closes::default(), gathering: Gathering::new(lockstep), n: 0 };
        told.list(symbols, AtVenue::Trading);
        told
    }

    fn hear(&mut self, market: Market) {
        self.n += 1;
        self.said.evolve(&input(self.n, Body::Market(market)));
    }

    fn list(&mut self, symbols: &[&str], venue: AtVenue) {
        let why = String::new();
        let row = |s: &&str| Listed { symbol: sym(s), wanted: true, venue, why: why.clone() };
        let listed = symbols.iter().map(row).collect();
        self.hear(Market::Universe { asked: 0, basis: 0, listed, unlisted: Vec::new() });
    }

    /// Their past up to the end of a minute is there.
    fn past(&mut self, symbols: &[&str], through: i64) {
        for symbol in symbols {
            let (symbol, to) = (sym(symbol), (through - 1) * MINUTE);
            let timeframe = crate::domain::time::Timeframe::M1;
            let (from, count, digest) = (to, 1, 0);
            self.hear(Market::HistoryLoaded { symbol, timeframe, from, to, count, digest });
            self.gathering.looked(symbol, through * MINUTE);
        }
    }

    /// The bar of the minute that ends at `end` comes.
    fn bar(&mut self, symbol: &str, end: i64) -> Offered {
        self.gathering.offer(&self.said, bar(symbol, end - 1, end))
    }

    /// What it does at a second of venue time, all that can be said being said.
    fn go(&mut self, seconds: i64) -> String {
        let mut words = Vec::new();
        loop {
            match self.gathering.next(&self.said, seconds * 1000, GRACE) {
                Next::Say(market) => {
                    words.push(tell(&market));
                    self.hear(market);
                }
                Next::Fetch(close, symbols) => {
                    words.push(format!("fetch {} {}", close / MINUTE, list(&symbols)));
                    return words.join(", ");
                }
                Next::Wait(until) => {
                    words.push(format!("wait {}", until / 1000));
                    return words.join(", ");
                }
                Next::Idle => return words.join(", "),
            }
        }
    }
}

fn list(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ")
}

fn tell(market: &Market) -> String {
    match market {
        Market::Close { time, bars, missing } => {
            let bars: Vec<Symbol> = bars.iter().map(|bar| bar.symbol).collect();
            let without =
                if missing.is_empty() { String::new() } else { format!(" -{}", list(missing)) };
            format!("close {} {}{without}", time / MINUTE, list(&bars))
        }
        Market::LateBar { bar } => format!("late {} {}", bar.open_time / MINUTE + 1, bar.symbol),
        Market::HistoryLoaded { .. }
        | Market::HistoryBars { .. }
        | Market::Instruments { .. }
        | Market::Universe { .. } => panic!("{market:?}"),
    }
}

#[test]
fn a_close_is_said_once_all_have_delivered_or_are_known_to_have_none() {
    let mut told = Told::new(false, &["A", "B"]);
    told.past(&["A"], 10);
    told.bar("A", 11);
    assert_eq!(told.go(661), "", "B's past is not there yet: before the first close all wait");
    told.past(&["B"], 10);
    assert_eq!(told.go(661), "wait 662");
    assert_eq!(told.bar("B", 11), Offered::New);
    assert_eq!(told.go(661), "close 11 A B");
    told.bar("A", 12);
    assert_eq!(told.go(723), "fetch 12 B");
    told.gathering.looked(sym("B"), 12 * MINUTE);
    assert_eq!(told.go(723), "close 12 A -B");
    assert_eq!(told.bar("B", 12), Offered::New);
    assert_eq!(told.go(724), "late 12 B");
    assert_eq!(told.go(724), "", "once");
}

#[test]
fn repeats_are_known_and_what_differs_is_a_revision() {
    let mut told = Told::new(false, &["A", "B"]);
    told.past(&["A", "B"], 10);
    assert_eq!(told.bar("A", 11), Offered::New);
    assert_eq!(told.bar("A", 11), Offered::Known, "twice before its close");
    assert_eq!(told.gathering.offer(&told.said, bar("A", 10, 5)), Offered::Revised);
    told.bar("B", 11);
    assert_eq!(told.go(661), "close 11 A B");
    assert_eq!(told.bar("A", 11), Offered::Known, "and after");
    assert_eq!(told.gathering.offer(&told.said, bar("A", 10, 5)), Offered::Revised);
    assert_eq!(told.bar("A", 9), Offered::Known, "of the past");
    assert_eq!(told.bar("C", 12), Offered::Strange);
    assert_eq!(told.go(662), "");
}

#[test]
fn a_hole_is_looked_for_before_what_follows_it_is_said() {
    let mut told = Told::new(false, &["A", "B"]);
    told.past(&["A", "B"], 10);
    // The stream was away for a minute; nobody has the bars of 11.
    told.bar("A", 12);
    told.bar("B", 12);
    assert_eq!(told.go(721), "fetch 12 A B");
    for symbol in ["A", "B"] {
        told.bar(symbol, 11);
        told.gathering.looked(sym(symbol), 12 * MINUTE);
    }
    assert_eq!(told.go(721), "close 11 A B, close 12 A B");
    // The venue has none of 13: known once it was asked.
    told.bar("A", 14);
    told.bar("B", 14);
    for symbol in ["A", "B"] {
        told.gathering.looked(sym(symbol), 13 * MINUTE);
    }
    assert_eq!(told.go(841), "close 14 A B");
    // A venue that streams and does not answer must not stop everything.
    told.bar("A", 16);
    told.bar("B", 16);
    assert_eq!(told.go(961), "fetch 16 A B");
    assert_eq!(told.go(1021), "close 16 A B");
    assert_eq!(told.bar("A", 15), Offered::Known, "it would be behind what was said");
}

#[test]
fn who_joins_is_expected_once_its_past_is_there() {
    let mut told = Told::new(false, &["A"]);
    told.past(&["A"], 10);
    told.bar("A", 11);
    assert_eq!(told.go(661), "close 11 A");
    told.list(&["B"], AtVenue::Trading);
    told.bar("A", 12);
    told.bar("B", 12);
    assert_eq!(told.go(721), "close 12 A", "not waited for, and not in it");
    told.past(&["B"], 11);
    assert_eq!(told.bar("B", 12), Offered::New);
    assert_eq!(told.go(722), "late 12 B");
    told.bar("A", 13);
    assert_eq!(told.go(781), "wait 782", "from here on it is expected");
    told.bar("B", 13);
    assert_eq!(told.go(781), "close 13 A B");
    // In lockstep time stands until its past is there.
    let mut told = Told::new(true, &["A"]);
    told.past(&["A"], 10);
    told.bar("A", 11);
    told.gathering.told(11 * MINUTE, BTreeSet::from([sym("A")]));
    assert_eq!(told.go(660), "close 11 A");
    told.list(&["B"], AtVenue::Trading);
    assert!(!told.gathering.is_caught_up(&told.said));
    told.past(&["B"], 11);
    assert!(told.gathering.is_caught_up(&told.said));
}

#[test]
fn who_is_halted_gone_or_unlisted_is_not_waited_for() {
    let mut told = Told::new(false, &["A", "B", "C", "D"]);
    told.past(&["A", "B", "C", "D"], 10);
    for symbol in ["A", "B", "C", "D"] {
        told.bar(symbol, 11);
    }
    assert_eq!(told.go(661), "close 11 A B C D");
    told.list(&["B"], AtVenue::Halted);
    told.list(&["C"], AtVenue::Gone);
    let (listed, unlisted) = (Vec::new(), vec![sym("D")]);
    told.hear(Market::Universe { asked: 0, basis: 0, listed, unlisted });
    told.bar("A", 12);
    assert_eq!(told.bar("D", 12), Offered::Strange);
    assert_eq!(told.go(721), "close 12 A");
    // It trades again: expected as before, what was between is looked for.
    told.list(&["B"], AtVenue::Trading);
    told.bar("A", 13);
    told.bar("B", 13);
    assert_eq!(told.go(781), "fetch 13 B");
    told.gathering.looked(sym("B"), 13 * MINUTE);
    assert_eq!(told.go(781), "close 13 A B");
    // Back after it was unlisted: as if it had never been.
    told.list(&["D"], AtVenue::Trading);
    assert_eq!(told.said.through(sym("D")), None);
}

#[test]
fn who_missed_most_recent_closes_is_not_waited_for() {
    let mut told = Told::new(false, &["A", "B"]);
    told.past(&["A", "B"], 10);
    for end in 11..14 {
        told.bar("A", end);
        assert_eq!(told.go(end * 60 + 3), format!("fetch {end} B"));
        told.gathering.looked(sym("B"), end * MINUTE);
        assert_eq!(told.go(end * 60 + 3), format!("close {end} A -B"));
    }
    told.bar("A", 14);
    assert_eq!(told.go(841), "close 14 A -B");
    // In lockstep it is, by one too who was not told of this minute: what is said then must not
    // depend on whether the one before was killed.
    let mut told = Told::new(true, &["A", "B"]);
    told.past(&["A", "B"], 10);
    for end in 11..14 {
        told.bar("A", end);
        told.gathering.told(end * MINUTE, BTreeSet::from([sym("A")]));
        assert_eq!(told.go(end * 60), format!("close {end} A -B"));
    }
    told.bar("A", 14);
    assert_eq!(told.go(843), "fetch 14 B");
    told.bar("B", 14);
    assert_eq!(told.go(843), "close 14 A B");
}

#[test]
fn a_bar_of_a_minute_that_the_past_has_is_no_close() {
    let mut told = Told::new(false, &["A", "B"]);
    // They come before the past is known: one of yesterday, one of the last minute of the past.
    assert_eq!(told.bar("A", 3), Offered::New);
    assert_eq!(told.bar("A", 10), Offered::New);
    told.past(&["A", "B"], 10);
    assert_eq!(told.go(605), "");
    told.bar("A", 11);
    told.bar("B", 11);
    assert_eq!(told.go(661), "close 11 A B");
}
