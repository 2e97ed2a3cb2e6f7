//! The responses `exchangeInfo`, account and commissions.

use super::number;
use crate::exchange::Exchange;
use crate::exchange::filters::{
    MAX_NOTIONAL, MAX_NUM_ORDER_LISTS, MAX_NUM_ORDERS, MAX_PRICE, PERCENT_PRICE, max_quantity,
};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use serde_json::{Value, json};

/// The limits that the exchange announces and enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request weight per minute.
    pub weight: u64,
    /// Requests per 5 minutes.
    pub requests: u64,
    /// Connection attempts per 5 minutes.
    pub connections: u64,
    /// Unfilled orders per 10 s.
    pub orders: u64,
    /// Unfilled orders per day.
    pub orders_day: u64,
}

impl Limits {
    /// The venue's limits at real pace, times `factor`.
    #[must_use]
    pub fn scaled(factor: u64) -> Limits {
        Limits {
            weight: 6_000 * factor,
            requests: 300_000 * factor,
            connections: 300 * factor,
            orders: 100 * factor,
            orders_day: 200_000 * factor,
        }
    }

    /// The list of limits in `exchangeInfo`.
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
            row("RAW_REQUESTS", "MINUTE", 5, self.requests),
        ])
    }

    /// The order limits with their used counts.
    #[must_use]
    pub fn order_counts(&self, (short, day): (u64, u64)) -> Value {
        json!([
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10,
                "limit": self.orders, "count": short},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1,
                "limit": self.orders_day, "count": day},
        ])
    }
}

/// The `exchangeInfo` of the given symbols.
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
    let mut kinds = vec!["LIMIT", "LIMIT_MAKER", "MARKET"];
    if exchange.max_stop_orders(rules.symbol) > 0 {
        kinds.extend(["STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]);
    }
    json!({
        "symbol": rules.symbol.as_str(),
        "status": if rules.trading { "TRADING" } else { "BREAK" },
        "baseAsset": rules.base, "baseAssetPrecision": 8,
        "quoteAsset": rules.quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
        "orderTypes": kinds,
        "icebergAllowed": false, "ocoAllowed": true, "otoAllowed": true, "opoAllowed": false,
        "quoteOrderQtyMarketAllowed": true, "allowTrailingStop": false,
        "cancelReplaceAllowed": true, "amendAllowed": false, "pegInstructionsAllowed": false,
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
        json!({"filterType": "MAX_NUM_ALGO_ORDERS",
            "maxNumAlgoOrders": exchange.max_stop_orders(rules.symbol)}),
        json!({"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": MAX_NUM_ORDER_LISTS}),
    ];
    if let Some(max) = exchange.max_position(rules.symbol) {
        list.push(json!({"filterType": "MAX_POSITION", "maxPosition": number(max)}));
    }
    Value::Array(list)
}

/// The response about the account.
#[must_use]
pub fn account(exchange: &Exchange, omit_zero: bool, now: i64) -> Value {
    let balances: Vec<Value> = exchange
        .balances()
        .iter()
        .filter(|b| !omit_zero || !b.free.is_zero() || !b.locked.is_zero())
        .map(|b| json!({"asset": b.asset, "free": number(b.free), "locked": number(b.locked)}))
        .collect();
    let rate = number(exchange.costs().fee);
    // Hundredths of a per cent.
    let points = (exchange.costs().fee * Decimal::from(10_000)).round();
    let points = i64::try_from(points).unwrap_or_default();
    let none = number(Decimal::ZERO);
    json!({
        "makerCommission": points, "takerCommission": points, "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": rate, "taker": rate, "buyer": none, "seller": none},
        "canTrade": true, "canWithdraw": true, "canDeposit": true, "brokered": false,
        "requireSelfTradePrevention": false, "preventSor": false, "updateTime": now,
        "accountType": "SPOT", "balances": balances, "permissions": ["SPOT"], "uid": 1,
    })
}

fn rates(exchange: &Exchange) -> [Value; 2] {
    let (rate, none) = (number(exchange.costs().fee), number(Decimal::ZERO));
    [(rate.clone(), rate), (none.clone(), none.clone())].map(
        |(maker, taker)| json!({"maker": maker, "taker": taker, "buyer": none, "seller": none}),
    )
}

fn discount() -> Value {
    json!({
        "enabledForAccount": false, "enabledForSymbol": false, "discountAsset": "BNB",
        "discount": "0.00000000",
    })
}

/// The commission rates of a symbol. No fee is paid in another asset.
#[must_use]
pub fn commission(exchange: &Exchange, symbol: Symbol) -> Value {
    let [standard, none] = rates(exchange);
    json!({
        "symbol": symbol.as_str(), "standardCommission": standard, "specialCommission": none,
        "taxCommission": none, "discount": discount(),
    })
}

/// The commission rates of a test order.
#[must_use]
pub fn order_commission(exchange: &Exchange) -> Value {
    let [standard, none] = rates(exchange).map(|mut rates| {
        if let Value::Object(rates) = &mut rates {
            rates.retain(|name, _| name == "maker" || name == "taker");
        }
        rates
    });
    json!({
        "standardCommissionForOrder": standard, "specialCommissionForOrder": none,
        "taxCommissionForOrder": none, "discount": discount(),
    })
}
