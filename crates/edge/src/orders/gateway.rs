//! The gateway: the only actor that changes anything at the venue.
//!
//! It folds to the head of the journal and then acts. It announces what is to be sent, waits until
//! that is on disk, and sends it once. [`send_conditions`] lists the conditions. It queries orders
//! of unknown status. It sends nothing before the account was compared with the books in this run.
//! While trading it compares the account again now and then.
//!
//! Over 500 lines: one actor, and each of its messages is a case.

mod queries;
mod send_conditions;

use crate::board::Rest;
use crate::orders::account::{AccountCheck, CALM_MS, Comparing, Picture, Verdict};
use crate::orders::private_stream::PrivateMsg;
use crate::orders::report_checks::Known;
use crate::orders::rounds::{Due, Flight, Round, RoundTask, VenueProblem, run_round};
use crate::orders::schedule::{NextRequest, Schedule};
use crate::orders::send_state::SendState;
use crate::orders::silence::{FAIR, MissedReport, MissedReports};
use crate::orders::unexplained::{Booked, applied};
use crate::world::{Passing, World};
use everwarm_domain::fact::{Body, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{
    OrderReport, OrderRequest, OrderStatus, RequestKind, Response, Side, VenueFill,
};
use everwarm_domain::time::{UtcMs, WallMs};
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_runtime::chaos::{Phase, Sabotage, Site};
use everwarm_runtime::clock::{self, steady, wall};
use everwarm_runtime::journal::{Waker, Writer};
use everwarm_runtime::mailbox::Ticket;
use everwarm_runtime::runner::Runner;
use everwarm_trading::orders::order_states::{ToQuery, ToSend};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire};
use std::time::{Duration, Instant};

/// Its name on the board, as a writer and at kill points.
pub const NAME: &str = "gateway";
/// Wall time between checks how often the account is to be compared.
const LOOK: Duration = Duration::from_secs(2);
/// Wall time between comparisons of an account that may differ from the books.
const AT_ONCE: Duration = Duration::from_secs(10);
/// Wall time between checks of a disk that is behind.
const HOLD: Duration = Duration::from_millis(HOLD_MS.unsigned_abs());
const HOLD_MS: UtcMs = 50;
/// How long live orders are queried at a start, milliseconds of venue time. It is longer than the
/// proof of an absence takes.
const LOOK_FOR: UtcMs = 30_000;
/// Longest wall time between checks of what is held back, milliseconds.
const LOOK_MAX: UtcMs = 60_000;

/// Messages of the gateway.
#[derive(Debug)]
pub enum GatewayMsg {
    /// There may be new facts, or a wait may be over.
    Pull,
    /// A round has ended.
    RoundEnded {
        /// Why the venue could not be used; none if it could.
        problem: Option<VenueProblem>,
    },
    /// The private stream reported an order.
    Hint(Box<OrderReport>, Ticket),
    /// The private stream may have missed something.
    Interrupted,
    /// It may be time to compare the account.
    Compare,
    /// The venue rejected an order of ours for lack of balance.
    Lacking,
    /// A check of the account has ended.
    Seen(Box<AccountCheck>),
    /// A query found what the private stream should have reported.
    Found(MissedReport),
    /// The time in which the stream should report it is over.
    Overdue,
}

/// The actor.
pub struct Gateway;

/// What it is started with. The rounds outlive it.
pub type Arguments = (World, Arc<Flight>);

/// Its state.
pub struct State {
    world: World,
    writer: Writer,
    flight: Arc<Flight>,
    outgoing: Runner<SendState>,
    waker: Arc<Waker>,
    hints: Vec<OrderReport>,
    interrupted: bool,
    /// Whether the round under way queries what was missed then.
    asking_all: bool,
    /// What is next, and what must wait.
    schedule: Schedule,
    /// Wall time of its next planned check.
    next_act_at: WallMs,
    /// Venue time since which live orders are queried, before the account is compared.
    looking_since: Option<UtcMs>,
    /// State of the account checks while trading.
    comparing: Comparing,
    /// Symbols that external orders traded since the last comparison.
    external: BTreeSet<Symbol>,
    /// When the last comparison ended, or this instance began.
    compared: Instant,
    /// The round under way sets it if it reported the account.
    reporting: Option<Arc<AtomicBool>>,
    /// Whether the round under way sends something.
    sending: bool,
    /// What the private stream should have reported.
    missed: MissedReports,
    /// Orders that traded in the last released minute: when, and how often they were queried.
    followed: BTreeMap<ClientOrderId, (UtcMs, u32)>,
}

impl Actor for Gateway {
    type Msg = GatewayMsg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<GatewayMsg>,
        (world, flight): Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let writer = world.journal.writer(NAME);
        let (journal, library) = (Arc::clone(&world.journal), world.library.clone());
        let (mut outgoing, _) =
            Runner::recover_stage(journal, Box::<SendState>::default(), library)?;
        outgoing.stage_mut().orders.take_over();
        let mailbox = Arc::clone(world.directory.slot(&world.places.gateway()).mailbox());
        let waker = Waker::of(&mailbox, {
            let me = me.clone();
            move || drop(me.send_message(GatewayMsg::Pull))
        });
        outgoing.listen(Arc::clone(&waker));
        // The run begins with its settings. And a round of a predecessor may be under way: its
        // results are awaited.
        let (before, board) = (Arc::clone(&flight), Arc::clone(&world.board));
        if world.passing != Passing::Lockstep {
            compare_after(&me, LOOK);
        }
        tokio::spawn(async move {
            board.begun().await;
            before.landed().await;
            drop(me.send_message(GatewayMsg::Pull));
        });
        let state = State {
            world,
            writer,
            flight,
            outgoing,
            waker,
            hints: Vec::new(),
            interrupted: false,
            asking_all: false,
            schedule: Schedule::default(),
            next_act_at: WallMs::default(),
            looking_since: None,
            comparing: Comparing::default(),
            external: BTreeSet::new(),
            compared: clock::now(),
            reporting: None,
            sending: false,
            missed: MissedReports::default(),
            followed: BTreeMap::new(),
        };
        Ok(state)
    }

    async fn handle(
        &self,
        me: ActorRef<GatewayMsg>,
        message: GatewayMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if matches!(message, GatewayMsg::Compare) {
            let wait = state.compare_in();
            if !wait.is_zero() {
                compare_after(&me, wait);
                return Ok(());
            }
        }
        state.waker.clear();
        let mut compare = None;
        match message {
            GatewayMsg::Pull => {}
            // `everwarm panic` is selling.
            GatewayMsg::Hint(report, _) if report.client_id.is_panic() => state.comparing.doubt(),
            GatewayMsg::Hint(report, _) => {
                state.missed.reported(&report);
                state.traded_by_others(&report);
                state.hints.push(*report);
            }
            GatewayMsg::Lacking => state.comparing.doubt(),
            GatewayMsg::Found(missed) => state.expect_report(&me, missed),
            GatewayMsg::Overdue => state.overdue(),
            GatewayMsg::Interrupted => state.interrupted = true,
            GatewayMsg::RoundEnded { problem } => state.round_ended(problem.as_ref()),
            GatewayMsg::Compare => compare = Some(None),
            GatewayMsg::Seen(look) => compare = Some(Some(*look)),
        }
        while state.outgoing.catch_up(64, |_| ())? {}
        if let Some(look) = compare {
            state.compare(&me, look)?;
        }
        state.act(&me)
    }

    async fn post_stop(
        &self,
        _: ActorRef<GatewayMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.outgoing.save();
        Ok(())
    }
}

impl State {
    fn round_ended(&mut self, problem: Option<&VenueProblem>) {
        self.comparing.acted();
        let sending = std::mem::take(&mut self.sending);
        if sending {
            self.comparing.moved(self.world.now());
        }
        if self.reporting.take().is_some_and(|reported| reported.load(Acquire)) {
            self.reported();
        }
        // What was not queried is queried again.
        self.interrupted |= std::mem::take(&mut self.asking_all) && problem.is_some();
        let trouble = self.schedule.round_ended(wall(), sending, problem);
        if trouble.is_some() && self.world.passing != Passing::Lockstep {
            // Once nothing is due any more, no round shows that the venue can be used again.
            self.comparing.doubt();
        }
        self.world.board.write_venue(wall(), trouble);
    }

    /// Notes what an external order traded, if that is adopted. The stream may leave out a fill, so
    /// the fills are fetched before the account is compared.
    fn traded_by_others(&mut self, report: &OrderReport) {
        let traded = report.client_id.is_external() && !report.executed.is_zero();
        if traded && self.world.adopts_external() {
            self.external.insert(report.symbol);
            self.comparing.doubt();
        }
    }

    /// Gives the stream some time to report it.
    fn expect_report(&mut self, me: &ActorRef<GatewayMsg>, missed: MissedReport) {
        if self.hints.iter().all(|hint| !missed.is_in(hint)) {
            self.missed.expect(missed);
            // Ends with the actor.
            drop(me.send_after(FAIR, || GatewayMsg::Overdue));
        }
    }

    /// A stream that is subscribed but does not report a change is dead. It is replaced. It may
    /// have missed more, so the account is compared at once.
    fn overdue(&mut self) {
        let since = self.world.board.listening_since();
        if let Some(missed) = self.missed.overdue(since, steady()) {
            let (client_id, since) = (missed.client_id, missed.stream);
            self.world.send(&self.world.places.private(), PrivateMsg::Silent { since, client_id });
            self.comparing.doubt();
        }
    }

    fn act(&mut self, me: &ActorRef<GatewayMsg>) -> Result<(), ActorProcessingErr> {
        if self.is_under_way() {
            self.rest(Rest::Busy);
            return Ok(());
        }
        if !self.world.knows_time() {
            self.rest(Rest::Busy);
            self.read_clock(me);
            return Ok(());
        }
        let now = self.world.now();
        if self.append_lost()? || self.append_hints()? {
            self.rest(Rest::Busy);
            return Ok(());
        }
        let traded = self.world.board.traded();
        if let Some(wait) = self.schedule.kept(wall()) {
            self.rest(Rest::Busy);
            self.act_after(me, wait);
            return Ok(());
        }
        match self.next_task(now)? {
            Due::Now(task) => {
                self.rest(Rest::Busy);
                self.start_round(me, *task);
            }
            Due::Held(wait) => {
                self.rest(Rest::Busy);
                self.act_after(me, wait);
            }
            Due::Nothing => {
                self.follow(&traded);
                let outgoing = self.outgoing.stage();
                let cancel = outgoing.next_cancel_at(self.world.journal.life());
                let orders = &outgoing.orders;
                let (query, look) = (orders.next_query_at(), orders.next_look_at());
                let next = query.into_iter().chain(cancel).min();
                self.rest(next.map_or(Rest::Idle, Rest::Until));
                self.wake_at(me, next.into_iter().chain(look).min(), now);
            }
        }
        Ok(())
    }

    fn read_clock(&mut self, me: &ActorRef<GatewayMsg>) {
        match self.schedule.reads_in(wall()) {
            Some(wait) => self.act_after(me, wait),
            None => self.start_round(me, RoundTask::ReadClock),
        }
    }

    /// Whether a round is under way, or the journal has facts that are not known yet.
    fn is_under_way(&self) -> bool {
        // The results of a round are in the journal before it ends. Checked in this order, none of
        // them is missed.
        let behind = || self.outgoing.cursor() < self.world.journal.head() || !self.world.in_step();
        let begun = self.world.board.has_begun() && self.outgoing.stage().listed;
        !begun || self.flight.is_up() || behind()
    }

    /// Compares the account with the books while trading: begins a check, or ends one.
    fn compare(
        &mut self,
        me: &ActorRef<GatewayMsg>,
        look: Option<AccountCheck>,
    ) -> Result<(), ActorProcessingErr> {
        let (life, now) = (self.world.journal.life(), self.world.now());
        let outgoing = self.outgoing.stage();
        let quiet = !self.is_under_way() && self.hints.is_empty() && !self.interrupted;
        let settled = || outgoing.orders.living().all(|o| o.is_working() && !o.fills_missing());
        let still = quiet && outgoing.is_reconciled(life) && settled();
        let Some(look) = look else {
            if still && (self.comparing.is_doubtful() || self.comparing.is_calm(now)) {
                let (venue, me) = (Arc::clone(&self.world.venue), me.clone());
                let ended = self.comparing.look(now);
                tokio::spawn(async move {
                    let look = Box::new(ended(Picture::take(&*venue).await));
                    drop(me.send_message(GatewayMsg::Seen(look)));
                });
            } else {
                compare_after(me, self.settling_time());
            }
            return Ok(());
        };
        let time = look.time;
        if let Err(error) = &look.picture {
            tracing::debug!(%error, "the account was not read; it is tried again");
            self.compared = clock::now();
            compare_after(me, self.compare_in());
            return Ok(());
        }
        if !self.flight.is_up() && self.schedule.reads_in(wall()).is_none() {
            self.world.board.write_venue(wall(), None);
        }
        match self.comparing.judge(look, still, &outgoing.orders) {
            Verdict::Again => compare_after(me, self.settling_time()),
            Verdict::Ask => {
                self.interrupted = true;
                compare_after(me, self.settling_time());
            }
            Verdict::Stands(picture) => {
                let open = picture.open();
                let Picture { balances, unread, charges, .. } = picture;
                let booked = self.booked();
                let adopts = booked.adopted.as_ref().map(|_| &self.external);
                let searches = outgoing.expected.searches(&balances, &[], adopts);
                let (charge_ids, charges) = charges.into_iter().unzip();
                let account = Venue::Account {
                    life,
                    time,
                    balances,
                    open,
                    unread,
                    venue: self.world.venue.id(),
                    charges,
                    charge_ids,
                };
                if searches.is_empty() {
                    let account = vec![Body::Venue(account)];
                    self.world.journal.append(&self.writer, now, account)?;
                    self.reported();
                } else {
                    let (booked, reported) = (Box::new(booked), Arc::new(AtomicBool::new(false)));
                    self.reporting = Some(Arc::clone(&reported));
                    let task = RoundTask::Account { account, searches, booked, reported };
                    self.start_round(me, task);
                }
                compare_after(me, self.compare_in().max(self.settling_time()));
            }
        }
        Ok(())
    }

    /// Notes that the account was reported.
    fn reported(&mut self) {
        self.external.clear();
        self.compared = clock::now();
        self.comparing.compared();
    }

    /// Wall time until the account is to be compared, or until this is checked again: the interval
    /// may change meanwhile.
    fn compare_in(&self) -> Duration {
        let every = self.world.compare_every();
        let every = if self.comparing.is_doubtful() {
            Some(every.map_or(AT_ONCE, |every| every.min(AT_ONCE)))
        } else {
            every
        };
        every.map_or(LOOK, |every| every.saturating_sub(self.compared.elapsed()).min(LOOK))
    }

    /// Wall time in which the account may become calm.
    fn settling_time(&self) -> Duration {
        let factor = match self.world.passing {
            Passing::Lockstep => 1,
            Passing::Scaled(factor) => u64::from(factor.max(1)),
        };
        HOLD.max(Duration::from_millis(CALM_MS.unsigned_abs() / factor + 1))
    }

    /// What is to be done now. Appends the announcement of what is to be sent.
    fn next_task(&mut self, now: UtcMs) -> Result<Due, ActorProcessingErr> {
        let outgoing = self.outgoing.stage();
        let life = self.world.journal.life();
        if !outgoing.is_reconciled(life) {
            if let Some(wait) = self.schedule.silent(wall()) {
                return Ok(Due::Held(wait));
            }
            return Ok(self.reconcile(life, now));
        }
        self.world.chaos().enter(Phase::Live);
        let cancels = outgoing.to_cancel(life, now);
        if !cancels.is_empty() {
            return self.announce_cancels(cancels, now);
        }
        let asks = self.asks(now);
        self.interrupted &= !asks.is_empty();
        let (mut due, wait) = self.sendable_orders(life, now);
        let is_exit = |to_send: &ToSend| to_send.intent.side == Side::Sell;
        let exits = due.iter().any(is_exit);
        match self.schedule.next(wall(), !asks.is_empty(), exits, !due.is_empty()) {
            NextRequest::Ask => Ok(Due::Now(Box::new(self.ask(asks, now)))),
            NextRequest::Exits => {
                due.retain(is_exit);
                self.announce_sends(due, now)
            }
            NextRequest::Send => self.announce_sends(due, now),
            NextRequest::Wait(silent) => {
                Ok(Due::Held(wait.map_or(silent, |wait| wait.min(silent))))
            }
            NextRequest::Nothing => Ok(wait.map_or(Due::Nothing, Due::Held)),
        }
    }

    fn ask(&mut self, asks: Vec<ToQuery>, now: UtcMs) -> RoundTask {
        self.count_follows(&asks);
        self.asking_all = std::mem::take(&mut self.interrupted);
        let known = Known::of(self.outgoing.stage());
        let orders = &mut self.outgoing.stage_mut().orders;
        for ask in &asks {
            orders.asked(&ask.client_id, now);
        }
        RoundTask::Query(asks, known)
    }

    /// Compares the account with the books. An order that is not found may still exist and explain
    /// the account, so it is queried first, for a while. In lockstep an order that traded is
    /// queried again at once: no close comes before its fills are known.
    fn reconcile(&mut self, life: u64, now: UtcMs) -> Due {
        let since = *self.looking_since.get_or_insert(now);
        let patient = now < since + LOOK_FOR;
        let followed = self.traded_orders(&[]).is_empty();
        let orders = &self.outgoing.stage().orders;
        if patient && followed && orders.next_query_at().is_some_and(|at| at > now) {
            return Due::Nothing;
        }
        let asks = self.sent_orders();
        self.count_follows(&asks);
        let booked = Box::new(self.booked());
        let outgoing = self.outgoing.stage_mut();
        for ask in &asks {
            outgoing.orders.asked(&ask.client_id, now);
        }
        let (expected, applied) = (Box::new(outgoing.expected.clone()), applied(&outgoing.orders));
        Due::Now(Box::new(RoundTask::Reconcile { life, asks, booked, patient, expected, applied }))
    }

    /// What trades of the account are compared with.
    fn booked(&self) -> Booked {
        let outgoing = self.outgoing.stage();
        let adopts = self.world.adopts_external();
        let adopted = adopts.then(|| outgoing.orders.adopted_trades());
        Booked { known: Known::of(outgoing), adopted }
    }

    /// Appends a response for announced requests that have none and for which no round waits. Also
    /// for those whose result the end of their order shows.
    fn append_lost(&mut self) -> Result<bool, ActorProcessingErr> {
        let resend = self.world.chaos().sabotaged(Sabotage::NoQuery);
        let nobody = "nobody waits for the answer any more";
        let mut lost: Vec<Body> = {
            let sent = self.outgoing.stage().orders.living();
            let lost = sent.filter(|o| o.status == OrderStatus::Sent);
            lost.map(|order| {
                let client_id = order.intent.client_id.clone();
                let (attempt, text) = (order.sent(), nobody.to_owned());
                Body::Venue(if resend {
                    Venue::Refused { client_id, attempt, code: 0, text, again: true }
                } else {
                    Venue::Unanswered { client_id, attempt, reason: text }
                })
            })
            .collect()
        };
        lost.extend(self.outgoing.stage().orders.unanswered_cancels().map(|(of, attempt)| {
            let (id, of) = (OrderRequest::id_of(of, RequestKind::Cancel, attempt), of.clone());
            let response = Response::Unknown { reason: nobody.to_owned() };
            Body::Venue(Venue::Responded { id, of, attempt, response })
        }));
        lost.extend(self.outgoing.stage().orders.concluded().map(|(of, attempt, cancelled)| {
            let (id, of) = (OrderRequest::id_of(of, RequestKind::Cancel, attempt), of.clone());
            let response = if cancelled { Response::Accepted } else { Response::NotOpen };
            Body::Venue(Venue::Responded { id, of, attempt, response })
        }));
        if lost.is_empty() {
            return Ok(false);
        }
        self.comparing.moved(self.world.now());
        self.world.journal.append(&self.writer, self.world.now(), lost)?;
        Ok(true)
    }

    /// Hints report nothing new about a round under way, so they wait for its end.
    fn append_hints(&mut self) -> Result<bool, ActorProcessingErr> {
        if self.hints.is_empty() {
            return Ok(false);
        }
        let twice = self.world.chaos().sabotaged(Sabotage::NoDedupe);
        let known = Known::of(self.outgoing.stage());
        let believed = |report: &OrderReport| {
            let order = self.outgoing.stage().orders.get(&report.client_id);
            let decided = order.map_or(0, |order| order.intent.close_time);
            known.believes(&self.world, report, decided)
        };
        let (hints, strange): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hints).into_iter().partition(believed);
        self.interrupted |= !strange.is_empty();
        if hints.is_empty() {
            return Ok(false);
        }
        let hints = hints.into_iter().map(|mut report| {
            if twice {
                report.fills.iter_mut().for_each(sabotage_trade_id);
            }
            Body::Venue(Venue::Reported(report))
        });
        let hints: Vec<Body> = hints.collect();
        self.comparing.moved(self.world.now());
        self.world.chaos().point(Site::BeforeAppend, NAME);
        self.world.journal.append(&self.writer, self.world.now(), hints)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        Ok(true)
    }

    fn start_round(&mut self, me: &ActorRef<GatewayMsg>, task: RoundTask) {
        let Some(round) = self.flight.begin() else { return };
        self.comparing.acted();
        self.sending = matches!(task, RoundTask::Send { .. } | RoundTask::Cancel { .. });
        let (mut world, me) = (self.world.clone(), me.clone());
        // A round that waits for weight would keep all others from being sent.
        world.venue = world.venue.impatient();
        // Its own name: the results of a round are appended even after its gateway has ended.
        let writer = world.journal.writer("answers");
        tokio::spawn(async move {
            let mut completion =
                RoundCompletion { me, problem: Some(VenueProblem::lost()), round: Some(round) };
            completion.problem = run_round(&world, &writer, task).await;
        });
    }

    /// Checks again after this wall time, milliseconds, or earlier.
    fn act_after(&mut self, me: &ActorRef<GatewayMsg>, wait: UtcMs) {
        let (wall, wait) = (wall(), wait.clamp(0, LOOK_MAX) + 1);
        if !(wall + 1..=wall + wait).contains(&self.next_act_at) {
            self.next_act_at = wall + wait;
            me.send_after(Duration::from_millis(wait.unsigned_abs()), || GatewayMsg::Pull);
        }
    }

    fn rest(&self, rest: Rest) {
        self.world.board.write(NAME, self.outgoing.cursor(), rest);
    }

    /// If venue time passes automatically, checks again when the next query is due.
    fn wake_at(&self, me: &ActorRef<GatewayMsg>, next: Option<UtcMs>, now: UtcMs) {
        if let (Some(at), Passing::Scaled(factor)) = (next, self.world.passing) {
            let wait = u64::try_from(at - now).unwrap_or(0) / u64::from(factor.max(1)) + 1;
            me.send_after(Duration::from_millis(wait), || GatewayMsg::Pull);
        }
    }
}

/// Sabotage: gives an execution another id than the response to its order.
fn sabotage_trade_id(fill: &mut VenueFill) {
    if let Ok(id) = VenueTradeId::new(&format!("1{:0>12}", fill.trade_id)) {
        fill.trade_id = id;
    }
}

/// Checks after a while whether the account is to be compared, unless the actor has ended.
fn compare_after(me: &ActorRef<GatewayMsg>, after: Duration) {
    drop(me.send_after(after, || GatewayMsg::Compare));
}

/// Ends a round and notifies the gateway, however its task ends.
struct RoundCompletion {
    me: ActorRef<GatewayMsg>,
    problem: Option<VenueProblem>,
    round: Option<Round>,
}

impl Drop for RoundCompletion {
    fn drop(&mut self) {
        drop(self.round.take());
        let problem = self.problem.take();
        drop(self.me.send_message(GatewayMsg::RoundEnded { problem }));
    }
}
