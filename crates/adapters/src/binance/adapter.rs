//! Implements both ports with the client.

use super::client::{BinanceClient, Config, PAGE_MAX, STOP_ORDERS};
use super::hosts::Hosts;
use super::sign::ApiKey;
use super::stream::{PRIVATE_WEIGHT, STREAMS_MAX};
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::order::{Side, Validity};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::clock::SharedClock;
use everwarm_venue::link::{self, Wiring};
use everwarm_venue::port::{
    AccountReport, Bars, Carried, Hours, Listener, MarketReport, MayPlace, Pending, Report,
    Request, Sink, Venue, VenueError,
};
use everwarm_venue::rate_limit::ConnectionLimit;
use everwarm_venue::session::{Protocol, Session};
use everwarm_venue::source::{BarRange, Followed, Source, SourceCapabilities};
use everwarm_venue::{Opening, Ports, Probe};
use std::sync::Arc;
use std::time::Duration;

/// How long after its end a recorded bar is final, milliseconds.
const SETTLES: UtcMs = 1_500;
/// Wall time between two checks whether the count of weight is known.
const COUNT: Duration = Duration::from_millis(1);

/// The addresses and the key of an account.
#[derive(Clone, Debug)]
pub struct Access {
    /// The addresses of the venue.
    pub hosts: Hosts,
    /// Key of the account.
    pub key: ApiKey,
}

/// Makes both ports. It makes no connection.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub fn open(access: &Access, opening: Opening) -> Result<Ports, String> {
    let Access { hosts, key } = access.clone();
    let client = client(hosts, Some(key), opening)?;
    Ok(Ports { venue: Arc::new(client.clone()), source: Arc::new(client) })
}

/// A client. Without a key, it reads the market only. It makes no connection.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub(super) fn client(
    hosts: Hosts,
    key: Option<ApiKey>,
    opening: Opening,
) -> Result<BinanceClient, String> {
    let Opening { recv_window, clock, wall, note } = opening;
    let Hosts { rest, streams: stream, ws_api } = hosts;
    let probe = Probe::default();
    BinanceClient::new(Config { rest, stream, ws_api, key, recv_window, clock, wall, probe, note })
}

impl BinanceClient {
    /// Runs a session on connections that cost `weight` each.
    fn carry<P>(
        &self,
        (url, session): (String, Session<P>),
        weight: u32,
        listener: Listener,
        sink: Sink<P::Frame>,
    ) -> Carried
    where
        P: Protocol + Send + Sync + 'static,
        P::Frame: Send,
    {
        let client = self.clone();
        Box::pin(async move {
            // The reconciliation queries the count, so do not query it twice.
            while weight > 0 && !client.knows_count() {
                tokio::time::sleep(COUNT).await;
            }
            let Listener { now, dice, connections } = listener;
            let mut own = ConnectionLimit::share(connections);
            let limit = client.clone();
            let limited = move |ms| limit.limited(ms);
            let admit = move || client.admit_connection(&mut own, weight);
            link::carry(session, Wiring { url, now, dice, admit, limited }, sink).await;
        })
    }
}

impl Venue for BinanceClient {
    fn id(&self) -> VenueId {
        VenueId::Binance
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::market_and_limit()
    }

    fn stop_orders(&self) -> u32 {
        STOP_ORDERS
    }

    fn fewer_stop_orders(&self) -> Vec<(Symbol, u32)> {
        self.stop_order_limits()
    }

    fn pairs(&self) -> bool {
        true
    }

    fn request(&self, request: Request) -> Pending<Report> {
        let it = self.clone();
        Box::pin(async move {
            Ok(match request {
                Request::ServerTime => Report::ServerTime(it.server_time().await?),
                Request::Instruments { symbols } => {
                    Report::Instruments(it.instruments(&symbols).await?)
                }
                Request::Hours => Report::Hours(Hours::default()),
                Request::Days => Report::Days(it.days().await?),
                Request::LastPrice { symbol } => Report::Price(it.price(symbol).await?),
                // Its instruments are no stocks.
                Request::Splits { .. } => Report::Splits(Vec::new()),
                Request::Account => Report::Account(it.account().await?),
                Request::OpenOrders { symbol } => Report::OpenOrders(it.open_orders(symbol).await?),
                Request::OrderCounts => {
                    it.check_order_counts().await?;
                    Report::Done
                }
                Request::Place { intent, attempt } => {
                    Report::Order(Box::new(it.place(&intent, &attempt).await?))
                }
                Request::PlacePair { orders } => {
                    Report::Pair(Box::new(it.place_pair(&orders).await?))
                }
                Request::Cancel { symbol, client_id, stamp } => {
                    Report::Order(Box::new(it.cancel(symbol, &client_id, stamp).await?))
                }
                Request::CancelAll { symbol, stamp } => {
                    it.cancel_all(symbol, stamp).await?;
                    Report::Done
                }
                Request::FindOrder { symbol, client_id } => {
                    Report::Found(it.find_order(symbol, &client_id).await?.map(Box::new))
                }
                Request::ClientId { symbol, venue_order_id } => {
                    Report::ClientId(it.client_id_of(symbol, &venue_order_id).await?)
                }
                Request::OrderTrades { symbol, venue_order_id } => {
                    Report::Trades(it.order_trades(symbol, &venue_order_id).await?)
                }
                Request::TradesSince { symbol, since } => {
                    Report::Trades(it.trades_since(symbol, since).await?)
                }
            })
        })
    }

    fn impatient(&self) -> Arc<dyn Venue> {
        Arc::new(BinanceClient::impatient(self))
    }

    fn clock(&self) -> &SharedClock {
        BinanceClient::clock(self)
    }

    fn now(&self) -> UtcMs {
        BinanceClient::now(self)
    }

    fn validity(&self, timestamp: UtcMs) -> Validity {
        BinanceClient::validity(self, timestamp)
    }

    fn set_recv_window(&self, ms: i64) {
        BinanceClient::set_recv_window(self, ms);
    }

    fn may_place(&self, sides: &[Side]) -> MayPlace {
        BinanceClient::may_place(self, sides)
    }

    fn used(&self) -> f64 {
        BinanceClient::used(self)
    }

    fn waiting(&self) -> Option<i64> {
        BinanceClient::waiting(self)
    }

    fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2] {
        BinanceClient::banned(self)
    }

    fn clear_bans(&self) -> bool {
        BinanceClient::clear_bans(self)
    }

    fn follow_account(
        &self,
        listener: Listener,
        sink: Sink<AccountReport>,
    ) -> Result<Carried, VenueError> {
        Ok(self.carry(self.user_session()?, PRIVATE_WEIGHT, listener, sink))
    }
}

impl Source for BinanceClient {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            widths: &Timeframe::ALL,
            page: PAGE_MAX,
            depth: None,
            volume: true,
            settles: SETTLES,
            per_connection: STREAMS_MAX,
            per_minute: 2_400,
        }
    }

    fn sends_empty(&self) -> bool {
        true
    }

    fn bars(&self, range: BarRange) -> Pending<Bars> {
        let it = self.clone();
        let BarRange { symbol, timeframe, times } = range;
        Box::pin(async move {
            it.klines(symbol, timeframe, *times.start(), *times.end(), PAGE_MAX).await
        })
    }

    fn follow(
        &self,
        symbols: Followed,
        timeframe: Timeframe,
        listener: Listener,
        sink: Sink<MarketReport>,
    ) -> Carried {
        self.carry(self.market_session(symbols, timeframe), 0, listener, sink)
    }
}
