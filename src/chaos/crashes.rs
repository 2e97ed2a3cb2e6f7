//! The built program under real SIGKILLs: lives of one data directory, each killed at its moment,
//! and what the directory holds in the end.

use super::compare::{self, Derived, Picture};
use super::invariants::Invariants;
use super::invariants::announced::Announced;
use super::invariants::cursors::Cursors;
use super::process::{SEALING, STEP, STRIKES, STRUCK, Step};
use crate::audit::{self, StoreFacts};
use crate::history::{self, Projector};
use crate::life::{APPLICATION, LIVE_FILE};
use crate::ops::offline::catch_up;
use crate::sim::market::Recording;
use crate::sim::server::port::PortFile;
use crate::sim::server::requests;
use crate::sim::{Pace, Setup, SimOptions, start};
use crate::venue::simulated::Admin;
use everwarm_runtime::chaos::Strike;
use everwarm_runtime::clock;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use serde_json::Value;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Wall time a life may take to its moment or to its end.
const PATIENCE: Duration = Duration::from_mins(4);

/// How often a life is looked at: it needs the processors more than whoever waits for its moment.
const LOOK: Duration = Duration::from_micros(100);

/// Wall time for which a file that is held is asked for again.
const HELD: Duration = Duration::from_secs(2);

/// A program that plays a recording to its end.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The program.
    pub program: PathBuf,
    /// The recording.
    pub recording: PathBuf,
    /// What else it is started with.
    pub arguments: Vec<OsString>,
    /// Sizes at which its journal is sealed, where not the usual ones: a segment, and what stays.
    pub sealing: Option<(u64, u64)>,
}

/// When a life is killed.
#[derive(Clone, Debug)]
pub enum Moment {
    /// So long after it was started.
    After(Duration),
    /// So long after it came to this step, or to a later one.
    In(Step, Duration),
    /// So long after it was asked to stop, which it is so long after it is live.
    Stopping(Duration, Duration),
    /// Where it stands at a kill point.
    At(Strike),
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Killed, in this step.
    Killed(Option<Step>),
    /// It had stopped as it was asked to, before its moment.
    Stopped,
    /// By itself, at the end of the recording, before its moment.
    Itself,
}

/// How long a life took until it was live, and from there to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// From its start.
    pub start: Duration,
    /// From there.
    pub live: Duration,
}

/// One life.
struct Life<'a> {
    child: Child,
    dir: &'a Path,
}

fn io(what: impl Display) -> impl Fn(std::io::Error) -> String {
    move |e| format!("{what}: {e}")
}

fn log(dir: &Path) -> PathBuf {
    dir.join("stderr.log")
}

fn struck(dir: &Path) -> PathBuf {
    dir.join("struck")
}

fn step(dir: &Path) -> Option<Step> {
    fs::read_to_string(dir.join("step")).ok()?.parse().ok()
}

impl Subject {
    fn begin<'a>(&self, dir: &'a Path, strike: Option<&Strike>) -> Result<Life<'a>, String> {
        for file in [struck(dir), dir.join("step")] {
            if let Err(e) = fs::remove_file(&file)
                && e.kind() != std::io::ErrorKind::NotFound
            {
                return Err(io(file.display())(e));
            }
        }
        let errors = File::options().create(true).append(true).open(log(dir));
        let mut command = Command::new(&self.program);
        command.args(["run", "--pace", "lockstep", "--until-end", "--recording"]);
        command.arg(&self.recording).arg("--data-dir").arg(dir).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(errors.map_err(io(log(dir).display()))?);
        command.env(STEP, dir.join("step")).env(STRUCK, struck(dir));
        if let Some(strike) = strike {
            command.env(STRIKES, serde_json::to_string(&[strike]).map_err(|e| e.to_string())?);
        }
        if let Some((segment, keep)) = self.sealing {
            command.env(SEALING, format!("{segment},{keep}"));
        }
        let child = command.spawn().map_err(io(self.program.display()))?;
        Ok(Life { child, dir })
    }

    /// One life, killed at its moment.
    ///
    /// # Errors
    /// It ended otherwise than it may, or its moment never came.
    pub fn killed(&self, dir: &Path, when: &Moment) -> Result<End, String> {
        let strike = if let Moment::At(strike) = when { Some(strike) } else { None };
        let mut life = self.begin(dir, strike)?;
        let began = clock::now();
        let (mut there, mut told) = (None, None);
        loop {
            if life.is_over()? {
                return Ok(if told.is_some() { End::Stopped } else { End::Itself });
            }
            let reached = |at: Step| step(dir).is_some_and(|step| step >= at);
            let due = match when {
                Moment::After(wait) => began.elapsed() >= *wait,
                Moment::In(at, wait) => {
                    if there.is_none() && reached(*at) {
                        there = Some(clock::now());
                    }
                    there.is_some_and(|there| there.elapsed() >= *wait)
                }
                Moment::Stopping(trading, wait) => {
                    if there.is_none() && reached(Step::Live) {
                        there = Some(clock::now());
                    }
                    if told.is_none() && there.is_some_and(|there| there.elapsed() >= *trading) {
                        signal("-TERM", life.child.id())?;
                        told = Some(clock::now());
                    }
                    told.is_some_and(|told| told.elapsed() >= *wait)
                }
                Moment::At(_) => struck(dir).exists(),
            };
            if due {
                break;
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{when:?} is never reached"));
            }
            std::thread::park_timeout(LOOK);
        }
        let at = step(dir);
        life.child.kill().and_then(|()| life.child.wait()).map_err(io("SIGKILL"))?;
        Ok(End::Killed(at))
    }

    /// One life to its own end.
    ///
    /// # Errors
    /// It does not come to it, or not to a good one.
    pub fn to_its_end(&self, dir: &Path) -> Result<Took, String> {
        let mut life = self.begin(dir, None)?;
        let began = clock::now();
        let mut up = None;
        while !life.is_over()? {
            if began.elapsed() > PATIENCE {
                return Err("it does not come to its end".to_owned());
            }
            if up.is_none() && step(dir).is_some_and(|step| step >= Step::Live) {
                up = Some(began.elapsed());
            }
            std::thread::park_timeout(LOOK);
        }
        let start = up.unwrap_or_default();
        Ok(Took { start, live: began.elapsed().saturating_sub(start) })
    }
}

impl Life<'_> {
    /// Whether it has ended by itself.
    fn is_over(&mut self) -> Result<bool, String> {
        match self.child.try_wait().map_err(io("the process"))? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => {
                let said = fs::read_to_string(log(self.dir)).unwrap_or_default();
                Err(format!("it ended with {status}: {said}"))
            }
        }
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        // Nothing that fails may leave a process behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn signal(name: &str, pid: u32) -> Result<(), String> {
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

/// What a directory holds in the end: what is compared, and what does not hold.
///
/// # Errors
/// It cannot be read.
pub fn picture(dir: &Path, recording: &Path) -> Result<(Picture, Vec<String>), String> {
    let store = look(&dir.join(LIVE_FILE))?;
    let facts = StoreFacts(store);
    let archive = Archive::open(&dir.join(history::FILE)).map_err(|e| e.to_string())?;
    let archive = Arc::new(archive);
    let mut projector = Projector::new(Arc::clone(&archive)).map_err(|e| e.to_string())?;
    catch_up(&mut projector, &facts).map_err(|e| e.to_string())?;
    let (mut derived, mut invariants) = (Derived::default(), Invariants::default());
    let scanned = facts.0.scan(0, &mut |_, fact| {
        derived.see(&fact);
        invariants.see(&fact);
        ControlFlow::Continue(())
    });
    scanned.map_err(|e| e.to_string())?;
    let mut ours = compare::public(&archive)?;
    ours.extend(derived.lines());
    let audit = audit::verify(&facts, archive).map_err(|e| e.to_string())?;
    let problems = audit.problems.iter().map(|p| format!("verify: {} {}", p.key, p.text));
    let books = books(dir, recording)?;
    let mut wrong = invariants.end(&books);
    wrong.extend(problems);
    Ok((Picture { ours, theirs: compare::ledger(&books) }, wrong))
}

/// What killed lives have left in a directory, one after the other.
#[derive(Debug, Default)]
pub struct Left {
    cursors: Cursors<u16>,
    announced: Announced,
    /// The last row that was read.
    row: u64,
}

impl Left {
    /// What does not hold of what the last one has left.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn look(&mut self, dir: &Path) -> Result<Vec<String>, String> {
        // What was asked for is covered by what is on disk, so it is read first.
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
        Ok(broken)
    }
}

/// Opens a live file to look at it. The exchange a killed daemon was just starting holds it until
/// it has become the exchange.
fn look(path: &Path) -> Result<Store, String> {
    let began = clock::now();
    loop {
        match Store::look(path, APPLICATION) {
            Err(StoreError::Held(_)) if began.elapsed() < HELD => std::thread::park_timeout(LOOK),
            looked => return looked.map_err(|e| e.to_string()),
        }
    }
}

/// The exchange's own books, asked of an exchange that opens them again.
fn books(dir: &Path, recording: &Path) -> Result<Value, String> {
    let recording = Recording::open(recording, None).map_err(|e| e.to_string())?;
    super::rig::runtime(1)?.block_on(async {
        let exchange = start(SimOptions {
            data_dir: dir.join("exchange"),
            port: 0,
            pace: Pace::Lockstep,
            market: Box::new(recording),
            setup: Setup::default(),
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
