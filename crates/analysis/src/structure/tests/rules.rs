//! Single rules, each by bars written for it, and bars that have no structure.

use super::{Saved, bar, events, level, more, number, only, path, restored, save, short, zone};
use crate::Bar;
use crate::structure::{
    BreakBy, Breaks, Event, Gaps, Kind, Liquidity, MitigateBy, Named, OPEN_MAX, OrderBlocks, Place,
    Side, Swings,
};

const UNIT: i64 = 100_000_000;

/// Bars with many structures.
fn wild(count: i64) -> Vec<Bar> {
    let price = |at: i64| 1_000 + (at * at * 7 + at * 13) % 41 + (at / 9 % 5) * 8;
    let one = |at: i64| {
        let (open, close) = (price(at) + at % 3, price(at + 1));
        bar([open, open.max(close) + at % 4, open.min(close) - at % 2, close])
    };
    (0..count).map(one).collect()
}

/// Calls a check with each structure.
macro_rules! with_each {
    ($check:ident, $($more:expr),*) => {
        $check(&Swings::new(3), $($more),*);
        $check(&Gaps::new(false), $($more),*);
        $check(&Gaps::new(true), $($more),*);
        $check(&Breaks::new(3, BreakBy::Close), $($more),*);
        $check(&Breaks::new(3, BreakBy::Extreme), $($more),*);
        $check(&OrderBlocks::new(3, MitigateBy::Extreme), $($more),*);
        $check(&OrderBlocks::new(3, MitigateBy::Body), $($more),*);
        $check(&Liquidity::new(3, 100), $($more),*);
    };
}

fn a_bad_bar_changes_nothing<S: Saved>(fresh: &S, bars: &[Bar]) {
    let good = bar([10, 12, 8, 11]);
    let bad = [
        Bar { open: 0, ..good },
        Bar { low: 0, ..good },
        Bar { low: -UNIT, ..good },
        Bar { open: -UNIT, high: -UNIT, low: -UNIT, close: -UNIT, ..good },
        Bar { high: 9 * UNIT, ..good },
        Bar { low: 11 * UNIT, ..good },
        Bar { close: 13 * UNIT, ..good },
        Bar { open: 7 * UNIT, ..good },
        Bar { scale: 7, ..good },
        Bar { scale: 19, ..good },
    ];
    let (mut with, mut without) = (fresh.clone(), fresh.clone());
    let (mut seen, mut want) = (Vec::new(), Vec::new());
    for one in bars {
        let before = (save(&with), seen.clone());
        for bar in bad {
            assert!(!with.update(&bar, &mut seen), "{bar:?} is taken");
        }
        assert_eq!((save(&with), seen.clone()), before);
        assert!(with.update(one, &mut seen) && without.update(one, &mut want));
    }
    assert_eq!(seen, want);
    assert!(!want.is_empty(), "the bars show nothing");
}

#[test]
fn a_bar_that_is_not_valid_changes_nothing() {
    let bars = wild(200);
    with_each!(a_bad_bar_changes_nothing, &bars);
}

fn has_none<S: Saved>(fresh: &S, bars: &[Bar]) {
    assert_eq!(events(fresh.clone(), bars), []);
}

#[test]
fn no_bar_one_bar_and_few_bars_have_no_event() {
    with_each!(has_none, &[]);
    with_each!(has_none, &[bar([10, 12, 8, 11])]);
    with_each!(has_none, &wild(2));
}

#[test]
fn a_flat_market_has_one_swing_and_nothing_else() {
    let flat = vec![bar([10; 4]); 300];
    // Equal highs all qualify, so the first candidate is a high. Nothing ever replaces it.
    let swings = events(Swings::new(3), &flat);
    assert_eq!(short(&swings), [("swing_confirmed", "high", 5, 8)]);
    has_none(&Gaps::new(false), &flat);
    has_none(&Gaps::new(true), &flat);
    has_none(&Breaks::new(3, BreakBy::Close), &flat);
    has_none(&Breaks::new(3, BreakBy::Extreme), &flat);
    has_none(&OrderBlocks::new(3, MitigateBy::Extreme), &flat);
    has_none(&Liquidity::new(3, 100), &flat);
}

fn more_decimals_change_no_event<S: Saved>(fresh: &S, bars: &[Bar]) {
    let wide = |bar: &Bar| bar.at(10).unwrap();
    let price = |event: &Event| match event.place {
        Place::Level(level) => [event.quote(level); 2].map(f64::to_bits),
        Place::Zone { top, bottom } => [top, bottom].map(|price| event.quote(price).to_bits()),
    };
    let plain = |events: &[Event]| -> Vec<_> {
        let one = |of: &Event| (of.kind, of.side, of.index, of.known, of.broken, price(of));
        events.iter().map(one).collect()
    };
    for cut in 1..150 {
        let mut structure = fresh.clone();
        let mut all = more(&mut structure, 0, &bars[..cut]);
        assert!(structure.rescale(100));
        let rest: Vec<Bar> = bars[cut..].iter().map(wide).collect();
        all.extend(more(&mut structure, cut, &rest));
        assert_eq!(plain(&all), plain(&events(fresh.clone(), bars)));
        let mut always = fresh.clone();
        more(&mut always, 0, &bars.iter().map(wide).collect::<Vec<Bar>>());
        assert_eq!(save(&structure), save(&always));
        assert!(!structure.rescale(i64::MAX), "prices of that size do not fit");
    }
}

#[test]
fn more_decimals_change_nothing() {
    with_each!(more_decimals_change_no_event, &wild(200));
}

/// Bars in which, with length 3, the high of the first is replaced by that of the sixth.
fn replacement(raised: i64) -> impl Iterator<Item = Bar> {
    let rows = [
        // A high and a low: it counts as a high. No later low is as low until the high is final.
        [96, 104, 89, 97],
        [97, 98, 95, 96],
        [96, 99, 96, 98],
        [98, 100, 97, 99],
        [99, 101, 98, 100],
        [100, 107, 99, 101],
        [101, 103, 100, 102],
        [102, 104, 101, 103],
        // A candidate, too, but lower.
        [103, 105, 102, 104],
        [104, 104, 90, 91],
        [91, 92, 85, 86],
        [86, 90, 86, 89],
        [89, 91, 87, 90],
        [90, 92, 88, 91],
    ];
    rows.into_iter().map(move |row| bar(row.map(|price| price + raised)))
}

#[test]
fn a_swing_is_replaced_until_one_of_the_other_type_follows() {
    let begin = (0..5).map(|at| bar([90 + at, 91 + at, 90 + at, 91 + at]));
    let bars: Vec<Bar> = begin.chain(replacement(0)).collect();
    assert_eq!(
        short(&events(Swings::new(3), &bars)),
        [
            ("swing_confirmed", "high", 5, 8),
            ("swing_replaced", "high", 5, 13),
            ("swing_confirmed", "high", 10, 13),
            ("swing_final", "high", 10, 18),
            ("swing_confirmed", "low", 15, 18),
        ]
    );
}

#[test]
fn gaps_join_and_end_at_the_first_touch() {
    // Bars 1 and 2 have bullish gaps: 10 to 12 and 12 to 13. Bar 4 touches the top of both.
    let bars = [
        bar([9, 10, 9, 10]),
        bar([10, 12, 10, 12]),
        bar([12, 13, 12, 13]),
        bar([13, 15, 13, 15]),
        bar([15, 15, 13, 14]),
        bar([14, 14, 11, 11]),
    ];
    let apart = events(Gaps::new(false), &bars);
    assert_eq!(
        short(&apart),
        [
            ("fvg", "bullish", 1, 2),
            ("fvg", "bullish", 2, 3),
            ("fvg_mitigated", "bullish", 2, 4),
            ("fvg_mitigated", "bullish", 1, 5),
        ]
    );
    assert_eq!(
        (zone(&apart[0]), zone(&apart[1])),
        ((12 * UNIT, 10 * UNIT), (13 * UNIT, 12 * UNIT))
    );
    let joined = events(Gaps::new(true), &bars);
    assert_eq!(
        short(&joined),
        [
            ("fvg", "bullish", 1, 2),
            ("fvg_removed", "bullish", 1, 3),
            ("fvg", "bullish", 2, 3),
            ("fvg_mitigated", "bullish", 2, 4),
        ]
    );
    assert_eq!(zone(&joined[2]), (13 * UNIT, 10 * UNIT));
    // The middle bar needs the colour of the gap.
    let mut other = bars;
    other[1] = bar([12, 12, 10, 10]);
    assert_eq!(only(&events(Gaps::new(false), &other), Kind::Gap).len(), 1);
}

#[test]
fn a_gap_that_is_touched_as_it_is_joined_is_removed() {
    // Bar 3 completes the second gap and reaches down to the top of the first.
    let bars =
        [bar([9, 10, 9, 10]), bar([10, 11, 10, 11]), bar([13, 14, 13, 14]), bar([14, 16, 12, 16])];
    let apart = short(&events(Gaps::new(false), &bars));
    assert!(apart.contains(&("fvg_mitigated", "bullish", 1, 3)), "{apart:?}");
    let joined = short(&events(Gaps::new(true), &bars));
    let want = [("fvg", "bullish", 1, 2), ("fvg_removed", "bullish", 1, 3)];
    assert_eq!(joined[..2], want);
    assert!(!joined.iter().any(|event| event.0 == "fvg_mitigated"), "{joined:?}");
}

#[test]
fn a_trend_continues_or_turns() {
    // Lows 96 and 99, highs 108 and 112: the trend continues, by the close of the bar at 109.
    let up = path(&[100, 104, 96, 108, 99, 112, 104]);
    let found = events(Breaks::new(3, BreakBy::Close), &up);
    assert_eq!(short(&found), [("bos", "bullish", 23, 48)]);
    assert_eq!((level(&found[0]), found[0].broken), (108 * UNIT, Some(42)));
    // Lows 96 and 94: the trend turns.
    let turned = path(&[100, 104, 96, 108, 94, 112, 104]);
    let found = events(Breaks::new(3, BreakBy::Close), &turned);
    assert_eq!(short(&found), [("choch", "bullish", 23, 58)]);
    // The mirror images.
    let mirror = |points: &[i64]| path(&points.iter().map(|p| 200 - p).collect::<Vec<i64>>());
    let down = events(Breaks::new(3, BreakBy::Close), &mirror(&[100, 104, 96, 108, 99, 112, 104]));
    assert_eq!(short(&down), [("bos", "bearish", 23, 48)]);
}

#[test]
fn an_order_block_is_mitigated_and_then_invalidated() {
    // The high 108 is broken. The lowest bar since then is the last one of the fall to 99. The
    // market falls below its low 99, and rises above its high 100 again.
    let bars = path(&[100, 104, 96, 108, 99, 112, 97, 104]);
    let found = events(OrderBlocks::new(3, MitigateBy::Extreme), &bars);
    let of: Vec<_> = found.iter().filter(|event| event.side == Side::Up).copied().collect();
    assert_eq!(
        short(&of),
        [
            ("ob", "bullish", 33, 42),
            ("ob_mitigated", "bullish", 33, 59),
            ("ob_invalidated", "bullish", 33, 64),
        ]
    );
    assert_eq!(zone(&of[0]), (100 * UNIT, 99 * UNIT));
    // Without the second rise it stays mitigated. The fall below 99 made a bearish block as well.
    let bars = path(&[100, 104, 96, 108, 99, 112, 97]);
    let mut blocks = OrderBlocks::new(3, MitigateBy::Extreme);
    more(&mut blocks, 0, &bars);
    assert_eq!(blocks.open(), 2);
}

/// Highs of `ends`, after which the market falls to `low` each time. About 1 of average range.
fn highs(ends: &[i64], low: i64) -> Vec<Bar> {
    let points: Vec<i64> = ends.iter().flat_map(|high| [low, *high]).chain([low]).collect();
    path(&points)
}

#[test]
fn highs_at_one_price_are_liquidity_until_a_bar_passes_them() {
    let equal = events(Liquidity::new(3, 50), &highs(&[110, 120, 120, 115], 100));
    let of: Vec<_> = equal.iter().filter(|event| event.side == Side::Up).copied().collect();
    assert_eq!(short(&of), [("liquidity", "high", 39, 82)]);
    assert_eq!(level(&of[0]), 120 * UNIT);
    let swept = events(Liquidity::new(3, 50), &highs(&[110, 120, 120, 125], 100));
    let of: Vec<_> = swept.iter().filter(|event| event.side == Side::Up).copied().collect();
    // The tolerance is half of 1, so the first bar above 120 sweeps.
    assert_eq!(short(&of), [("liquidity", "high", 39, 82), ("liquidity_swept", "high", 39, 120)]);
    // 121 is too far from 120, and passes it.
    let apart = events(Liquidity::new(3, 50), &highs(&[110, 120, 121, 115], 100));
    assert!(!apart.iter().any(|event| event.side == Side::Up), "{apart:?}");
}

#[test]
fn a_group_that_loses_its_second_swing_is_removed() {
    // The tolerance is 4. The high 114 joins that of 115. Then 117 replaces it, which joins the
    // older high of 120.
    let bars: Vec<Bar> =
        path(&[100, 120, 100, 115, 100, 106]).into_iter().chain(replacement(10)).collect();
    let found = events(Liquidity::new(3, 400), &bars);
    let of: Vec<_> = found.iter().filter(|event| event.side == Side::Up).copied().collect();
    assert_eq!(
        short(&of),
        [
            ("liquidity", "high", 54, 79),
            ("liquidity", "high", 19, 84),
            ("liquidity_removed", "high", 54, 84),
        ]
    );
}

#[test]
fn the_oldest_of_too_many_is_removed_with_an_event() {
    let count = i64::try_from(OPEN_MAX).unwrap() + 6;
    // Rising bars with a gap at each one but the first and the last.
    let rising: Vec<Bar> =
        (1..=count + 2).map(|at| bar([at * 10, at * 10 + 5, at * 10, at * 10 + 5])).collect();
    let mut gaps = Gaps::new(false);
    let found = more(&mut gaps, 0, &rising);
    let removed: Vec<u64> =
        only(&found, Kind::GapRemoved).iter().map(|event| event.index).collect();
    assert_eq!((gaps.open(), &removed[..]), (OPEN_MAX, &[1, 2, 3, 4, 5, 6][..]));
    // Each wave breaks the high before it and has its low above the one before it.
    let waves: Vec<i64> = (0..count + 2).flat_map(|at| [100 + at * 5, 112 + at * 5]).collect();
    let mut blocks = OrderBlocks::new(2, MitigateBy::Extreme);
    let found = more(&mut blocks, 0, &path(&waves));
    let oldest: Vec<u64> =
        only(&found, Kind::Block).iter().map(|event| event.index).take(OPEN_MAX).collect();
    let removed: Vec<u64> =
        only(&found, Kind::BlockRemoved).iter().map(|event| event.index).collect();
    assert_eq!(blocks.open(), OPEN_MAX);
    assert!(!removed.is_empty() && removed == oldest[..removed.len()], "{removed:?}");
    // Each wave has two equal lows above those before them.
    let waves: Vec<i64> = (0..count + 2)
        .flat_map(|at| [110 + at * 8, 100 + at * 8, 108 + at * 8, 100 + at * 8])
        .collect();
    let mut liquidity = Liquidity::new(2, 50);
    let found = more(&mut liquidity, 0, &path(&waves));
    assert_eq!(liquidity.open(), OPEN_MAX);
    let low = |event: &Event| event.side == Side::Down;
    let removed = only(&found, Kind::LiquidityRemoved);
    assert!(!removed.is_empty() && removed.iter().all(low), "{removed:?}");
}

#[test]
fn each_name_makes_its_structure() {
    let bars = wild(300);
    let all = |text: &str| {
        let named: Named = text.parse().unwrap();
        let (mut structure, mut all) = (named.structure(), Vec::new());
        for bar in &bars {
            assert!(structure.update(bar, &mut all));
        }
        all.retain(|event| named.means(event.kind));
        all
    };
    assert_eq!(all("swings:3"), events(Swings::new(3), &bars));
    assert_eq!(all("fvg"), events(Gaps::new(false), &bars));
    assert_eq!(all("fvg:join"), events(Gaps::new(true), &bars));
    assert_eq!(all("ob:3"), events(OrderBlocks::new(3, MitigateBy::Extreme), &bars));
    let liquidity = Liquidity::new(3, Liquidity::TOLERANCE);
    assert_eq!(all("liquidity:3"), events(liquidity, &bars));
    let mut both = [all("bos:3"), all("choch:3")].concat();
    both.sort_by_key(|event| event.known);
    let mut breaks = events(Breaks::new(3, BreakBy::Close), &bars);
    breaks.sort_by_key(|event| (event.known, event.kind));
    both.sort_by_key(|event| (event.known, event.kind));
    assert_eq!(both, breaks);
    assert!(!all("bos:3").is_empty() && !all("choch:3").is_empty());
}

#[test]
fn a_restart_at_each_bar_changes_nothing() {
    let bars = wild(200);
    let mut structure = OrderBlocks::new(3, MitigateBy::Extreme);
    let mut all = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        structure = super::restore(&save(&structure));
        all.extend(more(&mut structure, at, std::slice::from_ref(bar)));
    }
    let whole = events(OrderBlocks::new(3, MitigateBy::Extreme), &bars);
    assert_eq!(all, whole);
    assert_eq!(restored(OrderBlocks::new(3, MitigateBy::Extreme), &bars).0, whole);
    assert!(whole.iter().all(|event| event.known < number(bars.len())));
}
