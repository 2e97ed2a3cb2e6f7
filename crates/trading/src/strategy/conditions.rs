//! The conditions of a signal with their numbers, and how far a row of values is from its signal.
//!
//! The distance orders rows of all strategies and symbols:
//! 1. A row with fewer failed conditions is nearer.
//! 2. Of equally many, the row with the smaller gap is nearer. The gap belongs to the first failed
//!    condition that compares numbers. It is |value - bound| / |bound|.
//! 3. A row without a gap is farther than each row with one.

use everwarm_domain::signal::Intent;
use std::cmp::Ordering;

/// A number of a condition, and the bound that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// The number.
    pub value: f64,
    /// Its bound.
    pub bound: f64,
}

impl Compared {
    /// The difference relative to the bound. None if it is not a finite number.
    #[must_use]
    pub fn gap(self) -> Option<f64> {
        let gap = ((self.value - self.bound) / self.bound).abs();
        gap.is_finite().then_some(gap)
    }
}

/// One condition of a signal at one row of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Its name in a few words: `close above the high`.
    pub name: &'static str,
    /// Whether it is met.
    pub met: bool,
    /// Its numbers; none: it compares no numbers.
    pub numbers: Option<Compared>,
    /// Why it is not met, for people, with the numbers; empty if it is met.
    pub lacks: String,
}

impl Condition {
    /// A condition without numbers. `lacks` says why it is not met.
    #[must_use]
    pub fn new(name: &'static str, met: bool, lacks: impl FnOnce() -> String) -> Condition {
        let lacks = if met { String::new() } else { lacks() };
        Condition { name, met, numbers: None, lacks }
    }

    /// The same condition with the number that it compares with a bound.
    #[must_use]
    pub fn comparing(self, value: f64, bound: f64) -> Condition {
        Condition { numbers: Some(Compared { value, bound }), ..self }
    }
}

/// All conditions of the next signal of a strategy in a symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// The intent of the signal.
    pub intent: Intent,
    /// Each condition, in the order in which `why-not` names them.
    pub all: Vec<Condition>,
}

impl Conditions {
    /// The conditions of a signal with this intent.
    #[must_use]
    pub const fn new(intent: Intent, all: Vec<Condition>) -> Conditions {
        Conditions { intent, all }
    }

    /// The first condition that is not met.
    #[must_use]
    pub fn first_failed(&self) -> Option<&Condition> {
        self.all.iter().find(|condition| !condition.met)
    }

    /// The first condition that is not met and has a gap.
    #[must_use]
    pub fn first_gap(&self) -> Option<Compared> {
        let failed = self.all.iter().filter(|condition| !condition.met);
        failed.filter_map(|condition| condition.numbers).find(|numbers| numbers.gap().is_some())
    }

    /// How far these conditions are from the signal.
    #[must_use]
    pub fn distance(&self) -> Distance {
        let failed = self.all.iter().filter(|condition| !condition.met).count();
        let gap = self.first_gap().and_then(Compared::gap);
        Distance { failed: u32::try_from(failed).unwrap_or(u32::MAX), gap }
    }
}

/// Why values gave no signal: the first condition that is not met, or why none can be judged.
#[must_use]
pub fn first_lack(judged: Result<Conditions, String>) -> String {
    match judged.as_ref().map(Conditions::first_failed) {
        Ok(Some(condition)) => condition.lacks.clone(),
        Ok(None) => "all conditions are met".to_owned(),
        Err(_) => judged.err().unwrap_or_default(),
    }
}

/// How far a row of values is from its signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// Number of failed conditions.
    pub failed: u32,
    /// The gap of the first failed condition with numbers, a part of its bound; none: no failed
    /// condition has one.
    pub gap: Option<f64>,
}

impl Distance {
    /// The distance of a row that gave a signal.
    pub const SIGNAL: Distance = Distance { failed: 0, gap: Some(0.0) };

    /// Orders distances, the nearest first.
    #[must_use]
    pub fn order(&self, other: &Distance) -> Ordering {
        let gap = |of: &Distance| of.gap.unwrap_or(f64::INFINITY);
        self.failed.cmp(&other.failed).then_with(|| gap(self).total_cmp(&gap(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KINDS, LotView, View};
    use super::*;
    use crate::testing::sym;
    use everwarm_domain::features::FeatureHead;
    use everwarm_domain::money::{Decimal, Price};
    use everwarm_kernel::chance::draw;

    fn failed(numbers: &[Option<(f64, f64)>]) -> Distance {
        let one = |numbers: &Option<(f64, f64)>| {
            let lacks = || "it is not met".to_owned();
            let condition = Condition::new("one", false, lacks);
            numbers.map_or(condition.clone(), |(value, bound)| condition.comparing(value, bound))
        };
        let met = Condition::new("met", true, String::new).comparing(9.0, 1.0);
        let all = [vec![met], numbers.iter().map(one).collect()].concat();
        Conditions::new(Intent::Open, all).distance()
    }

    #[test]
    fn fewer_failed_conditions_are_nearer_then_the_smaller_gap_and_none_is_last() {
        let rows = [
            Distance::SIGNAL,
            failed(&[Some((99.0, 100.0))]),
            failed(&[Some((-0.98, -1.0))]),
            failed(&[Some((0.000_103, 0.000_1))]),
            failed(&[Some((1e300, 1e-300))]),
            failed(&[Some((5.0, 0.0))]),
            failed(&[None, Some((101.0, 100.0))]),
            failed(&[Some((102.0, 100.0)), Some((100.0, 100.0))]),
            failed(&[None, None]),
            failed(&[Some((f64::NAN, 1.0)), None, None]),
        ];
        let counts = rows.map(|row| row.failed);
        assert_eq!(counts, [0, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
        assert!(rows.is_sorted_by(|one, other| one.order(other).is_le()), "{rows:?}");
        let strict = [0, 1, 2, 3, 5, 6, 7, 8].map(|at| rows[at].order(&rows[at + 1]));
        assert!(
            strict.iter().enumerate().all(|(at, order)| at == 3 || order.is_lt()),
            "{strict:?}"
        );
        let gaps = rows.map(|row| row.gap.is_some());
        assert_eq!(gaps[4..], [false, false, true, true, false, false]);
        assert!(rows[6].gap.is_some_and(|gap| (gap - 0.01).abs() < 1e-12), "{:?}", rows[6]);
    }

    /// Values near each other, so that each condition is often met and often not.
    fn values(seed: &mut u64, count: usize) -> Vec<f64> {
        let one = |seed: &mut u64| match draw(seed) % 24 {
            0 => f64::NAN,
            1 => -1.0,
            2 => 0.5,
            3 => 29.0,
            4 => 71.0,
            number => f64::from(u32::try_from(number).unwrap() / 2) + 91.0,
        };
        (0..count).map(|_| one(seed)).collect()
    }

    #[test]
    fn a_kind_signals_exactly_where_all_its_conditions_are_met() {
        // The signals of an external program have no conditions.
        for kind in KINDS.iter().filter(|kind| !kind.external) {
            let section = (kind.defaults)();
            let count = (kind.features)(&section).len();
            let (mut seed, mut signals, mut gaps) = (7, 0, 0);
            for _ in 0..200 {
                let mut asked = (kind.why_not)(&section).unwrap();
                let (mut long, mut quantity) = (false, Decimal::ZERO);
                for time in 0..40 {
                    let close = Price::e8(10_000_000_000);
                    let head = FeatureHead { symbol: sym("A"), time, close };
                    let enters = draw(&mut seed).is_multiple_of(8);
                    let lot = LotView { held: quantity, enters, leaves: false };
                    let values = values(&mut seed, count);
                    asked.see(long, &View { head, values: &values, lot });
                    let verdict = asked.verdict(sym("A")).unwrap();
                    let place = format!("{} {values:?} {long}: {verdict:?}", kind.name);
                    let failed = verdict.judged.as_ref().map(Conditions::first_failed);
                    assert_eq!(verdict.signal.is_some(), failed == Ok(None), "{place}");
                    assert_eq!(verdict.signal.is_none(), asked.why(sym("A")).is_some(), "{place}");
                    if let Some(signal) = verdict.signal {
                        assert_eq!(verdict.judged.unwrap().intent, signal.intent, "{place}");
                        long = signal.intent != Intent::Close;
                        quantity = if long { quantity + Decimal::ONE } else { Decimal::ZERO };
                        signals += 1;
                        continue;
                    }
                    assert_eq!(asked.why(sym("A")), Some(first_lack(verdict.judged.clone())));
                    gaps += usize::from(verdict.judged.is_ok_and(|all| all.first_gap().is_some()));
                }
            }
            assert!(signals > 50 && gaps > 500, "{}: {signals} {gaps}", kind.name);
        }
    }

    #[test]
    fn a_kind_that_continues_from_its_saved_memory_judges_as_before() {
        for kind in KINDS {
            let section = (kind.defaults)();
            let count = (kind.features)(&section).len();
            let mut asked = (kind.why_not)(&section).unwrap();
            let (mut seed, mut long, mut held, mut signals) = (5, false, Decimal::ZERO, 0);
            for time in 0..2_000 {
                let mut other = (kind.why_not)(&section).unwrap();
                let saved = asked.save();
                other.load(&saved).unwrap();
                let symbol = sym(if draw(&mut seed).is_multiple_of(4) { "B" } else { "A" });
                let shown = FeatureHead { symbol, time, close: Price::e8(10_000_000_000) };
                let enters = draw(&mut seed).is_multiple_of(8);
                let lot = LotView { held, enters, leaves: false };
                let values = values(&mut seed, count);
                let view = View { head: shown, values: &values, lot };
                asked.see(long, &view);
                other.see(long, &view);
                let verdict = asked.verdict(symbol).unwrap();
                // Numbers that are not known are not equal to themselves.
                let (one, two) = (format!("{verdict:?}"), other.verdict(symbol).unwrap());
                assert_eq!(one, format!("{two:?}"), "{} {values:?} {long}", kind.name);
                assert!(other.load(&saved[..saved.len() - 1]).is_err(), "{}", kind.name);
                if let Some(signal) = verdict.signal {
                    long = signal.intent != Intent::Close;
                    held = if long { held + Decimal::ONE } else { Decimal::ZERO };
                    signals += 1;
                }
            }
            assert!(kind.external || signals > 0, "{} gave no signal", kind.name);
        }
    }
}
