//! The least confidence of the signals by which a strategy enters.

use super::{Decide, Refusal, no};
use everwarm_domain::fact::Signal;
use everwarm_domain::settings::{Strategies, confidence};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The least confidence of each strategy that has one, millionths.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Least(BTreeMap<String, u32>);

impl Least {
    /// Takes the strategies of a configuration.
    pub(super) fn configured(&mut self, strategies: &Strategies) {
        let all = strategies.0.iter().map(|(id, one)| (id.clone(), one.min_confidence_ppm));
        self.0 = all.filter(|(_, least)| *least > 0).collect();
    }
}

impl Decide {
    /// Whether the signal of an entry is sure enough.
    pub(super) fn confidence_allows(&self, signal: &Signal) -> Result<(), Refusal> {
        match self.least.0.get(&signal.strategy) {
            Some(least) if signal.confidence_ppm < *least => {
                let [is, least] = [signal.confidence_ppm, *least].map(confidence::text);
                no("confidence", format!("its confidence {is} is below min_confidence {least}"))
            }
            Some(_) | None => Ok(()),
        }
    }
}
