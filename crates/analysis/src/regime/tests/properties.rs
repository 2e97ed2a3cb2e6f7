//! What holds for any bars: a restored machine goes on as one that never stopped, later bars change
//! no state, more decimals change none, and the regimes are those of the plain definition.

use super::edges::is_edge;
use super::{Machine, bar, more, restore, save, states};
use crate::regime::{Basis, Biases, Drivers, Regime, Regimes, ZONES_MAX};
use crate::structure::{
    BreakBy, Breaks, Event, Gaps, Kind, MitigateBy, OrderBlocks, Place, Side, Structure,
};
use crate::{Atr, Bar, Catalogued, Directional, Indicator, to_f64};
use proptest::prelude::*;

/// Bars with small steps, which drift for a while in one direction.
fn series(most: usize) -> impl Strategy<Value = Vec<Bar>> {
    let step = (-2..=2_i64, -6..=6_i64, 0..=3_i64, 0..=3_i64);
    let steps = prop::collection::vec(step, 1..most);
    (steps, prop::collection::vec(-3..=3_i64, 16)).prop_map(|(steps, drifts)| {
        let mut close = 10_000;
        let next = |(at, (jump, step, above, below)): (usize, (i64, i64, i64, i64))| {
            let open = close + jump;
            close = open + step + drifts[at / 40 % 16];
            bar([open, open.max(close) + above, open.min(close) - below, close])
        };
        steps.into_iter().enumerate().map(next).collect()
    })
}

fn goes_on<M: Machine>(bars: &[Bar], cut: usize) {
    let mut machine = M::default();
    let whole = more(&mut machine, bars);
    let mut begin = M::default();
    assert_eq!(more(&mut begin, &bars[..cut]), whole[..cut], "later bars changed a state");
    let mut restored: M = restore(&save(&begin));
    assert_eq!(more(&mut restored, &bars[cut..]), whole[cut..], "a restart changed a state");
    assert_eq!(save(&restored), save(&machine));
    assert!(begin.grow(100));
    let finer: Vec<Bar> = bars[cut..].iter().map(|bar| bar.at(10).unwrap()).collect();
    assert_eq!(more(&mut begin, &finer), whole[cut..], "more decimals changed a state");
}

fn events<S: Structure>(mut structure: S, bars: &[Bar]) -> Vec<Event> {
    let mut all = Vec::new();
    for bar in bars {
        assert!(structure.update(bar, &mut all));
    }
    all
}

/// Zones of the whole series that no bar up to `now` has touched, by a search through all bars.
fn untouched<'a>(
    zones: &'a [Event],
    bars: &'a [Bar],
    now: usize,
) -> impl Iterator<Item = &'a Event> {
    zones.iter().filter(move |zone| {
        let known = usize::try_from(zone.known).unwrap();
        let Place::Zone { top, bottom } = zone.place else { return false };
        known <= now
            && now - known <= 100
            && bars[known + 1..=now].iter().all(|bar| match (zone.kind == Kind::Gap, zone.side) {
                (true, Side::Up) => bar.low > top,
                (true, Side::Down) => bar.high < bottom,
                (false, Side::Up) => bar.low >= bottom,
                (false, Side::Down) => bar.high <= top,
            })
    })
}

/// The regimes of the definition. `None` if there are too many zones at some bar.
fn defined(bars: &[Bar]) -> Option<Vec<Regime>> {
    let (mut atr, mut adx) = (Atr::new(14), Directional::make(&[14], 0));
    let breaks = events(Breaks::new(5, BreakBy::Close), bars);
    let mut zones = events(OrderBlocks::new(5, MitigateBy::Extreme), bars);
    zones.extend(events(Gaps::new(false), bars));
    zones.retain(|event| matches!(event.kind, Kind::Gap | Kind::Block));
    let (mut all, mut before) = (Vec::new(), None);
    for (now, bar) in bars.iter().enumerate() {
        let (range, trend) = (atr.update(bar), adx.update(bar));
        if now < 27 {
            all.push(Regime::NoData(u32::try_from(now + 1).unwrap()));
            continue;
        }
        let close = |edge: i64| to_f64((bar.close - edge).abs(), bar.scale) <= 0.5 * range;
        let mut standing = untouched(&zones, bars, now);
        if untouched(&zones, bars, now).count() > ZONES_MAX {
            return None;
        }
        let tight = standing.any(|zone| match zone.place {
            Place::Zone { top, bottom } => close(top) || close(bottom),
            Place::Level(_) => false,
        });
        let broken = breaks.iter().any(|event| {
            let known = usize::try_from(event.known).unwrap();
            event.kind == Kind::Bos && known <= now && now - known < 3
        });
        let candidate = if tight {
            Regime::TightSmc
        } else if broken || trend >= 25.0 {
            Regime::WideStructure
        } else {
            Regime::Consolidation
        };
        let last = all.last().copied().filter(|_| now > 27 && before != Some(candidate));
        all.push(last.unwrap_or(candidate));
        before = Some(candidate);
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_restart_later_bars_and_more_decimals_change_no_state(
        bars in series(600), cut in 0..600_usize
    ) {
        let cut = cut.min(bars.len());
        goes_on::<Regimes>(&bars, cut);
        goes_on::<Biases>(&bars, cut);
        goes_on::<Drivers>(&bars, cut);
    }

    #[test]
    fn regimes_are_those_of_the_definition(bars in series(400)) {
        let want = defined(&bars);
        prop_assume!(want.is_some());
        prop_assert_eq!(states::<Regimes>(&bars), want.unwrap());
    }

    #[test]
    fn the_directional_index_alone_has_two_regimes(bars in series(400)) {
        let (mut machine, mut adx) = (Regimes::new(), Directional::make(&[14], 0));
        let mut strong: Vec<bool> = Vec::new();
        for bar in &bars {
            let regime = machine.update(bar, Basis::Adx).unwrap();
            strong.push(adx.update(bar) >= 25.0);
            match (regime, &strong[..]) {
                (Regime::NoData(bars), all) => prop_assert!(bars < 28 && all.len() < 28),
                (Regime::TightSmc, _) => prop_assert!(false),
                // The last two closes that agree, or the first, decide.
                (regime, all) => {
                    let pair = all[27..].windows(2).rfind(|pair| pair[0] == pair[1]);
                    let wide = pair.map_or(all[27], |pair| pair[0]);
                    prop_assert_eq!(regime == Regime::WideStructure, wide);
                }
            }
        }
    }

    #[test]
    fn a_driver_changes_only_as_in_the_table(bars in series(900)) {
        for pair in states::<Drivers>(&bars).windows(2) {
            prop_assert!(pair[0] == pair[1] || is_edge(pair[0], pair[1]), "{:?}", pair);
        }
    }
}
