//! Keeps odd bars until the venue's records confirm them, and keeps refused bars.
//!
//! An odd bar of a stream waits here until the records are fetched. If the records repeat it, it
//! enters the close; otherwise it is refused. The other symbols of its close wait with it, for at
//! most a minute of venue time from then on. The close may be much older: after an outage. A
//! refused bar is fetched once more before the next bar of its symbol.

use super::close_assembly::HOLE;
use everwarm_domain::fact::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::{MINUTE, UtcMs};
use std::collections::{BTreeMap, VecDeque};

/// Most refusals that wait to be appended.
const WAITING: usize = 1_000;

/// A bar that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Symbol of the bar.
    pub symbol: Symbol,
    /// Opening time of the bar, as received.
    pub time: UtcMs,
    /// The reason, as text.
    pub reason: String,
    /// The received prices and volume, as text.
    pub claimed: String,
}

impl Refused {
    /// The refusal of a bar for this reason.
    #[must_use]
    pub fn of(bar: &Bar, reason: &str) -> Refused {
        let (symbol, time, reason) = (bar.symbol, bar.open_time, reason.to_owned());
        Refused { symbol, time, reason, claimed: claimed(bar) }
    }
}

/// Prices and volume of a bar, as text.
fn claimed(bar: &Bar) -> String {
    let Bar { open, high, low, close, volume, .. } = bar;
    let prices = [("open", open), ("high", high), ("low", low), ("close", close)];
    let one = |(name, price): (&str, &Price)| format!("{name} {price}");
    format!("{}, volume {}", prices.map(one).join(", "), volume.normalize())
}

/// All bars in doubt, and the refusals.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    /// Odd bars of streams that wait for the records, by close and symbol, with the venue time at
    /// which the wait began.
    asked: BTreeMap<(UtcMs, Symbol), (Bar, UtcMs)>,
    /// By symbol, the close up to which the closer no longer waits: the records query timed out.
    given_up: BTreeMap<Symbol, UtcMs>,
    /// By symbol, the close of a refused bar that is to be fetched once more.
    again: BTreeMap<Symbol, UtcMs>,
    /// By symbol, the minute of venue time of the last appended refusal.
    shown: BTreeMap<Symbol, i64>,
    refused: VecDeque<Refused>,
    /// Refusals since the last [`Doubts::take_count`], appended or not.
    count: u64,
}

impl Doubts {
    /// Puts a bar of a stream in doubt until the records are fetched.
    pub fn ask(&mut self, bar: Bar, now: UtcMs) {
        self.asked.insert((bar.open_time + MINUTE, bar.symbol), (bar, now));
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

    /// Whether the closer no longer waits for that bar.
    pub fn gave_up(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.given_up.get(&symbol).is_some_and(|until| *until >= close)
    }

    /// Whether that bar was refused and must be fetched once more.
    pub fn wants_again(&self, symbol: Symbol, close: UtcMs) -> bool {
        self.again.get(&symbol) == Some(&close)
    }

    /// Ends every doubt of a symbol up to the close `through`. `found` gives the records' bar of a
    /// close.
    pub fn fetched(
        &mut self,
        symbol: Symbol,
        through: UtcMs,
        found: impl Fn(UtcMs) -> Option<Bar>,
        now: UtcMs,
    ) {
        self.again.remove(&symbol);
        let ends = |(close, of): &&(UtcMs, Symbol)| *of == symbol && *close <= through;
        for key in self.asked.keys().filter(ends).copied().collect::<Vec<_>>() {
            let Some((bar, _)) = self.asked.remove(&key) else { continue };
            match found(key.0) {
                // The bar enters the close with its prices put in order.
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

    /// Gives up the doubts of a close whose records query has timed out.
    pub fn expire(&mut self, close: UtcMs, now: UtcMs) {
        for symbol in self.of(close) {
            let timed_out = |(_, since): &(Bar, UtcMs)| now > close.max(*since) + HOLE;
            if !self.asked.get(&(close, symbol)).is_some_and(timed_out) {
                continue;
            }
            let Some((bar, _)) = self.asked.remove(&(close, symbol)) else { continue };
            self.given_up.insert(symbol, close);
            self.again.insert(symbol, close);
            let reason = "the exchange's records did not answer within a minute";
            self.refuse(Refused::of(&bar, reason), now);
        }
    }

    /// Takes the bars that a fetch refused. The newest is fetched once more, unless this was
    /// already the second fetch.
    pub fn fetch_refused(&mut self, all: Vec<Refused>, before: Option<UtcMs>, now: UtcMs) {
        for refused in all {
            let close = refused.time.saturating_add(MINUTE);
            if before != Some(close) {
                self.again.insert(refused.symbol, close);
            }
            self.refuse(refused, now);
        }
    }

    /// The close of the symbol's refused bar that is to be fetched once more.
    pub fn again(&self, symbol: Symbol) -> Option<UtcMs> {
        self.again.get(&symbol).copied()
    }

    /// Counts a refusal. The first of a symbol in a minute of venue time is appended.
    pub fn refuse(&mut self, refused: Refused, now: UtcMs) {
        self.count += 1;
        let minute = now.div_euclid(MINUTE);
        let first = self.shown.insert(refused.symbol, minute) != Some(minute);
        if first && self.refused.len() < WAITING {
            self.refused.push_back(refused);
        }
    }

    /// The next refusal to append.
    pub fn next_refusal(&mut self) -> Option<Market> {
        let Refused { symbol, time, reason, claimed } = self.refused.pop_front()?;
        Some(Market::BarRefused { symbol, time, reason, claimed })
    }

    /// Number of refusals since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }

    /// Forgets the symbols that are not live.
    pub fn keep(&mut self, is_live: impl Fn(Symbol) -> bool) {
        self.asked.retain(|(_, symbol), _| is_live(*symbol));
        self.given_up.retain(|symbol, _| is_live(*symbol));
        self.again.retain(|symbol, _| is_live(*symbol));
        self.shown.retain(|symbol, _| is_live(*symbol));
    }
}
