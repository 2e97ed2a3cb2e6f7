//! Tests that a night that begins where the last one stored a state counts exactly what it counts
//! from the first fact.

use super::super::tests::archive;
use super::super::{TABLE as COUNTS, near, scan_days, store};
use super::*;
use crate::scan::tests::market;
use crate::testing::Facts;
use crate::testing::lagging::lagging;
use everwarm_domain::time::Timeframe;
use everwarm_runtime::store::archive::Row;
use everwarm_trading::testing::configured;
use everwarm_trading::testing::world::{Delivery, World, settings};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A journal of which a process that is killed reads only so many facts. It counts them.
struct Killed {
    facts: Facts,
    after: usize,
    read: AtomicUsize,
}

impl Killed {
    fn new(facts: &[Fact<Body>], after: usize) -> Killed {
        Killed { facts: Facts(facts.to_vec()), after, read: AtomicUsize::new(0) }
    }
}

impl JournalFacts for Killed {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let mut killed = false;
        self.facts.each(from_row, &mut |row, fact| {
            killed = self.read.fetch_add(1, SeqCst) >= self.after;
            if killed { ControlFlow::Break(()) } else { see(row, fact) }
        })?;
        if killed { Err(Failure::new(Exit::Interrupted, "the daemon ends")) } else { Ok(()) }
    }
}

/// Everything that nights stored for people.
fn rows(archive: &Archive) -> [Vec<Row>; 2] {
    [COUNTS, near::TABLE].map(|table| archive.all(table).unwrap())
}

/// Removes the state: the next night begins at the first fact.
fn forget(archive: &Archive) {
    archive.commit(&[Op::Clear { table: TABLE }], true).unwrap();
}

/// Four days of four strategies, with orders and a changed strategy, in the order of the keys. Each
/// day has some closes at noon, and some from before midnight to half an hour after it.
fn days() -> Vec<Fact<Body>> {
    let mut world = World::new(Delivery::Torn, 0);
    let mut settings = settings();
    for (id, member, value) in [
        ("wide", "fast", 2),
        ("wide", "slow", 3),
        ("swing", "entry_bars", 4),
        ("swing", "exit_bars", 2),
        ("dca", "hours", 1),
    ] {
        settings.strategy.set(id, member, value);
        settings.strategy.set(id, "timeframe", "5m");
    }
    settings.strategy.0.get_mut("wide").unwrap().kind = "sma_cross".to_owned();
    world.give(configured(&settings));
    for day in 0..4 {
        world.walk_from(day * 1_440 + 700, 60);
        world.walk_from(day * 1_440 + 1_340, 130);
        if day == 1 {
            settings.strategy.set("wide", "slow", 4);
            world.give(configured(&settings));
        }
    }
    world.facts
}

/// The facts that the journal has in the night after the day that ends at `to`.
fn until_night(journal: &[Fact<Body>], to: UtcMs) -> &[Fact<Body>] {
    let later = journal.iter().position(|fact| fact.time > to + HOUR);
    &journal[..later.unwrap_or(journal.len())]
}

#[test]
fn nights_that_continue_and_are_killed_count_what_one_counts_from_the_first_fact() {
    let sorted = days();
    let lags: Vec<Vec<Fact<Body>>> = (1..=3).map(|seed| lagging(&sorted, seed)).collect();
    for (at, journal) in [&sorted].into_iter().chain(&lags).enumerate() {
        let [first, next] = [archive(), archive()];
        let mut read = 0;
        for to in (1..=4).map(|day| day * DAY) {
            let facts = until_night(journal, to);
            forget(&first);
            store(&Facts(facts.to_vec()), &first, to, true).unwrap();
            for after in [0, 1, 50, 500] {
                let stored = || (rows(&next), next.all(TABLE).unwrap());
                let before = stored();
                let killed = store(&Killed::new(facts, after), &next, to, true).unwrap_err();
                assert_eq!(killed.exit, Exit::Interrupted);
                assert!(stored() == before, "what was killed stored something");
            }
            let night = Killed::new(facts, usize::MAX);
            store(&night, &next, to, true).unwrap();
            read = night.read.into_inner();
            assert!(rows(&next) == rows(&first), "journal {at}, the day before {to}");
        }
        if at == 0 {
            assert!(read * 2 < sorted.len(), "the last night read {read} of {}", sorted.len());
            let counts = scan_days(&Facts(Vec::new()), &next, (4, 4 * DAY - 1), None).unwrap();
            let ids: BTreeSet<&str> = counts.iter().map(|row| row.strategy.as_str()).collect();
            assert!(ids.into_iter().eq(["dca", "sma_cross", "swing", "wide"]), "{counts:?}");
            let days: BTreeSet<UtcMs> = counts.iter().map(|row| row.day / DAY).collect();
            assert!(days.into_iter().eq(0..4), "{counts:?}");
            let signals: u64 = counts.iter().map(|row| row.enters + row.exits).sum();
            assert!(signals > 40 && counts.iter().all(|row| row.bars > 5), "{counts:?}");
        }
    }
}

#[test]
fn a_state_that_is_damaged_or_of_another_journal_is_not_used() {
    let journal = days();
    let nights = [DAY, 2 * DAY].map(|to| until_night(&journal, to));
    let first = || {
        let archive = archive();
        store(&Facts(nights[0].to_vec()), &archive, DAY, true).unwrap();
        archive
    };
    let state = first().get(TABLE, KEY).unwrap().unwrap();
    let mut flipped = state.clone();
    *flipped.last_mut().unwrap() ^= 1;
    // The facts of another journal have other rows.
    let other = [&nights[1][..1], nights[1]].concat();
    let expected = |facts: &[Fact<Body>]| {
        let archive = first();
        forget(&archive);
        store(&Facts(facts.to_vec()), &archive, 2 * DAY, true).unwrap();
        rows(&archive)
    };
    for (state, facts, checked) in [
        (&state[..state.len() - 1], nights[1], 0),
        (&flipped[..], nights[1], 0),
        (&[][..], nights[1], 0),
        (&b"{}"[..], nights[1], 0),
        (&state[..], &other[..], 1),
    ] {
        let archive = first();
        let put = Op::Put { table: TABLE, key: KEY.to_vec(), value: state.to_vec() };
        archive.commit(&[put], true).unwrap();
        let night = Killed::new(facts, usize::MAX);
        store(&night, &archive, 2 * DAY, true).unwrap();
        assert_eq!(night.read.into_inner(), facts.len() + checked, "it reads all facts");
        assert_eq!(rows(&archive), expected(facts));
    }
}

#[test]
fn a_bar_that_ends_on_the_day_after_its_close_is_counted_there() {
    let mut market = market();
    // As the daily bar of a stock: the bar ends on the next day, but its session is over.
    let late = 1_430;
    market.close(late, "", &[("A", 90.0, 100.0)]);
    market.values(Timeframe::M5, late + 15, &[("A", 98.0, 100.0)]);
    market.decided(late);
    let first_night = market.facts.clone();
    market.close(1_500, "", &[("A", 91.0, 100.0)]);
    market.decided(1_500);
    let journal = Facts(market.facts);
    let [first, next] = [archive(), archive()];
    for (archive, forgets) in [(&first, true), (&next, false)] {
        store(&Facts(first_night.clone()), archive, DAY, true).unwrap();
        if forgets {
            forget(archive);
        }
        store(&journal, archive, 2 * DAY, true).unwrap();
    }
    assert_eq!(rows(&next), rows(&first));
    let second = scan_days(&Facts(Vec::new()), &next, (1, DAY), None).unwrap();
    let second: Vec<(&str, u64)> =
        second.iter().map(|row| (row.strategy.as_str(), row.bars)).collect();
    assert_eq!(second, [("sma_cross", 1), ("wide", 1)]);
}
