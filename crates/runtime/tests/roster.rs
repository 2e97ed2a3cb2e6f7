//! Stages join and leave between inputs and across runs. Their facts equal those of a plain loop
//! over the same inputs, and no stage decides on inputs from before it joined.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::plain::PlainLoop;
use everwarm_kernel::roster::{Change, Joined};
use everwarm_kernel::seeded::draw;
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::{FaultyDisk, Image};
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Enrol, Journal, Options, StageInfo};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// The kind of events of the runtime.
const RUNTIME: u8 = 60;
/// Ranks that join and leave.
const MOVING: [u16; 3] = [15, 25, 40];
/// Steps of one run.
const STEPS: u64 = 120;

/// A kind, a number, and the stage that joins or leaves.
#[derive(Clone, Debug, PartialEq)]
struct Word(u8, u64, String);

fn number(number: u64) -> Word {
    Word(0, number, String::new())
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
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
        out.extend(self.1.to_le_bytes());
        out.extend(self.2.as_bytes());
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let number = bytes[1..].first_chunk().ok_or("cut short")?;
        let text = String::from_utf8(bytes[9..].to_vec()).map_err(|e| e.to_string())?;
        Ok(Word(bytes[0], u64::from_le_bytes(*number), text))
    }
    fn runtime(event: RuntimeEvent) -> Self {
        match event {
            RuntimeEvent::Joined(stage) => {
                Word(RUNTIME, u64::from(stage.rank.0), format!("{} {}", stage.id, stage.settings))
            }
            RuntimeEvent::Left { rank } => Word(RUNTIME, u64::from(rank.0), String::new()),
            RuntimeEvent::StageUpgraded { .. } => Word(RUNTIME + 1, 0, String::new()),
            RuntimeEvent::Quarantined(_) | RuntimeEvent::Released { .. } => panic!("{event:?}"),
        }
    }
    fn roster(&self) -> Option<Change> {
        if self.0 != RUNTIME {
            return None;
        }
        let rank = Rank(u16::try_from(self.1).unwrap());
        let Some((id, settings)) = self.2.split_once(' ') else { return Some(Change::Left(rank)) };
        let (id, settings) = (id.to_owned(), settings.to_owned());
        Some(Change::Joined(Joined { rank, kind: id.clone(), id, version: 1, settings }))
    }
}

/// Adds up all visible facts and its own, and appends the sum for each input.
#[derive(Clone)]
struct Adder {
    rank: u16,
    version: u16,
    factor: u64,
    sum: u64,
}

impl Adder {
    fn new(rank: u16, factor: u64) -> Adder {
        Adder { rank, version: 1, factor, sum: 0 }
    }

    fn boxed(self) -> Box<dyn Stage<Body = Word>> {
        Box::new(self)
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
    /// All facts of the ranks below and above.
    fn interest(&self) -> Mask {
        Mask(Mask::of(&[0, 10, 15, 20, 25, 30, 40]).0 & !self.produces().0)
    }
    fn produces(&self) -> Mask {
        Mask::of(&[u8::try_from(self.rank).unwrap()])
    }
    fn evolve(&mut self, fact: &Fact<Word>) {
        let weight = u64::from(fact.body.0) + 4;
        self.sum = self.sum.wrapping_mul(31).wrapping_add(weight.wrapping_mul(fact.body.1));
    }
    fn decide(&self, _: &Fact<Word>, _: &mut Out<Word>) {}
    fn conclude(&self, out: &mut Out<Word>) {
        let kind = u8::try_from(self.rank).unwrap();
        // About some inputs it appends nothing.
        if !self.sum.is_multiple_of(3) {
            out.say(Word(kind, self.sum.wrapping_mul(self.factor), String::new()));
        }
    }
    fn save(&self) -> Vec<u8> {
        [self.sum.to_le_bytes(), self.factor.to_le_bytes()].concat()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.sum = u64::from_le_bytes(*bytes.first_chunk().ok_or("cut short")?);
        Ok(())
    }
    fn converts(&self) -> &'static [u16] {
        if self.version == 3 { &[1] } else { &[] }
    }
    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
        self.load(bytes)
    }
}

fn fixed() -> Vec<Adder> {
    [10, 20, 30].map(|rank| Adder::new(rank, 1)).into()
}

fn of(stage: &Joined) -> Adder {
    // A fixed stage has no settings.
    Adder::new(stage.rank.0, stage.settings.parse().unwrap_or(1))
}

/// The stages in the roster of this journal, and the given ones.
fn all(store: &Store, fixed: Vec<Adder>) -> Vec<Adder> {
    let known = |rank| fixed.iter().any(|stage| stage.rank == rank);
    let members = store.roster().unwrap();
    let moving = members.iter().filter(|m| !m.is_over() && !known(m.stage.rank.0));
    let moving: Vec<Adder> = moving.map(|m| of(&m.stage)).collect();
    fixed.into_iter().chain(moving).collect()
}

struct Run {
    journal: Arc<Journal<Word>>,
    runners: BTreeMap<u16, Runner<dyn Stage<Body = Word>>>,
}

impl Run {
    fn begin(disk: &FaultyDisk, fixed: Vec<Adder>) -> Run {
        let store = Store::on_disk(disk.clone(), "roster").unwrap();
        let stages = all(&store, fixed);
        let infos = stages.iter().map(|stage| StageInfo::of(stage)).collect();
        let journal = Journal::open(store, infos, Options::new(|why| panic!("{why}"))).unwrap();
        journal.checkpoint_after(7);
        let mut run = Run { journal, runners: BTreeMap::new() };
        for stage in stages {
            run.start(stage);
        }
        run
    }

    fn start(&mut self, stage: Adder) {
        let rank = stage.rank;
        let (journal, library) = (Arc::clone(&self.journal), Arc::new(NoLibrary));
        let resumed = Runner::resume(journal, stage.boxed(), library);
        self.runners.insert(rank, resumed.unwrap().0);
    }

    fn append(&self, bodies: Vec<Word>, changes: Vec<Enrol>) {
        let writer = self.journal.writer("feed");
        self.journal.append_and_enrol(&writer, 0, bodies, changes).unwrap();
    }

    /// Makes a stage of the moving ranks join or leave if that is possible.
    fn move_one(&mut self, rank: u16, factor: u64) {
        let present = self.journal.present();
        match present.iter().find(|(of, ..)| of.0 == rank) {
            None => {
                let stage = Adder::new(rank, factor);
                let (info, kind) = (StageInfo::of(&stage), "adder".to_owned());
                let join = Enrol::Join { info, kind, settings: factor.to_string() };
                self.append(vec![number(factor)], vec![join]);
                self.start(stage);
            }
            Some((_, _, _, None)) => self.append(vec![number(1)], vec![Enrol::Leave(Rank(rank))]),
            // It has not passed its last input yet.
            Some(_) => {}
        }
    }

    /// Runs until every stage has passed its last input.
    fn catch_up(&mut self) {
        let began = clock::now();
        while !self.turn() {
            let at: Vec<_> = self.runners.iter().map(|(rank, r)| (*rank, r.cursor())).collect();
            let present = self.journal.present();
            assert!(began.elapsed() < Duration::from_mins(1), "{at:?} of {present:?}");
            #[expect(clippy::disallowed_methods, reason = "waits for the store thread")]
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn turn(&mut self) -> bool {
        for runner in self.runners.values_mut() {
            while runner.catch_up(8, |_| ()).unwrap() {}
        }
        let (head, present) = (self.journal.head(), self.journal.present());
        present.iter().all(|(rank, ..)| self.runners[&rank.0].cursor() == head)
    }
}

/// Every fact by its key, and the inputs.
fn facts(disk: &FaultyDisk) -> (BTreeMap<String, u64>, Vec<Word>) {
    let store = Store::on_disk(disk.clone(), "roster").unwrap();
    let (mut sums, mut inputs) = (BTreeMap::new(), Vec::new());
    store
        .scan(0, &mut |_, fact: Fact<Word>| {
            assert_eq!(sums.insert(fact.key.to_string(), fact.body.1), None, "{:?}", fact.key);
            inputs.extend((fact.key.rank == 0).then_some(fact.body));
            ControlFlow::Continue(())
        })
        .unwrap();
    (sums, inputs)
}

fn plain_sums(inputs: &[Word], fixed: Vec<Adder>) -> BTreeMap<String, u64> {
    let stages = fixed.into_iter().map(Adder::boxed).collect();
    let make = |stage: &Joined| Some(of(stage).boxed());
    let mut plain = PlainLoop::new(stages, Box::new(NoLibrary)).joined_by(Box::new(make));
    let mut sums = BTreeMap::new();
    for input in inputs {
        let mut keep = |fact: &Fact<Word>| _ = sums.insert(fact.key.to_string(), fact.body.1);
        plain.input(0, input.clone(), &mut keep).unwrap();
    }
    sums
}

#[test]
fn joining_and_leaving_stages_match_the_plain_loop_under_kills() {
    let (mut joins, mut runs) = (0, 0);
    for seed in 1..=40_u64 {
        let mut dice = seed;
        let mut disk = FaultyDisk::holding(Vec::new(), None);
        let mut run = Run::begin(&disk, fixed());
        for step in 0..STEPS {
            match draw(&mut dice) % 10 {
                0 | 1 => {
                    let rank = MOVING[usize::try_from(draw(&mut dice) % 3).unwrap()];
                    run.move_one(rank, 1 + draw(&mut dice) % 5);
                }
                2 => {
                    // A stage is killed, and a new instance takes over.
                    let ranks: Vec<u16> = run.runners.keys().copied().collect();
                    let at = usize::try_from(draw(&mut dice)).unwrap() % ranks.len();
                    let (rank, rows) = (ranks[at], run.journal.store().roster().unwrap());
                    let stage = rows.iter().find(|m| m.stage.rank.0 == rank).map(|m| of(&m.stage));
                    if let Some(stage) = stage.filter(|_| fixed().iter().any(|f| f.rank == rank)) {
                        run.start(stage);
                    }
                }
                3 => {
                    let image = if draw(&mut dice).is_multiple_of(2) {
                        run.journal.close();
                        disk.image(Image::Everything)
                    } else {
                        let image = disk.image(Image::Everything);
                        run.journal.abandon();
                        image
                    };
                    disk.kill();
                    disk = FaultyDisk::holding(image, None);
                    run = Run::begin(&disk, fixed());
                    runs += 1;
                }
                4 | 5 => {
                    // Some stages are faster than others.
                    let bits = draw(&mut dice);
                    for (at, runner) in run.runners.values_mut().enumerate() {
                        if bits >> at & 1 == 1 {
                            runner.catch_up(1 + at, |_| ()).unwrap();
                        }
                    }
                }
                _ => run.append(vec![number(step), number(draw(&mut dice) % 100)], Vec::new()),
            }
        }
        run.catch_up();
        run.journal.close();
        let (sums, inputs) = facts(&disk);
        joins += inputs.iter().filter(|w| w.0 == RUNTIME && !w.2.is_empty()).count();
        assert_eq!(sums, plain_sums(&inputs, fixed()), "seed {seed}");
    }
    assert!(joins > 100 && runs > 100, "{joins} joins, {runs} lives");
}

/// A journal of these stages with that many inputs.
fn made(stages: Vec<Adder>, inputs: u64) -> FaultyDisk {
    let disk = FaultyDisk::holding(Vec::new(), None);
    let mut run = Run::begin(&disk, stages);
    run.append((1..=inputs).map(number).collect(), Vec::new());
    run.catch_up();
    run.journal.close();
    disk
}

fn reopened(disk: &FaultyDisk) -> FaultyDisk {
    FaultyDisk::holding(disk.image(Image::Everything), None)
}

#[test]
fn a_new_stage_joins_an_old_journal_and_decides_only_on_later_inputs() {
    let old = vec![Adder::new(10, 1), Adder::new(30, 1)];
    let disk = reopened(&made(old, 50));
    let mut run = Run::begin(&disk, fixed());
    let joined = run.journal.present().iter().find(|(rank, ..)| rank.0 == 20).unwrap().2;
    assert_eq!(joined, 51);
    assert_eq!(run.runners[&20].cursor(), 51, "it begins there");
    run.append((1..=20).map(number).collect(), Vec::new());
    run.catch_up();
    run.journal.close();
    // In another run no stage joins.
    let disk = reopened(&disk);
    let mut run = Run::begin(&disk, fixed());
    run.append((1..=5).map(number).collect(), Vec::new());
    run.catch_up();
    run.journal.close();
    let (sums, inputs) = facts(&disk);
    assert_eq!(inputs.len(), 76);
    let of_the_new = sums.keys().filter(|key| key.contains(".20."));
    let first = of_the_new.map(|key| key.split('.').next().unwrap().parse().unwrap()).min();
    assert!(first > Some(51_u64), "{first:?}");
    assert_eq!(sums, plain_sums(&inputs, vec![Adder::new(10, 1), Adder::new(30, 1)]));
}

#[test]
fn a_stage_that_left_blocks_no_other_and_its_facts_stay() {
    let disk = reopened(&made(fixed(), 10));
    let mut run = Run::begin(&disk, fixed());
    run.move_one(15, 3);
    run.append((1..=20).map(number).collect(), Vec::new());
    run.catch_up();
    run.move_one(15, 3);
    run.catch_up();
    // Other stages fold its facts again, though this program does not have it.
    run.journal.close();
    let disk = reopened(&disk);
    let mut run = Run::begin(&disk, fixed());
    assert_eq!(run.runners.len(), 3);
    run.append((1..=20).map(number).collect(), Vec::new());
    run.catch_up();
    assert!(run.runners.values().all(|runner| runner.cursor() == run.journal.head()));
    run.journal.close();
    let (sums, inputs) = facts(&disk);
    assert!(sums.keys().any(|key| key.contains(".15.")), "{sums:?}");
    assert_eq!(sums, plain_sums(&inputs, fixed()));
}

#[test]
fn a_journal_with_an_unknown_stage_is_rejected() {
    let disk = made(fixed(), 5);
    let disk = reopened(&disk);
    let mut run = Run::begin(&disk, fixed());
    run.move_one(15, 3);
    run.catch_up();
    run.journal.close();
    let disk = reopened(&disk);
    let store = Store::on_disk(disk.clone(), "roster").unwrap();
    let infos = fixed().iter().map(|stage| StageInfo::of(stage)).collect();
    let refused = Journal::<Word>::open(store, infos, Options::new(|_| ())).err().unwrap();
    assert!(matches!(refused, StoreError::NotAStore { .. }), "{refused}");
    assert!(refused.to_string().contains("of kind adder takes part in it at rank 15"), "{refused}");
}

#[test]
fn a_new_version_converts_states_or_reads_its_history() {
    // Without a state it starts at its join.
    for (version, converted) in [(2, [0; 4]), (3, [53; 4])] {
        let disk = FaultyDisk::holding(Vec::new(), None);
        let mut run = Run::begin(&disk, fixed());
        run.append((1..=50).map(number).collect(), Vec::new());
        run.catch_up();
        run.move_one(15, 1);
        run.append(vec![number(7)], Vec::new());
        run.catch_up();
        run.runners.values_mut().for_each(Runner::save);
        run.journal.close();
        let disk = reopened(&disk);
        let store = Store::on_disk(disk.clone(), "roster").unwrap();
        let all: Vec<Adder> = all(&store, fixed());
        let stages = || all.iter().map(|stage| Adder { version, ..stage.clone() });
        let infos = stages().map(|stage| StageInfo::of(&stage)).collect();
        let journal = Journal::open(store, infos, Options::new(|_| ())).unwrap();
        let take = |stage: Adder| {
            let rank = stage.rank;
            let resumed = Runner::resume(Arc::clone(&journal), stage.boxed(), Arc::new(NoLibrary));
            let (runner, report) = resumed.unwrap();
            let evolved = if rank == 15 { 1 } else { 53 };
            assert_eq!(report.evolved, if version == 2 { evolved } else { 0 });
            assert_eq!(runner.cursor(), 53);
            report.checkpoint
        };
        assert_eq!(stages().map(take).collect::<Vec<_>>(), converted, "version {version}");
        journal.close();
    }
}
