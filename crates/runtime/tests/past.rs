//! A stage that speaks under a new version and converts no older state reads the past from the file
//! a block at a time: through segments and the live file, whatever its length.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::plain::PlainLoop;
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::{FaultyDisk, Image};
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::store::{Sealing, Store};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Inputs of the first life.
const INPUTS: u64 = 8_000;
/// Kind of the facts of the runtime.
const RUNTIME: u8 = 60;

/// Facts in memory now, and at most.
static ALIVE: AtomicI64 = AtomicI64::new(0);
static MOST: AtomicI64 = AtomicI64::new(0);

#[derive(Debug)]
struct Alive;

impl Alive {
    fn new() -> Alive {
        MOST.fetch_max(ALIVE.fetch_add(1, SeqCst) + 1, SeqCst);
        Alive
    }
}

impl Clone for Alive {
    fn clone(&self) -> Alive {
        Alive::new()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, SeqCst);
    }
}

/// A kind and a number.
#[derive(Clone, Debug)]
struct Word(u8, u64, Alive);

impl Word {
    fn new(kind: u8, number: u64) -> Word {
        Word(kind, number, Alive::new())
    }
}

impl Body for Word {
    fn kind(&self) -> u8 {
        self.0
    }
    fn name(_: u8) -> &'static str {
        "word"
    }
    fn synced(&self) -> bool {
        false
    }
    fn weight(&self) -> usize {
        1 << 13
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
        out.extend(self.1.to_le_bytes());
        // Large enough that a journal of them has many segments.
        out.extend((0..120).map(|i| u8::try_from(self.1.wrapping_mul(i) % 251).unwrap()));
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let number = bytes[1..].first_chunk().ok_or("cut short")?;
        Ok(Word::new(bytes[0], u64::from_le_bytes(*number)))
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Word::new(RUNTIME, 0)
    }
}

/// Adds up all it sees, each kind with a weight of its own, and appends the sum of each input.
struct Adder {
    rank: u16,
    version: u16,
    sees: &'static [u8],
    sum: u64,
}

impl Adder {
    fn boxed(rank: u16, version: u16, sees: &'static [u8]) -> Box<dyn Stage<Body = Word>> {
        Box::new(Adder { rank, version, sees, sum: 0 })
    }
}

impl Stage for Adder {
    type Body = Word;
    fn rank(&self) -> Rank {
        Rank(self.rank)
    }
    fn name(&self) -> &'static str {
        "adder"
    }
    fn version(&self) -> u16 {
        self.version
    }
    fn interest(&self) -> Mask {
        Mask::of(self.sees)
    }
    fn produces(&self) -> Mask {
        Mask::of(&[u8::try_from(self.rank).unwrap()])
    }
    fn evolve(&mut self, fact: &Fact<Word>) {
        // Its own facts count too, so a missed fact of its own is noticed.
        let weight = u64::from(fact.body.0) + 3;
        self.sum = self.sum.wrapping_mul(31).wrapping_add(weight.wrapping_mul(fact.body.1));
    }
    fn decide(&self, _: &Fact<Word>, _: &mut Out<Word>) {}
    fn conclude(&self, out: &mut Out<Word>) {
        let kind = u8::try_from(self.rank).unwrap();
        // Some inputs leave no trace of it.
        if !self.sum.is_multiple_of(3) {
            out.append(Word::new(kind, self.sum.wrapping_mul(u64::from(self.version))));
        }
    }
    fn save(&self) -> Vec<u8> {
        self.sum.to_le_bytes().to_vec()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.sum = u64::from_le_bytes(*bytes.first_chunk().ok_or("cut short")?);
        Ok(())
    }
}

type Stages = Vec<Box<dyn Stage<Body = Word>>>;

/// Those of one life: three of them under this version. One of these sees what a higher rank
/// appended about the input before, and another sees that one.
fn stages(version: u16) -> Stages {
    vec![
        Adder::boxed(5, version, &[0, 20]),
        Adder::boxed(10, version, &[0]),
        Adder::boxed(20, 1, &[0, 10]),
        Adder::boxed(30, version, &[0, 5]),
    ]
}

/// The threads of the journal need their time.
fn pause(since: Instant) {
    assert!(since.elapsed() < Duration::from_mins(1), "it does not go on");
    #[expect(clippy::disallowed_methods, reason = "waits for other threads")]
    std::thread::sleep(Duration::from_millis(1));
}

struct Life {
    journal: Arc<Journal<Word>>,
    runners: Vec<Runner<dyn Stage<Body = Word>>>,
}

impl Life {
    fn begin(disk: &FaultyDisk, stages: Stages) -> Life {
        let store = Store::on_disk(disk.clone(), "past").unwrap();
        let infos = stages.iter().map(|stage| StageInfo::of(&**stage)).collect();
        let journal = Journal::open(store, infos, Options::new(|why| panic!("{why}"))).unwrap();
        journal.seal_after(Sealing { segment: 64 << 10, keep: 64 << 10 });
        let resume =
            |stage| Runner::recover_stage(Arc::clone(&journal), stage, Arc::new(NoLibrary));
        let runners = stages.into_iter().map(|stage| resume(stage).unwrap().0).collect();
        Life { journal, runners }
    }

    /// A successor takes over the place of a stage.
    fn replace(&mut self, index: usize, stage: Box<dyn Stage<Body = Word>>) {
        let resumed = Runner::recover_stage(Arc::clone(&self.journal), stage, Arc::new(NoLibrary));
        self.runners[index] = resumed.unwrap().0;
    }

    fn append(&self, numbers: std::ops::RangeInclusive<u64>) {
        let writer = self.journal.writer("feed");
        let bodies = numbers.map(|number| Word::new(0, number)).collect();
        self.journal.append(&writer, 0, bodies).unwrap();
    }

    /// Until everybody has passed the head.
    fn catch_up(&mut self) {
        let began = clock::now();
        while !self.turn() {
            pause(began);
        }
    }

    fn wait_until(&self, done: impl Fn(&Journal<Word>) -> bool) {
        let began = clock::now();
        while !done(&self.journal) {
            pause(began);
        }
    }

    fn turn(&mut self) -> bool {
        let mut there = true;
        for runner in &mut self.runners {
            while runner.catch_up(64, |_| ()).unwrap() {}
            there &= runner.cursor() == self.journal.head();
        }
        there
    }

    fn end(mut self) {
        self.runners.iter_mut().for_each(Runner::save);
        drop(self.runners);
        self.journal.close();
    }
}

/// The facts of each rank, by input.
fn appended(disk: &FaultyDisk) -> BTreeMap<(u16, u64), u64> {
    let store = Store::on_disk(disk.clone(), "past").unwrap();
    let mut facts = BTreeMap::new();
    store
        .scan(0, &mut |_, fact: Fact<Word>| {
            let before = facts.insert((fact.key.rank, fact.key.n), fact.body.1);
            assert_eq!(before, None, "{:?} is appended once", fact.key);
            ControlFlow::Continue(())
        })
        .unwrap();
    facts
}

#[test]
fn a_long_past_is_read_in_pieces_by_upgraded_stages() {
    let disk = FaultyDisk::holding(Vec::new(), None);
    let mut life = Life::begin(&disk, stages(1));
    for from in (1..=INPUTS).step_by(100) {
        life.append(from..=from + 99);
        life.catch_up();
        // As it is now and then while it trades.
        life.runners.iter_mut().for_each(Runner::save);
    }
    life.wait_until(|journal| journal.store().segments().unwrap().0 > 10);
    life.end();
    let old = appended(&disk);
    let disk = FaultyDisk::holding(disk.image(Image::Everything), None);
    let facts = old.len();
    assert_eq!(ALIVE.load(SeqCst), 0, "nothing is left of the first life");

    MOST.store(0, SeqCst);
    let mut life = Life::begin(&disk, stages(2));
    // One that is killed before it has saved itself reads all of it again.
    assert!(life.runners[0].cursor() >= INPUTS);
    life.replace(0, stages(2).remove(0));
    life.catch_up();
    let most = MOST.load(SeqCst);
    assert!(most < 4_000, "{most} of more than {facts} facts were in memory at once");
    // What comes now is in memory for all of them.
    life.append(INPUTS + 1..=INPUTS + 200);
    life.catch_up();
    life.end();

    // The same without any of it: each stage under the version it had.
    let mut plain = PlainLoop::new(stages(1), Box::new(NoLibrary));
    let mut expected = BTreeMap::new();
    for number in 1..=INPUTS {
        let mut keep = |fact: &Fact<Word>| {
            expected.insert((fact.key.rank, fact.key.n), fact.body.1);
        };
        plain.input(0, Word::new(0, number), &mut keep).unwrap();
    }
    let new = appended(&disk);
    for (key, number) in &expected {
        assert_eq!(new.get(key), Some(number), "{key:?}");
    }
    let past = |(_, n): &&(u16, u64)| *n <= INPUTS;
    assert_eq!(new.keys().filter(past).count(), expected.len(), "no other fact is about it");
    // Under its new version it goes on from the sum of all there was, its own words included.
    let mut sum: u64 = 0;
    // Three inputs report that three are upgraded.
    let upgraded = INPUTS + 3;
    for n in (1..=INPUTS).chain(upgraded + 1..=upgraded + 200) {
        sum = sum.wrapping_mul(31).wrapping_add(new[&(0, n)].wrapping_mul(3));
        let version = if n <= INPUTS { 1 } else { 2 };
        let answer = (!sum.is_multiple_of(3)).then(|| sum.wrapping_mul(version));
        assert_eq!(new.get(&(10, n)).copied(), answer, "input {n}");
        sum = answer.map_or(sum, |own| sum.wrapping_mul(31).wrapping_add(own.wrapping_mul(13)));
    }
}
