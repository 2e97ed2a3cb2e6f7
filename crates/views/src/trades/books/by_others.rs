//! Trades of external orders that were adopted: the strategy `manual` owns what they trade.

use super::{Books, FEE_DECIMALS, Way, add};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{MANUAL, VenueFill, is_adopted};

/// Whose order an execution belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trades) enum By {
    /// The daemon's.
    Us,
    /// That of `everwarm panic`.
    Panic,
    /// That of another program or a person.
    Others,
}

impl By {
    /// The owner of an order with this id, of which the fill names a strategy.
    pub(in crate::trades) fn of(client_id: &ClientOrderId, strategy: &str) -> By {
        if client_id.is_panic() {
            By::Panic
        } else if is_adopted(client_id, strategy) {
            By::Others
        } else {
            By::Us
        }
    }
}

impl Books {
    /// Books what a sale of an external order took from the lot of `manual`. The rest of the sale
    /// is in no books, and neither is its share of the fee.
    pub(super) fn sold_by_others(&mut self, symbol: Symbol, fill: &VenueFill) {
        let VenueFill { price, quantity, fee, .. } = *fill;
        let holder = (symbol, MANUAL);
        let sold = self.take_of(holder, quantity, Way::Sale(price));
        if sold.is_zero() {
            return;
        }
        let share = match sold.checked_div(quantity) {
            Some(part) if sold < quantity => fee.saturating_mul(part).round_dp(FEE_DECIMALS),
            Some(_) | None => fee,
        };
        let asset = Some(&fill.fee_asset);
        let (is_quote, is_base) = (self.quote.as_ref() == asset, self.bases.get(&symbol) == asset);
        let cost = if is_quote { share } else { Decimal::ZERO };
        self.charge(holder, cost);
        self.pay(price.saturating_mul(sold).saturating_sub(cost));
        if is_base && !is_quote {
            self.take_of(holder, share, Way::Fee);
        } else if !is_quote
            && !share.is_zero()
            && let Some(open) = self.open.get_mut(&(symbol, MANUAL.to_owned()))
        {
            add(open.trade.other_fees.entry(fill.fee_asset.clone()).or_default(), share);
        }
    }
}
