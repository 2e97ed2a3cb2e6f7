//! Updates to closed bars, each exactly once, and bars to closes: the core of the closer.
//!
//! A close is said once all wanted symbols have delivered their bar or are known to have none. That
//! a symbol has none is known from the venue: a fetch that reached past the minute and did not hold
//! the bar, or, in lockstep, the exchange's own list of who traded. A symbol that missed most
//! recent closes is not waited for. Closes are said in order; a bar of a close that was said
//! already is late.

use crate::domain::fact::kinds::{kind, rank};
use crate::domain::fact::{Body, Market, Venue};
use crate::domain::id::{Symbol, SymbolMap};
use crate::domain::market::Bar;
use crate::domain::time::{MINUTE, UtcMs};
use everwarm_runtime::fact::{Fact, Mask, Rank};
use everwarm_runtime::stage::{Out, Stage};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Closes missed in a row after which a symbol is not waited for.
const MISSES: u32 = 3;
const VERSION: u8 = 1;

/// What was said about closes: a fold that says nothing itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Closes {
    /// The last close said.
    pub last: Option<UtcMs>,
    /// The last life of the process that has seen the account, and so all that happened before.
    pub account: Option<u64>,
    symbols: SymbolMap<SymbolCloses>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SymbolCloses {
    /// End of its last bar, history included.
    through: Option<UtcMs>,
    /// Whether its history was loaded or found to be empty.
    history: bool,
    /// Closes missed in a row.
    misses: u32,
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
        self.symbols.iter().filter_map(|(_, of)| of.through).max()
    }

    /// Whether a bar that ends at `close` was said.
    #[must_use]
    pub fn has(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.through(symbol).is_some_and(|t| t >= close)
    }

    fn waited_for(&self, symbol: Symbol) -> bool {
        self.symbols.get(symbol).is_none_or(|s| s.misses < MISSES)
    }

    fn bar(&mut self, symbol: Symbol, close: UtcMs) {
        let of = self.symbols.entry(symbol);
        of.through = of.through.max(Some(close));
        of.misses = 0;
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
    fn interest(&self) -> Mask {
        // Inputs alone: what was appended a moment ago is then folded without waiting for any
        // stage.
        Mask::of(&[kind::CLOSE, kind::LATE_BAR, kind::HISTORY_LOADED, kind::ACCOUNT])
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, bars, missing }) => {
                self.last = Some(*time);
                for bar in bars {
                    self.bar(bar.symbol, *time);
                }
                for symbol in missing {
                    self.symbols.entry(*symbol).misses += 1;
                }
            }
            Body::Market(Market::LateBar { bar }) => self.bar(bar.symbol, bar.open_time + MINUTE),
            Body::Market(Market::HistoryLoaded { symbol, timeframe, to, .. }) => {
                self.bar(*symbol, to + timeframe.ms());
                self.symbols.entry(*symbol).history = true;
            }
            Body::Market(Market::HistoryBars { symbol, timeframe, bars }) => {
                if let Some(bar) = bars.last() {
                    self.bar(*symbol, bar.open_time + timeframe.ms());
                }
                self.symbols.entry(*symbol).history = true;
            }
            Body::Venue(Venue::Account { life, .. }) => self.account = Some(*life),
            Body::Market(Market::Instruments { .. })
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        everwarm_runtime::state::save(VERSION, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = everwarm_runtime::state::load(VERSION, bytes)?;
        Ok(())
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

/// Bars on their way to a close. Lost with its actor: what it held is fetched again.
#[derive(Clone, Debug, Default)]
pub struct Gathering {
    wanted: BTreeSet<Symbol>,
    pending: BTreeMap<UtcMs, BTreeMap<Symbol, Bar>>,
    /// How far the venue's own records have been looked through, by symbol.
    looked: BTreeMap<Symbol, UtcMs>,
    /// The close the exchange has told who traded in, in lockstep.
    told: Option<(UtcMs, BTreeSet<Symbol>)>,
    late: Vec<Bar>,
}

impl Gathering {
    /// Gathers the bars of these symbols.
    #[must_use]
    pub fn of(wanted: BTreeSet<Symbol>) -> Gathering {
        Gathering { wanted, ..Gathering::default() }
    }

    /// A closed bar has come. Repeats are harmless.
    pub fn offer(&mut self, said: &Closes, bar: Bar) {
        let close = bar.open_time + MINUTE;
        if !self.wanted.contains(&bar.symbol) || said.has(bar.symbol, close) {
            return;
        }
        if said.last.is_some_and(|last| close <= last) {
            if !self.late.contains(&bar) {
                self.late.push(bar);
            }
        } else {
            self.pending.entry(close).or_default().entry(bar.symbol).or_insert(bar);
        }
    }

    /// The venue's records up to the close `through` were looked through, and all that was in them
    /// offered.
    pub fn looked(&mut self, symbol: Symbol, through: UtcMs) {
        let looked = self.looked.entry(symbol).or_insert(through);
        *looked = (*looked).max(through);
    }

    /// The exchange has told who traded in the minute that ended at `close`.
    pub fn told(&mut self, close: UtcMs, symbols: BTreeSet<Symbol>) {
        self.told = Some((close, symbols));
    }

    /// Whether every wanted symbol's records have been looked through once.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.wanted.iter().all(|s| self.looked.contains_key(s))
    }

    /// What is to be done at venue time `now`, a bar being late after `grace`.
    #[must_use]
    pub fn next(&mut self, said: &Closes, now: UtcMs, grace: UtcMs) -> Next {
        if let Some(bar) = self.late.pop() {
            return if said.has(bar.symbol, bar.open_time + MINUTE) {
                self.next(said, now, grace)
            } else {
                Next::Say(Market::LateBar { bar })
            };
        }
        self.pending.retain(|close, _| said.last.is_none_or(|last| *close > last));
        let Some((&close, bars)) = self.pending.first_key_value() else { return Next::Idle };
        if !self.is_caught_up() {
            return Next::Idle;
        }
        let missing: Vec<Symbol> =
            self.wanted.iter().filter(|s| !bars.contains_key(s)).copied().collect();
        let open: Vec<Symbol> =
            missing.iter().filter(|s| !self.is_absent(**s, close)).copied().collect();
        // In lockstep a bar that was told of is on its way, however long it takes.
        let lockstep = self.told.as_ref().is_some_and(|(at, _)| *at == close);
        let waited: Vec<Symbol> =
            open.into_iter().filter(|s| lockstep || said.waited_for(*s)).collect();
        if waited.is_empty() {
            let bars = self.pending.remove(&close).unwrap_or_default().into_values().collect();
            return Next::Say(Market::Close { time: close, bars, missing });
        }
        if lockstep {
            return Next::Idle;
        }
        if now < close + grace {
            return Next::Wait(close + grace);
        }
        Next::Fetch(close, waited)
    }

    fn is_absent(&self, symbol: Symbol, close: UtcMs) -> bool {
        let told = self.told.as_ref().filter(|(at, _)| *at == close);
        told.is_some_and(|(_, traded)| !traded.contains(&symbol))
            || self.looked.get(&symbol).is_some_and(|through| *through >= close)
    }
}
