//! Collects closed bars and builds closes from them: the pure core of the closer. Each bar enters
//! exactly once.
//!
//! A close is appended once every expected symbol has delivered its bar or is known to have none. A
//! symbol is expected while it is listed, its history is loaded and the venue trades it. The venue
//! shows that a symbol has no bar: a fetch past that minute does not contain it. In lockstep, the
//! exchange lists the symbols that traded. The closer does not wait for a symbol that missed the
//! last closes, except in lockstep.
//!
//! Closes are appended in order. A gap is searched first, for at most a minute. A bar that does not
//! follow the previous bar of its symbol waits until the closer has searched the gap. A bar of an
//! earlier close is late. A bar that differs from the appended bar of its minute is a revision: the
//! first one stays.
//!
//! When a close is complete, its bars are compared with earlier ones: see [`everwarm_domain::odd`].
//! An odd bar of a stream waits for the venue's records: see [`doubt`]. So does the first bar of a
//! symbol without history.
//!
//! A configuration with a new feature needs the history of each symbol for it: see [`owed`]. In
//! lockstep, no close is appended until that history is loaded.

mod close_assembly;
mod doubt;
mod old;
mod owed;
mod split_checks;

pub use close_assembly::{CloseAssembly, Next, Offered};
pub use doubt::Refused;
pub use owed::Owed;

use crate::calendar::Calendar;
use crate::indicators::{Needs, planned};
use close_assembly::{Held, Source};
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{AtVenue, Body, Market, Operator, Venue};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::market::Bar;
use everwarm_domain::odd::{OddBar, Oddity, Recent};
use everwarm_domain::settings::MarketRules;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use owed::Plan;
use serde::{Deserialize, Serialize};
use split_checks::SplitDoubts;

/// Closes missed in a row after which the closer does not wait for a symbol.
const MISSES: u32 = 3;
const FORMAT: u8 = 5;
/// Format and type of the version 4 state, which knew no splits.
const FORMAT_4: u8 = 4;
const TYPE_4: u64 = 0x546d_a9f3_0076_094c;
/// Format and type of the version 3 state, which had no calendar either.
const FORMAT_3: u8 = 3;
const TYPE_3: u64 = 0xd99d_a938_e2e8_d272;

/// The closes, bars and history in the journal so far. It only reads facts and appends none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Closes {
    /// Time of the last close.
    pub last: Option<UtcMs>,
    /// The last run that read the account at the venue, and so all earlier events.
    pub account: Option<u64>,
    /// End of the newest bar of any symbol, history included.
    newest: Option<UtcMs>,
    /// Number of `Universe` facts seen.
    pub universes: u64,
    symbols: SymbolMap<SymbolCloses>,
    /// Limits for plausible bars.
    #[serde(default)]
    rules: MarketRules,
    /// The features that are computed.
    plan: Plan,
    /// Trading sessions of the symbols.
    #[serde(default)]
    pub calendar: Calendar,
    /// The bars that a split may explain.
    #[serde(default)]
    splits: SplitDoubts,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SymbolCloses {
    /// State of the symbol at the venue; `None`: not listed.
    venue: Option<AtVenue>,
    /// End of its last bar, history included.
    through: Option<UtcMs>,
    /// Its last bar in a close or a `LateBar`.
    bar: Option<Bar>,
    /// Whether its history is loaded, or known to be empty.
    history: bool,
    /// Closes missed in a row.
    misses: u32,
    /// Its last bars, history included, with which the next bar is compared.
    #[serde(default)]
    recent: Recent,
    /// Range of history that features wait for.
    owed: Option<Owed>,
}

impl SymbolCloses {
    /// Whether the venue lists it, so that its bars are fetched and streamed.
    fn is_live(&self) -> bool {
        matches!(self.venue, Some(AtVenue::Trading | AtVenue::Halted))
    }
}

impl Closes {
    /// End of the symbol's last appended bar, history included.
    #[must_use]
    pub fn through(&self, symbol: Symbol) -> Option<UtcMs> {
        self.symbols.get(symbol)?.through
    }

    /// End of the newest bar of any symbol, history included.
    #[must_use]
    pub fn newest(&self) -> Option<UtcMs> {
        self.newest
    }

    /// Whether the symbol has an appended bar that ends at `close` or later.
    #[must_use]
    pub fn has(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.through(symbol).is_some_and(|t| t >= close)
    }

    /// The recent bars and limits for judging the next bars of a symbol.
    #[must_use]
    pub fn known(&self, symbol: Symbol) -> Known {
        let recent = self.symbols.get(symbol).map(|of| of.recent.clone()).unwrap_or_default();
        Known { recent, max_jump_percent: self.rules.max_jump_percent }
    }

    /// Why a bar is odd after the bars so far; `None`: it is plausible.
    fn judge(&self, bar: &Bar) -> Option<Oddity> {
        let of = self.symbols.get(bar.symbol)?;
        of.recent.judge(bar, self.rules.max_jump_percent)
    }

    /// Whether the symbol has no earlier bar to compare with.
    fn is_first(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_none_or(|of| of.recent.is_empty())
    }

    /// Whether a bar must wait for the venue's records, and why it is odd.
    fn doubts(&self, held: &Held) -> (bool, Option<Oddity>) {
        let odd = self.judge(&held.bar);
        let unrepeated = odd.is_some() && held.source != Source::Twice;
        let unknown = held.source == Source::Streamed && self.is_first(held.bar.symbol);
        (unrepeated || unknown, odd)
    }

    /// The odd ones among the bars of the next close.
    #[must_use]
    pub fn odd(&self, bars: &[Bar]) -> Vec<OddBar> {
        let odd = |bar: &Bar| self.judge(bar).map(|why| OddBar { symbol: bar.symbol, why });
        bars.iter().filter_map(odd).collect()
    }

    /// Adds bars from before the first close, in ascending order, for comparison with later ones.
    pub fn join(&mut self, past: &[Bar]) {
        for bar in past {
            self.symbols.entry(bar.symbol).recent.push(bar);
        }
    }

    /// The listed symbols that the venue has, by name.
    pub fn live(&self) -> impl Iterator<Item = Symbol> {
        self.symbols.iter().filter(|(_, of)| of.is_live()).map(|(symbol, _)| symbol)
    }

    /// Whether the symbol is one of [`Closes::live`].
    #[must_use]
    pub fn is_live(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_some_and(SymbolCloses::is_live)
    }

    /// Range of history that features of a symbol wait for. `None` if the venue does not have it.
    #[must_use]
    pub fn owed(&self, symbol: Symbol) -> Option<Owed> {
        self.symbols.get(symbol).filter(|of| of.is_live())?.owed
    }

    /// The symbols whose features wait for history, by name.
    pub fn owing(&self) -> impl Iterator<Item = (Symbol, Owed)> {
        let of = self.symbols.iter().filter(|(_, of)| of.is_live());
        of.filter_map(|(symbol, of)| Some((symbol, of.owed?)))
    }

    /// The past bars that a symbol needs before its first close.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.plan.needs().of_a_start()
    }

    /// The past bars that the features need which wait for an owed range.
    #[must_use]
    pub fn owed_needs(&self) -> Needs {
        self.plan.joined_needs()
    }

    /// The input that set the present owed ranges.
    #[must_use]
    pub fn planned(&self) -> u64 {
        self.plan.n()
    }

    /// Whether its bars belong in closes: its history is loaded or known to be empty.
    fn has_past(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_some_and(|of| of.history)
    }

    /// Symbols that must have a bar in the close or be listed as missing, by name.
    fn expected(&self, close: UtcMs) -> impl Iterator<Item = Symbol> {
        let of = self.symbols.iter().filter(move |(symbol, of)| {
            let open =
                self.calendar.is_always_open() || self.calendar.of(*symbol).is_open(close - MINUTE);
            let trades = of.venue == Some(AtVenue::Trading) && of.history && open;
            trades && of.through.is_none_or(|through| through < close)
        });
        of.map(|(symbol, _)| symbol)
    }

    fn waited_for(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_none_or(|s| s.misses < MISSES)
    }

    fn through_is(&mut self, symbol: Symbol, close: UtcMs) {
        let of = self.symbols.entry(symbol);
        of.through = of.through.max(Some(close));
        of.misses = 0;
        self.newest = self.newest.max(Some(close));
    }

    fn bar(&mut self, bar: &Bar) {
        self.through_is(bar.symbol, bar.open_time + MINUTE);
        let of = self.symbols.entry(bar.symbol);
        of.recent.push(bar);
        if of.bar.is_none_or(|before| before.open_time <= bar.open_time) {
            of.bar = Some(*bar);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn market(&mut self, market: &Market) {
        self.calendar.fold(market);
        match market {
            Market::Close { time, bars, missing, .. } => {
                self.last = Some(*time);
                for bar in bars {
                    self.bar(bar);
                }
                for symbol in missing {
                    self.symbols.entry(*symbol).misses += 1;
                }
            }
            Market::LateBar { bar, .. } => self.bar(bar),
            // Wide bars are for features. Closes begin after the minutes.
            Market::HistoryLoaded { timeframe, .. } | Market::HistoryBars { timeframe, .. }
                if *timeframe != Timeframe::M1 => {}
            Market::HistoryLoaded { symbol, plan, .. }
            | Market::HistoryBars { symbol, plan, .. }
                if *plan > 0 =>
            {
                if let Some(of) = self.symbols.get_mut(*symbol) {
                    of.owed = of.owed.filter(|owed| owed.plan != *plan);
                }
            }
            Market::HistoryLoaded { symbol, timeframe, to, .. } => {
                self.through_is(*symbol, to + timeframe.ms());
                self.symbols.entry(*symbol).history = true;
            }
            Market::HistoryBars { symbol, timeframe, bars, .. } => {
                if let Some(bar) = bars.last() {
                    self.through_is(*symbol, bar.open_time + timeframe.ms());
                }
                self.symbols.entry(*symbol).history = true;
                self.join(bars);
            }
            Market::Universe { listed, unlisted, .. } => {
                self.universes += 1;
                self.symbols.remove_all(unlisted);
                for row in listed {
                    let of = self.symbols.entry(row.symbol);
                    let back = of.venue != Some(row.venue);
                    of.venue = Some(row.venue);
                    if back {
                        of.misses = 0;
                    }
                }
            }
            Market::CorporateAction(action) => self.split_reported(action),
            _ => {}
        }
    }
}

impl Stage for Closes {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::CLOSES
    }
    fn name(&self) -> &'static str {
        "closer"
    }
    fn version(&self) -> u16 {
        5
    }
    fn interest(&self) -> Mask {
        // Inputs only: the closer folds each one after appending it, and waits for no stage.
        Mask::of(&[
            kind::CLOSE,
            kind::LATE_BAR,
            kind::HISTORY_LOADED,
            kind::UNIVERSE,
            kind::CONFIG_APPLIED,
            kind::ACCOUNT,
            kind::INSTRUMENTS,
            kind::SESSIONS,
            kind::DAY_BEGINS,
            kind::CORPORATE_ACTION,
        ])
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(market) => self.market(market),
            Body::Venue(Venue::Account { life, .. }) => self.account = Some(*life),
            Body::Operator(Operator::ConfigApplied { text, retained, .. }) => {
                if let Some(settings) = super::settings::applied(text) {
                    self.rules = settings.market;
                }
                if let Some(features) = planned(text, retained) {
                    self.plan.turn(&features, fact.key.n, &mut self.symbols, &self.calendar);
                }
            }
            Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        everwarm_kernel::state::save(FORMAT, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = everwarm_kernel::state::load(FORMAT, bytes)?;
        Ok(())
    }
    fn converts(&self) -> &'static [u16] {
        &[2, 3, 4]
    }
    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        *self = match version {
            2 => old::convert(bytes)?,
            3 => state::grown(FORMAT_3, TYPE_3, bytes)?,
            _ => state::grown(FORMAT_4, TYPE_4, bytes)?,
        };
        Ok(())
    }
}

/// The recent bars of a symbol and the limits for the bars that follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    recent: Recent,
    max_jump_percent: u32,
}

impl Known {
    /// Opening times of the odd bars in an ascending list, each compared with those before it.
    #[must_use]
    pub fn odd(&self, bars: &[Bar]) -> Vec<UtcMs> {
        let mut recent = self.recent.clone();
        let mut odd = Vec::new();
        for bar in bars {
            if recent.judge(bar, self.max_jump_percent).is_some() {
                odd.push(bar.open_time);
            }
            recent.push(bar);
        }
        odd
    }
}

#[cfg(test)]
#[path = "closes_tests.rs"]
mod tests;
