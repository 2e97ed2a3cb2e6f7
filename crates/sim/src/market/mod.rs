//! The markets of the simulated exchange: sources of 1m bars, recorded, made from a seed or live.
//!
//! All but a live market know their future bars. The exchange decides which of them are
//! visible. The bars of a symbol ascend by opening time, at most one a minute. Each passes
//! [`Bar::validate`](everwarm_domain::market::Bar::validate).

mod bar_file;
mod bar_files;
mod bar_lines;
mod bar_row;
mod bar_writer;
mod calendar;
mod defaults;
mod in_sessions;
mod live;
mod months;
mod parquet_file;
mod paused;
mod prints;
mod recording;
mod recording_config;
mod recording_error;
mod recording_splits;
mod seeded;
pub mod stocks;
mod total;
mod window;

pub use bar_file::{read_bars, read_bars_of};
pub use bar_lines::{BarLines, Line};
pub use bar_row::{BarRow, Columns, TIME_RANGE};
pub use bar_writer::{add_rules, write_bars};
pub use calendar::nyse_sessions;
pub use defaults::{default_balances, split_name};
pub use in_sessions::InSessions;
pub use live::{Arrivals, Live, Time};
pub use parquet_file::NO_PARQUET;
pub use paused::{Pause, Paused};
pub use prints::{AT_CLOSE, GRID, Print, SPREAD, Ticking};
pub use recording::{Notice, Recording};
pub use recording_error::{Fault, RecordingError};
pub use seeded::{DEFAULT_HISTORY_BARS, Seeded};
pub use total::{Prices, Total, quote};
pub use window::Window;

use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::split::Split;
use everwarm_domain::time::{Timeframe, UtcMs};
use std::ops::RangeInclusive;

/// A source of 1m bars with the rules of its instruments.
pub trait Market: Send {
    /// Rules of every instrument, by symbol.
    fn instruments(&self) -> &[Instrument];

    /// Venue time at which a fresh exchange opens, UTC milliseconds, a full minute.
    fn start(&self) -> UtcMs;

    /// The last close; none: it is not known, or there is none.
    fn end(&self) -> Option<UtcMs> {
        None
    }

    /// What tells the time of a market of live prices; none: the exchange decides.
    fn time(&self) -> Option<Time> {
        None
    }

    /// The sessions in which it trades; none: it always trades.
    fn sessions(&self) -> Option<&Sessions> {
        None
    }

    /// The splits of its symbols, by day and symbol.
    fn splits(&self) -> &[Split] {
        &[]
    }

    /// The time up to which trades can be released, UTC milliseconds, where they are released up to
    /// `released`. Only a market of live prices has a bound: what has not arrived is not known.
    fn known_until(&mut self, released: UtcMs) -> UtcMs {
        let _ = released;
        UtcMs::MAX
    }

    /// The next minute close strictly after `after` at which any symbol has a bar. `None`: the
    /// market has ended.
    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs>;

    /// The bars of the minute that ends at `close`, by symbol.
    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar>;

    /// The first `limit` bars of `symbol` whose opening times lie within `from_open..=to_open`,
    /// ascending. Empty for an unknown symbol.
    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar>;

    /// Wider bars of `symbol` that open before its first minute, with opening times in `times`,
    /// ascending. The last one may end after that minute.
    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        let _ = (symbol, width, times);
        Vec::new()
    }

    /// Whether the trades of a minute are spread over it. Otherwise they all happen at its end.
    fn ticks(&self) -> bool {
        false
    }

    /// Number of trades in a minute.
    fn trades_per_minute(&self) -> i64 {
        if self.ticks() { SPREAD } else { AT_CLOSE }
    }

    /// The trades of a bar, in order.
    fn prints(&self, bar: &Bar) -> Vec<Print> {
        prints::at_close(bar)
    }

    /// The sum of the bars of `symbol` whose opening times lie within `from_open..=to_open`.
    fn total(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs) -> Total {
        Total::of(&self.bars(symbol, from_open, to_open, usize::MAX))
    }
}
