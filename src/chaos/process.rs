//! Kill points in a real process: planned by the environment, for the tests that start the built
//! binary.
//!
//! A planned death says where it stands and stands still; whoever planned it then sends a real
//! SIGKILL.

use crate::tree::path_of;
use everwarm_runtime::chaos::{Chaos, Injected, Strike};
use everwarm_runtime::supervise::Directory;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Holds a JSON list of strikes; absent: the kill points are off.
pub const STRIKES: &str = "EVERWARM_STRIKES";
/// Holds the name of a file that is made when a planned death is reached.
pub const STRUCK: &str = "EVERWARM_STRUCK";

/// Arms the kill points of this process as the environment plans; what is killed is found in the
/// directory, once there is one.
///
/// # Errors
/// The plan cannot be read.
pub fn from_environment() -> Result<(Chaos, Arc<OnceLock<Directory>>), String> {
    let (chaos, place) = (Chaos::off(), Arc::new(OnceLock::<Directory>::new()));
    let Some(plan) = std::env::var_os(STRIKES) else { return Ok((chaos, place)) };
    let text = plan.to_string_lossy();
    let strikes: Vec<Strike> =
        serde_json::from_str(&text).map_err(|e| format!("{STRIKES}: {e}: {text}"))?;
    let at = Arc::clone(&place);
    let kill = move |who: &str| {
        if let Some(directory) = at.get() {
            directory.inject_kill(&path_of(who), &Injected("planned".to_owned()));
        }
    };
    let struck = std::env::var_os(STRUCK).map(PathBuf::from);
    chaos.arm(strikes, kill, move || stand_still(struck.as_ref()));
    Ok((chaos, place))
}

fn stand_still(struck: Option<&PathBuf>) {
    if let Some(file) = struck
        && let Err(e) = std::fs::write(file, "here")
    {
        tracing::error!("a planned death cannot be told: {e}");
    }
    loop {
        #[expect(clippy::disallowed_methods, reason = "nothing of this process goes on from here")]
        std::thread::sleep(Duration::from_secs(1));
    }
}
