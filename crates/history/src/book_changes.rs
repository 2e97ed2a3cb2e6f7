//! The books after each change, the execution that caused it, and the share of each strategy.
//!
//! The ledger reports the position after each execution, but lots only once for each input. So all
//! executions of one input but the last count for the strategy that ordered them. The last one
//! brings the rest, until each strategy has what the ledger reports. The shares of an input add up
//! to its change of the position.

use super::key_encoding::{self, SYMBOL};
use super::projection::{CHANGES, FILLS, LOTS};
use super::queries::{History, HistoryError, decode};
use super::records::{LotState, PositionState};
use everwarm_domain::fact::Order;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{FIRST_STRATEGY, HOUSE, Side, VenueFill};
use everwarm_domain::time::UtcMs;
use std::collections::{BTreeMap, VecDeque};

/// A change of the books of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Booked {
    /// Number of the input that reported it.
    pub input: u64,
    /// The books after it.
    pub after: PositionState,
    /// Whether nothing that could be sold is held after it.
    pub dust: bool,
    /// The execution that caused it; none for an adjustment.
    pub fill: Option<Execution>,
}

impl Booked {
    /// When it happened, UTC milliseconds. For an execution this is the venue's time, whenever it
    /// was reported. For an adjustment it is the event time.
    #[must_use]
    pub fn time(&self) -> UtcMs {
        self.fill.as_ref().map_or(self.after.time, |execution| execution.fill.time)
    }
}

/// An execution of one of our orders.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Our id of the order.
    pub client_order_id: String,
    /// The strategy that wanted it.
    pub strategy: String,
    /// Direction.
    pub side: Side,
    /// The execution.
    pub fill: VenueFill,
}

/// The share of one strategy in a change of the books.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// When it happened, as [`Booked::time`].
    pub time: UtcMs,
    /// The symbol.
    pub symbol: Symbol,
    /// The owner: a strategy, or `house` for what belongs to no strategy.
    pub strategy: String,
    /// The amounts that the change added.
    pub added: Amounts,
}

/// The quantity held, its cost and the realised profit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Base units held.
    pub quantity: Decimal,
    /// Cost in quote units.
    pub cost: Decimal,
    /// Realised profit in quote units.
    pub realized: Decimal,
}

impl Amounts {
    const fn of(after: &PositionState) -> Amounts {
        let PositionState { quantity, cost, realized_pnl: realized, .. } = *after;
        Amounts { quantity, cost, realized }
    }

    /// The sums of both.
    #[must_use]
    pub fn plus(self, other: Amounts) -> Amounts {
        Amounts {
            quantity: self.quantity.saturating_add(other.quantity),
            cost: self.cost.saturating_add(other.cost),
            realized: self.realized.saturating_add(other.realized),
        }
    }

    fn less(self, other: Amounts) -> Amounts {
        let Amounts { quantity, cost, realized } = other;
        self.plus(Amounts { quantity: -quantity, cost: -cost, realized: -realized })
    }

    const fn is_nothing(&self) -> bool {
        self.quantity.is_zero() && self.cost.is_zero() && self.realized.is_zero()
    }
}

/// What one input changed in one symbol.
#[derive(Debug, Default)]
struct Input<'a> {
    changes: Vec<&'a Booked>,
    lots: Vec<LotState>,
}

/// Positions, lots and shares, as far as the changes were read.
#[derive(Debug, Default)]
struct Owners {
    positions: BTreeMap<Symbol, Amounts>,
    lots: BTreeMap<(Symbol, String), Amounts>,
    shares: Vec<Share>,
}

impl Owners {
    /// Sets the amounts of a strategy, and records the difference as a share.
    fn set(&mut self, time: UtcMs, symbol: Symbol, strategy: &str, now: Amounts) {
        let was = self.lots.entry((symbol, strategy.to_owned())).or_default();
        let added = now.less(*was);
        *was = now;
        if !added.is_nothing() {
            let strategy = strategy.to_owned();
            self.shares.push(Share { time, symbol, strategy, added });
        }
    }

    fn add(&mut self, time: UtcMs, symbol: Symbol, strategy: &str, added: Amounts) {
        let was = self.lots.get(&(symbol, strategy.to_owned())).copied().unwrap_or_default();
        self.set(time, symbol, strategy, was.plus(added));
    }

    /// Applies the changes of one input in one symbol.
    fn take(&mut self, symbol: Symbol, Input { changes, lots }: &Input<'_>) {
        // Amounts before this input of the strategies that got its earlier executions.
        let mut early: BTreeMap<String, Amounts> = BTreeMap::new();
        for (at, change) in changes.iter().enumerate() {
            let after = Amounts::of(&change.after);
            let was = self.positions.insert(symbol, after).unwrap_or_default();
            let (time, added) = (change.time(), after.less(was));
            if lots.is_empty() {
                // Versions without lots had only one strategy.
                self.add(time, symbol, FIRST_STRATEGY, added);
            } else if at + 1 < changes.len() {
                let whose = change.fill.as_ref().map_or(HOUSE, |fill| &fill.strategy);
                let before = self.lots.get(&(symbol, whose.to_owned())).copied();
                early.entry(whose.to_owned()).or_insert_with(|| before.unwrap_or_default());
                self.add(time, symbol, whose, added);
            }
        }
        let time = changes.last().map(|change| change.time());
        for lot in lots {
            let LotState { quantity, cost, realized_pnl: realized, .. } = *lot;
            let now = Amounts { quantity, cost, realized };
            early.remove(&lot.strategy);
            self.set(time.unwrap_or(lot.time), symbol, &lot.strategy, now);
        }
        for (whose, before) in early {
            self.set(time.unwrap_or_default(), symbol, &whose, before);
        }
    }
}

impl History {
    /// The shares of strategies in the changes of the books, in the order of the changes.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn shares(&self, booked: &[Booked]) -> Result<Vec<Share>, HistoryError> {
        let mut inputs: BTreeMap<(u64, Symbol), Input<'_>> = BTreeMap::new();
        for change in booked {
            inputs.entry((change.input, change.after.symbol)).or_default().changes.push(change);
        }
        for (key, value) in self.all(LOTS)? {
            let lot: LotState = decode(LOTS, &value)?;
            let input = input(LOTS, key.get(SYMBOL..).unwrap_or_default())?;
            inputs.entry((input, lot.symbol)).or_default().lots.push(lot);
        }
        let mut owners = Owners::default();
        for ((_, symbol), input) in inputs {
            owners.take(symbol, &input);
        }
        Ok(owners.shares)
    }

    /// Every change of the books, in the order in which they were made.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn booked(&self) -> Result<Vec<Booked>, HistoryError> {
        // Both facts of an execution come from the same input, in the same order.
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

/// The number of the input, from the start of the key of a fact.
fn input(table: &'static str, key: &[u8]) -> Result<u64, HistoryError> {
    let bytes = key_encoding::Reader(key).take().map_err(HistoryError::damaged(table))?;
    Ok(u64::from_be_bytes(bytes))
}
