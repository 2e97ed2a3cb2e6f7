//! The request log: what was asked about orders and how it was answered, in the order in which it
//! came, for whoever wants to prove something about a client.
//!
//! One JSON object a line. A request is written before anything is done about it, its answer before
//! it leaves; both survive the end of the process. The file is bounded: a full one takes the place
//! of the one before.

use super::routes::{Endpoint, Route};
use crate::faults::{Hit, Subject};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the file in the folder of the books.
pub const FILE: &str = "requests.jsonl";
/// Name of the full one before it.
pub const BEFORE: &str = "requests.1.jsonl";
/// Bytes of a full file.
const FULL: u64 = 32 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The exchange was started; numbers begin anew.
    Started {
        /// Wall time, UTC milliseconds.
        wall: UtcMs,
    },
    /// A request came.
    Asked(Asked),
    /// It was answered.
    Answered(Answered),
    /// A message of a stream was not sent as it should have been, an order not filled so, or what a
    /// connection asked about itself not answered so.
    Spoilt {
        /// Venue time.
        at: UtcMs,
        /// The fault.
        fault: String,
        /// The stream, the event, the order's id, or the name of what was asked.
        message: String,
    },
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its number since the exchange was started.
    pub n: u64,
    /// Venue time.
    pub at: UtcMs,
    /// Method and path, like `POST order`.
    pub what: String,
    /// The symbol as it was sent.
    pub symbol: String,
    /// The order's or list's id as it was sent.
    pub id: String,
    /// Its timestamp, milliseconds.
    pub timestamp: Option<UtcMs>,
    /// Its window, milliseconds.
    pub window: Option<i64>,
    /// From when on it asks for trades or orders.
    pub since: Option<UtcMs>,
    /// The fault it meets.
    pub fault: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The number of the request.
    pub n: u64,
    /// Venue time.
    pub at: UtcMs,
    /// HTTP status; 0: the connection was cut instead.
    pub status: u16,
    /// The code of a refusal.
    pub code: Option<i32>,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    last: u64,
}

/// The log.
#[derive(Debug)]
pub struct Requests {
    path: PathBuf,
    open: Mutex<Open>,
}

impl Requests {
    /// Goes on with the log of a folder.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn open(dir: &Path) -> io::Result<Requests> {
        let path = dir.join(FILE);
        let file = append(&path)?;
        let length = file.metadata()?.len();
        let requests = Requests { path, open: Mutex::new(Open { file, length, last: 0 }) };
        requests.write(&Entry::Started { wall: clock::wall().utc() });
        Ok(requests)
    }

    /// Whether requests for that are written down: those about orders.
    #[must_use]
    pub fn has(endpoint: &Endpoint) -> bool {
        match endpoint.route {
            Route::Account(_) | Route::Change(_) => true,
            Route::ExchangeInfo | Route::OrderCounts | Route::Market(_) => false,
        }
    }

    /// Writes down a request and gives its number.
    pub fn asked(&self, mut asked: Asked) -> u64 {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        asked.n = open.last;
        let n = asked.n;
        self.append(&mut open, &Entry::Asked(asked));
        n
    }

    /// Writes down an answer.
    pub fn answered(&self, n: u64, at: UtcMs, status: u16, code: Option<i32>) {
        self.write(&Entry::Answered(Answered { n, at, status, code }));
    }

    /// Writes down what a fault did to a message, or an order.
    pub fn spoilt(&self, at: UtcMs, hit: Hit, message: &str) {
        let (fault, message) = (hit.kind.row().name.to_owned(), message.to_owned());
        self.write(&Entry::Spoilt { at, fault, message });
    }

    fn write(&self, entry: &Entry) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(&mut open, entry);
    }

    /// A log that cannot be written is no reason to end: the books are what counts.
    fn append(&self, open: &mut Open, entry: &Entry) {
        let mut line = serde_json::to_string(entry).expect("plain values are JSON");
        line.push('\n');
        let length = line.len() as u64;
        let written = if open.length + length > FULL { self.begin_anew(open) } else { Ok(()) };
        if let Err(error) = written.and_then(|()| open.file.write_all(line.as_bytes())) {
            tracing::warn!(%error, "the request log cannot be written");
        }
        open.length += length;
    }

    fn begin_anew(&self, open: &mut Open) -> io::Result<()> {
        rename(&self.path, self.path.with_file_name(BEFORE))?;
        open.file = append(&self.path)?;
        open.length = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Reads the log of a folder, oldest first. A last line that was cut off is left out.
///
/// # Errors
/// It cannot be read; the line says where.
pub fn read(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in [BEFORE, FILE] {
        let text = match std::fs::read_to_string(dir.join(name)) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        for (at, line) in whole.lines().enumerate() {
            // A start after a kill goes on behind what the kill cut off.
            let line = line.find("{\"started\"").map_or(line, |begin| &line[begin..]);
            let entry = serde_json::from_str(line);
            let why = |e| io::Error::other(format!("{name}, line {}: {e}", at + 1));
            entries.push(entry.map_err(why)?);
        }
    }
    Ok(entries)
}

/// A new request, not numbered yet.
#[must_use]
pub fn new(endpoint: &Endpoint, subject: &Subject, at: UtcMs, hit: Option<Hit>) -> Asked {
    Asked {
        n: 0,
        at,
        what: format!("{} {}", endpoint.method, endpoint.path),
        symbol: subject.symbol.clone(),
        id: subject.id.clone(),
        timestamp: None,
        window: None,
        since: None,
        fault: hit.map(|hit| hit.kind.row().name.to_owned()),
    }
}
