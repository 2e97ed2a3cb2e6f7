//! Counts what open orders and the sales of this round sell: what of a lot may still be sold.

use super::{Decide, Hold};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{HOUSE, Side};
use std::collections::{BTreeMap, BTreeSet};

/// The open orders at the start of a round, and the sales decided in it.
pub(super) struct Sales<'a> {
    /// The orders that are not final, by symbol, then id.
    pub(super) open: Vec<(&'a ClientOrderId, &'a Hold)>,
    /// Lots that this round sells.
    pub(super) sold: BTreeSet<(Symbol, &'a str)>,
    /// Lots with an exit that this round opens or goes on with.
    pub(super) leaving: BTreeSet<(Symbol, &'a str)>,
    /// Lots whose stop order this round cancels for their exit.
    pub(super) freed: BTreeSet<(Symbol, &'a str)>,
    /// Base units that this round sells, by asset.
    pub(super) selling: BTreeMap<&'a str, Decimal>,
    /// Entries that this round cancels.
    pub(super) withdrawn: BTreeSet<ClientOrderId>,
}

impl<'a> Sales<'a> {
    /// Whether a lot has an order that is not final, or one from this round.
    pub(super) fn is_pending(&self, symbol: Symbol, strategy: &str) -> bool {
        self.of(symbol).iter().any(|(_, hold)| hold.is_of(symbol, strategy))
            || self.sold.contains(&(symbol, strategy))
    }

    /// The open orders of one symbol.
    pub(super) fn of(&self, symbol: Symbol) -> &[(&'a ClientOrderId, &'a Hold)] {
        let (_, rest) =
            self.open.split_at(self.open.partition_point(|(_, hold)| hold.symbol < symbol));
        rest.split_at(rest.partition_point(|(_, hold)| hold.symbol == symbol)).0
    }

    /// The open orders of a lot that are neither filled nor withdrawn.
    pub(super) fn withdrawable(
        &self,
        symbol: Symbol,
        strategy: &str,
        side: Side,
    ) -> impl Iterator<Item = &(&'a ClientOrderId, &'a Hold)> {
        self.of(symbol).iter().filter(move |(_, hold)| {
            let open = hold.quantity.is_zero() || hold.executed < hold.quantity;
            let of = (hold.side, hold.strategy.as_str()) == (side, strategy);
            of && open && !hold.withdrawn && hold.protection.is_none()
        })
    }

    /// Whether an open order sells a lot.
    pub(super) fn sells(&self, symbol: Symbol, strategy: &str) -> bool {
        let sells = |hold: &Hold| hold.side == Side::Sell && hold.is_of(symbol, strategy);
        self.of(symbol).iter().any(|(_, hold)| sells(hold))
    }
}

impl Decide {
    /// The open orders, and no sale yet.
    pub(super) fn sales(&self) -> Sales<'_> {
        let mut open: Vec<_> = self.holds.iter().collect();
        open.sort_by_key(|(_, hold)| hold.symbol);
        let (sold, leaving, freed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (selling, withdrawn) = (BTreeMap::new(), BTreeSet::new());
        Sales { open, sold, leaving, freed, selling, withdrawn }
    }

    /// The quantity that a sale of a lot sells, and whether the house's lot is included. The
    /// house's lot of that symbol is included unless another sale covers it.
    pub(super) fn wanted(
        &self,
        symbol: Symbol,
        strategy: &str,
        sales: &Sales<'_>,
    ) -> (Decimal, bool) {
        let lot = self.lots.get(symbol, strategy);
        let house = self.lots.get(symbol, HOUSE);
        if strategy == HOUSE || house.is_zero() || self.sells_the_house(symbol, house, sales) {
            (lot, false)
        } else {
            (lot.saturating_add(house), true)
        }
    }

    /// Whether another sale covers, or will cover, the house's lot of a symbol.
    fn sells_the_house(&self, symbol: Symbol, house: Decimal, sales: &Sales<'_>) -> bool {
        let sells = |hold: &Hold| hold.side == Side::Sell && hold.protection.is_none();
        sales.of(symbol).iter().any(|(_, hold)| sells(hold))
            || sales.sold.iter().any(|(of, _)| *of == symbol)
            || self.exits.get(symbol, HOUSE).is_some()
            // A flatten command opens an exit for the house's lot itself.
            || (self.flatten.is_some() && self.sellable(symbol, house))
    }

    /// Notes that this round sells `quantity` of a lot.
    pub(super) fn sells<'a>(
        &'a self,
        symbol: Symbol,
        strategy: &'a str,
        quantity: Decimal,
        sales: &mut Sales<'a>,
    ) {
        let (_, house) = self.wanted(symbol, strategy, sales);
        if house {
            sales.sold.insert((symbol, HOUSE));
        }
        sales.sold.insert((symbol, strategy));
        if let Some(rule) = self.instruments.get(symbol) {
            let selling = sales.selling.entry(rule.base.as_str()).or_default();
            *selling = selling.saturating_add(quantity);
        }
    }

    /// Base units of an asset that may be sold for the lot `of`: what the account has, without
    /// other sales.
    ///
    /// # Errors
    /// The reason why nothing of it may be sold.
    pub(super) fn free_for(
        &self,
        asset: &str,
        of: (Symbol, &str),
        sales: &Sales<'_>,
    ) -> Result<Decimal, String> {
        let available = self.exits.available(asset, self.held_of(asset))?;
        Ok(available.saturating_sub(self.selling(asset, of, sales)).max(Decimal::ZERO))
    }

    /// Base units of an asset in open sell orders and in sales of this round, without the orders
    /// that protect the lot `of`. Of a pair, only one order can sell.
    fn selling(&self, asset: &str, of: (Symbol, &str), sales: &Sales<'_>) -> Decimal {
        let orders = self.instruments.of_base(asset).iter().flat_map(|symbol| sales.of(*symbol));
        let left = |hold: &Hold| {
            if hold.quantity.is_zero() {
                // A version without lots decided this order. It sold the whole position.
                return self.lots.sum(hold.symbol);
            }
            hold.quantity.saturating_sub(hold.executed).max(Decimal::ZERO)
        };
        let living = money::total(
            orders
                .map(|(_, hold)| *hold)
                .filter(|hold| hold.side == Side::Sell)
                .filter(|hold| !hold.protects(of.0, of.1))
                .filter(|hold| hold.target().is_none() || !sales.has_stop(hold))
                .map(left),
        );
        living.saturating_add(sales.selling.get(asset).copied().unwrap_or_default())
    }
}
