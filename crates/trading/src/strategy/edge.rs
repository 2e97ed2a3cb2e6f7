//! The first row that meets a condition.

use serde::{Deserialize, Serialize};

/// What a strategy remembers of a symbol: the row before, and an exit that is still due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Whether the row before met the conditions of an entry; none: there was no such row.
    entered: Option<bool>,
    /// Whether an exit is due. The stage may have been stopped when it fell due, and said nothing.
    leaving: bool,
}

impl Edge {
    /// Whether this row is the first that meets the conditions of an entry. A first row of all
    /// shows only how things are.
    pub(super) fn enters(&mut self, met: bool) -> bool {
        self.entered.replace(met) == Some(false) && met
    }

    /// Whether the row before met the conditions of an entry.
    pub(super) fn entered(self) -> Option<bool> {
        self.entered
    }

    /// Whether an exit is due: this row meets its condition, or one before did since the position
    /// was opened.
    pub(super) fn leaves(&mut self, long: bool, met: bool) -> bool {
        self.leaving = long && (met || self.leaving);
        self.leaving
    }

    /// Forgets the row before: this one has no values.
    pub(super) fn lacks(&mut self) {
        self.entered = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_row_that_meets_the_conditions_enters() {
        let mut edge = Edge::default();
        let entered = [true, true, false, true, true].map(|met| edge.enters(met));
        assert_eq!(entered, [false, false, false, true, false]);
        edge.lacks();
        assert!(!edge.enters(true), "nobody knows what was before");
    }

    #[test]
    fn an_exit_stays_due_until_the_position_is_gone() {
        let mut edge = Edge::default();
        let rows = [(false, true), (true, false), (true, true), (true, false), (false, false)];
        let due = rows.map(|(long, met)| edge.leaves(long, met));
        assert_eq!(due, [false, false, true, true, false]);
        assert!(!edge.leaves(true, false), "another position");
    }
}
