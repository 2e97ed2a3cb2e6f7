//! The account, its positions, and the assets that it can trade.

use super::error::not_found;
use super::opening::{USD, is_fractionable};
use super::query::Query;
use super::{ids, number, times};
use crate::exchange::{Done, Exchange, Trade};
use crate::wire::error::ApiError;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use serde_json::{Value, json};

/// Decimals of amounts and average prices.
const DECIMALS: u32 = 9;

/// The account.
#[must_use]
pub fn account(exchange: &Exchange) -> Value {
    let money = exchange.purse(USD);
    let cash = money.free + money.locked;
    let positions: Vec<Position> = positions(exchange);
    let shares: Decimal = positions.iter().map(|position| position.value).sum();
    let (free, cash, shares, equity) =
        (number(money.free), number(cash), number(shares), number(cash + shares));
    json!({
        "id": ids::account(exchange), "account_number": ids::account_number(exchange),
        "status": "ACTIVE", "crypto_status": "INACTIVE", "currency": USD,
        "cash": cash, "buying_power": free, "non_marginable_buying_power": free,
        "regt_buying_power": free, "effective_buying_power": free,
        "equity": equity, "last_equity": equity, "portfolio_value": equity,
        "long_market_value": shares, "position_market_value": shares, "short_market_value": "0",
        "initial_margin": "0", "maintenance_margin": "0", "last_maintenance_margin": "0",
        "accrued_fees": "0", "sma": "0", "multiplier": "1", "shorting_enabled": false,
        "trading_blocked": false, "transfers_blocked": false, "account_blocked": false,
        "trade_suspended_by_user": false, "created_at": times::utc(exchange.opened_at()),
    })
}

/// The shares of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    symbol: Symbol,
    total: Decimal,
    free: Decimal,
    average: Decimal,
    price: Decimal,
    value: Decimal,
}

impl Position {
    /// The shares of a symbol; none if there are none.
    #[must_use]
    pub fn of(exchange: &Exchange, rules: &Instrument) -> Option<Position> {
        let purse = exchange.purse(&rules.base);
        let (total, free) = (purse.free + purse.locked, purse.free);
        if total <= Decimal::ZERO {
            return None;
        }
        let price = exchange.tape(rules.symbol).map_or(Decimal::ZERO, |tape| tape.last);
        let of = |done: &&Done| done.split.symbol == rules.symbol;
        let splits: Vec<&Done> = exchange.splits().iter().filter(of).collect();
        let average = average(exchange.trades(rules.symbol), &splits, (total, price));
        let value = price.saturating_mul(total);
        Some(Position { symbol: rules.symbol, total, free, average, price, value })
    }

    fn json(&self) -> Value {
        let Position { symbol, total, free, average, price, value } = self;
        let cost = average.saturating_mul(*total).round_dp(DECIMALS);
        let gain = *value - cost;
        let share = gain.checked_div(cost).unwrap_or_default().round_dp(DECIMALS);
        json!({
            "asset_id": ids::asset(*symbol), "symbol": symbol.as_str(), "exchange": "NASDAQ",
            "asset_class": "us_equity", "asset_marginable": false, "side": "long",
            "qty": number(*total), "qty_available": number(*free),
            "avg_entry_price": number(*average), "current_price": number(*price),
            "market_value": number(*value), "cost_basis": number(cost),
            "unrealized_pl": number(gain), "unrealized_plpc": number(share),
        })
    }
}

/// The average price of the shares that are held. Shares that came without a trade count with the
/// price before the first one, or with the current price.
fn average(trades: &[Trade], splits: &[&Done], (total, price): (Decimal, Decimal)) -> Decimal {
    let signed = |trade: &Trade| if trade.buyer { trade.quantity } else { -trade.quantity };
    // The shares before the first trade: all trades and splits are taken back.
    let mut held = total;
    let mut later = splits.iter().rev().peekable();
    for trade in trades.iter().rev() {
        while let Some(done) = later.next_if(|done| done.at > trade.time) {
            held = done.split.ratio.inverse().quantity(held);
        }
        held -= signed(trade);
    }
    held = later.fold(held, |held, done| done.split.ratio.inverse().quantity(held));
    held = held.max(Decimal::ZERO);
    let mut average = trades.first().map_or(price, |trade| trade.price);
    let mut next = splits.iter().peekable();
    for trade in trades {
        while let Some(done) = next.next_if(|done| done.at <= trade.time) {
            let ratio = done.split.ratio;
            (held, average) = (ratio.quantity(held), ratio.price(average));
        }
        if trade.buyer {
            let cost = average.saturating_mul(held) + trade.price.saturating_mul(trade.quantity);
            held += trade.quantity;
            average = cost.checked_div(held).unwrap_or(trade.price);
        } else {
            held = (held - trade.quantity).max(Decimal::ZERO);
        }
    }
    if !trades.is_empty() {
        average = next.fold(average, |average, done| done.split.ratio.price(average));
    }
    average.round_dp(DECIMALS)
}

fn positions(exchange: &Exchange) -> Vec<Position> {
    exchange.instruments().iter().filter_map(|rules| Position::of(exchange, rules)).collect()
}

/// All positions.
#[must_use]
pub fn all_positions(exchange: &Exchange) -> Value {
    positions(exchange).iter().map(Position::json).collect()
}

/// The position in a symbol or in the asset with an id.
///
/// # Errors
/// There is none.
pub fn position(exchange: &Exchange, name: &str) -> Result<Value, ApiError> {
    let position = instrument(exchange, name).and_then(|rules| Position::of(exchange, rules));
    position.map(|position| position.json()).ok_or_else(|| not_found("position does not exist"))
}

/// The instrument with this symbol or asset id.
fn instrument<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a Instrument> {
    let same = |rules: &&Instrument| {
        rules.symbol.as_str() == name || ids::asset(rules.symbol).eq_ignore_ascii_case(name)
    };
    let by_symbol = Symbol::new(name).ok().and_then(|symbol| exchange.instrument(symbol));
    by_symbol.or_else(|| exchange.instruments().iter().find(same))
}

fn status(exchange: &Exchange, rules: &Instrument) -> &'static str {
    if exchange.lists_symbol(rules.symbol) { "active" } else { "inactive" }
}

fn asset_json(exchange: &Exchange, rules: &Instrument) -> Value {
    let symbol = rules.symbol;
    json!({
        "id": ids::asset(symbol), "class": "us_equity", "exchange": "NASDAQ",
        "symbol": symbol.as_str(), "name": format!("{symbol} Common Stock"),
        "status": status(exchange, rules), "tradable": rules.trading, "marginable": false,
        "shortable": false, "easy_to_borrow": false, "fractionable": is_fractionable(rules),
        "maintenance_margin_requirement": 100, "attributes": [],
    })
}

/// All assets of the wanted status.
#[must_use]
pub fn assets(exchange: &Exchange, query: Query<'_>) -> Value {
    let stocks = query.text("asset_class").is_none_or(|class| class == "us_equity");
    let wanted = query.text("status").filter(|status| *status != "all");
    let has = |rules: &&Instrument| {
        stocks && wanted.is_none_or(|wanted| wanted == status(exchange, rules))
    };
    let wanted = exchange.instruments().iter().filter(has);
    wanted.map(|rules| asset_json(exchange, rules)).collect()
}

/// The asset with this symbol or id.
///
/// # Errors
/// There is none.
pub fn asset(exchange: &Exchange, name: &str) -> Result<Value, ApiError> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
    let rules = instrument(exchange, name);
    let rules = rules.ok_or_else(|| not_found(format!("asset not found for {shown}")))?;
    Ok(asset_json(exchange, rules))
}
