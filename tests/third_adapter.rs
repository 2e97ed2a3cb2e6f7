//! The ports are a seam: a third adapter, in this process and by other rules than the two there
//! are, trades whole days under kills, and comes to what the plain loop comes to.

mod corner;

use crate::kit::{Folder, PATIENCE};
use corner::Corner;
use everwarm::adapters::places;
use everwarm::chaos::compare::{Picture, ledger, ours};
use everwarm::chaos::rig::Feed;
use everwarm::chaos::{feed, plain};
use everwarm::daemon_run::{APPLICATION, Connection, DaemonRun, DaemonRunParts, LIVE_FILE};
use everwarm_domain::fact::{Analysis, Body, Market as MarketFact};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::{DAY, MINUTE, Timeframe, UtcMs};
use everwarm_edge::operation::config::Content;
use everwarm_edge::world::Passing;
use everwarm_history as history;
use everwarm_kernel::chance;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::{Chaos, Injected};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::market::{Market, Seeded};
use everwarm_sim::{InitialBooks, Local};
use everwarm_trading::specs;
use everwarm_venue::rate_limit::Note;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Days that are traded.
const DAYS: i64 = 8;
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

/// Hours of the session of a day, UTC.
const OPEN: std::ops::Range<i64> = 14..21;

/// The sessions of all days there are, from some days before.
fn sessions() -> Sessions {
    let day = |n: i64| START + n * DAY;
    let session = |n: i64| Session {
        open: day(n) + OPEN.start * 60 * MINUTE,
        close: day(n) + OPEN.end * 60 * MINUTE,
    };
    Sessions::new(day(-9), day(DAYS + 9), (-9..DAYS + 9).map(session).collect()).unwrap()
}

/// A seeded market that trades in sessions, and ends.
struct Days(Seeded, Sessions);

impl Days {
    fn is_open(&self, close: UtcMs) -> bool {
        self.1.is_open(close - MINUTE)
    }
}

impl Market for Days {
    fn instruments(&self) -> &[Instrument] {
        self.0.instruments()
    }

    fn start(&self) -> UtcMs {
        self.0.start()
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let mut close = self.0.next_close(after)?;
        while !self.is_open(close) {
            close = self.0.next_close(close)?;
        }
        (close <= START + DAYS * DAY).then_some(close)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        if self.is_open(close) { self.0.bars_closing(close) } else { Vec::new() }
    }

    fn bars(&mut self, symbol: Symbol, from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
        let mut bars = self.0.bars(symbol, from, to, usize::MAX);
        bars.retain(|bar| self.1.is_open(bar.open_time));
        bars.truncate(limit);
        bars
    }
}

fn days() -> Feed {
    Feed {
        market: Arc::new(|| Box::new(Days(Seeded::new(5, 3, START, 9_000), sessions()))),
        setup: InitialBooks { seed: 5, ..InitialBooks::default() },
        settings: feed::settings(),
        sessions: sessions(),
        // It takes no stop orders: lots are guarded at closes.
        stop_orders: 0,
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
    let parts = DaemonRunParts {
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
        let mut life = DaemonRun::recover_and_start(parts, |_, _| Vec::new()).await.unwrap();
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
    let corner = Corner::open(Local::open((feed.market)(), &feed.setup), sessions());
    let mut dice = 11;
    for until in RUNS {
        assert!(!run(&folder, &corner, &feed, until, &mut dice), "the days are too short");
    }
    assert!(run(&folder, &corner, &feed, u64::MAX, &mut dice));
    let ids = corner.client_ids();
    assert!(ids.len() > 20, "{} orders are few", ids.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no order twice");
    let (mut nights, mut daily) = (0, 0);
    for (_, fact) in facts(&folder) {
        match fact.body {
            Body::Market(MarketFact::Close { time, missing, .. }) => {
                assert!(missing.is_empty(), "{missing:?} are missing at {time}");
                assert!(sessions().is_open(time - MINUTE), "{time} is at night");
                nights += i64::from(!sessions().is_open(time));
            }
            Body::Analysis(Analysis::Rolled { timeframe: Timeframe::D1, bars }) => {
                let whole = |rolled: &RolledBar| {
                    rolled.complete && rolled.bar.open_time % DAY == OPEN.start * 60 * MINUTE
                };
                assert!(bars.iter().all(whole), "a day is a session: {bars:?}");
                daily += bars.len();
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    // The last session before the start is finished by the first bar after it.
    assert_eq!((nights, daily), (DAYS, usize::try_from(DAYS + 1).unwrap() * 3));
    let archive = Arc::new(Archive::open(&folder.0.join(history::FILE)).unwrap());
    let came = Picture {
        ours: ours(&facts(&folder), &archive).unwrap(),
        theirs: ledger(&corner.ledger()),
    };
    let plain = plain::play(&feed).unwrap();
    assert_eq!(came.difference(&plain), None);
}
