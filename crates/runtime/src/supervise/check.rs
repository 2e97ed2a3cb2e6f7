//! Checks a spec before anything is started.

use super::rules::{AutoShutdown, OnGiveUp, Restart, Settings, Shutdown, SpecError, Strategy};
use super::spec::{Body, ChildSpec, SupervisorSpec};
use std::collections::BTreeSet;
use std::time::Duration;

impl SupervisorSpec {
    /// Checks this supervisor and all children below it.
    ///
    /// # Errors
    /// The first error found.
    pub fn check(&self) -> Result<(), SpecError> {
        check_id(&self.id)?;
        if self.settings.period.is_zero() {
            return Err(SpecError::ZeroPeriod(self.id.to_string()));
        }
        let pool = self.settings.strategy == Strategy::Pool;
        if pool && self.settings.auto_shutdown != AutoShutdown::Never {
            return Err(SpecError::PoolWithAutoShutdown(self.id.to_string()));
        }
        check_list(&self.id, &self.settings, &self.children)
    }
}

/// Checks the children of the supervisor with this id and these settings.
pub(crate) fn check_list(
    of: &str,
    settings: &Settings,
    children: &[ChildSpec],
) -> Result<(), SpecError> {
    if settings.strategy == Strategy::Pool {
        let [ChildSpec { body: Body::Template(_), .. }] = children else {
            return Err(SpecError::NotOneTemplate(of.to_owned()));
        };
    }
    let mut ids = BTreeSet::new();
    for child in children {
        child.check(settings)?;
        if !ids.insert(&child.id) {
            return Err(SpecError::TwiceTheSame(child.id.to_string()));
        }
    }
    Ok(())
}

impl ChildSpec {
    /// Checks it as a child under a supervisor of these settings, and all children below it.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), SpecError> {
        check_id(&self.id)?;
        let id = || self.id.to_string();
        let zero = self.rules.start_limit.is_zero()
            || self.rules.shutdown == Shutdown::Timed(Duration::ZERO)
            || self.rules.on_give_up == OnGiveUp::Degrade { retry: Duration::ZERO };
        if zero {
            return Err(SpecError::ZeroLimit(id()));
        }
        if self.rules.significant && settings.auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::SignificantForNothing(id()));
        }
        if self.rules.significant && self.rules.restart == Restart::Permanent {
            return Err(SpecError::SignificantPermanent(id()));
        }
        match &self.body {
            Body::Worker(_) | Body::Spent(_) => Ok(()),
            Body::Supervisor(spec) => spec.check(),
            Body::Template(_) if settings.strategy == Strategy::Pool => Ok(()),
            Body::Template(_) => Err(SpecError::TemplateOutsidePool(id())),
        }
    }
}

fn check_id(id: &str) -> Result<(), SpecError> {
    if id.is_empty() || id.contains('/') {
        return Err(SpecError::BadId(id.to_owned()));
    }
    Ok(())
}
