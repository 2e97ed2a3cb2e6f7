//! The walk over Binance spot: what its documentation says, in steps.
//!
//! [`table`] lists the steps. [`walk`] has what they share. The other files have the steps.

mod account;
mod check;
mod ends;
mod events;
mod orders;
mod public;
mod scrub;
mod stops;
mod streams;
mod table;
mod walk;

use super::hosts::{Environment, Hosts};
use super::sign::{ApiKey, PEM};
use crate::{AccountKey, Signing};
use check::{Outcome, Stop, not_tried};
use everwarm_venue::address::Address;
use everwarm_venue::conformance::wire::Wire;
use everwarm_venue::conformance::{
    Conformance, Expectation, Report, StepResult, Task, Verdict, WalkError, Walking,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use table::{END, STEPS, Step};
use walk::Walk;

/// Longest wait for the venue's limit before the end of a walk.
const LIMIT_WAIT: Duration = Duration::from_mins(1);

/// The name of what happens between two steps.
const BETWEEN: &str = "between";

/// The walk at these addresses.
struct Checked {
    hosts: Hosts,
    /// None: only a record can be played.
    key: Option<ApiKey>,
    /// The texts that no record may hold.
    secrets: Vec<String>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// Prepares the walk. It makes no connection.
///
/// # Errors
/// The key cannot be used.
pub fn open(addresses: &[String], key: Option<AccountKey>) -> Result<Arc<dyn Conformance>, String> {
    let at = |n: usize| addresses.get(n).cloned().unwrap_or_default();
    let hosts = Hosts { rest: at(0), streams: at(1), ws_api: at(2) };
    let mut secrets = Vec::new();
    if let Some(AccountKey { key, signing }) = &key {
        secrets.push(key.expose().to_owned());
        match signing {
            Signing::Secret(secret) => secrets.push(secret.expose().to_owned()),
            Signing::PrivateKey(pem) => {
                let inner = pem.expose().replace(PEM.0, "").replace(PEM.1, "");
                secrets.extend(inner.split_whitespace().map(str::to_owned));
            }
        }
    }
    let key = key.map(super::api_key).transpose()?;
    Ok(Arc::new(Checked { hosts, key, secrets }))
}

impl Conformance for Checked {
    fn is_test_money(&self) -> Result<(), String> {
        let Hosts { rest, streams, ws_api } = &self.hosts;
        let tests = [Environment::Testnet, Environment::Demo];
        let hosts = tests.map(|environment| environment.hosts().keys());
        let known: Vec<&str> = hosts
            .iter()
            .flatten()
            .filter_map(|(_, url)| Address::read(url).ok().map(|address| address.host))
            .collect();
        for url in [rest, streams, ws_api] {
            let address = Address::read(url)?;
            if !address.is_loopback() && !known.contains(&address.host) {
                return Err(format!("{url} may lead to real money"));
            }
        }
        Ok(())
    }

    fn steps(&self) -> Vec<Expectation> {
        STEPS.iter().chain(END).map(|step| step.expectation).collect()
    }

    fn walk<'a>(&'a self, task: Task<'a>) -> Walking<'a> {
        Box::pin(self.walked(task))
    }
}

impl Checked {
    async fn walked(&self, task: Task<'_>) -> Result<Report, WalkError> {
        let Task { head, symbol, answers, patience, now, stop, on_step } = task;
        let scrub = scrub::scrub(self.secrets.clone(), head.symbol.clone());
        let wire = Wire::new(answers, &head, (&self.hosts.rest, now, scrub), stop);
        let wire = wire.map_err(WalkError::Record)?;
        let about = (self.hosts.clone(), self.key.clone());
        let mut walk = Walk::new((wire, head, symbol), patience, about);
        let mut steps: Vec<StepResult> = Vec::new();
        for (n, step) in STEPS.iter().enumerate() {
            let outcome = step_of(&mut walk, step).await;
            if let (0, Err(Stop::NotTried(why))) = (n, &outcome) {
                return Err(WalkError::Unreachable(why.clone()));
            }
            if let Some(why) = walk.refused.take().filter(|_| walk.orders.is_empty()) {
                return Err(WalkError::Key(why));
            }
            keep(&mut steps, step, outcome, on_step);
        }
        let interrupted = walk.wire.is_stopped();
        // The walk must not leave anything, so its end is not stopped.
        walk.wire.go_on();
        if walk.blocked.take().is_some() && !walk.orders.is_empty() {
            walk.wire.pause(LIMIT_WAIT).await;
        }
        let mut failed = false;
        for step in END {
            walk.wire.begin(step.expectation.name);
            let outcome = (step.run)(&mut walk).await;
            failed |= outcome.is_err();
            keep(&mut steps, step, outcome, on_step);
        }
        if failed {
            ends::unfinished(&mut walk);
        }
        walk.wire.recorded().map_err(WalkError::Record)?;
        let Walk { head, left, .. } = walk;
        Ok(Report { head, steps, left, interrupted })
    }
}

/// Runs a step, unless the walk was stopped or the venue limits requests.
async fn step_of(walk: &mut Walk, step: &Step) -> Outcome {
    const STOPPED: &str = "the run was interrupted";
    if walk.wire.is_stopped() {
        return Err(not_tried(STOPPED));
    }
    if let Some(why) = &walk.blocked {
        return Err(not_tried(why.clone()));
    }
    walk.wire.begin(BETWEEN);
    walk.drain().await;
    walk.wire.begin(step.expectation.name);
    let outcome = (step.run)(walk).await;
    if outcome.is_err() && walk.wire.is_stopped() {
        return Err(not_tried(STOPPED));
    }
    outcome
}

/// Adds the result of a step.
fn keep(
    steps: &mut Vec<StepResult>,
    step: &Step,
    outcome: Outcome,
    on_step: &mut dyn FnMut(&StepResult),
) {
    let (verdict, came, differences) = match outcome {
        Ok(came) => (Verdict::AsExpected, came, Vec::new()),
        Err(Stop::NotTried(why)) => (Verdict::NotTried, why, Vec::new()),
        Err(Stop::Differs(all)) => {
            let came: Vec<String> = all.iter().map(ToString::to_string).collect();
            (Verdict::Differs, came.join("; "), all)
        }
    };
    let result = StepResult { expectation: step.expectation, verdict, came, differences };
    on_step(&result);
    steps.push(result);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_networks_and_this_machine_are_accepted() {
        let walk = |addresses: [&str; 3]| open(&addresses.map(str::to_owned), None).unwrap();
        let of = |environment: Environment| environment.hosts().keys().map(|(_, url)| url);
        for environment in [Environment::Testnet, Environment::Demo] {
            let hosts = of(environment);
            assert_eq!(walk(hosts.each_ref().map(String::as_str)).is_test_money(), Ok(()));
        }
        let here = ["http://127.0.0.1:1", "ws://localhost:1", "ws://[::1]:1/ws-api/v3"];
        assert_eq!(walk(here).is_test_money(), Ok(()));
        for (n, live) in of(Environment::Live).iter().enumerate() {
            let mut addresses = here;
            addresses[n] = live;
            let refused = walk(addresses).is_test_money().unwrap_err();
            assert!(refused.contains("real money"), "{refused}");
        }
        assert!(walk(["https://10.0.0.1", here[1], here[2]]).is_test_money().is_err());
    }
}
