//! Who hears that the configuration is to be read again, and who has the rest follow it: children
//! of the tree. What they have seen is the reloader's, which outlives them.

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

/// Wall time between looks at the files. One that changed is read when it stayed the same for so
/// long.
const LOOK: Duration = Duration::from_millis(400);
/// Wall time a round waits for something to do.
const ROUND: Duration = Duration::from_secs(1);

/// The actors, to be children of what people look in through.
pub fn actors(
    reloader: &Arc<Reloader>,
    (hangup, log): (Arc<Notify>, LogLevel),
    on: &Handle,
) -> Vec<ChildSpec> {
    let hear = [on_signal(reloader, hangup), on_change(reloader)];
    let keep = [keep_log(reloader, log), keep_tree(reloader)];
    hear.into_iter().chain(keep).map(|actor| actor.on(on.clone())).collect()
}

/// Reloads at every SIGHUP. Those that come while one is done cause one more, and one that comes
/// while nobody hears, in a start too, is heard by the next instance.
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

/// Reloads when what the files say is not what was read last, for as long as that is configured.
/// They are looked at by what is in them: it does not matter whether a file is written, replaced,
/// linked anew, or lies in another machine's folder.
fn on_change(reloader: &Arc<Reloader>) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    rounds("files", move || {
        let reloader = Arc::clone(&reloader);
        async move {
            tokio::time::sleep(LOOK).await;
            if !reloader.watches() {
                reloader.told().seen = None;
                return;
            }
            let looked = Arc::clone(&reloader);
            let Ok(now) = tokio::task::spawn_blocking(move || looked.sources.contents()).await
            else {
                return;
            };
            let settled = {
                let mut told = reloader.told();
                let last = told.seen.replace(now);
                last == told.seen && told.seen.as_ref() != Some(&told.read)
            };
            if settled {
                by(&reloader, Trigger::File).await;
            }
        }
    })
}

/// Tells the log which configuration is in force, and sets its filter whenever another one is. What
/// was set by `log-level` stays until then, or as long as it said.
fn keep_log(reloader: &Arc<Reloader>, log: LogLevel) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    rounds("log", move || {
        let (reloader, log) = (Arc::clone(&reloader), log.clone());
        async move {
            // Whatever is put in force from here on is noticed.
            let mut config = reloader.world.board.config();
            log.generation.store(standing(&reloader.world).now.generation, Relaxed);
            let now = reloader.filter();
            if log.hold.is_over() || now != reloader.told().filter {
                log.hold.begin(None);
                if let Err(e) = (log.set)(&now) {
                    tracing::error!("the log filter is unchanged: {e}");
                }
                reloader.told().filter = now;
            }
            drop(tokio::time::timeout(ROUND, config.changed()).await);
        }
    })
}

/// Reads the configuration again. A reload that was begun is done to its end, whoever is killed.
async fn by(reloader: &Arc<Reloader>, trigger: Trigger) {
    let reloader = Arc::clone(reloader);
    if let Err(e) = tokio::task::spawn_blocking(move || reloader.reload(trigger, false)).await {
        tracing::error!("the reload failed: {e}");
    }
}
