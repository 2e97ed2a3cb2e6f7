//! The comparison of a venue, from the parts that its adapter has.

use super::walk::{Base, EventOf, Step, Walker, walked};
use super::wire::{Scrub, Wire};
use super::{Conformance, Expectation, Report, Task, WalkError, Walking};
use crate::address::Address;
use std::fmt;

/// What an adapter has for the walks over its venue.
pub trait Course: Send + Sync + 'static {
    /// The state of a walk.
    type Walk: Walker;

    /// The steps, and those of the end. The first step shows whether the venue responds.
    const STEPS: [&'static [Step<Self::Walk>]; 2];

    /// Finds the event of the account in a message of a stream.
    const EVENT_OF: EventOf;

    /// Every address of the venue, as configured.
    fn addresses(&self) -> Vec<&str>;

    /// The addresses of requests among them.
    fn bases(&self) -> Vec<&str>;

    /// Addresses of the venue without real money.
    fn without_money(&self) -> Vec<String>;

    /// Removes secrets from the messages of a walk over this symbol.
    fn scrub(&self, symbol: &str) -> Scrub;

    /// Begins a walk.
    fn begin(&self, base: Base) -> Self::Walk;
}

/// The comparison of the venue of a course.
pub struct Compared<C>(pub C);

impl<C: Course> fmt::Debug for Compared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Compared").field(&self.0.addresses()).finish()
    }
}

impl<C: Course> Conformance for Compared<C> {
    fn is_test_money(&self) -> Result<(), String> {
        let usual = self.0.without_money();
        let hosts = usual.iter().filter_map(|url| Address::read(url).ok());
        let known: Vec<&str> = hosts.map(|address| address.host).collect();
        for url in self.0.addresses() {
            let address = Address::read(url)?;
            if !address.is_loopback() && !known.contains(&address.host) {
                return Err(format!("{url} may lead to real money"));
            }
        }
        Ok(())
    }

    fn steps(&self) -> Vec<Expectation> {
        C::STEPS.iter().flat_map(|steps| steps.iter()).map(|step| step.expectation).collect()
    }

    fn walk<'a>(&'a self, task: Task<'a>) -> Walking<'a> {
        Box::pin(self.walked(task))
    }
}

impl<C: Course> Compared<C> {
    async fn walked(&self, task: Task<'_>) -> Result<Report, WalkError> {
        let Task { head, symbol, answers, patience, now, stop, on_step } = task;
        let scrub = self.0.scrub(&head.symbol);
        let wire = Wire::new(answers, &head, (&self.0.bases(), now, scrub), stop);
        let wire = wire.map_err(WalkError::Record)?;
        let walk = self.0.begin(Base::new((wire, head, symbol), patience, C::EVENT_OF));
        walked(walk, C::STEPS, on_step).await
    }
}
