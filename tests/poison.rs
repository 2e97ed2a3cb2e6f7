//! A stage that fails at one bar again and again: the rest trades on, and whoever derives it all
//! again comes to the same; where money hangs on the stage, an operator decides.

use super::kit::{Folder, Process, ask, run as command, small_recording};
use everwarm::adapters;
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Feed, Plan, run};
use everwarm::chaos::sweep::{learn, mixture, sweep};
use everwarm::daemon_run::{APPLICATION, DaemonRun, DaemonRunParts, LIVE_FILE};
use everwarm_api::TOKEN_FILE;
use everwarm_domain::fact::{Analysis, Body, BreakerLevel, Decision, Market, Operator, Order};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_edge::operation::config::Content;
use everwarm_edge::world::{Passing, World};
use everwarm_history as history;
use everwarm_kernel::fact::{Effect, Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::supervise::ChildSpec;
use everwarm_sim::server::port::PortFile;
use everwarm_sim::{Pace, SimHandle, SimOptions};
use everwarm_trading::{AnyStage, Make, StageSpec, specs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// The close whose bar of [`BAD`] cannot be handled.
const CLOSE: UtcMs = START + 66 * MINUTE;
const BAD: &str = "BBBUSD";

/// A stage of ours that fails at one bar, or at all of that close.
struct Failing(AnyStage, &'static [&'static str]);

impl Failing {
    fn at_one(name: &str) -> AnyStage {
        Failing::at(name, &[BAD])
    }

    fn at_all(name: &str) -> AnyStage {
        Failing::at(name, &[])
    }

    fn at(name: &str, bars: &'static [&'static str]) -> AnyStage {
        let spec = specs().into_iter().find(|spec| spec.name == name).unwrap();
        Box::new(Failing(spec.build(), bars))
    }

    /// Whether one of these, by the end of the bar and its symbol, cannot be handled; or what is
    /// appended at that time, whatever is in it.
    fn fails(&self, time: UtcMs, bars: impl IntoIterator<Item = (UtcMs, Symbol)>) -> bool {
        let named = |symbol: Symbol| self.1.contains(&symbol.as_str());
        let bad = bars.into_iter().any(|(end, symbol)| end == CLOSE && named(symbol));
        bad || (self.1.is_empty() && time == CLOSE)
    }
}

impl Stage for Failing {
    type Body = Body;
    fn rank(&self) -> Rank {
        self.0.rank()
    }
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn version(&self) -> u16 {
        self.0.version()
    }
    fn on_poison(&self) -> OnPoison {
        self.0.on_poison()
    }
    fn interest(&self) -> Mask {
        self.0.interest()
    }
    fn produces(&self) -> Mask {
        self.0.produces()
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        let bad = match &fact.body {
            Body::Market(Market::Close { time, bars, .. }) => {
                self.fails(fact.time, bars.iter().map(|bar| (*time, bar.symbol)))
            }
            Body::Analysis(Analysis::FeatureValues { table, .. }) => {
                self.fails(fact.time, table.rows().map(|row| (row.head.time, row.head.symbol)))
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => false,
        };
        if bad {
            // As a panic, without the words of one among those of the tests.
            std::panic::resume_unwind(Box::new("cannot read the bar".to_owned()));
        }
        self.0.evolve(fact);
    }
    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        self.0.decide(fact, out);
    }
    fn conclude(&self, out: &mut Out<Body>) {
        self.0.conclude(out);
    }
    fn next_wake(&self) -> Option<i64> {
        self.0.next_wake()
    }
    fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.load(bytes)
    }
    fn check(&self) {
        self.0.check();
    }
}

/// Our stages, one of them made by `make`.
fn with(name: &str, make: Make) -> Vec<StageSpec> {
    let one = |spec: StageSpec| if spec.name == name { StageSpec { make, ..spec } } else { spec };
    specs().into_iter().map(one).collect()
}

fn sick_indicator() -> Feed {
    Feed { stages: with("indicator", |_, _| Failing::at_one("indicator")), ..feed::small() }
}

/// Entries after the bad close, by symbol.
fn entries(facts: &[Fact<Body>]) -> Vec<Symbol> {
    let entry = |fact: &Fact<Body>| match &fact.body {
        Body::Order(Order::Intent(i)) if i.side == Side::Buy && i.close_time > CLOSE => {
            Some(i.symbol)
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    };
    let mut symbols: Vec<Symbol> = facts.iter().filter_map(entry).collect();
    symbols.sort();
    symbols.dedup();
    symbols
}

#[test]
fn a_bar_an_indicator_cannot_handle_costs_its_symbol_and_nothing_else() {
    let outcome = run(&sick_indicator(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new(), "verify passes, with stages that do not fail");
    let bad = Symbol::new(BAD).unwrap();
    let quarantines: Vec<&Operator> = outcome
        .facts
        .iter()
        .filter_map(|fact| if let Body::Operator(o) = &fact.body { Some(o) } else { None })
        .filter(|operator| matches!(operator, Operator::Quarantined { .. }))
        .collect();
    let [Operator::Quarantined { stage, input, effect, symbols, failures, why, .. }] =
        &quarantines[..]
    else {
        panic!("{quarantines:?}")
    };
    assert_eq!((stage.as_str(), *effect, *failures), ("indicator", Effect::Parts, 3));
    assert_eq!((&symbols[..], why.as_str()), (&[bad][..], "cannot read the bar"));
    let close = outcome.facts.iter().find(|f| f.key.n == *input && f.key.rank == 0).unwrap();
    assert!(matches!(&close.body, Body::Market(Market::Close { time: CLOSE, .. })), "{close:?}");
    let barred = outcome.facts.iter().any(|fact| {
        matches!(&fact.body, Body::Decision(Decision::Breaker { barred, .. }) if barred.len() == 1)
    });
    assert!(barred, "the breaker bars it");
    let all = run(&feed::small(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    let expected: Vec<_> = entries(&all.facts).into_iter().filter(|s| *s != bad).collect();
    assert_eq!(entries(&all.facts).len(), expected.len() + 1, "it would be bought otherwise");
    assert_eq!(entries(&outcome.facts), expected, "the others are traded on, it is not bought");
}

#[test]
fn a_strategy_that_fails_whatever_it_is_given_is_out_and_nothing_is_bought() {
    let feed =
        Feed { stages: with("sma_cross", |_, _| Failing::at_all("sma_cross")), ..feed::small() };
    let outcome = run(&feed, &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new(), "verify passes");
    let level = outcome.facts.iter().rev().find_map(|fact| {
        let Body::Decision(Decision::Breaker { level, reasons, .. }) = &fact.body else {
            return None;
        };
        Some((*level, reasons.join("; ")))
    });
    let why = "sma_cross failed and is out; an operator has to decide".to_owned();
    assert_eq!(level, Some((BreakerLevel::ExitsOnly, why)));
    assert_eq!(entries(&outcome.facts), []);
    let features = outcome.facts.iter().rev().find(|fact| fact.key.rank == 200).unwrap();
    assert!(features.time > CLOSE + MINUTE, "the others go on to the end");
}

#[test]
fn a_bar_that_fails_two_stages_is_set_aside_for_both_and_not_the_end() {
    let mut feed = sick_indicator();
    for spec in feed.stages.iter_mut().filter(|spec| spec.name == "roll-up") {
        spec.make = |_, _| Failing::at_one("roll-up");
    }
    let outcome = run(&feed, &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, Vec::<String>::new(), "verify passes");
    let set_aside =
        |f: &&Fact<Body>| matches!(f.body, Body::Operator(Operator::Quarantined { .. }));
    assert_eq!(outcome.facts.iter().filter(set_aside).count(), 2);
    assert_eq!(outcome.lives, 1);
}

#[test]
fn a_running_daemon_is_asked_with_its_token() {
    let (folder, recording) = (Folder::new("poison-live"), Folder::new("poison-recording"));
    let recording = small_recording(&recording.join("bars"));
    let dir = folder.0.as_path();
    let daemon = Process::start(dir, &["run", "--pace", "60x", "--recording", &recording]);
    daemon.answers();
    assert_eq!(ask(dir, &["quarantine", "list"]), serde_json::json!([]));
    let (code, _, err) = command(dir, &["quarantine", "retry", "1", "--yes"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("there is no quarantine 1"), "{err}");
    std::fs::write(dir.join(TOKEN_FILE), "guessed").unwrap();
    let (code, _, err) = command(dir, &["quarantine", "retry", "1", "--yes"]);
    assert_eq!(code, Some(5), "{err}");
}

#[test]
fn kills_make_no_difference_to_what_is_set_aside() {
    let feed = sick_indicator();
    let learned = learn(&feed).unwrap();
    let plans: Vec<_> =
        (1..=12).map(|n| mixture(&learned.passings, &learned.operations, 700 + n)).collect();
    let swept = sweep(&feed, &plans, &learned.picture);
    for failure in &swept.failures {
        println!("EVERWARM_PLAN='{}'\n    {}", failure.plan, failure.why);
    }
    assert!(swept.failures.is_empty(), "{} of {} runs", swept.failures.len(), swept.runs);
}

/// An exchange, and a data directory on which life follows life.
pub(super) struct Stand {
    folder: Folder,
    exchange: SimHandle,
    venue: Runtime,
    settings: Settings,
}

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

impl Stand {
    pub(super) fn new(name: &str) -> Stand {
        Stand::of(name, feed::small())
    }

    pub(super) fn of(name: &str, feed: Feed) -> Stand {
        let (folder, venue) = (Folder::new(name), runtime(1));
        let options = SimOptions {
            // Not where the exchange of a process would be, which is killed with the folder.
            data_dir: folder.join("venue"),
            port: 0,
            pace: Pace::Lockstep,
            market: (feed.market)(),
            setup: feed.setup,
            idle_exit: None,
        };
        let exchange = venue.block_on(everwarm_sim::start(options)).unwrap();
        Stand { folder, exchange, venue, settings: feed.settings }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.folder.0
    }

    /// A life with these stages, until something holds.
    pub(super) fn live(
        &self,
        stages: Vec<StageSpec>,
        what: &str,
        done: impl Fn(&DaemonRun) -> bool,
    ) {
        self.live_with(stages, |_| Vec::new(), what, done);
    }

    /// The same, with somebody who looks in.
    pub(super) fn live_with(
        &self,
        stages: Vec<StageSpec>,
        ops: impl FnOnce(&World) -> Vec<ChildSpec>,
        what: &str,
        done: impl Fn(&DaemonRun) -> bool,
    ) {
        let (supervisors, workers) = (runtime(1), runtime(2));
        let file = PortFile::new(self.exchange.addr.port(), &self.exchange.token, "lockstep");
        let connection = adapters::simulated(&file, Passing::Lockstep).unwrap();
        let parts = DaemonRunParts {
            followers: &[],
            store: Store::open(&self.dir().join(LIVE_FILE), APPLICATION).unwrap(),
            archive: Arc::new(Archive::open(&self.dir().join(history::FILE)).unwrap()),
            chaos: Chaos::off(),
            connection,
            content: Content::new(&self.settings, Vec::new(), Vec::new()),
            installation: "poison".to_owned(),
            stages,
            exchange: None,
            workers_on: workers.handle().clone(),
            retry: Duration::from_millis(300),
            on_failure: Arc::new(|why| panic!("{why}")),
            on_resume: Arc::new(|_, _| ()),
            observer: Arc::new(|_| ()),
        };
        supervisors.block_on(async {
            let life = DaemonRun::recover_and_start(parts, |world, _| ops(world)).await.unwrap();
            let waited = tokio::time::timeout(super::kit::PATIENCE, async {
                while !done(&life) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            assert!(waited.await.is_ok(), "{what}: {:?}", life.world.journal.progress());
            life.end(super::kit::PATIENCE).await;
        });
        supervisors.shutdown_timeout(Duration::from_secs(5));
        workers.shutdown_timeout(Duration::from_secs(5));
    }
}

/// Whether something was set aside after all that was released.
fn is_set_aside(life: &DaemonRun) -> bool {
    let journal = &life.world.journal;
    let newest = journal.read(journal.last_row().saturating_sub(200).max(1), usize::MAX).unwrap();
    let facts = newest.iter().flat_map(|chunk| &chunk.facts);
    facts.fold(false, |set_aside, fact| match &fact.body {
        Body::Operator(Operator::Quarantined { .. }) => true,
        Body::Operator(Operator::Released { .. }) => false,
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => set_aside,
    })
}

#[test]
fn a_ledger_that_fails_stands_still_until_an_operator_has_it_tried_again() {
    let stand = Stand::new("poison-ledger");
    stand.live(with("ledger", |_, _| Failing::at_one("ledger")), "it is set aside", is_set_aside);
    let dir = stand.dir();
    let status = ask(dir, &["status"]);
    assert_eq!(status["breaker"], "halted");
    let why = "ledger failed 3 times at input";
    assert!(status["breaker_reasons"][0].as_str().unwrap().starts_with(why), "{status}");
    assert!(status["problems"][0].as_str().unwrap().contains("no order is decided"), "{status}");
    let list = ask(dir, &["quarantine", "list"]);
    let [one] = &list.as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((&one["stage"], &one["effect"]), (&"ledger".into(), &"stopped".into()));
    assert_eq!(one["symbols"], serde_json::json!([BAD]));
    let id = one["id"].to_string();
    let (code, _, err) = command(dir, &["quarantine", "drop", &id, "--yes"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("skips no input"), "{err}");
    let (code, _, err) = command(dir, &["quarantine", "retry", "1", "--yes"]);
    assert_eq!(code, Some(1), "there is no quarantine 1: {err}");

    // Still broken: set aside again, under another number.
    command(dir, &["quarantine", "retry", &id, "--yes"]);
    assert_eq!(ask(dir, &["quarantine", "list"]), serde_json::json!([]));
    stand.live(with("ledger", |_, _| Failing::at_one("ledger")), "again", is_set_aside);
    let list = ask(dir, &["quarantine", "list"]);
    let again = list[0]["id"].to_string();
    assert_ne!(again, id);

    // Repaired: to the end, with nothing left out.
    let (code, out, err) = command(dir, &["quarantine", "retry", &again, "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("ledger retries"), "{out}");
    stand.live(specs(), "to the end", |life| *life.ended.borrow());
    assert_eq!(ask(dir, &["verify"])["problems"], serde_json::json!([]));
    let equity = ask(dir, &["equity"]);
    let times: Vec<_> = equity.as_array().unwrap().iter().map(|row| row["time"].clone()).collect();
    assert!(times.contains(&CLOSE.into()), "the close it failed at is in the books");
    stand.venue.block_on(stand.exchange.stop()).unwrap();
}
