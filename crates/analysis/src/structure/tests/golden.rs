//! Structures over recorded bars, beside the results of the reference.

use super::properties::pools_agree;
use super::{SAVED_EVERY, level, more, number, only, oracle, restored, zone};
use crate::recorded::{bars, rows, units};
use crate::structure::{
    BreakBy, Breaks, Event, Gaps, Kind, Liquidity, MitigateBy, OPEN_MAX, OrderBlocks, Side,
    Structure, Swings,
};
use crate::{Bar, to_f64};
use std::collections::{BTreeMap, BTreeSet};

/// Name, file of bars, rows used.
const SETS: [(&str, &str, usize); 4] = [
    ("btcperp_1m", "data/btcperp/BTC-PERP_1m.csv.gz", 6_000),
    ("spy_1d", "data/us_equities/SPY_1d.csv.gz", usize::MAX),
    ("unittest_1m", "data/poloniex_old/UNITTEST-BTC_1m.csv.gz", 5_000),
    ("eurusd_15m", "data/fx/EURUSD_15m.csv.gz", 6_000),
];
const LENGTHS: [usize; 3] = [5, 10, 50];
/// Sets that were replayed, bars of a replay, and the bars with which it begins.
const REPLAYED: [&str; 3] = ["btcperp_1m", "spy_1d", "eurusd_15m"];
const REPLAY_BARS: usize = 900;
const REPLAY_BEGIN: usize = 60;

fn result(set: &str, name: &str) -> Vec<Vec<String>> {
    rows(&format!("golden/{set}/smc/{name}.csv.gz"))
}

fn float(text: &str) -> f64 {
    text.parse().unwrap()
}

/// A number of a bar, which the files write as a float.
fn at(text: &str) -> usize {
    format!("{:.0}", float(text)).parse().unwrap()
}

/// The same, where 0 stands for none.
fn later(text: &str) -> Option<usize> {
    Some(at(text)).filter(|at| *at > 0)
}

fn side(text: &str) -> Side {
    if float(text) > 0.0 { Side::Up } else { Side::Down }
}

fn index(event: &Event) -> usize {
    event.index.try_into().unwrap()
}

fn known(event: &Event) -> usize {
    event.known.try_into().unwrap()
}

fn length(bars: usize) -> u32 {
    bars.try_into().unwrap()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn swings_are_those_of_the_reference() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        for size in LENGTHS {
            let mut want = Vec::new();
            for row in result(set, &format!("swing_events_L{size}")) {
                let swing = (side(&row[1]), at(&row[0]), units(&row[2]));
                let outcome = match &row[4][..] {
                    "rejected" => continue,
                    "provisional" => None,
                    "replaced" => Some(Kind::SwingReplaced),
                    "final" => Some(Kind::SwingFinal),
                    other => panic!("{other}"),
                };
                want.push((at(&row[3]), Kind::SwingConfirmed, swing));
                want.extend(outcome.map(|kind| (at(&row[5]), kind, swing)));
            }
            want.sort_unstable();
            let (events, _) = restored(Swings::new(length(size)), &bars);
            let swing = |event: &Event| (event.side, index(event), level(event));
            let one = |event: &Event| (known(event), event.kind, swing(event));
            let mut found: Vec<_> = events.iter().map(one).collect();
            found.sort_unstable();
            assert_eq!(found, want, "{set} {size}");
            let replaced: BTreeSet<_> =
                only(&events, Kind::SwingReplaced).iter().map(swing).collect();
            let last: Vec<_> = only(&events, Kind::SwingConfirmed)
                .iter()
                .map(swing)
                .filter(|swing| !replaced.contains(swing))
                .collect();
            let rows = result(set, &format!("swings_L{size}_nb"));
            let want: Vec<_> =
                rows.iter().map(|row| (side(&row[1]), at(&row[0]), units(&row[2]))).collect();
            assert_eq!(last, want, "{set} {size}");
        }
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn gaps_are_those_of_the_reference() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        for join in [false, true] {
            let rows = result(set, &format!("fvg_join{}", u8::from(join)));
            let (events, _) = restored(Gaps::new(join), &bars);
            let ends = |kind: Kind| -> BTreeMap<usize, usize> {
                only(&events, kind).iter().map(|event| (index(event), known(event))).collect()
            };
            let (mitigated, removed) = (ends(Kind::GapMitigated), ends(Kind::GapRemoved));
            let mut all: BTreeMap<usize, Event> =
                only(&events, Kind::Gap).into_iter().map(|event| (index(&event), event)).collect();
            for row in &rows {
                let idx = at(&row[0]);
                let event = all.remove(&idx).unwrap_or_else(|| panic!("{set}: none at {idx}"));
                assert_eq!(event.side, side(&row[1]), "{set} at {idx}");
                assert_eq!(zone(&event), (units(&row[2]), units(&row[3])), "{set} at {idx}");
                assert_eq!(mitigated.get(&idx).copied(), later(&row[4]), "{set} at {idx}");
                assert!(!removed.contains_key(&idx), "{set} at {idx}");
            }
            // The others are joined with the next one, at the close that completes that one.
            for (idx, event) in &all {
                assert!(join, "{set}: {event:?} is not of the reference");
                assert_eq!(removed.get(idx), Some(&(idx + 2)), "{set}: {event:?}");
                assert!(!mitigated.contains_key(idx), "{set}: {event:?}");
            }
        }
    }
}

/// Bar, whether it turns, side, level and breaking bar of an item.
type Break = (usize, bool, Side, i64, usize);

/// The reported items, with the bars that report and remove them.
fn breaks(events: &[Event]) -> BTreeMap<Break, (usize, Option<usize>)> {
    let mut all = BTreeMap::new();
    for event in events {
        let turns = matches!(event.kind, Kind::Choch | Kind::ChochRemoved);
        let broken = event.broken.unwrap().try_into().unwrap();
        let item = (index(event), turns, event.side, level(event), broken);
        if matches!(event.kind, Kind::Bos | Kind::Choch) {
            assert_eq!(all.insert(item, (known(event), None)), None, "{event:?}");
        } else {
            all.get_mut(&item).unwrap().1 = Some(known(event));
        }
    }
    all
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn breaks_are_those_of_the_reference() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        for size in LENGTHS {
            for (by, close) in [(BreakBy::Extreme, 0), (BreakBy::Close, 1)] {
                let (events, _) = restored(Breaks::new(length(size), by), &bars);
                let stand = breaks(&events).into_iter().filter(|(_, (_, end))| end.is_none());
                let found: Vec<Break> = stand.map(|(item, _)| item).collect();
                let name = format!("bos_choch_L{size}_close{close}_nb_f64");
                let want: Vec<Break> = result(set, &name)
                    .iter()
                    .map(|row| {
                        let turns = row[1].is_empty();
                        let of = if turns { &row[2] } else { &row[1] };
                        (at(&row[0]), turns, side(of), units(&row[3]), at(&row[4]))
                    })
                    .collect();
                assert_eq!(found, want, "{set} {name}");
            }
        }
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn order_blocks_in_hindsight_are_those_of_the_reference() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        for size in LENGTHS {
            let lasting = oracle::lasting(&oracle::swings(&bars, size));
            for (by, body) in [(MitigateBy::Extreme, 0), (MitigateBy::Body, 1)] {
                let latest = |side, at| oracle::in_hindsight(&lasting, side, at);
                let name = format!("ob_L{size}_closemit{body}_nb_f64");
                let mut want = BTreeMap::new();
                for row in result(set, &name) {
                    // Defect of the reference: a bullish block is mitigated one bar too early.
                    let early = usize::from(side(&row[1]) == Side::Up);
                    let mitigated = later(&row[5]).map(|bar| bar + early);
                    let found = (side(&row[1]), units(&row[2]), units(&row[3]), mitigated);
                    want.insert(at(&row[0]), found);
                }
                // No two blocks of these series are at one bar: the reference would keep one.
                for block in oracle::blocks(&bars, by, latest) {
                    let found = (block.side, block.top, block.bottom, block.mitigated);
                    // It deletes what is invalidated.
                    let kept = block.invalidated.is_none().then_some(found);
                    assert_eq!(want.remove(&block.index), kept, "{set} {name} {block:?}");
                }
                assert_eq!(want, BTreeMap::new(), "{set} {name}");
            }
        }
    }
}

/// Block as (bar, side), with the bars that report and invalidate it. Two may be at one bar.
fn blocks(events: &[Event]) -> Vec<(usize, Side, usize, Option<usize>)> {
    let ends = only(events, Kind::BlockInvalidated);
    let one = |event: &Event| {
        let end = ends.iter().find(|end| (end.index, end.side) == (event.index, event.side));
        (index(event), event.side, known(event), end.map(known))
    };
    only(events, Kind::Block).iter().map(one).collect()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn live_order_blocks_are_those_of_the_definition() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        for size in LENGTHS {
            let all = oracle::swings(&bars, size);
            for by in [MitigateBy::Extreme, MitigateBy::Body] {
                let latest = |side, at| oracle::confirmed(&all, side, at);
                let want = oracle::blocks(&bars, by, latest);
                let (events, _) = restored(OrderBlocks::new(length(size), by), &bars);
                for block in &want {
                    let of = |kind: Kind| {
                        let same = |event: &&Event| {
                            let zone = zone(event) == (block.top, block.bottom);
                            let place = (index(event), event.side) == (block.index, block.side);
                            zone && place && known(event) >= block.known
                        };
                        only(&events, kind).iter().find(same).map(known)
                    };
                    assert_eq!(of(Kind::Block), Some(block.known), "{set} {size} {block:?}");
                    let ends = (of(Kind::BlockMitigated), of(Kind::BlockInvalidated));
                    let defined = (block.mitigated, block.invalidated);
                    assert_eq!(ends, defined, "{set} {size} {block:?}");
                }
                assert_eq!(only(&events, Kind::BlockRemoved), [], "{set} {size}");
                assert_eq!(only(&events, Kind::Block).len(), want.len(), "{set} {size}");
                let name =
                    format!("ob_L{size}_closemit{}_nb_f64", u8::from(by == MitigateBy::Body));
                survivors_are_live(&events, set, &name);
            }
        }
    }
}

/// The blocks of a result in hindsight were live blocks with the same end, but for at most two.
fn survivors_are_live(events: &[Event], set: &str, name: &str) {
    let mut unseen = 0;
    let rows = result(set, name);
    for row in &rows {
        let (bar, side) = (at(&row[0]), side(&row[1]));
        let of = |kind: Kind| {
            let same = |event: &&Event| (index(event), event.side) == (bar, side);
            only(events, kind).iter().find(same).copied()
        };
        let Some(block) = of(Kind::Block) else {
            unseen += 1;
            continue;
        };
        assert_eq!(zone(&block), (units(&row[2]), units(&row[3])), "{set} {name} {bar}");
        // Defect of the reference: a bullish block is mitigated one bar too early.
        let mitigated = later(&row[5]).map(|bar| bar + usize::from(side == Side::Up));
        assert_eq!(of(Kind::BlockMitigated).as_ref().map(known), mitigated, "{set} {name} {bar}");
        assert_eq!(of(Kind::BlockInvalidated), None, "{set} {name} {bar}");
    }
    assert!(unseen <= 2, "{set} {name}: {unseen} of {} were never seen", rows.len());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn items_are_seen_and_vanish_as_in_the_replay() {
    for set in REPLAYED {
        let (_, path, _) = SETS.iter().find(|(name, ..)| *name == set).unwrap();
        let bars = bars(path, REPLAY_BARS);
        for size in [5, 10] {
            let rows = result(set, &format!("replay_L{size}"));
            breaks_of_a_replay(set, size, &bars, &rows);
            blocks_of_a_replay(set, size, &bars, &rows);
        }
    }
}

fn breaks_of_a_replay(set: &str, size: usize, bars: &[Bar], rows: &[Vec<String>]) {
    let (events, _) = restored(Breaks::new(length(size), BreakBy::Close), bars);
    let first = REPLAY_BEGIN - 1;
    // Nothing that vanished before its first bar is in the replay.
    let seen = |(item, (known, end)): (Break, (usize, Option<usize>))| {
        let lasts = end.is_none_or(|end| end > first);
        lasts.then_some((item, (known.max(first), end)))
    };
    let found: BTreeMap<_, _> = breaks(&events).into_iter().filter_map(seen).collect();
    let want: BTreeMap<_, _> = rows
        .iter()
        .filter(|row| row[0] != "ob")
        .map(|row| {
            let item = (at(&row[1]), row[0] == "choch", side(&row[2]), units(&row[4]), at(&row[5]));
            let end = Some(&row[6]).filter(|text| !text.is_empty()).map(|text| at(text));
            (item, (at(&row[3]), end))
        })
        .collect();
    assert_eq!(found, want, "{set} {size}");
    let vanished = want.values().filter(|(_, end)| end.is_some()).count();
    println!("{set} L{size}: {} breaks, {vanished} vanish", want.len());
}

fn blocks_of_a_replay(set: &str, size: usize, bars: &[Bar], rows: &[Vec<String>]) {
    let by = MitigateBy::Extreme;
    let (events, _) = restored(OrderBlocks::new(length(size), by), bars);
    let mut want: Vec<(usize, Side, usize, Option<usize>)> = rows
        .iter()
        .filter(|row| row[0] == "ob")
        .map(|row| {
            let end = Some(&row[6]).filter(|text| !text.is_empty()).map(|text| at(text));
            (at(&row[1]), side(&row[2]), at(&row[3]), end)
        })
        .collect();
    // First-seen bars below the first one of the replay are not resolved.
    want.retain(|(_, _, seen, _)| *seen >= REPLAY_BEGIN);
    let (in_replay, mut late) = (want.len(), 0);
    let mut extra = Vec::new();
    for (bar, side, known, end) in blocks(&events) {
        if known < REPLAY_BEGIN {
            continue;
        }
        let same = |row: &(usize, Side, usize, Option<usize>)| (row.0, row.1) == (bar, side);
        match want.iter().position(same) {
            Some(place) => {
                let (_, _, seen, vanished) = want.remove(place);
                assert_eq!(known, seen, "{set} {size}: the block at {bar}");
                // A batch result loses blocks in hindsight as well, never later than this.
                let gone = |end: usize| vanished.is_some_and(|vanished| vanished <= end);
                late += usize::from(end.is_some_and(|end| !gone(end)));
            }
            None => extra.push((bar, side, known)),
        }
    }
    assert_eq!(extra, [], "{set} {size}: blocks that the replay never shows");
    assert!(want.len() <= 1, "{set} {size}: not seen live: {want:?}");
    assert_eq!(late, 0, "{set} {size}");
    println!("{set} L{size}: {in_replay} blocks, {} only in hindsight", want.len());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn liquidity_with_the_tolerance_of_the_reference_is_its_own() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        let quote = |bar: &Bar| (to_f64(bar.high, bar.scale), to_f64(bar.low, bar.scale));
        let ranges: Vec<_> = bars.iter().map(quote).collect();
        let high = ranges.iter().map(|range| range.0).fold(f64::MIN, f64::max);
        let low = ranges.iter().map(|range| range.1).fold(f64::MAX, f64::min);
        let tolerance = (high - low) * 0.01;
        for size in LENGTHS {
            // The reference rounds the levels of swings to 32 bits.
            let level = |text: &str| f64::from(text.parse::<f32>().unwrap());
            let swings: Vec<_> = result(set, &format!("swings_L{size}_nb"))
                .iter()
                .map(|row| (side(&row[1]), at(&row[0]), level(&row[2])))
                .collect();
            let found = oracle::pools(&ranges, &swings, |_| Some(tolerance));
            let mut want = BTreeMap::new();
            for row in result(set, &format!("liquidity_L{size}_nb")) {
                let ends = (side(&row[1]), at(&row[3]), later(&row[4]));
                want.insert(at(&row[0]), (ends, float(&row[2])));
            }
            assert_eq!(found.len(), want.len(), "{set} {size}");
            for pool in &found {
                let (ends, level) = want[&pool.index];
                assert_eq!((pool.side, pool.end, pool.swept), ends, "{set} {size} {pool:?}");
                let count = u32::try_from(pool.prices.len()).unwrap();
                let mean = pool.prices.iter().sum::<f64>() / f64::from(count);
                assert!((mean - level).abs() < 1e-6 * level, "{set} {size} {pool:?}: {level}");
            }
        }
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn live_liquidity_is_that_of_the_definition() {
    for (set, path, limit) in SETS {
        for size in [5, 10] {
            let (mut checked, mut pools, mut more_live) = (0, 0, 0);
            // In parts: the definition knows no limit for open groups.
            for part in bars(path, limit).chunks(600) {
                let mut liquidity = Liquidity::new(length(size), Liquidity::TOLERANCE);
                let mut events = Vec::new();
                let mut most = 0;
                for (nth, bars) in part.chunks(SAVED_EVERY).enumerate() {
                    liquidity = super::restore(&super::save(&liquidity));
                    events.extend(more(&mut liquidity, nth * SAVED_EVERY, bars));
                    most = most.max(liquidity.open());
                }
                if most < OPEN_MAX / 2 {
                    let (defined, besides) = pools_agree(part, size, &events);
                    (checked, pools, more_live) =
                        (checked + 1, pools + defined, more_live + besides);
                }
            }
            assert!(checked > 3 && pools > 10, "{set} {size}: {checked} parts, {pools} groups");
            println!("{set} L{size}: {checked} parts, {pools} groups, {more_live} more live");
        }
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_restart_changes_no_event_of_recorded_bars() {
    for (set, path, limit) in SETS {
        let bars = bars(path, limit);
        let mut liquidity = Liquidity::new(5, Liquidity::TOLERANCE);
        let whole = more(&mut liquidity, 0, &bars);
        let (after_restarts, state) = restored(Liquidity::new(5, Liquidity::TOLERANCE), &bars);
        assert_eq!(whole, after_restarts, "{set}");
        assert_eq!(state, super::save(&liquidity), "{set}");
        let cut = bars.len() / 2;
        let mut events = Vec::new();
        let mut begun = Liquidity::new(5, Liquidity::TOLERANCE);
        for bar in &bars[..cut] {
            assert!(begun.update(bar, &mut events));
        }
        let known = whole.iter().take_while(|event| event.known < number(cut)).count();
        assert_eq!(events, whole[..known], "{set}");
        let count = |kind: Kind| only(&whole, kind).len();
        println!("{set}: {} groups", count(Kind::Liquidity));
    }
}
