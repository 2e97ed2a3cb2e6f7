//! The closing price as an indicator.

use crate::{Bar, Catalogued, Indicator, Param, to_f64};
use serde::{Deserialize, Serialize};

/// Closing price of the last bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close;

impl Indicator for Close {
    fn update(&mut self, bar: &Bar) -> f64 {
        to_f64(bar.close, bar.scale)
    }

    fn rescale(&mut self, _: i64) -> bool {
        true
    }
}

impl Catalogued for Close {
    const NAME: &'static str = "close";
    const PARAMS: &'static [Param] = &[];
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(_: &[u32], _: usize) -> Close {
        Close
    }
    fn warm_up(_: &[u32], _: usize) -> u32 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn is_the_price_of_the_bar() {
        assert_eq!(Close.update(&bar(7)).to_bits(), 7.0_f64.to_bits());
    }
}
