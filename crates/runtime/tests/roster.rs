//! Stages join and leave while inputs come, and lives end in between: each appends what a
//! plain loop over the same inputs appends, and none decides about inputs before it joined.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::plain::PlainLoop;
use everwarm_kernel::roster::{Change, Joined};
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

/// Kind of the facts of the runtime.
const RUNTIME: u8 = 60;
/// Ranks that join and leave.
const MOVING: [u16; 3] = [15, 25, 40];
/// Steps of one run.
const STEPS: u64 = 120;

/// A kind, a number, and who joins or leaves.
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
            RuntimeEvent::Joined(who) => {
                Word(RUNTIME, u64::from(who.rank.0), format!("{} {}", who.id, who.settings))
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

/// Adds up all it sees and its own facts, and appends the sum of each input.
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
    /// Everything but its own facts: those of lower and of higher stages.
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
        // Some inputs leave no trace of it.
        if !self.sum.is_multiple_of(3) {
            out.append(Word(kind, self.sum.wrapping_mul(self.factor), String::new()));
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

fn of(who: &Joined) -> Adder {
    // A fixed one has no settings.
    Adder::new(who.rank.0, who.settings.parse().unwrap_or(1))
}

/// Those this journal names, and the given ones.
fn all(store: &Store, fixed: Vec<Adder>) -> Vec<Adder> {
    let known = |rank| fixed.iter().any(|stage| stage.rank == rank);
    let members = store.roster().unwrap();
    let moving = members.iter().filter(|m| !m.is_over() && !known(m.who.rank.0));
    let moving: Vec<Adder> = moving.map(|m| of(&m.who)).collect();
    fixed.into_iter().chain(moving).collect()
}

struct Life {
    journal: Arc<Journal<Word>>,
    runners: BTreeMap<u16, Runner<dyn Stage<Body = Word>>>,
}

impl Life {
    fn begin(disk: &FaultyDisk, fixed: Vec<Adder>) -> Life {
        let store = Store::on_disk(disk.clone(), "roster").unwrap();
        let stages = all(&store, fixed);
        let infos = stages.iter().map(|stage| StageInfo::of(stage)).collect();
        let journal = Journal::open(store, infos, Options::new(|why| panic!("{why}"))).unwrap();
        journal.checkpoint_after(7);
        let mut life = Life { journal, runners: BTreeMap::new() };
        for stage in stages {
            life.start(stage);
        }
        life
    }

    fn start(&mut self, stage: Adder) {
        let rank = stage.rank;
        let (journal, library) = (Arc::clone(&self.journal), Arc::new(NoLibrary));
        let resumed = Runner::recover_stage(journal, stage.boxed(), library);
        self.runners.insert(rank, resumed.unwrap().0);
    }

    fn append(&self, bodies: Vec<Word>, changes: Vec<Enrol>) {
        let writer = self.journal.writer("feed");
        self.journal.append_and_enrol(&writer, 0, bodies, changes).unwrap();
    }

    /// Has a stage of the moving ranks join or leave where that can be.
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

    /// Until everybody has passed what he is given.
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
    let (mut appended, mut inputs) = (BTreeMap::new(), Vec::new());
    store
        .scan(0, &mut |_, fact: Fact<Word>| {
            assert_eq!(appended.insert(fact.key.to_string(), fact.body.1), None, "{:?}", fact.key);
            inputs.extend((fact.key.rank == 0).then_some(fact.body));
            ControlFlow::Continue(())
        })
        .unwrap();
    (appended, inputs)
}

fn plainly(inputs: &[Word], fixed: Vec<Adder>) -> BTreeMap<String, u64> {
    let stages = fixed.into_iter().map(Adder::boxed).collect();
    let make = |who: &Joined| Some(of(who).boxed());
    let mut plain = PlainLoop::new(stages, Box::new(NoLibrary)).joined_by(Box::new(make));
    let mut appended = BTreeMap::new();
    for input in inputs {
        let mut keep = |fact: &Fact<Word>| _ = appended.insert(fact.key.to_string(), fact.body.1);
        plain.input(0, input.clone(), &mut keep).unwrap();
    }
    appended
}

#[test]
fn whoever_joins_and_leaves_says_what_a_plain_loop_says_whatever_is_killed() {
    let (mut joins, mut lives) = (0, 0);
    for seed in 1..=40_u64 {
        let mut dice = seed;
        let mut disk = FaultyDisk::holding(Vec::new(), None);
        let mut life = Life::begin(&disk, fixed());
        for step in 0..STEPS {
            match draw(&mut dice) % 10 {
                0 | 1 => {
                    let rank = MOVING[usize::try_from(draw(&mut dice) % 3).unwrap()];
                    life.move_one(rank, 1 + draw(&mut dice) % 5);
                }
                2 => {
                    // Somebody is killed, and a successor takes over.
                    let ranks: Vec<u16> = life.runners.keys().copied().collect();
                    let at = usize::try_from(draw(&mut dice)).unwrap() % ranks.len();
                    let (rank, rows) = (ranks[at], life.journal.store().roster().unwrap());
                    let stage = rows.iter().find(|m| m.who.rank.0 == rank).map(|m| of(&m.who));
                    if let Some(stage) = stage.filter(|_| fixed().iter().any(|f| f.rank == rank)) {
                        life.start(stage);
                    }
                }
                3 => {
                    let image = if draw(&mut dice).is_multiple_of(2) {
                        life.journal.close();
                        disk.image(Image::Everything)
                    } else {
                        let image = disk.image(Image::Everything);
                        life.journal.abandon();
                        image
                    };
                    disk.kill();
                    disk = FaultyDisk::holding(image, None);
                    life = Life::begin(&disk, fixed());
                    lives += 1;
                }
                4 | 5 => {
                    // Some come further than others.
                    let bits = draw(&mut dice);
                    for (at, runner) in life.runners.values_mut().enumerate() {
                        if bits >> at & 1 == 1 {
                            runner.catch_up(1 + at, |_| ()).unwrap();
                        }
                    }
                }
                _ => life.append(vec![number(step), number(draw(&mut dice) % 100)], Vec::new()),
            }
        }
        life.catch_up();
        life.journal.close();
        let (appended, inputs) = facts(&disk);
        joins += inputs.iter().filter(|w| w.0 == RUNTIME && !w.2.is_empty()).count();
        assert_eq!(appended, plainly(&inputs, fixed()), "seed {seed}");
    }
    assert!(joins > 100 && lives > 100, "{joins} joins, {lives} lives");
}

/// A journal of these stages with so many inputs.
fn made(stages: Vec<Adder>, inputs: u64) -> FaultyDisk {
    let disk = FaultyDisk::holding(Vec::new(), None);
    let mut life = Life::begin(&disk, stages);
    life.append((1..=inputs).map(number).collect(), Vec::new());
    life.catch_up();
    life.journal.close();
    disk
}

fn reopened(disk: &FaultyDisk) -> FaultyDisk {
    FaultyDisk::holding(disk.image(Image::Everything), None)
}

#[test]
fn a_new_stage_joins_an_old_journal_and_decides_nothing_about_the_past() {
    let old = vec![Adder::new(10, 1), Adder::new(30, 1)];
    let disk = reopened(&made(old, 50));
    let mut life = Life::begin(&disk, fixed());
    let joined = life.journal.present().iter().find(|(rank, ..)| rank.0 == 20).unwrap().2;
    assert_eq!(joined, 51);
    assert_eq!(life.runners[&20].cursor(), 51, "it begins there");
    life.append((1..=20).map(number).collect(), Vec::new());
    life.catch_up();
    life.journal.close();
    // Another life joins nobody.
    let disk = reopened(&disk);
    let mut life = Life::begin(&disk, fixed());
    life.append((1..=5).map(number).collect(), Vec::new());
    life.catch_up();
    life.journal.close();
    let (appended, inputs) = facts(&disk);
    assert_eq!(inputs.len(), 76);
    let of_the_new = appended.keys().filter(|key| key.contains(".20."));
    let first = of_the_new.map(|key| key.split('.').next().unwrap().parse().unwrap()).min();
    assert!(first > Some(51_u64), "{first:?}");
    assert_eq!(appended, plainly(&inputs, vec![Adder::new(10, 1), Adder::new(30, 1)]));
}

#[test]
fn a_stage_that_has_left_holds_up_nobody_and_what_it_said_stays() {
    let disk = reopened(&made(fixed(), 10));
    let mut life = Life::begin(&disk, fixed());
    life.move_one(15, 3);
    life.append((1..=20).map(number).collect(), Vec::new());
    life.catch_up();
    life.move_one(15, 3);
    life.catch_up();
    // Stages that see it fold its facts once more, and this program does not have it.
    life.journal.close();
    let disk = reopened(&disk);
    let mut life = Life::begin(&disk, fixed());
    assert_eq!(life.runners.len(), 3);
    life.append((1..=20).map(number).collect(), Vec::new());
    life.catch_up();
    assert!(life.runners.values().all(|runner| runner.cursor() == life.journal.head()));
    life.journal.close();
    let (appended, inputs) = facts(&disk);
    assert!(appended.keys().any(|key| key.contains(".15.")), "{appended:?}");
    assert_eq!(appended, plainly(&inputs, fixed()));
}

#[test]
fn a_journal_in_which_somebody_takes_part_whom_this_program_lacks_is_refused() {
    let disk = made(fixed(), 5);
    let disk = reopened(&disk);
    let mut life = Life::begin(&disk, fixed());
    life.move_one(15, 3);
    life.catch_up();
    life.journal.close();
    let disk = reopened(&disk);
    let store = Store::on_disk(disk.clone(), "roster").unwrap();
    let infos = fixed().iter().map(|stage| StageInfo::of(stage)).collect();
    let refused = Journal::<Word>::open(store, infos, Options::new(|_| ())).err().unwrap();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert!(refused.to_string().contains("of kind adder takes part in it at rank 15"), "{refused}");
}

#[test]
fn a_new_version_takes_over_what_it_converts_and_reads_the_past_otherwise() {
    // Without a state it begins where it joined.
    for (version, converted) in [(2, [0; 4]), (3, [53; 4])] {
        let disk = FaultyDisk::holding(Vec::new(), None);
        let mut life = Life::begin(&disk, fixed());
        life.append((1..=50).map(number).collect(), Vec::new());
        life.catch_up();
        life.move_one(15, 1);
        life.append(vec![number(7)], Vec::new());
        life.catch_up();
        life.runners.values_mut().for_each(Runner::save);
        life.journal.close();
        let disk = reopened(&disk);
        let store = Store::on_disk(disk.clone(), "roster").unwrap();
        let all: Vec<Adder> = all(&store, fixed());
        let stages = || all.iter().map(|stage| Adder { version, ..stage.clone() });
        let infos = stages().map(|stage| StageInfo::of(&stage)).collect();
        let journal = Journal::open(store, infos, Options::new(|_| ())).unwrap();
        let take = |stage: Adder| {
            let rank = stage.rank;
            let resumed =
                Runner::recover_stage(Arc::clone(&journal), stage.boxed(), Arc::new(NoLibrary));
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
