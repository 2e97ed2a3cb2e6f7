//! Tests that every reader gives the same result, however far each stage lags. While stages catch
//! up, facts of later stages about an input follow later inputs.

use super::explain::explain;
use super::features::FeatureLog;
use super::memory::Memory;
use super::news::News;
use super::reconcile::reconcile;
use super::scan::scan;
use super::summary::{Period, summary};
use super::testing::Facts;
use super::testing::lagging::lagging;
use super::why_not::why_not;
use everwarm_domain::fact::{Body, Market, Order};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_history::{History, Projector};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::testing::world::two_runs;
use std::path::PathBuf;
use std::sync::Arc;

/// A temporary folder, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The results of all readers of a journal, by their names.
fn results(journal: &[Fact<Body>], name: &str) -> Vec<(String, String)> {
    let folder = format!("everwarm-lagging-{name}-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(folder));
    // An earlier process with this id may have left one.
    std::fs::remove_dir_all(&folder.0).ok();
    std::fs::create_dir_all(&folder.0).unwrap();
    let archive = Arc::new(Archive::open(&folder.0.join("history.redb")).unwrap());
    let facts = Facts(journal.to_vec());
    let mut all: Vec<(String, String)> = Vec::new();
    let mut record = |name: &str, text: String| all.push((name.to_owned(), text));

    // The memory: stored twice on the way, and loaded as by another process.
    let mut memory = Memory::default();
    for until in [journal.len() / 3, journal.len() * 2 / 3, journal.len()] {
        for row in usize::try_from(memory.next_row()).unwrap()..=until {
            memory.fold(row as u64, &journal[row - 1]);
        }
        Memory::keep(&archive, memory.bytes().1).unwrap();
        if until < journal.len() {
            memory = Memory::load(&archive, until as u64).unwrap();
        }
    }
    let folds = memory.now();
    record("status", format!("{:?}", folds.status.view()));
    record("status at rest", format!("{:?}", folds.status.view_at_rest()));
    record("symbols", format!("{:?} {:?}", folds.status.symbols(), folds.status.sellable()));
    record("health", format!("{:?}", folds.health));
    record("counts", format!("{:?}", folds.counts));
    record("signals", format!("{:#?}", memory.signals.newest(None)));

    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    for (rows, chunk) in (0_u64..).zip(journal.chunks(100)) {
        let rows = (rows * 100 + 1)..;
        projector.apply(rows.zip(chunk), 0, false).unwrap();
    }
    let history = History::new(Arc::clone(&archive));
    record("orders", format!("{:#?}", history.orders(None).unwrap().rows));
    record("fills", format!("{:#?}", history.fills(None).unwrap().rows));
    record("positions", format!("{:#?}", history.positions().unwrap()));
    record("equity", format!("{:#?}", history.equity(None).unwrap().rows));
    record("trades", format!("{:#?}", history.trades(None).unwrap()));
    record("reconcile", format!("{:#?}", reconcile(&facts).unwrap()));
    for from in [0, DAY] {
        let period = Period { from, to: from + DAY };
        let mut view = summary(&history, &facts, &folder.0, Some(period)).unwrap();
        (view.running.files, view.running.grown) = (Vec::new(), 0);
        record(&format!("summary from {from}"), format!("{view:#?}"));
    }

    all.extend(stories(journal, &facts));
    all
}

/// The messages, and the explanations of orders, fills, decisions and closes.
fn stories(journal: &[Fact<Body>], facts: &Facts) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut record = |name: &str, text: String| all.push((name.to_owned(), text));
    let mut news = News::default();
    let mut items: Vec<_> = journal.iter().flat_map(|fact| news.fold(fact)).collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    record("news", format!("{items:#?}"));
    let mut features = FeatureLog::default();
    for fact in journal {
        features.fact(fact);
    }

    let mut by_key: Vec<&Fact<Body>> = journal.iter().collect();
    by_key.sort_by_key(|fact| fact.key);
    let mut ids: Vec<String> = Vec::new();
    let mut closes: Vec<UtcMs> = Vec::new();
    for fact in by_key {
        match &fact.body {
            Body::Order(Order::Intent(intent)) => ids.push(intent.client_id.to_string()),
            Body::Order(Order::Filled { symbol, fill, .. }) => {
                ids.push(format!("{symbol}:{}", fill.trade_id));
            }
            Body::Decision(_) => ids.push(fact.key.to_string()),
            Body::Market(Market::Close { time, .. }) => {
                closes.push(*time);
                ids.push(fact.key.to_string());
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    assert!(ids.len() > 100, "{}", ids.len());
    for id in ids.iter().step_by(3) {
        let view = explain(facts, id, false).unwrap().unwrap();
        record(&format!("explain {id}"), format!("{view:#?}"));
    }
    for (at, time) in closes.iter().enumerate().step_by(4) {
        let symbol = Symbol::new(["ADAUSDT", "BTCUSDT", "ETHUSDT"][at % 3]).unwrap();
        let view = why_not(facts, symbol, Some(*time), None).unwrap();
        record(&format!("why not {symbol} {time}"), format!("{view:#?}"));
        record("features", format!("{:?}", features.at(symbol, Timeframe::M1, *time)));
    }
    for time in closes.iter().step_by(40) {
        let rows = scan(facts, Some(*time), None, 10).unwrap();
        record(&format!("scan {time}"), format!("{rows:#?}"));
    }
    let view = why_not(facts, Symbol::new("BTCUSDT").unwrap(), None, None).unwrap();
    record("why not now", format!("{view:#?}"));
    all
}

#[test]
fn every_reader_says_the_same_however_far_stages_lag() {
    let facts = two_runs();
    assert!(facts.is_sorted_by_key(|fact| fact.key));
    let expected = results(&facts, "sorted");
    let signals = &expected.iter().find(|(name, _)| name == "signals").unwrap().1;
    assert!(signals.contains("Approved") && signals.contains("Declined"), "{signals}");
    assert!(!signals.contains("Pending"), "{signals}");
    for seed in 1..=4 {
        let journal = lagging(&facts, seed);
        let overtaken = [(400, 600), (600, 400), (0, 800)].map(|(by, of)| {
            let mut newest = 0;
            let behind = journal.iter().filter(|fact| {
                if fact.key.rank == by {
                    newest = newest.max(fact.key.n);
                }
                fact.key.rank == of && fact.key.n < newest
            });
            behind.count()
        });
        let [decisions, signals, books] = overtaken;
        assert!(decisions > 5 && books > 50, "seed {seed}: {overtaken:?}");
        assert_eq!(signals, 0, "a decision waits for the signals of its close");
        for (was, is) in expected.iter().zip(results(&journal, &seed.to_string())) {
            assert!(*was == is, "seed {seed}, {}:\n{}\nand not\n{}", was.0, is.1, was.1);
        }
    }
}

#[test]
fn a_journal_that_lags_has_every_fact_behind_its_causes() {
    let journal = lagging(&two_runs(), 5);
    let mut seen = std::collections::BTreeSet::new();
    for fact in &journal {
        let input = Key { n: fact.key.n, rank: 0, i: 0 };
        assert!(fact.key.rank == 0 || seen.contains(&input), "{}", fact.key);
        assert!(fact.because.iter().all(|key| seen.contains(key)), "{}", fact.key);
        seen.insert(fact.key);
    }
}
