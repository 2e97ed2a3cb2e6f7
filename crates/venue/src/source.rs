//! The port to a source of market data: historical and live bars.
//!
//! A venue may be a source. Nothing here depends on one venue. An adapter implements [`Source`].

use super::port::{Bars, Carried, Listener, MarketReport, Pending, Sink};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::watch;

/// The abilities of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCapabilities {
    /// Widths of its bars, the narrowest first.
    pub widths: &'static [Timeframe],
    /// Maximum bars in one response.
    pub page: u16,
    /// How far back its records go, milliseconds; none: to the listing of each symbol.
    pub depth: Option<UtcMs>,
    /// Whether its bars have a volume.
    pub volume: bool,
    /// How long after its end a bar of the records is final, milliseconds.
    pub settles: UtcMs,
    /// Maximum symbols on one connection.
    pub per_connection: usize,
    /// Requests for full pages of bars in a minute that its limits allow, of what history may use;
    /// 0: not known.
    pub per_minute: u32,
}

/// The range of historical bars to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarRange {
    /// Of what.
    pub symbol: Symbol,
    /// Their width.
    pub timeframe: Timeframe,
    /// Their opening times, UTC milliseconds.
    pub times: RangeInclusive<UtcMs>,
}

/// The symbols of a stream, which may change.
pub type Followed = watch::Receiver<Arc<[Symbol]>>;

/// A source of market data, as the rest of the program sees it.
pub trait Source: Send + Sync + fmt::Debug {
    /// Its abilities.
    fn capabilities(&self) -> SourceCapabilities;

    /// Whether it also sends bars of intervals without a trade. If not, a missing bar means that
    /// nothing was traded.
    fn sends_empty(&self) -> bool {
        false
    }

    /// Historical bars by opening time, ascending from the oldest: at most one page. The newest may
    /// still be forming.
    fn bars(&self, range: BarRange) -> Pending<Bars>;

    /// Runs the stream of the symbols' bars on one connection. It reconnects whenever the
    /// connection is lost. Symbols beyond [`SourceCapabilities::per_connection`] are left out.
    fn follow(
        &self,
        symbols: Followed,
        timeframe: Timeframe,
        listener: Listener,
        sink: Sink<MarketReport>,
    ) -> Carried;
}
