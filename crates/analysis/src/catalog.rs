//! Describes indicators by name, with their parameters and outputs.

use crate::Indicator;
use crate::bank::{Bank, Many};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A parameter of an indicator: a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name of the parameter.
    pub name: &'static str,
    /// Smallest allowed value.
    pub least: u32,
    /// Largest allowed value.
    pub most: u32,
}

/// An indicator that a formula can name.
pub trait Catalogued:
    Indicator + Clone + Debug + Send + Serialize + DeserializeOwned + 'static
{
    /// Name: lower-case letters and digits.
    const NAME: &'static str;
    /// Parameters, in the order of the formula text.
    const PARAMS: &'static [Param];
    /// Names of the outputs. Empty: a single value without a name. If the first name is empty, a
    /// formula without an output means the first.
    const OUTPUTS: &'static [&'static str] = &[];
    /// Bytes of the state for one bar of the window.
    const BAR_BYTES: u64 = 8;
    /// Bytes of the state besides the window, at most.
    const STATE_BYTES: u64 = 64;
    /// Words for the values 1, 2, 3 and so on, of an indicator whose value is a state. 0 is
    /// `none`. Empty: values are numbers.
    const WORDS: &'static [&'static str] = &[];
    /// Whether a value needs all bars since the begin of the UTC day.
    const DAILY: bool = false;
    /// Outputs and their column names, for a table with all outputs of the indicator. Empty: one
    /// column with the name of the indicator.
    const COLUMNS: &'static [(usize, &'static str)] = &[];

    /// Whether an output is a price, which a chart shows over the bars.
    fn is_price(output: usize) -> bool {
        let _ = output;
        false
    }
    /// Makes an instance that has seen no bar. `params` has the length of [`Catalogued::PARAMS`]
    /// and keeps their limits. `output` is an index into [`Catalogued::OUTPUTS`], or 0.
    fn make(params: &[u32], output: usize) -> Self;
    /// Bars needed for the first value of an output.
    fn warm_up(params: &[u32], output: usize) -> u32;
    /// Bars after which the bars before the first one have a weight of at most 1 %. It is the
    /// warm-up, unless the value depends on all earlier bars.
    fn settled(params: &[u32], output: usize) -> u32 {
        Self::warm_up(params, output)
    }
    /// Checks parameters against each other.
    ///
    /// # Errors
    /// The rule that they break.
    fn check(params: &[u32]) -> Result<(), &'static str> {
        let _ = params;
        Ok(())
    }
}

/// One entry of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name of the indicator.
    pub name: &'static str,
    /// Parameters, in the order of the formula text.
    pub params: &'static [Param],
    /// Names of the outputs. Empty: a single value without a name.
    pub outputs: &'static [&'static str],
    pub(crate) columns: &'static [(usize, &'static str)],
    pub(crate) bar_bytes: u64,
    pub(crate) state_bytes: u64,
    pub(crate) words: &'static [&'static str],
    pub(crate) daily: bool,
    pub(crate) is_price: fn(usize) -> bool,
    pub(crate) bank: fn(&[u32], usize) -> Box<dyn Bank>,
    pub(crate) warm_up: fn(&[u32], usize) -> u32,
    pub(crate) settled: fn(&[u32], usize) -> u32,
    pub(crate) check: fn(&[u32]) -> Result<(), &'static str>,
}

pub(crate) const fn entry<I: Catalogued>() -> Entry {
    Entry {
        name: I::NAME,
        params: I::PARAMS,
        outputs: I::OUTPUTS,
        columns: I::COLUMNS,
        bar_bytes: I::BAR_BYTES,
        state_bytes: I::STATE_BYTES,
        words: I::WORDS,
        daily: I::DAILY,
        is_price: I::is_price,
        bank: |params, output| Box::new(Many::new(I::make(params, output))),
        warm_up: I::warm_up,
        settled: I::settled,
        check: I::check,
    }
}
