//! A start whose past is missing: the bars of many symbols from a venue that is far away.

use crate::kit::{Folder, PATIENCE, Process, ask, kill_exchange, run, wait_until};
use everwarm::daemon_run::{APPLICATION, DaemonRun, DaemonRunParts, LIVE_FILE};
use everwarm::{adapters, audit};
use everwarm_adapters::binance::map;
use everwarm_adapters::binance::wire::{self, decode};
use everwarm_domain::fact::{Body, Ledger, Market};
use everwarm_domain::time::{DAY, MINUTE, Timeframe, UtcMs};
use everwarm_edge::operation::config::Content;
use everwarm_edge::world::{LOOKUPS, Passing, World};
use everwarm_history as history;
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::clock;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::market::{Market as _, Seeded};
use everwarm_sim::server::port::PortFile;
use everwarm_sim::wire::intervals::Kline;
use everwarm_sim::wire::klines::rows;
use everwarm_sim::{InitialBooks, Pace, SimOptions, start};
use everwarm_trading::specs;
use everwarm_venue::simulated::Admin;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Bars of a symbol that are missing.
const BARS: u32 = 1_000;

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// What of a start is in the journal, as far as it was read.
#[derive(Debug, Default)]
struct Progress {
    read: u64,
    pasts: usize,
    bars: usize,
    /// Whether the account was compared.
    compared: bool,
}

impl Progress {
    /// Reads on.
    fn read(&mut self, world: &World) -> (usize, usize, bool) {
        loop {
            let chunks = world.journal.read(self.read, 512).unwrap();
            let Some(last) = chunks.last() else { return (self.pasts, self.bars, self.compared) };
            self.read = last.last_row() + 1;
            chunks.iter().flat_map(|chunk| &chunk.facts).for_each(|fact| self.count(&fact.body));
        }
    }

    fn count(&mut self, body: &Body) {
        match body {
            Body::Market(Market::HistoryLoaded { count, .. }) => {
                self.pasts += 1;
                self.bars += *count as usize;
            }
            Body::Ledger(Ledger::Reconciled { .. }) => self.compared = true,
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
}

/// Starts with nothing against an exchange `ms` away; how long it took until all is there, most
/// requests for bars at once, and requests over the limits.
fn from_nothing(symbols: usize, ms: u32) -> (Duration, u64, u64) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (folder, venue, control, workers) =
        (Folder::new(&format!("start-{symbols}")), runtime(1), runtime(1), runtime(1));
    let opens = clock::wall().utc().div_euclid(MINUTE) * MINUTE;
    let options = SimOptions {
        data_dir: folder.0.clone(),
        port: 0,
        pace: Pace::Times(1),
        market: Box::new(Seeded::new(1, symbols, opens, BARS + 10)),
        setup: InitialBooks::default(),
        idle_exit: None,
    };
    let sim = venue.block_on(start(options)).unwrap();
    let admin = Admin::new(&format!("http://{}", sim.addr), &sim.token).unwrap();
    venue.block_on(admin.delay(ms)).unwrap();
    let file = PortFile::new(sim.addr.port(), &sim.token, "real");
    let connection = adapters::simulated(&file, Passing::Scaled(1));
    let parts = DaemonRunParts {
        followers: &[],
        store: Store::open(&folder.0.join(LIVE_FILE), APPLICATION).unwrap(),
        archive: Arc::new(Archive::open(&folder.0.join(history::FILE)).unwrap()),
        chaos: Chaos::off(),
        connection: connection.unwrap(),
        content: Content::new(&everwarm::chaos::feed::settings(), Vec::new(), Vec::new()),
        installation: "start".to_owned(),
        stages: specs(),
        exchange: None,
        retry: everwarm::tree::RETRY,
        workers_on: workers.handle().clone(),
        on_failure: Arc::new(|why| panic!("{why}")),
        on_resume: Arc::new(|_, _| ()),
        observer: Arc::new(|_| ()),
    };
    let took = control.block_on(async {
        let began = clock::now();
        let life = DaemonRun::recover_and_start(parts, |_, _| Vec::new()).await.unwrap();
        let mut progress = Progress::default();
        let all = async {
            while progress.read(&life.world) != (symbols, symbols * BARS as usize, true) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(crate::kit::PATIENCE, all).await;
        let took = began.elapsed();
        assert!(waited.is_ok(), "{progress:?}");
        life.end(crate::kit::PATIENCE).await;
        took
    });
    let standing = venue.block_on(admin.status()).unwrap();
    venue.block_on(sim.stop()).unwrap();
    (took, standing.bars_at_once, standing.over_limits)
}

#[test]
fn a_missing_past_is_asked_for_eight_at_a_time_and_within_the_limits() {
    // So far away that a machine under load begins eight before the first is answered.
    let (_, at_once, over) = from_nothing(40, 250);
    assert_eq!((at_once, over), (LOOKUPS as u64, 0));
}

/// How long it takes to read that many answers with [`BARS`] bars each, one after the other.
fn parsing(symbols: usize) -> Duration {
    let mut market = Seeded::new(1, symbols, clock::wall().utc(), BARS);
    let names: Vec<_> = market.instruments().iter().map(|known| known.symbol).collect();
    let mut took = Duration::ZERO;
    for symbol in names {
        let bars = market.bars(symbol, UtcMs::MIN, market.start() - MINUTE, BARS as usize);
        let page = rows(&bars.iter().map(|bar| Kline::minute(bar, 4)).collect::<Vec<_>>());
        let began = clock::now();
        let read: Vec<wire::KlineRow> = decode("klines", page.as_bytes()).unwrap();
        let read = map::bars(symbol, Timeframe::M1, &read).unwrap();
        took += began.elapsed();
        assert_eq!(read, bars);
    }
    took
}

#[test]
#[ignore = "a measurement: 1,000 bars of 300 symbols, 50 ms away"]
fn the_past_of_three_hundred_symbols_takes_as_long_as_its_round_trips() {
    let (symbols, ms) = (300, 50);
    let parsing = parsing(symbols);
    let (took, at_once, over) = from_nothing(symbols, ms);
    let rounds = u32::try_from(symbols.div_ceil(LOOKUPS)).unwrap();
    let trips = Duration::from_millis(ms.into()) * rounds;
    let ratio = |took: Duration| took.as_secs_f64() / trips.as_secs_f64();
    println!(
        "{took:?}, {parsing:?} of it parsing: {:.2} of the {trips:?} of its round trips, {:.2} \
         without parsing; {at_once} at once, {over} refused",
        ratio(took),
        ratio(took.saturating_sub(parsing)),
    );
    assert_eq!((at_once, over), (LOOKUPS as u64, 0));
    // A measurement, run by whoever wants it on a quiet machine: it may look at the clock.
    assert!(took <= trips.mul_f64(1.3) + parsing, "longer than 1.3 of its round trips and parsing");
}

/// The venue's clock responds late, and an order of the run before is not found at the venue. What
/// is timed before the clock was read would wait for years.
#[test]
fn a_start_waits_for_the_clock_of_the_venue_and_not_for_ever() {
    let folder = Folder::new("late-clock");
    let dir = folder.join("data");
    let start = || Process::start(&dir, &["run", "--pace", "240x"]);
    let fault = |words: &[&str]| {
        let (code, _, err) = run(&dir, &[&["sim", "fault"], words].concat());
        assert_eq!(code, Some(0), "{err}");
    };
    let daemon = start();
    daemon.prints("may trade");
    fault(&["error-before", "--at", "POST order"]);
    wait_until("an order has an unknown status", || {
        let orders = ask(&dir, &["orders"]);
        orders.as_array().unwrap().iter().any(|order| order["status"] == "unknown")
    });
    daemon.kill();
    assert_eq!(ask(&dir, &["sim", "lift"])["off"], 1);
    fault(&["slow", "--at", "GET time", "--value", "1500", "--times", "2"]);
    let daemon = start();
    daemon.prints("may trade again");
    daemon.until("a close", PATIENCE, |lines| lines.iter().any(|line| line.contains(" close ")));
    let hits = ask(&dir, &["sim", "faults"])["on"][0]["hits"].as_u64();
    assert!(hits >= Some(1), "the clock responded late: {hits:?}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    kill_exchange(&dir);
    let (mut newest, mut closed) = (UtcMs::MIN, UtcMs::MIN);
    let journal = audit::open(&dir).unwrap();
    let read = journal.each(0, &mut |_, fact| {
        newest = newest.max(fact.time);
        if let Body::Market(Market::Close { time, .. }) = &fact.body {
            closed = closed.max(*time);
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert!(newest < closed + DAY, "{newest} is the time of this machine, the last close {closed}");
}
