//! Nothing goes back between lives: no stage is before an input it had passed on disk, and no row
//! reported as durable is missing.

use std::collections::BTreeMap;
use std::fmt::Display;

/// The progress at the last check.
#[derive(Debug)]
pub struct Cursors<N> {
    passed: BTreeMap<N, u64>,
    row: u64,
}

impl<N> Default for Cursors<N> {
    fn default() -> Self {
        Cursors { passed: BTreeMap::new(), row: 0 }
    }
}

impl<N: Ord + Display> Cursors<N> {
    /// Compares the progress a life finds, or has flushed at its end: the last input of each stage,
    /// and the last row. Returns what went back, one sentence each.
    pub fn found(&mut self, passed: impl IntoIterator<Item = (N, u64)>, row: u64) -> Vec<String> {
        let mut broken = Vec::new();
        for (who, now) in passed {
            if let Some(before) = self.passed.get(&who).filter(|before| now < **before) {
                broken.push(format!("{who} had passed {before} and stands at {now}"));
            }
            self.passed.insert(who, now);
        }
        if row < self.row {
            broken
                .push(format!("row {} was reported as durable, the file ends at {row}", self.row));
        }
        self.row = row;
        broken
    }

    /// A life has reported this row as durable.
    pub fn reported(&mut self, row: u64) {
        self.row = self.row.max(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_is_found() {
        let mut cursors = Cursors::default();
        assert_eq!(cursors.found([("ledger", 7), ("breaker", 9)], 40), [""; 0]);
        assert_eq!(cursors.found([("ledger", 7), ("breaker", 12)], 44), [""; 0]);
        let broken = cursors.found([("ledger", 6), ("breaker", 12)], 44);
        assert_eq!(broken, ["ledger had passed 7 and stands at 6"]);
        // Flushed at the end of a life, but missing at the start of the next.
        assert_eq!(cursors.found([("ledger", 8), ("breaker", 15)], 48), [""; 0]);
        let broken = cursors.found([("ledger", 8), ("breaker", 14)], 48);
        assert_eq!(broken, ["breaker had passed 15 and stands at 14"]);
        cursors.reported(50);
        let broken = cursors.found([("ledger", 8)], 49);
        assert_eq!(broken, ["row 50 was reported as durable, the file ends at 49"]);
    }
}
