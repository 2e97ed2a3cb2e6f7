//! Regimes, bias and drivers over recorded, written and random bars.

mod edges;
mod properties;
mod recorded;
mod rules;

use super::{Basis, Bias, Biases, Driver, Drivers, Regime, Regimes};
use crate::{Bar, SCALE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

const UNIT: i64 = 100_000_000;

/// One of the state machines of this module.
trait Machine: Clone + Default + Serialize + DeserializeOwned {
    type State: Copy + Debug + PartialEq;
    fn take(&mut self, bar: &Bar) -> Option<Self::State>;
    fn grow(&mut self, factor: i64) -> bool;
}

impl Machine for Regimes {
    type State = Regime;
    fn take(&mut self, bar: &Bar) -> Option<Regime> {
        self.update(bar, Basis::Structures)
    }
    fn grow(&mut self, factor: i64) -> bool {
        self.rescale(factor)
    }
}

impl Machine for Biases {
    type State = Bias;
    fn take(&mut self, bar: &Bar) -> Option<Bias> {
        self.update(bar)
    }
    fn grow(&mut self, factor: i64) -> bool {
        self.rescale(factor)
    }
}

impl Machine for Drivers {
    type State = Driver;
    fn take(&mut self, bar: &Bar) -> Option<Driver> {
        self.update(bar)
    }
    fn grow(&mut self, factor: i64) -> bool {
        self.rescale(factor)
    }
}

/// The states after each bar.
fn more<M: Machine>(machine: &mut M, bars: &[Bar]) -> Vec<M::State> {
    bars.iter().map(|bar| machine.take(bar).expect("a valid bar")).collect()
}

fn states<M: Machine>(bars: &[Bar]) -> Vec<M::State> {
    more(&mut M::default(), bars)
}

fn save<M: Machine>(machine: &M) -> Vec<u8> {
    postcard::to_allocvec(machine).unwrap()
}

fn restore<M: Machine>(saved: &[u8]) -> M {
    postcard::from_bytes(saved).unwrap()
}

/// A bar with prices in whole units: open, high, low, close.
fn bar(prices: [i64; 4]) -> Bar {
    let [open, high, low, close] = prices.map(|price| price * UNIT);
    Bar { open_time: 0, open, high, low, close, scale: SCALE, volume: 0 }
}

/// Bars from `start` in parts of so many bars, each with a step from open to close. Highs and lows
/// lie `wick` beyond.
fn walk(start: i64, parts: &[(usize, i64)], wick: i64) -> Vec<Bar> {
    let mut open = start;
    let steps = parts.iter().flat_map(|(count, step)| std::iter::repeat_n(*step, *count));
    let next = |step: i64| {
        let (from, close) = (open, open + step);
        open = close;
        bar([from, from.max(close) + wick, from.min(close) - wick, close])
    };
    steps.map(next).collect()
}
