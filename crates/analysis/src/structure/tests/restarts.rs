//! Every structure over every recorded series: one that is saved and restored now and then gives
//! the same events as one that never stops, and later bars change no earlier event.

use super::{Saved, events, more, number, restored, save};
use crate::Bar;
use crate::recorded::{bars, every_series};
use crate::structure::{BreakBy, Breaks, Gaps, Liquidity, MitigateBy, OrderBlocks, Swings};

fn check<S: Saved>(fresh: &S, bars: &[Bar], file: &str) {
    let mut whole = fresh.clone();
    let all = more(&mut whole, 0, bars);
    let (again, state) = restored(fresh.clone(), bars);
    assert_eq!(again, all, "{file}");
    assert_eq!(state, save(&whole), "{file}");
    let half = bars.len() / 2;
    let known: Vec<_> = all.iter().filter(|event| event.known < number(half)).copied().collect();
    assert_eq!(events(fresh.clone(), &bars[..half]), known, "{file}");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_restored_structure_gives_the_same_events_on_every_series() {
    for file in every_series() {
        let bars = bars(&file, usize::MAX);
        check(&Swings::new(5), &bars, &file);
        check(&Gaps::new(false), &bars, &file);
        check(&Gaps::new(true), &bars, &file);
        check(&Breaks::new(5, BreakBy::Close), &bars, &file);
        check(&OrderBlocks::new(5, MitigateBy::Extreme), &bars, &file);
        check(&Liquidity::new(5, Liquidity::TOLERANCE), &bars, &file);
    }
}
