//! Converts the venue's messages into checked domain values, and our orders into its messages.
//!
//! Fills come only from the records of the account. Those of the stream have other ids, so a trade
//! would count twice.

use super::trading_wire::{Account, Day, Fee, Fill, Order, Position};
use super::wire::{Asset, QUOTE, STOCK, instant, short};
use crate::bar_rows::RowDecimal;
use everwarm_domain::bounds;
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Balance, Charge, OrderIntent, OrderReport, OrderStatus, OrderType, ReportSource, Side,
    TimeInForce, VenueFill,
};
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use everwarm_venue::port::{AccountPicture, Trade};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// The zone of the venue's calendar.
pub const ZONE: &str = "America/New_York";
/// Decimals of a price in an order from one dollar on:
/// <https://docs.alpaca.markets/docs/orders-at-alpaca#sub-penny-increments-for-limit-orders>.
const PRICE_DECIMALS: u32 = 2;
/// Longest id of a fee, bytes. The venue's have about 54.
const CHARGE_ID_MAX: usize = 128;

/// The body of a new order. Without a time in force, a market order lasts for the session, and any
/// other order until it is cancelled.
///
/// # Errors
/// The order has terms that this venue does not take.
pub fn new_order(intent: &OrderIntent) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("order {}: {what}", intent.client_id));
    if intent.terms.trail_ppm.is_some() || intent.terms.notional.is_some() {
        return wrong("a trailing stop or an amount in dollars is not supported at Alpaca");
    }
    if intent.quantity.fract() != Decimal::ZERO {
        return wrong("a fraction of a share is not supported: stops must last overnight");
    }
    let kind = match (intent.order_type, intent.terms.stop) {
        (OrderType::Market, None) => "market",
        (OrderType::Market, Some(_)) => "stop",
        (OrderType::Limit, None) => "limit",
        (OrderType::Limit, Some(_)) => "stop_limit",
    };
    let tif = match intent.terms.tif {
        None if kind == "market" => "day",
        None | Some(TimeInForce::GoodTilCancelled) => "gtc",
        Some(TimeInForce::ImmediateOrCancel) => "ioc",
        Some(TimeInForce::FillOrKill) => "fok",
        Some(TimeInForce::Day) => "day",
    };
    let mut body = json!({
        "symbol": intent.symbol.as_str(),
        "qty": plain(intent.quantity),
        "side": match intent.side { Side::Buy => "buy", Side::Sell => "sell" },
        "type": kind,
        "time_in_force": tif,
        "client_order_id": intent.client_id.0,
    });
    match (intent.order_type, intent.price) {
        (OrderType::Limit, Some(price)) => body["limit_price"] = plain(price).into(),
        (OrderType::Limit, None) => return wrong("a limit order without a price"),
        (OrderType::Market, _) => {}
    }
    if let Some(stop) = intent.terms.stop {
        body["stop_price"] = Value::from(plain(stop));
    }
    Ok(body.to_string())
}

fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// The report of an order with its fills. Without all fills, the amount paid is estimated by the
/// average price.
///
/// # Errors
/// A value is missing or implausible.
pub fn report(
    source: ReportSource,
    order: &Order,
    fills: Vec<VenueFill>,
) -> Result<OrderReport, String> {
    let wrong = |what: &str| format!("order {:?}: {what}", short(&order.id));
    let executed = order.filled_qty.unwrap_or_default().normalize();
    let quantity = order.qty.map_or(executed, |quantity| quantity.normalize());
    if quantity < Decimal::ZERO || executed < Decimal::ZERO || executed > quantity {
        return Err(wrong("impossible quantities"));
    }
    let status = status(&order.status, executed);
    if executed.is_zero() && matches!(status, OrderStatus::Filled | OrderStatus::PartlyFilled) {
        return Err(wrong("filled with nothing"));
    }
    let (count, worth) = fills.iter().fold((Decimal::ZERO, Decimal::ZERO), |(count, worth), it| {
        (count.saturating_add(it.quantity), worth.saturating_add(it.price * it.quantity))
    });
    let average = order.filled_avg_price.unwrap_or_default();
    let estimate = || executed.checked_mul(average).ok_or_else(|| wrong("an impossible price"));
    let executed_quote = if count == executed { worth } else { estimate()? };
    let time = order.updated_at.as_ref().or(order.created_at.as_ref());
    let time = instant(time.ok_or_else(|| wrong("it has no time"))?)?;
    bounds::client_id(&order.client_order_id)?;
    let report = OrderReport {
        source,
        client_id: ClientOrderId(order.client_order_id.clone()),
        venue_order_id: VenueOrderId::new(&order.id)?,
        symbol: Symbol::new(&order.symbol)?,
        side: side(&order.side)?,
        status,
        quantity,
        executed,
        executed_quote: executed_quote.normalize(),
        fills,
        time,
    };
    bounds::report(&report)?;
    Ok(report)
}

/// The status of an order. A status that is not known counts as open: it is not final.
fn status(text: &str, executed: Decimal) -> OrderStatus {
    match text {
        "filled" => OrderStatus::Filled,
        // A replaced order has a successor under another id, which is an external order.
        "canceled" | "replaced" => OrderStatus::Cancelled,
        "expired" => OrderStatus::Expired,
        "rejected" => OrderStatus::Rejected,
        _ if executed.is_zero() => OrderStatus::Open,
        _ => OrderStatus::PartlyFilled,
    }
}

fn side(text: &str) -> Result<Side, String> {
    match text {
        "buy" => Ok(Side::Buy),
        "sell" | "sell_short" => Ok(Side::Sell),
        _ => Err(format!("{:?} is no side", short(text))),
    }
}

/// A trade of the account. Alpaca charges no commission.
///
/// # Errors
/// A value is implausible.
pub fn trade(fill: &Fill) -> Result<Trade, String> {
    let symbol = Symbol::new(&fill.symbol)?;
    let it = VenueFill {
        trade_id: VenueTradeId::new(&fill.id)?,
        price: fill.price.normalize(),
        quantity: fill.qty.normalize(),
        fee: Decimal::ZERO,
        fee_asset: QUOTE.to_owned(),
        time: instant(&fill.transaction_time)?,
        liquidity: None,
    };
    bounds::fill(symbol, &it).map_err(|why| format!("trade {}: {why}", it.trade_id))?;
    let venue_order_id = VenueOrderId::new(&fill.order_id)?;
    Ok(Trade { venue_order_id, symbol, side: side(&fill.side)?, fill: it })
}

/// The account: dollars and shares. Free dollars are at most the cash, so no credit is spent.
///
/// # Errors
/// The account is not in dollars.
pub fn account(account: &Account, positions: &[Position]) -> Result<AccountPicture, String> {
    if let Some(currency) = account.currency.as_deref().filter(|currency| *currency != QUOTE) {
        return Err(format!("the account is in {:?}, not in {QUOTE}", short(currency)));
    }
    let (mut balances, mut unread) = (Vec::new(), Vec::new());
    let mut add = |asset: &str, balance: Result<Balance, String>| match balance {
        Ok(it) if it.free.is_zero() && it.locked.is_zero() => {}
        Ok(it) => balances.push(it),
        Err(why) => {
            tracing::warn!(asset, why, "an impossible balance");
            unread.push(asset.to_owned());
        }
    };
    add(QUOTE, cash(account));
    for position in positions {
        if let Err(why) = bounds::asset(&position.symbol) {
            tracing::warn!(why, "left out a position");
            continue;
        }
        add(&position.symbol, shares(position));
    }
    balances.sort_by(|a, b| a.asset.cmp(&b.asset));
    if let Some(twice) = balances.windows(2).find(|pair| pair[0].asset == pair[1].asset) {
        return Err(format!("{} comes twice", twice[0].asset));
    }
    unread.sort_unstable();
    let can_trade =
        account.status == "ACTIVE" && !account.trading_blocked && !account.account_blocked;
    let (id, charges) = (account.account_number.clone(), Vec::new());
    Ok(AccountPicture { id, can_trade, balances, unread, charges })
}

/// A fee that the venue took at the end of a day; none if it is not taken yet.
///
/// # Errors
/// A value is missing or implausible, or it is not in dollars.
pub fn charge(fee: &Fee) -> Result<Option<Charge>, String> {
    let wrong = |why: &str| format!("fee {:?}: {why}", short(&fee.id));
    if fee.status.as_deref().is_some_and(|status| status != "executed") {
        return Ok(None);
    }
    if fee.id.len() > CHARGE_ID_MAX {
        return Err(wrong("its id is too long"));
    }
    if let Some(currency) = fee.currency.as_deref().filter(|currency| *currency != QUOTE) {
        return Err(wrong(&format!("it is in {:?}, not in {QUOTE}", short(currency))));
    }
    bounds::amount("amount", fee.net_amount.abs()).map_err(|why| wrong(&why))?;
    let of_day = || fee.date.as_ref().map(|date| format!("{date}T00:00:00Z"));
    let time = fee.created_at.clone().or_else(of_day);
    let time = instant(&time.ok_or_else(|| wrong("it has no time"))?)?;
    let kind = fee.activity_sub_type.as_deref().unwrap_or("fee");
    let what = match &fee.date {
        Some(date) => format!("{} of {}", short(kind), short(date)),
        None => short(kind),
    };
    let amount = -fee.net_amount.normalize();
    Ok(Some(Charge { what, asset: QUOTE.to_owned(), amount, time }))
}

/// Gives each charge without an id one of its own: when and what it was, and how many equal ones
/// came before it.
pub fn name_charges(charges: &mut [(String, Charge)]) {
    for at in 0..charges.len() {
        let (known, rest) = charges.split_at_mut(at);
        let Some((id, charge)) = rest.first_mut().filter(|(id, _)| id.is_empty()) else { continue };
        let equal = known.iter().filter(|(_, other)| other == charge).count();
        *id = format!("{} {} {} #{}", charge.time, charge.what, charge.amount, equal + 1);
    }
}

fn cash(account: &Account) -> Result<Balance, String> {
    let read = |what: &str, value: &RowDecimal| value.0.clone().map_err(|e| format!("{what}: {e}"));
    let cash = read("cash", &account.cash)?;
    let power = match account.non_marginable_buying_power {
        Some(power) => power,
        None => read("buying_power", &account.buying_power)?,
    };
    balance(QUOTE, cash, power.max(Decimal::ZERO))
}

fn shares(position: &Position) -> Result<Balance, String> {
    let quantity = position.qty.0.clone()?;
    balance(&position.symbol, quantity, position.qty_available.unwrap_or(quantity))
}

/// A balance from the whole amount and the part that is free.
fn balance(asset: &str, whole: Decimal, free: Decimal) -> Result<Balance, String> {
    let free = free.min(whole);
    let (free, locked) = (free.normalize(), whole.saturating_sub(free).normalize());
    bounds::amount("free", free)?;
    bounds::amount("locked", locked)?;
    if whole < Decimal::ZERO || free < Decimal::ZERO {
        return Err(format!("{whole} are held, {free} of them free"));
    }
    Ok(Balance { asset: asset.to_owned(), free, locked })
}

/// The rules of a stock for orders of whole shares; none: it is no stock.
///
/// # Errors
/// The name of the asset is not a symbol.
pub fn instrument(asset: &Asset) -> Result<Option<Instrument>, String> {
    if asset.class != STOCK {
        return Ok(None);
    }
    let symbol = Symbol::named(&asset.symbol)?;
    Ok(Some(Instrument {
        symbol,
        base: asset.symbol.clone(),
        quote: QUOTE.to_owned(),
        trading: asset.tradable && asset.status == "active",
        tick_size: Decimal::new(1, PRICE_DECIMALS),
        lot_size: Decimal::ONE,
        min_quantity: Decimal::ONE,
        max_quantity: Decimal::ZERO,
        market_lot_size: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        min_notional_for_market: false,
        venue: VenueId::Alpaca,
    }))
}

/// The sessions of the days of a calendar, which is known from the first to the last of `dates`.
///
/// # Errors
/// A day cannot be read or is out of order.
pub fn sessions(dates: (Date, Date), days: &[Day]) -> Result<Sessions, String> {
    let zone = TimeZone::get(ZONE).map_err(|e| e.to_string())?;
    let at = |day: DateTime| -> Result<UtcMs, String> {
        let time = day.to_zoned(zone.clone()).map_err(|e| e.to_string())?;
        Ok(time.timestamp().as_millisecond())
    };
    let midnight = |date: Date| at(date.to_datetime(Time::midnight()));
    let mut spans = Vec::new();
    for Day { date, open, close } in days {
        let wrong = |what: &str| format!("calendar day {:?}: {:?} is no time", short(date), what);
        let day: Date = date.parse().map_err(|_| wrong(&short(date)))?;
        let time = |text: &str| -> Result<UtcMs, String> {
            if text == "24:00" {
                return midnight(day.tomorrow().map_err(|e| e.to_string())?);
            }
            let time: Time = text.parse().map_err(|_| wrong(&short(text)))?;
            at(day.to_datetime(time))
        };
        spans.push(Session { open: time(open)?, close: time(close)? });
    }
    let until = dates.1.tomorrow().map_err(|e| e.to_string())?;
    Sessions::new(midnight(dates.0)?, midnight(until)?, spans)
}
