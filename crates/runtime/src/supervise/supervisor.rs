//! The supervisor actor, which applies a [`Policy`].
//!
//! Its handlers never wait. Starts, stops and delays run in tasks that report by message, with the
//! generation of the instance. An instance has ended completely when its task has ended. ractor's
//! event only gives the reason. It is always sent before, but may be read later: a sender that the
//! machine interrupts holds up all events after its own. So a report waits for its reason.
//!
//! Over 500 lines: one actor, and each of its messages is a case.

use super::event::{
    Action, Announcement, Event, Outcome, RequestError, Seat, SupervisionNotice, Timer,
};
use super::exit::{Exit, GaveUp, StartError, discard};
use super::instance::{InstanceCommand, Report, Reporter, Share, attend};
use super::policy::Policy;
use super::requested_child::Child;
use super::rules::{Kind, Restart, Settings, Strategy};
use super::slot::{Slot, Window};
use super::spec::{BoxFuture, ChildSpec, Extra, Instance, StartContext, Started, SupervisorSpec};
use super::tree::Tree;
use super::watched::Watched;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// How long the report of an end waits for its reason. There is none if the actor was unlinked.
const REASON_LIMIT: Duration = Duration::from_secs(1);

pub(crate) type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

pub(crate) enum Msg {
    Report(Seat, u64, Report),
    /// The reason of this actor's end is late.
    ReasonLate(ActorId),
    Timer(Seat, u64, Timer),
    /// Stops. Children alive after this time are killed.
    Stop(Option<Duration>),
    /// A request of `requests`, which also sends the response.
    Ask(Box<dyn FnOnce(&mut SupervisorState) + Send>),
}

pub(crate) struct Supervisor;

pub(crate) struct Arguments {
    spec: Arc<SupervisorSpec>,
    path: String,
    tree: Tree,
    up: oneshot::Sender<Result<(), StartError>>,
    share: Share,
}

/// The data of the actor about one listed child.
pub(super) struct Seated {
    pub spec: ChildSpec,
    pub slot: Arc<Slot>,
    commands: watch::Sender<InstanceCommand>,
    /// Value that its last start returned, for the caller of that start.
    extra: Option<Extra>,
    /// Start arguments of a child of a pool.
    pub given: Option<Extra>,
}

pub(crate) struct SupervisorState {
    pub(super) myself: ActorRef<Msg>,
    pub(super) path: String,
    pub(super) tree: Tree,
    pub(super) policy: Policy,
    pub(super) settings: Settings,
    /// Template of the children of a pool.
    pub(super) template: Option<ChildSpec>,
    born: Instant,
    pub(super) seated: BTreeMap<Seat, Seated>,
    /// Instances that are up.
    actors: HashMap<ActorId, Seat>,
    /// Reasons of instances that have reported their end, but may not have ended completely.
    exits: HashMap<ActorId, Exit>,
    /// Reports of ends whose reasons have not come.
    unexplained: HashMap<ActorId, (Seat, u64, Report)>,
    /// Ends of unknown actors during a start: one of them may be the starting child. Once no start
    /// runs, the remaining actors are not children.
    early: BTreeMap<ActorId, Exit>,
    /// Number of starts whose actor is not known yet. The actor may end before it is known.
    in_flight: usize,
    up: Option<oneshot::Sender<Result<(), StartError>>>,
    /// Requests that wait until a child is up.
    pub(super) rising: BTreeMap<Seat, Reply<Child>>,
    /// Requests that wait until a child has ended.
    pub(super) falling: BTreeMap<Seat, Vec<Reply<()>>>,
    share: Share,
}

impl Actor for Supervisor {
    type Msg = Msg;
    type State = SupervisorState;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        Arguments { spec, path, tree, up, share }: Arguments,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let (template, listed) = match spec.settings.strategy {
            Strategy::Pool => (spec.children.first().cloned(), &[][..]),
            Strategy::OneForOne
            | Strategy::RestForOne
            | Strategy::OneForAll
            | Strategy::Dynamic => (None, spec.children.as_slice()),
        };
        let children = listed.iter().map(|child| (child.id.clone(), child.rules));
        let mut policy = Policy::new(spec.settings, children);
        let seats: Vec<Seat> = policy.list().map(|(seat, _)| seat).collect();
        let mut seated = BTreeMap::new();
        for (seat, child) in seats.iter().zip(listed) {
            let child = Seated::new(child.clone(), &path, &tree);
            if let Some(past) = child.slot.past() {
                policy.remember(*seat, past);
            }
            seated.insert(*seat, child);
        }
        let mut state = SupervisorState {
            myself,
            path,
            tree,
            policy,
            settings: spec.settings,
            template,
            born: Instant::now(),
            seated,
            actors: HashMap::new(),
            exits: HashMap::new(),
            unexplained: HashMap::new(),
            early: BTreeMap::new(),
            in_flight: 0,
            up: Some(up),
            rising: BTreeMap::new(),
            falling: BTreeMap::new(),
            share,
        };
        state.show(&seats);
        Ok(state)
    }

    async fn post_start(
        &self,
        _: ActorRef<Msg>,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.event(Event::Begin);
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Msg>,
        message: Msg,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Report(seat, generation, report) => state.receive(seat, generation, report),
            Msg::ReasonLate(actor) => {
                if let Some((seat, generation, report)) = state.unexplained.remove(&actor) {
                    state.report(seat, generation, report);
                }
            }
            Msg::Timer(seat, generation, timer) => {
                state.event(Event::Timer(seat, generation, timer));
            }
            Msg::Stop(within) => {
                let by = within.map(|within| state.now().saturating_add(within));
                state.event(Event::Stop(by));
            }
            Msg::Ask(ask) => ask(state),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let actor = event.actor_cell().map(ActorCell::get_id);
        if let (Some(actor), Some(exit)) = (actor, Exit::of(event)) {
            state.reason(actor, exit);
        }
        Ok(())
    }
}

impl Seated {
    pub fn new(spec: ChildSpec, parent: &str, tree: &Tree) -> Seated {
        let slot = tree.directory.slot(&format!("{parent}/{}", spec.id));
        Seated {
            spec,
            slot,
            commands: watch::Sender::new(InstanceCommand::Live),
            extra: None,
            given: None,
        }
    }
}

impl SupervisorState {
    pub(super) fn now(&self) -> Duration {
        self.born.elapsed()
    }

    fn event(&mut self, event: Event) {
        let actions = self.policy.on(event, self.now());
        self.perform(actions);
    }

    /// Reports an event of an instance that is unknown, or no longer known.
    fn stray(&self, what: String) {
        let (path, at_ms) = (self.path.clone(), (self.tree.wall)().utc());
        let news = Announcement::Stray { what };
        (self.tree.observer)(&SupervisionNotice { path, kind: Kind::Supervisor, at_ms, news });
    }

    /// Notes why an actor has ended, and handles the report that waited for it.
    fn reason(&mut self, actor: ActorId, exit: Exit) {
        let waiting = self.unexplained.remove(&actor);
        let seat = self.actors.remove(&actor);
        if seat.is_none() && waiting.is_none() {
            return self.unknown(actor, exit);
        }
        if let Some(child) = seat.and_then(|seat| self.seated.get(&seat)) {
            child.slot.vacate(actor);
        }
        self.exits.insert(actor, exit);
        if let Some((seat, generation, report)) = waiting {
            self.report(seat, generation, report);
        }
    }

    /// Handles a report, unless it is of an end whose reason has not come.
    fn receive(&mut self, seat: Seat, generation: u64, report: Report) {
        let ended = match &report {
            Report::Gone(gone) => Some(gone.actor),
            Report::StartFailed(actor, _) => *actor,
            Report::Started(..) | Report::Ignored => None,
        };
        let explained = |id: &ActorId| self.exits.contains_key(id) || self.early.contains_key(id);
        match ended.filter(|id| !explained(id)) {
            Some(actor) => {
                self.unexplained.insert(actor, (seat, generation, report));
                self.myself.send_after(REASON_LIMIT, move || Msg::ReasonLate(actor));
            }
            None => self.report(seat, generation, report),
        }
    }

    /// Handles the end of an unknown actor. During a start, it may be the starting child.
    fn unknown(&mut self, actor: ActorId, exit: Exit) {
        if self.in_flight == 0 {
            self.stranger(actor, &exit);
        } else {
            self.early.insert(actor, exit);
        }
    }

    /// Reports the end of an actor that is not a child.
    fn stranger(&self, actor: ActorId, exit: &Exit) {
        self.stray(format!("actor {actor}, which is no child, {exit}"));
    }

    fn report(&mut self, seat: Seat, generation: u64, report: Report) {
        let known = match &report {
            Report::Started(cell, _) => Some(cell.get_id()),
            Report::StartFailed(actor, _) => *actor,
            Report::Ignored | Report::Gone(_) => None,
        };
        if let Some(id) = known
            && let Some(exit) = self.early.remove(&id)
        {
            self.exits.insert(id, exit);
        }
        self.take(seat, generation, report);
        if self.in_flight == 0 {
            for (actor, exit) in std::mem::take(&mut self.early) {
                self.stranger(actor, &exit);
            }
        }
    }

    fn take(&mut self, seat: Seat, generation: u64, report: Report) {
        if !self.policy.is_alive(seat, generation) {
            let what = match report {
                Report::Started(..) => "is up",
                Report::Ignored => "has nothing to do",
                Report::StartFailed(..) => "did not start",
                Report::Gone(gone) => {
                    gone.read();
                    "has ended"
                }
            };
            return self.stray(format!("start {generation} of child {} {what}", seat.0));
        }
        if !matches!(report, Report::Gone(_)) {
            self.in_flight -= 1;
        }
        match report {
            Report::Started(cell, extra) => {
                let mut spent = None;
                if let Some(child) = self.seated.get_mut(&seat) {
                    child.extra = extra;
                    if child.spec.rules.restart == Restart::Temporary {
                        spent = Some((child.spec.spend(), child.given.take()));
                    }
                    // An instance that has already ended leaves its slot empty.
                    if !self.exits.contains_key(&cell.get_id()) {
                        self.actors.insert(cell.get_id(), seat);
                        child.slot.fill(cell);
                    }
                }
                self.discard(seat, spent);
                self.event(Event::Started(seat, generation));
            }
            Report::Ignored => self.event(Event::Ignored(seat, generation)),
            Report::StartFailed(actor, error) => {
                actor.map(|actor| self.exits.remove(&actor));
                self.event(Event::StartFailed(seat, generation, error));
            }
            Report::Gone(gone) => {
                let actor = gone.read();
                let reported = self.exits.remove(&actor);
                self.actors.remove(&actor);
                let slot = self.seated.get(&seat).map(|child| &child.slot);
                slot.inspect(|slot| slot.vacate(actor));
                let expected = slot.and_then(|slot| slot.take_expected_exit(actor));
                let dropped = slot.and_then(|slot| slot.drop_panic(actor));
                let exit = expected.or(reported).unwrap_or(Exit::Lost).with_drop(dropped);
                self.event(Event::Exited(seat, generation, exit));
            }
        }
    }

    pub(super) fn perform(&mut self, actions: Vec<Action>) {
        let mut touched = Vec::new();
        for action in actions {
            match action {
                Action::Start(seat, generation) => {
                    touched.push(seat);
                    self.start(seat, generation);
                }
                Action::Stop(seat) => {
                    touched.push(seat);
                    self.send_command(seat, InstanceCommand::Stop);
                }
                Action::Kill(seat) => {
                    touched.push(seat);
                    self.send_command(seat, InstanceCommand::Kill);
                }
                Action::Arm(seat, generation, timer, after) => {
                    if let (Timer::Retry, Some(child)) = (timer, self.seated.get(&seat)) {
                        child.slot.show_retry(Instant::now() + after);
                    }
                    self.myself.send_after(after, move || Msg::Timer(seat, generation, timer));
                }
                Action::Ended(seat) => self.ended(seat),
                Action::Forget(seat) => self.forget(seat),
                Action::Announce(seat, news) => {
                    touched.push(seat);
                    self.announce(seat, news);
                }
                Action::Up => {
                    self.up.take().map(|up| up.send(Ok(())));
                }
                Action::End(outcome) => self.end(outcome),
            }
        }
        self.show(&touched);
        self.show_window();
    }

    /// Shows the restarts that count and the budget.
    pub(super) fn show_window(&self) {
        let (used, Settings { intensity: allowed, period, .. }) = self.policy.window();
        let at = used.into_iter().map(|at| self.born + at).collect();
        self.tree.directory.slot(&self.path).show_window(Window { at, allowed, period });
    }

    fn start(&mut self, seat: Seat, generation: u64) {
        let child = self.seated.get_mut(&seat).expect("what is started is listed");
        let path = child.slot.path().to_owned();
        child.commands = watch::Sender::new(InstanceCommand::Live);
        child.slot.show_start_limit(child.spec.rules.start_limit);
        let context = StartContext {
            supervisor: self.myself.get_cell(),
            path: path.clone(),
            generation,
            restarts: self.policy.view(seat).map_or(0, |view| view.ups),
            tree: self.tree.clone(),
        };
        let me = self.myself.clone();
        let report = Reporter {
            to_supervisor: Box::new(move |report| {
                me.cast(Msg::Report(seat, generation, report)).ok();
            }),
            actor: None,
            error: Some(StartError::new(path, "its start panicked or lost its runtime")),
            gone: None,
        };
        let (spec, commands) = (child.spec.clone(), child.commands.subscribe());
        let runtime = spec.on.clone().unwrap_or_else(Handle::current);
        self.in_flight += 1;
        runtime.spawn(attend(self.share.clone(), (spec, start), context, commands, report));
    }

    fn send_command(&self, seat: Seat, command: InstanceCommand) {
        if let Some(child) = self.seated.get(&seat) {
            child.commands.send_replace(command);
        }
    }

    /// Responds to requests for the end of a child.
    fn ended(&mut self, seat: Seat) {
        for reply in self.falling.remove(&seat).unwrap_or_default() {
            reply.send(Ok(())).ok();
        }
        let path = self.seated.get(&seat).map_or("", |child| child.slot.path());
        let error = StartError::new(path, "it was taken back while it started");
        self.rising.remove(&seat).map(|reply| reply.send(Err(error.into())));
    }

    fn forget(&mut self, seat: Seat) {
        self.ended(seat);
        if let Some(Seated { slot, spec, extra, given, .. }) = self.seated.remove(&seat) {
            let path = slot.path().to_owned();
            drop(slot);
            self.tree.directory.forget(&path);
            self.discard(seat, (spec, extra, given));
        }
    }

    /// Drops the start arguments of a child, which belong to the application. A panic in that
    /// `Drop` is reported and ends no actor.
    pub(super) fn discard<T>(&self, seat: Seat, value: T) {
        if let Some(why) = discard(value) {
            self.stray(format!("what child {} was started with panicked in Drop: {why}", seat.0));
        }
    }

    /// The response to the request for a child: it is up, or had nothing to do.
    fn start_response(&mut self, seat: Seat) -> Result<Child, RequestError> {
        let child = self.seated.get_mut(&seat).ok_or(RequestError::NotFound)?;
        Ok(Child {
            path: child.slot.path().to_owned(),
            cell: child.slot.cell(),
            extra: child.extra.take(),
            seat,
            of: self.myself.get_id(),
        })
    }

    fn announce(&mut self, seat: Seat, news: Announcement) {
        let answer = match &news {
            Announcement::Started { .. } | Announcement::Ignored => Some(self.start_response(seat)),
            Announcement::StartFailed { error } if !error.injected => {
                Some(Err(error.clone().into()))
            }
            Announcement::StartFailed { .. }
            | Announcement::Exited { .. }
            | Announcement::StopFailed { .. }
            | Announcement::Blocked { .. }
            | Announcement::Unblocked { .. }
            | Announcement::BranchDown { .. }
            | Announcement::BranchUp
            | Announcement::GaveUp { .. }
            | Announcement::Removed
            | Announcement::Stray { .. } => None,
        };
        if let Some(answer) = answer {
            self.rising.remove(&seat).map(|reply| reply.send(answer));
        }
        if let Some(child) = self.seated.get(&seat) {
            let path = child.slot.path().to_owned();
            let (kind, at_ms) = (child.spec.kind(), (self.tree.wall)().utc());
            (self.tree.observer)(&SupervisionNotice { path, kind, at_ms, news });
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let stopped = outcome == Outcome::Stopped;
        let (exit, error) = match outcome {
            Outcome::Stopped => (
                Exit::Normal("asked to stop".to_owned()),
                StartError::new(&self.path, "stopped while starting"),
            ),
            Outcome::Finished(id) => {
                let why = format!("{id}, which is significant, has ended");
                let error = StartError::new(&self.path, &why);
                (Exit::Normal(why), error)
            }
            Outcome::StartFailed(error) => (Exit::Failed(error.to_string()), error),
            Outcome::GaveUp(seat, why) => {
                let child = self.seated.get(&seat).expect("who used up the budget is listed");
                let path = child.slot.path().to_owned();
                let error = StartError::new(&path, &why);
                (Exit::GaveUp(GaveUp { path, why }), error)
            }
        };
        let (slot, id) = (self.tree.directory.slot(&self.path), self.myself.get_id());
        // An injected stop was announced already.
        if !(stopped && slot.is_injected(id)) {
            slot.expect_exit(id, exit);
        }
        self.up.take().map(|up| up.send(Err(error)));
        self.myself.stop(None);
    }

    pub(super) fn show(&mut self, seats: &[Seat]) {
        let now = (self.tree.wall)().utc();
        for seat in seats {
            if let (Some(child), Some(view)) = (self.seated.get(seat), self.policy.view(*seat)) {
                child.slot.show(seat.0, child.spec.kind(), view, now);
            }
        }
    }
}

/// Starts a supervisor under its parent. It is ready when all children below it are up.
fn start(
    spec: Arc<SupervisorSpec>,
    context: StartContext,
) -> BoxFuture<Result<Started, StartError>> {
    Box::pin(async move {
        let instance = spawn(spec, context.path, context.tree, Some(context.supervisor)).await?;
        Ok(Started { instance: Some(instance), extra: None })
    })
}

/// Requests the supervisor in this cell to stop. An error means that it has already ended.
pub(crate) fn ask_to_stop(cell: &ActorCell) {
    ActorRef::<Msg>::from(cell.clone()).cast(Msg::Stop(None)).ok();
}

pub(crate) async fn spawn(
    spec: Arc<SupervisorSpec>,
    path: String,
    tree: Tree,
    parent: Option<ActorCell>,
) -> Result<Instance, StartError> {
    let (share, mut shares) = mpsc::channel::<Infallible>(1);
    let (up, ready) = oneshot::channel();
    let arguments = Arguments { spec, path: path.clone(), tree: tree.clone(), up, share };
    let actor = Watched::new(Supervisor, tree.directory.slot(&path));
    let spawned = match parent {
        Some(parent) => Actor::spawn_linked(None, actor, arguments, parent).await,
        None => Actor::spawn(None, actor, arguments).await,
    };
    let (actor, task) = spawned.map_err(|error| StartError::of(&path, &error))?;
    let lost = StartError::new(&path, "ended while starting");
    Ok(Instance {
        cell: actor.get_cell(),
        stop: ask_to_stop,
        ready: Some(Box::pin(async move { ready.await.unwrap_or(Err(lost)) })),
        gone: Box::pin(async move {
            // The task has ended, also if it failed.
            drop(task.await);
            // Ends when the state is dropped and the last child, at any depth, has ended.
            while shares.recv().await.is_some() {}
            tree.directory.vacate_below(&path);
        }),
    })
}

#[cfg(test)]
mod tests;
