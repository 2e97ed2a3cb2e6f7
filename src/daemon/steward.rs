//! Makes of the tree what the configuration and operators want: how many restarts its supervisors
//! allow, and which branches do not run. Wanted is compared with actual again and again, so every
//! step may be cut off. Which branches it stopped itself it remembers; another life starts them
//! all.

use super::reload::Reloader;
use crate::edge::reload::standing;
use crate::edge::world::World;
use everwarm_runtime::supervise::{Kind, RequestError, TreeView};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Wall time between looks where nothing was said.
const LOOK: Duration = Duration::from_secs(1);

/// Begins to see to it, until the end.
pub fn begin(reloader: &Arc<Reloader>) {
    let reloader = Arc::clone(reloader);
    let mut config = reloader.world().board.config();
    tokio::spawn(async move {
        let mut down = BTreeSet::new();
        loop {
            config.borrow_and_update();
            branches(reloader.world(), &mut down).await;
            limits(&reloader).await;
            tokio::select! {
                changed = config.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
}

/// Stops what is not to run, and starts what was stopped and is to run again.
async fn branches(world: &World, down: &mut BTreeSet<String>) {
    let stands = standing(world);
    for path in stands.switches.processes.keys() {
        let Some((parent, id)) = path.rsplit_once('/') else { continue };
        match world.directory.supervisor(parent).terminate(id).await {
            Ok(()) => drop(down.insert(path.clone())),
            Err(e) => tracing::debug!(path, error = %e, "it is stopped later"),
        }
    }
    let again: Vec<String> = down
        .iter()
        .filter(|path| !stands.switches.processes.contains_key(*path))
        .cloned()
        .collect();
    for path in again {
        let Some((parent, id)) = path.rsplit_once('/') else { continue };
        match world.directory.supervisor(parent).restart(id).await {
            Ok(_) | Err(RequestError::Running | RequestError::Restarting) => {
                down.remove(&path);
            }
            Err(e) => tracing::debug!(path, error = %e, "it is started later"),
        }
    }
}

/// Tells every supervisor but the root how many restarts it allows. One that was replaced has to be
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
            tracing::debug!(path, error = %e, "it is told its limits later");
        }
    }
}

fn supervisors(view: &TreeView) -> Vec<String> {
    let below = view.children.iter().filter(|child| child.kind == Kind::Supervisor);
    below.flat_map(|child| [vec![child.path.clone()], supervisors(child)].concat()).collect()
}
