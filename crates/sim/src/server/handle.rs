//! The path of one request: its fault, its entries in the request log, its response.

use super::answer::{Ask, answer};
use super::limits::{Used, seconds};
use super::request_queue::Desk;
use super::requests::{self, Requests};
use super::routes::Endpoint;
use crate::faults::{Falsified, Hit, Kind, Lie, Subject};
use crate::wire::error::ApiError;
use crate::wire::params::Params;
use serde_json::Value;
use std::time::Duration;

/// What the exchange sends back.
#[derive(Debug)]
pub enum Reply {
    /// A response or a refusal.
    Response(Result<String, ApiError>),
    /// A page of a proxy in front of the exchange, with this status.
    Page(u16),
    /// A lie, with this status.
    Lied(u16, Falsified),
    /// Nothing: the connection is cut.
    Cut,
}

/// Processes a request. `weighed` is the result of taking its weight from the limits.
pub async fn through(
    desk: &Desk,
    endpoint: &'static Endpoint,
    ask: Result<Ask, ApiError>,
    weighed: Result<Used, (ApiError, Used)>,
    used: &mut Used,
) -> Reply {
    let subject = ask.as_ref().map(|ask| subject(&ask.params)).unwrap_or_default();
    let now = desk.venue_now();
    let hit = desk.faults.request(endpoint, &subject, now);
    let n = Requests::has(endpoint).then(|| {
        let mut entry = requests::new(endpoint, &subject, now, hit);
        if let Ok(ask) = &ask {
            let number = |name| ask.params.peek(name).and_then(|text| text.parse().ok());
            entry.timestamp = number("timestamp");
            entry.window = number("recvWindow");
            entry.since = number("startTime");
        }
        desk.requests.asked(entry)
    });
    let reply = met(desk, endpoint, ask, weighed, used, hit).await;
    if let Some(n) = n {
        let (status, code) = match &reply {
            Reply::Response(Ok(_)) => (200, None),
            Reply::Response(Err(error)) => (error.status, Some(error.code)),
            Reply::Page(status) | Reply::Lied(status, _) => (*status, None),
            Reply::Cut => (0, None),
        };
        desk.requests.answered(n, desk.venue_now(), status, code);
    }
    reply
}

async fn met(
    desk: &Desk,
    endpoint: &'static Endpoint,
    ask: Result<Ask, ApiError>,
    weighed: Result<Used, (ApiError, Used)>,
    used: &mut Used,
    hit: Option<Hit>,
) -> Reply {
    let symbol = ask.as_ref().ok().and_then(|ask| ask.params.peek("symbol")).map(str::to_owned);
    let refused = match &weighed {
        Ok(_) => None,
        Err((error, _)) => Some(error.clone()),
    };
    *used = weighed.unwrap_or_else(|(_, used)| used);
    match way(desk, hit, used) {
        Way::Usual => Reply::Response(done(desk, endpoint, ask, refused, used).await),
        Way::Instead(reply) => reply,
        Way::Though(reply) => {
            drop(done(desk, endpoint, ask, refused, used).await);
            reply
        }
        Way::Late(wait) => {
            let result = done(desk, endpoint, ask, refused, used).await;
            tokio::time::sleep(wait).await;
            Reply::Response(result)
        }
        Way::Otherwise(lie) => {
            let result = done(desk, endpoint, ask, refused, used).await;
            lied(desk, lie, &symbol.unwrap_or_default(), result)
        }
    }
}

/// The lie that replaces a response or a refusal.
fn lied(desk: &Desk, lie: Lie, symbol: &str, result: Result<String, ApiError>) -> Reply {
    let (status, text) = match result {
        Ok(text) => (200, text),
        Err(error) => (error.status, error.body().to_string()),
    };
    let number = |text: &str| serde_json::from_str::<Value>(text).ok()?.get("orderId")?.as_u64();
    let twin = desk.faults.twin(symbol, number(&text).unwrap_or(0));
    Reply::Lied(status, lie.falsify(&text, twin))
}

/// What a fault does to a request.
#[derive(Debug)]
pub enum Way {
    /// Nothing: the request is done, and its response is sent.
    Usual,
    /// The request is not done, and this is sent.
    Instead(Reply),
    /// The request is done, and this is sent instead of its response.
    Though(Reply),
    /// The request is done, and its response is sent after this delay.
    Late(Duration),
    /// The request is done, and a lie is sent instead of its response.
    Otherwise(Lie),
}

/// What this hit does to a request.
pub fn way(desk: &Desk, hit: Option<Hit>, used: &mut Used) -> Way {
    let Some(Hit { kind, number, lie }) = hit else { return Way::Usual };
    match kind {
        Kind::Reset => Way::Instead(Reply::Cut),
        Kind::ErrorBefore => Way::Instead(broken(number)),
        Kind::Limited | Kind::Banned => {
            used.retry_after = Some(number);
            let error = desk.counters().limit_error(number, kind == Kind::Banned, seconds());
            Way::Instead(Reply::Response(Err(error)))
        }
        Kind::UnknownOrder => {
            Way::Instead(Reply::Response(Err(ApiError::new(-2013, "Order does not exist."))))
        }
        Kind::NoAnswer => Way::Though(Reply::Cut),
        Kind::ErrorAfter => Way::Though(broken(number)),
        Kind::Slow => Way::Late(Duration::from_millis(number)),
        Kind::Hostile => lie.map_or(Way::Usual, Way::Otherwise),
        Kind::ClockSkew
        | Kind::LateFills
        | Kind::PartialFills
        | Kind::Silent
        | Kind::ChannelSilent
        | Kind::Missing
        | Kind::Duplicate
        | Kind::Reorder
        | Kind::Rotate
        | Kind::Shutdown
        | Kind::UserStreamEnded
        | Kind::OddBar
        | Kind::OddRecords => Way::Usual,
    }
}

/// The response without faults.
async fn done(
    desk: &Desk,
    endpoint: &'static Endpoint,
    ask: Result<Ask, ApiError>,
    refused: Option<ApiError>,
    used: &mut Used,
) -> Result<String, ApiError> {
    if let Some(error) = refused {
        return Err(error);
    }
    let result = match ask {
        Ok(ask) => answer(desk, endpoint.route, &ask, used).await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        used.weight = desk.counters().charge(endpoint.weight.refused(), seconds());
    }
    result
}

/// The error of a failing server. It does not show whether the request was done.
fn broken(status: u64) -> Reply {
    let (code, msg) = match status {
        500 => (-1000, "An unknown error occurred while processing the request."),
        503 => (
            -1006,
            "An unexpected response was received from the message bus. Execution status unknown.",
        ),
        504 => (
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution \
             status unknown.",
        ),
        other => return Reply::Page(u16::try_from(other).unwrap_or(502)),
    };
    let status = u16::try_from(status).unwrap_or(500);
    Reply::Response(Err(ApiError { status, ..ApiError::new(code, msg) }))
}

/// The parameters with the ids of the orders of a list.
const LEGS: [&str; 8] = [
    "workingClientOrderId",
    "pendingClientOrderId",
    "pendingAboveClientOrderId",
    "pendingBelowClientOrderId",
    "aboveClientOrderId",
    "belowClientOrderId",
    "limitClientOrderId",
    "stopClientOrderId",
];

fn subject(params: &Params) -> Subject {
    let first = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| params.peek(name));
        found.next().unwrap_or_default().to_owned()
    };
    Subject {
        symbol: first(&["symbol"]),
        id: first(&["newClientOrderId", "listClientOrderId", "origClientOrderId", "orderId"]),
        legs: LEGS.iter().filter_map(|name| params.peek(name)).map(str::to_owned).collect(),
    }
}
