//! Tests the values of a plan through plan changes, saves and upgrades.

use super::super::feature::plan;
use super::*;
use crate::rollup::RollUp;
use crate::testing::{bar, configured, crossing, fact, facts_of, input, sym};
use everwarm_domain::fact::Retained;

fn under(fast: u32, slow: u32, timeframe: Timeframe, retained: Vec<Retained>) -> Body {
    let mut settings = crossing(fast, slow);
    settings.strategy.set("sma_cross", "timeframe", timeframe.name());
    let Body::Operator(Operator::ConfigApplied {
        generation, text, origins, values, source, ..
    }) = configured(&settings)
    else {
        panic!("it puts settings in force")
    };
    let applied = Operator::ConfigApplied { generation, text, origins, values, source, retained };
    Body::Operator(applied)
}

fn close(minute: i64, price: i64) -> Body {
    let (time, bars) = ((minute + 1) * 60_000, vec![bar("A", minute, price)]);
    Body::Market(Market::close(time, bars, Vec::new()))
}

fn plan_of(features: &[String]) -> Vec<Feature> {
    plan(features.iter().cloned())
}

/// The appended facts as text. The state is saved and loaded before.
fn appended(stage: &mut Indicators, n: u64, body: Body) -> String {
    let (bytes, before) = (stage.save(), std::mem::take(stage));
    stage.load(&bytes).unwrap();
    assert_eq!(stage.save(), bytes, "{before:?}");
    let words = facts_of(stage, &input(n, body)).into_iter().map(|body| {
        if let Body::Analysis(Analysis::FeaturePlan { plan, features }) = body {
            assert_eq!(plan, number(&plan_of(&features)));
            return format!("plan: {}", features.join(" "));
        }
        let Body::Analysis(Analysis::FeatureValues { plan, timeframe, table }) = body else {
            panic!("{body:?}")
        };
        assert!(plan > 0);
        let row = table.row(sym("A")).unwrap();
        let values = row.values.iter().map(|v| format!("{v}")).collect::<Vec<_>>();
        format!("{timeframe} {}", values.join(" "))
    });
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn a_plan_is_told_once_and_values_come_in_its_order() {
    let mut stage = Indicators::default();
    let text = appended(&mut stage, 5, under(2, 10, Timeframe::M1, Vec::new()));
    assert_eq!(text, "plan: sma(10)@1m sma(2)@1m");
    assert_eq!(appended(&mut stage, 6, under(2, 10, Timeframe::M1, Vec::new())), "");
    assert_eq!(appended(&mut stage, 7, close(1, 100)), "1m NaN NaN");
    assert_eq!(appended(&mut stage, 8, close(2, 102)), "1m NaN 101");
    assert_eq!(appended(&mut stage, 9, close(2, 900)), "", "the same bar again");
}

#[test]
fn who_stays_in_the_plan_goes_on_and_who_is_new_begins() {
    let mut stage = Indicators::default();
    appended(&mut stage, 1, under(1, 2, Timeframe::M1, Vec::new()));
    appended(&mut stage, 2, close(1, 100));
    assert_eq!(appended(&mut stage, 3, close(2, 102)), "1m 102 101");
    let former = r#"{"timeframe":"1m","fast":1,"slow":2}"#.to_owned();
    let retained =
        vec![Retained { id: "sma_cross".into(), settings: former, kind: "sma_cross".into() }];
    let text = appended(&mut stage, 4, under(2, 3, Timeframe::M1, retained));
    assert_eq!(text, "plan: sma(1)@1m sma(2)@1m sma(3)@1m");
    assert_eq!(appended(&mut stage, 5, close(3, 104)), "1m 104 103 NaN");
    assert_eq!(
        appended(&mut stage, 6, under(2, 3, Timeframe::M5, Vec::new())),
        "plan: sma(2)@5m sma(3)@5m"
    );
    assert_eq!(appended(&mut stage, 7, close(4, 104)), "");
}

#[test]
fn a_symbol_that_leaves_and_one_that_comes_move_no_other() {
    let mut stage = Indicators::default();
    appended(&mut stage, 1, under(1, 2, Timeframe::M1, Vec::new()));
    let both = |minute: i64, names: [(&str, i64); 2]| {
        let bars = names.map(|(name, price)| bar(name, minute, price)).to_vec();
        Body::Market(Market::close((minute + 1) * 60_000, bars, Vec::new()))
    };
    facts_of(&mut stage, &input(2, both(1, [("A", 100), ("C", 300)])));
    facts_of(&mut stage, &input(3, both(2, [("A", 102), ("B", 200)])));
    let unlisted =
        Market::Universe { asked: 0, basis: 0, listed: Vec::new(), unlisted: vec![sym("A")] };
    facts_of(&mut stage, &input(4, Body::Market(unlisted)));
    let facts = facts_of(&mut stage, &input(5, both(3, [("B", 204), ("C", 306)])));
    let [Body::Analysis(Analysis::FeatureValues { table, .. })] = &facts[..] else {
        panic!("{facts:?}")
    };
    let rows: Vec<_> = table.rows().map(|row| (row.head.symbol, row.values.to_vec())).collect();
    assert_eq!(rows, [(sym("B"), vec![204.0, 202.0]), (sym("C"), vec![306.0, 303.0])]);
}

#[test]
fn a_state_of_version_2_goes_on() {
    #[derive(Serialize)]
    struct Line {
        last: i64,
        fast: everwarm_analysis::Sma,
        slow: everwarm_analysis::Sma,
        ema: everwarm_analysis::Ema,
        atr: everwarm_analysis::Atr,
    }
    use everwarm_analysis::{Atr, Ema, Indicator as _, Sma};
    let mut line = Line {
        last: 120_000,
        fast: Sma::new(1),
        slow: Sma::new(2),
        ema: Ema::new(2),
        atr: Atr::new(14),
    };
    let mut lines = everwarm_domain::id::SymbolMap::default();
    for price in [100, 102] {
        let plain = super::super::plain(&bar("A", 1, price));
        line.fast.update(&plain);
        line.slow.update(&plain);
        line.ema.update(&plain);
        line.atr.update(&plain);
    }
    lines.insert(sym("A"), line);
    let need = (Timeframe::M1, 1_u32, 2_u32);
    let current = std::collections::BTreeMap::from([(400_u16, need)]);
    let entered = std::collections::BTreeMap::from([((400_u16, sym("A")), need)]);
    let old = (vec![(need, lines)], current, entered, Vec::<u8>::new());
    let mut stage = Indicators::default();
    let bytes = crate::testing::old_state(2, &old);
    stage.convert(2, &bytes).unwrap();
    assert_eq!(stage.closed.0, 180_000, "a reload before the next close counts from here");
    assert_eq!(appended(&mut stage, 9, close(2, 500)), "plan: sma(1)@1m sma(2)@1m", "not newer");
    assert_eq!(appended(&mut stage, 10, close(3, 104)), "1m 104 103");
    assert!(stage.convert(2, &bytes[..9]).is_err());
}

/// History of A: bars of these minutes, for features of a plan.
fn past(minutes: impl Iterator<Item = i64>, plan: u64) -> Body {
    let (symbol, timeframe) = (sym("A"), Timeframe::M1);
    let bars = minutes.map(|minute| bar("A", minute, price(minute))).collect();
    Body::Market(Market::HistoryBars { symbol, timeframe, bars, plan })
}

/// The minute without a bar: the last one of a wider bar.
const GAP: i64 = 34;

fn price(minute: i64) -> i64 {
    100 + minute * minute % 31
}

fn plan_under(fast: u32, slow: u32, timeframe: Timeframe) -> u64 {
    number(&plan_of(&[format!("sma({fast})@{timeframe}"), format!("sma({slow})@{timeframe}")]))
}

#[test]
fn a_feature_that_joins_is_as_if_it_had_always_been_there_once_its_past_is_loaded() {
    // The range is loaded so many closes after the reload.
    for late in 0..3 {
        let mut always = Indicators::default();
        let mut joins = Indicators::default();
        appended(&mut always, 1, under(4, 9, Timeframe::M1, Vec::new()));
        appended(&mut joins, 1, under(2, 9, Timeframe::M1, Vec::new()));
        for stage in [&mut always, &mut joins] {
            appended(stage, 2, past(0..20, 0));
        }
        for minute in 20..60 {
            let n = u64::try_from(minute * 10).unwrap();
            if minute == 40 {
                let text = appended(&mut joins, n, under(4, 9, Timeframe::M1, Vec::new()));
                assert_eq!(text, "plan: sma(4)@1m sma(9)@1m");
            }
            if minute == 40 + late {
                let now = plan_under(4, 9, Timeframe::M1);
                assert_eq!(
                    appended(&mut joins, n + 1, past(0..40, now + 1)),
                    "",
                    "of another plan"
                );
                assert_eq!(appended(&mut always, n + 2, past(0..40, now)), "", "nobody waits");
                assert_eq!(appended(&mut joins, n + 2, past(20..40, now)), "");
                assert_eq!(appended(&mut joins, n + 3, past(20..40, now)), "", "once");
            }
            let body = close(minute, price(minute));
            let (wanted, got) =
                (appended(&mut always, n + 9, body.clone()), appended(&mut joins, n + 9, body));
            let (first, rest) = wanted.split_once(' ').unwrap();
            let slow = rest.split_once(' ').unwrap().1;
            match minute {
                ..40 => {}
                _ if minute < 40 + late => assert_eq!(got, format!("{first} NaN {slow}")),
                _ => assert_eq!(got, wanted, "{minute}, {late} closes late"),
            }
        }
    }
}

#[test]
fn a_wide_feature_that_joins_goes_on_from_the_minutes_of_the_past() {
    // In the middle of a wide bar, at its end, behind one that lacks its last minute.
    for join in [32, 33, 35, 36] {
        for late in [0, 1, 7] {
            let (mut roll_up, mut always, mut joins) =
                (RollUp::default(), Indicators::default(), Indicators::default());
            let wide = || under(2, 3, Timeframe::M5, Vec::new());
            appended(&mut always, 1, wide());
            appended(&mut joins, 1, under(2, 3, Timeframe::M1, Vec::new()));
            facts_of(&mut roll_up, &input(2, past(0..20, 0)));
            for stage in [&mut always, &mut joins] {
                appended(stage, 2, past(0..20, 0));
            }
            for minute in 20..60 {
                let n = u64::try_from(minute * 10).unwrap();
                if minute == join {
                    assert_eq!(appended(&mut joins, n, wide()), "plan: sma(2)@5m sma(3)@5m");
                }
                if minute == join + late {
                    let now = plan_under(2, 3, Timeframe::M5);
                    assert_eq!(
                        appended(
                            &mut joins,
                            n + 2,
                            past((3..join).filter(|minute| *minute != GAP), now)
                        ),
                        ""
                    );
                }
                let bars =
                    if minute == GAP { vec![] } else { vec![bar("A", minute, price(minute))] };
                let missing = if minute == GAP { vec![sym("A")] } else { vec![] };
                let body = Body::Market(Market::close((minute + 1) * 60_000, bars, missing));
                appended(&mut always, n + 9, body.clone());
                appended(&mut joins, n + 9, body.clone());
                for rolled in facts_of(&mut roll_up, &input(n + 9, body)) {
                    let wide_values = |stage: &mut Indicators| {
                        let facts = facts_of(stage, &fact(n + 9, 100, rolled.clone()));
                        let wide = |body: &Body| {
                            let Body::Analysis(Analysis::FeatureValues { timeframe, .. }) = body
                            else {
                                return false;
                            };
                            *timeframe == Timeframe::M5
                        };
                        facts.into_iter().filter(wide).collect::<Vec<_>>()
                    };
                    let (wanted, got) = (wide_values(&mut always), wide_values(&mut joins));
                    if minute >= join + late {
                        assert_eq!(got, wanted, "{minute}, joined at {join}, {late} late");
                    }
                }
            }
        }
    }
}

#[test]
fn a_feature_whose_past_does_not_come_waits_no_longer_than_it_takes_to_be_warm() {
    let (mut cold, mut waits) = (Indicators::default(), Indicators::default());
    appended(&mut waits, 2, past(0..20, 0));
    for (stage, first) in [(&mut cold, 3), (&mut waits, 2)] {
        appended(stage, 3, under(first, 5, Timeframe::M1, Vec::new()));
        appended(stage, 4, under(3, 6, Timeframe::M1, Vec::new()));
    }
    for minute in 20..30 {
        let (n, body) = (u64::try_from(minute).unwrap(), close(minute, price(minute)));
        assert_eq!(appended(&mut waits, n, body.clone()), appended(&mut cold, n, body), "{minute}");
    }
    // An empty range ends the wait. So does the end of the listing.
    let mut stage = waits;
    appended(&mut stage, 40, under(7, 8, Timeframe::M1, Vec::new()));
    let (symbol, timeframe, plan) = (sym("A"), Timeframe::M1, plan_under(7, 8, Timeframe::M1));
    let (from, to, count, digest) = (0, 0, 0, 0);
    let none = Market::HistoryLoaded { symbol, timeframe, from, to, count, digest, plan };
    assert!(!stage.series[0].is_settled());
    appended(&mut stage, 41, Body::Market(none));
    assert!(stage.series[0].is_settled());
    appended(&mut stage, 42, under(8, 9, Timeframe::M1, Vec::new()));
    assert!(!stage.series[0].is_settled());
    let unlisted = vec![symbol];
    let gone = Market::Universe { asked: 0, basis: 0, listed: Vec::new(), unlisted };
    appended(&mut stage, 43, Body::Market(gone));
    assert!(stage.series[0].is_settled());
}

/// A bar of A at one price.
fn token(minute: i64, price: &str) -> Body {
    let price = everwarm_domain::money::Price::exact(price.parse().unwrap()).unwrap();
    let bar = Bar { open: price, high: price, low: price, close: price, ..bar("A", minute, 1) };
    Body::Market(Market::close((minute + 1) * 60_000, vec![bar], Vec::new()))
}

#[test]
fn averages_of_a_tiny_price_are_those_of_its_digits() {
    let mut stage = Indicators::default();
    appended(&mut stage, 1, under(2, 3, Timeframe::M1, Vec::new()));
    assert_eq!(appended(&mut stage, 2, token(1, "0.000000000031")), "1m NaN NaN");
    let text = appended(&mut stage, 3, token(2, "0.0000000000312"));
    assert_eq!(text, format!("1m {}", joined(&[311e-13, f64::NAN])));
    let text = appended(&mut stage, 4, token(3, "0.0000000000321"));
    assert_eq!(text, format!("1m {}", joined(&[633e-13 / 2.0, 943e-13 / 3.0])));
    // This price does not fit the earlier decimals: all features are reset.
    assert_eq!(appended(&mut stage, 5, token(4, "1000000000")), "1m NaN NaN");
    assert_eq!(appended(&mut stage, 6, token(5, "1000000000")), "1m 1000000000 NaN");
    stage.check();
}

fn joined(values: &[f64]) -> String {
    values.iter().map(|v| format!("{v}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_state_of_version_3_goes_on() {
    use super::super::old::{Old3, Saved3};
    let (mut stage, mut other) = (Indicators::default(), Indicators::default());
    for stage in [&mut stage, &mut other] {
        appended(stage, 1, under(2, 3, Timeframe::M1, Vec::new()));
        appended(stage, 2, close(1, 100));
        appended(stage, 3, close(2, 102));
    }
    let State { plan, plan_appended, features, series, past, closed, .. } =
        everwarm_kernel::state::load(FORMAT, &stage.save()).unwrap();
    let series = series.into_iter().map(|saved| Saved3 {
        timeframe: saved.timeframe,
        symbols: saved.symbols,
        banks: saved.banks,
        waits: Vec::new(),
    });
    let old = Old3 { plan, plan_appended, features, series: series.collect(), past, closed };
    let mut stage = Indicators::default();
    stage.convert(3, &everwarm_kernel::state::save(3, &old)).unwrap();
    assert_eq!(appended(&mut stage, 4, close(3, 107)), appended(&mut other, 4, close(3, 107)));
}

#[test]
fn a_state_of_version_5_goes_on_with_the_bars_of_its_waiting_features() {
    use super::super::old::{Old5, Saved5};
    let mut stage = Indicators::default();
    appended(&mut stage, 1, past(0..20, 0));
    appended(&mut stage, 2, under(2, 9, Timeframe::M1, Vec::new()));
    appended(&mut stage, 3, under(5, 9, Timeframe::M1, Vec::new()));
    appended(&mut stage, 4, close(20, price(20)));
    appended(&mut stage, 5, close(21, price(21)));
    assert!(!stage.series[0].is_settled());
    let State { plan, plan_appended, features, series, past, closed, calendar } =
        state::load(FORMAT, &stage.save()).unwrap();
    let series = series.into_iter().map(|saved| {
        let waits = saved.waits.into_iter().map(|(symbol, features, bars)| {
            let bars = bars.into_iter().map(|(time, scale, prices, _)| (time, scale, prices));
            (symbol, features, bars.collect())
        });
        let (timeframe, symbols, banks) = (saved.timeframe, saved.symbols, saved.banks);
        Saved5 { timeframe, symbols, banks, waits: waits.collect(), scales: saved.scales }
    });
    let series = series.collect();
    let old = Old5 { plan, plan_appended, features, series, past, closed, calendar };
    let bytes = state::save(5, &old);
    let head = state::head(&bytes).unwrap().unwrap();
    assert_eq!(head.fingerprint, 0xf17a_0200_d40f_5326, "the type of version 5");
    let mut resumed = Indicators::default();
    resumed.convert(5, &bytes).unwrap();
    for minute in 22..30 {
        let (n, body) = (u64::try_from(minute).unwrap(), close(minute, price(minute)));
        let (want, got) = (appended(&mut stage, n, body.clone()), appended(&mut resumed, n, body));
        assert_eq!(got, want, "{minute}");
    }
    assert!(resumed.convert(5, &bytes[..9]).is_err());
}

#[test]
fn an_average_price_that_joins_within_a_day_is_that_of_the_whole_day() {
    const MIDNIGHT: i64 = 1_440;
    let vwap = || plan_of(&["vwap@1m".to_owned()]);
    for late in 0..3 {
        let (mut always, mut joins) = (Indicators::default(), Indicators::default());
        always.configure(vwap());
        joins.configure(plan_of(&["close@1m".to_owned()]));
        for stage in [&mut always, &mut joins] {
            appended(stage, 1, past(MIDNIGHT - 30..MIDNIGHT + 100, 0));
        }
        let join = MIDNIGHT + 120;
        for minute in MIDNIGHT + 100..join + 20 {
            let n = u64::try_from(minute * 10).unwrap();
            if minute == join {
                joins.configure(vwap());
            }
            if minute == join + late {
                let history = past(MIDNIGHT - 30..join, number(&vwap()));
                assert_eq!(appended(&mut joins, n, history), if late == 0 { PLAN } else { "" });
            }
            let body = close(minute, price(minute));
            let got = appended(&mut joins, n + 1, body.clone());
            let want = appended(&mut always, n + 1, body);
            match minute - join {
                ..0 => {}
                after if after < late => assert!(got.ends_with("1m NaN"), "{minute}: {got}"),
                _ => assert_eq!(got, want, "{minute}, {late} closes late"),
            }
        }
    }
}

const PLAN: &str = "plan: vwap@1m";
