//! Levels by drivers, as the breaker judges them.

use super::tests::appended;
use super::*;
use crate::testing::{configured, fact, facts_of, input, sym};
use everwarm_domain::fact::Analysis;
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::money::Price;
use everwarm_domain::settings::{DriverLevels, Settings};
use everwarm_domain::time::Timeframe;

fn rules(text: &str) -> Body {
    let driver_levels = DriverLevels::read(text).unwrap();
    let risk = Risk { driver_levels, ..Risk::default() };
    configured(&Settings { risk, ..Settings::default() })
}

fn with(text: &str) -> Breaker {
    let mut stage = Breaker::default();
    assert_eq!(appended(&mut stage, 0, rules(text)), "");
    let features = ["atr(14)@1h", "driver@1h", "driver@1m"].map(str::to_owned).to_vec();
    let plan = Analysis::FeaturePlan { plan: 7, features };
    assert_eq!(appended(&mut stage, 200, Body::Analysis(plan)), "");
    stage
}

/// The words after the end of a bar with the driver of each symbol.
fn ends(stage: &mut Breaker, timeframe: Timeframe, hour: i64, drivers: &[(&str, f64)]) -> String {
    let time = hour * Timeframe::H1.ms();
    let head = |(symbol, _): &(&str, f64)| FeatureHead {
        symbol: sym(symbol),
        time,
        close: Price::e8(100),
    };
    let values = drivers.iter().flat_map(|(_, number)| [1.0, *number]).collect();
    let table = FeatureTable::of(2, drivers.iter().map(head).collect(), values);
    let values = Analysis::FeatureValues { plan: 7, timeframe, table };
    appended(stage, 200, Body::Analysis(values))
}

fn hour(stage: &mut Breaker, hour: i64, drivers: &[(&str, f64)]) -> String {
    ends(stage, Timeframe::H1, hour, drivers)
}

fn restarted(stage: &Breaker) -> Breaker {
    let (bytes, mut stage) = (stage.save(), Breaker::default());
    stage.load(&bytes).unwrap();
    stage
}

#[test]
fn a_driver_has_its_level_until_it_changes() {
    let mut stage = with("BTCUSDT: failing = reduced, basing = exits-only");
    assert_eq!(hour(&mut stage, 1, &[("BTCUSDT", f64::NAN)]), "", "an unknown one has none");
    assert_eq!(hour(&mut stage, 2, &[("BTCUSDT", 4.0), ("ETHUSDT", 1.0)]), "");
    let failing = "the driver of BTCUSDT is failing since 1970-01-01 03:00 UTC, until it changes";
    let reduced = format!("Reduced [\"{failing}\"]");
    assert_eq!(hour(&mut stage, 3, &[("BTCUSDT", 1.0), ("ETHUSDT", 4.0)]), reduced);
    let mut stage = restarted(&stage);
    assert_eq!(hour(&mut stage, 4, &[("BTCUSDT", 1.0)]), "", "it goes on");
    // Column 1 of the minutes is no driver of an hour.
    assert_eq!(ends(&mut stage, Timeframe::M1, 4, &[("BTCUSDT", 4.0)]), "");
    let basing = hour(&mut stage, 5, &[("BTCUSDT", 2.0)]);
    assert!(basing.starts_with("ExitsOnly [\"the driver of BTCUSDT is basing since"), "{basing}");
    assert_eq!(hour(&mut stage, 6, &[("BTCUSDT", 3.0)]), "Normal []");
}

#[test]
fn the_strictest_driver_counts_and_a_symbol_that_leaves_has_none() {
    let mut stage = with("BTCUSDT: failing = reduced; ETHUSDT: failing = exits-only");
    let both = hour(&mut stage, 1, &[("BTCUSDT", 1.0), ("ETHUSDT", 1.0)]);
    assert!(both.starts_with("ExitsOnly [\"the driver of BTCUSDT is failing since"), "{both}");
    assert!(both.contains("or earlier, until it changes\", \"the driver of ETHUSDT"), "{both}");
    let (listed, unlisted) = (Vec::new(), vec![sym("ETHUSDT")]);
    let leaves = Market::Universe { asked: 0, basis: 0, listed, unlisted };
    let one = appended(&mut stage, 0, Body::Market(leaves));
    assert!(one.starts_with("Reduced [\"the driver of BTCUSDT") && !one.contains("ETH"), "{one}");
    assert_eq!(hour(&mut stage, 2, &[("BTCUSDT", f64::NAN)]), "Normal []");
}

#[test]
fn a_reload_ends_a_level() {
    let mut stage = with("BTCUSDT: failing = reduced");
    assert!(hour(&mut stage, 1, &[("BTCUSDT", 1.0)]).starts_with("Reduced"));
    assert_eq!(appended(&mut stage, 0, rules("")), "Normal []");
    assert_eq!(hour(&mut stage, 2, &[("BTCUSDT", 1.0)]), "");
    // The plan of the configuration has the feature that the rule needs.
    let mut stage = Breaker::default();
    appended(&mut stage, 0, rules("BTCUSDT: failing = exits-only"));
    let plan = crate::indicators::number(&["driver@1h".parse().unwrap()]);
    let head = FeatureHead { symbol: sym("BTCUSDT"), time: 0, close: Price::e8(1) };
    let table = FeatureTable::of(1, vec![head], vec![1.0]);
    let values = Analysis::FeatureValues { plan, timeframe: Timeframe::H1, table };
    let level = appended(&mut stage, 200, Body::Analysis(values));
    assert!(level.starts_with("ExitsOnly"), "{level}");
}

#[test]
fn a_state_of_the_version_before_is_read() {
    let mut stage = with("");
    let halt = Operator::Switched { switch: Switch::Halt, reason: "a test".to_owned() };
    facts_of(&mut stage, &input(2, Body::Operator(halt)));
    facts_of(&mut stage, &fact(2, 800, Body::Market(Market::close(60_000, vec![], vec![]))));
    let mut fresh = Breaker { drivers: LevelsByDriver::default(), ..stage };
    let now = fresh.save();
    // The drivers are four empty members: a zero byte each.
    assert_eq!(now[now.len() - 4..], [0; 4]);
    let before = crate::testing::rewritten(&now, (FORMER.1, FORMER.2), 4);
    let mut read = Breaker::default();
    read.convert(FORMER.0, &before).unwrap();
    assert_eq!(read, fresh);
    assert_eq!(appended(&mut read, 0, rules("")), appended(&mut fresh, 0, rules("")));
}
