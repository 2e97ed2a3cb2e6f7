//! The begin and the end of a walk: it cancels its open orders and those of killed walks, and says
//! what the account may still hold.

use super::check::{Outcome, Stop, differs};
use super::walk::{Base, Walker};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rounds of cancelling before open orders are reported.
const ROUNDS: u32 = 3;
/// Wall time between two rounds.
const WAIT: Duration = Duration::from_millis(250);

/// An open order of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its instrument.
    pub symbol: String,
    /// Our id.
    pub id: String,
    /// The venue's id.
    pub venue_id: String,
}

/// Whether an order with this id belongs to a walk: this one or another.
#[must_use]
pub fn is_own(id: &str) -> bool {
    id.starts_with(ClientOrderId::CONFORMANCE_PREFIX)
}

/// The number of the walk in the id of an order.
fn walk_of(id: &str) -> &str {
    let rest = id.strip_prefix(ClientOrderId::CONFORMANCE_PREFIX).unwrap_or(id);
    rest.split('-').next().unwrap_or_default()
}

/// Cancels open orders of walks. Returns how many there were, and which are left.
async fn cancelled(walk: &mut impl Walker, everywhere: bool) -> Result<(usize, Vec<Open>), Stop> {
    let mut left = walk.open_orders(everywhere).await?;
    let found = left.len();
    for _ in 0..ROUNDS {
        if left.is_empty() {
            break;
        }
        for order in &left {
            walk.cancel_open(order).await?;
        }
        left = walk.open_orders(everywhere).await?;
        if !left.is_empty() {
            walk.base().wire.pause(WAIT).await;
        }
    }
    Ok((found, left))
}

/// A number of open orders as text.
fn counted(orders: usize) -> String {
    if orders == 1 { "1 open order".to_owned() } else { format!("{orders} open orders") }
}

/// Names orders.
fn names(orders: &[Open]) -> String {
    let names: Vec<String> =
        orders.iter().map(|Open { symbol, id, .. }| format!("{id} of {symbol}")).collect();
    names.join(", ")
}

/// Cancels the open orders of killed walks. Returns how many there were.
///
/// # Errors
/// Some are still open, or a request failed.
pub async fn cancel_earlier(walk: &mut impl Walker) -> Result<usize, Stop> {
    let (found, left) = cancelled(walk, true).await?;
    if left.is_empty() {
        return Ok(found);
    }
    Err(differs("the open orders of earlier runs", "none", names(&left)))
}

/// Says what killed walks may have left: `orders` are past orders with id, side and executed
/// quantity. A quantity below `least` of `asset` is not worth a word.
pub fn say_earlier(
    base: &mut Base,
    found: usize,
    orders: impl IntoIterator<Item = (String, Side, Decimal)>,
    (least, asset): (Decimal, &str),
) -> String {
    let mut held: BTreeMap<String, Decimal> = BTreeMap::new();
    for (id, side, executed) in orders {
        if is_own(&id) && walk_of(&id) != base.head.walk {
            *held.entry(walk_of(&id).to_owned()).or_default() += signed(side, executed);
        }
    }
    held.retain(|_, net| *net >= least);
    for (of, net) in &held {
        let net = net.normalize();
        base.left.push(format!("An earlier run ({of}) did not end: it may hold {net} {asset}."));
    }
    if found == 0 && held.is_empty() {
        return "nothing is left of earlier runs".to_owned();
    }
    format!("{} of earlier runs cancelled", counted(found))
}

/// A quantity, negative for a sale.
#[must_use]
pub fn signed(side: Side, quantity: Decimal) -> Decimal {
    match side {
        Side::Buy => quantity,
        Side::Sell => -quantity,
    }
}

/// Cancels the open orders of this walk.
///
/// # Errors
/// Some are still open, or a request failed.
pub async fn cancel(walk: &mut impl Walker) -> Outcome {
    let (found, left) = cancelled(walk, false).await?;
    if left.is_empty() {
        return Ok(format!("{} cancelled, none is left", counted(found)));
    }
    let left = names(&left);
    walk.base().left.push(format!("These orders are still open: {left}."));
    Err(differs("the open orders of this run", "none", left))
}

/// Notes that the end failed, and what to do.
pub(super) fn unfinished(base: &mut Base) {
    if !base.orders.is_empty() {
        let sentence = "The end of the run failed. Run it again: it cancels what is open.";
        base.left.push(sentence.to_owned());
    }
}
