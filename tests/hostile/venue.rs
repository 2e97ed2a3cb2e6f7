//! The built daemon at an exchange that lies, in every mode, at its start and while it trades:
//! nothing panics, no stage is set aside, nothing is traded on what is not true, and once the
//! exchange reports the truth again the books are its books.

use crate::kit::{
    BINARY, Folder, PATIENCE, Process, reported, run, small_recording, until_end, wait_until,
    wait_until_free,
};
use everwarm::chaos::crashes::{Subject, picture};
use everwarm::chaos::feed::{MINUTES, START, Small};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Market as MarketFact};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_history as history;
use everwarm_history::bars;
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::faults::{Fault, MODES, Mode, prepare};
use everwarm_sim::market::Market as _;
use everwarm_sim::server::port::PortFile;
use everwarm_venue::simulated::Admin;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How long two modes lie together.
const SLICE: Duration = Duration::from_secs(4);
/// The market plays a minute in a quarter of a second.
const PACE: &str = "240x";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// All modes, in an order that the seed decides.
fn shuffled(dice: &mut u64) -> Vec<Mode> {
    let mut left: Vec<Mode> = MODES.iter().map(|row| row.mode).collect();
    let mut all = Vec::new();
    while !left.is_empty() {
        let at = usize::try_from(draw(dice) % left.len() as u64).unwrap();
        all.push(left.swap_remove(at));
    }
    all
}

/// What the start receives: each of these is a lie once.
fn at_the_start(dice: &mut u64) -> Vec<Fault> {
    let places = [
        (Mode::BalancesJump, "GET account"),
        (Mode::AbsurdFilters, "GET exchangeInfo"),
        (Mode::WrongTimes, "GET time"),
        (Mode::HugeNumbers, "GET klines"),
    ];
    let fault = |(mode, at): (Mode, &str)| Fault {
        at: Some(at.to_owned()),
        times: Some(1),
        seed: draw(dice),
        ..Fault::hostile(mode)
    };
    places.map(fault).into()
}

struct Trial {
    folder: Folder,
    recording: String,
    log: String,
    /// Modes of lies that were sent.
    met: BTreeSet<String>,
}

impl Trial {
    fn data(&self) -> std::path::PathBuf {
        self.folder.join("data")
    }

    fn daemon(&self) -> Process {
        let mut command = Command::new(BINARY);
        command.env("EVERWARM_VENUE__COMPARE_ACCOUNT_S", "2");
        let arguments = ["run", "--pace", PACE, "--recording", &self.recording];
        let daemon = Process::of(command, &self.data(), &arguments);
        daemon.answers();
        daemon
    }

    /// Has the exchange lie in these ways for a while.
    fn lie(&mut self, modes: &[Mode], dice: &mut u64, daemon: &mut Process) {
        for mode in modes {
            let (seed, chance) = (draw(dice) % 100_000, 100 + draw(dice) % 300);
            let (seed, chance) = (seed.to_string(), chance.to_string());
            let name = mode.row().name;
            let on = ["sim", "fault", "hostile", "--mode", name, "--seed", &seed];
            let (code, out, err) = run(&self.data(), &[&on[..], &["--chance", &chance]].concat());
            assert!(code == Some(0) && out.contains(&seed), "{out}{err}");
        }
        // The rules are asked for once an hour of the market.
        let due = modes.iter().filter(|mode| **mode != Mode::AbsurdFilters);
        let due: Vec<&str> = due.map(|mode| mode.row().name).collect();
        let began = everwarm_runtime::clock::now();
        loop {
            std::thread::park_timeout(SLICE);
            assert!(daemon.alive(), "it ended while the venue sent {modes:?}");
            for on in asked(&self.data(), "sim faults")["on"].as_array().unwrap() {
                if on["hits"].as_u64() > Some(0) {
                    self.met.insert(on["mode"].as_str().unwrap().to_owned());
                }
            }
            if due.iter().all(|name| self.met.contains(*name)) || began.elapsed() > PATIENCE {
                break;
            }
        }
        assert_eq!(run(&self.data(), &["sim", "lift"]).0, Some(0));
    }

    fn ended(&mut self, daemon: Process, signal: &str) {
        daemon.signal(signal);
        let (_, _, err) = daemon.end();
        self.log.push_str(&err);
    }
}

fn asked(dir: &Path, command: &str) -> Value {
    let words: Vec<&str> = command.split(' ').chain(["--json"]).collect();
    let (_, out, err) = run(dir, &words);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{command}: {e}: {out}{err}"))
}

/// What the exchange's own books contain, asked where nothing lies.
fn ledger(dir: &Path) -> Value {
    let file = PortFile::read(&dir.join("exchange")).unwrap().unwrap();
    let admin = Admin::new(&format!("http://127.0.0.1:{}", file.port), &file.token).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin.ledger()).unwrap()
}

type Trades = BTreeMap<(String, u64), [String; 4]>;

/// The trades of the exchange's own books: by order and number.
fn theirs(ledger: &Value) -> Trades {
    let mut trades = Trades::new();
    for order in ledger["orders"].as_array().unwrap() {
        for trade in order["trades"].as_array().unwrap() {
            let id = order["client_order_id"].as_str().unwrap().to_owned();
            let text = |name: &str| trade[name].as_str().unwrap().to_owned();
            let what = [text("price"), text("quantity"), text("fee"), trade["time"].to_string()];
            trades.insert((id, trade["id"].as_u64().unwrap()), what);
        }
    }
    trades
}

fn ours(fills: &Value) -> Trades {
    let mut trades = Trades::new();
    for fill in fills.as_array().unwrap() {
        let id = fill["client_order_id"].as_str().unwrap().to_owned();
        let text = |name: &str| fill[name].as_str().unwrap().to_owned();
        let what = [text("price"), text("quantity"), text("fee"), fill["time"].to_string()];
        trades.insert((id, fill["trade_id"].as_str().unwrap().parse().unwrap()), what);
    }
    trades
}

/// Bars of the journal's history that are not those of the market, and those of the market that are
/// not there, though they may not miss.
fn false_bars(dir: &Path, may_miss: &BTreeSet<(Symbol, UtcMs)>) -> Vec<String> {
    let archive = Arc::new(Archive::open(&dir.join(history::FILE)).unwrap());
    let mut market = Small::new();
    let end = START + MINUTES * MINUTE;
    let mut wrong = Vec::new();
    for symbol in market.instruments().iter().map(|rule| rule.symbol).collect::<Vec<_>>() {
        let by_time = |bars: Vec<Bar>| -> BTreeMap<UtcMs, Bar> {
            bars.into_iter().map(|bar| (bar.open_time, bar)).collect()
        };
        let all = bars::read(&archive, Timeframe::M1, symbol, UtcMs::MIN..=UtcMs::MAX).unwrap();
        let (have, truth) = (by_time(all), by_time(market.bars(symbol, 0, end, usize::MAX)));
        for (time, bar) in &have {
            if truth.get(time) != Some(bar) {
                wrong.push(format!("{bar:?} is not {:?}", truth.get(time)));
            }
        }
        for time in truth.keys().filter(|time| **time >= START && !have.contains_key(time)) {
            if !may_miss.contains(&(symbol, *time)) {
                wrong.push(format!("{symbol}: the bar of {time} is missing"));
            }
        }
    }
    wrong
}

/// Bars that the journal reports as missing: refused, or not there when their minute was closed.
fn reported_missing(dir: &Path) -> BTreeSet<(Symbol, UtcMs)> {
    let store = Store::look(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let mut found = BTreeSet::new();
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        if let Body::Market(MarketFact::Close { time, missing, .. }) = &fact.body {
            found.extend(missing.iter().map(|symbol| (*symbol, time - MINUTE)));
        }
        if let Body::Market(MarketFact::BarRefused { symbol, time, .. }) = &fact.body {
            found.insert((*symbol, *time));
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    found
}

/// Minutes without a close that began while the exchange lied, up to the close `lied_until`. After
/// a minute of market time, a quarter of a second here, the closer goes on without bars that it
/// could not fetch. The journal does not name them.
fn without_close(dir: &Path, lied_until: UtcMs) -> BTreeSet<UtcMs> {
    let store = Store::look(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let (mut found, mut last) = (BTreeSet::new(), START);
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        if let Body::Market(MarketFact::Close { time, .. }) = &fact.body {
            let (begin, minute) = (last.max(START), usize::try_from(MINUTE).unwrap());
            if last <= lied_until {
                found.extend((begin..time - MINUTE).step_by(minute));
            }
            last = *time;
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    found
}

/// Lies of one mode in a run in lockstep. What is believed once it is sent twice is a lie once.
fn few(mode: Mode, seed: u64) -> Fault {
    let (chance, times) = match mode {
        Mode::AbsurdFilters | Mode::BalancesJump => (1_000, Some(1)),
        Mode::WrongTypes
        | Mode::HugeNumbers
        | Mode::EndlessBodies
        | Mode::WrongTimes
        | Mode::DoubledIds
        | Mode::Truncated
        | Mode::WrongContent => (200, Some(30)),
    };
    Fault { seed, chance, times, ..Fault::hostile(mode) }
}

#[test]
fn a_few_lies_of_each_mode_are_said_and_the_run_ends_the_same() {
    let folder = Folder::new("hostile-modes");
    let recording = small_recording(&folder.join("recording"));
    let (code, out, err) = run(&folder.join("calm"), &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let calm = reported(&folder.join("calm"));
    let seed = number("EVERWARM_SEED", 1);
    println!("the seed is {seed}");
    let mut wrong = Vec::new();
    // A body that comes slowly is waited for by the clock on the wall.
    for row in MODES.iter().filter(|row| row.mode != Mode::EndlessBodies) {
        let data = folder.join(row.name);
        prepare(&data.join("exchange"), &[few(row.mode, seed)]).unwrap();
        let (code, _, err) = run(&data, &until_end(&recording));
        let words = ["impossible", "not be read", "other values", "contradict each other"];
        let complained = words.iter().any(|words| err.contains(words));
        if code != Some(0) || err.contains("panicked") || !complained {
            wrong.push(format!("{}: {code:?}\n{err}", row.name));
            continue;
        }
        for (calm, now) in calm.iter().zip(reported(&data)).filter(|(calm, now)| *calm != now) {
            let lines = calm.1.lines().zip(now.1.lines());
            let first = lines.clone().find(|(a, b)| a != b);
            wrong.push(format!("{}: {} differ: {first:?}", row.name, now.0));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_daemon_at_a_hostile_venue_goes_on_and_ends_with_the_books_of_the_venue() {
    let seed = number("EVERWARM_SEED", 1);
    println!(
        "the seed is {seed}: EVERWARM_SEED={seed} cargo test --test tests hostile::venue -- \
         --nocapture"
    );
    let mut dice = seed;
    let folder = Folder::new("hostile-venue");
    let recording = small_recording(&folder.join("recording"));
    let mut trial = Trial { folder, recording, log: String::new(), met: BTreeSet::new() };
    let data = trial.data();
    prepare(&data.join("exchange"), &at_the_start(&mut dice)).unwrap();
    let mut daemon = trial.daemon();
    let modes = shuffled(&mut dice);
    println!("{modes:?}");
    for (at, mode) in modes.iter().enumerate() {
        let next = modes[(at + 1) % modes.len()];
        trial.lie(&[*mode, next], &mut dice, &mut daemon);
        if at == modes.len() / 2 {
            // Killed; the next life begins while the venue lies.
            trial.ended(daemon, "-9");
            let on = ["sim", "fault", "hostile", "--mode", mode.row().name, "--chance", "300"];
            assert_eq!(run(&data, &on).0, Some(0));
            daemon = trial.daemon();
        }
    }

    // The venue reports the truth.
    let lied_until = asked(&data, "status")["close_time"].as_i64().unwrap();
    let end = START + MINUTES * MINUTE;
    wait_until("the market is over", || asked(&data, "status")["close_time"] == end);
    let lifted = asked(&data, "reconcile")["time"].as_i64().unwrap_or(0);
    let mut beside = Value::Null;
    wait_until("the account is compared again, and all is explained", || {
        beside = asked(&data, "reconcile");
        let (time, status) = (beside["time"].as_i64().unwrap_or(0), asked(&data, "status"));
        time > lifted.max(end) && status["conflicts"] == json!([]) && status["unknown_orders"] == 0
    });
    assert_eq!(beside["conflicts"], json!([]), "{beside}");
    let (fills, books) = (asked(&data, "fills"), ledger(&data));
    let aside = asked(&data, "quarantine list");
    let problems = asked(&data, "status")["problems"].clone();
    trial.ended(daemon, "-INT");
    wait_until_free(&data);
    println!("{}", trial.log);

    let (ours, theirs) = (ours(&fills), theirs(&books));
    assert!(ours.len() > 5, "{ours:?}");
    assert_eq!(ours, theirs);
    assert!(!trial.log.contains("panicked"), "a panic");
    assert_eq!((aside, problems), (json!([]), json!([])));
    let subject = Subject::new(BINARY, &trial.recording);
    let (_, wrong) = picture(&data, &subject).unwrap();
    assert_eq!(wrong, [""; 0]);
    // A bar the venue lied about each time it was asked may be missing, and is reported as missing.
    let silent = without_close(&data, lied_until);
    assert!(silent.len() < usize::try_from(MINUTES).unwrap() / 4, "no close of {silent:?}");
    let mut may_miss = reported_missing(&data);
    for rule in Small::new().instruments() {
        may_miss.extend(silent.iter().map(|minute| (rule.symbol, *minute)));
    }
    assert_eq!(false_bars(&data, &may_miss), [""; 0]);
    // What was refused is reported.
    for row in MODES.iter().filter(|row| row.mode != Mode::AbsurdFilters) {
        assert!(trial.met.contains(row.name), "{} was never sent: {:?}", row.name, trial.met);
    }
    assert!(trial.log.contains("impossible"), "nothing is reported of what was refused");
}
