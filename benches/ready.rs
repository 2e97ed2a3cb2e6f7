//! Time from SIGKILL to ready: kills the built daemon with 300 symbols and 1,000 closes and starts
//! it again. The time includes its files, the exchange on loopback and the reconciliation.
//!
//! `cargo bench --bench ready [-- SYMBOLS CLOSES ROUNDS | short]`

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

use common::machine;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_everwarm");

fn start(dir: &Path, symbols: &str) -> Child {
    Command::new(BINARY)
        .args(["run", "--pace", "lockstep", "--symbols", symbols, "--data-dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary was built with this measurement")
}

/// Runs the daemon until `enough` accepts a line, then kills it. Returns the lines of its steps and
/// the time until it may trade, milliseconds.
fn live(dir: &Path, symbols: &str, mut enough: impl FnMut(&str) -> bool) -> (Vec<String>, f64) {
    let began = Instant::now();
    let mut child = start(dir, symbols);
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut steps = Vec::new();
    let mut ready = f64::NAN;
    for line in out.lines().map_while(Result::ok) {
        if line.contains("may trade") && ready.is_nan() {
            ready = began.elapsed().as_secs_f64() * 1e3;
        }
        if line.starts_with("  open") || line.starts_with("  find") || line.starts_with("  restore")
        {
            steps.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        if enough(&line) {
            break;
        }
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    (steps, ready)
}

fn main() {
    let numbers: Vec<String> =
        std::env::args().skip(1).filter(|a| a.parse::<u32>().is_ok()).collect();
    let number = |i: usize, default: &str| numbers.get(i).cloned().unwrap_or(default.to_owned());
    let [symbols, closes, rounds] = common::sized(["300", "1000", "5"], ["8", "20", "1"]);
    let (symbols, closes, rounds) = (number(0, symbols), number(1, closes), number(2, rounds));
    let wanted: u64 = closes.parse().expect("digits");
    let dir = std::env::temp_dir().join(format!("everwarm-ready-{}", std::process::id()));
    let mut seen = 0;
    let count = |line: &str| -> u64 {
        let mut words = line.split_whitespace().skip_while(|word| *word != "close").skip(1);
        let n = words.next().and_then(|n| n.replace(',', "").parse().ok()).unwrap_or(0);
        if words.next() == Some("closes") { n } else { u64::from(n > 0) }
    };
    live(&dir, &symbols, |line| {
        seen += count(line);
        seen >= wanted
    });
    assert!(seen >= wanted, "it ended after {seen} of {wanted} closes");
    let size = std::fs::metadata(dir.join("live.redb")).map_or(0, |m| m.len());
    let mut all = Vec::new();
    for _ in 0..rounds.parse().unwrap_or(5) {
        std::thread::sleep(Duration::from_millis(200));
        let (steps, ready) = live(&dir, &symbols, |line| line.contains("may trade"));
        println!("{ready:.1} ms: {}", steps.join("; "));
        assert!(ready.is_finite() && !steps.is_empty(), "it ended before it was ready");
        all.push(ready);
    }
    let load = machine::load();
    println!(
        "SIGKILL to ready with connect and reconcile, {symbols} symbols x {seen} closes, live file \
         {:.1} MB: {} ms median (range), load {load}; aim 120 ms",
        size as f64 / 1e6,
        common::spread(&mut all),
    );
    drop(std::fs::remove_dir_all(&dir));
}
