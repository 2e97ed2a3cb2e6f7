//! `cargo bench --bench restart [-- ROUNDS | short]`: what supervision costs, beside Erlang/OTP
//! where that is installed. Measures the time from a kill until the child answers again, starting
//! and stopping a tree, and messages a second through a bounded mailbox.
//!
//! Children are killed as `everwarm kill` does it, without a backoff. Times are microseconds from
//! just before the kill until the answer of the next instance has arrived.

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

use common::machine::{folder, load};
use common::{p50_p99, quantile, short, sized};
use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::FaultyDisk;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::mailbox::Ticket;
use everwarm_runtime::stage_actor::{StageActor, StageArguments};
use everwarm_runtime::store::Store;
use everwarm_runtime::supervise::{Injected, RootHandle, Strategy, Tree, supervisor, worker};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Rounds, children of the largest tree, messages through the mailbox.
const SIZES: (usize, usize, u64) = (1_000, 10_000, 1_000_000);
const SHORT: (usize, usize, u64) = (20, 500, 20_000);
/// Messages in the mailbox, at most.
const LIMIT: usize = 1_024;
/// Facts after the saved state that a stage applies, roughly, and the size of that state.
const FACTS: u64 = 1_000;
const STATE_BYTES: usize = 256 << 10;
/// Wait before each kill, unless kills are back to back.
const IDLE: Duration = Duration::from_millis(2);

enum Ask {
    Ping(oneshot::Sender<()>),
    Count(#[expect(dead_code, reason = "gives its place back when dropped")] Ticket),
}

struct Kid;

impl Actor for Kid {
    type Msg = Ask;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Ask>,
        ask: Ask,
        count: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match ask {
            Ask::Ping(answer) => answer.send(()).unwrap_or_default(),
            Ask::Count(_) => *count += 1,
        }
        Ok(())
    }
}

fn us(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}

fn tree() -> Tree {
    Tree::new(Arc::new(|_| ()), Arc::new(everwarm_runtime::clock::WallMs::default))
}

/// Pings the actor at a path until it answers.
async fn ping(root: &RootHandle, path: &str) {
    let slot = root.directory().slot(path);
    loop {
        let (answer, answered) = oneshot::channel();
        if slot.send(Ask::Ping(answer)).is_ok() && answered.await.is_ok() {
            return;
        }
        slot.occupied().await;
    }
}

/// Kills one child after another. Returns the time from each kill to the answer of the next
/// instance.
async fn kills(root: &RootHandle, children: usize, rounds: usize, idle: Duration) -> Vec<f64> {
    let mut took = Vec::new();
    let why = Injected("bench".into());
    for round in 0..rounds {
        let path = format!("root/k{}", round * 7919 % children);
        if !idle.is_zero() {
            tokio::time::sleep(idle).await;
        }
        let slot = root.directory().slot(&path);
        let before = slot.occupied().await.get_id();
        let mut changes = slot.changes();
        let began = Instant::now();
        assert!(root.directory().inject_kill(&path, &why), "it was there");
        let other = |cell: &Option<ractor::ActorCell>| {
            cell.as_ref().is_some_and(|cell| cell.get_id() != before)
        };
        changes.wait_for(other).await.unwrap();
        ping(root, &path).await;
        took.push(us(began));
    }
    took
}

async fn children(count: usize, rounds: usize) {
    let spec = supervisor("root", Strategy::OneForOne).budget(1_000_000, Duration::from_secs(1));
    let kids = (0..count).map(|i| worker(&format!("k{i}"), |_| (Kid, ())));
    let spec = spec.children(kids);
    let began = Instant::now();
    let root = tree().start(spec).await.unwrap();
    let started = us(began) / 1e3;
    drop(kills(&root, count, 200, Duration::ZERO).await);
    let mut at_once = kills(&root, count, rounds, Duration::ZERO).await;
    let mut idle = kills(&root, count, rounds, IDLE).await;
    let began = Instant::now();
    root.stop(Duration::from_mins(1)).await;
    let stopped = us(began) / 1e3;
    println!(
        "{count:>6} children: kill to answer, p50/p99 {} us back to back (aim 15), {} us after \
         2 ms idle (aim 120); start {started:.1} ms, stop {stopped:.1} ms",
        p50_p99(&mut at_once),
        p50_p99(&mut idle)
    );
}

async fn mailbox(messages: u64) {
    let spec = supervisor("root", Strategy::OneForOne).child(worker("k0", |_| (Kid, ())));
    let root = tree().start(spec).await.unwrap();
    let slot = root.directory().slot("root/k0");
    let mut rates = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        for _ in 0..messages {
            let ticket = slot.mailbox().room(LIMIT).await;
            assert!(slot.send(Ask::Count(ticket)).is_ok(), "it is there");
        }
        ping(&root, "root/k0").await;
        rates.push(messages as f64 / us(began));
    }
    let (most, half) = (quantile(&mut rates, 1.0), quantile(&mut rates, 0.5));
    println!("bounded mailbox, {LIMIT} at most: {half:.2} million messages/s ({most:.2} at most)");
    root.stop(Duration::from_secs(5)).await;
}

/// An input, or a fact that the runtime appends.
#[derive(Clone, Debug)]
struct Tick(u8);

impl Body for Tick {
    fn kind(&self) -> u8 {
        self.0
    }
    fn name(_: u8) -> &'static str {
        "tick"
    }
    fn synced(&self) -> bool {
        false
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        bytes.first().copied().map(Tick).ok_or("cut short".into())
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Tick(60)
    }
}

/// A stage that counts inputs, with a state of some size.
struct Counter(Vec<u8>);

impl Stage for Counter {
    type Body = Tick;
    fn rank(&self) -> Rank {
        Rank(1)
    }
    fn name(&self) -> &'static str {
        "counter"
    }
    fn interest(&self) -> Mask {
        Mask::of(&[0])
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, _: &Fact<Tick>) {
        let count = self.0.first_chunk_mut::<8>().unwrap();
        *count = (u64::from_le_bytes(*count) + 1).to_le_bytes();
    }
    fn decide(&self, _: &Fact<Tick>, _: &mut Out<Tick>) {}
    fn save(&self) -> Vec<u8> {
        self.0.clone()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}

fn counter() -> Box<dyn Stage<Body = Tick>> {
    Box::new(Counter(vec![0; STATE_BYTES]))
}

/// A stage with a saved state and facts after it. Measures from a kill until it has passed an input
/// that was appended after the kill.
async fn stage(rounds: usize) {
    let store = Store::on_disk(FaultyDisk::holding(Vec::new(), None), "bench").unwrap();
    let options = Options::new(|why| panic!("{why}"));
    let journal = Journal::open(store, vec![StageInfo::of(&*counter())], options).unwrap();
    journal.checkpoint_after(2 * FACTS);
    let evolved = Arc::new(AtomicU64::new(0));
    let all = Arc::new(Mutex::new(Vec::new()));
    let (last, every) = (Arc::clone(&evolved), Arc::clone(&all));
    let with = StageArguments {
        journal: Arc::clone(&journal),
        make: Arc::new(counter),
        library: Arc::new(NoLibrary),
        mailbox: Arc::default(),
        on_resume: Arc::new(move |_, report| {
            last.store(report.evolved, Relaxed);
            every.lock().unwrap().push(report.evolved as f64);
        }),
    };
    let actor = worker("counter", move |_| (StageActor::default(), with.clone()));
    let spec = supervisor("root", Strategy::OneForOne).budget(1_000_000, Duration::from_secs(1));
    let root = tree().start(spec.child(actor)).await.unwrap();
    let writer = journal.writer("bench");
    let mut took = Vec::new();
    let why = Injected("bench".into());
    for _ in 0..rounds {
        for _ in 0..FACTS / 100 {
            journal.append(&writer, 0, vec![Tick(0); 100]).unwrap();
        }
        passed(&journal).await;
        // On a busy machine, the one before may not be registered yet.
        let began = loop {
            let began = Instant::now();
            if root.directory().inject_kill("root/counter", &why) {
                break began;
            }
            tokio::task::yield_now().await;
        };
        journal.append(&writer, 0, vec![Tick(0)]).unwrap();
        passed(&journal).await;
        took.push(us(began));
    }
    let mut all = all.lock().unwrap().clone();
    println!(
        "a stage with its state of {} kB and {:.0} facts to evolve (half): kill to having passed \
         the next input, p50/p99 {} us (aim 100/2000)",
        STATE_BYTES >> 10,
        quantile(&mut all, 0.5),
        p50_p99(&mut took)
    );
    root.stop(Duration::from_secs(5)).await;
    journal.close();
}

async fn passed(journal: &Journal<Tick>) {
    while journal.progress()[0].1 < journal.head() {
        tokio::task::yield_now().await;
    }
}

/// Runs the same measurements with Erlang/OTP, if `erlc` and the shared program exist.
fn erlang() {
    let shared = std::env::var("EVERWARM_SHARED").unwrap_or("../shared".to_owned());
    let source = format!("{shared}/bench/9_supervision/supbench.erl");
    let dir = folder("erlang");
    let compiled = Command::new("erlc").arg("-o").arg(&dir).arg(&source).status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("Erlang/OTP: no erlc here, or no {source}");
        return;
    }
    for (what, gap) in [("restart", "0"), ("restart", "2000"), ("throughput", "0")] {
        let mut erl = Command::new("erl");
        erl.args(["-noshell", "-s", "supbench", "main", "-extra", what]);
        let output = erl.current_dir(&dir).env("GAP_US", gap).output();
        let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        println!("Erlang/OTP, {what}, {gap} us idle:\n{}", output.unwrap_or_default());
    }
}

fn main() {
    let (rounds, most, messages) = sized(SIZES, SHORT);
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(rounds);
    println!("supervision, {rounds} rounds, load {}", load());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let measured = tokio::spawn(async move {
            for count in [1, 300, most] {
                children(count, rounds).await;
            }
            stage(rounds).await;
            mailbox(messages).await;
        });
        measured.await.unwrap();
    });
    if !short() {
        erlang();
    }
    println!("load {}", load());
}
