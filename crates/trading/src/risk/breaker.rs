//! Runs the circuit breaker, which sets how much trading is allowed. It appends a fact only on a
//! change.
//!
//! A drawdown of the account reduces entries, allows exits only, or halts; see [`super::drawdown`].
//! Losing trades and stops bar a symbol, many stop-outs limit a strategy; see [`super::trades`].
//!
//! A reached limit of failures, entries or loss allows exits only. That ends when the counts are
//! below the limit again or a new trading day begins with a close. A conflict with the venue
//! allows exits only while it lasts; a twin order halts trading. An order that stays unknown
//! allows exits only until it is known. A quarantine that stops a stage allows exits only. A
//! quarantine that skips a symbol bars buys of it. Both last until an operator releases them. A
//! branch that its supervisor stopped allows exits only until it runs again. So do an unfit venue,
//! market, clock or disk, and too many restarts; see [`super::health`]. Open orders of others halt
//! trading if the configuration says so. A driver may have a level; see [`super::driver_levels`].
//! Halt, flatten and careful start last until the operator changes them. The breaker decides once
//! an input, after all facts it reads. So the decision of the same close uses its level.
//!
//! All failed requests of one owed exit count as one failure.
//!
//! Invariant, asserted by `check`: the normal level has no reason, every other level has one.

use super::drawdown::Drawdown;
use super::driver_levels::LevelsByDriver;
use super::health::Health;
use super::limits::Counts;
use super::trades::Trades;
use crate::calendar::Calendar;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Body, BreakerLevel, Decision, Dispute, Ledger, Market, Operator, Order, StrategyLimit, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderStatus, Side, is_adopted};
use everwarm_domain::quarantine::Quarantines;
use everwarm_domain::settings::exits::ExitRule;
use everwarm_domain::settings::{ExternalOrders, Risk};
use everwarm_domain::switch::{Switch, Switches};
use everwarm_domain::time::{UtcMs, clock};
use everwarm_kernel::fact::{Effect, Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 9;
/// Version, format and type of the state without drivers.
const FORMER: (u16, u8, u64) = (8, 8, 0x51c7_ec32_e7c7_71cc);

/// The breaker stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    #[serde(with = "Risk")]
    limits: Risk,
    counts: Counts,
    /// Sent orders that are not final: only these can fail.
    sent: BTreeSet<ClientOrderId>,
    /// Sell orders that are not final, with symbol and strategy.
    exits: BTreeMap<ClientOrderId, (Symbol, String)>,
    /// Owed exits with a counted failure: each counts once.
    failed: BTreeSet<(Symbol, String)>,
    /// Number of conflicts in the last reconciliation, and how many of them are twins.
    conflicts: usize,
    twins: usize,
    quarantines: Quarantines,
    /// Paths of the branches that supervisors have stopped.
    branches: BTreeSet<String>,
    switches: Switches,
    level: BreakerLevel,
    reasons: Vec<String>,
    barred: Vec<(Symbol, String)>,
    strategies: Vec<StrategyLimit>,
    /// Beginnings of trading days.
    calendar: Calendar,
    drawdown: Drawdown,
    trades: Trades,
    /// Unknown orders, and the newest close when each became unknown, UTC milliseconds.
    unknown: BTreeMap<ClientOrderId, UtcMs>,
    health: Health,
    /// How many open orders are not ours, and the first of them.
    external: Option<(u64, ClientOrderId, Symbol)>,
    #[serde(default)]
    drivers: LevelsByDriver,
}

impl Breaker {
    /// The counts that limits apply to, and the limits.
    #[must_use]
    pub fn counted(&self) -> (&Counts, &Risk) {
        (&self.counts, &self.limits)
    }

    /// Whether a limit that counts or measures stops entries.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let other = self.drawdown.judge(&self.limits).into_iter().chain(self.lost());
        let (counted, _) = self.counts.judge(&self.limits);
        other.map(|(level, _)| level).fold(counted, Ord::max) >= BreakerLevel::ExitsOnly
    }

    /// The used share of each limit, by name; 0 if the limit is off.
    #[must_use]
    pub fn used(&self) -> [(&'static str, Decimal); 4] {
        let [failures, entries, loss] = self.counts.used(&self.limits);
        [failures, entries, loss, ("drawdown", self.drawdown.used(&self.limits))]
    }

    fn judge(&self) -> (BreakerLevel, Vec<String>) {
        let (mut level, mut reasons) = self.switches.level();
        let (counted, reached) = self.counts.judge(&self.limits);
        level = level.max(counted);
        reasons.extend(reached);
        for (reached, reason) in self.drawdown.judge(&self.limits).into_iter().chain(self.lost()) {
            level = level.max(reached);
            reasons.push(reason);
        }
        for quarantine in self.quarantines.held().filter(|q| q.effect != Effect::Parts) {
            level = level.max(BreakerLevel::ExitsOnly);
            reasons.push(quarantine.reason());
        }
        for path in &self.branches {
            level = level.max(BreakerLevel::ExitsOnly);
            reasons.push(format!("{path} failed too often and is kept down"));
        }
        for reason in self.health.reasons(&self.limits, self.trades.now()) {
            level = level.max(BreakerLevel::ExitsOnly);
            reasons.push(reason);
        }
        for (reached, reason) in self.drivers.judge() {
            level = level.max(reached);
            reasons.push(reason);
        }
        if let Some((count, id, symbol)) = &self.external
            && self.limits.external_orders == ExternalOrders::Halt
        {
            level = level.max(BreakerLevel::Halted);
            reasons.push(match count {
                1 => format!("an order in {symbol} is not ours: {id}"),
                _ => format!("{count} open orders are not ours; the first is {id} in {symbol}"),
            });
        }
        if self.conflicts == 0 {
            return (level, reasons);
        }
        let found = self.conflicts;
        let differences = if found == 1 { "difference" } else { "differences" };
        let text = format!("{found} {differences} to the venue that no record explains");
        reasons.insert(0, text);
        if self.twins == 0 {
            return (level.max(BreakerLevel::ExitsOnly), reasons);
        }
        let twin = "an order under our name is not of this journal: another daemon trades with the \
                    same identity, or this is an old backup";
        reasons.insert(0, twin.to_owned());
        (BreakerLevel::Halted, reasons)
    }

    /// The level for orders that stay unknown.
    fn lost(&self) -> Option<(BreakerLevel, String)> {
        let most = Some(self.limits.unknown_order_s).filter(|most| *most > 0)?;
        let (id, since) = self.unknown.iter().min_by_key(|(_, since)| **since)?;
        if self.trades.now() - since < most * 1000 {
            return None;
        }
        let why = format!("the state of order {id} is unknown since {}", clock(*since));
        Some((BreakerLevel::ExitsOnly, why))
    }

    /// Symbols barred from buys, with a reason of each.
    fn bars(&self) -> Vec<(Symbol, String)> {
        let parts = self.quarantines.held().filter(|q| q.effect == Effect::Parts);
        let each = parts.flat_map(|q| q.symbols.iter().map(|symbol| (*symbol, q.reason())));
        self.trades.barred().chain(each).collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, order: &Order) {
        match order {
            Order::Changed { client_id, status, executed, .. } => {
                if *status == OrderStatus::Unknown {
                    let since = self.trades.now();
                    self.unknown.entry(client_id.clone()).or_insert(since);
                } else {
                    self.unknown.remove(client_id);
                }
                if !status.is_final() {
                    return;
                }
                if executed.is_zero() {
                    self.trades.ended_unfilled(client_id);
                }
                let failed = match status {
                    OrderStatus::Rejected | OrderStatus::Expired => executed.is_zero(),
                    OrderStatus::Filled
                    | OrderStatus::Cancelled
                    | OrderStatus::Intent
                    | OrderStatus::Sent
                    | OrderStatus::Unknown
                    | OrderStatus::Open
                    | OrderStatus::PartlyFilled => false,
                };
                let exit = self.exits.remove(client_id);
                if self.sent.remove(client_id)
                    && failed
                    && exit.is_none_or(|exit| self.failed.insert(exit))
                {
                    self.counts.failures += 1;
                }
            }
            // It says nothing about our orders, and counts for no limit of them.
            Order::Filled { client_id, strategy, .. } if is_adopted(client_id, strategy) => {}
            Order::Filled { client_id, strategy, symbol, side, k, .. } => {
                self.counts.failures = 0;
                if *side == Side::Sell {
                    self.trades.sold(client_id, *symbol, strategy);
                }
                if (*side, *k) == (Side::Buy, 1) {
                    self.counts.entries += 1;
                }
            }
            Order::Intent(intent) if intent.side == Side::Sell => {
                self.trades.intent(intent);
                let exit = (intent.symbol, intent.strategy.clone());
                self.exits.insert(intent.client_id.clone(), exit);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, ledger: &Ledger) {
        match ledger {
            Ledger::Equity { time, equity, adjusted, .. } => {
                let day = self.calendar.day(*time);
                self.drawdown.fold(*equity, *adjusted, day, &self.limits);
                self.counts.value(equity.saturating_sub(*adjusted));
            }
            Ledger::Lot { strategy, symbol, quantity, realized_pnl, .. } => {
                self.trades.lot((*symbol, strategy), *quantity, *realized_pnl, &self.limits);
            }
            Ledger::Reconciled { conflicts, .. } => {
                self.conflicts = conflicts.len();
                let twins = conflicts.iter().filter(|c| c.dispute == Dispute::Twin);
                self.twins = twins.count();
            }
            _ => {}
        }
    }
}

impl Stage for Breaker {
    type Body = Body;

    fn rank(&self) -> Rank {
        rank::BREAKER
    }

    fn name(&self) -> &'static str {
        "breaker"
    }

    fn version(&self) -> u16 {
        9
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Stop
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::SENT,
            kind::ACCOUNT,
            kind::CONFIG_APPLIED,
            kind::FEATURE_PLAN,
            kind::FEATURE_VALUES,
            kind::UNIVERSE,
            kind::QUARANTINED,
            kind::RELEASED,
            kind::STARTED,
            kind::SWITCHED,
            kind::BRANCH,
            kind::OWED,
            kind::INTENT,
            kind::CHANGED,
            kind::FILLED,
            kind::EQUITY,
            kind::LOT,
            kind::RECONCILED,
            kind::DAY_BEGINS,
            kind::HEALTH,
            kind::RESTARTED,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::BREAKER])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => {
                self.counts.turn(self.calendar.day(*time), self.drawdown.equity());
                self.trades.close(*time, &self.limits);
            }
            Body::Market(Market::Universe { unlisted, .. }) => self.drivers.unlisted(unlisted),
            Body::Market(market) => self.calendar.fold(market),
            Body::Analysis(analysis) => self.drivers.analysed(analysis),
            Body::Venue(Venue::Sent { attempts }) => {
                self.sent.extend(attempts.iter().map(|attempt| attempt.client_id.clone()));
            }
            Body::Venue(Venue::Account { open, .. }) => {
                let mut others = open.iter().filter(|(id, _)| !id.is_ours() && !id.is_panic());
                let first = others.next().cloned();
                self.external = first.map(|(id, at)| (1 + others.count() as u64, id, at));
            }
            Body::Operator(Operator::ConfigApplied { text, retained, .. }) => {
                if let Some(settings) = crate::settings::applied(text) {
                    self.drivers.configured(&settings.risk.driver_levels, text, retained);
                    self.limits = settings.risk;
                    self.drawdown.compare(&self.limits);
                    self.trades.configured(&self.limits);
                }
            }
            // A run begins with all branches running.
            Body::Operator(Operator::Started { .. }) => {
                self.branches.clear();
                self.health.count(1, &self.limits, self.trades.now());
            }
            Body::Operator(Operator::Health { problems }) => self.health.take(problems),
            Body::Operator(Operator::Restarted { actors }) => {
                self.health.restarted(actors, &self.limits, self.trades.now());
            }
            Body::Operator(Operator::Branch { path, down }) => {
                self.branches.remove(path);
                self.branches.extend(down.as_ref().map(|_| path.clone()));
            }
            Body::Operator(Operator::Switched { switch, .. }) => {
                if *switch == Switch::NewPeak {
                    self.drawdown.take_new_peak();
                }
                self.switches.fold(fact);
            }
            Body::Order(order) => self.order(order),
            Body::Ledger(ledger) => self.ledger(ledger),
            Body::Operator(Operator::Quarantined { .. } | Operator::Released { .. }) => {
                self.quarantines.fold(fact);
            }
            Body::Decision(Decision::Breaker { level, reasons, barred, strategies }) => {
                self.level = *level;
                self.reasons.clone_from(reasons);
                self.barred.clone_from(barred);
                self.strategies.clone_from(strategies);
            }
            Body::Decision(Decision::Owed { symbol, strategy, ended: None, rule, .. }) => {
                if rule.is_some_and(ExitRule::is_stop) {
                    self.trades.stop_reached(*symbol, strategy);
                }
            }
            Body::Decision(Decision::Owed { symbol, strategy, ended: Some(_), .. }) => {
                self.trades.exit_ended(*symbol, strategy);
                self.failed.remove(&(*symbol, strategy.clone()));
            }
            Body::Venue(_) | Body::Operator(_) | Body::Decision(_) => {}
        }
    }

    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}

    fn conclude(&self, out: &mut Out<Body>) {
        let ((level, reasons), barred) = (self.judge(), self.bars());
        let strategies = self.trades.limited();
        if level != self.level
            || reasons != self.reasons
            || barred != self.barred
            || strategies != self.strategies
        {
            let strategies = strategies.to_vec();
            out.append(Body::Decision(Decision::Breaker { level, reasons, barred, strategies }));
        }
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        &[FORMER.0]
    }

    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
        *self = state::grown(FORMER.1, FORMER.2, bytes)?;
        Ok(())
    }

    fn check(&self) {
        let quiet = self.level == BreakerLevel::Normal;
        assert_eq!(quiet, self.reasons.is_empty(), "{:?} {:?}", self.level, self.reasons);
    }
}

#[cfg(test)]
#[path = "breaker_driver_tests.rs"]
mod driver_tests;
#[cfg(test)]
#[path = "breaker_health_tests.rs"]
mod health_tests;
#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
