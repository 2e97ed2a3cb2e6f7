//! The tail in memory is bounded by bytes, and the bound never stops the inputs for good.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::{FaultyDisk, Image};
use everwarm_runtime::journal::{Journal, Options, StageInfo, Waker};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A fact that is small on disk and 64 kB in memory: an input (0) or an answer to it (1).
#[derive(Clone, Debug)]
struct Heavy(u8);

impl Body for Heavy {
    fn kind(&self) -> u8 {
        self.0
    }
    fn name(_: u8) -> &'static str {
        "heavy"
    }
    fn synced(&self) -> bool {
        false
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
    fn weight(&self) -> usize {
        1 << 16
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        bytes.first().copied().map(Heavy).ok_or("cut short".into())
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Heavy(0)
    }
}

/// Counts inputs and answers each, or sees nothing at all; its state has the size that the test
/// sets.
struct Counter {
    rank: u16,
    interest: Mask,
    count: u64,
    size: usize,
}

impl Stage for Counter {
    type Body = Heavy;
    fn rank(&self) -> Rank {
        Rank(self.rank)
    }
    fn name(&self) -> &'static str {
        "counter"
    }
    fn interest(&self) -> Mask {
        self.interest
    }
    fn produces(&self) -> Mask {
        Mask::of(&[1])
    }
    fn evolve(&mut self, fact: &Fact<Heavy>) {
        self.count += u64::from(fact.key.rank == 0);
    }
    fn decide(&self, _: &Fact<Heavy>, out: &mut Out<Heavy>) {
        out.append(Heavy(1));
    }
    fn save(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size];
        bytes[..8].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let count = bytes.first_chunk().ok_or("cut short")?;
        self.count = u64::from_le_bytes(*count);
        Ok(())
    }
}

const INPUTS: Mask = Mask::of(&[0]);

fn stages() -> Vec<Counter> {
    // The first saves itself in memory all the time, the second nearly never, the third sees
    // nothing.
    [(10, INPUTS, 8), (20, INPUTS, 4 << 20), (30, Mask::NONE, 8)]
        .into_iter()
        .map(|(rank, interest, size)| Counter { rank, interest, count: 0, size })
        .collect()
}

type Running = (Arc<Journal<Heavy>>, Vec<Runner<Counter>>);

fn open(disk: &FaultyDisk) -> Running {
    let store = Store::on_disk(disk.clone(), "test").unwrap();
    let infos = stages().iter().map(|s| StageInfo::of(s)).collect();
    let options = Options { lazy: Duration::ZERO, ..Options::new(|_| ()) };
    let journal = Journal::open(store, infos, options).unwrap();
    let resume = |stage| {
        let (journal, library) = (Arc::clone(&journal), Arc::new(NoLibrary));
        Runner::recover_stage(journal, Box::new(stage), library).unwrap().0
    };
    let runners = stages().into_iter().map(resume).collect();
    (journal, runners)
}

/// Appends inputs, each when there is room; runners pull whenever they are woken, or only when
/// there is no room for a while.
async fn feed(journal: &Journal<Heavy>, runners: &mut [Runner<Counter>], inputs: u64, ahead: bool) {
    let writer = journal.writer("feed");
    let news = Arc::new(Notify::new());
    let mut wakers = Vec::new();
    for runner in runners.iter() {
        let signal = Arc::clone(&news);
        let waker = Waker::new(move || signal.notify_one());
        runner.listen(Arc::clone(&waker));
        wakers.push(waker);
    }
    let last = journal.head() + inputs;
    while journal.head() < last {
        tokio::select! {
            biased;
            () = journal.room(), if ahead => {
                let n = i64::try_from(journal.head()).unwrap();
                journal.append(&writer, n, vec![Heavy(0)]).unwrap();
            }
            () = news.notified() => {
                for waker in &wakers {
                    waker.clear();
                }
                for runner in runners.iter_mut() {
                    while runner.catch_up(64, |_| ()).unwrap() {}
                }
            }
            () = journal.room() => {
                let n = i64::try_from(journal.head()).unwrap();
                journal.append(&writer, n, vec![Heavy(0)]).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_long_tail_makes_stages_save_and_inputs_go_on() {
    run(false).await;
}

/// The answers to the first inputs then lie behind the last of them.
#[tokio::test]
async fn inputs_far_ahead_go_on_too() {
    run(true).await;
}

async fn run(ahead: bool) {
    let disk = FaultyDisk::holding(Vec::new(), None);
    let (journal, mut runners) = open(&disk);
    // 56 MB: more than twice the bound.
    let fed = feed(&journal, &mut runners, 900, ahead);
    tokio::time::timeout(Duration::from_secs(30), fed).await.expect("inputs wait for ever");
    journal.durable(journal.last_row()).await;
    drop(runners);
    // Dead without a word: the next life finds a tail longer than the bound, and goes on.
    let image = disk.image(Image::Everything);
    disk.kill();
    let disk = FaultyDisk::holding(image, None);
    let (journal, mut runners) = open(&disk);
    assert_eq!(journal.head(), 900);
    let fed = feed(&journal, &mut runners, 100, ahead);
    tokio::time::timeout(Duration::from_secs(30), fed).await.expect("inputs wait for ever");
    while !journal.settled() {
        for runner in &mut runners {
            while runner.catch_up(64, |_| ()).unwrap() {}
        }
    }
    assert_eq!(runners.iter().map(|r| r.stage().count).collect::<Vec<_>>(), [1000, 1000, 0]);
    journal.close();
}
