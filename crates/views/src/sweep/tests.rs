//! Tests of choosing and ranking.

use super::*;
use std::collections::BTreeMap;

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Figures of a part with this growth in thousandths, and 40 trades.
fn part(growth: i64) -> Figures {
    let gained = Decimal::from(growth.max(0));
    let lost = Decimal::from((-growth).max(0));
    Figures { growth: Decimal::new(growth, 3), trades: 40, gained, lost, ..Figures::default() }
}

/// A plan with two axes of this many values, and parts of an hour.
fn plan(sizes: [usize; 2], parts: i64, train: usize) -> SweepPlan {
    let axis = |(key, count): (&str, usize)| Axis {
        key: format!("strategy.x.{key}"),
        values: (1..=count).map(|value| value.to_string()).collect(),
    };
    let hour = 3_600_000;
    SweepPlan {
        axes: ["fast", "slow"].into_iter().zip(sizes).map(axis).collect(),
        parts: (0..parts).map(|n| Part { from: n * hour, to: (n + 1) * hour }).collect(),
        train,
        ..SweepPlan::default()
    }
}

/// Points with the growth of each part, in thousandths.
fn played(points: &[&[i64]]) -> BTreeMap<u64, Outcome> {
    let outcome =
        |growths: &&[i64]| Outcome::Played(growths.iter().map(|growth| part(*growth)).collect());
    (0..).zip(points.iter().map(outcome)).collect()
}

#[test]
fn a_period_is_cut_into_equal_parts_of_full_minutes() {
    let parts = Part::cut(0, 10 * MINUTE, 3).unwrap();
    let minutes: Vec<(i64, i64)> =
        parts.iter().map(|part| (part.from / MINUTE, part.to / MINUTE)).collect();
    assert_eq!(minutes, [(0, 3), (3, 6), (6, 10)], "the last one has the rest");
    assert_eq!(Part::cut(0, 2 * MINUTE, 3).unwrap_err(), "2 minutes cannot be cut into 3 parts");
    assert!(Part::cut(0, 0, 1).is_err());
}

#[test]
fn the_last_key_changes_fastest_and_a_neighbour_is_one_step_away() {
    let plan = plan([2, 3], 2, 1);
    assert_eq!(plan.count(), Some(6));
    assert_eq!(plan.values(0), ["1", "1"]);
    assert_eq!(plan.values(2), ["1", "3"]);
    assert_eq!(plan.values(3), ["2", "1"]);
    assert_eq!(plan.pairs(5), [("strategy.x.fast", "2"), ("strategy.x.slow", "3")]);
    // Of point (1, 2): (1, 1), (1, 3) and (2, 2).
    let view = judge(
        &plan,
        Rank::Growth,
        &played(&[&[0, 10], &[0, 90], &[0, 30], &[0, 1], &[0, 20], &[0, 2]]),
    );
    assert_eq!(view.points[0].point, 1);
    assert_eq!(view.points[0].neighbours, Some(dec("0.02")), "the median of 0.01, 0.02 and 0.03");
    assert!(view.warnings.iter().any(|text| text.contains("stands alone")), "{view:?}");
    assert_eq!(html::words(&plan, 1), "fast=1 slow=2");
}

#[test]
fn the_train_parts_choose_and_the_test_part_judges() {
    let plan = plan([1, 3], 4, 2);
    // The best of the train parts, of the test parts, and neither.
    let view =
        judge(&plan, Rank::Growth, &played(&[&[50, 50, -20, -10], &[1, 1, 30, 30], &[0, 0, 0, 0]]));
    assert_eq!(view.points.iter().map(|it| it.point).collect::<Vec<_>>(), [1, 2, 0]);
    assert_eq!(view.points[0].train.growth, dec("0.002001"), "1.001 x 1.001");
    assert_eq!(view.points[0].test.growth, dec("0.0609"), "1.03 x 1.03");
    let chosen: Vec<(u64, Decimal)> =
        view.walk_forward.folds.iter().map(|fold| (fold.point, fold.result.growth)).collect();
    // Parts 1 and 2 choose point 1 for part 3: 1.05 x 0.98 is less than 1.001 x 1.03.
    assert_eq!(chosen, [(0, dec("-0.02")), (1, dec("0.03"))]);
    assert_eq!(view.walk_forward.figures.growth, dec("0.0094"), "0.98 x 1.03");
    assert_eq!(view.walk_forward.figures.trades, 80);
    assert_eq!(view.walk_forward.agreement, None, "three points");
}

#[test]
fn equal_points_are_chosen_by_their_number_and_a_point_without_trades_is_last() {
    let plan = plan([1, 3], 2, 1);
    let mut results = played(&[&[5, 5], &[5, 5], &[0, 0]]);
    results.insert(2, Outcome::Played(vec![Figures::default(); 2]));
    let view = judge(&plan, Rank::Growth, &results);
    assert_eq!(view.points.iter().map(|it| it.point).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(view.walk_forward.folds[0].point, 0);
    let none: BTreeMap<u64, Outcome> =
        (0..3).map(|point| (point, Outcome::Played(vec![Figures::default(); 2]))).collect();
    let view = judge(&plan, Rank::Growth, &none);
    assert_eq!(view.warnings, ["no point traded in the test parts"]);
    assert!(view.walk_forward.folds.is_empty(), "nothing to choose by");
}

#[test]
fn every_rank_has_its_figure() {
    let of = |trades, gained, lost| Figures {
        trades,
        gained: Decimal::from(gained),
        lost: Decimal::from(lost),
        ..Figures::default()
    };
    let [none, lossless, mixed] = [of(0, 0, 0), of(2, 3, 0), of(4, 3, 5)];
    let all = |rank: Rank| [&none, &lossless, &mixed].map(|figures| rank.of(figures));
    assert_eq!(all(Rank::Expectancy), [None, Some(dec("1.5")), Some(dec("-0.5"))]);
    assert_eq!(all(Rank::ProfitFactor), [None, Some(dec("1000")), Some(dec("0.6"))]);
    assert_eq!(all(Rank::Growth), [None, Some(dec("0")), Some(dec("0"))]);
    assert_eq!(all(Rank::Sharpe), [None, None, None]);
}

#[test]
fn thin_evidence_is_named() {
    let rising: Vec<Vec<i64>> = (0..6).map(|n| vec![n, n]).collect();
    let falling: Vec<Vec<i64>> = (0..6).map(|n| vec![n, 6 - n]).collect();
    let of = |rows: &[Vec<i64>]| {
        let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
        judge(&plan([1, 6], 2, 1), Rank::Growth, &played(&rows))
    };
    let [up, down] = [of(&rising), of(&falling)];
    assert_eq!(up.walk_forward.agreement, Some(Decimal::ONE));
    assert_eq!(down.walk_forward.agreement, Some(-Decimal::ONE));
    let end = "the best strategy.x.slow is 6, an end of its range: try values beyond it";
    assert_eq!(up.warnings, [end]);
    let has = |view: &SweepView, words: &str| view.warnings.iter().any(|it| it.contains(words));
    assert!(has(&down, "their ranks correlate by -1"), "{:?}", down.warnings);
    assert!(has(&down, "the chosen points reached growth 0.001"), "{:?}", down.warnings);
    let mut few = played(&[&[1, 1], &[2, 2]]);
    if let Some(Outcome::Played(parts)) = few.get_mut(&1) {
        parts[1].trades = 3;
    }
    few.insert(2, Outcome::Refused("fast must be below slow".to_owned()));
    let view = judge(&plan([1, 3], 2, 1), Rank::Growth, &few);
    assert!(has(&view, "the best point has 3 trades in the test parts"), "{:?}", view.warnings);
    assert!(has(&view, "invalid configuration: 1, like: fast must be below slow"));
    assert_eq!((view.played, view.refused), (2, 1));
}

#[test]
fn the_page_has_a_heat_map_and_needs_nothing_else() {
    let plan = plan([2, 2], 2, 1);
    let view = judge(&plan, Rank::Growth, &played(&[&[1, -40], &[1, 20], &[1, 10], &[1, 5]]));
    let page = html::page(&view, Rank::Growth);
    for words in [
        "Mean growth in the test parts, across fast, down slow",
        "var(--bad) 70%",
        "var(--go) 35%",
        "fast=1 slow=2",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains("http"), "it needs nothing else");
    let one = judge(&SweepPlan { axes: Vec::new(), ..plan }, Rank::Growth, &played(&[&[1, 2]]));
    assert!(html::page(&one, Rank::Growth).contains("Heat map"), "a grid of one point has none");
}
