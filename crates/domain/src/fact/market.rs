//! What the market did, and what its venue says of itself.

use super::Listed;
use crate::capabilities::Capabilities;
use crate::id::{Symbol, VenueId};
use crate::instrument::Instrument;
use crate::market::Bar;
use crate::odd::{OddBar, Oddity};
use crate::sessions::Sessions;
use crate::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};

/// Inputs: what the market did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Market {
    /// All 1m bars that closed at `time`, sorted by symbol: one decision round.
    Close {
        /// End of the minute, UTC milliseconds: `open_time` of the bars + 60,000.
        time: UtcMs,
        /// The closed bars by symbol.
        bars: Vec<Bar>,
        /// Expected symbols without a bar in this minute, by name.
        missing: Vec<Symbol>,
        /// Which of the bars are odd, by symbol: the venue's records repeated them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        odd: Vec<OddBar>,
    },
    /// A bar that came after its close was said.
    LateBar {
        /// The bar.
        bar: Bar,
        /// Why it is odd, where it is; the venue's records repeated it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        odd: Option<Oddity>,
    },
    /// A bar was not believed: the venue's records contradict it, or no type holds it. Nothing is
    /// decided by it.
    BarRefused {
        /// What it is of.
        symbol: Symbol,
        /// Its opening time, UTC milliseconds, as it was claimed.
        time: UtcMs,
        /// Why it was refused, in words.
        reason: String,
        /// What was claimed, in words.
        claimed: String,
    },
    /// A range of past bars is in the history and may be used.
    HistoryLoaded {
        /// What they are of.
        symbol: Symbol,
        /// Their width.
        timeframe: Timeframe,
        /// Opening time of the first bar.
        from: UtcMs,
        /// Opening time of the last bar.
        to: UtcMs,
        /// Number of bars.
        count: u32,
        /// Digest over the bars as stored.
        digest: u64,
        /// The number of the plan whose new features wait for it: they alone take it. 0: the past
        /// of a symbol, for all.
        #[serde(default)]
        plan: u64,
    },
    /// What a stage is given in place of `HistoryLoaded`. Never in the journal.
    HistoryBars {
        /// What they are of.
        symbol: Symbol,
        /// Their width.
        timeframe: Timeframe,
        /// Ascending by opening time.
        bars: Vec<Bar>,
        /// Whose they are, as told.
        plan: u64,
    },
    /// The venue's rules for the instruments that are wanted; replaces the rules of those named.
    Instruments {
        /// By symbol.
        rules: Vec<Instrument>,
    },
    /// Which symbols are listed from here on: what changed, and that the venue was asked.
    Universe {
        /// Event time at which the venue was asked.
        asked: UtcMs,
        /// The last input with a rule or a word of an operator that was taken into account.
        basis: u64,
        /// New symbols, and those whose standing changed; by symbol.
        listed: Vec<Listed>,
        /// Symbols that are not listed any more: forgotten, but for the books; by name.
        unlisted: Vec<Symbol>,
    },
    /// When a venue trades, said ahead of time: from its beginning on it replaces what was said.
    /// A venue that trades always says nothing.
    Sessions {
        /// Which venue.
        venue: VenueId,
        /// Its sessions.
        sessions: Sessions,
    },
    /// When a trading day begins at a venue whose days are not those of UTC, said ahead of time.
    DayBegins {
        /// Which venue.
        venue: VenueId,
        /// Its zone, by the name of the IANA database.
        zone: String,
        /// The date, as days since 1970-01-01.
        day: i64,
        /// When it begins, UTC milliseconds.
        at: UtcMs,
    },
    /// Which orders a venue takes, said where it differs from what was said before.
    Capabilities {
        /// Which venue.
        venue: VenueId,
        /// What it takes.
        capabilities: Capabilities,
    },
}
