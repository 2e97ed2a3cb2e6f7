//! What holds for any market: a restored state goes on as one that never stopped, later bars change
//! no value, and prices times any factor give the same values.

use super::{HOUR, bar, bits, save};
use crate::Bar;
use crate::composite::Composites;
use proptest::prelude::*;

/// Hours of up to 14 symbols. A symbol without a price has no bar.
fn market() -> impl Strategy<Value = Vec<Vec<Option<(i64, i128)>>>> {
    let one = prop::option::weighted(0.9, (90..=110_i64, 0..=50_i128));
    prop::collection::vec(prop::collection::vec(one, 0..14), 1..500)
}

/// The bars of an hour, with prices times `factor`.
fn row(of: &[Option<(i64, i128)>], factor: i64) -> Vec<(u8, Bar)> {
    let named = (0..).zip(of);
    named
        .filter_map(|(name, of)| of.map(|(close, volume)| (name, bar(close * factor, volume))))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_restart_and_later_bars_change_no_value(rows in market(), stop in 0..500_usize) {
        let weights = || [(0, 1.0), (3, 2.5), (99, 1.0)];
        let stop = stop.min(rows.len());
        let (mut whole, mut begin) = (Composites::new(weights()), Composites::new(weights()));
        let hours = || (1..).zip(&rows).map(|(at, of)| (at * HOUR, row(of, 1 << 20)));
        let all: Vec<_> =
            hours().map(|(time, bars)| bits(whole.update(time, &bars).unwrap())).collect();
        for ((time, bars), want) in hours().zip(&all).take(stop) {
            prop_assert_eq!(&bits(begin.update(time, &bars).unwrap()), want);
        }
        let mut restored: Composites<u8> = postcard::from_bytes(&save(&begin)).unwrap();
        for ((time, bars), want) in hours().zip(&all).skip(stop) {
            prop_assert_eq!(&bits(restored.update(time, &bars).unwrap()), want);
        }
        prop_assert_eq!(save(&restored), save(&whole));
    }

    #[test]
    fn prices_of_another_size_give_the_same_values(rows in market(), power in 0..20_u32) {
        let (mut one, mut other) = (Composites::new([(0, 1.0)]), Composites::new([(0, 1.0)]));
        for (at, of) in (1..).zip(&rows) {
            let small = one.update(at * HOUR, &row(of, 1 << 20)).unwrap();
            let large = other.update(at * HOUR, &row(of, 1 << (20 + power))).unwrap();
            prop_assert_eq!(bits(small), bits(large));
        }
    }
}
