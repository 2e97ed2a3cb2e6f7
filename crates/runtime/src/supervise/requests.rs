//! Requests to a supervisor at run time, and its responses.

use super::check::check_list;
use super::event::{Action, RequestError, Seat, State};
use super::exit::StartError;
use super::requested_child::Child;
use super::rules::{Kind, Rules, SpecError, Strategy};
use super::slot::{Directory, Slot};
use super::spec::{ChildSpec, Extra};
use super::supervisor::{Msg, Reply, Seated, SupervisorState};
use ractor::ActorCell;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A listed child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its id.
    pub id: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// Its state.
    pub state: State,
    /// Its current instance.
    pub cell: Option<ActorCell>,
    /// Its rules with defaults. If they were replaced, those of its next start.
    pub rules: Rules,
}

/// Numbers of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Listed specs. A pool counts only its template.
    pub specs: usize,
    /// Children that are up.
    pub active: usize,
    /// Children that are supervisors, up or not.
    pub supervisors: usize,
    /// Children that are workers, up or not.
    pub workers: usize,
}

/// Requests changes from a supervisor at run time. It stays valid when the supervisor is replaced,
/// but children added by request are then lost. Requests use no restart budget.
///
/// A child must not await a request while it starts: its supervisor may be waiting for the child.
///
/// # Errors
/// All requests return [`RequestError::NotRunning`] if there is no supervisor or it is stopping.
/// Requests with an id return [`RequestError::NotFound`] if the id is not listed, and
/// [`RequestError::Pool`] for a pool.
#[derive(Clone, Debug)]
pub struct SupervisorRef {
    slot: Arc<Slot>,
}

#[expect(clippy::missing_errors_doc, reason = "the type says what all have in common")]
impl SupervisorRef {
    fn new(slot: Arc<Slot>) -> SupervisorRef {
        SupervisorRef { slot }
    }

    /// Adds a child at the end of the order; returns when it is up. [`RequestError::Spec`]: the
    /// spec is invalid. [`RequestError::AlreadyStarted`], [`RequestError::AlreadyPresent`]: the id
    /// is taken. [`RequestError::Start`]: the start failed, and the child is not listed.
    pub async fn add(&self, spec: impl Into<ChildSpec>) -> Result<Child, RequestError> {
        let spec = spec.into();
        self.ask(|state, reply| state.add(spec, reply)).await
    }

    /// Starts a child of a pool from its template with these arguments; returns when it is up.
    /// [`RequestError::NoPool`]: the supervisor is not a pool. [`RequestError::Start`]: the start
    /// failed.
    pub async fn start(&self, arguments: impl Any + Send + Sync) -> Result<Child, RequestError> {
        let arguments = Arc::new(arguments);
        self.ask(|state, reply| state.add_to_pool(arguments, reply)).await
    }

    /// Stops a child by its own rule; returns when it has ended. It stays listed, unless it is
    /// temporary. A child without an instance is no longer restarted.
    pub async fn terminate(&self, id: &str) -> Result<(), RequestError> {
        let id = id.to_owned();
        self.ask(move |state, reply| {
            let seat = state.policy.find(&id);
            state.bring_down(seat, reply, |state, seat| state.policy.terminate(seat, state.now()));
        })
        .await
    }

    /// Stops a child of a pool by its own rule; returns when it has ended.
    pub async fn end(&self, child: &Child) -> Result<(), RequestError> {
        let (seat, of) = (child.seat, child.of);
        self.ask(move |state, reply| {
            let seat =
                if state.myself.get_id() == of { Ok(seat) } else { Err(RequestError::NotFound) };
            state.bring_down(seat, reply, |state, seat| state.policy.terminate(seat, state.now()));
        })
        .await
    }

    /// Stops a child by its own rule and removes it from the list; returns when it has ended.
    pub async fn remove(&self, id: &str) -> Result<(), RequestError> {
        let id = id.to_owned();
        self.ask(move |state, reply| {
            let seat = state.policy.find(&id);
            state.bring_down(seat, reply, |state, seat| state.policy.remove(seat, state.now()));
        })
        .await
    }

    /// Starts a listed child that has no instance; returns when it is up.
    /// [`RequestError::Running`], [`RequestError::Restarting`]: it has an instance or gets one
    /// automatically. [`RequestError::Start`]: the start failed, and the child stays listed without
    /// an instance.
    pub async fn restart(&self, id: &str) -> Result<Child, RequestError> {
        let id = id.to_owned();
        self.ask(move |state, reply| match state.policy.restart(&id, state.now()) {
            Ok((seat, actions)) => {
                state.rising.insert(seat, reply);
                state.perform(actions);
            }
            Err(error) => drop(reply.send(Err(error))),
        })
        .await
    }

    /// Removes a child without an instance from the list. [`RequestError::Running`],
    /// [`RequestError::Restarting`]: it has an instance or gets one automatically.
    pub async fn delete(&self, id: &str) -> Result<(), RequestError> {
        let id = id.to_owned();
        self.ask(move |state, reply| {
            let done = state.policy.delete(&id, state.now());
            reply.send(done.map(|actions| state.perform(actions))).ok();
        })
        .await
    }

    /// Immediately starts a child that waits for its delay or whose branch is stopped.
    pub async fn retry(&self, id: &str) -> Result<(), RequestError> {
        let id = id.to_owned();
        self.ask(move |state, reply| {
            let done = state.policy.retry(&id, state.now());
            reply.send(done.map(|actions| state.perform(actions))).ok();
        })
        .await
    }

    /// Sets the restart budget to `intensity` restarts within `period`, at least 1 ms. It holds
    /// until the supervisor is replaced. The successor uses the budget of its spec.
    pub async fn limit(&self, intensity: u32, period: Duration) -> Result<(), RequestError> {
        self.ask(move |state, reply| {
            state.policy.limit(intensity, period.max(Duration::from_millis(1)));
            state.show_window();
            drop(reply.send(Ok(())));
        })
        .await
    }

    /// Replaces the list of specs. A changed spec takes effect at the next start of its child.
    /// Running children keep running. Children without a new spec stay until they are deleted. New
    /// children are listed at the end and not started. For a pool it replaces the template, which
    /// must take the arguments of the current children. [`RequestError::Spec`]: a spec is invalid,
    /// and nothing has changed.
    pub async fn replace(&self, specs: Vec<ChildSpec>) -> Result<(), RequestError> {
        self.ask(move |state, reply| drop(reply.send(state.replace(specs)))).await
    }

    /// The listed children, in the order of their start.
    pub async fn which(&self) -> Result<Vec<ChildInfo>, RequestError> {
        self.ask(|state, reply| {
            let listed = state.policy.list().filter_map(|(seat, _)| state.info(seat));
            drop(reply.send(Ok(listed.collect())));
        })
        .await
    }

    /// Whether the supervisor responds. It responds after it has handled earlier requests.
    pub async fn answers(&self) -> bool {
        self.ask(|_, reply| drop(reply.send(Ok(())))).await.is_ok()
    }

    /// Numbers of children.
    pub async fn count(&self) -> Result<Count, RequestError> {
        self.ask(|state, reply| drop(reply.send(Ok(state.count())))).await
    }

    /// One listed child.
    pub async fn child(&self, id: &str) -> Result<ChildInfo, RequestError> {
        let id = id.to_owned();
        self.ask(move |state, reply| {
            let found = state.policy.find(&id);
            let info = found.and_then(|seat| state.info(seat).ok_or(RequestError::NotFound));
            drop(reply.send(info));
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut SupervisorState, Reply<T>) + Send + 'static,
    ) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        let message = Msg::Ask(Box::new(move |state| ask(state, reply)));
        self.slot.send(message).map_err(|_| RequestError::NotRunning)?;
        answer.await.unwrap_or(Err(RequestError::NotRunning))
    }
}

impl Directory {
    /// The supervisor at `path`, for requests.
    pub fn supervisor(&self, path: &str) -> SupervisorRef {
        SupervisorRef::new(self.slot(path))
    }
}

impl SupervisorState {
    fn add(&mut self, spec: ChildSpec, reply: Reply<Child>) {
        let checked = spec.check(&self.settings).map_err(RequestError::from);
        let added = checked
            .and_then(|()| self.policy.add(Arc::clone(&spec.id), spec.rules, self.now()))
            .map_err(|error| self.with_handle(error, &spec.id));
        match added {
            Ok((seat, actions)) => self.rise(seat, (spec, None), reply, actions),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn add_to_pool(&mut self, arguments: Extra, reply: Reply<Child>) {
        let Some(template) = self.template.clone() else {
            drop(reply.send(Err(RequestError::NoPool)));
            return;
        };
        let Some(mut spec) = template.bind(Arc::clone(&arguments)) else {
            let why = "its template takes arguments of another type";
            let error = StartError::new(format!("{}/{}", self.path, template.id), why);
            drop(reply.send(Err(error.into())));
            return;
        };
        match self.policy.add_to_pool(&template.id, template.rules, self.now()) {
            Ok((seat, id, actions)) => {
                spec.id = id;
                self.rise(seat, (spec, Some(arguments)), reply, actions);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn rise(
        &mut self,
        seat: Seat,
        (spec, given): (ChildSpec, Option<Extra>),
        reply: Reply<Child>,
        actions: Vec<super::event::Action>,
    ) {
        let mut child = Seated::new(spec, &self.path, &self.tree);
        child.given = given;
        // In a pool, this slot may have belonged to another child.
        if let Some(past) = child.slot.past().filter(|_| self.template.is_none()) {
            self.policy.remember(seat, past);
        }
        self.seated.insert(seat, child);
        self.rising.insert(seat, reply);
        self.perform(actions);
        self.show(&[seat]);
    }

    /// Adds the handle to the error, because the policy knows no handles.
    fn with_handle(&self, error: RequestError, id: &str) -> RequestError {
        if error != RequestError::AlreadyStarted(None) {
            return error;
        }
        let seat = self.policy.find(id).ok().and_then(|seat| self.seated.get(&seat));
        RequestError::AlreadyStarted(seat.and_then(|child| child.slot.cell()))
    }

    fn bring_down(
        &mut self,
        seat: Result<Seat, RequestError>,
        reply: Reply<()>,
        how: impl FnOnce(&mut SupervisorState, Seat) -> Result<Vec<Action>, RequestError>,
    ) {
        match seat.and_then(|seat| how(self, seat).map(|actions| (seat, actions))) {
            Ok((seat, actions)) => {
                self.falling.entry(seat).or_default().push(reply);
                self.perform(actions);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn replace(&mut self, specs: Vec<ChildSpec>) -> Result<(), RequestError> {
        let of = self.path.rsplit('/').next().unwrap_or_default();
        check_list(of, &self.settings, &specs)?;
        if let (Strategy::Pool, Some(template)) = (self.settings.strategy, specs.first()) {
            return self.replace_template(template);
        }
        let list: Vec<_> = specs.iter().map(|spec| (Arc::clone(&spec.id), spec.rules)).collect();
        let seats = self.policy.replace(&list)?;
        for (seat, spec) in seats.iter().zip(specs) {
            if let Some(child) = self.seated.get_mut(seat) {
                let old = std::mem::replace(&mut child.spec, spec);
                self.discard(*seat, old);
            } else {
                self.seated.insert(*seat, Seated::new(spec, &self.path, &self.tree));
            }
        }
        self.show(&seats);
        Ok(())
    }

    fn replace_template(&mut self, template: &ChildSpec) -> Result<(), RequestError> {
        let mut changed = Vec::new();
        for (seat, child) in &self.seated {
            // A temporary child is never started again.
            let Some(given) = &child.given else { continue };
            let id = &child.spec.id;
            let other = || SpecError::OtherArguments(id.to_string());
            let spec = template.bind(Arc::clone(given)).ok_or_else(other)?;
            changed.push((*seat, ChildSpec { id: Arc::clone(id), ..spec }));
        }
        self.policy.replace_template(template.rules)?;
        for (seat, spec) in changed {
            let child = self.seated.get_mut(&seat);
            let old = child.map(|child| std::mem::replace(&mut child.spec, spec));
            self.discard(seat, old);
        }
        self.template = Some(template.clone());
        Ok(())
    }

    fn info(&self, seat: Seat) -> Option<ChildInfo> {
        let child = self.seated.get(&seat)?;
        Some(ChildInfo {
            id: child.spec.id.to_string(),
            kind: child.spec.kind(),
            state: self.policy.view(seat)?.state,
            cell: child.slot.cell(),
            rules: *self.policy.rules(seat)?,
        })
    }

    fn count(&self) -> Count {
        let listed = || self.policy.list().filter_map(|(seat, _)| self.info(seat));
        let supervisors = listed().filter(|child| child.kind == Kind::Supervisor).count();
        let all = listed().count();
        let up = |child: &ChildInfo| matches!(child.state, State::Running | State::Stopping);
        Count {
            specs: self.template.as_ref().map_or(all, |_| 1),
            active: listed().filter(up).count(),
            supervisors,
            workers: all - supervisors,
        }
    }
}
