//! Exits that are owed: what a strategy or an operator has decided to sell, until it is sold.
//!
//! A request to sell may expire, be refused, be cut short, or be impossible for a while. The exit
//! stays owed and is requested again, each time for today's quantity, until what is left is too
//! small to sell or the strategy signals a new entry. A new entry withdraws a request that was not
//! sent yet; one that was sent goes on. A failed request is repeated at a later close. After three
//! equal refusals the exit waits 1, 2, 4 … 60 closes.
//!
//! What the account does not have is not sold: of an asset at most what is held less what the last
//! account lacked of it and what other orders sell. While a balance conflict stands in the asset
//! nothing of it is sold, and after one, and after a resume, not before a later account was
//! compared.

use crate::instruments::Instruments;
use everwarm_domain::fact::{Conflict, Dispute};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Balance, OrderStatus};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Key;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Equal refusals in a row after which an exit waits longer than until the next close, and after
/// which people are told.
pub const REFUSALS: u32 = 3;
/// The longest wait between two requests, in closes.
const WAIT_MAX: u32 = 60;

/// One exit that is owed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exit {
    /// The close it was decided on, UTC milliseconds.
    pub(super) since: UtcMs,
    /// Why it was decided, in words.
    pub(super) cause: String,
    /// The fact that led to it.
    pub(super) key: Key,
    /// Number of its next request.
    pub(super) revision: u32,
    /// Equal refusals in a row.
    pub(super) tries: u32,
    /// What was last said of why it is not requested.
    pub(super) told: Option<String>,
    /// The fact that said so; none before the first.
    pub(super) said: Option<Key>,
    /// Why the last request came to nothing; none where that was no refusal.
    refusal: Option<String>,
    /// Closes that are still to pass before the next request.
    wait: u32,
    /// The newest close when it was requested last.
    asked: Option<UtcMs>,
    /// Whether an operator has it sold, and no strategy.
    #[serde(default)]
    pub(super) flattened: bool,
}

impl Exit {
    /// An exit that was never requested.
    pub(super) fn new(since: UtcMs, cause: String, key: Key, revision: u32) -> Exit {
        let (told, said, refusal, asked) = (None, None, None, None);
        let (tries, wait, flattened) = (0, 0, false);
        Exit { since, cause, key, revision, tries, told, said, refusal, wait, asked, flattened }
    }

    /// The same exit, which a strategy asks for, too.
    pub(super) fn taken_over(&self, key: Key, cause: String) -> Exit {
        Exit { key, cause, flattened: false, ..self.clone() }
    }

    /// What a fact about it follows from: what led to it, and what was said of it last.
    pub(super) fn because(&self) -> Vec<Key> {
        [self.key].into_iter().chain(self.said).collect()
    }

    /// Why it may not be requested at the close `closed` after its last request; none where it may.
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

/// Who sells what.
type Name = (Symbol, String);

/// All exits that are owed, and what of the account bounds them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Exits {
    open: BTreeMap<Name, Exit>,
    /// The last exit that was requested, by name: its close, and the number of its next request.
    requested: BTreeMap<Name, (UtcMs, u32)>,
    account: Account,
}

/// What the last account says of what may be sold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    /// Number of the last account and its totals by asset, until it has been compared.
    picture: Option<(u64, BTreeMap<String, Decimal>)>,
    /// Number of the last account that was compared.
    compared: u64,
    /// What it lacked of what we hold and what is external, by asset.
    lacks: BTreeMap<String, Decimal>,
    /// Assets in which a balance conflict stands.
    conflicts: BTreeSet<String>,
    /// The input after which an account must be compared first: for all assets, and for one.
    after: u64,
    after_of: BTreeMap<String, u64>,
}

impl Exits {
    /// Whether none is owed.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// All, by symbol and strategy.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Exit)> {
        self.open.iter()
    }

    /// One.
    pub(super) fn get(&self, symbol: Symbol, strategy: &str) -> Option<&Exit> {
        self.open.get(&(symbol, strategy.to_owned()))
    }

    /// Number of the first request of an exit decided on the close `since`: an id is never used
    /// twice.
    pub(super) fn first_revision(&self, symbol: Symbol, strategy: &str, since: UtcMs) -> u32 {
        match self.requested.get(&(symbol, strategy.to_owned())) {
            Some((close, next)) if *close == since => *next,
            Some(_) | None => 0,
        }
    }

    /// Takes what the stage said of one.
    pub(super) fn said(&mut self, name: Name, said: Exit, ended: bool) {
        if ended {
            self.open.remove(&name);
            return;
        }
        match self.open.get_mut(&name) {
            Some(exit) => {
                (exit.told, exit.said) = (said.told, said.said);
                // Another fact asks for it, too.
                if exit.key != said.key {
                    (exit.key, exit.cause, exit.flattened) = (said.key, said.cause, said.flattened);
                }
            }
            None => drop(self.open.insert(name, said)),
        }
    }

    /// It was requested while `closed` was the newest close.
    pub(super) fn requested(&mut self, symbol: Symbol, strategy: &str, closed: UtcMs) {
        let name = (symbol, strategy.to_owned());
        if let Some(exit) = self.open.get_mut(&name) {
            exit.revision += 1;
            exit.asked = Some(closed);
            self.requested.insert(name, (exit.since, exit.revision));
        }
    }

    /// Its request is over. `left`: the venue may have had it.
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
            // What never left was not refused: it goes as soon as something can leave.
            OrderStatus::Expired => exit.refusal = None,
            OrderStatus::Filled
            | OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => {}
        }
    }

    /// A close passes.
    pub(super) fn close(&mut self) {
        for exit in self.open.values_mut() {
            exit.wait = exit.wait.saturating_sub(1);
        }
    }

    /// Rules, listing or quantity of a symbol changed: what refused it may hold no more.
    pub(super) fn changed(&mut self, symbol: Symbol) {
        let from = self.open.range_mut((symbol, String::new())..);
        for (_, exit) in from.take_while(|((of, _), _)| *of == symbol) {
            exit.wait = 0;
        }
    }

    /// Nothing is sold before an account later than input `n` was compared.
    pub(super) fn resumed(&mut self, n: u64) {
        self.account.after = n;
    }

    /// The account as input `n`. A balance that could not be read lacks nothing.
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

    /// What the books made of input `n`, which may be an account.
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

    /// How much of an asset of which `held` is held may be sold.
    ///
    /// # Errors
    /// Says why nothing may.
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

    /// Asserts what must hold of the state.
    pub(super) fn check(&self) {
        for (name, exit) in &self.open {
            assert!(exit.wait <= WAIT_MAX, "{name:?} {exit:?}");
        }
    }
}

/// How a request of an exit ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    /// Where the order stands.
    pub(super) status: OrderStatus,
    /// Base units that were sold.
    pub(super) executed: Decimal,
    /// Why.
    pub(super) reason: &'a str,
    /// Whether the venue may have had it.
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
