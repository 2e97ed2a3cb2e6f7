//! One indicator for many symbols at once: a place each, one call for all bars of a close.

use crate::Bar;
use crate::catalog::Catalogued;
use std::fmt::Debug;

/// Many of one indicator, by place.
pub trait Bank: Debug + Send {
    /// Puts one with nothing taken in at a place; those from there on move up.
    fn insert(&mut self, at: usize);
    /// Removes the one at a place; those behind move down.
    fn remove(&mut self, at: usize);
    /// Takes one bar each into the places named, and writes each value, in their order, into every
    /// `stride`-th place of `out`. `NaN` where a value is not defined yet.
    fn update(&mut self, bars: &[(usize, Bar)], out: &mut [f64], stride: usize);
    /// Bars of the one at a place have more decimals from here on, by this power of ten. It begins
    /// anew where what it holds does not fit.
    fn rescale(&mut self, at: usize, factor: i64);
    /// The one at a place begins anew.
    fn reset(&mut self, at: usize);
    /// The state, to be read by [`Bank::load`] of the same indicator.
    fn save(&self) -> Vec<u8>;
    /// Takes over what [`Bank::save`] wrote for `count` places.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    fn load(&mut self, bytes: &[u8], count: usize) -> Result<(), String>;
    /// Takes over the one at a place of another bank of the same indicator.
    ///
    /// # Errors
    /// It is of another indicator.
    fn adopt(&mut self, at: usize, state: &[u8]) -> Result<(), String>;
}

/// The state of one indicator, as [`Bank::adopt`] takes it over.
///
/// # Panics
/// Never: states are plain values.
#[must_use]
pub fn state<I: Catalogued>(one: &I) -> Vec<u8> {
    postcard::to_allocvec(one).expect("states are plain values, memory takes them")
}

#[derive(Debug)]
pub(crate) struct Many<I> {
    fresh: I,
    all: Vec<I>,
}

impl<I> Many<I> {
    pub(crate) const fn new(fresh: I) -> Many<I> {
        Many { fresh, all: Vec::new() }
    }
}

impl<I: Catalogued> Bank for Many<I> {
    fn insert(&mut self, at: usize) {
        self.all.insert(at, self.fresh.clone());
    }

    fn remove(&mut self, at: usize) {
        self.all.remove(at);
    }

    fn update(&mut self, bars: &[(usize, Bar)], out: &mut [f64], stride: usize) {
        for ((at, bar), value) in bars.iter().zip(out.iter_mut().step_by(stride.max(1))) {
            *value = self.all[*at].update(bar);
        }
    }

    fn rescale(&mut self, at: usize, factor: i64) {
        if !self.all[at].rescale(factor) {
            self.reset(at);
        }
    }

    fn reset(&mut self, at: usize) {
        self.all[at] = self.fresh.clone();
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_allocvec(&self.all).expect("states are plain values, memory takes them")
    }

    fn load(&mut self, bytes: &[u8], count: usize) -> Result<(), String> {
        let all: Vec<I> = postcard::from_bytes(bytes).map_err(|e| format!("{}: {e}", I::NAME))?;
        if all.len() != count {
            return Err(format!("{}: {} instead of {count}", I::NAME, all.len()));
        }
        self.all = all;
        Ok(())
    }

    fn adopt(&mut self, at: usize, state: &[u8]) -> Result<(), String> {
        self.all[at] = postcard::from_bytes(state).map_err(|e| format!("{}: {e}", I::NAME))?;
        Ok(())
    }
}
