//! Requests to a supervisor at run time. A request uses no budget and affects no other child.

use super::super::event::{Action, RequestError, Seat};
use super::super::rules::{Rules, Strategy};
use super::{Asked, Mode, Phase, Policy};
use std::sync::Arc;
use std::time::Duration;

type Asks<T> = Result<T, RequestError>;

impl Policy {
    /// Lists another child at the end of the order and starts it.
    ///
    /// # Errors
    /// The id is taken, the supervisor is a pool, or it is stopping.
    pub fn add(&mut self, id: Arc<str>, rules: Rules, now: Duration) -> Asks<(Seat, Vec<Action>)> {
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

    /// Lists another child of a pool, with an id made from `of`, and starts it.
    ///
    /// # Errors
    /// The supervisor is not a pool, or it is stopping.
    pub fn add_to_pool(
        &mut self,
        of: &str,
        rules: Rules,
        now: Duration,
    ) -> Asks<(Seat, Arc<str>, Vec<Action>)> {
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
        self.child(seat).asked = Asked::Add;
        self.put(seat, Phase::Requested);
        (seat, self.advance(now))
    }

    /// Stops the child by its own rule and cancels a due restart. The child stays listed, unless it
    /// is temporary or in a pool. The action `Ended` reports completion.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn terminate(&mut self, seat: Seat, now: Duration) -> Asks<Vec<Action>> {
        self.end_of(seat, Asked::Terminate, now)
    }

    /// As [`Policy::terminate`], and removes the child from the list. The action `Forget` reports
    /// completion.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn remove(&mut self, seat: Seat, now: Duration) -> Asks<Vec<Action>> {
        self.end_of(seat, Asked::Remove, now)
    }

    fn end_of(&mut self, seat: Seat, asked: Asked, now: Duration) -> Asks<Vec<Action>> {
        self.serving()?;
        let child = self.children.get_mut(&seat).ok_or(RequestError::NotFound)?;
        if child.asked != Asked::Remove {
            child.asked = asked;
        }
        match child.phase {
            Phase::Down | Phase::Requested | Phase::Queued | Phase::Waiting => self.ended(seat),
            Phase::Starting | Phase::Running | Phase::Stopping => self.ask_to_stop(seat, now),
        }
        Ok(self.advance(now))
    }

    /// Starts a child that has no instance and is not due for a start.
    ///
    /// # Errors
    /// It has an instance or is due for one, there is no such child, or the supervisor is stopping.
    pub fn restart(&mut self, id: &str, now: Duration) -> Asks<(Seat, Vec<Action>)> {
        let seat = self.without_instance(id)?;
        self.child(seat).asked = Asked::Restart;
        self.put(seat, Phase::Requested);
        Ok((seat, self.advance(now)))
    }

    /// Removes a child from the list that has no instance and is not due for a start.
    ///
    /// # Errors
    /// It has an instance or is due for one, there is no such child, or the supervisor is stopping.
    pub fn delete(&mut self, id: &str, now: Duration) -> Asks<Vec<Action>> {
        let seat = self.without_instance(id)?;
        self.forget(seat);
        Ok(self.advance(now))
    }

    fn without_instance(&self, id: &str) -> Asks<Seat> {
        let seat = self.find(id)?;
        match self.children[&seat].phase {
            Phase::Down => Ok(seat),
            Phase::Running | Phase::Stopping => Err(RequestError::Running),
            Phase::Requested | Phase::Queued | Phase::Waiting | Phase::Starting => {
                Err(RequestError::Restarting)
            }
        }
    }

    /// Immediately starts a child that waits for its delay. Nothing else changes.
    ///
    /// # Errors
    /// There is no such child, or the supervisor is stopping.
    pub fn retry(&mut self, id: &str, now: Duration) -> Asks<Vec<Action>> {
        let seat = self.find(id)?;
        if self.child(seat).phase == Phase::Waiting {
            self.put(seat, Phase::Queued);
        }
        Ok(self.advance(now))
    }

    /// Replaces the list. New rules of listed children apply from their next start on. New children
    /// are listed at the end without an instance. Children missing from `children` stay until they
    /// are deleted. Returns the seats in the order of `children`.
    ///
    /// # Errors
    /// The supervisor is a pool, or it is stopping.
    pub fn replace(&mut self, children: &[(Arc<str>, Rules)]) -> Asks<Vec<Seat>> {
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

    /// Replaces the rules of a pool's template. They apply to each child from its next start on.
    ///
    /// # Errors
    /// The supervisor is not a pool, or it is stopping.
    pub fn replace_template(&mut self, rules: Rules) -> Asks<()> {
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
    /// There is no such child, the supervisor is a pool, or it is stopping.
    pub fn find(&self, id: &str) -> Asks<Seat> {
        self.by_id()?;
        self.seats.get(id).copied().ok_or(RequestError::NotFound)
    }

    fn by_id(&self) -> Asks<()> {
        self.serving()?;
        match self.settings.strategy {
            Strategy::Pool => Err(RequestError::Pool),
            Strategy::OneForOne
            | Strategy::RestForOne
            | Strategy::OneForAll
            | Strategy::Dynamic => Ok(()),
        }
    }

    pub(super) fn serving(&self) -> Asks<()> {
        match self.mode {
            Mode::Booting | Mode::Running => Ok(()),
            Mode::Ending(_) | Mode::Ended => Err(RequestError::NotRunning),
        }
    }
}
