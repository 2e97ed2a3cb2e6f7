//! The promises of the runtime, each with a test that fails when its one line is gone;
//! `docs/explanation/recovery.md` lists them.

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::FaultyDisk;
use everwarm_runtime::journal::{AppendError, Journal, Options, StageInfo, Writer};
use everwarm_runtime::runner::{RunError, Runner};
use everwarm_runtime::stage_actor::{StageActor, StageArguments};
use everwarm_runtime::store::Store;
use ractor::Actor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A kind and a number.
#[derive(Clone, Debug, PartialEq)]
struct Entry(u8, u64);

impl Body for Entry {
    fn kind(&self) -> u8 {
        self.0
    }
    fn name(_: u8) -> &'static str {
        "say"
    }
    fn synced(&self) -> bool {
        false
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
        out.extend_from_slice(&self.1.to_le_bytes());
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let number = bytes[1..].try_into().map_err(|_| "short")?;
        Ok(Entry(bytes[0], u64::from_le_bytes(number)))
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Entry(63, 0)
    }
}

type Received = Arc<Mutex<Vec<String>>>;
type News = Arc<Mutex<Option<(Arc<Journal<Entry>>, Writer)>>>;

/// Answers every fact it sees with one of its own kind, notes what it sees, and may append an input
/// while it does so.
#[derive(Clone)]
struct Echo {
    rank: u16,
    name: &'static str,
    sees: Mask,
    received: Received,
    news: News,
}

impl Echo {
    fn new(rank: u16, name: &'static str, sees: &[u8]) -> Echo {
        let (received, news) = (Received::default(), News::default());
        Echo { rank, name, sees: Mask::of(sees), received, news }
    }

    fn kind(&self) -> u8 {
        u8::try_from(self.rank).expect("a small rank")
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().expect("nobody panics with it").clone()
    }
}

impl Stage for Echo {
    type Body = Entry;
    fn rank(&self) -> Rank {
        Rank(self.rank)
    }
    fn name(&self) -> &'static str {
        self.name
    }
    fn interest(&self) -> Mask {
        self.sees
    }
    fn produces(&self) -> Mask {
        Mask::of(&[self.kind()])
    }
    fn evolve(&mut self, fact: &Fact<Entry>) {
        if fact.key.rank == self.rank {
            return;
        }
        self.received.lock().expect("nobody panics with it").push(fact.key.to_string());
        if let Some((journal, writer)) = self.news.lock().expect("nobody panics with it").take() {
            journal.append(&writer, 0, vec![Entry(0, 0)]).expect("it is open");
        }
    }
    fn decide(&self, fact: &Fact<Entry>, out: &mut Out<Entry>) {
        out.append(Entry(self.kind(), fact.key.n));
    }
    fn save(&self) -> Vec<u8> {
        vec![0]
    }
    fn load(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

fn open(disk: &FaultyDisk, stages: &[&Echo]) -> Arc<Journal<Entry>> {
    let store = Store::on_disk(disk.clone(), "test").expect("a store in memory");
    let infos = stages.iter().map(|stage| StageInfo::of(*stage)).collect();
    Journal::open(store, infos, Options::new(|_| ())).expect("a sound store")
}

fn resume(journal: &Arc<Journal<Entry>>, stage: &Echo) -> Runner<Echo> {
    let stage = Box::new(stage.clone());
    let resumed = Runner::recover_stage(Arc::clone(journal), stage, Arc::new(NoLibrary));
    resumed.expect("a sound journal").0
}

#[test]
fn s70_a_successor_silences_its_predecessor() {
    let echo = Echo::new(10, "echo", &[0]);
    let journal = open(&FaultyDisk::default(), &[&echo]);
    let (old, new) = (journal.writer("inputs"), journal.writer("inputs"));
    assert_eq!(journal.append(&old, 0, vec![Entry(0, 1)]), Err(AppendError::Fenced));
    assert!(journal.append(&new, 0, vec![Entry(0, 1)]).is_ok());
    let (mut before, mut after) = (resume(&journal, &echo), resume(&journal, &echo));
    let silenced = before.catch_up(8, |_| ());
    assert!(matches!(silenced, Err(RunError::Append(AppendError::Fenced))), "{silenced:?}");
    after.catch_up(8, |_| ()).unwrap();
    assert_eq!((after.cursor(), journal.last_row()), (1, 2), "one input, one answer");
    journal.close();
}

#[test]
fn a_stage_waits_for_those_it_sees_and_they_for_it() {
    // The lower one sees the higher one's facts about the input before.
    let (low, high) = (Echo::new(10, "low", &[0, 20]), Echo::new(20, "high", &[0, 10]));
    let journal = open(&FaultyDisk::default(), &[&low, &high]);
    let writer = journal.writer("inputs");
    journal.append(&writer, 0, vec![Entry(0, 1), Entry(0, 2)]).unwrap();
    let (mut low_run, mut high_run) = (resume(&journal, &low), resume(&journal, &high));
    for _ in 0..3 {
        high_run.catch_up(8, |_| ()).unwrap();
        low_run.catch_up(8, |_| ()).unwrap();
    }
    assert_eq!(low.received(), ["1", "1.20.0", "1.20.1", "2"]);
    assert_eq!(high.received(), ["1", "1.10.0", "2", "2.10.0", "2.10.1", "2.10.2"]);
    journal.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn news_that_come_while_a_stage_reads_wake_it_again() {
    let echo = Echo::new(10, "echo", &[0]);
    let journal = open(&FaultyDisk::default(), &[&echo]);
    let made = echo.clone();
    let arguments = StageArguments::<Entry> {
        journal: Arc::clone(&journal),
        make: Arc::new(move || Box::new(made.clone())),
        library: Arc::new(NoLibrary),
        on_resume: Arc::new(|_, _| ()),
        mailbox: Arc::default(),
    };
    let (actor, task) = Actor::spawn(None, StageActor::default(), arguments).await.unwrap();
    let writer = journal.writer("inputs");
    *echo.news.lock().unwrap() = Some((Arc::clone(&journal), writer));
    journal.append(&writer, 0, vec![Entry(0, 1)]).unwrap();
    let both = async {
        while echo.received().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let woken = tokio::time::timeout(Duration::from_secs(5), both).await;
    assert!(woken.is_ok(), "it was not woken for the second input: {:?}", echo.received());
    actor.stop(None);
    task.await.unwrap();
    journal.close();
}

#[test]
fn readers_by_row_see_no_gap_after_a_restart() {
    // One stage has saved itself behind inputs about which the other still had to speak.
    let (fast, slow) = (Echo::new(10, "fast", &[0]), Echo::new(20, "slow", &[0]));
    let disk = FaultyDisk::default();
    let journal = open(&disk, &[&fast, &slow]);
    let writer = journal.writer("inputs");
    let (mut fast_run, mut slow_run) = (resume(&journal, &fast), resume(&journal, &slow));
    let inputs: Vec<Entry> = (1..=6).map(|n| Entry(0, n)).collect();
    journal.append(&writer, 0, inputs).unwrap();
    fast_run.catch_up(8, |_| ()).unwrap();
    slow_run.catch_up(8, |_| ()).unwrap();
    fast_run.save();
    slow_run.save();
    let last = journal.last_row();
    journal.close();
    drop((fast_run, slow_run, journal));
    let journal = open(&disk, &[&fast, &slow]);
    let first = journal.read(6, 100).unwrap();
    let rows: Vec<u64> = first.iter().flat_map(|c| c.first_row..=c.last_row()).collect();
    assert_eq!(rows, (6..=last).collect::<Vec<_>>());
    journal.close();
}
