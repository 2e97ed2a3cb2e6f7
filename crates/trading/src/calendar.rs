//! When symbols are traded and when a trading day begins, as far as venues said it. A stage knows
//! no zone and no rule of a calendar: both are said ahead of time.

use everwarm_domain::fact::Market;
use everwarm_domain::id::{Symbol, SymbolMap, VenueId};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{UtcMs, day_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Beginnings of days that are held; the oldest go first.
const DAYS_MAX: usize = 16;

static ALWAYS: Sessions = Sessions::ALWAYS;

/// See the module. Empty where venues trade always, by days in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calendar {
    /// When venues trade that do not trade always.
    venues: BTreeMap<VenueId, Sessions>,
    /// Where symbols are traded that are not at the first venue there was.
    symbols: SymbolMap<VenueId>,
    /// Days by the time at which they begin: the number of the date.
    days: BTreeMap<UtcMs, i64>,
    /// How often a venue said when it trades.
    pub facts: u64,
}

impl Calendar {
    /// Takes a fact in.
    pub fn fold(&mut self, market: &Market) {
        match market {
            Market::Sessions { venue, sessions } => {
                self.venues.entry(*venue).or_default().follow(sessions);
                self.facts += 1;
            }
            Market::DayBegins { day, at, .. } => {
                self.days.insert(*at, *day);
                while self.days.len() > DAYS_MAX {
                    self.days.pop_first();
                }
            }
            Market::Instruments { rules } => {
                for rule in rules.iter().filter(|rule| !rule.venue.is_default()) {
                    self.symbols.insert(rule.symbol, rule.venue);
                }
            }
            Market::Universe { unlisted, .. } => self.symbols.remove_all(unlisted),
            Market::Close { .. }
            | Market::LateBar { .. }
            | Market::BarRefused { .. }
            | Market::Capabilities { .. }
            | Market::HistoryLoaded { .. }
            | Market::HistoryBars { .. } => {}
        }
    }

    /// When a symbol is traded.
    #[must_use]
    pub fn of(&self, symbol: Symbol) -> &Sessions {
        self.at(self.symbols.get(symbol).copied().unwrap_or_default())
    }

    /// When a venue trades.
    #[must_use]
    pub fn at(&self, venue: VenueId) -> &Sessions {
        self.venues.get(&venue).unwrap_or(&ALWAYS)
    }

    /// Whether every venue trades always, as far as is known.
    #[must_use]
    pub fn is_always_open(&self) -> bool {
        self.venues.is_empty()
    }

    /// The trading day of an instant: the number of its date, as [`day_of`] counts dates. Where no
    /// day was said to begin, the day in UTC.
    #[must_use]
    pub fn day(&self, time: UtcMs) -> i64 {
        let begun = self.days.range(..=time).next_back();
        begun.map_or_else(|| day_of(time), |(_, day)| *day)
    }

    /// The last beginning of a day that is known; none: days are those of UTC.
    #[must_use]
    pub fn last_day(&self) -> Option<UtcMs> {
        self.days.last_key_value().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::DAY;

    #[test]
    fn a_day_begins_when_it_was_said_to() {
        let mut calendar = Calendar::default();
        assert_eq!((calendar.day(DAY - 1), calendar.day(DAY)), (0, 1));
        let says = |day: i64, at| Market::DayBegins {
            venue: VenueId::default(),
            zone: "America/New_York".to_owned(),
            day,
            at,
        };
        let five = 5 * 3_600_000;
        for day in 3..=40 {
            calendar.fold(&says(day, day * DAY + five));
        }
        assert_eq!(calendar.day(40 * DAY), 39);
        assert_eq!(calendar.day(40 * DAY + five), 40);
        assert_eq!(calendar.last_day(), Some(40 * DAY + five));
        assert_eq!(calendar.days.len(), DAYS_MAX);
        assert_eq!(calendar.day(3 * DAY), 3, "long ago days are those of UTC");
    }
}
