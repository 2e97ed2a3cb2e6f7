//! The registry of tokens and the points of their prices, as facts have them.

use super::key_encoding::{SYMBOL, symbol_key, time_key, time_of};
use super::queries::{HistoryError, decode};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_domain::token::{Point, Points, Token};
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::{Archive, Op};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};

/// Tokens. Key: their name.
pub const TOKENS: &str = "tokens.1";
/// Points of prices. Key: name of the token, time.
pub const POINTS: &str = "points.1";
/// Points that are read at once.
const AT_ONCE: usize = 2_048;

/// A token of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The token.
    pub token: Token,
    /// When it was added, UTC milliseconds of event time.
    pub since: UtcMs,
    /// Number of the input that added it.
    pub added: u64,
}

/// A price of a token at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricePoint {
    /// When the response was received, UTC milliseconds.
    pub time: UtcMs,
    /// The price, US dollars.
    pub price: Decimal,
}

/// The value of a row of [`POINTS`].
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Number of the input that added the token.
    added: u64,
    price: Decimal,
}

/// The tokens by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry(BTreeMap<Symbol, Registered>);

impl Registry {
    /// Reads the registry as far as the journal was followed.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn read(archive: &Archive) -> Result<Registry, HistoryError> {
        let rows = archive.all(TOKENS)?.into_iter();
        let rows = rows.map(|(_, value)| decode::<Registered>(TOKENS, &value));
        rows.map(|row| row.map(|row| (row.token.name, row))).collect::<Result<_, _>>().map(Registry)
    }

    /// Follows a fact.
    pub fn follow(&mut self, fact: &Fact<Body>) {
        let Body::Operator(Operator::Tokens { removed, added }) = &fact.body else { return };
        for name in removed {
            self.0.remove(name);
        }
        for row in registered(fact, added) {
            self.0.insert(row.token.name, row);
        }
    }

    /// The token of this name.
    #[must_use]
    pub fn get(&self, name: Symbol) -> Option<&Registered> {
        self.0.get(&name)
    }

    /// The tokens, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.0.values()
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn registered(fact: &Fact<Body>, added: &[Token]) -> impl Iterator<Item = Registered> {
    let (since, number) = (fact.time, fact.key.n);
    added.iter().map(move |token| Registered { token: token.clone(), since, added: number })
}

/// What a change of the registry puts and deletes.
pub(super) fn change_rows(fact: &Fact<Body>, removed: &[Symbol], added: &[Token]) -> Vec<Op> {
    let remove = |name: &Symbol| Op::Delete { table: TOKENS, key: symbol_key(*name).to_vec() };
    let add = |row: Registered| put(TOKENS, symbol_key(row.token.name).to_vec(), &row);
    removed.iter().map(remove).chain(registered(fact, added).map(add)).collect()
}

/// The rows of the points of a response.
pub(super) fn point_rows(of: &Points) -> Vec<Op> {
    let row = |point: &Point| {
        let key = [&symbol_key(point.token)[..], &time_key(of.time)].concat();
        put(POINTS, key, &Stored { added: point.added, price: point.price })
    };
    of.points.iter().map(row).collect()
}

fn put(table: &'static str, key: Vec<u8>, value: &impl Serialize) -> Op {
    let value = rmp_serde::to_vec(value).expect("plain values and memory takes them");
    Op::Put { table, key, value }
}

/// The newest point of a token; none: there is none since it was added.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn newest_point(
    archive: &Archive,
    of: &Registered,
) -> Result<Option<PricePoint>, HistoryError> {
    let mut newest = None;
    each_newest_first(archive, of, &mut |point| {
        newest = Some(point);
        ControlFlow::Break(())
    })?;
    Ok(newest)
}

/// Calls `see` with the points of a token since it was added, newest first, until it breaks.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn each_newest_first(
    archive: &Archive,
    of: &Registered,
    see: &mut dyn FnMut(PricePoint) -> ControlFlow<()>,
) -> Result<(), HistoryError> {
    let name = symbol_key(of.token.name);
    let first = [&name[..], &[0; 8]].concat();
    let mut last = [&name[..], &[u8::MAX; 8]].concat();
    let mut at_once = 1;
    loop {
        let keys: RangeInclusive<&[u8]> = &first[..]..=&last[..];
        let rows = archive.range(POINTS, keys, true, at_once)?;
        let is_whole = rows.len() == at_once;
        let mut end = None;
        for (key, value) in rows {
            let point = read_point(&key, &value, of.added)?;
            let Some(point) = point else { return Ok(()) };
            if see(point).is_break() {
                return Ok(());
            }
            end = Some(point.time);
        }
        let Some(end) = end.filter(|_| is_whole) else { return Ok(()) };
        // The next part ends just before the last point.
        last.truncate(SYMBOL);
        last.extend_from_slice(&time_key(end.saturating_sub(1)));
        at_once = AT_ONCE;
    }
}

/// The point of a row; none: it is of an earlier token of the same name.
fn read_point(key: &[u8], value: &[u8], added: u64) -> Result<Option<PricePoint>, HistoryError> {
    let stored: Stored = decode(POINTS, value)?;
    let time = key.get(SYMBOL..).and_then(|time| <[u8; 8]>::try_from(time).ok());
    let time = time.ok_or_else(|| HistoryError::damaged(POINTS)("a key without a time".into()))?;
    let point = PricePoint { time: time_of(time), price: stored.price };
    Ok((stored.added == added).then_some(point))
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
