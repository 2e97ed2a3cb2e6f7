//! Implements both ports with the client.

use super::Key;
use super::client::AlpacaClient;
use super::hosts::Hosts;
use super::past_bars::{PAGE, WIDTHS};
use crate::AccountKey;
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::id::VenueId;
use everwarm_domain::order::{Proof, Side, Validity};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::clock::SharedClock;
use everwarm_venue::link::{self, Wiring};
use everwarm_venue::port::{
    AccountReport, Bars, Carried, ErrorClass, Listener, MarketReport, MayPlace, Pending, Report,
    Request, Sink, Venue, VenueError,
};
use everwarm_venue::rate_limit::ConnectionLimit;
use everwarm_venue::session::{Protocol, Session};
use everwarm_venue::source::{BarRange, Followed, Source, SourceCapabilities};
use everwarm_venue::{Open, Ports};
use std::sync::Arc;

/// How long after its end a bar of the records is final, milliseconds. The venue documents no time.
const SETTLES: UtcMs = 5_000;
/// How long after its deadline a request could still change something, milliseconds. The venue
/// documents no time. Connections and servers give up earlier.
const SETTLES_AFTER: UtcMs = 60_000;
/// Most open stop orders of one symbol that the daemon places. The venue documents no limit.
const STOP_ORDERS: u32 = 5;

/// Prepares the adapter: see [`crate::External::open`].
pub(super) fn opened(addresses: &[String], key: AccountKey) -> Result<Open, String> {
    let (hosts, key) = (Hosts::of(addresses), Key::of(key)?);
    Ok(Arc::new(move |opening| {
        let client = AlpacaClient::new(hosts.clone(), key.clone(), opening)?;
        Ok(Ports { venue: Arc::new(client.clone()), source: Arc::new(client) })
    }))
}

impl AlpacaClient {
    /// Runs a session.
    fn carry<P>(
        &self,
        (url, session): (String, Session<P>),
        listener: Listener,
        sink: Sink<P::Frame>,
    ) -> Carried
    where
        P: Protocol + Send + Sync + 'static,
        P::Frame: Send,
    {
        let client = self.clone();
        Box::pin(async move {
            let Listener { now, dice, connections } = listener;
            let mut own = ConnectionLimit::share(connections);
            let admit = move || client.admit_connection(&mut own);
            let limited = AlpacaClient::limited;
            link::carry(session, Wiring { url, now, dice, admit, limited }, sink).await;
        })
    }
}

fn unsupported(what: &str) -> VenueError {
    VenueError::new(ErrorClass::Refused { again: false }, 0, what.to_owned())
}

impl Venue for AlpacaClient {
    fn id(&self) -> VenueId {
        VenueId::Alpaca
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::market_and_limit()
    }

    fn stop_orders(&self) -> u32 {
        STOP_ORDERS
    }

    fn splits(&self) -> bool {
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
                Request::Hours => Report::Hours(it.hours().await?),
                Request::Days => {
                    return Err(unsupported("Alpaca lists no volumes of all symbols"));
                }
                Request::LastPrice { symbol } => Report::Price(it.bars().last_price(symbol).await?),
                Request::Splits { symbol, days } => {
                    Report::Splits(it.bars().splits(symbol, &days).await?)
                }
                Request::Account => Report::Account(it.account().await?),
                Request::OpenOrders { symbol } => Report::OpenOrders(it.open_orders(symbol).await?),
                Request::OrderCounts => Report::Done,
                Request::Place { intent, .. } => Report::Order(Box::new(it.place(&intent).await?)),
                // The venue chooses the id of the stop in such a pair, so it could not be found.
                Request::PlacePair { .. } => {
                    return Err(unsupported("pairs are not supported at Alpaca"));
                }
                Request::Cancel { symbol, client_id, .. } => {
                    Report::Order(Box::new(it.cancel(symbol, &client_id).await?))
                }
                Request::CancelAll { symbol, .. } => {
                    it.cancel_all(symbol).await?;
                    Report::Done
                }
                Request::FindOrder { symbol, client_id } => {
                    Report::Found(it.find_order(symbol, &client_id).await?.map(Box::new))
                }
                Request::ClientId { venue_order_id, .. } => {
                    Report::ClientId(it.client_id_of(&venue_order_id).await?)
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
        Arc::new(AlpacaClient::impatient(self))
    }

    fn clock(&self) -> &SharedClock {
        AlpacaClient::clock(self)
    }

    fn now(&self) -> UtcMs {
        AlpacaClient::now(self)
    }

    /// The venue keeps our ids unique for ever, so one query by id proves that an order is absent,
    /// and the same order may be sent again.
    fn validity(&self, timestamp: UtcMs) -> Validity {
        let deadline = timestamp.saturating_add(self.recv_window());
        let settled_at = Some(deadline.saturating_add(SETTLES_AFTER));
        Validity { timestamp, deadline, settled_at, proof: Proof::ById }
    }

    fn set_recv_window(&self, ms: i64) {
        AlpacaClient::set_recv_window(self, ms);
    }

    fn may_place(&self, sides: &[Side]) -> MayPlace {
        AlpacaClient::may_place(self, sides)
    }

    fn used(&self) -> f64 {
        AlpacaClient::used(self)
    }

    fn waiting(&self) -> Option<i64> {
        AlpacaClient::waiting(self)
    }

    fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2] {
        AlpacaClient::banned(self)
    }

    fn clear_bans(&self) -> bool {
        AlpacaClient::clear_bans(self)
    }

    fn follow_account(
        &self,
        listener: Listener,
        sink: Sink<AccountReport>,
    ) -> Result<Carried, VenueError> {
        Ok(self.carry(self.account_session(), listener, sink))
    }
}

impl Source for AlpacaClient {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities {
            widths: &WIDTHS,
            page: PAGE,
            depth: None,
            volume: true,
            settles: SETTLES,
            // The venue accepts one connection. It carries the first symbols, see `bar_session`;
            // the bars of the others come from the records.
            per_connection: usize::MAX,
            per_minute: 160,
        }
    }

    fn bars(&self, range: BarRange) -> Pending<Bars> {
        let bars = AlpacaClient::bars(self).clone();
        Box::pin(async move { bars.page(range).await })
    }

    /// The stream has bars of minutes. `timeframe` is one of [`WIDTHS`], of which the daemon
    /// follows the narrowest.
    fn follow(
        &self,
        symbols: Followed,
        _timeframe: Timeframe,
        listener: Listener,
        sink: Sink<MarketReport>,
    ) -> Carried {
        self.carry(self.bar_session(symbols), listener, sink)
    }
}
