//! Tests entries on settled values: round by round, and with all stages on the plain loop.

use super::*;
use crate::testing::world::{self, Delivery, World};
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::settings::exits::AtrStop;
use everwarm_domain::settings::{EntryRule, ExitRules, WarmUp};
use everwarm_domain::time::Timeframe;

const NAME: &str = "sma_cross";

/// Entries on settled values, with a stop of twice `atr(14)@1m`: it has a first value after 15
/// bars and is settled after 80.
fn set(settings: &mut Settings, warm_up: WarmUp) {
    let stop_atr = Some(AtrStop { hundredths: 200, length: 14 });
    settings.strategy.set_exits(NAME, ExitRules { stop_atr, ..ExitRules::default() });
    settings.strategy.0.get_mut(NAME).unwrap().warm_up = warm_up;
}

fn only_settled(settings: &mut Settings) {
    set(settings, WarmUp::Settled);
}

/// Gives the count of the bars of BTCUSDT at the close of a minute. Returns what follows.
fn counts(stage: &mut Decide, minute: i64, count: f64) -> Vec<Body> {
    let names = ["atr(14)@1m", "bars(15,80)@1m", "sma(2)@1h"].map(str::to_owned);
    let plan = Analysis::FeaturePlan { plan: 7, features: names.to_vec() };
    let (symbol, time) = (sym("BTCUSDT"), minute * MINUTE);
    let head = FeatureHead { symbol, time, close: Price::e8(1) };
    let table = FeatureTable::of(2, vec![head], vec![9.0, count]);
    let values = Analysis::FeatureValues { plan: 7, timeframe: Timeframe::M1, table };
    let given = [plan, values].map(|body| facts_of(stage, &fact(1, 200, Body::Analysis(body))));
    given.concat()
}

fn restarted(stage: &Decide) -> Decide {
    let (bytes, mut stage) = (stage.save(), Decide::default());
    stage.load(&bytes).unwrap();
    stage
}

#[test]
fn an_entry_waits_until_its_features_are_settled_and_an_exit_does_not() {
    let mut stage = ready(only_settled);
    let refused = |stage: &mut Decide, has: &str| {
        let words = format!("settling: atr(14)@1m of BTCUSDT has {has}");
        let words = format!("BTCUSDT {words}; {NAME} enters on settled values");
        assert_eq!(ask(stage, &[buy("BTCUSDT")]), [words]);
    };
    refused(&mut stage, "no value yet and needs 80 bars");
    counts(&mut stage, 1, 15.0);
    refused(&mut restarted(&stage), "15 of 80 bars");
    counts(&mut stage, 2, 79.0);
    refused(&mut stage, "79 of 80 bars");
    let other = Signal { strategy: "other".to_owned(), ..buy("BTCUSDT") };
    assert_eq!(ask(&mut stage, &[other]), ["Buy 10 BTCUSDT holding 1010"], "it has no rule");
    counts(&mut stage, 3, f64::NAN);
    refused(&mut stage, "no value yet and needs 80 bars");
    counts(&mut stage, 4, 80.0);
    let mut stage = restarted(&stage);
    assert!(ask(&mut stage, &[buy("BTCUSDT")])[0].starts_with("Buy"));
    // What is held is sold with any values.
    let mut stage = ready(only_settled);
    counts(&mut stage, 1, 15.0);
    facts_of(&mut stage, &fact(1, 800, position("BTCUSDT", "2", "9000")));
    assert_eq!(ask(&mut stage, &[sell("BTCUSDT")]), ["Sell 2 BTCUSDT holding 0"]);
}

#[test]
fn a_reload_begins_and_ends_the_rule() {
    let reload = |stage: &mut Decide, warm_up| {
        let mut settings = Settings::default();
        set(&mut settings, warm_up);
        facts_of(stage, &input(2, configured(&settings)));
    };
    let mut stage = ready(only_settled);
    counts(&mut stage, 1, 20.0);
    reload(&mut stage, WarmUp::First);
    reload(&mut stage, WarmUp::Settled);
    let refused = ask(&mut stage, &[buy("BTCUSDT")]).remove(0);
    assert!(refused.contains("has no value yet"), "it was not counted meanwhile: {refused}");
    reload(&mut stage, WarmUp::First);
    counts(&mut stage, 2, 20.0);
    assert!(ask(&mut stage, &[buy("BTCUSDT")])[0].starts_with("Buy"));
}

#[test]
fn a_limit_order_is_withdrawn_while_its_features_settle() {
    let rule = EntryRule { below_ppm: Some(10_000), minutes: 1_000, orders: 1 };
    let mut stage = ready(|settings| {
        only_settled(settings);
        settings.strategy.set_entry(NAME, rule);
    });
    counts(&mut stage, 10, 80.0);
    assert!(ask(&mut stage, &[buy("BTCUSDT")])[0].starts_with("Buy"));
    // Its features begin again, after a price in another scale.
    let withdrawn = counts(&mut stage, 11, f64::NAN);
    let [Body::Decision(Decision::Withdrawn { reason, .. })] = &withdrawn[..] else {
        panic!("{withdrawn:?}")
    };
    assert!(reason.starts_with("atr(14)@1m of BTCUSDT has no value yet"), "{reason}");
}

/// The closes, in minutes, at which entries are declined as settling, and at which they are
/// approved, over so many minutes. Prices swing every ten minutes.
fn lived(minutes: i64, (warm_up, resume_every): (WarmUp, u64)) -> (Vec<i64>, Vec<i64>) {
    let mut world = World::new(Delivery::Whole, resume_every);
    let mut settings = world::settings();
    set(&mut settings, warm_up);
    world.give(configured(&settings));
    for minute in 0..minutes {
        let price = 100 + (minute / 5 % 2) * (minute % 5) + (1 - minute / 5 % 2) * (4 - minute % 5);
        world.close(vec![bar("BTCUSDT", minute, price)]);
    }
    let (mut declined, mut approved) = (Vec::new(), Vec::new());
    for fact in &world.facts {
        match &fact.body {
            Body::Decision(Decision::Declined { signal, code, text }) if code == "settling" => {
                let has = signal.close_time / MINUTE;
                let known = format!("has {has} of 80 bars");
                let known = if has < 15 { "has no value yet and needs 80 bars" } else { &known };
                assert!(text.contains(known), "{has}: {text}");
                declined.push(has);
            }
            Body::Decision(Decision::Approved { intent, .. }) if intent.side == Side::Buy => {
                approved.push(intent.close_time / MINUTE);
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
    (declined, approved)
}

#[test]
fn all_stages_enter_from_the_settled_bar_on_and_the_same_after_restarts() {
    let (none, first) = lived(120, (WarmUp::First, 0));
    assert!(none.is_empty() && first[0] < 40, "a stop needs the first value alone: {first:?}");
    let (declined, approved) = lived(120, (WarmUp::Settled, 0));
    assert!(declined.iter().all(|bars| *bars < 80), "{declined:?}");
    assert!(
        declined.iter().any(|bars| *bars > 20) && approved[0] >= 80,
        "{declined:?}; {approved:?}"
    );
    assert_eq!(lived(120, (WarmUp::Settled, 7)), (declined, approved));
}
