//! Sizes entries and cuts them down to their caps.
//!
//! The equity is that of the previous close: the decision reads the ledger's facts up to the input
//! before. So it is the same after any crash. An entry of fixed size needs its whole amount in
//! cash; other sizes are cut down to the free cash, too. An entry that no cap leaves large enough
//! for the venue is refused.

use super::entries::Entries;
use super::{Decide, HOLD_PERCENT, Hold, Refusal, no, too_small};
use crate::risk::exposure::{Exposure, Limit, Open};
use crate::risk::sizing::{self, Computed, NoSize, Terms};
use everwarm_domain::fact::Signal;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::manual::Amount;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, Side};
use everwarm_domain::settings::{Settings, Size, SizeRules};
use everwarm_domain::signal::Intent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What sizes are computed from.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sizes {
    /// Equity of the previous close, quote units.
    equity: Option<Decimal>,
    /// The sizes of the strategies that have no fixed one.
    of: BTreeMap<String, Size>,
    #[serde(with = "SizeRules")]
    rules: SizeRules,
}

impl Sizes {
    /// Takes the sizes, caps and costs of a configuration.
    pub(super) fn configured(&mut self, settings: &Settings) {
        let sizes = settings.strategy.0.iter().map(|(id, one)| (id.clone(), one.size));
        self.of = sizes.filter(|(_, size)| *size != Size::Fixed).collect();
        self.rules.clone_from(&settings.risk.sizes);
    }

    /// Takes the equity of a close.
    pub(super) fn valued(&mut self, equity: Decimal) {
        self.equity = Some(equity);
    }

    fn of(&self, strategy: &str) -> Size {
        self.of.get(strategy).copied().unwrap_or_default()
    }
}

/// The size of an approved entry.
pub(super) struct Entry {
    /// Base units.
    pub(super) quantity: Decimal,
    /// Quote units to reserve.
    pub(super) reserved: Decimal,
    /// The arithmetic; none: a fixed size that neither a regime nor a cap cut.
    pub(super) words: Option<String>,
}

/// A cap of one entry.
struct Cut {
    /// What the entry may reserve, quote units.
    room: Decimal,
    /// The cap in the arithmetic.
    words: String,
    /// The refusal if no order fits.
    refusal: Refusal,
}

impl From<Limit> for Cut {
    fn from(limit: Limit) -> Cut {
        let (used, most) = (limit.used.normalize(), limit.most.normalize());
        let words = format!("{}: {} has {used} of {most}", limit.key, limit.what);
        let refusal = Refusal { code: limit.code, text: limit.refusal() };
        Cut { room: limit.room(), words, refusal }
    }
}

/// Quote amount to reserve for an entry worth `notional`.
fn hold(notional: Decimal) -> Decimal {
    notional.saturating_mul(Decimal::new(HOLD_PERCENT, 2))
}

impl Decide {
    /// What is open. Empty if nothing has a cap.
    pub(super) fn exposure(&self) -> Exposure<'_> {
        let mut exposure = Exposure::default();
        if !self.sizes.rules.caps() {
            return exposure;
        }
        let venue = |symbol| self.instruments.get(symbol).map(|rule| rule.venue);
        let venue = |symbol| venue(symbol).unwrap_or_default();
        for (symbol, strategy, quantity) in self.lots.iter() {
            let price = self.price_of(symbol, strategy);
            let amount = quantity.saturating_mul(price).max(Decimal::ZERO);
            exposure.add(Open { symbol, strategy, venue: venue(symbol), amount });
        }
        for of in self.holds.values().filter(|hold| hold.side == Side::Buy) {
            let Hold { strategy, symbol, .. } = of;
            let (symbol, amount) = (*symbol, of.open());
            exposure.add(Open { symbol, strategy, venue: venue(symbol), amount });
        }
        exposure
    }

    /// The price of a lot: the last close, or its entry if the symbol has none.
    fn price_of(&self, symbol: Symbol, strategy: &str) -> Decimal {
        let newest = self.newest.get(symbol).map(|newest| newest.close.decimal());
        let entry = || self.guards.get(symbol, strategy).map(super::lot_guards::Guard::entry);
        newest.or_else(entry).unwrap_or_default()
    }

    /// The size of the entry of a signal at a price, with the prices at which its lot is sold.
    pub(super) fn sized(
        &self,
        signal: &Signal,
        (price, exits): (Decimal, ExitPrices),
        rule: &Instrument,
        entries: &Entries<'_>,
    ) -> Result<Entry, Refusal> {
        let Some(cash) = entries.cash else {
            return no("not-reconciled", "the cash is not known before the account was compared");
        };
        let strategy = signal.strategy.as_str();
        let by_hand = self.size_by_hand(signal)?;
        let (size, notional) = match by_hand {
            Some(Amount::Quantity(quantity)) => (Size::Fixed, quantity.saturating_mul(price)),
            Some(Amount::Quote(quote)) => (Size::Fixed, quote),
            None => (self.sizes.of(strategy), self.settings.trading.notional),
        };
        let by_regime = self.regime_factor(signal.symbol, strategy);
        let mut factors = sizing::factors(signal, self.level_of(strategy));
        factors.extend(by_regime);
        if size == Size::Fixed {
            let need = hold(sizing::scaled(notional, &factors));
            if need > cash {
                return Err(no_cash(rule, need, cash));
            }
        }
        let terms = Terms {
            rule,
            strategy,
            size,
            notional,
            equity: self.sizes.equity,
            price,
            stop: if signal.intent == Intent::Add {
                self.stop_of_lot(signal.symbol, strategy, rule)
            } else {
                self.guards.first_levels(strategy, (price, exits), rule).stop
            },
            rules: &self.sizes.rules,
            factors: &factors,
        };
        let sized = match by_hand {
            // A quantity is not computed from its value, which may be rounded.
            Some(Amount::Quantity(quantity)) => {
                let wanted = sizing::scaled(quantity, &factors);
                let quantity = sizing::market(rule, wanted, price).map_err(too_small)?;
                let words = format!("quantity {}, down to {quantity}", wanted.normalize());
                Computed { quantity, words }
            }
            Some(Amount::Quote(_)) | None => {
                terms.quantity().map_err(|NoSize { code, text }| Refusal { code, text })?
            }
        };
        let cost = |quantity: Decimal| hold(quantity.saturating_mul(price));
        let mut cuts = self.cuts(signal, rule, entries);
        if size != Size::Fixed {
            let words = format!("the free cash of {}", cash.normalize());
            let refusal = no_cash(rule, cost(sized.quantity), cash);
            cuts.push(Cut { room: cash, words, refusal });
        }
        let within = |cut: Cut| (sizing::within(rule, cut.room, hold(price), cost), cut);
        let tightest = cuts.into_iter().map(within).min_by_key(|(quantity, _)| *quantity);
        let Computed { mut quantity, mut words } = sized;
        let mut keeps = size != Size::Fixed || by_regime.is_some();
        if let Some((most, cut)) = tightest.filter(|(most, _)| *most < quantity) {
            quantity = sizing::market(rule, most, price).map_err(|_| cut.refusal)?;
            words = format!("{words}, cut to {quantity} by {}", cut.words);
            keeps = true;
        }
        let reserved = cost(quantity).normalize();
        Ok(Entry { quantity, reserved, words: Some(words).filter(|_| keeps) })
    }

    /// The caps of an entry that are configured.
    fn cuts(&self, signal: &Signal, rule: &Instrument, entries: &Entries<'_>) -> Vec<Cut> {
        let (symbol, strategy) = (signal.symbol, signal.strategy.as_str());
        let entry = Open { symbol, strategy, venue: rule.venue, amount: Decimal::ZERO };
        let limits = entries.exposure.limits(&self.sizes.rules, &entry);
        limits.into_iter().map(Cut::from).collect()
    }
}

fn no_cash(rule: &Instrument, need: Decimal, cash: Decimal) -> Refusal {
    let (need, cash) = (need.normalize(), cash.normalize());
    Refusal { code: "cash", text: format!("{need} {} are needed, {cash} are free", rule.quote) }
}
