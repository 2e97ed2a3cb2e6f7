//! Signals of external programs, for the kinds that take them.
//!
//! Such a signal passes without the rules 1 and 2 of a stage: the decision declines what is held
//! already, or not held, so that the sender learns the outcome. Rules 3 and 4 apply.

use super::{State, Strategy, StrategyStage};
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::signal::Intent;

impl<S: Strategy> StrategyStage<S> {
    /// Applies a signal of an external program.
    pub(super) fn external(&mut self, given: &ExternalSignal) {
        let State { section, lines, off, .. } = &mut self.state;
        let line = lines.entry(given.symbol);
        let Some(section) = line.kept.as_ref().or(section.as_ref()) else { return };
        let Some((head, signal)) = S::external(section, &mut line.memory, given) else { return };
        let enters = match signal.intent {
            Intent::Open | Intent::Add => true,
            Intent::Reduce | Intent::Close => false,
        };
        if enters && (*off || line.kept.is_some()) {
            return;
        }
        let mut signal = signal.of(self.id, head);
        signal.terms.id = Some(given.id.clone());
        self.signals.push(signal);
    }
}
