//! Projects the durable facts of the journal into tables for queries.
//!
//! 1. The rows of a fact are a pure function of this fact. Applying it again leaves the same rows.
//! 2. Each commit also stores how far the journal was followed, so both always agree. After a crash
//!    the rest is applied again.
//! 3. Only durable facts are applied, so the history is never ahead of the journal.

use super::dominance::DOMINANCE;
use super::key_encoding;
use super::records::{EquityState, LotState, OrderState, PositionState};
use super::removed;
use super::tokens::{self, POINTS, TOKENS};
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Analysis, Body, Ledger, Market, Operator, Order};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Key, Mask};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bars from facts. Key: width, opening time, number of the input; value: bars by symbol. One row
/// for each fact and opening time.
pub const BARS: &str = "bars.1";
/// Intents. Key: close time, client id.
pub const ORDERS: &str = "orders.1";
/// The latest states of orders. Key: client id.
pub const ORDER_STATES: &str = "order_states.1";
/// Fills. Key: key of the fact.
pub const FILLS: &str = "fills.1";
/// The latest books. Key: symbol.
pub const POSITIONS: &str = "positions.1";
/// The books after each change. Key: symbol, key of the fact.
pub const CHANGES: &str = "position_changes.1";
/// Lots after each change. Key: symbol, key of the fact.
pub const LOTS: &str = "lot_changes.1";
/// Equity points. Key: close time.
pub const EQUITY: &str = "equity.1";
/// The venue's rules for an instrument, each time they were reported. Key: symbol, key of the fact.
pub const RULES: &str = "rules.1";
/// How far the projection has followed. Version 1 of this table was written without [`RULES`]. A
/// history with only version 1 follows the journal from its beginning again and overwrites its
/// rows.
const PROGRESS: &str = "progress.2";
const THROUGH: &[u8] = b"projected_through";
const TABLES: [&str; 13] = [
    BARS,
    ORDERS,
    ORDER_STATES,
    FILLS,
    POSITIONS,
    CHANGES,
    LOTS,
    EQUITY,
    RULES,
    DOMINANCE,
    TOKENS,
    POINTS,
    PROGRESS,
];

/// Kinds of facts that the projection uses. Other kinds need not be passed to it.
pub const INTEREST: Mask = Mask::of(&[
    kind::CLOSE,
    kind::LATE_BAR,
    kind::INSTRUMENTS,
    kind::ROLLED,
    kind::INTENT,
    kind::CHANGED,
    kind::FILLED,
    kind::POSITION,
    kind::LOT,
    kind::EQUITY,
    kind::DOMINANCE,
    kind::POINTS,
    kind::TOKENS,
]);

/// The operations that a fact causes in the history.
#[must_use]
pub fn project(fact: &Fact<Body>) -> Vec<Op> {
    match &fact.body {
        Body::Market(Market::Close { time, bars, .. }) if !bars.is_empty() => {
            let open = time - Timeframe::M1.ms();
            vec![bar_row(Timeframe::M1, open, fact.key, bars)]
        }
        Body::Market(Market::LateBar { bar, .. }) => {
            vec![bar_row(Timeframe::M1, bar.open_time, fact.key, std::slice::from_ref(bar))]
        }
        Body::Market(Market::Instruments { rules }) => {
            let row = |rule: &Instrument| put(RULES, of_symbol(rule.symbol, fact.key), rule);
            rules.iter().map(row).collect()
        }
        Body::Market(Market::Dominance(sample)) => {
            vec![put(DOMINANCE, key_encoding::time_key(sample.time).to_vec(), sample)]
        }
        Body::Market(Market::Points(points)) => tokens::point_rows(points),
        Body::Operator(Operator::Tokens { removed, added }) => {
            tokens::change_rows(fact, removed, added)
        }
        Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
            let mut rows: BTreeMap<UtcMs, Vec<u8>> = BTreeMap::new();
            for rolled in bars {
                let row = rows.entry(rolled.bar.open_time).or_default();
                key_encoding::put_named_rolled(rolled, row);
            }
            let row = |(open, value)| Op::Put {
                table: BARS,
                key: bar_key(*timeframe, open, fact.key),
                value,
            };
            rows.into_iter().map(row).collect()
        }
        Body::Order(order) => project_order(fact.key, order),
        Body::Ledger(ledger) => project_ledger(fact, ledger),
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_) => Vec::new(),
    }
}

fn bar_key(timeframe: Timeframe, open_time: UtcMs, fact: Key) -> Vec<u8> {
    let mut key = vec![key_encoding::timeframe_key(timeframe)];
    key.extend_from_slice(&key_encoding::time_key(open_time));
    key.extend_from_slice(&fact.n.to_be_bytes());
    key
}

fn bar_row(timeframe: Timeframe, open_time: UtcMs, fact: Key, bars: &[Bar]) -> Op {
    let key = bar_key(timeframe, open_time, fact);
    let mut value = Vec::with_capacity(bars.len() * (key_encoding::SYMBOL + key_encoding::BAR));
    for bar in bars {
        key_encoding::put_named_bar(bar, &mut value);
    }
    Op::Put { table: BARS, key, value }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn project_order(key: Key, order: &Order) -> Vec<Op> {
    match order {
        Order::Intent(intent) => {
            let mut row = key_encoding::time_key(intent.close_time).to_vec();
            row.extend_from_slice(intent.client_id.0.as_bytes());
            vec![put(ORDERS, row, intent)]
        }
        Order::Changed { client_id, venue_order_id, status, executed, executed_quote, .. } => {
            let state = OrderState {
                venue_order_id: venue_order_id.clone(),
                status: *status,
                executed: *executed,
                executed_quote: *executed_quote,
            };
            vec![put(ORDER_STATES, client_id.0.as_bytes().to_vec(), &state)]
        }
        Order::Filled { .. } => vec![put(FILLS, fact_key(key), order)],
        _ => Vec::new(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn project_ledger(fact: &Fact<Body>, ledger: &Ledger) -> Vec<Op> {
    match ledger {
        Ledger::Position { symbol, quantity, cost, realized_pnl, .. } => {
            let state = PositionState {
                time: fact.time,
                symbol: *symbol,
                quantity: *quantity,
                cost: *cost,
                realized_pnl: *realized_pnl,
            };
            let name = key_encoding::symbol_key(*symbol).to_vec();
            let change = of_symbol(*symbol, fact.key);
            vec![put(POSITIONS, name, &state), put(CHANGES, change, &state)]
        }
        Ledger::Equity { time, equity, cash, adjusted } => {
            let state = EquityState { equity: *equity, cash: *cash, adjusted: *adjusted };
            vec![put(EQUITY, key_encoding::time_key(*time).to_vec(), &state)]
        }
        Ledger::Lot { strategy, symbol, quantity, cost, realized_pnl, .. } => {
            let state = LotState {
                time: fact.time,
                symbol: *symbol,
                strategy: strategy.clone(),
                quantity: *quantity,
                cost: *cost,
                realized_pnl: *realized_pnl,
            };
            vec![put(LOTS, of_symbol(*symbol, fact.key), &state)]
        }
        _ => Vec::new(),
    }
}

fn put(table: &'static str, key: Vec<u8>, value: &impl Serialize) -> Op {
    let value = rmp_serde::to_vec(value).expect("plain values and memory takes them");
    Op::Put { table, key, value }
}

fn of_symbol(symbol: Symbol, key: Key) -> Vec<u8> {
    [key_encoding::symbol_key(symbol).to_vec(), fact_key(key)].concat()
}

fn fact_key(key: Key) -> Vec<u8> {
    let mut bytes = key.n.to_be_bytes().to_vec();
    bytes.extend_from_slice(&key.rank.to_be_bytes());
    bytes.extend_from_slice(&key.i.to_be_bytes());
    bytes
}

/// Row of the journal up to which the history follows; 0 at the beginning.
///
/// # Errors
/// The file could not be read.
pub fn projected_through(archive: &Archive) -> Result<u64, ArchiveError> {
    let bytes = archive.get(PROGRESS, THROUGH)?;
    Ok(bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Writes durable facts into the history. It is the only writer of these tables.
#[derive(Debug)]
pub struct Projector {
    archive: Arc<Archive>,
    through: u64,
    /// What the next commit writes besides.
    begin: Option<Op>,
}

impl Projector {
    /// Continues where `archive` stopped.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn new(archive: Arc<Archive>) -> Result<Projector, ArchiveError> {
        let through = projected_through(&archive)?;
        let begin = removed::begin(&archive, through)?;
        Ok(Projector { archive, through, begin })
    }

    /// Row of the journal up to which it has followed; the next facts come after it. If it is
    /// greater than the journal's durable head, the history belongs to another journal: see
    /// [`Projector::rebuild`].
    #[must_use]
    pub const fn through(&self) -> u64 {
        self.through
    }

    /// Deletes everything projected, so that it follows the journal from its first row again.
    ///
    /// # Errors
    /// The file could not be written. Nothing was changed.
    pub fn rebuild(&mut self) -> Result<(), ArchiveError> {
        self.archive.commit(&TABLES.map(|table| Op::Clear { table }), true)?;
        self.through = 0;
        Ok(())
    }

    /// Applies facts with their rows, ascending. Facts of rows that it has followed already are
    /// skipped. `through` is the row up to which the journal has been read, even if no fact in
    /// between was of interest. `durable` as in [`Archive::commit`].
    ///
    /// # Errors
    /// Nothing was changed. End the process or open the archive again.
    pub fn apply<'a>(
        &mut self,
        facts: impl IntoIterator<Item = (u64, &'a Fact<Body>)>,
        through: u64,
        durable: bool,
    ) -> Result<(), ArchiveError> {
        let fresh = facts.into_iter().filter(|(row, _)| *row > self.through);
        let mut ops: Vec<Op> = fresh.flat_map(|(_, fact)| project(fact)).collect();
        let through = through.max(self.through);
        let value = through.to_be_bytes().to_vec();
        ops.push(Op::Put { table: PROGRESS, key: THROUGH.to_vec(), value });
        ops.extend(self.begin.clone());
        self.archive.commit(&ops, durable)?;
        (self.through, self.begin) = (through, None);
        Ok(())
    }
}
