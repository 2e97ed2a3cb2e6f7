//! Backups: packs all data of one moment while the daemon trades, and restores a data directory.
//!
//! The history is read before the journal, so the packed history is never ahead. A restored
//! directory begins a new epoch. It does not know the orders sent after the backup, and no order of
//! it may have the id of one of these. A restore in progress keeps a folder in the directory, and
//! no daemon starts while that exists.

use super::export::without;
use super::operator_input::{Whole, in_files};
use super::{EXCHANGE, identity, venue_usage};
use crate::audit::store_failure;
use crate::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_api::TOKEN_FILE;
use everwarm_config::last_start;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::retention::Retention;
use everwarm_edge::world::World;
use everwarm_history as history;
use everwarm_runtime::clock::wall;
use everwarm_runtime::files::sync_name;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::parcel::{Packer, Record};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::copy::{ArchiveLook, CopyError, Make, Making, StoreLook};
use everwarm_runtime::store::{Keep, Store, StoreError, StoredLoop};
use everwarm_views::audit::AUDIT_FILE;
use everwarm_views::backup::{self, About, FORMAT, HISTORY, JOURNAL, NOTES, Pack, RestoredView};
use everwarm_views::emergency;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::views::VERSION;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Small files of a data directory that a backup includes. None holds a secret.
const KEPT: [&str; 2] = [identity::FILE, AUDIT_FILE];
/// What belongs to the venue: a wipe leaves it, and a restore may find it.
const OF_THE_VENUE: [&str; 2] = [EXCHANGE, venue_usage::FILE];
/// Small files that a daemon makes again if it needs them. A killed one leaves its addresses.
const MADE: [&str; 4] = [TOKEN_FILE, last_start::FILE, emergency::FILE, everwarm_api::FILE];
/// Bytes of one record of a small file.
const PIECE: u64 = 256 << 10;

/// Packs the data of a running daemon.
pub fn of(world: &World, data_dir: &Path) -> Arc<Pack> {
    let (journal, archive) = (Arc::clone(&world.journal), Arc::clone(&world.archive));
    let data_dir = data_dir.to_owned();
    Arc::new(move |out| pack(journal.store(), Some(&archive), None, &data_dir, out))
}

/// Packs the files of a data directory that no process holds, without changing them.
///
/// # Errors
/// There are no files, a process holds them, or they cannot be read or packed.
pub fn offline(data_dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let live = data_dir.join(LIVE_FILE);
    if !live.exists() {
        return Err(Failure::no_daemon(data_dir));
    }
    let store = Store::look(&live, APPLICATION).map_err(|e| store_failure(&e))?;
    let archive = Archive::look(&data_dir.join(history::FILE))?;
    pack(&store, archive.as_ref(), None, data_dir, out)
}

/// What an export has of a journal.
#[derive(Clone, Copy)]
pub(super) struct Books<'a> {
    /// The states from which the facts can be derived again that follow.
    pub end: &'a StoredLoop<Body>,
    /// Whether no facts are left out. Then all are derived again, which needs the fetched bars.
    pub is_young: bool,
}

impl<'a> Books<'a> {
    /// Of the journal up to these states.
    pub(super) fn of(store: &Store, end: &'a StoredLoop<Body>) -> Result<Books<'a>, Failure> {
        let sealed = || Ok(store.whole_before(end.row)?.0 > 0 || store.whole_from()? > 1);
        let is_young = !sealed().map_err(|e: StoreError| store_failure(&e))?;
        Ok(Books { end, is_young })
    }
}

/// Packs a data directory. With the books of the journal, it packs an export: only what cannot be
/// made again.
pub(super) fn pack(
    store: &Store,
    archive: Option<&Archive>,
    books: Option<Books<'_>>,
    data_dir: &Path,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    packed(looks(store, archive)?, books, data_dir, out)
}

/// The history and the journal, as read transactions see them.
pub(super) type Looks = (Option<ArchiveLook>, StoreLook);

/// Looks at the files of a data directory.
pub(super) fn looks(store: &Store, archive: Option<&Archive>) -> Result<Looks, Failure> {
    let unreadable = |e: StoreError| store_failure(&e);
    let archive = archive.map(Archive::look_at).transpose().map_err(unreadable)?;
    Ok((archive, store.look_at().map_err(unreadable)?))
}

/// Packs what was looked at, as [`pack`] does.
pub(super) fn packed(
    (archive, journal): Looks,
    books: Option<Books<'_>>,
    data_dir: &Path,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let about = About {
        format: FORMAT,
        version: VERSION.to_owned(),
        taken: wall().utc(),
        life: journal.life,
        row: journal.row,
        export: books.is_some(),
    };
    let about = serde_json::to_vec(&about).expect("plain values");
    let packed = || -> Result<(), CopyError> {
        let mut packer = Packer::new(out)?;
        packer.put(Record::About(&about))?;
        packer.put(Record::Part(JOURNAL))?;
        match books {
            None => journal.copy(&mut |record| packer.put(record))?,
            Some(Books { end, .. }) => {
                let mut retention = Retention::default();
                let keep: &mut Keep<'_, Body> = &mut |fact| retention.stays(fact);
                journal.copy_thinned(end, keep, &mut |record| packer.put(record))?;
            }
        }
        if let Some(archive) = archive {
            packer.put(Record::Part(HISTORY))?;
            match books {
                None | Some(Books { is_young: true, .. }) => {
                    archive.copy(&mut |record| packer.put(record))?;
                }
                Some(_) => archive.copy(&mut without(|record| packer.put(record)))?,
            }
        }
        packer.put(Record::Part(NOTES))?;
        for name in KEPT {
            note(&mut packer, data_dir, name)?;
        }
        packer.finish()?;
        Ok(())
    };
    packed().map_err(|e| match e {
        CopyError::Source(e) => store_failure(&e),
        CopyError::Target(e) => backup::failed(Path::new("the backup"), &e),
    })
}

fn note<W: Write>(packer: &mut Packer<W>, data_dir: &Path, name: &str) -> io::Result<()> {
    let file = match File::open(data_dir.join(name)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    packer.put(Record::File(name))?;
    loop {
        let mut piece = Vec::new();
        if (&file).take(PIECE).read_to_end(&mut piece)? == 0 {
            return Ok(());
        }
        packer.put(Record::Bytes(&piece))?;
    }
}

/// Restores a backup into an empty folder or a new one.
///
/// # Errors
/// The backup is incomplete, the folder is not empty, or it cannot be written. The folder is then
/// unchanged.
pub fn restore(file: &Path, data_dir: &Path) -> Result<RestoredView, Failure> {
    empty(data_dir)?;
    let about = backup::check(file)?.about;
    clear(data_dir)?;
    let staging = data_dir.join(identity::RESTORING);
    fs::create_dir_all(&staging).map_err(|e| backup::failed(&staging, &e))?;
    let made = unpack(file, &staging).and_then(|()| raise(&staging));
    let (facts, before) = match made {
        Ok(made) => made,
        Err(failure) => {
            clear(data_dir)?;
            return Err(failure);
        }
    };
    place(data_dir, &staging).map_err(|e| backup::failed(data_dir, &e))?;
    let (installation, epoch_before, epoch) = before.unwrap_or_default();
    Ok(RestoredView {
        data_dir: data_dir.display().to_string(),
        taken: about.taken,
        facts,
        installation,
        epoch_before,
        epoch,
    })
}

/// Refuses a folder that is not empty, except for an unfinished restore.
fn empty(data_dir: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(data_dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| backup::failed(data_dir, &e))?,
    };
    let of_the_venue = |name: OsString| OF_THE_VENUE.iter().any(|of| name == **of);
    let ours = entries.flatten().filter(|entry| !of_the_venue(entry.file_name())).count();
    if ours == 0 || data_dir.join(identity::RESTORING).exists() {
        return Ok(());
    }
    let text = format!(
        "{} is not empty; nothing was changed. Choose a new directory: --data-dir DIR",
        data_dir.display()
    );
    Err(Failure::new(Exit::Refused, text))
}

/// The files that a restore creates, in their order. Without the last one, no daemon starts.
fn products() -> [PathBuf; 5] {
    let live = Path::new(LIVE_FILE);
    let [market, audit] = KEPT.map(PathBuf::from);
    [live.with_extension("segments"), history::FILE.into(), market, audit, live.into()]
}

/// Removes the files of an unfinished restore or wipe.
fn clear(data_dir: &Path) -> Result<(), Failure> {
    let staging = data_dir.join(identity::RESTORING);
    if !staging.exists() {
        return Ok(());
    }
    remove(products().map(|name| data_dir.join(name)).iter().chain([&staging]))
}

/// Removes files and folders, as far as they are there.
fn remove<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    for path in paths {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(backup::failed(path, &e)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes the files of a daemon, except those of the venue. If it is interrupted, no
/// daemon starts before another wipe or a restore.
pub(super) fn remove_all(data_dir: &Path) -> Result<(), Failure> {
    let staging = data_dir.join(identity::RESTORING);
    let marked = fs::create_dir_all(&staging).and_then(|()| sync_name(&staging));
    marked.map_err(|e| backup::failed(&staging, &e))?;
    remove(MADE.map(|name| data_dir.join(name)).iter())?;
    clear(data_dir)
}

/// Bytes of the files that a restore creates.
pub(super) fn bytes(data_dir: &Path) -> u64 {
    let of = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
    let all = products().map(|name| data_dir.join(name));
    let files = |path: &PathBuf| match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| of(&entry.path())).sum(),
        Err(_) => of(path),
    };
    all.iter().map(files).sum()
}

/// Moves every file to its place; removes the staging folder last.
fn place(data_dir: &Path, staging: &Path) -> io::Result<()> {
    for name in products() {
        match fs::rename(staging.join(&name), data_dir.join(&name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
    }
    sync_name(staging)?;
    fs::remove_dir_all(staging)?;
    sync_name(staging)
}

/// The file being unpacked.
enum Target {
    Nothing,
    File(Box<Making>),
    Notes(Option<File>),
}

fn unpack(file: &Path, staging: &Path) -> Result<(), Failure> {
    let mut target = Target::Nothing;
    let unwritten = |e: io::Error| backup::failed(staging, &e);
    let odd = |what: &str| {
        let text = format!("{}: {what} does not belong in a data directory", file.display());
        Failure::new(Exit::Foreign, text)
    };
    let made = |making: Result<Making, StoreError>| {
        making.map(|making| Target::File(Box::new(making))).map_err(|e| store_failure(&e))
    };
    backup::each(file, &mut |record| {
        if let Record::Part(name) = record {
            finish(std::mem::replace(&mut target, Target::Nothing), staging)?;
            target = match name {
                JOURNAL => made(Making::begin(Make::Store, &staging.join(LIVE_FILE)))?,
                HISTORY => made(Making::begin(Make::Archive, &staging.join(history::FILE)))?,
                NOTES => Target::Notes(None),
                other => return Err(odd(other)),
            };
            return Ok(());
        }
        match (&mut target, record) {
            (Target::File(making), record) => making.put(record).map_err(|e| store_failure(&e)),
            (Target::Notes(note), Record::File(name)) if KEPT.contains(&name) => {
                *note = Some(File::create(staging.join(name)).map_err(unwritten)?);
                Ok(())
            }
            (Target::Notes(Some(note)), Record::Bytes(bytes)) => {
                note.write_all(bytes).and_then(|()| note.sync_all()).map_err(unwritten)
            }
            (Target::Notes(_) | Target::Nothing, _) => Err(odd("a record")),
        }
    })?;
    finish(target, staging)
}

fn finish(target: Target, staging: &Path) -> Result<(), Failure> {
    match target {
        Target::File(making) => making.finish().map_err(|e| store_failure(&e)),
        Target::Nothing | Target::Notes(_) => {
            File::open(staging).and_then(|f| f.sync_all()).map_err(|e| backup::failed(staging, &e))
        }
    }
}

/// Installation, the epoch before, and the new epoch; none where no run had begun.
type Raised = Option<(String, u64, u64)>;

/// Reads every fact, and begins a run with a new epoch. No other restore of a backup of the same
/// journal has that epoch.
fn raise(staging: &Path) -> Result<(u64, Raised), Failure> {
    in_files(staging, |journal: &Journal<Body>| {
        let (mut facts, mut identity) = (0_u64, None);
        Whole(journal).each(0, &mut |_, fact| {
            facts += 1;
            if let Body::Operator(Operator::Started { installation, epoch, .. }) = &fact.body {
                identity = Some((installation.clone(), *epoch));
            }
            ControlFlow::Continue(())
        })?;
        let Some((installation, before)) = identity else { return Ok(((facts, None), 0)) };
        let now = u64::try_from(wall().utc() / 1000).unwrap_or_default();
        let epoch = now.max(before + 1);
        let life = journal.life();
        let started = Operator::Started { life, installation: installation.clone(), epoch };
        let writer = journal.writer(super::operator_input::NAME);
        let appended = journal.append(&writer, i64::MIN, vec![Body::Operator(started)]);
        let row = appended.map_err(super::operator_input::ended)?.row;
        Ok(((facts, Some((installation, before, epoch))), row))
    })
}
