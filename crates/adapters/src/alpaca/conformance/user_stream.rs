//! Steps about the stream of the account.

use super::orders;
use super::walk::Walk;
use everwarm_domain::secret::Secret;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, field};
use serde_json::{Value, json};

/// The streams of messages that answer a request.
const ANSWERS: [&str; 3] = ["authorization", "listening", "error"];

/// Opens a connection.
async fn connected(walk: &mut Walk) -> Result<u32, Stop> {
    let url = walk.hosts.account.clone();
    walk.base.open("the account's stream", &url).await
}

/// Sends a request and waits for its answer.
async fn ask(walk: &mut Walk, socket: u32, request: &Value) -> Result<Value, Stop> {
    let name = request.get("action").and_then(Value::as_str).unwrap_or_default();
    let answer = |message: &Value| {
        let stream = message.get("stream").and_then(Value::as_str)?;
        ANSWERS.contains(&stream).then(|| message.clone())
    };
    walk.base.ask(socket, (name, request), answer).await
}

fn authenticate([id, secret]: &[Secret; 2]) -> Value {
    let data = json!({"key_id": id.expose(), "secret_key": secret.expose()});
    json!({"action": "authenticate", "data": data})
}

fn listen() -> Value {
    json!({"action": "listen", "data": {"streams": ["trade_updates"]}})
}

/// Compares the answer to an authorization: its status, and the action that it names.
fn authorized(answer: &Value, status: &str, action: &str) -> Outcome {
    let (mut check, of) = (Check::new(), "the answer of the account's stream");
    check.text(of, answer, "stream", "authorization");
    let data = answer.get("data").unwrap_or(&Value::Null);
    check.text(of, data, "status", status);
    check.text(of, data, "action", action);
    check.end(format!("{status} for {action}"))
}

/// Compares the answer to the request to listen.
fn listened(answer: &Value) -> Outcome {
    let (mut check, of) = (Check::new(), "the answer of the account's stream");
    check.text(of, answer, "stream", "listening");
    let data = answer.get("data").unwrap_or(&Value::Null);
    let streams = field(data, "streams");
    check.same(format!("\"streams\" of {of}"), json!(["trade_updates"]), &streams);
    check.end(streams)
}

pub(super) async fn early(walk: &mut Walk) -> Outcome {
    let socket = connected(walk).await?;
    let answer = ask(walk, socket, &listen()).await;
    walk.base.wire.close(socket);
    authorized(&answer?, "unauthorized", "listen")
}

pub(super) async fn wrong_key(walk: &mut Walk) -> Outcome {
    let socket = connected(walk).await?;
    let [id, _] = walk.parts();
    let answer = ask(walk, socket, &authenticate(&[id, Secret::new("wrong")])).await;
    walk.base.wire.close(socket);
    authorized(&answer?, "unauthorized", "authenticate")
}

pub(super) async fn log_on(walk: &mut Walk) -> Outcome {
    let socket = connected(walk).await?;
    let request = authenticate(&walk.parts());
    let answer = ask(walk, socket, &request).await?;
    let came = authorized(&answer, "authorized", "authenticate")?;
    walk.base.user = Some(socket);
    Ok(came)
}

pub(super) async fn subscribe(walk: &mut Walk) -> Outcome {
    let socket = walk.base.user()?;
    let answer = ask(walk, socket, &listen()).await?;
    listened(&answer)
}

pub(super) async fn reconnect(walk: &mut Walk) -> Outcome {
    let old = walk.base.user()?;
    walk.base.catch_up().await?;
    walk.base.wire.close(old);
    walk.base.user = None;
    log_on(walk).await?;
    subscribe(walk).await?;
    let came = orders::limit(walk).await?;
    orders::cancel(walk).await?;
    Ok(format!("a new session reports: {came}, then canceled"))
}
