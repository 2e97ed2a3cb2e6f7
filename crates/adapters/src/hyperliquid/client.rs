//! The client: one request for a page of bars, one for the rules of all contracts.

use super::wire::{self, Candle, Meta};
use crate::PastBars;
use crate::admission::admitted;
use crate::json::decode;
use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::Opening;
use everwarm_venue::clock::Wall;
use everwarm_venue::port::{Bars, ErrorClass, Pending, VenueError};
use everwarm_venue::rate_limit::WeightLimit;
use everwarm_venue::source::{BarRange, SourceCapabilities};
use everwarm_venue::transport::{Http, HttpRequest, Method, Probe, READ_TIMEOUT, TransportError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bars of a width that it keeps, and of one response.
const PAGE: u16 = 5_000;
/// Weight of a minute for one address, by the page `rate-limits-and-user-limits` of its
/// documentation.
const WEIGHT: u32 = 1_200;
/// Weight of a request.
const REQUEST: u32 = 20;
/// Bars that cost one more weight.
const ROWS: i64 = 60;
/// How long after its end a bar is final, milliseconds of our clock: the source reports no time.
const SETTLES: UtcMs = 10_000;
/// How long to wait if it wants fewer requests and names no time, milliseconds.
const BACK_OFF_MS: u64 = 10_000;
/// Longest part of its text in an error, bytes.
const TEXT: usize = 200;

struct Inner {
    url: String,
    http: Http,
    wall: Wall,
    limit: Mutex<WeightLimit>,
    /// How it spells the symbols.
    coins: Mutex<BTreeMap<Symbol, String>>,
}

/// A client. Clones share connections and the count of weight.
#[derive(Clone)]
struct Client(Arc<Inner>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.0.url).finish_non_exhaustive()
    }
}

/// Makes a client. It makes no connection.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub(super) fn open(
    address: &str,
    _keys: &[Secret],
    opening: Opening,
) -> Result<Arc<dyn PastBars>, String> {
    let http = Http::new(address, Probe::default())?;
    let mut limit = WeightLimit::default();
    limit.set_limit(WEIGHT);
    // It reports no count of its own.
    limit.uncounted();
    let inner = Inner {
        url: format!("{}/info", address.trim_end_matches('/')),
        http,
        wall: opening.wall,
        limit: Mutex::new(limit),
        coins: Mutex::default(),
    };
    Ok(Arc::new(Client(Arc::new(inner))))
}

impl Client {
    fn now(&self) -> UtcMs {
        (self.0.wall)().utc()
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        weight: u32,
        body: Value,
    ) -> Result<T, VenueError> {
        admitted(&self.0.limit, || self.now(), weight).await?;
        let request = HttpRequest {
            method: Method::Post,
            url: &self.0.url,
            keys: &[],
            timeout: READ_TIMEOUT,
            body: body.to_string(),
        };
        let not_sent = |text: String| VenueError::new(ErrorClass::NotSent, 0, text);
        let answer = self.0.http.send(request).await.map_err(|error| match error {
            TransportError::NotSent(text) | TransportError::Unknown(text) => not_sent(text),
        })?;
        let text = || {
            let body = &answer.body[..answer.body.len().min(TEXT)];
            let text = clean(&String::from_utf8_lossy(body));
            format!("HTTP {}: {text}", answer.status)
        };
        match answer.status {
            200..=299 => decode(what, &answer.body).map_err(not_sent),
            429 => {
                let asked = answer.retry_after_s.map(|s| s.saturating_mul(1_000));
                let retry_after_ms = asked.unwrap_or(BACK_OFF_MS);
                self.limit().block(self.now(), retry_after_ms);
                Err(VenueError::new(ErrorClass::RateLimited { retry_after_ms }, 0, text()))
            }
            400..=499 => Err(VenueError::new(ErrorClass::Refused { again: false }, 0, text())),
            _ => Err(not_sent(text())),
        }
    }

    fn limit(&self) -> MutexGuard<'_, WeightLimit> {
        self.0.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn coin(&self, symbol: Symbol) -> String {
        let coins = self.0.coins.lock().unwrap_or_else(PoisonError::into_inner);
        coins.get(&symbol).cloned().unwrap_or_else(|| symbol.to_string())
    }

    async fn page(&self, range: BarRange) -> Result<Bars, VenueError> {
        let coin = self.coin(range.symbol);
        let width = range.timeframe.ms();
        let rows = (range.times.end() - range.times.start()) / width + 1;
        let rows = rows.clamp(0, PAGE.into());
        let weight = REQUEST + u32::try_from(rows / ROWS).unwrap_or(0);
        let asked = json!({
            "coin": coin,
            "interval": range.timeframe.name(),
            "startTime": range.times.start(),
            "endTime": range.times.end(),
        });
        let asked = json!({"type": "candleSnapshot", "req": asked});
        // It responds with null where it knows no such contract.
        let page: Option<Vec<Candle>> = self.ask("candleSnapshot", weight, asked).await?;
        let page = page.unwrap_or_default();
        let unreadable = |why| VenueError::new(ErrorClass::NotSent, 0, why);
        wire::bars(&range, &coin, &page).map_err(unreadable)
    }

    async fn all_rules(&self) -> Result<Vec<SymbolRules>, VenueError> {
        let meta: Meta = self.ask("meta", REQUEST, json!({"type": "meta"})).await?;
        let mut coins = self.0.coins.lock().unwrap_or_else(PoisonError::into_inner);
        for coin in &meta.universe {
            if let Some(symbol) = wire::symbol(&coin.name) {
                coins.insert(symbol, coin.name.clone());
            }
        }
        Ok(meta.universe.iter().filter_map(wire::rules).collect())
    }
}

impl PastBars for Client {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            widths: &Timeframe::ALL,
            page: PAGE,
            depth: None,
            volume: true,
            settles: SETTLES,
            per_connection: 0,
            per_minute: 9,
        }
    }

    fn bars(&self, range: BarRange) -> Pending<Bars> {
        let it = self.clone();
        Box::pin(async move { it.page(range).await })
    }

    fn now(&self) -> Pending<UtcMs> {
        let now = Client::now(self);
        Box::pin(async move { Ok(now) })
    }

    fn rules(&self, symbols: Vec<Symbol>) -> Pending<Vec<SymbolRules>> {
        let it = self.clone();
        Box::pin(async move {
            let mut rules = it.all_rules().await?;
            rules.retain(|rule| symbols.contains(&rule.symbol));
            Ok(rules)
        })
    }
}
