//! Converts the venue's messages into checked domain values.
//!
//! Decimals are normalised, so that equal numbers have equal texts. A report of a cancel names the
//! order by its original client id, not by the id of the cancel.
//!
//! Over 500 lines: one mapping for each message of the venue.

use super::frames::{AccountPosition, ExecutionReport, KlineEvent};
use super::wire::{
    AssetBalance, Dec, ExchangeInfo, ExecutionType, Filter, KlineRow, OrderAck, OrderSide,
    OrderState, RateLimit, Status, SymbolInfo, TradeRow,
};
use crate::bar_rows::{RowDecimal, bar, check_width};
use everwarm_domain::bounds;
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Balance, Liquidity, OrderIntent, OrderReport, OrderStatus, ReportSource, Side, VenueFill,
};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::port::{AccountReport, Bars, MarketReport, Trade};
use std::collections::BTreeSet;

/// A decimal as the venue wants it: without an exponent and trailing zeros. So it has no more
/// digits than the step that it is a multiple of.
#[must_use]
pub fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// A decimal as [`plain`] writes it. It must be a multiple of `step`; zero accepts any value.
///
/// # Errors
/// The value is not a multiple.
pub fn plain_on_step(value: Decimal, step: Decimal) -> Result<String, String> {
    let off = !step.is_zero() && value.checked_rem(step).is_none_or(|rest| !rest.is_zero());
    if off { Err(format!("{value} is not a multiple of {step}")) } else { Ok(plain(value)) }
}

fn num(value: Dec) -> Decimal {
    value.0.normalize()
}

/// The rules of an instrument. An absent rule does not apply.
///
/// # Errors
/// A name that is not a symbol, or a rule beyond the limits.
pub fn instrument(info: &SymbolInfo) -> Result<Instrument, String> {
    let mut it = without_rules(info)?;
    let mut least = Decimal::ZERO;
    for filter in &info.filters {
        match filter {
            Filter::Price { tick_size, .. } => it.tick_size = num(*tick_size),
            Filter::LotSize { min_qty, max_qty, step_size } => {
                it.min_quantity = num(*min_qty);
                it.max_quantity = num(*max_qty);
                it.lot_size = num(*step_size);
            }
            Filter::MarketLotSize { max_qty, step_size, .. } => {
                it.market_max_quantity = num(*max_qty);
                it.market_lot_size = num(*step_size);
            }
            Filter::Notional { min_notional, apply_min_to_market: market }
            | Filter::MinNotional { min_notional, apply_to_market: market } => {
                least = least.min(num(*min_notional));
                it.min_notional = it.min_notional.max(num(*min_notional));
                it.min_notional_for_market |= *market;
            }
            Filter::StopOrders { .. } | Filter::Other => {}
        }
    }
    let check = || {
        bounds::asset(&it.base)?;
        bounds::asset(&it.quote)?;
        bounds::tick("tickSize", it.tick_size)?;
        bounds::quantity("stepSize", it.lot_size)?;
        bounds::quantity("stepSize of market orders", it.market_lot_size)?;
        bounds::quantity("minQty", it.min_quantity)?;
        bounds::amount("maxQty", it.max_quantity)?;
        bounds::amount("maxQty of market orders", it.market_max_quantity)?;
        if !it.max_quantity.is_zero() && it.min_quantity > it.max_quantity {
            return Err(format!("minQty {} is above maxQty {}", it.min_quantity, it.max_quantity));
        }
        bounds::quote("minNotional", least)?;
        bounds::quote("minNotional", it.min_notional)?;
        it.price_scale(None)
    };
    check().map_err(|why| format!("{}: {why}", info.symbol))?;
    Ok(it)
}

/// An instrument with its name only, without rules.
fn without_rules(info: &SymbolInfo) -> Result<Instrument, String> {
    Ok(Instrument {
        symbol: Symbol::named(&info.symbol)?,
        base: info.base_asset.clone(),
        quote: info.quote_asset.clone(),
        trading: info.status == "TRADING",
        tick_size: Decimal::ZERO,
        lot_size: Decimal::ZERO,
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        market_lot_size: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        min_notional_for_market: false,
        venue: VenueId::Binance,
    })
}

/// The rules of an instrument. If they are implausible, the instrument accepts no orders until they
/// are plausible. Its bars and positions continue.
fn believed(info: &SymbolInfo) -> Result<Instrument, String> {
    instrument(info).or_else(|why| {
        tracing::warn!(symbol = info.symbol, why, "impossible rules: the symbol is halted");
        let name = |asset: &str| bounds::asset(asset).map_or(String::new(), |()| asset.to_owned());
        let halted = without_rules(info)?;
        let (base, quote) = (name(&halted.base), name(&halted.quote));
        Ok(Instrument { base, quote, trading: false, ..halted })
    })
}

/// Most open stop orders that each symbol takes, as the venue states it: 0 if it takes no
/// `STOP_LOSS`. A symbol without a statement is left out.
pub fn stop_orders(info: &ExchangeInfo) -> impl Iterator<Item = (Symbol, u32)> {
    info.symbols.iter().filter_map(|info| {
        let symbol = Symbol::named(&info.symbol).ok()?;
        if !info.order_types.iter().any(|kind| kind == "STOP_LOSS") {
            return Some((symbol, 0));
        }
        let most = info.filters.iter().find_map(|filter| match filter {
            Filter::StopOrders { max_num_algo_orders } => Some(*max_num_algo_orders),
            Filter::Price { .. }
            | Filter::LotSize { .. }
            | Filter::MarketLotSize { .. }
            | Filter::Notional { .. }
            | Filter::MinNotional { .. }
            | Filter::Other => None,
        });
        Some((symbol, u32::try_from(most?.max(0)).unwrap_or(u32::MAX)))
    })
}

/// The rules of all instruments whose names are symbols here, sorted by symbol. An instrument with
/// implausible rules is halted.
///
/// # Errors
/// A symbol comes twice.
pub fn instruments(info: &ExchangeInfo) -> Result<Vec<Instrument>, String> {
    let named = info.symbols.iter().filter(|s| Symbol::named(&s.symbol).is_ok());
    let mut all = named.map(believed).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|i| i.symbol);
    if let Some(twice) = all.windows(2).find(|pair| pair[0].symbol == pair[1].symbol) {
        return Err(format!("{} comes twice", twice[0].symbol));
    }
    Ok(all)
}

/// The request weight a minute, if the venue reports it.
#[must_use]
pub fn weight_limit(info: &ExchangeInfo) -> Option<u32> {
    let mut limits = info.rate_limits.iter();
    limits
        .find(|l| {
            l.rate_limit_type == "REQUEST_WEIGHT" && l.interval == "MINUTE" && l.interval_num == 1
        })
        .map(|l| l.limit)
}

/// The venue's order limits, by window width in milliseconds.
#[must_use]
pub fn order_limits(info: &ExchangeInfo) -> Vec<(UtcMs, u32)> {
    orders(&info.rate_limits).map(|(width, l)| (width, l.limit)).collect()
}

/// The venue's order counts, by window width in milliseconds.
#[must_use]
pub fn order_counts(limits: &[RateLimit]) -> Vec<(UtcMs, u32)> {
    orders(limits).filter_map(|(width, l)| Some((width, l.count?))).collect()
}

/// The order limits by window width.
fn orders(limits: &[RateLimit]) -> impl Iterator<Item = (UtcMs, &RateLimit)> {
    let orders = limits.iter().filter(|l| l.rate_limit_type == "ORDERS");
    orders.filter_map(|l| {
        let one = match l.interval.as_str() {
            "SECOND" => 1_000,
            "MINUTE" => 60_000,
            "DAY" => 86_400_000,
            _ => return None,
        };
        Some((UtcMs::from(l.interval_num) * one, l))
    })
}

/// The bars of a page of klines.
///
/// # Errors
/// A bar of another width, or rows not in ascending order.
pub fn rows(symbol: Symbol, timeframe: Timeframe, rows: &[KlineRow]) -> Result<Bars, String> {
    let mut bars = Bars::default();
    let mut last = None;
    for row in rows {
        check_width(timeframe, row.open_time, row.close_time)?;
        if last.replace(row.open_time).is_some_and(|last| last >= row.open_time) {
            return Err(format!("{symbol}: kline {} is out of order", row.open_time));
        }
        let prices = [&row.open, &row.high, &row.low, &row.close];
        match bar(symbol, row.open_time, prices, &row.volume) {
            Ok(bar) => bars.held.push(bar),
            Err(unheld) => bars.unheld.push(unheld),
        }
    }
    Ok(bars)
}

/// The bars of a page of klines, all of which must be valid.
///
/// # Errors
/// As [`rows`], or one of them is not valid.
pub fn bars(symbol: Symbol, timeframe: Timeframe, page: &[KlineRow]) -> Result<Vec<Bar>, String> {
    let Bars { held, unheld } = rows(symbol, timeframe, page)?;
    unheld.into_iter().next().map_or(Ok(held), |unheld| Err(unheld.why))
}

/// The report of a kline event. Unknown widths are `Other`.
///
/// # Errors
/// As [`bars`].
pub fn kline_event(event: &KlineEvent) -> Result<MarketReport, String> {
    let k = &event.kline;
    let Ok(timeframe) = k.interval.parse::<Timeframe>() else {
        return Ok(MarketReport::Other { name: format!("kline_{}", k.interval) });
    };
    let symbol = Symbol::new(&event.symbol)?;
    check_width(timeframe, k.open_time, k.close_time)?;
    if k.closed && event.time < k.close_time {
        let (open, at) = (k.open_time, event.time);
        return Err(format!("{symbol} kline {open}: called closed at {at}, before its end"));
    }
    match bar(symbol, k.open_time, [&k.open, &k.high, &k.low, &k.close], &k.volume) {
        Ok(bar) => Ok(MarketReport::Bar { bar, timeframe, closed: k.closed, time: event.time }),
        Err(unheld) if k.closed && timeframe == Timeframe::M1 => Ok(MarketReport::Unheld(unheld)),
        Err(unheld) => Err(unheld.why),
    }
}

fn side(side: &OrderSide) -> Result<Side, String> {
    match side {
        OrderSide::Buy => Ok(Side::Buy),
        OrderSide::Sell => Ok(Side::Sell),
        OrderSide::Other(word) => Err(format!("{word:?} is not a side")),
    }
}

fn status(status: &Status, executed: Decimal) -> Result<OrderStatus, String> {
    Ok(match status {
        Status::New | Status::PendingNew => OrderStatus::Open,
        Status::PendingCancel if executed.is_zero() => OrderStatus::Open,
        Status::PartiallyFilled | Status::PendingCancel => OrderStatus::PartlyFilled,
        Status::Filled => OrderStatus::Filled,
        Status::Canceled => OrderStatus::Cancelled,
        Status::Rejected => OrderStatus::Rejected,
        Status::Expired | Status::ExpiredInMatch => OrderStatus::Expired,
        Status::Other(word) => return Err(format!("{word:?} is not an order status known here")),
    })
}

/// An order from a response or a query.
///
/// `trades` are the order's rows of myTrades, if they were requested. Otherwise the fills of the
/// message are used.
///
/// # Errors
/// An unknown word, contradicting quantities, or a trade of another order.
pub fn order_state(
    source: ReportSource,
    order: &OrderState,
    trades: &[TradeRow],
) -> Result<OrderReport, String> {
    let time = order.transact_time.or(order.update_time).or(order.time);
    let time = time.ok_or_else(|| format!("order {} has no time", order.order_id))?;
    bounds::client_id(&order.client_order_id)?;
    let own = order.fills.iter().flatten().map(|f| VenueFill {
        trade_id: f.trade_id.into(),
        price: num(f.price),
        quantity: num(f.qty),
        fee: num(f.commission),
        fee_asset: f.commission_asset.clone(),
        time,
        // A fill in the response came immediately, so the order did not rest in the book.
        liquidity: Some(Liquidity::Taker),
    });
    let mut fills: Vec<VenueFill> = if trades.is_empty() {
        own.collect()
    } else {
        if let Some(row) = trades.iter().find(|t| t.order_id != order.order_id) {
            return Err(format!("trade {} belongs to order {}", row.id, row.order_id));
        }
        trades.iter().map(venue_fill).collect()
    };
    sort(&mut fills, |fill| fill);
    let executed = num(order.executed_qty);
    let named = order.orig_client_order_id.as_deref().filter(|id| !id.is_empty());
    checked(OrderReport {
        source,
        client_id: ClientOrderId(named.unwrap_or(&order.client_order_id).to_owned()),
        venue_order_id: order.order_id.into(),
        symbol: Symbol::new(&order.symbol)?,
        side: side(&order.side)?,
        status: status(&order.status, executed)?,
        quantity: num(order.orig_qty),
        executed,
        executed_quote: executed_quote(num(order.cummulative_quote_qty), executed, &fills)?,
        fills,
        time,
    })
}

/// The cumulative quote amount. The venue writes a negative one if it does not know it.
fn executed_quote(
    reported: Decimal,
    executed: Decimal,
    fills: &[VenueFill],
) -> Result<Decimal, String> {
    if !reported.is_sign_negative() || reported.is_zero() {
        return Ok(reported);
    }
    let mut quantity = Decimal::ZERO;
    let mut quote = Decimal::ZERO;
    for fill in fills {
        let amount = fill.price.checked_mul(fill.quantity);
        let sums =
            amount.and_then(|a| quote.checked_add(a)).zip(quantity.checked_add(fill.quantity));
        (quote, quantity) = sums.ok_or("the fills are too large to add")?;
    }
    if quantity == executed && bounds::quote("the fills", quote).is_ok() {
        Ok(quote.normalize())
    } else {
        Err("the venue did not report the quote amount of the order".to_owned())
    }
}

fn checked(report: OrderReport) -> Result<OrderReport, String> {
    let OrderReport { quantity, executed, executed_quote, status, .. } = report;
    let number = &report.venue_order_id;
    let wrong = |what: &str| Err(format!("order {number}: {what}"));
    let negative = |d: Decimal| d.is_sign_negative() && !d.is_zero();
    if negative(quantity) || negative(executed) || negative(executed_quote) {
        return wrong("negative quantity");
    }
    if executed > quantity && !quantity.is_zero() {
        return wrong("more filled than ordered");
    }
    if executed.is_zero() && matches!(status, OrderStatus::Filled | OrderStatus::PartlyFilled) {
        return wrong("filled with nothing");
    }
    bounds::client_id(&report.client_id.0)?;
    bounds::time("time", report.time).map_err(|why| format!("order {number}: {why}"))?;
    let mut seen = BTreeSet::new();
    for fill in &report.fills {
        if fill.price <= Decimal::ZERO || fill.quantity <= Decimal::ZERO {
            return wrong("a fill without price or quantity");
        }
        named(fill).map_err(|why| format!("order {number}, trade {}: {why}", fill.trade_id))?;
        if !seen.insert(&fill.trade_id) {
            return wrong("the same fill twice");
        }
    }
    bounds::report(&report)?;
    Ok(report)
}

/// Checks the time and fee asset of a fill.
fn named(fill: &VenueFill) -> Result<(), String> {
    bounds::time("time", fill.time)?;
    if fill.fee.is_zero() && fill.fee_asset.is_empty() {
        return Ok(());
    }
    bounds::asset(&fill.fee_asset)
}

/// An order whose response has only ids: accepted, with no other information.
///
/// # Errors
/// The response is about another order.
pub fn order_ack(intent: &OrderIntent, ack: &OrderAck) -> Result<OrderReport, String> {
    if ack.client_order_id != intent.client_id.0 || ack.symbol != intent.symbol.as_str() {
        return Err(format!("the answer is about order {}", ack.client_order_id));
    }
    checked(OrderReport {
        source: ReportSource::Answer,
        client_id: intent.client_id.clone(),
        venue_order_id: ack.order_id.into(),
        symbol: intent.symbol,
        side: intent.side,
        status: OrderStatus::Open,
        quantity: intent.quantity.normalize(),
        executed: Decimal::ZERO,
        executed_quote: Decimal::ZERO,
        fills: Vec::new(),
        time: ack.transact_time,
    })
}

/// Open orders, sorted by the venue's id. External orders with unknown names or kinds are left out.
///
/// # Errors
/// An order of ours that cannot be read.
pub fn open_orders(orders: &[OrderState]) -> Result<Vec<OrderReport>, String> {
    let mut reports = Vec::with_capacity(orders.len());
    for order in orders {
        match order_state(ReportSource::Query, order, &[]) {
            Ok(report) => reports.push(report),
            Err(why) if ClientOrderId(order.client_order_id.clone()).is_ours() => return Err(why),
            Err(why) => {
                tracing::warn!(order = order.order_id, why, "left out a foreign open order");
            }
        }
    }
    reports.sort_by(|a, b| a.venue_order_id.cmp(&b.venue_order_id));
    Ok(reports)
}

fn venue_fill(row: &TradeRow) -> VenueFill {
    VenueFill {
        trade_id: row.id.into(),
        price: num(row.price),
        quantity: num(row.qty),
        fee: num(row.commission),
        fee_asset: row.commission_asset.clone(),
        time: row.time,
        liquidity: Some(Liquidity::of(row.is_maker)),
    }
}

/// Sorts executions by venue time, then by id.
fn sort<T>(all: &mut [T], fill: impl Fn(&T) -> &VenueFill) {
    all.sort_by(|a, b| {
        let (a, b) = (fill(a), fill(b));
        (a.time, &a.trade_id).cmp(&(b.time, &b.trade_id))
    });
}

/// Trades, ascending by venue time, then by id.
///
/// # Errors
/// A name that is not a symbol, a number beyond the limits, or an id that comes twice.
pub fn trades(rows: &[TradeRow]) -> Result<Vec<Trade>, String> {
    let mut trades = Vec::with_capacity(rows.len());
    for row in rows {
        let (symbol, fill) = (Symbol::new(&row.symbol)?, venue_fill(row));
        let side = if row.is_buyer { Side::Buy } else { Side::Sell };
        let checked = bounds::fill(symbol, &fill).and_then(|()| named(&fill));
        checked.map_err(|why| format!("{symbol} trade {}: {why}", row.id))?;
        trades.push(Trade { venue_order_id: row.order_id.into(), symbol, side, fill });
    }
    sort(&mut trades, |trade| &trade.fill);
    let mut seen = BTreeSet::new();
    if let Some(twice) = trades.iter().find(|trade| !seen.insert(&trade.fill.trade_id)) {
        return Err(format!("trade {} comes twice", twice.fill.trade_id));
    }
    Ok(trades)
}

/// Balances by asset, and the assets with implausible balances: beyond the limits, repeated, or no
/// numbers. Zero balances are left out unless `keep_zero` is set. A row without a valid asset name
/// is left out with a warning: nothing traded uses it.
#[must_use]
pub fn balances(rows: &[AssetBalance], keep_zero: bool) -> (Vec<Balance>, Vec<String>) {
    let mut balances: Vec<Balance> = Vec::with_capacity(rows.len());
    let mut unread: Vec<String> = Vec::new();
    for row in rows {
        if let Err(why) = bounds::asset(&row.asset) {
            tracing::warn!(why, "left out a balance");
            continue;
        }
        match balance(row) {
            Ok(balance) => balances.push(balance),
            Err(why) => {
                tracing::warn!(asset = row.asset, why, "an impossible balance");
                unread.push(row.asset.clone());
            }
        }
    }
    balances.sort_by(|a, b| a.asset.cmp(&b.asset));
    for twice in balances.windows(2).filter(|pair| pair[0].asset == pair[1].asset) {
        tracing::warn!(asset = twice[0].asset, "two balances of one asset");
        unread.push(twice[0].asset.clone());
    }
    unread.sort_unstable();
    unread.dedup();
    let is_zero = |b: &Balance| b.free.is_zero() && b.locked.is_zero();
    balances.retain(|b| (keep_zero || !is_zero(b)) && unread.binary_search(&b.asset).is_err());
    (balances, unread)
}

fn balance(row: &AssetBalance) -> Result<Balance, String> {
    let number = |field: &str, decimal: &RowDecimal| {
        let value = decimal.0.as_ref().map_err(|why| format!("{field}: {why}"))?;
        bounds::amount(field, value.normalize())
    };
    let (free, locked) = (number("free", &row.free)?, number("locked", &row.locked)?);
    Ok(Balance { asset: row.asset.clone(), free, locked })
}

/// The report of an order event of the private stream, with its fill if it has one.
///
/// # Errors
/// As [`order_state`].
pub fn execution_report(event: &ExecutionReport) -> Result<OrderReport, String> {
    // Older servers send the text "null" if there is no original id.
    let original = Some(&event.original_client_id).filter(|id| !id.is_empty() && *id != "null");
    let trade_id = u64::try_from(event.trade_id).ok();
    let is_trade = event.execution == ExecutionType::Trade;
    let fill = trade_id.filter(|_| is_trade).map(|trade_id| VenueFill {
        trade_id: trade_id.into(),
        price: num(event.last_price),
        quantity: num(event.last_quantity),
        fee: num(event.commission),
        fee_asset: event.commission_asset.clone().unwrap_or_default(),
        time: event.time,
        liquidity: Some(Liquidity::of(event.is_maker)),
    });
    let executed = num(event.executed);
    checked(OrderReport {
        source: ReportSource::Stream,
        client_id: ClientOrderId(original.unwrap_or(&event.client_id).clone()),
        venue_order_id: event.order_id.into(),
        symbol: Symbol::new(&event.symbol)?,
        side: side(&event.side)?,
        status: status(&event.status, executed)?,
        quantity: num(event.quantity),
        executed,
        executed_quote: num(event.executed_quote),
        fills: fill.into_iter().collect(),
        time: event.time,
    })
}

/// The report of a balance event of the private stream. It keeps zeros, since they are changes.
#[must_use]
pub fn account_position(event: AccountPosition) -> AccountReport {
    let rows: Vec<AssetBalance> = event.balances.into_iter().map(AssetBalance::from).collect();
    AccountReport::Balances { time: event.time, balances: balances(&rows, true).0 }
}
