//! `cargo bench --bench live [-- ROUNDS]`: killed at once, and live again: the part without a
//! network.
//!
//! A process fills a store with 300 x 1000 closes and orders, and is killed. Another one opens it:
//! the file, its repair, the journal, every stage and follower from its checkpoint to the head.
//! Times are milliseconds since just before the second process was spawned.

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

use common::machine::{folder, load, memory};
use common::market::Tape;
use common::spread;
use common::world::{Feeder, grow, journal, journal_in, runtime};
use everwarm::life::APPLICATION;
use everwarm_runtime::store::Store;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SYMBOLS: usize = 300;
const CLOSES: usize = 1_000;
const SINCE: &str = "EVERWARM_BENCH_SINCE_NS";

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn fill(dir: &Path) {
    let (control, workers) = (runtime(), runtime());
    let tape = Tape::seeded(SYMBOLS, CLOSES);
    control.block_on(async {
        let journal = journal(dir);
        let _root = grow(&journal, workers.handle(), Arc::new(|_, _| ()), Vec::new(), &[]).await;
        let mut feeder = Feeder::new(&journal);
        feeder.begin(&tape).await;
        for ((time, body), (_, bars)) in tape.bodies().into_iter().zip(&tape.closes) {
            feeder.close(time, body, bars).await;
        }
        println!("full {}", journal.head());
        tokio::time::sleep(Duration::from_mins(1)).await;
    });
}

fn open(dir: &Path) {
    let since: u128 = std::env::var(SINCE).ok().and_then(|v| v.parse().ok()).unwrap_or_default();
    let ms = || (now_ns() - since) as f64 / 1e6;
    let mut steps = vec![ms()];
    let store = Store::open(&dir.join("live.redb"), APPLICATION).expect("the store opens");
    steps.push(ms());
    let journal = journal_in(store);
    steps.push(ms());
    let (control, workers) = (runtime(), runtime());
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    control.block_on(async {
        let note = Arc::new(move |name, report| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push((name, report));
        });
        let root = grow(&journal, workers.handle(), note, Vec::new(), &[]).await;
        steps.push(ms());
        while !journal.settled() {
            tokio::task::yield_now().await;
        }
        steps.push(ms());
        let steps: Vec<String> = steps.iter().map(|ms| format!("{ms:.3}")).collect();
        println!("{}", steps.join(" "));
        let reports = reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, r) in reports {
            let (micros, n) = (r.micros, r.checkpoint);
            println!(
                "{name}: {micros} us, from {n}, {} evolved, {} compared",
                r.evolved, r.compared
            );
        }
        println!("head {}, memory {:.1} MB", journal.head(), memory().1);
        root.stop(Duration::from_secs(5)).await;
        journal.close();
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", dir] => return fill(Path::new(dir)),
        ["open", dir] => return open(Path::new(dir)),
        _ => {}
    }
    let rounds = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(7);
    let dir: PathBuf = folder("restart");
    let me = std::env::current_exe().expect("the program has a place");
    println!("restart, {SYMBOLS} x {CLOSES}, load {}", load());
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); 6];
    let mut last = String::new();
    for _ in 0..rounds {
        drop(std::fs::remove_file(dir.join("live.redb")));
        let mut fill = Command::new(&me);
        let fill = fill.arg("fill").arg(&dir).stdout(Stdio::piped());
        let mut child = fill.spawn().expect("the program can be run again");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output is a pipe");
        BufReader::new(out).read_line(&mut line).expect("it tells when it is full");
        assert!(line.starts_with("full"), "{line}");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child ends");
        let size = std::fs::metadata(dir.join("live.redb")).map_or(0, |m| m.len());
        let mut open = Command::new(&me);
        let open = open.arg("open").arg(&dir).env(SINCE, now_ns().to_string());
        let text = open.output().expect("the program can be run again").stdout;
        last = String::from_utf8_lossy(&text).into_owned();
        let steps = last.lines().next().unwrap_or("").split(' ').filter_map(|v| v.parse().ok());
        for (column, value) in columns.iter_mut().zip(steps.chain([size as f64 / 1e6])) {
            column.push(value);
        }
    }
    let names = ["main", "file open", "journal read", "all started", "all live", "file MB"];
    for (name, column) in names.iter().zip(&mut columns) {
        println!("  {name:13} {}", spread(column));
    }
    let live = spread(&mut columns[4]);
    println!("SIGKILL -> live, local part: {live} ms of {rounds} (aim 60); load {}", load());
    println!("the last one:\n{}", last.lines().skip(1).collect::<Vec<_>>().join("\n"));
}
