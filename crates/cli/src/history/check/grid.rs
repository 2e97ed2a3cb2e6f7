//! The opening times that the bars of a file may have.
//!
//! Bars open on the UTC grid of their width. Days of a market with sessions open with the session:
//! at one time of the day, or an hour later while summer time changes.

use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};

/// Rows whose times decide whether the days of a file are sessions.
pub const VOTERS: usize = 16;
/// How far a session may move with summer time.
const SUMMER: UtcMs = 60 * MINUTE;
/// Sessions open at a quarter of an hour of UTC.
const QUARTER: UtcMs = 15 * MINUTE;

/// The opening times of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    timeframe: Timeframe,
    /// Time of the day at which sessions open; none: bars open on the UTC grid.
    session: Option<UtcMs>,
}

impl Grid {
    /// The grid of a width, where the first rows of the file have these times.
    pub fn of(timeframe: Timeframe, times: &[UtcMs]) -> Grid {
        let width = timeframe.ms();
        let mut quarters: Vec<UtcMs> = times.iter().map(|time| time.rem_euclid(width)).collect();
        quarters.retain(|time| time % QUARTER == 0);
        quarters.sort_unstable();
        let usual = quarters.get(quarters.len() / 2).copied();
        let session = usual.filter(|time| *time != 0 && timeframe == Timeframe::D1);
        Grid { timeframe, session }
    }

    pub fn timeframe(self) -> Timeframe {
        self.timeframe
    }

    pub fn width(self) -> UtcMs {
        self.timeframe.ms()
    }

    /// Whether its days are sessions.
    pub fn has_sessions(self) -> bool {
        self.session.is_some()
    }

    /// Whether a bar opens at `time`.
    pub fn is_open(self, time: UtcMs) -> bool {
        let past = time.rem_euclid(self.width());
        match self.session {
            None => past == 0,
            Some(usual) => time % QUARTER == 0 && (past - usual).abs() <= SUMMER,
        }
    }

    /// The place of a bar on the grid: its opening time, or midnight of its session.
    pub fn open_of(self, time: UtcMs) -> UtcMs {
        self.timeframe.open_of(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_a_market_with_sessions_open_with_them() {
        let hour = 60 * MINUTE;
        let day = Timeframe::D1.ms();
        let utc = Grid::of(Timeframe::D1, &[day, 2 * day, 3 * day + hour]);
        assert!(utc.is_open(4 * day) && !utc.is_open(4 * day + hour));
        let sessions = Grid::of(Timeframe::D1, &[day + 1, 2 * day + 5 * hour, 3 * day + 5 * hour]);
        assert!(sessions.is_open(9 * day + 4 * hour) && sessions.is_open(9 * day + 5 * hour));
        assert!(!sessions.is_open(9 * day) && !sessions.is_open(9 * day + 5 * hour + MINUTE));
        let hours = Grid::of(Timeframe::H1, &[30 * MINUTE, 90 * MINUTE]);
        assert!(!hours.is_open(30 * MINUTE), "only days are sessions");
    }
}
