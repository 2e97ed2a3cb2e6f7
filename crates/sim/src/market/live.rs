//! A market of live prices: it shows the bars of a source, each minute once the bars of all its
//! symbols have arrived.
//!
//! Somebody else fetches the bars and adds them to [`Arrivals`]. The market knows no future. Its
//! time is a little behind that of the source, so that a minute has usually arrived when its close
//! is due. A late minute holds the market back; venue time continues.

use super::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long minutes stay in memory, milliseconds. Wider bars cover the time before.
const KEPT: UtcMs = 3 * 24 * 60 * MINUTE;

/// Tells the time of the market, UTC milliseconds.
pub type Time = Arc<dyn Fn() -> UtcMs + Send + Sync>;

/// The bars that have arrived. The market and its fetcher share them.
#[derive(Debug)]
pub struct Arrivals(Mutex<State>);

#[derive(Debug)]
struct State {
    minutes: BTreeMap<Symbol, BTreeMap<UtcMs, Bar>>,
    older: BTreeMap<(Symbol, Timeframe), Vec<Bar>>,
    /// Opening time of the first minute that has arrived.
    first: UtcMs,
    /// Every minute that closes up to here has arrived.
    through: UtcMs,
    /// The exchange needs the minutes from here on, before the first one.
    wanted: Option<UtcMs>,
}

impl Arrivals {
    /// Nothing yet: the first minute to arrive opens at `first`, a full minute.
    #[must_use]
    pub fn from(first: UtcMs) -> Arrivals {
        let (minutes, older) = (BTreeMap::new(), BTreeMap::new());
        Arrivals(Mutex::new(State { minutes, older, first, through: first, wanted: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every minute that closes up to here has arrived, UTC milliseconds.
    #[must_use]
    pub fn through(&self) -> UtcMs {
        self.state().through
    }

    /// Adds all bars of the minutes that close after those that have arrived, up to `through`. In a
    /// minute without a bar of a symbol, it had no trade.
    pub fn add(&self, through: UtcMs, bars: Vec<Bar>) {
        let mut state = self.state();
        let added = state.through..through;
        state.insert(bars, &added);
        state.through = added.end.max(added.start);
        let first = (state.through - KEPT).max(state.first);
        // The exchange may still have to play what is old.
        if state.wanted.is_none() && state.first < first {
            state.first = first;
            for minutes in state.minutes.values_mut() {
                *minutes = minutes.split_off(&first);
            }
        }
    }

    /// The opening times of minutes that the exchange needs, before the first that has arrived.
    #[must_use]
    pub fn wanted(&self) -> Option<RangeInclusive<UtcMs>> {
        let state = self.state();
        state.wanted.map(|from| from..=state.first - MINUTE)
    }

    /// Adds all bars of the minutes that open from `first` on, before those that have arrived.
    pub fn add_before(&self, first: UtcMs, bars: Vec<Bar>) {
        let mut state = self.state();
        let added = first..state.first;
        state.insert(bars, &added);
        state.first = added.start.min(added.end);
        let first = state.first;
        state.wanted = state.wanted.filter(|wanted| *wanted < first);
    }

    /// Sets the wider bars of a symbol, ascending. They stand for the time before the minutes.
    pub fn set_older(&self, symbol: Symbol, width: Timeframe, bars: Vec<Bar>) {
        self.state().older.insert((symbol, width), bars);
    }
}

impl State {
    fn insert(&mut self, bars: Vec<Bar>, opens: &std::ops::Range<UtcMs>) {
        for bar in bars.into_iter().filter(|bar| opens.contains(&bar.open_time)) {
            self.minutes.entry(bar.symbol).or_default().insert(bar.open_time, bar);
        }
    }

    /// Opening time of the first minute with a bar that opens at `from` or later.
    fn next_open(&self, from: UtcMs) -> Option<UtcMs> {
        let all = self.minutes.values();
        all.filter_map(|minutes| minutes.range(from..).next().map(|(open, _)| *open)).min()
    }
}

/// A market of live prices, see the module.
pub struct Live {
    instruments: Vec<Instrument>,
    arrivals: Arc<Arrivals>,
    start: UtcMs,
    time: Time,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Live {
    /// A market of these instruments, by symbol. A fresh exchange opens with the newest minute that
    /// has arrived. `time` is the time of the market.
    #[must_use]
    pub fn new(mut instruments: Vec<Instrument>, arrivals: Arc<Arrivals>, time: Time) -> Live {
        instruments.sort_by_key(|instrument| instrument.symbol);
        let start = arrivals.through();
        Live { instruments, arrivals, start, time }
    }
}

impl Market for Live {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn start(&self) -> UtcMs {
        self.start
    }

    fn time(&self) -> Option<Time> {
        Some(Arc::clone(&self.time))
    }

    fn known_until(&mut self, released: UtcMs) -> UtcMs {
        let mut state = self.arrivals.state();
        let from = Timeframe::M1.open_of(released);
        if from < state.first {
            state.wanted = Some(state.wanted.map_or(from, |wanted| wanted.min(from)));
            return released;
        }
        state.through
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let state = self.arrivals.state();
        // The minute that closes strictly after it opened at most a minute before.
        let from = Timeframe::M1.open_of(after);
        // What comes next is not known while minutes are missing.
        let open = state.next_open(from).filter(|_| from >= state.first)?;
        Some(open + MINUTE)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        let state = self.arrivals.state();
        state.minutes.values().filter_map(|of| of.get(&(close - MINUTE)).copied()).collect()
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        let state = self.arrivals.state();
        let minutes = state.minutes.get(&symbol).filter(|_| from_open <= to_open);
        let bars = minutes.into_iter().flat_map(|of| of.range(from_open..=to_open));
        bars.map(|(_, bar)| *bar).take(limit).collect()
    }

    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        let state = self.arrivals.state();
        let bars = state.older.get(&(symbol, width)).into_iter().flatten();
        bars.filter(|bar| times.contains(&bar.open_time)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::local::{InitialBooks, Local};
    use crate::market::Seeded;

    /// 2026-01-05T00:00Z.
    const START: UtcMs = 1_767_571_200_000;

    fn source() -> Seeded {
        Seeded::new(7, 2, START, 3_000)
    }

    /// The bars of both symbols that open in these minutes after the start.
    fn made(minutes: std::ops::Range<i64>) -> Vec<Bar> {
        let mut source = source();
        let names: Vec<Symbol> = source.instruments().iter().map(|one| one.symbol).collect();
        let (from, to) = (START + minutes.start * MINUTE, START + (minutes.end - 1) * MINUTE);
        names.into_iter().flat_map(|name| source.bars(name, from, to, usize::MAX)).collect()
    }

    fn arrived(minutes: std::ops::Range<i64>) -> Arc<Arrivals> {
        let arrivals = Arrivals::from(START + minutes.start * MINUTE);
        arrivals.add(START + minutes.end * MINUTE, made(minutes));
        Arc::new(arrivals)
    }

    fn live(arrivals: &Arc<Arrivals>) -> Live {
        let instruments = source().instruments().to_vec();
        Live::new(instruments, Arc::clone(arrivals), Arc::new(|| START))
    }

    #[test]
    fn a_minute_is_played_when_it_has_arrived_and_time_does_not_pass_it() {
        let arrivals = arrived(-10..0);
        let mut exchange = Local::open(Box::new(live(&arrivals)), &InitialBooks::default());
        assert_eq!(exchange.exchange().market(), START);
        let noon = START + 3 * MINUTE + 5_000;
        exchange.advance(noon, noon);
        assert_eq!(exchange.exchange().market(), START, "nothing has arrived");
        assert_eq!(exchange.exchange().now(), noon, "venue time goes on");
        arrivals.add(START + 2 * MINUTE, made(0..2));
        exchange.advance(noon, noon);
        assert_eq!(exchange.exchange().market(), START + 2 * MINUTE);
        let closed = exchange.closed_since(START);
        let bars: Vec<Bar> = closed.into_iter().flat_map(|(_, bars)| bars).collect();
        let mut wanted = made(0..2);
        wanted.sort_by_key(|bar| (bar.open_time, bar.symbol));
        assert_eq!(bars, wanted);
    }

    #[test]
    fn the_same_minutes_give_the_same_books_whenever_they_arrive() {
        let play = |steps: &[i64]| {
            let arrivals = arrived(-10..0);
            let mut exchange = Local::open(Box::new(live(&arrivals)), &InitialBooks::default());
            let mut reached = 0;
            for step in steps {
                arrivals.add(START + step * MINUTE, made(reached..*step));
                reached = *step;
                exchange.advance(START + reached * MINUTE, START + reached * MINUTE);
            }
            let symbol = exchange.exchange().instruments()[0].symbol;
            format!("{:?}", exchange.exchange().tape(symbol))
        };
        assert_eq!(play(&[1, 2, 3, 4, 5, 6]), play(&[6]));
        assert_eq!(play(&[4, 6]), play(&[6]));
    }

    #[test]
    fn an_exchange_that_was_away_waits_for_the_minutes_that_it_missed() {
        let early = arrived(-10..0);
        let mut market = live(&early);
        assert_eq!(market.known_until(START), START);
        // A new process has fetched what is newest only.
        let arrivals = arrived(40..50);
        let mut market = live(&arrivals);
        let left = START + 2 * MINUTE + 7;
        assert_eq!(market.known_until(left), left, "the market stands");
        assert_eq!(market.next_close(left), None, "what comes next is not known");
        let wanted = START + 2 * MINUTE..=START + 39 * MINUTE;
        assert_eq!(arrivals.wanted(), Some(wanted));
        arrivals.add(START + 51 * MINUTE, made(50..51));
        arrivals.add_before(START + 2 * MINUTE, made(2..40));
        assert_eq!(arrivals.wanted(), None);
        assert_eq!(market.known_until(left), START + 51 * MINUTE);
        let mut at = left;
        for minute in 2..51 {
            at = market.next_close(at).unwrap();
            assert_eq!(at, START + (minute + 1) * MINUTE);
            assert_eq!(market.bars_closing(at).len(), 2);
        }
        assert_eq!(market.next_close(at), None);
    }

    #[test]
    fn old_minutes_leave_and_wider_bars_stay() {
        let arrivals = arrived(0..10);
        let mut market = live(&arrivals);
        let symbol = market.instruments()[0].symbol;
        let wide = made(0..1).remove(0);
        arrivals.set_older(symbol, Timeframe::H1, vec![wide]);
        arrivals.add(START + KEPT + 5 * MINUTE, Vec::new());
        let all = market.bars(symbol, UtcMs::MIN, UtcMs::MAX, usize::MAX);
        assert_eq!(all.first().map(|bar| bar.open_time), Some(START + 5 * MINUTE));
        assert_eq!(market.older(symbol, Timeframe::H1, UtcMs::MIN..=UtcMs::MAX), [wide]);
        assert!(market.older(symbol, Timeframe::D1, UtcMs::MIN..=UtcMs::MAX).is_empty());
    }
}
