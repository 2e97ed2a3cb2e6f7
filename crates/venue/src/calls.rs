//! A method for each request of the port. It sends the request and returns the report that belongs
//! to it.

use super::port::{
    AccountPicture, ErrorClass, Hours, Report, Request, Stamp, TimeSample, Trade, TradesSince,
    Venue, VenueError,
};
use everwarm_domain::day_stats::DayStats;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderReport, SendAttempt};
use everwarm_domain::split::Split;
use everwarm_domain::venue_ids::VenueOrderId;
use std::ops::RangeInclusive;

/// The error for a report that belongs to another request. Such a report proves nothing.
fn misplaced<T>() -> Result<T, VenueError> {
    let text = "the report of the adapter belongs to another request".to_owned();
    Err(VenueError::new(ErrorClass::Unknown, 0, text))
}

impl dyn Venue + '_ {
    /// Reads the venue's clock; [`Venue::clock`] takes the sample.
    ///
    /// # Errors
    /// As every read.
    pub async fn server_time(&self) -> Result<TimeSample, VenueError> {
        if let Report::ServerTime(sample) = self.request(Request::ServerTime).await? {
            Ok(sample)
        } else {
            misplaced()
        }
    }

    /// The rules of those `symbols` that the venue has, sorted by symbol. No symbols: all rules.
    ///
    /// # Errors
    /// As every read.
    pub async fn instruments(&self, symbols: &[Symbol]) -> Result<Vec<Instrument>, VenueError> {
        if let Report::Instruments(rules) =
            self.request(Request::Instruments { symbols: symbols.to_vec() }).await?
        {
            Ok(rules)
        } else {
            misplaced()
        }
    }

    /// The last 24 hours of each instrument.
    ///
    /// # Errors
    /// As every read.
    pub async fn days(&self) -> Result<Vec<(Symbol, DayStats)>, VenueError> {
        if let Report::Days(days) = self.request(Request::Days).await? {
            Ok(days)
        } else {
            misplaced()
        }
    }

    /// The trading hours of the venue, and the start of its days.
    ///
    /// # Errors
    /// As every read.
    pub async fn hours(&self) -> Result<Hours, VenueError> {
        if let Report::Hours(hours) = self.request(Request::Hours).await? {
            Ok(hours)
        } else {
            misplaced()
        }
    }

    /// The price of the last trade.
    ///
    /// # Errors
    /// As every read.
    pub async fn price(&self, symbol: Symbol) -> Result<Decimal, VenueError> {
        if let Report::Price(price) = self.request(Request::LastPrice { symbol }).await? {
            Ok(price)
        } else {
            misplaced()
        }
    }

    /// The splits of a symbol with an ex-date in these days, as days since 1970-01-01. By day.
    ///
    /// # Errors
    /// As every read. A split that cannot be read is an error, too.
    pub async fn splits_of(
        &self,
        symbol: Symbol,
        days: RangeInclusive<i64>,
    ) -> Result<Vec<Split>, VenueError> {
        if let Report::Splits(splits) = self.request(Request::Splits { symbol, days }).await? {
            Ok(splits)
        } else {
            misplaced()
        }
    }

    /// The account.
    ///
    /// # Errors
    /// As every read.
    pub async fn account(&self) -> Result<AccountPicture, VenueError> {
        if let Report::Account(account) = self.request(Request::Account).await? {
            Ok(account)
        } else {
            misplaced()
        }
    }

    /// Open orders of one symbol or of all, sorted by the venue's id.
    ///
    /// # Errors
    /// As every read.
    pub async fn open_orders(
        &self,
        symbol: Option<Symbol>,
    ) -> Result<Vec<OrderReport>, VenueError> {
        if let Report::OpenOrders(orders) = self.request(Request::OpenOrders { symbol }).await? {
            Ok(orders)
        } else {
            misplaced()
        }
    }

    /// Queries the venue's order counts if they may limit the next orders.
    ///
    /// # Errors
    /// As every read.
    pub async fn check_order_counts(&self) -> Result<(), VenueError> {
        if let Report::Done = self.request(Request::OrderCounts).await? {
            Ok(())
        } else {
            misplaced()
        }
    }

    /// Places an order: one request, signed for exactly the time of the attempt.
    ///
    /// # Errors
    /// The meaning of the failure for the order.
    pub async fn place(
        &self,
        intent: &OrderIntent,
        attempt: &SendAttempt,
    ) -> Result<OrderReport, VenueError> {
        let (intent, attempt) = (Box::new(intent.clone()), attempt.clone());
        if let Report::Order(report) = self.request(Request::Place { intent, attempt }).await? {
            Ok(*report)
        } else {
            misplaced()
        }
    }

    /// Places a stop and a limit order as a pair: one request, signed for exactly the time of the
    /// attempts.
    ///
    /// # Errors
    /// The meaning of the failure for both orders.
    pub async fn place_pair(
        &self,
        orders: [(OrderIntent, SendAttempt); 2],
    ) -> Result<[OrderReport; 2], VenueError> {
        let orders = Box::new(orders);
        if let Report::Pair(reports) = self.request(Request::PlacePair { orders }).await? {
            Ok(*reports)
        } else {
            misplaced()
        }
    }

    /// Cancels an open order by our id: one request, signed for exactly the stamp. `Absent` only
    /// means that the order is no longer open.
    ///
    /// # Errors
    /// The meaning of the failure for the cancel.
    pub async fn cancel(
        &self,
        symbol: Symbol,
        client_id: &ClientOrderId,
        stamp: Stamp,
    ) -> Result<OrderReport, VenueError> {
        let client_id = client_id.clone();
        if let Report::Order(report) =
            self.request(Request::Cancel { symbol, client_id, stamp }).await?
        {
            Ok(*report)
        } else {
            misplaced()
        }
    }

    /// Cancels all open orders of a symbol, also external ones, in one request. `Absent`: there are
    /// none. Query the orders to see their results.
    ///
    /// # Errors
    /// The meaning of the failure for the cancel.
    pub async fn cancel_all(&self, symbol: Symbol, stamp: Stamp) -> Result<(), VenueError> {
        if let Report::Done = self.request(Request::CancelAll { symbol, stamp }).await? {
            Ok(())
        } else {
            misplaced()
        }
    }

    /// The order with this id of ours, with its fills. `None`: the venue does not know it. This
    /// alone proves nothing.
    ///
    /// # Errors
    /// As every read.
    pub async fn find_order(
        &self,
        symbol: Symbol,
        client_id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, VenueError> {
        let client_id = client_id.clone();
        if let Report::Found(found) = self.request(Request::FindOrder { symbol, client_id }).await?
        {
            Ok(found.map(|report| *report))
        } else {
            misplaced()
        }
    }

    /// The client order id of an order, by the venue's id of it. `None`: the venue does not know
    /// the order.
    ///
    /// # Errors
    /// As every read.
    pub async fn client_id_of(
        &self,
        symbol: Symbol,
        venue_order_id: &VenueOrderId,
    ) -> Result<Option<ClientOrderId>, VenueError> {
        let venue_order_id = venue_order_id.clone();
        if let Report::ClientId(id) =
            self.request(Request::ClientId { symbol, venue_order_id }).await?
        {
            Ok(id)
        } else {
            misplaced()
        }
    }

    /// All trades of the account in `symbol` since an id or a time, ascending.
    ///
    /// # Errors
    /// As every read.
    pub async fn trades_since(
        &self,
        symbol: Symbol,
        since: TradesSince,
    ) -> Result<Vec<Trade>, VenueError> {
        if let Report::Trades(trades) = self.request(Request::TradesSince { symbol, since }).await?
        {
            Ok(trades)
        } else {
            misplaced()
        }
    }
}
