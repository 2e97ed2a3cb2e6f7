//! The keeper of the simulated exchange: finds it, starts it if it does not run, and starts it
//! again when it has ended. The exchange is a process of its own in a process group of its own. So
//! neither a kill of the daemon nor Ctrl-C ends it.

use crate::world::World;
use everwarm_runtime::clock::wall;
use everwarm_sim::server::port::{PORT_FILE, PortFile};
use everwarm_venue::simulated::Admin;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Wall time between checks of a running exchange.
const LOOK: Duration = Duration::from_millis(100);
/// Longest wall time between tries to start it.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Wall time a started exchange has to write its port file.
const START: Duration = Duration::from_secs(20);
/// Wall time within which a running exchange responds. One that does not is found again when its
/// successor ends, because it holds the books.
const FOUND: Duration = Duration::from_secs(2);
/// Wall time between checks for its port file.
const POLL: Duration = Duration::from_millis(2);

/// Why there is no exchange.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It could not be started, or did not come up.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It ended: its exit code, and the end of its log.
    #[error("it ended: {1}")]
    Ended(Option<i32>, String),
}

/// How to start an exchange.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program; its first argument is `sim`.
    pub program: PathBuf,
    /// Arguments that describe the market, without directory and port.
    pub arguments: Vec<OsString>,
    /// The pace of its time, as a port file states it.
    pub pace: String,
    /// The directory of its books and its port file.
    pub dir: PathBuf,
    /// Environment variables it does not inherit: our configuration and our secrets.
    pub without: Vec<String>,
}

impl Launch {
    /// The exchange that runs there; none if there is none. One with another pace is stopped,
    /// because its pace cannot be changed.
    pub async fn find(&self) -> Option<PortFile> {
        let file = PortFile::read(&self.dir).ok()??;
        let admin = Admin::new(&base(&file), &file.token).ok()?;
        // If it has ended, another program may listen there that never responds.
        tokio::time::timeout(FOUND, admin.status()).await.ok()?.ok()?;
        if file.pace == self.pace {
            return Some(file);
        }
        if let Err(e) = admin.stop().await {
            tracing::debug!(error = %e, "the exchange of another pace had ended already");
        }
        None
    }

    /// Finds it or starts it. `port` 0: any free port.
    ///
    /// # Errors
    /// It cannot be started, or it ended.
    pub async fn ensure(&self, port: u16) -> Result<PortFile, LaunchError> {
        if let Some(file) = self.find().await {
            return Ok(file);
        }
        let mut child = self.start(port)?;
        let began = tokio::time::Instant::now();
        while began.elapsed() < START {
            if let Some(file) = PortFile::read(&self.dir).ok().flatten()
                && file.pid == child.id()
            {
                reap(child);
                return Ok(file);
            }
            if let Some(status) = child.try_wait()? {
                let output = last_words(&self.log());
                return Err(LaunchError::Ended(status.code(), output));
            }
            tokio::time::sleep(POLL).await;
        }
        reap(child);
        Err(io::Error::other("the exchange did not report its address").into())
    }

    fn start(&self, port: u16) -> io::Result<Child> {
        fs::create_dir_all(&self.dir)?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.program);
        for variable in &self.without {
            command.env_remove(variable);
        }
        command
            .arg("sim")
            .args(&self.arguments)
            .arg("--data-dir")
            .arg(&self.dir)
            .arg("--port")
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
    }

    fn log(&self) -> PathBuf {
        self.dir.join("exchange.log")
    }
}

/// The base URL of the REST API of an exchange.
#[must_use]
pub fn base(file: &PortFile) -> String {
    format!("http://127.0.0.1:{}", file.port)
}

/// An exchange outlives its starter. While the starter lives, it must not stay a zombie.
fn reap(mut child: Child) {
    std::thread::spawn(move || drop(child.wait()));
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    last.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

/// The actor. It works in one task, so that its handler never waits.
pub struct Keeper;

/// What it is started with.
pub type Arguments = (World, Launch, u16);

/// Its state.
pub struct State(JoinHandle<()>);

impl Drop for State {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor for Keeper {
    type Msg = ();
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        (world, launch, port): Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State(tokio::spawn(keep(world, launch, port))))
    }
}

async fn keep(world: World, launch: Launch, port: u16) {
    let Some(admin) = &world.admin else { return };
    let mut token = String::new();
    let mut tries = 0_u32;
    loop {
        tokio::time::sleep((LOOK * 2_u32.pow(tries.min(6))).min(RETRY_MAX)).await;
        let known = fs::metadata(launch.dir.join(PORT_FILE)).is_ok();
        // After a failure it is found anew. That also clears the reported trouble.
        if tries == 0 && known && admin.status().await.is_ok() {
            continue;
        }
        match launch.ensure(port).await {
            Ok(file) => {
                tries = 0;
                world.board.write_venue(wall(), None);
                if file.token != token {
                    admin.set_token(&file.token);
                    world.board.poke();
                    token = file.token;
                }
            }
            Err(e) => {
                tries += 1;
                tracing::warn!(error = %e, tries, "the simulated exchange does not start");
                let why = format!("it does not start ({e}); {tries} attempts, retrying");
                world.board.write_venue(wall(), Some(why));
            }
        }
    }
}
