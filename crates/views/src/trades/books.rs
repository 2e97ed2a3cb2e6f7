//! Books computed from executions alone, to check the ledger. They share no code with it.
//!
//! The ledger keeps the cost of a lot and takes shares of it. These books compute the realised
//! profit in two ways. One subtracts the average price of the lot from each sale. The other adds
//! up the money that flowed: sales less purchases less fees. It knows no average, and both are
//! equal whenever the lot is empty.
//!
//! Over 500 lines: one set of books, and each of its changes is a case.

mod by_others;

pub(super) use by_others::By;

use crate::views::VerifiedTradeView;
use everwarm_domain::fact::Part;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::{FIRST_STRATEGY, HOUSE, PANIC, Side, VenueFill};
use everwarm_domain::split::Ratio;
use everwarm_domain::time::UtcMs;
use everwarm_history::records::quotient;
use std::collections::{BTreeMap, BTreeSet};

/// Decimals of a share of a fee.
const FEE_DECIMALS: u32 = 8;

/// A symbol and the owner of a lot in it.
pub(super) type Holder = (Symbol, String);

/// What one owner holds of a symbol, and what it made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lot {
    /// Base units.
    pub(super) quantity: Decimal,
    /// Quote units paid for them.
    pub(super) cost: Decimal,
    /// Event time of the opening; none if nothing is held or it is not known.
    pub(super) opened: Option<UtcMs>,
    /// Realised profit by average prices.
    pub(super) made: Decimal,
    /// Realised profit plus the cost of what is held, by money that flowed: sales less purchases
    /// less fees, with the cost of what moved in and out.
    pub(super) flows: Decimal,
}

impl Lot {
    /// The realised profit: by the flows of money alone if nothing is held.
    pub(super) fn realized(&self) -> Decimal {
        if self.quantity.is_zero() { self.flows } else { self.made }
    }
}

/// A trade that is not closed.
#[derive(Clone, Debug)]
struct Open {
    trade: VerifiedTradeView,
    /// The flows of the owner before it.
    before: Decimal,
}

/// How something leaves a lot.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A sale at this price.
    Sale(Decimal),
    /// A fee in base units: its cost stays, unless the lot ends.
    Fee,
    /// Written off: neither profit nor loss.
    WrittenOff,
}

/// The books.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// The asset of the cash; none before the first account.
    pub(super) quote: Option<String>,
    /// The base asset of each symbol.
    pub(super) bases: BTreeMap<Symbol, String>,
    /// The lot size of each symbol.
    pub(super) steps: BTreeMap<Symbol, Decimal>,
    /// The cash; none before the ledger reported it.
    pub(super) cash: Option<Decimal>,
    /// The ledger of this input has no lots: all belongs to the only strategy.
    pub(super) one_lot: bool,
    /// Every owner that ever had a lot.
    lots: BTreeMap<Holder, Lot>,
    /// Owners of lots by symbol, the oldest lot first.
    ages: BTreeMap<Symbol, Vec<String>>,
    open: BTreeMap<Holder, Open>,
    /// Trades closed since they were taken.
    closed: Vec<VerifiedTradeView>,
}

/// Adds to an amount.
fn add(to: &mut Decimal, amount: Decimal) {
    *to = to.saturating_add(amount);
}

impl Books {
    /// The lot of an owner; empty if it never had one.
    pub(super) fn lot(&self, symbol: Symbol, owner: &str) -> Lot {
        self.lots.get(&(symbol, owner.to_owned())).cloned().unwrap_or_default()
    }

    /// The sums of all lots of a symbol.
    pub(super) fn position(&self, symbol: Symbol) -> Lot {
        let mut sum = Lot::default();
        for lot in self.of(symbol).map(|(_, lot)| lot) {
            add(&mut sum.quantity, lot.quantity);
            add(&mut sum.cost, lot.cost);
            add(&mut sum.made, lot.realized());
        }
        sum.flows = sum.made;
        sum
    }

    /// Every owner that ever had a lot of a symbol.
    pub(super) fn of(&self, symbol: Symbol) -> impl Iterator<Item = (&str, &Lot)> {
        let first = (symbol, String::new());
        let all = self.lots.range(first..).take_while(move |((of, _), _)| *of == symbol);
        all.map(|((_, owner), lot)| (owner.as_str(), lot))
    }

    /// Takes the trades that were closed since the last call.
    pub(super) fn take_closed(&mut self) -> Vec<VerifiedTradeView> {
        std::mem::take(&mut self.closed)
    }

    /// Books an execution.
    pub(super) fn fill(
        &mut self,
        (strategy, by): (&str, By),
        (symbol, side, time): (Symbol, Side, UtcMs),
        fill: &VenueFill,
    ) {
        let VenueFill { price, quantity, fee, .. } = *fill;
        let amount = price.saturating_mul(quantity);
        let owner = match strategy {
            _ if self.one_lot => FIRST_STRATEGY,
            PANIC => HOUSE,
            strategy => strategy,
        };
        let in_quote = self.quote.as_deref() == Some(fill.fee_asset.as_str());
        let is_base = self.bases.get(&symbol) == Some(&fill.fee_asset);
        let quote_fee = if in_quote { fee } else { Decimal::ZERO };
        match side {
            Side::Buy => {
                self.bought((symbol, owner), quantity, amount, time);
                self.charge((symbol, owner), quote_fee);
                self.pay(-amount.saturating_add(quote_fee));
            }
            Side::Sell if by == By::Others => {
                self.sold_by_others(symbol, fill);
                self.end(symbol, time);
                return;
            }
            Side::Sell if by == By::Panic => {
                let (parts, beyond) = self.take(symbol, None, quantity, Way::Sale(price));
                // The rest was external, and so are its proceeds and its share of the fee.
                let ours = quantity.saturating_sub(beyond);
                let share = match ours.checked_div(quantity) {
                    Some(part) if !beyond.is_zero() => {
                        quote_fee.saturating_mul(part).round_dp(FEE_DECIMALS)
                    }
                    Some(_) | None => quote_fee,
                };
                self.split(symbol, &parts, share);
                self.pay(price.saturating_mul(ours).saturating_sub(share));
            }
            Side::Sell => {
                let (mut parts, beyond) =
                    self.take(symbol, Some(owner), quantity, Way::Sale(price));
                if !beyond.is_zero() || parts.is_empty() {
                    let house = self.house();
                    let proceeds = price.saturating_mul(beyond);
                    self.gain((symbol, house), proceeds, |trade| {
                        add(&mut trade.external, proceeds);
                    });
                    parts.push((house.to_owned(), beyond));
                }
                self.split(symbol, &parts, quote_fee);
                self.pay(amount.saturating_sub(quote_fee));
            }
        }
        if is_base && !in_quote {
            let first = (by != By::Panic || side == Side::Buy).then_some(owner);
            self.take(symbol, first, fee, Way::Fee);
        } else if !in_quote
            && !fee.is_zero()
            && let Some(open) = self.open.get_mut(&(symbol, owner.to_owned()))
        {
            add(open.trade.other_fees.entry(fill.fee_asset.clone()).or_default(), fee);
        }
        self.end(symbol, time);
    }

    /// Books an adjustment. `price` is the cost of one adopted unit.
    pub(super) fn adjust(
        &mut self,
        (part, amount): (Part, Decimal),
        price: Option<Decimal>,
        time: UtcMs,
    ) {
        match part {
            Part::Foreign => {}
            Part::Cash => self.pay(amount),
            Part::Position(symbol) if amount > Decimal::ZERO => {
                let cost = price.unwrap_or_default().saturating_mul(amount);
                let opened = (!self.one_lot).then_some(time);
                self.moved_in((symbol, self.house()), amount, cost, opened);
            }
            Part::Position(symbol) => {
                let mut left = -amount;
                // The youngest lot goes first.
                for owner in self.ages.get(&symbol).cloned().unwrap_or_default().iter().rev() {
                    left -= self.take_of((symbol, owner), left, Way::WrittenOff);
                }
                self.end(symbol, time);
            }
        }
    }

    /// Books a split. Each lot keeps its cost. Together and one by one, the lots are multiples of
    /// the lot size. The oldest lots get the lot sizes that remain. A part of one is written off.
    pub(super) fn new_shares(&mut self, symbol: Symbol, ratio: Ratio, time: UtcMs) {
        let step = self.steps.get(&symbol).copied().unwrap_or_default();
        let owners = self.ages.get(&symbol).cloned().unwrap_or_default();
        let held = self.position(symbol).quantity;
        let mut left = floor_to_step(ratio.quantity(held), step);
        let mut parts = Vec::new();
        for owner in owners {
            let exact = ratio.quantity(self.lot(symbol, &owner).quantity);
            let own = floor_to_step(exact, step).min(left);
            left -= own;
            parts.push((owner, exact, own));
        }
        for (owner, exact, own) in parts {
            let more = if own < exact { step.min(left) } else { Decimal::ZERO };
            left -= more;
            if let Some(lot) = self.lots.get_mut(&(symbol, owner.clone())) {
                lot.quantity = exact;
            }
            self.take_of((symbol, &owner), exact - own - more, Way::WrittenOff);
        }
        self.end(symbol, time);
    }

    /// Moves the rest of a lot to the house. It keeps its age.
    pub(super) fn dust(&mut self, symbol: Symbol, owner: &str, time: UtcMs) {
        let lot = self.lot(symbol, owner);
        let ages = self.ages.entry(symbol).or_default();
        if lot.quantity.is_zero() || owner == HOUSE {
            return;
        }
        if ages.iter().any(|name| name == HOUSE) {
            ages.retain(|name| name != owner);
        } else {
            ages.iter_mut().filter(|name| *name == owner).for_each(|name| HOUSE.clone_into(name));
        }
        self.leave((symbol, owner), lot.quantity, lot.cost, Way::WrittenOff);
        self.moved_in((symbol, HOUSE), lot.quantity, lot.cost, lot.opened);
        self.end(symbol, time);
    }

    /// The owner of what belongs to no strategy.
    const fn house(&self) -> &'static str {
        if self.one_lot { FIRST_STRATEGY } else { HOUSE }
    }

    fn pay(&mut self, amount: Decimal) {
        if let Some(cash) = &mut self.cash {
            add(cash, amount);
        }
    }

    /// Opens a trade of an owner that has none.
    fn begin(&mut self, holder: Holder, opened: Option<UtcMs>) {
        let before = self.lots.get(&holder).map(|lot| lot.flows).unwrap_or_default();
        let (symbol, strategy) = holder.clone();
        let zero = Decimal::ZERO;
        self.open.entry(holder).or_insert_with(|| Open {
            before,
            trade: VerifiedTradeView {
                strategy,
                symbol,
                opened,
                closed: 0,
                bought: zero,
                cost: zero,
                entry_average: None,
                sold: zero,
                proceeds: zero,
                exit_average: None,
                fees: zero,
                base_fees: zero,
                other_fees: BTreeMap::new(),
                moved_in: zero,
                moved_in_cost: zero,
                moved_out: zero,
                moved_out_cost: zero,
                external: zero,
                profit: zero,
            },
        });
    }

    fn enter(
        &mut self,
        (symbol, owner): (Symbol, &str),
        (quantity, cost): (Decimal, Decimal),
        opened: Option<UtcMs>,
    ) -> Option<&mut Open> {
        if quantity.is_zero() {
            return None;
        }
        let ages = self.ages.entry(symbol).or_default();
        if !ages.iter().any(|name| name == owner) {
            ages.push(owner.to_owned());
        }
        let holder = (symbol, owner.to_owned());
        self.begin(holder.clone(), opened);
        let lot = self.lots.entry(holder.clone()).or_default();
        if lot.quantity.is_zero() {
            lot.opened = opened;
        }
        add(&mut lot.quantity, quantity);
        add(&mut lot.cost, cost);
        add(&mut lot.flows, -cost);
        self.open.get_mut(&holder)
    }

    fn bought(&mut self, of: (Symbol, &str), quantity: Decimal, amount: Decimal, time: UtcMs) {
        let opened = (!self.one_lot).then_some(time);
        if let Some(open) = self.enter(of, (quantity, amount), opened) {
            add(&mut open.trade.bought, quantity);
            add(&mut open.trade.cost, amount);
        }
    }

    fn moved_in(
        &mut self,
        of: (Symbol, &str),
        quantity: Decimal,
        cost: Decimal,
        opened: Option<UtcMs>,
    ) {
        if let Some(open) = self.enter(of, (quantity, cost), opened) {
            add(&mut open.trade.moved_in, quantity);
            add(&mut open.trade.moved_in_cost, cost);
        }
    }

    /// Adds to the profit of an owner.
    fn gain(
        &mut self,
        (symbol, owner): (Symbol, &str),
        amount: Decimal,
        note: impl FnOnce(&mut VerifiedTradeView),
    ) {
        let holder = (symbol, owner.to_owned());
        let lot = self.lots.entry(holder.clone()).or_default();
        add(&mut lot.made, amount);
        add(&mut lot.flows, amount);
        if let Some(open) = self.open.get_mut(&holder) {
            note(&mut open.trade);
        }
    }

    fn charge(&mut self, of: (Symbol, &str), fee: Decimal) {
        self.gain(of, -fee, |trade| add(&mut trade.fees, fee));
    }

    /// Splits a fee by quantity. Shares are rounded; the first one gets the rest.
    fn split(&mut self, symbol: Symbol, parts: &[(String, Decimal)], fee: Decimal) {
        let mut all = Decimal::ZERO;
        for (_, quantity) in parts {
            add(&mut all, *quantity);
        }
        let Some(((first, _), others)) = parts.split_first() else { return };
        let mut left = fee;
        for (owner, quantity) in others {
            let part = quantity.checked_div(all).unwrap_or_default();
            let share = fee.saturating_mul(part).round_dp(FEE_DECIMALS);
            add(&mut left, -share);
            self.charge((symbol, owner), share);
        }
        self.charge((symbol, first), left);
    }

    /// Takes a quantity from the lots of a symbol: from that of `first`, then the house's, then the
    /// others by age. Without `first`, all go by age. Returns the parts and the rest beyond all.
    fn take(
        &mut self,
        symbol: Symbol,
        first: Option<&str>,
        quantity: Decimal,
        way: Way,
    ) -> (Vec<(String, Decimal)>, Decimal) {
        let aged = self.ages.get(&symbol).cloned().unwrap_or_default();
        let ahead = first.map_or_else(Vec::new, |first| vec![first, HOUSE]);
        let mut order: Vec<&str> = Vec::new();
        for owner in ahead.into_iter().chain(aged.iter().map(String::as_str)) {
            if !order.contains(&owner) {
                order.push(owner);
            }
        }
        let (mut left, mut parts) = (quantity, Vec::new());
        for owner in order {
            let taken = self.take_of((symbol, owner), left, way);
            if !taken.is_zero() {
                add(&mut left, -taken);
                parts.push((owner.to_owned(), taken));
            }
        }
        (parts, left)
    }

    fn take_of(&mut self, (symbol, owner): (Symbol, &str), most: Decimal, way: Way) -> Decimal {
        let lot = self.lot(symbol, owner);
        let taken = most.min(lot.quantity);
        if taken > Decimal::ZERO {
            let whole = taken == lot.quantity;
            let average = lot.cost.checked_div(lot.quantity).unwrap_or_default();
            let cost = match way {
                _ if whole => lot.cost,
                Way::Fee => Decimal::ZERO,
                Way::Sale(_) | Way::WrittenOff => average.saturating_mul(taken),
            };
            self.leave((symbol, owner), taken, cost, way);
            if whole {
                let ages = self.ages.entry(symbol).or_default();
                ages.retain(|name| name != owner);
            }
        }
        taken.max(Decimal::ZERO)
    }

    /// Books that a quantity with this cost leaves a lot.
    fn leave(
        &mut self,
        (symbol, owner): (Symbol, &str),
        quantity: Decimal,
        cost: Decimal,
        way: Way,
    ) {
        let holder = (symbol, owner.to_owned());
        let lot = self.lots.entry(holder.clone()).or_default();
        add(&mut lot.quantity, -quantity);
        add(&mut lot.cost, -cost);
        if lot.quantity.is_zero() {
            lot.opened = None;
        }
        let open = self.open.get_mut(&holder);
        match way {
            Way::Sale(price) => {
                let proceeds = price.saturating_mul(quantity);
                add(&mut lot.made, proceeds.saturating_sub(cost));
                add(&mut lot.flows, proceeds);
                if let Some(Open { trade, .. }) = open {
                    add(&mut trade.sold, quantity);
                    add(&mut trade.proceeds, proceeds);
                }
            }
            Way::Fee => {
                add(&mut lot.made, -cost);
                if let Some(Open { trade, .. }) = open {
                    add(&mut trade.base_fees, quantity);
                }
            }
            Way::WrittenOff => {
                add(&mut lot.flows, cost);
                if let Some(Open { trade, .. }) = open {
                    add(&mut trade.moved_out, quantity);
                    add(&mut trade.moved_out_cost, cost);
                }
            }
        }
    }

    /// Closes the trades of empty lots.
    fn end(&mut self, symbol: Symbol, time: UtcMs) {
        let owners: BTreeSet<String> = self
            .open
            .keys()
            .filter(|(of, _)| *of == symbol)
            .map(|(_, owner)| owner.clone())
            .collect();
        for owner in owners {
            let lot = self.lot(symbol, &owner);
            if !lot.quantity.is_zero() {
                continue;
            }
            let Some(Open { mut trade, before }) = self.open.remove(&(symbol, owner)) else {
                continue;
            };
            trade.closed = time;
            trade.profit = lot.flows.saturating_sub(before).normalize();
            trade.entry_average = quotient(trade.cost, trade.bought);
            trade.exit_average = quotient(trade.proceeds, trade.sold);
            for amount in [
                &mut trade.bought,
                &mut trade.cost,
                &mut trade.sold,
                &mut trade.proceeds,
                &mut trade.fees,
                &mut trade.base_fees,
                &mut trade.moved_in,
                &mut trade.moved_in_cost,
                &mut trade.moved_out,
                &mut trade.moved_out_cost,
                &mut trade.external,
            ] {
                *amount = amount.normalize();
            }
            trade.other_fees.values_mut().for_each(|fee| *fee = fee.normalize());
            self.closed.push(trade);
        }
    }
}
