//! Passes supervision notices to the log, the terminal and the metrics. Ends the process when a
//! watchdog limit is exceeded.

use super::reload::seconds_in_force;
use super::watch::Watch;
use everwarm_domain::fact::Body;
use everwarm_domain::path::STAGES;
use everwarm_edge::world::World;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::supervise::{Announcement, Limits, SupervisionNotice, Tree, Watchdog};
use everwarm_views::exit::{Exit, Failure};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the end of the process waits until a failure is on disk.
const NOTED: Duration = Duration::from_secs(2);

/// Passes a notice of a supervisor or the watchdog to people and metrics.
pub fn observe(watch: &Watch, notice: &SupervisionNotice) {
    let path = notice.path.as_str();
    watch.seen().events.supervised(path, &notice.news);
    if let Some(back) = watch.supervised.count(notice).filter(|back| !back.along) {
        watch.restarted(path, &back.why, back.after);
    }
    match &notice.news {
        Announcement::Exited { exit, asked: false, .. } => tracing::debug!(path, %exit, "ended"),
        Announcement::Blocked { holds } => {
            tracing::warn!(path, "has blocked its thread for {} ms", holds.as_millis());
        }
        Announcement::Unblocked { held } => {
            tracing::warn!(path, "blocked its thread for {} ms", held.as_millis());
        }
        Announcement::BranchDown { why, retry } => {
            let seconds = retry.as_secs();
            tracing::error!(
                path,
                "is stopped by its supervisor, with a retry every {seconds} s: {why}"
            );
        }
        Announcement::BranchUp => tracing::warn!(path, "runs again"),
        Announcement::GaveUp { why } => tracing::error!(path, "failed too often: {why}"),
        Announcement::StopFailed { exit } => tracing::warn!(path, %exit, "did not stop cleanly"),
        Announcement::Stray { what } => tracing::warn!(path, "unknown child: {what}"),
        news @ (Announcement::Started { .. }
        | Announcement::Ignored
        | Announcement::StartFailed { .. }
        | Announcement::Exited { .. }
        | Announcement::Removed) => tracing::debug!(path, ?news, "supervision"),
    }
}

/// Records the report of each start of a stage.
pub fn resumed(watch: &Watch) -> Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync> {
    let supervised = Arc::clone(&watch.supervised);
    Arc::new(move |stage, report| {
        supervised.recovered(stage, report);
        tracing::debug!(stage, ?report, "resumed");
    })
}

/// Watches for handlers and starts that block their thread. One that blocks for the limit ends the
/// process, because nothing inside can end it. A start has the time that its supervisor allows, if
/// that is longer. Before the process ends, the blocked input of a stage is noted. It is then
/// quarantined after as many runs as it would be after panics.
pub fn watchdog(
    world: &World,
    tree: &Tree,
    started: Duration,
    failed: mpsc::Sender<Failure>,
) -> Option<Watchdog> {
    let (board, journal) = (Arc::clone(&world.board), Arc::clone(&world.journal));
    let limit = move || seconds_in_force(&board, "daemon.hang_limit_s").unwrap_or(started);
    let give_up = move |path: &str, held: Duration| {
        let text = format!("{path} blocked its thread for {} s", held.as_secs());
        note(&journal, path, held);
        // Full: an earlier fatal failure was already reported.
        drop(failed.try_send(Failure::new(Exit::Watchdog, text)));
    };
    match Watchdog::start(tree.clone(), Limits::default(), limit, give_up) {
        Ok(watchdog) => Some(watchdog),
        Err(e) => {
            tracing::error!("the watch for blocked handlers could not start: {e}");
            None
        }
    }
}

/// Notes that a stage blocks its thread at an input. Runs on its own thread, with a time limit: the
/// stage may block the journal or the disk too.
fn note(journal: &Arc<Journal<Body>>, path: &str, held: Duration) {
    let below = path.strip_prefix(STAGES).and_then(|below| below.strip_prefix('/'));
    let Some(name) = below.map(str::to_owned) else { return };
    let (done, noted) = sync_channel(1);
    let (journal, why) =
        (Arc::clone(journal), format!("blocked its thread for {} s", held.as_secs()));
    let note = move || {
        if done.send(journal.held(&name, &why)).is_err() {
            tracing::debug!("noted, and nobody waits any more");
        }
    };
    match std::thread::Builder::new().name("held".into()).spawn(note) {
        Ok(_) => match noted.recv_timeout(NOTED) {
            Ok(true) => tracing::error!(path, "it counts as a failure at its input"),
            Ok(false) => {}
            Err(_) => tracing::error!(path, "the failure at its input is not on disk"),
        },
        Err(e) => tracing::error!(path, "the failure at its input is not noted: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::clock;
    use everwarm_runtime::supervise::{Exit, Kind};

    #[test]
    fn who_comes_back_with_its_supervisor_has_no_line_of_its_own() {
        let watch = Watch::new(None, clock::now());
        let restarts_after = |path: &str, news| {
            let (path, kind) = (path.to_owned(), Kind::Worker);
            observe(&watch, &SupervisionNotice { path, kind, at_ms: 0, news });
            watch.seen().restarts
        };
        let ended = |exit| {
            let uptime = Duration::ZERO;
            Announcement::Exited { exit, uptime, restarts: 0, asked: false }
        };
        let (low, feed) = ("root/feeds", "root/feeds/feed");
        restarts_after(feed, ended(Exit::Killed));
        assert_eq!(restarts_after(feed, Announcement::Started { restarts: 1 }), 1);
        restarts_after(feed, ended(Exit::Orphaned));
        restarts_after(low, ended(Exit::Killed));
        assert_eq!(restarts_after(feed, Announcement::Started { restarts: 2 }), 1);
        assert_eq!(restarts_after(low, Announcement::Started { restarts: 1 }), 2);
    }
}
