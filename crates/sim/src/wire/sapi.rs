//! The few responses outside of `/api` that clients need to start: system status, fees, assets.

use super::error::ApiError;
use super::market::selected;
use super::number;
use super::orders;
use super::params::Params;
use crate::exchange::Exchange;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Balance;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Assets that are money of a country.
const LEGAL: [&str; 7] = ["USD", "EUR", "GBP", "JPY", "AUD", "BRL", "TRY"];

/// The system status: always normal.
#[must_use]
pub fn system_status() -> Value {
    json!({"status": 0, "msg": "normal"})
}

/// The fees of one symbol, or of all listed ones.
///
/// # Errors
/// The protocol's error for an unknown symbol or parameter.
pub fn trade_fee(exchange: &Exchange, params: &Params) -> Result<Value, ApiError> {
    let symbol = orders::optional_symbol(exchange, params)?;
    params.finish()?;
    let fee = exchange.costs().fee.normalize().to_string();
    let row =
        |symbol: &str| json!({"symbol": symbol, "makerCommission": fee, "takerCommission": fee});
    if let Some(symbol) = symbol {
        return Ok(json!([row(symbol.as_str())]));
    }
    let all = selected(exchange, &Params::default())?;
    Ok(all.symbols.iter().map(|rules| row(rules.symbol.as_str())).collect())
}

/// The assets of the account and of all symbols. None can be deposited or withdrawn, so none has a
/// network.
///
/// # Errors
/// The protocol's error for an unknown parameter.
pub fn coins(exchange: &Exchange, params: &Params) -> Result<Value, ApiError> {
    params.finish()?;
    let trades: BTreeSet<&str> = exchange
        .instruments()
        .iter()
        .filter(|rules| exchange.lists_symbol(rules.symbol))
        .flat_map(|rules| [rules.base.as_str(), rules.quote.as_str()])
        .collect();
    let none = number(Decimal::ZERO);
    let row = |balance: &Balance| {
        let asset = balance.asset.as_str();
        json!({
            "coin": asset, "depositAllEnable": false, "withdrawAllEnable": false, "name": asset,
            "free": number(balance.free), "locked": number(balance.locked), "freeze": none,
            "withdrawing": none, "ipoing": none, "ipoable": none, "storage": none,
            "isLegalMoney": LEGAL.contains(&asset), "trading": trades.contains(asset),
            "networkList": [],
        })
    };
    Ok(exchange.balances().iter().map(row).collect())
}
