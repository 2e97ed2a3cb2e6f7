//! What must hold of every run, whatever happened in it.

use crate::audit;
use crate::domain::fact::{Body, Order, Venue};
use crate::domain::money::{Decimal, parse_decimal};
use crate::ops::desk::JournalFacts;
use crate::ops::exit::Failure;
use everwarm_runtime::fact::Fact;
use everwarm_runtime::store::archive::Archive;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What does not hold, one sentence each: every order at the venue was decided and announced
/// before, has an id of its own, and each of its trades was applied once; inputs are numbered
/// without gaps.
#[must_use]
pub fn check(facts: &[(u64, Fact<Body>)], ledger: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let (mut intents, mut sent) = (BTreeSet::new(), BTreeSet::new());
    let mut filled: BTreeMap<&str, Decimal> = BTreeMap::new();
    let mut applied = BTreeSet::new();
    let mut last = 0;
    for (_, fact) in facts {
        if fact.key.rank == 0 {
            if fact.key.n != last + 1 {
                broken.push(format!("input {} follows input {last}", fact.key.n));
            }
            last = fact.key.n;
        }
        if let Body::Order(Order::Intent(intent)) = &fact.body {
            if !intents.insert(intent.client_id.0.as_str()) {
                broken.push(format!("{} was decided twice", intent.client_id));
            }
        } else if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            sent.extend(attempts.iter().map(|attempt| attempt.client_id.0.as_str()));
        } else if let Body::Order(Order::Filled { client_id, symbol, fill, .. }) = &fact.body {
            *filled.entry(client_id.0.as_str()).or_default() += fill.quantity;
            if !applied.insert((*symbol, fill.trade_id)) {
                broken.push(format!("trade {} of {symbol} was applied twice", fill.trade_id));
            }
        }
    }
    let mut known = BTreeSet::new();
    for order in ledger["orders"].as_array().into_iter().flatten() {
        let id = order["client_order_id"].as_str().unwrap_or_default();
        if !known.insert(id) {
            broken.push(format!("the venue has two orders {id}"));
        }
        if !intents.contains(id) || !sent.contains(id) {
            broken.push(format!("the venue has an order {id} that was not announced"));
        }
        let executed = order["executed"].as_str().and_then(|text| parse_decimal(text).ok());
        let ours = filled.get(id).copied().unwrap_or_default();
        if executed != Some(ours) {
            broken.push(format!("of {id} the venue executed {executed:?}, applied are {ours}"));
        }
    }
    for id in filled.keys().filter(|id| !known.contains(*id)) {
        broken.push(format!("{id} was filled, the venue does not know it"));
    }
    broken
}

struct Listed<'a>(&'a [(u64, Fact<Body>)]);

impl JournalFacts for Listed<'_> {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let wanted = self.0.iter().filter(|(row, _)| *row >= from_row);
        for (row, fact) in wanted {
            if see(*row, fact).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// What the audit of the journal finds wrong, one sentence each.
///
/// # Errors
/// It cannot be done.
pub fn verify(facts: &[(u64, Fact<Body>)], archive: &Arc<Archive>) -> Result<Vec<String>, String> {
    let view = audit::verify(&Listed(facts), Arc::clone(archive)).map_err(|e| format!("{e:?}"))?;
    Ok(view.problems.iter().map(|p| format!("verify: {} {}: {}", p.key, p.kind, p.text)).collect())
}
