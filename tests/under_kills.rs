//! Lives of the daemon in this process, in step with an exchange, whose actors are killed.

use crate::kit::{Folder, PATIENCE};
use everwarm::chaos::rig::Feed;
use everwarm::daemon_run::{APPLICATION, Connection, DaemonRun, DaemonRunParts, LIVE_FILE};
use everwarm_domain::fact::Body;
use everwarm_edge::operation::config::Content;
use everwarm_history as history;
use everwarm_kernel::chance;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::{Chaos, Injected};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::specs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Wall time between two kills.
const BETWEEN: Duration = Duration::from_millis(15);
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

/// A runtime with so many threads.
pub fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// One run of the daemon, until its journal holds `until` inputs or the market has ended; whether
/// it has. Somebody is killed again and again.
pub fn run(
    folder: &Folder,
    connection: Connection,
    feed: &Feed,
    until: u64,
    dice: &mut u64,
) -> bool {
    let (supervisors, workers) = (runtime(1), runtime(2));
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
pub fn facts(folder: &Folder) -> Vec<(u64, Fact<Body>)> {
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
