//! Structures over recorded, written and random bars.

mod golden;
mod oracle;
mod properties;
mod restarts;
mod rules;

use super::{Event, Kind, Place, Structure};
use crate::Bar;
use crate::recorded::SAVED_EVERY;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A structure whose state can be saved.
trait Saved: Structure + Clone + Serialize + DeserializeOwned {}
impl<S: Structure + Clone + Serialize + DeserializeOwned> Saved for S {}

fn number(at: usize) -> u64 {
    at.try_into().unwrap()
}

/// A bar with prices in whole units: open, high, low, close.
fn bar(prices: [i64; 4]) -> Bar {
    crate::testing::ohlc(prices)
}

/// Bars that walk through these prices in steps of one unit, each from its open to its close.
fn path(points: &[i64]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for pair in points.windows(2) {
        let (mut now, step) = (pair[0], (pair[1] - pair[0]).signum());
        while now != pair[1] {
            let next = now + step;
            bars.push(bar([now, now.max(next), now.min(next), next]));
            now = next;
        }
    }
    bars
}

/// The events of all bars, which go on from `from`.
fn more<S: Structure>(structure: &mut S, from: usize, bars: &[Bar]) -> Vec<Event> {
    let mut all = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        let before = all.len();
        assert!(structure.update(bar, &mut all), "{bar:?} at {at} is refused");
        for event in &all[before..] {
            assert_eq!(event.known, number(from + at), "{event:?}");
            assert!(event.index <= event.known, "{event:?}");
        }
    }
    all
}

fn events<S: Structure>(mut structure: S, bars: &[Bar]) -> Vec<Event> {
    more(&mut structure, 0, bars)
}

fn save<S: Serialize>(structure: &S) -> Vec<u8> {
    postcard::to_allocvec(structure).unwrap()
}

fn restore<S: DeserializeOwned>(saved: &[u8]) -> S {
    postcard::from_bytes(saved).unwrap()
}

/// The events of a structure that is saved and restored now and then, and its last state.
fn restored<S: Saved>(fresh: S, bars: &[Bar]) -> (Vec<Event>, Vec<u8>) {
    let (mut all, mut structure) = (Vec::new(), fresh);
    for (at, part) in bars.chunks(SAVED_EVERY).enumerate() {
        structure = restore(&save(&structure));
        all.extend(more(&mut structure, at * SAVED_EVERY, part));
    }
    (all, save(&structure))
}

/// The events in short: name, type, bar, bar at whose close it became known.
fn short(events: &[Event]) -> Vec<(&'static str, &'static str, u64, u64)> {
    events.iter().map(|of| (of.kind.name(), of.type_name(), of.index, of.known)).collect()
}

fn only(events: &[Event], kind: Kind) -> Vec<Event> {
    events.iter().filter(|event| event.kind == kind).copied().collect()
}

fn level(event: &Event) -> i64 {
    match event.place {
        Place::Level(price) => price,
        Place::Zone { .. } => panic!("{event:?} has no level"),
    }
}

/// Top and bottom.
fn zone(event: &Event) -> (i64, i64) {
    match event.place {
        Place::Zone { top, bottom } => (top, bottom),
        Place::Level(_) => panic!("{event:?} has no zone"),
    }
}
