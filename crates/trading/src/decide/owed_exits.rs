//! Keeps the owed exits: what a strategy or an operator decided to sell, until it is sold.
//!
//! A sell order may expire, be rejected, be filled in part, or be impossible for a while. The exit
//! stays owed and is requested again, each time for the present quantity. It ends when the rest is
//! too small to sell. An exit that a strategy signalled also ends when the strategy signals a new
//! entry. The entry withdraws an order that was not sent yet; a sent order continues. A new entry
//! does not end an exit by a rule, like a stop, or by an operator. A failed order is repeated at a
//! later close. After three equal refusals, the exit waits 1, 2, 4 … 60 closes.
//!
//! Exits never sell more than the account has. Of an asset, they sell at most the holdings, less
//! the shortage of the last account and other open sales. During a balance conflict of the asset,
//! nothing of it is sold. After the conflict, or after a resume, the account must be compared once
//! first.

use crate::instruments::Instruments;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Conflict, Dispute};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Balance, OrderStatus};
use everwarm_domain::settings::exits::ExitRule;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Key, Rank};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Equal refusals in a row after which an exit waits longer and operators are notified.
pub const REFUSALS: u32 = 3;
/// The longest wait between two requests, in closes.
pub(super) const WAIT_MAX: u32 = 60;

/// One exit that is owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exit {
    /// Time of the close that it was decided at, UTC milliseconds.
    pub(super) since: UtcMs,
    /// Why it was decided, as text.
    pub(super) cause: String,
    /// The fact that led to it.
    pub(super) key: Key,
    /// Number of its next request, from 0.
    pub(super) revision: u32,
    /// Equal refusals in a row.
    pub(super) tries: u32,
    /// Last reported reason why it is not requested.
    #[serde(rename = "told")]
    pub(super) reported: Option<String>,
    /// The last `Owed` fact about it; `None` before the first.
    #[serde(rename = "said")]
    pub(super) last_fact: Option<Key>,
    /// Why the last request failed; `None` if it was not refused.
    refusal: Option<String>,
    /// Closes left to wait before the next request.
    wait: u32,
    /// The newest close at its last request.
    asked: Option<UtcMs>,
    /// Whether a flatten command opened it, and no strategy signalled it.
    #[serde(default)]
    pub(super) flattened: bool,
    /// The exit rule that opens it. Only its first fact states it.
    #[serde(skip)]
    pub(super) rule: Option<ExitRule>,
}

impl Exit {
    /// Whether a strategy signalled it. Else an exit rule, a stop order that the venue refuses, or
    /// an operator opened it.
    pub(super) fn is_of_strategy(&self) -> bool {
        !self.flattened && (rank::STRATEGY..rank::BREAKER).contains(&Rank(self.key.rank))
    }

    /// An exit without a request so far.
    pub(super) fn new(since: UtcMs, cause: String, key: Key, revision: u32) -> Exit {
        let (reported, last_fact, refusal, asked) = (None, None, None, None);
        let (tries, wait, flattened) = (0, 0, false);
        Exit {
            since,
            cause,
            key,
            revision,
            tries,
            reported,
            last_fact,
            refusal,
            wait,
            asked,
            flattened,
            rule: None,
        }
    }

    /// The same exit, opened by an exit rule.
    pub(super) fn by_rule(self, rule: ExitRule) -> Exit {
        Exit { rule: Some(rule), ..self }
    }

    /// The same exit, after a strategy has signalled it too.
    pub(super) fn taken_over(&self, key: Key, cause: String) -> Exit {
        Exit { key, cause, flattened: false, ..self.clone() }
    }

    /// Causes of a fact about it: its signal or command, and the last fact about it.
    pub(super) fn because(&self) -> Vec<Key> {
        [self.key].into_iter().chain(self.last_fact).collect()
    }

    /// Why it may not be requested at the close `closed`; `None` if it may.
    pub(super) fn rests(&self, closed: UtcMs) -> Option<String> {
        if self.wait == 0 && self.asked != Some(closed) {
            return None;
        }
        let last = self.refusal.as_deref().unwrap_or("the last request ended unfilled");
        Some(last.to_owned())
    }

    fn refused(&mut self, why: String) {
        let same = self.refusal.as_ref() == Some(&why);
        self.tries = if same { self.tries + 1 } else { 1 };
        self.refusal = Some(why);
        if let Some(doublings) = self.tries.checked_sub(REFUSALS) {
            self.wait = 1_u32.checked_shl(doublings).map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX));
        }
    }
}

/// Symbol and strategy of an exit.
type Name = (Symbol, String);

/// All owed exits, and the limits that the account sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Exits {
    open: BTreeMap<Name, Exit>,
    /// The last requested exit by name: its close, and the number of its next request.
    requested: BTreeMap<Name, (UtcMs, u32)>,
    account: Account,
}

/// The limits that the last account sets for sales.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    /// Input number of the last account and its totals by asset, until it has been compared.
    picture: Option<(u64, BTreeMap<String, Decimal>)>,
    /// Input number of the last compared account.
    compared: u64,
    /// Shortage of our and external holdings in it, by asset.
    lacks: BTreeMap<String, Decimal>,
    /// Assets with a balance conflict.
    conflicts: BTreeSet<String>,
    /// Input after which an account must be compared before sales: for all assets, and by asset.
    after: u64,
    after_of: BTreeMap<String, u64>,
}

impl Exits {
    /// Whether no exit is owed.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// All owed exits, by symbol and strategy.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Exit)> {
        self.open.iter()
    }

    /// The owed exit of one lot.
    pub(super) fn get(&self, symbol: Symbol, strategy: &str) -> Option<&Exit> {
        self.open.get(&(symbol, strategy.to_owned()))
    }

    /// Number of the first request of an exit decided at the close `since`. It continues after
    /// earlier exits of that close, so no id is used twice.
    pub(super) fn first_revision(&self, symbol: Symbol, strategy: &str, since: UtcMs) -> u32 {
        match self.requested.get(&(symbol, strategy.to_owned())) {
            Some((close, next)) if *close == since => *next,
            Some(_) | None => 0,
        }
    }

    /// Applies an `Owed` fact about one exit.
    pub(super) fn owed(&mut self, name: Name, stated: Exit, ended: bool) {
        if ended {
            self.open.remove(&name);
            return;
        }
        match self.open.get_mut(&name) {
            Some(exit) => {
                (exit.reported, exit.last_fact) = (stated.reported, stated.last_fact);
                // Another signal or command requests the same exit.
                if exit.key != stated.key {
                    (exit.key, exit.cause, exit.flattened) =
                        (stated.key, stated.cause, stated.flattened);
                }
            }
            None => drop(self.open.insert(name, stated)),
        }
    }

    /// Notes a request while `closed` was the newest close.
    pub(super) fn requested(&mut self, symbol: Symbol, strategy: &str, closed: UtcMs) {
        let name = (symbol, strategy.to_owned());
        if let Some(exit) = self.open.get_mut(&name) {
            exit.revision += 1;
            exit.asked = Some(closed);
            self.requested.insert(name, (exit.since, exit.revision));
        }
    }

    /// Applies the end of its order.
    pub(super) fn ended(&mut self, name: &Name, end: &Ended<'_>) {
        let Some(exit) = self.open.get_mut(name) else { return };
        if end.executed > Decimal::ZERO {
            (exit.tries, exit.refusal, exit.wait) = (0, None, 0);
            return;
        }
        match end.status {
            OrderStatus::Rejected => exit.refused(end.reason.to_owned()),
            OrderStatus::Cancelled => exit.refused("the venue cancelled it unfilled".to_owned()),
            OrderStatus::Expired if end.left => {
                exit.refused("it expired at the venue unfilled".to_owned());
            }
            // An order that was never sent was not refused. The next one leaves as soon as sending
            // is possible.
            OrderStatus::Expired => exit.refusal = None,
            OrderStatus::Filled
            | OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => {}
        }
    }

    /// Counts down the waits at a close.
    pub(super) fn close(&mut self) {
        for exit in self.open.values_mut() {
            exit.wait = exit.wait.saturating_sub(1);
        }
    }

    /// Ends the waits of a symbol, because its rules, listing or quantity changed.
    pub(super) fn changed(&mut self, symbol: Symbol) {
        let from = self.open.range_mut((symbol, String::new())..);
        for (_, exit) in from.take_while(|((of, _), _)| *of == symbol) {
            exit.wait = 0;
        }
    }

    /// Stops sales until an account after input `n` was compared.
    pub(super) fn resumed(&mut self, n: u64) {
        self.account.after = n;
    }

    /// Forgets what the last account lacked of an asset: it counted other shares.
    pub(super) fn recounted(&mut self, asset: &str) {
        self.account.lacks.remove(asset);
    }

    /// Takes the account of input `n`. An unreadable balance counts as complete.
    pub(super) fn account(&mut self, n: u64, balances: &[Balance], unread: &[String]) {
        let mut totals: BTreeMap<String, Decimal> = BTreeMap::new();
        for balance in balances {
            let total = balance.free.checked_add(balance.locked).unwrap_or(Decimal::MAX);
            let sum = totals.entry(balance.asset.clone()).or_default();
            *sum = sum.checked_add(total).unwrap_or(Decimal::MAX);
        }
        totals.extend(unread.iter().map(|asset| (asset.clone(), Decimal::MAX)));
        self.account.picture = Some((n, totals));
    }

    /// Applies the reconciliation of input `n`, which may be an account.
    pub(super) fn reconciled(
        &mut self,
        n: u64,
        conflicts: &[Conflict],
        external: &[(String, Decimal)],
        held: &BTreeMap<String, Decimal>,
    ) {
        let account = &mut self.account;
        let balance = |c: &&Conflict| c.dispute == Dispute::Balance;
        let now = conflicts.iter().filter(balance).map(|c| c.about.clone()).collect();
        let before = std::mem::replace(&mut account.conflicts, now);
        for asset in before {
            account.after_of.insert(asset, n);
        }
        let Some((_, totals)) = account.picture.take_if(|(of, _)| *of == n) else { return };
        account.compared = n;
        account.after_of.retain(|_, after| *after >= n);
        account.lacks.clear();
        for (asset, held) in held {
            let total = totals.get(asset).copied().unwrap_or_default();
            let other = external.iter().find(|(of, _)| of == asset);
            let other = other.map_or(Decimal::ZERO, |(_, amount)| *amount);
            let lacks = held.saturating_add(other).saturating_sub(total);
            if lacks > Decimal::ZERO {
                account.lacks.insert(asset.clone(), lacks);
            }
        }
    }

    /// The amount of an asset that may be sold, of `held` base units.
    ///
    /// # Errors
    /// The reason why nothing of it may be sold.
    pub(super) fn available(&self, asset: &str, held: Decimal) -> Result<Decimal, String> {
        let account = &self.account;
        if account.conflicts.contains(asset) {
            return Err(format!("the balance of {asset} differs from the books"));
        }
        let after = account.after_of.get(asset).copied().unwrap_or_default().max(account.after);
        if after > 0 && account.compared <= after {
            return Err("the account has not been compared since".to_owned());
        }
        let lacks = account.lacks.get(asset).copied().unwrap_or_default();
        Ok(held.saturating_sub(lacks).max(Decimal::ZERO))
    }

    /// Asserts the bounds of all waits.
    pub(super) fn check(&self) {
        for (name, exit) in &self.open {
            assert!(exit.wait <= WAIT_MAX, "{name:?} {exit:?}");
        }
    }
}

/// How an order of an exit ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    /// Final status of the order.
    pub(super) status: OrderStatus,
    /// Sold base units.
    pub(super) executed: Decimal,
    /// Reason, as text.
    pub(super) reason: &'a str,
    /// Whether it was sent, so the venue may have had it.
    pub(super) left: bool,
}

/// Base units held by asset.
pub(super) fn by_asset(
    positions: &SymbolMap<Decimal>,
    instruments: &Instruments,
) -> BTreeMap<String, Decimal> {
    let mut held: BTreeMap<String, Decimal> = BTreeMap::new();
    for (symbol, quantity) in positions.iter() {
        if let Some(rule) = instruments.get(symbol) {
            let sum = held.entry(rule.base.clone()).or_default();
            *sum = sum.saturating_add(*quantity);
        }
    }
    held
}
