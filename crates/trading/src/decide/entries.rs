//! Approves entries: checks their conditions and reserves their cash. Their sizes come from
//! [`super::sizes`].

use super::entry_checks::form_allows;
use super::manual::named;
use super::sales::Sales;
use super::sizes::Entry;
use super::{Approved, Decide, Hold, Part, Refusal, client_id, no};
use crate::risk::caps::Caps;
use crate::risk::exposure::{Exposure, Open};
use everwarm_domain::fact::Signal;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{ExitPrices, OrderIntent, OrderType, Side};
use everwarm_domain::signal::Intent;
use everwarm_kernel::fact::Key;

/// Free cash, occupied lots and caps while a round decides its entries.
pub(super) struct Entries<'a> {
    /// Free cash in quote units.
    pub(super) cash: Option<Decimal>,
    /// Lots that are held or have an open entry, by name.
    taken: Vec<(Symbol, &'a str)>,
    caps: Caps,
    /// What is open, the entries of this round included. Empty if nothing has a cap.
    pub(super) exposure: Exposure<'a>,
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
        let (caps, exposure) = (self.caps.clone(), self.exposure());
        let mut entries = Entries { cash, taken, caps, exposure };
        for hold in self.holds.values().filter(|hold| hold.side == Side::Buy) {
            entries.take(hold.symbol, &hold.strategy);
        }
        entries
    }

    pub(super) fn approve_entry<'a>(
        &self,
        (key, signal): (Key, &'a Signal),
        sales: &Sales<'_>,
        entries: &mut Entries<'a>,
    ) -> Result<Approved, Refusal> {
        form_allows(signal)?;
        self.level_allows(signal.symbol, &signal.strategy)?;
        self.confidence_allows(signal)?;
        self.regime_allows(signal.symbol, &signal.strategy)?;
        self.drivers_allow(signal.symbol, &signal.strategy)?;
        self.values_allow(signal.symbol, &signal.strategy)?;
        self.listing_allows(signal.symbol)?;
        self.bars_allow(signal.symbol)?;
        self.session_allows(key, signal)?;
        let rule = self.instrument(signal.symbol)?;
        let limit = self.limit_of(signal, rule)?;
        let order_type = limit.map_or(OrderType::Market, |_| OrderType::Limit);
        self.venue_takes(order_type, rule)?;
        if sales.is_pending(signal.symbol, &signal.strategy) {
            if self.is_taken_back(signal.symbol, &signal.strategy, sales) {
                let text = format!("{} is held still: its exit is withdrawn", signal.symbol);
                return no("already-long", text);
            }
            return no("pending", format!("an order in {} is not final yet", signal.symbol));
        }
        let price = limit.unwrap_or_else(|| signal.price.decimal());
        if signal.intent == Intent::Add {
            self.addition_allows(signal, (price, rule), sales)?;
        }
        let (exits, stop) = self.exits_of(signal, price)?;
        self.exits_allow(&signal.strategy, (price, exits), rule)?;
        let Entry { quantity, reserved, words } =
            self.entry(signal, (price, exits), rule, entries)?;
        entries.take(signal.symbol, &signal.strategy);
        let (symbol, strategy, venue) = (signal.symbol, signal.strategy.as_str(), rule.venue);
        entries.exposure.add(Open { symbol, strategy, venue, amount: reserved });
        entries.cash = entries.cash.map(|cash| cash.saturating_sub(reserved));
        entries.caps.spend(self.calendar.day(signal.close_time), reserved);
        let Signal { strategy, symbol, close_time, terms, .. } = signal;
        let (side, usual) = (signal.side(), self.valid_until(self.valid_from(signal)));
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
            order_type,
            quantity,
            price: limit,
            close_time: *close_time,
            valid_until: terms.valid_until.unwrap_or(i64::MAX).min(usual),
            terms: Box::default(),
        };
        let reason = &signal.reason;
        let reason = stop.map_or_else(|| reason.clone(), |stop| format!("{reason}; {stop}"));
        Ok(Approved { intent, reserved, reason, sizing: words })
    }

    /// The size of an entry at a price, if there is a place for it.
    fn entry(
        &self,
        signal: &Signal,
        prices: (Decimal, ExitPrices),
        rule: &Instrument,
        entries: &Entries<'_>,
    ) -> Result<Entry, Refusal> {
        let symbol = signal.symbol;
        let (open, most) = (entries.taken.len(), self.settings.trading.max_positions);
        match (signal.intent, entries.takes(symbol, &signal.strategy)) {
            // The lot has its place already.
            (Intent::Add, true) => {}
            (Intent::Add, false) => {
                return no("nothing-held", format!("nothing of {symbol} is held to add to"));
            }
            (_, true) => return no("already-long", format!("{symbol} is held already")),
            (_, false) if open >= most as usize => {
                return no("max-positions", format!("{open} of {most} positions are taken"));
            }
            (_, false) => {}
        }
        let entry = self.sized(signal, prices, rule, entries)?;
        match entries.caps.allows(self.calendar.day(signal.close_time), entry.reserved) {
            Ok(()) => Ok(entry),
            Err(text) => no("live-cap", text),
        }
    }
}
