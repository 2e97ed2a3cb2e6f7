//! The log: to standard error, so that it never mixes with data.

use super::api::LogLevel;
use super::exit::{Exit, Failure};
use std::io::IsTerminal;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging what `filter` lets through, and gives what changes it. Once a process.
///
/// # Errors
/// The filter is wrong, or logging has been started before.
pub fn start(filter: &str) -> Result<LogLevel, Failure> {
    let parsed = parse(filter).map_err(|e| Failure::new(Exit::Usage, e))?;
    let (layer, handle) = tracing_subscriber::reload::Layer::new(parsed);
    let color = std::io::stderr().is_terminal() && super::print::colors_welcome();
    let lines = tracing_subscriber::fmt::layer().with_ansi(color).with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(layer)
        .with(lines)
        .try_init()
        .map_err(|e| Failure::new(Exit::Failed, format!("log: {e}")))?;
    let reader = handle.clone();
    let get = move || reader.with_current(ToString::to_string).unwrap_or_default();
    let set = move |text: &str| {
        let filter = parse(text)?;
        handle.reload(filter).map_err(|e| format!("log: {e}"))
    };
    Ok(LogLevel { get: Arc::new(get), set: Arc::new(set) })
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let parsed = filter.parse::<EnvFilter>();
    parsed.map_err(|e| format!("{filter:?} is not a log filter: {e}"))
}
