//! The record of a walk: JSON lines, the first with the [`Head`], then one for each message.
//!
//! Keys, signatures, account numbers and balances are removed before a line is written.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Name of the file in the folder of a record.
pub const FILE: &str = "wire.jsonl";
/// The format of this version.
pub const FORMAT: u32 = 1;
/// Largest record, bytes.
const SIZE_MAX: u64 = 64 << 20;

/// The first line: what was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The format of the lines.
    pub format: u32,
    /// The venue, by its `venue.kind`.
    pub venue: String,
    /// Its environment.
    pub environment: String,
    /// The instrument.
    pub symbol: String,
    /// The number of the walk. It is in the ids of all its orders.
    pub walk: String,
    /// How fast venue time passes: 1 at real venues.
    pub pace: u32,
    /// Start, UTC milliseconds of our clock.
    pub started: UtcMs,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// A request and its response.
    Http(Http),
    /// A request without a response.
    Lost {
        /// Method and path.
        request: String,
        /// The reason.
        why: String,
    },
    /// A websocket was opened.
    Opened {
        /// Its number.
        socket: u32,
    },
    /// A websocket could not be opened.
    Refused {
        /// Its number.
        socket: u32,
        /// The reason.
        why: String,
    },
    /// We sent a message.
    Sent {
        /// The websocket.
        socket: u32,
        /// The text.
        text: String,
    },
    /// The venue sent a message.
    Received {
        /// The websocket.
        socket: u32,
        /// The text.
        text: String,
    },
    /// The venue sent a ping.
    Ping {
        /// The websocket.
        socket: u32,
    },
    /// A websocket ended.
    Closed {
        /// Its number.
        socket: u32,
        /// The reason.
        why: String,
    },
}

/// A request and its response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// Method and path.
    pub request: String,
    /// The parameters, without the signature.
    pub query: String,
    /// The JSON body that was sent; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sent_body: String,
    /// When it was sent, UTC milliseconds of our clock.
    pub sent: UtcMs,
    /// Status.
    pub status: u16,
    /// The used weight that the venue reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_weight: Option<u32>,
    /// The count of orders in the short window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders_short: Option<u32>,
    /// The count of orders of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders_day: Option<u32>,
    /// How long the venue wants no requests, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// The limit of requests that the venue reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The requests that are left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_remaining: Option<u32>,
    /// When the limit begins again, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_reset_s: Option<u64>,
    /// The body.
    pub body: String,
}

/// A line after the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The step that sent or used it.
    pub step: String,
    /// UTC milliseconds of our clock.
    pub at: UtcMs,
    /// The message.
    #[serde(flatten)]
    pub message: Message,
}

/// Writes a record.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    failed: Option<String>,
}

impl Recorder {
    /// Creates the file and writes the head.
    ///
    /// # Errors
    /// The file exists, or it cannot be written.
    pub fn create(path: &Path, head: &Head) -> Result<Recorder, String> {
        let failed = |e: std::io::Error| {
            if e.kind() == std::io::ErrorKind::AlreadyExists {
                return format!("{}: the file exists. Choose another folder.", path.display());
            }
            format!("{}: {e}", path.display())
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        let mut recorder = Recorder { path: path.to_owned(), file, failed: None };
        recorder.append(head);
        recorder.end().map(|()| recorder)
    }

    /// Appends a line. The first failure is kept for [`Recorder::end`].
    pub fn line(&mut self, line: &Line) {
        self.append(line);
    }

    fn append(&mut self, value: &impl Serialize) {
        if self.failed.is_some() {
            return;
        }
        let text = serde_json::to_string(value).map_err(std::io::Error::other);
        let written = text.and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()));
        self.failed = written.err().map(|e| format!("{}: {e}", self.path.display()));
    }

    /// Whether every line was written.
    ///
    /// # Errors
    /// The first failure.
    pub fn end(&self) -> Result<(), String> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}

/// A record that answers in place of the venue. A step gets only the lines of that step.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its first line.
    pub head: Head,
    steps: BTreeMap<String, Vec<Line>>,
    now: UtcMs,
}

impl Played {
    /// Reads the record of a folder.
    ///
    /// # Errors
    /// The file, the line and the reason.
    pub fn read(folder: &Path) -> Result<Played, String> {
        let path = folder.join(FILE);
        let place = path.display();
        let mut text = String::new();
        let read = File::open(&path).and_then(|f| f.take(SIZE_MAX + 1).read_to_string(&mut text));
        let length = read.map_err(|e| format!("{place}: {e}"))?;
        if length as u64 > SIZE_MAX {
            return Err(format!("{place}: the file is larger than {SIZE_MAX} bytes"));
        }
        let mut lines = text.lines().enumerate();
        let wrong = |n: usize, e: &dyn std::fmt::Display| {
            format!("{place}, line {}: {e}. Record again: everwarm conformance --record DIR", n + 1)
        };
        let (_, first) = lines.next().ok_or_else(|| wrong(0, &"the file is empty"))?;
        let head: Head = serde_json::from_str(first).map_err(|e| wrong(0, &e))?;
        if head.format != FORMAT {
            let why = format!("format {} is not {FORMAT}, which this version reads", head.format);
            return Err(wrong(0, &why));
        }
        let mut steps: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for (n, text) in lines {
            let line: Line = serde_json::from_str(text).map_err(|e| wrong(n, &e))?;
            steps.entry(line.step.clone()).or_default().push(line);
        }
        let now = head.started;
        Ok(Played { head, steps, now })
    }

    /// Our clock as of the last line that was taken.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        self.now
    }

    /// Takes the first line of the step for which `chosen` gives a value.
    pub fn take<T>(&mut self, step: &str, chosen: impl Fn(&Message) -> Option<T>) -> Option<T> {
        let lines = self.steps.get_mut(step)?;
        let place = lines.iter().position(|line| chosen(&line.message).is_some())?;
        let line = lines.remove(place);
        self.now = self.now.max(line.at);
        chosen(&line.message)
    }
}
