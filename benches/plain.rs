//! `cargo bench --bench plain [-- alone] [-- shares] [-- short]`: the plain loop over ranks, alone
//! and with the core of the simulated exchange.
//!
//! 300 symbols, every stage, an account that trades, an in-process venue that fills immediately.
//! The market is made before timing starts.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement asks the clock, counts in floats, prints, and may end at once"
)]

mod common;

use common::machine::load;
use common::market::{Instant as Filling, Seen, Tape};
use common::{sized, spread};
use everwarm_domain::market::Bar;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::NoLibrary;
use everwarm_kernel::plain::PlainLoop;
use everwarm_sim::market::{Market, Seeded};
use everwarm_sim::{InitialBooks, Local};
use std::collections::BTreeMap;
use std::time::Instant;

/// Symbols, closes and rounds.
const SIZES: [usize; 3] = [300, 5_000, 7];
const SHORT: [usize; 3] = [30, 100, 1];

struct Run {
    /// Million bars a second.
    rate: f64,
    seen: Seen,
    orders: u64,
}

fn run(tape: &Tape) -> Run {
    let mut plain = PlainLoop::new(everwarm_trading::stages(), Box::new(NoLibrary));
    let (mut seen, mut venue) = (Seen::default(), Filling::default());
    for body in tape.prologue() {
        plain.input(0, body, &mut |fact| seen.note(fact)).expect("nothing is referred to");
    }
    let closes = tape.bodies();
    let began = Instant::now();
    for ((time, body), (_, bars)) in closes.into_iter().zip(&tape.closes) {
        plain.input(time, body, &mut |fact| seen.note(fact)).expect("nothing is referred to");
        if !seen.intents.is_empty() {
            let intents = std::mem::take(&mut seen.intents);
            for answer in venue.answer(&intents, time, bars) {
                plain.input(time, answer, &mut |fact| seen.note(fact)).expect("the same");
            }
        }
    }
    let rate = tape.bars() as f64 / began.elapsed().as_secs_f64() / 1e6;
    Run { rate, seen, orders: venue.orders }
}

/// Prints the time of each stage: the cost of the loop with it less the cost without it.
fn shares(tape: &Tape) {
    // A stage sees the same facts without the stages of higher rank, so the loop adds stages by
    // rank.
    let names: Vec<_> = everwarm_trading::specs().iter().map(|s| s.name).collect();
    let mut before = f64::NAN;
    for count in 0..=names.len() {
        let mut times: Vec<f64> = (0..3).map(|_| nanos(tape, count)).collect();
        let nanos = common::quantile(&mut times, 0.0);
        let name = if count == 0 { "loop alone" } else { names[count - 1] };
        let own = if count == 0 { nanos } else { nanos - before };
        println!("  {name:14} {own:7.1} ns/bar");
        before = nanos;
    }
}

fn nanos(tape: &Tape, count: usize) -> f64 {
    let stages = everwarm_trading::stages().into_iter().take(count).collect();
    let mut plain = PlainLoop::new(stages, Box::new(NoLibrary));
    for body in tape.prologue() {
        plain.input(0, body, &mut |_| ()).expect("nothing is referred to");
    }
    let closes = tape.bodies();
    let began = Instant::now();
    let mut facts = 0_u64;
    for (time, body) in closes {
        plain.input(time, body, &mut |_| facts += 1).expect("nothing is referred to");
    }
    began.elapsed().as_secs_f64() * 1e9 / tape.bars() as f64
}

/// A market whose bars were made before timing starts.
struct Made {
    market: Seeded,
    bars: BTreeMap<UtcMs, Vec<Bar>>,
}

impl Market for Made {
    fn instruments(&self) -> &[everwarm_domain::instrument::Instrument] {
        self.market.instruments()
    }
    fn start(&self) -> UtcMs {
        self.market.start()
    }
    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.bars.range(after + 1..).next().map(|(time, _)| *time)
    }
    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.bars.get(&close).cloned().unwrap_or_default()
    }
    fn bars(
        &mut self,
        symbol: everwarm_domain::id::Symbol,
        from_open: UtcMs,
        to_open: UtcMs,
        limit: usize,
    ) -> Vec<Bar> {
        self.market.bars(symbol, from_open, to_open, limit)
    }
}

fn exchange(tape: &Tape) -> f64 {
    let market = Seeded::new(1, sized(SIZES, SHORT)[0], common::market::START, 0);
    let bars = tape.closes.iter().cloned().collect();
    let mut local = Local::open(Box::new(Made { market, bars }), &InitialBooks::default());
    let began = Instant::now();
    let (mut closes, mut reports) = (0, 0);
    while let Some(close) = local.next_close() {
        closes += 1;
        reports += local.advance(close, close).len();
    }
    let rate = tape.bars() as f64 / began.elapsed().as_secs_f64() / 1e6;
    assert_eq!((closes, reports), (tape.closes.len(), 0), "each close, and no order");
    rate
}

fn main() {
    let [symbols, closes, rounds] = sized(SIZES, SHORT);
    let tape = Tape::seeded(symbols, closes);
    println!("plain loop, {symbols} symbols x {closes} closes, load {}", load());
    let mut rates = Vec::new();
    let mut last = None;
    for _ in 0..rounds {
        let run = run(&tape);
        rates.push(run.rate);
        last = Some(run);
    }
    let Some(Run { seen, orders, .. }) = last else { return };
    let last_close = tape.closes.last().map(|(time, _)| *time);
    assert_eq!(seen.equity.map(|(time, _)| time), last_close, "an equity after each close");
    assert!(orders > 0, "nothing was traded");
    let equity = seen.equity.map(|(_, equity)| equity).unwrap_or_default();
    println!(
        "plain: {} million bars/s of {rounds} (aim 3); {orders} orders, {} facts, equity {equity}",
        spread(&mut rates),
        seen.facts,
    );
    if std::env::args().any(|a| a == "alone") {
        return;
    }
    let mut rates: Vec<f64> = (0..rounds).map(|_| exchange(&tape)).collect();
    println!("exchange core, same bars, no orders: {} million bars/s", spread(&mut rates));
    if std::env::args().any(|a| a == "shares") {
        shares(&tape);
    }
    println!("load {}", load());
}
