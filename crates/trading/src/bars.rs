//! Collects closed bars and builds closes from them: the pure core of the closer. Each bar enters
//! exactly once.
//!
//! A close is appended once every expected symbol has delivered its bar or is known to have none. A
//! symbol is expected while it is listed, its history is loaded and the venue trades it. The venue
//! shows that a symbol has no bar: a fetch past that minute does not contain it. In lockstep, the
//! exchange lists the symbols that traded. The closer does not wait for a symbol that missed the
//! last closes, except in lockstep.
//!
//! Closes are appended in order and without gaps. A bar that does not follow the previous bar of
//! its symbol waits until the closer has searched the gap. A bar of an earlier close is late. A bar
//! that differs from the appended bar of its minute is a revision: the first one stays.
//!
//! When a close is complete, its bars are compared with earlier ones: see [`everwarm_domain::odd`].
//! An odd bar of a stream waits for the venue's records: see [`doubt`]. So does the first bar of a
//! symbol without history.
//!
//! A configuration with a new feature needs the history of each symbol for it: see [`owed`]. In
//! lockstep, no close is appended until that history is loaded.
//!
//! Over 500 lines: one stage with its state; doubts and debts lie in its folder.

mod doubt;
mod old;
mod owed;

pub use doubt::Refused;
pub use owed::Owed;

use crate::calendar::Calendar;
use crate::indicators::planned;
use doubt::Doubts;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{AtVenue, Body, Market, Operator, Venue};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::market::Bar;
use everwarm_domain::odd::{OddBar, Oddity, Recent};
use everwarm_domain::settings::MarketRules;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use owed::Plan;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Closes missed in a row after which the closer does not wait for a symbol.
const MISSES: u32 = 3;
/// How long a close waits for missing earlier bars, in milliseconds of venue time after it. A venue
/// that streams and does not respond must not stop all closes.
const HOLE: UtcMs = MINUTE;
const FORMAT: u8 = 4;
/// Format and type of the version 3 state, which had no calendar.
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
            Market::Instruments { .. }
            | Market::Sessions { .. }
            | Market::DayBegins { .. }
            | Market::Capabilities { .. }
            | Market::BarRefused { .. } => {}
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
        4
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
        &[2, 3]
    }
    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        *self = if version == 2 {
            old::convert(bytes)?
        } else {
            state::grown(FORMAT_3, TYPE_3, bytes)?
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

/// The next action of the closer.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Append this input, then call [`CloseAssembly::next`] again.
    Append(Market),
    /// Fetch the bars of these symbols up to this close.
    Fetch(UtcMs, Vec<Symbol>),
    /// Wait until this venue time or the next bar.
    Wait(UtcMs),
    /// Wait for the next bar.
    Idle,
}

/// The result of offering a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// The bar is new and accepted.
    New,
    /// The bar is already known.
    Known,
    /// The bar differs from the known bar of its minute: the venue changed its report.
    Revised,
    /// The symbol is not listed or the venue does not have it.
    Strange,
}

/// Bars that wait for their close. The state dies with its actor, which fetches the bars again.
#[derive(Clone, Debug)]
pub struct CloseAssembly {
    /// Whether the exchange lists for each minute the symbols that traded.
    lockstep: bool,
    pending: BTreeMap<UtcMs, BTreeMap<Symbol, Held>>,
    /// By symbol, the close up to which the venue's records were fetched.
    looked: BTreeMap<Symbol, UtcMs>,
    /// In lockstep: the last announced close and the symbols that traded in it.
    traded: Option<(UtcMs, BTreeSet<Symbol>)>,
    late: Vec<Held>,
    doubts: Doubts,
}

/// The source of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A stream of the venue.
    Streamed,
    /// The venue's records.
    Recorded,
    /// The venue's records, which repeated it. It enters its close even if it is odd.
    Twice,
}

/// A bar that waits for its close.
#[derive(Clone, Copy, Debug)]
struct Held {
    bar: Bar,
    source: Source,
}

impl Held {
    /// Notes another source of the same bar. A different bar changes nothing.
    fn also(&mut self, other: &Held) {
        if self.bar == other.bar {
            self.source = self.source.max(other.source);
        }
    }
}

impl CloseAssembly {
    /// An empty assembly. In `lockstep`, the exchange lists for each minute the symbols that
    /// traded.
    #[must_use]
    pub fn new(lockstep: bool) -> CloseAssembly {
        let (pending, looked, traded, late, doubts) = Default::default();
        CloseAssembly { lockstep, pending, looked, traded, late, doubts }
    }

    /// Takes a closed bar from a stream. Repeated bars have no effect.
    pub fn offer(&mut self, closes: &Closes, bar: Bar) -> Offered {
        if self.doubts.has(bar.symbol, bar.open_time + MINUTE) {
            // A query of the records for this bar is already due.
            return Offered::Known;
        }
        self.take(closes, Held { bar, source: Source::Streamed })
    }

    /// Takes a bar from the venue's records. `confirmed`: it is odd and the records repeated it.
    pub fn found(&mut self, closes: &Closes, bar: Bar, confirmed: bool) -> Offered {
        let source = if confirmed { Source::Twice } else { Source::Recorded };
        self.take(closes, Held { bar, source })
    }

    fn take(&mut self, closes: &Closes, held: Held) -> Offered {
        let bar = held.bar;
        let close = bar.open_time + MINUTE;
        if !closes.is_live(bar.symbol) {
            return Offered::Strange;
        }
        let same = |known: &Bar| {
            if known.ordered() == bar.ordered() { Offered::Known } else { Offered::Revised }
        };
        if closes.has(bar.symbol, close) {
            let known = closes.symbols.get(bar.symbol).and_then(|of| of.bar);
            return known
                .filter(|b| b.open_time == bar.open_time)
                .map_or(Offered::Known, |b| same(&b));
        }
        if closes.last.is_some_and(|last| close <= last) {
            let is = |l: &&mut Held| (l.bar.symbol, l.bar.open_time) == (bar.symbol, bar.open_time);
            if let Some(known) = self.late.iter_mut().find(is) {
                known.also(&held);
                return same(&known.bar);
            }
            self.late.push(held);
            // `next` pops from the end, so the oldest comes last.
            self.late.sort_by_key(|l| (std::cmp::Reverse(l.bar.open_time), l.bar.symbol));
            return Offered::New;
        }
        let of = self.pending.entry(close).or_default();
        if let Some(known) = of.get_mut(&bar.symbol) {
            known.also(&held);
            return same(&known.bar);
        }
        of.insert(bar.symbol, held);
        Offered::New
    }

    /// Notes that the venue's records were fetched up to the close `through`. All their bars were
    /// offered, or are listed in `refused`.
    pub fn looked_at(
        &mut self,
        closes: &Closes,
        (symbol, through): (Symbol, UtcMs),
        refused: Vec<Refused>,
        now: UtcMs,
    ) {
        let (pending, late) = (&self.pending, &self.late);
        let found = |close: UtcMs| {
            let waits = pending.get(&close).and_then(|of| of.get(&symbol));
            let is = |l: &&Held| (l.bar.symbol, l.bar.open_time + MINUTE) == (symbol, close);
            let was = closes.symbols.get(symbol).and_then(|of| of.bar);
            let was = was.filter(|bar| bar.open_time + MINUTE == close);
            waits.or_else(|| late.iter().find(is)).map(|held| held.bar).or(was)
        };
        let before = self.doubts.again(symbol);
        self.doubts.looked(symbol, through, found, now);
        self.doubts.look_refused(refused, before, now);
        self.looked(symbol, through);
    }

    /// Refuses a bar from a stream.
    pub fn refuse(&mut self, refused: Refused, now: UtcMs) {
        self.doubts.refuse(refused, now);
    }

    /// Number of bars refused since the last call.
    pub fn take_refused(&mut self) -> u64 {
        self.doubts.take_count()
    }

    /// Notes that the records were fetched up to the close `through` and all their bars offered.
    fn looked(&mut self, symbol: Symbol, through: UtcMs) {
        let looked = self.looked.entry(symbol).or_insert(through);
        *looked = (*looked).max(through);
    }

    /// Takes the exchange's list of the symbols that traded in the minute ending at `close`.
    pub fn traded(&mut self, close: UtcMs, symbols: BTreeSet<Symbol>) {
        self.traded = Some((close, symbols));
    }

    /// Forgets the symbols that are no longer listed.
    pub fn keep_listed(&mut self, closes: &Closes) {
        self.looked.retain(|symbol, _| closes.is_live(*symbol));
        self.doubts.keep(|symbol| closes.is_live(symbol));
    }

    /// Whether the records of every live symbol were fetched once. After the first close, a symbol
    /// without history is not waited for: it joins when its history is loaded. In lockstep it is
    /// waited for, and so is all owed history.
    #[must_use]
    pub fn is_caught_up(&self, closes: &Closes) -> bool {
        if self.lockstep && closes.owing().next().is_some() {
            return false;
        }
        let joins = closes.last.is_some() && !self.lockstep;
        closes.live().all(|s| self.has_looked(s) || (joins && !closes.has_past(s)))
    }

    /// The newest close for which a bar has arrived.
    #[must_use]
    pub fn newest(&self) -> Option<UtcMs> {
        self.pending.last_key_value().map(|(close, _)| *close)
    }

    /// Whether the records of a symbol were fetched.
    #[must_use]
    pub fn has_looked(&self, symbol: Symbol) -> bool {
        self.looked.contains_key(&symbol)
    }

    /// The next action at venue time `now`. A bar is late `grace` milliseconds after its close.
    #[must_use]
    pub fn next(&mut self, closes: &Closes, now: UtcMs, grace: UtcMs) -> Next {
        if let Some(refused) = self.doubts.next_refusal() {
            return Next::Append(refused);
        }
        while let Some(held) = self.late.pop() {
            let bar = held.bar;
            let close = bar.open_time + MINUTE;
            if closes.has(bar.symbol, close) || !closes.has_past(bar.symbol) {
                continue;
            }
            let (doubtful, odd) = closes.doubts(&held);
            if doubtful {
                self.doubts.ask(bar);
                return Next::Fetch(close, vec![bar.symbol]);
            }
            return Next::Append(Market::LateBar { bar: bar.ordered(), odd });
        }
        self.pending.retain(|close, _| closes.last.is_none_or(|last| *close > last));
        let Some((&close, bars)) = self.pending.first_key_value() else { return Next::Idle };
        if !self.is_caught_up(closes) {
            return Next::Idle;
        }
        self.doubts.expire(close, now);
        if let Some(refused) = self.doubts.next_refusal() {
            return Next::Append(refused);
        }
        let doubtful = self.doubts.of(close);
        let missing = closes.expected(close).filter(|s| !bars.contains_key(s));
        let missing: Vec<Symbol> = missing.collect();
        // In lockstep, the closer waits without limit for the bar of a symbol that is listed as
        // traded.
        let has_list = self.traded.as_ref().is_some_and(|(at, _)| *at == close);
        // In lockstep, a symbol listed as halted may have traded. The exchange's list or a fetch
        // shows it.
        let all = closes.live().filter(|s| closes.has_past(*s) && !closes.has(*s, close));
        let all: Vec<Symbol> = if self.lockstep { all.collect() } else { missing.clone() };
        let open = all.into_iter().filter(|s| !bars.contains_key(s) && !self.is_absent(*s, close));
        // Lockstep waits for every symbol, in case the closer missed the exchange's list.
        let waited = open.filter(|s| self.lockstep || closes.waited_for(*s));
        let waited: Vec<Symbol> = waited.collect();
        let holes = self.holes(closes, close, bars, now);
        if !doubtful.is_empty() {
            let late = !has_list && now >= close + grace;
            let others =
                waited.into_iter().chain(holes).filter(|symbol| late && !doubtful.contains(symbol));
            return Next::Fetch(close, doubtful.iter().copied().chain(others).collect());
        }
        if waited.is_empty() && holes.is_empty() {
            return self
                .complete(closes, close, missing)
                .unwrap_or_else(|| self.next(closes, now, grace));
        }
        if has_list {
            return if holes.is_empty() { Next::Idle } else { Next::Fetch(close, holes) };
        }
        if holes.is_empty() && now < close + grace {
            return Next::Wait(close + grace);
        }
        Next::Fetch(close, waited.into_iter().chain(holes).collect())
    }

    /// Appends a complete close, or queries its odd bars. `None` if it has no bars of symbols with
    /// history.
    fn complete(&mut self, closes: &Closes, close: UtcMs, missing: Vec<Symbol>) -> Option<Next> {
        let bars = self.pending.get_mut(&close)?;
        bars.retain(|symbol, _| closes.has_past(*symbol) && !closes.has(*symbol, close));
        let mut odd = Vec::new();
        let mut doubtful = Vec::new();
        for (symbol, held) in bars.iter() {
            let (in_doubt, why) = closes.doubts(held);
            if in_doubt {
                doubtful.push(*symbol);
            } else {
                odd.extend(why.map(|why| OddBar { symbol: *symbol, why }));
            }
        }
        for symbol in &doubtful {
            if let Some(held) = bars.remove(symbol) {
                self.doubts.ask(held.bar);
            }
        }
        if !doubtful.is_empty() {
            return Some(Next::Fetch(close, doubtful));
        }
        let bars = self.pending.remove(&close).unwrap_or_default().into_values();
        let bars: Vec<Bar> = bars.map(|held| held.bar.ordered()).collect();
        let has_bars = !bars.is_empty();
        let fact = Market::Close { time: close, bars, missing, odd };
        has_bars.then_some(Next::Append(fact))
    }

    /// Symbols with a gap before `close`: their previous bar was neither appended nor fetched, or
    /// was refused. In lockstep only refused bars count, as the exchange lists the symbols that
    /// traded.
    fn holes(
        &self,
        closes: &Closes,
        close: UtcMs,
        bars: &BTreeMap<Symbol, Held>,
        now: UtcMs,
    ) -> Vec<Symbol> {
        if now > close + HOLE {
            return Vec::new();
        }
        let hole = |symbol: &&Symbol| {
            let before = closes.calendar.of(**symbol).last_close(close - MINUTE);
            let looked = self.looked.get(symbol).is_some_and(|through| *through >= before);
            closes.has_past(**symbol)
                && !closes.has(**symbol, before)
                && (self.doubts.wants_again(**symbol, before) || !(looked || self.lockstep))
        };
        bars.keys().filter(hole).copied().collect()
    }

    fn is_absent(&self, symbol: Symbol, close: UtcMs) -> bool {
        let list = self.traded.as_ref().filter(|(at, _)| *at == close);
        list.is_some_and(|(_, traded)| !traded.contains(&symbol))
            || self.doubts.gave_up(symbol, close)
            || self.looked.get(&symbol).is_some_and(|through| *through >= close)
    }
}

#[cfg(test)]
#[path = "bars_tests.rs"]
mod tests;
