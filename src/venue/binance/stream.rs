//! What is said on Binance's websockets: subscriptions to market streams, and to the account's
//! events.

use super::error::{self, Kind};
use super::frames::{Answer, MarketFrame, UserFrame, decode_market, decode_user};
use super::map;
use super::sign::{ApiKey, sign_ws};
use crate::domain::id::Symbol;
use crate::domain::time::{Timeframe, UtcMs};
use crate::venue::port::{AccountReport, ErrorClass, MarketReport};
use crate::venue::session::{Hello, Protocol, Refusal, Said};
use serde_json::json;

/// Most streams on one connection.
pub const STREAMS_MAX: usize = 1024;
/// Streams in one request: the venue takes five messages a second, pongs among them.
const STREAMS_PER_REQUEST: usize = 256;

/// Kline streams of a set of symbols.
#[derive(Debug)]
pub struct MarketStreams {
    names: Vec<String>,
    next_id: u64,
    quiet: Option<i64>,
}

impl MarketStreams {
    /// Streams of the bars of `symbols`, at most [`STREAMS_MAX`] for one connection. Where the
    /// venue's time passes by itself, at least one of their bars closes in each timeframe: half as
    /// much again without any is silence.
    ///
    /// # Errors
    /// Too many of them.
    pub fn new(symbols: &[Symbol], timeframe: Timeframe, moves: bool) -> Result<Self, String> {
        if symbols.len() > STREAMS_MAX {
            return Err(format!("{} streams, a connection takes {STREAMS_MAX}", symbols.len()));
        }
        let name = |s: &Symbol| format!("{}@kline_{timeframe}", s.as_str().to_ascii_lowercase());
        let quiet = (moves && !symbols.is_empty()).then(|| timeframe.ms() * 3 / 2);
        Ok(MarketStreams { names: symbols.iter().map(name).collect(), next_id: 1, quiet })
    }
}

impl Protocol for MarketStreams {
    type Frame = MarketReport;

    fn hello(&mut self, _venue_now: UtcMs) -> Vec<Hello> {
        let mut requests = Vec::new();
        for names in self.names.chunks(STREAMS_PER_REQUEST) {
            let id = self.next_id;
            self.next_id += 1;
            let text = json!({"method": "SUBSCRIBE", "params": names, "id": id}).to_string();
            requests.push(Hello { id, text });
        }
        requests
    }

    fn read(&self, text: &str) -> Result<Said<MarketReport>, String> {
        Ok(match decode_market(text.as_bytes())? {
            MarketFrame::Kline(event) => Said::Data(map::kline_event(&event)?),
            MarketFrame::Answer(answer) => said(answer),
            MarketFrame::Shutdown => Said::Ending("the venue restarts".to_owned()),
            MarketFrame::Other(name) => Said::Data(MarketReport::Other { name }),
        })
    }

    fn quiet(&self) -> Option<i64> {
        self.quiet
    }
}

/// The account's events, on the WebSocket API.
#[derive(Debug)]
pub struct UserStream {
    key: ApiKey,
    recv_window: i64,
    next_id: u64,
}

impl UserStream {
    /// Events of the account of `key`; `recv_window` in milliseconds.
    #[must_use]
    pub fn new(key: ApiKey, recv_window: i64) -> Self {
        UserStream { key, recv_window, next_id: 1 }
    }
}

impl Protocol for UserStream {
    type Frame = AccountReport;

    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello> {
        let id = self.next_id;
        self.next_id += 1;
        let params = [
            ("apiKey", self.key.key.expose().to_owned()),
            ("recvWindow", self.recv_window.to_string()),
            ("timestamp", venue_now.to_string()),
        ];
        let signature = sign_ws(&self.key, &params);
        let text = json!({
            "id": id.to_string(),
            "method": "userDataStream.subscribe.signature",
            "params": {
                "apiKey": self.key.key.expose(),
                "recvWindow": self.recv_window,
                "timestamp": venue_now,
                "signature": signature,
            },
        });
        vec![Hello { id, text: text.to_string() }]
    }

    fn read(&self, text: &str) -> Result<Said<AccountReport>, String> {
        Ok(match decode_user(text.as_bytes())? {
            UserFrame::Execution(event) => {
                Said::Data(AccountReport::Order(Box::new(map::execution_report(&event)?)))
            }
            UserFrame::Position(event) => Said::Data(map::account_position(event)),
            UserFrame::List(_) => {
                Said::Data(AccountReport::Other { name: "listStatus".to_owned() })
            }
            UserFrame::Answer(answer) => said(answer),
            UserFrame::Terminated => Said::Over("the venue ended the subscription".to_owned()),
            UserFrame::Shutdown => Said::Ending("the venue restarts".to_owned()),
            UserFrame::Other(name) => Said::Data(AccountReport::Other { name }),
        })
    }
}

fn said<F>(answer: Answer) -> Said<F> {
    let Answer { id, status, error } = answer;
    let outcome = match error {
        Some(body) => {
            let error = error::of_error(Kind::Read, status, body);
            let again = match error.class {
                ErrorClass::Halt | ErrorClass::Refused { again: false } => false,
                ErrorClass::NotSent
                | ErrorClass::Unknown
                | ErrorClass::Absent
                | ErrorClass::Refused { again: true }
                | ErrorClass::RateLimited { .. } => true,
            };
            Err(Refusal { why: error.to_string(), again })
        }
        None if (200..300).contains(&status) => Ok(()),
        None => Err(Refusal { why: format!("status {status}"), again: status >= 500 }),
    };
    Said::Answer { id, outcome }
}
