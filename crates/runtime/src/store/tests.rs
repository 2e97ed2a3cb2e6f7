//! Tests: refused files stay unchanged, and a full disk is reported as full.

mod thin;

use super::file::{SCHEMA, WRITES, draft};
use super::{Left, Sealing, Store, StoreError, archive};
use crate::chaos::faults::{FaultyDisk, Image};
use crate::chaos::{Chaos, Site};
use crate::journal::{Journal, Options};
use everwarm_kernel::fact::{Body, Fact, RuntimeEvent};
use redb::{Database, TableDefinition};
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

const APPLICATION: &str = "test";

/// A fact with any bytes.
#[derive(Clone, Debug, PartialEq)]
struct AnyBytes(Vec<u8>);

impl Body for AnyBytes {
    fn kind(&self) -> u8 {
        0
    }
    fn name(_: u8) -> &'static str {
        "said"
    }
    fn synced(&self) -> bool {
        false
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Ok(AnyBytes(bytes.to_vec()))
    }
    fn runtime(_: RuntimeEvent) -> Self {
        AnyBytes(Vec::new())
    }
}

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("everwarm-store-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // An earlier process with this id may have left one.
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("live.redb")
    }

    /// The error of opening `bytes`. They must stay unchanged.
    fn refused(&self, bytes: &[u8]) -> StoreError {
        fs::write(self.file(), bytes).unwrap();
        let error = Store::open(&self.file(), APPLICATION).map(drop).expect_err("refused");
        assert!(fs::read(self.file()).unwrap() == bytes, "touched: {error}");
        let looked = Store::look(&self.file(), APPLICATION).map(drop).expect_err("refused");
        assert_eq!(looked.to_string(), error.to_string());
        assert!(fs::read(self.file()).unwrap() == bytes, "touched by a look: {error}");
        assert!(error.to_string().contains("live.redb"), "{error}");
        error
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn fact(i: u32) -> AnyBytes {
    AnyBytes(i.to_le_bytes().repeat(500))
}

/// Writes `count` facts of 2 kB each.
fn fill(store: &Store, count: u32) {
    let journal = Journal::open(store.clone(), Vec::new(), Options::new(|e| panic!("{e}")));
    let journal = journal.unwrap();
    let writer = journal.writer("test");
    for i in 0..count {
        journal.append(&writer, 0, vec![fact(i)]).unwrap();
    }
    journal.close();
}

/// Opens the journal with small seal sizes, and waits until all it can seal is sealed.
fn seal(store: &Store) {
    let options = Options::new(|e| panic!("{e}"));
    let journal: std::sync::Arc<Journal<AnyBytes>> =
        Journal::open(store.clone(), Vec::new(), options).unwrap();
    journal.seal_after(Sealing { segment: 200 << 10, keep: 300 << 10 });
    until("all is sealed", || store.segments().unwrap().0 >= 6);
    journal.close();
}

/// Waits for a result of other threads.
fn until(what: &str, done: impl Fn() -> bool) {
    let (_open, never) = mpsc::sync_channel::<()>(1);
    let is_done = (0..4_000).any(|_| {
        never.recv_timeout(Duration::from_millis(5)).expect_err("nothing is sent");
        done()
    });
    assert!(is_done, "{what}");
}

fn facts(store: &Store) -> Result<u32, StoreError> {
    let mut count = 0;
    store.scan(0, &mut |_, seen: Fact<AnyBytes>| {
        assert_eq!(seen.body, fact(count));
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// The bytes of a file with 1,000 facts, after a clean stop.
fn whole(folder: &Folder) -> Vec<u8> {
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    fill(&store, 1000);
    assert_eq!(facts(&store).unwrap(), 1000);
    drop(store);
    fs::read(folder.file()).unwrap()
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let folder = Folder::new("foreign");
    let text = b"time,open\n1,2\n";
    assert!(matches!(folder.refused(text), StoreError::Foreign { .. }));
    assert!(matches!(folder.refused(b""), StoreError::Foreign { .. }));

    let other = folder.0.join("other.redb");
    let db = Database::create(&other).unwrap();
    let write = db.begin_write().unwrap();
    write.open_table(TableDefinition::<u64, u64>::new("mine")).unwrap().insert(1, 2).unwrap();
    write.commit().unwrap();
    drop(db);
    assert!(matches!(folder.refused(&fs::read(&other).unwrap()), StoreError::Foreign { .. }));

    drop(Store::open(&other.with_extension("second"), "another").unwrap());
    let bytes = fs::read(other.with_extension("second")).unwrap();
    let error = folder.refused(&bytes);
    assert!(error.to_string().contains("another"), "{error}");

    fs::remove_file(folder.file()).unwrap();
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    store.alter_schema(SCHEMA + 1).unwrap();
    drop(store);
    let bytes = fs::read(folder.file()).unwrap();
    assert!(
        matches!(folder.refused(&bytes), StoreError::Newer { found, .. } if found == SCHEMA + 1)
    );
}

#[test]
fn a_store_of_a_draft_is_refused_and_one_of_a_released_layout_opens() {
    let folder = Folder::new("draft");
    let open = || Store::open(&folder.file(), APPLICATION).unwrap();
    let released = {
        open().alter_schema(SCHEMA - 1).unwrap();
        fs::read(folder.file()).unwrap()
    };
    for (layout, number) in [(SCHEMA, 2), (SCHEMA + 1, 99)] {
        let other = draft(layout, number);
        fs::write(folder.file(), &released).unwrap();
        open().alter_schema(other).unwrap();
        let error = folder.refused(&fs::read(folder.file()).unwrap()).to_string();
        let name = format!("has draft {number} of layout {layout}");
        assert!(error.contains(&name) && error.contains("the program that wrote it"), "{error}");
    }
    fs::write(folder.file(), &released).unwrap();
    fill(&open(), 1);
    assert_eq!(open().schema().unwrap(), WRITES, "who writes raises a released layout");
    fill(&open(), 1);
}

#[test]
fn a_damaged_file_is_refused_wherever_it_is_damaged() {
    let folder = Folder::new("torn");
    let whole = whole(&folder);
    for cut in [whole.len() / 2, whole.len() - 4096, 4096, 1000] {
        let error = folder.refused(&whole[..cut]);
        assert!(matches!(error, StoreError::Torn { .. }), "cut at {cut}: {error:?}");
    }
    // Most pages are in use. An unused page may have any content.
    let (mut found, mut unused) = (0, 0);
    for page in (4096..whole.len() - 4096).step_by(64 * 4096) {
        let mut torn = whole.clone();
        torn[page..page + 4096].fill(0);
        fs::write(folder.file(), &torn).unwrap();
        match Store::open(&folder.file(), APPLICATION) {
            Ok(store) => {
                assert_eq!(facts(&store).unwrap(), 1000, "page at {page}");
                unused += 1;
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Torn { .. }), "{page}: {error:?}");
                assert!(fs::read(folder.file()).unwrap() == torn, "touched: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 3, "{found} found, {unused} in no use");
    let mut torn = whole.clone();
    let (from, to) = (whole.len() / 4, whole.len() * 3 / 4);
    torn[from..to].fill(0);
    assert!(matches!(folder.refused(&torn), StoreError::Torn { .. }));
}

#[test]
fn a_damaged_history_is_refused_and_not_touched() {
    let folder = Folder::new("history");
    let file = folder.0.join("history.redb");
    let store = archive::Archive::open(&file).unwrap();
    let put =
        |i: u32| archive::Op::Put { table: "t", key: i.to_be_bytes().into(), value: fact(i).0 };
    store.commit(&(0..1000).map(put).collect::<Vec<_>>(), true).unwrap();
    drop(store);
    let whole = fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn[whole.len() / 4..whole.len() * 3 / 4].fill(0);
    for bytes in [torn.as_slice(), &whole[..whole.len() / 2], &whole[..4096], b"text, not tables"] {
        fs::write(&file, bytes).unwrap();
        let error = archive::Archive::open(&file).map(drop).expect_err("refused");
        assert!(fs::read(&file).unwrap() == bytes, "touched: {error}");
    }
}

#[test]
fn a_history_that_a_crash_left_is_opened_by_its_last_flush_whatever_its_size() {
    let folder = Folder::new("quick");
    let file = folder.0.join("history.redb");
    let put =
        |i: u32| archive::Op::Put { table: "t", key: i.to_be_bytes().into(), value: fact(i).0 };
    let store = archive::Archive::open(&file).unwrap();
    for from in (0..1000).step_by(100) {
        store.commit(&(from..from + 100).map(put).collect::<Vec<_>>(), true).unwrap();
    }
    store.commit(&[put(1000)], false).unwrap();
    // A kill leaves the same bytes as a copy of a file in use.
    let left = fs::read(&file).unwrap();
    drop(store);
    fs::write(&file, &left).unwrap();
    let rows = |store: &archive::Archive| store.len("t").unwrap();
    let store = archive::Archive::open(&file).unwrap();
    assert!(rows(&store) >= 1000, "what was flushed is there");
    drop(store);

    // The owner does not read all of it and misses a bad page. A reader reads all of it.
    let value = fact(500).0;
    let mut bad = left.clone();
    let at = left.windows(value.len()).rposition(|window| window == value).unwrap();
    bad[at] ^= 1;
    fs::write(&file, &bad).unwrap();
    assert!(archive::Archive::look(&file).is_err(), "who looks reads everything");
    drop(archive::Archive::open(&file).unwrap());
    let error = archive::Archive::open(&file).map(drop).expect_err("after a stop in order");
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn what_is_sealed_leaves_the_live_file_and_is_read_as_before() {
    let folder = Folder::new("sealed");
    drop(whole(&folder));
    let shelf = folder.0.join("live.segments");
    fs::create_dir_all(&shelf).unwrap();
    fs::write(shelf.join("000000000001-000000000002.segment"), b"left by a crash").unwrap();
    fs::write(shelf.join("next.segment.new"), b"left while it was packed").unwrap();
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    seal(&store);
    assert_eq!(facts(&store).unwrap(), 1000);
    let (count, bytes) = store.segments().unwrap();
    let files = || fs::read_dir(&shelf).unwrap().map(|f| f.unwrap());
    assert_eq!(files().count() as u64, count, "what a crash left is gone");
    assert_eq!(files().map(|f| f.metadata().unwrap().len()).sum::<u64>(), bytes);
    let recovered = store.recover().unwrap();
    assert_eq!(recovered.row, 1000);
    assert!(recovered.bytes.0 - recovered.bytes.1 < 500 << 10, "{:?}", recovered.bytes);
    assert!(recovered.bytes.0 > 2_000_000, "{:?}", recovered.bytes);
    // Start in the middle of a segment, at its end, and in the live file.
    for from in [1, 2, 150, 600, 999, 1000] {
        let mut first = None;
        let see = &mut |row, _: Fact<AnyBytes>| {
            first = Some(row);
            ControlFlow::Break(())
        };
        store.scan(from, see).unwrap();
        assert_eq!(first, Some(from));
    }
    // New facts follow the sealed ones.
    let journal: std::sync::Arc<Journal<AnyBytes>> =
        Journal::open(store.clone(), Vec::new(), Options::new(|e| panic!("{e}"))).unwrap();
    journal.append(&journal.writer("test"), 0, vec![fact(1000)]).unwrap();
    journal.close();
    assert_eq!(facts(&store).unwrap(), 1001);
}

#[test]
fn nothing_is_sealed_before_all_who_follow_have_said_how_far_they_are() {
    let folder = Folder::new("followers");
    drop(whole(&folder));
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    let chaos = Chaos::off();
    chaos.arm(Vec::new(), |_| (), || ());
    let followers = &["reader", "teller"];
    let options = Options { followers, chaos: chaos.clone(), ..Options::new(|e| panic!("{e}")) };
    let journal: std::sync::Arc<Journal<AnyBytes>> =
        Journal::open(store.clone(), Vec::new(), options).unwrap();
    journal.seal_after(Sealing { segment: 50 << 10, keep: 50 << 10 });
    let tries = || {
        let of =
            |((site, ..), count): (&(Site, _, _), &u32)| (*site == Site::BeforeSegment, *count);
        chaos.report().0.iter().map(of).filter(|(is, _)| *is).map(|(_, count)| count).sum::<u32>()
    };
    // A second attempt means that the one before sealed nothing.
    let in_vain = || {
        let before = tries();
        until("it looks again", || tries() > before + 1);
    };
    in_vain();
    journal.hold("reader", 400);
    in_vain();
    assert_eq!(store.segments().unwrap().0, 0, "one of them has reported nothing");
    journal.hold_from("teller", 500);
    // Its successor starts at a later row. The reported row 400 still counts.
    journal.hold_from("reader", 900);
    let is_sealed = |row| store.sealed_with(row).unwrap().is_some();
    until("what both have is sealed", || is_sealed(370));
    in_vain();
    assert!(!is_sealed(400), "one of them has not read that");
    journal.close();
}

#[test]
fn a_segment_that_is_damaged_or_missing_is_told_with_its_name() {
    let folder = Folder::new("segment");
    drop(whole(&folder));
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    seal(&store);
    let shelf = folder.0.join("live.segments");
    let mut names: Vec<PathBuf> =
        fs::read_dir(&shelf).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    let whole = fs::read(&names[2]).unwrap();
    let mut torn = whole.clone();
    torn[whole.len() / 2] ^= 1;
    for bytes in [torn.as_slice(), &whole[..whole.len() - 1], b"", b"journal segment 1\n"] {
        fs::write(&names[2], bytes).unwrap();
        let error = facts(&store).expect_err("damaged");
        assert!(matches!(&error, StoreError::Torn { path, .. } if *path == names[2]), "{error}");
    }
    fs::remove_file(&names[2]).unwrap();
    let error = facts(&store).expect_err("missing");
    assert!(error.to_string().ends_with("is damaged: it is missing"), "{error}");

    // All other facts can still be read, and the lost rows are reported.
    let (mut rows, mut lost) = (Vec::new(), Vec::new());
    let see = &mut |left: Left<'_, Fact<AnyBytes>>| {
        match left {
            Left::Row(row, _) => rows.push(row),
            Left::Lost(rows, why) => lost.push((rows, why.to_string())),
        }
        ControlFlow::Continue(())
    };
    store.scan_left(1, see).unwrap();
    let (gone, why) = lost.pop().unwrap();
    assert!(lost.is_empty() && *why == error.to_string(), "{why}");
    let name = names[2].file_stem().unwrap().to_str().unwrap();
    assert_eq!(name, format!("{:012}-{:012}", gone.start(), gone.end()));
    assert_eq!(rows, (1..=1000).filter(|row| !gone.contains(row)).collect::<Vec<_>>());
    // A journal returns the facts before the damage, and then the error.
    let journal: std::sync::Arc<Journal<AnyBytes>> =
        Journal::open(store.clone(), Vec::new(), Options::new(|e| panic!("{e}"))).unwrap();
    let before = journal.read(1, 10).unwrap();
    assert_eq!(before.last().unwrap().last_row() + 1, *gone.start());
    assert!(matches!(journal.read(*gone.start(), 10), Err(StoreError::Torn { .. })));
    journal.close();

    fs::write(&names[2], &whole).unwrap();
    assert_eq!(facts(&store).unwrap(), 1000);
}

#[test]
fn looking_changes_nothing_even_after_a_crash() {
    let folder = Folder::new("look");
    drop(whole(&folder));
    // A kill leaves the same bytes as a copy of a file in use.
    let running = Store::open(&folder.file(), APPLICATION).unwrap();
    fill(&running, 0);
    let left = fs::read(folder.file()).unwrap();
    drop(running);
    fs::write(folder.file(), &left).unwrap();
    let store = Store::look(&folder.file(), APPLICATION).unwrap();
    assert_eq!(facts(&store).unwrap(), 1000);
    assert!(matches!(Store::open(&folder.file(), APPLICATION), Err(StoreError::Held(_))));
    drop(store);
    assert!(fs::read(folder.file()).unwrap() == left, "touched by a look");
    // Opening repairs it, and later writes survive.
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    store.alter_fact(1, |body| body.copy_from_slice(&fact(0).0)).unwrap();
    drop(store);
    assert!(fs::read(folder.file()).unwrap() != left, "opening writes");
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    assert_eq!(facts(&store).unwrap(), 1000);
}

#[test]
fn a_full_disk_is_told_as_one() {
    let disk = FaultyDisk::holding(Vec::new(), None);
    let store = Store::on_disk(disk.clone(), APPLICATION).unwrap();
    let (sender, errors) = mpsc::sync_channel(1);
    let options = Options::new(move |e: &StoreError| {
        sender.send(matches!(e, StoreError::Full(_)).then_some(()).ok_or(e.to_string())).unwrap();
    });
    let journal: std::sync::Arc<Journal<AnyBytes>> =
        Journal::open(store, Vec::new(), options).unwrap();
    let writer = journal.writer("test");
    journal.append(&writer, 0, vec![fact(0)]).unwrap();
    disk.fill();
    let mut n = 1;
    let full = loop {
        if journal.append(&writer, 0, vec![fact(n)]).is_err() {
            break errors.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        n += 1;
        if let Ok(full) = errors.recv_timeout(Duration::from_millis(1)) {
            break full;
        }
    };
    assert_eq!(full, Ok(()));
    // The facts that were flushed before are still there.
    let disk = FaultyDisk::holding(disk.image(Image::Synced), None);
    let store = Store::on_disk(disk, APPLICATION).unwrap();
    assert!(facts(&store).unwrap() <= n);
}

#[test]
fn an_abandoned_journal_writes_nothing_more_and_its_threads_end() {
    let folder = Folder::new("abandoned");
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    fill(&store, 10);
    // With these options, the journal writes nothing within the hour.
    let hour = Duration::from_hours(1);
    let options = Options { lazy: hour, sync: hour, ..Options::new(|e| panic!("{e}")) };
    let journal = Journal::open(store.clone(), Vec::new(), options).unwrap();
    let writer = journal.writer("test");
    journal.append(&writer, 0, vec![fact(10)]).unwrap();
    journal.abandon();
    assert!(journal.append(&writer, 0, vec![fact(11)]).is_err());
    assert_eq!(std::sync::Arc::strong_count(&journal), 1, "no thread holds it");
    drop((writer, journal));
    assert_eq!(facts(&store).unwrap(), 10);
}
