//! Approves entries: checks their conditions and reserves their cash.

use super::entry_checks::form_allows;
use super::manual::named;
use super::{Approved, Decide, HOLD_PERCENT, Hold, Part, Refusal, Sales, client_id, no, too_small};
use crate::risk::caps::Caps;
use crate::risk::sizing;
use everwarm_domain::fact::{BreakerLevel, Signal};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::manual::Amount;
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{OrderIntent, OrderType, Side};

/// Free cash, occupied lots and caps while a round decides its entries.
pub(super) struct Entries<'a> {
    /// Free cash in quote units.
    pub(super) cash: Option<Decimal>,
    /// Lots that are held or have an open entry, by name.
    taken: Vec<(Symbol, &'a str)>,
    caps: Caps,
}

impl<'a> Entries<'a> {
    fn takes(&self, symbol: Symbol, strategy: &str) -> bool {
        self.taken.binary_search(&(symbol, strategy)).is_ok()
    }

    fn take(&mut self, symbol: Symbol, strategy: &'a str) {
        if let Err(place) = self.taken.binary_search(&(symbol, strategy)) {
            self.taken.insert(place, (symbol, strategy));
        }
    }
}

impl Decide {
    pub(super) fn entries(&self) -> Entries<'_> {
        let held = money::total(self.holds.values().map(Hold::open));
        let cash = self.cash.map(|cash| cash.saturating_sub(held));
        let mut near = 0;
        let lots = self.lots.iter().filter(|(symbol, _, quantity)| {
            let rule = self.instruments.near(&mut near, *symbol);
            rule.is_none_or(|rule| rule.sells(*quantity))
        });
        let taken = lots.map(|(symbol, strategy, _)| (symbol, strategy)).collect();
        let mut entries = Entries { cash, taken, caps: self.caps.clone() };
        for hold in self.holds.values().filter(|hold| hold.side == Side::Buy) {
            entries.take(hold.symbol, &hold.strategy);
        }
        entries
    }

    pub(super) fn approve_entry<'a>(
        &self,
        signal: &'a Signal,
        sales: &Sales<'_>,
        entries: &mut Entries<'a>,
    ) -> Result<Approved, Refusal> {
        form_allows(signal)?;
        self.level_allows(signal)?;
        self.listing_allows(signal.symbol)?;
        self.bars_allow(signal.symbol)?;
        let rule = self.instrument(signal.symbol)?;
        self.venue_takes(OrderType::Market, rule)?;
        if sales.is_pending(signal.symbol, &signal.strategy) {
            if self.is_taken_back(signal.symbol, &signal.strategy, sales) {
                let text = format!("{} is held still: its exit is withdrawn", signal.symbol);
                return no("already-long", text);
            }
            return no("pending", format!("an order in {} is not final yet", signal.symbol));
        }
        let (quantity, reserved) = self.entry(signal, rule, entries)?;
        entries.take(signal.symbol, &signal.strategy);
        entries.cash = entries.cash.map(|cash| cash.saturating_sub(reserved));
        entries.caps.spend(self.calendar.day(signal.close_time), reserved);
        let Signal { strategy, symbol, close_time, terms, .. } = signal;
        let (side, usual) = (signal.side(), self.valid_until(*close_time));
        let intent = OrderIntent {
            client_id: client_id::of(
                &self.identity,
                &named(signal),
                *symbol,
                side,
                *close_time,
                Part::default(),
            ),
            strategy: strategy.clone(),
            symbol: *symbol,
            side,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: *close_time,
            valid_until: terms.valid_until.unwrap_or(i64::MAX).min(usual),
            terms: Box::default(),
        };
        Ok(Approved { intent, reserved, reason: signal.reason.clone() })
    }

    /// Quantity of an entry, and the quote amount to reserve for it.
    fn entry(
        &self,
        signal: &Signal,
        rule: &Instrument,
        entries: &Entries<'_>,
    ) -> Result<(Decimal, Decimal), Refusal> {
        let symbol = signal.symbol;
        if entries.takes(symbol, &signal.strategy) {
            return no("already-long", format!("{symbol} is held already"));
        }
        let (open, most) = (entries.taken.len(), self.settings.trading.max_positions);
        if open >= most as usize {
            return no("max-positions", format!("{open} of {most} positions are taken"));
        }
        let (by_hand, price) = (self.size_by_hand(signal)?, signal.price.decimal());
        let full = match by_hand {
            Some(Amount::Quantity(quantity)) => quantity.saturating_mul(price),
            Some(Amount::Quote(quote)) => quote,
            None => self.settings.trading.notional,
        };
        let full = match signal.terms.size_ppm {
            Some(ppm) => full.saturating_mul(Decimal::new(i64::from(ppm.min(1_000_000)), 6)),
            None => full,
        };
        let notional = match self.level_of(&signal.strategy) {
            BreakerLevel::Reduced => full / Decimal::TWO,
            BreakerLevel::Normal | BreakerLevel::ExitsOnly | BreakerLevel::Halted => full,
        };
        let Some(cash) = entries.cash else {
            return no("not-reconciled", "the cash is not known before the account was compared");
        };
        let hold = |notional: Decimal| notional.saturating_mul(Decimal::new(HOLD_PERCENT, 2));
        if hold(notional) > cash {
            let (need, cash) = (hold(notional).normalize(), cash.normalize());
            return no("cash", format!("{need} {} are needed, {cash} are free", rule.quote));
        }
        let quantity = match by_hand {
            // A quantity is not computed from its value, which may be rounded.
            Some(Amount::Quantity(quantity)) if notional == full => {
                sizing::market(rule, quantity, price)
            }
            Some(_) | None => sizing::buy(rule, notional, price),
        };
        let quantity = quantity.map_err(too_small)?;
        let reserved = hold(quantity.saturating_mul(price)).normalize();
        match entries.caps.allows(self.calendar.day(signal.close_time), reserved) {
            Ok(()) => Ok((quantity, reserved)),
            Err(text) => no("live-cap", text),
        }
    }
}
