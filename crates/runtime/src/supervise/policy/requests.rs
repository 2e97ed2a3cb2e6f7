//! Requests to a supervisor at run time. A request costs no budget and touches no other child.

use super::super::event::{Action, RequestError, Seat};
use super::super::rules::{Rules, Strategy};
use super::{Mode, Phase, Policy, Request};
use std::sync::Arc;
use std::time::Duration;

type RequestResult<T> = Result<T, RequestError>;

impl Policy {
    /// Adds a child at the end of the order and starts it.
    ///
    /// # Errors
    /// The id is taken, the supervisor is a pool, or it is stopping.
    pub fn add(
        &mut self,
        id: Arc<str>,
        rules: Rules,
        now: Duration,
    ) -> RequestResult<(Seat, Vec<Action>)> {
        self.by_id()?;
        match self.seats.get(&id).map(|seat| self.children[seat].phase) {
            None => {}
            Some(Phase::Running | Phase::Stopping) => {
                return Err(RequestError::AlreadyStarted(None));
            }
            Some(
                Phase::Down | Phase::Requested | Phase::Queued | Phase::Waiting | Phase::Starting,
            ) => return Err(RequestError::AlreadyPresent),
        }
        Ok(self.newcomer(id, rules, now))
    }

    /// Adds a child to a pool, under an id made from `of`, and starts it.
    ///
    /// # Errors
    /// It is no pool, or it is stopping.
    pub fn add_to_pool(
        &mut self,
        of: &str,
        rules: Rules,
        now: Duration,
    ) -> RequestResult<(Seat, Arc<str>, Vec<Action>)> {
        self.serving()?;
        if self.settings.strategy != Strategy::Pool {
            return Err(RequestError::NoPool);
        }
        let id: Arc<str> = format!("{of}-{}", self.next + 1).into();
        let (seat, actions) = self.newcomer(Arc::clone(&id), rules, now);
        Ok((seat, id, actions))
    }

    fn newcomer(&mut self, id: Arc<str>, rules: Rules, now: Duration) -> (Seat, Vec<Action>) {
        let seat = self.seat(id, rules);
        self.child(seat).request = Request::Add;
        self.put(seat, Phase::Requested);
        (seat, self.advance(now))
    }

    /// Stops the child by its own rule. It stays listed, unless it is temporary or of a pool.
    /// `Ended` reports the completion. A planned restart is cancelled.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn terminate(&mut self, seat: Seat, now: Duration) -> RequestResult<Vec<Action>> {
        self.end_of(seat, Request::Terminate, now)
    }

    /// Stops the child and takes it off the list. `Forget` reports the completion.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn remove(&mut self, seat: Seat, now: Duration) -> RequestResult<Vec<Action>> {
        self.end_of(seat, Request::Remove, now)
    }

    fn end_of(
        &mut self,
        seat: Seat,
        request: Request,
        now: Duration,
    ) -> RequestResult<Vec<Action>> {
        self.serving()?;
        let child = self.children.get_mut(&seat).ok_or(RequestError::NotFound)?;
        if child.request != Request::Remove {
            child.request = request;
        }
        match child.phase {
            Phase::Down | Phase::Requested | Phase::Queued | Phase::Waiting => self.ended(seat),
            Phase::Starting | Phase::Running | Phase::Stopping => self.request_stop(seat, now),
        }
        Ok(self.advance(now))
    }

    /// Starts a child that has no instance and no planned start.
    ///
    /// # Errors
    /// It has an instance or a planned start, there is no such child, or the supervisor is
    /// stopping.
    pub fn restart(&mut self, id: &str, now: Duration) -> RequestResult<(Seat, Vec<Action>)> {
        let seat = self.without_instance(id)?;
        self.child(seat).request = Request::Restart;
        self.put(seat, Phase::Requested);
        Ok((seat, self.advance(now)))
    }

    /// Takes a child off the list that has no instance and no planned start.
    ///
    /// # Errors
    /// It has an instance or a planned start, there is no such child, or the supervisor is
    /// stopping.
    pub fn delete(&mut self, id: &str, now: Duration) -> RequestResult<Vec<Action>> {
        let seat = self.without_instance(id)?;
        self.forget(seat);
        Ok(self.advance(now))
    }

    fn without_instance(&self, id: &str) -> RequestResult<Seat> {
        let seat = self.find(id)?;
        match self.children[&seat].phase {
            Phase::Down => Ok(seat),
            Phase::Running | Phase::Stopping => Err(RequestError::Running),
            Phase::Requested | Phase::Queued | Phase::Waiting | Phase::Starting => {
                Err(RequestError::Restarting)
            }
        }
    }

    /// Starts a child immediately that waits for its delay. Nothing else changes.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn retry(&mut self, id: &str, now: Duration) -> RequestResult<Vec<Action>> {
        let seat = self.find(id)?;
        if self.child(seat).phase == Phase::Waiting {
            self.put(seat, Phase::Queued);
        }
        Ok(self.advance(now))
    }

    /// Replaces the list. New rules of listed children apply from their next start on. New children
    /// are listed at the end without an instance. Missing children stay until they are deleted.
    /// Returns the seats in the order of `children`.
    ///
    /// # Errors
    /// It is a pool, or it is stopping.
    pub fn replace(&mut self, children: &[(Arc<str>, Rules)]) -> RequestResult<Vec<Seat>> {
        self.by_id()?;
        let seats = children.iter().map(|(id, rules)| match self.seats.get(id).copied() {
            Some(seat) => {
                self.child(seat).next_rules = Some(*rules);
                seat
            }
            None => self.seat(Arc::clone(id), *rules),
        });
        Ok(seats.collect())
    }

    /// Replaces the rules of the template of a pool. They apply to each child from its next start
    /// on.
    ///
    /// # Errors
    /// It is no pool, or it is stopping.
    pub fn replace_template(&mut self, rules: Rules) -> RequestResult<()> {
        self.serving()?;
        if self.settings.strategy != Strategy::Pool {
            return Err(RequestError::NoPool);
        }
        self.children.values_mut().for_each(|child| child.next_rules = Some(rules));
        Ok(())
    }

    /// The seat of a child.
    ///
    /// # Errors
    /// There is no such child, it is a pool, or the supervisor is stopping.
    pub fn find(&self, id: &str) -> RequestResult<Seat> {
        self.by_id()?;
        self.seats.get(id).copied().ok_or(RequestError::NotFound)
    }

    fn by_id(&self) -> RequestResult<()> {
        self.serving()?;
        match self.settings.strategy {
            Strategy::Pool => Err(RequestError::Pool),
            Strategy::OneForOne
            | Strategy::RestForOne
            | Strategy::OneForAll
            | Strategy::Dynamic => Ok(()),
        }
    }

    pub(super) fn serving(&self) -> RequestResult<()> {
        match self.mode {
            Mode::Booting | Mode::Running => Ok(()),
            Mode::Ending(_) | Mode::Ended => Err(RequestError::NotRunning),
        }
    }
}
