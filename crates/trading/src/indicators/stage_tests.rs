//! What a plan computes, through changes of it, saves and upgrades.

use super::*;
use crate::testing::{bar, configured, crossing, facts_of, input, sym};
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

/// What is said, in words; the state is saved and read before it is asked.
fn said(stage: &mut Indicators, n: u64, body: Body) -> String {
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
    let told = said(&mut stage, 5, under(2, 10, Timeframe::M1, Vec::new()));
    assert_eq!(told, "plan: sma(10)@1m sma(2)@1m");
    assert_eq!(said(&mut stage, 6, under(2, 10, Timeframe::M1, Vec::new())), "");
    assert_eq!(said(&mut stage, 7, close(1, 100)), "1m NaN NaN");
    assert_eq!(said(&mut stage, 8, close(2, 102)), "1m NaN 101");
    assert_eq!(said(&mut stage, 9, close(2, 900)), "", "the same bar again");
}

#[test]
fn who_stays_in_the_plan_goes_on_and_who_is_new_begins() {
    let mut stage = Indicators::default();
    said(&mut stage, 1, under(1, 2, Timeframe::M1, Vec::new()));
    said(&mut stage, 2, close(1, 100));
    assert_eq!(said(&mut stage, 3, close(2, 102)), "1m 102 101");
    let former = r#"{"timeframe":"1m","fast":1,"slow":2}"#.to_owned();
    let retained =
        vec![Retained { id: "sma_cross".into(), settings: former, kind: "sma_cross".into() }];
    let told = said(&mut stage, 4, under(2, 3, Timeframe::M1, retained));
    assert_eq!(told, "plan: sma(1)@1m sma(2)@1m sma(3)@1m");
    assert_eq!(said(&mut stage, 5, close(3, 104)), "1m 104 103 NaN");
    assert_eq!(
        said(&mut stage, 6, under(2, 3, Timeframe::M5, Vec::new())),
        "plan: sma(2)@5m sma(3)@5m"
    );
    assert_eq!(said(&mut stage, 7, close(4, 104)), "");
}

#[test]
fn a_symbol_that_leaves_and_one_that_comes_move_no_other() {
    let mut stage = Indicators::default();
    said(&mut stage, 1, under(1, 2, Timeframe::M1, Vec::new()));
    let both = |minute: i64, names: [(&str, i64); 2]| {
        let bars = names.map(|(name, price)| bar(name, minute, price)).to_vec();
        Body::Market(Market::close((minute + 1) * 60_000, bars, Vec::new()))
    };
    facts_of(&mut stage, &input(2, both(1, [("A", 100), ("C", 300)])));
    facts_of(&mut stage, &input(3, both(2, [("A", 102), ("B", 200)])));
    let unlisted =
        Market::Universe { asked: 0, basis: 0, listed: Vec::new(), unlisted: vec![sym("A")] };
    facts_of(&mut stage, &input(4, Body::Market(unlisted)));
    let told = facts_of(&mut stage, &input(5, both(3, [("B", 204), ("C", 306)])));
    let [Body::Analysis(Analysis::FeatureValues { table, .. })] = &told[..] else {
        panic!("{told:?}")
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
    assert_eq!(said(&mut stage, 9, close(2, 500)), "plan: sma(1)@1m sma(2)@1m", "not newer");
    assert_eq!(said(&mut stage, 10, close(3, 104)), "1m 104 103");
    assert!(stage.convert(2, &bytes[..9]).is_err());
}
