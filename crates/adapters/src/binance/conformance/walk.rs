//! What all steps share: the wire, the venue's clock, the account's events and our orders.

use crate::binance::hosts::Hosts;
use crate::binance::sign::{ApiKey, Query, sign_ws};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, floor_to_step, parse_decimal};
use everwarm_domain::order::Side;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use everwarm_venue::conformance::check::{Answer, Check, Errors, Stop, not_tried};
use everwarm_venue::conformance::walk::Base;
use everwarm_venue::conformance::wire::Request;
use everwarm_venue::transport::Method;
use serde_json::{Value, json};

/// The header with the key.
const KEY_HEADER: &str = "X-MBX-APIKEY";
/// How long a sample of the venue's clock is used, milliseconds of wall time.
const SAMPLE: UtcMs = 10_000;
/// A timestamp as far from the venue's clock as no tolerance reaches, milliseconds.
pub(super) const FAR: UtcMs = 36_000_000;

/// The form of the venue's errors.
const ERRORS: Errors = Errors { text: "msg", lacking: (-2010, "insufficient balance") };

/// How a request is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signing {
    /// Milliseconds that the timestamp is ahead of the venue's clock.
    pub ahead: UtcMs,
    /// Whether the signature is wrong.
    pub wrong: bool,
}

/// A walk in progress.
pub(super) struct Walk {
    pub base: Base,
    /// None if a record is played.
    pub key: Option<ApiKey>,
    pub hosts: Hosts,
    /// The rules of the symbol, once they are known.
    pub rules: Option<Instrument>,
    /// What `exchangeInfo` says about the symbol.
    pub info: Value,
    /// A limit order that rests, and the orders of the book after it.
    pub resting: Option<String>,
    pub replaced: Option<String>,
    /// The order that was filled first, with the venue's id of it.
    pub filled: Option<(String, i64)>,
    /// The order counts in the headers of the last accepted order.
    pub order_counts: Option<[Option<u32>; 2]>,
    sample: Option<(UtcMs, UtcMs)>,
}

impl Walk {
    pub(super) fn new(base: Base, (hosts, key): (Hosts, Option<ApiKey>)) -> Walk {
        Walk {
            base,
            key,
            hosts,
            rules: None,
            info: Value::Null,
            resting: None,
            replaced: None,
            filled: None,
            order_counts: None,
            sample: None,
        }
    }

    /// The venue's clock as of a sample: (its time, ours).
    pub(super) fn sampled(&mut self, server: UtcMs, ours: UtcMs) {
        self.sample = Some((server, ours));
    }

    /// A request to the market, without a key.
    pub(super) async fn get(&mut self, path: &str, query: Query) -> Result<Answer, Stop> {
        self.request(Method::Get, path, query.plain(), None).await
    }

    /// A signed request.
    pub(super) async fn signed(
        &mut self,
        method: Method,
        path: &str,
        query: Query,
    ) -> Result<Answer, Stop> {
        let answer = self.signed_as(method, path, query, Signing::default()).await?;
        if matches!(answer.code(), -1022 | -2014 | -2015) {
            self.base.refused = Some(format!("{}: {}", answer.http.request, answer.summary()));
        }
        Ok(answer)
    }

    /// A signed request whose signature or timestamp may be wrong.
    pub(super) async fn signed_as(
        &mut self,
        method: Method,
        path: &str,
        query: Query,
        Signing { ahead, wrong }: Signing,
    ) -> Result<Answer, Stop> {
        let stamp = self.venue_now().await? + ahead;
        let window = self.window();
        let key = self.key.clone();
        let query = match &key {
            None => query.plain(),
            Some(key) if wrong => {
                let other = ApiKey::hmac(key.key.clone(), Secret::new("wrong"));
                query.signed(&other, stamp, window)
            }
            Some(key) => query.signed(key, stamp, window),
        };
        self.request(method, path, query, key.as_ref().map(|key| &key.key)).await
    }

    /// How long a request may be on its way, milliseconds of venue time. Where time passes faster,
    /// requests age faster.
    fn window(&self) -> i64 {
        if self.base.head.pace > 1 { 60_000 } else { 5_000 }
    }

    /// One request.
    pub(super) async fn request(
        &mut self,
        method: Method,
        path: &str,
        query: String,
        key: Option<&Secret>,
    ) -> Result<Answer, Stop> {
        let key = key.map(|key| (KEY_HEADER, key));
        let (keys, body) = (key.as_slice(), String::new());
        let request = Request { base: &self.hosts.rest, method, path, query, keys, body };
        Ok(Answer::of(self.base.http(request).await?, ERRORS))
    }

    /// The venue's time now.
    pub(super) async fn venue_now(&mut self) -> Result<UtcMs, Stop> {
        let fresh = self.sample.filter(|(_, ours)| self.base.wire.now() - ours < SAMPLE);
        let (server, ours) = match fresh {
            Some(sample) => sample,
            None => self.read_clock().await?,
        };
        Ok(server + (self.base.wire.now() - ours) * UtcMs::from(self.base.head.pace))
    }

    /// Reads the venue's clock. Returns its time, and ours at the middle of the request.
    pub(super) async fn read_clock(&mut self) -> Result<(UtcMs, UtcMs), Stop> {
        let answer = self.get("/api/v3/time", Query::new()).await?;
        let middle = UtcMs::midpoint(answer.http.sent, self.base.wire.now());
        let mut check = Check::new();
        let body = answer.good()?;
        let Some(server) = check.integer("GET /api/v3/time", &body, "serverTime") else {
            return Err(check.end("").err().unwrap_or_else(|| not_tried("no time")));
        };
        self.sampled(server, middle);
        Ok((server, middle))
    }

    /// The rules of the symbol.
    pub(super) fn rules(&self) -> Result<Instrument, Stop> {
        self.rules.clone().ok_or_else(|| not_tried("the filters of the symbol are not known"))
    }

    /// The price of the last trade.
    pub(super) async fn last(&mut self) -> Result<Decimal, Stop> {
        let query = Query::new().with("symbol", self.base.symbol);
        let body = self.get("/api/v3/ticker/price", query).await?.good()?;
        let text = body.get("price").and_then(Value::as_str).unwrap_or_default();
        let price = parse_decimal(text).ok().filter(|price| *price > Decimal::ZERO);
        price.ok_or_else(|| not_tried("the price of the symbol is not known"))
    }

    /// `per_mille` of the last price, on the tick.
    pub(super) async fn level(&mut self, per_mille: i64) -> Result<Decimal, Stop> {
        let tick = self.rules()?.tick_size;
        let price = self.last().await? * Decimal::new(per_mille, 3);
        Ok(floor_to_step(price, tick))
    }

    /// The smallest quantity that the filters allow at `price`, with a margin of a tenth for a
    /// price that moves.
    pub(super) fn smallest(&self, price: Decimal) -> Result<Decimal, Stop> {
        let rules = self.rules()?;
        let step = rules.lot_size.max(rules.market_lot_size);
        let value = rules.min_notional * Decimal::new(11, 1);
        let least = (value / price).max(rules.min_quantity);
        let floor = floor_to_step(least, step);
        Ok(if floor < least { floor + step } else { floor })
    }

    /// Places an order with this id. Its parameters follow the symbol, the side and the id.
    pub(super) async fn place(
        &mut self,
        id: &str,
        side: Side,
        query: impl FnOnce(Query) -> Query,
    ) -> Result<Answer, Stop> {
        let head = Query::new().with("symbol", self.base.symbol).with("side", side_word(side));
        let query = query(head).with("newClientOrderId", id);
        self.base.expect_order(id, side);
        let answer = self.signed(Method::Post, "/api/v3/order", query).await?;
        let refused = (400..500).contains(&answer.http.status) && answer.code() != 0;
        if answer.http.status == 200 {
            self.order_counts = Some([answer.http.orders_short, answer.http.orders_day]);
        } else if refused {
            // An order that is refused has no fills.
            self.base.orders.pop();
        }
        Ok(answer)
    }

    /// Cancels an order by our id.
    pub(super) async fn cancel(&mut self, id: &str) -> Result<Answer, Stop> {
        let query = Query::new().with("symbol", self.base.symbol).with("origClientOrderId", id);
        self.signed(Method::Delete, "/api/v3/order", query).await
    }

    /// Queries an order by our id.
    pub(super) async fn query(&mut self, id: &str) -> Result<Answer, Stop> {
        let query = Query::new().with("symbol", self.base.symbol).with("origClientOrderId", id);
        self.signed(Method::Get, "/api/v3/order", query).await
    }

    /// The parameters of a subscription to the account's events, signed.
    pub(super) async fn subscription(&mut self, id: &str) -> Result<Value, Stop> {
        let now = self.venue_now().await?;
        let method = "userDataStream.subscribe.signature";
        let Some(key) = &self.key else { return Ok(json!({"id": id, "method": method})) };
        let (api_key, window) = (key.key.expose(), self.window());
        let params = [
            ("apiKey", api_key.to_owned()),
            ("recvWindow", window.to_string()),
            ("timestamp", now.to_string()),
        ];
        let signature = sign_ws(key, &params);
        let params = json!({
            "apiKey": api_key, "recvWindow": window, "timestamp": now, "signature": signature,
        });
        Ok(json!({"id": id, "method": method, "params": params}))
    }

    /// Sends a request on a websocket and waits for its response.
    pub(super) async fn ask(&mut self, socket: u32, request: Value) -> Result<Value, Stop> {
        let id = request.get("id").cloned().unwrap_or(Value::Null);
        let name = request.get("method").map_or_else(String::new, Value::to_string);
        let of_it = |message: &Value| (message.get("id") == Some(&id)).then(|| message.clone());
        self.base.ask(socket, (&name, &request), of_it).await
    }

    /// The field of the symbol in `exchangeInfo` that allows something.
    pub(super) fn allows(&self, field: &str) -> bool {
        self.info.get(field).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// The venue's name of a side.
pub(super) fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}
