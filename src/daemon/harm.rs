//! Disturbs actors of the running daemon on purpose, where the configuration allows it; and tries
//! branches that are kept down.

use crate::edge::world::World;
use crate::ops::exit::{Exit, Failure};
use crate::ops::harm::{BranchView, HarmView, How};
use crate::ops::views::ValueView;
use crate::tree::path_of;
use everwarm_runtime::supervise::{Harm, Injected, RequestError};
use std::time::Duration;
use tokio::runtime::Handle;

/// What the configuration allows.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    enabled: bool,
    on_live: bool,
}

impl Allowed {
    /// As these values say, which may change while it trades.
    pub fn by(values: &[ValueView]) -> Allowed {
        let is_set = |key: &str| values.iter().any(|v| v.key == key && v.value == true);
        Allowed { enabled: is_set("chaos.enabled"), on_live: is_set("chaos.on_live") }
    }

    fn check(self, is_live: bool) -> Result<(), Failure> {
        let refused = |text: &str| Err(Failure::new(Exit::Refused, text));
        match (self.enabled, is_live && !self.on_live) {
            (false, _) => refused("nothing is disturbed on purpose here: chaos.enabled is false"),
            (true, true) => refused("the venue is real: chaos.on_live is false"),
            (true, false) => Ok(()),
        }
    }
}

/// Disturbs an actor.
///
/// # Errors
/// It is not allowed, or nobody is at that path.
pub fn harm(world: &World, allowed: Allowed, asked: &HarmView) -> Result<HarmView, Failure> {
    allowed.check(world.admin.is_none())?;
    let path = place(&asked.path);
    let harm = match asked.how {
        How::Kill => Harm::Kill,
        How::Stop => Harm::Stop,
        How::Panic => Harm::Panic,
        How::Stall => Harm::Stall(Duration::from_secs(asked.seconds.into())),
        How::Abort => Harm::Abort,
    };
    let why = Injected("asked for by an operator".to_owned());
    if !world.directory.harm(&path, harm, &why) {
        return Err(nobody(&path));
    }
    Ok(HarmView { path, ..asked.clone() })
}

/// Tries a branch at once.
///
/// # Errors
/// There is none at that path.
pub fn retry(world: &World, asked: &BranchView) -> Result<BranchView, Failure> {
    let path = place(&asked.path);
    let (parent, id) = path.rsplit_once('/').ok_or_else(|| nobody(&path))?;
    let supervisor = world.directory.supervisor(parent);
    match Handle::current().block_on(supervisor.retry(id)) {
        Ok(()) => Ok(BranchView { path }),
        Err(RequestError::NotFound | RequestError::NotRunning) => Err(nobody(&path)),
        Err(e) => Err(Failure::new(Exit::Refused, format!("{path}: {e}"))),
    }
}

/// A name is enough where kill points have one for the actor.
fn place(path: &str) -> String {
    if path.contains('/') || path == "root" { path.to_owned() } else { path_of(path) }
}

fn nobody(path: &str) -> Failure {
    Failure::new(Exit::Failed, format!("nobody is at {path}; `everwarm tree` shows who is where"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let said = Allowed { enabled, on_live }.check(is_live);
            let text = said.as_ref().err().map(|failure| failure.text.as_str());
            assert_eq!(text.is_some(), refused.is_some(), "{enabled} {on_live} {is_live}");
            assert!(refused.is_none_or(|key| text.unwrap().contains(key)), "{text:?}");
            assert!(said.is_ok() || said.unwrap_err().exit == Exit::Refused);
        }
        assert_eq!(place("gateway"), "root/trading/gateways/gateway");
        assert_eq!(place("root/ops"), "root/ops");
    }
}
