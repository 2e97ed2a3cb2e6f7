//! Injects every possible fault into a small feed: every fault at every kill point, and every disk
//! operation with every image.

use super::{OnProgress, Report, at_a, row, wrong};
use crate::chaos::feed;
use crate::chaos::rig::run;
use crate::chaos::sweep::{Die, Swept, everything, learn, sweep_all};
use everwarm_runtime::chaos::faults::Image;

/// Runs all plans, or this many drawn from them.
///
/// # Errors
/// The undisturbed runs fail.
pub fn whole(seed: u64, runs: Option<u64>, on_progress: OnProgress<'_>) -> Result<Report, String> {
    let feed = feed::small();
    let learned = learn(&feed)?;
    let mut die = Die(seed);
    let mut plans = everything(&learned, &mut die);
    die.shuffle(&mut plans);
    plans.truncate(runs.and_then(|runs| usize::try_from(runs).ok()).unwrap_or(usize::MAX));
    let all = plans.len() as u64;
    let on_run = |done: u64| on_progress("runs", done, all);
    let swept = sweep_all(&feed, &plans, &learned, &mut die, &on_run);
    let mut report = Report::default();
    report.undisturbed(&learned.picture, 1);
    report.swept(swept);
    report.shrink(0, on_progress, |plan| wrong(&run(&feed, plan), plan, &learned.picture));
    Ok(report)
}

impl Report {
    fn swept(&mut self, swept: Swept) {
        self.runs += swept.runs as u64;
        self.lives += swept.lives;
        self.missed += (swept.missed.len() + swept.spared) as u64;
        for ((site, _, phase, kind), count) in swept.injected {
            *self.injected.entry(row(site, phase, kind)).or_default() += u64::from(count);
        }
        for ((file, operation, left), count) in swept.cut {
            let left = match left {
                Image::Synced => "what was flushed is left",
                Image::Everything => "everything is left",
                Image::Sectors(_) => "torn",
            };
            let place = format!("{}, {left}", at_a(file, operation));
            *self.injected.entry(("disk", place)).or_default() += u64::from(count);
        }
        let difference = |failure: crate::chaos::sweep::Failure| super::Difference {
            why: failure.why,
            again: failure.plan,
        };
        self.differences.extend(swept.failures.into_iter().map(difference));
    }
}
