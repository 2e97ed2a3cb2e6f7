//! Tests the rows of a scan, their order and their reasons.

use super::*;
use crate::testing::{Facts, equity};
use everwarm_domain::fact::{Analysis, AtVenue, Ledger, Listed, Signal};
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::switch::Switch;
use everwarm_domain::time::MINUTE;
use everwarm_trading::testing::{bar, configured, crossing, fact, input, sym};

const NAN: f64 = f64::NAN;
/// The features of the plan, in the order of their columns.
const FEATURES: [&str; 4] = ["sma(10)@1m", "sma(30)@1m", "sma(2)@5m", "sma(3)@5m"];

/// A journal of closes of the symbols `A` to `F`, and the strategies `sma_cross` on 1m and `wide`
/// on 5m. `off` is configured, and not enabled.
pub(crate) struct Journal {
    pub(crate) facts: Vec<Fact<Body>>,
    n: u64,
}

impl Journal {
    fn new() -> Journal {
        let mut settings = crossing(10, 30);
        for (id, enabled) in [("wide", true), ("off", false)] {
            settings.strategy.set(id, "fast", 2);
            settings.strategy.set(id, "slow", 3);
            settings.strategy.set(id, "timeframe", "5m");
            settings.strategy.0.get_mut(id).unwrap().kind = "sma_cross".to_owned();
            settings.strategy.enable(id, enabled);
        }
        let listed = |name: &&str| Listed {
            symbol: sym(name),
            wanted: true,
            venue: AtVenue::Trading,
            why: "it is named".to_owned(),
        };
        let listed = ["A", "B", "C", "D", "E", "F"].iter().map(listed).collect();
        let mut market = Journal { facts: Vec::new(), n: 0 };
        market.give(configured(&settings));
        let universe = Market::Universe { asked: 0, basis: 2, listed, unlisted: vec![] };
        market.give(Body::Market(universe));
        let features = FEATURES.map(str::to_owned).to_vec();
        market.say(200, Body::Analysis(Analysis::FeaturePlan { plan: 1, features }));
        market
    }

    fn give(&mut self, body: Body) {
        self.n += 1;
        self.facts.push(input(self.n, body));
    }

    fn say(&mut self, rank: u16, body: Body) {
        let mut next = fact(self.n, rank, body);
        let same = |of: &&Fact<Body>| (of.key.n, of.key.rank) == (next.key.n, next.key.rank);
        next.key.i = u16::try_from(self.facts.iter().filter(same).count()).unwrap();
        self.facts.push(next);
    }

    /// A close of some symbols. The values are the fast and the slow average of each symbol.
    pub(crate) fn close(&mut self, minute: i64, missing: &str, values: &[(&str, f64, f64)]) {
        let bars = values.iter().map(|(name, ..)| bar(name, minute - 1, 1)).collect();
        let missing = missing.split_terminator(' ').map(sym).collect();
        self.give(Body::Market(Market::close(minute * MINUTE, bars, missing)));
        self.values(Timeframe::M1, minute, values);
    }

    pub(crate) fn values(
        &mut self,
        timeframe: Timeframe,
        minute: i64,
        values: &[(&str, f64, f64)],
    ) {
        let mut table = FeatureTable::new(2);
        for (name, fast, slow) in values {
            let (time, close) = (minute * MINUTE, Price::e8(100_000_000));
            table.push(FeatureHead { symbol: sym(name), time, close }, [*fast, *slow]);
        }
        self.say(200, Body::Analysis(Analysis::FeatureValues { plan: 1, timeframe, table }));
    }

    /// The last rank has processed the close.
    pub(crate) fn decided(&mut self, minute: i64) {
        self.say(800, equity(minute * MINUTE, "1000"));
    }

    fn scan(&self, time: Option<i64>, strategy: Option<&str>) -> Result<Vec<ScanView>, Failure> {
        let time = time.map(|minute| minute * MINUTE);
        scan(&Facts(self.facts.clone()), time, strategy, 100)
    }
}

fn named(rows: &[ScanView]) -> String {
    let one = |row: &ScanView| format!("{} {} {:?}", row.symbol, row.strategy, row.state);
    rows.iter().map(one).collect::<Vec<_>>().join(", ").to_lowercase()
}

/// Two closes: `A` crosses, `B` and `C` are below the slow average, `D` is above it as before, `E`
/// has no slow average, and `F` has no bar.
pub(crate) fn market() -> Journal {
    let mut market = Journal::new();
    let below = |name| (name, 90.0, 100.0);
    let first = [below("A"), below("B"), below("C"), ("D", 110.0, 100.0), ("E", 1.0, NAN)];
    market.close(5, "F", &first);
    let wide = ["A", "B", "C", "D"].map(|name| (name, 99.5, 100.0));
    market.values(Timeframe::M5, 5, &wide);
    market.decided(5);
    let second = [("A", 101.0, 100.0), ("B", 98.0, 100.0), ("C", 99.0, 100.0), ("D", 111.0, 100.0)];
    market.close(6, "F", &[&second[..], &[("E", 1.0, NAN)]].concat());
    market.decided(6);
    market
}

#[test]
fn the_nearest_to_a_signal_is_first_and_what_cannot_be_judged_is_last() {
    let market = market();
    let rows = market.scan(None, Some("sma_cross")).unwrap();
    assert_eq!(
        named(&rows),
        "a sma_cross enters, c sma_cross waits, b sma_cross waits, d sma_cross waits, \
         e sma_cross unjudged, f sma_cross unjudged"
    );
    let distances: Vec<_> = rows.iter().map(|row| (row.failed, row.gap)).collect();
    let expected = [
        (Some(0), Some(0.0)),
        (Some(1), Some(0.01)),
        (Some(1), Some(0.02)),
        (Some(1), None),
        (None, None),
        (None, None),
    ];
    assert_eq!(distances, expected);
    assert_eq!(rows[0].why, "sma10 101.00 crossed above sma30 100.00");
    assert_eq!(
        rows[1].why,
        "the fast average is below the slow one, as at the close before: the averages did not cross"
    );
    let compared: Vec<_> =
        rows[1].conditions.iter().map(|of| (of.met, of.value, of.bound)).collect();
    assert_eq!(compared, [(false, Some(99.0), Some(100.0)), (true, None, None)]);
    assert_eq!((rows[1].value, rows[1].bound), (Some(99.0), Some(100.0)));
    assert_eq!(rows[4].why, "the averages are not warm yet: the slow one needs 30 bars");
    assert_eq!(rows[5].why, "it has no bar in this close");
    assert!(rows.iter().all(|row| row.close == 6 * MINUTE));
    assert_eq!((rows[1].signal, rows[4].signal), (Some(Side::Buy), None));
    // At the first close, all values are the first ones.
    let first = market.scan(Some(5), Some("sma_cross")).unwrap();
    assert_eq!(named(&first[..1]), "a sma_cross waits");
    assert_eq!(first[0].gap, Some(0.1));
}

#[test]
fn strategies_of_other_widths_are_judged_at_their_newest_bar() {
    let mut market = market();
    let rows = market.scan(None, None).unwrap();
    assert_eq!(rows.len(), 12, "the disabled one has no rows");
    let wide: Vec<_> = rows.iter().filter(|row| row.strategy == "wide").collect();
    assert_eq!(
        (wide[0].symbol, wide[0].bar, wide[0].gap),
        (sym("A"), Some(5 * MINUTE), Some(0.005))
    );
    // Gaps of both strategies are in one order, ties by symbol.
    let near = "a sma_cross enters, a wide waits, b wide waits, c wide waits, d wide waits, \
                c sma_cross waits";
    assert_eq!(named(&rows[..6]), near);
    let none = rows.iter().find(|row| row.symbol == sym("E") && row.strategy == "wide").unwrap();
    assert_eq!((&none.why[..], none.bar), ("no bar of 5m with values ended yet", None));
    // The next 5m bar of `B` has no values, and the close does not wait for `C`.
    market.close(10, "", &["A", "B", "D"].map(|name| (name, 99.0, 100.0)));
    market.values(Timeframe::M5, 10, &[("A", 99.0, 100.0), ("D", 99.0, 100.0)]);
    market.decided(10);
    let rows = market.scan(None, Some("wide")).unwrap();
    assert_eq!(named(&rows[..3]), "a wide waits, d wide waits, b wide unjudged");
    assert_eq!(
        rows[2].why,
        "its newest 5m bar ended at 1970-01-01 00:05 UTC, those of others at 1970-01-01 00:10 UTC"
    );
    assert_eq!(rows[3].why, "the close does not wait for its bars yet");
}

#[test]
fn a_lot_is_judged_by_its_exit_and_an_operator_stops_entries_only() {
    let mut market = market();
    let bought = Signal { strategy: "sma_cross".to_owned(), ..crossed("A") };
    market.say(400, Body::Analysis(Analysis::Signals { rows: vec![bought] }));
    market.say(
        800,
        Body::Ledger(Ledger::Lot {
            symbol: sym("A"),
            strategy: "sma_cross".to_owned(),
            quantity: Decimal::TWO,
            cost: Decimal::ONE,
            opened: Some(0),
            realized_pnl: Decimal::ZERO,
        }),
    );
    let switch = Switch::Strategy { name: "sma_cross".to_owned(), on: false };
    market.give(Body::Operator(Operator::Switched { switch, reason: "lunch".to_owned() }));
    market.close(7, "F", &["A", "B", "C", "D", "E"].map(|name| (name, 103.0, 100.0)));
    market.decided(7);
    let rows = market.scan(None, Some("sma_cross")).unwrap();
    assert_eq!(named(&rows[..2]), "a sma_cross holds, b sma_cross unjudged");
    assert_eq!((rows[0].signal, rows[0].gap), (Some(Side::Sell), Some(0.03)));
    assert_eq!(rows[1].why, "an operator turned sma_cross off: lunch");
}

fn crossed(name: &str) -> Signal {
    everwarm_trading::testing::signal(name, Side::Buy, 6 * MINUTE)
}

#[test]
fn wrong_words_are_refused_with_what_to_do() {
    let market = market();
    let text = |time, strategy| market.scan(time, strategy).unwrap_err().text;
    assert_eq!(
        text(None, Some("sma_crss")),
        "there is no strategy \"sma_crss\"; did you mean sma_cross?"
    );
    assert_eq!(
        text(None, Some("zzzzzzzz")),
        "there is no strategy \"zzzzzzzz\"; the strategies are off, sma_cross, wide"
    );
    assert!(text(None, Some("off")).contains("set strategy.off.enabled = true"));
    for time in [4, 7] {
        let text = text(Some(time), None);
        assert!(text.contains("there was no close at 1970-01-01 00:0"), "{text}");
        assert!(text.ends_with("are from 1970-01-01 00:05 to 1970-01-01 00:06"), "{text}");
    }
    let none = scan(&Facts(Vec::new()), None, None, 1).unwrap_err();
    assert_eq!(none.text, "there is no close yet");
    let rows = scan(&Facts(market.facts), None, None, 3).unwrap();
    assert_eq!(rows.len(), 3);
}
