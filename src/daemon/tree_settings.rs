//! Makes of the tree what the configuration and operators want: how many restarts its supervisors
//! allow, which branches do not run, and that nothing is planned that is not allowed any more.
//! Wanted is compared with actual again and again, so every round may be cut off, and nothing is
//! remembered: a branch that may be turned off and stands still was, by this actor or its
//! predecessor.

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

/// Its name in the tree.
pub const NAME: &str = "steward";
/// Wall time between looks where nothing was said.
const LOOK: Duration = Duration::from_secs(1);

/// The actor.
pub fn keep_tree(reloader: &Arc<Reloader>) -> ChildSpec {
    let reloader = Arc::clone(reloader);
    let round = move || {
        let reloader = Arc::clone(&reloader);
        async move {
            // Whatever is put in force from here on is noticed.
            let mut config = reloader.world().board.config();
            injected::take_back(reloader.world(), Allowed::by(&reloader.values()));
            branches(reloader.world()).await;
            limits(&reloader).await;
            drop(tokio::time::timeout(LOOK, config.changed()).await);
        }
    };
    rounds(NAME, round)
}

/// Stops what is not to run, and starts what was stopped and is to run again.
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

/// Tells every supervisor but the root how many restarts it allows, and but those that hold one for
/// each venue or source: they pass failures on. One that was replaced has to be
/// told again.
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
