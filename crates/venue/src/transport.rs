//! The only file with client sockets: HTTP requests and websockets.
//!
//! One call is at most one request. It follows no redirects and repeats nothing, with one
//! exception. If a pooled connection turns out to be closed before any byte was written, the pool
//! may use another. An error says whether the request may have reached the venue.

use super::address::Address;
use super::rate_limit::DOUBT;
use everwarm_domain::clean::clean;
use everwarm_domain::secret::Secret;
use futures_util::{SinkExt, StreamExt};
use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for the response to an order or cancel. The venue's own deadline is 10 s, so a
/// shorter wait would only cause unknown statuses.
pub const PLACE_TIMEOUT: Duration = Duration::from_secs(12);
/// Longest wait for the response to a read.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a websocket's handshake, including the connection.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pooled connections are closed after this time, before the server closes them.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// Maximum size of a response, bytes. The rules of all instruments are about 20 MB.
const BODY_MAX: usize = 64 << 20;
/// Maximum size of a websocket message, and its buffers, bytes.
const MESSAGE_MAX: usize = 1 << 20;
const READ_BUFFER: usize = 16 << 10;
const WRITE_BUFFER: usize = 4 << 10;

/// A hook at the points where a kill matters: `"send"` just before a request's bytes leave,
/// `"receive"` just after its response arrived.
#[derive(Clone)]
pub struct Probe(Arc<dyn Fn(&'static str) + Send + Sync>);

impl Probe {
    /// A probe that calls `hook`.
    pub fn new(hook: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Probe(Arc::new(hook))
    }

    fn at(&self, point: &'static str) {
        (self.0)(point);
    }
}

impl Default for Probe {
    fn default() -> Self {
        Probe::new(|_| {})
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// Installs the process' TLS provider. Only the first call counts. Call it first in `main` and in
/// tests: without it, the first secure connection panics.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider was installed before");
        }
    });
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No byte of the request left.
    #[error("{0}")]
    NotSent(String),
    /// The request may have reached the venue.
    #[error("{0}")]
    Unknown(String),
}

/// HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Places.
    Post,
    /// Cancels.
    Delete,
    /// Replaces.
    Patch,
}

/// One request. All parameters are in the address, exactly as signed.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// Method.
    pub method: Method,
    /// Address with the query, percent-encoded.
    pub url: &'a str,
    /// The headers that identify the caller, if the venue needs any: name and value.
    pub keys: &'a [(&'static str, &'a Secret)],
    /// Longest wait for the whole response.
    pub timeout: Duration,
    /// JSON body; empty if all parameters are in the address, as at venues.
    pub body: String,
}

/// The response to one request, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status.
    pub status: u16,
    /// `X-MBX-USED-WEIGHT-1M`.
    pub used_weight: Option<u32>,
    /// `X-MBX-ORDER-COUNT-10S`.
    pub orders_short: Option<u32>,
    /// `X-MBX-ORDER-COUNT-1D`.
    pub orders_day: Option<u32>,
    /// `Retry-After`, seconds.
    pub retry_after_s: Option<u64>,
    /// `X-RateLimit-Limit`: requests of a minute.
    pub limit: Option<u32>,
    /// `X-RateLimit-Remaining`: those that are left.
    pub limit_remaining: Option<u32>,
    /// `X-RateLimit-Reset`, Unix seconds.
    pub limit_reset_s: Option<u64>,
    /// Body.
    pub body: Vec<u8>,
}

/// A pool of connections to one host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    probe: Probe,
}

impl Http {
    /// Makes the pool for addresses that begin with `base`. Responses of other machines may be
    /// compressed.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub fn new(base: &str, probe: Probe) -> Result<Http, String> {
        install_tls();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if let Ok(base) = Address::read(base) {
            if base.is_loopback() {
                // On this machine, a proxy or compression would only cost time.
                builder = builder.no_proxy().no_gzip();
            }
            if base.scheme == "http" {
                // Reading the certificates of the system takes longer than a local start step.
                builder = builder.tls_certs_only([]);
            }
        }
        let client = builder.build().map_err(|e| format!("HTTP client: {}", chain(&e)))?;
        Ok(Http { client, probe })
    }

    /// Sends one request, once.
    ///
    /// # Errors
    /// Whether the request may have reached the venue.
    pub async fn send(&self, request: HttpRequest<'_>) -> Result<HttpAnswer, TransportError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
            Method::Patch => reqwest::Method::PATCH,
        };
        let mut builder = self.client.request(method, request.url).timeout(request.timeout);
        for (header, key) in request.keys {
            let mut value = HeaderValue::from_str(key.expose())
                .map_err(|_| TransportError::NotSent("the API key is not plain text".to_owned()))?;
            value.set_sensitive(true);
            builder = builder.header(*header, value);
        }
        if !request.body.is_empty() {
            builder = builder.header("content-type", "application/json").body(request.body);
        }
        let built = builder.build().map_err(|e| TransportError::NotSent(describe(e)))?;
        self.probe.at("send");
        let answer = self.client.execute(built).await;
        let read = match answer {
            Ok(answer) => read(answer).await,
            Err(e) if e.is_connect() => Err(TransportError::NotSent(describe(e))),
            Err(e) => Err(TransportError::Unknown(describe(e))),
        };
        self.probe.at("receive");
        read
    }
}

async fn read(mut answer: reqwest::Response) -> Result<HttpAnswer, TransportError> {
    let status = answer.status().as_u16();
    let number = |name: &str| -> Option<u64> {
        answer.headers().get(name)?.to_str().ok()?.trim().parse().ok()
    };
    let count = |name: &str| number(name).and_then(|count| u32::try_from(count).ok());
    let used_weight = count("x-mbx-used-weight-1m");
    let orders_short = count("x-mbx-order-count-10s");
    let orders_day = count("x-mbx-order-count-1d");
    let retry_after_s = number("retry-after");
    let limit = count("x-ratelimit-limit");
    let limit_remaining = count("x-ratelimit-remaining");
    let limit_reset_s = number("x-ratelimit-reset");
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|e| TransportError::Unknown(describe(e)))? {
        if body.len() + part.len() > BODY_MAX {
            tracing::warn!(status, "an answer above {BODY_MAX} bytes is left");
            return Err(TransportError::Unknown(format!("an answer above {BODY_MAX} bytes")));
        }
        body.extend_from_slice(&part);
    }
    Ok(HttpAnswer {
        status,
        used_weight,
        orders_short,
        orders_day,
        retry_after_s,
        limit,
        limit_remaining,
        limit_reset_s,
        body,
    })
}

/// The text of an error and its causes, without the address, which holds a signature.
fn describe(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Why a websocket could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// A network failure: another attempt may succeed.
    Network(String),
    /// The venue rejects it, and would reject it again.
    Refused(String),
    /// Too many connections or requests.
    Later {
        /// The venue's text.
        why: String,
        /// How long the venue wants us to wait, milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// No request was sent: the venue's limit is used up.
    Held {
        /// The reason as text.
        why: String,
        /// How long to wait, milliseconds.
        wait_ms: u64,
    },
}

/// An event of a websocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// A message.
    Text(String),
    /// A ping or pong.
    Alive,
    /// The end, and its reason.
    Closed(String),
}

/// An open websocket. It responds to pings only while it is read, so a task must keep reading.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens a websocket.
    ///
    /// # Errors
    /// Whether another attempt makes sense.
    pub async fn open(url: &str) -> Result<Socket, ConnectError> {
        install_tls();
        let refused = |e: &dyn fmt::Display| ConnectError::Refused(e.to_string());
        let request = url.into_client_request().map_err(|e| refused(&e))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let connecting = connect_async_with_config(request, Some(config), true);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await {
            Ok(Ok((stream, _))) => Ok(Socket(stream)),
            Ok(Err(WsError::Http(answer))) => Err(handshake_refused(&answer)),
            Ok(Err(e)) => Err(ConnectError::Network(chain(&e))),
            Err(_) => Err(ConnectError::Network("no handshake in time".to_owned())),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send(&mut self, text: String) -> Result<(), String> {
        self.0.send(Message::text(text)).await.map_err(|e| chain(&e))
    }

    /// Sends a ping. A venue answers with a pong.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn ping(&mut self) -> Result<(), String> {
        let ping = Message::Ping(tokio_tungstenite::tungstenite::Bytes::new());
        self.0.send(ping).await.map_err(|e| chain(&e))
    }

    /// Waits for the next event. Cancelling it loses nothing.
    pub async fn next(&mut self) -> SocketEvent {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => SocketEvent::Text(text.as_str().to_owned()),
            // Some venues send their texts in binary messages.
            Some(Ok(Message::Binary(bytes))) => match std::str::from_utf8(&bytes) {
                Ok(text) => SocketEvent::Text(text.to_owned()),
                Err(_) => SocketEvent::Closed("a binary message that is no text".to_owned()),
            },
            Some(Ok(Message::Close(Some(frame)))) => {
                let reason = clean(&frame.reason);
                SocketEvent::Closed(format!("closed by the venue: {} {reason}", frame.code))
            }
            Some(Ok(Message::Close(None))) => SocketEvent::Closed("closed by the venue".to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => SocketEvent::Alive,
            Some(Err(e)) => SocketEvent::Closed(chain(&e)),
            None => SocketEvent::Closed("connection ended".to_owned()),
        }
    }
}

fn handshake_refused(
    answer: &tokio_tungstenite::tungstenite::http::Response<Option<Vec<u8>>>,
) -> ConnectError {
    let status = answer.status().as_u16();
    let why = format!("handshake answered with HTTP {status}");
    let header = answer.headers().get("retry-after");
    let seconds = header.and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse::<u64>().ok());
    match status {
        418 | 429 => {
            // A handshake response has no error text of the venue, so a long wait is not trusted.
            let most = DOUBT.unsigned_abs();
            let retry_after_ms = seconds.map(|s| s.saturating_mul(1000).min(most));
            ConnectError::Later { why, retry_after_ms }
        }
        400..=499 => ConnectError::Refused(why),
        _ => ConnectError::Network(why),
    }
}

#[cfg(test)]
mod tests;
