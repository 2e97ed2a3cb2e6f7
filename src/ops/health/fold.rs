//! What facts tell of health: what is open, and since when, in event time.

use crate::ops::fold::StatusFold;
use crate::ops::tell;
use crate::ops::views::SymbolView;
use everwarm_domain::fact::{
    Analysis, Body, BreakerLevel, Decision, Ledger, Market, Operator, Order,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Things of one kind since something else came, and when the first did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How many.
    pub count: u64,
    /// When the first came; 0: there is none.
    pub first: UtcMs,
}

impl Run {
    fn more(&mut self, time: UtcMs, count: u64) {
        if self.count == 0 && count > 0 {
            self.first = time;
        }
        self.count += count;
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthFold {
    /// Event time of the newest fact.
    pub now: UtcMs,
    /// End of the newest close.
    pub close: Option<UtcMs>,
    /// How old a bar may be, milliseconds.
    pub stale: UtcMs,
    /// Signals since the last order.
    pub signals: Run,
    /// Why the newest of them was declined.
    pub declined: Option<String>,
    /// Orders since the last fill.
    pub orders: Run,
    /// Orders that are decided and of which nothing has become yet, with their side.
    #[serde(default)]
    pub due: BTreeMap<ClientOrderId, (UtcMs, Side)>,
    /// Orders of unknown fate.
    pub unknown: BTreeMap<ClientOrderId, UtcMs>,
    /// Branches that are kept down.
    pub branches: BTreeMap<String, UtcMs>,
    /// What nothing explains, by id.
    pub conflicts: BTreeMap<String, UtcMs>,
    /// What is held and could be sold by its size.
    pub held: BTreeMap<Symbol, UtcMs>,
    /// The level of the breaker.
    #[serde(default)]
    pub level: BreakerLevel,
    /// When it came to that level; none at normal.
    pub breaker: Option<UtcMs>,
    /// The last odd or refused bar of each symbol, of the last [`STRANGE`] closes, in words.
    #[serde(default)]
    pub strange: BTreeMap<Symbol, (UtcMs, String)>,
}

/// How long an odd or refused bar is shown: entries pause for as many closes.
const STRANGE: UtcMs = 15 * MINUTE;

impl HealthFold {
    /// Whether the newest bar of a symbol is older at venue time `now` than one may be.
    #[must_use]
    pub fn is_stale(&self, row: &SymbolView, now: UtcMs) -> bool {
        self.stale > 0 && row.newest_bar.is_some_and(|newest| now - newest > self.stale)
    }

    /// Since when the breaker is at a level; none where facts do not tell, or it is at another.
    #[must_use]
    pub fn at(&self, level: BreakerLevel) -> Option<UtcMs> {
        self.breaker.filter(|_| self.level == level)
    }

    /// Takes one fact in, in the order of the journal; `status` has taken it in already.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what opens or ends nothing needs no word")]
    pub fn fold(&mut self, fact: &Fact<Body>, status: &StatusFold) {
        let time = fact.time;
        self.now = self.now.max(time);
        match &fact.body {
            Body::Market(Market::Close { time, odd, .. }) => {
                self.close = Some(*time);
                self.strange.retain(|_, (since, _)| *time - *since < STRANGE);
                for odd in odd {
                    self.strange.insert(odd.symbol, (*time, tell::odd(odd.symbol, odd.why)));
                }
            }
            Body::Market(Market::LateBar { bar, odd: Some(why) }) => {
                self.strange.insert(bar.symbol, (time, tell::odd(bar.symbol, *why)));
            }
            Body::Market(Market::BarRefused { symbol, .. }) => {
                self.strange.insert(*symbol, (time, tell::tell(&fact.body, Some(*symbol))));
            }
            Body::Market(Market::Instruments { .. }) => self.holds(status, time),
            Body::Operator(Operator::Started { .. }) => {
                self.branches.clear();
                self.conflicts.clear();
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Ok(settings) = Settings::from_text(text) {
                    self.stale = settings.trading.stale_s * 1000;
                }
            }
            Body::Operator(Operator::Branch { path, down }) => {
                self.branches.remove(path);
                self.branches.extend(down.as_ref().map(|_| (path.clone(), time)));
            }
            Body::Operator(Operator::Resolved { conflict, .. }) => {
                self.conflicts.remove(&conflict.id());
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                self.signals.more(time, rows.len() as u64);
            }
            Body::Decision(Decision::Declined { text, .. }) => self.declined = Some(text.clone()),
            Body::Decision(Decision::Breaker { level, .. }) if *level != self.level => {
                self.level = *level;
                self.breaker = (*level != BreakerLevel::Normal).then_some(time);
            }
            Body::Order(order) => self.order(order, time),
            Body::Ledger(ledger) => self.ledger(ledger, status, time),
            _ => {}
        }
    }

    fn order(&mut self, order: &Order, time: UtcMs) {
        match order {
            Order::Intent(intent) => {
                self.due.insert(intent.client_id.clone(), (time, intent.side));
                (self.signals, self.declined) = (Run::default(), None);
                self.orders.more(time, 1);
            }
            Order::Changed { client_id, status, .. } => {
                self.due.remove(client_id);
                if *status == OrderStatus::Unknown {
                    self.unknown.entry(client_id.clone()).or_insert(time);
                } else {
                    self.unknown.remove(client_id);
                }
            }
            Order::Filled { .. } => self.orders = Run::default(),
            Order::Granted { .. } | Order::Compared { .. } => {}
        }
    }

    /// Dust stays for ever: what is held begins anew with what is more than that.
    fn holds(&mut self, status: &StatusFold, time: UtcMs) {
        let held = status.sellable().into_keys();
        let since = |symbol: &Symbol| self.held.get(symbol).copied().unwrap_or(time);
        self.held = held.map(|symbol| (symbol, since(&symbol))).collect();
    }

    fn ledger(&mut self, ledger: &Ledger, status: &StatusFold, time: UtcMs) {
        match ledger {
            Ledger::Position { .. } => self.holds(status, time),
            Ledger::Reconciled { conflicts, .. } => {
                let since = |id: &String| self.conflicts.get(id).copied().unwrap_or(time);
                let ids = conflicts.iter().map(everwarm_domain::fact::Conflict::id);
                self.conflicts = ids.map(|id| (id.clone(), since(&id))).collect();
            }
            Ledger::Equity { .. } | Ledger::Adjusted { .. } | Ledger::Lot { .. } => {}
        }
    }
}
