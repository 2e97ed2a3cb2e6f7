//! Decides all signals: this stage alone approves orders and reserves cash.
//!
//! All signals of a close are decided together, after the breaker. Sales go first, then buys by
//! confidence, symbol and strategy. Each strategy has its own lot in a symbol. Lots and orders of
//! other strategies neither block it nor are sold by it. A buy gets exactly one decision,
//! `Approved` or `Declined`; a sell gets `Owed` or `Declined`. A buy reserves its quote amount plus
//! one percent until its order is final. Filled amounts are no longer reserved, as they have left
//! the cash. While an operator flattens, every lot is sold without a signal.
//!
//! After an odd bar, entries in its symbol pause for 15 closes. Exits continue: it may be a crash.
//!
//! A signal to sell opens an exit that is owed until it is sold: see [`owed_exits`]. So does an
//! exit rule of a lot: see [`lot_guards`]. The exit withdraws the unfilled part of the entry. A
//! signal to buy withdraws an exit that was not sent yet.
//!
//! Invariants, asserted by `check`:
//! 1. Between inputs, no signal waits for its decision.
//! 2. A strategy has at most one order in a symbol that is not final, and one stop order.
//! 3. No reserved amount is negative, and every held position is above zero.
//!
//! Over 500 lines: one stage with its state; how it enters and exits lies in its folder.

mod approved;
mod confidence;
mod drivers;
mod entries;
mod entry_checks;
mod exits;
mod former;
mod hand_prices;
mod limit_entries;
mod lot_guards;
mod manual;
mod owed_exits;
mod protection;
mod ranges;
mod regimes;
mod sales;
mod session_ends;
mod settled;
mod sizes;
mod splits;

pub use approved::Approved;
pub use owed_exits::REFUSALS;

use super::calendar::Calendar;
use super::client_id::{self, Identity, Part};
use super::instruments::Instruments;
use super::lots::Lots;
use super::risk::caps::Caps;
use super::risk::sizing::{TOO_SMALL, TooSmall};
use confidence::Least;
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Analysis, Body, BreakerLevel, Decision, LOTS_FROM, Ledger, Listed, Market, Operator, Order,
    Signal, StrategyLimit, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap, VenueId};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::odd::Oddity;
use everwarm_domain::order::{FIRST_STRATEGY, OrderIntent, Protection, Side};
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Key, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use limit_entries::LimitEntries;
use lot_guards::Guards;
use manual::Manual;
use owed_exits::Exits;
use ranges::Ranges;
use serde::{Deserialize, Serialize};
use session_ends::Daily;
use sizes::Sizes;
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 14;
/// Strategy name under which versions without lots sold all lots for an operator.
const LEAVES: &str = "flatten";
/// The last version without lots.
pub(crate) const BEFORE_LOTS: u16 = 5;
/// Reserved amount of a buy, in percent of its value at the close. The excess covers price moves
/// and fees.
const HOLD_PERCENT: i64 = 101;
/// Closes without entries after an odd bar, the close of the bar included.
const PAUSE: u32 = 15;

/// Why a signal is declined.
struct Refusal {
    code: &'static str,
    text: String,
}

fn no<T>(code: &'static str, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, text: text.into() })
}

/// An order that is not final, with its reserved cash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Hold {
    strategy: String,
    symbol: Symbol,
    side: Side,
    /// Whether it was sent, so the venue may have it.
    left: bool,
    reserved: Decimal,
    executed_quote: Decimal,
    /// Ordered base units; zero if a version without lots decided it.
    #[serde(default)]
    quantity: Decimal,
    /// Filled base units, if known.
    #[serde(default)]
    executed: Decimal,
    /// Whether its signal or exit was withdrawn.
    #[serde(default)]
    withdrawn: bool,
    /// What an order protects its lot by; none: it is another order. The guards and the targets
    /// save it.
    #[serde(skip)]
    protection: Option<Protection>,
}

impl Hold {
    /// Whether it blocks another order of this lot. One that protects it does not: an exit replaces
    /// it.
    fn is_of(&self, symbol: Symbol, strategy: &str) -> bool {
        let of = self.strategy == strategy || self.strategy == LEAVES;
        self.symbol == symbol && of && self.protection.is_none()
    }

    /// Whether it protects this lot.
    fn protects(&self, symbol: Symbol, strategy: &str) -> bool {
        self.protection.is_some() && self.symbol == symbol && self.strategy == strategy
    }

    /// The stop of a stop order that protects a lot, in quote units.
    fn stop(&self) -> Option<Decimal> {
        match self.protection {
            Some(Protection::Stop(stop)) => Some(stop),
            Some(Protection::Target(_)) | None => None,
        }
    }

    /// The price of a target order, in quote units.
    fn target(&self) -> Option<Decimal> {
        match self.protection {
            Some(Protection::Target(target)) => Some(target),
            Some(Protection::Stop(_)) | None => None,
        }
    }

    fn open(&self) -> Decimal {
        self.reserved.saturating_sub(self.executed_quote).max(Decimal::ZERO)
    }
}

/// The decision stage.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Decide {
    settings: Settings,
    identity: Identity,
    instruments: Instruments,
    level: BreakerLevel,
    reasons: Vec<String>,
    /// Symbols without entries, and the reason.
    barred: Vec<(Symbol, String)>,
    /// Cash in quote units; `None` until the first account was compared.
    cash: Option<Decimal>,
    /// Base units held, by symbol.
    positions: SymbolMap<Decimal>,
    holds: BTreeMap<ClientOrderId, Hold>,
    /// State of each listed symbol; `None` before the first `Universe` fact.
    listed: Option<SymbolMap<Listed>>,
    /// The last close, and the end of the newest bar of each symbol.
    closed: UtcMs,
    newest: SymbolMap<Newest>,
    /// Latest event time.
    time: UtcMs,
    /// The operator's flatten command in force.
    flatten: Option<Key>,
    exits: Exits,
    /// Caps of live trading. An entry counts with its reserved amount when it is approved.
    caps: Caps,
    /// Signals of this close, each with the fact that contains it.
    waiting: Vec<(Key, Signal)>,
    /// Symbols with an odd bar: why it is odd, and the closes left without entries, this one
    /// included.
    #[serde(default)]
    odd: SymbolMap<(Oddity, u32)>,
    /// The lots of the positions.
    #[serde(default)]
    lots: Lots,
    /// Trading sessions of the symbols, and day beginnings.
    #[serde(default)]
    calendar: Calendar,
    /// Order types that venues take, as far as known.
    #[serde(default)]
    capabilities: BTreeMap<VenueId, Capabilities>,
    /// Limited strategies.
    #[serde(default)]
    limited: Vec<StrategyLimit>,
    /// The exit rules of the lots.
    #[serde(default)]
    guards: Guards,
    /// Requests of operators.
    #[serde(default)]
    manual: Manual,
    /// What sizes are computed from.
    #[serde(default)]
    sizes: Sizes,
    /// Entries by limit orders.
    #[serde(default)]
    limit_entries: LimitEntries,
    /// Average true ranges for stops.
    #[serde(default)]
    ranges: Ranges,
    /// The living target orders, with their prices in quote units.
    #[serde(default)]
    targets: BTreeMap<ClientOrderId, Decimal>,
    /// Venues that take a stop and a target order as a pair.
    #[serde(default)]
    pairs: BTreeSet<VenueId>,
    /// Lots whose pair was rejected.
    #[serde(default)]
    unpaired: BTreeSet<(Symbol, String)>,
    /// The least confidence of entries.
    #[serde(default)]
    least: Least,
    /// The regimes of symbols, and the rules for entries by them.
    #[serde(default)]
    regimes: regimes::Regimes,
    /// The lots that got prices by hand since the last close.
    #[serde(default)]
    given: hand_prices::Given,
    /// The bars of features, and the strategies that enter on settled values only.
    #[serde(default)]
    settled: settled::Settled,
    /// The drivers of symbols and their bias, and the rules for entries by them.
    #[serde(default)]
    drivers: drivers::Drivers,
    /// The symbols that may have been split.
    #[serde(default)]
    splits: splits::Splits,
    /// The signals of this input that follow from daily bars.
    #[serde(skip)]
    daily: Daily,
}

/// The newest bar of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Newest {
    /// End of the bar.
    time: UtcMs,
    /// Closing price.
    close: Price,
}

impl Decide {
    /// The orders that are not final, with the quote units still reserved for each.
    pub fn held(&self) -> impl Iterator<Item = (&ClientOrderId, Decimal)> {
        self.holds.iter().map(|(id, hold)| (id, hold.open()))
    }

    /// Latest time to send an order that is valid from `from`.
    fn valid_until(&self, from: UtcMs) -> UtcMs {
        from.saturating_add(self.settings.trading.valid_for_s.saturating_mul(1000))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn market(&mut self, key: Key, market: &Market) {
        self.calendar.fold(market);
        match market {
            Market::Close { time, bars, odd, .. } => {
                self.closed = *time;
                self.exits.close();
                self.guards.close((key.n, *time), bars, &self.instruments, &self.given);
                self.given.closed(*time);
                self.pauses_end();
                for odd in odd {
                    self.odd.insert(odd.symbol, (odd.why, PAUSE));
                }
                self.days_begin(key, *time, bars);
                let mut near = 0;
                for bar in bars {
                    let newest = Newest { time: *time, close: bar.close };
                    *self.newest.near(&mut near, bar.symbol, || newest) = newest;
                }
            }
            Market::Instruments { rules } => {
                for rule in rules {
                    if self.instruments.get(rule.symbol) != Some(rule) {
                        self.exits.changed(rule.symbol);
                        self.guards.touch_all(Some(rule.symbol), key);
                    }
                }
                self.instruments.learn(rules);
            }
            Market::Universe { listed, unlisted, .. } => {
                for row in listed {
                    self.exits.changed(row.symbol);
                    self.guards.touch_all(Some(row.symbol), key);
                }
                self.unlisted(unlisted);
                let rows = self.listed.get_or_insert_default();
                rows.remove_all(unlisted);
                for row in listed {
                    rows.insert(row.symbol, row.clone());
                }
            }
            Market::CorporateAction(action) => self.corporate_action(key, action),
            // This bar is in no close, so the next close is the first of its pause.
            Market::LateBar { bar, odd: Some(why) } => {
                self.odd.insert(bar.symbol, (*why, PAUSE + 1));
            }
            Market::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits } => {
                self.splits.venue_reports(*venue, *splits);
                self.pairs.retain(|other| other != venue);
                self.pairs.extend(pairs.then_some(*venue));
                self.capabilities.insert(*venue, capabilities.clone());
                self.guards.venue_takes(*venue, (*stop_orders, fewer), key);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, fact: &Fact<Body>, ledger: &Ledger) {
        if let Some(symbol) = self.lots.fold(fact) {
            self.exits.changed(symbol);
            // Earlier versions reported no lots, and there was one strategy.
            if fact.version < LOTS_FROM && self.lots.get(symbol, FIRST_STRATEGY).is_zero() {
                self.guards.sold(symbol, FIRST_STRATEGY);
            }
        }
        self.guards.lot(ledger, self.time);
        if let Ledger::Lot { symbol, strategy, quantity, .. } = ledger {
            if quantity.is_zero() {
                self.unpaired.remove(&(*symbol, strategy.clone()));
            }
            self.guards.touch(*symbol, strategy, fact.key);
        }
        match ledger {
            Ledger::Position { symbol, quantity, cash, .. } => {
                self.cash = Some(*cash);
                self.exits.changed(*symbol);
                if quantity.is_zero() {
                    self.positions.remove(*symbol);
                } else {
                    self.positions.insert(*symbol, *quantity);
                }
            }
            Ledger::Reconciled { cash, conflicts, foreign, .. } => {
                self.cash = Some(*cash);
                let held = self.held_by_asset();
                self.exits.reconciled(fact.key.n, conflicts, foreign, &held);
                self.guards.touch_all(None, fact.key);
            }
            Ledger::Equity { equity, .. } => self.sizes.valued(*equity),
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, key: Key, order: &Order) {
        match order {
            Order::Changed { client_id, status, executed, executed_quote, reason, .. } => {
                if status.is_final() {
                    self.limit_entries.ended(client_id, *status, *executed);
                    if let Some(hold) = self.holds.remove(client_id) {
                        self.guards.forget(client_id);
                        self.targets.remove(client_id);
                        self.sale_ended(&hold, *status, *executed, reason);
                        self.guards.touch(hold.symbol, &hold.strategy, key);
                    }
                } else if let Some(hold) = self.holds.get_mut(client_id) {
                    hold.executed_quote = *executed_quote;
                    if !hold.quantity.is_zero() {
                        hold.executed = *executed;
                    }
                    hold.left = true;
                }
            }
            Order::Granted { client_id, .. } => {
                if let Some(hold) = self.holds.get_mut(client_id) {
                    hold.left = false;
                }
            }
            Order::Filled { strategy, symbol, side, fill, .. } => {
                let rule = self.instruments.get(*symbol);
                self.guards.filled(*symbol, strategy, *side, fill, rule);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other decisions answer no signal")]
    fn own(&mut self, fact: &Fact<Body>, decision: &Decision) {
        self.manual.answered(&fact.because);
        self.exit_owed(fact, decision);
        self.prices_given(fact.key, decision);
        let answered = match decision {
            Decision::Breaker { level, reasons, barred, strategies } => {
                if (*level == BreakerLevel::Halted) != (self.level == BreakerLevel::Halted) {
                    self.guards.touch_all(None, fact.key);
                }
                self.level = *level;
                self.reasons.clone_from(reasons);
                self.barred.clone_from(barred);
                self.limited.clone_from(strategies);
                return;
            }
            Decision::Approved { intent, reserved, reason, .. } => {
                let OrderIntent { symbol, side, client_id, .. } = intent;
                let (executed, executed_quote) = (Decimal::ZERO, Decimal::ZERO);
                let known = fact.version > BEFORE_LOTS;
                let quantity = if known { intent.quantity } else { Decimal::ZERO };
                let (symbol, side, reserved) = (*symbol, *side, *reserved);
                let (strategy, left) = (intent.strategy.clone(), false);
                let hold = Hold {
                    strategy,
                    symbol,
                    side,
                    left,
                    reserved,
                    executed_quote,
                    quantity,
                    executed,
                    withdrawn: false,
                    protection: intent.protection(),
                };
                self.manual.approved(intent, &self.exits);
                let exits = self.exits_of_approved(intent);
                self.limit_entry_approved(fact, intent, (reason, exits));
                self.exit_requested(intent);
                if side == Side::Buy {
                    self.guards.entered(intent, exits, self.adds(symbol, &intent.strategy));
                    self.caps.spend(self.calendar.day(intent.close_time), reserved);
                }
                self.holds.insert(client_id.clone(), hold);
                (intent.symbol, &intent.strategy)
            }
            Decision::Declined { signal, code, .. } => {
                if self.manual.declined(signal, code) {
                    self.guards.touch(signal.symbol, &signal.strategy, fact.key);
                }
                (signal.symbol, &signal.strategy)
            }
            Decision::Owed { symbol, strategy, ended: None, .. } => (*symbol, strategy),
            Decision::Withdrawn { client_id, .. } | Decision::CancelIntent { client_id, .. } => {
                if let Some(hold) = self.holds.get_mut(client_id) {
                    hold.withdrawn = true;
                    let leaves = self.exits.get(hold.symbol, &hold.strategy).is_some();
                    self.limit_entries.withdrawn(client_id, self.closed, leaves);
                }
                return;
            }
            _ => return,
        };
        self.limit_entries.decided(answered.0, answered.1);
        self.waiting.retain(|(_, signal)| (signal.symbol, &signal.strategy) != answered);
    }
}

fn too_small(TooSmall(text): TooSmall) -> Refusal {
    Refusal { code: TOO_SMALL, text }
}

impl Stage for Decide {
    type Body = Body;

    fn rank(&self) -> Rank {
        rank::DECISION
    }

    fn name(&self) -> &'static str {
        "decision"
    }

    fn version(&self) -> u16 {
        14
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Stop
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::INSTRUMENTS,
            kind::UNIVERSE,
            kind::LIVE_CONFIRMED,
            kind::STARTED,
            kind::CLOCK,
            kind::CONFIG_APPLIED,
            kind::SWITCHED,
            kind::MANUAL,
            kind::ACCOUNT,
            kind::FEATURE_PLAN,
            kind::FEATURE_VALUES,
            kind::SIGNALS,
            kind::BREAKER,
            kind::GRANTED,
            kind::CHANGED,
            kind::FILLED,
            kind::POSITION,
            kind::LOT,
            kind::EQUITY,
            kind::RECONCILED,
            kind::SESSIONS,
            kind::DAY_BEGINS,
            kind::CAPABILITIES,
            kind::CORPORATE_ACTION,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[
            kind::APPROVED,
            kind::DECLINED,
            kind::OWED,
            kind::WITHDRAWN,
            kind::CANCEL_INTENT,
            kind::GUARDED,
        ])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        self.time = self.time.max(fact.time);
        self.guards.at(fact.key);
        self.manual.at(fact.key);
        for symbol in self.splits.ended(fact.key) {
            self.guards.touch_all(Some(symbol), fact.key);
        }
        self.daily.fold(fact);
        match &fact.body {
            Body::Market(market) => self.market(fact.key, market),
            Body::Operator(Operator::Switched { switch, .. }) => match switch {
                Switch::Flatten => self.flatten = self.flatten.or(Some(fact.key)),
                Switch::Resume | Switch::NewPeak => {
                    self.flatten = None;
                    self.exits.resumed(fact.key.n);
                }
                Switch::Strategy { name, on: false } => self.limit_entries.turned_off(name),
                Switch::Halt
                | Switch::Safe(_)
                | Switch::Strategy { on: true, .. }
                | Switch::Process { .. } => {}
            },
            Body::Operator(Operator::Manual { id, request, reason }) => {
                self.asked(fact.key, id, request, reason);
            }
            Body::Operator(Operator::Started { installation, epoch, .. }) => {
                self.identity = Identity { installation: installation.clone(), epoch: *epoch };
                if self.splits.any_venue() {
                    // Orders that did not leave before the end may be of old shares.
                    self.guards.touch_all(None, fact.key);
                }
            }
            Body::Operator(Operator::LiveConfirmed { per_order, per_day, .. }) => {
                self.caps.confirm(*per_order, *per_day);
            }
            Body::Operator(Operator::ConfigApplied { text, retained, .. }) => {
                if let Some(settings) = super::settings::applied(text) {
                    let newest = &self.newest;
                    let last = |symbol| Some(newest.get(symbol)?.close.decimal());
                    self.guards.configured(&settings.strategy, self.closed, last);
                    self.sizes.configured(&settings);
                    self.entries_configured(&settings);
                    self.ranges.configured(&settings, text, retained);
                    self.settings = settings;
                }
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                for signal in rows {
                    self.limit_entries.signalled(signal);
                    self.waiting.push((fact.key, signal.clone()));
                }
            }
            Body::Decision(decision) => self.own(fact, decision),
            Body::Order(order) => self.order(fact.key, order),
            Body::Ledger(ledger) => self.ledger(fact, ledger),
            Body::Venue(Venue::Account { balances, open, unread, .. }) => {
                let balances = self.not_panicked(balances, open);
                self.exits.account(fact.key.n, &balances, unread);
            }
            Body::Analysis(analysis) => self.analysed(analysis),
            Body::Venue(_) | Body::Operator(_) => {}
        }
    }

    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}

    fn conclude(&self, out: &mut Out<Body>) {
        let rules = self.guards.is_due();
        let idle = self.waiting.is_empty() && self.manual.is_idle() && self.limit_entries.is_idle();
        if idle && self.flatten.is_none() && self.exits.is_empty() && !rules {
            return;
        }
        let by_hand = self.signal_by_hand();
        let again = self.signals_again();
        let mut waiting: Vec<&(Key, Signal)> =
            self.waiting.iter().chain(&by_hand).chain(&again).collect();
        waiting.sort_by(|(_, a), (_, b)| {
            let order = b.confidence_ppm.cmp(&a.confidence_ppm);
            order.then_with(|| (a.symbol, &a.strategy).cmp(&(b.symbol, &b.strategy)))
        });
        let mut sales = self.sales();
        self.conclude_exits(&waiting, &mut sales, out);
        self.conclude_manual(&mut sales, out);
        self.conclude_protection(&mut sales, out);
        self.conclude_limit_entries(&sales, out);
        let buys = waiting.iter().filter(|(_, signal)| signal.side() == Side::Buy);
        let mut entries = None;
        for (key, signal) in buys {
            let entries = entries.get_or_insert_with(|| self.entries());
            let body = match self.approve_entry((*key, signal), &sales, entries) {
                Ok(approved) => approved.into_body(),
                Err(Refusal { code, text }) => {
                    let (signal, code) = (signal.clone(), code.to_owned());
                    Body::Decision(Decision::Declined { signal, code, text })
                }
            };
            out.append_because([*key], body);
        }
    }

    fn next_wake(&self) -> Option<i64> {
        let exits = !self.exits.is_empty() && self.exit_is_due();
        let entries = self.limit_entries.follows() || self.limit_entry_ends();
        (exits || entries || self.protection_is_due() || self.part_is_due()).then_some(self.time)
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        self.protect_holds();
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        former::VERSIONS
    }

    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        *self = former::read(version, bytes)?;
        self.protect_holds();
        Ok(())
    }

    fn check(&self) {
        self.exits.check();
        assert!(self.waiting.is_empty(), "1: {:?}", self.waiting);
        let lot = |hold: &Hold| {
            (hold.symbol, hold.strategy.clone(), hold.stop().is_some(), hold.target().is_some())
        };
        let mut lots: Vec<_> = self.holds.values().map(lot).collect();
        lots.sort_unstable();
        assert!(lots.windows(2).all(|w| w[0] < w[1]), "2: {lots:?}");
        let positive = |hold: &Hold| hold.open() >= Decimal::ZERO;
        assert!(self.holds.values().all(positive), "3: {:?}", self.holds);
        assert!(self.positions.iter().all(|(_, q)| *q > Decimal::ZERO), "3: {:?}", self.positions);
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
