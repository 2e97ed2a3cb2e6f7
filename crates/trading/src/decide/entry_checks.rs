//! Checks all conditions of an entry except money.

use super::lot_guards::Levels;
use super::sales::Sales;
use super::{Decide, Refusal, no};
use everwarm_domain::fact::{AtVenue, BreakerLevel, Signal};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, OrderType};
use everwarm_domain::settings::Settings;
use everwarm_domain::signal::{Direction, Intent, SignalTerms};
use everwarm_domain::time::MINUTE;

/// Whether the form of a signal is supported: it opens, adds to or closes a long lot at the market.
pub(super) fn form_allows(signal: &Signal) -> Result<(), Refusal> {
    let SignalTerms { limit, stop, target, .. } = &*signal.terms;
    let what = match (signal.intent, signal.direction) {
        (_, Direction::Short) => "short lots are not traded",
        (Intent::Reduce, Direction::Long) => "no part of a lot is sold",
        (Intent::Open | Intent::Add | Intent::Close, Direction::Long) => {
            if limit.is_some() {
                return no("unsupported", "limits of signals are not supported");
            }
            if signal.intent == Intent::Close && (stop.is_some() || target.is_some()) {
                return no("unsupported", "an exit has no stop and no target");
            }
            if signal.intent == Intent::Add && (stop.is_some() || target.is_some()) {
                return no("unsupported", "an addition leaves stop and target as they are");
            }
            return Ok(());
        }
    };
    no("unsupported", what)
}

impl Decide {
    /// Takes the conditions of entries from a configuration.
    pub(super) fn entries_configured(&mut self, settings: &Settings) {
        self.limit_entries.configured(&settings.strategy);
        self.least.configured(&settings.strategy);
        self.regimes.configured(&settings.strategy);
        self.settled.configured(settings);
        self.drivers.configured(&settings.strategy);
    }

    /// Forgets the values of symbols.
    pub(super) fn unlisted(&mut self, unlisted: &[Symbol]) {
        self.newest.remove_all(unlisted);
        self.odd.remove_all(unlisted);
        self.ranges.unlisted(unlisted);
        self.regimes.unlisted(unlisted);
        self.settled.unlisted(unlisted);
        self.drivers.unlisted(unlisted);
    }

    /// Whether the lot of an addition may grow at this price: no exit of it is decided, and the
    /// price is above its stop.
    pub(super) fn addition_allows(
        &self,
        signal: &Signal,
        (price, rule): (Decimal, &Instrument),
        sales: &Sales<'_>,
    ) -> Result<(), Refusal> {
        let (symbol, strategy) = (signal.symbol, signal.strategy.as_str());
        let leaves = sales.leaving.contains(&(symbol, strategy));
        if leaves || self.exits.get(symbol, strategy).is_some() {
            return no("leaving", format!("an exit of {symbol} is owed"));
        }
        match self.stop_of_lot(symbol, strategy, rule) {
            Some(stop) if stop >= price => {
                let price = price.normalize();
                no(
                    "exit-price",
                    format!("the stop {stop} of its lot is not below its price {price}"),
                )
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The stop of a lot that is held, quote units.
    pub(super) fn stop_of_lot(
        &self,
        symbol: Symbol,
        strategy: &str,
        rule: &Instrument,
    ) -> Option<Decimal> {
        self.guards.get(symbol, strategy)?.levels(Some(rule)).stop
    }

    /// Whether an entry adds to a lot: what is held can be sold.
    pub(super) fn adds(&self, symbol: Symbol, strategy: &str) -> bool {
        let held = self.lots.get(symbol, strategy);
        let sells = |rule: &Instrument| rule.sells(held);
        !held.is_zero() && self.instruments.get(symbol).is_none_or(sells)
    }

    /// Whether the prices at which the lot of an entry is sold lie on both sides of its price.
    pub(super) fn exits_allow(
        &self,
        strategy: &str,
        (price, exits): (Decimal, ExitPrices),
        rule: &Instrument,
    ) -> Result<(), Refusal> {
        let Levels { stop, target, .. } = self.guards.first_levels(strategy, (price, exits), rule);
        let (price, tick) = (price.normalize(), rule.tick_size.normalize());
        if let Some(stop) = stop.filter(|_| exits.stop.is_some())
            && (stop <= Decimal::ZERO || stop >= price)
        {
            let text =
                format!("its stop {stop} is not from one tick, {tick}, to its price {price}");
            return no("exit-price", text);
        }
        match target.filter(|target| exits.target.is_some() && *target <= price) {
            Some(target) => {
                no("exit-price", format!("its target {target} is not above its price {price}"))
            }
            None => Ok(()),
        }
    }

    /// The level for entries of a strategy.
    pub(super) fn level_of(&self, strategy: &str) -> BreakerLevel {
        let own = self.limited.iter().find(|limit| limit.id == strategy);
        own.map_or(self.level, |own| self.level.max(own.level))
    }

    /// Whether the breaker allows an entry.
    pub(super) fn level_allows(&self, symbol: Symbol, strategy: &str) -> Result<(), Refusal> {
        let own = self.limited.iter().find(|limit| limit.id == strategy);
        let own = own.filter(|own| own.level > self.level);
        let why = own.map_or_else(|| self.reasons.join("; "), |own| own.why.clone());
        if let Some((_, why)) = self.barred.iter().find(|(of, _)| *of == symbol) {
            return no("barred", why.clone());
        }
        match self.level_of(strategy) {
            BreakerLevel::Halted => no("halted", format!("trading is halted: {why}")),
            BreakerLevel::ExitsOnly => {
                no("exits-only", format!("positions may be left, not entered: {why}"))
            }
            BreakerLevel::Normal | BreakerLevel::Reduced => Ok(()),
        }
    }

    /// The rules of a symbol, if it takes orders now.
    pub(super) fn instrument(&self, symbol: Symbol) -> Result<&Instrument, Refusal> {
        self.split_allows(symbol)?;
        let Some(rule) = self.instruments.get(symbol) else {
            return no("instrument", format!("the venue's rules for {symbol} are not known"));
        };
        if !rule.trading {
            return no("instrument", format!("the venue does not take orders in {symbol} now"));
        }
        match self.instruments.quote_asset(&self.settings) {
            Some(quote) if quote != rule.quote => {
                no("instrument", format!("{symbol} is paid in {}, cash is {quote}", rule.quote))
            }
            Some(_) | None => Ok(rule),
        }
    }

    /// Whether the venue of a symbol takes this order type. Without a statement of the venue, it
    /// takes all.
    pub(super) fn venue_takes(&self, kind: OrderType, rule: &Instrument) -> Result<(), Refusal> {
        match self.capabilities.get(&rule.venue) {
            Some(venue) if !venue.takes(kind) => {
                no("unsupported", format!("the venue does not take {} orders", kind.name()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the listing of a symbol and the age of its newest bar allow an entry.
    pub(super) fn listing_allows(&self, symbol: Symbol) -> Result<(), Refusal> {
        if let Some(listed) = &self.listed {
            let Some(row) = listed.get(symbol) else {
                return no("not-listed", format!("{symbol} is not among the traded symbols"));
            };
            match row.venue {
                AtVenue::Trading if row.wanted => {}
                AtVenue::Trading => {
                    return no("leaving", format!("{symbol} is being left: {}", row.why));
                }
                AtVenue::Halted => {
                    return no(
                        "venue-halted",
                        format!("the venue takes no orders in {symbol} now"),
                    );
                }
                AtVenue::Gone => {
                    return no("gone", format!("the venue does not have {symbol} any more"));
                }
            }
        }
        let limit = self.settings.trading.stale_s;
        let newest = self.newest.get(symbol).map_or(self.closed, |newest| newest.time);
        // Only time while the venue is open counts as age.
        let age = self.calendar.of(symbol).open_between(newest, self.closed);
        if age / 1000 > limit {
            let minutes = age / MINUTE;
            let text = format!("the newest bar of {symbol} is {minutes} min old, {limit} s may be");
            return no("stale", text);
        }
        Ok(())
    }

    /// Whether the symbol is not paused after an odd bar.
    pub(super) fn bars_allow(&self, symbol: Symbol) -> Result<(), Refusal> {
        let Some((why, left)) = self.odd.get(symbol) else { return Ok(()) };
        let (why, closes) = (why.words(), if *left == 1 { "close" } else { "closes" });
        no("odd-bar", format!("{symbol} had an odd bar: {why}; entries pause for {left} {closes}"))
    }

    /// Counts down the pauses after odd bars at a close.
    pub(super) fn pauses_end(&mut self) {
        let mut over = Vec::new();
        for (symbol, (_, left)) in self.odd.iter_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                over.push(symbol);
            }
        }
        self.odd.remove_all(&over);
    }
}
