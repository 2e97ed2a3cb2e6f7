//! Holds one indicator for many symbols and updates all of them in one call a close.

use crate::Bar;
use crate::catalog::Catalogued;
use std::fmt::Debug;

/// Many instances of one indicator, addressed by place. A place belongs to one symbol.
pub trait Bank: Debug + Send {
    /// Inserts a fresh instance at a place. The instances from there on move up by one.
    fn insert(&mut self, at: usize);
    /// Removes the instance at a place. The instances behind it move down by one.
    fn remove(&mut self, at: usize);
    /// Feeds one bar to each of the named places. It writes the values in the same order into every
    /// `stride`-th element of `out`. A value is `NaN` until it is defined.
    fn update(&mut self, bars: &[(usize, Bar)], out: &mut [f64], stride: usize);
    /// Gives the prices at a place more decimals, by the power of ten `factor`. The instance is
    /// reset if its prices no longer fit.
    fn rescale(&mut self, at: usize, factor: i64);
    /// Resets the instance at a place.
    fn reset(&mut self, at: usize);
    /// The state of all places, for [`Bank::load`] of the same indicator.
    fn save(&self) -> Vec<u8>;
    /// Restores what [`Bank::save`] wrote for `count` places.
    ///
    /// # Errors
    /// Describes what is wrong with the bytes.
    fn load(&mut self, bytes: &[u8], count: usize) -> Result<(), String>;
    /// Restores the instance at a place from [`state`] of the same indicator.
    ///
    /// # Errors
    /// The state is of another indicator.
    fn adopt(&mut self, at: usize, state: &[u8]) -> Result<(), String>;
}

/// The state of one indicator instance, for [`Bank::adopt`].
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
