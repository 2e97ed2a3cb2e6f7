//! Runs the built daemon and its exchange for a while, with the operator page open and a scrape
//! every five seconds (`short`: every second). Records memory, CPU, files, handles and threads over
//! time. Reports what grew too much and what the daemon printed as wrong.
//!
//! `cargo bench --bench soak [-- MINUTES SYMBOLS PACE [KILLS] | short]`: 2 minutes, 300 symbols,
//! 60x; `short` is 240x. A day of the market at 60x is 24 minutes. Two minutes at 240x are eight
//! hours, of which the last four are judged (see `common/flat.rs`). KILLS is the number of actors
//! killed in each minute of the market, one after another. `cargo bench --bench soak -- 72 30 600x
//! 1` is 30 days of 30 symbols with a kill each minute. Exits with an error if something failed or
//! grew.

#![allow(
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement asks the clock, counts in floats, prints, and may end at once"
)]

mod common;

use common::flat::{self, May};
use common::lookers;
use common::machine::{self, Process};
use everwarm_kernel::chance::mix;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_everwarm");

/// The measured program: the value of `SOAK_PROGRAM`, else the one built with this bench.
fn program() -> std::ffi::OsString {
    std::env::var_os("SOAK_PROGRAM").unwrap_or_else(|| BINARY.into())
}
/// Wall time before the first kill, in which the daemon starts.
const START: Duration = Duration::from_secs(5);
/// Wall time between two samples.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes a bar may take permanently in the sealed journal and in the history. 299 were measured in
/// the journal before sealing.
const BAR: f64 = 400.0;

/// Size of a journal before its oldest part is sealed, at most, MB: the 8 MiB that stay, a segment
/// of 4 MiB, the saved states and free space. The file doubles from 16 MiB.
const JOURNAL: f64 = 48.0;

/// Threads of a daemon, at most: its own, and blocking threads. The runtime keeps as many blocking
/// threads as were ever needed simultaneously by requests, commits and clients.
const THREADS: f64 = 48.0;

/// Limits of a daemon at real pace: memory, MB, and share of a core, percent.
const REAL: (f64, f64) = (100.0, 3.0);

/// Texts that no run must print.
const BAD: [&str; 4] = ["  refused ", "  conflict", "  quarantine", "panic"];
/// Texts that only a run without kills must not print: killed actors restart, and may be late.
const BAD_IF_CALM: [&str; 2] = ["  restart ", "  late "];
/// The actors that are killed.
const ACTORS: [&str; 16] = [
    "roll-up",
    "indicator",
    "sma_cross",
    "breaker",
    "decision",
    "order-manager",
    "ledger",
    "closer",
    "gateway",
    "private",
    "feed",
    "clock",
    "config",
    "universe",
    "pacer",
    "projector",
];

/// One sample of all values.
struct Sample {
    minutes: f64,
    /// Memory, open files and threads: of the daemon, of the exchange.
    daemon: Process,
    exchange: Process,
    /// Tasks of the daemon's workers, from the last scrape.
    tasks: f64,
    /// Sizes, MB.
    live: f64,
    segments: f64,
    history: f64,
    books: f64,
    books_segments: f64,
}

fn size(path: &Path) -> f64 {
    let Ok(about) = fs::metadata(path) else { return 0.0 };
    if !about.is_dir() {
        return about.len() as f64 / 1e6;
    }
    fs::read_dir(path).map_or(0.0, |all| all.flatten().map(|file| size(&file.path())).sum())
}

fn exchange(dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(dir.join("exchange").join("port.json")).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    value["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
}

fn look(began: Instant, daemon: u32, dir: &Path, tasks: u64) -> Option<Sample> {
    Some(Sample {
        minutes: began.elapsed().as_secs_f64() / 60.0,
        daemon: Process::of(daemon)?,
        exchange: Process::of(exchange(dir)?)?,
        tasks: tasks as f64,
        live: size(&dir.join("live.redb")),
        segments: size(&dir.join("live.segments")),
        history: size(&dir.join("history.redb")),
        books: size(&dir.join("exchange").join("books.redb")),
        books_segments: size(&dir.join("exchange").join("books.segments")),
    })
}

/// A watched value: its name, how it is read, and how far it may grow.
type Watched = (&'static str, fn(&Sample) -> f64, May);

const WATCHED: [Watched; 12] = [
    ("daemon memory, MB", |s| s.daemon.memory, May::Stay),
    ("daemon open files", |s| s.daemon.files, May::Stay),
    ("daemon threads", |s| s.daemon.threads, May::Fill(THREADS)),
    ("daemon tasks", |s| s.tasks, May::Return),
    ("exchange memory, MB", |s| s.exchange.memory, May::Fill(JOURNAL)),
    ("exchange open files", |s| s.exchange.files, May::Stay),
    ("exchange threads", |s| s.exchange.threads, May::Stay),
    ("live.redb, MB", |s| s.live, May::Fill(JOURNAL)),
    ("live.segments, MB", |s| s.segments, May::Keep(BAR)),
    ("history.redb, MB", |s| s.history, May::Keep(BAR)),
    ("books.redb, MB", |s| s.books, May::Fill(JOURNAL)),
    ("books.segments, MB", |s| s.books_segments, May::Keep(BAR)),
];

/// How many times faster than real time the market runs.
fn factor(pace: &str) -> f64 {
    let times = if pace == "real" { "1" } else { pace.trim_end_matches('x') };
    times.parse().expect("a pace: real, or like 60x")
}

/// Prints the watched values; returns those that grew too much.
fn report(
    samples: &[Sample],
    ends: (&Sample, &Sample),
    (symbols, pace): (f64, f64),
) -> Vec<String> {
    let minutes: Vec<f64> = samples.iter().map(|sample| sample.minutes).collect();
    let warm = &samples[flat::warm(&minutes, pace)..];
    let wall = ends.1.minutes - warm[0].minutes;
    let bars = wall * pace * symbols;
    let mut grown = Vec::new();
    println!("from minute {:.0} of the market on, in two halves:", warm[0].minutes * pace);
    println!("{:<22} {:>9} {:>9} {:>9} {:>12}", "", "first", "second", "most", "an hour");
    for (name, of, may) in WATCHED {
        let values: Vec<f64> = warm.iter().map(of).collect();
        let (before, after) = flat::halves(&values);
        let most = samples.iter().map(of).fold(0.0, f64::max);
        let slope = (of(ends.1) - of(&warm[0])) / wall * 60.0;
        println!("{name:<22} {before:>9.1} {after:>9.1} {most:>9.1} {slope:>+12.2}");
        grown.extend(flat::grown(name, may, &values, bars));
    }
    let wall = (ends.1.minutes - ends.0.minutes) * 60.0;
    let share = |of: fn(&Sample) -> f64| 100.0 * (of(ends.1) - of(ends.0)) / wall;
    let (ours, theirs) = (share(|s| s.daemon.cpu), share(|s| s.exchange.cpu));
    println!("CPU after the start: daemon {ours:.1} % of a core, exchange {theirs:.1} %");
    if pace <= 1.0 {
        let most = samples.iter().map(|s| s.daemon.memory).fold(0.0, f64::max);
        let over = most > REAL.0 || ours > REAL.1;
        let text = format!("{most:.0} MB and {ours:.1} % of a core, {REAL:?} at most");
        grown.extend(over.then_some(text));
    }
    grown
}

/// Kills `kills` actors in each minute of the market until `ended`; returns how many.
fn kill(data: &Path, pace: &str, kills: f64, ended: &AtomicBool) -> u64 {
    let (gap, began) = (Duration::from_secs_f64(60.0 / factor(pace) / kills), Instant::now());
    let mut done = 0;
    for i in 1_u32.. {
        let due = began + gap * i;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if ended.load(Relaxed) {
            break;
        }
        let who = ACTORS[(mix(u64::from(i)) % 16) as usize];
        let mut command = Command::new(program());
        command.args(["kill", who, "--yes", "--quiet", "--data-dir"]).arg(data);
        let output = command.output().unwrap();
        // An actor that is restarting cannot be killed.
        done += u64::from(output.status.success());
    }
    done
}

fn start(dir: &Path, symbols: &str, pace: &str) -> Child {
    let printed = fs::File::create(dir.join("told.txt")).unwrap();
    let wrong = fs::File::create(dir.join("wrong.txt")).unwrap();
    let config = dir.join("soak.toml");
    fs::write(&config, "[chaos]\nenabled = true\n").unwrap();
    Command::new(program())
        .args(["run", "--pace", pace, "--symbols", symbols, "--data-dir"])
        .arg(dir.join("data"))
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(printed)
        .stderr(wrong)
        .spawn()
        .expect("the binary was built with this measurement")
}

/// What the daemon printed: the number of fills, and lines that must not be there.
fn printed(dir: &Path, calm: bool) -> (usize, Vec<String>) {
    let text = fs::read_to_string(dir.join("told.txt")).unwrap();
    let wrong = fs::read_to_string(dir.join("wrong.txt")).unwrap();
    let bad = |line: &&str| {
        let of = |words: &[&str]| words.iter().any(|bad| line.contains(bad));
        of(&BAD) || (calm && of(&BAD_IF_CALM))
    };
    // Standard error reports each kill too.
    let wrong = wrong.lines().filter(|line| calm || !line.contains("requested by an operator"));
    let bad: Vec<String> = text.lines().filter(bad).chain(wrong).map(str::to_owned).collect();
    (text.lines().filter(|line| line.contains("  fill  ")).count(), bad)
}

/// Minutes, symbols, pace and kills.
fn arguments() -> [String; 4] {
    let given = |a: &String| !a.starts_with('-') && a != "short";
    let mut given = std::env::args().skip(1).filter(given);
    let usual = ["2", "300", common::sized("60x", "240x"), "0"];
    usual.map(|usual| given.next().unwrap_or_else(|| usual.to_owned()))
}

fn main() -> ExitCode {
    let [minutes, symbols, pace, kills] = arguments();
    let minutes: f64 = minutes.parse().expect("minutes");
    let kills: f64 = kills.parse().expect("kills a minute of the market");
    let dir: PathBuf = machine::folder(&format!("soak-{}", std::process::id()));
    let data = dir.join("data");
    let began = Instant::now();
    let mut child = start(&dir, &symbols, &pace);
    let (ended, tasks) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let looking = lookers::begin(&data, &ended, &tasks);
    let killing = (kills > 0.0).then(|| {
        let (data, pace, ended) = (data.clone(), pace.clone(), Arc::clone(&ended));
        std::thread::spawn(move || {
            std::thread::sleep(START);
            kill(&data, &pace, kills, &ended)
        })
    });
    let mut samples = Vec::new();
    while began.elapsed().as_secs_f64() < minutes * 60.0 {
        std::thread::sleep(LOOK);
        samples.extend(look(began, child.id(), &data, tasks.load(Relaxed)));
        if let Some(status) = child.try_wait().unwrap() {
            println!("the daemon ended: {status}");
            return ExitCode::FAILURE;
        }
    }
    ended.store(true, Relaxed);
    let killed = killing.map(|thread| thread.join().unwrap());
    let seen = looking.join().unwrap();
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    let verified =
        Command::new(program()).arg("verify").arg("--data-dir").arg(&data).output().unwrap();
    let (Some(first), Some(last)) = (samples.get(5), samples.last()) else {
        println!("too short to look");
        return ExitCode::FAILURE;
    };
    println!("{symbols} symbols at {pace} for {minutes} minutes, load {}", machine::load());
    let market = (symbols.parse().expect("a number of symbols"), factor(&pace));
    let mut wrong = report(&samples, (first, last), market);
    let (sent, scraped) = (seen.streamed / 1_000, seen.scraped / 1_000);
    println!("the page was sent {sent} kB, Prometheus {} times {scraped} kB", seen.scrapes);
    if sent == 0 || scraped == 0 {
        wrong.push("nobody looked on".to_owned());
    }
    if let Some(killed) = killed {
        println!("{killed} actors were killed");
        if killed == 0 {
            wrong.push("nobody was killed".to_owned());
        }
    }
    let (fills, bad) = printed(&dir, killed.is_none());
    print!("{fills} fills; verify: {}", String::from_utf8_lossy(&verified.stdout));
    wrong.extend(bad);
    if !(stopped.success() && status.success() && verified.status.success()) {
        wrong.push(format!("the daemon ended with {status}, verify with {}", verified.status));
    }
    if fills == 0 {
        wrong.push("nothing was traded: the figures say nothing".to_owned());
    }
    for line in wrong.iter().take(20) {
        println!("wrong: {line}");
    }
    if wrong.is_empty() {
        drop(fs::remove_dir_all(&dir));
        return ExitCode::SUCCESS;
    }
    println!("kept for a look: {}", dir.display());
    ExitCode::FAILURE
}
