//! The built binary as a person runs it: processes that are watched line by line and never outlive
//! a test, and a recording that needs no file of anybody.

use everwarm::chaos::feed::{MINUTES, START, Small};
use everwarm::chaos::process::STRIKES;
use everwarm_api::ApiFile;
use everwarm_domain::fact::Body;
use everwarm_domain::time::MINUTE;
use everwarm_runtime::chaos::PlannedFault;
use everwarm_sim::market::{Market, Seeded};
use everwarm_sim::server::port::PortFile;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub const BINARY: &str = env!("CARGO_BIN_EXE_everwarm");
/// Wall time anything may take that a test waits for: long enough for a machine that is busy.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// Least wall time between two looks at what is waited for. The most is ten times as much.
const PAUSE: Duration = Duration::from_millis(20);
/// The same of a command with many runs of its own: the limit of its test ends it before.
const COMMAND: Duration = Duration::from_mins(9);

/// Variable with the folder of the folders of tests, which may be in memory: a sync to a disk takes
/// milliseconds, and tests wait for tens of thousands. `scripts/run_tests.py` sets it.
const FOLDERS: &str = "TEST_FOLDERS";

/// A folder of its own, removed at the end with whatever exchange runs in it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let base = std::env::var_os(FOLDERS).map_or_else(std::env::temp_dir, PathBuf::from);
        Folder::within(&base, name)
    }

    /// One on a disk, where a command that is to be killed on its way takes longer.
    pub fn on_disk(name: &str) -> Folder {
        Folder::within(&std::env::temp_dir(), name)
    }

    fn within(base: &Path, name: &str) -> Folder {
        let path = base.join(format!("everwarm-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for place in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            kill_exchange(&place.path());
        }
        kill_exchange(&self.0);
        if std::thread::panicking() {
            println!("kept for a look: {}", self.0.display());
            return;
        }
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Sends a signal by its name to a process.
pub fn signal(name: &str, pid: u32) {
    drop(Command::new("kill").args([name, &pid.to_string()]).output().unwrap());
}

/// The exchange of that data directory, if one runs by its port file.
pub fn exchange(dir: &Path) -> Option<u32> {
    PortFile::read(&dir.join("exchange")).ok().flatten().map(|file| file.pid)
}

/// Whether there is a process of that number that has not ended.
pub fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Waits for something that is asked again and again. The pause follows how long it takes to ask: a
/// command that is run takes more of the machine than a look at a file.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = everwarm_runtime::clock::now();
    loop {
        let asked = everwarm_runtime::clock::now();
        if done() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout((asked.elapsed() * 2).clamp(PAUSE, PAUSE * 10));
    }
}

/// The head and the JSON body of the next request of a connection; none: it has ended.
pub fn http_request(reader: &mut impl BufRead) -> Option<(String, Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    Some((head, serde_json::from_slice(&body).unwrap_or_default()))
}

/// The response to a request.
pub fn http_answer(status: u16, text: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// Waits for the end of a process that was asked to end or does so by itself. One that does not is
/// killed, and fails the test.
pub fn end_of(child: &mut Child) -> ExitStatus {
    end_within(child, PATIENCE)
}

fn end_within(child: &mut Child, within: Duration) -> ExitStatus {
    let began = everwarm_runtime::clock::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() >= within {
            child.kill().unwrap();
            panic!("process {} does not end within {within:?}", child.id());
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Runs a command to its end, without standard input, and keeps what it prints.
pub fn output(command: &mut Command) -> Output {
    printed(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// Runs a command to its end, without standard input, and keeps what it prints into pipes.
pub fn printed(command: &mut Command) -> Output {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let out = child.stdout.take().map(bytes);
    let err = child.stderr.take().map(bytes);
    let status = end_within(&mut child, COMMAND);
    let kept = |pipe: Option<Receiver<Vec<u8>>>| {
        let all = pipe.map(|pipe| pipe.recv_timeout(PATIENCE));
        all.unwrap_or(Ok(Vec::new())).expect("whoever it started closes its output, too")
    };
    Output { status, stdout: kept(out), stderr: kept(err) }
}

/// All bytes of a pipe, once it is closed.
fn bytes(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (whole, come) = sync_channel(1);
    std::thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        drop(whole.send(all));
    });
    come
}

/// Copies a folder with all below it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Kills the exchange of that data directory, if it runs.
pub fn kill_exchange(dir: &Path) {
    if let Some(pid) = exchange(dir) {
        signal("-9", pid);
    }
}

/// Waits until neither the daemon nor its exchange, both of which were asked to end, has a file of
/// it open: the exchange takes its port file away before it lets go of its books.
pub fn wait_until_free(dir: &Path) {
    wait_until("the exchange ends", || exchange(dir).is_none());
    wait_until("the files are free", || run(dir, &["store", "check"]).0 != Some(6));
}

#[derive(Default)]
struct Captured {
    out: Vec<String>,
    err: Vec<String>,
    open: usize,
}

/// A process whose words are kept.
pub struct Process {
    child: Child,
    dir: PathBuf,
    captured: Arc<(Mutex<Captured>, Condvar)>,
}

impl Process {
    /// Runs the binary with these arguments and `--data-dir dir`.
    pub fn start(dir: &Path, arguments: &[&str]) -> Process {
        Process::of(Command::new(BINARY), dir, arguments)
    }

    /// Runs it with planned faults.
    pub fn with_faults(dir: &Path, arguments: &[&str], planned: &[PlannedFault]) -> Process {
        let mut command = Command::new(BINARY);
        command.env(STRIKES, serde_json::to_string(planned).unwrap());
        command.env("EVERWARM_CHAOS__ENABLED", "true");
        Process::of(command, dir, arguments)
    }

    /// Runs a command that becomes the binary.
    pub fn of(mut command: Command, dir: &Path, arguments: &[&str]) -> Process {
        command.args(arguments).arg("--data-dir").arg(dir);
        Process::spawned(command, dir)
    }

    /// Runs a command that has no data directory.
    pub fn bare(command: Command) -> Process {
        Process::spawned(command, Path::new(""))
    }

    fn spawned(mut command: Command, dir: &Path) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let captured =
            Arc::new((Mutex::new(Captured { open: 2, ..Captured::default() }), Condvar::new()));
        keep(child.stdout.take().unwrap(), Arc::clone(&captured), |captured| &mut captured.out);
        keep(child.stderr.take().unwrap(), Arc::clone(&captured), |captured| &mut captured.err);
        Process { child, dir: dir.to_owned(), captured }
    }

    fn captured(&self) -> MutexGuard<'_, Captured> {
        self.captured.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines of standard output so far.
    pub fn lines(&self) -> Vec<String> {
        self.captured().out.clone()
    }

    /// Waits until its lines are as wanted, and gives them.
    pub fn until(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let waiting = |captured: &mut Captured| captured.open > 0 && !wanted(&captured.out);
        let (captured, _) = self
            .captured
            .1
            .wait_timeout_while(self.captured(), within, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        let (out, err) = (captured.out.join("\n"), captured.err.join("\n"));
        assert!(wanted(&captured.out), "not within {within:?}: {what}\n{out}\n{err}");
        captured.out.clone()
    }

    /// Waits for these words on standard error: whether they came.
    pub fn complains(&self, words: &str, within: Duration) -> bool {
        let complained = |captured: &Captured| captured.err.iter().any(|line| line.contains(words));
        let waiting = |captured: &mut Captured| captured.open > 0 && !complained(captured);
        let waited = self.captured.1.wait_timeout_while(self.captured(), within, waiting);
        complained(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits for a line with these words.
    pub fn prints(&self, words: &str) -> Vec<String> {
        self.until(words, PATIENCE, |lines| lines.iter().any(|line| line.contains(words)))
    }

    /// Waits until it answers questions.
    pub fn answers(&self) {
        let pid = self.pid();
        let ours = || ApiFile::read(&self.dir).is_some_and(|file| file.pid == pid);
        wait_until("it says where it answers", ours);
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its name, like `-INT`.
    pub fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    /// Waits for its end: its exit code, what it printed on standard output and on standard error.
    pub fn result(self) -> (Option<i32>, String, String) {
        let (status, out, err) = self.end();
        (status.code(), out.join("\n"), err)
    }

    /// Waits for its end: how it ended, what it printed on standard output and on standard error.
    pub fn end(mut self) -> (ExitStatus, Vec<String>, String) {
        let captured = self.captured();
        let waited =
            self.captured.1.wait_timeout_while(captured, PATIENCE, |captured| captured.open > 0);
        let (captured, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (out, err) = (captured.out.clone(), captured.err.join("\n"));
        assert!(captured.open == 0, "it does not end:\n{}\n{err}", out.join("\n"));
        drop(captured);
        (end_of(&mut self.child), out, err)
    }

    /// Kills it as nothing can be caught.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            kill_exchange(&self.dir);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

type Lines = fn(&mut Captured) -> &mut Vec<String>;

fn keep(pipe: impl Read + Send + 'static, captured: Arc<(Mutex<Captured>, Condvar)>, lines: Lines) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines(&mut captured.0.lock().unwrap_or_else(PoisonError::into_inner)).push(line);
            captured.1.notify_all();
        }
        captured.0.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
        captured.1.notify_all();
    });
}

/// Runs the binary to its end.
pub fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    Process::start(dir, arguments).result()
}

/// Lines that a daemon complained in, without those that a slow machine alone brings.
pub fn complaints(err: &str) -> Vec<&str> {
    err.lines().filter(|line| !line.contains("its thread")).collect()
}

/// Fails if a daemon failed or complained. That is printed first: a report keeps the beginning of a
/// long output.
pub fn assert_ended_well(code: Option<i32>, out: &str, err: &str) {
    let ended_well = code == Some(0) && complaints(err).is_empty();
    assert!(ended_well, "exit code {code:?}\n{err}{out}");
}

/// What a command without a data directory prints.
pub fn plain(arguments: &[&str]) -> Output {
    output(Command::new(BINARY).args(arguments))
}

/// What a reading command answers as JSON.
pub fn ask(dir: &Path, arguments: &[&str]) -> Value {
    let (code, out, err) = run(dir, &[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
    serde_json::from_str(&out).unwrap()
}

/// What the public commands report in the end, as text, by what it is: without the venue's numbers
/// and times, which a request that is sent again moves.
pub fn reported(dir: &Path) -> Vec<(&'static str, String)> {
    let without: [(&str, &[&str]); 4] = [
        ("orders", &["venue_order_id"]),
        ("fills", &["trade_id", "time"]),
        ("positions", &[]),
        ("equity", &[]),
    ];
    without.map(|(what, fields)| (what, lines_without(ask(dir, &[what]), fields))).into()
}

fn lines_without(mut rows: Value, fields: &[&str]) -> String {
    for row in rows.as_array_mut().into_iter().flatten() {
        for field in fields {
            row.as_object_mut().unwrap().remove(*field);
        }
    }
    let mut lines: Vec<String> = rows.as_array().unwrap().iter().map(ToString::to_string).collect();
    lines.sort();
    lines.join("\n")
}

/// What `doctor` reports of sources; empty: nothing.
pub fn sources_found(dir: &Path) -> String {
    let (_, out, err) = run(dir, &["doctor", "--json"]);
    let view: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    let mut all = view["findings"].as_array().unwrap().iter();
    let one = all.find(|finding| finding["check"] == "sources");
    one.map_or(String::new(), |finding| finding["text"].as_str().unwrap().to_owned())
}

/// What a journal has of one kind, each with the number of its input.
pub fn of_journal<T>(dir: &Path, pick: impl Fn(&Body) -> Option<T>) -> Vec<(u64, T)> {
    let mut all = Vec::new();
    let read = everwarm::audit::open(dir).unwrap().each(0, &mut |_, fact| {
        all.extend(pick(&fact.body).map(|one| (fact.key.n, one)));
        ControlFlow::Continue(())
    });
    read.unwrap();
    all
}

/// Arguments that play a recording to its end.
pub fn until_end(recording: &str) -> [&str; 6] {
    ["run", "--pace", "lockstep", "--until-end", "--recording", recording]
}

/// Writes the small market as a recording into `dir`: three symbols, some four hours.
pub fn small_recording(dir: &Path) -> String {
    let (from, to) = (START - 100 * MINUTE, START + MINUTES * MINUTE);
    record(dir, &mut Small::new(), from, to);
    // BBBUSD would be BB priced in BUSD.
    let names = "[symbols.BBBUSD]\nbase = \"BBB\"\nquote = \"USD\"\n";
    let limits = "[symbols.CCCUSD]\nmax_position = \"19.5\"\n";
    fs::write(dir.join("recording.toml"), format!("{names}{limits}")).unwrap();
    dir.to_str().unwrap().to_owned()
}

/// Writes a made market as a recording into `dir`: so many minutes of so many symbols.
pub fn made_recording(dir: &Path, symbols: usize, minutes: i64) -> String {
    record(dir, &mut Seeded::new(1, symbols, START, 0), START, START + minutes * MINUTE);
    dir.to_str().unwrap().to_owned()
}

fn record(dir: &Path, market: &mut dyn Market, from: i64, to: i64) {
    fs::create_dir_all(dir).unwrap();
    let symbols: Vec<_> = market.instruments().iter().map(|rule| rule.symbol).collect();
    for symbol in symbols {
        let mut text = "open_time,open,high,low,close,volume\n".to_owned();
        for bar in market.bars(symbol, from, to, usize::MAX) {
            let prices = format!("{},{},{},{}", bar.open, bar.high, bar.low, bar.close);
            writeln!(text, "{},{prices},{}", bar.open_time, bar.volume).unwrap();
        }
        fs::write(dir.join(format!("{symbol}_1m.csv")), text).unwrap();
    }
}
