//! Measures how far the equity of the account is below its peak.
//!
//! The peak is the highest equity of the last days. Deposits and withdrawals move it by their
//! amount. A reached threshold stays reached until the drawdown is below half of it, or until an
//! operator resumes with a new peak. While one is reached, the peak does not fall: neither midnight
//! nor a shorter period ends a level.

use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::Risk;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Levels by threshold, ascending.
const LEVELS: [BreakerLevel; 3] =
    [BreakerLevel::Reduced, BreakerLevel::ExitsOnly, BreakerLevel::Halted];

/// The thresholds of [`LEVELS`], percent of the peak; 0: off.
fn thresholds(limits: &Risk) -> [u32; 3] {
    [
        limits.reduce_at_drawdown_percent,
        limits.exits_only_at_drawdown_percent,
        limits.halt_at_drawdown_percent,
    ]
}

/// The equity of the account, its peak and the thresholds reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawdown {
    /// The newest equity without adjustments, quote units; none before the first.
    equity: Option<Decimal>,
    /// The adjustments since the beginning, quote units.
    adjusted: Decimal,
    /// The highest equity of each day without adjustments, by day. Empty if all thresholds are off.
    days: VecDeque<(i64, Decimal)>,
    /// The peak without adjustments.
    peak: Decimal,
    /// The thresholds reached, as in [`LEVELS`].
    reached: [bool; 3],
}

impl Drawdown {
    /// The newest equity without adjustments, quote units; none before the first.
    #[must_use]
    pub fn equity(&self) -> Option<Decimal> {
        self.equity
    }

    /// Applies the equity after a close of a trading day. `adjusted` is the part of it that is
    /// neither profit nor loss.
    pub fn fold(&mut self, equity: Decimal, adjusted: Decimal, day: i64, limits: &Risk) {
        let own = equity.saturating_sub(adjusted);
        (self.equity, self.adjusted) = (Some(own), adjusted);
        if thresholds(limits) == [0; 3] {
            self.days.clear();
            self.peak = own;
            self.reached = [false; 3];
            return;
        }
        match self.days.back_mut() {
            // A time that steps back changes no earlier day.
            Some((last, most)) if *last >= day => *most = (*most).max(own),
            Some(_) | None => self.days.push_back((day, own)),
        }
        let last = self.days.back().map_or(day, |(last, _)| *last);
        let from = last.saturating_sub(i64::from(limits.peak_days.max(1)));
        while self.days.front().is_some_and(|(day, _)| *day <= from) {
            self.days.pop_front();
        }
        let most = self.days.iter().map(|(_, most)| *most).max().unwrap_or(own);
        self.peak = if self.reached.contains(&true) { self.peak.max(most) } else { most };
        self.compare(limits);
    }

    /// Compares the drawdown with the thresholds.
    pub fn compare(&mut self, limits: &Risk) {
        let hundredfold = self.below().saturating_mul(Decimal::ONE_HUNDRED);
        let peak = self.peak.saturating_add(self.adjusted);
        for (reached, percent) in self.reached.iter_mut().zip(thresholds(limits)) {
            let at = peak.saturating_mul(percent.into());
            // Without a peak above zero, a share of it means nothing.
            if percent == 0 || peak <= Decimal::ZERO {
                *reached = false;
            } else if hundredfold >= at {
                *reached = true;
            } else if hundredfold.saturating_mul(Decimal::TWO) < at {
                *reached = false;
            }
        }
    }

    /// Takes the newest equity as the peak.
    pub fn take_new_peak(&mut self) {
        let last = self.days.back().map(|(day, _)| *day);
        self.days.clear();
        self.reached = [false; 3];
        if let (Some(day), Some(equity)) = (last, self.equity) {
            self.days.push_back((day, equity));
            self.peak = equity;
        }
    }

    /// How far the equity is below the peak, quote units.
    fn below(&self) -> Decimal {
        self.equity.map_or(Decimal::ZERO, |equity| self.peak.saturating_sub(equity))
    }

    /// The drawdown as a share of the lowest threshold; 0 if all are off.
    #[must_use]
    pub fn used(&self, limits: &Risk) -> Decimal {
        let Some(percent) = thresholds(limits).into_iter().filter(|percent| *percent > 0).min()
        else {
            return Decimal::ZERO;
        };
        let at = self.peak.saturating_add(self.adjusted).saturating_mul(percent.into());
        let hundredfold = self.below().max(Decimal::ZERO).saturating_mul(Decimal::ONE_HUNDRED);
        if self.days.is_empty() || at <= Decimal::ZERO {
            return Decimal::ZERO;
        }
        hundredfold.checked_div(at).unwrap_or(Decimal::MAX)
    }

    /// The level, and its reason.
    #[must_use]
    pub fn judge(&self, limits: &Risk) -> Option<(BreakerLevel, String)> {
        let mut reached = self.reached.iter().zip(LEVELS).zip(thresholds(limits));
        let ((_, level), percent) = reached.rfind(|((reached, _), _)| **reached)?;
        let peak = self.peak.saturating_add(self.adjusted).normalize();
        let half = (Decimal::from(percent) / Decimal::TWO).normalize();
        let why = format!(
            "the equity fell {percent} % below its peak of {peak}; this lasts until it is less \
             than {half} % below, or until `everwarm resume --new-peak`"
        );
        Some((level, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dec;
    use BreakerLevel as L;

    fn limits(percents: [u32; 3]) -> Risk {
        let [reduce, exits_only, halt] = percents;
        Risk {
            reduce_at_drawdown_percent: reduce,
            exits_only_at_drawdown_percent: exits_only,
            halt_at_drawdown_percent: halt,
            peak_days: 30,
            ..Risk::default()
        }
    }

    fn level(drawdown: &Drawdown, limits: &Risk) -> L {
        drawdown.judge(limits).map_or(L::Normal, |(level, _)| level)
    }

    #[test]
    fn each_level_begins_at_its_threshold_and_ends_below_half_of_it() {
        let (limits, mut drawdown) = (limits([5, 10, 20]), Drawdown::default());
        for (equity, expected) in [
            ("1000", L::Normal),
            ("950.01", L::Normal),
            ("950", L::Reduced),
            ("975", L::Reduced),
            ("975.01", L::Normal),
            ("900", L::ExitsOnly),
            ("950", L::ExitsOnly),
            ("950.01", L::Reduced),
            ("800", L::Halted),
            ("900", L::Halted),
            ("900.01", L::ExitsOnly),
            ("1000", L::Normal),
        ] {
            drawdown.fold(dec(equity), Decimal::ZERO, 0, &limits);
            assert_eq!(level(&drawdown, &limits), expected, "{equity}");
            drawdown.compare(&limits);
            assert_eq!(level(&drawdown, &limits), expected, "{equity} again");
        }
    }

    #[test]
    fn a_peak_is_forgotten_after_its_days_but_not_while_it_holds_a_level() {
        let (limits, mut drawdown) = (limits([5, 10, 20]), Drawdown::default());
        drawdown.fold(dec("1000"), Decimal::ZERO, 0, &limits);
        drawdown.fold(dec("960"), Decimal::ZERO, 29, &limits);
        drawdown.fold(dec("960"), Decimal::ZERO, 30, &limits);
        drawdown.fold(dec("930"), Decimal::ZERO, 30, &limits);
        assert_eq!(level(&drawdown, &limits), L::Normal, "3 % below 960");
        drawdown.fold(dec("900"), Decimal::ZERO, 31, &limits);
        assert_eq!(level(&drawdown, &limits), L::Reduced);
        for day in 32..200 {
            drawdown.fold(dec("900"), Decimal::ZERO, day, &limits);
        }
        assert_eq!(level(&drawdown, &limits), L::Reduced, "midnights do not loosen it");
        let shorter = Risk { peak_days: 1, ..limits.clone() };
        drawdown.fold(dec("900"), Decimal::ZERO, 201, &shorter);
        assert_eq!(level(&drawdown, &shorter), L::Reduced, "nor does a reload");
        // A time that steps back and forth.
        drawdown.fold(dec("900"), Decimal::ZERO, 3, &limits);
        drawdown.fold(dec("900"), Decimal::ZERO, 900, &limits);
        assert_eq!(level(&drawdown, &limits), L::Reduced);
        drawdown.fold(dec("937"), Decimal::ZERO, 901, &limits);
        assert_eq!(level(&drawdown, &limits), L::Normal);
        assert!(drawdown.days.len() <= 30);
    }

    #[test]
    fn a_deposit_or_withdrawal_is_neither_a_peak_nor_a_drawdown() {
        let (limits, mut drawdown) = (limits([5, 10, 20]), Drawdown::default());
        for (equity, adjusted, expected) in [
            ("1000", "0", L::Normal),
            ("500", "-500", L::Normal),
            ("480", "-500", L::Normal),
            ("475", "-500", L::Reduced),
            ("5475", "4500", L::Normal),
            ("5225", "4500", L::Reduced),
            ("0", "-1000", L::Normal),
        ] {
            drawdown.fold(dec(equity), dec(adjusted), 0, &limits);
            assert_eq!(level(&drawdown, &limits), expected, "{equity} {adjusted}");
        }
    }

    #[test]
    fn a_new_peak_ends_the_level_and_what_is_off_keeps_nothing() {
        let (on, mut drawdown) = (limits([5, 10, 20]), Drawdown::default());
        drawdown.fold(dec("1000"), Decimal::ZERO, 0, &on);
        drawdown.fold(dec("700"), Decimal::ZERO, 0, &on);
        assert_eq!((level(&drawdown, &on), drawdown.used(&on)), (L::Halted, dec("6")));
        let (_, why) = drawdown.judge(&on).unwrap();
        assert_eq!(
            why,
            "the equity fell 20 % below its peak of 1000; this lasts until it is less than 10 % \
             below, or until `everwarm resume --new-peak`"
        );
        drawdown.take_new_peak();
        assert_eq!((level(&drawdown, &on), drawdown.used(&on)), (L::Normal, dec("0")));
        drawdown.fold(dec("665"), Decimal::ZERO, 0, &on);
        assert_eq!(level(&drawdown, &on), L::Reduced, "5 % below 700");
        let off = limits([0; 3]);
        drawdown.compare(&off);
        assert_eq!(level(&drawdown, &off), L::Normal);
        drawdown.fold(dec("665"), Decimal::ZERO, 0, &off);
        assert_eq!((drawdown.days.len(), drawdown.used(&off)), (0, dec("0")));
        assert_eq!(drawdown.equity(), Some(dec("665")));
    }
}
