//! What all steps share: requests to both hosts, the state of the market, and our orders.

use super::super::client::encoded;
use super::super::hosts::Hosts;
use super::super::trading_wire;
use super::super::wire::{LatestTrade, instant};
use super::super::{HEADERS, Key, map};
use crate::json::decode;
use crate::keyed::ticker;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::{ReportSource, Side};
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use everwarm_venue::conformance::check::{Answer, Check, Errors, Stop, field, not_tried};
use everwarm_venue::conformance::walk::Base;
use everwarm_venue::conformance::wire::Request;
use everwarm_venue::transport::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The form of the venue's errors.
const ERRORS: Errors = Errors { text: "message", lacking: (FORBIDDEN, "insufficient") };
/// The code of an order that the account cannot pay.
pub(super) const FORBIDDEN: i64 = 40_310_000;
/// Queries until the venue shows what it did, and the wait between two.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);
/// The path of orders.
const ORDERS: &str = "/v2/orders";
/// The statuses of an order that the venue has just accepted.
const NEW: [&str; 3] = ["accepted", "new", "pending_new"];

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Orders and the account.
    Trading,
    /// Market data.
    Data,
}

/// The venue's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub now: UtcMs,
    pub is_open: bool,
    pub next_open: UtcMs,
    pub next_close: UtcMs,
}

/// An order that the venue has.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Our id.
    pub id: String,
    pub venue_id: String,
}

/// The terms of an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub side: Side,
    pub kind: &'static str,
    pub lifetime: &'static str,
    pub limit: Option<Decimal>,
    pub stop: Option<Decimal>,
}

impl Terms {
    /// A market order of this session.
    pub(super) fn market(side: Side) -> Terms {
        Terms { side, kind: "market", lifetime: "day", limit: None, stop: None }
    }

    /// A purchase at a limit, until it is cancelled.
    pub(super) fn limit(price: Decimal) -> Terms {
        let (side, limit) = (Side::Buy, Some(price));
        Terms { side, kind: "limit", lifetime: "gtc", limit, stop: None }
    }
}

/// A walk in progress.
pub(super) struct Walk {
    pub base: Base,
    /// None if a record is played.
    pub key: Option<Key>,
    pub hosts: Hosts,
    /// Whether the market was open at the last look at the clock.
    pub is_open: bool,
    /// The next page of past bars: its token, the opening time of the last bar before it, and the
    /// end of the range.
    pub next_page: Option<(String, UtcMs, UtcMs)>,
    /// A limit order that rests.
    pub resting: Option<Placed>,
    /// An order that was cancelled.
    pub cancelled: Option<Placed>,
    /// The market order that was filled.
    pub filled: Option<Placed>,
    /// Whether a share of this walk may be sold.
    pub holds: bool,
}

impl Walk {
    pub(super) fn new(base: Base, hosts: Hosts, key: Option<Key>) -> Walk {
        Walk {
            base,
            key,
            hosts,
            is_open: false,
            next_page: None,
            resting: None,
            cancelled: None,
            filled: None,
            holds: false,
        }
    }

    /// The parts of the key; empty if a record is played.
    pub(super) fn parts(&self) -> [Secret; 2] {
        let parts = self.key.as_ref().map(|Key { id, secret }| [id, secret].map(Secret::clone));
        parts.unwrap_or_else(|| [Secret::new(""), Secret::new("")])
    }

    /// One request with this secret in place of the account's, if one is given.
    pub(super) async fn request(
        &mut self,
        (host, method, path): (Host, Method, &str),
        (query, body): (String, String),
        secret: Option<Secret>,
    ) -> Result<Answer, Stop> {
        let [id, own] = self.parts();
        let is_own = secret.is_none();
        let secret = secret.unwrap_or(own);
        let keys = [(HEADERS[0], &id), (HEADERS[1], &secret)];
        let base = match host {
            Host::Trading => &self.hosts.rest,
            Host::Data => &self.hosts.data,
        };
        let request = Request { base, method, path, query, keys: &keys, body };
        let answer = Answer::of(self.base.http(request).await?, ERRORS);
        let status = answer.http.status;
        // Orders are refused with 403, too. Market data may be missing in the plan.
        let is_key = status == 401 || (status == 403 && method == Method::Get);
        if is_own && is_key && host == Host::Trading {
            self.base.refused = Some(format!("{}: {}", answer.http.request, answer.summary()));
        }
        Ok(answer)
    }

    /// A read.
    pub(super) async fn get(
        &mut self,
        host: Host,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Stop> {
        let parameter = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
        let query = parameters.iter().map(parameter).collect::<Vec<_>>().join("&");
        self.request((host, Method::Get, path), (query, String::new()), None).await
    }

    /// Reads the venue's clock.
    pub(super) async fn clock(&mut self) -> Result<Clock, Stop> {
        let of = "GET /v2/clock";
        let body = self.get(Host::Trading, "/v2/clock", &[]).await?.good()?;
        let mut check = Check::new();
        let [now, next_open, next_close] = ["timestamp", "next_open", "next_close"]
            .map(|name| time(&mut check, of, &body, name).unwrap_or_default());
        let open = body.get("is_open").and_then(Value::as_bool);
        let what = format!("\"is_open\" of {of}");
        check.holds(open.is_some(), what, "true or false", field(&body, "is_open"));
        check.end("")?;
        self.is_open = open.unwrap_or_default();
        Ok(Clock { now, is_open: self.is_open, next_open, next_close })
    }

    /// Ends a step that needs an open market.
    pub(super) async fn needs_open(&mut self) -> Result<(), Stop> {
        if self.clock().await?.is_open { Ok(()) } else { Err(not_tried("market closed")) }
    }

    /// The symbol as a part of a path.
    pub(super) fn name(&self) -> Result<String, Stop> {
        let name = ticker(&self.base.symbol).map(str::to_owned);
        let symbol = self.base.symbol;
        name.ok_or_else(|| not_tried(format!("{symbol} is not the symbol of a stock")))
    }

    /// The response about the last trade.
    pub(super) async fn last_trade(&mut self) -> Result<Answer, Stop> {
        let path = format!("/v2/stocks/{}/trades/latest", self.name()?);
        let feed = self.hosts.feed().to_owned();
        self.get(Host::Data, &path, &[("feed", &feed)]).await
    }

    /// `per_mille` of the price of the last trade, on a step of prices.
    pub(super) async fn level(&mut self, per_mille: i64) -> Result<Decimal, Stop> {
        let answer = self.last_trade().await?;
        let trade = decode::<LatestTrade>("last trade", answer.http.body.as_bytes());
        let price = trade.and_then(LatestTrade::price);
        let price = price.map_err(|_| not_tried("the price of the symbol is not known"))?;
        let level = price * Decimal::new(per_mille, 3);
        Ok(floor_to_step(level, step(level)))
    }

    /// Places an order of one share, or what `more` says.
    pub(super) async fn place_with(
        &mut self,
        id: &str,
        terms: &Terms,
        more: &[(&str, &str)],
    ) -> Result<Answer, Stop> {
        let more = more.iter().map(|(name, value)| (*name, Value::from(*value)));
        let more: Vec<(&str, Value)> = more.collect();
        self.place_as(id, terms, &more).await
    }

    /// As [`Walk::place_with`], with members of any kind.
    pub(super) async fn place_as(
        &mut self,
        id: &str,
        terms: &Terms,
        more: &[(&str, Value)],
    ) -> Result<Answer, Stop> {
        let Terms { side, kind, lifetime, limit, stop } = *terms;
        let mut body = Map::new();
        let mut set = |name: &str, value: &str| body.insert(name.to_owned(), value.into());
        for (name, value) in [
            ("symbol", self.base.symbol.as_str()),
            ("qty", "1"),
            ("side", side_word(side)),
            ("type", kind),
            ("time_in_force", lifetime),
            ("client_order_id", id),
        ] {
            set(name, value);
        }
        for (name, price) in [("limit_price", limit), ("stop_price", stop)] {
            if let Some(price) = price {
                set(name, &price.normalize().to_string());
            }
        }
        for (name, value) in more {
            body.insert((*name).to_owned(), value.clone());
        }
        self.base.expect_order(id, side);
        let body = Value::Object(body).to_string();
        let (target, parts) = ((Host::Trading, Method::Post, ORDERS), (String::new(), body));
        let answer = self.request(target, parts, None).await?;
        if (400..500).contains(&answer.http.status) {
            // An order that is refused has no fills.
            self.base.orders.pop();
        }
        Ok(answer)
    }

    /// Places an order of one share. It must be accepted.
    pub(super) async fn place(
        &mut self,
        id: &str,
        terms: &Terms,
        check: &mut Check,
    ) -> Result<Placed, Stop> {
        let body = self.place_with(id, terms, &[]).await?.good()?;
        let of = "the response to POST /v2/orders";
        let status = field(&body, "status");
        let known = NEW.map(|status| format!("{status:?}"));
        let is_new = known.contains(&status) || terms.kind == "market";
        check.holds(is_new, format!("\"status\" of {of}"), known.join(" or "), status);
        self.order(check, of, &body, (id, terms));
        let venue_id = body.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Placed { id: id.to_owned(), venue_id })
    }

    /// Checks the fields of an order.
    pub(super) fn order(
        &self,
        check: &mut Check,
        of: &str,
        order: &Value,
        (id, terms): (&str, &Terms),
    ) {
        for (name, expected) in [
            ("client_order_id", id),
            ("symbol", self.base.symbol.as_str()),
            ("asset_class", "us_equity"),
            ("side", side_word(terms.side)),
            ("type", terms.kind),
            ("time_in_force", terms.lifetime),
        ] {
            check.text(of, order, name, expected);
        }
        check.amount(of, order, "qty", Decimal::ONE);
        check.decimal(of, order, "filled_qty");
        for (name, price) in [("limit_price", terms.limit), ("stop_price", terms.stop)] {
            match price {
                Some(price) => check.amount(of, order, name, price),
                None => check.same(format!("{name:?} of {of}"), "null", field(order, name)),
            }
        }
        for name in ["created_at", "updated_at", "submitted_at"] {
            time(check, of, order, name);
        }
        let read = decode::<trading_wire::Order>("order", order.to_string().as_bytes());
        let read = read.and_then(|order| map::report(ReportSource::Query, &order, Vec::new()));
        if let Err(why) = read {
            check.differs(of, "readable for the daemon", why);
        }
    }

    /// Requests the cancel of an order.
    pub(super) async fn cancel(&mut self, venue_id: &str) -> Result<Answer, Stop> {
        let path = format!("{ORDERS}/{}", encoded(venue_id));
        let target = (Host::Trading, Method::Delete, &path[..]);
        self.request(target, (String::new(), String::new()), None).await
    }

    /// Requests another limit for an order, which gets another id of ours.
    pub(super) async fn replace(
        &mut self,
        order: &Placed,
        (id, limit): (&str, Decimal),
    ) -> Result<Answer, Stop> {
        let path = format!("{ORDERS}/{}", encoded(&order.venue_id));
        let limit = limit.normalize().to_string();
        let body = json!({"limit_price": limit, "client_order_id": id}).to_string();
        self.base.expect_order(id, Side::Buy);
        let target = (Host::Trading, Method::Patch, &path[..]);
        let answer = self.request(target, (String::new(), body), None).await?;
        if (400..500).contains(&answer.http.status) {
            self.base.orders.pop();
        }
        Ok(answer)
    }

    /// Queries an order by our id.
    pub(super) async fn query(&mut self, id: &str) -> Result<Answer, Stop> {
        let path = "/v2/orders:by_client_order_id";
        self.get(Host::Trading, path, &[("client_order_id", id)]).await
    }

    /// Queries an order by our id until it has this status, or for some seconds.
    pub(super) async fn query_until(&mut self, id: &str, status: &str) -> Result<Value, Stop> {
        let mut body = self.query(id).await?.good()?;
        for _ in 1..TRIES {
            if body.get("status").and_then(Value::as_str) == Some(status) {
                break;
            }
            self.base.wire.pause(WAIT).await;
            body = self.query(id).await?.good()?;
        }
        Ok(body)
    }

    /// Orders by status: those of all symbols, or of that of this walk.
    pub(super) async fn orders(&mut self, status: &str, everywhere: bool) -> Result<Value, Stop> {
        let symbol = self.base.symbol;
        let mut query = vec![("status", status), ("limit", "500")];
        if !everywhere {
            query.push(("symbols", symbol.as_str()));
        }
        self.get(Host::Trading, ORDERS, &query).await?.good()
    }
}

/// The step of prices at a price.
fn step(price: Decimal) -> Decimal {
    Decimal::new(1, if price < Decimal::ONE { 4 } else { 2 })
}

/// The venue's name of a side.
pub(super) fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// A field with a time, UTC milliseconds.
pub(super) fn time(check: &mut Check, of: &str, value: &Value, name: &str) -> Option<UtcMs> {
    let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = instant(text).ok();
    let what = format!("{name:?} of {of}");
    check.holds(time.is_some(), what, "a time of RFC 3339", field(value, name));
    time
}

/// A field with a decimal, or zero.
pub(super) fn amount(value: &Value, name: &str) -> Decimal {
    let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
    everwarm_domain::money::parse_decimal(text).unwrap_or_default()
}

/// The message that shows the key to the market stream.
pub(super) fn log_on([id, secret]: &[Secret; 2]) -> Value {
    json!({"action": "auth", "key": id.expose(), "secret": secret.expose()})
}
