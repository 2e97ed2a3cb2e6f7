//! Runs the built program under real SIGKILLs: several lives on one data directory, each killed at
//! a chosen moment. At the end, compares the content of the directory.
//!
//! Over 500 lines: one life of a process under SIGKILL, from its start to what is compared.

use super::compare::{self, Derived, Picture, StopOrders};
use super::interrupt;
use super::invariants::Invariants;
use super::invariants::announced::Announced;
use super::invariants::cursors::Cursors;
use super::invariants::followed;
use super::invariants::moving::{Moving, Waits};
use super::invariants::reservations::managed;
use super::process::{PROTOCOL, REACHED, SEALING, STEP, STRIKES, Step};
use crate::audit::{self, StoreFacts};
use crate::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_cli::offline::catch_up;
use everwarm_history as history;
use everwarm_history::Projector;
use everwarm_runtime::chaos::PlannedFault;
use everwarm_runtime::clock;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use everwarm_sim::books::Books;
use everwarm_sim::market::{Market, Recording, stocks};
use everwarm_sim::server::port::PortFile;
use everwarm_sim::server::requests;
use everwarm_sim::{InitialBooks, Pace, Protocol, SimOptions, start};
use everwarm_venue::simulated::Admin;
use serde_json::Value;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wall time, less waits for a processor or the disk, in which a life that is not stuck appends
/// another close. At each close it writes its files.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where the venue is faulty: the life may have to wait for it.
pub const PATIENCE_FAULTY: Duration = Duration::from_mins(1);

/// Wall time after which a life counts as endless even if it still writes.
const LONG: Duration = Duration::from_hours(1);

/// Wall time between checks of a life: the life needs the processors more.
pub(super) const LOOK: Duration = Duration::from_micros(100);

/// Wall time between checks whether the files of a life have changed.
const LOOK_AT_FILES: Duration = Duration::from_millis(50);

/// Files of which a life that makes progress writes at least one now and then.
const GROWING: [&str; 5] = [STEPS[0], STEPS[1], LIVE_FILE, "live.segments", history::FILE];

/// Wall time in which one of two processes must give way.
const GIVES_WAY: Duration = Duration::from_secs(20);
/// Exit code of the process that gives way.
const HELD_CODE: i32 = 6;

/// Wall time for which a locked file is tried again.
const HELD: Duration = Duration::from_mins(1);

/// A program that plays a recording to its end.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The program.
    pub program: PathBuf,
    /// The recording.
    pub recording: PathBuf,
    /// Its description, where that is not beside it.
    pub description: Option<PathBuf>,
    /// The protocol of its exchange.
    pub protocol: Protocol,
    /// Further arguments.
    pub arguments: Vec<OsString>,
    /// Further environment variables.
    pub variables: Vec<(String, String)>,
    /// Sizes at which its journal is sealed, bytes: a segment, and the part that stays in the live
    /// file. None: the usual sizes.
    pub sealing: Option<(u64, u64)>,
    /// Wall time without progress, less waits for a processor or the disk, after which a life is
    /// stuck.
    pub patience: Duration,
}

/// When a life is killed.
#[derive(Clone, Debug)]
pub enum Moment {
    /// This long after the start.
    After(Duration),
    /// This long after the life entered this step, or a later one.
    In(Step, Duration),
    /// On entering this step; the life waits there for the kill.
    Reached(Step),
    /// The second duration after SIGTERM, which is sent the first duration after the life is live.
    Stopping(Duration, Duration),
    /// While the life waits at a kill point.
    At(PlannedFault),
    /// The first duration after SIGCONT. SIGSTOP is sent the first duration after the life is live,
    /// and lasts for the second.
    Continued(Duration, Duration),
    /// This long after the life is live. A second process was started at the same moment and had to
    /// give way.
    Alone(Duration),
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Killed, in this step.
    Killed(Option<Step>),
    /// Stopped in order after SIGTERM, before its moment.
    Stopped,
    /// Ended at the end of the recording, before its moment.
    Itself,
}

/// One life under a planned kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lived {
    /// How it ended.
    pub end: End,
    /// From its start until it was live; none: it never was.
    pub start: Option<Duration>,
}

/// How long a life took to become live, and from there to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// From the start until live.
    pub start: Duration,
    /// From live to the end.
    pub live: Duration,
}

/// One life.
struct Life<'a> {
    child: Child,
    dir: &'a Path,
    /// The file in which it reports its step.
    step: &'static str,
    began: Instant,
    /// From its start until it was live.
    start: Option<Duration>,
    /// When its files were checked last, and their signs then.
    looked: Instant,
    moving: Moving<Vec<Option<Sign>>>,
}

/// Length of a file, and its modification time: seconds and nanoseconds.
type Sign = (u64, i64, i64);

fn io(what: impl Display) -> impl Fn(std::io::Error) -> String {
    move |e| format!("{what}: {e}")
}

fn log(dir: &Path) -> PathBuf {
    dir.join("stderr.log")
}

fn reached_file(dir: &Path) -> PathBuf {
    dir.join("struck")
}

/// Names of the step files of a process, and of a second one beside it.
const STEPS: [&str; 2] = ["step", "step-beside"];

impl Subject {
    /// A program that plays a recording with the description beside it.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, recording: impl Into<PathBuf>) -> Subject {
        Subject {
            program: program.into(),
            recording: recording.into(),
            description: None,
            protocol: Protocol::default(),
            arguments: Vec::new(),
            variables: Vec::new(),
            sealing: None,
            patience: PATIENCE,
        }
    }

    fn begin<'a>(&self, dir: &'a Path, strikes: &[PlannedFault]) -> Result<Life<'a>, String> {
        for file in [reached_file(dir), dir.join(STEPS[0]), dir.join(STEPS[1])] {
            if let Err(e) = fs::remove_file(&file)
                && e.kind() != std::io::ErrorKind::NotFound
            {
                return Err(io(file.display())(e));
            }
        }
        let child = self.spawn(dir, STEPS[0], strikes)?;
        let (began, moving) = (clock::now(), Moving::new(self.patience));
        Ok(Life { child, dir, step: STEPS[0], began, start: None, looked: began, moving })
    }

    fn spawn(&self, dir: &Path, step: &str, strikes: &[PlannedFault]) -> Result<Child, String> {
        let errors = File::options().create(true).append(true).open(log(dir));
        let mut command = Command::new(&self.program);
        command.args(["run", "--pace", "lockstep", "--until-end", "--recording"]);
        command.arg(&self.recording).arg("--data-dir").arg(dir).args(&self.arguments);
        if let Some(description) = &self.description {
            command.arg("--recording-config").arg(description);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(errors.map_err(io(log(dir).display()))?);
        command.env(STEP, dir.join(step)).env(REACHED, reached_file(dir));
        // Set in every life, so that lives with and without kills have the same configuration.
        command.env("EVERWARM_CHAOS__ENABLED", "true");
        if self.protocol != Protocol::default() {
            command.env(PROTOCOL, self.protocol.to_string());
        }
        if !strikes.is_empty() {
            command.env(STRIKES, serde_json::to_string(strikes).map_err(|e| e.to_string())?);
        }
        if let Some((segment, keep)) = self.sealing {
            command.env(SEALING, format!("{segment},{keep}"));
        }
        command.spawn().map_err(io(self.program.display()))
    }

    /// One life, killed at its moment.
    ///
    /// # Errors
    /// It ended in an unexpected way, or is stuck before its moment.
    pub fn killed(&self, dir: &Path, when: &Moment) -> Result<Lived, String> {
        let strikes = match when {
            Moment::At(fault) => vec![fault.clone()],
            Moment::Reached(step) => step.strikes().to_vec(),
            Moment::After(_)
            | Moment::In(..)
            | Moment::Stopping(..)
            | Moment::Continued(..)
            | Moment::Alone(_) => Vec::new(),
        };
        let mut life = self.begin(dir, &strikes)?;
        if let Moment::Alone(_) = when {
            life.beside(self.spawn(dir, STEPS[1], &strikes)?)?;
        }
        let (mut there, mut signalled) = (None::<Instant>, None::<Instant>);
        loop {
            if life.is_over()? {
                let stopping = matches!(when, Moment::Stopping(..)) && signalled.is_some();
                let end = if stopping { End::Stopped } else { End::Itself };
                return Ok(Lived { end, start: life.start });
            }
            let is = life.look().map_err(|why| format!("{when:?} is never reached: {why}"))?;
            let mut since = |at: Step| {
                if there.is_none() && is >= Some(at) {
                    there = Some(clock::now());
                }
                there.map(|there| there.elapsed())
            };
            let due = match when {
                Moment::After(wait) => life.began.elapsed() >= *wait,
                Moment::In(at, wait) => since(*at).is_some_and(|there| there >= *wait),
                Moment::Stopping(trading, wait) => {
                    let there = since(Step::Live);
                    if signalled.is_none() && there.is_some_and(|there| there >= *trading) {
                        signal("-TERM", life.child.id())?;
                        signalled = Some(clock::now());
                    }
                    signalled.is_some_and(|at| at.elapsed() >= *wait)
                }
                Moment::At(_) | Moment::Reached(_) => reached_file(dir).exists(),
                Moment::Alone(wait) => since(Step::Live).is_some_and(|there| there >= *wait),
                Moment::Continued(trading, stands) => {
                    let there = since(Step::Live).is_some_and(|there| there >= *trading);
                    if signalled.is_none() && there {
                        signal("-STOP", life.child.id())?;
                        std::thread::park_timeout(*stands);
                        signal("-CONT", life.child.id())?;
                        signalled = Some(clock::now());
                    }
                    signalled.is_some_and(|at| at.elapsed() >= *trading)
                }
            };
            if due {
                break;
            }
            std::thread::park_timeout(LOOK);
        }
        let at = life.step();
        life.child.kill().and_then(|()| life.child.wait()).map_err(io("SIGKILL"))?;
        Ok(Lived { end: End::Killed(at), start: life.start })
    }

    /// Runs one life to the end of the recording.
    ///
    /// # Errors
    /// It gets stuck, or ends with an error.
    pub fn to_its_end(&self, dir: &Path) -> Result<Took, String> {
        let mut life = self.begin(dir, &[])?;
        while !life.is_over()? {
            life.look().map_err(|why| format!("it does not come to its end: {why}"))?;
            std::thread::park_timeout(LOOK);
        }
        let start = life.start.unwrap_or_default();
        Ok(Took { start, live: life.began.elapsed().saturating_sub(start) })
    }
}

impl Life<'_> {
    fn step(&self) -> Option<Step> {
        fs::read_to_string(self.dir.join(self.step)).ok()?.parse().ok()
    }

    /// Waits until one of two processes, started together, gives way. The other becomes this life.
    ///
    /// # Errors
    /// Neither gives way, or one ends for another reason.
    fn beside(&mut self, mut other: Child) -> Result<(), String> {
        let began = clock::now();
        let ended = loop {
            let mine = self.child.try_wait().map_err(io("the process"))?;
            let theirs = other.try_wait().map_err(io("the process beside it"))?;
            match (mine, theirs) {
                // The recording was over before the other one gave way.
                (Some(status), None) if status.success() => {}
                (None, Some(status)) if status.success() => {}
                (Some(mine), Some(theirs)) if mine.success() => break theirs,
                (Some(status), _) => {
                    std::mem::swap(&mut self.child, &mut other);
                    self.step = STEPS[1];
                    break status;
                }
                (None, Some(status)) => break status,
                (None, None) => {}
            }
            if began.elapsed() >= GIVES_WAY {
                drop(other.kill().and_then(|()| other.wait()));
                return Err("two were started at once, and none gave way".to_owned());
            }
            std::thread::park_timeout(LOOK);
        };
        // A process that starts after the other has ended finds nothing left to do.
        if ended.code() == Some(HELD_CODE) || ended.success() {
            return Ok(());
        }
        let printed = fs::read_to_string(log(self.dir)).unwrap_or_default();
        Err(format!("of two that were started at once one ended with {ended}: {printed}"))
    }

    /// The step it has reached.
    ///
    /// # Errors
    /// It makes no progress for too long, or this process was interrupted.
    fn look(&mut self) -> Result<Option<Step>, String> {
        interrupt::check()?;
        let at = self.step();
        if self.start.is_none() && at >= Some(Step::Live) {
            self.start = Some(self.began.elapsed());
        }
        if self.began.elapsed() >= LONG {
            return Err(format!("it goes on for {LONG:?} already"));
        }
        if self.looked.elapsed() >= LOOK_AT_FILES {
            let sign = |file: &fs::Metadata| (file.len(), file.mtime(), file.mtime_nsec());
            let file = |name: &&str| fs::metadata(self.dir.join(name)).ok().as_ref().map(sign);
            let now = GROWING.iter().map(file).collect();
            self.looked = clock::now();
            let exchange = PortFile::read(&self.dir.join("exchange")).ok().flatten();
            let both = || [Some(self.child.id()), exchange.map(|file| file.pid)];
            let waits = || Waits::of(&both().into_iter().flatten().collect::<Vec<u32>>());
            if !self.moving.is(now, self.looked, waits) {
                let step = at.map_or("its beginning", Step::name);
                return Err(format!("nothing new for {:?}, in {step}", self.moving.within()));
            }
        }
        Ok(at)
    }

    /// Whether it has ended in order.
    fn is_over(&mut self) -> Result<bool, String> {
        match self.child.try_wait().map_err(io("the process"))? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => {
                let printed = fs::read_to_string(log(self.dir)).unwrap_or_default();
                Err(format!("it ended with {status}: {printed}"))
            }
        }
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        // A failed check must not leave the process running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(super) fn signal(name: &str, pid: u32) -> Result<(), String> {
    let sent = Command::new("kill").args([name, &pid.to_string()]).output();
    sent.map(drop).map_err(io("kill"))
}

/// Kills the exchange of a data directory; false where none runs.
///
/// # Errors
/// No signal can be sent.
pub fn kill_exchange(dir: &Path) -> Result<bool, String> {
    let Ok(Some(file)) = PortFile::read(&dir.join("exchange")) else { return Ok(false) };
    signal("-KILL", file.pid).map(|()| true)
}

/// The picture of a directory, and the invariants that do not hold.
///
/// # Errors
/// It cannot be read.
pub fn picture(dir: &Path, subject: &Subject) -> Result<(Picture, Vec<String>), String> {
    let store = look(&dir.join(LIVE_FILE))?;
    let facts = StoreFacts(store);
    let archive = Archive::open(&dir.join(history::FILE)).map_err(|e| e.to_string())?;
    let archive = Arc::new(archive);
    let mut projector = Projector::new(Arc::clone(&archive)).map_err(|e| e.to_string())?;
    catch_up(&mut projector, &facts).map_err(|e| e.to_string())?;
    let (mut derived, mut invariants) = (Derived::default(), Invariants::default());
    let mut stops = StopOrders::default();
    let scanned = facts.0.scan(0, &mut |_, fact| {
        derived.see(&fact);
        stops.see(&fact);
        invariants.see(&fact);
        ControlFlow::Continue(())
    });
    scanned.map_err(|e| e.to_string())?;
    let mut ours = compare::public(&archive, &stops)?;
    ours.extend(derived.lines());
    let audit = audit::verify(&facts, &archive).map_err(|e| e.to_string())?;
    let problems = audit.problems.iter().map(|p| format!("verify: {} {}", p.key, p.text));
    let books = books(dir, subject)?;
    let mut wrong = invariants.end(&books, managed(&facts.0)?);
    wrong.extend(problems);
    Ok((Picture { ours, theirs: compare::ledger(&books) }, wrong))
}

/// Checks a directory after each killed life.
#[derive(Debug, Default)]
pub struct Left {
    cursors: Cursors<u16>,
    announced: Announced,
    /// The last row that was read.
    row: u64,
}

impl Left {
    /// Checks that every invariant holds after the last life.
    ///
    /// # Errors
    /// The first invariant that does not hold, or why the directory cannot be read.
    pub fn holds(&mut self, dir: &Path) -> Result<(), String> {
        self.look(dir)?.into_iter().next().map_or(Ok(()), Err)
    }

    /// The invariants that do not hold after the last life.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn look(&mut self, dir: &Path) -> Result<Vec<String>, String> {
        // The request log is read first: the journal on disk then covers every request in it.
        let asked = requests::read(&dir.join("exchange")).map_err(io("the request log"))?;
        let path = dir.join(LIVE_FILE);
        if !path.exists() {
            return Ok(self.announced.check(&asked));
        }
        let store = look(&path)?;
        let found = store.recover().map_err(|e| e.to_string())?;
        let mut broken = self.cursors.found(found.progress(), found.row);
        let scanned = store.scan(self.row + 1, &mut |row, fact| {
            self.row = row;
            self.announced.see(&fact);
            ControlFlow::Continue(())
        });
        scanned.map_err(|e| e.to_string())?;
        broken.extend(self.announced.check(&asked));
        let archive = once_free(|| Ok(Archive::look(&dir.join(history::FILE))?))?;
        broken.extend(followed::check(&store, archive.as_ref())?);
        Ok(broken)
    }
}

/// Opens a live file for reading only.
fn look(path: &Path) -> Result<Store, String> {
    once_free(|| Store::look(path, APPLICATION))
}

/// Opens a file of a killed daemon. A child that the daemon was starting holds the file until it
/// has become the exchange.
fn once_free<T>(open: impl Fn() -> Result<T, StoreError>) -> Result<T, String> {
    let began = clock::now();
    loop {
        match open() {
            Err(StoreError::Held(_)) if began.elapsed() < HELD => std::thread::park_timeout(LOOK),
            opened => return opened.map_err(|e| e.to_string()),
        }
    }
}

/// The books of the exchange, requested from an exchange that opens its files again.
fn books(dir: &Path, subject: &Subject) -> Result<Value, String> {
    let recording = Recording::open(&subject.recording, subject.description.as_deref());
    let recording = recording.map_err(|e| e.to_string())?;
    let protocol = subject.protocol;
    let market: Box<dyn Market> =
        if protocol.trades_shares() { stocks::recorded(recording)? } else { Box::new(recording) };
    // The exchange of the last life may still be ending.
    once_free(|| Books::store(&dir.join("exchange")).map(drop))?;
    super::rig::runtime(1)?.block_on(async {
        let exchange = start(SimOptions {
            data_dir: dir.join("exchange"),
            port: 0,
            pace: Pace::Lockstep,
            market,
            setup: InitialBooks { protocol, ..InitialBooks::default() },
            idle_exit: None,
        });
        let exchange = exchange.await.map_err(|e| e.to_string())?;
        let base = format!("http://127.0.0.1:{}", exchange.addr.port());
        let admin = Admin::new(&base, &exchange.token)?;
        let ledger = admin.ledger().await.map_err(|e| e.to_string())?;
        exchange.stop().await.map_err(|e| e.to_string())?;
        Ok(ledger)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::folder::Folder;
    use std::os::unix::fs::PermissionsExt;

    /// A program that runs this script, with its data directory as `$dir`.
    fn subject(folder: &Folder, does: &str) -> Subject {
        let program = folder.path().join("program");
        let find = r#"while [ "$1" != --data-dir ]; do shift; done; dir=$2"#;
        fs::write(&program, format!("#!/bin/sh\n{find}\n{does}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let patience = Duration::from_secs(1);
        Subject { patience, ..Subject::new(program, "recording") }
    }

    #[test]
    fn a_life_may_take_long_while_it_goes_on_and_is_stuck_where_it_does_not() {
        let folder = Folder::new().unwrap();
        let goes_on = "for i in 1 2 3 4 5 6 7 8; do printf live > $dir/step; \
                       echo $i >> $dir/live.redb; sleep 0.3; done";
        let slow = subject(&folder, goes_on);
        let took = slow.to_its_end(folder.path()).unwrap();
        assert!(took.live > slow.patience * 2, "{took:?}");

        let stands = subject(&folder, "printf restore > $dir/step; exec sleep 60");
        let began = clock::now();
        let why = stands.to_its_end(folder.path()).unwrap_err();
        assert_eq!(why, "it does not come to its end: nothing new for 1s, in restore");
        let why = stands.killed(folder.path(), &Moment::In(Step::Live, Duration::ZERO));
        assert!(why.unwrap_err().ends_with("is never reached: nothing new for 1s, in restore"));
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
