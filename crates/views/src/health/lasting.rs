//! Start times of conditions without a time in any fact, found by repeated checks.

use super::signs::Signs;
use crate::views::{CheckView, Severity};
use everwarm_domain::time::UtcMs;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Largest difference between our clock and the venue's that is not reported, milliseconds.
const SKEW: i64 = 500;
/// Required free space: these bytes, or the disk's size divided by this number if that is less.
const DISK: (u64, u64) = (1 << 30, 20);
/// Bytes below which low disk space is severe, because the process ends soon.
const DISK_LEAST: u64 = 64 << 20;

/// Readiness conditions that do not hold. Without `stages`: only a quarantine stops a stage, and
/// every quarantine is reported.
pub fn open(signs: &Signs) -> impl Iterator<Item = &CheckView> {
    signs.checks.iter().filter(move |check| !check.ok && check.name != "stages")
}

/// Severity of the clock's difference; none: it is small.
pub fn clock(signs: &Signs) -> Option<Severity> {
    let (skew, most) = signs.skew.filter(|(skew, _)| skew.abs() > SKEW)?;
    Some(if skew.abs() >= most { Severity::Broken } else { Severity::Warning })
}

/// Severity of low disk space; none: there is enough.
pub fn disk(signs: &Signs) -> Option<Severity> {
    let disk = signs.disk.filter(|disk| disk.free < DISK.0.min(disk.total / DISK.1))?;
    Some(if disk.free < DISK_LEAST { Severity::Broken } else { Severity::Warning })
}

/// The key of a readiness condition among the start times.
pub fn ready(name: &str) -> String {
    format!("ready {name}")
}

/// The names of the conditions that exist now; other parts of `signs` may be unknown.
fn now(signs: &Signs) -> BTreeSet<String> {
    let mut now: BTreeSet<String> = open(signs).map(|check| ready(&check.name)).collect();
    let others = [
        ("clock", clock(signs).is_some()),
        ("disk", disk(signs).is_some()),
        ("journal", signs.unlinked.is_some()),
        ("restart", !signs.pending.is_empty()),
    ];
    now.extend(others.iter().filter(|(_, so)| *so).map(|(name, _)| (*name).to_owned()));
    now
}

/// Wall time since which each condition exists, UTC milliseconds. A new process starts empty.
#[derive(Clone, Debug, Default)]
pub struct Lasting(Arc<Mutex<BTreeMap<String, UtcMs>>>);

impl Lasting {
    /// Checks the conditions at the time of `signs`; returns since when each of them exists.
    pub fn look(&self, signs: &Signs) -> BTreeMap<String, UtcMs> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |name: &String| first.get(name).copied().unwrap_or(signs.wall);
        *first = now(signs).into_iter().map(|name| (name.clone(), since(&name))).collect();
        first.clone()
    }
}
