//! Declines entries that the session of their close cannot execute: the market is closed, and the
//! order would wait for the next opening.
//!
//! Two kinds of entries are meant for the next opening. The daily bar of a venue with sessions ends
//! with the session, so an entry that follows from daily bars has no other time. An operator may
//! place a limit order that works beyond the opening. A limit order of a strategy ends with the
//! session: see [`super::limit_entries`]. Exits are never declined: they wait.
//!
//! While a sale of `everwarm panic` waits for the opening, no order of ours sells the same shares.

use super::manual::is_between_closes;
use super::{Decide, Refusal, no};
use everwarm_domain::fact::{Analysis, Body, Signal};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::manual::Request;
use everwarm_domain::order::{Balance, MANUAL};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs, clock, date_of, day_of};
use everwarm_kernel::fact::{Fact, Key, Rank};

/// Code of a decline because the market is closed.
const CLOSED: &str = "market-closed";

/// The facts of one input that follow from daily bars: their values, and the signals of strategies
/// that decide by them.
#[derive(Debug, Default)]
pub(super) struct Daily(Vec<Key>);

impl Daily {
    /// Applies one fact. An input ends the facts of the one before.
    pub(super) fn fold(&mut self, fact: &Fact<Body>) {
        if fact.key.rank == Rank::INPUT.0 {
            self.0.clear();
        }
        let follows = match &fact.body {
            Body::Analysis(Analysis::FeatureValues { timeframe, .. }) => {
                *timeframe == Timeframe::D1
            }
            Body::Analysis(Analysis::Signals { .. }) => {
                fact.because.first().is_some_and(|key| self.has(*key))
            }
            Body::Analysis(_)
            | Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => false,
        };
        if follows {
            self.0.push(fact.key);
        }
    }

    /// Whether a fact follows from daily bars.
    fn has(&self, key: Key) -> bool {
        self.0.contains(&key)
    }
}

impl Decide {
    /// Whether the session of an entry goes on, so that its order can be executed there. `key`: the
    /// fact with its signal.
    pub(super) fn session_allows(&self, key: Key, signal: &Signal) -> Result<(), Refusal> {
        let symbol = signal.symbol;
        // A strategy decides at a close. Others may decide long after it.
        let (by_hand, late) = (signal.strategy == MANUAL, is_between_closes(signal));
        let now = if late { self.time.max(self.closed) } else { signal.close_time };
        if self.is_open(symbol, now) || self.daily.has(key) {
            return Ok(());
        }
        let opens = self.calendar.of(symbol).next_open(now);
        if by_hand && self.works_beyond(opens) {
            return Ok(());
        }
        let next = opens.map_or_else(String::new, |at| {
            format!("; the next session opens on {} at {}", date_of(day_of(at)), clock(at))
        });
        if by_hand {
            let text =
                format!("{symbol} does not trade now{next}. Order then, or with --limit now");
            return no(CLOSED, text);
        }
        if late {
            return no(CLOSED, format!("{symbol} does not trade now{next}"));
        }
        no(CLOSED, format!("the session of {symbol} ends with this close{next}"))
    }

    /// Whether a symbol trades at this time or, at a close, in the minute after it.
    pub(super) fn is_open(&self, symbol: Symbol, time: UtcMs) -> bool {
        self.calendar.of(symbol).is_open(time)
    }

    /// The balances without the assets that open sales of `everwarm panic` sell at the next
    /// opening. Nothing more of them can be sold.
    pub(super) fn not_panicked(
        &self,
        balances: &[Balance],
        open: &[(ClientOrderId, Symbol)],
    ) -> Vec<Balance> {
        let sold = |base: &str| {
            open.iter().any(|(id, symbol)| {
                let of = self.instruments.get(*symbol).is_some_and(|rule| rule.base == base);
                id.is_panic() && of && !self.calendar.of(*symbol).is_unknown()
            })
        };
        balances.iter().filter(|balance| !sold(&balance.asset)).cloned().collect()
    }

    /// When an entry begins to be valid: at its close. At a venue with sessions, an operator may
    /// request it long after the last close. The signal of an external program counts from its
    /// arrival.
    pub(super) fn valid_from(&self, signal: &Signal) -> UtcMs {
        let by_hand = signal.strategy == MANUAL;
        let at_close = by_hand && self.calendar.of(signal.symbol).is_unknown();
        if at_close || !is_between_closes(signal) {
            return signal.close_time;
        }
        signal.close_time.max(self.time)
    }

    /// Whether the present request is a limit order that still works after the opening.
    fn works_beyond(&self, opens: Option<UtcMs>) -> bool {
        let Some(Request::Order { limit: Some(_), minutes, .. }) = self.manual.request() else {
            return false;
        };
        let ends = self.closed.saturating_add(i64::from(*minutes) * MINUTE);
        *minutes == 0 || opens.is_some_and(|opens| ends > opens)
    }
}
