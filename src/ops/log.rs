//! The log: to standard error, so that it never mixes with data.

use super::exit::{Exit, Failure};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging what `filter` lets through. Once a process.
///
/// # Errors
/// The filter is wrong, or logging has been started before.
pub fn start(filter: &str) -> Result<(), Failure> {
    let wrong = |e: String| Failure::new(Exit::Usage, format!("log: {e}"));
    let filter = filter.parse::<EnvFilter>().map_err(|e| wrong(e.to_string()))?;
    let color = std::io::stderr().is_terminal() && super::print::colors_welcome();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(color)
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|e| Failure::new(Exit::Failed, format!("log: {e}")))
}
