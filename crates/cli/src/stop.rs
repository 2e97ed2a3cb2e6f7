//! `everwarm stop`: stops the running daemon cleanly and waits until it has ended.

use super::{Core, query};
use crate::print::Printer;
use crate::remote::Remote;
use everwarm_api::ApiFile;
use everwarm_config::CheckDepth;
use everwarm_runtime::clock;
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::took;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// How long a stop queries a daemon that uses its files but does not respond yet.
const STARTING: Duration = Duration::from_secs(30);
/// Extra time beyond `daemon.stop_s`, after which the daemon ends itself.
const MARGIN: Duration = Duration::from_secs(10);
/// Time between two checks.
const LOOK: Duration = Duration::from_millis(20);

/// A daemon that was stopped.
#[derive(Clone, Copy, Debug, Serialize)]
struct StoppedView {
    /// Its process id.
    pid: u32,
    /// How long it took to end, milliseconds.
    took_ms: u64,
}

/// Stops the daemon of the data directory.
pub fn run(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let config = args.configuration(CheckDepth::Words)?;
    let pid = running(&config.data_dir, core)?;
    let began = clock::now();
    let failed = |e: rustix::io::Errno| Failure::new(Exit::Failed, format!("process {pid}: {e}"));
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| Failure::new(Exit::Failed, format!("no process {pid}")))?;
    printer.note(&format!("process {pid}: stop requested"));
    match kill_process(process, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(e) => return Err(failed(e)),
    }
    let within = config.stop + MARGIN;
    while runs(process) {
        if began.elapsed() > within {
            let text = format!(
                "process {pid} still runs {} s after the stop request; `kill -9 {pid}` ends it \
                 at once, and the next start goes on from its journal",
                within.as_secs()
            );
            return Err(Failure::new(Exit::Failed, text));
        }
        wait();
    }
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if args.json {
        return printer.json(&StoppedView { pid, took_ms });
    }
    let line = format!("process {pid} stopped after {}", took(began.elapsed()));
    printer.lines(&[line]).map(|_| Exit::Fine)
}

/// The process id of the daemon. A daemon that starts uses its files before it responds.
fn running(data_dir: &Path, core: &Core) -> Result<u32, Failure> {
    let began = clock::now();
    loop {
        // The daemon reports its own process id.
        let silent = match Remote::connect(data_dir) {
            Ok(found) => match found.and_then(|daemon| daemon.pid()) {
                Some(pid) => return Ok(pid),
                None => None,
            },
            Err(failure) => Some(failure),
        };
        let dir = data_dir.display();
        let held = data_dir.is_dir()
            && (core.files.journal)(data_dir).is_err_and(|failure| failure.exit == Exit::Held);
        if !held {
            return Err(Failure::no_daemon(data_dir));
        }
        if began.elapsed() > STARTING {
            let pid = ApiFile::read(data_dir).map(|file| file.pid);
            let kill = pid.map_or(String::new(), |pid| format!("; stop it: kill {pid}"));
            let why = silent.map_or(String::new(), |silent| format!(": {silent}"));
            let text = format!("a daemon uses {dir} and does not respond{why}{kill}");
            return Err(Failure::new(Exit::Unreachable, text));
        }
        wait();
    }
}

/// Whether the process still runs. A process that ended is a zombie until its parent collects its
/// exit status. Its first thread may be a zombie while other threads still use its files.
fn runs(process: Pid) -> bool {
    let folder = Path::new("/proc").join(process.as_raw_nonzero().to_string());
    let Ok(stat) = std::fs::read_to_string(folder.join("stat")) else {
        let known = Path::new("/proc/self").exists();
        return !known && test_kill_process(process) != Err(rustix::io::Errno::SRCH);
    };
    let first = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']));
    let others = std::fs::read_dir(folder.join("task")).map_or(0, Iterator::count) > 1;
    !first || others
}

fn wait() {
    #[expect(clippy::disallowed_methods, reason = "a command waits, and nothing else does")]
    std::thread::sleep(LOOK);
}
