//! The request log: requests about the account and its orders, with their responses, in the order
//! of arrival. It serves as evidence about a client.
//!
//! Each line is a JSON object. A request is written before it is processed, and its response before
//! it is sent. Both survive the end of the process. The file is bounded: a full one replaces the
//! full one before it.

use super::routes::{Endpoint, Route};
use crate::faults::{Hit, Subject};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the file in the directory of the books.
pub const FILE: &str = "requests.jsonl";
/// Name of the full file before it.
pub const BEFORE: &str = "requests.1.jsonl";
/// Largest size of the file, in bytes.
const FULL: u64 = 32 << 20;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The exchange was started. Request numbers restart from 1.
    Started {
        /// Wall time, UTC milliseconds.
        wall: UtcMs,
    },
    /// A request arrived.
    Asked(Asked),
    /// A request got its response.
    Answered(Answered),
    /// A fault changed a message, a bar, the fills of an order, or the response to a request about
    /// the connection itself.
    Spoilt {
        /// Venue time.
        at: UtcMs,
        /// The fault.
        fault: String,
        /// The stream, the event, the order's id, or the name of the request.
        message: String,
    },
}

/// A request that arrived.
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
    /// Its `recvWindow`, milliseconds.
    pub window: Option<i64>,
    /// Its `startTime`, milliseconds.
    pub since: Option<UtcMs>,
    /// The fault that hits it.
    pub fault: Option<String>,
    /// The ids of the orders of a list, as they were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<String>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The number of the request.
    pub n: u64,
    /// Venue time.
    pub at: UtcMs,
    /// HTTP status; 0: the connection was cut instead.
    pub status: u16,
    /// The error code of a refusal.
    pub code: Option<i32>,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    last: u64,
}

/// The request log, open for appending.
#[derive(Debug)]
pub struct Requests {
    path: PathBuf,
    open: Mutex<Open>,
}

impl Requests {
    /// Opens the log of a directory and continues it.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn open(dir: &Path) -> io::Result<Requests> {
        let path = dir.join(FILE);
        let file = append(&path)?;
        let length = file.metadata()?.len();
        let requests = Requests { path, open: Mutex::new(Open { file, length, last: 0 }) };
        requests.write(&Entry::Started { wall: clock::wall().utc() });
        Ok(requests)
    }

    /// Whether requests to this endpoint are logged: those about the account and its orders.
    #[must_use]
    pub fn has(endpoint: &Endpoint) -> bool {
        match endpoint.route {
            Route::Account(_) | Route::Change(_) => true,
            Route::ExchangeInfo | Route::OrderCounts | Route::Market(_) => false,
        }
    }

    /// Logs a request and returns its number.
    pub fn asked(&self, mut asked: Asked) -> u64 {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        asked.n = open.last;
        let n = asked.n;
        self.append(&mut open, &Entry::Asked(asked));
        n
    }

    /// Logs a response.
    pub fn answered(&self, n: u64, at: UtcMs, status: u16, code: Option<i32>) {
        self.write(&Entry::Answered(Answered { n, at, status, code }));
    }

    /// Logs what a fault did to a message, a bar, an order, or a request about the connection.
    pub fn spoilt(&self, at: UtcMs, hit: Hit, message: &str) {
        let (fault, message) = (hit.kind.row().name.to_owned(), message.to_owned());
        self.write(&Entry::Spoilt { at, fault, message });
    }

    fn write(&self, entry: &Entry) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(&mut open, entry);
    }

    /// Appends a line. A log that cannot be written does not end the exchange: only the books must.
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

/// Reads the log of a directory, oldest first. A last line that was cut off is skipped.
///
/// # Errors
/// The log cannot be read. The text names the file and the line.
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
            // After a kill, the start follows the cut off text on the same line.
            let line = line.find("{\"started\"").map_or(line, |begin| &line[begin..]);
            let entry = serde_json::from_str(line);
            let why = |e| io::Error::other(format!("{name}, line {}: {e}", at + 1));
            entries.push(entry.map_err(why)?);
        }
    }
    Ok(entries)
}

/// A log entry of a new request, without a number yet.
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
        legs: subject.legs.clone(),
    }
}
