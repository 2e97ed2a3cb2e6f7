//! The books after each change, with the execution that changed them.

use super::code::{self, SYMBOL};
use super::projection::{CHANGES, FILLS};
use super::queries::{History, HistoryError, decode};
use super::records::PositionState;
use everwarm_domain::fact::Order;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::{Side, VenueFill};
use everwarm_domain::time::UtcMs;
use std::collections::{BTreeMap, VecDeque};

/// A change of the books of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Booked {
    /// Number of the input by which it was heard of.
    pub input: u64,
    /// The books after it.
    pub after: PositionState,
    /// Whether nothing is held after it that could be sold.
    pub dust: bool,
    /// What changed them; none: an adjustment.
    pub fill: Option<Execution>,
}

impl Booked {
    /// When it happened, UTC milliseconds: an execution at the venue's time of it, whenever it was
    /// heard of; an adjustment when it was made.
    #[must_use]
    pub fn time(&self) -> UtcMs {
        self.fill.as_ref().map_or(self.after.time, |execution| execution.fill.time)
    }
}

/// An execution of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Our id of the order.
    pub client_order_id: String,
    /// Who wanted it.
    pub strategy: String,
    /// Direction.
    pub side: Side,
    /// The execution.
    pub fill: VenueFill,
}

impl History {
    /// Every change of the books, in the order in which they were made.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn booked(&self) -> Result<Vec<Booked>, HistoryError> {
        // Both facts of an execution follow from the same input, in the same order.
        let mut fills: BTreeMap<(u64, Symbol), VecDeque<Execution>> = BTreeMap::new();
        for (key, value) in self.all(FILLS)? {
            if let Order::Filled { client_id, strategy, symbol, side, fill, .. } =
                decode(FILLS, &value)?
            {
                let execution = Execution { client_order_id: client_id.0, strategy, side, fill };
                fills.entry((input(FILLS, &key)?, symbol)).or_default().push_back(execution);
            }
        }
        let (rules, mut changes) = (self.rules()?, Vec::new());
        for (key, value) in self.all(CHANGES)? {
            let after: PositionState = decode(CHANGES, &value)?;
            let dust = rules.dust(&key, after.quantity);
            let fact = key.get(SYMBOL..).unwrap_or_default().to_vec();
            changes.push((fact, after, dust));
        }
        changes.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let booked = changes.into_iter().map(|(fact, after, dust)| {
            let input = input(CHANGES, &fact)?;
            let fill = fills.get_mut(&(input, after.symbol)).and_then(VecDeque::pop_front);
            Ok(Booked { input, after, dust, fill })
        });
        booked.collect()
    }
}

/// The number of the input at the beginning of the key of a fact.
fn input(table: &'static str, key: &[u8]) -> Result<u64, HistoryError> {
    let bytes = code::Reader(key).take().map_err(HistoryError::damaged(table))?;
    Ok(u64::from_be_bytes(bytes))
}
