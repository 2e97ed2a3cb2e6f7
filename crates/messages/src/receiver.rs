//! The requests to receivers: one for each message, and the meaning of the response.
//!
//! Addresses and tokens are secrets. No text about a receiver contains one.

use super::outbox::Message;
use everwarm_config::Receiver;
use everwarm_config::receiver::check;
use everwarm_domain::secret::Secret;
use everwarm_venue::address::Address;
use everwarm_words::text::{fit, instant};
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Timeout for the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Timeout for the response.
const ANSWER: Duration = Duration::from_secs(10);
/// Maximum bytes read of a response.
const ANSWER_BYTES: usize = 16 * 1024;
/// Longest wait that a receiver may request.
const WAIT_MAX: Duration = Duration::from_hours(1);
/// Header with the id of a message. The receiver can drop a repeated message by it.
const IDEMPOTENCY: &str = "Idempotency-Key";

/// Why the receiver did not accept a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The reason as text, without a secret.
    pub why: String,
    /// How long the receiver wants no requests.
    pub wait: Option<Duration>,
    /// Whether the receiver will never accept this message.
    pub refused: bool,
}

impl Trouble {
    /// A failure with this text, worth a retry.
    pub fn of(why: impl Into<String>) -> Trouble {
        Trouble { why: why.into(), wait: None, refused: false }
    }
}

/// A client for requests to `url`, without redirects and retries.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub fn client(url: &str) -> Result<Client, String> {
    everwarm_venue::install_tls();
    let mut builder = Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never());
    if Address::read(url).is_ok_and(|at| at.is_loopback()) || check(url).is_ok_and(|()| http(url)) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| format!("HTTP client: {}", e.without_url()))
}

fn http(url: &str) -> bool {
    url.starts_with("http:")
}

/// Sends a request and returns the response, whatever its status.
///
/// # Errors
/// There is no response.
pub async fn ask(request: RequestBuilder) -> Result<Response, Trouble> {
    ask_up_to(request, ANSWER_BYTES).await
}

/// The status, the wait that it asks for, and the body as JSON, or `null`.
pub type Response = (StatusCode, Option<Duration>, Value);

/// The same, with at most `bytes` of the response read.
///
/// # Errors
/// There is no response.
pub async fn ask_up_to(request: RequestBuilder, bytes: usize) -> Result<Response, Trouble> {
    let most = bytes;
    let failed = |e: reqwest::Error| {
        let kind = if e.is_timeout() {
            "no response in time"
        } else if e.is_connect() {
            "no connection"
        } else {
            "the request failed"
        };
        Trouble::of(kind)
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    let wait = wait.and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let mut bytes = Vec::new();
    while bytes.len() < most
        && let Some(piece) = response.chunk().await.map_err(failed)?
    {
        bytes.extend_from_slice(&piece);
    }
    Ok((status, wait, serde_json::from_slice(&bytes).unwrap_or_default()))
}

/// A client for a receiver.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub fn client_of(receiver: &Receiver) -> Result<Client, String> {
    match receiver {
        Receiver::Webhook { url, .. } => client(url.expose()),
        Receiver::Telegram { base, .. } => client(base),
    }
}

/// Sends a message once.
///
/// # Errors
/// The receiver did not accept it, or the result is unknown.
pub async fn send(receiver: &Receiver, client: &Client, message: &Message) -> Result<(), Trouble> {
    let request = match receiver {
        Receiver::Webhook { url, token } => {
            let request = client.post(url.expose()).json(message);
            let request = request.header(IDEMPOTENCY, &message.id);
            match token.as_ref().map(bearer).transpose()? {
                Some(header) => request.header(AUTHORIZATION, header),
                None => request,
            }
        }
        Receiver::Telegram { base, token, chat } => {
            let url = format!("{base}/bot{}/sendMessage", token.expose());
            let link_preview = json!({ "is_disabled": true });
            client.post(url).json(&json!({
                "chat_id": chat,
                "text": words(message),
                "link_preview_options": link_preview,
            }))
        }
    };
    let (status, wait, body) = ask(request).await?;
    if status.is_success() {
        return Ok(());
    }
    let asked = body["parameters"]["retry_after"].as_u64().map(Duration::from_secs);
    let wait = wait.max(asked).map(|wait| wait.min(WAIT_MAX));
    let description =
        body["description"].as_str().filter(|_| matches!(receiver, Receiver::Telegram { .. }));
    let description =
        description.map_or(String::new(), |text| format!(": {}", redacted(receiver, text)));
    let why = format!("it responds with status {}{description}", status.as_u16());
    Err(Trouble { why, wait, refused: is_refusal(status) })
}

/// A text from the receiver, with the secret removed.
fn redacted(receiver: &Receiver, text: &str) -> String {
    let secret = match receiver {
        Receiver::Webhook { url, .. } => url,
        Receiver::Telegram { token, .. } => token,
    };
    redacted_by(secret, text)
}

/// A text from outside, short and without this secret.
#[must_use]
pub fn redacted_by(secret: &Secret, text: &str) -> String {
    fit(&text.replace(secret.expose(), "[redacted]"), 200)
}

/// Whether a status means that the same request will always be rejected.
fn is_refusal(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !later.contains(&status)
}

fn bearer(token: &Secret) -> Result<HeaderValue, Trouble> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
    let mut value = value.map_err(|_| Trouble::of("its token is not plain text"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A message as text: one line for each item, and its id.
fn words(message: &Message) -> String {
    let mut text = format!("everwarm {}\n", message.installation);
    for item in &message.items {
        writeln!(text, "{} {}", instant(item.time / 1000 * 1000), item.text)
            .expect("a text takes everything");
    }
    text + &format!("({})", message.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_views::news::{Item, Topic};

    #[test]
    fn what_is_refused_for_good_is_told_from_what_may_be_taken_later() {
        let refused = |status| is_refusal(StatusCode::from_u16(status).unwrap());
        assert!([400, 401, 403, 404, 410, 413, 422].into_iter().all(refused));
        assert!(![200, 301, 408, 425, 429, 500, 502, 503].into_iter().any(refused));
    }

    #[test]
    fn a_message_reads_as_lines() {
        let item = |id: &str, text: &str| Item {
            id: id.to_owned(),
            topic: Topic::Fill,
            time: everwarm_views::testing::T,
            text: text.to_owned(),
        };
        let items = vec![item("a-1", "bought"), item("a-2", "sold")];
        let message = Message { id: "a-1".into(), installation: "demo".into(), items };
        let expected = "everwarm demo\n2021-01-08 12:03 bought\n2021-01-08 12:03 sold\n(a-1)";
        assert_eq!(words(&message), expected);
    }

    #[test]
    fn secrets_are_not_repeated() {
        let (base, chat) = ("https://t.example".to_owned(), "1".to_owned());
        let receiver = Receiver::Telegram { base, token: Secret::new("12:abc"), chat };
        assert_eq!(redacted(&receiver, "no bot 12:abc here"), "no bot [redacted] here");
        assert!(!format!("{receiver:?}").contains("12:abc"));
    }
}
