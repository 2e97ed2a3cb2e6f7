//! Tests the counts of past bars.

use super::*;
use everwarm_domain::time::DAY;
use everwarm_kernel::fact::Key;
use everwarm_trading::testing::{bar, input, sym};

fn loaded(symbol: &str, timeframe: Timeframe, (from, count): (UtcMs, u32), plan: u64) -> Body {
    let to = from + (i64::from(count) - 1) * timeframe.ms();
    let symbol = sym(symbol);
    Body::Market(Market::HistoryLoaded { symbol, timeframe, from, to, count, digest: 0, plan })
}

fn listed(symbols: &[&str]) -> Body {
    let row = |name: &&str| everwarm_domain::fact::Listed {
        symbol: sym(name),
        venue: AtVenue::Trading,
        wanted: true,
        why: String::new(),
    };
    let (listed, unlisted) = (symbols.iter().map(row).collect(), Vec::new());
    Body::Market(Market::Universe { asked: 0, basis: 0, listed, unlisted })
}

/// Strategies on minutes and on days.
fn begun() -> Coverage {
    let mut settings = everwarm_trading::testing::crossing(10, 30);
    let mut days = settings.strategy.0["sma_cross"].clone();
    days.section = r#"{"timeframe":"1d","fast":5,"slow":20}"#.to_owned();
    settings.strategy.0.insert("days".to_owned(), days);
    let mut coverage = Coverage::default();
    let applied = Operator::configured(1, &settings);
    coverage.fold(&input(1, Body::Operator(applied)));
    let features = ["sma(10)@1m", "sma(20)@1d", "sma(30)@1m", "sma(5)@1d"];
    coverage.fold(&derived(plan(7, &features)));
    coverage.fold(&input(2, listed(&["A", "B"])));
    coverage
}

fn plan(plan: u64, features: &[&str]) -> Body {
    let features = features.iter().map(|text| (*text).to_owned()).collect();
    Body::Analysis(Analysis::FeaturePlan { plan, features })
}

fn derived(body: Body) -> Fact<Body> {
    Fact { key: Key { n: 1, rank: 200, i: 0 }, ..input(1, body) }
}

/// Ready symbols of the strategies on days and on minutes, then the cold series.
fn shown(coverage: &Coverage) -> String {
    let view = coverage.view();
    let ready = view.strategies.iter().map(|one| format!("{}/{}", one.ready, one.symbols));
    let cold = view.cold.iter().map(|one| {
        let wait = one.ready_in_ms.map_or("?".to_owned(), |ms| (ms / 60_000).to_string());
        format!("{} {} {} of {} in {wait}", one.symbol, one.timeframe, one.bars, one.needed)
    });
    ready.chain(cold).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_strategy_is_ready_for_a_symbol_once_its_features_have_values() {
    let mut coverage = begun();
    let starts = shown(&coverage);
    assert!(starts.starts_with("0/2, 0/2, A 1m 0 of 30 in ?"), "{starts}");
    let midnight = 1_000 * DAY;
    let minutes = (midnight - 999 * MINUTE, 1_000);
    coverage.fold(&input(3, loaded("A", Timeframe::D1, (midnight - 19 * DAY, 19), 0)));
    coverage.fold(&input(4, loaded("A", Timeframe::M1, minutes, 0)));
    coverage.fold(&input(5, loaded("B", Timeframe::D1, (midnight - 20 * DAY, 20), 0)));
    coverage.fold(&input(6, loaded("B", Timeframe::M1, minutes, 0)));
    coverage.fold(&input(
        7,
        Body::Market(Market::close(midnight + MINUTE, vec![bar("A", 0, 1)], Vec::new())),
    ));
    assert_eq!(shown(&coverage), "1/2, 2/2, A 1d 19 of 20 in 1439");
    assert_eq!(coverage.view().counts(), (4, 3));
    let all = coverage.series();
    let names = all.iter().map(|one| format!("{} {}", one.symbol, one.timeframe));
    assert_eq!(names.collect::<Vec<_>>(), ["A 1m", "A 1d", "B 1m", "B 1d"]);
    let day =
        everwarm_domain::market::RolledBar { bar: bar("A", 0, 1), count: 1_440, complete: true };
    let bars = vec![day];
    let rolled = Analysis::Rolled { timeframe: Timeframe::D1, bars };
    coverage.fold(&derived(Body::Analysis(rolled)));
    assert_eq!(shown(&coverage), "2/2, 2/2");
}

#[test]
fn a_strategy_on_settled_values_is_ready_once_they_are_settled() {
    use everwarm_domain::settings::exits::AtrStop;
    use everwarm_domain::settings::{ExitRules, WarmUp};
    let ready = |warm_up, bars| {
        let mut settings = everwarm_trading::testing::crossing(10, 30);
        let stop_atr = Some(AtrStop { hundredths: 200, length: 14 });
        let exits = ExitRules { stop_atr, ..ExitRules::default() };
        settings.strategy.set_exits("sma_cross", exits);
        settings.strategy.0.get_mut("sma_cross").unwrap().warm_up = warm_up;
        let mut coverage = Coverage::default();
        coverage.fold(&input(1, Body::Operator(Operator::configured(1, &settings))));
        coverage.fold(&input(2, listed(&["A"])));
        coverage.fold(&input(3, loaded("A", Timeframe::M1, (DAY, bars), 0)));
        let (view, [series]) = (coverage.view(), &coverage.series()[..]) else { panic!() };
        assert_eq!(view.counts(), (1, u64::from(series.is_ready())));
        assert_eq!(view.symbols_ready, view.series_ready);
        (shown(&coverage), series.state)
    };
    let settling = SeriesState::Settling;
    assert_eq!(ready(WarmUp::First, 30), ("1/1".to_owned(), settling));
    assert!(ready(WarmUp::Settled, 79).0.starts_with("0/1, A 1m 79 of 80 in"));
    assert_eq!(ready(WarmUp::Settled, 79).1, settling);
    assert_eq!(ready(WarmUp::Settled, 80), ("1/1".to_owned(), SeriesState::Warm));
}

#[test]
fn a_feature_that_a_reload_adds_waits_for_its_bars() {
    let mut coverage = begun();
    let minutes = (1_000 * DAY, 1_000);
    for name in ["A", "B"] {
        coverage.fold(&input(3, loaded(name, Timeframe::D1, (0, 20), 0)));
        coverage.fold(&input(4, loaded(name, Timeframe::M1, minutes, 0)));
    }
    assert_eq!(shown(&coverage), "2/2, 2/2");
    coverage.fold(&derived(plan(8, &["sma(10)@1m", "sma(20)@1d", "sma(40)@1m", "sma(5)@1d"])));
    assert!(shown(&coverage).starts_with("0/2, 0/2, A 1m 1000 of 30 in ?"));
    coverage.fold(&input(5, loaded("A", Timeframe::M1, minutes, 8)));
    assert!(shown(&coverage).starts_with("1/2, 1/2, B 1m"), "{}", shown(&coverage));
    coverage.fold(&input(6, loaded("B", Timeframe::M1, minutes, 7)));
    assert!(shown(&coverage).starts_with("1/2, 1/2, B 1m"), "of another plan");
}

#[test]
fn minutes_make_whole_wide_bars_only() {
    let mut counts = Counts::default();
    // From 23:50 to 02:10.
    counts.loaded(Timeframe::M1, (DAY - 10 * MINUTE, DAY + 129 * MINUTE, 140));
    assert_eq!(counts.bars, [140, 28, 8, 2, 0, 0]);
}
