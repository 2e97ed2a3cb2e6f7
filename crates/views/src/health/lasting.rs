//! What no fact and no clock of its own dates: since when it has been so, by looking now and then.

use super::signs::Signs;
use crate::views::{CheckView, Severity};
use everwarm_domain::time::UtcMs;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// How far our clock may be from the venue's before it is told of, milliseconds.
const SKEW: i64 = 500;
/// Room on the disk: at least so many bytes, and one part in so many of it.
const DISK: (u64, u64) = (1 << 30, 20);
/// With less than this it ends soon.
const DISK_LEAST: u64 = 64 << 20;

/// Conditions of being ready that do not hold. A stage stands still only by what is set aside, and
/// that is always told.
pub fn open(signs: &Signs) -> impl Iterator<Item = &CheckView> {
    signs.checks.iter().filter(move |check| !check.ok && check.name != "stages")
}

/// How bad it is with the clock.
pub fn clock(signs: &Signs) -> Option<Severity> {
    let (skew, most) = signs.skew.filter(|(skew, _)| skew.abs() > SKEW)?;
    Some(if skew.abs() >= most { Severity::Broken } else { Severity::Warning })
}

/// How bad it is with the disk.
pub fn disk(signs: &Signs) -> Option<Severity> {
    let disk = signs.disk.filter(|disk| disk.free < DISK.0.min(disk.total / DISK.1))?;
    Some(if disk.free < DISK_LEAST { Severity::Broken } else { Severity::Warning })
}

/// The name of a condition of being ready.
pub fn ready(name: &str) -> String {
    format!("ready {name}")
}

/// What is so now, of `signs` of which the rest may be unknown, by name.
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

/// Since when it has been so, wall time, UTC milliseconds. A process begins anew.
#[derive(Clone, Debug, Default)]
pub struct Lasting(Arc<Mutex<BTreeMap<String, UtcMs>>>);

impl Lasting {
    /// Looks at the time of `signs`; since when each thing that is so has been.
    pub fn look(&self, signs: &Signs) -> BTreeMap<String, UtcMs> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |name: &String| first.get(name).copied().unwrap_or(signs.wall);
        *first = now(signs).into_iter().map(|name| (name.clone(), since(&name))).collect();
        first.clone()
    }
}
