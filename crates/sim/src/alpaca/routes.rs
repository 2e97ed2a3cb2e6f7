//! The requests of the protocol, and the endpoints by which the request log and the faults know
//! them.

use crate::server::routes::{Endpoint, by_path};

/// A request, with the name that its path contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The account.
    Account,
    /// All positions.
    Positions,
    /// The position in one symbol.
    Position(String),
    /// All assets.
    Assets,
    /// One asset, by symbol or id.
    Asset(String),
    /// The time of the venue, and its next session.
    Clock,
    /// The trading days.
    Calendar,
    /// Places an order.
    Place,
    /// Orders by state and time.
    Orders,
    /// One order, by the venue's id.
    Order(String),
    /// One order, by the client's id.
    OrderByClient,
    /// Cancels an order.
    Cancel(String),
    /// Replaces an order.
    Replace(String),
    /// Cancels all open orders.
    CancelAll,
    /// The executions of the account.
    Fills,
    /// The fees of the account.
    Fees,
    /// Bars.
    Bars,
    /// The last trade of one symbol, or of those in the query.
    LatestTrades(Option<String>),
    /// Last trade, quote and bars of the symbols in the query.
    Snapshots,
    /// Splits.
    CorporateActions,
}

impl Route {
    /// The route of a method and a path.
    #[must_use]
    pub fn find(method: &str, path: &str) -> Option<Route> {
        if (method, path) == ("GET", "/v1/corporate-actions") {
            return Some(Route::CorporateActions);
        }
        let parts: Vec<&str> = path.strip_prefix("/v2/")?.split('/').collect();
        let owned = |name: &str| name.to_owned();
        Some(match (method, &parts[..]) {
            ("GET", ["account"]) => Route::Account,
            ("GET", ["account", "activities", "FILL"]) => Route::Fills,
            ("GET", ["account", "activities", "FEE"]) => Route::Fees,
            ("GET", ["positions"]) => Route::Positions,
            ("GET", ["positions", symbol]) => Route::Position(owned(symbol)),
            ("GET", ["assets"]) => Route::Assets,
            ("GET", ["assets", symbol]) => Route::Asset(owned(symbol)),
            ("GET", ["clock"]) => Route::Clock,
            ("GET", ["calendar"]) => Route::Calendar,
            ("POST", ["orders"]) => Route::Place,
            ("GET", ["orders"]) => Route::Orders,
            ("DELETE", ["orders"]) => Route::CancelAll,
            ("GET", ["orders:by_client_order_id"]) => Route::OrderByClient,
            ("GET", ["orders", id]) => Route::Order(owned(id)),
            ("DELETE", ["orders", id]) => Route::Cancel(owned(id)),
            ("PATCH", ["orders", id]) => Route::Replace(owned(id)),
            ("GET", ["stocks", "bars"]) => Route::Bars,
            ("GET", ["stocks", "trades", "latest"]) => Route::LatestTrades(None),
            ("GET", ["stocks", symbol, "trades", "latest"]) => {
                Route::LatestTrades(Some(owned(symbol)))
            }
            ("GET", ["stocks", "snapshots"]) => Route::Snapshots,
            _ => return None,
        })
    }

    /// Whether it is a request for market data.
    #[must_use]
    pub fn is_data(&self) -> bool {
        matches!(
            self,
            Route::Bars | Route::LatestTrades(_) | Route::Snapshots | Route::CorporateActions
        )
    }

    /// Whether it is safe while the market may be behind what the client has seen.
    #[must_use]
    pub fn does_not_age(&self) -> bool {
        matches!(
            self,
            Route::Cancel(_)
                | Route::CancelAll
                | Route::Clock
                | Route::Calendar
                | Route::CorporateActions
        )
    }

    /// The endpoint with the same subject. The request log and the faults name it.
    #[must_use]
    pub fn endpoint(&self) -> &'static Endpoint {
        let (method, path) = match self {
            Route::Account | Route::Positions | Route::Position(_) | Route::Fees => {
                ("GET", "account")
            }
            Route::Assets | Route::Asset(_) => ("GET", "exchangeInfo"),
            Route::Clock => ("GET", "time"),
            // No other request of this protocol has this subject, so a fault can hit it alone.
            Route::Calendar => ("GET", "/sapi/v1/system/status"),
            Route::Place => ("POST", "order"),
            Route::Orders => ("GET", "allOrders"),
            Route::Order(_) | Route::OrderByClient => ("GET", "order"),
            Route::Cancel(_) => ("DELETE", "order"),
            Route::Replace(_) => ("POST", "order/cancelReplace"),
            Route::CancelAll => ("DELETE", "openOrders"),
            Route::Fills => ("GET", "myTrades"),
            Route::Bars => ("GET", "klines"),
            Route::LatestTrades(_) => ("GET", "ticker/price"),
            Route::Snapshots => ("GET", "ticker/24hr"),
            // As for the calendar.
            Route::CorporateActions => ("GET", "/sapi/v1/asset/tradeFee"),
        };
        by_path(method, path).expect("the endpoint is in the table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_an_endpoint() {
        for (method, path, what) in [
            ("GET", "account", "GET account"),
            ("GET", "account/activities/FILL", "GET myTrades"),
            ("GET", "account/activities/FEE", "GET account"),
            ("GET", "positions", "GET account"),
            ("GET", "positions/AAPL", "GET account"),
            ("GET", "assets", "GET exchangeInfo"),
            ("GET", "assets/AAPL", "GET exchangeInfo"),
            ("GET", "clock", "GET time"),
            ("GET", "calendar", "GET /sapi/v1/system/status"),
            ("POST", "orders", "POST order"),
            ("GET", "orders", "GET allOrders"),
            ("GET", "orders/1", "GET order"),
            ("GET", "orders:by_client_order_id", "GET order"),
            ("DELETE", "orders/1", "DELETE order"),
            ("DELETE", "orders", "DELETE openOrders"),
            ("PATCH", "orders/1", "POST order/cancelReplace"),
            ("GET", "stocks/bars", "GET klines"),
            ("GET", "stocks/trades/latest", "GET ticker/price"),
            ("GET", "stocks/AAPL/trades/latest", "GET ticker/price"),
            ("GET", "stocks/snapshots", "GET ticker/24hr"),
        ] {
            let route = Route::find(method, &format!("/v2/{path}")).expect(path);
            let endpoint = route.endpoint();
            assert_eq!(format!("{} {}", endpoint.method, endpoint.path), what);
        }
        let actions = Route::find("GET", "/v1/corporate-actions").expect("a route");
        assert!(actions.is_data() && actions.endpoint().path.ends_with("tradeFee"));
        for (method, path) in [("PUT", "/v2/orders"), ("GET", "/v2/"), ("GET", "/api/v3/order")] {
            assert_eq!(Route::find(method, path), None);
        }
    }
}
