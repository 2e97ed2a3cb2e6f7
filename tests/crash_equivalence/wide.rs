//! Averages of hours and days: there with the first close of their width, from bars of that width
//! which the venue has from before the first minute.

use super::{kills_of, learned_of};
use crate::shared::shared;
use everwarm::chaos::feed::{self, HOURLY, START};
use everwarm::chaos::plain;
use everwarm::chaos::rig::{Feed, Outcome, Plan, run};
use everwarm::chaos::venue_time::short;
use everwarm_domain::fact::{Analysis, Body, Market as MarketFact};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::order::{FIRST_STRATEGY, Side};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_sim::market::Recording;
use everwarm_trading::indicators::columns;
use std::collections::BTreeMap;
use std::sync::Arc;

/// By width, name and close: the value of one symbol.
type Values = BTreeMap<(Timeframe, String, UtcMs), f64>;

/// The values of the features of one symbol.
fn values(outcome: &Outcome, symbol: Symbol) -> Values {
    let (mut values, mut plan, mut closed) = (Values::new(), Vec::new(), 0);
    for fact in &outcome.facts {
        if let Body::Market(MarketFact::Close { time, .. }) = &fact.body {
            closed = *time;
        } else if let Body::Analysis(Analysis::FeaturePlan { features, .. }) = &fact.body {
            plan.clone_from(features);
        } else if let Body::Analysis(Analysis::FeatureValues { timeframe, table, .. }) = &fact.body
        {
            for row in table.rows().filter(|row| row.head.symbol == symbol) {
                for (name, value) in columns(&plan, *timeframe).zip(row.values) {
                    values.insert((*timeframe, name.to_owned(), closed), *value);
                }
            }
        }
    }
    values
}

/// The mean of the last `count` closes of a width at `close`, as a daemon has it that never was
/// down: from the older bars that ended before the start, and the minutes of the market.
fn mean(feed: &Feed, symbol: Symbol, (width, count, close): (Timeframe, usize, UtcMs)) -> f64 {
    let mut market = (feed.market)();
    let all = |bars: Vec<Bar>| bars.into_iter().map(|bar| (width.open_of(bar.open_time), bar));
    // The last minute of each bucket has its close.
    let mut bars: BTreeMap<UtcMs, Bar> =
        all(market.bars(symbol, 0, close - MINUTE, usize::MAX)).collect();
    let ended = market.start() - width.ms();
    bars.extend(all(market.older(symbol, width, 0..=ended)));
    let closes: Vec<f64> = bars.values().rev().take(count).map(|bar| bar.close.to_f64()).collect();
    assert_eq!(closes.len(), count);
    closes.iter().sum::<f64>() / f64::from(u32::try_from(count).unwrap())
}

fn check(feed: &Feed, values: &Values, symbol: Symbol, of: (Timeframe, usize, UtcMs)) {
    let (width, count, close) = of;
    let name = format!("sma({count})@{width}");
    let value = values.get(&(width, name.clone(), close)).copied().unwrap_or(f64::NAN);
    let wanted = mean(feed, symbol, of);
    assert!((value - wanted).abs() < 1e-9 * wanted, "{name} at {close}: {value}, not {wanted}");
}

#[test]
fn averages_of_hours_and_days_are_there_with_the_first_hour_and_day() {
    let (feed, learned) = learned_of("wide");
    let outcome = run(feed, &Plan::default()).unwrap();
    assert_eq!(learned.picture.difference(&outcome.picture), None);
    for name in ["AAAUSD", "BBBUSD"] {
        let symbol = Symbol::new(name).unwrap();
        let values = values(&outcome, symbol);
        let at = |minute: i64| START + minute * MINUTE;
        for (width, count, minute) in [
            // The feed begins at 22:14.
            (Timeframe::H1, 1, 46),
            (Timeframe::H1, 20, 46),
            (Timeframe::H1, 20, 106),
            (Timeframe::D1, 5, 106),
            (Timeframe::D1, 40, 106),
            // A reload asks for these in minute 130.
            (Timeframe::H1, 2, 166),
            (Timeframe::H1, 33, 166),
            (Timeframe::H1, 33, 226),
        ] {
            check(feed, &values, symbol, (width, count, at(minute)));
        }
    }
    let bought = outcome.facts.iter().any(|fact| {
        matches!(&fact.body, Body::Order(everwarm_domain::fact::Order::Intent(intent))
            if intent.strategy == HOURLY && intent.side == Side::Buy)
    });
    assert!(bought, "the averages of hours cross");
}

#[test]
fn the_plain_loop_has_the_same_wide_bars() {
    let feed = Feed { script: Vec::new(), ..feed::wide() };
    let outcome = run(&feed, &Plan::default()).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    assert_eq!(plain::play(&feed).unwrap().difference(&outcome.picture), None);
}

#[test]
fn kills_while_wide_bars_are_loaded_make_no_difference() {
    kills_of("wide", &["closer", "AAAUSD", "indicator", HOURLY, "config"], 3);
}

/// A cold start on recorded minutes: 200 days lie in a file of their own.
#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_average_of_200_days_is_there_with_the_first_day() {
    let recording = Recording::open(&shared("data").join("coinbase"), None).unwrap();
    let mut settings = feed::settings();
    settings.strategy.0.get_mut(FIRST_STRATEGY).unwrap().section =
        r#"{"timeframe":"1d","fast":50,"slow":200}"#.to_owned();
    let market = move || -> Box<dyn everwarm_sim::market::Market> { Box::new(recording.clone()) };
    let whole = Feed { market: Arc::new(market), settings, ..feed::small() };
    let feed = short(&whole, 24 * 60 + 5);
    let outcome = run(&feed, &Plan::default()).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    let symbol = Symbol::new("BTCUSD").unwrap();
    let values = values(&outcome, symbol);
    // Nothing was traded in the last minute of that day.
    let first = (feed.market)().start() + (24 * 60 + 1) * MINUTE;
    for (count, wanted) in [(50, 9_220.203_4), (200, 9_490.199_25)] {
        let value = values[&(Timeframe::D1, format!("sma({count})@1d"), first)];
        assert!((value - wanted).abs() < 1e-9, "{count} days: {value}");
    }
    assert_eq!(values.len(), 2, "no value before: {values:?}");
}
