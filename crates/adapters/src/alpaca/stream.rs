//! Messages on Alpaca's websockets: bars of minutes, and the events of the account.
//!
//! Both streams first accept the key and then the subscription, in this order. Neither names the
//! request that it answers.

use super::Key;
use super::map;
use super::trading_wire::AccountMessage;
use super::wire::{instant, short};
use crate::bar_rows::{RowDecimal, bar, number};
use crate::json::decode;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::ReportSource;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_venue::port::{AccountReport, MarketReport};
use everwarm_venue::session::{Hello, Parsed, Protocol, Refusal};
use everwarm_venue::source::Followed;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// The stream of the events of the account.
const UPDATES: &str = "trade_updates";
/// Number of the request that shows the key.
const AUTHENTICATE: u64 = 1;
/// Number of the requests that subscribe.
const SUBSCRIBE: u64 = 2;
/// Most events of one message.
const EVENTS_MAX: usize = 10_000;
/// Wait after a rejection because another connection is open, milliseconds. The venue may need a
/// minute to notice that it has ended.
const OTHER_CONNECTION: u64 = 10_000;

/// Bars of the minutes of a set of symbols, which may change.
#[derive(Debug)]
pub(super) struct BarStream {
    key: Key,
    wanted: Followed,
    most: usize,
    /// The symbols of the last subscription.
    asked: BTreeSet<Symbol>,
}

impl BarStream {
    /// Bars of the first `most` of the wanted symbols.
    pub(super) fn new(key: Key, wanted: Followed, most: usize) -> BarStream {
        BarStream { key, wanted, most, asked: BTreeSet::new() }
    }

    fn wanted_now(&mut self) -> BTreeSet<Symbol> {
        self.wanted.borrow_and_update().iter().take(self.most).copied().collect()
    }
}

fn bars_of<'a>(action: &str, symbols: impl Iterator<Item = &'a Symbol>) -> Option<Hello> {
    let names: Vec<&str> = symbols.map(Symbol::as_str).collect();
    let text = json!({"action": action, "bars": names}).to_string();
    (!names.is_empty()).then_some(Hello { id: SUBSCRIBE, text })
}

/// The kind of an event.
#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "T")]
    kind: String,
}

/// A bar of a minute.
#[derive(Deserialize)]
struct Bar {
    #[serde(rename = "S")]
    symbol: String,
    t: String,
    #[serde(deserialize_with = "number")]
    o: RowDecimal,
    #[serde(deserialize_with = "number")]
    h: RowDecimal,
    #[serde(deserialize_with = "number")]
    l: RowDecimal,
    #[serde(deserialize_with = "number")]
    c: RowDecimal,
    #[serde(deserialize_with = "number")]
    v: RowDecimal,
}

#[derive(Deserialize)]
struct Notice {
    #[serde(default)]
    msg: String,
    #[serde(default)]
    code: u16,
}

impl Protocol for BarStream {
    type Frame = MarketReport;

    fn hello(&mut self, _venue_now: UtcMs) -> Vec<Hello> {
        let Key { id, secret } = &self.key;
        let text = json!({"action": "auth", "key": id.expose(), "secret": secret.expose()});
        vec![Hello { id: AUTHENTICATE, text: text.to_string() }]
    }

    fn then(&mut self, answered: u64) -> Vec<Hello> {
        if answered != AUTHENTICATE {
            return Vec::new();
        }
        self.asked = self.wanted_now();
        bars_of("subscribe", self.asked.iter()).into_iter().collect()
    }

    /// Before the key is accepted, the venue rejects subscriptions.
    fn takes_turns(&self, under_way: &BTreeSet<u64>) -> bool {
        !under_way.contains(&AUTHENTICATE)
    }

    /// The venue accepts one connection for each account.
    fn rotates(&self) -> bool {
        false
    }

    /// It is silent while no exchange is open.
    fn pings(&self) -> bool {
        true
    }

    fn turn(&mut self) -> Vec<Hello> {
        let wanted = self.wanted_now();
        let before = std::mem::replace(&mut self.asked, wanted.clone());
        let more = bars_of("subscribe", wanted.difference(&before));
        more.into_iter().chain(bars_of("unsubscribe", before.difference(&wanted))).collect()
    }

    async fn turned(&mut self) {
        if self.wanted.changed().await.is_err() {
            // The sender has ended, so nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    fn read(&self, text: &str) -> Result<Parsed<MarketReport>, String> {
        let events: Vec<Box<RawValue>> = decode("market message", text.as_bytes())?;
        if events.len() > EVENTS_MAX {
            return Err(format!("a message of {} events", events.len()));
        }
        let parsed: Result<Vec<_>, String> = events.iter().map(|raw| event(raw)).collect();
        Ok(Parsed::Many(parsed?))
    }
}

fn event(raw: &RawValue) -> Result<Parsed<MarketReport>, String> {
    let bytes = raw.get().as_bytes();
    let tag: Tag = decode("market event", bytes)?;
    let done = |id| Parsed::Answer { id: Some(id), outcome: Ok(()) };
    Ok(match tag.kind.as_str() {
        "b" => Parsed::Data(minute(&decode("bar", bytes)?)?),
        "subscription" => done(SUBSCRIBE),
        "success" => {
            let Notice { msg, .. } = decode("notice", bytes)?;
            if msg == "authenticated" {
                done(AUTHENTICATE)
            } else {
                Parsed::Answer { id: None, outcome: Ok(()) }
            }
        }
        "error" => {
            let Notice { msg, code } = decode("error", bytes)?;
            Parsed::Answer { id: None, outcome: Err(refusal(code, &msg)) }
        }
        other => Parsed::Data(MarketReport::Other { name: short(other) }),
    })
}

/// The meaning of an error of the market stream:
/// <https://docs.alpaca.markets/docs/streaming-market-data#errors>.
fn refusal(code: u16, msg: &str) -> Refusal {
    let why = format!("{} ({code})", short(msg));
    // 402: wrong key. 405: too many symbols. 409, 410: the plan or the feed lacks them.
    let again = !matches!(code, 402 | 405 | 409 | 410);
    let wait_ms = (code == 406).then_some(OTHER_CONNECTION);
    Refusal { why, again, wait_ms }
}

fn minute(row: &Bar) -> Result<MarketReport, String> {
    let symbol = Symbol::new(&row.symbol)?;
    let open = instant(&row.t).map_err(|why| format!("bar of {symbol}: {why}"))?;
    let timeframe = Timeframe::M1;
    if timeframe.open_of(open) != open {
        return Err(format!("bar of {symbol}: no minute begins at {}", short(&row.t)));
    }
    Ok(match bar(symbol, open, [&row.o, &row.h, &row.l, &row.c], &row.v) {
        // The message has no time. It comes after the end of the minute.
        Ok(bar) => MarketReport::Bar { bar, timeframe, closed: true, time: open + MINUTE },
        Err(unheld) => MarketReport::Unheld(unheld),
    })
}

/// Whether a connection with these streams gets no events of the account.
fn lacks_updates(streams: &[String]) -> bool {
    !streams.iter().any(|name| name == UPDATES)
}

/// The events of the account.
#[derive(Debug)]
pub(super) struct AccountStream {
    key: Key,
}

impl AccountStream {
    pub(super) fn new(key: Key) -> AccountStream {
        AccountStream { key }
    }
}

impl Protocol for AccountStream {
    type Frame = AccountReport;

    fn hello(&mut self, _venue_now: UtcMs) -> Vec<Hello> {
        let Key { id, secret } = &self.key;
        let data = json!({"key_id": id.expose(), "secret_key": secret.expose()});
        let text = json!({"action": "authenticate", "data": data}).to_string();
        vec![Hello { id: AUTHENTICATE, text }]
    }

    fn then(&mut self, answered: u64) -> Vec<Hello> {
        let text = json!({"action": "listen", "data": {"streams": [UPDATES]}});
        let hello = Hello { id: SUBSCRIBE, text: text.to_string() };
        if answered == AUTHENTICATE { vec![hello] } else { Vec::new() }
    }

    /// It is silent while no order changes.
    fn pings(&self) -> bool {
        true
    }

    fn read(&self, text: &str) -> Result<Parsed<AccountReport>, String> {
        let AccountMessage { stream, data } = decode("account message", text.as_bytes())?;
        let refused = |why: &str, again| Parsed::Answer {
            id: None,
            outcome: Err(Refusal { why: short(why), again, wait_ms: None }),
        };
        let other = |name: &str| Parsed::Data(AccountReport::Other { name: short(name) });
        Ok(match stream.as_str() {
            "authorization" if data.status.as_deref() == Some("authorized") => {
                Parsed::Answer { id: Some(AUTHENTICATE), outcome: Ok(()) }
            }
            "authorization" => refused(data.status.as_deref().unwrap_or("not authorized"), false),
            "listening" => match data.error {
                Some(error) => refused(&error, true),
                None if data.streams.as_deref().is_some_and(lacks_updates) => {
                    Parsed::Over("the venue ended the subscription".to_owned())
                }
                None => Parsed::Answer { id: Some(SUBSCRIBE), outcome: Ok(()) },
            },
            // The fills of the stream have other ids than those of the records. The report says how
            // much is filled, so the fills are queried.
            UPDATES => match data.order {
                Some(mut order) => {
                    order.updated_at = data.timestamp.or(order.updated_at);
                    let report = map::report(ReportSource::Stream, &order, Vec::new())?;
                    Parsed::Data(AccountReport::Order(Box::new(report)))
                }
                None => other(data.event.as_deref().unwrap_or(UPDATES)),
            },
            name => other(name),
        })
    }
}
