//! The emergency of storage: what begins it, what it frees in which order, and its state.
//!
//! It begins when the disk has too little free space, or the files are too large. Then the daemon
//! frees space by the steps of [`STEPS`], one after the other, until there is enough. After that,
//! bars stay as the profile `compact` says, until an operator lifts the emergency. No step removes
//! facts about orders or money.
//!
//! The state is a small file in the data directory. So a process that was killed in a step
//! continues with that step.

use super::storage::{self, Place};
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::files::write_whole;
use everwarm_words::text::{instant, megabytes};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use utoipa::ToSchema;

/// The file of the state, in the data directory. It exists from the begin of an emergency until an
/// operator lifts it.
pub const FILE: &str = "storage-emergency.json";

/// What a step frees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frees {
    /// The bars near a signal that nights keep (`storage.scan_history`). The daemon keeps no others
    /// until the emergency is lifted. New bars use their space in the history.
    Scans,
    /// Facts of the journal that are computed from bars and older than so many days, and bars in
    /// the history that the profile `compact` does not keep.
    Older(i64),
    /// Files of the archive, the oldest first, until there is enough space.
    Archive,
}

/// A step of the emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmergencyStep {
    /// Its name, in logs, metrics and the file.
    pub name: &'static str,
    /// What it frees.
    pub frees: Frees,
}

/// The steps, in their order. A later one begins only if the space is still too little.
pub const STEPS: [EmergencyStep; 4] = [
    EmergencyStep { name: "scans", frees: Frees::Scans },
    EmergencyStep { name: "30d", frees: Frees::Older(30) },
    EmergencyStep { name: "7d", frees: Frees::Older(7) },
    EmergencyStep { name: "archive", frees: Frees::Archive },
];

/// Their names, for metrics.
pub const NAMES: &[&str] = &[STEPS[0].name, STEPS[1].name, STEPS[2].name, STEPS[3].name];

/// Days for which the journal keeps bars, and what is computed from them, during an emergency.
const DAYS: i64 = 30;

/// The state of the emergency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyState {
    /// There is none.
    #[default]
    None,
    /// There is enough space again. Bars stay as the profile `compact` says.
    Compact,
    /// Its steps free space.
    Freeing,
    /// All steps were carried out, and the space is still too little.
    Exhausted,
}

impl EmergencyState {
    /// Its number in metrics.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            EmergencyState::None => 0,
            EmergencyState::Compact => 1,
            EmergencyState::Freeing => 2,
            EmergencyState::Exhausted => 3,
        }
    }
}

/// A step that was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmergencyStepView {
    /// Its name.
    pub name: String,
    /// Wall time at which it ended last, UTC milliseconds.
    pub ended: UtcMs,
    /// Bytes by which files became smaller, in all its runs of this emergency.
    pub freed: u64,
    /// Bars that it removed from the history, in all its runs. New bars use their space.
    pub bars: u64,
    /// Why its last run freed nothing or not everything; none: it did.
    pub held: Option<String>,
}

/// The emergency of storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmergencyView {
    /// Its state.
    pub state: EmergencyState,
    /// Wall time at which it began, UTC milliseconds; 0: there is none.
    pub since: UtcMs,
    /// Why it began.
    pub reason: String,
    /// The step that is carried out; none: none is.
    pub step: Option<String>,
    /// The steps that were carried out, in their order.
    pub steps: Vec<EmergencyStepView>,
    /// The day of the last step, event time, days since 1970: more is due on a later day.
    #[serde(default)]
    pub day: i64,
}

impl EmergencyView {
    /// The state in one sentence; none: there is no emergency.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let freed: u64 = self.steps.iter().map(|step| step.freed).sum();
        let (since, freed) = (instant(self.since), megabytes(freed));
        let begun = format!("emergency of storage since {since} UTC, {freed} MB freed");
        match self.state {
            EmergencyState::None => None,
            EmergencyState::Compact => Some(format!(
                "{begun}, there is enough space; bars stay as with the profile compact until: \
                 everwarm storage lift"
            )),
            EmergencyState::Freeing => {
                let step = self.step.as_deref().unwrap_or_default();
                Some(format!("{begun}, step {step:?} frees space: {}", self.reason))
            }
            EmergencyState::Exhausted => {
                Some(format!("{begun}, no step can free more: {}", self.reason))
            }
        }
    }

    /// The step with this name, to note what it did.
    pub fn step_mut(&mut self, name: &str) -> &mut EmergencyStepView {
        let at = self.steps.iter().position(|step| step.name == name);
        let at = at.unwrap_or_else(|| {
            let name = name.to_owned();
            self.steps.push(EmergencyStepView { name, ..EmergencyStepView::default() });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }
}

/// The space that is used and free, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of all files: the data directory and the archive.
    pub used: u64,
    /// Free on the disk of the data directory; none: unknown.
    pub free: Option<u64>,
}

impl Space {
    /// Measures the space. Without a limit of the size, the files are not counted.
    #[must_use]
    pub fn of(data_dir: &Path, rules: &StorageRules, free: Option<u64>) -> Space {
        let place = Place { data_dir, rules, history: None };
        Space { used: if rules.limit == 0 { 0 } else { storage::size(&place) }, free }
    }

    /// Why the space is too little; none: it is not.
    #[must_use]
    pub fn lack(&self, rules: &StorageRules) -> Option<String> {
        if let Some(free) = self.free.filter(|free| *free < rules.min_free) {
            let (free, least) = (megabytes(free), megabytes(rules.min_free));
            return Some(format!("{free} MB are free on the disk, storage.min_free_mb is {least}"));
        }
        (rules.limit > 0 && self.used > rules.limit).then(|| {
            let (used, limit) = (megabytes(self.used), megabytes(rules.limit));
            format!("the files have {used} MB, storage.limit_mb is {limit}")
        })
    }

    /// Whether the files are larger than the limit of their size allows.
    #[must_use]
    pub const fn is_oversized(&self, rules: &StorageRules) -> bool {
        rules.limit > 0 && self.used > rules.limit - rules.limit / 10
    }

    /// Whether there is enough space again. That is a quarter of the free space, or a tenth of the
    /// size, beyond the limit, so that the emergency does not begin again at once.
    #[must_use]
    pub fn is_enough(&self, rules: &StorageRules) -> bool {
        let least = rules.min_free + rules.min_free / 4;
        !self.is_oversized(rules) && self.free.is_none_or(|free| free >= least)
    }
}

/// The emergency of a data directory.
#[must_use]
pub fn read(data_dir: &Path) -> EmergencyView {
    let path = data_dir.join(FILE);
    let text = match fs::read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return EmergencyView::default(),
        text => text,
    };
    let view = text.and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
    // Whoever cannot read it must not assume that there is none.
    view.unwrap_or_else(|e| EmergencyView {
        state: EmergencyState::Compact,
        reason: format!("{}: {e}", path.display()),
        ..EmergencyView::default()
    })
}

/// Writes the state of an emergency.
///
/// # Errors
/// The file cannot be written.
pub fn write(data_dir: &Path, view: &EmergencyView) -> io::Result<()> {
    write_whole(&data_dir.join(FILE), &serde_json::to_vec(view)?)
}

/// Removes the file: the rules of the configuration are in force again.
///
/// # Errors
/// The file cannot be removed.
pub fn lift(data_dir: &Path) -> io::Result<()> {
    match fs::remove_file(data_dir.join(FILE)) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The rules in force in a data directory: those of the configuration, unless there is an
/// emergency.
#[must_use]
pub fn in_force(rules: StorageRules, data_dir: &Path) -> StorageRules {
    if read(data_dir).state == EmergencyState::None { rules } else { during(rules, DAYS) }
}

/// The rules during an emergency: the journal keeps facts for at most so many days, and nights keep
/// no bars near a signal.
#[must_use]
pub fn during(rules: StorageRules, days: i64) -> StorageRules {
    let analysis_days = if rules.analysis_days == 0 { days } else { rules.analysis_days.min(days) };
    StorageRules { analysis_days, scan_history: false, emergency: true, ..rules }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Signs, findings};
    use crate::views::Severity;

    fn rules(limit: u64, min_free: u64) -> StorageRules {
        StorageRules { limit, min_free, ..StorageRules::default() }
    }

    #[test]
    fn it_begins_below_the_limit_and_ends_some_way_above_it() {
        let look = |free: u64, rules: &StorageRules| {
            let space = Space { used: 0, free: Some(free) };
            (space.lack(rules).is_some(), space.is_enough(rules))
        };
        let least = rules(0, 1_000);
        assert_eq!(look(999, &least), (true, false));
        assert_eq!(look(1_000, &least), (false, false), "neither begins nor ends");
        assert_eq!(look(1_250, &least), (false, true));
        let look = |used: u64, rules: &StorageRules| {
            let space = Space { used, free: None };
            (space.lack(rules).is_some(), space.is_enough(rules))
        };
        let most = rules(1_000, 0);
        assert_eq!(look(1_001, &most), (true, false));
        assert_eq!(look(1_000, &most), (false, false));
        assert_eq!(look(900, &most), (false, true));
        assert_eq!(look(u64::MAX, &rules(0, 0)), (false, true), "there is no limit");
    }

    #[test]
    fn a_state_that_cannot_be_read_counts_as_an_emergency() {
        let name = format!("everwarm-emergency-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(read(&folder), EmergencyView::default());
        let keeping = StorageRules { scan_history: true, ..StorageRules::default() };
        let of = in_force(keeping.clone(), &folder);
        assert!(!of.emergency && of.scan_history);
        let mut view = EmergencyView { state: EmergencyState::Freeing, ..read(&folder) };
        view.step_mut("archive").freed += 5;
        view.step_mut("archive").freed += 5;
        write(&folder, &view).unwrap();
        assert_eq!((read(&folder), view.steps.len()), (view, 1));
        let of = in_force(keeping, &folder);
        assert_eq!((of.emergency, of.analysis_days, of.scan_history), (true, 30, false));
        fs::write(folder.join(FILE), "{").unwrap();
        assert_eq!(read(&folder).state, EmergencyState::Compact);
        assert!(in_force(StorageRules::default(), &folder).emergency);
        lift(&folder).unwrap();
        lift(&folder).unwrap();
        assert_eq!(read(&folder), EmergencyView::default());
        fs::remove_dir_all(&folder).unwrap();
    }
    #[test]
    fn doctor_reports_it_until_it_is_lifted() {
        let found = |state| {
            let emergency = EmergencyView { state, ..EmergencyView::default() };
            let findings = findings(&Signs { emergency, ..Signs::default() }).findings;
            let of = findings.into_iter().find(|found| found.check == "emergency");
            of.map(|found| found.severity)
        };
        assert_eq!(found(EmergencyState::None), None);
        assert_eq!(found(EmergencyState::Compact), Some(Severity::Warning));
        assert_eq!(found(EmergencyState::Freeing), Some(Severity::Warning));
        assert_eq!(found(EmergencyState::Exhausted), Some(Severity::Broken));
    }
}
