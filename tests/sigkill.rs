//! The built binary on a real recording, killed by real SIGKILLs in every part of its life, the
//! exchange too in half of them: in the end orders, fills, positions, equity and the exchange's own
//! ledger are those of a run that nobody disturbed.

use super::kit::{ask, told};
use crate::shared::shared;
use everwarm::chaos::compare;
use everwarm::chaos::process::{STRIKES, STRUCK};
use everwarm::ops::api::ApiFile;
use everwarm::sim::market::Recording;
use everwarm::sim::server::port::PortFile;
use everwarm::sim::{Pace, Setup, SimOptions, start};
use everwarm::venue::simulated::Admin;
use everwarm_runtime::chaos::{Blow, Phase, Site, Strike};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_everwarm");
/// Wall time a run may take between two kills or to its end.
const PATIENCE: Duration = Duration::from_mins(4);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("everwarm-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("kept for a look: {}", self.0.display());
            return;
        }
        drop(fs::remove_dir_all(&self.0));
    }
}

/// One life of the daemon in a process of its own.
struct Daemon(Child);

impl Daemon {
    fn start(dir: &Path, recording: &Path, strike: Option<&Strike>) -> Daemon {
        let mut command = Command::new(BINARY);
        command.args(["run", "--pace", "lockstep", "--until-end", "--recording"]);
        command.arg(recording).arg("--data-dir").arg(dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::options().create(true).append(true).open(log(dir)).unwrap());
        if let Some(strike) = strike {
            drop(fs::remove_file(struck(dir)));
            command.env(STRUCK, struck(dir));
            command.env(STRIKES, serde_json::to_string(&[strike]).unwrap());
        }
        Daemon(command.spawn().unwrap())
    }

    /// Kills it after a while, or when it stands where it was told to; false where it had ended
    /// before.
    fn kill(&mut self, dir: &Path, when: &When) -> bool {
        let began = everwarm_runtime::clock::now();
        let mut up = None;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", fs::read_to_string(log(dir)).unwrap());
                return false;
            }
            let due = match when {
                When::After(wait) => began.elapsed() >= *wait,
                When::Up(wait) if self.is_up(dir) => {
                    up.get_or_insert_with(everwarm_runtime::clock::now).elapsed() >= *wait
                }
                When::Up(_) => false,
                When::At(_) => struck(dir).exists(),
            };
            if due {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{when:?} is never reached");
            std::thread::yield_now();
        }
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        true
    }

    fn is_up(&self, dir: &Path) -> bool {
        ApiFile::read(dir).is_some_and(|file| file.pid == self.0.id())
    }

    /// Waits for its end: how long it took to its start and from there.
    fn end(mut self, dir: &Path) -> Took {
        let began = everwarm_runtime::clock::now();
        let mut up = None;
        while self.0.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "the run does not end");
            if up.is_none() && self.is_up(dir) {
                up = Some(began.elapsed());
            }
            std::thread::yield_now();
        }
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}: {}", fs::read_to_string(log(dir)).unwrap());
        let start = up.unwrap_or_default();
        Took { start, live: began.elapsed().saturating_sub(start) }
    }
}

/// How long a run took until it could be asked, and from there to its end.
struct Took {
    start: Duration,
    live: Duration,
}

#[derive(Debug)]
enum When {
    /// Since it was started.
    After(Duration),
    /// Since it can be asked.
    Up(Duration),
    At(Strike),
}

fn log(dir: &Path) -> PathBuf {
    dir.join("stderr.log")
}

fn struck(dir: &Path) -> PathBuf {
    dir.join("struck")
}

/// Kills the exchange of that directory, if it runs.
fn kill_exchange(dir: &Path) {
    if let Ok(Some(file)) = PortFile::read(&dir.join("exchange")) {
        let kill = Command::new("kill").args(["-9", &file.pid.to_string()]).output();
        drop(kill.unwrap());
    }
}

/// Everything compared, as text, by what it is.
fn picture(dir: &Path, recording: &Path) -> Vec<(&'static str, String)> {
    let verified = ask(dir, &["verify"]);
    assert_eq!(verified["problems"], serde_json::json!([]), "the audit");
    let mut all = vec![("ledger of the exchange", ledger(dir, recording).join("\n"))];
    all.extend(told(dir));
    all
}

/// The exchange's own books, asked of an exchange that opens them again.
fn ledger(dir: &Path, recording: &Path) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let exchange = start(SimOptions {
            data_dir: dir.join("exchange"),
            port: 0,
            pace: Pace::Lockstep,
            market: Box::new(Recording::open(recording, None).unwrap()),
            setup: Setup::default(),
            idle_exit: None,
        });
        let exchange = exchange.await.unwrap();
        let base = format!("http://127.0.0.1:{}", exchange.addr.port());
        let admin = Admin::new(&base, &exchange.token).unwrap();
        let ledger = admin.ledger().await.unwrap();
        exchange.stop().await.unwrap();
        compare::ledger(&ledger)
    })
}

/// When each of the kills comes: by the clock through start and life, and at points only a plan can
/// hit. A recording is played as fast as the machine can, so the clock is that of a `calm` run:
/// starts are struck up to half again their length, and a third of the life is spent between them.
/// The calm run may have had the machine less for itself than those that follow: hence the bounds.
fn kills(calm: &Took) -> Vec<When> {
    let at = |site, who: &str, phase, nth| {
        When::At(Strike { site, who: who.to_owned(), phase, nth, blow: Blow::Die })
    };
    let ms = Duration::from_millis;
    let start = |i: u32| (calm.start * 3 * i / 28).min(ms(4 + 9 * u64::from(i - 1)));
    let live = |i: u32| (calm.live / 3 * i / 105).min(ms(5 + 10 * u64::from(i - 1)));
    let mut kills: Vec<When> = (1..=14).map(|i| When::After(start(i))).collect();
    kills.extend((1..=14).map(|i| When::Up(live(i))));
    for nth in [1, 7] {
        kills.push(at(Site::BeforeSync, "store-thread", Phase::Live, nth));
        kills.push(at(Site::AfterCommit, "store-thread", Phase::Live, nth));
        kills.push(at(Site::BeforeCheckpoint, "indicator", Phase::Live, nth));
        kills.push(at(Site::AfterCheckpoint, "ledger", Phase::Live, nth));
        kills.push(at(Site::BeforeSend, "gateway", Phase::Live, nth));
        kills.push(at(Site::AfterSend, "gateway", Phase::Live, nth));
    }
    // Spread the kinds over the recording.
    let mut order: Vec<usize> = (0..kills.len()).collect();
    order.sort_by_key(|i| (i * 7919) % 41);
    let mut sorted: Vec<Option<When>> = kills.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| sorted[i].take()).collect()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn forty_sigkills_make_no_difference() {
    let recording = shared("data/coinbase");
    let calm = Folder::new("calm");
    let took = Daemon::start(&calm.0, &recording, None).end(&calm.0);
    let expected = picture(&calm.0, &recording);
    let hit = Folder::new("hit");
    let (mut killed, mut exchanges) = (0, 0);
    for (i, when) in kills(&took).iter().enumerate() {
        let strike = match when {
            When::At(strike) => Some(strike),
            When::After(_) | When::Up(_) => None,
        };
        let mut daemon = Daemon::start(&hit.0, &recording, strike);
        assert!(daemon.kill(&hit.0, when), "the run ended before kill {i}: {when:?}");
        killed += 1;
        if i % 2 == 0 {
            kill_exchange(&hit.0);
            exchanges += 1;
        }
    }
    Daemon::start(&hit.0, &recording, None).end(&hit.0);
    assert_eq!((killed, exchanges), (40, 20));
    for ((what, calm), (_, hit)) in expected.iter().zip(picture(&hit.0, &recording)) {
        let differs = calm.lines().zip(hit.lines()).find(|(a, b)| a != b);
        assert!(*calm == hit, "{what} differ after {killed} kills: {differs:?}");
    }
}
