//! Kill points in a real process: planned by the environment, for the tests that start the built
//! binary.

use crate::ops::exit::{Exit, Failure};
use crate::tree::path_of;
use everwarm_runtime::chaos::{Chaos, Injected, Strike};
use everwarm_runtime::supervise::Directory;
use std::sync::Mutex;

/// Holds a JSON list of strikes; absent: the kill points are off.
pub const VARIABLE: &str = "EVERWARM_STRIKES";

/// What the environment plans, until the tree is there to be struck.
static PLANNED: Mutex<Vec<Strike>> = Mutex::new(Vec::new());

/// The kill points of this process, off unless the environment plans otherwise.
///
/// # Errors
/// The plan cannot be read.
pub fn from_environment() -> Result<Chaos, Failure> {
    if let Some(plan) = std::env::var_os(VARIABLE) {
        let text = plan.to_string_lossy();
        let strikes = serde_json::from_str(&text);
        let strikes: Vec<Strike> =
            strikes.map_err(|e| Failure::new(Exit::Usage, format!("{VARIABLE}: {e}: {text}")))?;
        PLANNED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(strikes);
    }
    Ok(Chaos::off())
}

/// Arms the kill points with what was planned.
pub fn arm(chaos: &Chaos, directory: &Directory) {
    let mut planned = PLANNED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let strikes = std::mem::take(&mut *planned);
    if strikes.is_empty() {
        return;
    }
    let directory = directory.clone();
    let kill = move |who: &str| {
        directory.inject_kill(&path_of(who), &Injected("planned".to_owned()));
    };
    chaos.arm(strikes, kill, die);
}

/// Ends the process as a kill from outside would: nothing is flushed, nothing is told.
#[expect(clippy::disallowed_methods, reason = "dying at once is what was asked for")]
fn die() {
    std::process::abort();
}
