//! Runs the circuit breaker, which sets how much trading is allowed. It appends a fact only on a
//! change.
//!
//! A reached limit of failures, entries or loss allows exits only. That ends when the counts are
//! below the limit again or a new trading day begins with a close. A conflict with the venue allows
//! exits only while it lasts; a twin order halts trading. A quarantine that stops a stage allows
//! exits only. A quarantine that skips a symbol bars buys of it. Both last until an operator
//! releases them. A branch that its supervisor stopped allows exits only until it runs again. Halt,
//! flatten and careful start last until the operator changes them. The breaker decides once an
//! input, after all facts it reads. So the decision of the same close uses its level.
//!
//! All failed requests of one owed exit count as one failure.
//!
//! Invariant, asserted by `check`: the normal level has no reason, every other level has one.
//!
//! Over 500 lines: one stage with its state and its rules.

use super::limits::Counts;
use crate::calendar::Calendar;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Body, BreakerLevel, Decision, Dispute, Ledger, Market, Operator, Order, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_domain::quarantine::Quarantines;
use everwarm_domain::settings::Risk;
use everwarm_domain::switch::Switches;
use everwarm_kernel::fact::{Effect, Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: u8 = 6;
/// Format, type and version of the state without a calendar.
const FORMAT_5: u8 = 5;
const TYPE_5: u64 = 0xed22_f1eb_b4a4_0eef;
const BEFORE_CALENDAR: u16 = 5;

/// The breaker stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    limits: Risk,
    counts: Counts,
    /// Sent orders that are not final: only these can fail.
    sent: BTreeSet<ClientOrderId>,
    /// Sell orders that are not final, with symbol and strategy.
    exits: BTreeMap<ClientOrderId, (Symbol, String)>,
    /// Owed exits with a counted failure: each counts once.
    failed: BTreeSet<(Symbol, String)>,
    /// Realised profit by symbol, as last reported.
    realized: SymbolMap<Decimal>,
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
    /// Beginnings of trading days.
    #[serde(default)]
    calendar: Calendar,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            limits: Risk::default(),
            counts: Counts::default(),
            sent: BTreeSet::new(),
            exits: BTreeMap::new(),
            failed: BTreeSet::new(),
            realized: SymbolMap::default(),
            conflicts: 0,
            twins: 0,
            quarantines: Quarantines::default(),
            branches: BTreeSet::new(),
            switches: Switches::default(),
            level: BreakerLevel::Normal,
            reasons: Vec::new(),
            barred: Vec::new(),
            calendar: Calendar::default(),
        }
    }
}

impl Breaker {
    /// The counts that limits apply to, and the limits.
    #[must_use]
    pub fn counted(&self) -> (&Counts, &Risk) {
        (&self.counts, &self.limits)
    }

    fn judge(&self) -> (BreakerLevel, Vec<String>) {
        let (mut level, mut reasons) = self.switches.level();
        let (counted, reached) = self.counts.judge(&self.limits);
        level = level.max(counted);
        reasons.extend(reached);
        for quarantine in self.quarantines.held().filter(|q| q.effect != Effect::Parts) {
            level = level.max(BreakerLevel::ExitsOnly);
            reasons.push(quarantine.reason());
        }
        for path in &self.branches {
            level = level.max(BreakerLevel::ExitsOnly);
            reasons.push(format!("{path} failed too often and is kept down"));
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

    /// Symbols barred from buys, with the latest reason of each.
    fn bars(&self) -> Vec<(Symbol, String)> {
        let parts = self.quarantines.held().filter(|q| q.effect == Effect::Parts);
        let each = parts.flat_map(|q| q.symbols.iter().map(|symbol| (*symbol, q.reason())));
        each.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    fn order(&mut self, order: &Order) {
        match order {
            Order::Changed { client_id, status, executed, .. } => {
                if !status.is_final() {
                    return;
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
            Order::Filled { side, k, .. } => {
                self.counts.failures = 0;
                if (*side, *k) == (Side::Buy, 1) {
                    self.counts.entries += 1;
                }
            }
            Order::Intent(intent) if intent.side == Side::Sell => {
                let exit = (intent.symbol, intent.strategy.clone());
                self.exits.insert(intent.client_id.clone(), exit);
            }
            Order::Intent(_) | Order::Granted { .. } | Order::Compared { .. } => {}
        }
    }

    fn ledger(&mut self, ledger: &Ledger) {
        match ledger {
            Ledger::Position { symbol, realized_pnl, .. } => {
                let last = self.realized.entry(*symbol);
                let made = realized_pnl.saturating_sub(std::mem::replace(last, *realized_pnl));
                self.counts.realized = self.counts.realized.saturating_add(made);
            }
            Ledger::Reconciled { conflicts, .. } => {
                self.conflicts = conflicts.len();
                let twins = conflicts.iter().filter(|c| c.dispute == Dispute::Twin);
                self.twins = twins.count();
            }
            Ledger::Equity { .. } | Ledger::Adjusted { .. } | Ledger::Lot { .. } => {}
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
        6
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Stop
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::SENT,
            kind::CONFIG_APPLIED,
            kind::QUARANTINED,
            kind::RELEASED,
            kind::STARTED,
            kind::SWITCHED,
            kind::BRANCH,
            kind::OWED,
            kind::INTENT,
            kind::CHANGED,
            kind::FILLED,
            kind::POSITION,
            kind::RECONCILED,
            kind::DAY_BEGINS,
        ])
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::BREAKER])
    }

    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, .. }) => self.counts.turn(self.calendar.day(*time)),
            Body::Market(market) => self.calendar.fold(market),
            Body::Venue(Venue::Sent { attempts }) => {
                self.sent.extend(attempts.iter().map(|attempt| attempt.client_id.clone()));
            }
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                if let Some(settings) = crate::settings::applied(text) {
                    self.limits = settings.risk;
                }
            }
            // A run begins with all branches running.
            Body::Operator(Operator::Started { .. }) => self.branches.clear(),
            Body::Operator(Operator::Branch { path, down }) => {
                self.branches.remove(path);
                self.branches.extend(down.as_ref().map(|_| path.clone()));
            }
            Body::Operator(Operator::Switched { .. }) => self.switches.fold(fact),
            Body::Order(order) => self.order(order),
            Body::Ledger(ledger) => self.ledger(ledger),
            Body::Operator(Operator::Quarantined { .. } | Operator::Released { .. }) => {
                self.quarantines.fold(fact);
            }
            Body::Decision(Decision::Breaker { level, reasons, barred }) => {
                self.level = *level;
                self.reasons.clone_from(reasons);
                self.barred.clone_from(barred);
            }
            Body::Decision(Decision::Owed { symbol, strategy, ended: Some(_), .. }) => {
                self.failed.remove(&(*symbol, strategy.clone()));
            }
            Body::Venue(_) | Body::Operator(_) | Body::Analysis(_) | Body::Decision(_) => {}
        }
    }

    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}

    fn conclude(&self, out: &mut Out<Body>) {
        let ((level, reasons), barred) = (self.judge(), self.bars());
        if level != self.level || reasons != self.reasons || barred != self.barred {
            out.append(Body::Decision(Decision::Breaker { level, reasons, barred }));
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
        &[BEFORE_CALENDAR]
    }

    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
        *self = state::grown(FORMAT_5, TYPE_5, bytes)?;
        Ok(())
    }

    fn check(&self) {
        let quiet = self.level == BreakerLevel::Normal;
        assert_eq!(quiet, self.reasons.is_empty(), "{:?} {:?}", self.level, self.reasons);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        changed, close, configured, dec, fact, facts_of, filled, input, sent, sym,
    };
    use everwarm_domain::fact::{Conflict, Dispute};
    use everwarm_domain::settings::Settings;
    use everwarm_domain::switch::{SafeStep, Switch};

    const DAY_MINUTES: i64 = 1440;

    fn appended(stage: &mut Breaker, rank: u16, body: Body) -> String {
        let facts = facts_of(stage, &fact(1, rank, body));
        let words = facts.into_iter().map(|body| {
            let Body::Decision(Decision::Breaker { level, reasons, barred }) = body else {
                panic!()
            };
            let barred: Vec<&str> = barred.iter().map(|(symbol, _)| symbol.as_str()).collect();
            let barred = if barred.is_empty() { String::new() } else { format!(" not {barred:?}") };
            format!("{level:?} {reasons:?}{barred}")
        });
        words.collect::<Vec<_>>().join("; ")
    }

    fn breaker(failures: u32, trades: u32, loss: &str) -> Breaker {
        let risk = Risk {
            max_consecutive_failures: failures,
            max_trades_per_day: trades,
            max_loss_per_day: dec(loss),
        };
        let settings = Settings { risk, ..Settings::default() };
        let mut stage = Breaker::default();
        assert_eq!(appended(&mut stage, 0, configured(&settings)), "");
        stage
    }

    #[test]
    fn failures_in_a_row_count_only_for_orders_that_left_and_a_fill_forgives() {
        let mut stage = breaker(2, 0, "0");
        let rejected = |id| changed(id, OrderStatus::Rejected, "0");
        assert_eq!(appended(&mut stage, 700, changed("ew-0", OrderStatus::Expired, "0")), "");
        for id in ["ew-1", "ew-2", "ew-3", "ew-4"] {
            facts_of(&mut stage, &input(1, sent(id, 1, 0)));
        }
        assert_eq!(appended(&mut stage, 700, rejected("ew-1")), "");
        assert_eq!(appended(&mut stage, 700, filled("ew-2", Side::Buy, 1, "5", "1")), "");
        assert_eq!(appended(&mut stage, 700, rejected("ew-3")), "");
        assert_eq!(appended(&mut stage, 700, rejected("ew-3")), "", "reported twice, counted once");
        let tripped = appended(&mut stage, 700, changed("ew-4", OrderStatus::Expired, "0"));
        assert!(tripped.starts_with("ExitsOnly [\"1970-01-01: 2 orders"), "{tripped}");
        assert_eq!(appended(&mut stage, 700, filled("ew-2", Side::Sell, 2, "5", "1")), "Normal []");
    }

    #[test]
    fn the_requests_of_one_owed_exit_that_fail_count_once() {
        let mut stage = breaker(2, 0, "0");
        let mut fails = |id: &str, symbol: &str| {
            let intent = everwarm_domain::order::OrderIntent {
                client_id: ClientOrderId(id.to_owned()),
                strategy: "sma_cross".to_owned(),
                symbol: sym(symbol),
                side: Side::Sell,
                order_type: everwarm_domain::order::OrderType::Market,
                quantity: dec("1"),
                price: None,
                close_time: 0,
                valid_until: 0,
                terms: Box::default(),
            };
            assert_eq!(appended(&mut stage, 700, Body::Order(Order::Intent(intent))), "");
            facts_of(&mut stage, &input(1, sent(id, 1, 0)));
            appended(&mut stage, 700, changed(id, OrderStatus::Rejected, "0"))
        };
        assert_eq!(fails("ew-1", "A"), "");
        assert_eq!(fails("ew-2", "A"), "", "the same exit");
        assert_eq!(fails("ew-3", "A"), "");
        let tripped = fails("ew-4", "B");
        assert!(tripped.starts_with("ExitsOnly [\"1970-01-01: 2 orders"), "{tripped}");
    }

    #[test]
    fn entries_and_losses_count_until_the_day_turns() {
        let mut stage = breaker(0, 1, "10");
        assert_eq!(appended(&mut stage, 0, close("A", 0, 1)), "");
        let tripped = appended(&mut stage, 700, filled("ew-1", Side::Buy, 1, "5", "1"));
        assert!(tripped.contains("1 entries"), "{tripped}");
        assert_eq!(appended(&mut stage, 0, close("A", DAY_MINUTES - 2, 1)), "");
        assert_eq!(appended(&mut stage, 0, close("A", DAY_MINUTES - 1, 1)), "Normal []");
        let position = |realized| {
            Body::Ledger(Ledger::Position {
                symbol: sym("A"),
                quantity: Decimal::ZERO,
                cost: Decimal::ZERO,
                realized_pnl: dec(realized),
                cash: Decimal::ZERO,
            })
        };
        assert_eq!(appended(&mut stage, 800, position("5")), "");
        assert_eq!(appended(&mut stage, 800, position("-4")), "");
        let tripped = appended(&mut stage, 800, position("-10"));
        assert!(tripped.contains("1970-01-02: the limit of 10 realised loss"), "{tripped}");
        let bytes = stage.save();
        stage.load(&bytes).unwrap();
        assert_eq!(appended(&mut stage, 0, close("A", 2 * DAY_MINUTES, 1)), "Normal []");
        assert_eq!(appended(&mut stage, 800, position("-11")), "", "one since midnight");
    }

    #[test]
    fn conflicts_leave_exits_only_and_a_twin_halts_until_none_is_left() {
        let mut stage = breaker(0, 0, "0");
        let reconciled = |disputes: &[Dispute]| {
            let conflict = |dispute: &Dispute| Conflict {
                about: "BTC".into(),
                ours: "1".into(),
                theirs: "0".into(),
                dispute: *dispute,
            };
            Body::Ledger(Ledger::Reconciled {
                life: 1,
                conflicts: disputes.iter().map(conflict).collect(),
                cash: Decimal::ZERO,
                foreign: Vec::new(),
                venue: everwarm_domain::id::VenueId::default(),
            })
        };
        assert_eq!(appended(&mut stage, 800, reconciled(&[])), "");
        let exits = appended(&mut stage, 800, reconciled(&[Dispute::Balance, Dispute::Order]));
        assert!(exits.starts_with("ExitsOnly [\"2 differences"), "{exits}");
        let halted = appended(&mut stage, 800, reconciled(&[Dispute::Twin]));
        assert!(halted.starts_with("Halted [\"an order under our name"), "{halted}");
        assert_eq!(appended(&mut stage, 800, reconciled(&[])), "Normal []");
    }

    #[test]
    fn a_branch_that_is_kept_down_leaves_exits_only_until_it_is_up_or_a_life_begins() {
        let mut stage = breaker(0, 0, "0");
        let mut branch = |path: &str, down: bool| {
            let down = down.then(|| "broken".to_owned());
            appended(&mut stage, 0, Body::Operator(Operator::Branch { path: path.into(), down }))
        };
        let reason = "failed too often and is kept down";
        assert_eq!(branch("root/b", true), format!("ExitsOnly [\"root/b {reason}\"]"));
        assert_eq!(branch("root/b", true), "", "reported again");
        let both = format!("ExitsOnly [\"root/a {reason}\", \"root/b {reason}\"]");
        assert_eq!(branch("root/a", true), both);
        assert_eq!(branch("root/b", false), format!("ExitsOnly [\"root/a {reason}\"]"));
        let bytes = stage.save();
        stage.load(&bytes).unwrap();
        let started = Operator::Started { life: 2, installation: "i".into(), epoch: 0 };
        assert_eq!(appended(&mut stage, 0, Body::Operator(started)), "Normal []");
    }

    #[test]
    fn a_quarantine_bars_its_symbols_or_all_entries_until_it_is_released() {
        let mut stage = breaker(0, 0, "0");
        let mut n = 0;
        let mut apply = |stage: &mut Breaker, operator| {
            n += 1;
            facts_of(stage, &input(n, Body::Operator(operator)))
        };
        let quarantined = |effect, symbols: &[&str]| Operator::Quarantined {
            rank: 200,
            stage: "indicator".into(),
            input: 7,
            effect,
            symbols: symbols.iter().map(|name| sym(name)).collect(),
            failures: 3,
            why: "broken".into(),
        };
        let mut level_after = |stage: &mut Breaker, operator| match apply(stage, operator)
            .as_slice()
        {
            [] => String::new(),
            [Body::Decision(Decision::Breaker { level, reasons, barred })] => {
                let symbols: Vec<_> = barred.iter().map(|(symbol, _)| symbol.to_string()).collect();
                format!("{level:?} {} {}", reasons.len(), symbols.join(" "))
            }
            other => panic!("{other:?}"),
        };
        let parts = quarantined(Effect::Parts, &["B", "A"]);
        assert_eq!(level_after(&mut stage, parts), "Normal 0 A B");
        assert_eq!(level_after(&mut stage, quarantined(Effect::Parts, &["A"])), "");
        let released = |quarantine| Operator::Released { quarantine, retry: false };
        assert_eq!(level_after(&mut stage, released(1)), "Normal 0 A");
        assert_eq!(level_after(&mut stage, quarantined(Effect::Stage, &[])), "ExitsOnly 1 A");
        let bytes = stage.save();
        stage.load(&bytes).unwrap();
        assert_eq!(level_after(&mut stage, quarantined(Effect::Stopped, &["C"])), "ExitsOnly 2 A");
        assert_eq!(level_after(&mut stage, released(5)), "ExitsOnly 1 A");
        assert_eq!(level_after(&mut stage, released(4)), "Normal 0 A");
        assert_eq!(level_after(&mut stage, released(9)), "", "none of that number");
        assert_eq!(level_after(&mut stage, released(2)), "Normal 0 ");
    }

    #[test]
    fn what_operators_switch_is_a_level_with_their_reason() {
        let mut stage = breaker(0, 0, "0");
        let mut level_after = |switch| {
            let reason = "storm".to_owned();
            appended(&mut stage, 0, Body::Operator(Operator::Switched { switch, reason }))
        };
        let halted = "ExitsOnly [\"an operator halted trading: storm\"]";
        assert_eq!(level_after(Switch::Halt), halted);
        assert_eq!(level_after(Switch::Halt), "");
        assert!(
            level_after(Switch::Flatten)
                .starts_with("ExitsOnly [\"an operator has everything sold")
        );
        assert!(
            level_after(Switch::Safe(SafeStep::Collect)).starts_with("Halted [\"a careful start")
        );
        assert!(level_after(Switch::Resume).starts_with("Halted [\"a careful start"));
        assert_eq!(level_after(Switch::Safe(SafeStep::Trade)), "Normal []");
    }
}
