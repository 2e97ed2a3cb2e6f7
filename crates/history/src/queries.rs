//! Queries of the history.

use super::book_changes::Booked;
use super::key_encoding;
use super::page::{Cursor, Page, Paged};
use super::projection::{BARS, EQUITY, FILLS, ORDER_STATES, ORDERS, POSITIONS};
use super::records::{
    EquityState, EquityView, FillView, OrderState, OrderView, PositionState, PositionView,
    TradeView, quotient,
};
use everwarm_domain::fact::Order;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderStatus};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Row};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows of bars read at a time to find the newest price of a symbol.
const PAGE: usize = 256;

/// Why a query or a write of the history failed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file could not be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A row does not have the form of its table.
    #[error("the history's table {table} is damaged: {reason}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The data to store is invalid.
    #[error("{0}")]
    Refused(String),
}

impl HistoryError {
    /// Makes a [`HistoryError::Damaged`] from a reason.
    pub(super) fn damaged(table: &'static str) -> impl Fn(String) -> HistoryError {
        move |reason| HistoryError::Damaged { table, reason }
    }
}

/// Reads the history. Lists are ascending. A page has the newest rows, or the newest before a
/// cursor.
#[derive(Clone, Debug)]
pub struct History {
    archive: Arc<Archive>,
}

impl History {
    /// Reads from `archive`.
    #[must_use]
    pub const fn new(archive: Arc<Archive>) -> History {
        History { archive }
    }

    /// Orders by close time and client id.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn orders(&self, page: impl Into<Page>) -> Result<Paged<OrderView>, HistoryError> {
        self.page(ORDERS, &page.into())?.try_map(|(_, value)| {
            let intent: OrderIntent = decode(ORDERS, &value)?;
            let state = self.archive.get(ORDER_STATES, intent.client_id.0.as_bytes())?;
            let state = state.map(|s| decode(ORDER_STATES, &s)).transpose()?;
            Ok(order_view(intent, state))
        })
    }

    /// Fills in the order in which they were applied.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn fills(&self, page: impl Into<Page>) -> Result<Paged<FillView>, HistoryError> {
        self.page(FILLS, &page.into())?.try_map(|(_, value)| {
            let Order::Filled { client_id, symbol, side, fill, .. } = decode(FILLS, &value)? else {
                let reason = "a row is not a fill".to_owned();
                return Err(HistoryError::Damaged { table: FILLS, reason });
            };
            Ok(FillView {
                trade_id: fill.trade_id,
                client_order_id: client_id,
                symbol,
                side,
                price: fill.price.normalize(),
                quantity: fill.quantity.normalize(),
                fee: fill.fee.normalize(),
                fee_asset: fill.fee_asset,
                time: fill.time,
            })
        })
    }

    /// Positions by symbol, of every symbol ever traded.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn positions(&self) -> Result<Vec<PositionView>, HistoryError> {
        let states: Vec<PositionState> = self.rows(POSITIONS)?;
        let held = states.iter().filter(|s| !s.quantity.is_zero()).map(|s| s.symbol).collect();
        let marks = self.marks(held, None)?;
        Ok(states.iter().map(|state| state.view(marks.get(&state.symbol).copied())).collect())
    }

    /// Equity by close time.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn equity(&self, page: impl Into<Page>) -> Result<Paged<EquityView>, HistoryError> {
        self.page(EQUITY, &page.into())?.try_map(|(key, value)| {
            let EquityState { equity, cash, adjusted } = decode(EQUITY, &value)?;
            Ok(EquityView {
                time: time_at(EQUITY, &key)?,
                equity: equity.normalize(),
                cash: cash.normalize(),
                adjusted: adjusted.normalize(),
            })
        })
    }

    /// Trades from flat to flat, by opening time and symbol. A rest that cannot be sold does not
    /// count as held. It belongs to the next trade in that symbol.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn trades(&self, limit: Option<usize>) -> Result<Vec<TradeView>, HistoryError> {
        let mut changes = self.booked()?;
        changes.sort_by_key(|change| change.after.symbol);
        let mut trades = Vec::new();
        for of_symbol in changes.chunk_by(|a, b| a.after.symbol == b.after.symbol) {
            trades.extend(trades_of(of_symbol));
        }
        trades.sort_by_key(|t| (t.opened, t.symbol));
        let older = limit.map_or(0, |limit| trades.len().saturating_sub(limit));
        Ok(trades.split_off(older))
    }

    /// The newest closing price of each symbol of `wanted` that has one, from 1m bars. With
    /// `until`, only bars that closed by then count.
    ///
    /// # Errors
    /// The file could not be read, or is damaged.
    pub fn marks(
        &self,
        mut wanted: BTreeSet<Symbol>,
        until: Option<UtcMs>,
    ) -> Result<BTreeMap<Symbol, Decimal>, HistoryError> {
        let minute = key_encoding::timeframe_key(Timeframe::M1);
        let first = vec![minute];
        let mut last = vec![minute + 1];
        if let Some(until) = until {
            last = vec![minute];
            last.extend_from_slice(&key_encoding::time_key(until));
        }
        let mut found = BTreeMap::new();
        while !wanted.is_empty() {
            let rows = self.archive.range(BARS, &first..=&last, true, PAGE)?;
            let Some((oldest, _)) = rows.last() else { break };
            last.clone_from(oldest);
            // The greatest key below the oldest one seen. The last byte of a key is that of a
            // counter, which is never reused.
            decrement(&mut last);
            for (_, value) in &rows {
                for bar in
                    key_encoding::named_bars_of(value).map_err(HistoryError::damaged(BARS))?
                {
                    if wanted.remove(&bar.symbol) {
                        found.insert(bar.symbol, bar.close.decimal());
                    }
                }
            }
        }
        Ok(found)
    }

    fn rows<T: DeserializeOwned>(&self, table: &'static str) -> Result<Vec<T>, HistoryError> {
        self.all(table)?.iter().map(|(_, value)| decode(table, value)).collect()
    }

    pub(super) fn all(&self, table: &'static str) -> Result<Vec<Row>, HistoryError> {
        Ok(self.archive.all(table)?)
    }

    fn page(&self, table: &'static str, page: &Page) -> Result<Paged<Row>, HistoryError> {
        let Page { limit, before } = page;
        if limit.is_none() && before.is_none() {
            return Ok(Paged::all(self.all(table)?));
        }
        let last = before.as_ref().map_or([u8::MAX; 64].as_slice(), |before| &before.0);
        // The row at the cursor is not before it. One row more than wanted shows whether older ones
        // exist.
        let most = limit.map_or(usize::MAX, |limit| limit.saturating_add(2));
        let mut rows = self.archive.range(table, [].as_slice()..=last, true, most)?;
        rows.retain(|(key, _)| before.as_ref().is_none_or(|before| *key < before.0));
        rows.reverse();
        Ok(Paged::newest(rows, *limit, |(key, _)| Cursor(key.clone())))
    }
}

fn order_view(intent: OrderIntent, state: Option<OrderState>) -> OrderView {
    let state = state.unwrap_or(OrderState {
        venue_order_id: None,
        status: OrderStatus::Intent,
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
    });
    let OrderIntent { client_id, strategy, symbol, side, order_type, .. } = intent;
    OrderView {
        client_order_id: ClientOrderId(client_id.0),
        venue_order_id: state.venue_order_id,
        symbol,
        side,
        order_type,
        quantity: intent.quantity.normalize(),
        price: intent.price.map(|p| p.normalize()),
        stop_price: intent.terms.stop.map(|p| p.normalize()),
        status: state.status,
        filled_quantity: state.executed.normalize(),
        average_price: quotient(state.executed_quote, state.executed),
        strategy,
        time: intent.close_time,
    }
}

/// Splits the changes of one symbol into trades, in their order. A trade ends after a sale that
/// leaves nothing that could be sold. Every change belongs to one trade, so the results add up to
/// the realised profit of the books.
fn trades_of(changes: &[Booked]) -> Vec<TradeView> {
    let mut trades: Vec<TradeView> = Vec::new();
    let (mut held, mut before) = (Decimal::ZERO, Decimal::ZERO);
    let mut realized_at_open = Decimal::ZERO;
    for booked in changes {
        let (change, time) = (&booked.after, booked.time());
        let over = trades.last().is_some_and(|t| t.closed.is_some());
        // A change that reduces dust does not belong to a later trade.
        if trades.is_empty() || (over && change.quantity > held) {
            realized_at_open = before;
            trades.push(TradeView {
                symbol: change.symbol,
                opened: time,
                closed: None,
                quantity: Decimal::ZERO,
                cost: Decimal::ZERO,
                pnl: Decimal::ZERO,
            });
        }
        if let Some(trade) = trades.last_mut() {
            trade.quantity = trade.quantity.max(change.quantity).normalize();
            trade.cost = trade.cost.max(change.cost).normalize();
            trade.pnl = change.realized_pnl.saturating_sub(realized_at_open).normalize();
            // The first part of an entry may also be dust, so only a reduction ends a trade. Each
            // of the last parts of a sale may leave dust.
            let lessened = change.quantity < held || change.quantity.is_zero();
            let made = trade.closed.is_none() || change.realized_pnl != before;
            if booked.dust && lessened && made {
                trade.closed = Some(time);
            }
        }
        (held, before) = (change.quantity, change.realized_pnl);
    }
    trades
}

pub(super) fn decode<T: DeserializeOwned>(
    table: &'static str,
    bytes: &[u8],
) -> Result<T, HistoryError> {
    rmp_serde::from_slice(bytes).map_err(|e| HistoryError::Damaged { table, reason: e.to_string() })
}

fn time_at(table: &'static str, key: &[u8]) -> Result<UtcMs, HistoryError> {
    let bytes = key_encoding::Reader(key).take().map_err(HistoryError::damaged(table))?;
    Ok(key_encoding::time_of(bytes))
}

/// Decrements a key to the next lower one of its length. All zeros stay unchanged.
fn decrement(key: &mut [u8]) {
    for byte in key.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return;
        }
    }
    key.fill(0);
}
