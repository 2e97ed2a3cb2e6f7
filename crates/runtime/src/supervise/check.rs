//! What is wrong with a spec, told before anything is started.

use super::spec::{
    AutoShutdown, Body, ChildSpec, OnGiveUp, Restart, Settings, Shutdown, Strategy, SupervisorSpec,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// Why a spec is refused before anything is started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// An id is empty or has a slash, which separates the parts of a path.
    #[error("{0:?} is not an id: it must not be empty nor have a '/'")]
    BadId(String),
    /// Two children of one supervisor have this id.
    #[error("two children are called {0:?}")]
    TwiceTheSame(String),
    /// This supervisor has a period of zero.
    #[error("{0:?} has a period of zero")]
    ZeroPeriod(String),
    /// This child would be killed or called too slow at once, or retried without a pause.
    #[error("{0:?} has a time limit of zero")]
    ZeroLimit(String),
    /// This child is significant, and its supervisor never stops by itself.
    #[error("{0:?} is significant, but its supervisor has no auto-shutdown")]
    SignificantForNothing(String),
    /// This child is significant, and never ends for good.
    #[error("{0:?} is significant, but permanent: it never ends for good")]
    SignificantPermanent(String),
    /// This pool is to stop by itself, and nothing in it can be significant.
    #[error("{0:?} is a pool, which has no auto-shutdown")]
    PoolWithAutoShutdown(String),
    /// This pool has none or several templates, or another kind of child.
    #[error("{0:?} is a pool, which has one template and no other child")]
    NotOneTemplate(String),
    /// This is a template, and its supervisor no pool.
    #[error("{0:?} is a template, which only a pool has")]
    TemplateOutsidePool(String),
    /// This child of a pool was started with arguments its new template does not take.
    #[error("{0:?} was started with arguments of another type than the new template takes")]
    OtherArguments(String),
}

impl SupervisorSpec {
    /// Checks this supervisor and all below.
    ///
    /// # Errors
    /// The first thing that is wrong.
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

/// Checks the children of the supervisor of this id and these settings.
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
    /// Checks it under a supervisor of these settings, and all below it.
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
