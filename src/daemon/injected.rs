//! Injects faults into actors of the running daemon, where the configuration allows it. Also
//! retries stopped branches immediately.

use super::watch::Watch;
use crate::chaos::process;
use everwarm_config::{Config, VenueSource};
use everwarm_edge::world::World;
use everwarm_runtime::supervise::{Directory, Injected, NotInjected, RequestError};
use everwarm_sim::Protocol;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::injected::{BranchView, FaultView, How};
use everwarm_views::telemetry::Fault;
use everwarm_views::views::ValueView;
use std::time::Duration;
use tokio::runtime::Handle;

/// Time for an answer to reach the one who asked, before the process ends.
const ANSWERED: Duration = Duration::from_millis(100);

/// The faults that the configuration allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    enabled: bool,
    on_live: bool,
}

impl Allowed {
    /// As these values allow; they may change while the daemon trades.
    pub fn by(values: &[ValueView]) -> Allowed {
        let is_set = |key: &str| values.iter().any(|v| v.key == key && v.value == true);
        Allowed { enabled: is_set("chaos.enabled"), on_live: is_set("chaos.on_live") }
    }

    /// Checks whether faults may be injected, at a live venue or not.
    ///
    /// # Errors
    /// The configuration does not allow it.
    pub fn check(self, is_live: bool) -> Result<(), Failure> {
        let refused = |text: &str| Err(Failure::new(Exit::Refused, text));
        match (self.enabled, is_live && !self.on_live) {
            (false, _) => {
                refused("faults are not allowed: set chaos.enabled = true in the configuration")
            }
            (true, true) => {
                refused("faults are not allowed at a real venue: chaos.on_live is false")
            }
            (true, false) => Ok(()),
        }
    }
}

/// Checks whether this process may have the faults that its environment plans.
///
/// # Errors
/// The configuration does not allow it.
pub fn planned(config: &Config) -> Result<(), Failure> {
    if !process::is_planned() {
        return Ok(());
    }
    let is_live = match &config.venue {
        VenueSource::Simulated => false,
        VenueSource::Remote(_) => true,
    };
    Allowed::by(&config.values).check(is_live).map_err(|why| {
        let text = format!("{}: {}; or unset the variable", process::STRIKES, why.text);
        Failure::new(Exit::Refused, text)
    })
}

/// The protocol of the simulated exchange that the environment of this process names.
///
/// # Errors
/// There is no such protocol, or the configuration does not allow the variable.
pub fn protocol(config: &Config) -> Result<Protocol, Failure> {
    let protocol = process::protocol().map_err(|why| Failure::new(Exit::Usage, why))?;
    if protocol != Protocol::default() {
        Allowed::by(&config.values).check(false).map_err(|why| {
            let text = format!("{}: {}; or unset the variable", process::PROTOCOL, why.text);
            Failure::new(Exit::Refused, text)
        })?;
    }
    Ok(protocol)
}

/// Injects a fault into an actor. A fault that waits for a message is shown as an event
/// immediately, for the message may never come.
///
/// # Errors
/// The configuration does not allow it, or there is no actor at that path.
pub fn inject(
    world: &World,
    watch: &Watch,
    allowed: Allowed,
    asked: &FaultView,
) -> Result<FaultView, Failure> {
    allowed.check(world.admin.is_none())?;
    asked.check().map_err(|why| Failure::new(Exit::Usage, why))?;
    let path = place(&world.directory, &world.places.present(&asked.path))?;
    let fault = asked.fault();
    let why = Injected("requested by an operator".to_owned());
    if asked.ends_root() {
        // With the root the process ends, so the answer leaves first.
        let (directory, path) = (world.directory.clone(), path.clone());
        Handle::current().spawn(async move {
            tokio::time::sleep(ANSWERED).await;
            if let Err(why) = directory.inject(&path, fault, &why) {
                tracing::warn!("{}", not_harmed(&path, why).text);
            }
        });
    } else {
        world.directory.inject(&path, fault, &why).map_err(|why| not_harmed(&path, why))?;
    }
    if fault.waits() {
        watch.seen().events.planned(&path, fault);
    }
    match asked.how {
        How::Kill => watch.supervised.fault(Fault::Kill),
        How::Stop => watch.supervised.fault(Fault::Stop),
        How::Stall => watch.supervised.fault(Fault::Stall),
        // A panic is counted when it happens; after an abort, no process is left to count.
        How::Panic | How::Abort => {}
    }
    Ok(FaultView { path, ..asked.clone() })
}

fn not_harmed(path: &str, why: NotInjected) -> Failure {
    match why {
        NotInjected::Absent => {
            let text = format!("{path} is not running; `everwarm tree` shows its state");
            Failure::new(Exit::Failed, text)
        }
        NotInjected::Planned(first) => {
            let text = format!(
                "a fault is already planned: {path} {first}. Wait for it, or cancel it: set \
                 chaos.enabled = false and reload"
            );
            Failure::new(Exit::Refused, text)
        }
    }
}

/// Cancels planned and waiting faults once they are not allowed any more.
pub fn take_back(world: &World, allowed: Allowed) {
    if let Err(why) = allowed.check(world.admin.is_none()) {
        let strikes = world.chaos().disarm().len();
        if strikes > 0 {
            tracing::warn!("{strikes} planned faults are cancelled: {}", why.text);
        }
        for path in world.directory.cancel_faults() {
            tracing::warn!("the fault planned for {path} is cancelled: {}", why.text);
        }
    }
}

/// Retries a stopped branch immediately.
///
/// # Errors
/// There is no branch at that path.
pub fn retry(world: &World, asked: &BranchView) -> Result<BranchView, Failure> {
    let path = place(&world.directory, &world.places.present(&asked.path))?;
    let (parent, id) = path.rsplit_once('/').ok_or_else(|| nobody(&path))?;
    let supervisor = world.directory.supervisor(parent);
    match Handle::current().block_on(supervisor.retry(id)) {
        Ok(()) => Ok(BranchView { path }),
        Err(RequestError::NotFound | RequestError::NotRunning) => Err(nobody(&path)),
        Err(e) => Err(Failure::new(Exit::Refused, format!("{path}: {e}"))),
    }
}

/// The path of an actor given by its path, or by its name alone.
fn place(directory: &Directory, asked: &str) -> Result<String, Failure> {
    let all = directory.readings().into_iter().map(|reading| reading.path);
    let is_asked = |path: &String| {
        path == asked || path.rsplit_once('/').is_some_and(|(_, name)| name == asked)
    };
    let mut found: Vec<String> = all.filter(is_asked).collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(nobody(asked)),
        (Some(path), true) => Ok(path),
        (Some(last), false) => {
            let places = found.join(", ");
            let text = format!("{asked} names several actors: {places} and {last}; give a path");
            Err(Failure::new(Exit::Failed, text))
        }
    }
}

fn nobody(path: &str) -> Failure {
    Failure::new(Exit::Failed, format!("there is no actor {path}; `everwarm tree` lists them"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::supervise::{Strategy, Tree, supervisor, worker};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn what_disturbs_needs_one_switch_and_on_a_real_venue_two() {
        let table = [
            ((false, false, false), Some("chaos.enabled")),
            ((false, true, true), Some("chaos.enabled")),
            ((true, false, false), None),
            ((true, false, true), Some("chaos.on_live")),
            ((true, true, true), None),
        ];
        for ((enabled, on_live, is_live), refused) in table {
            let result = Allowed { enabled, on_live }.check(is_live);
            let text = result.as_ref().err().map(|failure| failure.text.as_str());
            assert_eq!(text.is_some(), refused.is_some(), "{enabled} {on_live} {is_live}");
            assert!(refused.is_none_or(|key| text.unwrap().contains(key)), "{text:?}");
            assert!(result.is_ok() || result.unwrap_err().exit == Exit::Refused);
        }
    }

    struct Idle;

    impl ractor::Actor for Idle {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(
            &self,
            _: ractor::ActorRef<()>,
            (): (),
        ) -> Result<(), ractor::ActorProcessingErr> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn whoever_is_in_the_tree_is_found_by_place_and_by_a_name_nobody_else_has() {
        let idle = |id: &str| worker(id, |_| (Idle, ()));
        let low = supervisor("feeds", Strategy::OneForOne).child(idle("feed")).child(idle("twin"));
        let ops = supervisor("ops", Strategy::OneForOne).child(idle("sampler"));
        let spec =
            supervisor("root", Strategy::OneForOne).child(low).child(ops.child(idle("twin")));
        let tree = Tree::new(Arc::new(|_| ()), Arc::new(everwarm_runtime::clock::WallMs::default));
        let root = tree.start(spec).await.unwrap();
        let found = |asked: &str| place(root.directory(), asked).map_err(|failure| failure.text);
        let table = [
            ("root", Ok("root")),
            ("feed", Ok("root/feeds/feed")),
            ("feeds", Ok("root/feeds")),
            ("sampler", Ok("root/ops/sampler")),
            ("root/ops/twin", Ok("root/ops/twin")),
            (
                "twin",
                Err("twin names several actors: root/feeds/twin and root/ops/twin; give a path"),
            ),
            ("ops/twin", Err("there is no actor ops/twin; `everwarm tree` lists them")),
            ("", Err("there is no actor ; `everwarm tree` lists them")),
        ];
        for (asked, expected) in table {
            assert_eq!(found(asked), expected.map(str::to_owned).map_err(str::to_owned));
        }
        root.stop(Duration::from_secs(5)).await;
    }
}
