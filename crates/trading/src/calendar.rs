//! Holds the trading sessions of venues and the beginnings of trading days. Stages use no time
//! zones or calendar rules: inputs state sessions and days in advance.

use everwarm_domain::fact::Market;
use everwarm_domain::id::{Symbol, SymbolMap, VenueId};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{UtcMs, day_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Most day beginnings kept; the oldest are dropped first.
const DAYS_MAX: usize = 16;

static ALWAYS: Sessions = Sessions::ALWAYS;

/// Trading sessions and day beginnings. Empty: the venues trade always, and days are those of UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calendar {
    /// Sessions of the venues that do not trade always.
    venues: BTreeMap<VenueId, Sessions>,
    /// Venues of symbols that are not traded at the default venue.
    symbols: SymbolMap<VenueId>,
    /// Day numbers by the time at which each day begins.
    days: BTreeMap<UtcMs, i64>,
    /// Number of `Sessions` facts seen.
    pub facts: u64,
}

impl Calendar {
    /// Applies one market fact.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    pub fn fold(&mut self, market: &Market) {
        match market {
            Market::Sessions { venue, sessions } => {
                self.venues.entry(*venue).or_default().follow(sessions);
                self.facts += 1;
            }
            Market::DayBegins { day, at, .. } => {
                // Only another zone restates a day that comes earlier. Days of the zone before end.
                self.days.split_off(at);
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
            _ => {}
        }
    }

    /// Trading sessions of a symbol.
    #[must_use]
    pub fn of(&self, symbol: Symbol) -> &Sessions {
        self.at(self.symbols.get(symbol).copied().unwrap_or_default())
    }

    /// Trading sessions of a venue.
    #[must_use]
    pub fn at(&self, venue: VenueId) -> &Sessions {
        self.venues.get(&venue).unwrap_or(&ALWAYS)
    }

    /// Whether no venue has stated sessions, so all trade always.
    #[must_use]
    pub fn is_always_open(&self) -> bool {
        self.venues.is_empty()
    }

    /// The trading day at a time, as a day number like [`day_of`]. Without a known day beginning,
    /// this is the day in UTC.
    #[must_use]
    pub fn day(&self, time: UtcMs) -> i64 {
        let begun = self.days.range(..=time).next_back();
        begun.map_or_else(|| day_of(time), |(_, day)| *day)
    }

    /// The known day beginnings after a time: each with the number of its day.
    pub fn days_after(&self, time: UtcMs) -> impl Iterator<Item = (i64, UtcMs)> {
        let after = (Bound::Excluded(time), Bound::Unbounded);
        self.days.range(after).map(|(at, day)| (*day, *at))
    }

    /// The latest known day beginning. `None`: days are those of UTC.
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
    fn a_state_may_hold_a_venue_that_was_appended() {
        use everwarm_kernel::state;
        let both = [VenueId::Binance, VenueId::Alpaca].map(|venue| (venue, 7_u8));
        let map = BTreeMap::from(both);
        let bytes = state::save(1, &map);
        assert_eq!(state::load::<BTreeMap<VenueId, u8>>(1, &bytes), Ok(map));
    }

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
        // Another zone restates the days from one of its midnights on.
        calendar.fold(&says(40, 40 * DAY));
        assert_eq!((calendar.day(40 * DAY - 1), calendar.day(40 * DAY)), (39, 40));
        assert_eq!(calendar.last_day(), Some(40 * DAY));
    }
}
