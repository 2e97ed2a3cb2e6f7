//! Proves crash equivalence on an operator's own recording and configuration.

use super::exchange::played;
use super::identity::Traded;
use super::stop::Stop;
use crate::chaos::crashes::Subject;
use crate::chaos::feed::small;
use crate::chaos::interrupt;
use crate::chaos::prove::{Again, Report, Wanted, again, prove, whole};
use crate::chaos::rig::Feed;
use crate::plain_run::STOP_ORDERS;
use everwarm_cli::ChaosConfig;
use everwarm_domain::sessions::Sessions;
use everwarm_edge::market::universe::DAY_ZONE;
use everwarm_runtime::clock;
use everwarm_sim::InitialBooks;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::{ChaosView, InjectedFaultsView, UnequalView};
use std::sync::Arc;
use std::time::Duration;

/// Sealing sizes, bytes: a segment, and the part that stays in the live file. They are small, so
/// that a short recording has segments too.
const SEALING: (u64, u64) = (64 << 10, 64 << 10);

/// Repetitions of a run that depends on timing, by default.
const OFTEN: u64 = 10;

/// Wall time in which all runs end after an interrupt; then the process exits anyway.
const END: Duration = Duration::from_secs(30);

/// Runs the proof, or repeats one run.
///
/// # Errors
/// The proof cannot be run; a difference is not an error.
pub fn run(
    asked: &ChaosConfig,
    on_progress: &(dyn Fn(&'static str, u64, u64) + Sync),
) -> Result<ChaosView, Failure> {
    everwarm_venue::install_tls();
    super::quiet_injections();
    let began = clock::now();
    let failed = |why: String| Failure::new(Exit::Failed, why);
    let plan = asked.plan.as_deref().map(Again::read).transpose();
    let plan = plan.map_err(|e| Failure::new(Exit::Usage, format!("--plan: {e}")))?;
    if plan.as_ref().is_some_and(Again::strikes_nothing) {
        return Err(Failure::new(
            Exit::Usage,
            "--plan: the plan has no fault, so nothing would be proved",
        ));
    }
    let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
    let recording = asked.config.market.recording.clone().unwrap_or_default();
    let subject = Subject {
        description: asked.config.market.recording_config.clone(),
        protocol: asked.protocol,
        arguments: asked.arguments.clone(),
        variables: asked.variables.clone(),
        sealing: Some(SEALING),
        ..Subject::new(program, recording)
    };
    interrupted(Stop::new()?.may_take(END))?;
    let ChaosConfig { kills, crashes, disk, venue_faults, seed, .. } = *asked;
    let report = match plan {
        Some(plan) => {
            let feed = if asked.exhaustive { small() } else { feed(asked)? };
            let often = if plan.is_by_chance() { OFTEN } else { 1 };
            again((&feed, &subject), &plan, asked.times.unwrap_or(often), on_progress)
        }
        None if asked.exhaustive => whole(seed, asked.runs, on_progress),
        None => {
            let wanted = Wanted { kills, crashes, disk, venue_faults, seed };
            prove((&feed(asked)?, &subject), &wanted, on_progress)
        }
    };
    if interrupt::is_set() && report.as_ref().map_or(true, |report| report.differences.is_empty()) {
        return Err(Failure::new(Exit::Interrupted, "interrupted; nothing is proved"));
    }
    let mut report = report.map_err(failed)?;
    if let Some(plan) = &asked.plan {
        // The report has the plan as it was given.
        report.differences.iter_mut().for_each(|difference| difference.again.clone_from(plan));
    }
    Ok(view(report, began.elapsed()))
}

/// From here on the first signal, or the end of the terminal, ends all runs in order. No process
/// and no file is left. A second signal ends this process immediately.
pub(super) fn interrupted(stop: Stop) -> Result<(), Failure> {
    let runtime = super::runtime(1, "interrupt")?;
    std::thread::spawn(move || {
        let hangup = stop.hangup();
        runtime.block_on(async {
            tokio::select! {
                () = stop.asked() => {}
                () = hangup.notified() => {}
            }
        });
        interrupt::set();
        stop.stage("processes end and their files are removed", 10);
    });
    Ok(())
}

fn feed(asked: &ChaosConfig) -> Result<Feed, Failure> {
    // Problems of the recording are reported before any run.
    let mut values = asked.config.live_values();
    values.retain(|(key, _)| key == DAY_ZONE);
    let source = asked.config.market.clone();
    let protocol = asked.protocol;
    let (first, setup) = played(protocol, &source)?;
    let sessions = first.sessions().cloned().unwrap_or(Sessions::ALWAYS);
    let settings = Traded::of(&asked.config, first.as_ref())?.settings;
    let stages =
        everwarm_trading::specs_of(&[], &settings).map_err(|why| Failure::new(Exit::Usage, why))?;
    let make = move || played(protocol, &source).expect("it was read a moment ago").0;
    Ok(Feed {
        market: Arc::new(make),
        setup: InitialBooks { seed: asked.seed, ..setup },
        settings,
        stages,
        script: Vec::new(),
        before: None,
        sessions,
        stop_orders: STOP_ORDERS,
        values,
    })
}

fn view(mut report: Report, wall: Duration) -> ChaosView {
    let us = |of: Duration| u64::try_from(of.as_micros()).unwrap_or(u64::MAX);
    let three = |of: &mut Vec<Duration>| {
        of.sort_unstable();
        let at = |of_100: usize| of.get(of.len() * of_100 / 100).or(of.last()).copied();
        [at(50), at(99), of.last().copied()].map(|t| t.map_or(0, us))
    };
    let injected = report.injected.into_iter().map(|((what, place), times)| InjectedFaultsView {
        what: what.to_owned(),
        place,
        times,
    });
    let differences = report.differences.into_iter();
    let difference =
        |d: crate::chaos::prove::Difference| UnequalView { why: d.why, again: d.again };
    ChaosView {
        closes: report.closes,
        runs: report.runs,
        lives: report.lives,
        injected: injected.collect(),
        restarts_us: three(&mut report.restarts),
        starts_us: three(&mut report.starts),
        missed: report.missed,
        by_chance: report.by_chance,
        wall_us: us(wall),
        differences: differences.map(difference).collect(),
    }
}
