//! The first row that meets a condition.

use super::conditions::Condition;
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
    pub fn enters(&mut self, met: bool) -> bool {
        self.entered.replace(met) == Some(false) && met
    }

    /// Why a row that meets the conditions of an entry gives no signal.
    #[must_use]
    pub fn why_not(self) -> String {
        match self.entered {
            Some(_) => "the close before met the conditions, too: only the first one counts",
            None => "this is the first close with values: it only shows where the price is",
        }
        .to_owned()
    }

    /// The condition that this row is the first one that meets the others. `met`: it meets them.
    #[must_use]
    pub fn is_first(self, met: bool) -> Condition {
        let first = !met || self.entered == Some(false);
        Condition::new("first close that meets them", first, || self.why_not())
    }

    /// Whether an exit that fell due before was not made.
    #[must_use]
    pub const fn is_leaving(self) -> bool {
        self.leaving
    }

    /// Whether an exit is due: this row meets its condition, or one before did since the position
    /// was opened.
    pub fn leaves(&mut self, long: bool, met: bool) -> bool {
        self.leaving = long && (met || self.leaving);
        self.leaving
    }

    /// Forgets the row before: this one has no values.
    pub fn lacks(&mut self) {
        self.entered = None;
    }
}

/// Plays rows of a symbol with the default settings. Returns the intents of the signals, and why
/// the last row gives none.
#[cfg(test)]
pub(super) fn play<S: super::Strategy<Memory = Edge>, const N: usize>(
    long: bool,
    rows: &[[f64; N]],
) -> (Vec<Option<everwarm_domain::signal::Intent>>, String) {
    let (section, mut edge) = (S::Section::default(), Edge::default());
    let (mut sides, mut why) = (Vec::new(), String::new());
    for values in rows {
        let symbol = crate::testing::sym("A");
        let close = everwarm_domain::money::Price::e8(1);
        let head = everwarm_domain::features::FeatureHead { symbol, time: 0, close };
        let view = super::View { head, values, lot: super::LotView::default() };
        why = S::why_not(&section, &edge, long, &view);
        let signal = S::update(&section, &mut edge, long, &view);
        sides.push(signal.map(|signal| signal.intent));
    }
    (sides, why)
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
        assert!(!edge.enters(true), "the row before is not known");
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
