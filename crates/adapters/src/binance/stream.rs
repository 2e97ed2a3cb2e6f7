//! Messages on Binance's websockets: subscriptions to market streams, and to the account's events.

use super::error::{self, Kind};
use super::frames::{Answer, MarketFrame, UserFrame, decode_market, decode_user};
use super::map;
use super::sign::{ApiKey, sign_ws};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::port::{AccountReport, ErrorClass, MarketReport};
use everwarm_venue::rate_limit::DOUBT;
use everwarm_venue::session::{Hello, Parsed, Protocol, Refusal};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Maximum streams on one connection.
pub const STREAMS_MAX: usize = 1024;
/// Request weight that a private stream costs: 2 for a connection to the WebSocket API, 2 for
/// `userDataStream.subscribe.signature`.
pub const PRIVATE_WEIGHT: u32 = 4;
/// Maximum streams in one request. The venue accepts five messages a second, including pongs.
const STREAMS_PER_REQUEST: usize = 256;
/// Minimum time between two changes of the subscriptions. A change takes up to eight messages.
const TURN: Duration = Duration::from_secs(2);

/// Kline streams of a set of symbols, which may change.
#[derive(Debug)]
pub struct MarketStreams {
    wanted: watch::Receiver<Arc<[Symbol]>>,
    timeframe: Timeframe,
    /// The symbols of the last subscription.
    asked: BTreeSet<Symbol>,
    next_id: u64,
    /// Whether the venue's time passes automatically.
    moves: bool,
    turned: Option<Instant>,
}

impl MarketStreams {
    /// Streams of the bars of the `wanted` symbols. One connection carries the first
    /// [`STREAMS_MAX`] of them. If the venue's time passes automatically, at least one bar closes
    /// in each timeframe. One and a half timeframes without any count as silence.
    #[must_use]
    pub fn new(
        wanted: watch::Receiver<Arc<[Symbol]>>,
        timeframe: Timeframe,
        moves: bool,
    ) -> MarketStreams {
        let (asked, next_id, turned) = (BTreeSet::new(), 1, None);
        MarketStreams { wanted, timeframe, asked, next_id, moves, turned }
    }

    fn wanted_now(&mut self) -> BTreeSet<Symbol> {
        self.wanted.borrow_and_update().iter().take(STREAMS_MAX).copied().collect()
    }

    fn requests<'a>(
        &mut self,
        method: &str,
        symbols: impl Iterator<Item = &'a Symbol>,
    ) -> Vec<Hello> {
        let timeframe = self.timeframe;
        let name = |s: &Symbol| format!("{}@kline_{timeframe}", s.as_str().to_ascii_lowercase());
        let names: Vec<String> = symbols.map(name).collect();
        let mut requests = Vec::new();
        for names in names.chunks(STREAMS_PER_REQUEST) {
            let id = self.next_id;
            self.next_id += 1;
            let text = json!({"method": method, "params": names, "id": id}).to_string();
            requests.push(Hello { id, text });
        }
        requests
    }
}

impl Protocol for MarketStreams {
    type Frame = MarketReport;

    fn hello(&mut self, _venue_now: UtcMs) -> Vec<Hello> {
        self.asked = self.wanted_now();
        let asked = self.asked.clone();
        self.requests("SUBSCRIBE", asked.iter())
    }

    fn turn(&mut self) -> Vec<Hello> {
        self.turned = Some(Instant::now());
        let wanted = self.wanted_now();
        let before = std::mem::replace(&mut self.asked, wanted.clone());
        let mut requests = self.requests("SUBSCRIBE", wanted.difference(&before));
        requests.extend(self.requests("UNSUBSCRIBE", before.difference(&wanted)));
        requests
    }

    async fn turned(&mut self) {
        if let Some(last) = self.turned.filter(|_| self.moves) {
            tokio::time::sleep_until(last + TURN).await;
        }
        if self.wanted.changed().await.is_err() {
            // The sender has ended, so nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    fn read(&self, text: &str) -> Result<Parsed<MarketReport>, String> {
        Ok(match decode_market(text.as_bytes())? {
            MarketFrame::Kline(event) => Parsed::Data(map::kline_event(&event)?),
            MarketFrame::Answer(answer) => response(answer),
            MarketFrame::Shutdown => Parsed::Ending("the venue restarts".to_owned()),
            MarketFrame::Other(name) => Parsed::Data(MarketReport::Other { name }),
        })
    }

    fn quiet(&self) -> Option<i64> {
        (self.moves && !self.asked.is_empty()).then(|| self.timeframe.ms() * 3 / 2)
    }
}

/// The account's events, on the WebSocket API.
#[derive(Debug)]
pub struct UserStream {
    key: ApiKey,
    recv_window: Arc<AtomicI64>,
    next_id: u64,
}

impl UserStream {
    /// Events of the account of `key`. `recv_window`, in milliseconds, is read at each
    /// subscription.
    #[must_use]
    pub fn new(key: ApiKey, recv_window: Arc<AtomicI64>) -> Self {
        UserStream { key, recv_window, next_id: 1 }
    }
}

impl Protocol for UserStream {
    type Frame = AccountReport;

    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello> {
        let id = self.next_id;
        self.next_id += 1;
        let recv_window = self.recv_window.load(Relaxed);
        let params = [
            ("apiKey", self.key.key.expose().to_owned()),
            ("recvWindow", recv_window.to_string()),
            ("timestamp", venue_now.to_string()),
        ];
        let signature = sign_ws(&self.key, &params);
        let text = json!({
            "id": id.to_string(),
            "method": "userDataStream.subscribe.signature",
            "params": {
                "apiKey": self.key.key.expose(),
                "recvWindow": recv_window,
                "timestamp": venue_now,
                "signature": signature,
            },
        });
        vec![Hello { id, text: text.to_string() }]
    }

    fn read(&self, text: &str) -> Result<Parsed<AccountReport>, String> {
        Ok(match decode_user(text.as_bytes())? {
            UserFrame::Execution(event) => {
                Parsed::Data(AccountReport::Order(Box::new(map::execution_report(&event)?)))
            }
            UserFrame::Position(event) => Parsed::Data(map::account_position(event)),
            UserFrame::List(_) => {
                Parsed::Data(AccountReport::Other { name: "listStatus".to_owned() })
            }
            UserFrame::Answer(answer) => response(answer),
            UserFrame::Terminated => Parsed::Over("the venue ended the subscription".to_owned()),
            UserFrame::Shutdown => Parsed::Ending("the venue restarts".to_owned()),
            UserFrame::Other(name) => Parsed::Data(AccountReport::Other { name }),
        })
    }
}

fn response<F>(answer: Answer) -> Parsed<F> {
    let Answer { id, status, error } = answer;
    let outcome = match error {
        Some(body) => {
            let error = error::of_error(Kind::Read, status, body);
            let (again, wait_ms) = match error.class {
                ErrorClass::NotSent
                | ErrorClass::Unknown
                | ErrorClass::Absent
                | ErrorClass::Refused { .. }
                | ErrorClass::Rules
                | ErrorClass::Funds
                | ErrorClass::Halt => (!error.class.is_final(), None),
                // The limit is checked again before connecting, and a long wait may end earlier.
                ErrorClass::RateLimited { retry_after_ms } => {
                    (true, Some(retry_after_ms.min(DOUBT.unsigned_abs())))
                }
            };
            Err(Refusal { why: error.to_string(), again, wait_ms })
        }
        None if (200..300).contains(&status) => Ok(()),
        None => {
            let why = format!("status {status}");
            Err(Refusal { why, again: status >= 500, wait_ms: None })
        }
    };
    Parsed::Answer { id, outcome }
}
