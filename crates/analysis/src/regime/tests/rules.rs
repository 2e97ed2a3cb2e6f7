//! Single rules, each by bars or values written for it.

use super::{Machine, UNIT, bar, more, save, states, walk};
use crate::Bar;
use crate::regime::driver::Inputs;
use crate::regime::settled::Settled;
use crate::regime::zones::Zones;
use crate::regime::{Basis, Bias, Biases, Driver, Drivers, Regime, Regimes, ZONES_MAX};
use crate::structure::{Event, Kind, Place, Side};
use Driver::{Basing, Extended, Failing, Turning, Up};

fn a_bad_bar_changes_nothing<M: Machine>() {
    let bars = walk(2_000, &[(120, -3), (120, 4)], 2);
    let (mut with, mut without) = (M::default(), M::default());
    for good in &bars {
        let before = save(&with);
        for bad in [Bar { low: 0, ..*good }, Bar { high: 1, ..*good }, Bar { scale: 7, ..*good }] {
            assert_eq!(with.take(&bad), None, "{bad:?} is taken");
        }
        assert_eq!(save(&with), before);
        assert_eq!(with.take(good), without.take(good));
    }
}

#[test]
fn a_bar_that_is_not_valid_changes_nothing() {
    a_bad_bar_changes_nothing::<Regimes>();
    a_bad_bar_changes_nothing::<Biases>();
    a_bad_bar_changes_nothing::<Drivers>();
}

#[test]
fn a_candidate_of_two_closes_running_becomes_the_state() {
    let mut settled = Settled::new('a');
    let closes =
        [Some('b'), Some('b'), Some('c'), Some('b'), Some('c'), None, Some('c'), Some('c')];
    let after = closes.map(|candidate| {
        settled.take(candidate);
        settled.state
    });
    assert_eq!(after, ['a', 'b', 'b', 'b', 'b', 'b', 'b', 'c']);
    settled.begin('d');
    assert_eq!(settled.state, 'd');
    settled.take(Some('d'));
    settled.take(Some('e'));
    assert_eq!(settled.state, 'd');
}

#[test]
fn there_is_no_regime_below_28_bars_and_one_at_once_then() {
    let all = states::<Regimes>(&walk(1_000, &[(40, 2)], 1));
    assert_eq!(all[11], Regime::NoData(12));
    assert_eq!(all[11].to_string(), "no_data: 12 of 28 bars");
    assert_eq!(all[26], Regime::NoData(27));
    assert_eq!(all[27..], [Regime::WideStructure; 13]);
    assert_eq!(all[27].to_string(), "wide_structure");
    assert_eq!(states::<Regimes>(&[bar([5; 4]); 40])[27], Regime::Consolidation);
}

#[test]
fn a_directional_index_of_25_is_wide() {
    assert_eq!(Regime::by_adx(25.0), Regime::WideStructure);
    assert_eq!(Regime::by_adx(24.999_999), Regime::Consolidation);
}

#[test]
fn the_bias_is_long_above_the_average_of_200_closes() {
    let all = states::<Biases>(&walk(1_000, &[(143, 0), (57, 0), (1, 1), (2, -1)], 0));
    assert_eq!(all[142].missing("1d").unwrap(), "EMA200 1d: 143 of 200 bars");
    assert_eq!(all[198], Bias::Unknown(199));
    // A close at the average is not above it.
    assert_eq!(all[199..], [Bias::None, Bias::Long, Bias::None, Bias::None]);
    assert_eq!((all[200].missing("1d"), all[200].name()), (None, "long"));
}

fn found(kind: Kind, side: Side, known: u64, [bottom, top]: [i64; 2]) -> Event {
    let place = Place::Zone { top: top * UNIT, bottom: bottom * UNIT };
    Event { kind, side, index: known - 3, known, place, broken: None, scale: 8 }
}

/// Whether a zone known at bar 5 is near a close at its middle after this bar.
fn stays(kind: Kind, side: Side, zone: [i64; 2], index: u64, range: [i64; 2]) -> bool {
    let mut zones = Zones::default();
    zones.add(&[found(kind, side, 5, zone)]);
    let [low, high] = range;
    let bar = bar([low, high, low, high]);
    zones.test(&bar, index);
    zones.is_near(&bar, 1e6)
}

#[test]
fn a_gap_ends_at_its_near_edge_and_a_block_beyond_its_far_edge() {
    let (gap, block) = (Kind::Gap, Kind::Block);
    let zone = [100, 110];
    for (kind, side, range, want) in [
        (gap, Side::Up, [111, 120], true),
        (gap, Side::Up, [110, 120], false),
        (gap, Side::Down, [90, 99], true),
        (gap, Side::Down, [90, 100], false),
        (block, Side::Up, [100, 120], true),
        (block, Side::Up, [99, 120], false),
        (block, Side::Down, [90, 110], true),
        (block, Side::Down, [90, 111], false),
    ] {
        assert_eq!(stays(kind, side, zone, 6, range), want, "{kind:?} {side:?} {range:?}");
    }
}

#[test]
fn a_zone_counts_for_100_bars_after_it_became_known() {
    for (index, want) in [(6, true), (105, true), (106, false)] {
        assert_eq!(stays(Kind::Gap, Side::Up, [10, 20], index, [30, 40]), want, "{index}");
    }
}

#[test]
fn the_nearest_edge_of_a_zone_counts() {
    let mut zones = Zones::default();
    zones.add(&[found(Kind::Block, Side::Up, 5, [100, 200])]);
    for (close, want) in [(210, true), (211, false), (190, true), (150, false), (110, true)] {
        assert_eq!(zones.is_near(&bar([close; 4]), 10.0), want, "{close}");
    }
    // What is no zone is no reason.
    let mut others = Zones::default();
    others.add(&[Kind::GapMitigated, Kind::BlockRemoved, Kind::Bos].map(|kind| {
        let zone = found(kind, Side::Up, 5, [100, 200]);
        Event { place: zone.place, ..zone }
    }));
    assert_eq!(others.len(), 0);
}

#[test]
fn of_too_many_zones_the_oldest_goes() {
    let mut zones = Zones::default();
    for known in 10..10 + 64 {
        let bottom = 100 * i64::try_from(known).unwrap();
        zones.add(&[found(Kind::Gap, Side::Up, known, [bottom, bottom + 1])]);
    }
    let near = |zones: &Zones, price: i64| zones.is_near(&bar([price; 4]), 5.0);
    assert!(near(&zones, 1_000) && near(&zones, 1_100) && near(&zones, 7_300));
    zones.add(&[found(Kind::Block, Side::Down, 80, [9_000, 9_001])]);
    assert!(!near(&zones, 1_000) && near(&zones, 1_100) && near(&zones, 9_000));
    assert_eq!(zones.len(), ZONES_MAX);
}

#[test]
fn gaps_of_one_series_are_kept_up_to_64() {
    // Each bar opens above the close before it, so each leaves a gap between its neighbours.
    let rise: Vec<Bar> =
        (0..90).map(|at| bar([at * 10 + 5, at * 10 + 12, at * 10 + 5, at * 10 + 12])).collect();
    let mut machine = Regimes::new();
    more(&mut machine, &rise);
    assert_eq!(machine.zones(), 64);
}

#[test]
fn the_candidates_of_a_driver_keep_their_limits() {
    let base = Inputs { close: 0.0, fast: 0.0, middle: 0.0, slow: 0.0, atr: 10.0, holds: true };
    let up = Inputs { fast: 120.0, middle: 110.0, slow: 100.0, ..base };
    let at = |close: f64, state| Inputs { close, ..up }.candidate(state);
    assert_eq!(at(150.1, Up), Some(Extended));
    assert_eq!(at(150.0, Up), Some(Up));
    assert_eq!(at(140.1, Extended), Some(Extended));
    assert_eq!(at(140.0, Extended), Some(Up));
    assert_eq!(at(140.1, Turning), Some(Up));
    // Without the order of the averages there is no extension.
    assert_eq!(Inputs { close: 500.0, slow: 110.0, ..up }.candidate(Up), Some(Turning));
    assert_eq!(Inputs { close: 110.0, slow: 115.0, ..up }.candidate(Up), None);
    let flat = Inputs { close: 100.0, fast: 100.0, middle: 104.9, slow: 200.0, ..base };
    let apart = |middle: f64, state| Inputs { middle, ..flat }.candidate(state);
    assert_eq!(apart(104.9, Failing), Some(Basing));
    assert_eq!(apart(105.0, Failing), Some(Failing));
    assert_eq!(apart(109.9, Basing), Some(Basing));
    assert_eq!(apart(110.0, Basing), Some(Failing));
    for state in [Driver::None, Turning, Up, Extended] {
        assert_eq!(apart(101.0, state), Some(Failing), "{state:?}");
    }
    assert_eq!(Inputs { holds: false, ..flat }.candidate(Failing), Some(Failing));
    // The fast average may be above the middle one while the close is not.
    let above = Inputs { fast: 104.0, middle: 101.0, ..flat };
    assert_eq!((above.candidate(Basing), above.candidate(Up)), (Some(Basing), None));
    assert_eq!(Inputs { middle: 100.0, ..flat }.candidate(Up), None);
    // The close is above the middle average, the fast average is not.
    assert_eq!(Inputs { close: 110.0, ..flat }.candidate(Up), None);
}

#[test]
fn there_is_no_driver_below_200_bars_and_one_at_the_second_close() {
    let all = states::<Drivers>(&walk(1_000, &[(210, 1)], 40));
    assert_eq!(all[..200], [Driver::None; 200]);
    assert_eq!(all[200..], [Up; 10]);
    // Without a candidate it stays so.
    assert_eq!(states::<Drivers>(&vec![bar([5; 4]); 300]), [Driver::None; 300]);
}

#[test]
fn the_lowest_of_ten_lows_is_compared_with_the_twenty_before() {
    // After a fall the price stands still. Single bars have lower lows.
    let with = |wicks: &[(usize, i64)]| {
        let mut bars = walk(2_000, &[(240, -1), (100, 0)], 8);
        for (at, size) in wicks {
            bars[*at].low -= size * UNIT;
        }
        states::<Drivers>(&bars)
    };
    let basing = |all: &[Driver]| all.iter().position(|driver| *driver == Basing);
    assert_eq!(basing(&with(&[])), Some(266));
    // The low counts as a new one for ten bars. Two closes later the driver changes.
    assert_eq!(basing(&with(&[(262, 50)])), Some(262 + 11));
    // The deeper low counts as an old one for 20 bars.
    let all = with(&[(280, 50), (305, 1)]);
    assert_eq!(all[280 + 30..][..2], [Basing, Failing]);
    // An equal low is not below.
    let all = with(&[(285, 1), (305, 1)]);
    assert_eq!(all[305..315], [Basing; 10]);
}

#[test]
fn the_basis_may_change_at_any_close() {
    let bars = walk(2_000, &[(60, -3), (60, 4), (60, -2)], 2);
    let (mut always, mut late) = (Regimes::new(), Regimes::new());
    for (at, bar) in bars.iter().enumerate() {
        always.update(bar, Basis::Structures);
        late.update(bar, if at < 100 { Basis::Adx } else { Basis::Structures });
        if at >= 101 {
            assert_eq!(save(&late), save(&always), "{at}");
        }
    }
}
