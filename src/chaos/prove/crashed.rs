//! One run of the built program under crashes: its plan and its result.

use super::parts::{Part, spread};
use super::{Difference, OnProgress, Report, TURNS, Wanted};
use crate::chaos::compare::Picture;
use crate::chaos::crashes::{
    End, Left, Lived, PATIENCE_FAULTY, Subject, Took, kill_exchange, picture,
};
use crate::chaos::faults::{all_transparent, are_comparable, consequential_in, known, that_matter};
use crate::chaos::folder::Folder;
use crate::chaos::interrupt;
use crate::chaos::orphans::kill_all_below;
use crate::chaos::requests;
use crate::chaos::several::{Tally, several};
use crate::chaos::sweep::Die;
use everwarm_sim::Protocol;
use everwarm_sim::faults::{Fault, prepare};
use everwarm_sim::server::requests::{self as log, Entry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Crashes in one run of the program.
const CRASHES: u64 = 45;
/// Crashes compared with one undisturbed run of the same venue, under consequential venue faults.
const OF_ONE_VENUE: u64 = 3 * CRASHES;

/// The plan of one run of the program: everything drawn follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashPlan {
    /// Seed of the moments.
    pub seed: u64,
    /// How long an undisturbed life trades, microseconds; moments are drawn from it.
    pub live_us: u64,
    /// The protocol of the exchange, for who repeats the plan. A run has that of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The faults of the exchange.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The part of its life in which each process is killed.
    pub parts: Vec<Part>,
}

/// The result of one run.
#[derive(Debug, Default)]
struct Ran {
    /// Kills by the part they count for; none: before the first step.
    kills: Vec<Option<Part>>,
    /// Kills of the exchange.
    exchanges: u64,
    /// Lives.
    lives: u64,
    /// Time from the start of each life after the first until it was live, for lives that became
    /// live.
    starts: Vec<Duration>,
    /// The request log of the exchange.
    asked: Vec<Entry>,
    /// The difference found; none: there is none.
    why: Option<String>,
}

/// The folder in which programs run; dropping it kills those that are left.
struct Ground(Folder);

impl Drop for Ground {
    fn drop(&mut self) {
        kill_all_below(self.0.path());
    }
}

impl Ground {
    fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.0.path().join(name);
        std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display())).map(|()| dir)
    }
}

/// The undisturbed run of a program at a venue, with which the others are compared.
struct Calm {
    ground: Ground,
    took: Took,
    expected: Picture,
}

impl Calm {
    fn new(subject: &Subject, faults: &[Fault], report: &mut Report) -> Result<Calm, String> {
        let ground = Ground(Folder::new().map_err(|e| e.to_string())?);
        let dir = ground.folder("calm")?;
        prepare(&dir.join("exchange"), faults).map_err(|e| e.to_string())?;
        let took = patient(subject, faults).to_its_end(&dir)?;
        let (expected, wrong) = picture(&dir, subject)?;
        kill_exchange(&dir)?;
        if let Some(wrong) = wrong.first() {
            return Err(format!("undisturbed: {wrong}"));
        }
        report.undisturbed(&expected, 1);
        Ok(Calm { ground, took, expected })
    }

    /// One run under a plan, in its own folder; calls `on_kill` after each kill.
    fn run(
        &self,
        subject: &Subject,
        (name, plan): (&str, &CrashPlan),
        on_kill: &dyn Fn(),
    ) -> Result<Ran, String> {
        let dir = self.ground.folder(name)?;
        let mut ran = Ran::default();
        let lived = ran.live((subject, &dir), plan, on_kill);
        ran.why = lived.and_then(|()| self.check(&dir, subject, plan, &ran)).err();
        kill_exchange(&dir)?;
        std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(ran)
    }

    fn check(
        &self,
        dir: &Path,
        subject: &Subject,
        plan: &CrashPlan,
        ran: &Ran,
    ) -> Result<(), String> {
        let (picture, wrong) = picture(dir, subject)?;
        let asked = requests::check_at(subject.protocol, &ran.asked);
        let wrong = wrong.into_iter().chain(asked).next();
        let differs =
            || are_comparable(&plan.faults).then(|| self.expected.difference(&picture)).flatten();
        wrong.or_else(differs).map_or(Ok(()), Err)
    }
}

/// The JSON form of a crash plan; its field name distinguishes it from a plan within a process.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) crashes: CrashPlan,
}

/// The program, with the patience that its venue faults need.
fn patient(subject: &Subject, faults: &[Fault]) -> Subject {
    let patience = if faults.is_empty() { subject.patience } else { PATIENCE_FAULTY };
    Subject { patience, ..subject.clone() }
}

impl Ran {
    /// Counts a life. The first life is a fresh start, so its time does not count.
    fn lived(&mut self, start: Option<Duration>) {
        self.starts.extend(start.filter(|_| self.lives > 0));
        self.lives += 1;
    }

    /// Starts and kills lives, until the recording ends.
    fn live(
        &mut self,
        (subject, dir): (&Subject, &Path),
        plan: &CrashPlan,
        on_kill: &dyn Fn(),
    ) -> Result<(), String> {
        let subject = &patient(subject, &plan.faults);
        let exchange = dir.join("exchange");
        prepare(&exchange, &plan.faults).map_err(|e| e.to_string())?;
        let mut die = Die(plan.seed);
        let live = Duration::from_micros(plan.live_us);
        let (mut left, mut ended) = (Left::default(), false);
        for (part, when) in plan.parts.iter().flat_map(|part| part.kills(live, &mut die)) {
            let Lived { end, start } = subject.killed(dir, &when)?;
            self.lived(start);
            match end {
                End::Itself => {
                    ended = true;
                    break;
                }
                End::Stopped => continue,
                End::Killed(step) => self.kills.push(part.or(step.map(Part::of))),
            }
            left.holds(dir)?;
            let drawn = plan.seed.wrapping_add(self.kills.len() as u64);
            if Die(drawn).below(2) == 0 && kill_exchange(dir)? {
                self.exchanges += 1;
            }
            on_kill();
        }
        if !ended {
            let start = subject.to_its_end(dir)?.start;
            self.lived(Some(start));
        }
        left.holds(dir)?;
        self.asked = log::read(&exchange).map_err(|e| e.to_string())?;
        Ok(())
    }
}

impl Report {
    fn crashed(&mut self, plan: &CrashPlan, ran: &Ran) {
        self.runs += 1;
        self.lives += ran.lives;
        for part in &ran.kills {
            let place = part.map_or("before its first step", Part::name);
            *self.injected.entry(("crash", place.to_owned())).or_default() += 1;
        }
        if ran.exchanges > 0 {
            let place = ("exchange", "killed with it".to_owned());
            *self.injected.entry(place).or_default() += ran.exchanges;
        }
        self.starts.extend(&ran.starts);
        self.faults(&plan.faults, &ran.asked);
        if let Some(why) = ran.why.as_ref().filter(|_| !interrupt::is_set()) {
            let again = serde_json::to_string(&Named { crashes: plan.clone() });
            let again = again.unwrap_or_default();
            self.differences.push(Difference { why: why.clone(), again });
        }
    }

    /// Kills so far, by part.
    fn parts(&self) -> BTreeMap<Part, u64> {
        let of = |part: &Part| {
            let place = ("crash", part.name().to_owned());
            (*part, self.injected.get(&place).copied().unwrap_or(0))
        };
        Part::ALL.iter().map(of).collect()
    }
}

/// Crashes processes until there are as many as wanted.
pub(super) fn crashes(
    subject: &Subject,
    wanted: &Wanted,
    report: &mut Report,
    on_progress: OnProgress<'_>,
) -> Result<(), String> {
    for part in Part::ALL {
        // A part that is never hit has a row, too.
        report.injected.entry(("crash", part.name().to_owned())).or_default();
    }
    let (left, under) = wanted.shares(wanted.crashes);
    let mut crashes = Crashes { subject, seed: wanted.seed.wrapping_mul(1_000), run: 0, report };
    let protocol = subject.protocol;
    let transparent = |seed| {
        let faults = if wanted.venue_faults { all_transparent(seed) } else { Vec::new() };
        known(protocol, faults)
    };
    crashes.until(("crashes", left), &[], transparent, on_progress)?;
    let (mut done, mut turn) = (0, 0);
    while done < under && !crashes.report.is_enough() {
        let faults = consequential_in(turn, crashes.seed.wrapping_add(turn).rotate_left(32));
        let faults = known(protocol, faults);
        turn += 1;
        let count = OF_ONE_VENUE.min(under.div_ceil(TURNS)).min(under - done);
        let what = "crashes under a venue that is late, full or wrong";
        crashes.until((what, count), &faults, |_| faults.clone(), on_progress)?;
        done += count;
    }
    Ok(())
}

/// Runs of the built program.
struct Crashes<'a> {
    subject: &'a Subject,
    /// Seed of the first run; each further run has the next one.
    seed: u64,
    run: u64,
    report: &'a mut Report,
}

impl Crashes<'_> {
    /// Crashes this many processes, in runs with venue faults drawn for each. They are compared
    /// with an undisturbed run under the faults `calm`.
    fn until(
        &mut self,
        (what, wanted): (&'static str, u64),
        calm: &[Fault],
        faults: impl Fn(u64) -> Vec<Fault> + Sync,
        on_progress: OnProgress<'_>,
    ) -> Result<(), String> {
        if wanted == 0 {
            return Ok(());
        }
        let calm = Calm::new(self.subject, calm, self.report)?;
        let live_us = u64::try_from(calm.took.live.as_micros()).unwrap_or(u64::MAX);
        let (mut tally, mut failed) = (Tally::new(wanted), None);
        on_progress(what, 0, wanted);
        let now = AtomicU64::new(0);
        let on_kill = || on_progress(what, (1 + now.fetch_add(1, Relaxed)).min(wanted), wanted);
        while !tally.is_done() {
            let mut step = |ran: Option<(CrashPlan, Result<Ran, String>)>| {
                if let Some((plan, ran)) = ran {
                    let killed = ran.as_ref().map_or(0, |ran| ran.kills.len() as u64);
                    match ran {
                        Ok(ran) => self.report.crashed(&plan, &ran),
                        Err(why) => failed = Some(why),
                    }
                    // The recording may end before the moment of the last kill.
                    tally.end(planned_by(&plan), killed);
                }
                let over = failed.is_some() || self.report.is_enough();
                let plan = tally.left().filter(|_| !over).map(|left| {
                    self.run += 1;
                    let seed = self.seed.wrapping_add(self.run);
                    let parts = parts(self.report, CRASHES.min(left), seed);
                    let protocol = self.report.named();
                    CrashPlan { seed, live_us, protocol, faults: faults(seed), parts }
                });
                tally.begin(plan.as_ref().map_or(0, planned_by));
                plan
            };
            several(&mut step, &|plan| {
                calm.run(self.subject, (&format!("run-{}", plan.seed), plan), &on_kill)
            });
            if let Some(why) = failed {
                return Err(why);
            }
            if tally.is_in_vain() || self.report.is_enough() {
                return self.report.enough(what);
            }
        }
        Ok(())
    }
}

/// The parts in which one run is killed, for at most `count` kills.
fn parts(report: &Report, count: u64, seed: u64) -> Vec<Part> {
    let mut parts = spread(&report.parts(), count, &mut Die(seed));
    let mut left = count;
    parts.retain(|part| {
        let takes = part.lives();
        let fits = takes <= left;
        left -= if fits { takes } else { 0 };
        fits
    });
    if parts.is_empty() {
        parts.push(Part::Live);
    }
    parts
}

/// How many processes a plan kills, at most.
fn planned_by(plan: &CrashPlan) -> u64 {
    plan.parts.iter().map(|part| part.lives()).sum()
}

/// Repeats one plan until it differs, or this often.
pub(super) fn again(
    subject: &Subject,
    plan: &CrashPlan,
    times: u64,
    on_progress: OnProgress<'_>,
) -> Result<Report, String> {
    let protocol = subject.protocol;
    let mut report = Report { protocol, by_chance: true, ..Report::default() };
    let calm = Calm::new(subject, &that_matter(&plan.faults), &mut report)?;
    for i in 1..=times {
        let ran = calm.run(subject, (&format!("run-{i}"), plan), &|| ())?;
        report.crashed(plan, &ran);
        on_progress("runs", i, times);
        if !report.differences.is_empty() {
            break;
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_life_that_follows_another_and_trades_is_a_recovery() {
        let ms = |count| Some(Duration::from_millis(count));
        let mut ran = Ran::default();
        for start in [ms(1), None, ms(3), ms(4)] {
            ran.lived(start);
        }
        assert_eq!(ran.lives, 4);
        assert_eq!(ran.starts, [3, 4].map(Duration::from_millis));
    }
}
