//! Trading sessions of a venue: UTC spans, as its adapter reports them.
//!
//! A venue that reports none trades always. Times that a report does not cover count as open.

use crate::time::{MINUTE, Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;

/// Most sessions that are kept; the oldest are dropped first.
pub const SESSIONS_MAX: usize = 4_096;

/// One session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Opening time of its first minute, UTC milliseconds.
    pub open: UtcMs,
    /// End of its last minute, UTC milliseconds.
    pub close: UtcMs,
}

impl Session {
    /// Whether the minute that opens at `time` belongs to it.
    #[must_use]
    pub fn holds(&self, time: UtcMs) -> bool {
        (self.open..self.close).contains(&time)
    }

    /// The number of its minutes.
    #[must_use]
    pub fn minutes(&self) -> i64 {
        self.close.saturating_sub(self.open) / MINUTE
    }
}

/// The sessions of a venue within a known range of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Start of the known range, UTC milliseconds.
    from: UtcMs,
    /// End of the known range, UTC milliseconds. Equal to `from`: nothing is known.
    until: UtcMs,
    /// The sessions in the known range, ascending and apart from each other.
    spans: Vec<Session>,
}

impl Sessions {
    /// The sessions of a venue that trades always.
    pub const ALWAYS: Sessions = Sessions { from: 0, until: 0, spans: Vec::new() };

    /// Checks the sessions that an adapter reports.
    ///
    /// # Errors
    /// Names the first session that is empty, not of whole minutes, out of order or outside of
    /// `from` to `until`; or there are more than [`SESSIONS_MAX`].
    pub fn new(from: UtcMs, until: UtcMs, spans: Vec<Session>) -> Result<Sessions, String> {
        if spans.len() > SESSIONS_MAX {
            return Err(format!("{} sessions are more than {SESSIONS_MAX}", spans.len()));
        }
        let mut after = from;
        for session in &spans {
            let Session { open, close } = *session;
            let whole = open.rem_euclid(MINUTE) == 0 && close.rem_euclid(MINUTE) == 0;
            if !whole || open < after || close <= open || close > until {
                return Err(format!(
                    "the session from {open} to {close} is refused: sessions have whole minutes, \
                     follow each other, and lie between {from} and {until}"
                ));
            }
            after = close;
        }
        if until < from {
            return Err(format!("sessions are known from {from} to {until}, which is before"));
        }
        Ok(Sessions { from, until, spans })
    }

    /// Applies a later report. From its beginning on it replaces what was known.
    pub fn follow(&mut self, later: &Sessions) {
        if self.is_unknown() || later.from <= self.from || later.from > self.until {
            *self = later.clone();
            return;
        }
        self.spans.retain(|session| session.open < later.from);
        if let Some(last) = self.spans.last_mut() {
            last.close = last.close.min(later.from);
        }
        // If the later report begins within a session, both parts are one session.
        let mut more = later.spans.iter().copied().peekable();
        if let (Some(last), Some(first)) = (self.spans.last_mut(), more.peek())
            && last.close == later.from
            && first.open == later.from
        {
            last.close = first.close;
            more.next();
        }
        self.spans.extend(more);
        self.until = later.until;
        let over = self.spans.len().saturating_sub(SESSIONS_MAX);
        if let Some(last) = over.checked_sub(1) {
            self.from = self.spans[last].close;
            self.spans.drain(..over);
        }
    }

    /// Whether no report was applied. The venue then counts as always open.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.from == self.until
    }

    /// End of the known range, UTC milliseconds; none if nothing is known.
    #[must_use]
    pub fn until(&self) -> Option<UtcMs> {
        (!self.is_unknown()).then_some(self.until)
    }

    /// The known sessions, ascending.
    #[must_use]
    pub fn spans(&self) -> &[Session] {
        &self.spans
    }

    /// Whether the venue trades in the minute that opens at `time`. Unknown times count as open.
    #[must_use]
    pub fn is_open(&self, time: UtcMs) -> bool {
        !self.covers(time) || self.at(time).is_some()
    }

    /// The session of the minute that opens at `time`, if it is known.
    #[must_use]
    pub fn at(&self, time: UtcMs) -> Option<Session> {
        let after = self.spans.partition_point(|session| session.open <= time);
        let session = *self.spans.get(after.checked_sub(1)?)?;
        session.holds(time).then_some(session)
    }

    /// Opening time of the first session after `time`; none if no later session is known.
    #[must_use]
    pub fn next_open(&self, time: UtcMs) -> Option<UtcMs> {
        let after = self.spans.partition_point(|session| session.open <= time);
        self.spans.get(after).map(|session| session.open)
    }

    /// End of the last minute of trading that ended at or before `time`.
    #[must_use]
    pub fn last_close(&self, time: UtcMs) -> UtcMs {
        let close = Timeframe::M1.open_of(time);
        if self.is_open(close - MINUTE) {
            return close;
        }
        let after = self.spans.partition_point(|session| session.close <= close);
        // Before the first session nothing is known.
        after.checked_sub(1).map_or(self.from, |last| self.spans[last].close)
    }

    /// How long the venue trades between two times, milliseconds; 0 if the second is not later.
    #[must_use]
    pub fn open_between(&self, from: UtcMs, to: UtcMs) -> UtcMs {
        let within =
            |open: UtcMs, close: UtcMs| close.min(to).saturating_sub(open.max(from)).max(0);
        let all = to.saturating_sub(from).max(0);
        if self.is_unknown() {
            return all;
        }
        let open: UtcMs =
            self.spans.iter().map(|session| within(session.open, session.close)).sum();
        all - within(self.from, self.until) + open
    }

    /// The buckets from `first` to `last` without trading, as ranges of opening times. The ranges
    /// ascend, and neighbours form one range. `first` and `last` are opening times of buckets.
    #[must_use]
    pub fn closed(
        &self,
        timeframe: Timeframe,
        first: UtcMs,
        last: UtcMs,
    ) -> Vec<RangeInclusive<UtcMs>> {
        let width = timeframe.ms();
        let mut closed: Vec<RangeInclusive<UtcMs>> = Vec::new();
        // The gaps between sessions, and between them and the ends of the known range.
        let ends = self.spans.iter().map(|session| session.close);
        let begins = self.spans.iter().map(|session| session.open);
        let gaps = std::iter::once(self.from).chain(ends);
        for (from, to) in gaps.zip(begins.chain([self.until])) {
            // Buckets that are completely inside the gap.
            let begin = timeframe.open_of(from.saturating_add(width - 1)).max(first);
            let end = timeframe.open_of(to).saturating_sub(width).min(last);
            if begin <= end {
                closed.push(begin..=end);
            }
        }
        closed
    }

    /// Opening time of the first of the last `count` buckets that ended at or before `end`. Buckets
    /// without trading do not count. `end` is the end of a bucket.
    #[must_use]
    pub fn first_of(&self, timeframe: Timeframe, count: i64, end: UtcMs) -> UtcMs {
        let width = timeframe.ms();
        let mut first = end.saturating_sub(count.max(0).saturating_mul(width));
        let last = end.saturating_sub(width);
        for gap in self.closed(timeframe, UtcMs::MIN, last).iter().rev() {
            if *gap.end() < first {
                break;
            }
            let length = gap.end().saturating_sub(*gap.start()).saturating_add(width);
            first = first.saturating_sub(length);
        }
        first
    }

    /// Whether `time` is in the known range.
    #[must_use]
    pub fn covers(&self, time: UtcMs) -> bool {
        (self.from..self.until).contains(&time)
    }
}

impl fmt::Display for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sessions, known from {} to {}", self.spans.len(), self.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    const HOUR: UtcMs = 60 * MINUTE;

    /// One session on each of `days`, between the whole hours of `hours`.
    fn daily(days: RangeInclusive<i64>, hours: (i64, i64)) -> Sessions {
        let (from, until) = (days.start() * DAY, (days.end() + 1) * DAY);
        let session = |day: i64| Session {
            open: day * DAY + hours.0 * HOUR,
            close: day * DAY + hours.1 * HOUR,
        };
        Sessions::new(from, until, days.map(session).collect()).unwrap()
    }

    #[test]
    fn a_venue_that_says_nothing_is_always_open() {
        let sessions = Sessions::default();
        assert!(sessions.is_unknown() && sessions.is_open(0) && sessions.is_open(-MINUTE));
        assert_eq!(sessions.last_close(5 * MINUTE + 1), 5 * MINUTE);
        assert_eq!(sessions.first_of(Timeframe::M1, 10, HOUR), 50 * MINUTE);
        assert_eq!(sessions.closed(Timeframe::M1, 0, DAY), []);
    }

    #[test]
    fn it_is_open_in_its_sessions_and_where_nothing_is_known() {
        let sessions = daily(1..=2, (9, 17));
        for (time, open) in [
            (DAY - MINUTE, true),
            (DAY, false),
            (DAY + 9 * HOUR - MINUTE, false),
            (DAY + 9 * HOUR, true),
            (DAY + 17 * HOUR - MINUTE, true),
            (DAY + 17 * HOUR, false),
            (2 * DAY + 12 * HOUR, true),
            (3 * DAY - MINUTE, false),
            (3 * DAY, true),
        ] {
            assert_eq!(sessions.is_open(time), open, "{time}");
        }
        let night = 2 * DAY + 3 * HOUR;
        assert_eq!(sessions.last_close(night), DAY + 17 * HOUR);
        assert_eq!(sessions.last_close(DAY + HOUR), DAY, "nothing is known of before");
        assert_eq!(sessions.last_close(2 * DAY + 9 * HOUR), DAY + 17 * HOUR);
        assert_eq!(sessions.last_close(2 * DAY + 9 * HOUR + MINUTE), 2 * DAY + 9 * HOUR + MINUTE);
    }

    #[test]
    fn the_next_session_opens_after_this_time() {
        let sessions = daily(1..=2, (9, 17));
        let opens = [1, 2].map(|day| day * DAY + 9 * HOUR);
        for (time, next) in [
            (0, Some(opens[0])),
            (opens[0] - 1, Some(opens[0])),
            (opens[0], Some(opens[1])),
            (DAY + 17 * HOUR, Some(opens[1])),
            (opens[1], None),
        ] {
            assert_eq!(sessions.next_open(time), next, "{time}");
        }
        assert_eq!(Sessions::ALWAYS.next_open(0), None);
    }

    #[test]
    fn time_passes_while_it_is_open() {
        let sessions = daily(1..=2, (9, 17));
        for (from, to, hours) in [
            (DAY + 10 * HOUR, DAY + 12 * HOUR, 2),
            (DAY + 16 * HOUR, 2 * DAY + 10 * HOUR, 2),
            (DAY + 18 * HOUR, 2 * DAY + HOUR, 0),
            (0, DAY + 10 * HOUR, 25),
            (2 * DAY, 4 * DAY, 32),
            (DAY + 12 * HOUR, DAY + 11 * HOUR, 0),
        ] {
            assert_eq!(sessions.open_between(from, to), hours * HOUR, "{from} {to}");
        }
        assert_eq!(Sessions::ALWAYS.open_between(5, 9), 4);
    }

    #[test]
    fn the_last_bars_lie_behind_nights() {
        let sessions = daily(1..=3, (9, 17));
        let (day, noon) = (3 * DAY, 3 * DAY + 12 * HOUR);
        assert_eq!(sessions.first_of(Timeframe::H1, 3, noon), day + 9 * HOUR);
        assert_eq!(sessions.first_of(Timeframe::H1, 4, noon), 2 * DAY + 16 * HOUR);
        assert_eq!(sessions.first_of(Timeframe::H1, 12, noon), DAY + 16 * HOUR);
        let nights = sessions.closed(Timeframe::H1, DAY + 16 * HOUR, noon - HOUR);
        let night = |day: i64| day * DAY + 17 * HOUR..=(day + 1) * DAY + 8 * HOUR;
        assert_eq!(nights, [night(1), night(2)]);
        // Buckets of four hours: 8-12, 12-16 and 16-20 have minutes of a session.
        let nights = sessions.closed(Timeframe::H4, DAY, 2 * DAY);
        assert_eq!(nights, [DAY..=DAY + 4 * HOUR, DAY + 20 * HOUR..=2 * DAY]);
        assert_eq!(sessions.first_of(Timeframe::H4, 4, noon), 2 * DAY + 8 * HOUR);
        assert_eq!(sessions.first_of(Timeframe::H4, 5, noon), DAY + 16 * HOUR);
    }

    #[test]
    fn a_later_statement_replaces_what_follows_its_beginning() {
        let mut sessions = daily(1..=3, (9, 17));
        sessions.follow(&daily(3..=4, (10, 12)));
        let opens: Vec<i64> = sessions.spans().iter().map(|s| s.open / HOUR).collect();
        assert_eq!(opens, [33, 57, 82, 106]);
        assert_eq!(sessions.until(), Some(5 * DAY));
        // The report begins within a session.
        let (open, now) = (4 * DAY + 10 * HOUR, 4 * DAY + 11 * HOUR);
        let rest = vec![Session { open: now, close: now + 3 * HOUR }];
        sessions.follow(&Sessions::new(now, 5 * DAY, rest).unwrap());
        assert_eq!(sessions.at(now), Some(Session { open, close: now + 3 * HOUR }));
        // The report begins after a gap.
        sessions.follow(&daily(9..=9, (1, 2)));
        assert_eq!(sessions, daily(9..=9, (1, 2)));
    }

    #[test]
    fn the_oldest_sessions_go_and_count_as_unknown() {
        let most = i64::try_from(SESSIONS_MAX).unwrap();
        let mut sessions = daily(1..=most, (9, 17));
        sessions.follow(&daily(most..=most + 2, (9, 17)));
        assert_eq!(sessions.spans().len(), SESSIONS_MAX);
        assert!(sessions.is_open(DAY), "it is forgotten");
        assert!(!sessions.is_open(3 * DAY));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let of = |spans: &[(i64, i64)]| {
            let spans = spans.iter().map(|(open, close)| Session { open: *open, close: *close });
            Sessions::new(0, DAY, spans.collect()).is_ok()
        };
        assert!(of(&[(0, HOUR), (HOUR, DAY)]));
        for wrong in [
            &[(0, 0)][..],
            &[(HOUR, 0)],
            &[(1, HOUR)],
            &[(0, HOUR + 1)],
            &[(-HOUR, HOUR)],
            &[(0, DAY + MINUTE)],
            &[(0, 2 * HOUR), (HOUR, DAY)],
            &[(HOUR, 2 * HOUR), (0, HOUR)],
        ] {
            assert!(!of(wrong), "{wrong:?}");
        }
        assert!(Sessions::new(DAY, 0, Vec::new()).is_err());
        let over = i64::try_from(SESSIONS_MAX).unwrap() + 1;
        let many = (0..over).map(|n| Session { open: n * MINUTE, close: (n + 1) * MINUTE });
        assert!(Sessions::new(0, DAY * 9, many.collect()).unwrap_err().contains("4097 sessions"));
    }
}
