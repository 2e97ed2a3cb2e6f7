//! Tests entries by regime: round by round, and with all stages on the plain loop.

use super::*;
use crate::indicators::Feature;
use crate::testing::world::{self, Delivery, World};
use everwarm_analysis::Bar as Plain;
use everwarm_analysis::regime::{Basis, Regimes};
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::settings::{EntryRule, Regime, RegimeRule, Size};
use everwarm_domain::time::Timeframe;

const NAME: &str = "sma_cross";

fn set(settings: &mut Settings, regimes: &str, sizes: &str) {
    let (only, sizes_ppm) = (RegimeRule::list(regimes), RegimeRule::sizes(sizes));
    settings.strategy.set_size(NAME, Size::Fixed);
    settings.strategy.0.get_mut(NAME).unwrap().regimes =
        RegimeRule { only: only.unwrap(), sizes_ppm: sizes_ppm.unwrap() };
}

/// Gives the number of the regime of BTCUSDT at the end of an hour. Returns what follows.
fn ends(stage: &mut Decide, hour: i64, number: f64) -> Vec<Body> {
    let time = hour * Timeframe::H1.ms();
    let names = ["atr(14)@1h", "regime@1h", "sma(2)@1m"].map(str::to_owned);
    let plan = Analysis::FeaturePlan { plan: 7, features: names.to_vec() };
    let head = FeatureHead { symbol: sym("BTCUSDT"), time, close: Price::e8(1) };
    let table = FeatureTable::of(2, vec![head], vec![9.0, number]);
    let values = Analysis::FeatureValues { plan: 7, timeframe: Timeframe::H1, table };
    let given = [plan, values].map(|body| facts_of(stage, &fact(1, 200, Body::Analysis(body))));
    given.concat()
}

fn restarted(stage: &Decide) -> Decide {
    let (bytes, mut stage) = (stage.save(), Decide::default());
    stage.load(&bytes).unwrap();
    stage
}

#[test]
fn an_entry_needs_a_regime_of_its_strategy_and_an_exit_none() {
    let mut stage = ready(|settings| set(settings, "wide_structure", ""));
    let refused = |stage: &mut Decide, is: &str| {
        let words =
            format!("regime: the regime of BTCUSDT is {is}; {NAME} enters in wide_structure");
        assert_eq!(ask(stage, &[buy("BTCUSDT")]), [format!("BTCUSDT {words}")]);
    };
    refused(&mut stage, "no_data: regime@1h has no value yet");
    ends(&mut stage, 1, 3.0);
    ends(&mut stage, 2, 3.0);
    let mut stage = restarted(&stage);
    refused(&mut stage, "consolidation since 1970-01-01 01:00 UTC or earlier");
    ends(&mut stage, 26, 1.0);
    refused(&mut stage, "tight_smc since 1970-01-02 02:00 UTC");
    ends(&mut stage, 27, f64::NAN);
    refused(&mut stage, "no_data since 1970-01-02 03:00 UTC");
    let other = Signal { strategy: "other".to_owned(), ..buy("BTCUSDT") };
    assert_eq!(ask(&mut stage, &[other]), ["Buy 10 BTCUSDT holding 1010"], "it has no rule");
    ends(&mut stage, 28, 2.0);
    assert_eq!(ask(&mut restarted(&stage), &[buy("BTCUSDT")]), ["Buy 10 BTCUSDT holding 1010"]);
    // What is held is sold in any regime.
    let mut stage = ready(|settings| set(settings, "wide_structure", ""));
    ends(&mut stage, 1, 3.0);
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9000")));
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), ["Sell 2 BTCUSDT holding 0"]);
}

#[test]
fn a_reload_ends_a_rule_and_forgets_the_regimes() {
    let reload = |stage: &mut Decide, regimes: &str| {
        let mut settings = Settings::default();
        set(&mut settings, regimes, "");
        facts_of(stage, &input(2, configured(&settings)));
    };
    let ruled = || {
        let mut stage = ready(|settings| set(settings, "consolidation", ""));
        ends(&mut stage, 1, 3.0);
        stage
    };
    let mut stage = ruled();
    reload(&mut stage, "consolidation, no_data");
    reload(&mut stage, "wide_structure");
    let refused = ask(&mut stage, &[buy("BTCUSDT")]).remove(0);
    assert!(refused.contains("is consolidation since"), "it was needed all the time: {refused}");
    let mut stage = ruled();
    reload(&mut stage, "");
    reload(&mut stage, "consolidation");
    let refused = ask(&mut stage, &[buy("BTCUSDT")]).remove(0);
    assert!(refused.contains("regime@1h has no value yet"), "{refused}");
    reload(&mut stage, "");
    assert_eq!(ask(&mut stage, &[buy("BTCUSDT")]), ["Buy 10 BTCUSDT holding 1010"]);
}

#[test]
fn a_size_is_multiplied_by_that_of_the_regime() {
    let sized = |number: f64| {
        let mut stage =
            ready(|settings| set(settings, "", "tight_smc: 0.5, consolidation: 0, no_data: 0.1"));
        ends(&mut stage, 1, number);
        let signals = Body::Analysis(Analysis::Signals { rows: vec![buy("BTCUSDT")] });
        let decided = facts_of(&mut restarted(&stage), &fact(2, 400, signals)).remove(0);
        match decided {
            Body::Decision(Decision::Approved { intent, sizing, reserved, .. }) => {
                format!("{} for {reserved}: {sizing:?}", intent.quantity)
            }
            Body::Decision(Decision::Declined { code, text, .. }) => format!("{code}: {text}"),
            other @ (Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_)) => panic!("{other:?}"),
        }
    };
    let half = "notional 1000 x 0.5 (regime tight_smc) / 100 = 5, down to 5";
    assert_eq!(sized(1.0), format!("5 for 505: Some({half:?})"));
    assert_eq!(sized(2.0), "10 for 1010: None");
    let none = "regime_sizes of sma_cross is 0 there";
    let is = "the regime of BTCUSDT is consolidation since 1970-01-01 01:00 UTC or earlier";
    assert_eq!(sized(3.0), format!("regime: {is}; {none}"));
    assert!(sized(f64::NAN).contains("x 0.1 (regime no_data)"), "{}", sized(f64::NAN));
}

#[test]
fn a_limit_order_is_cancelled_when_the_regime_changes() {
    let rule = EntryRule { below_ppm: Some(10_000), minutes: 1_000, orders: 1 };
    let mut stage = ready(|settings| {
        set(settings, "tight_smc", "");
        settings.strategy.set_entry(NAME, rule);
    });
    ends(&mut stage, 1, 1.0);
    assert!(ask(&mut stage, &[buy("BTCUSDT")])[0].starts_with("Buy"));
    let closed = facts_of(&mut stage, &input(3, close("BTCUSDT", 60, 100)));
    assert!(closed.is_empty(), "{closed:?}");
    let cancelled = ends(&mut stage, 2, 2.0);
    let [Body::Decision(Decision::Withdrawn { reason, .. })] = &cancelled[..] else {
        panic!("{cancelled:?}")
    };
    let is = "the regime of BTCUSDT is wide_structure since 1970-01-01 02:00 UTC";
    assert_eq!(*reason, format!("{is}; {NAME} enters in tight_smc"));
}

#[test]
fn regimes_are_named_as_the_feature_names_its_values() {
    let feature: Feature = "regime@1h".parse().unwrap();
    for (regime, number) in Regime::ALL.into_iter().zip(0_u8..).skip(1) {
        let number = f64::from(number);
        assert_eq!(feature.formula.word(number), Some(regime.name()));
        let mut stage = ready(|settings| set(settings, "no_data", ""));
        ends(&mut stage, 1, number);
        let refused = ask(&mut stage, &[buy("BTCUSDT")]).remove(0);
        assert!(refused.contains(&format!("is {} since", regime.name())), "{refused}");
    }
}

/// The facts of three symbols over so many hours, with a rule. Prices move up as often as down.
fn lived(hours: i64, resume_every: u64) -> Vec<Fact<Body>> {
    let mut world = World::new(Delivery::Whole, resume_every);
    let mut settings = world::settings();
    set(&mut settings, "wide_structure, consolidation", "consolidation: 0.5");
    world.give(configured(&settings));
    let (mut seed, mut prices) = (7_u64, [1_000_i64; 3]);
    for minute in 0..hours * 60 {
        let mut bars = Vec::new();
        for (symbol, price) in ["ADAUSDT", "BTCUSDT", "ETHUSDT"].iter().zip(&mut prices) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005);
            seed = seed.wrapping_add(1_442_695_040_888_963_407);
            *price = (*price + 2 * (seed >> 62).cast_signed() - 3).max(200);
            bars.push(bar(symbol, minute, *price));
        }
        world.close(bars);
    }
    world.facts
}

#[test]
fn entries_follow_the_regime_at_the_newest_hourly_close() {
    let facts = lived(60, 0);
    let mut regimes: BTreeMap<Symbol, (Regimes, &str)> = BTreeMap::new();
    let (mut taken, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for fact in &facts {
        let of = |symbol: &Symbol| regimes.get(symbol).map_or("no_data", |(_, name)| *name);
        match &fact.body {
            Body::Analysis(Analysis::Rolled { timeframe: Timeframe::H1, bars }) => {
                for bar in bars.iter().map(|rolled| &rolled.bar) {
                    let ([open, high, low, close], scale) = bar.units();
                    let (open_time, volume) = (bar.open_time, bar.volume_units());
                    let plain = Plain { open_time, open, high, low, close, scale, volume };
                    let (all, name) = regimes.entry(bar.symbol).or_default();
                    *name = all.update(&plain, Basis::Structures).unwrap().name();
                }
            }
            Body::Decision(Decision::Approved { intent, sizing, .. }) => {
                let regime = of(&intent.symbol);
                if intent.side == Side::Sell {
                    continue;
                }
                *taken.entry(regime).or_insert(0) += 1;
                let half = sizing
                    .as_ref()
                    .is_some_and(|words| words.contains(" x 0.5 (regime consolidation) / "));
                assert_eq!(half, regime == "consolidation", "{:?} {sizing:?}", fact.key);
            }
            Body::Decision(Decision::Declined { signal, code, text }) if code == "regime" => {
                let regime = of(&signal.symbol);
                assert!(text.contains(&format!(" is {regime}")), "{regime}: {text}");
                *refused.entry(regime).or_insert(0) += 1;
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
    assert_eq!(taken.keys().copied().collect::<Vec<_>>(), ["consolidation", "wide_structure"]);
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), ["no_data", "tight_smc"]);
}

#[test]
fn entries_by_regime_are_the_same_after_restarts() {
    let (whole, restarted) = (lived(34, 0), lived(34, 13));
    assert_eq!(whole.len(), restarted.len());
    let differs = whole.iter().zip(&restarted).find(|(one, other)| one.body != other.body);
    assert!(differs.is_none(), "{differs:?}");
    let by_regime = |fact: &Fact<Body>| {
        let Body::Decision(Decision::Declined { code, .. }) = &fact.body else { return false };
        code == "regime"
    };
    assert!(whole.iter().any(by_regime));
}
