//! Assembles a close from the bars that arrive: which minute is complete, what is fetched, what is
//! missing.

use super::Closes;
use super::doubt::{Doubts, Refused};
use super::split_checks::{Late, SplitChecks};
use everwarm_domain::fact::Market;
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::odd::OddBar;
use everwarm_domain::time::{MINUTE, UtcMs};
use std::collections::{BTreeMap, BTreeSet};

/// How long a close waits for missing earlier bars, in milliseconds of venue time after it. A venue
/// that streams and does not respond must not stop all closes.
pub(super) const HOLE: UtcMs = MINUTE;

/// The next action of the closer.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The next close must wait until it is released; see [`CloseAssembly::release`].
    Held,
    /// Wait until the venue has reported the splits of a symbol.
    Asked,
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
    fetched: BTreeMap<Symbol, UtcMs>,
    /// In lockstep: the last announced close and the symbols that traded in it.
    traded: Option<(UtcMs, BTreeSet<Symbol>)>,
    late: Vec<Held>,
    doubts: Doubts,
    /// Closes up to this time may be appended.
    released: UtcMs,
    splits: SplitChecks,
}

/// The source of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A stream of the venue.
    Streamed,
    /// The venue's records.
    Recorded,
    /// The venue's records, which repeated it. It enters its close even if it is odd.
    Twice,
}

/// A bar that waits for its close.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) bar: Bar,
    pub(super) source: Source,
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
        let (pending, fetched, traded, late, doubts, splits) = Default::default();
        let released = UtcMs::MAX;
        CloseAssembly { lockstep, pending, fetched, traded, late, doubts, released, splits }
    }

    /// The same, for a venue that reports splits. A bar that a split may explain waits for them.
    #[must_use]
    pub fn with_splits_of(mut self, venue: VenueId) -> CloseAssembly {
        self.splits = SplitChecks::of(venue);
        self
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
    pub fn apply_fetched(
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
        self.doubts.fetched(symbol, through, found, now);
        self.doubts.fetch_refused(refused, before, now);
        self.fetched(symbol, through);
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
    pub(super) fn fetched(&mut self, symbol: Symbol, through: UtcMs) {
        let fetched = self.fetched.entry(symbol).or_insert(through);
        *fetched = (*fetched).max(through);
    }

    /// Takes the exchange's list of the symbols that traded in the minute ending at `close`.
    pub fn traded(&mut self, close: UtcMs, symbols: BTreeSet<Symbol>) {
        self.traded = Some((close, symbols));
    }

    /// Forgets the symbols that are no longer listed.
    pub fn keep_listed(&mut self, closes: &Closes) {
        self.fetched.retain(|symbol, _| closes.is_live(*symbol));
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
        closes.live().all(|s| self.has_fetched(s) || (joins && !closes.has_past(s)))
    }

    /// The newest close for which a bar has arrived.
    #[must_use]
    pub fn newest(&self) -> Option<UtcMs> {
        self.pending.last_key_value().map(|(close, _)| *close)
    }

    /// Whether the records of a symbol were fetched.
    #[must_use]
    pub fn has_fetched(&self, symbol: Symbol) -> bool {
        self.fetched.contains_key(&symbol)
    }

    /// Lets closes up to this time be appended. Before the first call, all may.
    pub fn release(&mut self, close: UtcMs) {
        self.released = close;
    }

    /// The next action at venue time `now`. A bar is late `grace` milliseconds after its close.
    #[must_use]
    pub fn next(&mut self, closes: &Closes, now: UtcMs, grace: UtcMs) -> Next {
        if let Some(refused) = self.doubts.next_refusal() {
            return Next::Append(refused);
        }
        for held in self.splits.decided(closes) {
            self.take(closes, held);
        }
        while let Some(held) = self.late.pop() {
            let bar = held.bar;
            let close = bar.open_time + MINUTE;
            if closes.has(bar.symbol, close) || !closes.has_past(bar.symbol) {
                continue;
            }
            let (doubtful, odd) = closes.doubts(&held);
            if doubtful {
                self.doubts.ask(bar, now);
                return Next::Fetch(close, vec![bar.symbol]);
            }
            match self.splits.late(closes, &held) {
                Late::Passes => {}
                Late::Waits => continue,
                Late::Asks(fact) => return Next::Append(fact),
            }
            return Next::Append(Market::LateBar { bar: bar.ordered(), odd });
        }
        self.pending.retain(|close, _| closes.last.is_none_or(|last| *close > last));
        let Some((&close, bars)) = self.pending.first_key_value() else { return Next::Idle };
        if !self.is_caught_up(closes) {
            return Next::Idle;
        }
        if close > self.released {
            return Next::Held;
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
                .complete(closes, (close, now), missing)
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
    fn complete(
        &mut self,
        closes: &Closes,
        (close, now): (UtcMs, UtcMs),
        mut missing: Vec<Symbol>,
    ) -> Option<Next> {
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
                self.doubts.ask(held.bar, now);
            }
        }
        if !doubtful.is_empty() {
            return Some(Next::Fetch(close, doubtful));
        }
        if let Some(next) = self.splits.close(closes, bars, &mut missing, (now, self.lockstep)) {
            return Some(next);
        }
        odd.retain(|odd: &OddBar| bars.contains_key(&odd.symbol));
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
            let fetched = self.fetched.get(symbol).is_some_and(|through| *through >= before);
            closes.has_past(**symbol)
                && !closes.has(**symbol, before)
                && (self.doubts.wants_again(**symbol, before) || !(fetched || self.lockstep))
        };
        bars.keys().filter(hole).copied().collect()
    }

    fn is_absent(&self, symbol: Symbol, close: UtcMs) -> bool {
        let list = self.traded.as_ref().filter(|(at, _)| *at == close);
        list.is_some_and(|(_, traded)| !traded.contains(&symbol))
            || self.doubts.gave_up(symbol, close)
            || self.fetched.get(&symbol).is_some_and(|through| *through >= close)
    }
}
