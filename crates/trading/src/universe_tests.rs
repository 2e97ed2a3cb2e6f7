use super::*;
use crate::testing::{changed, configured, dec, fact, input, instrument, position, sym};
use everwarm_domain::day_stats::DayStats;
use everwarm_domain::fact::Operator;
use everwarm_domain::order::{OrderStatus, OrderType};
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, day_of};

/// A venue with these symbols: name, whether it trades, and volume.
fn venue(rows: &[(&str, bool, i64)]) -> Venue {
    let rule = |(name, trading, _): &(&str, bool, i64)| {
        let mut rule = instrument(name);
        rule.trading = *trading;
        if let Some(base) = name.strip_suffix("EUR") {
            (rule.base, rule.quote) = (base.to_owned(), "EUR".to_owned());
        }
        rule
    };
    let day = |(name, _, volume): &(&str, bool, i64)| {
        (sym(name), DayStats { volume: Decimal::from(*volume), ..DayStats::default() })
    };
    let days = rows.iter().map(day).collect();
    Venue { rules: rows.iter().map(rule).collect(), days, ..Venue::default() }
}

fn names(names: &[&str]) -> Vec<Symbol> {
    let mut all: Vec<Symbol> = names.iter().map(|name| sym(name)).collect();
    all.sort();
    all
}

#[test]
fn the_rule_and_the_words_of_operators_choose() {
    let rows = [
        ("AUSDT", true, 50),
        ("BUSDT", true, 40),
        ("CUSDT", true, 30),
        ("DUSDT", false, 90),
        ("EEUR", true, 80),
    ];
    let check = |rule: &Selection, words: &[(&str, bool)], listed: &[&str], chosen: &str| {
        let words = words.iter().map(|(name, wanted)| (sym(name), *wanted)).collect();
        let found = wanted(rule, &words, &venue(&rows), |s| listed.contains(&s.as_str()));
        let found: Vec<&str> = found.keys().map(Symbol::as_str).collect();
        assert_eq!(found.join(" "), chosen, "{rule:?} {listed:?}");
    };
    let all = Selection::default();
    check(&all, &[], &[], "AUSDT BUSDT CUSDT EEUR");
    check(&all, &[], &["DUSDT"], "AUSDT BUSDT CUSDT DUSDT EEUR");
    check(&all, &[("DUSDT", true), ("AUSDT", false)], &[], "BUSDT CUSDT DUSDT EEUR");
    let usdt = Selection { quote: "USDT".into(), ..all.clone() };
    check(&usdt, &[], &[], "AUSDT BUSDT CUSDT");
    let without = Selection { exclude: names(&["AUSDT", "EEUR"]), ..all.clone() };
    check(&without, &[], &[], "BUSDT CUSDT");
    check(&without, &[("EEUR", true)], &[], "BUSDT CUSDT EEUR");
    let named = Selection { names: names(&["BUSDT", "DUSDT", "XUSDT"]), ..all.clone() };
    check(&named, &[], &[], "BUSDT DUSDT XUSDT");
    let large = Selection { min_volume: dec("40"), ..all.clone() };
    check(&large, &[], &[], "AUSDT BUSDT EEUR");
    let two = Selection { top: 2, ..usdt.clone() };
    check(&two, &[], &[], "AUSDT BUSDT");
    check(&two, &[("CUSDT", true)], &[], "AUSDT BUSDT CUSDT");
    // At the limit, listed symbols stay.
    let four: Vec<(String, bool, i64)> =
        (0..6).map(|i| (format!("S{i}USDT"), true, 100 - i)).collect();
    let rows: Vec<(&str, bool, i64)> = four.iter().map(|(n, t, v)| (n.as_str(), *t, *v)).collect();
    let top = Selection { top: 4, ..all };
    let chosen = |listed: &[&str]| {
        let found = wanted(&top, &BTreeMap::new(), &venue(&rows), |s| listed.contains(&s.as_str()));
        found.keys().map(Symbol::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chosen(&[]), "S0USDT S1USDT S2USDT S3USDT");
    assert_eq!(chosen(&["S4USDT"]), "S0USDT S1USDT S2USDT S4USDT");
    assert_eq!(chosen(&["S5USDT"]), "S0USDT S1USDT S2USDT S3USDT");
}

#[test]
fn a_market_is_within_its_limits_and_a_listed_one_nearly() {
    let rows = [("AUSDT", true, 50), ("BUSDT", true, 40), ("CUSDT", true, 30), ("DUSDT", true, 9)];
    let mut venue = venue(&rows);
    venue.time = 100 * DAY;
    // Spread and range in percent, and age in days; DUSDT has no bid, no trade and no bar.
    for (name, spread, range, age) in
        [("AUSDT", 1, 5, 90), ("BUSDT", 2, 8, 30), ("CUSDT", 5, 30, 9)]
    {
        let stats = venue.days.get_mut(&sym(name)).unwrap();
        (stats.spread_ppm, stats.range_ppm) = (Some(spread * 10_000), Some(range * 10_000));
        venue.first_bars.insert(sym(name), (100 - age) * DAY + 1);
    }
    let chosen = |limits: MarketLimits, listed: &[&str]| {
        let rule = Selection { limits, ..Selection::default() };
        let none = BTreeMap::new();
        let found = wanted(&rule, &none, &venue, |s| listed.contains(&s.as_str()));
        found.keys().map(|symbol| symbol.as_str()[..1].to_owned()).collect::<String>()
    };
    let none = MarketLimits::default();
    assert_eq!(chosen(none, &[]), "ABCD");
    let spread = MarketLimits { max_spread_ppm: 19_999, ..none };
    assert_eq!(chosen(spread, &[]), "A");
    assert_eq!(chosen(spread, &["BUSDT", "CUSDT"]), "AB", "a listed one stays to 2.5%");
    let volatile = MarketLimits { min_volatility_ppm: 60_000, ..none };
    assert_eq!(chosen(volatile, &[]), "BC");
    assert_eq!(chosen(volatile, &["AUSDT"]), "ABC", "a listed one stays from 4.5%");
    let calm = MarketLimits { max_volatility_ppm: 80_000, ..none };
    assert_eq!(chosen(calm, &["CUSDT"]), "AB");
    let old = MarketLimits { min_age_d: 29, ..none };
    assert_eq!(chosen(old, &[]), "AB");
    assert_eq!(chosen(MarketLimits { min_age_d: 30, ..none }, &["BUSDT"]), "A", "age is exact");
    // The rank counts among those within the limits.
    let top = Selection { top: 1, limits: volatile, ..Selection::default() };
    let found = wanted(&top, &BTreeMap::new(), &venue, |_| false);
    assert_eq!(found.keys().map(Symbol::as_str).collect::<Vec<_>>(), ["BUSDT"]);
}

#[test]
fn a_held_symbol_says_which_limit_it_exceeds_and_limits_survive_a_restart() {
    let limits = MarketLimits { max_spread_ppm: 2_000, ..MarketLimits::default() };
    let mut universe = TestUniverse::new(Selection { limits, ..Selection::default() });
    assert_eq!(universe.0.rule().limits, limits);
    let mut restored = Universe::default();
    restored.load(&universe.0.save()).unwrap();
    assert_eq!(restored.rule(), universe.0.rule());
    let mut narrow = venue(&[("AUSDT", true, 50)]);
    narrow.days.get_mut(&sym("AUSDT")).unwrap().spread_ppm = Some(1_000);
    let mut wide = narrow.clone();
    wide.days.get_mut(&sym("AUSDT")).unwrap().spread_ppm = Some(9_000);
    let why = |universe: &mut TestUniverse, venue: &Venue| {
        let facts = universe.0.facts(venue, MINUTE, universe.0.basis());
        let Some(Market::Universe { listed, .. }) = facts.last() else { panic!("{facts:?}") };
        let why = listed.first().map(|row| row.why.clone());
        universe.append(facts);
        why.unwrap_or_default()
    };
    assert_eq!(why(&mut universe, &narrow), "the rule takes it");
    universe.apply(position("AUSDT", "3", "0"));
    assert_eq!(why(&mut universe, &wide), "its spread is above 0.2%");
}

/// A universe, and the number of the last input.
struct TestUniverse(Universe, u64);

impl TestUniverse {
    fn new(rule: Selection) -> TestUniverse {
        let mut universe = TestUniverse(Universe::default(), 0);
        universe.apply(configured(&Settings { universe: rule, ..Settings::default() }));
        universe
    }

    fn apply(&mut self, body: Body) {
        self.1 += 1;
        self.0.evolve(&input(self.1, body));
        let mut again = Universe::default();
        again.load(&self.0.save()).unwrap();
        assert_eq!(again.save(), self.0.save());
    }

    /// Queries the venue at a minute; returns the changes as text.
    fn ask(&mut self, rows: &[(&str, bool, i64)], minute: i64) -> String {
        let facts = self.0.facts(&venue(rows), minute * MINUTE, self.0.basis());
        self.append(facts)
    }

    fn append(&mut self, facts: Vec<Market>) -> String {
        let mut words = Vec::new();
        for market in facts {
            if let Market::Universe { listed, unlisted, .. } = &market {
                words
                    .extend(listed.iter().map(|l| format!("{} {}", l.symbol, l.standing().name())));
                words.extend(unlisted.iter().map(|symbol| format!("-{symbol}")));
            }
            self.apply(Body::Market(market));
        }
        words.join(", ")
    }

    fn word(&mut self, symbol: &str, wanted: bool) {
        self.apply(Body::Operator(Operator::SymbolWanted { symbol: sym(symbol), wanted }));
    }

    fn order(&mut self, id: &str, status: OrderStatus) {
        self.1 += 1;
        self.0.evolve(&fact(self.1, 700, changed(id, status, "0")));
    }
}

const BOTH: [(&str, bool, i64); 2] = [("BTCUSDT", true, 1), ("ETHUSDT", true, 1)];

#[test]
fn a_symbol_is_left_until_nothing_of_it_is_left() {
    let mut universe = TestUniverse::new(Selection::default());
    assert!(universe.0.is_due(0), "the venue was never asked");
    assert_eq!(universe.ask(&BOTH, 1), "BTCUSDT trading, ETHUSDT trading");
    assert!(!universe.0.is_due(59 * MINUTE) && universe.0.is_due(60 * MINUTE), "once an hour");
    universe.apply(position("BTCUSDT", "1", "0"));
    universe.word("BTCUSDT", false);
    universe.word("ETHUSDT", false);
    assert!(universe.0.is_due(MINUTE), "a word is acted on at once");
    assert_eq!(universe.ask(&BOTH, 2), "BTCUSDT leaving, -ETHUSDT");
    assert_eq!((universe.0.unlisting(), universe.0.is_due(2 * MINUTE)), (None, false));
    let intent = everwarm_domain::order::OrderIntent {
        client_id: ClientOrderId("ew-1".into()),
        strategy: "s".into(),
        symbol: sym("BTCUSDT"),
        side: everwarm_domain::order::Side::Sell,
        order_type: everwarm_domain::order::OrderType::Market,
        quantity: dec("1"),
        price: None,
        close_time: 0,
        valid_until: 0,
        terms: Box::default(),
    };
    universe.apply(Body::Order(Order::Intent(intent)));
    universe.apply(position("BTCUSDT", "0.00001", "0"));
    assert_eq!(universe.0.unlisting(), None, "an order lives");
    universe.order("ew-1", OrderStatus::PartlyFilled);
    assert_eq!(universe.0.unlisting(), None);
    universe.order("ew-1", OrderStatus::Filled);
    let fact = universe.0.unlisting().expect("dust is nothing");
    assert_eq!(universe.append(vec![fact]), "-BTCUSDT");
    assert_eq!(universe.0.unlisting(), None, "appended once");
    universe.word("BTCUSDT", true);
    assert_eq!(universe.ask(&BOTH, 3), "BTCUSDT trading", "and back");
    universe.word("BTCUSDT", true);
    assert!(!universe.0.is_due(3 * MINUTE), "the same word again is none");
}

#[test]
fn a_pair_that_stops_trading_has_a_defined_end() {
    let mut universe = TestUniverse::new(Selection::default());
    universe.ask(&BOTH, 1);
    let halted = [("BTCUSDT", false, 1), ("ETHUSDT", true, 1)];
    assert_eq!(universe.ask(&halted, 2), "BTCUSDT halted");
    assert_eq!(universe.ask(&halted, 3), "", "nothing new");
    assert!(
        !universe.0.is_due(4 * MINUTE) && universe.0.is_due(5 * MINUTE),
        "it is asked for soon"
    );
    assert_eq!(universe.ask(&BOTH, 5), "BTCUSDT trading", "it comes back by itself");
    assert!(!universe.0.is_due(10 * MINUTE));
    // Delisted: a held symbol stays listed, the other is unlisted.
    universe.apply(position("BTCUSDT", "1", "0"));
    assert_eq!(universe.ask(&[], 6), "BTCUSDT gone, -ETHUSDT");
    assert_eq!(universe.0.held(sym("BTCUSDT")), Some(dec("1")));
    assert_eq!(universe.ask(&[], 7), "");
    assert_eq!(universe.0.unlisting(), None);
    let since: Vec<_> = universe.0.rows().map(|(_, row)| row.listed.wanted).collect();
    assert_eq!(since, [false]);
}

#[test]
fn closes_missed_in_a_row_make_it_ask() {
    let mut universe = TestUniverse::new(Selection::default());
    universe.ask(&BOTH, 1);
    let missed = |minute: i64, symbol: &str| {
        let missing = names(&[symbol]);
        Body::Market(Market::close(minute * MINUTE, Vec::new(), missing))
    };
    universe.apply(missed(2, "BTCUSDT"));
    universe.apply(missed(3, "BTCUSDT"));
    universe.apply(missed(4, "ETHUSDT"));
    assert!(!universe.0.is_due(4 * MINUTE));
    universe.apply(missed(5, "BTCUSDT"));
    assert!(universe.0.is_due(5 * MINUTE), "the third in a row");
    assert_eq!(universe.ask(&BOTH, 5), "");
    universe.apply(missed(6, "BTCUSDT"));
    assert!(!universe.0.is_due(6 * MINUTE), "asked once");
}

#[test]
fn a_word_that_came_while_the_venue_was_asked_is_not_lost() {
    let mut universe = TestUniverse::new(Selection::default());
    universe.ask(&BOTH, 1);
    universe.word("BTCUSDT", false);
    let before = universe.0.basis();
    universe.word("ETHUSDT", false);
    let facts = universe.0.facts(&venue(&BOTH), 2 * MINUTE, before);
    universe.append(facts);
    assert!(universe.0.is_due(2 * MINUTE), "what was asked before the word does not settle it");
}

#[test]
fn what_takes_something_away_or_tells_rules_has_to_be_heard_twice() {
    let mut universe = TestUniverse::new(Selection::default());
    let doubted = |universe: &TestUniverse, venue: &Venue| {
        let facts = universe.0.facts(venue, MINUTE, universe.0.basis());
        universe.0.doubts(&facts)
    };
    let both = venue(&BOTH);
    assert!(doubted(&universe, &both), "the first rules of all");
    universe.ask(&BOTH, 1);
    assert!(!doubted(&universe, &both), "nothing is new");
    let more = [&BOTH[..], &[("SOLUSDT", true, 1)]].concat();
    assert!(doubted(&universe, &venue(&more)), "the rules of one more");
    assert!(doubted(&universe, &venue(&BOTH[..1])), "one is gone");
    assert!(doubted(&universe, &Venue::default()), "all are gone");
    assert!(doubted(&universe, &venue(&[BOTH[0], ("ETHUSDT", false, 1)])), "one is halted");
    let mut other = both;
    other.rules[0].lot_size = dec("5");
    assert!(doubted(&universe, &other), "a rule is another");
}

#[test]
fn which_orders_the_venue_takes_is_told_where_it_is_new() {
    let mut universe = TestUniverse::new(Selection::default());
    let ask = |universe: &mut TestUniverse, orders: &[OrderType]| {
        let capabilities = Some(Capabilities { orders: orders.to_vec() });
        let facts =
            universe.0.facts(&Venue { capabilities, ..venue(&BOTH) }, MINUTE, universe.0.basis());
        let new = facts.iter().any(|market| matches!(market, Market::Capabilities { .. }));
        universe.append(facts);
        new
    };
    assert!(ask(&mut universe, &[OrderType::Market]), "the first time");
    assert!(!ask(&mut universe, &[OrderType::Market]), "nothing is new");
    assert!(ask(&mut universe, &[OrderType::Market, OrderType::Limit]), "one kind more");
}

#[test]
fn symbols_that_take_fewer_stop_orders_are_named_when_they_are_listed() {
    let mut universe = TestUniverse::new(Selection::default());
    let ask = |universe: &mut TestUniverse, fewer: &[(&str, u32)]| {
        let fewer = fewer.iter().map(|(name, most)| (Symbol::new(name).unwrap(), *most)).collect();
        let capabilities = Some(Capabilities::market_and_limit());
        let venue = Venue { capabilities, stop_orders: (5, fewer), ..venue(&BOTH) };
        let facts = universe.0.facts(&venue, MINUTE, universe.0.basis());
        let named = facts.iter().find_map(|market| {
            let Market::Capabilities { fewer, .. } = market else { return None };
            Some(fewer.clone())
        });
        universe.append(facts);
        named
    };
    let btc = (Symbol::new("BTCUSDT").unwrap(), 0);
    assert_eq!(ask(&mut universe, &[("BTCUSDT", 0), ("XYZUSDT", 0)]), Some(vec![btc]));
    assert_eq!(ask(&mut universe, &[("BTCUSDT", 0), ("XYZUSDT", 1)]), None, "nothing is new");
    assert_eq!(ask(&mut universe, &[]), Some(vec![]), "it takes as many as others");
}

fn joined(id: &str) -> Body {
    let (id, kind) = (id.to_owned(), "sma_cross".to_owned());
    Body::Operator(Operator::StageJoined {
        rank: 401,
        id,
        kind,
        version: 1,
        settings: String::new(),
    })
}

#[test]
fn who_joins_after_the_rules_were_told_is_told_them() {
    let mut universe = TestUniverse::new(Selection::default());
    universe.apply(joined("first"));
    assert_eq!(universe.0.rules_for_joined(), None, "the rules are not known yet");
    universe.ask(&BOTH, 1);
    assert_eq!(universe.0.rules_for_joined(), None, "it was appended with all others");
    universe.apply(joined("second"));
    universe.apply(Body::Market(Market::Instruments { rules: vec![instrument("BTCUSDT")] }));
    let Some(Market::Instruments { rules }) = universe.0.rules_for_joined() else { panic!() };
    assert_eq!(rules.len(), 2, "one changed rule is not all");
    universe.apply(Body::Market(Market::Instruments { rules }));
    assert_eq!(universe.0.rules_for_joined(), None);
}

#[test]
fn a_strategy_is_over_once_it_is_not_configured_and_holds_owes_and_orders_nothing() {
    let mut universe = TestUniverse::new(Selection::default());
    universe.ask(&BOTH, 1);
    let lot = |quantity: &str| {
        let (strategy, quantity, cost) = ("quick".to_owned(), dec(quantity), Decimal::ONE);
        let (symbol, opened, realized_pnl) = (sym("BTCUSDT"), None, Decimal::ZERO);
        Body::Ledger(Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl })
    };
    let owed = |ended: Option<&str>| {
        Body::Decision(Decision::Owed {
            strategy: "quick".to_owned(),
            symbol: sym("BTCUSDT"),
            since: 0,
            cause: String::new(),
            revision: 0,
            tries: 0,
            refusal: None,
            ended: ended.map(str::to_owned),
            rule: None,
        })
    };
    assert!(universe.0.is_over("quick"), "it was never configured");
    for (holds, body) in [
        (true, lot("1")),
        (true, owed(None)),
        (true, lot("0.00001")),
        (false, owed(Some("sold"))),
        (true, lot("2")),
        (false, lot("0")),
    ] {
        universe.apply(body);
        assert_eq!(universe.0.is_over("quick"), !holds);
    }
    let mut settings = crate::testing::crossing(10, 30);
    let one = settings.strategy.0["sma_cross"].clone();
    settings.strategy.0.insert("quick".to_owned(), one);
    universe.apply(configured(&settings));
    assert!(!universe.0.is_over("quick"), "it is configured again");
}

const HOUR: i64 = 60 * MINUTE;

/// Five days from the one of `now` on, in a zone so many hours east of UTC.
fn days(east: i64, now: UtcMs) -> Vec<(i64, UtcMs)> {
    let first = day_of(now + east * HOUR);
    (first..first + 5).map(|day| (day, day * DAY - east * HOUR)).collect()
}

impl TestUniverse {
    /// Queries a venue with this zone at this hour. Returns the hours at which days begin, and
    /// which days.
    fn zone(&mut self, east: Option<i64>, hour: i64) -> String {
        let now = hour * HOUR;
        let days = east.map(|east| (format!("{east}"), days(east, now)));
        let venue = Venue { day_begins: days, ..venue(&[("AUSDT", true, 50)]) };
        let facts = self.0.facts(&venue, now, self.0.basis());
        let begins = |market: &Market| {
            let Market::DayBegins { day, at, .. } = market else { return None };
            Some(format!("{day}@{}", at / HOUR))
        };
        let words: Vec<String> = facts.iter().filter_map(begins).collect();
        self.append(facts);
        words.join(" ")
    }

    fn turns(&self, hours: std::ops::Range<i64>) -> String {
        let turn = |hour: &i64| {
            let day = |hour: i64| self.0.calendar.day(hour * HOUR);
            day(*hour) != day(*hour - 1)
        };
        let words: Vec<String> = hours.filter(turn).map(|hour| hour.to_string()).collect();
        words.join(" ")
    }
}

#[test]
fn days_of_a_new_installation_are_those_of_its_zone() {
    let mut universe = TestUniverse::new(Selection::default());
    assert_eq!(universe.zone(Some(-5), 244), "9@221 10@245 11@269 12@293 13@317");
    assert_eq!(universe.zone(Some(-5), 244), "");
    assert_eq!(universe.zone(Some(-5), 246), "14@341");
    assert_eq!(universe.turns(244..300), "245 269 293");
}

#[test]
fn another_zone_of_days_applies_from_the_later_of_both_next_midnights() {
    let mut universe = TestUniverse::new(Selection::default());
    assert_eq!(universe.zone(None, 240), "");
    // It is 10 o'clock in UTC. The next midnights are 264 in UTC and 269 in the new zone.
    assert_eq!(universe.zone(Some(-5), 250), "11@269 12@293 13@317 14@341");
    assert_eq!(universe.zone(Some(-5), 251), "", "it is stated once");
    assert_eq!(universe.turns(245..300), "264 293", "day 11 has begun at 264");
    // East of it, the next midnight is 279; in the zone before, it is 293.
    assert_eq!(universe.zone(Some(9), 270), "13@303 14@327 15@351");
    assert_eq!(universe.zone(Some(9), 271), "");
    assert_eq!(universe.turns(245..340), "264 293 303 327");
    // Back to UTC. The next midnights are 303 and 312.
    assert_eq!(universe.zone(None, 302), "13@312 14@336 15@360 16@384");
    assert_eq!(universe.turns(296..370), "303 336 360");
}
