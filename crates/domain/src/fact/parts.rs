//! Finds the parts of a fact that are about a symbol, so that one symbol can be left out.

use super::{Analysis, Body, Decision, Ledger, Market, Order};
use crate::id::Symbol;
use crate::market::Bar;
use crate::time::UtcMs;

impl Market {
    /// A close without odd bars.
    #[must_use]
    pub const fn close(time: UtcMs, bars: Vec<Bar>, missing: Vec<Symbol>) -> Market {
        Market::Close { time, bars, missing, odd: Vec::new() }
    }
}

impl Body {
    /// The symbols that the fact is about, in their order in it.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        match self {
            Body::Market(Market::Close { bars, missing, .. }) => {
                bars.iter().map(|bar| bar.symbol).chain(missing.iter().copied()).collect()
            }
            Body::Market(Market::Instruments { rules }) => {
                rules.iter().map(|rule| rule.symbol).collect()
            }
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                listed.iter().map(|l| l.symbol).chain(unlisted.iter().copied()).collect()
            }
            Body::Analysis(Analysis::Rolled { bars, .. }) => {
                bars.iter().map(|rolled| rolled.bar.symbol).collect()
            }
            Body::Analysis(
                Analysis::FeatureValues { table, .. } | Analysis::Kept { rows: table, .. },
            ) => table.rows().map(|row| row.head.symbol).collect(),
            Body::Analysis(Analysis::Signals { rows }) => {
                rows.iter().map(|row| row.symbol).collect()
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => self.symbol().into_iter().collect(),
        }
    }

    /// The fact without the symbols that `cut` names. A close stays a close. None if the fact is
    /// about one such symbol alone.
    pub(super) fn without_symbols(&self, cut: impl Fn(&Symbol) -> bool) -> Option<Body> {
        if self.symbol().is_some_and(|symbol| cut(&symbol)) {
            return None;
        }
        let mut left = self.clone();
        match &mut left {
            Body::Market(Market::Close { bars, missing, odd, .. }) => {
                bars.retain(|bar| !cut(&bar.symbol));
                missing.retain(|symbol| !cut(symbol));
                odd.retain(|odd| !cut(&odd.symbol));
            }
            Body::Market(Market::Instruments { rules }) => rules.retain(|rule| !cut(&rule.symbol)),
            Body::Market(Market::Universe { listed, unlisted, .. }) => {
                listed.retain(|listed| !cut(&listed.symbol));
                unlisted.retain(|symbol| !cut(symbol));
            }
            Body::Analysis(Analysis::Rolled { bars, .. }) => {
                bars.retain(|rolled| !cut(&rolled.bar.symbol));
            }
            Body::Analysis(
                Analysis::FeatureValues { table, .. } | Analysis::Kept { rows: table, .. },
            ) => *table = table.without(cut),
            Body::Analysis(Analysis::Signals { rows }) => rows.retain(|row| !cut(&row.symbol)),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        Some(left)
    }

    /// The one symbol that the fact is about; none if it is about several or none.
    fn symbol(&self) -> Option<Symbol> {
        match self {
            Body::Market(Market::LateBar { bar, .. }) => Some(bar.symbol),
            Body::Market(Market::CorporateAction(action)) => Some(action.symbol),
            Body::Market(
                Market::HistoryLoaded { symbol, .. }
                | Market::HistoryBars { symbol, .. }
                | Market::BarRefused { symbol, .. },
            )
            | Body::Order(Order::Changed { symbol, .. } | Order::Filled { symbol, .. })
            | Body::Ledger(Ledger::Position { symbol, .. } | Ledger::Lot { symbol, .. }) => {
                Some(*symbol)
            }
            Body::Decision(Decision::Approved { intent, .. })
            | Body::Order(Order::Intent(intent)) => Some(intent.symbol),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fact::{Body, Market};
    use crate::id::Symbol;
    use crate::market::Bar;
    use crate::money::{Decimal, Price};
    use crate::odd::{OddBar, Oddity};
    use everwarm_kernel::fact::Body as _;

    #[test]
    fn a_symbol_is_left_out_of_a_close_and_nothing_else_is() {
        let symbol = |name| Symbol::new(name).unwrap();
        let (open, high, low, close) = (Price::e8(1), Price::e8(1), Price::e8(1), Price::e8(1));
        let volume = Decimal::ONE;
        let bar = |name| Bar { symbol: symbol(name), open_time: 0, open, high, low, close, volume };
        let missing = vec![symbol("C"), symbol("D")];
        let odd = |name| OddBar { symbol: symbol(name), why: Oddity::Jump };
        let body = |bars, missing, odd| Body::Market(Market::Close { time: 0, bars, missing, odd });
        let whole = body(vec![bar("A"), bar("B")], missing, vec![odd("A"), odd("B")]);
        assert_eq!(whole.parts(), ["A", "B", "C", "D"]);
        let left = whole.without(&["B".into(), "C".into(), "X".into()]);
        assert_eq!(left, Some(body(vec![bar("A")], vec![symbol("D")], vec![odd("A")])));
        let late = Body::Market(Market::LateBar { bar: bar("A"), odd: None });
        assert_eq!(late.without(&["B".into()]), Some(late.clone()));
        assert_eq!((late.parts(), late.without(&["A".into()])), (vec!["A".into()], None));
    }
}
