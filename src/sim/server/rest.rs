//! The REST half of the protocol.

use super::desk::Desk;
use super::limits::Used;
use crate::domain::instrument::Instrument;
use crate::sim::exchange::fact::Accepted;
use crate::sim::exchange::{Exchange, SimFact};
use crate::sim::wire::error::ApiError;
use crate::sim::wire::info::{account, exchange_info};
use crate::sim::wire::klines::{self, KlineQuery};
use crate::sim::wire::params::Params;
use crate::sim::wire::sign::{self, When};
use crate::sim::wire::{
    answers,
    orders::{self, ResponseType},
    queries::TradeQuery,
};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use std::sync::Arc;

/// A request as it came.
struct Request<'a> {
    query: &'a str,
    body: &'a str,
    key: Option<&'a str>,
    params: Params,
}

/// What a route costs and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Ping,
    Time,
    ExchangeInfo,
    Klines,
    Account,
    Place,
    Query,
    Cancel,
    OpenOrders,
    MyTrades,
}

fn route(method: &Method, path: &str) -> Option<Route> {
    match (method.as_str(), path) {
        ("GET", "/api/v3/ping") => Some(Route::Ping),
        ("GET", "/api/v3/time") => Some(Route::Time),
        ("GET", "/api/v3/exchangeInfo") => Some(Route::ExchangeInfo),
        ("GET", "/api/v3/klines") => Some(Route::Klines),
        ("GET", "/api/v3/account") => Some(Route::Account),
        ("POST", "/api/v3/order") => Some(Route::Place),
        ("GET", "/api/v3/order") => Some(Route::Query),
        ("DELETE", "/api/v3/order") => Some(Route::Cancel),
        ("GET", "/api/v3/openOrders") => Some(Route::OpenOrders),
        ("GET", "/api/v3/myTrades") => Some(Route::MyTrades),
        _ => None,
    }
}

fn weight(route: Route, query: &str) -> u64 {
    let has = |name: &str| query.split('&').any(|part| part.starts_with(name));
    match route {
        Route::Ping | Route::Time => 1,
        Route::Klines => 2,
        Route::Query => 4,
        Route::OpenOrders if has("symbol=") => 6,
        Route::OpenOrders => 80,
        Route::MyTrades if has("orderId=") => 5,
        Route::MyTrades | Route::ExchangeInfo | Route::Account => 20,
        Route::Place | Route::Cancel => 0,
    }
}

/// Answers any request that is none of the sockets' or the administration's.
pub async fn handle(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    desk.touch();
    let Some(route) = route(&method, uri.path()) else { return no_such(uri.path()) };
    let query = uri.query().unwrap_or("");
    let mut used = match desk.counters().weigh(weight(route, query)) {
        Ok(used) => used,
        Err((error, used)) => return refuse(&error, used),
    };
    let key = headers.get("x-mbx-apikey").and_then(|v| v.to_str().ok());
    let answer = match Params::parse(query, &body) {
        Ok(params) => {
            let request = Request { query, body: &body, key, params };
            answer(&desk, route, &request, &mut used).await
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(text) => respond(StatusCode::OK, used, text),
        Err(error) => {
            if matches!(route, Route::Place | Route::Cancel)
                && let Ok(weighed) = desk.counters().weigh(1)
            {
                used.weight = weighed.weight;
            }
            refuse(&error, used)
        }
    }
}

fn no_such(path: &str) -> Response<Body> {
    let gone = path.starts_with("/api/v3/userDataStream");
    let status = if gone { StatusCode::GONE } else { StatusCode::NOT_FOUND };
    let text = format!("<html><head><title>{status}</title></head><body>{status}</body></html>");
    let built = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html")
        .body(Body::from(text));
    built.expect("the parts of this response are well formed")
}

fn refuse(error: &ApiError, used: Used) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    respond(status, used, error.body().to_string())
}

fn respond(status: StatusCode, used: Used, text: String) -> Response<Body> {
    let mut built = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json;charset=UTF-8")
        .header("x-mbx-used-weight", used.weight)
        .header("x-mbx-used-weight-1m", used.weight);
    if let Some((short, day)) = used.orders {
        built = built.header("x-mbx-order-count-10s", short).header("x-mbx-order-count-1d", day);
    }
    if let Some(seconds) = used.retry_after {
        built = built.header(header::RETRY_AFTER, seconds);
    }
    built.body(Body::from(text)).expect("the parts of this response are well formed")
}

impl Request<'_> {
    /// Checks key, signature and age; gives the request's deadline.
    fn signed(&self, when: When) -> Result<i64, ApiError> {
        let payload = sign::rest_payload(self.query, self.body);
        sign::check(self.key, &self.params, &payload, when)
    }
}

async fn answer(
    desk: &Desk,
    route: Route,
    request: &Request<'_>,
    used: &mut Used,
) -> Result<String, ApiError> {
    match route {
        Route::Place => place(desk, request, used).await,
        Route::Cancel => cancel(desk, request).await,
        Route::Ping => request.params.finish().map(|()| "{}".to_owned()),
        Route::Time => {
            request.params.finish()?;
            desk.read(|_, _, when| Ok(json!({"serverTime": when.now}).to_string()))
        }
        Route::ExchangeInfo => {
            let limits = desk.counters().limits();
            desk.read(|exchange, _, when| {
                let symbols = symbols(exchange, &request.params)?;
                Ok(exchange_info(exchange, &symbols, when.now, limits).to_string())
            })
        }
        Route::Klines => desk.read(|exchange, market, when| {
            let symbol = orders::symbol(exchange, &request.params)?;
            let query = KlineQuery::read(&request.params)?;
            Ok(klines::rows(&query.bars(exchange, market, symbol, when.now)))
        }),
        Route::Account | Route::Query | Route::OpenOrders | Route::MyTrades => {
            desk.read(|exchange, _, when| {
                request.signed(when)?;
                look(exchange, route, &request.params, when).map(|value| value.to_string())
            })
        }
    }
}

fn look(exchange: &Exchange, route: Route, params: &Params, when: When) -> Result<Value, ApiError> {
    match route {
        Route::Query => {
            let target = orders::target(exchange, params)?;
            params.finish()?;
            Ok(answers::queried(exchange.find(&target)?))
        }
        Route::OpenOrders => {
            let symbol = orders::optional_symbol(exchange, params)?;
            params.finish()?;
            let wanted = exchange.open_orders().filter(|o| symbol.is_none_or(|s| o.symbol == s));
            Ok(wanted.map(answers::queried).collect())
        }
        Route::MyTrades => {
            let symbol = orders::symbol(exchange, params)?;
            Ok(TradeQuery::read(params)?.rows(exchange, symbol))
        }
        Route::Account => {
            let omit = params.flag("omitZeroBalances")?;
            params.finish()?;
            Ok(account(exchange, omit, when.now))
        }
        Route::Ping
        | Route::Time
        | Route::ExchangeInfo
        | Route::Klines
        | Route::Place
        | Route::Cancel => unreachable!("answered elsewhere"),
    }
}

fn symbols<'a>(exchange: &'a Exchange, params: &Params) -> Result<Vec<&'a Instrument>, ApiError> {
    let one = orders::optional_symbol(exchange, params)?;
    let many = params.text("symbols")?;
    params.finish()?;
    let invalid = || ApiError::new(-1121, "Invalid symbol.");
    match (one, many) {
        (Some(_), Some(_)) => {
            Err(ApiError::new(-1128, "Combination of optional parameters invalid."))
        }
        (None, None) => Ok(exchange.instruments().iter().collect()),
        (Some(symbol), None) => exchange.instrument(symbol).map(|i| vec![i]).ok_or_else(invalid),
        (None, Some(list)) => {
            let bad = |_| ApiError::new(-1130, "Data sent for parameter 'symbols' is not valid.");
            let names: Vec<String> = serde_json::from_str(list).map_err(bad)?;
            let find = |name: &String| {
                let all = exchange.instruments().iter();
                all.into_iter().find(|i| i.symbol.as_str() == name).ok_or_else(invalid)
            };
            names.iter().map(find).collect()
        }
    }
}

async fn place(desk: &Desk, request: &Request<'_>, used: &mut Used) -> Result<String, ApiError> {
    desk.in_step()?;
    let (text, filled) = desk
        .request(
            |exchange, when| {
                let deadline = request.signed(when)?;
                let read = orders::new_order(exchange, &request.params, when.now, deadline);
                let (order, answer) = read?;
                desk.counters().order(used)?;
                Ok((SimFact::Place(order), answer))
            },
            placed,
        )
        .await?;
    if filled {
        desk.counters().filled(used);
    }
    Ok(text)
}

fn placed(
    exchange: &Exchange,
    said: &[SimFact],
    answer: ResponseType,
) -> Result<(String, bool), ApiError> {
    match said.first() {
        Some(SimFact::Accepted(Accepted { order, .. })) => {
            let order = exchange.order(*order).ok_or_else(ApiError::internal)?;
            let filled = !order.executed.is_zero();
            Ok((answers::placed(exchange, order, answer).to_string(), filled))
        }
        other => Err(refused(other)),
    }
}

async fn cancel(desk: &Desk, request: &Request<'_>) -> Result<String, ApiError> {
    desk.request(
        |exchange, when| {
            let deadline = request.signed(when)?;
            let cancel = orders::cancel(exchange, &request.params, when.now, deadline)?;
            Ok((SimFact::Cancel(cancel), ()))
        },
        |exchange, said, ()| match said.first() {
            Some(SimFact::Cancelled { order, cancel_id, .. }) => {
                let order = exchange.order(*order).ok_or_else(ApiError::internal)?;
                Ok(answers::cancelled(order, cancel_id).to_string())
            }
            other => Err(refused(other)),
        },
    )
    .await
}

fn refused(said: Option<&SimFact>) -> ApiError {
    match said {
        Some(SimFact::Rejected { code, msg }) => ApiError::new(*code, msg.clone()),
        _ => ApiError::internal(),
    }
}
