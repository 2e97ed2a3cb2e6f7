//! Actors that trigger reloads, and actors that apply the result to the log and the tree. Their
//! state is in the reloader, which outlives them.

use super::Reloader;
use crate::daemon::tree_settings::keep_tree;
use everwarm_cli::log::LogLevel;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::task::rounds;
use everwarm_runtime::supervise::ChildSpec;
use everwarm_views::views::Trigger;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Wall time between polls of the files. A changed file is loaded once it stayed the same for one
/// poll.
const LOOK: Duration = Duration::from_millis(400);
/// Wall time for which a round waits for a signal or a change.
const ROUND: Duration = Duration::from_secs(1);

/// The actors; they become children of the ops branch.
pub fn actors(
    reloader: &Arc<Reloader>,
    (hangup, log): (Arc<Notify>, LogLevel),
    on: &Handle,
) -> Vec<ChildSpec> {
    let reloads = [on_signal(reloader, hangup), on_change(reloader)];
    let keep = [keep_log(reloader, log), keep_tree(reloader)];
    reloads.into_iter().chain(keep).map(|actor| actor.on(on.clone())).collect()
}

/// Reloads on every SIGHUP. Signals during a reload cause one more reload. A signal without a
/// listener, as during a start, reaches the next instance.
fn on_signal(reloader: &Arc<Reloader>, hangup: Arc<Notify>) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    rounds("hangup", move || {
        let (reloader, hangup) = (Arc::clone(&reloader), Arc::clone(&hangup));
        async move {
            if tokio::time::timeout(ROUND, hangup.notified()).await.is_ok() {
                by(&reloader, Trigger::Signal).await;
            }
        }
    })
}

/// Reloads when the content of the files differs from the last load, if that is configured.
/// Compares the content itself, so writes, renames, links and network folders all work.
fn on_change(reloader: &Arc<Reloader>) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    rounds("files", move || {
        let reloader = Arc::clone(&reloader);
        async move {
            tokio::time::sleep(LOOK).await;
            if !reloader.watches() {
                reloader.state().seen = None;
                return;
            }
            let looked = Arc::clone(&reloader);
            let Ok(now) = tokio::task::spawn_blocking(move || looked.sources.contents()).await
            else {
                return;
            };
            let settled = {
                let mut state = reloader.state();
                let last = state.seen.replace(now);
                last == state.seen && state.seen.as_ref() != Some(&state.read)
            };
            if settled {
                by(&reloader, Trigger::File).await;
            }
        }
    })
}

/// Reports the configuration in force to the log, and sets the filter of each new one. A filter set
/// by `log-level` stays until then, or for its duration.
fn keep_log(reloader: &Arc<Reloader>, log: LogLevel) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    rounds("log", move || {
        let (reloader, log) = (Arc::clone(&reloader), log.clone());
        async move {
            // Marks the configuration as seen before it is read, so no later change is missed.
            let mut config = reloader.world.board.config();
            log.generation.store(standing(&reloader.world).now.generation, Relaxed);
            let now = reloader.filter();
            if log.hold.is_over() || now != reloader.state().filter {
                log.hold.begin(None);
                if let Err(e) = (log.set)(&now) {
                    tracing::error!("the log filter is unchanged: {e}");
                }
                reloader.state().filter = now;
            }
            drop(tokio::time::timeout(ROUND, config.changed()).await);
        }
    })
}

/// Reloads the configuration. A reload runs to its end, even if this actor is killed.
async fn by(reloader: &Arc<Reloader>, trigger: Trigger) {
    let reloader = Arc::clone(reloader);
    if let Err(e) = tokio::task::spawn_blocking(move || reloader.reload(trigger, false)).await {
        tracing::error!("the reload failed: {e}");
    }
}
