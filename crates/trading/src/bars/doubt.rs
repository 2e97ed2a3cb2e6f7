//! Bars in doubt: those the venue's records are asked about before they enter a close, and those
//! that were refused.
//!
//! An odd bar of a stream waits here until the records were looked through. What they repeat enters
//! the close, everything else is refused. The other symbols of its close wait with it, for a minute
//! of venue time at most. A refused bar is looked for once more before the next bar of its symbol.

use super::HOLE;
use everwarm_domain::fact::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::{MINUTE, UtcMs};
use std::collections::{BTreeMap, VecDeque};

/// Refusals that wait to be said, at most.
const WAITING: usize = 1_000;

/// A bar that was claimed and is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it is of.
    pub symbol: Symbol,
    /// Its opening time, as it was claimed.
    pub time: UtcMs,
    /// Why, in words.
    pub reason: String,
    /// What was claimed, in words.
    pub claimed: String,
}

impl Refused {
    /// Refuses a bar.
    #[must_use]
    pub fn of(bar: &Bar, reason: &str) -> Refused {
        let (symbol, time, reason) = (bar.symbol, bar.open_time, reason.to_owned());
        Refused { symbol, time, reason, claimed: claimed(bar) }
    }
}

/// What a bar claims.
fn claimed(bar: &Bar) -> String {
    let Bar { open, high, low, close, volume, .. } = bar;
    let prices = [("open", open), ("high", high), ("low", low), ("close", close)];
    let one = |(name, price): (&str, &Price)| format!("{name} {price}");
    format!("{}, volume {}", prices.map(one).join(", "), volume.normalize())
}

/// All that is in doubt.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    /// Odd bars of streams the records are asked about, by close and symbol.
    asked: BTreeMap<(UtcMs, Symbol), Bar>,
    /// Closes up to which nobody waits for a symbol any more: its records were not answered.
    given_up: BTreeMap<Symbol, UtcMs>,
    /// The close of the last refused bar, where it is looked for once more.
    again: BTreeMap<Symbol, UtcMs>,
    /// The minute of venue time in which a refusal of a symbol was said last.
    shown: BTreeMap<Symbol, i64>,
    refused: VecDeque<Refused>,
    /// Refusals since the beginning, said or not.
    count: u64,
}

impl Doubts {
    /// The records are asked about a bar of a stream.
    pub fn ask(&mut self, bar: Bar) {
        self.asked.insert((bar.open_time + MINUTE, bar.symbol), bar);
    }

    /// The symbols of a close whose bars are in doubt, by name.
    pub fn of(&self, close: UtcMs) -> Vec<Symbol> {
        let of = |(at, _): &&(UtcMs, Symbol)| *at == close;
        self.asked.keys().filter(of).map(|(_, symbol)| *symbol).collect()
    }

    /// Whether a bar is in doubt.
    pub fn has(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.asked.contains_key(&(close, symbol))
    }

    /// Whether nobody waits for that bar any more.
    pub fn gave_up(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.given_up.get(&symbol).is_some_and(|until| *until >= close)
    }

    /// Whether that bar was refused and is to be looked for once more.
    pub fn wants_again(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.again.get(&symbol) == Some(&close)
    }

    /// Ends every doubt of a symbol up to the close `through`: what the records hold of a minute is
    /// what `found` says.
    pub fn looked(
        &mut self,
        symbol: Symbol,
        through: UtcMs,
        found: impl Fn(UtcMs) -> Option<Bar>,
        now: UtcMs,
    ) {
        self.again.remove(&symbol);
        let ends = |(close, of): &&(UtcMs, Symbol)| *of == symbol && *close <= through;
        for key in self.asked.keys().filter(ends).copied().collect::<Vec<_>>() {
            let Some(bar) = self.asked.remove(&key) else { continue };
            match found(key.0) {
                // It enters with its prices in order.
                Some(known) if known.ordered() == bar.ordered() => {}
                Some(_) => {
                    let reason = "the exchange's records contradict the stream";
                    self.refuse(Refused::of(&bar, reason), now);
                }
                None => {
                    let reason = "the exchange's records do not have it";
                    self.refuse(Refused::of(&bar, reason), now);
                }
            }
        }
    }

    /// Gives up on what the records of a close were asked for too long ago.
    pub fn expire(&mut self, close: UtcMs, now: UtcMs) {
        if now <= close + HOLE {
            return;
        }
        for symbol in self.of(close) {
            let Some(bar) = self.asked.remove(&(close, symbol)) else { continue };
            self.given_up.insert(symbol, close);
            self.again.insert(symbol, close);
            let reason = "the exchange's records did not answer within a minute";
            self.refuse(Refused::of(&bar, reason), now);
        }
    }

    /// A look refused bars of a symbol: the newest is looked for once more, unless that look was
    /// the second.
    pub fn look_refused(&mut self, all: Vec<Refused>, before: Option<UtcMs>, now: UtcMs) {
        for refused in all {
            let close = refused.time.saturating_add(MINUTE);
            if before != Some(close) {
                self.again.insert(refused.symbol, close);
            }
            self.refuse(refused, now);
        }
    }

    /// The close of the refused bar of a symbol that is looked for once more.
    pub fn again(&self, symbol: Symbol) -> Option<UtcMs> {
        self.again.get(&symbol).copied()
    }

    /// Counts a refusal, and has the first of a symbol in a minute of venue time said.
    pub fn refuse(&mut self, refused: Refused, now: UtcMs) {
        self.count += 1;
        let minute = now.div_euclid(MINUTE);
        let first = self.shown.insert(refused.symbol, minute) != Some(minute);
        if first && self.refused.len() < WAITING {
            self.refused.push_back(refused);
        }
    }

    /// The next refusal that is to be said.
    pub fn say(&mut self) -> Option<Market> {
        let Refused { symbol, time, reason, claimed } = self.refused.pop_front()?;
        Some(Market::BarRefused { symbol, time, reason, claimed })
    }

    /// Refusals since this was last asked.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }

    /// Forgets symbols.
    pub fn keep(&mut self, is_live: impl Fn(Symbol) -> bool) {
        self.asked.retain(|(_, symbol), _| is_live(*symbol));
        self.given_up.retain(|symbol, _| is_live(*symbol));
        self.again.retain(|symbol, _| is_live(*symbol));
        self.shown.retain(|symbol, _| is_live(*symbol));
    }
}
