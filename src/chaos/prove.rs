//! The proof on an operator's own recording. It is played undisturbed, then again and again with
//! kills of actors, crashes of the process and disk faults. Every run must end the same. The proof
//! ends when it has injected as many faults as wanted.
//!
//! Over 500 lines: one command: the plan, its runs and their judgement.

mod crashed;
mod parts;
mod shrink;
mod whole;

use super::compare::Picture;
use super::crashes::Subject;
use super::disk::File;
use super::faults::{
    all_transparent, are_comparable, consequential_in, is_known, known, that_matter,
};
use super::first_close::first_differing_close;
use super::interrupt;
use super::rig::{Feed, Outcome, Paced, Plan, Sizes, run, run_with_progress};
use super::several::{Tally, several};
use super::sweep::{Die, IMAGES, OPENING, is_possible, seeded, some_file, verdict};
pub use crashed::CrashPlan;
use crashed::Named;
use everwarm_runtime::chaos::faults::Operation;
use everwarm_runtime::chaos::points::Passings;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_sim::Protocol;
use everwarm_sim::faults::{Fault, KINDS, Kind};
use everwarm_sim::server::requests::Entry;
pub use parts::Part;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
pub use whole::whole;

/// Kills in one run, at most.
const KILLS: u64 = 500;
/// For this many kills at kill points comes one at a random moment. With the draws there, about one
/// of 28 kills is of a whole branch.
const OF_AT_RANDOM: u64 = 4;
/// One of this many kills falls during operator commands. Then one more run has venue time pass
/// automatically.
const SPOKEN: u64 = 4;
/// The run with venue time passing automatically: a part of the recording, with deaths of the
/// daemon.
const PACED: Paced = Paced { factor: 1_200, minutes: 90, away: 20 };
/// Injected faults in such a run, and how many of them are deaths.
const PACED_STRIKES: (u64, u64) = (12, 2);
/// Disk cuts in one run: each ends a life.
const CUTS: u64 = 24;
/// Kinds of turns with consequential venue faults, see `consequential_in`.
const TURNS: u64 = 2;
/// Different runs after which the proof stops.
const ENOUGH: usize = 5;

/// How many faults are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Actors killed.
    pub kills: u64,
    /// Processes killed.
    pub crashes: u64,
    /// Disks that died.
    pub disk: u64,
    /// Whether the exchange is faulty: in every transparent way, and for a quarter of the kills and
    /// crashes in every consequential way.
    pub venue_faults: bool,
    /// Seed of everything drawn.
    pub seed: u64,
}

impl Wanted {
    /// Whether only venue faults are wanted.
    const fn is_of_the_venue_alone(&self) -> bool {
        self.venue_faults && self.kills == 0 && self.crashes == 0 && self.disk == 0
    }

    /// Splits the wanted faults: first those under transparent venue faults at most, then those
    /// under consequential ones. Each kind of turn has at least one.
    fn shares(&self, strikes: u64) -> (u64, u64) {
        if !self.venue_faults || strikes == 0 {
            return (strikes, 0);
        }
        let under = (strikes / 4).max(TURNS);
        (strikes.saturating_sub(under).max(1), under)
    }
}

/// Rows of the report: the kind of fault and its place, with how often it was injected.
pub type Counted = BTreeMap<(&'static str, String), u64>;

/// The result of a proof.
#[derive(Debug, Default)]
pub struct Report {
    /// The protocol of the exchange.
    pub protocol: Protocol,
    /// Injected faults: the kind, and the part of a life or the kill point.
    pub injected: Counted,
    /// Closes of the recording.
    pub closes: u64,
    /// Runs, with the undisturbed ones.
    pub runs: u64,
    /// Lives of all runs.
    pub lives: u64,
    /// Time from the end of each actor until it was up again.
    pub restarts: Vec<Duration>,
    /// Time from the start of each life until it traded, without the first life of each program
    /// run.
    pub starts: Vec<Duration>,
    /// Planned faults that were not injected: their point was passed less often.
    pub missed: u64,
    /// Whether the repeated run injects faults at moments that depend on timing.
    pub by_chance: bool,
    /// Runs with another result, each with the plan that repeats it.
    pub differences: Vec<Difference>,
}

/// A run with another result.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The first difference found.
    pub why: String,
    /// The plan of this run alone, as one line of JSON.
    pub again: String,
}

/// Called with progress: what, how many, of how many.
pub type OnProgress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// Injects faults until there are as many as wanted.
///
/// # Errors
/// A run cannot be made, or injects nothing.
pub fn prove(
    (feed, subject): (&Feed, &Subject),
    wanted: &Wanted,
    on_progress: OnProgress<'_>,
) -> Result<Report, String> {
    let mut report = Report { protocol: feed.setup.protocol, ..Report::default() };
    let proved = inject((feed, subject), wanted, &mut report, on_progress);
    report.found(proved)
}

/// Injects faults until there are as many as wanted, and adds the results to `report`.
fn inject(
    (feed, subject): (&Feed, &Subject),
    wanted: &Wanted,
    report: &mut Report,
    on_progress: OnProgress<'_>,
) -> Result<(), String> {
    let protocol = feed.setup.protocol;
    let (mut die, mut of_the_venue) = (Die(wanted.seed), Die(!wanted.seed));
    let mut faulty = |plan: Plan| {
        let seed = of_the_venue.throw();
        let faults = if wanted.venue_faults { all_transparent(seed) } else { Vec::new() };
        let faults = known(protocol, faults);
        Plan { faults, ..plan }
    };
    let possible = KINDS.iter().filter(|row| is_known(protocol, row.kind));
    for row in possible.filter(|_| wanted.venue_faults) {
        // A kind that never occurs has a row, too.
        report.injected.entry(("venue", row.name.to_owned())).or_default();
    }
    let (kills, under) = wanted.shares(wanted.kills);
    let (kills, spoken) = (kills - kills / SPOKEN, kills / SPOKEN);
    if wanted.kills > 0 || wanted.disk > 0 {
        let undisturbed = calm(feed, &Plan::default(), report)?;
        let run = (feed, &undisturbed);
        let plan = |left| faulty(kill_plan(&undisturbed, left, &mut die));
        until(("kills", kills), run, report, on_progress, plan, count_kills)?;
        if spoken > 0 {
            let operators = Some(wanted.seed);
            let calm = calm(feed, &Plan { operators, ..Plan::default() }, report)?;
            let plan = |left| Plan { operators, ..faulty(kill_plan(&calm, left, &mut die)) };
            let what = ("kills during operator commands", spoken);
            until(what, (feed, &calm), report, on_progress, plan, count_kills)?;
            paced(feed, &undisturbed, &mut die, report, on_progress);
        }
        let plan = |left| faulty(cut_plan(&undisturbed, left, &mut die));
        until(("disk faults", wanted.disk), run, report, on_progress, plan, count_cuts)?;
    }
    if wanted.is_of_the_venue_alone() {
        venue_alone(feed, wanted.seed, report, on_progress)?;
    }
    consequences(
        feed,
        under,
        (&mut die, &mut Die(wanted.seed.rotate_left(32))),
        report,
        on_progress,
    )?;
    if wanted.crashes > 0 {
        crashed::crashes(subject, wanted, report, on_progress)?;
    }
    Ok(())
}

/// Runs without injected kills: one under transparent venue faults, and two under consequential
/// ones, which must end the same.
fn venue_alone(
    feed: &Feed,
    seed: u64,
    report: &mut Report,
    on_progress: OnProgress<'_>,
) -> Result<(), String> {
    let all = [all_transparent(seed), consequential_in(0, seed)];
    for (done, faults) in (1..).zip(all) {
        let faults = known(feed.setup.protocol, faults);
        let calm = calm(feed, &Plan { faults: that_matter(&faults), ..Plan::default() }, report)?;
        let plan = Plan { faults, workers: 4, sizes: Sizes::LARGE, ..Plan::default() };
        report.take(&run(feed, &plan), &plan, &calm.picture);
        on_progress("runs", done, 2);
    }
    Ok(())
}

/// One run with kills and deaths while venue time passes automatically. Such runs are never equal,
/// so only the invariants count.
fn paced(
    feed: &Feed,
    calm: &Outcome,
    die: &mut Die,
    report: &mut Report,
    on_progress: OnProgress<'_>,
) {
    if report.is_enough() {
        return;
    }
    on_progress("runs at a pace", 0, 1);
    let (count, deaths) = PACED_STRIKES;
    let closes = report.closes.max(1);
    // Scales a count from the whole recording to this part of it.
    let of_part = |count: u32| {
        let minutes = u64::from(PACED.minutes.unsigned_abs().try_into().unwrap_or(u32::MAX));
        u32::try_from(u64::from(count) * minutes.min(closes) / closes).unwrap_or(1).max(1)
    };
    let passings: Passings =
        calm.passings.iter().map(|(point, count)| (point.clone(), of_part(*count))).collect();
    let mut plan = Plan { strikes: strikes(&passings, count, die), ..Plan::default() };
    let live = plan.strikes.iter_mut().filter(|fault| fault.phase == Phase::Live);
    for fault in live.take(usize::try_from(deaths).unwrap_or(1)) {
        fault.kind = FaultKind::Die;
    }
    let plan = Plan { paced: Some(PACED), workers: 4, sizes: Sizes::LARGE, ..plan };
    let outcome = run(feed, &plan);
    if let Ok(outcome) = &outcome {
        count_kills(outcome, &mut report.injected);
        let place = ("pace", format!("{}x, dead for {} min", PACED.factor, PACED.away));
        *report.injected.entry(place).or_default() += u64::from(outcome.lives - 1);
    }
    report.take(&outcome, &plan, &calm.picture);
    on_progress("runs at a pace", 1, 1);
}

/// Kills under consequential venue faults. With delayed and rejected requests, runs are compared
/// with one under the same venue seed without kills. Every other turn also has late and partial
/// fills; there only invariants count.
fn consequences(
    feed: &Feed,
    wanted: u64,
    (die, of_the_venue): (&mut Die, &mut Die),
    report: &mut Report,
    on_progress: OnProgress<'_>,
) -> Result<(), String> {
    let (mut done, mut turn) = (0, 0);
    while done < wanted && !report.is_enough() {
        let faults = known(feed.setup.protocol, consequential_in(turn, of_the_venue.throw()));
        turn += 1;
        let calm = calm(feed, &Plan { faults: faults.clone(), ..Plan::default() }, report)?;
        // At least one run of each kind of turn.
        let count = KILLS.min(wanted.div_ceil(TURNS)).min(wanted - done);
        let plan = |left| Plan { faults: faults.clone(), ..kill_plan(&calm, left, die) };
        let what = "kills under a venue that is late, full or wrong";
        until((what, count), (feed, &calm), report, on_progress, plan, count_kills)?;
        done += count;
    }
    Ok(())
}

/// A run to be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Again {
    /// Within this process, under a plan.
    Within(Box<Plan>),
    /// Of the built program, with crashes.
    Crashes(CrashPlan),
}

impl Again {
    /// Reads the plan of a reported difference.
    ///
    /// # Errors
    /// The line is not a valid plan.
    pub fn read(line: &str) -> Result<Again, String> {
        let value: serde_json::Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if value.get("crashes").is_some() {
            let plan: Named = serde_json::from_value(value).map_err(|e| e.to_string())?;
            return Ok(Again::Crashes(plan.crashes));
        }
        let plan = serde_json::from_value(value).map_err(|e| e.to_string())?;
        Ok(Again::Within(Box::new(plan)))
    }

    /// Whether it injects nothing that could make a difference.
    #[must_use]
    pub fn strikes_nothing(&self) -> bool {
        match self {
            Again::Within(plan) => plan.strikes_nothing(),
            Again::Crashes(plan) => plan.parts.is_empty() && plan.faults.is_empty(),
        }
    }

    /// Whether it injects faults at moments that depend on timing: one run may differ and the next
    /// may not.
    #[must_use]
    pub fn is_by_chance(&self) -> bool {
        match self {
            Again::Within(plan) => {
                // The history commits by the wall clock.
                let of_history = plan.cuts.iter().any(|(cut, _)| cut.beside);
                let paced = plan.paced.is_some();
                of_history || paced || plan.at_random.is_some_and(|(_, count)| count > 0)
            }
            Again::Crashes(_) => true,
        }
    }
}

/// Repeats one run this often, or until it differs.
///
/// # Errors
/// The undisturbed run fails.
pub fn again(
    (feed, subject): (&Feed, &Subject),
    which: &Again,
    times: u64,
    on_progress: OnProgress<'_>,
) -> Result<Report, String> {
    let plan = match which {
        Again::Within(plan) => plan,
        Again::Crashes(plan) => return crashed::again(subject, plan, times, on_progress),
    };
    let (by_chance, protocol) = (which.is_by_chance(), feed.setup.protocol);
    let mut report = Report { protocol, by_chance, ..Report::default() };
    let (faults, operators) = (that_matter(&plan.faults), plan.operators);
    let calm = calm(feed, &Plan { operators, faults, ..Plan::default() }, &mut report)?;
    for i in 1..=times {
        let outcome = run(feed, plan);
        if let Ok(outcome) = &outcome {
            count_kills(outcome, &mut report.injected);
            count_cuts(outcome, &mut report.injected);
        }
        report.take(&outcome, plan, &calm.picture);
        on_progress("runs", i, times);
        if let Some(difference) = report.differences.last_mut() {
            let close = outcome.ok().and_then(|o| first_differing_close(&calm.facts, &o.facts));
            difference.why.extend(close.map(|close| format!("; {close}")));
            break;
        }
    }
    Ok(report)
}

/// A run without kills, under the venue faults and operator commands of the plan.
fn calm(feed: &Feed, plan: &Plan, report: &mut Report) -> Result<Outcome, String> {
    let calm = run(feed, &Plan { workers: 1, sizes: Sizes::LARGE, ..plan.clone() })?;
    if let Some(broken) = calm.broken.first() {
        return Err(format!("undisturbed: {broken}"));
    }
    report.undisturbed(&calm.picture, calm.lives);
    Ok(calm)
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Live => "live",
    }
}

/// Planned faults drawn from all kill points with equal chance.
fn strikes(passings: &Passings, count: u64, die: &mut Die) -> Vec<PlannedFault> {
    let points: Vec<_> =
        passings.iter().filter(|((_, who, _), _)| is_possible(who, FaultKind::Kill)).collect();
    let mut strikes: Vec<PlannedFault> = (0..count)
        .map(|_| {
            let at = usize::try_from(die.below(points.len() as u64)).expect("below a length");
            let ((site, who, phase), passed) = points[at];
            let nth = 1 + u32::try_from(die.below(u64::from(*passed))).unwrap_or(0);
            let kind = if die.below(2) == 0 { FaultKind::Kill } else { FaultKind::Panic };
            PlannedFault { site: *site, who: who.clone(), phase: *phase, nth, kind }
        })
        .collect();
    strikes.sort();
    strikes.dedup_by_key(|s| (s.site, s.who.clone(), s.phase, s.nth));
    strikes
}

/// Runs plan after plan, several at a time, until as many of `what` as wanted are injected.
fn until(
    (what, wanted): (&'static str, u64),
    (feed, calm): (&Feed, &Outcome),
    report: &mut Report,
    on_progress: OnProgress<'_>,
    mut next: impl FnMut(u64) -> Plan + Send,
    count: fn(&Outcome, &mut Counted) -> u64,
) -> Result<(), String> {
    let (mut tally, injected) = (Tally::new(wanted), AtomicU64::new(0));
    let before = report.differences.len();
    on_progress(what, 0, wanted);
    while !tally.is_done() {
        let mut step = |ran: Option<(Plan, Result<Outcome, String>)>| {
            if let Some((plan, outcome)) = ran {
                let fell = outcome.as_ref().map_or(0, |it| count(it, &mut report.injected));
                report.take(&outcome, &plan, &calm.picture);
                tally.end(planned_by(&plan), fell);
            }
            let plan = tally.left().filter(|_| !report.is_enough()).map(&mut next);
            tally.begin(plan.as_ref().map_or(0, planned_by));
            plan
        };
        several(&mut step, &|plan| {
            let before = AtomicU64::new(0);
            run_with_progress(feed, plan, &|fell| {
                let more = fell.saturating_sub(before.fetch_max(fell, Relaxed));
                on_progress(what, (injected.fetch_add(more, Relaxed) + more).min(wanted), wanted);
            })
        });
        if tally.is_in_vain() || report.is_enough() {
            break;
        }
    }
    report.shrink(before, on_progress, |plan| wrong(&run(feed, plan), plan, &calm.picture));
    if tally.is_done() { Ok(()) } else { report.enough(what) }
}

/// How many faults a plan injects, at most.
fn planned_by(plan: &Plan) -> u64 {
    let at_random = plan.at_random.map_or(0, |(_, count)| count);
    plan.strikes.len() as u64 + at_random + plan.cuts.len() as u64
}

fn kill_plan(calm: &Outcome, left: u64, die: &mut Die) -> Plan {
    let count = left.min(KILLS);
    Plan {
        strikes: strikes(&calm.passings, count, die),
        at_random: Some((die.throw(), count / OF_AT_RANDOM)),
        workers: if die.below(2) == 0 { 4 } else { 1 },
        sizes: Sizes::LARGE,
        ..Plan::default()
    }
}

/// The name of a fault in the report, and its place.
fn row(site: Site, of: Phase, kind: FaultKind) -> (&'static str, String) {
    let how = match kind {
        FaultKind::Panic => "panic",
        FaultKind::Kill => "kill",
        FaultKind::Die => "death",
        FaultKind::Outage => "outage",
    };
    (how, format!("{site} of {}", phase(of)))
}

fn count_kills(outcome: &Outcome, injected: &mut Counted) -> u64 {
    for fault in &outcome.injected {
        *injected.entry(row(fault.site, fault.phase, fault.kind)).or_default() += 1;
    }
    for (what, times) in &outcome.random {
        *injected.entry(("kill", (*what).to_owned())).or_default() += times;
    }
    for (what, times) in &outcome.deeds {
        *injected.entry(("command", (*what).to_owned())).or_default() += times;
    }
    outcome.injected.len() as u64 + outcome.random.values().sum::<u64>()
}

fn cut_plan(calm: &Outcome, left: u64, die: &mut Die) -> Plan {
    let cuts = (0..left.min(CUTS)).map(|i| {
        let file = some_file(die);
        let operations = calm.operations.last().map_or(0, |life| life.of(file).len()) as u64;
        // Most lives die while they trade, every fourth while it opens the files of the last.
        let bound = if i % 4 == 3 { OPENING } else { operations / CUTS + 1 };
        let at = 1 + die.below(bound);
        let image = IMAGES[usize::try_from(die.below(3)).expect("below three")];
        (file.cut(at, None), seeded(image, die))
    });
    Plan { cuts: cuts.collect(), sizes: Sizes::LARGE, ..Plan::default() }
}

fn count_cuts(outcome: &Outcome, injected: &mut Counted) -> u64 {
    for (file, operation, _) in &outcome.cut {
        *injected.entry(("disk", at_a(*file, *operation))).or_default() += 1;
    }
    outcome.cut.len() as u64
}

fn at_a(file: File, operation: Operation) -> String {
    let what = match operation {
        Operation::Write => "at a write",
        Operation::Flush => "at a flush",
        Operation::Length => "at a change of length",
    };
    let whose = match file {
        File::Journal => "the journal",
        File::History => "the history",
    };
    format!("{what} of {whose}")
}

/// What is wrong with the result of a run under a plan.
fn wrong(outcome: &Result<Outcome, String>, plan: &Plan, expected: &Picture) -> Option<String> {
    match outcome {
        Ok(outcome) if plan.paced.is_some() || !are_comparable(&plan.faults) => {
            outcome.broken.first().cloned()
        }
        outcome => verdict(outcome, expected),
    }
}

impl Report {
    /// Adds an undisturbed run.
    fn undisturbed(&mut self, picture: &Picture, lives: u32) {
        self.runs += 1;
        self.lives += u64::from(lives);
        self.closes = picture.ours.iter().filter(|line| line.starts_with("equity ")).count() as u64;
    }

    /// Adds the result of a run.
    fn take(&mut self, outcome: &Result<Outcome, String>, plan: &Plan, expected: &Picture) {
        self.runs += 1;
        if let Ok(outcome) = outcome {
            self.lives += u64::from(outcome.lives);
            self.restarts.extend(&outcome.restarts);
            self.missed += outcome.missed.len() as u64;
            self.faults(&plan.faults, &outcome.asked);
        }
        let why = wrong(outcome, plan, expected);
        if let Some(why) = why.filter(|_| !interrupt::is_set()) {
            let plan = Plan { protocol: self.named(), ..plan.clone() };
            let again = serde_json::to_string(&plan).unwrap_or_default();
            self.differences.push(Difference { why, again });
        }
    }

    /// Counts the faults of the venue.
    fn faults(&mut self, faults: &[Fault], asked: &[Entry]) {
        // Clock skew is always on, whatever is requested.
        for fault in faults.iter().filter(|fault| fault.kind == Kind::ClockSkew) {
            *self.injected.entry(("venue", fault.kind.row().name.to_owned())).or_default() += 1;
        }
        for entry in asked {
            let fault = match entry {
                Entry::Asked(asked) => asked.fault.as_ref(),
                Entry::Spoilt { fault, .. } => Some(fault),
                Entry::Started { .. } | Entry::Answered(_) => None,
            };
            if let Some(fault) = fault {
                *self.injected.entry(("venue", fault.clone())).or_default() += 1;
            }
        }
    }

    /// The report if the proof is complete or has a difference: a difference stays valid whatever
    /// stopped the proof later.
    fn found(self, proved: Result<(), String>) -> Result<Report, String> {
        match proved {
            Err(why) if self.differences.is_empty() => Err(why),
            Ok(()) | Err(_) => Ok(self),
        }
    }

    /// The protocol that plans name; none: the usual one.
    fn named(&self) -> Option<Protocol> {
        Some(self.protocol).filter(|protocol| *protocol != Protocol::default())
    }

    fn is_enough(&self) -> bool {
        self.differences.len() >= ENOUGH || interrupt::is_set()
    }

    /// Stopping is fine with a difference; without one, the runs no longer make progress.
    fn enough(&self, what: &str) -> Result<(), String> {
        if self.differences.is_empty() {
            Err(format!("the runs reach no more {what}"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::all_consequential;
    use super::*;

    #[test]
    fn however_few_are_wanted_some_fall_under_every_fault_of_the_venue() {
        let wanted = |venue_faults| Wanted { kills: 0, crashes: 0, disk: 0, venue_faults, seed: 1 };
        for strikes in [0, 1, 7, 400] {
            assert_eq!(wanted(false).shares(strikes), (strikes, 0));
        }
        assert_eq!(wanted(true).shares(0), (0, 0));
        for (strikes, shares) in
            [(1, (1, 2)), (3, (1, 2)), (7, (5, 2)), (8, (6, 2)), (40, (30, 10))]
        {
            assert_eq!(wanted(true).shares(strikes), shares);
        }
        let met = (0..TURNS).flat_map(|turn| consequential_in(turn, 1));
        let met: std::collections::BTreeSet<Kind> = met.map(|fault| fault.kind).collect();
        assert!(all_consequential(1).iter().all(|fault| met.contains(&fault.kind)), "{met:?}");
    }

    #[test]
    fn a_plan_names_another_protocol_and_one_without_a_name_is_read_too() {
        let difference = |protocol| {
            let mut report = Report { protocol, ..Report::default() };
            let (stuck, picture) = (Err("stuck".to_owned()), Picture::default());
            report.take(&stuck, &Plan { workers: 2, ..Plan::default() }, &picture);
            report.differences.pop().unwrap().again
        };
        let read =
            |protocol| Again::Within(Box::new(Plan { protocol, workers: 2, ..Plan::default() }));
        let (usual, other) = (difference(Protocol::default()), difference(Protocol::Alpaca));
        assert!(!usual.contains("protocol"), "{usual}");
        assert_eq!(Again::read(&usual), Ok(read(None)));
        assert!(other.contains(r#""protocol":"alpaca""#), "{other}");
        assert_eq!(Again::read(&other), Ok(read(Some(Protocol::Alpaca))));
        assert!(read(Some(Protocol::Alpaca)).strikes_nothing(), "a protocol is no fault");
        for (member, protocol) in [("", None), (r#""protocol":"alpaca","#, Some(Protocol::Alpaca))]
        {
            let line =
                format!(r#"{{"crashes":{{"seed":7,"live_us":9,{member}"parts":["live"]}}}}"#);
            let Ok(Again::Crashes(plan)) = Again::read(&line) else { panic!("{line}") };
            assert_eq!(plan.protocol, protocol);
        }
        let wrong = Again::read(r#"{"protocol":"other"}"#).unwrap_err();
        assert!(wrong.contains("unknown variant `other`"), "{wrong}");
    }

    #[test]
    fn what_a_difference_is_told_with_is_read_again() {
        let parts = vec![Part::Repair, Part::CatchUp, Part::Sync];
        let (faults, protocol) = (all_transparent(3), None);
        let crashes = CrashPlan { seed: 5_001, live_us: 90, protocol, faults, parts };
        let line = serde_json::to_string(&Named { crashes: crashes.clone() }).unwrap();
        assert!(line.starts_with(r#"{"crashes":{"seed":5001,"#), "{line}");
        assert!(line.contains(r#"["repair","catch-up","in sync"]"#), "{line}");
        let crashes = Again::Crashes(crashes);
        assert!(crashes.is_by_chance(), "moments of processes are");
        assert_eq!(Again::read(&line), Ok(crashes));
        let within = |at_random| Again::Within(Box::new(Plan { at_random, ..Plan::default() }));
        assert!(!within(None).is_by_chance() && within(Some((1, 3))).is_by_chance());
        for file in File::ALL {
            let cuts = vec![(file.cut(7, None), IMAGES[0])];
            let plan = Again::Within(Box::new(Plan { cuts, ..Plan::default() }));
            assert_eq!(plan.is_by_chance(), file == File::History);
        }
        let plan = Plan { faults: all_transparent(2), ..Plan::default() };
        let line = serde_json::to_string(&plan).unwrap();
        assert_eq!(Again::read(&line), Ok(Again::Within(Box::new(plan))));
        let wrong = Again::read(r#"{"crashes":{"sed":1}}"#).unwrap_err();
        assert!(wrong.contains("unknown field `sed`"), "{wrong}");
    }
}
