//! Trading sessions and the beginnings of days that a response of the venue adds to those that are
//! known.

use super::{Universe, Venue};
use everwarm_domain::fact::Market;
use everwarm_domain::id::VenueId;
use everwarm_domain::time::{DAY, UtcMs, day_of};

/// Days of UTC that are stated at once after another zone.
const UTC_DAYS: i64 = 5;

impl Universe {
    /// Sessions and day beginnings that are not known yet.
    pub(super) fn new_hours(&self, venue: &Venue, now: UtcMs) -> Vec<Market> {
        let id = venue.rules.first().map(|rule| rule.venue).unwrap_or_default();
        let mut hours = Vec::new();
        if let Some(sessions) = venue.sessions.as_ref().filter(|it| !it.is_unknown()) {
            let known = self.calendar.at(id);
            let mut with = known.clone();
            with.follow(sessions);
            if with != *known {
                hours.push(Market::Sessions { venue: id, sessions: sessions.clone() });
            }
        }
        hours.extend(self.new_days(venue, id, now));
        hours
    }

    /// Day beginnings that are not known yet. Another zone applies from the later of both next
    /// midnights on. So no day begins twice. The day of the change may be shorter or longer.
    fn new_days(&self, venue: &Venue, id: VenueId, now: UtcMs) -> Vec<Market> {
        let utc = || {
            let days = day_of(now)..day_of(now) + UTC_DAYS;
            ("UTC".to_owned(), days.map(|day| (day, day * DAY)).collect::<Vec<_>>())
        };
        let last = self.calendar.last_day();
        let (zone, days) = match &venue.day_begins {
            Some((zone, days)) => (zone.clone(), days.clone()),
            None if last.is_some() => utc(),
            None => return Vec::new(),
        };
        let is_next = |(_, at): &&(i64, UtcMs)| *at > now;
        let ahead: Vec<_> = self.calendar.days_after(now).collect();
        let before = ahead.first().map_or((day_of(now) + 1) * DAY, |(_, at)| *at);
        // A new installation has had no day yet.
        let is_new = last.is_none() && self.rows.is_empty();
        let same = is_new || (last.is_some() && ahead.iter().all(|day| days.contains(day)));
        let from = match days.iter().find(is_next) {
            _ if same => last.map_or(UtcMs::MIN, |last| last + 1),
            Some((_, next)) => before.max(*next),
            None => return Vec::new(),
        };
        let begins = |(day, at): (i64, UtcMs)| {
            let zone = zone.clone();
            Market::DayBegins { venue: id, zone, day, at }
        };
        let new: Vec<Market> = days.into_iter().filter(|(_, at)| *at >= from).map(begins).collect();
        let mut with = self.calendar.clone();
        for market in &new {
            with.fold(market);
        }
        if with == self.calendar { Vec::new() } else { new }
    }
}
