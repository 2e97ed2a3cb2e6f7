//! Books the charges of the venue that no fill reports, each once.
//!
//! The venue lists a charge for days after it took it. Without a memory, a second lack of the same
//! amount would be booked as the same charge. So a booked charge stays in the memory as long as the
//! venue may list it. A charge that was listed when the books began is in their first balance, so
//! it is in the memory, too.
//!
//! Accounts of older versions have no ids of charges. They are compared as those versions did, and
//! leave nothing in the memory, so that old journals give the same facts and states.

use super::{Ledger, shrink};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Charge;
use everwarm_domain::time::{DAY, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Age of a charge from which it is forgotten once the venue no longer lists it, milliseconds. A
/// younger one may be missing from one list and be in the next.
const KEPT_MS: i64 = 14 * DAY;

/// The charges that an account lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charges<'a> {
    /// By time.
    pub(super) rows: &'a [Charge],
    /// The id of each; empty: an older version read them.
    pub(super) ids: &'a [String],
}

impl<'a> Charges<'a> {
    fn each(self) -> impl DoubleEndedIterator<Item = (Option<&'a String>, &'a Charge)> {
        self.rows.iter().enumerate().map(move |(at, row)| (self.ids.get(at), row))
    }
}

/// The charges that are in the books, by id, with their times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Charged(BTreeMap<String, UtcMs>);

impl Charged {
    /// Forgets old charges that the venue no longer lists.
    pub(super) fn listed(&mut self, now: UtcMs, charges: Charges<'_>) {
        if self.0.is_empty() {
            return;
        }
        let since = now.saturating_sub(KEPT_MS);
        let ids: BTreeSet<&String> = charges.ids.iter().collect();
        self.0.retain(|id, time| *time >= since || ids.contains(id));
    }

    /// Remembers the charges of the account with which the books begin.
    pub(super) fn began(&mut self, charges: Charges<'_>) {
        let named = charges.ids.iter().zip(charges.rows);
        self.0.extend(named.map(|(id, charge)| (id.clone(), charge.time)));
    }
}

impl Ledger {
    /// Takes the last charges from the cash that are not in the books, if they are exactly what it
    /// lacks.
    pub(super) fn pay(
        &mut self,
        theirs: &BTreeMap<&str, Decimal>,
        unread: &BTreeSet<&str>,
        charges: Charges<'_>,
    ) {
        let Some(quote) = self.quote.as_deref().filter(|quote| !unread.contains(quote)) else {
            return;
        };
        let amount = |of: &BTreeMap<String, Decimal>| of.get(quote).copied().unwrap_or_default();
        let ours = self.ours().get(quote).copied().unwrap_or_default();
        let expected = ours.saturating_add(amount(&self.foreign));
        let theirs = theirs.get(quote).copied().unwrap_or_default();
        let lacks = expected.saturating_sub(theirs).saturating_sub(amount(&self.aside));
        let (mut sum, mut parts) = (Decimal::ZERO, BTreeMap::new());
        let mut last = charges.each().rev().filter(|(_, charge)| charge.asset == quote);
        let paid = last.any(|(id, charge)| {
            // It may be in the books already, and a list may have a row twice.
            let is_new = |id: &String| {
                !self.charged.0.contains_key(id) && parts.insert(id.clone(), charge.time).is_none()
            };
            if !id.is_none_or(is_new) {
                return false;
            }
            sum = sum.saturating_add(charge.amount);
            sum == lacks
        });
        if paid && lacks > Decimal::ZERO {
            shrink(&mut self.cash, lacks);
            self.charged.0.append(&mut parts);
        }
    }
}
