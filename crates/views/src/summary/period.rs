//! A period of event time.

use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_words::text::{civil, date, instant, instant_of};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// From an instant on, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Period {
    /// The first instant in it, UTC milliseconds.
    pub from: UtcMs,
    /// The first instant behind it.
    pub to: UtcMs,
}

impl Period {
    /// The UTC day of an instant.
    #[must_use]
    pub fn day_of(time: UtcMs) -> Period {
        let from = day_of(time) * DAY;
        Period { from, to: from + DAY }
    }

    /// The day of a text like `2026-01-05`.
    ///
    /// # Errors
    /// The text is not a day.
    pub fn day(text: &str) -> Result<Period, String> {
        let from = instant_of(&format!("{text} 00:00")).filter(|_| text.len() == 10);
        from.map(Period::day_of)
            .ok_or_else(|| format!("{text:?} is not a day; write it like 2026-01-05"))
    }

    /// The month of a text like `2026-01`.
    ///
    /// # Errors
    /// The text is not a month.
    pub fn month(text: &str) -> Result<Period, String> {
        let from = instant_of(&format!("{text}-01 00:00")).filter(|_| text.len() == 7);
        let from = from.ok_or_else(|| format!("{text:?} is not a month; write it like 2026-01"))?;
        // No month has 32 days, so this lies in the next one.
        let (.., over) = civil(from + 31 * DAY);
        Ok(Period { from, to: (day_of(from) + 32 - over) * DAY })
    }

    /// Whether an instant is in it.
    #[must_use]
    pub const fn has(&self, time: UtcMs) -> bool {
        self.from <= time && time < self.to
    }

    /// Whether facts about a close of that time are in it: a close belongs to the minute it ends.
    #[must_use]
    pub const fn closes(&self, time: UtcMs) -> bool {
        self.has(time - 1)
    }

    /// Its name for people: a day, or both ends.
    #[must_use]
    pub fn name(&self) -> String {
        if self.to.saturating_sub(self.from) == DAY {
            return date(self.from);
        }
        let (year, month, day) = civil(self.from);
        let whole = Period::month(&format!("{year:04}-{month:02}"));
        if day == 1 && whole.is_ok_and(|whole| whole == *self) {
            return format!("{year:04}-{month:02}");
        }
        format!("{} to {}", instant(self.from), instant(self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_whole() {
        let day = Period::day("2024-02-29").unwrap();
        assert_eq!((day.name(), day.to - day.from), ("2024-02-29".to_owned(), DAY));
        for (month, days) in [("2024-02", 29), ("2026-02", 28), ("2026-12", 31), ("2026-04", 30)] {
            let period = Period::month(month).unwrap();
            assert_eq!((period.to - period.from, period.name()), (days * DAY, month.to_owned()));
            assert_eq!(date(period.to), date(Period::day_of(period.to).from));
        }
        assert!(day.closes(day.to) && !day.closes(day.from) && !day.has(day.to));
        for wrong in ["", "2026-13", "2026-1", "2026-01-05"] {
            assert!(Period::month(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "2026-02-30", "2026-01", "26-01-05"] {
            assert!(Period::day(wrong).is_err(), "{wrong}");
        }
    }
}
