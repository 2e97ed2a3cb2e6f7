//! A durable counter: a second, minimal application of the runtime.
//!
//! `cargo run -p everwarm-runtime --example counter -- DIR [--die-after N]` adds the numbers from 1
//! to 20,000. It kills its own actor every 700 ticks. With `--die-after`, the process aborts after
//! tick N. Started again, it continues at the same tick. It never withdraws a reported milestone
//! and adds no number twice.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::Injected;
use everwarm_runtime::journal::{Journal, Options, StageInfo, Waker};
use everwarm_runtime::stage_actor::{StageActor, StageArguments};
use everwarm_runtime::store::Store;
use everwarm_runtime::supervise::{RootOutcome, Strategy, Tree, supervisor, worker};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The last number.
pub const LAST: u64 = 20_000;
/// Ticks between milestones.
pub const STEP: u64 = 1_000;
/// Ticks between two kills of the actor.
const KILL_EVERY: u64 = 700;

/// All facts of this application.
#[derive(Clone, Debug)]
enum Word {
    /// Input: add this number.
    Tick(u64),
    /// Derived: the number of ticks, and their sum. Synced, because it is reported to the user.
    Milestone(u64, u64),
}

const TICK: u8 = 0;
const MILESTONE: u8 = 1;

impl Body for Word {
    fn kind(&self) -> u8 {
        match self {
            Word::Tick(_) => TICK,
            Word::Milestone(..) => MILESTONE,
        }
    }
    fn name(kind: u8) -> &'static str {
        if kind == TICK { "Tick" } else { "Milestone" }
    }
    fn synced(&self) -> bool {
        self.kind() == MILESTONE
    }
    fn encode(&self, out: &mut Vec<u8>) {
        let (a, b) = match *self {
            Word::Tick(number) => (number, 0),
            Word::Milestone(ticks, sum) => (ticks, sum),
        };
        out.push(self.kind());
        out.extend([a, b].iter().flat_map(|v| v.to_le_bytes()));
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
            bytes.map(u64::from_le_bytes).ok_or("cut short")
        };
        match bytes.first() {
            Some(&TICK) => Ok(Word::Tick(number(1)?)),
            Some(&MILESTONE) => Ok(Word::Milestone(number(1)?, number(9)?)),
            other => Err(format!("no word begins with {other:?}")),
        }
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Word::Tick(0)
    }
}

/// The complete logic.
#[derive(Default)]
struct Counter {
    ticks: u64,
    sum: u64,
}

impl Stage for Counter {
    type Body = Word;
    fn rank(&self) -> Rank {
        Rank(10)
    }
    fn name(&self) -> &'static str {
        "counter"
    }
    fn interest(&self) -> Mask {
        Mask::of(&[TICK])
    }
    fn produces(&self) -> Mask {
        Mask::of(&[MILESTONE])
    }
    fn evolve(&mut self, fact: &Fact<Word>) {
        if let Word::Tick(number) = fact.body {
            self.ticks += 1;
            self.sum += number;
        }
    }
    fn decide(&self, _: &Fact<Word>, out: &mut Out<Word>) {
        if self.ticks.is_multiple_of(STEP) {
            out.append(Word::Milestone(self.ticks, self.sum));
        }
    }
    fn save(&self) -> Vec<u8> {
        [self.ticks.to_le_bytes(), self.sum.to_le_bytes()].concat()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (ticks, sum) = bytes.split_first_chunk().ok_or("cut short")?;
        self.ticks = u64::from_le_bytes(*ticks);
        self.sum = u64::from_le_bytes(sum.try_into().map_err(|_| "not a sum")?);
        Ok(())
    }
}

/// Continues the count in `dir` to the end, or until the process aborts after tick `die_after`.
///
/// # Errors
/// The store cannot be opened, or the tree does not start.
pub async fn count(dir: &Path, die_after: Option<u64>) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&dir.join("counter.redb"), "counter")?;
    let stages = vec![StageInfo::of(&Counter::default())];
    let journal = Journal::open(store, stages, Options::new(|e| println!("the store ended: {e}")))?;
    println!("life {}: resumed at tick {}", journal.life(), journal.head());

    let arguments = StageArguments {
        journal: Arc::clone(&journal),
        make: Arc::new(|| Box::<Counter>::default()),
        library: Arc::new(NoLibrary),
        on_resume: Arc::new(|_, r| println!("  actor up at {} + {}", r.checkpoint, r.evolved)),
        mailbox: Arc::default(),
    };
    let counter = worker("counter", move |_| (StageActor::default(), arguments.clone()));
    let tree = Tree::new(Arc::new(|_| ()), Arc::new(everwarm_runtime::clock::WallMs::default));
    let root = tree.start(supervisor("root", Strategy::OneForOne).child(counter)).await?;

    let news = Arc::new(Notify::new());
    let signal = Arc::clone(&news);
    let waker = Waker::new(move || signal.notify_one());
    journal.subscribe("teller", Mask::of(&[MILESTONE]), Arc::clone(&waker));
    let mut row = journal.last_row() + 1;
    let writer = journal.writer("ticks");
    for n in journal.head() + 1..=LAST {
        journal.room().await;
        journal.append(&writer, i64::try_from(n)?, vec![Word::Tick(n)])?;
        if die_after == Some(n) {
            #[expect(clippy::disallowed_methods, reason = "what this example is about")]
            std::process::abort();
        }
        if n % KILL_EVERY == 0 {
            root.directory().inject_kill("root/counter", &Injected("now and then".into()));
        }
        while n % STEP == 0 && !print_milestones(&journal, &mut row, n).await? {
            news.notified().await;
            waker.clear();
        }
    }
    let outcome = root.stop(Duration::from_secs(5)).await;
    journal.close();
    if outcome == RootOutcome::Stopped { Ok(()) } else { Err(format!("{outcome:?}").into()) }
}

/// Prints the milestones from `row` on once they are on disk. True if the milestone of tick `n` was
/// among them.
async fn print_milestones(
    journal: &Journal<Word>,
    row: &mut u64,
    n: u64,
) -> Result<bool, Box<dyn Error>> {
    let mut reached = false;
    for chunk in journal.read(*row, usize::MAX)? {
        for fact in &chunk.facts {
            if let Word::Milestone(ticks, sum) = fact.body {
                journal.durable(chunk.last_row()).await;
                println!("{ticks} ticks, sum {sum}");
                reached |= ticks == n;
            }
        }
        *row = chunk.last_row() + 1;
    }
    Ok(reached)
}

#[tokio::main]
#[cfg_attr(test, expect(dead_code, reason = "tests call count"))]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dir] => count(Path::new(dir), None).await,
        [dir, "--die-after", n] => count(Path::new(dir), Some(n.parse()?)).await,
        _ => Err("usage: counter DIR [--die-after N]".into()),
    }
}
