//! What people may ask, whoever answers: the running daemon, or the files of one that is not
//! running.

use super::events::EventView;
use super::exit::{Exit, Failure};
use super::summary::{Period, SummaryView};
use super::views::{
    AdoptView, AdoptedView, AuditView, BarView, CheckView, ClearedView, EquityView, ExplainView,
    FillView, HealthView, LotView, OrderView, PositionView, QuarantineView, ReconcileView,
    ResolveView, ResolvedView, SignalView, StatusView, SymbolView, SymbolsChangeView, TradeView,
    ValueView, VerifyView,
};
use super::views::{ReloadView, ReloadsView, ReplayView, SwitchWord, SwitchedView, SwitchesView};
use crate::history::page::{Page, Paged};
use everwarm_domain::fact::Body;
use everwarm_domain::id::Symbol;
use everwarm_domain::quarantine::{Quarantine, Quarantines};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Effect, Fact};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Left};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Answers to the reading commands. Lists are ascending; with a limit they are the newest. An error
/// tells what to say and how the command ends.
#[expect(clippy::missing_errors_doc, reason = "the trait says it once")]
pub trait Desk: Send + Sync + 'static {
    /// One screen.
    fn status(&self) -> Result<StatusView, Failure>;
    /// Whether whoever supervises all answers; true where there is no process to ask.
    fn alive(&self) -> bool {
        true
    }
    /// The conditions of being ready.
    fn checks(&self) -> Vec<CheckView>;
    /// What is wrong, since when, and what to do.
    fn doctor(&self) -> Result<HealthView, Failure>;
    /// A page of orders by close time.
    fn orders_page(&self, page: Page) -> Result<Paged<OrderView>, Failure>;
    /// The newest of them.
    fn orders(&self, limit: Option<usize>) -> Result<Vec<OrderView>, Failure> {
        Ok(self.orders_page(limit.into())?.rows)
    }
    /// A page of fills in the order they were applied.
    fn fills_page(&self, page: Page) -> Result<Paged<FillView>, Failure>;
    /// The newest of them.
    fn fills(&self, limit: Option<usize>) -> Result<Vec<FillView>, Failure> {
        Ok(self.fills_page(limit.into())?.rows)
    }
    /// Positions of every symbol ever traded, by symbol.
    fn positions(&self) -> Result<Vec<PositionView>, Failure>;
    /// What each strategy holds, by symbol, then strategy.
    fn lots(&self) -> Result<Vec<LotView>, Failure>;
    /// A page of equity by close.
    fn equity_page(&self, page: Page) -> Result<Paged<EquityView>, Failure>;
    /// The newest of them.
    fn equity(&self, limit: Option<usize>) -> Result<Vec<EquityView>, Failure> {
        Ok(self.equity_page(limit.into())?.rows)
    }
    /// Trades from flat to flat, by opening time.
    fn trades(&self, limit: Option<usize>) -> Result<Vec<TradeView>, Failure>;
    /// What happened lately, oldest first; nothing where no process runs.
    fn events(&self, _limit: usize) -> Vec<EventView> {
        Vec::new()
    }
    /// What time it is at the venue; none where no process runs.
    fn venue_time(&self) -> Option<UtcMs> {
        None
    }
    /// Signals and what became of them, by time.
    fn signals(&self, limit: Option<usize>) -> Result<Vec<SignalView>, Failure>;
    /// That something is known of a symbol; who only passes questions on is told it by the answer.
    fn known(&self, _symbol: Symbol) -> Result<(), Failure> {
        Ok(())
    }
    /// A page of closed bars of a symbol, by opening time.
    fn bars_page(
        &self,
        symbol: Symbol,
        timeframe: Timeframe,
        page: Page,
    ) -> Result<Paged<BarView>, Failure>;
    /// The newest of them.
    fn bars(
        &self,
        symbol: Symbol,
        timeframe: Timeframe,
        limit: Option<usize>,
    ) -> Result<Vec<BarView>, Failure> {
        Ok(self.bars_page(symbol, timeframe, limit.into())?.rows)
    }
    /// What is set aside because a stage failed at it, oldest first.
    fn quarantine(&self) -> Result<Vec<QuarantineView>, Failure>;
    /// What is listed, by name.
    fn symbols(&self) -> Result<Vec<SymbolView>, Failure>;
    /// The account beside the books.
    fn reconcile(&self) -> Result<ReconcileView, Failure>;
    /// Changes asked for by the API, oldest first.
    fn audit(&self, limit: Option<usize>) -> Result<Vec<AuditView>, Failure>;
    /// The supervision tree: objects with `name`, `children`, and what else is known of each. The
    /// same one again where nothing has changed, so that who looks often sees that at once.
    fn tree(&self) -> Result<Arc<serde_json::Value>, Failure>;
    /// The configuration the process runs with.
    fn config(&self) -> Result<Vec<ValueView>, Failure>;
    /// The configuration in force, and reloads since the process began.
    fn reloads(&self) -> Result<ReloadsView, Failure>;
    /// What operators have turned off.
    fn switches(&self) -> Result<SwitchesView, Failure>;
    /// The story of an order, fill or fact; `None` where there is none of that id.
    fn explain(&self, id: &str) -> Result<Option<ExplainView>, Failure>;
    /// Why there was no order for a symbol at the close of a time, or at the newest one.
    fn why_not(&self, symbol: Symbol, time: Option<UtcMs>) -> Result<ExplainView, Failure>;
    /// What a period came to; without one, the UTC day of the newest close.
    fn summary(&self, period: Option<Period>) -> Result<SummaryView, Failure>;
    /// Derives all facts again from the inputs and compares; takes a while.
    fn verify(&self) -> Result<VerifyView, Failure>;
    /// Decides everything again with the stages of this version, and compares what was said in a
    /// period, or ever; takes a while.
    fn replay(&self, period: Option<Period>) -> Result<ReplayView, Failure>;
}

/// The facts of a journal, in their order.
pub trait JournalFacts: Send + Sync {
    /// Shows each fact with its row, from `from_row` on, until `see` breaks or they end. Rows begin
    /// at 1 and rise by at least one a fact.
    ///
    /// # Errors
    /// The journal could not be read.
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure>;

    /// The same of what is left: rows that were sealed away and cannot be read are passed over, and
    /// told. For what people are shown, never for a proof.
    ///
    /// # Errors
    /// The rest of the journal could not be read.
    fn each_left(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(Left<'_, Fact<Body>>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.each(from_row, &mut |row, fact| see(Left::Row(row, fact)))
    }

    /// The saved states of stages, by rank; none where there are only facts.
    ///
    /// # Errors
    /// They could not be read.
    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        Ok(Vec::new())
    }
}

/// Derives all facts of a journal again and compares; the history resolves what inputs only
/// announce.
pub type Verify = fn(&dyn JournalFacts, Arc<Archive>) -> Result<VerifyView, Failure>;

/// Decides everything again and tells how what was said in a period, or ever, compares.
pub type Replay =
    fn(&dyn JournalFacts, Arc<Archive>, Option<Period>) -> Result<ReplayView, Failure>;

/// What goes through a whole journal once more.
#[derive(Clone, Copy, Debug)]
pub struct Proofs {
    /// Whether the facts are what their inputs imply.
    pub verify: Verify,
    /// What the present stages say.
    pub replay: Replay,
}

/// Ends a quarantine by its number: the stage is tried again, or its absence is accepted.
pub type Release = dyn Fn(u64, bool) -> Result<QuarantineView, Failure> + Send + Sync;

/// What an operator wants to be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolsChange {
    /// This symbol, or not.
    Want(Symbol, bool),
    /// What the rule says, looked at now.
    Refresh,
}

/// Changes what is listed.
pub type ChangeSymbols = dyn Fn(SymbolsChange) -> Result<SymbolsChangeView, Failure> + Send + Sync;
/// Ends what the venue wants us to wait for.
pub type ClearLimits = dyn Fn() -> Result<ClearedView, Failure> + Send + Sync;
/// Takes a word of an operator down.
pub type ChangeSwitch = dyn Fn(&SwitchWord) -> Result<SwitchedView, Failure> + Send + Sync;

/// How the configuration is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadHow {
    /// What the sources say is put in force.
    Apply,
    /// It is only said what would become of it.
    Dry,
    /// What was in force before is again.
    Rollback,
}

/// Reads the configuration again.
pub type Reload = dyn Fn(ReloadHow) -> Result<ReloadView, Failure> + Send + Sync;
/// Ends a conflict by its id, as the operator says.
pub type Resolve = dyn Fn(&str, &ResolveView) -> Result<ResolvedView, Failure> + Send + Sync;
/// Takes a surplus into the books.
pub type Adopt = dyn Fn(&AdoptView) -> Result<AdoptedView, Failure> + Send + Sync;

/// The quarantine of that number, where it may be ended so: what was left out was decided without,
/// so it cannot be tried again; a stage that never skips can only be tried again.
///
/// # Errors
/// There is none of that number, or it cannot be ended so.
pub fn releasable(all: &Quarantines, id: u64, retry: bool) -> Result<&Quarantine, Failure> {
    let unknown = || {
        Failure::new(
            Exit::Failed,
            format!("there is no quarantine {id}; everwarm quarantine list shows them"),
        )
    };
    let quarantine = all.get(id).ok_or_else(unknown)?;
    let stage = &quarantine.stage;
    let refused = match (quarantine.effect, retry) {
        (Effect::Parts, true) => format!(
            "{stage} has skipped it and decided later inputs, so it cannot be retried: run \
             everwarm quarantine drop {id}, which allows entries of the symbol again"
        ),
        (Effect::Stage, false) if quarantine.dropped => {
            format!("{stage} is already dropped; to start it again: everwarm quarantine retry {id}")
        }
        (Effect::Stopped, false) => {
            format!(
                "{stage} skips no input: repair the cause, then run everwarm quarantine retry {id}"
            )
        }
        (Effect::Down, _) => {
            format!("{stage} is stopped by its supervisor and retried every minute")
        }
        (Effect::Parts, false) | (Effect::Stage, _) | (Effect::Stopped, true) => {
            return Ok(quarantine);
        }
    };
    Err(Failure::new(Exit::Refused, refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::Operator;
    use everwarm_kernel::fact::Key;

    #[test]
    fn each_quarantine_ends_only_by_what_is_true_of_it() {
        let mut all = Quarantines::default();
        for (n, effect) in [(1, Effect::Parts), (2, Effect::Stage), (3, Effect::Stopped)] {
            let told = Operator::Quarantined {
                rank: 200,
                stage: "s".into(),
                input: 9,
                effect,
                symbols: Vec::new(),
                failures: 3,
                why: "w".into(),
            };
            let (key, because) = (Key { n, rank: 0, i: 0 }, Vec::new());
            all.fold(&Fact { key, time: 0, version: 0, because, body: Body::Operator(told) });
        }
        let exit = |id, retry| releasable(&all, id, retry).map_or_else(|f| f.exit, |_| Exit::Fine);
        let exits = [1, 2, 3, 4].map(|id| (exit(id, true), exit(id, false)));
        let expected = [
            (Exit::Refused, Exit::Fine),
            (Exit::Fine, Exit::Fine),
            (Exit::Fine, Exit::Refused),
            (Exit::Failed, Exit::Failed),
        ];
        assert_eq!(exits, expected);
        // A stage that is dropped is out, and may still be tried again.
        let dropped = Operator::Released { quarantine: 2, retry: false };
        let (key, because) = (Key { n: 5, rank: 0, i: 0 }, Vec::new());
        all.fold(&Fact { key, time: 0, version: 0, because, body: Body::Operator(dropped) });
        let exit = |id, retry| releasable(&all, id, retry).map_or_else(|f| f.exit, |_| Exit::Fine);
        assert_eq!((exit(2, true), exit(2, false)), (Exit::Fine, Exit::Refused));
        assert!(all.held().all(|one| one.effect != Effect::Stage) && all.all().count() == 3);
    }
}
