//! The actor that obeys a [`Policy`], and the root of a tree.
//!
//! Its handlers never wait: starts, stops and delays happen in tasks that report by message, with
//! the generation of the instance. An instance is gone when its task has ended; ractor's event,
//! which always comes before, only says why.

use super::event::{Action, Event, News, Outcome, RequestError, Seat, Timer};
use super::exit::{Exit, GaveUp, StartError};
use super::instance::{Report, Reporter, Share, Wish, attend};
use super::policy::Policy;
use super::slot::{Directory, Slot};
use super::spec::{ChildSpec, Kind, StartContext, Started, SupervisorSpec};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Something a supervisor tells about a child.
#[derive(Clone, Debug, PartialEq)]
pub struct SupervisionNotice {
    /// The child's path.
    pub path: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Wall clock, UTC milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub news: News,
}

/// Is told everything a supervisor does. Called in the supervisor: it must be quick and never
/// panic.
pub type Observer = Arc<dyn Fn(&SupervisionNotice) + Send + Sync>;

/// Tells the wall clock's time, UTC milliseconds; for people only.
pub type Wall = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a whole tree shares. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    /// Where its actors are found.
    pub directory: Directory,
    /// Who is told.
    pub observer: Observer,
    /// What time it is.
    pub wall: Wall,
}

type Reply = oneshot::Sender<Result<(), RequestError>>;

pub(crate) enum Msg {
    Report(Seat, u64, Report),
    Timer(Seat, u64, Timer),
    /// Kills what is alive after this time.
    Stop(Option<Duration>),
    Add(ChildSpec, Reply),
    Remove(String, Reply),
    Retry(String, Reply),
}

pub(crate) struct Supervisor;

pub(crate) struct Arguments {
    spec: Arc<SupervisorSpec>,
    path: String,
    tree: Tree,
    up: oneshot::Sender<Result<(), StartError>>,
    share: Share,
}

/// What the actor holds for one listed child.
struct Seated {
    spec: ChildSpec,
    slot: Arc<Slot>,
    wish: watch::Sender<Wish>,
}

pub(crate) struct Shell {
    myself: ActorRef<Msg>,
    path: String,
    tree: Tree,
    policy: Policy,
    born: Instant,
    seated: BTreeMap<Seat, Seated>,
    /// Instances that are up.
    actors: HashMap<ActorId, Seat>,
    /// Why instances ended that are not known to be gone yet.
    exits: HashMap<ActorId, Exit>,
    up: Option<oneshot::Sender<Result<(), StartError>>>,
    adding: BTreeMap<Seat, Reply>,
    removing: BTreeMap<Seat, Vec<Reply>>,
    share: Share,
}

impl Actor for Supervisor {
    type Msg = Msg;
    type State = Shell;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        Arguments { spec, path, tree, up, share }: Arguments,
    ) -> Result<Shell, ActorProcessingErr> {
        let children = spec.children.iter().map(|child| (child.id.clone(), child.rules));
        let mut policy = Policy::new(spec.settings, children);
        let seats: Vec<Seat> = policy.list().map(|(seat, _)| seat).collect();
        let mut seated = BTreeMap::new();
        for (seat, child) in seats.iter().zip(&spec.children) {
            let child = Seated::new(child.clone(), &path, &tree);
            if child.slot.was_down() {
                policy.remember_down(*seat);
            }
            seated.insert(*seat, child);
        }
        let mut shell = Shell {
            myself,
            path,
            tree,
            policy,
            born: Instant::now(),
            seated,
            actors: HashMap::new(),
            exits: HashMap::new(),
            up: Some(up),
            adding: BTreeMap::new(),
            removing: BTreeMap::new(),
            share,
        };
        shell.show(&seats);
        Ok(shell)
    }

    async fn post_start(
        &self,
        _: ActorRef<Msg>,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        shell.event(Event::Begin);
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Msg>,
        message: Msg,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Report(seat, generation, report) => shell.report(seat, generation, report),
            Msg::Timer(seat, generation, timer) => {
                shell.event(Event::Timer(seat, generation, timer));
            }
            Msg::Stop(within) => {
                let by = within.map(|within| shell.now().saturating_add(within));
                shell.event(Event::Stop(by));
            }
            Msg::Add(spec, reply) => shell.add(spec, reply),
            Msg::Remove(id, reply) => shell.remove(&id, reply),
            Msg::Retry(id, reply) => {
                let done = shell.policy.retry(&id, shell.now());
                reply.send(done.map(|actions| shell.perform(actions))).ok();
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        let actor = event.actor_cell().map(ActorCell::get_id);
        if let (Some(actor), Some(exit)) = (actor, Exit::of(event)) {
            if let Some(child) = shell.actors.remove(&actor).and_then(|s| shell.seated.get(&s)) {
                child.slot.vacate(actor);
            }
            shell.exits.insert(actor, exit);
        }
        Ok(())
    }
}

impl Seated {
    fn new(spec: ChildSpec, parent: &str, tree: &Tree) -> Seated {
        let slot = tree.directory.slot(&format!("{parent}/{}", spec.id));
        Seated { spec, slot, wish: watch::Sender::new(Wish::Live) }
    }
}

impl Shell {
    fn now(&self) -> Duration {
        self.born.elapsed()
    }

    fn event(&mut self, event: Event) {
        let actions = self.policy.on(event, self.now());
        self.perform(actions);
    }

    fn report(&mut self, seat: Seat, generation: u64, report: Report) {
        match report {
            Report::Started(cell) => {
                // One that has already ended leaves its slot empty.
                if let Some(child) = self.seated.get(&seat)
                    && !self.exits.contains_key(&cell.get_id())
                {
                    self.actors.insert(cell.get_id(), seat);
                    child.slot.fill(cell);
                }
                self.event(Event::Started(seat, generation));
            }
            Report::StartFailed(actor, error) => {
                actor.map(|actor| self.exits.remove(&actor));
                self.event(Event::StartFailed(seat, generation, error));
            }
            Report::Gone(actor) => {
                let told = self.exits.remove(&actor);
                self.actors.remove(&actor);
                let slot = self.seated.get(&seat).map(|child| &child.slot);
                slot.inspect(|slot| slot.vacate(actor));
                let announced = slot.and_then(|slot| slot.announced(actor));
                let exit = announced.or(told).unwrap_or(Exit::Lost);
                self.event(Event::Exited(seat, generation, exit));
            }
        }
    }

    fn add(&mut self, spec: ChildSpec, reply: Reply) {
        let added = spec.check().map_err(RequestError::from);
        match added.and_then(|()| self.policy.add(spec.id.clone(), spec.rules, self.now())) {
            Ok((seat, actions)) => {
                self.seated.insert(seat, Seated::new(spec, &self.path, &self.tree));
                self.adding.insert(seat, reply);
                self.perform(actions);
                self.show(&[seat]);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn remove(&mut self, id: &str, reply: Reply) {
        match self.policy.remove(id, self.now()) {
            Ok((seat, actions)) => {
                self.removing.entry(seat).or_default().push(reply);
                self.perform(actions);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let mut touched = Vec::new();
        for action in actions {
            match action {
                Action::Start(seat, generation) => {
                    touched.push(seat);
                    self.start(seat, generation);
                }
                Action::Stop(seat) => {
                    touched.push(seat);
                    self.wish(seat, Wish::Stop);
                }
                Action::Kill(seat) => {
                    touched.push(seat);
                    self.wish(seat, Wish::Kill);
                }
                Action::Arm(seat, generation, timer, after) => {
                    self.myself.send_after(after, move || Msg::Timer(seat, generation, timer));
                }
                Action::Forget(seat) => self.forget(seat),
                Action::Tell(seat, news) => {
                    touched.push(seat);
                    self.tell(seat, news);
                }
                Action::Up => {
                    self.up.take().map(|up| up.send(Ok(())));
                }
                Action::End(outcome) => self.end(outcome),
            }
        }
        self.show(&touched);
    }

    fn start(&mut self, seat: Seat, generation: u64) {
        let child = self.seated.get_mut(&seat).expect("what is started is listed");
        let path = child.slot.path().to_owned();
        child.wish = watch::Sender::new(Wish::Live);
        let context = StartContext {
            supervisor: self.myself.get_cell(),
            path: path.clone(),
            generation,
            restarts: self.policy.view(seat).map_or(0, |view| view.restarts),
            tree: self.tree.clone(),
        };
        let report = Reporter {
            supervisor: self.myself.clone(),
            seat,
            generation,
            actor: None,
            error: Some(StartError::new(path, "its start panicked or lost its runtime")),
        };
        let (spec, wish) = (child.spec.clone(), child.wish.subscribe());
        let runtime = spec.on.clone().unwrap_or_else(Handle::current);
        runtime.spawn(attend(spec, context, wish, report, self.share.clone()));
    }

    fn wish(&self, seat: Seat, wish: Wish) {
        if let Some(child) = self.seated.get(&seat) {
            child.wish.send_replace(wish);
        }
    }

    fn forget(&mut self, seat: Seat) {
        if let Some(Seated { slot, .. }) = self.seated.remove(&seat) {
            let path = slot.path().to_owned();
            drop(slot);
            self.tree.directory.forget(&path);
        }
        for reply in self.removing.remove(&seat).unwrap_or_default() {
            reply.send(Ok(())).ok();
        }
        self.adding.remove(&seat).map(|reply| reply.send(Err(RequestError::NotFound)));
    }

    fn tell(&mut self, seat: Seat, news: News) {
        let answer = match &news {
            News::Started { .. } => Some(Ok(())),
            News::StartFailed { error } if !error.injected => Some(Err(error.clone().into())),
            News::StartFailed { .. }
            | News::Exited { .. }
            | News::BranchDown { .. }
            | News::BranchUp
            | News::GaveUp { .. }
            | News::Removed => None,
        };
        if let Some(answer) = answer {
            self.adding.remove(&seat).map(|reply| reply.send(answer));
        }
        if let Some(child) = self.seated.get(&seat) {
            let path = child.slot.path().to_owned();
            let (kind, at_ms) = (child.spec.kind(), (self.tree.wall)());
            (self.tree.observer)(&SupervisionNotice { path, kind, at_ms, news });
        }
    }

    fn end(&mut self, outcome: Outcome) {
        let (exit, error) = match outcome {
            Outcome::Stopped => (
                Exit::Normal("asked to stop".to_owned()),
                StartError::new(&self.path, "stopped while starting"),
            ),
            Outcome::StartFailed(error) => (Exit::Failed(error.to_string()), error),
            Outcome::GaveUp(seat, why) => {
                let child = self.seated.get(&seat).expect("who used up the budget is listed");
                let path = child.slot.path().to_owned();
                let error = StartError::new(&path, &why);
                (Exit::GaveUp(GaveUp { path, why }), error)
            }
        };
        self.tree.directory.slot(&self.path).announce(self.myself.get_id(), exit);
        self.up.take().map(|up| up.send(Err(error)));
        self.myself.stop(None);
    }

    fn show(&mut self, seats: &[Seat]) {
        let now = (self.tree.wall)();
        for seat in seats {
            if let (Some(child), Some(view)) = (self.seated.get(seat), self.policy.view(*seat)) {
                child.slot.show(seat.0, child.spec.kind(), view, now);
            }
        }
    }
}

/// Starts a supervisor under its parent; it is ready when all below it is up.
pub(crate) async fn start(
    spec: Arc<SupervisorSpec>,
    context: StartContext,
) -> Result<Started, StartError> {
    spawn(spec, context.path, context.tree, Some(context.supervisor)).await
}

pub(crate) async fn spawn(
    spec: Arc<SupervisorSpec>,
    path: String,
    tree: Tree,
    parent: Option<ActorCell>,
) -> Result<Started, StartError> {
    let (share, mut shares) = mpsc::channel::<Infallible>(1);
    let (up, ready) = oneshot::channel();
    let arguments = Arguments { spec, path: path.clone(), tree: tree.clone(), up, share };
    let spawned = match parent {
        Some(parent) => Supervisor::spawn_linked(None, Supervisor, arguments, parent).await,
        None => Supervisor::spawn(None, Supervisor, arguments).await,
    };
    let (actor, task) = spawned.map_err(|error| StartError::of(&path, &error))?;
    let lost = StartError::new(&path, "ended while starting");
    Ok(Started {
        cell: actor.get_cell(),
        ready: Some(Box::pin(async move { ready.await.unwrap_or(Err(lost)) })),
        gone: Box::pin(async move {
            // However the task ended: it has.
            drop(task.await);
            // Ends when the state is dropped and the last child, at any depth, is gone.
            while shares.recv().await.is_some() {}
            tree.directory.vacate_below(&path);
        }),
    })
}

/// Asks a supervisor for changes at run time. Stays valid when the supervisor is replaced; its
/// children added by request do not come back then.
///
/// Not to be awaited by a child while it starts: its supervisor may be waiting for it.
#[derive(Clone, Debug)]
pub struct SupervisorRef {
    slot: Arc<Slot>,
}

impl SupervisorRef {
    pub(crate) fn new(slot: Arc<Slot>) -> SupervisorRef {
        SupervisorRef { slot }
    }

    /// Adds a child at the end of the order; returns when it is up.
    ///
    /// # Errors
    /// The spec is wrong, the id is taken, the start failed (the child is then not listed), or
    /// there is no supervisor.
    pub async fn add(&self, spec: impl Into<ChildSpec>) -> Result<(), RequestError> {
        let spec = spec.into();
        self.ask(|reply| Msg::Add(spec, reply)).await
    }

    /// Stops a child by its own rule and lists it no more; returns when it is gone.
    ///
    /// # Errors
    /// There is no such child or no supervisor.
    pub async fn remove(&self, id: &str) -> Result<(), RequestError> {
        self.ask(|reply| Msg::Remove(id.to_owned(), reply)).await
    }

    /// Starts a child now that waits for its delay or whose branch is down.
    ///
    /// # Errors
    /// There is no such child or no supervisor.
    pub async fn retry(&self, id: &str) -> Result<(), RequestError> {
        self.ask(|reply| Msg::Retry(id.to_owned(), reply)).await
    }

    async fn ask(&self, message: impl FnOnce(Reply) -> Msg) -> Result<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        self.slot.send(message(reply)).map_err(|_| RequestError::NotRunning)?;
        answer.await.unwrap_or(Err(RequestError::NotRunning))
    }
}

#[cfg(test)]
mod tests;
