//! The state of the daemon: a pure fold over facts.
//!
//! Over 500 lines: one fold, and each kind of fact is a case of it.

mod working;

use super::lots::LotFold;
use super::protection::Protection;
use super::stored_texts::shown;
use super::views::{
    LiveView, LotView, OwedState, OwedView, QuarantineView, State, StatusView, SwitchesView,
    SymbolView, VERSION,
};
use everwarm_domain::fact::{
    AtVenue, Body, BreakerLevel, Decision, Ledger, Market, Operator, Order, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::order::OrderStatus;
use everwarm_domain::quarantine::Quarantines;
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::{Cause, SafeStep, Switches};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Effect, Fact};
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::decide::REFUSALS;
use everwarm_trading::strategy;
use everwarm_trading::universe::Universe;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use working::Working;

/// The state of the daemon, as of the facts taken in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatusFold {
    view: StatusView,
    reconciled: bool,
    /// Orders that are not final.
    orders: BTreeMap<ClientOrderId, Working>,
    realized: BTreeMap<Symbol, Decimal>,
    quarantines: Quarantines,
    /// Branches of the tree that their supervisors stopped, and how they ended last.
    branches: BTreeMap<String, String>,
    universe: Universe,
    switches: Switches,
    /// Strategies that the configuration turned off.
    #[serde(default)]
    configured_off: Vec<String>,
    /// All configured strategies, by id.
    #[serde(default)]
    strategies: Vec<String>,
    /// Reasons of operators that the newest breaker fact includes.
    #[serde(default, rename = "said")]
    operator_reasons: Vec<String>,
    /// Owed exits, by symbol and strategy.
    #[serde(default)]
    owed: BTreeMap<(Symbol, String), OwedView>,
    /// Rows of the journal that could not be read: first and last.
    #[serde(default)]
    lost: Vec<(u64, u64)>,
    /// The lots of the strategies.
    #[serde(default)]
    lots: LotFold,
    /// Lots without a working stop order.
    #[serde(default)]
    protection: Protection,
}

impl StatusFold {
    /// Takes one fact in; facts come in the order of their keys.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        if fact.key.rank == 0 {
            self.view.head = fact.key.n;
        }
        self.lots.begin(self.universe.all_held(), &self.realized);
        self.lots.fold(fact);
        self.universe.evolve(fact);
        self.protection.fold(fact, &self.universe);
        match &fact.body {
            Body::Market(market) => self.market(market),
            Body::Operator(operator) => {
                self.operator(operator);
                self.switches.fold(fact);
                self.quarantines.fold(fact);
            }
            Body::Decision(Decision::Breaker { level, reasons, barred, strategies }) => {
                self.view.breaker = *level;
                self.view.breaker_reasons.clone_from(reasons);
                self.view.barred = barred.iter().map(|(symbol, _)| *symbol).collect();
                self.view.entry_limits = super::sentences::entry_limits(barred, strategies);
                self.operator_reasons = self.switches.level().1;
            }
            Body::Decision(Decision::Owed { .. }) => self.exit(&fact.body),
            Body::Order(order) => self.order(order),
            Body::Ledger(ledger) => self.ledger(ledger),
            Body::Venue(venue) => self.venue(venue, fact.time),
            Body::Analysis(_) | Body::Decision(_) => {}
        }
    }

    /// Records that these rows of the journal cannot be read.
    pub fn lost(&mut self, rows: RangeInclusive<u64>) {
        let rows = rows.into_inner();
        if !self.lost.contains(&rows) {
            self.lost.push(rows);
        }
    }

    /// The switches of operators, and their effect.
    #[must_use]
    pub fn switches(&self) -> SwitchesView {
        SwitchesView::of(&self.switches, self.configured_off.clone())
    }

    /// The strategies that are configured, by id.
    #[must_use]
    pub fn strategies(&self) -> &[String] {
        &self.strategies
    }

    fn market(&mut self, market: &Market) {
        if let Market::Close { time, bars, missing, .. } = market {
            self.view.closes += 1;
            self.view.close_time = Some(*time);
            self.view.symbols = (bars.len() + missing.len()) as u64;
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn operator(&mut self, operator: &Operator) {
        match operator {
            Operator::Started { life, installation, epoch } => {
                self.view.installation.clone_from(installation);
                self.view.epoch = *epoch;
                self.begin(*life);
            }
            Operator::ConfigApplied { generation, text, .. } => {
                self.view.config_generation = *generation;
                if let Ok(settings) = Settings::from_text(text) {
                    self.configured_off = strategy::off(&settings);
                    self.strategies = settings.strategy.0.keys().cloned().collect();
                }
            }
            Operator::Branch { path, down } => {
                self.branches.remove(path);
                self.branches.extend(down.as_ref().map(|why| (path.clone(), why.clone())));
            }
            Operator::LiveConfirmed { account, per_order, per_day, venue: _ } => {
                let (account, per_order) = (account.clone(), per_order.normalize());
                let per_day = per_day.normalize();
                self.view.live = Some(LiveView { account, per_order, per_day });
            }
            Operator::Resolved { conflict, .. } => {
                self.view.conflicts.retain(|c| c.id() != conflict.id());
            }
            _ => {}
        }
    }

    /// Begins a run: the account is not compared with the venue yet.
    fn begin(&mut self, life: u64) {
        self.view.life = life;
        self.view.conflicts.clear();
        self.reconciled = false;
        self.branches.clear();
    }

    /// Takes in requests to the venue and its reports. They apply until the order manager appends
    /// the resulting facts.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn venue(&mut self, venue: &Venue, time: UtcMs) {
        match venue {
            Venue::Sent { attempts } => {
                for attempt in attempts {
                    if let Some(order) = self.orders.get_mut(&attempt.client_id) {
                        (order.sent, order.reported) = (Some(time), None);
                    }
                }
            }
            Venue::Reported(report) => {
                if let Some(order) = self.orders.get_mut(&report.client_id) {
                    order.reported = Some(report.status);
                }
            }
            Venue::Refused { client_id, again, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.reported = (!again).then_some(OrderStatus::Rejected);
                }
            }
            Venue::Account { open, .. } => {
                let foreign = open.iter().filter(|(id, _)| !id.is_ours());
                self.view.foreign_orders = foreign.count() as u64;
            }
            _ => {}
        }
    }

    /// Orders that have another status at the next start than the order manager's last one, and
    /// when they were sent.
    #[must_use]
    pub fn at_rest(&self) -> BTreeMap<ClientOrderId, (OrderStatus, Option<UtcMs>)> {
        let other = self.orders.iter().filter(|(_, order)| order.at_rest() != order.status);
        other.map(|(id, order)| (id.clone(), (order.at_rest(), order.sent))).collect()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, order: &Order) {
        match order {
            Order::Intent(intent) => {
                self.view.orders += 1;
                let of = Some((intent.symbol, intent.strategy.clone()));
                let order = Working { of, ..Working::new(OrderStatus::Intent) };
                self.orders.insert(intent.client_id.clone(), order);
            }
            Order::Changed { client_id, status, .. } => {
                if status.is_final() {
                    self.orders.remove(client_id);
                } else {
                    // The time of sending is kept while no result is known.
                    let sent = self.orders.get(client_id).and_then(|order| order.sent);
                    let sent = sent.filter(|_| *status == OrderStatus::Sent);
                    let of = self.orders.get(client_id).and_then(|order| order.of.clone());
                    let order = Working { sent, of, ..Working::new(*status) };
                    self.orders.insert(client_id.clone(), order);
                }
            }
            Order::Filled { .. } => self.view.fills += 1,
            _ => {}
        }
    }

    fn exit(&mut self, body: &Body) {
        let Body::Decision(Decision::Owed {
            strategy,
            symbol,
            since,
            cause,
            tries,
            refusal,
            ended,
            ..
        }) = body
        else {
            return;
        };
        let name = (*symbol, strategy.clone());
        if ended.is_some() {
            self.owed.remove(&name);
            return;
        }
        let state = match refusal {
            None => OwedState::Requested,
            Some(_) if *tries >= REFUSALS => OwedState::Refused,
            Some(_) => OwedState::Waiting,
        };
        let view = OwedView {
            symbol: *symbol,
            strategy: strategy.clone(),
            since: *since,
            cause: shown(cause),
            held: Decimal::ZERO,
            refusals: *tries,
            reason: refusal.as_deref().map(shown),
            state,
        };
        self.owed.insert(name, view);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, ledger: &Ledger) {
        match ledger {
            Ledger::Position { symbol, realized_pnl, .. } => {
                self.realized.insert(*symbol, *realized_pnl);
            }
            Ledger::Equity { equity, cash, adjusted, .. } => {
                self.view.adjusted = adjusted.normalize();
                self.view.equity = Some(equity.normalize());
                self.view.cash = Some(cash.normalize());
            }
            Ledger::Reconciled { life, conflicts, foreign, .. } => {
                self.reconciled = *life == self.view.life;
                self.view.conflicts.clone_from(conflicts);
                self.view.foreign.clone_from(foreign);
            }
            _ => {}
        }
    }

    /// Orders that are not final, and the realised profit of each symbol.
    #[must_use]
    pub fn books(&self) -> (BTreeSet<ClientOrderId>, &BTreeMap<Symbol, Decimal>) {
        (self.orders.keys().cloned().collect(), &self.realized)
    }

    /// The quarantines that have not ended.
    #[must_use]
    pub fn quarantines(&self) -> Vec<QuarantineView> {
        self.quarantines.all().map(|(id, quarantine)| QuarantineView::of(id, quarantine)).collect()
    }

    /// The listed symbols, by name.
    #[must_use]
    pub fn symbols(&self) -> Vec<SymbolView> {
        let rows = self.universe.rows();
        rows.map(|(symbol, row)| SymbolView::of(row, self.universe.held(symbol))).collect()
    }

    /// Holdings that are large enough to sell, base units; listed or not.
    #[must_use]
    pub fn sellable(&self) -> BTreeMap<Symbol, Decimal> {
        self.universe.all_held().map(|(symbol, held)| (symbol, held.normalize())).collect()
    }

    /// The lots and the realised profit of each strategy.
    #[must_use]
    pub const fn owners(&self) -> &LotFold {
        &self.lots
    }

    /// The lots without a working stop order.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// The lots of each strategy, by symbol, then strategy.
    #[must_use]
    pub fn lots(&self) -> Vec<LotView> {
        self.lots.views().collect()
    }

    /// Number of used position slots, as the decision counts them: lots that are large enough to
    /// sell, and orders that are not final.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let lots = self.lots.views().filter(|lot| self.universe.sells(lot.symbol, lot.quantity));
        let lots = lots.map(|lot| (lot.symbol, lot.strategy));
        let orders = self.orders.values().filter_map(|order| order.of.clone());
        lots.chain(orders).collect::<BTreeSet<_>>().len() as u64
    }

    /// Holdings that cannot be sold, one sentence a symbol.
    fn unsellable(&self) -> impl Iterator<Item = String> {
        let away = self.universe.rows().filter(|(_, row)| row.listed.venue != AtVenue::Trading);
        away.filter_map(|(symbol, row)| {
            let held = self.universe.held(symbol)?;
            let why = match row.listed.venue {
                AtVenue::Gone => "the venue delisted it; it stays in the books",
                AtVenue::Halted | AtVenue::Trading => "the venue accepts no orders in it now",
            };
            Some(format!("{held} of {symbol} cannot be sold: {why}"))
        })
    }

    /// The stages that stopped before an input at which they failed, by name.
    #[must_use]
    pub fn stopped(&self) -> Vec<&str> {
        let stopped = self.quarantines.all().filter(|(_, q)| q.effect == Effect::Stopped);
        stopped.map(|(_, q)| q.stage.as_str()).collect()
    }

    /// The state in run `life`. Until its start is among the facts, they show the run before, which
    /// may have traded.
    #[must_use]
    pub fn view_in(&self, life: u64) -> StatusView {
        if self.view.life == life {
            return self.view();
        }
        let mut fold = self.clone();
        fold.begin(life);
        fold.view()
    }

    /// The state that the facts show; the daemon adds what only the process knows, like its pid.
    #[must_use]
    pub fn view(&self) -> StatusView {
        self.finished(self.gathered())
    }

    fn gathered(&self) -> StatusView {
        let mut view = self.view.clone();
        VERSION.clone_into(&mut view.version);
        view.open_orders = self.orders.len() as u64;
        let unknown = self.orders.values().filter(|o| o.status == OrderStatus::Unknown);
        view.unknown_orders = unknown.count() as u64;
        view.owed = self.owed.values().cloned().collect();
        for owed in &mut view.owed {
            let lot = || self.lots.held(owed.symbol, &owed.strategy).normalize();
            owed.held = self.universe.held(owed.symbol).map(|_| lot()).unwrap_or_default();
        }
        // An exit without a holding is over, although only the next input records it.
        view.owed.retain(|owed| !owed.held.is_zero() || owed.reason.is_some());
        view.owed.sort_by_key(|owed| owed.since);
        view.positions = self.universe.all_held().count() as u64;
        view.realized_pnl = total(self.realized.values().copied()).normalize();
        view.state = match (self.reconciled, view.conflicts.is_empty()) {
            (true, true) => State::Trading,
            (true, false) => State::Refused,
            (false, _) => State::Starting,
        };
        if !self.stopped().is_empty() {
            // The decision waits for this stage, so the breaker itself cannot report it.
            view.breaker = BreakerLevel::Halted;
            let stopped = self.quarantines.all().filter(|(_, q)| q.effect == Effect::Stopped);
            view.breaker_reasons.splice(0..0, stopped.map(|(_, q)| q.words()));
            if view.state == State::Trading {
                view.state = State::Refused;
            }
        }
        view.ready = view.state == State::Trading;
        let sentence = |c: &everwarm_domain::fact::Conflict| {
            format!(
                "conflict {}, {}; see everwarm reconcile",
                c.id(),
                super::sentences::conflict(c)
            )
        };
        view.problems = view.conflicts.iter().map(sentence).collect();
        let set_aside = |q: QuarantineView| format!("quarantine {}: {}", q.id, q.text);
        view.problems.extend(self.quarantines().into_iter().map(set_aside));
        let down = |(at, why)| format!("{at} is stopped by its supervisor: {why}");
        view.problems.extend(self.branches.iter().map(down));
        view.problems.extend(self.unsellable());
        let lost = |(first, last): &(u64, u64)| {
            format!("rows {first} to {last} of the journal cannot be read; this view lacks them")
        };
        view.problems.extend(self.lost.iter().map(lost));
        view
    }

    /// The view in the current wording, with the reason that blocks trading.
    fn finished(&self, mut view: StatusView) -> StatusView {
        view.breaker_reasons.iter_mut().for_each(|reason| *reason = shown(reason));
        view.held = self.held(&view);
        view
    }

    /// The same state if no process runs, as the next start finds it. Orders that were sent and
    /// have no response have an unknown status. The breaker includes the switches since its last
    /// fact.
    #[must_use]
    pub fn view_at_rest(&self) -> StatusView {
        let mut view = self.gathered();
        let at_rest = || self.orders.values().map(Working::at_rest);
        view.open_orders = at_rest().filter(|status| !status.is_final()).count() as u64;
        view.unknown_orders = at_rest().filter(|s| *s == OrderStatus::Unknown).count() as u64;
        let (level, reasons) = self.switches.level();
        if reasons != self.operator_reasons {
            view.breaker_reasons.retain(|reason| !self.operator_reasons.contains(reason));
            // If another reason remains, the operators' part of the level is unknown.
            let held = !view.breaker_reasons.is_empty();
            view.breaker = if held { view.breaker.max(level) } else { level };
            view.breaker_reasons.extend(reasons);
        }
        self.finished(view)
    }

    /// The reason that blocks trading, an operator's first.
    fn held(&self, view: &StatusView) -> Option<String> {
        let Switches { halted, flatten, safe, .. } = &self.switches;
        let by = |what: &str, why: &Cause| format!("{what}: {}", why.reason);
        if let Some(why) = halted {
            return Some(by("entries stopped by operator", why));
        }
        if let Some(why) = flatten {
            return Some(by("all positions closed by operator", why));
        }
        match safe {
            Some((SafeStep::Collect, why)) => return Some(by("safe start, data only", why)),
            Some((SafeStep::Exits, why)) => return Some(by("safe start, exits only", why)),
            Some((SafeStep::Trade, _)) | None => {}
        }
        let reasons = view.breaker_reasons.join("; ");
        let colon = if reasons.is_empty() { "" } else { ": " };
        let level = super::sentences::level(view.breaker);
        (view.breaker != BreakerLevel::Normal).then(|| format!("{level}{colon}{reasons}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{T, journal};
    use super::*;
    use everwarm_domain::fact::{Conflict, Ledger};
    use everwarm_domain::id::VenueId;
    use everwarm_domain::switch::Switch;
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::fact::Key;

    #[test]
    fn the_status_follows_the_facts() {
        let mut fold = StatusFold::default();
        let facts = journal().0;
        for fact in &facts[..2] {
            fold.fold(fact);
        }
        assert_eq!(fold.view().state, State::Starting);
        for fact in &facts[2..13] {
            fold.fold(fact);
        }
        let view = fold.view();
        assert_eq!((view.state, view.orders, view.open_orders), (State::Trading, 1, 1));
        for fact in &facts[13..] {
            fold.fold(fact);
        }
        let view = fold.view();
        assert_eq!((view.open_orders, view.fills, view.positions, view.head), (0, 2, 1, 6));
        assert_eq!((view.closes, view.symbols, view.life), (2, 3, 1));
        assert_eq!(view.close_time, Some(T + MINUTE));
        assert_eq!(view.equity.unwrap().to_string(), "9999.6");
    }

    #[test]
    fn an_order_that_was_announced_has_an_unknown_status_where_nobody_runs() {
        let mut fold = StatusFold::default();
        let facts = journal().0;
        // Killed with the announcement on disk, before the order manager processed it.
        for fact in &facts[..13] {
            fold.fold(fact);
        }
        assert!(matches!(facts[12].body, Body::Venue(Venue::Sent { .. })));
        let counts = |view: StatusView| (view.open_orders, view.unknown_orders);
        assert_eq!((counts(fold.view()), counts(fold.view_at_rest())), ((1, 0), (1, 1)));
        let found: Vec<_> = fold.at_rest().into_values().collect();
        assert_eq!(found, [(OrderStatus::Unknown, Some(facts[12].time))]);
        // Killed after the order manager processed it.
        fold.fold(&facts[13]);
        assert_eq!((counts(fold.view()), counts(fold.view_at_rest())), ((1, 0), (1, 1)));
        // The venue's report is on disk, and the facts that follow from it are not.
        fold.fold(&facts[14]);
        assert_eq!((counts(fold.view()), counts(fold.view_at_rest())), ((1, 0), (0, 0)));
        for fact in &facts[15..] {
            fold.fold(fact);
        }
        assert!(fold.at_rest().is_empty());
    }

    #[test]
    fn what_holds_trading_back_is_told_first() {
        let mut fold = StatusFold::default();
        let facts = journal().0;
        for fact in &facts {
            fold.fold(fact);
        }
        let mut after = |body| {
            fold.fold(&Fact { body, ..facts[0].clone() });
            (fold.view().headline(), fold.view_at_rest().held)
        };
        let switch = |switch| Body::Operator(Operator::Switched { switch, reason: "lunch".into() });
        let breaker = |level, reasons: &[&str]| {
            let reasons = reasons.iter().map(|r| (*r).to_owned()).collect();
            Body::Decision(Decision::Breaker { level, reasons, barred: vec![], strategies: vec![] })
        };
        // The breaker may not have processed the switch yet.
        let halted = "entries stopped by operator: lunch".to_owned();
        assert_eq!(after(switch(Switch::Halt)), (halted.clone(), Some(halted)));
        assert_eq!(after(switch(Switch::Resume)), ("trading, ready".to_owned(), None));
        let lost = "exits-only: the day has lost 3.00 %".to_owned();
        let result = after(breaker(BreakerLevel::ExitsOnly, &["the day has lost 3.00 %"]));
        assert_eq!(result, (lost.clone(), Some(lost)));
        after(breaker(BreakerLevel::Normal, &[]));
        let mut away = StatusView { ready: false, ..fold.view() };
        assert_eq!(away.headline(), "not ready, trading waits");
        away.state = State::Stopped;
        assert_eq!(away.headline(), "stopped");
    }

    #[test]
    fn a_new_life_starts_over_and_a_conflict_refuses() {
        let mut fold = StatusFold::default();
        let mut facts = journal().0;
        for fact in &facts {
            fold.fold(fact);
        }
        let [this, next] = [1, 2].map(|life| fold.view_in(life));
        assert_eq!((this.state, this.ready), (State::Trading, true));
        assert_eq!((next.state, next.ready, next.life), (State::Starting, false, 2));
        assert_eq!((next.fills, next.equity), (this.fills, this.equity));
        let mut after = |body| {
            let mut fact = facts[0].clone();
            (fact.body, fact.key) = (body, Key { n: 9, rank: 0, i: 0 });
            fold.fold(&fact);
            facts.push(fact);
            fold.view()
        };
        let installation = "demo".to_owned();
        let view = after(Body::Operator(Operator::Started { life: 2, installation, epoch: 0 }));
        assert_eq!((view.state, view.ready), (State::Starting, false));
        let conflict = Conflict {
            about: "USD".into(),
            ours: "5".into(),
            theirs: "4".into(),
            dispute: everwarm_domain::fact::Dispute::Balance,
        };
        let conflicts = vec![conflict];
        let view = after(Body::Ledger(Ledger::Reconciled {
            life: 2,
            conflicts,
            foreign: vec![],
            cash: Decimal::ZERO,
            venue: VenueId::default(),
        }));
        assert_eq!((view.state, view.ready), (State::Refused, false));
        let problem = "conflict vcbsg5f1, USD: books 5, venue 4; see everwarm reconcile";
        assert_eq!(view.problems, [problem]);
    }

    #[test]
    fn a_stage_that_stands_still_halts_until_it_is_released() {
        let mut fold = StatusFold::default();
        let facts = journal().0;
        for fact in &facts {
            fold.fold(fact);
        }
        let mut after = |n, operator| {
            let key = Key { n, rank: 0, i: 0 };
            fold.fold(&Fact { key, body: Body::Operator(operator), ..facts[0].clone() });
            (fold.view(), fold.quarantines())
        };
        let (view, all) = after(
            9,
            Operator::Quarantined {
                rank: 800,
                stage: "ledger".into(),
                input: 8,
                effect: Effect::Stopped,
                symbols: vec![],
                failures: 3,
                why: "broken".into(),
            },
        );
        assert_eq!((view.state, view.ready), (State::Refused, false));
        assert_eq!(view.breaker, BreakerLevel::Halted);
        let words = "ledger failed 3 times at input 8 (broken): it skips nothing, so no order \
                     is decided or sent";
        assert_eq!(view.breaker_reasons, [words]);
        assert_eq!(view.problems, [format!("quarantine 9: {words}")]);
        assert_eq!((all.len(), all[0].id, all[0].text.as_str()), (1, 9, words));
        let (view, all) = after(10, Operator::Released { quarantine: 9, retry: true });
        assert_eq!((view.state, view.problems.len(), all.len()), (State::Trading, 0, 0));
        assert_eq!(view.breaker, BreakerLevel::Normal);
    }

    #[test]
    fn at_rest_the_breaker_is_where_operators_have_put_it_since_it_spoke() {
        let halt = "an operator halted trading: storm".to_owned();
        let other = "the day has lost 3.00 %".to_owned();
        let table = [
            (vec![halt.clone()], vec![Switch::Resume], (BreakerLevel::Normal, vec![])),
            (
                vec![other.clone(), halt.clone()],
                vec![Switch::Resume],
                (BreakerLevel::ExitsOnly, vec![other.clone()]),
            ),
            (vec![halt.clone()], vec![], (BreakerLevel::ExitsOnly, vec![shown(&halt)])),
            (
                vec![halt.clone()],
                vec![Switch::Resume, Switch::Safe(SafeStep::Collect)],
                (
                    BreakerLevel::Halted,
                    vec!["safe start, only data is collected: storm".to_owned()],
                ),
            ),
        ];
        for (reasons, words, expected) in table {
            let mut fold = StatusFold::default();
            let sample = journal().0.remove(0);
            let mut take = |body| fold.fold(&Fact { body, ..sample.clone() });
            let switched = |switch| Operator::Switched { switch, reason: "storm".to_owned() };
            take(Body::Operator(switched(Switch::Halt)));
            let (level, barred) = (BreakerLevel::ExitsOnly, vec![]);
            take(Body::Decision(Decision::Breaker { level, reasons, barred, strategies: vec![] }));
            for word in words {
                take(Body::Operator(switched(word)));
            }
            let view = fold.view_at_rest();
            assert_eq!((view.breaker, view.breaker_reasons), expected);
        }
    }
}
