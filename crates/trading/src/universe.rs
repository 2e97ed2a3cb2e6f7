//! Selects the symbols to trade, by the configured rule and the operator's commands.
//!
//! [`wanted`] applies the rule and the commands to the venue's symbols. [`Universe`] follows the
//! journal. It knows when the venue must be queried again and which facts to append then. A symbol
//! that is no longer wanted stays listed until nothing is held and no order is open. A symbol that
//! the venue lacks or has halted stays listed while it is wanted or held.
//!
//! A strategy that is no longer configured leaves in the same way. It stays until it holds nothing,
//! has no open order and owes no exit.
//!
//! Over 500 lines: one stage with its state and its rules.

mod hours;
mod selection;

pub use selection::{SYMBOLS_MAX, Venue, candidates, wanted};

use super::calendar::Calendar;
use super::instruments::Instruments;
use super::lots::Lots;
use super::risk::sizing;
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{AtVenue, Body, Decision, Ledger, Listed, Market, Operator, Order};
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_domain::settings::{MarketLimits, Selection};
use everwarm_domain::time::{DAY, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use selection::StopOrders;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 7;
/// Version, format and type of former states: without venues that report splits, limits of markets,
/// pairs of orders, stop orders, a calendar.
const FORMER: [(u16, u8, u64); 5] = [
    (6, 6, 0x3e61_bfb0_7f27_c890),
    (5, 5, 0x122a_a990_29a7_fbfe),
    (4, 4, 0xdd1b_43d6_8d90_862b),
    (3, 3, 0x7873_8f24_8360_88fe),
    (2, 2, 0x3d00_728d_81cb_a8ab),
];
/// Format of version 1, which lacks the members about strategies.
const FORMAT_1: u8 = 1;
/// Closes missed in a row after which the venue is queried about the symbol.
const MISSES: u32 = 3;
/// Time between two queries while a wanted symbol does not trade, in milliseconds of event time.
const RETURN: UtcMs = 300_000;
/// How far ahead sessions must be known, in milliseconds.
const KNOWN: UtcMs = 2 * DAY;

/// One listed symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// State of the symbol.
    pub listed: Listed,
    /// Event time since which it has this state.
    pub since: UtcMs,
    /// End of its newest bar in a close.
    pub newest: Option<UtcMs>,
    /// Closes missed in a row.
    misses: u32,
}

/// The universe according to the journal, with all that affects it. It only reads facts and appends
/// none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Universe {
    rule: Selection,
    words: BTreeMap<Symbol, bool>,
    /// The last input that changed the rule or the operator's commands.
    basis: u64,
    /// The `basis` of the last `Universe` fact.
    #[serde(rename = "said")]
    last_basis: u64,
    asked: Option<UtcMs>,
    rows: SymbolMap<Row>,
    instruments: Instruments,
    positions: SymbolMap<Decimal>,
    /// Orders that are not final.
    orders: BTreeMap<ClientOrderId, Symbol>,
    /// Whether the venue must be queried: a symbol missed many closes, or returned.
    doubt: bool,
    last_close: Option<UtcMs>,
    /// The configured strategies, enabled or not.
    #[serde(default)]
    strategies: BTreeSet<String>,
    #[serde(default)]
    lots: Lots,
    /// Strategies of the orders that are not final.
    #[serde(default)]
    owners: BTreeMap<ClientOrderId, String>,
    /// Owed exits, by symbol and strategy.
    #[serde(default)]
    owed: BTreeSet<(Symbol, String)>,
    /// Whether a stage joined that has not received the instrument rules.
    #[serde(default, rename = "untold")]
    lacks_rules: bool,
    /// Trading sessions and day beginnings, as far as known.
    #[serde(default)]
    calendar: Calendar,
    /// Order types that venues take, as far as known.
    #[serde(default)]
    capabilities: BTreeMap<VenueId, Capabilities>,
    /// Most open stop orders of one symbol that venues take, as far as known.
    #[serde(default)]
    stop_orders: BTreeMap<VenueId, StopOrders>,
    /// Venues that take a stop and a limit order as a pair.
    #[serde(default)]
    pairs: BTreeSet<VenueId>,
    /// The limits of the rule in force, which the saved rule lacks.
    #[serde(default)]
    limits: MarketLimits,
    /// Venues whose instruments may be split, and that report splits.
    #[serde(default)]
    splits: BTreeSet<VenueId>,
}

impl Universe {
    /// The listed symbols, by name.
    pub fn rows(&self) -> impl Iterator<Item = (Symbol, &Row)> {
        self.rows.iter()
    }

    /// Whether the venue was ever queried.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.asked.is_some()
    }

    /// The rule in force.
    #[must_use]
    pub fn rule(&self) -> &Selection {
        &self.rule
    }

    /// Time of the last close.
    #[must_use]
    pub fn last_close(&self) -> Option<UtcMs> {
        self.last_close
    }

    /// Whether the venue must be queried at event time `now`.
    #[must_use]
    pub fn is_due(&self, now: UtcMs) -> bool {
        let Some(asked) = self.asked else { return true };
        let away = self
            .rows
            .iter()
            .any(|(_, row)| row.listed.wanted && row.listed.venue != AtVenue::Trading);
        let period = self.rule.refresh_s.saturating_mul(1000).max(1);
        let known = [self.calendar.at(self.venue()).until(), self.calendar.last_day()];
        let ends = known.into_iter().flatten().any(|until| now >= until.saturating_sub(KNOWN));
        let period = if away || ends { period.min(RETURN) } else { period };
        // Queries are due at fixed grid times, so it does not matter when the last one ran.
        self.doubt
            || self.basis > self.last_basis
            || now.div_euclid(period) > asked.div_euclid(period)
    }

    /// Symbols that are not wanted and have neither holdings nor open orders.
    #[must_use]
    pub fn finished(&self) -> Vec<Symbol> {
        let living: BTreeSet<Symbol> = self.orders.values().copied().collect();
        let over = self.rows.iter().filter(|(symbol, row)| {
            !row.listed.wanted && !living.contains(symbol) && !self.is_held(*symbol)
        });
        over.map(|(symbol, _)| symbol).collect()
    }

    /// Whether a strategy may leave: it is not configured and holds no sellable quantity. It also
    /// has no open order and owes no exit.
    #[must_use]
    pub fn is_over(&self, strategy: &str) -> bool {
        let holds =
            self.lots.iter().any(|(symbol, of, held)| of == strategy && self.sells(symbol, held));
        let orders = self.owners.values().any(|of| of == strategy);
        let owes = self.owed.iter().any(|(_, of)| of == strategy);
        !self.strategies.contains(strategy) && !holds && !orders && !owes
    }

    /// Base units held of a symbol; `None` if the quantity is too small to sell.
    #[must_use]
    pub fn held(&self, symbol: Symbol) -> Option<Decimal> {
        self.positions.get(symbol).copied().filter(|_| self.is_held(symbol))
    }

    /// All holdings large enough to sell, listed or not, by name.
    pub fn all_held(&self) -> impl Iterator<Item = (Symbol, Decimal)> {
        let held = self.positions.iter().map(|(symbol, held)| (symbol, *held));
        held.filter(|(symbol, _)| self.is_held(*symbol))
    }

    /// Symbols with sellable holdings or an open order, by name.
    #[must_use]
    pub fn bound(&self) -> BTreeSet<Symbol> {
        let held = self.all_held().map(|(symbol, _)| symbol);
        held.chain(self.orders.values().copied()).collect()
    }

    /// Lots large enough to sell, and those with an open order: symbol and owner.
    #[must_use]
    pub fn taken(&self) -> BTreeSet<(Symbol, &str)> {
        let lots = self.lots.iter().filter(|(symbol, _, held)| self.sells(*symbol, *held));
        let ordered = self.orders.iter().filter_map(|(id, symbol)| {
            let owner = self.owners.get(id)?;
            Some((*symbol, owner.as_str()))
        });
        lots.map(|(symbol, owner, _)| (symbol, owner)).chain(ordered).collect()
    }

    /// Symbols in [`Universe::bound`] that the rule `old` names and `new` does not. Each comes with
    /// the configuration key that excludes it. Volume limits do not count: such symbols leave
    /// later.
    #[must_use]
    pub fn let_go(&self, old: &Selection, new: &Selection) -> Vec<(Symbol, &'static str)> {
        let why = |symbol: Symbol, rule: &Selection| {
            let quote = self.instruments.get(symbol).map_or("", |it| it.quote.as_str());
            if !rule.names.is_empty() && rule.names.binary_search(&symbol).is_err() {
                Some("market.symbols")
            } else if rule.exclude.contains(&symbol) {
                Some("market.universe.exclude")
            } else if !rule.quote.is_empty() && rule.quote != quote {
                Some("market.universe.quote")
            } else {
                None
            }
        };
        // An operator's command overrides every rule.
        let ruled = self.bound().into_iter().filter(|symbol| !self.words.contains_key(symbol));
        let taken = ruled.filter(|symbol| why(*symbol, old).is_none());
        taken.filter_map(|symbol| Some((symbol, why(symbol, new)?))).collect()
    }

    /// Whether it has an open order or sellable holdings.
    fn is_bound(&self, symbol: Symbol) -> bool {
        self.is_held(symbol) || self.orders.values().any(|of| *of == symbol)
    }

    fn is_held(&self, symbol: Symbol) -> bool {
        self.sells(symbol, self.positions.get(symbol).copied().unwrap_or_default())
    }

    /// Whether `quantity` of a symbol is large enough to sell.
    #[must_use]
    pub fn sells(&self, symbol: Symbol, quantity: Decimal) -> bool {
        let dust = self.instruments.get(symbol).is_some_and(|rule| !rule.sells(quantity));
        !quantity.is_zero() && !dust
    }

    /// Most open stop orders that the venue takes of a symbol. 0 if `quantity` base units at
    /// `price` are too few to sell.
    #[must_use]
    pub fn stop_orders_for(&self, symbol: Symbol, quantity: Decimal, price: Decimal) -> usize {
        let Some(rule) = self.instruments.get(symbol) else { return 0 };
        let Some((most, fewer)) = self.stop_orders.get(&rule.venue) else { return 0 };
        let most = fewer.iter().find(|(of, _)| *of == symbol).map_or(*most, |(_, most)| *most);
        let sells = sizing::market(rule, quantity, price).is_ok();
        if sells { usize::try_from(most).unwrap_or(usize::MAX) } else { 0 }
    }

    /// The facts to append after the venue was queried at event time `now`: new rules and the
    /// universe. `basis` is [`Universe::basis`] at the time of the query.
    #[must_use]
    pub fn facts(&self, venue: &Venue, now: UtcMs, basis: u64) -> Vec<Market> {
        let stays = |symbol| self.rows.get(symbol).is_some_and(|row| row.listed.wanted);
        let chosen = wanted(&self.rule, &self.words, venue, stays);
        let at: BTreeMap<Symbol, AtVenue> = venue.rules.iter().map(standing).collect();
        let (mut listed, mut unlisted) = (Vec::new(), Vec::new());
        let before = self.rows.iter().map(|(symbol, _)| symbol);
        let all: BTreeSet<Symbol> = chosen.keys().copied().chain(before).collect();
        for symbol in all {
            let why = chosen.get(&symbol).cloned();
            if why.is_none() && !self.is_bound(symbol) {
                unlisted.push(symbol);
                continue;
            }
            let removed = self.words.get(&symbol) == Some(&false);
            let not = || {
                if removed {
                    return "an operator removed it".to_owned();
                }
                let outside = selection::outside(&self.rule.limits, venue, symbol, stays(symbol));
                outside.unwrap_or_else(|| "the rule leaves it out".to_owned())
            };
            let now = Listed {
                symbol,
                wanted: why.is_some(),
                venue: at.get(&symbol).copied().unwrap_or(AtVenue::Gone),
                why: why.unwrap_or_else(not),
            };
            if self.rows.get(symbol).is_none_or(|row| row.listed != now) {
                listed.push(now);
            }
        }
        let known = |symbol| chosen.contains_key(&symbol) || self.rows.get(symbol).is_some();
        let new = |rule: &&Instrument| {
            known(rule.symbol) && self.instruments.get(rule.symbol) != Some(*rule)
        };
        let mut rules: Vec<Instrument> = venue.rules.iter().filter(new).cloned().collect();
        rules.sort_by_key(|rule| rule.symbol);
        let rules = (!rules.is_empty()).then_some(Market::Instruments { rules });
        let universe = Market::Universe { asked: now, basis, listed, unlisted };
        let hours = self.new_hours(venue, now);
        let takes = self.new_capabilities(venue, known);
        rules.into_iter().chain(takes).chain(hours).chain([universe]).collect()
    }

    /// The orders that the venue takes, if they have changed. Of the symbols that take fewer stop
    /// orders it names the `listed` ones.
    fn new_capabilities(&self, venue: &Venue, listed: impl Fn(Symbol) -> bool) -> Option<Market> {
        let id = venue.rules.first().map(|rule| rule.venue).unwrap_or_default();
        let (stop_orders, ref fewer) = venue.stop_orders;
        let fewer: Vec<_> = fewer.iter().filter(|(symbol, _)| listed(*symbol)).copied().collect();
        let (most, before) = self.stop_orders.get(&id).cloned().unwrap_or_default();
        let (pairs, splits) = (venue.pairs, venue.splits);
        let same = (most, before) == (stop_orders, fewer.clone())
            && pairs == self.pairs.contains(&id)
            && splits == self.splits.contains(&id);
        let now = venue.capabilities.as_ref();
        let now = now.filter(|now| self.capabilities.get(&id) != Some(now) || !same)?;
        let capabilities = now.clone();
        Some(Market::Capabilities { venue: id, capabilities, stop_orders, fewer, pairs, splits })
    }

    /// The venue of the listed symbols.
    fn venue(&self) -> VenueId {
        self.instruments.iter().next().map(|rule| rule.venue).unwrap_or_default()
    }

    /// Whether a second query must confirm these facts: they remove or halt a symbol, or state
    /// rules. A single response of the venue may be wrong, and orders follow the rules.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    pub fn doubts(&self, facts: &[Market]) -> bool {
        facts.iter().any(|market| match market {
            Market::Instruments { rules } => !rules.is_empty(),
            Market::Universe { listed, unlisted, .. } => {
                !unlisted.is_empty() || listed.iter().any(|row| row.venue != AtVenue::Trading)
            }
            _ => false,
        })
    }

    /// The fact that unlists the finished symbols, without a query. `None`: there are none.
    #[must_use]
    pub fn unlisting(&self) -> Option<Market> {
        let unlisted = self.finished();
        let asked = self.asked.filter(|_| !unlisted.is_empty())?;
        Some(Market::Universe { asked, basis: self.last_basis, listed: Vec::new(), unlisted })
    }

    /// All instrument rules, if a stage joined after they were appended.
    #[must_use]
    pub fn rules_for_joined(&self) -> Option<Market> {
        let rules: Vec<Instrument> = self.instruments.iter().cloned().collect();
        (self.lacks_rules && !rules.is_empty()).then_some(Market::Instruments { rules })
    }

    /// The last input that changed the rule or the operator's commands.
    #[must_use]
    pub fn basis(&self) -> u64 {
        self.basis
    }

    fn closed(&mut self, time: UtcMs, traded: impl Iterator<Item = Symbol>, missing: &[Symbol]) {
        self.last_close = Some(time);
        for symbol in traded {
            if let Some(row) = self.rows.get_mut(symbol) {
                (row.misses, row.newest) = (0, Some(time));
                // The symbol seems to trade again, so query the venue.
                self.doubt |= row.listed.venue != AtVenue::Trading;
            }
        }
        for symbol in missing {
            let Some(row) = self.rows.get_mut(*symbol) else { continue };
            row.misses = row.misses.saturating_add(1);
            self.doubt |= row.misses == MISSES && row.listed.venue == AtVenue::Trading;
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn market(&mut self, fact: &Fact<Body>, market: &Market) {
        match market {
            Market::Close { time, bars, missing, .. } => {
                self.closed(*time, bars.iter().map(|bar| bar.symbol), missing);
            }
            Market::Instruments { rules } => {
                self.instruments.learn(rules);
                self.lacks_rules &= rules.len() < self.instruments.iter().count();
            }
            Market::Universe { asked, basis, listed, unlisted } => {
                (self.asked, self.last_basis, self.doubt) = (Some(*asked), *basis, false);
                for symbol in unlisted {
                    self.rows.remove(*symbol);
                }
                for now in listed {
                    let before = self.rows.get(now.symbol);
                    let same = before.filter(|b| b.listed.standing() == now.standing());
                    let since = same.map_or(fact.time, |row| row.since);
                    let (misses, newest) = before.map_or((0, None), |b| (b.misses, b.newest));
                    let row = Row { listed: now.clone(), since, newest, misses };
                    self.rows.insert(now.symbol, row);
                }
            }
            Market::Capabilities { venue, capabilities, stop_orders, fewer, pairs, splits } => {
                self.pairs.retain(|other| other != venue);
                self.pairs.extend(pairs.then_some(*venue));
                self.splits.retain(|other| other != venue);
                self.splits.extend(splits.then_some(*venue));
                self.capabilities.insert(*venue, capabilities.clone());
                self.stop_orders.insert(*venue, (*stop_orders, fewer.clone()));
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn operator(&mut self, n: u64, operator: &Operator) {
        match operator {
            Operator::ConfigApplied { text, .. } => {
                let Some(settings) = super::settings::applied(text) else { return };
                if settings.universe != self.rule {
                    (self.rule, self.basis) = (settings.universe, n);
                    self.limits = self.rule.limits;
                }
                self.strategies = settings.strategy.0.into_keys().collect();
            }
            Operator::SymbolWanted { symbol, wanted } => {
                let before = self.words.insert(*symbol, *wanted);
                if before != Some(*wanted) {
                    self.basis = n;
                }
            }
            Operator::StageJoined { .. } => self.lacks_rules = true,
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, order: &Order) {
        match order {
            Order::Intent(intent) => {
                self.orders.insert(intent.client_id.clone(), intent.symbol);
                self.owners.insert(intent.client_id.clone(), intent.strategy.clone());
            }
            Order::Changed { client_id, status, .. } if status.is_final() => {
                self.orders.remove(client_id);
                self.owners.remove(client_id);
            }
            _ => {}
        }
    }
}

fn standing(rule: &Instrument) -> (Symbol, AtVenue) {
    (rule.symbol, if rule.trading { AtVenue::Trading } else { AtVenue::Halted })
}

impl Stage for Universe {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::UNIVERSE
    }
    fn name(&self) -> &'static str {
        "universe"
    }
    fn version(&self) -> u16 {
        7
    }
    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::INSTRUMENTS,
            kind::UNIVERSE,
            kind::CONFIG_APPLIED,
            kind::SYMBOL_WANTED,
            kind::INTENT,
            kind::CHANGED,
            kind::POSITION,
            kind::LOT,
            kind::OWED,
            kind::STAGE_JOINED,
            kind::SESSIONS,
            kind::DAY_BEGINS,
            kind::CAPABILITIES,
        ])
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        self.lots.fold(fact);
        match &fact.body {
            Body::Market(market) => {
                self.calendar.fold(market);
                self.market(fact, market);
            }
            Body::Operator(operator) => self.operator(fact.key.n, operator),
            Body::Order(order) => self.order(order),
            Body::Ledger(Ledger::Position { symbol, quantity, .. }) => {
                if quantity.is_zero() {
                    self.positions.remove(*symbol);
                } else {
                    self.positions.insert(*symbol, *quantity);
                }
            }
            Body::Decision(Decision::Owed { strategy, symbol, ended, .. }) => {
                let exit = (*symbol, strategy.clone());
                if ended.is_some() {
                    self.owed.remove(&exit);
                } else {
                    self.owed.insert(exit);
                }
            }
            Body::Venue(_) | Body::Analysis(_) | Body::Decision(_) | Body::Ledger(_) => {}
        }
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        self.rule.limits = self.limits;
        Ok(())
    }
    fn converts(&self) -> &'static [u16] {
        &[1, 2, 3, 4, 5, 6]
    }
    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        if let Some((_, format, of)) = FORMER.iter().find(|former| former.0 == version) {
            *self = state::grown(*format, *of, bytes)?;
            self.rule.limits = self.limits;
            return Ok(());
        }
        *self = state::load(FORMAT_1, bytes)?;
        // There was one strategy then, which never leaves. It owned everything.
        self.strategies.insert(FIRST_STRATEGY.to_owned());
        self.lots = Lots::of_positions(&self.positions);
        Ok(())
    }
}

#[cfg(test)]
#[path = "universe_tests.rs"]
mod tests;
