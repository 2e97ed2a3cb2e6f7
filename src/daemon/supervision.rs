//! What the tree tells of itself: to the log, the terminal and the metrics; and when it is past
//! saying anything, the end of the process.

use super::reload::seconds_in_force;
use super::watch::Watch;
use crate::life::Life;
use crate::ops::exit::{Exit, Failure};
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::supervise::{Limits, News, SupervisionNotice, Watchdog};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Tells people and programs what a supervisor or the watchdog tells.
pub fn observe(watch: &Watch, notice: &SupervisionNotice) {
    let path = notice.path.as_str();
    watch.seen().events.supervised(path, &notice.news);
    watch.supervised.tell(notice);
    match &notice.news {
        News::Started { restarts } if *restarts > 0 => {
            watch.restarted(path, "started again", Duration::ZERO);
        }
        News::Exited { exit, asked: false, .. } => tracing::debug!(path, %exit, "ended"),
        News::Blocked { holds } => {
            tracing::warn!(path, "holds its thread for {} ms already", holds.as_millis());
        }
        News::Unblocked { held } => {
            tracing::warn!(path, "held its thread for {} ms", held.as_millis());
        }
        News::BranchDown { why, retry } => {
            let seconds = retry.as_secs();
            tracing::error!(path, "is kept down, and tried again every {seconds} s: {why}");
        }
        News::BranchUp => tracing::warn!(path, "is up again"),
        News::GaveUp { why } => tracing::error!(path, "failed too often: {why}"),
        News::StopFailed { exit } => tracing::warn!(path, %exit, "did not stop well"),
        news @ (News::Started { .. }
        | News::Ignored
        | News::StartFailed { .. }
        | News::Exited { .. }
        | News::Removed) => tracing::debug!(path, ?news, "supervision"),
    }
}

/// Is told what each start of a stage took.
pub fn resumed(watch: &Watch) -> Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync> {
    let supervised = Arc::clone(&watch.supervised);
    Arc::new(move |stage, report| {
        supervised.recovered(stage, report);
        tracing::debug!(stage, ?report, "resumed");
    })
}

/// Watches for handlers that hold their thread. One that does not let go for the limit, whatever it
/// is by then, is the end of the process: nothing inside can end it.
pub fn watchdog(life: &Life, started: Duration, failed: mpsc::Sender<Failure>) -> Option<Watchdog> {
    let board = Arc::clone(&life.world.board);
    let limit = move || seconds_in_force(&board, "daemon.hang_limit_s").unwrap_or(started);
    let give_up = move |path: &str, held: Duration| {
        let text = format!("{path} held its thread for {} s", held.as_secs());
        // Full: it was told already that the process cannot go on.
        drop(failed.try_send(Failure::new(Exit::Watchdog, text)));
    };
    match Watchdog::start(life.root.tree().clone(), Limits::default(), limit, give_up) {
        Ok(watchdog) => Some(watchdog),
        Err(e) => {
            tracing::error!("nobody watches for blocked handlers: {e}");
            None
        }
    }
}
