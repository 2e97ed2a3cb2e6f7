//! What people may ask, whoever answers: the running daemon, or the files of one that is not
//! running.

use super::exit::Failure;
use super::views::{
    BarView, CheckView, EquityView, ExplainView, FillView, OrderView, PositionView, SignalView,
    StatusView, TradeView, ValueView, VerifyView,
};
use crate::domain::fact::Body;
use crate::domain::id::Symbol;
use crate::domain::time::{Timeframe, UtcMs};
use everwarm_runtime::fact::Fact;
use everwarm_runtime::store::archive::Archive;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Answers to the reading commands. Lists are ascending; with a limit they are the newest. An error
/// tells what to say and how the command ends.
#[expect(clippy::missing_errors_doc, reason = "the trait says it once")]
pub trait Desk: Send + Sync + 'static {
    /// One screen.
    fn status(&self) -> Result<StatusView, Failure>;
    /// The conditions of being ready.
    fn checks(&self) -> Vec<CheckView>;
    /// Orders by close time.
    fn orders(&self, limit: Option<usize>) -> Result<Vec<OrderView>, Failure>;
    /// Fills in the order they were applied.
    fn fills(&self, limit: Option<usize>) -> Result<Vec<FillView>, Failure>;
    /// Positions of every symbol ever traded, by symbol.
    fn positions(&self) -> Result<Vec<PositionView>, Failure>;
    /// Equity by close.
    fn equity(&self, limit: Option<usize>) -> Result<Vec<EquityView>, Failure>;
    /// Trades from flat to flat, by opening time.
    fn trades(&self) -> Result<Vec<TradeView>, Failure>;
    /// Signals and what became of them, by time.
    fn signals(&self, limit: Option<usize>) -> Result<Vec<SignalView>, Failure>;
    /// Closed bars of a symbol, by opening time.
    fn bars(
        &self,
        symbol: Symbol,
        timeframe: Timeframe,
        limit: Option<usize>,
    ) -> Result<Vec<BarView>, Failure>;
    /// The supervision tree: objects with `name`, `children`, and what else is known of each.
    fn tree(&self) -> Result<serde_json::Value, Failure>;
    /// The configuration the process runs with.
    fn config(&self) -> Result<Vec<ValueView>, Failure>;
    /// The story of an order, fill or fact; `None` where there is none of that id.
    fn explain(&self, id: &str) -> Result<Option<ExplainView>, Failure>;
    /// Why there was no order for a symbol at the close of a time, or at the newest one.
    fn why_not(&self, symbol: Symbol, time: Option<UtcMs>) -> Result<ExplainView, Failure>;
    /// Derives all facts again from the inputs and compares; takes a while.
    fn verify(&self) -> Result<VerifyView, Failure>;
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
}

/// Derives all facts of a journal again and compares; the history resolves what inputs only
/// announce.
pub type Verify = fn(&dyn JournalFacts, Arc<Archive>) -> Result<VerifyView, Failure>;
