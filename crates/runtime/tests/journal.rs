//! Two stages over a journal on a disk that forgets: whatever is lost, the facts in the end are
//! the same.

#![cfg(test)]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::{FaultyDisk, Image};
use everwarm_runtime::chaos::{Chaos, Site};
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::store::{Sealing, Store};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Tick(u64),
    Sum(u64),
    Answer(u64),
}

impl Body for Entry {
    fn kind(&self) -> u8 {
        match self {
            Entry::Tick(_) => 0,
            Entry::Sum(_) => 1,
            Entry::Answer(_) => 2,
        }
    }
    fn name(_: u8) -> &'static str {
        "say"
    }
    fn synced(&self) -> bool {
        false
    }
    fn encode(&self, out: &mut Vec<u8>) {
        let (Entry::Tick(v) | Entry::Sum(v) | Entry::Answer(v)) = self;
        out.push(self.kind());
        out.extend_from_slice(&v.to_le_bytes());
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let v = u64::from_le_bytes(bytes[1..].try_into().map_err(|_| "short")?);
        Ok([Entry::Tick(v), Entry::Sum(v), Entry::Answer(v)][usize::from(bytes[0])].clone())
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Entry::Tick(0)
    }
}

/// Adds up ticks, and what the higher stage answered about the input before.
#[derive(Default)]
struct Adder(u64);

impl Stage for Adder {
    type Body = Entry;
    fn rank(&self) -> Rank {
        Rank(10)
    }
    fn name(&self) -> &'static str {
        "adder"
    }
    fn interest(&self) -> Mask {
        Mask::of(&[0, 2])
    }
    fn produces(&self) -> Mask {
        Mask::of(&[1])
    }
    fn evolve(&mut self, fact: &Fact<Entry>) {
        match fact.body {
            Entry::Tick(v) => self.0 = self.0.wrapping_add(v),
            Entry::Answer(v) => self.0 = self.0.wrapping_mul(31).wrapping_add(v),
            Entry::Sum(_) => {}
        }
    }
    fn decide(&self, fact: &Fact<Entry>, out: &mut Out<Entry>) {
        if matches!(fact.body, Entry::Tick(v) if v % 3 == 0) {
            out.append(Entry::Sum(self.0));
        }
    }
    fn save(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0 = u64::from_le_bytes(bytes.try_into().map_err(|_| "short")?);
        Ok(())
    }
}

#[derive(Default)]
struct Answerer(u64);

impl Stage for Answerer {
    type Body = Entry;
    fn rank(&self) -> Rank {
        Rank(20)
    }
    fn name(&self) -> &'static str {
        "answerer"
    }
    fn interest(&self) -> Mask {
        Mask::of(&[1])
    }
    fn produces(&self) -> Mask {
        Mask::of(&[2])
    }
    fn evolve(&mut self, fact: &Fact<Entry>) {
        if let Entry::Sum(v) = fact.body {
            self.0 ^= v;
        }
    }
    fn decide(&self, _: &Fact<Entry>, out: &mut Out<Entry>) {
        out.append(Entry::Answer(self.0));
    }
    fn save(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0 = u64::from_le_bytes(bytes.try_into().map_err(|_| "short")?);
        Ok(())
    }
}

const TICKS: u64 = 3000;
/// Ticks between two saved states, so that nearly all of the journal may be sealed at the end.
const OFTEN: u64 = 100;

/// One life: goes on from what the disk holds until the end or until the disk dies.
fn live(disk: &FaultyDisk, save_every: u64) -> Option<Vec<Fact<Entry>>> {
    let store = Store::on_disk(disk.clone(), "test").ok()?;
    let stages = vec![StageInfo::of(&Adder::default()), StageInfo::of(&Answerer::default())];
    let options = Options { lazy: std::time::Duration::ZERO, ..Options::new(|_| ()) };
    let journal = Journal::open(store.clone(), stages, options).ok()?;
    journal.seal_after(Sealing { segment: 16 << 10, keep: 16 << 10 });
    let library = Arc::new(NoLibrary);
    let (mut low, _) =
        Runner::recover_stage(Arc::clone(&journal), Box::<Adder>::default(), library.clone())
            .unwrap();
    let (mut high, _) =
        Runner::recover_stage(Arc::clone(&journal), Box::<Answerer>::default(), library).unwrap();
    let writer = journal.writer("ticks");
    while journal.head() < TICKS && !disk.is_dead() {
        let n = journal.head() + 1;
        if journal.append(&writer, n.cast_signed(), vec![Entry::Tick(n)]).is_err() {
            break;
        }
        if n % 7 == 0 || n == TICKS {
            while !journal.settled() {
                low.catch_up(5, |_| ()).ok()?;
                high.catch_up(5, |_| ()).ok()?;
            }
        }
        if n % 60 == 0 {
            let row = journal.last_row();
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(journal.durable(row));
        }
        if n % save_every == 0 {
            low.save();
            if n % (2 * save_every) == 0 {
                high.save();
            }
        }
    }
    // States that are saved often let the sealing thread keep up; it has to catch up here.
    while save_every == OFTEN && journal.wants_room() && !disk.is_dead() {
        std::thread::yield_now();
    }
    journal.close();
    if disk.is_dead() {
        return None;
    }
    let mut facts = Vec::new();
    store
        .scan(0, &mut |_, fact| {
            facts.push(fact);
            ControlFlow::Continue(())
        })
        .unwrap();
    facts.sort_by_key(|f| f.key);
    Some(facts)
}

#[test]
fn s69_whatever_the_disk_loses_the_same_is_said_in_the_end() {
    let calm = FaultyDisk::holding(Vec::new(), None);
    let expected = live(&calm, OFTEN).expect("nothing disturbs it");
    assert!(expected.len() >= 5000);
    let sealed = Store::on_disk(calm.clone(), "test").unwrap().segments().unwrap();
    assert!(sealed.0 > 5, "only {} segments: sealing is not disturbed", sealed.0);
    let operations = calm.operations().len() as u64;
    let mut deaths = 0;
    // On a busy machine fewer commits are made, and more cuts come after the last one.
    for seed in 0..1000_u64 {
        if seed >= 40 && deaths > 40 {
            break;
        }
        let mut image = {
            let fresh = FaultyDisk::holding(Vec::new(), None);
            drop(Store::on_disk(fresh.clone(), "test").unwrap());
            fresh.image(Image::Synced)
        };
        for cut in 0.. {
            let at = (cut < 6).then_some(20 + (seed * 977 + cut * 131) % operations.max(100));
            let disk = FaultyDisk::holding(image, at);
            if let Some(facts) = live(&disk, OFTEN + seed) {
                assert_eq!(facts.len(), expected.len(), "seed {seed}");
                assert!(facts == expected, "seed {seed}: the facts differ");
                break;
            }
            deaths += 1;
            image = match (seed + cut) % 3 {
                0 => disk.image(Image::Synced),
                1 => disk.image(Image::Everything),
                _ => disk.image(Image::Sectors(seed * 31 + cut)),
            };
        }
    }
    assert!(deaths > 40, "only {deaths} deaths: the test does not disturb");
}

/// No stage saves its state here, so nothing may be sealed though there is enough.
#[test]
fn the_sealing_thread_rests_while_a_late_state_delays_it() {
    let chaos = Chaos::off();
    chaos.arm(Vec::new(), |_| (), || ());
    let store = Store::on_disk(FaultyDisk::holding(Vec::new(), None), "test").unwrap();
    let stages = vec![StageInfo::of(&Adder::default())];
    let lazy = Duration::ZERO;
    let options = Options { lazy, chaos: chaos.clone(), ..Options::new(|why| panic!("{why}")) };
    let journal = Journal::<Entry>::open(store.clone(), stages, options).unwrap();
    journal.seal_after(Sealing { segment: 1 << 10, keep: 1 << 10 });
    let writer = journal.writer("ticks");
    let waits = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let began = clock::now();
    for n in 1..=600 {
        journal.append(&writer, n, vec![Entry::Tick(n.cast_unsigned()); 8]).unwrap();
        waits.block_on(journal.durable(journal.last_row()));
    }
    let of = |site| {
        let of = chaos.report().0.into_iter().filter(|((at, ..), _)| *at == site);
        of.map(|(_, times)| times).sum::<u32>()
    };
    while of(Site::BeforeSegment) == 0 {
        std::thread::yield_now();
    }
    let (attempts, rests) = (of(Site::BeforeSegment), began.elapsed().as_millis() / 250);
    assert!(u128::from(attempts) <= rests + 1, "{attempts} attempts with {rests} rests");
    journal.close();
    assert_eq!(store.segments().unwrap(), (0, 0));
}
