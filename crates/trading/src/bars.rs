//! Updates to closed bars, each exactly once, and bars to closes: the core of the closer.
//!
//! A close is said once all expected symbols have delivered their bar or are known to have none. A
//! symbol is expected from the first close after its past on, for as long as it is listed and the
//! venue trades it. That a symbol has none is known from the venue: a fetch that reached past the
//! minute and did not hold the bar, or, in lockstep, the exchange's own list of who traded. A
//! symbol that missed most recent closes is not waited for, but in lockstep.
//!
//! Closes are said in order and without holes: a bar that does not follow the last one of its
//! symbol waits until what lies between was looked for. A bar of a close that was said already is
//! late; one that differs from what was said of its minute is a revision, and the first stays.
//!
//! A bar is judged when its close is complete, by what was said before: see
//! [`everwarm_domain::odd`]. An odd one of a stream is held back until the venue's records were
//! asked: see [`doubt`]. So is the first one of a symbol without a past: nothing can be compared
//! with it.
//!
//! A configuration that needs another feature owes it the past of each symbol: see [`owed`]. In
//! lockstep nothing is said until that is loaded.
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

/// Closes missed in a row after which a symbol is not waited for.
const MISSES: u32 = 3;
/// How long a close waits for what lies between a symbol's bars, milliseconds of venue time after
/// it: a venue that streams and does not answer must not stop everything.
const HOLE: UtcMs = MINUTE;
const FORMAT: u8 = 4;
/// Format and type of version 3: it knew no calendar.
const FORMAT_3: u8 = 3;
const TYPE_3: u64 = 0xd99d_a938_e2e8_d272;

/// What was said about closes: a fold that says nothing itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Closes {
    /// The last close said.
    pub last: Option<UtcMs>,
    /// The last life of the process that has seen the account, and so all that happened before.
    pub account: Option<u64>,
    /// End of the newest bar of any symbol, history included.
    newest: Option<UtcMs>,
    /// How often it was told what is listed.
    pub universes: u64,
    symbols: SymbolMap<SymbolCloses>,
    /// What is believed of the market.
    #[serde(default)]
    rules: MarketRules,
    /// What is computed.
    plan: Plan,
    /// When symbols are traded.
    #[serde(default)]
    pub calendar: Calendar,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SymbolCloses {
    /// What the venue does with it; none: it is not listed.
    venue: Option<AtVenue>,
    /// End of its last bar, history included.
    through: Option<UtcMs>,
    /// Its last bar said in a close, or late.
    bar: Option<Bar>,
    /// Whether its history was loaded or found to be empty.
    history: bool,
    /// Closes missed in a row.
    misses: u32,
    /// Its last bars, history included: what the next one is judged by.
    #[serde(default)]
    recent: Recent,
    /// Past bars that features wait for.
    owed: Option<Owed>,
}

impl SymbolCloses {
    /// Whether the venue has it: it is looked up and listened to.
    fn is_live(&self) -> bool {
        matches!(self.venue, Some(AtVenue::Trading | AtVenue::Halted))
    }
}

impl Closes {
    /// End of the symbol's last bar that was said, history included.
    #[must_use]
    pub fn through(&self, symbol: Symbol) -> Option<UtcMs> {
        self.symbols.get(symbol)?.through
    }

    /// End of the newest bar of any symbol, history included.
    #[must_use]
    pub fn newest(&self) -> Option<UtcMs> {
        self.newest
    }

    /// Whether a bar that ends at `close` was said.
    #[must_use]
    pub fn has(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.through(symbol).is_some_and(|t| t >= close)
    }

    /// What the next bars of a symbol are judged by.
    #[must_use]
    pub fn known(&self, symbol: Symbol) -> Known {
        let recent = self.symbols.get(symbol).map(|of| of.recent.clone()).unwrap_or_default();
        Known { recent, max_jump_percent: self.rules.max_jump_percent }
    }

    /// Why a bar is odd that follows what was said; none: it is not.
    fn judge(&self, bar: &Bar) -> Option<Oddity> {
        let of = self.symbols.get(bar.symbol)?;
        of.recent.judge(bar, self.rules.max_jump_percent)
    }

    /// Whether nothing is known that a bar of this symbol could be compared with.
    fn is_first(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_none_or(|of| of.recent.is_empty())
    }

    /// Whether a bar waits for the venue's records, and why it is odd.
    fn doubts(&self, held: &Held) -> (bool, Option<Oddity>) {
        let odd = self.judge(&held.bar);
        let unrepeated = odd.is_some() && held.told != Told::Twice;
        let unknown = held.told == Told::Streamed && self.is_first(held.bar.symbol);
        (unrepeated || unknown, odd)
    }

    /// The odd ones among the bars of the next close.
    #[must_use]
    pub fn odd(&self, bars: &[Bar]) -> Vec<OddBar> {
        let odd = |bar: &Bar| self.judge(bar).map(|why| OddBar { symbol: bar.symbol, why });
        bars.iter().filter_map(odd).collect()
    }

    /// Bars of before the first close, ascending: what follows is judged by them.
    pub fn join(&mut self, past: &[Bar]) {
        for bar in past {
            self.symbols.entry(bar.symbol).recent.push(bar);
        }
    }

    /// The listed symbols the venue has, by name.
    pub fn live(&self) -> impl Iterator<Item = Symbol> {
        self.symbols.iter().filter(|(_, of)| of.is_live()).map(|(symbol, _)| symbol)
    }

    /// Whether it is one of these.
    #[must_use]
    pub fn is_live(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_some_and(SymbolCloses::is_live)
    }

    /// Past bars of a symbol that features wait for; none while the venue does not have it.
    #[must_use]
    pub fn owed(&self, symbol: Symbol) -> Option<Owed> {
        self.symbols.get(symbol).filter(|of| of.is_live())?.owed
    }

    /// The symbols of which past bars are owed, by name.
    pub fn owing(&self) -> impl Iterator<Item = (Symbol, Owed)> {
        let of = self.symbols.iter().filter(|(_, of)| of.is_live());
        of.filter_map(|(symbol, of)| Some((symbol, of.owed?)))
    }

    /// The input from which it follows what is owed.
    #[must_use]
    pub fn planned(&self) -> u64 {
        self.plan.n()
    }

    /// Whether its bars belong into closes: its past is known.
    fn has_past(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_some_and(|of| of.history)
    }

    /// Symbols that a close is said of, by name.
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
        // Inputs alone: what was appended a moment ago is then folded without waiting for any
        // stage.
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

/// What the next bars of a symbol are judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    recent: Recent,
    max_jump_percent: u32,
}

impl Known {
    /// The odd ones of ascending bars that follow, each judged by those before it.
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

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This input is to be appended, then ask again.
    Say(Market),
    /// These symbols' bars up to the close are to be fetched.
    Fetch(UtcMs, Vec<Symbol>),
    /// Nothing before this venue time, unless a bar comes.
    Wait(UtcMs),
    /// Nothing, unless a bar comes.
    Idle,
}

/// What became of a bar that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is taken.
    New,
    /// It is known.
    Known,
    /// Its minute is known otherwise: the venue tells now something else than it told first.
    Revised,
    /// Nobody asked for it.
    Strange,
}

/// Bars on their way to a close. Lost with its actor: what it held is fetched again.
#[derive(Clone, Debug)]
pub struct CloseAssembly {
    /// Whether the exchange tells of each minute who traded in it.
    lockstep: bool,
    pending: BTreeMap<UtcMs, BTreeMap<Symbol, Held>>,
    /// How far the venue's own records have been looked through, by symbol.
    looked: BTreeMap<Symbol, UtcMs>,
    /// The close the exchange has told who traded in, in lockstep.
    told: Option<(UtcMs, BTreeSet<Symbol>)>,
    late: Vec<Held>,
    doubts: Doubts,
}

/// How a bar was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// By a stream.
    Streamed,
    /// By the venue's records.
    Recorded,
    /// By the venue's records, which repeated it: it enters its close however odd it is.
    Twice,
}

/// A bar on its way.
#[derive(Clone, Copy, Debug)]
struct Held {
    bar: Bar,
    told: Told,
}

impl Held {
    /// The same bar was told in another way, too.
    fn also(&mut self, other: &Held) {
        if self.bar == other.bar {
            self.told = self.told.max(other.told);
        }
    }
}

impl CloseAssembly {
    /// Nothing yet; in lockstep the exchange tells of each minute who traded in it.
    #[must_use]
    pub fn new(lockstep: bool) -> CloseAssembly {
        let (pending, looked, told, late, doubts) = Default::default();
        CloseAssembly { lockstep, pending, looked, told, late, doubts }
    }

    /// A closed bar has come by a stream. Repeats are harmless.
    pub fn offer(&mut self, said: &Closes, bar: Bar) -> Offered {
        if self.doubts.has(bar.symbol, bar.open_time + MINUTE) {
            // The records are asked already.
            return Offered::Known;
        }
        self.take(said, Held { bar, told: Told::Streamed })
    }

    /// A bar was found in the venue's records; `confirmed`: it is odd and they repeated it.
    pub fn found(&mut self, said: &Closes, bar: Bar, confirmed: bool) -> Offered {
        let told = if confirmed { Told::Twice } else { Told::Recorded };
        self.take(said, Held { bar, told })
    }

    fn take(&mut self, said: &Closes, held: Held) -> Offered {
        let bar = held.bar;
        let close = bar.open_time + MINUTE;
        if !said.is_live(bar.symbol) {
            return Offered::Strange;
        }
        let same = |known: &Bar| {
            if known.ordered() == bar.ordered() { Offered::Known } else { Offered::Revised }
        };
        if said.has(bar.symbol, close) {
            let known = said.symbols.get(bar.symbol).and_then(|of| of.bar);
            return known
                .filter(|b| b.open_time == bar.open_time)
                .map_or(Offered::Known, |b| same(&b));
        }
        if said.last.is_some_and(|last| close <= last) {
            let is = |l: &&mut Held| (l.bar.symbol, l.bar.open_time) == (bar.symbol, bar.open_time);
            if let Some(known) = self.late.iter_mut().find(is) {
                known.also(&held);
                return same(&known.bar);
            }
            self.late.push(held);
            // The last is said first.
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

    /// The venue's records up to the close `through` were looked through, all that was in them
    /// offered, and some of it refused.
    pub fn looked_at(
        &mut self,
        said: &Closes,
        (symbol, through): (Symbol, UtcMs),
        refused: Vec<Refused>,
        now: UtcMs,
    ) {
        let (pending, late) = (&self.pending, &self.late);
        let found = |close: UtcMs| {
            let waits = pending.get(&close).and_then(|of| of.get(&symbol));
            let is = |l: &&Held| (l.bar.symbol, l.bar.open_time + MINUTE) == (symbol, close);
            let was = said.symbols.get(symbol).and_then(|of| of.bar);
            let was = was.filter(|bar| bar.open_time + MINUTE == close);
            waits.or_else(|| late.iter().find(is)).map(|held| held.bar).or(was)
        };
        let before = self.doubts.again(symbol);
        self.doubts.looked(symbol, through, found, now);
        self.doubts.look_refused(refused, before, now);
        self.looked(symbol, through);
    }

    /// A bar that came by a stream is refused.
    pub fn refuse(&mut self, refused: Refused, now: UtcMs) {
        self.doubts.refuse(refused, now);
    }

    /// Bars refused since this was last asked.
    pub fn take_refused(&mut self) -> u64 {
        self.doubts.take_count()
    }

    /// The venue's records up to the close `through` were looked through, and all that was in them
    /// offered.
    fn looked(&mut self, symbol: Symbol, through: UtcMs) {
        let looked = self.looked.entry(symbol).or_insert(through);
        *looked = (*looked).max(through);
    }

    /// The exchange has told who traded in the minute that ended at `close`.
    pub fn told(&mut self, close: UtcMs, symbols: BTreeSet<Symbol>) {
        self.told = Some((close, symbols));
    }

    /// Forgets what is not listed any more.
    pub fn keep_listed(&mut self, said: &Closes) {
        self.looked.retain(|symbol, _| said.is_live(*symbol));
        self.doubts.keep(|symbol| said.is_live(symbol));
    }

    /// Whether every live symbol's records have been looked through once. Once closes are said, one
    /// without a past is not waited for, but in lockstep: it joins when its past is there. There
    /// what is owed to features is waited for, too.
    #[must_use]
    pub fn is_caught_up(&self, said: &Closes) -> bool {
        if self.lockstep && said.owing().next().is_some() {
            return false;
        }
        let joins = said.last.is_some() && !self.lockstep;
        said.live().all(|s| self.has_looked(s) || (joins && !said.has_past(s)))
    }

    /// The newest close of which a bar has come.
    #[must_use]
    pub fn newest(&self) -> Option<UtcMs> {
        self.pending.last_key_value().map(|(close, _)| *close)
    }

    /// Whether a symbol's records have been looked through.
    #[must_use]
    pub fn has_looked(&self, symbol: Symbol) -> bool {
        self.looked.contains_key(&symbol)
    }

    /// What is to be done at venue time `now`, a bar being late after `grace`.
    #[must_use]
    pub fn next(&mut self, said: &Closes, now: UtcMs, grace: UtcMs) -> Next {
        if let Some(refused) = self.doubts.say() {
            return Next::Say(refused);
        }
        while let Some(held) = self.late.pop() {
            let bar = held.bar;
            let close = bar.open_time + MINUTE;
            if said.has(bar.symbol, close) || !said.has_past(bar.symbol) {
                continue;
            }
            let (doubtful, odd) = said.doubts(&held);
            if doubtful {
                self.doubts.ask(bar);
                return Next::Fetch(close, vec![bar.symbol]);
            }
            return Next::Say(Market::LateBar { bar: bar.ordered(), odd });
        }
        self.pending.retain(|close, _| said.last.is_none_or(|last| *close > last));
        let Some((&close, bars)) = self.pending.first_key_value() else { return Next::Idle };
        if !self.is_caught_up(said) {
            return Next::Idle;
        }
        self.doubts.expire(close, now);
        if let Some(refused) = self.doubts.say() {
            return Next::Say(refused);
        }
        let doubtful = self.doubts.of(close);
        let missing: Vec<Symbol> = said.expected(close).filter(|s| !bars.contains_key(s)).collect();
        // In lockstep a bar that was told of is on its way, however long it takes.
        let told = self.told.as_ref().is_some_and(|(at, _)| *at == close);
        // In lockstep one that is held to be halted may have traded: that is told, or looked up.
        let all = said.live().filter(|s| said.has_past(*s) && !said.has(*s, close));
        let all: Vec<Symbol> = if self.lockstep { all.collect() } else { missing.clone() };
        let open = all.into_iter().filter(|s| !bars.contains_key(s) && !self.is_absent(*s, close));
        // There everyone is waited for: a closer that was not yet here when it was told must not
        // close without one that trades again.
        let waited = open.filter(|s| self.lockstep || said.waited_for(*s));
        let waited: Vec<Symbol> = waited.collect();
        let holes = self.holes(said, close, bars, now);
        if !doubtful.is_empty() {
            let late = !told && now >= close + grace;
            let others =
                waited.into_iter().chain(holes).filter(|symbol| late && !doubtful.contains(symbol));
            return Next::Fetch(close, doubtful.iter().copied().chain(others).collect());
        }
        if waited.is_empty() && holes.is_empty() {
            return self
                .complete(said, close, missing)
                .unwrap_or_else(|| self.next(said, now, grace));
        }
        if told {
            return if holes.is_empty() { Next::Idle } else { Next::Fetch(close, holes) };
        }
        if holes.is_empty() && now < close + grace {
            return Next::Wait(close + grace);
        }
        Next::Fetch(close, waited.into_iter().chain(holes).collect())
    }

    /// Says a close that all have delivered to, or asks about its odd bars; none where it has no
    /// bars of symbols with a past.
    fn complete(&mut self, said: &Closes, close: UtcMs, missing: Vec<Symbol>) -> Option<Next> {
        let bars = self.pending.get_mut(&close)?;
        bars.retain(|symbol, _| said.has_past(*symbol) && !said.has(*symbol, close));
        let mut odd = Vec::new();
        let mut doubtful = Vec::new();
        for (symbol, held) in bars.iter() {
            let (in_doubt, why) = said.doubts(held);
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
        (!bars.is_empty()).then_some(Next::Say(Market::Close { time: close, bars, missing, odd }))
    }

    /// Symbols whose bars before `close` were neither said nor looked for, or refused. In lockstep
    /// the exchange tells of each minute who traded.
    fn holes(
        &self,
        said: &Closes,
        close: UtcMs,
        bars: &BTreeMap<Symbol, Held>,
        now: UtcMs,
    ) -> Vec<Symbol> {
        if now > close + HOLE {
            return Vec::new();
        }
        let hole = |symbol: &&Symbol| {
            let before = said.calendar.of(**symbol).last_close(close - MINUTE);
            let looked = self.looked.get(symbol).is_some_and(|through| *through >= before);
            said.has_past(**symbol)
                && !said.has(**symbol, before)
                && (self.doubts.wants_again(**symbol, before) || !(looked || self.lockstep))
        };
        bars.keys().filter(hole).copied().collect()
    }

    fn is_absent(&self, symbol: Symbol, close: UtcMs) -> bool {
        let told = self.told.as_ref().filter(|(at, _)| *at == close);
        told.is_some_and(|(_, traded)| !traded.contains(&symbol))
            || self.doubts.gave_up(symbol, close)
            || self.looked.get(&symbol).is_some_and(|through| *through >= close)
    }
}

#[cfg(test)]
#[path = "bars_tests.rs"]
mod tests;
