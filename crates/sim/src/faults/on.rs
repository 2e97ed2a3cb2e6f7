//! The faults that are switched on, and their decisions.

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

/// Name of the file with the faults, in the folder of the books.
pub const FILE: &str = "faults.json";
/// The most requests that are remembered as hit.
const REMEMBERED: usize = 1 << 16;
/// The most faults at the same time.
const MOST: usize = 64;

/// A hit of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The kind.
    pub kind: Kind,
    /// The number of its kind.
    pub number: u64,
    /// The false response of a hostile venue.
    pub lie: Option<Lie>,
}

/// The subject of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The symbol as it was sent; empty: none.
    pub symbol: String,
    /// The id of the order or list as it was sent, the client's id before the venue's; empty: none.
    pub id: String,
}

/// A fault that is switched on, with its counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct On {
    id: u64,
    fault: Fault,
    /// The number of possible hits, skipped ones included.
    met: u64,
}

impl On {
    fn hits(&self) -> u64 {
        self.met.saturating_sub(self.fault.skip)
    }

    fn is_over(&self) -> bool {
        self.fault.times.is_some_and(|times| self.hits() >= times)
    }

    /// Whether this key is drawn, and its place among all keys.
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
    /// How often each key was hit already, by fault and key.
    hit: BTreeMap<(u64, u64), u64>,
    /// How often a hostile fault reached each place, by fault and place.
    come: BTreeMap<(u64, String), u64>,
    /// The last two reported orders of each symbol.
    told: BTreeMap<String, [u64; 2]>,
}

impl State {
    /// The first fault that matches this target and hits it. Each key is hit at most `most` times.
    fn first(
        &mut self,
        meets: impl Fn(&Fault) -> bool,
        (key, place): (&[&str], usize),
        now: UtcMs,
        most: impl Fn(&Fault) -> u64,
    ) -> Option<(Hit, bool)> {
        for on in self.on.iter_mut().filter(|on| !on.is_over() && meets(&on.fault)) {
            // The age of an order does not change whether it is reported as unknown.
            let now = if on.fault.kind == Kind::UnknownOrder { 0 } else { now };
            // False responses depend on the earlier ones at their place, not on time.
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
                // The content is drawn independently of the decision.
                let lie = on.fault.mode.map(|mode| Lie { mode, dice: place / 1_000 });
                let hit = Hit { kind: on.fault.kind, number: count(&on.fault), lie };
                return Some((hit, on.is_over()));
            }
        }
        None
    }
}

/// The number of a fault that hits. Such numbers are never negative.
fn count(fault: &Fault) -> u64 {
    u64::try_from(fault.number()).unwrap_or(0)
}

/// All faults that are switched on.
#[derive(Debug)]
pub struct Faults {
    file: PathBuf,
    /// Whether a request may be repeated at the same venue time. It is then hit once.
    stands: bool,
    state: Mutex<State>,
}

/// Switches faults on for an exchange that will start in a folder.
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
    /// The faults of that folder. In lockstep `stands` is set.
    ///
    /// # Errors
    /// The file is damaged.
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

    /// Switches a fault on. Returns its number.
    ///
    /// # Errors
    /// It is invalid, or cannot be saved.
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

    /// Switches one fault off, or all. Returns how many were on.
    ///
    /// # Errors
    /// The change cannot be saved.
    pub fn lift(&self, id: Option<u64>) -> Result<usize, String> {
        let mut state = self.state();
        let before = state.on.len();
        state.on.retain(|on| id.is_some_and(|id| on.id != id));
        self.keep(&state).map_err(|e| e.to_string())?;
        Ok(before - state.on.len())
    }

    /// All faults that were switched on, with their hits.
    #[must_use]
    pub fn told(&self) -> Vec<Value> {
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

    /// Returns early if no fault is on.
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

    /// The hit of a request at this venue time.
    #[must_use]
    pub fn request(&self, endpoint: &Endpoint, subject: &Subject, now: UtcMs) -> Option<Hit> {
        let again = self.again();
        let most =
            |fault: &Fault| if fault.kind == Kind::UnknownOrder { count(fault) } else { again };
        let key = [endpoint.method, endpoint.path, &subject.symbol, &subject.id];
        self.hit(|fault| fault.meets_request(endpoint), (&key, 3), now, most)
    }

    /// How often the same request is hit at one time. If time stands still, its repetition passes.
    fn again(&self) -> u64 {
        if self.stands { 1 } else { u64::MAX }
    }

    /// The hit of a request of a connection about itself, at this venue time.
    #[must_use]
    pub fn own(&self, name: &str, now: UtcMs) -> Option<Hit> {
        let again = self.again();
        self.hit(|fault| fault.meets_own(name), (&[name], 1), now, |_| again)
    }

    /// The hit of a message of a connection of this kind.
    #[must_use]
    pub fn message(&self, connection: &str, name: &str, text: &str, now: UtcMs) -> Option<Hit> {
        // The bar of an unfinished minute changes soon.
        let closed = text.contains("\"x\":true");
        let meets = |fault: &Fault| {
            fault.meets_message(connection, name) && (fault.kind != Kind::OddBar || closed)
        };
        self.hit(meets, (&[connection, name, text], 2), now, |_| u64::MAX)
    }

    /// Notes that an order of a symbol was reported. Returns another order of the symbol that was
    /// reported before, if any.
    pub fn twin(&self, symbol: &str, order: u64) -> Option<u64> {
        let mut state = self.state();
        let told = state.told.entry(symbol.to_owned()).or_default();
        if told[1] != order {
            *told = [told[1], order];
        }
        (told[0] > 0).then_some(told[0])
    }

    /// The hit of a taking order. Its number is the part that fills immediately, in per cent.
    #[must_use]
    pub fn lag(&self, symbol: Symbol, client_id: &str, minute: UtcMs) -> Option<Hit> {
        let meets = |fault: &Fault| fault.meets_order(symbol);
        let key = [symbol.as_str(), client_id];
        self.hit(meets, (&key, 2), minute, |_| u64::MAX)
    }

    /// The changed bar in streams and records, if it is hit. The result is the same for every
    /// reader and repetition.
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
            let told = odd(bar, on.fault.number());
            found = Some((told, Hit { kind: on.fault.kind, number: count(&on.fault), lie: None }));
            break;
        }
        if over && let Err(error) = self.keep(&state) {
            tracing::warn!(%error, "what is on cannot be kept");
        }
        found
    }

    /// How far the clock that checks timestamps is ahead, in milliseconds; negative if it is
    /// behind.
    #[must_use]
    pub fn skew(&self) -> i64 {
        let state = self.state();
        let skews = state.on.iter().filter(|on| on.fault.kind == Kind::ClockSkew);
        skews.map(|on| on.fault.number()).sum()
    }
}
/// A bar with its prices at this per cent.
fn odd(bar: Bar, percent: i64) -> Bar {
    let priced = |price: Price| Price((price.0.saturating_mul(percent) / 100).max(1));
    let (open, high) = (priced(bar.open), priced(bar.high));
    let (low, close) = (priced(bar.low), priced(bar.close));
    Bar { open, high, low, close, ..bar }
}

/// The error of a damaged file.
fn damaged(file: &Path, why: &dyn std::fmt::Display) -> io::Error {
    let file = file.display();
    io::Error::other(format!("{file}: {why}; remove the file: then no fault is on"))
}
