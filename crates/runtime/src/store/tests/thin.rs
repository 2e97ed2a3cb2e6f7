//! A thinned segment replaces the whole one, whenever the machine dies.

use super::*;
use crate::chaos::faults::Contents;
use crate::parcel::{Packer, Record, Unpacker};
use crate::store::Thinned;
use crate::store::copy::{Make, Making};
use std::collections::BTreeSet;

/// Facts that stay.
fn stays(fact: &Fact<AnyBytes>) -> bool {
    fact.key.n.is_multiple_of(7)
}

/// The rows of all facts. Each has the fact that was written there.
fn rows(store: &Store) -> BTreeSet<u64> {
    let mut rows = BTreeSet::new();
    let scanned = store.scan(0, &mut |row, seen: Fact<AnyBytes>| {
        assert_eq!(seen.body, fact(u32::try_from(row).unwrap() - 1), "row {row}");
        rows.insert(row);
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    rows
}

/// What the rows are before and after everything up to `last` is thinned.
fn whole_and_thin(last: u64) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let thin = (1..=1_000).filter(|row| *row > last || row.is_multiple_of(7)).collect();
    ((1..=1_000).collect(), thin)
}

/// The last row of the second of the segments, and the first row of the next one.
fn two(store: &Store) -> (u64, u64) {
    let second = store.segments_from(0).unwrap()[1];
    (second.last, second.last + 1)
}

#[test]
fn what_stays_of_a_thinned_segment_is_read_where_it_was() {
    let folder = Folder::new("thinned");
    drop(whole(&folder));
    let store = Store::open(&folder.file(), APPLICATION).unwrap();
    seal(&store);
    let (last, next) = two(&store);
    // A row in the middle of a segment thins only those before it.
    let Thinned { segments, facts, before, after } = store.thin(next + 3, &mut stays).unwrap();
    let (_, thin) = whole_and_thin(last);
    assert_eq!((segments, facts), (2, 1_000 - thin.len() as u64));
    assert!(after < before, "{after} of {before}");
    assert_eq!(rows(&store), thin);
    assert_eq!((store.whole_from().unwrap(), store.removed().unwrap()), (next, facts));
    assert_eq!(store.whole_before(next + 3).unwrap(), (0, 0));
    let names = || fs::read_dir(folder.0.join("live.segments")).unwrap();
    let ends = |end: &str| {
        names().filter(|name| name.as_ref().unwrap().path().extension().unwrap() == end).count()
    };
    assert_eq!((ends("thin"), ends("segment") as u64), (2, store.segments().unwrap().0 - 2));
    // Readers by row and by block pass over what is gone.
    let journal: std::sync::Arc<Journal<AnyBytes>> =
        Journal::open(store.clone(), Vec::new(), Options::new(|e| panic!("{e}"))).unwrap();
    assert_eq!(journal.read(1, 10).unwrap()[0].first_row, 7);
    // A running journal thins as well, and keeps what it seals.
    let (mut reader, mut read) = (crate::store::Reader::at(1), BTreeSet::new());
    while reader.block(&store, &mut |row, _: Fact<AnyBytes>| _ = read.insert(row)).unwrap() {}
    assert_eq!(read, thin);
    let third = store.segments_from(next).unwrap()[0].last;
    assert_eq!(journal.thin(third + 1, &mut stays).unwrap().segments, 1);
    journal.close();
    assert_eq!(rows(&store), whole_and_thin(third).1);

    // A copy has the same facts.
    let mut packer = Packer::new(Vec::new()).unwrap();
    store.look_at().unwrap().copy(&mut |record| packer.put(record)).unwrap();
    let bytes = packer.finish().unwrap();
    let copy = folder.0.join("copy.redb");
    let mut making = Making::begin(Make::Store, &copy).unwrap();
    let mut unpacker = Unpacker::new(&bytes[..]).unwrap();
    while let Some(record) = unpacker.record().unwrap() {
        assert!(!matches!(record, Record::About(_) | Record::Part(_)));
        making.put(record).unwrap();
    }
    making.finish().unwrap();
    let copy = Store::open(&copy, APPLICATION).unwrap();
    assert_eq!(rows(&copy), rows(&store));
    assert_eq!(copy.whole_from().unwrap(), store.whole_from().unwrap());
}

/// Two segments are thinned on a disk with these contents that dies at an operation; the disk.
fn dying(contents: &Contents, before: u64, at: u64) -> FaultyDisk {
    let disk = FaultyDisk::holding(contents.clone(), Some(at));
    // The disk may die while the file is opened.
    if let Ok(store) = Store::on_disk(disk.clone(), APPLICATION) {
        drop(store.thin(before, &mut stays));
    }
    disk
}

#[test]
fn a_machine_that_dies_while_a_segment_is_thinned_leaves_the_old_or_the_new_one() {
    let disk = FaultyDisk::holding(Vec::new(), None);
    let store = Store::on_disk(disk.clone(), APPLICATION).unwrap();
    fill(&store, 1000);
    seal(&store);
    let (last, next) = two(&store);
    let first = store.segments_from(0).unwrap()[0].last;
    drop(store);
    let contents = disk.image(Image::Everything);
    let (whole, thin) = whole_and_thin(last);
    // The newest is thinned first.
    let half: BTreeSet<u64> =
        (1..=1_000).filter(|row| *row <= first || thin.contains(row)).collect();
    let (mut seen, mut at) = (BTreeSet::new(), 1);
    loop {
        let disk = dying(&contents, next, at);
        let died = disk.is_dead();
        for image in [Image::Synced, Image::Everything, Image::Sectors(at)] {
            let after = FaultyDisk::holding(disk.image(image), None);
            let store = Store::on_disk(after.clone(), APPLICATION).unwrap();
            let found = rows(&store);
            let which = [&whole, &half, &thin].iter().position(|rows| **rows == found);
            seen.insert(which.unwrap_or_else(|| panic!("operation {at}, {image:?}: {found:?}")));
            // The next start removes what is not named.
            fill(&store, 0);
            let named = store.segments().unwrap().0;
            assert_eq!(after.file_names().unwrap().len() as u64, named, "operation {at}");
            assert_eq!(rows(&store), found);
            store.thin(next, &mut stays).unwrap();
            assert_eq!(rows(&store), thin, "operation {at}: it goes on");
        }
        if !died {
            break;
        }
        at += 1;
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2]));
    assert!(at > 5, "{at} operations are few");
}
