//! What holds for any bars: a restored structure goes on as one that never stopped, later bars
//! change no event, and the events are those of the plain definitions.

use super::{Saved, events, level, more, number, only, restored, save, zone};
use crate::structure::tests::oracle;
use crate::structure::{
    BreakBy, Breaks, Event, Gaps, Kind, Liquidity, MitigateBy, OPEN_MAX, OrderBlocks, Side, Swings,
};
use crate::{Atr, Bar, Indicator, to_f64};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Bars with small steps, so that prices are often equal.
fn series(most: usize) -> impl Strategy<Value = Vec<Bar>> {
    let steps = prop::collection::vec((-2..=2_i64, -4..=4_i64, 0..=2_i64, 0..=2_i64), 1..most);
    steps.prop_map(|steps| {
        let mut close = 10_000;
        let next = |(jump, step, above, below): (i64, i64, i64, i64)| {
            let open = close + jump;
            close = open + step;
            super::bar([open, open.max(close) + above, open.min(close) - below, close])
        };
        steps.into_iter().map(next).collect()
    })
}

fn goes_on<S: Saved>(fresh: &S, bars: &[Bar], cut: usize) {
    let mut structure = fresh.clone();
    let whole = more(&mut structure, 0, bars);
    let (after_restarts, state) = restored(fresh.clone(), bars);
    assert_eq!(after_restarts, whole);
    assert_eq!(state, save(&structure));
    let begin = events(fresh.clone(), &bars[..cut]);
    let known: Vec<Event> = whole.into_iter().filter(|event| event.known < number(cut)).collect();
    assert_eq!(begin, known, "the bars from {cut} on changed an event");
}

/// A swing as (side, bar, price), with the bar of an event.
type Seen = (Side, usize, i64, usize);

fn seen(events: &[Event], kind: Kind) -> Vec<Seen> {
    let at = |number: u64| usize::try_from(number).unwrap();
    let one = |event: &Event| (event.side, at(event.index), level(event), at(event.known));
    only(events, kind).iter().map(one).collect()
}

/// A break: bar, side, level, breaking bar.
type Standing = (u64, Side, i64, Option<u64>);

/// The breaks that stand after each bar.
fn standing(events: &[Event], bars: usize) -> Vec<BTreeSet<Standing>> {
    let mut now = BTreeSet::new();
    let mut rest = events.iter().peekable();
    let mut all = Vec::new();
    for at in 0..bars {
        while let Some(event) = rest.next_if(|event| event.known == number(at)) {
            let item = (event.index, event.side, level(event), event.broken);
            let removed = matches!(event.kind, Kind::BosRemoved | Kind::ChochRemoved);
            assert!(if removed { now.remove(&item) } else { now.insert(item) }, "{event:?}");
        }
        all.push(now.clone());
    }
    all
}

fn blocks_as_defined(bars: &[Bar], length: u32, by: MitigateBy) {
    let all = events(OrderBlocks::new(length, by), bars);
    let known = oracle::swings(bars, length.try_into().unwrap());
    let defined = oracle::blocks(bars, by, |side, at| oracle::confirmed(&known, side, at));
    let mut want = BTreeSet::new();
    for block in defined {
        let at = [
            (Kind::Block, Some(block.known)),
            (Kind::BlockMitigated, block.mitigated),
            (Kind::BlockInvalidated, block.invalidated),
        ];
        for (kind, known) in at {
            want.extend(known.map(|known| {
                (kind, block.side, number(block.index), block.top, block.bottom, number(known))
            }));
        }
    }
    let found: BTreeSet<_> = all
        .iter()
        .map(|event| {
            let (top, bottom) = zone(event);
            (event.kind, event.side, event.index, top, bottom, event.known)
        })
        .collect();
    assert_eq!(found, want);
}

/// Side and bar of the reported groups that stay, with the bar that sweeps them.
type Pools = BTreeMap<(Side, usize), Option<usize>>;

fn pools_reported(events: &[Event]) -> Pools {
    let at = |number: u64| usize::try_from(number).unwrap();
    let mut all = BTreeMap::new();
    for event in events {
        let key = (event.side, at(event.index));
        if event.kind == Kind::Liquidity {
            assert_eq!(all.insert(key, None), None, "{event:?} is reported twice");
        } else if event.kind == Kind::LiquiditySwept {
            assert_eq!(all.insert(key, Some(at(event.known))), Some(None), "{event:?}");
        } else {
            assert_eq!(all.remove(&key), Some(None), "{event:?}");
        }
    }
    all
}

/// The groups of `events` are those of the definition over the swings that last. Besides, a group
/// may have been swept while one of its swings could still be replaced. Returns how many there are
/// of both.
pub fn pools_agree(bars: &[Bar], length: usize, events: &[Event]) -> (usize, usize) {
    let mut atr = Atr::new(Liquidity::RANGE_BARS);
    let ranges: Vec<f64> = bars.iter().map(|bar| atr.update(bar)).collect();
    let quote = |bar: &Bar| (to_f64(bar.high, bar.scale), to_f64(bar.low, bar.scale));
    let prices: Vec<_> = bars.iter().map(quote).collect();
    let all = oracle::swings(bars, length);
    let swing = |of: &oracle::Swing| (of.side, of.index, to_f64(of.price, crate::SCALE));
    let swings: Vec<_> = oracle::lasting(&all).iter().map(swing).collect();
    let part = f64::from(Liquidity::TOLERANCE) / 100.0;
    let tolerance = |at: usize| Some(ranges[at + length] * part).filter(|size| *size > 0.0);
    let pools = oracle::pools(&prices, &swings, tolerance);
    let mut reported = pools_reported(events);
    for pool in &pools {
        let found = reported.remove(&(pool.side, pool.index));
        assert_eq!(found, Some(pool.swept), "{pool:?}");
    }
    for ((side, index), swept) in &reported {
        let swept = swept.unwrap_or_else(|| panic!("the group at {index} is no group"));
        let known = |of: &&oracle::Swing| of.index > *index && of.known <= swept;
        let mut others = all.iter().filter(|of| of.side == *side).filter(known);
        let replaced = others.any(|of| of.replaced.is_some_and(|at| at > swept));
        assert!(replaced, "the group at {index} has one swing");
    }
    (pools.len(), reported.len())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_restart_and_later_bars_change_no_event(
        bars in series(500), length in 1..7_u32, cut in 0..500_usize
    ) {
        let cut = cut.min(bars.len());
        goes_on(&Swings::new(length), &bars, cut);
        for flag in [false, true] {
            let by = if flag { BreakBy::Close } else { BreakBy::Extreme };
            let through = if flag { MitigateBy::Body } else { MitigateBy::Extreme };
            goes_on(&Gaps::new(flag), &bars, cut);
            goes_on(&Breaks::new(length, by), &bars, cut);
            goes_on(&OrderBlocks::new(length, through), &bars, cut);
        }
        goes_on(&Liquidity::new(length, 100), &bars, cut);
    }

    #[test]
    fn swings_are_those_of_the_definition(bars in series(300), length in 1..7_u32) {
        let all = events(Swings::new(length), &bars);
        let defined = oracle::swings(&bars, length.try_into().unwrap());
        let of = |known: fn(&oracle::Swing) -> Option<usize>| -> Vec<Seen> {
            defined.iter().filter_map(|s| Some((s.side, s.index, s.price, known(s)?))).collect()
        };
        prop_assert_eq!(seen(&all, Kind::SwingConfirmed), of(|swing| Some(swing.known)));
        prop_assert_eq!(seen(&all, Kind::SwingReplaced), of(|swing| swing.replaced));
        prop_assert_eq!(seen(&all, Kind::SwingFinal), of(|swing| swing.settled));
    }

    #[test]
    fn gaps_are_those_of_the_definition(bars in series(250), join in any::<bool>()) {
        let all = events(Gaps::new(join), &bars);
        let mut want = Vec::new();
        for gap in oracle::gaps(&bars, join) {
            want.push((number(gap.index), gap.side, (gap.top, gap.bottom), gap.mitigated));
        }
        let removed: BTreeSet<u64> =
            only(&all, Kind::GapRemoved).iter().map(|event| event.index).collect();
        prop_assert!(join || removed.is_empty());
        let ends: BTreeMap<u64, usize> = only(&all, Kind::GapMitigated)
            .iter()
            .map(|event| (event.index, usize::try_from(event.known).unwrap()))
            .collect();
        let found: Vec<_> = only(&all, Kind::Gap)
            .iter()
            .filter(|event| !removed.contains(&event.index))
            .map(|event| (event.index, event.side, zone(event), ends.get(&event.index).copied()))
            .collect();
        prop_assert_eq!(found, want);
        prop_assert!(only(&all, Kind::Gap).iter().all(|event| event.known == event.index + 1));
    }

    #[test]
    fn the_breaks_that_stand_are_those_of_the_bars_so_far(
        bars in series(160), length in 1..4_u32, close in any::<bool>()
    ) {
        let by = if close { BreakBy::Close } else { BreakBy::Extreme };
        let all = events(Breaks::new(length, by), &bars);
        let turning: BTreeSet<u64> =
            only(&all, Kind::Choch).iter().map(|event| event.index).collect();
        for (at, standing) in standing(&all, bars.len()).into_iter().enumerate() {
            let so_far = &bars[..=at];
            let swings = oracle::lasting(&oracle::swings(so_far, length.try_into().unwrap()));
            let defined = oracle::breaks(so_far, &swings, by);
            for one in &defined {
                prop_assert_eq!(one.turns, turning.contains(&number(one.index)));
            }
            let defined: BTreeSet<_> = defined
                .iter()
                .map(|one| (number(one.index), one.side, one.price, Some(number(one.broken))))
                .collect();
            prop_assert_eq!(standing, defined, "after bar {}", at);
        }
    }

    #[test]
    fn order_blocks_are_those_of_the_definition(bars in series(300), length in 1..5_u32) {
        blocks_as_defined(&bars, length, MitigateBy::Extreme);
        blocks_as_defined(&bars, length, MitigateBy::Body);
    }

    #[test]
    fn liquidity_is_that_of_the_definition(bars in series(300), length in 1..5_u32) {
        let mut liquidity = Liquidity::new(length, Liquidity::TOLERANCE);
        let all = more(&mut liquidity, 0, &bars);
        prop_assume!(liquidity.open() < OPEN_MAX);
        pools_agree(&bars, length.try_into().unwrap(), &all);
    }
}
