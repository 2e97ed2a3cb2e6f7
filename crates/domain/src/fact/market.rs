//! Facts about the market, and what the venue reports about itself.

use super::Listed;
use crate::capabilities::Capabilities;
use crate::dominance::Dominance;
use crate::id::{Symbol, VenueId};
use crate::instrument::Instrument;
use crate::market::Bar;
use crate::odd::{OddBar, Oddity};
use crate::sessions::Sessions;
use crate::split::CorporateAction;
use crate::time::{Timeframe, UtcMs};
use crate::token::Points;
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
        /// The odd bars among them, by symbol. The venue's records repeated each of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        odd: Vec<OddBar>,
    },
    /// A bar came after its close was appended.
    LateBar {
        /// The bar.
        bar: Bar,
        /// Why the bar is odd, if it is. The venue's records repeated it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        odd: Option<Oddity>,
    },
    /// A bar was refused: the venue's records contradict it, or its values do not fit their types.
    /// No decision uses it.
    BarRefused {
        /// The symbol of the bar.
        symbol: Symbol,
        /// The opening time that the venue sent, UTC milliseconds.
        time: UtcMs,
        /// Why it was refused, in words.
        reason: String,
        /// The values that the venue sent, in words.
        claimed: String,
    },
    /// A range of past bars was stored in the history and may be used.
    HistoryLoaded {
        /// The symbol of the bars.
        symbol: Symbol,
        /// The width of the bars.
        timeframe: Timeframe,
        /// Opening time of the first bar.
        from: UtcMs,
        /// Opening time of the last bar.
        to: UtcMs,
        /// Number of bars.
        count: u32,
        /// Digest over the bars as stored.
        digest: u64,
        /// The feature plan that waits for these bars: only its new features use them. 0: the
        /// history of a symbol, for all features.
        #[serde(default)]
        plan: u64,
    },
    /// The bars themselves, which a stage gets in place of `HistoryLoaded`. Never in the journal.
    HistoryBars {
        /// The symbol of the bars.
        symbol: Symbol,
        /// The width of the bars.
        timeframe: Timeframe,
        /// The bars, ascending by opening time.
        bars: Vec<Bar>,
        /// The feature plan, as in `HistoryLoaded`.
        plan: u64,
    },
    /// The venue's rules for the wanted instruments. They replace earlier rules of the same
    /// symbols.
    Instruments {
        /// The rules, by symbol.
        rules: Vec<Instrument>,
    },
    /// The venue was queried for its symbols. States the changes of the listed symbols.
    Universe {
        /// Event time of the query, UTC milliseconds.
        asked: UtcMs,
        /// The last input taken into account that holds a rule or an operator command.
        basis: u64,
        /// New symbols, and symbols whose state changed; by symbol.
        listed: Vec<Listed>,
        /// Symbols that are no longer listed, by name. Only the books still know them.
        unlisted: Vec<Symbol>,
    },
    /// When a venue trades, announced ahead of time. From its beginning on it replaces earlier
    /// sessions. A venue that always trades reports none.
    Sessions {
        /// The venue.
        venue: VenueId,
        /// Its sessions.
        sessions: Sessions,
    },
    /// When a trading day begins, announced ahead of time, at a venue whose days are not UTC days.
    DayBegins {
        /// The venue.
        venue: VenueId,
        /// Its time zone, an IANA name.
        zone: String,
        /// The date, as days since 1970-01-01.
        day: i64,
        /// When the day begins, UTC milliseconds.
        at: UtcMs,
    },
    /// Which orders a venue takes. Appended when this changes.
    Capabilities {
        /// The venue.
        venue: VenueId,
        /// The orders that it takes.
        capabilities: Capabilities,
        /// Most open stop orders of one symbol; 0: it takes none.
        #[serde(default)]
        stop_orders: u32,
        /// Symbols of which it takes fewer, with their number, sorted by symbol.
        #[serde(default)]
        fewer: Vec<(Symbol, u32)>,
        /// Whether it takes a stop and a limit order as a pair, of which one ends the other.
        #[serde(default)]
        pairs: bool,
        /// Whether its instruments may be split, and it reports splits.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        splits: bool,
    },
    /// A source reported the shares of BTC and USDT in the market capitalisation of all assets.
    /// Each sample is appended once.
    Dominance(Dominance),
    /// A bar far from the one before it: the venue is queried for a split, or has responded.
    CorporateAction(CorporateAction),
    /// A source reported prices of tokens of the registry. Each response is appended once.
    Points(Points),
}
