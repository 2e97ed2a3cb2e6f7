//! Books splits.
//!
//! A split multiplies the quantity of each lot and leaves its cost, so its average price is
//! divided. Lots stay multiples of the lot size. The fraction of a share that is left leaves the
//! books as an adjustment at its price: neither profit nor loss. What the venue pays for it is
//! external.
//!
//! The account may have been read before or after the venue replaced the shares. So the external
//! shares are forgotten, and the next account shows them.

use super::{Adjustment, Ledger, shrink};
use everwarm_domain::fact::{Body, Ledger as LedgerFact, Part};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::split::CorporateAction;
use everwarm_kernel::fact::Key;
use everwarm_kernel::stage::Out;

/// Decimals of a closing price in new shares.
const PLACES: u32 = 8;

impl Ledger {
    /// Books the split that the fact with this key reports.
    pub(super) fn split(&mut self, key: Key, action: &CorporateAction) {
        let Some(ratio) = action.split() else { return };
        let symbol = action.symbol;
        let mut price = Decimal::ZERO;
        if let Some(mark) = self.marks.get_mut(symbol) {
            price = ratio.price(mark.decimal()).round_dp(PLACES);
            *mark = Price::exact(price).unwrap_or(*mark);
        }
        let Some(rule) = self.instruments.get(symbol) else { return };
        let (base, step) = (rule.base.clone(), rule.lot_size);
        if self.held.contains(&symbol) {
            self.touch(key, symbol);
            let position = self.positions.entry(symbol);
            let rest = position.split(ratio, step);
            if position.quantity.is_zero() {
                self.held.remove(&symbol);
            }
            if !rest.is_zero() {
                let value = price.saturating_mul(rest);
                shrink(&mut self.adjusted, value);
                let (asset, part) = (base.clone(), Part::Position(symbol));
                self.booked.push(Adjustment { asset, part, amount: -rest, value: -value });
            }
        }
        self.foreign.remove(&base);
        self.missing.remove(&base);
        if let Some(aside) = self.aside.get_mut(&base) {
            *aside = ratio.quantity(*aside);
        }
    }

    /// Appends the position after a split.
    pub(super) fn append_split(&self, key: Key, action: &CorporateAction, out: &mut Out<Body>) {
        for Adjustment { asset, part, amount, value } in &self.booked {
            let (asset, part) = (asset.clone(), *part);
            let (amount, value) = (amount.normalize(), value.normalize());
            out.append(Body::Ledger(LedgerFact::Adjusted { asset, part, amount, value }));
        }
        if action.split().is_some() && self.before.iter().any(|(of, _, _)| *of == action.symbol) {
            self.append_position(key, action.symbol, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{account, words};
    use super::*;
    use crate::testing::{close, configured, dec, facts_of, filled, input, instrument, sym};
    use everwarm_domain::fact::Market;
    use everwarm_domain::id::VenueId;
    use everwarm_domain::order::Side;
    use everwarm_domain::settings::Settings;
    use everwarm_domain::split::{Found, Ratio};
    use everwarm_kernel::stage::Stage;

    fn split(new: u32, old: u32) -> Body {
        let ratio = Ratio::new(new, old).unwrap();
        Body::Market(Market::CorporateAction(CorporateAction {
            venue: VenueId::Alpaca,
            symbol: sym("BTCUSDT"),
            bar: 0,
            found: Found::Split { ex_day: 16_230, ratio },
        }))
    }

    /// Ten shares bought at 70, at the last price 140, and 30 of cash.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let mut rule = instrument("BTCUSDT");
        rule.lot_size = Decimal::ONE;
        facts_of(&mut ledger, &input(1, configured(&Settings::default())));
        let rules = vec![rule];
        facts_of(&mut ledger, &input(2, Body::Market(Market::Instruments { rules })));
        account(&mut ledger, 3, &[("USDT", "730")]);
        for body in [filled("a", Side::Buy, 1, "70", "10"), close("BTCUSDT", 1, 140)] {
            let n = ledger.at + 1;
            facts_of(&mut ledger, &input(n, body));
        }
        ledger
    }

    fn equity(ledger: &Ledger) -> Decimal {
        ledger.equity().unwrap().0
    }

    #[test]
    fn a_split_changes_the_quantity_and_no_value() {
        let mut ledger = ledger();
        assert_eq!(equity(&ledger), dec("1430"));
        facts_of(&mut ledger, &input(20, split(7, 1)));
        ledger.check();
        let position = ledger.positions.get(sym("BTCUSDT")).unwrap();
        assert_eq!((position.quantity, position.cost), (dec("70"), dec("700")));
        assert_eq!(equity(&ledger), dec("1430"));
        assert_eq!(ledger.adjusted, Decimal::ZERO);
        let same = [("BTC", "70"), ("USDT", "30")];
        assert!(account(&mut ledger, 21, &same).ends_with("conflicts []"));
        assert!(ledger.missing.is_empty() && ledger.foreign.is_empty(), "{:?}", ledger.foreign);
    }

    #[test]
    fn shares_that_the_account_showed_before_are_not_external() {
        let mut ledger = ledger();
        account(&mut ledger, 20, &[("BTC", "70"), ("USDT", "30")]);
        assert_eq!(ledger.foreign.get("BTC"), Some(&dec("60")));
        facts_of(&mut ledger, &input(21, split(7, 1)));
        account(&mut ledger, 22, &[("BTC", "70"), ("USDT", "30")]);
        assert!(ledger.missing.is_empty() && ledger.foreign.is_empty(), "{:?}", ledger.foreign);
    }

    #[test]
    fn a_fraction_of_a_share_leaves_the_books_without_a_loss() {
        let mut ledger = ledger();
        let facts = facts_of(&mut ledger, &input(20, split(1, 4)));
        ledger.check();
        let position = ledger.positions.get(sym("BTCUSDT")).unwrap();
        // 2.5 shares at 560 each: the half one is worth 280.
        assert_eq!((position.quantity, position.cost), (dec("2"), dec("560")));
        assert_eq!((equity(&ledger), ledger.adjusted), (dec("1150"), dec("-280")));
        let wanted = "-0.5 BTC worth -280 | 2 cost 560 made 0 cash 30";
        assert!(words(&facts).ends_with(wanted), "{}", words(&facts));
    }
}
