//! True range: the range of a bar that includes the close before it. The first value comes after
//! two bars.

use crate::{Bar, Catalogued, Indicator, Param, grown, to_f64};
use serde::{Deserialize, Serialize};

/// True range of the last bar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueRange {
    previous: Option<i64>,
}

/// The true range of a bar after the close `before`, quote units.
pub(crate) fn true_range(bar: &Bar, before: i64) -> f64 {
    // Prices above 0 cannot overflow here. A journal may hold others, so the result saturates.
    to_f64(bar.high.max(before).saturating_sub(bar.low.min(before)), bar.scale)
}

impl Indicator for TrueRange {
    fn update(&mut self, bar: &Bar) -> f64 {
        self.previous.replace(bar.close).map_or(f64::NAN, |before| true_range(bar, before))
    }

    fn rescale(&mut self, factor: i64) -> bool {
        grown(&mut self.previous, factor)
    }
}

impl Catalogued for TrueRange {
    const NAME: &'static str = "tr";
    const PARAMS: &'static [Param] = &[];
    fn make(_: &[u32], _: usize) -> TrueRange {
        TrueRange::default()
    }
    fn warm_up(_: &[u32], _: usize) -> u32 {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bar;

    #[test]
    fn counts_the_jump_from_the_close_before() {
        let mut range = TrueRange::default();
        let values: Vec<_> = [10, 14, 12].iter().map(|price| range.update(&bar(*price))).collect();
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [4.0, 2.0]);
    }
}
