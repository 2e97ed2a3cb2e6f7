//! Keeps the tree as the configuration and operators want it: restart limits of supervisors,
//! branches that are turned off, and no planned faults once they are not allowed. Each round
//! compares the tree with these wishes and keeps no state, so it may be aborted at any time. A
//! stopped branch that may be turned off was stopped by this actor or its predecessor.

use super::injected::{self, Allowed};
use super::reload::Reloader;
use super::switch::may_be_off;
use everwarm_domain::path;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::task::rounds;
use everwarm_edge::world::World;
use everwarm_runtime::supervise::{ChildSpec, Kind, RequestError, State, TreeView};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Name of the actor in the tree.
pub const NAME: &str = "steward";
/// Wall time between rounds without a new configuration.
const LOOK: Duration = Duration::from_secs(1);

/// The actor that applies these settings.
pub fn keep_tree(reloader: &Arc<Reloader>) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    let round = move || {
        let reloader = Arc::clone(&reloader);
        async move {
            // Marks the configuration as seen before it is read, so no later change is missed.
            let mut config = reloader.world().board.config();
            injected::take_back(reloader.world(), Allowed::by(&reloader.values()));
            branches(reloader.world()).await;
            limits(&reloader).await;
            drop(tokio::time::timeout(LOOK, config.changed()).await);
        }
    };
    rounds(NAME, round)
}

/// Stops branches that are turned off, and starts those that are turned on again.
async fn branches(world: &World) {
    let stands = standing(world);
    let off = &stands.switches.processes;
    let off: BTreeSet<String> = off.keys().map(|path| world.places.present(path)).collect();
    for path in &off {
        let Some((parent, id)) = path.rsplit_once('/') else { continue };
        if let Err(e) = world.directory.supervisor(parent).terminate(id).await {
            tracing::debug!(path, error = %e, "it is stopped later");
        }
    }
    let stopped = world.directory.readings().into_iter().filter(|r| r.state == State::Stopped);
    for path in stopped.map(|r| r.path).filter(|p| may_be_off(p) && !off.contains(p)) {
        let Some((parent, id)) = path.rsplit_once('/') else { continue };
        match world.directory.supervisor(parent).restart(id).await {
            Ok(_) | Err(RequestError::Running | RequestError::Restarting) => {}
            Err(e) => tracing::debug!(path, error = %e, "it is started later"),
        }
    }
}

/// Sets the restart limit of every supervisor, except the root and those with one supervisor for
/// each venue or source, which pass failures on. A replaced supervisor needs the limit again.
async fn limits(reloader: &Reloader) {
    let number = |key: &str| reloader.value(key).as_u64();
    let (Some(restarts), Some(within)) =
        (number("supervision.restarts"), number("supervision.within_s"))
    else {
        return;
    };
    let directory = &reloader.world().directory;
    let (restarts, within) =
        (u32::try_from(restarts).unwrap_or(u32::MAX), Duration::from_secs(within));
    for path in directory.view().map_or(Vec::new(), |view| supervisors(&view)) {
        if let Err(e) = directory.supervisor(&path).limit(restarts, within).await {
            tracing::debug!(path, error = %e, "its limits are applied later");
        }
    }
}

fn supervisors(view: &TreeView) -> Vec<String> {
    let below = view.children.iter().filter(|child| child.kind == Kind::Supervisor);
    let mut all: Vec<String> =
        below.flat_map(|child| [vec![child.path.clone()], supervisors(child)].concat()).collect();
    all.retain(|path| ![path::GATEWAYS, path::FEEDS].contains(&path.as_str()));
    all
}
