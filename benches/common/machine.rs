//! Values of this process and this machine, as `/proc` reports them.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Load average of the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// CPU time of the whole process so far, seconds; steps of 10 ms.
pub fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("the system describes processes");
    let fields = text.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|v| v.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Memory of the process now and at most, MB.
pub fn memory() -> (f64, f64) {
    let text = fs::read_to_string("/proc/self/status").expect("the system describes processes");
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("");
        let kb = line.split_whitespace().nth(1).and_then(|v| v.parse::<f64>().ok());
        kb.unwrap_or(f64::NAN) / 1024.0
    };
    (of("VmRSS"), of("VmHWM"))
}

/// A fresh folder on the disk of the build.
pub fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&dir));
    fs::create_dir_all(&dir).expect("the build's folder can be written");
    dir
}

/// The lower bound of every durable step: a bare write and flush beside the store.
pub struct Floor {
    file: File,
    n: u64,
}

impl Floor {
    /// A file of 32 MB, written and flushed, so that later writes allocate nothing.
    pub fn new(dir: &Path) -> Floor {
        let mut file = File::create(dir.join("floor.bin")).expect("the folder can be written");
        file.write_all(&vec![1; 32 << 20]).expect("the disk has room");
        file.sync_all().expect("the disk can be flushed");
        Floor { file, n: 0 }
    }

    /// Writes `bytes` over old ones and flushes them; returns milliseconds.
    pub fn sync(&mut self, bytes: usize) -> f64 {
        self.n += 1;
        let at = (self.n % 50) * 65_536;
        let data = vec![self.n.to_le_bytes()[0]; bytes];
        self.file.seek(SeekFrom::Start(at)).expect("a file can be sought in");
        let began = Instant::now();
        self.file.write_all(&data).expect("the disk has room");
        self.file.sync_data().expect("the disk can be flushed");
        began.elapsed().as_secs_f64() * 1e3
    }
}

/// What `/proc` reports of a process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Memory it holds, MB.
    pub memory: f64,
    /// Files and sockets it has open.
    pub files: f64,
    /// Threads.
    pub threads: f64,
    /// CPU time so far, seconds; steps of 10 ms.
    pub cpu: f64,
}

impl Process {
    /// The process with this id; none if it has ended.
    pub fn of(pid: u32) -> Option<Process> {
        let place = Path::new("/proc").join(pid.to_string());
        let stat = fs::read_to_string(place.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let field = |i: usize| fields.get(i).and_then(|v| v.parse::<f64>().ok());
        Some(Process {
            memory: field(21)? * 4096.0 / 1e6,
            files: fs::read_dir(place.join("fd")).ok()?.count() as f64,
            threads: field(17)?,
            cpu: (field(11)? + field(12)?) / 100.0,
        })
    }
}
