//! Runs one feed many times, each time with other injected faults, and compares each run with an
//! undisturbed one.
//!
//! Over 500 lines: one command: the list of faults, their runs and their judgement.

use super::compare::Picture;
use super::disk::{File, Operations};
use super::first_close::first_differing_close;
use super::interrupt;
use super::rig::{Feed, Outcome, Plan, run};
use super::script;
use super::several::several;
use everwarm_domain::fact::Body;
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::faults::{Cut, Image, Operation};
use everwarm_runtime::chaos::points::Passings;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::collections::BTreeMap;

/// Journal threads at kill points: they are not actors.
const THREADS: [&str; 2] = ["store-thread", "sealer"];
/// Every kind of injected fault.
pub const BLOWS: [FaultKind; 4] =
    [FaultKind::Panic, FaultKind::Kill, FaultKind::Die, FaultKind::Outage];
/// Outages of the exchange in a sweep of everything.
const OUTAGES: u64 = 400;
/// Disk operations in which a life opens the files of the last one.
pub(super) const OPENING: u64 = 12;
/// Kinds of operations of a disk.
const OPERATIONS: [Operation; 3] = [Operation::Write, Operation::Flush, Operation::Length];
/// What a power failure may leave of a disk.
pub const IMAGES: [Image; 3] = [Image::Synced, Image::Everything, Image::Sectors(1)];

/// The result of undisturbed runs: the picture, the kill points passed, the disk operations.
#[derive(Debug)]
pub struct Learned {
    /// The picture that every run must have.
    pub picture: Picture,
    /// How often each point is passed: the lowest count of three runs. Points that a run did not
    /// pass are left out.
    pub passings: Passings,
    /// Disk operations of each file, in one of the runs.
    pub operations: Operations,
}

/// Runs a feed three times undisturbed, with one and more workers.
///
/// # Errors
/// A run failed, or differed from the first.
pub fn learn(feed: &Feed) -> Result<Learned, String> {
    let mut learned: Option<Learned> = None;
    let mut first = Vec::new();
    for workers in [1, 2, 1] {
        let mut outcome = run(feed, &Plan { workers, ..Plan::default() })?;
        let operations = outcome.operations.pop().unwrap_or_default();
        match &mut learned {
            None => {
                if let Some(broken) = outcome.broken.pop() {
                    return Err(broken);
                }
                let (picture, passings) = (outcome.picture, outcome.passings);
                first = outcome.facts;
                learned = Some(Learned { picture, passings, operations });
            }
            Some(learned) => {
                if let Some(why) = verdict(&Ok(outcome.clone()), &learned.picture) {
                    let clue = first_differing_close(&first, &outcome.facts);
                    return Err(format!("{why}\n{}", clue.unwrap_or_default()));
                }
                learned.operations.learn(operations);
                learned.passings.retain(|point, count| {
                    let again = outcome.passings.get(point).copied().unwrap_or(0);
                    *count = again.min(*count);
                    again > 0
                });
            }
        }
    }
    learned.ok_or_else(|| "no run".to_owned())
}

/// A random number generator with a seed: splitmix64.
#[derive(Clone, Copy, Debug)]
pub struct Die(pub u64);

impl Die {
    /// The next number.
    pub fn throw(&mut self) -> u64 {
        draw(&mut self.0)
    }

    /// A number from 0 to `bound` - 1; 0 where there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.throw() % bound }
    }

    /// Shuffles a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            let other = self.below(i as u64 + 1);
            list.swap(i, usize::try_from(other).expect("below the length of a list"));
        }
    }
}

/// A kill point and a fault at it: a sweep must have covered each.
pub type Target = (Site, String, Phase, FaultKind);

/// The target of a planned fault.
#[must_use]
pub fn target(fault: &PlannedFault) -> Target {
    (fault.site, fault.who.clone(), fault.phase, fault.kind)
}

/// Whether a fault is possible at the point of `who`. A thread is not an actor that can be killed:
/// its panic ends the process. The script can neither panic nor be killed.
pub(super) fn is_possible(who: &str, kind: FaultKind) -> bool {
    if who == script::NAME {
        return matches!(kind, FaultKind::Die | FaultKind::Outage);
    }
    !THREADS.contains(&who) || kind != FaultKind::Kill
}

/// Whether a fault causes a new life of the daemon or the exchange, and so costs time.
fn is_costly(fault: &PlannedFault) -> bool {
    let ends = THREADS.contains(&fault.who.as_str()) && fault.kind == FaultKind::Panic;
    ends || matches!(fault.kind, FaultKind::Die | FaultKind::Outage)
}

/// Every target of the passed points once, at a passing drawn from the counts. Each actor that
/// restores its state is also hit during a restore in the middle of the run, which needs a kill
/// before.
#[must_use]
pub fn every_target(passings: &Passings, die: &mut Die) -> Vec<Vec<PlannedFault>> {
    let mut groups = Vec::new();
    for ((site, who, phase), count) in passings {
        for kind in BLOWS.into_iter().filter(|kind| is_possible(who, *kind)) {
            // The last passings may not occur: how often some points are passed depends on the
            // schedule.
            let nth = 1 + u32::try_from(die.below(u64::from(count * 4 / 5))).unwrap_or(0);
            let fault = PlannedFault { site: *site, who: who.clone(), phase: *phase, nth, kind };
            groups.push(vec![fault]);
        }
    }
    let resuming = passings.keys().filter(|(site, ..)| *site == Site::BeforeResume);
    for (_, who, _) in resuming.filter(|(_, who, _)| who != "config") {
        for site in [Site::BeforeResume, Site::AfterResume] {
            for kind in BLOWS.into_iter().filter(|kind| *kind != FaultKind::Outage) {
                let first = (Site::BeforeStep, who.clone(), Phase::Live);
                let count = passings.get(&first).copied().unwrap_or(1);
                let nth = 1 + u32::try_from(die.below(u64::from(count / 2))).unwrap_or(0);
                let phase = Phase::Live;
                let (kill, who) = (FaultKind::Kill, who.clone());
                groups.push(vec![
                    PlannedFault { site: first.0, who: who.clone(), phase, nth, kind: kill },
                    PlannedFault { site, who, phase, nth: 1, kind },
                ]);
            }
        }
    }
    groups
}

/// Packs groups of faults into plans of about `size` faults. No two groups of a plan hit the same
/// point. Few faults of a plan end the process, for each life costs venue time.
#[must_use]
pub fn pack(mut groups: Vec<Vec<PlannedFault>>, size: usize, die: &mut Die) -> Vec<Plan> {
    const OPEN: usize = 80;
    fn point(fault: &PlannedFault) -> (Site, &str, Phase) {
        (fault.site, &fault.who, fault.phase)
    }
    let most_deaths = (size / 2).max(4);
    die.shuffle(&mut groups);
    let mut plans: Vec<Plan> = Vec::new();
    let resumes = |s: &PlannedFault| matches!(s.site, Site::BeforeResume | Site::AfterResume);
    for group in groups {
        let deaths = |list: &[PlannedFault]| list.iter().filter(|s| is_costly(s)).count();
        let fits = |plan: &Plan| {
            // A group that needs the first resume of an actor allows no other kill of it before.
            let alone = group.len() == 1 || plan.strikes.iter().all(|s| s.who != group[0].who);
            let undisturbed = !plan
                .strikes
                .iter()
                .any(|s| resumes(s) && s.phase == Phase::Live && s.who == group[0].who);
            plan.strikes.len() + group.len() <= size
                && deaths(&plan.strikes) + deaths(&group) <= most_deaths
                && group.iter().all(|s| plan.strikes.iter().all(|p| point(p) != point(s)))
                && alone
                && undisturbed
        };
        // The last plans have room; searching the others would be wasted.
        let from = plans.len().saturating_sub(OPEN);
        match plans[from..].iter_mut().find(|plan| fits(plan)) {
            Some(plan) => plan.strikes.extend(group),
            None => plans.push(Plan { strikes: group, ..Plan::default() }),
        }
    }
    for plan in &mut plans {
        let draw = die.throw();
        plan.image = Some(image(draw));
        plan.workers = workers(draw);
    }
    plans
}

/// One worker thread or four, drawn.
fn workers(draw: u64) -> usize {
    if draw >> 60 & 1 == 0 { 1 } else { 4 }
}

/// The image that a death leaves, drawn.
fn image(draw: u64) -> Image {
    match draw % 3 {
        0 => Image::Synced,
        1 => Image::Everything,
        _ => Image::Sectors(draw),
    }
}

/// A random plan: up to 12 faults anywhere and up to 3 disk cuts.
#[must_use]
pub fn mixture(passings: &Passings, operations: &Operations, seed: u64) -> Plan {
    let mut die = Die(seed);
    let points: Vec<_> = passings.iter().collect();
    let mut strikes = Vec::new();
    for _ in 0..=die.below(12) {
        let at = usize::try_from(die.below(points.len() as u64)).expect("below a length");
        let ((site, who, phase), count) = points[at];
        let nth = 1 + u32::try_from(die.below(u64::from(*count))).unwrap_or(0);
        let kind = BLOWS[usize::try_from(die.below(4)).expect("below four")];
        if is_possible(who, kind) {
            strikes.push(PlannedFault { site: *site, who: who.clone(), phase: *phase, nth, kind });
        }
    }
    strikes.sort();
    strikes.dedup_by_key(|s| (s.site, s.who.clone(), s.phase, s.nth));
    let number = die.below(4);
    let mut cut = || {
        let file = some_file(&mut die);
        let at = 1 + die.below(operations.of(file).len() as u64);
        (file.cut(at, None), image(die.throw()))
    };
    let cuts = (0..number).map(|_| cut()).collect();
    let (image, workers) =
        (Some(image(die.throw())), if die.throw().is_multiple_of(4) { 4 } else { 1 });
    Plan { strikes, cuts, image, workers, ..Plan::default() }
}

/// A failed run.
#[derive(Debug)]
pub struct Failure {
    /// The plan, as one line of JSON.
    pub plan: String,
    /// Why it failed.
    pub why: String,
    /// The journal of a run that ended: a failure that depends on thread scheduling may not occur
    /// again.
    pub facts: Vec<Fact<Body>>,
}

/// Plans that cut the disk: at every kind of operation on each file, at the beginning, in the
/// middle and at the end of a life. One more cut hits the next life while it opens its files. Each
/// with every image.
#[must_use]
pub fn cuts(operations: &Operations, die: &mut Die) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (file, kind) in kinds_of_operations() {
        let of_kind = operations.of(file).iter().filter(|operation| **operation == kind);
        let count = of_kind.count() as u64;
        for (left, third) in IMAGES.into_iter().flat_map(|left| (0..3).map(move |i| (left, i))) {
            let part = count.div_ceil(3);
            let at = (1 + third * part + die.below(part)).min(count);
            if at > 0 {
                let first = (file.cut(at, Some(kind)), seeded(left, die));
                plans.push(Plan { cuts: vec![first, at_opening(die)], ..Plan::default() });
            }
        }
    }
    plans
}

fn kinds_of_operations() -> impl Iterator<Item = (File, Operation)> {
    File::ALL.into_iter().flat_map(|file| OPERATIONS.map(|kind| (file, kind)))
}

/// A file, drawn: the journal, for which everything waits, in three of four cases.
pub(super) fn some_file(die: &mut Die) -> File {
    if die.below(4) < 3 { File::Journal } else { File::History }
}

/// A cut while a life opens the files of the last one.
fn at_opening(die: &mut Die) -> (Cut, Image) {
    let file = some_file(die);
    (file.cut(1 + die.below(OPENING), None), image(die.throw()))
}

/// The image with drawn sectors.
pub(super) fn seeded(left: Image, die: &mut Die) -> Image {
    if let Image::Sectors(_) = left { Image::Sectors(die.throw()) } else { left }
}

/// Plans for every fault of the daemon at every passing of every point, and every disk operation
/// with every image. A run has up to 16 faults at kill points. Either eight of them end the process
/// or the exchange, or it dies at a disk operation of its first life. Outages of the exchange are
/// at drawn passings. Half of the plans, drawn, run with one worker thread, the others with four.
#[must_use]
pub fn everything(learned: &Learned, die: &mut Die) -> Vec<Plan> {
    let (mut groups, mut outages) = (Vec::new(), Vec::new());
    for ((site, who, phase), count) in &learned.passings {
        for kind in BLOWS.into_iter().filter(|kind| is_possible(who, *kind)) {
            let fault =
                |nth| PlannedFault { site: *site, who: who.clone(), phase: *phase, nth, kind };
            let all = (1..=*count).map(|nth| vec![fault(nth)]);
            if kind == FaultKind::Outage {
                outages.extend(all);
            } else {
                groups.extend(all);
            }
        }
    }
    die.shuffle(&mut outages);
    outages.truncate(usize::try_from(OUTAGES).expect("a few hundred"));
    groups.extend(outages);
    // A life that dies at a kill point may not reach the disk operation, so only plans without
    // deaths get one.
    let (lethal, harmless): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.iter().any(is_costly));
    let mut plans = pack(harmless, 16, die);
    let mut hosts = plans.iter_mut();
    let mut alone = Vec::new();
    for file in File::ALL {
        for at in 1..=learned.operations.of(file).len() as u64 {
            for left in IMAGES {
                let cuts = vec![(file.cut(at, None), seeded(left, die)), at_opening(die)];
                if let Some(plan) = hosts.next() {
                    plan.cuts = cuts;
                } else {
                    let workers = workers(die.throw());
                    alone.push(Plan { cuts, workers, ..Plan::default() });
                }
            }
        }
    }
    plans.extend(alone);
    plans.extend(pack(lethal, 16, die));
    plans
}

/// Results of many runs.
#[derive(Debug, Default)]
pub struct Swept {
    /// Runs.
    pub runs: usize,
    /// Runs that repeated missed faults.
    pub again: usize,
    /// Lives of all runs.
    pub lives: u64,
    /// Injected faults, by target.
    pub injected: BTreeMap<Target, u32>,
    /// Disk deaths, by file, operation and image.
    pub cut: BTreeMap<(File, Operation, Image), u32>,
    /// Planned faults that were not injected: their point was passed less often.
    pub missed: Vec<PlannedFault>,
    /// Runs that were to lose their disk only, and did not: they had fewer operations.
    pub spared: usize,
    /// Failed runs.
    pub failures: Vec<Failure>,
}

impl Swept {
    fn take(&mut self, plan: &Plan, outcome: Result<Outcome, String>, expected: &Picture) {
        self.runs += 1;
        let why = verdict(&outcome, expected);
        let mut facts = Vec::new();
        if let Ok(outcome) = outcome {
            self.lives += u64::from(outcome.lives);
            for fault in &outcome.injected {
                *self.injected.entry(target(fault)).or_default() += 1;
            }
            self.spared += usize::from(!plan.cuts.is_empty() && outcome.cut.is_empty());
            for (file, operation, left) in outcome.cut {
                let left = if let Image::Sectors(_) = left { Image::Sectors(0) } else { left };
                *self.cut.entry((file, operation, left)).or_default() += 1;
            }
            self.missed.extend(outcome.missed);
            facts = outcome.facts;
        }
        if let Some(why) = why.filter(|_| !interrupt::is_set()) {
            let plan = serde_json::to_string(plan).unwrap_or_default();
            self.failures.push(Failure { plan, why, facts });
        }
    }

    /// Adds the results of more runs.
    pub fn add(&mut self, more: Swept) {
        self.runs += more.runs;
        self.again += more.again;
        self.lives += more.lives;
        for (target, count) in more.injected {
            *self.injected.entry(target).or_default() += count;
        }
        for (cut, count) in more.cut {
            *self.cut.entry(cut).or_default() += count;
        }
        self.missed.extend(more.missed);
        self.spared += more.spared;
        self.failures.extend(more.failures);
    }
}

/// What is wrong with an outcome; none: nothing.
#[must_use]
pub fn verdict(outcome: &Result<Outcome, String>, expected: &Picture) -> Option<String> {
    match outcome {
        Err(why) => Some(why.clone()),
        Ok(outcome) => {
            let broken = outcome.broken.first().cloned();
            broken.or_else(|| expected.difference(&outcome.picture))
        }
    }
}

/// Runs every plan, several in parallel, and compares each outcome with the expected picture. Stops
/// after a few failures.
#[must_use]
pub fn sweep(feed: &Feed, plans: &[Plan], expected: &Picture) -> Swept {
    sweep_with_progress(feed, plans, expected, &|_| ())
}

/// The same; calls `on_progress` with the number of finished plans.
fn sweep_with_progress(
    feed: &Feed,
    plans: &[Plan],
    expected: &Picture,
    on_progress: &(dyn Fn(u64) + Sync),
) -> Swept {
    const ENOUGH: usize = 5;
    let (mut left, mut swept) = (plans.iter(), Swept::default());
    let mut step = |ran: Option<(&Plan, Result<Outcome, String>)>| {
        if let Some((plan, outcome)) = ran {
            swept.take(plan, outcome, expected);
            on_progress(swept.runs as u64);
        }
        let enough = swept.failures.len() >= ENOUGH || interrupt::is_set();
        if enough { None } else { left.next() }
    };
    several(&mut step, &|plan| run(feed, plan));
    swept
}

/// Sweeps, then repeats missed faults in ever smaller plans, in the end each alone. How often a
/// point is passed depends on the other faults and, for some, on thread scheduling. Faults still
/// missed had a point that was passed less often in every run.
#[must_use]
pub fn sweep_all(
    feed: &Feed,
    plans: &[Plan],
    learned: &Learned,
    die: &mut Die,
    on_progress: &(dyn Fn(u64) + Sync),
) -> Swept {
    let mut swept = sweep_with_progress(feed, plans, &learned.picture, on_progress);
    for size in [4, 2, 1, 1, 1] {
        if swept.missed.is_empty() || !swept.failures.is_empty() {
            break;
        }
        let missed = std::mem::take(&mut swept.missed);
        let again = pack(missed.into_iter().map(|fault| vec![fault]).collect(), size, die);
        swept.again += again.len();
        swept.add(sweep(feed, &again, &learned.picture));
    }
    swept
}

/// Plans for targets that were not hit yet: each alone, at its first passing.
#[must_use]
pub fn still_to_inject(learned: &Learned, swept: &Swept) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (site, who, phase) in learned.passings.keys() {
        for kind in BLOWS.into_iter().filter(|kind| is_possible(who, *kind)) {
            if !swept.injected.contains_key(&(*site, who.clone(), *phase, kind)) {
                let fault =
                    PlannedFault { site: *site, who: who.clone(), phase: *phase, nth: 1, kind };
                plans.push(Plan { strikes: vec![fault], ..Plan::default() });
            }
        }
    }
    plans
}

/// Plans for the kinds of operations at which the disk has not died yet, by file and image. The cut
/// is at the first such operation of each life.
#[must_use]
pub fn still_to_cut(learned: &Learned, swept: &Swept, die: &mut Die) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (file, kind) in kinds_of_operations() {
        let occurs = learned.operations.of(file).contains(&kind);
        for left in IMAGES.into_iter().filter(|_| occurs) {
            let known = if let Image::Sectors(_) = left { Image::Sectors(0) } else { left };
            if !swept.cut.contains_key(&(file, kind, known)) {
                let cut = (file.cut(1, Some(kind)), seeded(left, die));
                plans.push(Plan { cuts: vec![cut; 3], ..Plan::default() });
            }
        }
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn mixtures_run_on_one_worker_thread_and_on_four() {
        let point = (Site::BeforeStep, "ledger".to_owned(), Phase::Live);
        let passings = Passings::from([(point, 9)]);
        let threads = |seed| mixture(&passings, &Operations::default(), seed).workers;
        let met: BTreeSet<usize> = (1..=20).map(threads).collect();
        assert_eq!(met, BTreeSet::from([1, 4]));
    }
}
