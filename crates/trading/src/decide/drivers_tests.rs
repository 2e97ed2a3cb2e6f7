//! Tests entries by driver and by bias: round by round, and with all stages on the plain loop.

use super::*;
use crate::indicators::Feature;
use crate::testing::rewritten;
use crate::testing::world::{self, Delivery, World};
use everwarm_analysis::Bar as Plain;
use everwarm_analysis::regime::Drivers;
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::settings::{Driver, DriverRule, EntryRule};
use everwarm_domain::time::{DAY, Timeframe};

const NAME: &str = "sma_cross";

fn set(settings: &mut Settings, drivers: &str, long: bool) {
    settings.strategy.set_entry(NAME, EntryRule::default());
    settings.strategy.0.get_mut(NAME).unwrap().drivers =
        DriverRule { only: DriverRule::list(drivers).unwrap(), long };
}

/// Gives values of one feature at the end of a bar. Returns what follows.
fn gives(stage: &mut Decide, feature: &str, time: UtcMs, rows: &[(&str, i64, f64)]) -> Vec<Body> {
    let of: Feature = feature.parse().unwrap();
    let other = format!("atr(14)@{}", of.timeframe);
    let plan = Analysis::FeaturePlan { plan: 7, features: vec![other, feature.to_owned()] };
    let heads = rows.iter().map(|(symbol, close, _)| {
        let (symbol, close) = (sym(symbol), Price::e8(close * 100_000_000));
        FeatureHead { symbol, time, close }
    });
    let values = rows.iter().flat_map(|(.., value)| [9.0, *value]);
    let table = FeatureTable::of(2, heads.collect(), values.collect());
    let values = Analysis::FeatureValues { plan: 7, timeframe: of.timeframe, table };
    let given = [plan, values].map(|body| facts_of(stage, &fact(1, 200, Body::Analysis(body))));
    given.concat()
}

/// Gives the number of the driver of a symbol at the end of an hour. Returns what follows.
fn ends(stage: &mut Decide, hour: i64, symbol: &str, number: f64) -> Vec<Body> {
    gives(stage, "driver@1h", hour * Timeframe::H1.ms(), &[(symbol, 1, number)])
}

fn restarted(stage: &Decide) -> Decide {
    let (bytes, mut stage) = (stage.save(), Decide::default());
    stage.load(&bytes).unwrap();
    stage
}

fn listed(names: &[&str]) -> Body {
    let row = |name: &&str| {
        let why = "the rule takes it".to_owned();
        Listed { symbol: sym(name), wanted: true, venue: AtVenue::Trading, why }
    };
    let (listed, unlisted) = (names.iter().map(row).collect(), Vec::new());
    Body::Market(Market::Universe { asked: T, basis: 0, listed, unlisted })
}

const ENTERED: &str = "Buy 10 ADAUSDT holding 1010";

#[test]
fn an_entry_needs_the_drivers_of_all_symbols_and_an_exit_none() {
    let mut stage =
        ready(|settings| set(settings, "BTCUSDT: up, extended; ETHUSDT: turning", false));
    let refused = |stage: &mut Decide, of: &str, is: &str, enters: &str| {
        let words = format!("driver: the driver of {of} is {is}; {NAME} enters in {enters}");
        assert_eq!(ask(stage, &[buy("ADAUSDT")]), [format!("ADAUSDT {words}")]);
    };
    let none = "unknown: driver@1h has no value yet, it needs 200 hourly bars";
    refused(&mut stage, "BTCUSDT", none, "up, extended");
    ends(&mut stage, 1, "BTCUSDT", 1.0);
    ends(&mut stage, 2, "BTCUSDT", 1.0);
    let mut stage = restarted(&stage);
    let or_earlier = "failing since 1970-01-01 01:00 UTC or earlier";
    refused(&mut stage, "BTCUSDT", or_earlier, "up, extended");
    ends(&mut stage, 26, "BTCUSDT", 0.0);
    refused(&mut stage, "BTCUSDT", "none since 1970-01-02 02:00 UTC", "up, extended");
    ends(&mut stage, 27, "BTCUSDT", 5.0);
    refused(&mut stage, "ETHUSDT", none, "turning");
    ends(&mut stage, 27, "ETHUSDT", 4.0);
    refused(&mut stage, "ETHUSDT", "up since 1970-01-02 03:00 UTC or earlier", "turning");
    let other = Signal { strategy: "other".to_owned(), ..buy("ADAUSDT") };
    assert_eq!(ask(&mut stage, &[other]), [ENTERED], "it has no rule");
    ends(&mut stage, 28, "ETHUSDT", 3.0);
    assert_eq!(ask(&mut restarted(&stage), &[buy("ADAUSDT")]), [ENTERED]);
    ends(&mut stage, 29, "BTCUSDT", f64::NAN);
    refused(&mut stage, "BTCUSDT", none, "up, extended");
    // What is held is sold whatever the drivers are.
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9000")));
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), ["Sell 2 BTCUSDT holding 0"]);
}

#[test]
fn a_symbol_that_is_not_traded_has_no_driver_and_the_nearest_is_named() {
    let mut stage = ready(|settings| set(settings, "BTCUSDC: up", false));
    facts_of(&mut stage, &input(1, listed(&["ADAUSDT", "BTCUSDT"])));
    let is = "unknown: it is not among the traded symbols, did you mean BTCUSDT?";
    let refused = format!("ADAUSDT driver: the driver of BTCUSDC is {is}; {NAME} enters in up");
    assert_eq!(ask(&mut stage, &[buy("ADAUSDT")]), [refused]);
    // A symbol that leaves takes its driver with it.
    let mut stage = ready(|settings| set(settings, "ETHUSDT: up", false));
    facts_of(&mut stage, &input(1, listed(&["ADAUSDT", "ETHUSDT"])));
    ends(&mut stage, 1, "ETHUSDT", 4.0);
    let unlisted = vec![sym("ETHUSDT")];
    let leaves = Market::Universe { asked: T, basis: 0, listed: Vec::new(), unlisted };
    facts_of(&mut stage, &input(2, Body::Market(leaves)));
    let refused = ask(&mut stage, &[buy("ADAUSDT")]).remove(0);
    assert!(refused.contains("ETHUSDT is unknown: it is not among the traded"), "{refused}");
}

#[test]
fn an_entry_needs_the_daily_bias_of_its_own_symbol() {
    let mut stage = ready(|settings| set(settings, "", true));
    let refused = |stage: &mut Decide, why: &str| {
        let words = format!("ADAUSDT bias: the bias of ADAUSDT is {why}");
        assert_eq!(ask(stage, &[buy("ADAUSDT")]), [words]);
    };
    let day = |stage: &mut Decide, day: i64, close: i64, average: f64| {
        let rows = [("ADAUSDT", close, average), ("BTCUSDT", 9, 1.0)];
        gives(stage, "ema(200)@1d", day * DAY, &rows);
    };
    let unknown = "unknown: ema(200)@1d has no value yet, it needs 200 daily bars";
    refused(&mut stage, unknown);
    day(&mut stage, 5, 90, f64::NAN);
    refused(&mut stage, unknown);
    day(&mut stage, 5, 90, 101.25);
    let below = |close: &str| {
        let average = "ema(200)@1d is 101.25";
        format!("none: it closed 1970-01-05 at {close}, and {average}; {NAME} enters above it")
    };
    refused(&mut restarted(&stage), &below("90.00"));
    day(&mut stage, 6, 102, 101.3);
    assert_eq!(ask(&mut restarted(&stage), &[buy("ADAUSDT")]), [ENTERED]);
    // A close at the average is not above it.
    let mut stage = ready(|settings| set(settings, "", true));
    day(&mut stage, 5, 100, 100.0);
    let at = ask(&mut stage, &[buy("ADAUSDT")]).remove(0);
    assert!(at.contains("is none: it closed 1970-01-05 at 100.00, and ema(200)@1d"), "{at}");
    facts_of(&mut stage, &fact(1, 800, position("ADAUSDT", "2", "9000")));
    assert_eq!(ask(&mut stage, &[sell("ADAUSDT")]), ["Sell 2 ADAUSDT holding 0"]);
}

#[test]
fn a_reload_ends_a_rule_and_forgets_what_no_rule_needs() {
    let reload = |stage: &mut Decide, drivers: &str, long: bool| {
        let mut settings = Settings::default();
        set(&mut settings, drivers, long);
        facts_of(stage, &input(2, configured(&settings)));
    };
    let mut stage = ready(|settings| set(settings, "BTCUSDT: up", true));
    ends(&mut stage, 1, "BTCUSDT", 1.0);
    gives(&mut stage, "ema(200)@1d", DAY, &[("ADAUSDT", 100, 90.0)]);
    reload(&mut stage, "BTCUSDT: failing", true);
    assert_eq!(ask(&mut stage, &[buy("ADAUSDT")]), [ENTERED], "both were needed all the time");
    let mut stage = ready(|settings| set(settings, "BTCUSDT: failing", true));
    ends(&mut stage, 1, "BTCUSDT", 1.0);
    gives(&mut stage, "ema(200)@1d", DAY, &[("ADAUSDT", 100, 90.0)]);
    reload(&mut stage, "ETHUSDT: up", false);
    reload(&mut stage, "BTCUSDT: failing", true);
    let refused = ask(&mut stage, &[buy("ADAUSDT")]).remove(0);
    assert!(refused.contains("driver@1h has no value yet"), "{refused}");
    ends(&mut stage, 2, "BTCUSDT", 1.0);
    let refused = ask(&mut stage, &[buy("ADAUSDT")]).remove(0);
    assert!(refused.contains("ema(200)@1d has no value yet"), "{refused}");
    reload(&mut stage, "", false);
    assert_eq!(ask(&mut stage, &[buy("ADAUSDT")]), [ENTERED]);
}

#[test]
fn a_limit_order_is_cancelled_when_a_driver_changes() {
    let rule = EntryRule { below_ppm: Some(10_000), minutes: 1_000, orders: 1 };
    let mut stage = ready(|settings| {
        set(settings, "ETHUSDT: up", false);
        settings.strategy.set_entry(NAME, rule);
    });
    ends(&mut stage, 1, "ETHUSDT", 4.0);
    assert!(ask(&mut stage, &[buy("BTCUSDT")])[0].starts_with("Buy"));
    let closed = facts_of(&mut stage, &input(3, close("BTCUSDT", 60, 100)));
    assert!(closed.is_empty(), "{closed:?}");
    let cancelled = ends(&mut stage, 2, "ETHUSDT", 1.0);
    let [Body::Decision(Decision::Withdrawn { reason, .. })] = &cancelled[..] else {
        panic!("{cancelled:?}")
    };
    let is = "the driver of ETHUSDT is failing since 1970-01-01 02:00 UTC";
    assert_eq!(*reason, format!("{is}; {NAME} enters in up"));
}

#[test]
fn drivers_are_named_as_the_feature_names_its_values() {
    let feature: Feature = "driver@1h".parse().unwrap();
    for (driver, number) in Driver::ALL.into_iter().zip(0_u8..) {
        assert_eq!(feature.formula.word(number.into()), Some(driver.name()));
        let mut stage =
            ready(|settings| set(settings, &format!("ETHUSDT: {}", driver.name()), false));
        ends(&mut stage, 1, "ETHUSDT", number.into());
        assert_eq!(ask(&mut stage, &[buy("ADAUSDT")]), [ENTERED], "{}", driver.name());
    }
}

#[test]
fn a_state_without_drivers_is_read() {
    let mut stage = ready(|_| {});
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9000")));
    let now = stage.save();
    // The members that version 11 lacks are empty here, and each empty one is a zero byte.
    let added = now.iter().rev().take_while(|byte| **byte == 0).count().min(6);
    let before = rewritten(&now, (11, 0x73f0_b2d2_272e_b86a), added);
    let mut read = Decide::default();
    read.convert(11, &before).unwrap();
    assert_eq!(read.save(), now);
    assert_eq!(ask(&mut read, &[sell("BTCUSDT")]), ["Sell 2 BTCUSDT holding 0"]);
}

/// The facts of three symbols over so many hours, with a rule. Their prices swing over days.
fn lived(hours: i64, resume_every: u64) -> Vec<Fact<Body>> {
    let mut world = World::new(Delivery::Whole, resume_every);
    let mut settings = world::settings();
    set(&mut settings, "BTCUSDT: up, extended, turning", false);
    world.give(configured(&settings));
    for hour in 0..hours {
        // One close at each end of an hour is enough for a bar of it.
        for minute in [0, 20, 40, 59] {
            let bars = ["ADAUSDT", "BTCUSDT", "ETHUSDT"].map(|symbol| {
                let wave = (hour % 160 - 80).abs() * 5;
                let noise = [0, 7, -6, 2][usize::try_from(minute / 16).unwrap()];
                bar(symbol, hour * 60 + minute, 1_000 + wave + noise * (1 + hour % 2))
            });
            world.close(bars.to_vec());
        }
    }
    world.facts
}

#[test]
fn entries_follow_the_driver_at_the_newest_hourly_close_after_restarts_too() {
    let facts = lived(420, 0);
    let mut drivers = Drivers::new();
    let (mut now, mut taken, mut refused) = ("unknown", BTreeSet::new(), BTreeSet::new());
    for fact in &facts {
        match &fact.body {
            Body::Analysis(Analysis::Rolled { timeframe: Timeframe::H1, bars }) => {
                for bar in bars.iter().map(|rolled| &rolled.bar) {
                    if bar.symbol == sym("BTCUSDT") {
                        let ([open, high, low, close], scale) = bar.units();
                        let (open_time, volume) = (bar.open_time, bar.volume_units());
                        let plain = Plain { open_time, open, high, low, close, scale, volume };
                        let driver = drivers.update(&plain).unwrap();
                        now = if drivers.is_warm() { driver.name() } else { "unknown" };
                    }
                }
            }
            Body::Decision(Decision::Approved { intent, .. }) if intent.side == Side::Buy => {
                taken.insert(now);
            }
            Body::Decision(Decision::Declined { code, text, .. }) if code == "driver" => {
                assert!(text.starts_with(&format!("the driver of BTCUSDT is {now}")), "{text}");
                refused.insert(now);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    let enters = ["extended", "turning", "up"];
    assert!(!taken.is_empty() && taken.iter().all(|driver| enters.contains(driver)), "{taken:?}");
    assert!(refused.contains("unknown") && refused.contains("failing"), "{refused:?}");
    assert!(refused.iter().all(|driver| !enters.contains(driver)), "{refused:?}");
    let restarted = lived(420, 131);
    assert_eq!(facts.len(), restarted.len());
    let differs = facts.iter().zip(&restarted).find(|(one, other)| one.body != other.body);
    assert!(differs.is_none(), "{differs:?}");
}
