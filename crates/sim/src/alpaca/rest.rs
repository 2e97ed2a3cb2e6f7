//! The REST half of the protocol: the path of one request.

use super::error::{self, translated};
use super::query::Query;
use super::routes::Route;
use super::{account, activities, bars, calendar, fees, orders, place, quotes, replace, splits};
use crate::exchange::Order;
use crate::faults::{Falsified, Hit, Subject};
use crate::server::connections::Line;
use crate::server::handle::{Reply, Way, way};
use crate::server::limits::{Quota, Used, seconds};
use crate::server::request_queue::Desk;
use crate::server::requests::{self, Requests};
use crate::server::rest::{lied, page};
use crate::wire::error::ApiError;
use crate::wire::params::Params;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET};
use axum::body::Body;
use axum::extract::rejection::StringRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Requests of an account in a minute of wall time, at the pace of real time.
pub const REQUESTS_PER_MINUTE: u64 = 200;

/// A request: its subject, its parameters and its body.
struct Call {
    route: Route,
    params: Result<Params, ApiError>,
    body: Result<String, ApiError>,
}

/// A response without faults.
#[derive(Debug)]
struct Done {
    status: u16,
    text: String,
}

impl Done {
    fn ok(value: &Value) -> Done {
        Done { status: 200, text: value.to_string() }
    }
}

/// What the exchange sends back.
enum Out {
    Done(Done),
    Refused(ApiError),
    Page(u16),
    Lied(u16, Falsified),
    Cut,
}

/// Handles every request that is neither for a socket nor for the admin API.
pub async fn handle(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Response<Body> {
    desk.touch();
    desk.distance().pass(uri.path().ends_with("/bars")).await;
    let Some(route) = Route::find(method.as_str(), uri.path()) else {
        let error = error::not_found("endpoint not found");
        return refuse(&desk, &error, false, None);
    };
    let data = route.is_data();
    let params = Params::parse(uri.query().unwrap_or(""), "");
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => error::too_long(),
        _ => error::unreadable(),
    });
    let (admitted, mut quota) = admit(&desk, &headers, data);
    match through(&desk, &Call { route, params, body }, admitted, &mut quota).await {
        Out::Done(Done { status, text }) => respond(&desk, status, quota, text),
        Out::Refused(error) => refuse(&desk, &error, data, quota),
        Out::Page(status) => page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)),
        Out::Lied(status, falsified) => lied(status, falsified),
        Out::Cut => {
            line.cut();
            // This response is never sent, because the connection is cut.
            page(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// Checks the keys of a request and takes it from the requests of its minute.
fn admit(desk: &Desk, headers: &HeaderMap, data: bool) -> (Result<(), ApiError>, Option<Quota>) {
    let sent = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let right = known(sent("apca-api-key-id"), sent("apca-api-secret-key"));
    if !desk.keys.accept(right) {
        return (Err(error::unauthorized(data)), None);
    }
    let limit = REQUESTS_PER_MINUTE * desk.clock().pace().limits();
    match desk.counters().take(limit, seconds()) {
        Ok(quota) => (Ok(()), Some(quota)),
        Err(quota) => (Err(error::too_many()), Some(quota)),
    }
}

/// Whether these are the keys of the account, revoked or not.
#[must_use]
pub fn known(key: Option<&str>, secret: Option<&str>) -> bool {
    key == Some(DEMO_KEY) && secret == Some(DEMO_SECRET)
}

/// Processes a request, with its entries in the request log.
async fn through(
    desk: &Desk,
    call: &Call,
    admitted: Result<(), ApiError>,
    quota: &mut Option<Quota>,
) -> Out {
    let endpoint = call.route.endpoint();
    let subject = subject(desk, call);
    let now = desk.venue_now();
    let hit = desk.faults.request(endpoint, &subject, now);
    let n = Requests::has(endpoint).then(|| {
        let mut entry = requests::new(endpoint, &subject, now, hit);
        let query = call.params.as_ref().ok().map(|params| Query::of(params, false));
        entry.since = query.and_then(|query| query.time("after").ok().flatten());
        desk.requests.asked(entry)
    });
    let out = met(desk, call, admitted, quota, hit).await;
    if let Some(n) = n {
        let (status, code) = match &out {
            Out::Done(done) => (done.status, None),
            Out::Refused(error) => (error.status, Some(error.code)),
            Out::Page(status) | Out::Lied(status, _) => (*status, None),
            Out::Cut => (0, None),
        };
        desk.requests.answered(n, desk.venue_now(), status, code);
    }
    out
}

/// The symbol and the client's id of the order that a request names. An order that the request
/// names by the venue's id is looked up, so the log always has the client's id if it is known.
fn subject(desk: &Desk, call: &Call) -> Subject {
    let by_order = |id: &str| {
        let order = |order: &Order| (order.symbol.as_str().to_owned(), order.client_id.clone());
        let found = desk.read(|exchange, _, _| orders::find(exchange, id).map(order));
        found.unwrap_or_else(|_| (String::new(), id.chars().take(64).collect()))
    };
    let by_client = |id: &str| {
        let symbol = |order: &Order| order.symbol.as_str().to_owned();
        let found = desk.read(|exchange, _, _| Ok(exchange.named(id).map(symbol)));
        (found.ok().flatten().unwrap_or_default(), id.to_owned())
    };
    let peek = |name| call.params.as_ref().ok().and_then(|params| params.peek(name));
    let (symbol, id) = match &call.route {
        Route::Order(id) | Route::Cancel(id) | Route::Replace(id) => by_order(id),
        Route::OrderByClient => by_client(peek("client_order_id").unwrap_or_default()),
        Route::Place => placed(call.body.as_deref().unwrap_or_default()),
        Route::Position(name) | Route::Asset(name) => (name.clone(), String::new()),
        Route::LatestTrades(name) => (name.clone().unwrap_or_default(), String::new()),
        Route::Bars | Route::Snapshots | Route::Orders | Route::CorporateActions => {
            (peek("symbols").unwrap_or_default().to_owned(), String::new())
        }
        Route::Account
        | Route::Positions
        | Route::Assets
        | Route::Clock
        | Route::Calendar
        | Route::CancelAll
        | Route::Fills
        | Route::Fees => (String::new(), String::new()),
    };
    Subject { symbol, id, legs: Vec::new() }
}

/// The symbol and the client's id of a request for an order, as they were sent.
fn placed(body: &str) -> (String, String) {
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let text = |name: &str| {
        let text = body.get(name).and_then(Value::as_str).unwrap_or_default();
        text.chars().take(128).collect()
    };
    (text("symbol"), text("client_order_id"))
}

/// The response with the effect of a fault.
async fn met(
    desk: &Desk,
    call: &Call,
    admitted: Result<(), ApiError>,
    quota: &mut Option<Quota>,
    hit: Option<Hit>,
) -> Out {
    let mut used = Used::default();
    let way = way(desk, hit, &mut used);
    if let Some(wait) = used.retry_after {
        let limit = REQUESTS_PER_MINUTE * desk.clock().pace().limits();
        *quota = Some(Quota { limit, left: 0, reset: seconds() + wait });
    }
    match way {
        Way::Usual => usual(desk, call, admitted).await,
        Way::Instead(reply) => spoken(reply),
        Way::Though(reply) => {
            drop(usual(desk, call, admitted).await);
            spoken(reply)
        }
        Way::Late(wait) => {
            let out = usual(desk, call, admitted).await;
            tokio::time::sleep(wait).await;
            out
        }
        Way::Otherwise(lie) => match usual(desk, call, admitted).await {
            Out::Done(done) => Out::Lied(done.status, lie.falsify(&done.text, None)),
            Out::Refused(error) => {
                let text = error::body(&error, call.route.is_data()).to_string();
                Out::Lied(error.status, lie.falsify(&text, None))
            }
            out @ (Out::Page(_) | Out::Lied(..) | Out::Cut) => out,
        },
    }
}

/// What a fault sends instead of a response.
fn spoken(reply: Reply) -> Out {
    match reply {
        Reply::Response(Ok(text)) => Out::Done(Done { status: 200, text }),
        Reply::Response(Err(error)) => Out::Refused(translated(&error)),
        Reply::Page(status) => Out::Page(status),
        Reply::Lied(status, falsified) => Out::Lied(status, falsified),
        Reply::Cut => Out::Cut,
    }
}

async fn usual(desk: &Desk, call: &Call, admitted: Result<(), ApiError>) -> Out {
    let result = match admitted {
        Ok(()) => answer(desk, call).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(done) => Out::Done(done),
        Err(error) => Out::Refused(translated(&error)),
    }
}

/// The response without faults.
async fn answer(desk: &Desk, call: &Call) -> Result<Done, ApiError> {
    if !call.route.does_not_age() {
        desk.in_step()?;
    }
    let data = call.route.is_data();
    let params = call.params.as_ref().map_err(|error| {
        let nothing = Params::default();
        Query::of(&nothing, data).wrong(error.msg.clone())
    })?;
    let query = Query::of(params, data);
    match &call.route {
        Route::Place => {
            let body = call.body.as_ref().map_err(Clone::clone)?;
            Ok(Done::ok(&place::place(desk, body).await?))
        }
        Route::Cancel(id) => {
            place::cancel(desk, id).await?;
            Ok(Done { status: 204, text: String::new() })
        }
        Route::Replace(id) => {
            let body = call.body.as_ref().map_err(Clone::clone)?;
            Ok(Done::ok(&replace::replace(desk, id, body).await?))
        }
        Route::CancelAll => {
            let rows = place::cancel_all(desk).await?;
            Ok(Done { status: 207, text: rows.to_string() })
        }
        Route::Bars | Route::LatestTrades(_) | Route::Snapshots | Route::CorporateActions => {
            let text = market_data(desk, &call.route, query)?;
            Ok(Done { status: 200, text })
        }
        Route::Account
        | Route::Positions
        | Route::Position(_)
        | Route::Assets
        | Route::Asset(_)
        | Route::Clock
        | Route::Calendar
        | Route::Orders
        | Route::Order(_)
        | Route::OrderByClient
        | Route::Fills
        | Route::Fees => looked_up(desk, &call.route, query).map(|value| Done::ok(&value)),
    }
}

/// Responses with data of the account and of the venue.
fn looked_up(desk: &Desk, route: &Route, query: Query<'_>) -> Result<Value, ApiError> {
    desk.read(|exchange, market, when| match route {
        Route::Account => Ok(account::account(exchange)),
        Route::Positions => Ok(account::all_positions(exchange)),
        Route::Position(name) => account::position(exchange, name),
        Route::Assets => Ok(account::assets(exchange, query)),
        Route::Asset(name) => account::asset(exchange, name),
        Route::Clock => Ok(calendar::clock(market.sessions(), when.now, when.reported())),
        Route::Calendar => calendar::calendar(market.sessions(), query, when.now),
        Route::Orders => orders::list(exchange, query),
        Route::Order(id) => orders::by_id(exchange, id, query),
        Route::OrderByClient => orders::by_client(exchange, query),
        Route::Fills => activities::fills(exchange, query),
        Route::Fees if desk.takes_fees() => fees::activities(exchange, query),
        Route::Fees => Ok(Value::Array(Vec::new())),
        Route::Place
        | Route::Cancel(_)
        | Route::Replace(_)
        | Route::CancelAll
        | Route::Bars
        | Route::LatestTrades(_)
        | Route::Snapshots
        | Route::CorporateActions => Err(ApiError::internal()),
    })
}

/// Responses with market data.
fn market_data(desk: &Desk, route: &Route, query: Query<'_>) -> Result<String, ApiError> {
    desk.read(|exchange, market, when| match route {
        Route::LatestTrades(None) => quotes::latest_trades(exchange, market, query),
        Route::LatestTrades(Some(name)) => quotes::latest_trade(exchange, market, query, name),
        Route::Snapshots => quotes::snapshots(exchange, market, query),
        Route::CorporateActions => {
            splits::response(market, query, when.now).map(|value| value.to_string())
        }
        Route::Bars => {
            let wanted = bars::BarQuery::read(query, when.now)?;
            Ok(wanted.rows(exchange, market, &|bar| desk.published(bar, when.now)))
        }
        Route::Account
        | Route::Positions
        | Route::Position(_)
        | Route::Assets
        | Route::Asset(_)
        | Route::Clock
        | Route::Calendar
        | Route::Place
        | Route::Orders
        | Route::Order(_)
        | Route::OrderByClient
        | Route::Cancel(_)
        | Route::Replace(_)
        | Route::CancelAll
        | Route::Fills
        | Route::Fees => Err(ApiError::internal()),
    })
}

fn refuse(desk: &Desk, error: &ApiError, data: bool, quota: Option<Quota>) -> Response<Body> {
    respond(desk, error.status, quota, error::body(error, data).to_string())
}

/// The HTTP response, with its headers.
fn respond(desk: &Desk, status: u16, quota: Option<Quota>, text: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut built = Response::builder().status(status).header("x-request-id", request_id(desk));
    if let Some(Quota { limit, left, reset }) = quota {
        built = built
            .header("x-ratelimit-limit", limit)
            .header("x-ratelimit-remaining", left)
            .header("x-ratelimit-reset", reset);
    }
    if status != StatusCode::NO_CONTENT {
        built = built.header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
    }
    built.body(Body::from(text)).expect("the parts of this response are well formed")
}

/// A new id of a response.
fn request_id(desk: &Desk) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hash = Sha256::new();
    hash.update(desk.token.as_bytes());
    hash.update(COUNT.fetch_add(1, Relaxed).to_be_bytes());
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into memory cannot fail");
        text
    })
}
