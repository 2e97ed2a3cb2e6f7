//! Opens the files of a data directory for a daemon.
//!
//! The folder is locked before any file in it is made. Of two daemons that start together, one gets
//! all files and the other none. The journal is made before the history. A history with facts
//! proves that there was a journal, and no new journal is begun beside it.

use super::{Watch, identity, real_money};
use crate::audit::store_failure;
use crate::chaos::process::Step;
use crate::daemon_run::{APPLICATION, Connection, LIVE_FILE};
use everwarm_api::chance;
use everwarm_config::{Config, Sources};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::ClientOrderId;
use everwarm_history as history;
use everwarm_history::projection::projected_through;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::{Chaos, Site};
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::files::{Lock, is_full};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckedStore, Store, StoreError};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::LiveView;
use everwarm_words::text::{count, shell_word};
use std::fs;
use std::io::{Error, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long locked files are tried, before another daemon counts as their holder.
const HELD: Duration = Duration::from_secs(2);
/// Requests to the venue for our orders, at most.
const TRIES: u32 = 5;
/// Facts at the start of a journal among which the start of a first daemon is searched.
const WORDS: u32 = 1_000;
/// Receive window of that request, milliseconds.
const RECV_WINDOW: i64 = 5_000;
/// Prefix of the order ids of an emergency sale, which uses no journal.
const BY_HAND: &str = "ew-panic-";

/// The open files. The folder stays locked until this is dropped.
pub struct Opened {
    /// The live file.
    pub store: Store,
    /// The history.
    pub archive: Arc<Archive>,
    /// The name for a new installation; used where the journal has none.
    pub installation: String,
    /// Whether no daemon ever ran on the journal, and no new installation was requested.
    is_doubtful: bool,
    _lock: Option<Lock>,
}

/// Opens the files, and writes notes of the market and the start beside them. Also returns the
/// confirmation in force; none where money is not real.
///
/// # Errors
/// The files cannot be opened, real money is not confirmed, or a note cannot be written.
pub async fn begin(
    config: &Config,
    sources: &Sources,
    traded: &str,
    (watch, chaos): (&Watch, &Chaos),
) -> Result<(Opened, Option<LiveView>), Failure> {
    let opened = open_when_free(config, sources.new_installation, watch, chaos).await?;
    let confirmed = real_money::confirmed(config, (&opened.store, &opened.archive))?;
    identity::note(&config.data_dir, traded)?;
    identity::started(&config.data_dir, sources.file.as_deref(), &sources.flags)?;
    Ok((opened, confirmed))
}

/// Opens the files, and retries while they are locked. A daemon killed while it starts its exchange
/// leaves them locked by that child, until the child has become the exchange.
///
/// # Errors
/// Another process holds them, they cannot be used, or the journal is missing.
async fn open_when_free(
    config: &Config,
    new_installation: bool,
    watch: &Watch,
    chaos: &Chaos,
) -> Result<Opened, Failure> {
    let began = clock::now();
    loop {
        let lock = lock(&config.data_dir);
        match lock.and_then(|lock| open(config, new_installation, lock, (watch, chaos))) {
            Err(held) if held.exit == Exit::Held && began.elapsed() < HELD => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

/// Opens the files once.
///
/// # Errors
/// As for [`open_when_free`].
pub fn open_now(config: &Config, watch: &Watch, chaos: &Chaos) -> Result<Opened, Failure> {
    open(config, false, lock(&config.data_dir)?, (watch, chaos))
}

/// Locks the folder; none where the file system has no such locks. The files have their own locks.
fn lock(dir: &Path) -> Result<Option<Lock>, Failure> {
    match Lock::folder(dir) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => {
            let text = format!(
                "{} is used by another process: stop it, or choose another --data-dir",
                dir.display()
            );
            Err(Failure::new(Exit::Held, text))
        }
        Err(e) => {
            tracing::warn!("{} cannot be locked, only its files: {e}", dir.display());
            Ok(None)
        }
    }
}

fn open(
    config: &Config,
    new_installation: bool,
    lock: Option<Lock>,
    (watch, chaos): (&Watch, &Chaos),
) -> Result<Opened, Failure> {
    let dir = &config.data_dir;
    let (live, past) = (dir.join(LIVE_FILE), dir.join(history::FILE));
    // Both files are checked before either is written.
    let began = clock::now();
    let checked = Store::check(&live, APPLICATION).map_err(|e| store_failure(&e))?;
    chaos.point(Site::AfterResume, "open");
    let checking = began.elapsed();
    let began = clock::now();
    let mut kept = Archive::check(&past)?;
    let looking = began.elapsed();
    let is_new = checked.as_ref().map_or(Ok(true), |checked| checked.store().is_new());
    let is_new = is_new.map_err(|e| store_failure(&e))?;
    if is_new {
        let through = kept.as_ref().map_or(Ok(0), |kept| projected_through(kept.archive()))?;
        if let Some(why) = remains(dir, through)? {
            if !new_installation {
                return Err(gone(dir, &why));
            }
            drop(kept.take());
            set_aside(dir)?;
        }
    } else if new_installation {
        let text = format!(
            "{} exists, so --new-installation is not possible: start without it",
            live.display()
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let installation = new_installation.then(name).transpose()?;
    let began = clock::now();
    watch.enter(Step::Repair);
    let repair = |checked: CheckedStore| checked.accept(chaos);
    let store = checked.map_or_else(|| Store::open(&live, APPLICATION), repair);
    let store = store.map_err(|e| store_failure(&e))?;
    let size = store.file_bytes() / 1024;
    watch.step("open the journal", checking + began.elapsed(), format!("{size} kB"));
    let began = clock::now();
    let archive = Arc::new(match kept {
        Some(kept) => kept.accept()?,
        None => Archive::open(&past)?,
    });
    watch.step("open the history", looking + began.elapsed(), String::new());
    let is_doubtful = installation.is_none() && !has_begun(&store)?;
    let installation = installation.unwrap_or_else(|| config.installation.clone());
    Ok(Opened { store, archive, installation, is_doubtful, _lock: lock })
}

/// Whether a daemon ever ran on the journal. Operator inputs, like a confirmation of real money,
/// may come before the first start.
fn has_begun(store: &Store) -> Result<bool, Failure> {
    let (mut begun, mut left) = (false, WORDS);
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        begun = matches!(fact.body, Body::Operator(Operator::Started { .. }));
        left -= 1;
        if begun || left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match scanned {
        Ok(()) => Ok(begun),
        // A missing segment held facts.
        Err(StoreError::Torn { .. }) => Ok(true),
        Err(e) => Err(store_failure(&e)),
    }
}

/// Remains in the folder that only a journal leaves. `through` is the last row of the journal in
/// the history.
fn remains(dir: &Path, through: u64) -> Result<Option<String>, Failure> {
    if through > 0 {
        let facts = count(through, "fact");
        return Ok(Some(format!(
            "{} was made from {facts} of it",
            dir.join(history::FILE).display()
        )));
    }
    let packed = dir.join(LIVE_FILE).with_extension("segments");
    let files = match fs::read_dir(&packed) {
        Err(e) if e.kind() == ErrorKind::NotFound => 0,
        files => files.map_err(|e| failed(&packed, &e))?.count(),
    };
    let text = || format!("{} holds {} of it", packed.display(), count(files as u64, "segment"));
    Ok((files > 0).then(text))
}

/// The failure for a journal that is missing.
fn gone(dir: &Path, why: &str) -> Failure {
    let file = dir.join(LIVE_FILE);
    let (file, word) = (file.display(), shell_word(&dir.display().to_string()));
    let text = format!(
        "the journal {file} is missing: {why}. A new journal would forget open orders and \
         positions, so nothing was started. Restore the newest backup into another directory: \
         everwarm restore FILE --data-dir DIR. Without a backup, start with new order ids: \
         everwarm run --new-installation --data-dir {word}"
    );
    Failure::new(Exit::Foreign, text)
}

/// Renames the remains of a missing journal, so that they are kept.
fn set_aside(dir: &Path) -> Result<(), Failure> {
    let now = wall().utc();
    for path in [dir.join(LIVE_FILE).with_extension("segments"), dir.join(history::FILE)] {
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".before-{now}"));
        match fs::rename(&path, PathBuf::from(&aside)) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(failed(&path, &e)),
            Ok(()) => {
                tracing::warn!("{} is renamed to {}", path.display(), aside.display());
            }
        }
    }
    Ok(())
}

/// A random name for a new installation.
fn name() -> Result<String, Failure> {
    let chance = chance().map_err(|e| failed(Path::new("/dev/urandom"), &e))?;
    Ok(format!("i-{}", &chance[..14]))
}

fn failed(place: &Path, error: &Error) -> Failure {
    let exit = if is_full(error) { Exit::DiskFull } else { Exit::Failed };
    Failure::new(exit, format!("{}: {error}", place.display()))
}

impl Opened {
    /// Refuses a fresh journal if the venue has orders of ours: a missing journal sent them. If the
    /// venue does not respond, the daemon trades. An open order that it does not know then halts
    /// it.
    ///
    /// # Errors
    /// The venue has orders of ours.
    pub async fn refuse_orders_of_ours(
        &self,
        dir: &Path,
        connection: &Connection,
    ) -> Result<(), Failure> {
        let tries = if self.is_doubtful { TRIES } else { 0 };
        let mut wait = Duration::from_millis(50);
        for _ in 0..tries {
            match orders_of_ours(connection).await {
                Ok(None) => return Ok(()),
                Ok(Some(id)) => return Err(gone(dir, &format!("the venue has its order {id}"))),
                Err(why) => tracing::info!(why, "the venue is queried for our orders again"),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Ok(())
    }
}

/// Id of an order of ours at the venue. Searches all orders of a simulated exchange, and only open
/// orders elsewhere.
async fn orders_of_ours(connection: &Connection) -> Result<Option<String>, String> {
    let ours = |id: &String| ClientOrderId(id.clone()).is_ours() && !id.starts_with(BY_HAND);
    if let Some(admin) = &connection.admin {
        let books = admin.ledger().await.map_err(|e| e.to_string())?;
        let orders = books["orders"].as_array().cloned().unwrap_or_default();
        let ids = orders.iter().filter_map(|order| order["client_order_id"].as_str());
        return Ok(ids.map(str::to_owned).find(ours));
    }
    let venue = connection.ports(RECV_WINDOW)?.venue;
    venue.server_time().await.map_err(|e| e.to_string())?;
    let open = venue.open_orders(None).await.map_err(|e| e.to_string())?;
    Ok(open.into_iter().map(|order| order.client_id.0).find(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_name_is_one_that_is_taken_and_never_the_same() {
        let (one, other) = (name().unwrap(), name().unwrap());
        assert!(one != other && one.len() == 16, "{one} {other}");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        assert!(one.bytes().all(plain), "{one}");
    }
}
