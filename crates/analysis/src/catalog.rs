//! What there is of indicators, by name.

use crate::Indicator;
use crate::bank::{Bank, Many};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A whole number that an indicator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// The least it may be.
    pub least: u32,
    /// The most it may be.
    pub most: u32,
}

/// An indicator that can be named.
pub trait Catalogued:
    Indicator + Clone + Debug + Send + Serialize + DeserializeOwned + 'static
{
    /// Its name: lower case, letters and digits.
    const NAME: &'static str;
    /// What it takes, in the order in which that is written.
    const PARAMS: &'static [Param];
    /// What it gives, by name; empty: one value without a name.
    const OUTPUTS: &'static [&'static str] = &[];

    /// Makes one with nothing taken in. `params` are as many as [`Catalogued::PARAMS`] and within
    /// their limits, `output` is a place in [`Catalogued::OUTPUTS`] or 0.
    fn make(params: &[u32], output: usize) -> Self;
    /// After how many bars it gives its first value.
    fn warm_up(params: &[u32]) -> u32;
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub params: &'static [Param],
    /// What it gives, by name; empty: one value without a name.
    pub outputs: &'static [&'static str],
    pub(crate) bank: fn(&[u32], usize) -> Box<dyn Bank>,
    pub(crate) warm_up: fn(&[u32]) -> u32,
}

pub(crate) const fn entry<I: Catalogued>() -> Entry {
    Entry {
        name: I::NAME,
        params: I::PARAMS,
        outputs: I::OUTPUTS,
        bank: |params, output| Box::new(Many::new(I::make(params, output))),
        warm_up: I::warm_up,
    }
}
