//! The ports are a seam: a third adapter, in this process and by other rules than the two there
//! are, trades whole days under kills, and comes to what the plain loop comes to.

mod corner;

use crate::kit::{Folder, PATIENCE};
use corner::Corner;
use everwarm::adapters::places;
use everwarm::chaos::compare::{Picture, ledger, ours};
use everwarm::chaos::rig::Feed;
use everwarm::chaos::{feed, plain};
use everwarm::edge::config::Content;
use everwarm::edge::world::Passing;
use everwarm::life::{APPLICATION, Birth, Connection, LIVE_FILE, Life};
use everwarm::venue::rate_limit::Note;
use everwarm_domain::fact::Body;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_history as history;
use everwarm_kernel::chance;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::{Chaos, Injected};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::market::{Market, Seeded};
use everwarm_sim::{Local, Setup};
use everwarm_trading::specs;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Days that are traded.
const DAYS: i64 = 2;
/// Where they begin: 2026-01-05T00:00Z.
const START: UtcMs = 1_767_571_200_000;
/// Wall time between two kills.
const BETWEEN: Duration = Duration::from_millis(15);
/// Inputs after which the daemon is stopped and started again, one after the other.
const RUNS: [u64; 2] = [1_500, 3_500];
/// Who is killed.
const KILLED: [&str; 12] = [
    "gateway",
    "private",
    "feed",
    "closer",
    "universe",
    "clock",
    "config",
    "roll-up",
    "indicator",
    "decision",
    "order-manager",
    "ledger",
];

/// A seeded market that ends.
struct Days(Seeded);

impl Market for Days {
    fn instruments(&self) -> &[Instrument] {
        self.0.instruments()
    }

    fn start(&self) -> UtcMs {
        self.0.start()
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.0.next_close(after).filter(|close| *close <= START + DAYS * 24 * 60 * MINUTE)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.0.bars_closing(close)
    }

    fn bars(&mut self, symbol: Symbol, from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
        self.0.bars(symbol, from, to, limit)
    }
}

fn days() -> Feed {
    Feed {
        market: Arc::new(|| Box::new(Days(Seeded::new(5, 3, START, 1_000)))),
        setup: Setup { seed: 5, ..Setup::default() },
        settings: feed::settings(),
        ..feed::small()
    }
}

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// One run of the daemon, until its journal holds `until` inputs or the market has ended; whether
/// it has. Somebody is killed again and again.
fn run(folder: &Folder, corner: &Corner, feed: &Feed, until: u64, dice: &mut u64) -> bool {
    let (supervisors, workers) = (runtime(1), runtime(2));
    let opened = corner.clone();
    let connection = Connection {
        places: places("corner"),
        open: Arc::new(move |opening| Ok(opened.ports(&opening))),
        wheel: Some(Arc::new(corner.clone())),
        admin: None,
        streams: usize::MAX,
        live: false,
        compare: None,
        passing: Passing::Lockstep,
        note: Note::default(),
    };
    let birth = Birth {
        followers: &[],
        store: Store::open(&folder.0.join(LIVE_FILE), APPLICATION).unwrap(),
        archive: Arc::new(Archive::open(&folder.0.join(history::FILE)).unwrap()),
        chaos: Chaos::off(),
        connection,
        content: Content::new(&feed.settings, Vec::new(), Vec::new()),
        installation: "rig".to_owned(),
        stages: specs(),
        exchange: None,
        workers_on: workers.handle().clone(),
        retry: Duration::from_millis(300),
        on_failure: Arc::new(|why| panic!("{why}")),
        on_resume: Arc::new(|_, _| ()),
        observer: Arc::new(|_| ()),
    };
    let ended = supervisors.block_on(async {
        let mut life = Life::begin(birth, |_, _| Vec::new()).await.unwrap();
        let waited = tokio::time::timeout(PATIENCE * 3, async {
            while !*life.ended.borrow_and_update() && life.world.journal.head() < until {
                tokio::time::sleep(BETWEEN).await;
                let n = usize::try_from(chance::draw(dice) % KILLED.len() as u64).unwrap();
                let path = life.world.places.of(KILLED[n]);
                life.world.directory.inject_kill(&path, &Injected("planned".to_owned()));
            }
        });
        let progress = || life.world.journal.progress();
        assert!(waited.await.is_ok(), "it does not go on: {:?}", progress());
        let ended = *life.ended.borrow();
        life.end(PATIENCE).await;
        ended
    });
    supervisors.shutdown_timeout(Duration::from_secs(5));
    workers.shutdown_timeout(Duration::from_secs(5));
    ended
}

/// All facts of a data directory, by row.
fn facts(folder: &Folder) -> Vec<(u64, Fact<Body>)> {
    let store = Store::open(&folder.0.join(LIVE_FILE), APPLICATION).unwrap();
    let mut facts = Vec::new();
    store
        .scan(0, &mut |row, fact: Fact<Body>| {
            facts.push((row, fact));
            ControlFlow::Continue(())
        })
        .unwrap();
    facts
}

#[test]
fn a_third_adapter_trades_whole_days_under_kills_like_the_plain_loop() {
    let (folder, feed) = (Folder::new("third"), days());
    let corner = Corner::open(Local::open((feed.market)(), &feed.setup));
    let mut dice = 11;
    for until in RUNS {
        assert!(!run(&folder, &corner, &feed, until, &mut dice), "the days are too short");
    }
    assert!(run(&folder, &corner, &feed, u64::MAX, &mut dice));
    let ids = corner.client_ids();
    assert!(ids.len() > 20, "{} orders are few", ids.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no order twice");
    let archive = Arc::new(Archive::open(&folder.0.join(history::FILE)).unwrap());
    let came = Picture {
        ours: ours(&facts(&folder), &archive).unwrap(),
        theirs: ledger(&corner.ledger()),
    };
    let plain = plain::play(&feed).unwrap();
    assert_eq!(came.difference(&plain), None);
}
