//! Of each stage two saved states are kept. A start takes the newer one that can be read, and
//! nothing differs; where none can, the past is read again, or the start is refused by name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::plain::PlainLoop;
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::runner::{ResumeReport, Runner};
use everwarm_runtime::store::{CheckpointRow, Sealing, Store, StoreError, StoredLoop};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Kind of the facts of the runtime.
const RUNTIME: u8 = 60;
const FORMAT: u8 = 7;
const RANK: u16 = 10;

#[derive(Clone, Debug)]
struct Word(u8, u64);

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
        out.extend([0; 100]);
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let number = bytes[1..].first_chunk().ok_or("cut short")?;
        Ok(Word(bytes[0], u64::from_le_bytes(*number)))
    }
    fn runtime(_: RuntimeEvent) -> Self {
        Word(RUNTIME, 0)
    }
}

/// Appends the sum of all it has seen.
#[derive(Default)]
struct Adder(u64);

impl Stage for Adder {
    type Body = Word;
    fn rank(&self) -> Rank {
        Rank(RANK)
    }
    fn name(&self) -> &'static str {
        "adder"
    }
    fn interest(&self) -> Mask {
        Mask::of(&[0])
    }
    fn produces(&self) -> Mask {
        Mask::of(&[1])
    }
    fn evolve(&mut self, fact: &Fact<Word>) {
        if fact.key.rank == 0 {
            self.0 = self.0.wrapping_mul(31).wrapping_add(fact.body.1);
        }
    }
    fn decide(&self, _: &Fact<Word>, out: &mut Out<Word>) {
        out.append(Word(1, self.0));
    }
    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, &self.0)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0 = state::load(FORMAT, bytes)?;
        Ok(())
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("saved-{}-{name}", std::process::id()));
        // An earlier process with this id may have left one.
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn store(&self) -> Store {
        Store::open(&self.0.join("live.redb"), "saved").unwrap()
    }

    fn journal(&self) -> Result<Arc<Journal<Word>>, StoreError> {
        let infos = vec![StageInfo::of(&Adder::default())];
        let journal = Journal::open(self.store(), infos, Options::new(|why| panic!("{why}")))?;
        journal.seal_after(Sealing { segment: 20_000, keep: 20_000 });
        Ok(journal)
    }

    /// One life that takes these numbers in and saves itself after each of these.
    fn live(&self, numbers: std::ops::Range<u64>, saves: &[u64]) -> (ResumeReport, Vec<String>) {
        let journal = self.journal().unwrap();
        let stage = Box::<Adder>::default();
        let resumed = Runner::recover_stage(Arc::clone(&journal), stage, Arc::new(NoLibrary));
        let (mut runner, report) = resumed.unwrap();
        let writer = journal.writer("feed");
        for number in numbers {
            journal.append(&writer, 0, vec![Word(0, number)]).unwrap();
            while runner.catch_up(64, |_| ()).unwrap() {}
            if saves.contains(&number) {
                runner.save();
            }
        }
        drop(runner);
        journal.close();
        (report, journal.damaged().iter().map(ToString::to_string).collect())
    }

    /// Until all of it is sealed that may be.
    fn seals(&self) {
        let journal = self.journal().unwrap();
        let began = clock::now();
        let segments = || journal.store().segments().unwrap().0;
        let (mut last, mut since) = (0, began);
        // Nothing more is sealed for a while.
        while last == 0 || since.elapsed() < Duration::from_millis(600) {
            assert!(began.elapsed() < Duration::from_mins(1), "nothing is sealed");
            #[expect(clippy::disallowed_methods, reason = "waits for another thread")]
            std::thread::sleep(Duration::from_millis(10));
            if segments() != last {
                (last, since) = (segments(), clock::now());
            }
        }
        journal.close();
    }

    /// The inputs at which its saved states stand, the newest first.
    fn saved(&self) -> Vec<u64> {
        self.store().checkpoints().unwrap().iter().map(|(_, row)| row.n).collect()
    }

    fn alter(&self, change: impl FnMut(usize, &mut CheckpointRow)) {
        self.store().alter_checkpoints(RANK, change).unwrap();
    }

    /// The fact of each rank about each input.
    fn appended(&self) -> BTreeMap<(u64, u16), u64> {
        let mut facts = BTreeMap::new();
        let scanned = self.store().scan(0, &mut |_, fact: Fact<Word>| {
            assert_eq!(facts.insert((fact.key.n, fact.key.rank), fact.body.1), None);
            ControlFlow::Continue(())
        });
        scanned.unwrap();
        facts
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The facts where nothing is ever damaged.
fn expected(last: u64) -> BTreeMap<(u64, u16), u64> {
    let (mut sum, mut facts) = (0_u64, BTreeMap::new());
    for n in 1..=last {
        sum = sum.wrapping_mul(31).wrapping_add(n);
        facts.extend([((n, 0), n), ((n, RANK), sum)]);
    }
    facts
}

fn flip(row: &mut CheckpointRow) {
    let last = row.state.len() - 1;
    row.state[last] ^= 4;
}

#[test]
fn a_flipped_bit_in_the_newest_state_takes_the_one_before_and_nothing_differs() {
    let folder = Folder::new("newest");
    for (from, to) in [(1, 101), (101, 201), (201, 301), (301, 391), (391, 401)] {
        folder.live(from..to, &[100, 200, 390]);
    }
    assert_eq!(folder.saved(), [390, 200], "two are kept");
    folder.seals();
    let store = folder.store();
    let row = store.checkpoints().unwrap()[1].1.row;
    assert_eq!(store.sealed_with(row).unwrap(), None, "what follows the older one stays");
    drop(store);
    folder.alter(|age, row| {
        if age == 0 {
            flip(row);
        }
    });
    let (report, damaged) = folder.live(401..421, &[405]);
    assert_eq!((report.checkpoint, report.evolved), (200, 200));
    let [text] = &damaged[..] else { panic!("{damaged:?}") };
    assert!(text.contains("checkpoint of adder at input 390 is damaged"), "{text}");
    assert!(text.contains("checksum") && text.contains("from the one at input 200"), "{text}");
    assert_eq!(folder.saved(), [405, 200], "the damaged one is written over, not the good one");
    // It is not reported any more, and the journal is what it would have been.
    let (report, damaged) = folder.live(421..431, &[]);
    assert_eq!((report.checkpoint, damaged), (405, Vec::new()));
    assert_eq!(folder.appended(), expected(430));
}

#[test]
fn where_both_are_damaged_the_past_is_read_again() {
    let folder = Folder::new("both");
    folder.live(1..401, &[100, 200, 300, 390]);
    folder.seals();
    folder.alter(|_, row| flip(row));
    let (report, damaged) = folder.live(401..421, &[410]);
    assert_eq!((report.checkpoint, report.evolved), (0, 400));
    assert_eq!(damaged.len(), 2, "{damaged:?}");
    assert!(damaged.iter().all(|text| text.contains("from the first fact on")), "{damaged:?}");
    assert_eq!(folder.appended(), expected(420));
    assert_eq!(folder.saved(), [410], "the next one replaces both");
    let (report, damaged) = folder.live(421..422, &[421]);
    assert_eq!((report.checkpoint, damaged), (410, Vec::new()));
    assert_eq!(folder.saved(), [421, 410], "both are good again");
}

#[test]
fn where_the_past_is_gone_too_the_stage_is_named_and_nothing_is_changed() {
    let folder = Folder::new("gone");
    folder.live(1..401, &[100, 200, 300, 390]);
    folder.seals();
    folder.alter(|_, row| flip(row));
    let segments = folder.0.join("live.segments");
    let first = fs::read_dir(&segments).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&first).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for bytes in [None, Some(altered)] {
        fs::remove_file(&first).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&first, bytes).unwrap();
        }
        let refused = folder.journal().err().unwrap();
        assert!(matches!(refused, StoreError::Torn { .. }), "{refused:?}");
        let error = refused.to_string();
        assert!(error.contains("the checkpoint of adder at input 390"), "{error}");
        assert!(error.contains(".segment"), "{error}");
        fs::write(&first, &whole).unwrap();
    }
    // It is whole again: so is the start. And a good state needs no segment.
    let (report, _) = folder.live(401..411, &[405, 410]);
    assert_eq!(report.evolved, 400);
    fs::remove_file(&first).unwrap();
    assert_eq!(folder.live(411..412, &[]).0.checkpoint, 410);
}

/// Stores the state of the plain loop at the first input after the first segment, and removes what
/// is derived before it. Returns that input.
fn thin(store: &Store) -> u64 {
    let sealed = store.sealed_with(1).unwrap().unwrap();
    let mut found = None;
    let scanned = store.scan(sealed + 1, &mut |row, fact: Fact<Word>| {
        if fact.key.rank > 0 {
            return ControlFlow::Continue(());
        }
        found = Some((fact.key.n, row));
        ControlFlow::Break(())
    });
    scanned.unwrap();
    let (n, row) = found.unwrap();
    let mut plain = PlainLoop::new(vec![Box::<Adder>::default()], Box::new(NoLibrary));
    for number in 1..=n {
        plain.input(0, Word(0, number), &mut |_| ()).unwrap();
    }
    store.put_loop_state(&StoredLoop { row, state: plain.capture() }).unwrap();
    let thinned = store.thin(row, &mut |fact: &Fact<Word>| fact.key.rank == 0).unwrap();
    assert!(thinned.segments == 1 && thinned.after < thinned.before, "{thinned:?}");
    assert!(store.whole_from().unwrap() <= row);
    assert_eq!(store.removed().unwrap(), thinned.facts);
    assert_eq!(store.thin(row, &mut |_: &Fact<Word>| false).unwrap().segments, 0);
    n
}

#[test]
fn where_facts_were_removed_a_stage_reads_the_past_from_a_stored_state_on() {
    let folder = Folder::new("thinned");
    folder.live(1..401, &[100, 200, 300, 390]);
    folder.seals();
    let begins = thin(&folder.store());
    let removed = folder.store().removed().unwrap();
    assert_eq!(folder.appended().len() as u64, 800 - removed, "only facts of the stage are gone");
    folder.alter(|_, row| flip(row));
    let kept = folder.store().loop_states().unwrap();
    let name = folder.0.join("live.segments").join(format!("{:012}.state", kept[0]));
    let whole = fs::read(&name).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for bytes in [None, Some(altered)] {
        fs::remove_file(&name).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&name, bytes).unwrap();
        }
        let error = folder.journal().err().unwrap().to_string();
        assert!(error.contains("the checkpoint of adder at input"), "{error}");
        assert!(error.contains("were removed. Restore a backup"), "{error}");
        fs::write(&name, &whole).unwrap();
    }
    let (report, damaged) = folder.live(401..421, &[410]);
    assert_eq!((report.checkpoint, report.evolved), (begins, 400 - begins));
    let instead = format!("from the one at input {begins}");
    assert!(damaged.iter().all(|text| text.contains(&instead)), "{damaged:?}");
    assert_eq!(folder.saved(), [410], "the next one replaces both");
    let (mut appended, mut all) = (folder.appended(), expected(420));
    appended.retain(|(n, rank), _| *rank == 0 || *n > begins);
    all.retain(|(n, rank), _| *rank == 0 || *n > begins);
    assert_eq!(appended, all);
}

#[test]
fn a_state_of_a_future_version_is_named() {
    let folder = Folder::new("future");
    folder.live(1..21, &[10, 20]);
    folder.alter(|age, row| {
        if age == 0 {
            row.state = state::save(FORMAT + 1, &(1_u64, "more".to_owned()));
        } else {
            row.state = state::save(FORMAT, &(1_u64, "more".to_owned()));
        }
    });
    let (report, damaged) = folder.live(21..31, &[]);
    assert_eq!((report.checkpoint, report.evolved), (0, 20));
    let [newer, other] = &damaged[..] else { panic!("{damaged:?}") };
    assert!(newer.contains("it has format 8, this program reads 7 (a newer program"), "{newer}");
    assert!(other.contains("fingerprint"), "{other}");
    assert_eq!(folder.appended(), expected(30));
}

#[test]
fn a_state_that_stands_behind_the_end_of_the_journal_is_not_taken() {
    let folder = Folder::new("ahead");
    folder.live(1..21, &[10, 20]);
    folder.alter(|age, row| {
        if age == 0 {
            row.n += 1_000_000;
        }
    });
    let (report, damaged) = folder.live(21..31, &[]);
    assert_eq!((report.checkpoint, damaged.len()), (10, 1));
    assert!(damaged[0].contains("no such input"), "{damaged:?}");
    assert_eq!(folder.appended(), expected(30));
}

#[test]
fn a_store_with_one_state_in_the_older_form_is_read() {
    let folder = Folder::new("older");
    folder.live(1..21, &[20]);
    assert_eq!(folder.saved(), [20], "there is no other yet");
    folder.alter(|_, row| {
        let sum: u64 = state::load(FORMAT, &row.state).unwrap();
        // The format, and the number as MessagePack has it.
        row.state = [&[FORMAT, 0xcf][..], &sum.to_be_bytes()].concat();
    });
    let (report, damaged) = folder.live(21..31, &[30]);
    assert_eq!((report.checkpoint, report.evolved, damaged), (20, 0, Vec::new()));
    assert_eq!(folder.saved(), [30, 20]);
    // A cut of it is noticed where the newer one is damaged as well.
    folder.alter(|age, row| if age == 0 { flip(row) } else { row.state.truncate(5) });
    let (report, damaged) = folder.live(31..41, &[]);
    assert_eq!((report.checkpoint, damaged.len()), (0, 2));
    assert_eq!(folder.appended(), expected(40));
}
