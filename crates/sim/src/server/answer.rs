//! Responses to requests, over REST and the WebSocket API.

use super::limits::{Used, seconds};
use super::request_queue::Desk;
use super::routes::{AccountRoute, Change, MarketRoute, Route};
use crate::exchange::{Exchange, ListKind, OrderList, SimFact, place};
use crate::market::Market;
use crate::wire::answers;
use crate::wire::book;
use crate::wire::error::ApiError;
use crate::wire::info::{account, commission, exchange_info, order_commission};
use crate::wire::intervals::{INTERVALS, Kline};
use crate::wire::klines::{self, KlineQuery};
use crate::wire::lists;
use crate::wire::market::{self, PrintQuery, Selected, matches_status, selected, wanted_status};
use crate::wire::orders::{self, ResponseType};
use crate::wire::params::Params;
use crate::wire::queries::{Past, TradeQuery};
use crate::wire::sapi;
use crate::wire::sign::{self, When};
use crate::wire::stats::{self, DayStats};
use crate::wire::window::{self, Window};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::{Value, json};

/// A request: its parameters, its key and its signed text.
#[derive(Debug)]
pub struct Ask {
    /// The parameters.
    pub params: Params,
    /// The key, if one was sent.
    pub key: Option<String>,
    /// The text that a signature covers.
    pub payload: String,
    /// Whether its connection has logged on. A request without a key then needs no signature.
    pub logged_on: bool,
}

impl Ask {
    /// Checks key, signature and age. Returns the request's deadline in venue time.
    ///
    /// # Errors
    /// As [`sign::check`].
    pub fn signed(&self, when: When) -> Result<UtcMs, ApiError> {
        if self.logged_on && self.key.is_none() {
            return sign::by_session(&self.params, &self.payload, when);
        }
        sign::check(self.key.as_deref(), &self.params, &self.payload, when)
    }
}

/// The response as JSON text.
///
/// # Errors
/// The protocol's error.
pub async fn answer(
    desk: &Desk,
    route: Route,
    ask: &Ask,
    used: &mut Used,
) -> Result<String, ApiError> {
    if !does_not_age(route) {
        desk.in_step()?;
    }
    match route {
        Route::Change(change) => changed(desk, change, ask, used).await,
        Route::ExchangeInfo => {
            let limits = desk.counters().limits();
            desk.read(|exchange, _, when| {
                let Selected { symbols, .. } = info_symbols(exchange, &ask.params)?;
                Ok(exchange_info(exchange, &symbols, when.now, limits).to_string())
            })
        }
        Route::OrderCounts => {
            desk.read(|_, _, when| ask.signed(when))?;
            ask.params.finish()?;
            let mut counters = desk.counters();
            let counts = counters.orders(seconds());
            Ok(counters.limits().order_counts(counts).to_string())
        }
        Route::Market(route) => {
            let published = |bar, now| desk.published(bar, now);
            desk.read(|exchange, market, when| {
                seen(exchange, (market, &published), route, &ask.params, when)
            })
        }
        Route::Account(route) => desk.read(|exchange, _, when| {
            let deadline = ask.signed(when)?;
            let value = looked_up(exchange, route, &ask.params, when.now, deadline)?;
            Ok(value.to_string())
        }),
    }
}

/// Whether a request is safe while the market may be behind what its sender has seen.
fn does_not_age(route: Route) -> bool {
    match route {
        Route::Change(change) => {
            matches!(change, Change::Cancel | Change::CancelAll | Change::CancelList)
        }
        Route::Market(route) => {
            matches!(route, MarketRoute::Ping | MarketRoute::Time | MarketRoute::SystemStatus)
        }
        Route::ExchangeInfo | Route::OrderCounts | Route::Account(_) => false,
    }
}

async fn changed(
    desk: &Desk,
    change: Change,
    ask: &Ask,
    used: &mut Used,
) -> Result<String, ApiError> {
    let answer = match change {
        Change::Place => new_order(desk, ask, used).await?,
        Change::Replace => replace(desk, ask, used).await?,
        Change::List(kind) => new_list(desk, ask, Some(kind), used).await?,
        Change::OldList => new_list(desk, ask, None, used).await?,
        Change::Cancel => return Ok(cancel(desk, ask).await?.to_string()),
        Change::CancelAll => return Ok(cancel_all(desk, ask).await?.to_string()),
        Change::CancelList => return Ok(cancel_list(desk, ask).await?.to_string()),
    };
    used.orders = Some(desk.counters().orders(seconds()));
    Ok(answer.to_string())
}

/// The symbols of `exchangeInfo`. Parameters about permissions have no effect.
fn info_symbols<'a>(exchange: &'a Exchange, params: &Params) -> Result<Selected<'a>, ApiError> {
    let named = params.peek("symbol").or(params.peek("symbols")).is_some();
    if wanted_status(params)?.is_some() && named {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    let selected = selected(exchange, params)?;
    params.text("permissions")?;
    params.flag("showPermissionSets")?;
    params.finish()?;
    Ok(selected)
}

/// Responses with market data, for any client.
fn seen(
    exchange: &Exchange,
    (market, published): (&mut dyn Market, &dyn Fn(Bar, UtcMs) -> Bar),
    route: MarketRoute,
    params: &Params,
    when: When,
) -> Result<String, ApiError> {
    let now = when.now;
    let value = match route {
        MarketRoute::Ping => {
            params.finish()?;
            json!({})
        }
        MarketRoute::Time => {
            params.finish()?;
            json!({"serverTime": when.reported()})
        }
        MarketRoute::SystemStatus => {
            params.finish()?;
            sapi::system_status()
        }
        MarketRoute::Klines => {
            let symbol = orders::symbol(exchange, params)?;
            let query = KlineQuery::read(params)?;
            let mut bars = query.bars(exchange, market, symbol, now);
            let closed = |kline: &&mut Kline| {
                kline.interval == INTERVALS[0] && kline.bar.open_time + MINUTE <= exchange.market()
            };
            for kline in bars.iter_mut().filter(closed) {
                kline.bar = published(kline.bar, now);
            }
            return Ok(klines::rows(&bars));
        }
        MarketRoute::Depth => {
            let (rules, count) = book_of(exchange, params)?;
            book::book(exchange, rules, count, book::update_id(exchange, market, rules.symbol))
        }
        MarketRoute::Trades | MarketRoute::OldTrades | MarketRoute::AggTrades => {
            let (symbol, _) = one(exchange, params)?;
            let times = route == MarketRoute::AggTrades;
            let query = PrintQuery::read(params, route != MarketRoute::Trades, times)?;
            let row = if times { market::aggregate_row } else { market::trade_row };
            query.prints(exchange, market, symbol, now).iter().map(row).collect()
        }
        MarketRoute::AvgPrice => {
            let (symbol, _) = one(exchange, params)?;
            params.finish()?;
            stats::average(exchange, market, symbol, now).ok_or_else(market::nothing)?
        }
        MarketRoute::TickerPrice => {
            let selected = selected(exchange, params)?;
            params.finish()?;
            selected.rows(|rules| market::price(exchange, rules))?
        }
        MarketRoute::TickerBook => {
            let selected = selected(exchange, params)?;
            params.finish()?;
            selected.rows(|rules| book::book_ticker(exchange, rules))?
        }
        MarketRoute::TickerDay => days(exchange, market, params, now)?,
        MarketRoute::TickerWindow => {
            let selected = selected(exchange, params)?;
            windows(exchange, market, params, &selected, &window::sliding(params, now)?)?
        }
        MarketRoute::LocalDay => {
            let selected = selected(exchange, params)?;
            windows(exchange, market, params, &selected, &window::trading_day(params, now)?)?
        }
    };
    Ok(value.to_string())
}

fn one<'a>(exchange: &'a Exchange, params: &Params) -> Result<(Symbol, &'a Instrument), ApiError> {
    let symbol = orders::symbol(exchange, params)?;
    let rules = exchange.instrument(symbol);
    Ok((symbol, rules.ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?))
}

/// The symbol and the number of levels of a request for a book.
fn book_of<'a>(
    exchange: &'a Exchange,
    params: &Params,
) -> Result<(&'a Instrument, usize), ApiError> {
    let (_, rules) = one(exchange, params)?;
    let (count, wanted) = (book::levels(params)?, wanted_status(params)?);
    params.finish()?;
    matches_status(rules, wanted)?;
    Ok((rules, count))
}

fn days(
    exchange: &Exchange,
    market: &mut dyn Market,
    params: &Params,
    now: UtcMs,
) -> Result<Value, ApiError> {
    let selected = selected(exchange, params)?;
    let mini = mini(params)?;
    params.finish()?;
    selected.rows(|rules| {
        let day = DayStats::of(exchange, market, rules.symbol, now)?;
        Some(if mini { day.mini() } else { day.full(exchange, rules) })
    })
}

fn windows(
    exchange: &Exchange,
    market: &mut dyn Market,
    params: &Params,
    selected: &Selected<'_>,
    window: &Window,
) -> Result<Value, ApiError> {
    if params.peek("symbol").or(params.peek("symbols")).is_none() {
        return Err(ApiError::neither("symbol", "symbols"));
    }
    let mini = mini(params)?;
    params.finish()?;
    selected.rows(|rules| window.row(exchange, market, rules.symbol, mini))
}

/// Whether the request wants the short form of a ticker.
fn mini(params: &Params) -> Result<bool, ApiError> {
    match params.text("type")? {
        None | Some("FULL") => Ok(false),
        Some("MINI") => Ok(true),
        Some(_) => Err(ApiError::new(-1139, "Invalid ticker type.")),
    }
}

/// Responses with data of the account.
fn looked_up(
    exchange: &Exchange,
    route: AccountRoute,
    params: &Params,
    now: UtcMs,
    deadline: UtcMs,
) -> Result<Value, ApiError> {
    match route {
        AccountRoute::Status => {
            let omit = params.flag("omitZeroBalances")?;
            params.finish()?;
            Ok(account(exchange, omit, now))
        }
        AccountRoute::Fees => {
            let symbol = orders::symbol(exchange, params)?;
            params.finish()?;
            Ok(commission(exchange, symbol))
        }
        AccountRoute::TradeFee => sapi::trade_fee(exchange, params),
        AccountRoute::Coins => sapi::coins(exchange, params),
        AccountRoute::Test => {
            let rates = params.flag("computeCommissionRates")?;
            let (order, _) = orders::new_order(exchange, params, now, deadline)?;
            place::test(exchange, &order)?;
            Ok(if rates { order_commission(exchange) } else { json!({}) })
        }
        AccountRoute::Query => {
            let target = orders::target(exchange, params)?;
            params.finish()?;
            Ok(answers::queried(exchange.find(&target)?))
        }
        AccountRoute::OpenOrders => {
            let symbol = orders::optional_symbol(exchange, params)?;
            params.finish()?;
            let wanted = exchange.open_orders().filter(|o| symbol.is_none_or(|s| o.symbol == s));
            Ok(wanted.map(answers::queried).collect())
        }
        AccountRoute::AllOrders => {
            let symbol = orders::symbol(exchange, params)?;
            Ok(Past::read(params, "orderId")?.orders(exchange, symbol))
        }
        AccountRoute::MyTrades => {
            let symbol = orders::symbol(exchange, params)?;
            Ok(TradeQuery::read(params)?.rows(exchange, symbol))
        }
        AccountRoute::QueryList => Ok(answers::listed(exchange, lists::find(exchange, params)?)),
        AccountRoute::OpenLists => {
            params.finish()?;
            Ok(exchange.open_lists().map(|list| answers::listed(exchange, list)).collect())
        }
        AccountRoute::AllLists => Ok(Past::read(params, "fromId")?.lists(exchange)),
    }
}

async fn new_order(desk: &Desk, ask: &Ask, used: &mut Used) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let deadline = ask.signed(when)?;
        let (mut order, answer) = orders::new_order(exchange, &ask.params, when.now, deadline)?;
        desk.counters().order(used, 1, seconds())?;
        if order.kind.can_lag() {
            let (id, minute) = (order.client_id.as_deref().unwrap_or(""), exchange.last_close());
            let lag = desk.faults.lag(order.symbol, id, minute);
            lag.inspect(|hit| desk.requests.spoilt(when.now, *hit, id));
            order.at_once = lag.map(|hit| u8::try_from(hit.number).unwrap_or(0));
        }
        Ok((SimFact::Place(order), answer))
    };
    desk.request(make, |exchange, facts, answer| {
        placed(exchange, facts, answer).ok_or_else(|| refused(facts.first()))
    })
    .await
}

fn placed(exchange: &Exchange, facts: &[SimFact], answer: ResponseType) -> Option<Value> {
    let order = facts.iter().find_map(|fact| {
        let SimFact::Accepted(accepted) = fact else { return None };
        exchange.order(accepted.order)
    });
    order.map(|order| answers::placed(exchange, order, answer))
}

/// Places a list. Without a kind, the request has the old form of an OCO.
async fn new_list(
    desk: &Desk,
    ask: &Ask,
    kind: Option<ListKind>,
    used: &mut Used,
) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let deadline = ask.signed(when)?;
        let (params, at) = (&ask.params, when.now);
        let (list, answer) = match kind {
            Some(kind) => lists::new_list(exchange, params, kind, at, deadline)?,
            None => lists::old_oco(exchange, params, at, deadline)?,
        };
        let orders = list.shape.legs().len() as u64;
        desk.counters().order(used, orders, seconds())?;
        Ok((SimFact::PlaceList(list), answer))
    };
    desk.request(make, |exchange, facts, answer| match facts.first() {
        Some(SimFact::Listed(OrderList { id, .. })) => {
            let list = exchange.list(*id).ok_or_else(ApiError::internal)?;
            Ok(answers::list_placed(exchange, list, answer))
        }
        other => Err(refused(other)),
    })
    .await
}

async fn cancel(desk: &Desk, ask: &Ask) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let deadline = ask.signed(when)?;
        let cancel = orders::cancel(exchange, &ask.params, when.now, deadline)?;
        let target = exchange.find(&cancel.target).map(|order| order.id).ok();
        Ok((SimFact::Cancel(cancel), target))
    };
    let answer = desk.request(make, |exchange, facts, target| {
        cancelled(exchange, facts, target).ok_or_else(|| refused(facts.first()))
    });
    answer.await
}

/// The response to a cancel. It reports only the named order, even if its list was cancelled too.
fn cancelled(exchange: &Exchange, facts: &[SimFact], target: Option<u64>) -> Option<Value> {
    facts.iter().find_map(|fact| {
        let SimFact::Cancelled { order, cancel_id, .. } = fact else { return None };
        let order = exchange.order(*order).filter(|order| Some(order.id) == target)?;
        Some(answers::cancelled(order, cancel_id))
    })
}

async fn cancel_all(desk: &Desk, ask: &Ask) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let deadline = ask.signed(when)?;
        let cancel = orders::cancel_all(exchange, &ask.params, when.now, deadline)?;
        Ok((SimFact::CancelMany(cancel), ()))
    };
    let answer = desk.request(make, |exchange, facts, ()| match facts.first() {
        Some(SimFact::Cancelled { .. }) => Ok(answers::all_cancelled(exchange, facts)),
        other => Err(refused(other)),
    });
    answer.await
}

async fn cancel_list(desk: &Desk, ask: &Ask) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let deadline = ask.signed(when)?;
        let cancel = lists::cancel_list(exchange, &ask.params, when.now, deadline)?;
        Ok((SimFact::CancelMany(cancel), ()))
    };
    let answer = desk.request(make, |exchange, facts, ()| match facts.first() {
        Some(SimFact::Cancelled { order, .. }) => {
            let list = exchange.order(*order).and_then(|order| order.list);
            let list = list.and_then(|list| exchange.list(list)).ok_or_else(ApiError::internal)?;
            Ok(answers::list_cancelled(exchange, list, facts))
        }
        other => Err(refused(other)),
    });
    answer.await
}

async fn replace(desk: &Desk, ask: &Ask, used: &mut Used) -> Result<Value, ApiError> {
    let make = |exchange: &Exchange, when: When| {
        let deadline = ask.signed(when)?;
        let (replace, answer) = orders::replace(exchange, &ask.params, when.now, deadline)?;
        desk.counters().order(used, 1, seconds())?;
        let target = exchange.find(&replace.cancel.target).map(|order| order.id).ok();
        Ok((SimFact::Replace(replace), (answer, target)))
    };
    desk.request(make, |exchange, facts, (answer, target)| {
        replaced(exchange, facts, answer, target)
    })
    .await
}

/// Both results of a replacement. Each is a response or a refusal.
fn replaced(
    exchange: &Exchange,
    facts: &[SimFact],
    answer: ResponseType,
    target: Option<u64>,
) -> Result<Value, ApiError> {
    let refusals: Vec<ApiError> = facts
        .iter()
        .filter(|fact| matches!(fact, SimFact::Rejected { .. }))
        .map(|fact| refused(Some(fact)))
        .collect();
    let cancelled = cancelled(exchange, facts, target);
    let placed = placed(exchange, facts, answer);
    if let ([only], None, None) = (&refusals[..], &cancelled, &placed)
        && !matches!(only.code, -2011 | -2039)
    {
        return Err(only.clone());
    }
    let (cancel_ok, place_ok) = (cancelled.is_some(), placed.is_some());
    let mut refusals = refusals.into_iter().map(|refusal| refusal.body());
    let cancel_response = cancelled.or_else(|| refusals.next()).unwrap_or(Value::Null);
    let place_response = placed.or_else(|| refusals.next()).unwrap_or(Value::Null);
    let word = |ok| if ok { "SUCCESS" } else { "FAILURE" };
    let attempted = place_ok || !place_response.is_null();
    let data = json!({
        "cancelResult": word(cancel_ok),
        "newOrderResult": if attempted { word(place_ok) } else { "NOT_ATTEMPTED" },
        "cancelResponse": cancel_response, "newOrderResponse": place_response,
    });
    let (status, code, msg) = match (cancel_ok, place_ok) {
        (true, true) => return Ok(data),
        (false, false) => (400, -2022, "Order cancel-replace failed."),
        _ => (409, -2021, "Order cancel-replace partially failed."),
    };
    Err(ApiError { status, data: Some(data), ..ApiError::new(code, msg) })
}

fn refused(fact: Option<&SimFact>) -> ApiError {
    match fact {
        Some(SimFact::Rejected { code, msg }) => ApiError::new(*code, msg.clone()),
        _ => ApiError::internal(),
    }
}
