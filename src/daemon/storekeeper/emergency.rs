//! Carries out the steps of an emergency of storage, see `everwarm_views::emergency`.
//!
//! The file of the state names the step before it begins. After a kill, the next process continues
//! with that step: each step removes what is still there.

use super::super::retention::{self, Tonight};
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::time::{Timeframe, day_of};
use everwarm_edge::world::World;
use everwarm_history::old_bars;
use everwarm_runtime::clock::wall;
use everwarm_views::backup::failed;
use everwarm_views::emergency::{
    self, EmergencyState, EmergencyStep, EmergencyView, Frees, STEPS, Space,
};
use everwarm_views::exit::Failure;
use everwarm_views::health::disk_of;
use everwarm_views::scan_days;
use everwarm_views::storage::BarStep;
use everwarm_words::text::{count, megabytes};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Measures the space, and frees some if there is too little. `goes_on` is called between two
/// parts of the work; `false` ends it there.
pub fn look(world: &World, goes_on: &mut dyn FnMut() -> bool) {
    // Whoever removes something now may free enough.
    let Some(_turn) = retention::turn_now() else { return };
    if !world.knows_time() {
        return;
    }
    let (data_dir, rules) = (retention::data_dir(world), retention::configured(world));
    let (view, today) = (emergency::read(data_dir), day_of(world.now()));
    Emergency { world, data_dir, rules, view, today, goes_on }.advance();
}

struct Emergency<'a> {
    world: &'a World,
    data_dir: &'a Path,
    /// The configured rules.
    rules: StorageRules,
    view: EmergencyView,
    /// Event time, days since 1970.
    today: i64,
    goes_on: &'a mut dyn FnMut() -> bool,
}

/// What a step freed.
#[derive(Default)]
struct Freed {
    bytes: u64,
    bars: u64,
    held: Option<String>,
}

impl Emergency<'_> {
    fn advance(mut self) {
        match (self.view.state, self.space().lack(&self.rules)) {
            (EmergencyState::None | EmergencyState::Compact, None) => return,
            (EmergencyState::None, Some(reason)) => {
                tracing::error!("emergency of storage: {reason}");
                self.view = EmergencyView { since: wall().utc(), reason, ..self.view };
            }
            (EmergencyState::Compact, Some(reason)) => {
                tracing::error!("emergency of storage again: {reason}");
                self.view.reason = reason;
            }
            (EmergencyState::Exhausted, None) => return self.over(),
            // More is due on a later day.
            (EmergencyState::Exhausted, Some(_)) if self.view.day == self.today => return,
            (EmergencyState::Exhausted, Some(reason)) => self.view.reason = reason,
            (EmergencyState::Freeing, _) => {}
        }
        self.free();
    }

    /// Carries out the steps, from the one that a kill interrupted.
    fn free(mut self) {
        let interrupted = self.view.step.as_deref();
        let first = STEPS.iter().position(|step| interrupted == Some(step.name)).unwrap_or(0);
        for step in &STEPS[first..] {
            if self.space().is_enough(&self.rules) {
                return self.over();
            }
            self.view.state = EmergencyState::Freeing;
            self.view.step = Some(step.name.to_owned());
            self.view.day = self.today;
            self.save();
            let freed = self.carry_out(step);
            if !(self.goes_on)() {
                // The daemon ends. The next one continues with this step.
                return;
            }
            self.note(step, freed);
        }
        match self.space().lack(&self.rules) {
            None => self.over(),
            Some(reason) => {
                tracing::error!("emergency of storage, no step can free more: {reason}");
                self.view.reason = reason;
                self.view.state = EmergencyState::Exhausted;
                self.view.step = None;
                self.save();
            }
        }
    }

    /// There is enough space. The profile `compact` stays in force.
    fn over(mut self) {
        tracing::warn!(
            "emergency of storage: there is enough space; bars stay as with the profile compact \
             until: everwarm storage lift"
        );
        self.view.state = EmergencyState::Compact;
        self.view.step = None;
        self.save();
    }

    fn note(&mut self, step: &EmergencyStep, freed: Freed) {
        let Freed { bytes, bars, held } = freed;
        tracing::warn!(
            "emergency of storage, step {:?}: {} MB freed, {} removed from the history{}",
            step.name,
            megabytes(bytes),
            count(bars, "bar"),
            held.as_ref().map_or(String::new(), |why| format!("; {why}"))
        );
        let of = self.view.step_mut(step.name);
        of.ended = wall().utc();
        of.freed += bytes;
        of.bars += bars;
        of.held = held;
        self.save();
    }

    /// On a full disk the file may not be written. The step is then more important.
    fn save(&self) {
        if let Err(e) = emergency::write(self.data_dir, &self.view) {
            let path = self.data_dir.join(emergency::FILE);
            tracing::warn!("{}: {e}", path.display());
        }
    }

    fn space(&self) -> Space {
        let free = disk_of(self.data_dir).map(|disk| disk.free);
        Space::of(self.data_dir, &self.rules, free)
    }

    fn carry_out(&mut self, step: &EmergencyStep) -> Freed {
        match step.frees {
            Frees::Scans => {
                let held = scan_days::forget_near(&self.world.archive).err();
                Freed { held: held.map(|why| why.to_string()), ..Freed::default() }
            }
            Frees::Older(days) => self.older(days),
            Frees::Archive => self.archive(),
        }
    }

    /// Removes facts that are older than so many days, and bars as the profile `compact` says.
    fn older(&mut self, days: i64) -> Freed {
        let (mut freed, mut held) = (Freed::default(), Vec::new());
        let rules = emergency::during(self.rules.clone(), days);
        match retention::thin(self.world, rules.analysis_days, self.today) {
            Ok(Some(thinned)) => freed.bytes += thinned.before.saturating_sub(thinned.after),
            Ok(None) => {
                let text = "the journal keeps its facts: no day was repeated (daemon.self_replay)";
                held.push(text.to_owned());
            }
            Err(why) => held.push(why.to_string()),
        }
        let moving = Tonight::of(self.world, rules, self.today);
        match moving.moving().run(self.goes_on) {
            Ok(steps) => {
                for step in steps {
                    freed.bars += step.bars.unwrap_or_default();
                    if step.step == BarStep::Expired {
                        freed.bytes += step.bytes;
                    }
                }
            }
            Err(why) => held.push(why.to_string()),
        }
        freed.held = (!held.is_empty()).then(|| held.join("; "));
        freed
    }

    /// Removes files of the archive, the oldest first, until there is enough space.
    fn archive(&mut self) -> Freed {
        let mut freed = Freed::default();
        freed.held = self.remove_files(&mut freed.bytes).err().map(|why| why.to_string());
        freed
    }

    fn remove_files(&mut self, bytes: &mut u64) -> Result<(), Failure> {
        let folder = self.rules.archive_in(self.data_dir);
        if !folder.is_dir() {
            return Ok(());
        }
        let elsewhere = disk(&folder) != disk(self.data_dir);
        let _lock = retention::lock(&folder)?;
        for file in oldest_first(&folder)? {
            let space = self.space();
            // Only the limit of the size counts files on another disk.
            let helps = !elsewhere || space.is_oversized(&self.rules);
            if space.is_enough(&self.rules) || !helps || !(self.goes_on)() {
                break;
            }
            let size = fs::metadata(&file).map_or(0, |about| about.len());
            fs::remove_file(&file).map_err(|e| failed(&file, &e))?;
            tracing::warn!("emergency of storage: removed {}", file.display());
            *bytes += size;
        }
        Ok(())
    }
}

/// The disk of a folder; none: unknown.
fn disk(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|about| about.dev())
}

/// The files of an archive by month, narrow widths first.
fn oldest_first(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for (at, width) in Timeframe::ALL.into_iter().enumerate() {
        let files = old_bars::files(folder, width).map_err(|e| failed(folder, &e))?;
        all.extend(files.into_iter().map(|(month, file)| (month, at, file)));
    }
    all.sort();
    Ok(all.into_iter().map(|(_, _, file)| file).collect())
}
