//! What the gateway knows to decide what it sends: a fold over orders and reconciliations that
//! appends nothing.
//!
//! Over 500 lines: one state, and a test for each of its limits.

use crate::orders::unexplained::{Expected, ExpectedOfNumbers};
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{
    Body, BreakerLevel, Conflict, Decision, Dispute, Ledger, Market, Operator, Order, Venue,
};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, SendAttempt, Side};
use everwarm_domain::switch::{Switch, Switches};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use everwarm_trading::calendar::Calendar;
use everwarm_trading::orders::order_states::{OrderStates, ToCancel, ToSend};
use everwarm_trading::orders::{BookBefore, BookOfNumbers};
use everwarm_trading::risk::caps::Caps;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FORMAT: u8 = 8;
/// The last version that did not know the breaker, the format of its state and its type.
const BEFORE_BREAKER: u16 = 6;
const FORMAT_BEFORE_BREAKER: u8 = 7;
const TYPE_BEFORE_BREAKER: u64 = 0xc242_79ef_34c9_9de2;
/// The last version without cancels, and the format of its state.
const BEFORE_CANCELS: u16 = 4;
const FORMAT_BEFORE: u8 = 5;
/// The last version in which ids of a venue were numbers, and the format of its state.
const OF_NUMBERS: u16 = 5;
const FORMAT_OF_NUMBERS: u8 = 6;

/// Orders, reconciliation and limits, as the gateway needs them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SendState {
    /// All live orders.
    pub orders: OrderStates,
    /// The last reconciliation: its run and its conflicts.
    pub reconciled: Option<(u64, Vec<Conflict>)>,
    /// The input that it was about.
    reconciled_at: u64,
    /// The last input after which the account must be compared again before anything is sent. An
    /// operator resumed trading or resolved a conflict, and may have traded by hand before.
    anew: u64,
    /// Whether the traded symbols are known. Their rules are needed to compare the account.
    pub listed: bool,
    /// The limits of live trading. An entry counts with its approved amount when it is first sent.
    caps: Caps,
    /// The amounts approved for entries that are not final.
    approved: BTreeMap<ClientOrderId, Decimal>,
    /// The switches of operators. They also hold for orders that were decided before and not sent
    /// yet.
    switches: Switches,
    /// What the account should show.
    pub expected: Expected,
    /// When days begin.
    #[serde(default)]
    calendar: Calendar,
    /// What the breaker allows, also for entries that were decided before and not sent yet.
    #[serde(default)]
    breaker: EntryLimits,
}

/// The levels of the breaker for entries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct EntryLimits {
    level: BreakerLevel,
    /// Symbols without entries.
    barred: Vec<Symbol>,
    /// Strategies with a level of their own.
    strategies: Vec<(String, BreakerLevel)>,
}

impl EntryLimits {
    fn allows(&self, intent: &OrderIntent) -> bool {
        let of = |(id, _): &&(String, BreakerLevel)| *id == intent.strategy;
        let own = self.strategies.iter().find(of).map_or(BreakerLevel::Normal, |(_, level)| *level);
        let enters = match self.level.max(own) {
            BreakerLevel::Normal | BreakerLevel::Reduced => true,
            BreakerLevel::ExitsOnly | BreakerLevel::Halted => false,
        };
        intent.side == Side::Sell || (enters && !self.barred.contains(&intent.symbol))
    }
}

/// The state of earlier versions, with their book of orders.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Before<Orders> {
    orders: Orders,
    reconciled: Option<(u64, Vec<Conflict>)>,
    reconciled_at: u64,
    anew: u64,
    listed: bool,
    caps: Caps,
    approved: BTreeMap<ClientOrderId, Decimal>,
    switches: Switches,
    expected: ExpectedOfNumbers,
}

impl<Orders: Into<OrderStates>> From<Before<Orders>> for SendState {
    fn from(before: Before<Orders>) -> SendState {
        let Before { orders, reconciled, reconciled_at, anew, listed, .. } = before;
        let Before { caps, approved, switches, expected, .. } = before;
        let (orders, expected) = (orders.into(), expected.into());
        SendState {
            orders,
            reconciled,
            reconciled_at,
            anew,
            listed,
            caps,
            approved,
            switches,
            expected,
            calendar: Calendar::default(),
            breaker: EntryLimits::default(),
        }
    }
}

impl SendState {
    /// Whether the account was compared with the books in run `life`. The caller passes the run,
    /// because the fold may not have reached its beginning yet.
    #[must_use]
    pub fn is_reconciled(&self, life: u64) -> bool {
        let of_life = self.reconciled.as_ref().is_some_and(|(of, _)| *of == life);
        of_life && self.reconciled_at > self.anew
    }

    /// Whether a person confirmed trading with real money.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.caps.is_confirmed()
    }

    /// The part of `due` within the limits of live trading. The decision enforces them; this is the
    /// last check. An order held back here expires, and shows a bug in the decision.
    #[must_use]
    pub fn within_caps(&self, due: Vec<ToSend>) -> Vec<ToSend> {
        let mut caps = self.caps.clone();
        let mut may = |to_send: &ToSend| {
            let intent = &to_send.intent;
            if intent.side == Side::Sell || to_send.attempt > 1 {
                return true;
            }
            let approved = self.approved.get(&intent.client_id).copied();
            let worth = approved.unwrap_or(Decimal::MAX);
            let allowed = caps.allows(self.calendar.day(intent.close_time), worth);
            if let Err(why) = &allowed {
                let (order, strategy) = (&intent.client_id, &intent.strategy);
                tracing::error!(%order, strategy, why, "not sent");
            } else if let Some(worth) = approved {
                caps.spend(self.calendar.day(intent.close_time), worth);
            }
            allowed.is_ok()
        };
        due.into_iter().filter(|to_send| may(to_send)).collect()
    }

    /// Counts entries that are sent for the first time.
    fn count(&mut self, attempts: &[SendAttempt]) {
        for sent in attempts.iter().filter(|sent| sent.attempt == 1) {
            let order = self.orders.get(&sent.client_id);
            let worth = self.approved.get(&sent.client_id).copied();
            if let (Some(order), Some(worth)) = (order, worth) {
                self.caps.spend(self.calendar.day(order.intent.close_time), worth);
            }
        }
    }

    /// What may be cancelled at venue time `now`. A cancel has the conditions of an exit.
    #[must_use]
    pub fn to_cancel(&self, life: u64, now: UtcMs) -> Vec<ToCancel> {
        if self.may_send(life, Side::Sell) { self.orders.to_cancel(now) } else { Vec::new() }
    }

    /// The venue time of the next cancel; none if there is none.
    #[must_use]
    pub fn next_cancel_at(&self, life: u64) -> Option<UtcMs> {
        self.orders.next_cancel_at().filter(|_| self.may_send(life, Side::Sell))
    }

    /// Whether an order may be sent: as [`SendState::may_send`], and the breaker allows it. An
    /// entry that it forbids waits, and expires.
    #[must_use]
    pub fn may_leave(&self, life: u64, intent: &OrderIntent) -> bool {
        self.may_send(life, intent.side) && self.breaker.allows(intent)
    }

    /// Whether an order of this side may be sent: reconciled in this run, without conflicts, and
    /// allowed by the switches. With conflicts exits are allowed, unless a twin uses our identity.
    #[must_use]
    pub fn may_send(&self, life: u64, side: Side) -> bool {
        let allowed = match self.switches.level().0 {
            BreakerLevel::Normal | BreakerLevel::Reduced => true,
            BreakerLevel::ExitsOnly => side == Side::Sell,
            BreakerLevel::Halted => false,
        };
        if !allowed {
            return false;
        }
        let Some((_, conflicts)) = &self.reconciled else { return false };
        let exit = side == Side::Sell && conflicts.iter().all(|c| c.dispute != Dispute::Twin);
        self.is_reconciled(life) && (conflicts.is_empty() || exit)
    }
}

impl Stage for SendState {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::GATEWAY
    }
    fn name(&self) -> &'static str {
        "gateway"
    }
    fn version(&self) -> u16 {
        7
    }
    fn interest(&self) -> Mask {
        let more = Mask::of(&[
            kind::RECONCILED,
            kind::POSITION,
            kind::INSTRUMENTS,
            kind::UNIVERSE,
            kind::LIVE_CONFIRMED,
            kind::SWITCHED,
            kind::APPROVED,
            kind::BREAKER,
            kind::DAY_BEGINS,
        ]);
        OrderStates::INPUTS.and(OrderStates::FACTS).and(OrderStates::TAKEN_BACK).and(more)
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Ledger(Ledger::Reconciled { life, conflicts, .. }) => {
                self.reconciled = Some((*life, conflicts.clone()));
                self.reconciled_at = fact.key.n;
            }
            Body::Operator(Operator::LiveConfirmed { per_order, per_day, .. }) => {
                self.caps.confirm(*per_order, *per_day);
            }
            Body::Operator(Operator::Switched { switch, .. }) => {
                if matches!(switch, Switch::Resume | Switch::NewPeak) {
                    self.anew = fact.key.n;
                }
                self.switches.fold(fact);
            }
            Body::Operator(Operator::Resolved { conflict, .. })
                if conflict.dispute == Dispute::Balance =>
            {
                self.anew = fact.key.n;
            }
            Body::Decision(Decision::Approved { intent, reserved, .. })
                if intent.side == Side::Buy =>
            {
                self.approved.insert(intent.client_id.clone(), *reserved);
            }
            Body::Decision(Decision::Breaker { level, barred, strategies, .. }) => {
                self.breaker = EntryLimits {
                    level: *level,
                    barred: barred.iter().map(|(symbol, _)| *symbol).collect(),
                    strategies: strategies.iter().map(|of| (of.id.clone(), of.level)).collect(),
                };
            }
            Body::Order(Order::Changed { client_id, status, .. }) if status.is_final() => {
                self.approved.remove(client_id);
            }
            Body::Venue(Venue::Sent { attempts }) => self.count(attempts),
            Body::Market(market) => {
                self.listed |= matches!(market, Market::Universe { .. });
                self.calendar.fold(market);
            }
            Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        self.orders.fold(fact);
        self.expected.fold(fact);
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }
    fn converts(&self) -> &'static [u16] {
        &[BEFORE_CANCELS, OF_NUMBERS, BEFORE_BREAKER]
    }
    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        *self = if version == BEFORE_BREAKER {
            state::grown(FORMAT_BEFORE_BREAKER, TYPE_BEFORE_BREAKER, bytes)?
        } else if version == BEFORE_CANCELS {
            state::load::<Before<BookBefore>>(FORMAT_BEFORE, bytes)?.into()
        } else {
            state::load::<Before<BookOfNumbers>>(FORMAT_OF_NUMBERS, bytes)?.into()
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::StrategyLimit;
    use everwarm_domain::id::VenueId;
    use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType};
    use everwarm_domain::switch::SafeStep;
    use everwarm_trading::testing::{dec, fact, input, sent, sym};

    fn intent(id: &str, side: Side) -> OrderIntent {
        OrderIntent {
            client_id: ClientOrderId(id.to_owned()),
            strategy: "s".to_owned(),
            symbol: sym(id),
            side,
            order_type: OrderType::Market,
            quantity: Decimal::ONE,
            price: None,
            close_time: 60_000,
            valid_until: i64::MAX,
            terms: Box::default(),
        }
    }

    fn decided(state: &mut SendState, n: u64, id: &str, side: Side, approved: Option<&str>) {
        if let Some(reserved) = approved {
            let (intent, reserved, reason) = (intent(id, side), dec(reserved), String::new());
            let body =
                Body::Decision(Decision::Approved { intent, reserved, reason, sizing: None });
            state.evolve(&fact(n, rank::DECISION.0, body));
        }
        let body = Body::Order(Order::Intent(intent(id, side)));
        state.evolve(&fact(n, rank::ORDER_MANAGER.0, body));
    }

    fn due(state: &SendState) -> Vec<String> {
        let due = state.within_caps(state.orders.to_send(60_000));
        due.iter().map(|to_send| to_send.intent.client_id.0.clone()).collect()
    }

    #[test]
    fn nothing_above_the_caps_leaves_whoever_decided_it() {
        let mut state = SendState::default();
        decided(&mut state, 1, "A", Side::Buy, Some("1000"));
        assert_eq!(due(&state), ["A"], "nobody trades live");
        assert!(!state.is_confirmed());
        let (per_order, per_day) = (dec("100"), dec("150"));
        let account = "1".to_owned();
        let confirmed =
            Operator::LiveConfirmed { account, per_order, per_day, venue: VenueId::default() };
        state.evolve(&input(2, Body::Operator(confirmed)));
        assert_eq!(due(&state), Vec::<String>::new());
        assert!(state.is_confirmed());
        decided(&mut state, 3, "B", Side::Buy, Some("80"));
        decided(&mut state, 3, "C", Side::Buy, Some("80"));
        decided(&mut state, 3, "D", Side::Buy, None);
        decided(&mut state, 3, "E", Side::Sell, Some("0"));
        assert_eq!(due(&state), ["B", "E"], "C is too much for a day, nobody approved D");
        state.evolve(&input(4, sent("B", 1, 60_000)));
        assert_eq!(due(&state), ["E"]);
        // The counts are part of the state.
        let mut next = SendState::default();
        next.load(&state.save()).unwrap();
        assert_eq!(due(&next), ["E"]);
    }

    /// A state with an open order that is to be cancelled.
    fn cancelling() -> SendState {
        let (mut state, id) = (SendState::default(), ClientOrderId("A".to_owned()));
        decided(&mut state, 1, "A", Side::Buy, Some("1"));
        state.evolve(&input(2, sent("A", 1, 60_000)));
        let open = Order::Changed {
            client_id: id.clone(),
            symbol: sym("A"),
            venue_order_id: Some(7.into()),
            status: OrderStatus::Open,
            executed: Decimal::ZERO,
            executed_quote: Decimal::ZERO,
            reason: String::new(),
        };
        state.evolve(&fact(3, rank::ORDER_MANAGER.0, Body::Order(open)));
        let (strategy, symbol, side) = ("s".to_owned(), sym("A"), Side::Buy);
        let reason = String::new();
        let cancel = Decision::CancelIntent { client_id: id, strategy, symbol, side, reason };
        state.evolve(&fact(4, rank::DECISION.0, Body::Decision(cancel)));
        state
    }

    #[test]
    fn a_cancel_needs_what_an_exit_needs() {
        let mut state = cancelling();
        assert_eq!(state.orders.to_cancel(60_000).len(), 1);
        let due = |state: &SendState| (state.to_cancel(2, 60_000).len(), state.next_cancel_at(2));
        assert_eq!(due(&state), (0, None), "the account was not compared");
        state.evolve(&fact(5, 800, everwarm_trading::testing::reconciled(2, "1")));
        assert_eq!(due(&state), (1, Some(UtcMs::MIN)));
        let switched =
            |switch| Body::Operator(Operator::Switched { switch, reason: "r".to_owned() });
        state.evolve(&input(6, switched(Switch::Halt)));
        assert_eq!(due(&state), (1, Some(UtcMs::MIN)), "it is no new risk");
        state.evolve(&input(7, switched(Switch::Safe(SafeStep::Collect))));
        assert_eq!(due(&state), (0, None));
    }

    #[test]
    fn no_entry_leaves_while_the_breaker_forbids_it_whenever_it_was_decided() {
        let mut state = SendState::default();
        state.evolve(&fact(1, 800, everwarm_trading::testing::reconciled(2, "1")));
        let may = |state: &SendState| {
            [intent("A", Side::Buy), intent("B", Side::Buy), intent("A", Side::Sell)]
                .map(|intent| state.may_leave(2, &intent))
        };
        assert_eq!(may(&state), [true; 3]);
        let mut breaker = |level, barred: &[&str], own: &[(&str, BreakerLevel)]| {
            let why = || "why".to_owned();
            let barred = barred.iter().map(|name| (sym(name), why())).collect();
            let limit = |(id, level): &(&str, BreakerLevel)| StrategyLimit {
                id: (*id).to_owned(),
                level: *level,
                why: why(),
            };
            let (reasons, strategies) = (vec![], own.iter().map(limit).collect());
            let body = Decision::Breaker { level, reasons, barred, strategies };
            state.evolve(&fact(2, rank::BREAKER.0, Body::Decision(body)));
            let mut next = SendState::default();
            next.load(&state.save()).unwrap();
            may(&next)
        };
        let (normal, exits) = (BreakerLevel::Normal, BreakerLevel::ExitsOnly);
        assert_eq!(breaker(BreakerLevel::Reduced, &[], &[]), [true; 3]);
        assert_eq!(breaker(exits, &[], &[]), [false, false, true]);
        assert_eq!(breaker(BreakerLevel::Halted, &[], &[]), [false, false, true]);
        assert_eq!(breaker(normal, &["A"], &[]), [false, true, true]);
        assert_eq!(breaker(normal, &[], &[("s", exits)]), [false, false, true]);
        assert_eq!(breaker(normal, &[], &[("other", exits)]), [true; 3]);
    }

    fn before<Orders: From<OrderStates>>(state: SendState) -> Before<Orders> {
        Before {
            orders: state.orders.into(),
            reconciled: state.reconciled,
            reconciled_at: state.reconciled_at,
            anew: state.anew,
            listed: state.listed,
            caps: state.caps,
            approved: state.approved,
            switches: state.switches,
            expected: ExpectedOfNumbers::default(),
        }
    }

    #[test]
    fn books_of_the_versions_before_are_taken_over() {
        let mut state = SendState::default();
        decided(&mut state, 1, "A", Side::Buy, Some("80"));
        decided(&mut state, 1, "B", Side::Sell, None);
        state.evolve(&input(2, sent("A", 1, 60_000)));
        state.evolve(&fact(3, 800, everwarm_trading::testing::reconciled(2, "1")));
        state.expected = Expected::default();
        let takes = |version, bytes: &[u8]| {
            let mut next = SendState::default();
            next.convert(version, bytes).unwrap();
            assert_eq!(next.save(), state.save());
        };
        let old = before::<BookBefore>(state.clone());
        takes(BEFORE_CANCELS, &state::save(FORMAT_BEFORE, &old));
        takes(BEFORE_CANCELS, &everwarm_trading::testing::old_state(FORMAT_BEFORE, &old));
        let old = state::save(FORMAT_OF_NUMBERS, &before::<BookOfNumbers>(state.clone()));
        let head = state::head(&old).unwrap().unwrap();
        assert_eq!(head.fingerprint, 0xe831_fc65_47db_9bb2, "as releases saved it");
        takes(OF_NUMBERS, &old);
    }

    #[test]
    fn a_conflict_lets_exits_pass_and_a_twin_nothing() {
        let state = |life, disputes: &[Dispute]| {
            let conflict = |dispute: &Dispute| Conflict {
                about: "BTC".into(),
                ours: "2".into(),
                theirs: "1".into(),
                dispute: *dispute,
            };
            let conflicts = disputes.iter().map(conflict).collect();
            let reconciled = Some((life, conflicts));
            SendState { reconciled, reconciled_at: 1, ..SendState::default() }
        };
        let may = |state: &SendState| [Side::Buy, Side::Sell].map(|side| state.may_send(2, side));
        assert_eq!(may(&SendState::default()), [false, false], "nobody has looked");
        assert_eq!(may(&state(1, &[])), [false, false], "in this life");
        assert_eq!(may(&state(2, &[])), [true, true]);
        assert_eq!(may(&state(2, &[Dispute::Balance, Dispute::Order])), [false, true]);
        assert_eq!(may(&state(2, &[Dispute::Balance, Dispute::Twin])), [false, false]);
        // A switch also stops what was decided before it and not sent yet.
        let mut halted = state(2, &[]);
        for (switch, expected) in [
            (Switch::Halt, [false, true]),
            (Switch::Safe(SafeStep::Collect), [false, false]),
            (Switch::Safe(SafeStep::Trade), [false, true]),
            (Switch::Resume, [false, false]),
        ] {
            let reason = "r".to_owned();
            halted.evolve(&input(3, Body::Operator(Operator::Switched { switch, reason })));
            assert_eq!(may(&halted), expected);
        }
        // What was traded by hand during the halt has to be seen first.
        assert!(!halted.is_reconciled(2));
        halted.evolve(&fact(4, 800, everwarm_trading::testing::reconciled(2, "1")));
        assert_eq!(may(&halted), [true, true]);
    }
}
