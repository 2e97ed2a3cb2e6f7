//! `cargo bench --bench kill [-- short]`: time from the kill of a busy stage until it caught up.
//!
//! Closes of 300 symbols are appended as fast as the stages decide them. Meanwhile a thread kills
//! stages at random under the real supervisor. *stands*: the new instance has the state that the
//! killed one had reached. *caught up*: it has also passed the input that was newest at the kill.
//! In the end the equity must equal that of the plain loop.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a measurement asks the clock, counts in floats, prints, and may end at once"
)]

mod common;

use common::machine::{folder, load};
use common::market::{Tape, undisturbed};
use common::world::{Feeder, grow, journal, runtime};
use common::{p50_p99, short, sized};
use everwarm_domain::fact::Body;
use everwarm_runtime::chaos::Injected;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::supervise::Directory;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Symbols and closes.
const SIZES: [usize; 2] = [300, 6_000];
const SHORT: [usize; 2] = [30, 150];
/// Kills, at least.
const LEAST: usize = 5;
/// Wall time in which a killed stage must be back.
const STANDS: Duration = Duration::from_mins(1);
/// Time between a recovery and the next kill, at most, microseconds.
const GAP_US: u64 = 8_000;

type Start = (&'static str, Instant, ResumeReport);

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[derive(Default)]
struct Recovery {
    stands: Vec<f64>,
    caught_up: Vec<f64>,
    restored: Vec<f64>,
    evolved: Vec<f64>,
}

fn main() {
    let [symbols, closes] = sized(SIZES, SHORT);
    let tape = Arc::new(Tape::seeded(symbols, closes));
    let want = format!("{:?}", undisturbed(&tape).equity);
    println!("kills at full speed, {symbols} x {closes}, load {}", load());
    for seed in 1..=if short() { 1 } else { 3 } {
        run(&tape, &want, seed);
    }
}

/// Kills stages at random until `over`, and measures how each came back. Runs on its own thread,
/// which mostly sleeps, so the killed stage has the machine for itself.
fn kill(
    at: &Journal<Body>,
    tree: &Directory,
    over: &AtomicBool,
    starts: &Receiver<Start>,
    seed: u64,
) -> BTreeMap<&'static str, Recovery> {
    let names: Vec<_> = everwarm_trading::specs().iter().map(|spec| spec.name).collect();
    let mut recoveries: BTreeMap<&'static str, Recovery> = BTreeMap::new();
    let (mut chance, mut kills) = (seed, 0);
    while !over.load(Relaxed) || kills < LEAST {
        chance = mix(chance);
        std::thread::sleep(Duration::from_micros(chance % GAP_US));
        let name = names[(chance >> 32) as usize % names.len()];
        while starts.try_recv().is_ok() {}
        let (head, killed) = (at.head(), Instant::now());
        if !tree.inject_kill(&format!("root/stages/{name}"), &Injected("bench".into())) {
            continue;
        }
        let (stood, report) = loop {
            let start = starts.recv_timeout(STANDS).expect("it comes back");
            if start.0 == name {
                break (start.1, start.2);
            }
        };
        let passed = || at.progress().iter().any(|(of, passed)| *of == name && *passed >= head);
        while !passed() {
            assert!(killed.elapsed() < STANDS, "{name} does not catch up: {:?}", at.progress());
            std::thread::yield_now();
        }
        let caught_up = killed.elapsed();
        kills += 1;
        let of = recoveries.entry(name).or_default();
        of.stands.push(stood.duration_since(killed).as_secs_f64() * 1e6);
        of.caught_up.push(caught_up.as_secs_f64() * 1e6);
        of.restored.push(report.micros as f64);
        of.evolved.push(report.evolved as f64);
    }
    recoveries
}

fn run(tape: &Arc<Tape>, want: &str, seed: u64) {
    let dir = folder("kill");
    let (control, workers) = (runtime(), runtime());
    let (started, starts) = channel::<Start>();
    let began = Instant::now();
    let (equity, recoveries) = control.block_on(async {
        let journal = journal(&dir);
        let note = Arc::new(move |name, report| {
            started.send((name, Instant::now(), report)).unwrap_or_default();
        });
        let root = grow(&journal, workers.handle(), note, Vec::new(), &[]).await;
        let mut feeder = Feeder::new(&journal);
        feeder.begin(tape).await;
        let over = Arc::new(AtomicBool::new(false));
        let (on, done) = (Arc::clone(tape), Arc::clone(&over));
        let bodies = tape.bodies();
        let feeding = workers.spawn(async move {
            for ((time, body), (_, bars)) in bodies.into_iter().zip(&on.closes) {
                feeder.close(time, body, bars).await;
            }
            done.store(true, Relaxed);
            feeder.settled().await;
            feeder
        });
        let (at, tree) = (Arc::clone(&journal), root.directory().clone());
        let killing = std::thread::spawn(move || kill(&at, &tree, &over, &starts, seed));
        let feeder = feeding.await.expect("feeding ends");
        let recoveries = killing.join().expect("killing ends");
        root.stop(Duration::from_secs(10)).await;
        journal.close();
        (format!("{:?}", feeder.seen.equity), recoveries)
    });
    control.shutdown_background();
    workers.shutdown_background();
    assert_eq!(equity, want, "the equity is that of the plain loop");
    let mut all = Recovery::default();
    for (name, mut one) in recoveries {
        all.stands.extend(&one.stands);
        all.caught_up.extend(&one.caught_up);
        let (stands, caught_up) = (p50_p99(&mut one.stands), p50_p99(&mut one.caught_up));
        let (restored, evolved) = (p50_p99(&mut one.restored), p50_p99(&mut one.evolved));
        let kills = one.stands.len();
        println!(
            "  {name:14} {kills:3} kills: stands {stands}, caught up {caught_up} us; restoring \
             took {restored} us for {evolved} inputs"
        );
    }
    println!(
        "kills: {} in {:.1} s: stands {}, caught up {} us (aim 100/2000), a tenth below {:.0}; \
         equity equal; load {}",
        all.stands.len(),
        began.elapsed().as_secs_f64(),
        p50_p99(&mut all.stands),
        p50_p99(&mut all.caught_up),
        common::quantile(&mut all.caught_up, 0.1),
        load(),
    );
}
