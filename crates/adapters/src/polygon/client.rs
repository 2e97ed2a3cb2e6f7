//! The client: bars in as many pages as it takes.

use super::wire::{self, Page};
use super::{ADDRESSES, PUBLIC};
use crate::PastBars;
use crate::bar_rows::Rows;
use crate::keyed::{Budget, Keyed, Parts, ticker};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_venue::Opening;
use everwarm_venue::port::{Bars, Pending, VenueError};
use everwarm_venue::source::{BarRange, SourceCapabilities};
use std::sync::Arc;

/// Most minutes that one response is made of, and bars of a request.
const PAGE: u16 = 50_000;
/// Its widths with bars that open on the UTC grid. It makes wider bars in the time of New York.
const WIDTHS: [Timeframe; 4] = [Timeframe::M1, Timeframe::M5, Timeframe::M15, Timeframe::H1];
/// How long after its end a bar is requested, milliseconds of our clock. Some plans have bars once
/// they are 15 minutes old.
const SETTLES: UtcMs = 16 * MINUTE;
/// Requests of a minute. Paid plans have no limit but 100 requests a second. It does not report the
/// limit of the free plan, but rejects the sixth request of a minute.
const BUDGET: Budget =
    Budget { usual: 6_000, after_rejection: Some(5), back_off_ms: 60_000, longest: usize::MAX };

struct Inner {
    address: String,
    /// Addresses that may name the next page.
    known: Vec<String>,
    keyed: Keyed,
}

/// A client. Clones share connections and the count of requests.
#[derive(Clone)]
struct Client(Arc<Inner>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.0.address).finish_non_exhaustive()
    }
}

/// Makes a client. It makes no connection.
///
/// # Errors
/// The TLS set-up of this machine cannot be used, or the key is missing.
pub(super) fn open(
    address: &str,
    keys: &[Secret],
    opening: Opening,
) -> Result<Arc<dyn PastBars>, String> {
    let [key] = keys else { return Err("a key has one part".to_owned()) };
    let bearer = Secret::new(&format!("Bearer {}", key.expose()));
    let headers = vec![("Authorization", bearer)];
    let address = address.trim_end_matches('/').to_owned();
    let is_usual = ADDRESSES.contains(&address.as_str());
    let known = if is_usual { ADDRESSES.map(str::to_owned).into() } else { vec![address.clone()] };
    let source = (PUBLIC.name, PUBLIC.key, &*address);
    let keyed = Keyed::new(source, headers, keys, (opening.wall, BUDGET))?;
    Ok(Arc::new(Client(Arc::new(Inner { address, known, keyed }))))
}

impl Client {
    async fn page(&self, range: BarRange) -> Result<Bars, VenueError> {
        let Inner { address, known, keyed } = &*self.0;
        let wrong = |why: String| keyed.wrong(&why);
        let series = wire::series(&range).map_err(wrong)?;
        let (from, to) = (range.times.start(), range.times.end());
        let asked = format!("adjusted=false&sort=asc&limit={PAGE}");
        let mut url = format!("{address}{series}{from}/{to}?{asked}");
        let (mut rows, mut parts) = (Rows::of(&range), Parts::default());
        loop {
            let page: Page = keyed.get("aggregates", &url).await?;
            if let Some(why) = wire::not_in_plan(&page) {
                return Err(keyed.not_in_plan(&why));
            }
            let before = rows.count();
            let next = wire::add(&mut rows, &range, page).map_err(wrong)?;
            let next = parts.next(next, rows.count() > before).map_err(wrong)?;
            let Some(next) = next.filter(|_| rows.count() < PAGE.into()) else {
                return Ok(rows.into_bars());
            };
            let path = wire::next_path(&next, known, &series).map_err(wrong)?;
            url = format!("{address}{path}");
        }
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
            per_minute: 4,
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

    /// It has no rules of symbols, so no request is spent on them.
    fn rules(&self, symbols: Vec<Symbol>) -> Pending<Vec<SymbolRules>> {
        let stocks = symbols.into_iter().filter(|symbol| ticker(symbol).is_some());
        let rules = stocks.map(wire::rules).collect();
        Box::pin(async move { Ok(rules) })
    }
}
