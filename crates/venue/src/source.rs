//! The port to a source of market data: past bars, and live ones.
//!
//! A venue may be a source. Nothing here names one. An adapter implements [`Source`].

use super::port::{Bars, Carried, Listener, MarketReport, Pending, Sink};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::watch;

/// What a source can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCapabilities {
    /// Widths of its bars, the narrowest first.
    pub widths: &'static [Timeframe],
    /// Most bars in one response.
    pub page: u16,
    /// How far back its records go, milliseconds; none: to the listing of each symbol.
    pub depth: Option<UtcMs>,
    /// Whether its bars have a volume.
    pub volume: bool,
    /// How long after its end a bar of the records is final, milliseconds.
    pub settles: UtcMs,
    /// Most symbols that one connection carries.
    pub per_connection: usize,
}

/// Which past bars are requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarRange {
    /// Of what.
    pub symbol: Symbol,
    /// Their width.
    pub timeframe: Timeframe,
    /// Their opening times, UTC milliseconds.
    pub times: RangeInclusive<UtcMs>,
}

/// The symbols a stream is to carry, which may change.
pub type Followed = watch::Receiver<Arc<[Symbol]>>;

/// A source of market data, as the rest of the program sees it.
pub trait Source: Send + Sync + fmt::Debug {
    /// What it can give.
    fn capabilities(&self) -> SourceCapabilities;

    /// Bars of the records by opening time, ascending, from the oldest on: one page at most. The
    /// newest may still be forming.
    fn bars(&self, range: BarRange) -> Pending<Bars>;

    /// Carries the bars of the symbols on one connection, which is replaced whenever it is lost.
    /// Symbols beyond [`SourceCapabilities::per_connection`] are not carried.
    fn follow(
        &self,
        symbols: Followed,
        timeframe: Timeframe,
        listener: Listener,
        sink: Sink<MarketReport>,
    ) -> Carried;
}
