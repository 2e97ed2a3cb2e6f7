//! The active faults, and whether one of them hits a request, message, order or bar.

use super::fault::Fault;
use super::kinds::Kind;
use super::lie::Lie;
use crate::server::routes::Endpoint;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::files::write_whole;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Name of the file with the active faults, in the directory of the books.
pub const FILE: &str = "faults.json";
/// Most remembered hits. Beyond this number, all are forgotten.
const REMEMBERED: usize = 1 << 16;
/// Most faults that can be active together.
const MOST: usize = 64;

/// The effect of a fault on one request, message, order or bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The kind of the fault.
    pub kind: Kind,
    /// The fault's number. Its meaning depends on the kind.
    pub number: u64,
    /// The lie of a hostile venue.
    pub lie: Option<Lie>,
}

/// The symbol and the id that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The symbol as it was sent; empty: none.
    pub symbol: String,
    /// The id of the order or list as it was sent; the client's id if both were sent. Empty: none.
    pub id: String,
    /// The ids of the orders of a list.
    pub legs: Vec<String>,
}

/// One active fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct On {
    id: u64,
    fault: Fault,
    /// Matches so far, including the skipped ones.
    met: u64,
}

impl On {
    fn hits(&self) -> u64 {
        self.met.saturating_sub(self.fault.skip)
    }

    fn is_over(&self) -> bool {
        self.fault.times.is_some_and(|times| self.hits() >= times)
    }

    /// A hash of the key, if the fault's chance selects this key.
    fn drawn(&self, key: &[&str], now: UtcMs) -> Option<u64> {
        let mut hash = Sha256::new();
        hash.update(self.fault.seed.to_be_bytes());
        hash.update(self.fault.kind.row().name.as_bytes());
        hash.update(now.to_be_bytes());
        for part in key {
            hash.update([0]);
            hash.update(part.as_bytes());
        }
        let bytes = hash.finalize();
        let number = bytes.iter().take(8).fold(0, |sum, b| sum << 8 | u64::from(*b));
        (number % 1_000 < u64::from(self.fault.chance)).then_some(number)
    }
}

#[derive(Debug, Default)]
struct State {
    on: Vec<On>,
    last: u64,
    /// Hits so far, by fault and hash of the key.
    hit: BTreeMap<(u64, u64), u64>,
    /// Matches of hostile faults so far, by fault and place.
    come: BTreeMap<(u64, String), u64>,
    /// The last two reported orders of each symbol.
    reported: BTreeMap<String, [u64; 2]>,
}

impl State {
    /// The first fault that `meets` accepts and that hits, and whether it is over now. A fault hits
    /// each key at most `most` times.
    fn first(
        &mut self,
        meets: impl Fn(&Fault) -> bool,
        (key, place): (&[&str], usize),
        now: UtcMs,
        most: impl Fn(&Fault) -> u64,
    ) -> Option<(Hit, bool)> {
        for on in self.on.iter_mut().filter(|on| !on.is_over() && meets(&on.fault)) {
            // Time must not change which orders are reported as unknown.
            let now = if on.fault.kind == Kind::UnknownOrder { 0 } else { now };
            // Lies depend on the number of earlier matches at their place, not on time.
            let (key, now) = if on.fault.mode.is_some() {
                let place = key.get(..place).unwrap_or(key);
                let come = self.come.entry((on.id, place.join(" "))).or_default();
                *come += 1;
                (place, UtcMs::try_from(*come).unwrap_or(UtcMs::MAX))
            } else {
                (key, now)
            };
            let Some(place) = on.drawn(key, now) else { continue };
            if self.hit.len() > REMEMBERED {
                self.hit.clear();
            }
            let before = self.hit.entry((on.id, place)).or_default();
            if *before >= most(&on.fault) {
                continue;
            }
            *before += 1;
            on.met += 1;
            if on.met > on.fault.skip {
                // The content of a lie is independent of the decision to lie.
                let lie = on.fault.mode.map(|mode| Lie { mode, dice: place / 1_000 });
                let hit = Hit { kind: on.fault.kind, number: count(&on.fault), lie };
                return Some((hit, on.is_over()));
            }
        }
        None
    }
}

/// The number of a fault as a count. Only clock skew can be negative, and it hits nothing.
fn count(fault: &Fault) -> u64 {
    u64::try_from(fault.number()).unwrap_or(0)
}

/// All active faults.
#[derive(Debug)]
pub struct Faults {
    file: PathBuf,
    /// Whether venue time stands still, so that a request can repeat at the same time. It is then
    /// hit only once.
    stands: bool,
    state: Mutex<State>,
}

/// Activates faults for an exchange that will start in this directory.
///
/// # Errors
/// A fault is invalid, or the file cannot be written.
pub fn prepare(dir: &Path, faults: &[Fault]) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let all = Faults { file: dir.join(FILE), stands: true, state: Mutex::default() };
    for fault in faults {
        all.add(fault.clone()).map_err(io::Error::other)?;
    }
    all.keep(&all.state())
}

impl Faults {
    /// Reads the active faults of a directory. In lockstep, venue time `stands` still.
    ///
    /// # Errors
    /// The file cannot be read, or holds no valid faults.
    pub fn open(dir: &Path, stands: bool) -> io::Result<Faults> {
        let file = dir.join(FILE);
        let on: Vec<On> = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| damaged(&file, &e))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(damaged(&file, &e)),
        };
        for on in &on {
            on.fault.check().map_err(|why| damaged(&file, &why))?;
        }
        let last = on.iter().map(|on| on.id).max().unwrap_or(0);
        let state = Mutex::new(State { on, last, ..State::default() });
        Ok(Faults { file, stands, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, state: &State) -> io::Result<()> {
        write_whole(&self.file, &serde_json::to_vec_pretty(&state.on)?)
    }

    /// Activates a fault and returns its id.
    ///
    /// # Errors
    /// The fault is invalid, too many are active, or the file cannot be written.
    pub fn add(&self, fault: Fault) -> Result<u64, String> {
        fault.check()?;
        let mut state = self.state();
        state.on.retain(|on| !on.is_over());
        if state.on.len() >= MOST {
            return Err(format!("{MOST} faults are on already"));
        }
        state.last += 1;
        let id = state.last;
        state.on.push(On { id, fault, met: 0 });
        self.keep(&state).map_err(|e| e.to_string())?;
        Ok(id)
    }

    /// Removes one fault, or all. Returns the number of removed faults.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn lift(&self, id: Option<u64>) -> Result<usize, String> {
        let mut state = self.state();
        let before = state.on.len();
        state.on.retain(|on| id.is_some_and(|id| on.id != id));
        self.keep(&state).map_err(|e| e.to_string())?;
        Ok(before - state.on.len())
    }

    /// All faults and their hits, as JSON.
    #[must_use]
    pub fn rows(&self) -> Vec<Value> {
        let row = |on: &On| {
            let mut value = serde_json::to_value(&on.fault).unwrap_or_default();
            value["id"] = on.id.into();
            value["hits"] = on.hits().into();
            value["over"] = on.is_over().into();
            value["number"] = json!(on.fault.number());
            value
        };
        self.state().on.iter().map(row).collect()
    }

    /// The hit of an active fault. Saves the faults when one of them ends.
    fn hit(
        &self,
        meets: impl Fn(&Fault) -> bool,
        key: (&[&str], usize),
        now: UtcMs,
        most: impl Fn(&Fault) -> u64,
    ) -> Option<Hit> {
        let mut state = self.state();
        if state.on.is_empty() {
            return None;
        }
        let (hit, over) = state.first(meets, key, now, most)?;
        if over && let Err(error) = self.keep(&state) {
            tracing::warn!(%error, "what is on cannot be kept");
        }
        Some(hit)
    }

    /// The fault that hits a request at this venue time.
    #[must_use]
    pub fn request(&self, endpoint: &Endpoint, subject: &Subject, now: UtcMs) -> Option<Hit> {
        let again = self.again();
        let most =
            |fault: &Fault| if fault.kind == Kind::UnknownOrder { count(fault) } else { again };
        let key = [endpoint.method, endpoint.path, &subject.symbol, &subject.id];
        self.hit(|fault| fault.meets_request(endpoint), (&key, 3), now, most)
    }

    /// How often the same request is hit at one venue time. If time stands still, a repeated
    /// request passes.
    fn again(&self) -> u64 {
        if self.stands { 1 } else { u64::MAX }
    }

    /// The fault that hits a request about the connection itself, at this venue time.
    #[must_use]
    pub fn own(&self, name: &str, now: UtcMs) -> Option<Hit> {
        let again = self.again();
        self.hit(|fault| fault.meets_own(name), (&[name], 1), now, |_| again)
    }

    /// The fault that hits a message. `connection` is `market` or `user`.
    #[must_use]
    pub fn message(&self, connection: &str, name: &str, text: &str, now: UtcMs) -> Option<Hit> {
        // Only closed bars count, because a forming bar soon changes again.
        let closed = text.contains("\"x\":true");
        let meets = |fault: &Fault| {
            fault.meets_message(connection, name) && (fault.kind != Kind::OddBar || closed)
        };
        self.hit(meets, (&[connection, name, text], 2), now, |_| u64::MAX)
    }

    /// Records that an order of a symbol was reported. Returns the id of another order of the
    /// symbol, if one was reported before.
    pub fn twin(&self, symbol: &str, order: u64) -> Option<u64> {
        let mut state = self.state();
        let reported = state.reported.entry(symbol.to_owned()).or_default();
        if reported[1] != order {
            *reported = [reported[1], order];
        }
        (reported[0] > 0).then_some(reported[0])
    }

    /// The fault that hits an order that takes liquidity. Its number is the part that fills
    /// immediately, in per cent.
    #[must_use]
    pub fn lag(&self, symbol: Symbol, client_id: &str, minute: UtcMs) -> Option<Hit> {
        let meets = |fault: &Fault| fault.meets_order(symbol);
        let key = [symbol.as_str(), client_id];
        self.hit(meets, (&key, 2), minute, |_| u64::MAX)
    }

    /// The altered bar that streams and responses show, if a fault hits this closed bar. Repeated
    /// calls return the same bar.
    #[must_use]
    pub fn bar(&self, bar: Bar) -> Option<(Bar, Hit)> {
        let mut state = self.state();
        let State { on, hit, .. } = &mut *state;
        let key = [bar.symbol.as_str(), &bar.open_time.to_string()];
        let mut found = None;
        let mut over = false;
        for on in on.iter_mut().filter(|on| on.fault.meets_bar(bar.symbol)) {
            let Some(place) = on.drawn(&key, 0) else { continue };
            if let Entry::Vacant(first) = hit.entry((on.id, place)) {
                if on.is_over() {
                    continue;
                }
                on.met += 1;
                if on.met <= on.fault.skip {
                    continue;
                }
                first.insert(1);
                over = on.is_over();
            }
            let altered = odd(bar, on.fault.number());
            found =
                Some((altered, Hit { kind: on.fault.kind, number: count(&on.fault), lie: None }));
            break;
        }
        if over && let Err(error) = self.keep(&state) {
            tracing::warn!(%error, "what is on cannot be kept");
        }
        found
    }

    /// How far the reported clock is ahead of venue time, in milliseconds. Negative: behind.
    #[must_use]
    pub fn skew(&self) -> i64 {
        let state = self.state();
        let skews = state.on.iter().filter(|on| on.fault.kind == Kind::ClockSkew);
        skews.map(|on| on.fault.number()).sum()
    }
}
/// The bar with its prices multiplied by `percent` / 100.
fn odd(bar: Bar, percent: i64) -> Bar {
    let priced = |price: Price| {
        let units = (i128::from(price.units()) * i128::from(percent) / 100).max(1);
        Price::of(units, price.scale()).unwrap_or(price)
    };
    let (open, high) = (priced(bar.open), priced(bar.high));
    let (low, close) = (priced(bar.low), priced(bar.close));
    Bar { open, high, low, close, ..bar }
}

/// The error for a file of faults that cannot be read.
fn damaged(file: &Path, why: &dyn std::fmt::Display) -> io::Error {
    let file = file.display();
    io::Error::other(format!("{file}: {why}; remove the file: then no fault is on"))
}
