//! `cargo bench --bench actors [-- memory] [-- short]`: the stages as actors over the durable
//! store.
//!
//! Closes of 300 symbols are appended to the journal directly. A venue in the same process fills
//! every order immediately; nothing uses the network. *lockstep* appends the next close when the
//! equity after the last one is in the journal. *ahead* appends as long as the journal has room.
//! With `memory` a process runs 300 x 1000 bars once and prints its memory.

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

use common::machine::{cpu, folder, load, memory};
use common::market::{START, Tape, undisturbed};
use common::world::{Feeder, grow, journal, runtime};
use common::{short, sized, spread};
use everwarm_domain::fact::Body;
use everwarm_sim::market::{Market, Seeded};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// Symbols, closes, rounds, and closes of the process whose memory is measured.
const SIZES: [usize; 4] = [300, 3_000, 5, 1_000];
const SHORT: [usize; 4] = [30, 100, 1, 50];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Lockstep,
    Ahead,
}

struct Run {
    rate: f64,
    cpu_ns: f64,
    file: f64,
    facts: u64,
    orders: u64,
    equity: String,
}

fn run(tape: &Tape, mode: Mode) -> Run {
    let dir = folder("actors");
    let (control, workers) = (runtime(), runtime());
    let out = control.block_on(async {
        let journal = journal(&dir);
        let root = grow(&journal, workers.handle(), Arc::new(|_, _| ()), Vec::new(), &[]).await;
        let mut feeder = Feeder::new(&journal);
        feeder.begin(tape).await;
        let closes = tape.bodies();
        let (cpu_before, began) = (cpu(), Instant::now());
        let feeding = workers.spawn({
            let bars: Vec<_> = tape.closes.iter().map(|(_, bars)| bars.clone()).collect();
            async move {
                for ((time, body), bars) in closes.into_iter().zip(&bars) {
                    match mode {
                        Mode::Lockstep => feeder.close(time, body, bars).await,
                        Mode::Ahead => feeder.close_ahead(time, body, bars).await,
                    }
                }
                feeder.settled().await;
                feeder.look();
                feeder
            }
        });
        let feeder = feeding.await.expect("feeding ends");
        let wall = began.elapsed().as_secs_f64();
        let cpu = cpu() - cpu_before;
        let bars = tape.bars() as f64;
        root.stop(std::time::Duration::from_secs(10)).await;
        journal.close();
        let equity = feeder.seen.equity.map(|(_, equity)| equity.to_string());
        Run {
            rate: bars / wall / 1e6,
            cpu_ns: cpu * 1e9 / bars,
            file: journal.store().file_bytes() as f64,
            facts: feeder.seen.facts,
            orders: feeder.orders(),
            equity: equity.unwrap_or_default(),
        }
    });
    control.shutdown_background();
    workers.shutdown_background();
    out
}

fn print(tape: &Tape, mode: Mode, name: &str, rounds: usize) {
    let runs: Vec<Run> = (0..rounds).map(|_| run(tape, mode)).collect();
    let mut rates: Vec<f64> = runs.iter().map(|run| run.rate).collect();
    let mut cpus: Vec<f64> = runs.iter().map(|run| run.cpu_ns).collect();
    let bars = tape.bars() as f64;
    let Some(Run { file, facts, orders, equity, .. }) = runs.last() else { return };
    assert!(*facts > tape.closes.len() as u64, "each close leads to something: {facts} facts");
    if mode == Mode::Lockstep {
        let calm = undisturbed(tape).equity.map(|(_, equity)| equity.to_string());
        assert_eq!(calm.as_ref(), Some(equity), "the equity is that of the plain loop");
        assert!(*orders > 0, "nothing was traded");
    }
    // Orders that are filled late are other orders, so the equity differs.
    let equity = match mode {
        Mode::Lockstep => format!(", equity {equity}"),
        Mode::Ahead => String::new(),
    };
    println!(
        "actors, {name}: {} million bars/s of {rounds} (aim 0.5), {} ns CPU a bar; {orders} \
         orders, {facts} facts, file {:.1} MB = {:.0} bytes a bar{equity}",
        spread(&mut rates),
        spread(&mut cpus),
        file / 1e6,
        file / bars,
    );
}

/// A process that runs 300 x 1000 bars, each close made when it is appended.
fn remember() {
    let [symbols, _, _, closes] = sized(SIZES, SHORT);
    let dir = folder("memory");
    let (control, workers) = (runtime(), runtime());
    let before = memory();
    control.block_on(async {
        let journal = journal(&dir);
        let root = grow(&journal, workers.handle(), Arc::new(|_, _| ()), Vec::new(), &[]).await;
        let mut feeder = Feeder::new(&journal);
        let mut market = Seeded::new(1, symbols, START, 0);
        feeder.begin(&Tape::seeded(symbols, 0)).await;
        let mut time = START;
        for _ in 0..closes {
            time = market.next_close(time).expect("a seeded market has no end");
            let bars = market.bars_closing(time);
            let (missing, given) = (Vec::new(), bars.clone());
            let body = Body::Market(everwarm_domain::fact::Market::close(time, bars, missing));
            feeder.close(time, body, &given).await;
        }
        feeder.settled().await;
        let after = memory();
        println!("{:.1} before, {:.1} after, {:.1} at most", before.0, after.0, after.1);
        root.stop(std::time::Duration::from_secs(10)).await;
        journal.close();
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "memory-child") {
        return remember();
    }
    if !arguments.iter().any(|a| a == "memory") {
        let [symbols, closes, rounds, _] = sized(SIZES, SHORT);
        let tape = Tape::seeded(symbols, closes);
        println!("actors, {symbols} symbols x {closes} closes, load {}", load());
        if !arguments.iter().any(|a| a == "ahead") {
            print(&tape, Mode::Lockstep, "lockstep", rounds);
        }
        print(&tape, Mode::Ahead, "ahead", rounds);
    }
    let me = std::env::current_exe().expect("the program has a place");
    let mut child = Command::new(me);
    child.arg("memory-child").args(short().then_some("short"));
    let child = child.output().expect("it can be run again");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let text = String::from_utf8_lossy(&child.stdout).trim().to_owned();
    println!(
        "memory MB (with the market made before, at the end, at most): {text}; load {}",
        load()
    );
}
