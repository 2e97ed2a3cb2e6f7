//! exchangeInfo and account.

use super::number;
use crate::domain::instrument::Instrument;
use crate::domain::money::Decimal;
use crate::sim::exchange::Exchange;
use crate::sim::exchange::filters::{
    MAX_NOTIONAL, MAX_NUM_ORDERS, MAX_PRICE, PERCENT_PRICE, max_quantity,
};
use crate::sim::exchange::matching::FEE_RATE;
use serde_json::{Value, json};

/// The limits the exchange announces and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request weight per minute.
    pub weight: u64,
    /// Unfilled orders per 10 s.
    pub orders: u64,
    /// Unfilled orders per day.
    pub orders_day: u64,
}

impl Limits {
    /// The venue's limits at real pace, times `factor`.
    #[must_use]
    pub fn scaled(factor: u64) -> Limits {
        Limits { weight: 6_000 * factor, orders: 100 * factor, orders_day: 200_000 * factor }
    }

    /// The list in exchangeInfo.
    #[must_use]
    pub fn list(&self) -> Value {
        let row = |kind: &str, interval: &str, num: u64, limit: u64| {
            json!({
                "rateLimitType": kind, "interval": interval, "intervalNum": num, "limit": limit,
            })
        };
        json!([
            row("REQUEST_WEIGHT", "MINUTE", 1, self.weight),
            row("ORDERS", "SECOND", 10, self.orders),
            row("ORDERS", "DAY", 1, self.orders_day),
        ])
    }
}

/// The exchangeInfo of the given symbols.
#[must_use]
pub fn exchange_info(
    exchange: &Exchange,
    symbols: &[&Instrument],
    now: i64,
    limits: Limits,
) -> Value {
    let symbols: Vec<Value> = symbols.iter().map(|i| symbol(exchange, i)).collect();
    json!({
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": limits.list(),
        "exchangeFilters": [],
        "symbols": symbols,
    })
}

fn symbol(exchange: &Exchange, rules: &Instrument) -> Value {
    json!({
        "symbol": rules.symbol.as_str(),
        "status": if rules.trading { "TRADING" } else { "BREAK" },
        "baseAsset": rules.base, "baseAssetPrecision": 8,
        "quoteAsset": rules.quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "icebergAllowed": false, "ocoAllowed": false, "otoAllowed": false, "opoAllowed": false,
        "quoteOrderQtyMarketAllowed": true, "allowTrailingStop": false,
        "cancelReplaceAllowed": false, "amendAllowed": false, "pegInstructionsAllowed": false,
        "isSpotTradingAllowed": true, "isMarginTradingAllowed": false,
        "filters": filters(exchange, rules),
        "permissions": [], "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    })
}

fn filters(exchange: &Exchange, rules: &Instrument) -> Value {
    let (up, down) = (PERCENT_PRICE.to_string(), (Decimal::ONE / PERCENT_PRICE).to_string());
    let mut list = vec![
        json!({"filterType": "PRICE_FILTER", "minPrice": number(rules.tick_size),
            "maxPrice": number(MAX_PRICE), "tickSize": number(rules.tick_size)}),
        json!({"filterType": "LOT_SIZE", "minQty": number(rules.min_quantity),
            "maxQty": number(max_quantity(rules)), "stepSize": number(rules.lot_size)}),
        json!({"filterType": "MARKET_LOT_SIZE", "minQty": number(Decimal::ZERO),
            "maxQty": number(rules.market_max_quantity),
            "stepSize": number(rules.market_lot_size)}),
        json!({"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": up,
            "bidMultiplierDown": down, "askMultiplierUp": up, "askMultiplierDown": down,
            "avgPriceMins": 0}),
        json!({"filterType": "NOTIONAL", "minNotional": number(rules.min_notional),
            "applyMinToMarket": rules.min_notional_for_market,
            "maxNotional": number(MAX_NOTIONAL), "applyMaxToMarket": true, "avgPriceMins": 0}),
        json!({"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_NUM_ORDERS}),
    ];
    if let Some(max) = exchange.max_position(rules.symbol) {
        list.push(json!({"filterType": "MAX_POSITION", "maxPosition": number(max)}));
    }
    Value::Array(list)
}

/// The account.
#[must_use]
pub fn account(exchange: &Exchange, omit_zero: bool, now: i64) -> Value {
    let balances: Vec<Value> = exchange
        .balances()
        .iter()
        .filter(|b| !omit_zero || !b.free.is_zero() || !b.locked.is_zero())
        .map(|b| json!({"asset": b.asset, "free": number(b.free), "locked": number(b.locked)}))
        .collect();
    let rate = number(FEE_RATE);
    let none = number(Decimal::ZERO);
    json!({
        "makerCommission": 10, "takerCommission": 10, "buyerCommission": 0, "sellerCommission": 0,
        "commissionRates": {"maker": rate, "taker": rate, "buyer": none, "seller": none},
        "canTrade": true, "canWithdraw": true, "canDeposit": true, "brokered": false,
        "requireSelfTradePrevention": false, "preventSor": false, "updateTime": now,
        "accountType": "SPOT", "balances": balances, "permissions": ["SPOT"], "uid": 1,
    })
}
