//! A venue between the program and the simulated exchange, which differs where a test plants it.

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::Message as Theirs;

/// A response on its way to the program.
pub struct Passing {
    /// Method and path.
    pub request: String,
    pub status: u16,
    pub weight: Option<u64>,
    /// The requests that are left of a limit.
    pub remaining: Option<u64>,
    pub body: Value,
}

/// Changes a response.
pub type OnResponse = Box<dyn FnMut(&mut Passing) + Send>;
/// What goes to the program in place of an event of the account.
pub type OnEvent = Box<dyn FnMut(Value) -> Vec<Value> + Send>;
/// Changes any other message of a websocket.
pub type OnMessage = Box<dyn FnMut(&mut Value) + Send>;
/// Called before a request goes to the exchange. It may block the request.
pub type OnRequest = Box<dyn Fn(&str) + Send + Sync>;

/// What a test plants.
pub struct Planted {
    pub request: OnRequest,
    pub response: OnResponse,
    pub event: OnEvent,
    pub message: OnMessage,
}

impl Default for Planted {
    fn default() -> Planted {
        Planted {
            request: Box::new(|_| {}),
            response: Box::new(|_| {}),
            event: Box::new(|event| vec![event]),
            message: Box::new(|_| {}),
        }
    }
}

struct Shared {
    upstream: u16,
    http: reqwest::Client,
    request: OnRequest,
    response: Mutex<OnResponse>,
    event: Mutex<OnEvent>,
    message: Mutex<OnMessage>,
}

/// A proxy in front of an exchange on this machine.
pub struct Proxy {
    pub port: u16,
    _runtime: Runtime,
}

impl Proxy {
    pub fn start(upstream: u16, planted: Planted) -> Proxy {
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let Planted { request, response, event, message } = planted;
        let http = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        let (response, event) = (Mutex::new(response), Mutex::new(event));
        let message = Mutex::new(message);
        let shared = Arc::new(Shared { upstream, http, request, response, event, message });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(pass).with_state(shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await
        });
        Proxy { port, _runtime: runtime }
    }
}

/// The headers of requests that pass.
const REQUEST: [&str; 4] =
    ["x-mbx-apikey", "apca-api-key-id", "apca-api-secret-key", "content-type"];
/// The headers of responses that pass.
const RESPONSE: [&str; 5] = [
    "x-mbx-order-count-10s",
    "x-mbx-order-count-1d",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-reset",
];

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key("upgrade") {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap();
        return upgrade.on_upgrade(move |socket| carry(shared, socket, path));
    }
    let name = format!("{} {}", parts.method, parts.uri.path());
    let (asked, of) = (name.clone(), Arc::clone(&shared));
    tokio::task::spawn_blocking(move || (of.request)(&asked)).await.unwrap();
    let url = format!("http://127.0.0.1:{}{path}", shared.upstream);
    let mut sent = shared.http.request(parts.method.clone(), url);
    for name in REQUEST {
        if let Some(value) = parts.headers.get(name) {
            sent = sent.header(name, value);
        }
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let came = sent.body(body).send().await.unwrap();
    let header = |name: &str| came.headers().get(name).cloned();
    let others: Vec<_> = RESPONSE.iter().filter_map(|name| Some((*name, header(name)?))).collect();
    let number = |name: &str| header(name).and_then(|value| value.to_str().ok()?.parse().ok());
    let [weight, remaining] = ["x-mbx-used-weight-1m", "x-ratelimit-remaining"].map(number);
    let status = came.status().as_u16();
    let text = came.text().await.unwrap();
    let body = serde_json::from_str(&text);
    let is_json = body.is_ok();
    let body = body.unwrap_or(Value::Null);
    let mut passing = Passing { request: name, status, weight, remaining, body };
    (shared.response.lock().unwrap_or_else(PoisonError::into_inner))(&mut passing);
    let mut response = Response::builder().status(passing.status);
    for (name, value) in others {
        response = response.header(name, value);
    }
    for (name, number) in
        [("x-mbx-used-weight-1m", passing.weight), ("x-ratelimit-remaining", passing.remaining)]
    {
        if let Some(number) = number {
            response = response.header(name, number);
        }
    }
    let body = if is_json { passing.body.to_string() } else { text };
    response.body(Body::from(body)).unwrap()
}

/// Carries messages both ways. The program gets a ping at the begin, so that it need not wait.
async fn carry(shared: Arc<Shared>, mut socket: WebSocket, path: String) {
    let url = format!("ws://127.0.0.1:{}{path}", shared.upstream);
    let (upstream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let (mut to, mut from) = upstream.split();
    drop(socket.send(Message::Ping("1".into())).await);
    loop {
        tokio::select! {
            came = from.next() => {
                let Some(Ok(message)) = came else { return };
                if !matches!(message, Theirs::Text(_) | Theirs::Binary(_)) {
                    continue;
                }
                for text in changed(&shared, message.to_text().unwrap()) {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
            }
            sent = socket.recv() => {
                let Some(Ok(message)) = sent else { return };
                if let Message::Text(text) = message {
                    drop(to.send(Theirs::text(text.as_str())).await);
                }
            }
        }
    }
}

/// The messages in place of one. An event of the account is a member of its message.
fn changed(shared: &Shared, text: &str) -> Vec<String> {
    let mut message: Value = serde_json::from_str(text).unwrap();
    let member = match message.get("stream").and_then(Value::as_str) {
        Some("trade_updates") => "data",
        Some(_) | None => "event",
    };
    let Some(event) = message.get_mut(member).map(Value::take) else {
        (shared.message.lock().unwrap_or_else(PoisonError::into_inner))(&mut message);
        return vec![message.to_string()];
    };
    let events = (shared.event.lock().unwrap_or_else(PoisonError::into_inner))(event);
    let wrapped = |event| {
        let mut message = message.clone();
        message[member] = event;
        message.to_string()
    };
    events.into_iter().map(wrapped).collect()
}
