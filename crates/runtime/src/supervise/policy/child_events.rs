//! Applies events to one child.

use super::super::event::{Action, Announcement, Outcome, Seat, Timer};
use super::super::exit::{Exit, StartError};
use super::super::rules::{AutoShutdown, OnGiveUp, Restart, Shutdown, Strategy};
use super::{Asked, Mode, Phase, Policy};
use std::time::Duration;

impl Policy {
    pub(super) fn started(&mut self, seat: Seat, now: Duration) {
        let child = self.child(seat);
        child.up_since = now;
        if child.phase != Phase::Starting {
            return;
        }
        child.ups += 1;
        child.asked = Asked::Nothing;
        let (restarts, degraded) = (child.earlier + child.ups - 1, child.degraded);
        let healthy = child.rules.backoff.healthy;
        self.put(seat, Phase::Running);
        self.announce(seat, Announcement::Started { restarts });
        if degraded {
            self.arm(seat, Timer::Healthy, healthy);
        }
    }

    /// Handles a start that found nothing to do.
    pub(super) fn ignored(&mut self, seat: Seat) {
        if self.is_asked(seat) {
            return self.stopped(seat);
        }
        self.announce(seat, Announcement::Ignored);
        self.lift(seat);
        self.child(seat).asked = Asked::Nothing;
        let spent = self.child(seat).rules.restart == Restart::Temporary;
        if spent || self.settings.strategy == Strategy::Pool {
            self.forget(seat);
        } else {
            self.put(seat, Phase::Down);
        }
    }

    pub(super) fn start_failed(&mut self, seat: Seat, error: StartError, now: Duration) {
        if self.is_asked(seat) {
            return self.stopped(seat);
        }
        self.announce(seat, Announcement::StartFailed { error: error.clone() });
        let child = self.child(seat);
        let (first, asked) = (child.ups == 0 && !child.degraded, child.asked);
        child.last_failure = Some(error.why.clone());
        if error.injected {
            child.injected += 1;
        }
        match asked {
            Asked::Add | Asked::Restart if error.injected => self.put(seat, Phase::Requested),
            Asked::Add => self.forget(seat),
            Asked::Restart => {
                self.child(seat).asked = Asked::Nothing;
                self.put(seat, Phase::Down);
            }
            Asked::Nothing | Asked::Terminate | Asked::Remove if error.injected => {
                let delay = self.child(seat).rules.backoff.first;
                self.schedule_restart(seat, delay);
            }
            Asked::Nothing | Asked::Terminate | Asked::Remove => {
                if first && self.mode == Mode::Booting {
                    self.put(seat, Phase::Down);
                    self.end(Outcome::StartFailed(error));
                } else {
                    self.restart_or_give_up(seat, error.why, now);
                }
            }
        }
    }

    pub(super) fn exited(&mut self, seat: Seat, exit: Exit, now: Duration) {
        let asked = self.is_asked(seat);
        let child = self.child(seat);
        let uptime = now.saturating_sub(child.up_since);
        let (rules, restarts) = (child.rules, (child.earlier + child.ups).saturating_sub(1));
        if uptime >= rules.backoff.healthy {
            child.streak = 0;
        }
        if exit.is_injected() {
            child.injected += 1;
        }
        if !matches!(exit, Exit::Normal(_)) && !asked {
            child.last_failure = Some(exit.to_string());
        }
        let news = Announcement::Exited { exit: exit.clone(), uptime, restarts, asked };
        self.announce(seat, news);
        if asked {
            let as_wanted = rules.shutdown == Shutdown::Kill && exit == Exit::Killed;
            if !(as_wanted || exit.is_normal() || exit.is_injected()) {
                self.announce(seat, Announcement::StopFailed { exit });
            }
            return self.stopped(seat);
        }
        match (rules.restart, rules.on_give_up) {
            (Restart::Temporary, _) => self.done(seat),
            (Restart::Transient, _) if exit.is_normal() => self.done(seat),
            (Restart::Permanent | Restart::Transient, _) if exit.is_injected() => {
                self.schedule_restart(seat, Duration::ZERO);
            }
            (Restart::Permanent | Restart::Transient, OnGiveUp::Degrade { retry })
                if matches!(exit, Exit::GaveUp(_)) =>
            {
                self.degrade(seat, exit.to_string(), retry);
            }
            (Restart::Permanent | Restart::Transient, _) => {
                self.restart_or_give_up(seat, exit.to_string(), now);
            }
        }
    }

    /// Handles the permanent end of a child. If the child is significant, its supervisor may end
    /// too.
    fn done(&mut self, seat: Seat) {
        self.lift(seat);
        let child = self.child(seat);
        let (rules, id) = (child.rules, child.id.to_string());
        if rules.restart == Restart::Temporary || self.settings.strategy == Strategy::Pool {
            self.forget(seat);
        } else {
            self.put(seat, Phase::Down);
        }
        let ends = match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                let mut others = self.children.values();
                !others.any(|other| other.rules.significant && other.phase != Phase::Down)
            }
        };
        if rules.significant && ends {
            self.end(Outcome::Finished(id));
        }
    }

    /// Marks a branch that its supervisor had stopped as healthy.
    fn lift(&mut self, seat: Seat) {
        if std::mem::take(&mut self.child(seat).degraded) {
            self.announce(seat, Announcement::BranchUp);
        }
    }

    /// Whether a request or the restart of a sibling stopped the instance.
    fn is_asked(&self, seat: Seat) -> bool {
        self.children[&seat].phase == Phase::Stopping || self.is_swept(seat)
    }

    /// Handles the end of an instance that was requested to stop.
    fn stopped(&mut self, seat: Seat) {
        let child = self.child(seat);
        let (asked, restart) = (child.asked, child.rules.restart);
        match (asked, &self.mode) {
            (Asked::Terminate | Asked::Remove, _) => self.ended(seat),
            (Asked::Nothing | Asked::Add | Asked::Restart, Mode::Ending(_) | Mode::Ended) => {
                self.put(seat, Phase::Down);
            }
            (Asked::Nothing | Asked::Add | Asked::Restart, Mode::Booting | Mode::Running) => {
                if restart == Restart::Temporary {
                    self.forget(seat);
                } else {
                    self.put(seat, Phase::Queued);
                }
            }
        }
    }

    /// Completes a request: the child has no instance and none is started automatically.
    pub(super) fn ended(&mut self, seat: Seat) {
        let child = self.child(seat);
        let asked = std::mem::replace(&mut child.asked, Asked::Nothing);
        let spent = child.rules.restart == Restart::Temporary;
        self.put(seat, Phase::Down);
        self.out.push(Action::Ended(seat));
        if spent || asked == Asked::Remove || self.settings.strategy == Strategy::Pool {
            self.forget(seat);
        }
    }

    pub(super) fn timer(&mut self, seat: Seat, timer: Timer, now: Duration) {
        match (timer, self.child(seat).phase) {
            (Timer::StartLimit, Phase::Starting) => {
                self.out.push(Action::Stop(seat));
                self.arm_deadline(seat, now);
            }
            (Timer::StopDeadline, Phase::Starting | Phase::Running | Phase::Stopping) => {
                self.out.push(Action::Kill(seat));
            }
            (Timer::Retry, Phase::Waiting) => self.put(seat, Phase::Queued),
            (Timer::Healthy, Phase::Running) => self.lift(seat),
            (
                Timer::StartLimit | Timer::StopDeadline | Timer::Retry | Timer::Healthy,
                Phase::Down
                | Phase::Requested
                | Phase::Queued
                | Phase::Waiting
                | Phase::Starting
                | Phase::Running
                | Phase::Stopping,
            ) => {}
        }
    }
}
