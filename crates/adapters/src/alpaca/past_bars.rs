//! The client: bars in as many pages as it takes, and one request for the rules of each symbol.

use super::splits;
use super::wire::{self, Asset, LatestTrade, Page};
use super::{HEADERS, Key, PUBLIC, TRADING};
use crate::PastBars;
use crate::bar_rows::Rows;
use crate::keyed::{Budget, Keyed, Parts, percent_encode, ticker};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::money::Decimal;
use everwarm_domain::secret::Secret;
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_venue::Opening;
use everwarm_venue::clock::Wall;
use everwarm_venue::port::{Bars, ErrorClass, Pending, VenueError};
use everwarm_venue::source::{BarRange, SourceCapabilities};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Most bars of one response.
pub(super) const PAGE: u16 = 10_000;
/// Its widths with bars that open on the UTC grid. Its days open at midnight of New York, and its
/// bars of 4 hours are not documented to open at 00:00 UTC all year.
pub(super) const WIDTHS: [Timeframe; 4] =
    [Timeframe::M1, Timeframe::M5, Timeframe::M15, Timeframe::H1];
/// The feed of all exchanges.
const ALL_EXCHANGES: &str = "sip";
/// How long after its end a bar is requested, milliseconds of our clock. A free plan has the bars
/// of all exchanges once they are 15 minutes old.
const SETTLES: UtcMs = 16 * MINUTE;
/// Requests of a minute, by its documentation. Its responses report the limit of larger plans.
const BUDGET: Budget =
    Budget { usual: 200, after_rejection: None, back_off_ms: 20_000, longest: usize::MAX };

struct Inner {
    data: String,
    /// The exchanges whose trades its bars have: `sip` for all of them, `iex` for one.
    feed: String,
    /// Where it has the rules of symbols.
    trading: Vec<String>,
    keyed: Keyed,
}

/// A client. Clones share connections and the count of requests.
#[derive(Clone)]
pub(super) struct Client(Arc<Inner>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("data", &self.0.data).finish_non_exhaustive()
    }
}

/// Makes a client. It makes no connection.
///
/// # Errors
/// The TLS set-up of this machine cannot be used, or a part of the key is missing.
pub(super) fn open(
    address: &str,
    keys: &[Secret],
    opening: Opening,
) -> Result<Arc<dyn PastBars>, String> {
    let [id, secret] = keys else { return Err("a key has two parts".to_owned()) };
    let key = Key { id: id.clone(), secret: secret.clone() };
    let data = address.trim_end_matches('/').to_owned();
    let is_usual = data == PUBLIC.address;
    let trading = if is_usual { TRADING.map(str::to_owned).into() } else { vec![data.clone()] };
    Ok(Arc::new(Client::new(data, trading, ALL_EXCHANGES, &key, opening.wall)?))
}

impl Client {
    /// A client of the bars of one feed. It makes no connection.
    ///
    /// # Errors
    /// The TLS set-up of this machine cannot be used.
    pub(super) fn new(
        data: String,
        trading: Vec<String>,
        feed: &str,
        key: &Key,
        wall: Wall,
    ) -> Result<Client, String> {
        let keys = [key.id.clone(), key.secret.clone()];
        let headers = HEADERS.into_iter().zip(keys.clone()).collect();
        let source = (PUBLIC.name, PUBLIC.key, &*data);
        let keyed = Keyed::new(source, headers, &keys, (wall, BUDGET))?;
        Ok(Client(Arc::new(Inner { data, feed: feed.to_owned(), trading, keyed })))
    }

    /// The price of the last trade of its feed.
    ///
    /// # Errors
    /// As every read.
    pub(super) async fn last_price(&self, symbol: Symbol) -> Result<Decimal, VenueError> {
        let Inner { data, feed, keyed, .. } = &*self.0;
        let name = ticker(&symbol).ok_or_else(|| keyed.wrong(&wire::no_stock(symbol)))?;
        let url = format!("{data}/v2/stocks/{name}/trades/latest?feed={feed}");
        let latest: LatestTrade = keyed.get("latest trade", &url).await?;
        latest.price().map_err(|why| keyed.wrong(&why))
    }

    /// At most a page of bars.
    ///
    /// # Errors
    /// As every read.
    pub(super) async fn page(&self, range: BarRange) -> Result<Bars, VenueError> {
        let Inner { data, feed, keyed, .. } = &*self.0;
        let asked = wire::query(&range, feed).map_err(|why| keyed.wrong(&why))?;
        let first = format!("{data}/v2/stocks/bars?{asked}&limit={PAGE}");
        let mut url = first.clone();
        let (mut rows, mut parts) = (Rows::of(&range), Parts::default());
        loop {
            let page: Page = keyed.get("stock bars", &url).await?;
            let before = rows.count();
            let token = wire::add(&mut rows, &range, page).map_err(|why| keyed.wrong(&why))?;
            let grew = rows.count() > before;
            let token = parts.next(token, grew).map_err(|why| keyed.wrong(&why))?;
            let Some(token) = token.filter(|_| rows.count() < PAGE.into()) else {
                return Ok(rows.into_bars());
            };
            url = format!("{first}&page_token=");
            percent_encode(&token, &mut url);
        }
    }

    /// The splits of a symbol with an ex-date in these days, by day.
    ///
    /// # Errors
    /// As every read.
    pub(super) async fn splits(
        &self,
        symbol: Symbol,
        days: &RangeInclusive<i64>,
    ) -> Result<Vec<Split>, VenueError> {
        let Inner { data, keyed, .. } = &*self.0;
        let asked = splits::query(symbol, days).map_err(|why| keyed.wrong(&why))?;
        let first = format!("{data}/v1/corporate-actions?{asked}");
        let mut url = first.clone();
        let (mut found, mut parts) = (Vec::new(), Parts::default());
        loop {
            let page: splits::Page = keyed.get("corporate actions", &url).await?;
            let before = found.len();
            let token = splits::add(&mut found, (symbol, days), page);
            let token = token.map_err(|why| keyed.wrong(&why))?;
            let token = parts.next(token, found.len() > before).map_err(|why| keyed.wrong(&why))?;
            let Some(token) = token else {
                found.sort_by_key(|split| split.ex_day);
                return Ok(found);
            };
            url = format!("{first}&page_token=");
            percent_encode(&token, &mut url);
        }
    }

    async fn all_rules(&self, symbols: Vec<Symbol>) -> Result<Vec<SymbolRules>, VenueError> {
        let Inner { trading, keyed, .. } = &*self.0;
        let mut hosts = trading.iter();
        let mut host = hosts.next();
        let mut rules = Vec::new();
        for symbol in symbols {
            let Some(name) = ticker(&symbol) else { continue };
            loop {
                let Some(at) = host else {
                    // A key of market data alone may not ask for rules.
                    rules.push(wire::usual_rules(symbol));
                    break;
                };
                match keyed.get::<Asset>("asset", &format!("{at}/v2/assets/{name}")).await {
                    Ok(asset) => {
                        let found = wire::rules(symbol, &asset);
                        rules.extend(found.map_err(|why| keyed.wrong(&why))?);
                        break;
                    }
                    Err(e) if e.class == ErrorClass::Absent => break,
                    Err(e) if e.class == ErrorClass::Halt => host = hosts.next(),
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(rules)
    }
}

impl PastBars for Client {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            widths: &WIDTHS,
            page: PAGE,
            depth: None,
            volume: true,
            settles: SETTLES,
            per_connection: 0,
            per_minute: 160,
        }
    }

    fn bars(&self, range: BarRange) -> Pending<Bars> {
        let it = self.clone();
        Box::pin(async move { it.page(range).await })
    }

    fn now(&self) -> Pending<UtcMs> {
        let now = self.0.keyed.now();
        Box::pin(async move { Ok(now) })
    }

    fn rules(&self, symbols: Vec<Symbol>) -> Pending<Vec<SymbolRules>> {
        let it = self.clone();
        Box::pin(async move { it.all_rules(symbols).await })
    }
}
