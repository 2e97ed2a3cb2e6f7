//! `cargo bench --bench live [-- ROUNDS] [-- short]`: time from the start after a kill until live,
//! without a network.
//!
//! A process fills a store with 300 x 1000 closes and their orders, and is killed. A second process
//! opens the file, repairs it, reads the journal, and brings every stage and follower from its
//! checkpoint to the head. Times are milliseconds since just before the second process was spawned.

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
use common::world::{Feeder, grow, journal, journal_in, runtime};
use common::{short, sized, spread};
use everwarm::daemon_run::APPLICATION;
use everwarm_runtime::store::Store;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Symbols, closes and rounds.
const SIZES: [usize; 3] = [300, 1_000, 7];
const SHORT: [usize; 3] = [30, 60, 1];
/// Wall time after which a start counts as failed.
const STANDS: Duration = Duration::from_mins(1);
const SINCE: &str = "EVERWARM_BENCH_SINCE_NS";

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn fill(dir: &Path) {
    let (control, workers) = (runtime(), runtime());
    let [symbols, closes, _] = sized(SIZES, SHORT);
    let tape = Tape::seeded(symbols, closes);
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
    let noted = Arc::clone(&reports);
    control.block_on(async {
        let note = Arc::new(move |name, report| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push((name, report));
        });
        let root = grow(&journal, workers.handle(), note, Vec::new(), &[]).await;
        steps.push(ms());
        let began = Instant::now();
        while !journal.settled() {
            assert!(began.elapsed() < STANDS, "it stands: {:?}", journal.progress());
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
        ["fill", dir, ..] => return fill(Path::new(dir)),
        ["open", dir, ..] => return open(Path::new(dir)),
        _ => {}
    }
    let [symbols, closes, rounds] = sized(SIZES, SHORT);
    let rounds = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(rounds);
    let small = short().then_some("short");
    let dir: PathBuf = folder("restart");
    let me = std::env::current_exe().expect("the program has a place");
    println!("restart, {symbols} x {closes}, load {}", load());
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); 6];
    let mut last = String::new();
    for _ in 0..rounds {
        drop(std::fs::remove_file(dir.join("live.redb")));
        let mut fill = Command::new(&me);
        let fill = fill.arg("fill").arg(&dir).args(small).stdout(Stdio::piped());
        let mut child = fill.spawn().expect("the program can be run again");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output is a pipe");
        BufReader::new(out).read_line(&mut line).expect("it prints when it is full");
        assert!(line.starts_with("full"), "{line}");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child ends");
        let size = std::fs::metadata(dir.join("live.redb")).map_or(0, |m| m.len());
        let mut open = Command::new(&me);
        let open = open.arg("open").arg(&dir).args(small).env(SINCE, now_ns().to_string());
        let output = open.output().expect("the program can be run again");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        last = String::from_utf8_lossy(&output.stdout).into_owned();
        let steps = last.lines().next().unwrap_or("").split(' ').filter_map(|v| v.parse().ok());
        let steps: Vec<f64> = steps.collect();
        assert!(steps.len() == 5 && steps.is_sorted(), "five steps, one after the other: {last}");
        let head = |text: &str, word: &str| -> Option<u64> {
            let at = text.split(word).nth(1)?.trim_start();
            at.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let (written, found) = (head(&line, "full "), head(&last, "head "));
        // Facts that were not flushed yet may be lost.
        assert!(
            found > Some(0) && found <= written,
            "full at {written:?}, and opened at {found:?}"
        );
        for (column, value) in columns.iter_mut().zip(steps.into_iter().chain([size as f64 / 1e6]))
        {
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
