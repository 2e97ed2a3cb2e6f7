//! Checks whether a strategy is known, so that a misspelt one differs from one without a result.

use super::exit::{Exit, Failure};
use everwarm_domain::nearest::nearest;
use everwarm_domain::settings::Settings;

/// Checks that a strategy is configured and enabled by these settings.
///
/// # Errors
/// It is not, and what to do.
pub(crate) fn known(strategy: &str, settings: &Settings) -> Result<(), Failure> {
    let all = &settings.strategy.0;
    let text = match all.get(strategy) {
        Some(one) if one.enabled => return Ok(()),
        Some(_) => format!(
            "the strategy {strategy} was off at this close; to turn it on, set \
             strategy.{strategy}.enabled = true"
        ),
        None if all.is_empty() => {
            format!("there is no strategy {strategy:?}: none is configured at this close")
        }
        None => {
            let known = || all.keys().map(String::as_str);
            let more = nearest(strategy, known()).map_or_else(
                || format!("the strategies are {}", known().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean {near}?"),
            );
            format!("there is no strategy {strategy:?}; {more}")
        }
    };
    Err(Failure::new(Exit::Failed, text).coded("no-such-id"))
}
