//! Steps about the stream of market data.

use super::super::hosts::FREE_FEED;
use super::super::wire::instant;
use super::market::had_bar;
use super::walk::{Walk, log_on};
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_venue::conformance::check::{Check, Outcome, Stop, differs, field, not_tried};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for a bar: a minute, and some seconds.
const BAR: Duration = Duration::from_secs(75);
/// How late a bar may come, milliseconds of venue time.
const LATE: UtcMs = 15_000;
/// How long the venue may need to notice that a connection has ended.
const OLD: Duration = Duration::from_secs(75);
/// Wait between two attempts to connect.
const AGAIN: Duration = Duration::from_secs(1);
/// Symbols of a free stream, and one more.
const TOO_MANY: u8 = 31;
/// The kinds of objects that answer a request.
const ANSWERS: [&str; 3] = ["success", "error", "subscription"];

/// The first object of one of these kinds in a message.
fn object(message: &Value, kinds: &[&str]) -> Option<Value> {
    let is_it =
        |it: &&Value| it.get("T").and_then(Value::as_str).is_some_and(|t| kinds.contains(&t));
    message.as_array()?.iter().find(is_it).cloned()
}

/// Opens a connection. Returns its number after the greeting.
async fn connected(walk: &mut Walk) -> Result<u32, Stop> {
    let url = walk.hosts.streams.clone();
    let socket = walk.base.open("the market stream", &url).await?;
    let greeting = walk.base.find(socket, |message| object(message, &ANSWERS)).await?;
    let Some(greeting) = greeting else {
        return Err(walk.base.missing("the first message of the market stream"));
    };
    let mut check = Check::new();
    check.text("the first message of the market stream", &greeting, "msg", "connected");
    check.end("")?;
    Ok(socket)
}

/// Sends a request and waits for its answer.
async fn ask(walk: &mut Walk, socket: u32, request: &Value) -> Result<Value, Stop> {
    let name = request.get("action").and_then(Value::as_str).unwrap_or_default();
    walk.base.ask(socket, (name, request), |message| object(message, &ANSWERS)).await
}

/// The answer must be an error with this code.
fn refused(answer: &Value, code: u16) -> Outcome {
    let mut check = Check::new();
    let of = "the answer of the market stream";
    check.text(of, answer, "T", "error");
    check.same(format!("\"code\" of {of}"), code, field(answer, "code"));
    check.end(answer.to_string())
}

/// Shows the key.
async fn logged_on(walk: &mut Walk, socket: u32) -> Result<Value, Stop> {
    let request = log_on(&walk.parts());
    ask(walk, socket, &request).await
}

/// Whether the key was accepted.
fn is_accepted(answer: &Value) -> Result<(), Stop> {
    let mut check = Check::new();
    let of = "the answer to \"auth\"";
    if answer.get("msg").and_then(Value::as_str) != Some("authenticated") {
        check.differs(of, "\"authenticated\"", answer);
    }
    check.text(of, answer, "T", "success");
    check.end("").map(drop)
}

pub(super) async fn auth(walk: &mut Walk) -> Outcome {
    let socket = connected(walk).await?;
    let answer = logged_on(walk, socket).await?;
    is_accepted(&answer)?;
    walk.base.market = Some(socket);
    Ok("connected, then authenticated".to_owned())
}

pub(super) async fn wrong_key(walk: &mut Walk) -> Outcome {
    let socket = connected(walk).await?;
    let [id, _] = walk.parts();
    let answer = ask(walk, socket, &log_on(&[id, Secret::new("wrong")])).await;
    walk.base.wire.close(socket);
    refused(&answer?, 402)
}

pub(super) async fn second(walk: &mut Walk) -> Outcome {
    walk.base.market()?;
    let socket = connected(walk).await?;
    let answer = logged_on(walk, socket).await;
    walk.base.wire.close(socket);
    refused(&answer?, 406)
}

/// Subscribes to the bars of the symbol. All lists must be complete.
async fn subscribed(walk: &mut Walk, socket: u32) -> Outcome {
    let symbol = walk.base.symbol;
    let request = json!({"action": "subscribe", "bars": [symbol.as_str()]});
    let answer = ask(walk, socket, &request).await?;
    let (mut check, of) = (Check::new(), "the answer to \"subscribe\"");
    check.text(of, &answer, "T", "subscription");
    check.same(format!("\"bars\" of {of}"), json!([symbol.as_str()]), field(&answer, "bars"));
    for name in ["trades", "quotes"] {
        check.same(format!("{name:?} of {of}"), "[]", field(&answer, name));
    }
    check.end(format!("bars of {symbol}"))
}

pub(super) async fn subscribe(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    subscribed(walk, socket).await
}

pub(super) async fn symbol_limit(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    let feed = walk.hosts.feed();
    if walk.key.is_some() && feed != FREE_FEED {
        return Err(not_tried(format!("the feed {feed} has no such limit")));
    }
    let names =
        (0..TOO_MANY).map(|n| format!("A{}{}", char::from(b'A' + n / 8), char::from(b'A' + n % 8)));
    let request = json!({"action": "subscribe", "bars": names.collect::<Vec<_>>()});
    let answer = ask(walk, socket, &request).await;
    if walk.key.is_none() && answer.is_err() {
        return Err(not_tried("the record has no answer about this limit"));
    }
    refused(&answer?, 405)
}

pub(super) async fn bar_event(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    walk.needs_open().await?;
    let begin = walk.clock().await?.now;
    let usual = walk.base.patience;
    walk.base.patience = usual.max(BAR / walk.base.head.pace.max(1));
    let found = walk.base.find(socket, |message| object(message, &["b"])).await;
    walk.base.patience = usual;
    let Some(bar) = found? else {
        let now = walk.clock().await?.now;
        // A minute without trades has no bar.
        let next = begin.div_euclid(MINUTE) * MINUTE;
        if had_bar(walk, next, now - LATE).await? {
            let what = "a bar of the market stream that the records have";
            return Err(differs(what, "sent after its minute", "missing"));
        }
        return Err(not_tried(format!("{} was not traded for a minute", walk.base.symbol)));
    };
    let (mut check, of) = (Check::new(), "a bar of the stream");
    check.text(of, &bar, "S", walk.base.symbol.as_str());
    for name in ["o", "h", "l", "c", "v", "n", "vw"] {
        let is_number = bar.get(name).is_some_and(Value::is_number);
        check.holds(is_number, format!("{name:?} of {of}"), "a JSON number", field(&bar, name));
    }
    let open = bar.get("t").and_then(Value::as_str).and_then(|text| instant(text).ok());
    let is_minute = open.is_some_and(|open| open.rem_euclid(MINUTE) == 0);
    let what = format!("\"t\" of {of}");
    check.holds(is_minute, &what, "the begin of a minute", field(&bar, "t"));
    let now = walk.clock().await?.now;
    if let Some(open) = open {
        let expected = format!("a minute before {now} or earlier");
        check.holds(open + MINUTE <= now, what, expected, open);
    }
    check.end("a bar of a minute that ended")
}

pub(super) async fn reconnect(walk: &mut Walk) -> Outcome {
    let old = walk.base.market.take();
    let old = old.ok_or_else(|| not_tried("the market stream was not open"))?;
    walk.base.wire.close(old);
    let end = Instant::now() + OLD;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let socket = connected(walk).await?;
        let answer = logged_on(walk, socket).await?;
        let is_old = answer.get("code").and_then(Value::as_i64) == Some(406);
        if is_old && Instant::now() < end && !walk.base.wire.is_stopped() {
            // The old connection has not ended yet for the venue.
            walk.base.wire.close(socket);
            walk.base.wire.pause(AGAIN).await;
            continue;
        }
        is_accepted(&answer)?;
        walk.base.market = Some(socket);
        let came = subscribed(walk, socket).await?;
        return Ok(format!("attempt {attempts}: {came}"));
    }
}
