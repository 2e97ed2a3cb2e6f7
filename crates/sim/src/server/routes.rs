//! The table of all requests: REST path, name in the WebSocket API, and weight.

use crate::exchange::ListKind;
use crate::wire::params::Params;

/// The subject of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The rules of the symbols.
    ExchangeInfo,
    /// The counts of unfilled orders.
    OrderCounts,
    /// Market data, for any client.
    Market(MarketRoute),
    /// Data of the account.
    Account(AccountRoute),
    /// A change of the books.
    Change(Change),
}

/// Requests for market data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named in the table by its address")]
pub enum MarketRoute {
    Ping,
    Time,
    Klines,
    Depth,
    Trades,
    OldTrades,
    AggTrades,
    AvgPrice,
    TickerPrice,
    TickerBook,
    TickerDay,
    TickerWindow,
    LocalDay,
    SystemStatus,
}

/// Requests for data of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named in the table by its address")]
pub enum AccountRoute {
    Status,
    Fees,
    TradeFee,
    Coins,
    Test,
    Query,
    OpenOrders,
    AllOrders,
    MyTrades,
    QueryList,
    OpenLists,
    AllLists,
}

/// Requests that change the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named in the table by its address")]
pub enum Change {
    Place,
    Cancel,
    CancelAll,
    Replace,
    List(ListKind),
    OldList,
    CancelList,
}

/// The weight of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Always this.
    Fixed(u64),
    /// Zero, or one if it is refused.
    Write,
    /// The first if a symbol is named, the second otherwise.
    Symbol(u64, u64),
    /// The first if this parameter is sent, or has the value behind `=`; the second otherwise.
    Given(&'static str, u64, u64),
    /// By the number of symbols: up to 20, up to 100, more or all.
    Symbols(u64, u64, u64),
    /// The first for each symbol, up to the second as the sum.
    Each(u64, u64),
    /// By the number of levels: up to 100, 500, 1,000, more.
    Levels,
}

/// One row of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// The subject of the request.
    pub route: Route,
    /// HTTP method.
    pub method: &'static str,
    /// HTTP path behind `/api/v3/`; with a `/` in front: the whole path.
    pub path: &'static str,
    /// Name in the WebSocket API; empty: not available there.
    pub name: &'static str,
    /// Its weight.
    pub weight: Weight,
}

impl Endpoint {
    /// The whole path.
    #[must_use]
    pub fn address(&self) -> String {
        let base = if self.path.starts_with('/') { "" } else { BASE };
        format!("{base}{}", self.path)
    }
}

/// The base of most paths.
const BASE: &str = "/api/v3/";

const fn row(
    route: Route,
    method: &'static str,
    path: &'static str,
    name: &'static str,
    weight: Weight,
) -> Endpoint {
    Endpoint { route, method, path, name, weight }
}

/// All endpoints.
#[rustfmt::skip]
pub const TABLE: &[Endpoint] = {
    use AccountRoute as Mine;
    use ListKind::{Oco, Oto, Otoco};
    use MarketRoute as Seen;
    use Route::{Account, Change as Books, Market};
    use Weight::{Each, Fixed, Given, Levels, Symbol, Symbols, Write};
    const RATES: &str = "computeCommissionRates=true";
    &[
        row(Market(Seen::Ping), "GET", "ping", "ping", Fixed(1)),
        row(Market(Seen::Time), "GET", "time", "time", Fixed(1)),
        row(Route::ExchangeInfo, "GET", "exchangeInfo", "exchangeInfo", Fixed(20)),
        row(Market(Seen::Klines), "GET", "klines", "klines", Fixed(2)),
        row(Market(Seen::Klines), "GET", "uiKlines", "uiKlines", Fixed(2)),
        row(Market(Seen::Depth), "GET", "depth", "depth", Levels),
        row(Market(Seen::Trades), "GET", "trades", "trades.recent", Fixed(25)),
        row(Market(Seen::OldTrades), "GET", "historicalTrades", "trades.historical", Fixed(25)),
        row(Market(Seen::AggTrades), "GET", "aggTrades", "trades.aggregate", Fixed(4)),
        row(Market(Seen::AvgPrice), "GET", "avgPrice", "avgPrice", Fixed(2)),
        row(Market(Seen::TickerPrice), "GET", "ticker/price", "ticker.price", Symbol(2, 4)),
        row(Market(Seen::TickerBook), "GET", "ticker/bookTicker", "ticker.book", Symbol(2, 4)),
        row(Market(Seen::TickerDay), "GET", "ticker/24hr", "ticker.24hr", Symbols(2, 40, 80)),
        row(Market(Seen::TickerWindow), "GET", "ticker", "ticker", Each(4, 200)),
        row(Market(Seen::LocalDay), "GET", "ticker/tradingDay", "ticker.tradingDay", Each(4, 200)),
        row(Account(Mine::Status), "GET", "account", "account.status", Fixed(20)),
        row(Account(Mine::Fees), "GET", "account/commission", "account.commission", Fixed(20)),
        row(Route::OrderCounts, "GET", "rateLimit/order", "account.rateLimits.orders", Fixed(40)),
        row(Books(Change::Place), "POST", "order", "order.place", Write),
        row(Account(Mine::Test), "POST", "order/test", "order.test", Given(RATES, 20, 1)),
        row(Account(Mine::Query), "GET", "order", "order.status", Fixed(4)),
        row(Books(Change::Cancel), "DELETE", "order", "order.cancel", Write),
        row(Books(Change::Replace), "POST", "order/cancelReplace", "order.cancelReplace", Write),
        row(Account(Mine::OpenOrders), "GET", "openOrders", "openOrders.status", Symbol(6, 80)),
        row(Books(Change::CancelAll), "DELETE", "openOrders", "openOrders.cancelAll", Write),
        row(Account(Mine::AllOrders), "GET", "allOrders", "allOrders", Fixed(20)),
        row(Account(Mine::MyTrades), "GET", "myTrades", "myTrades", Given("orderId", 5, 20)),
        row(Books(Change::List(Oco)), "POST", "orderList/oco", "orderList.place.oco", Write),
        row(Books(Change::List(Oto)), "POST", "orderList/oto", "orderList.place.oto", Write),
        row(Books(Change::List(Otoco)), "POST", "orderList/otoco", "orderList.place.otoco", Write),
        row(Books(Change::OldList), "POST", "order/oco", "orderList.place", Write),
        row(Account(Mine::QueryList), "GET", "orderList", "orderList.status", Fixed(4)),
        row(Books(Change::CancelList), "DELETE", "orderList", "orderList.cancel", Write),
        row(Account(Mine::OpenLists), "GET", "openOrderList", "openOrderLists.status", Fixed(6)),
        row(Account(Mine::AllLists), "GET", "allOrderList", "allOrderLists", Fixed(20)),
        row(Market(Seen::SystemStatus), "GET", "/sapi/v1/system/status", "", Fixed(1)),
        row(Account(Mine::TradeFee), "GET", "/sapi/v1/asset/tradeFee", "", Fixed(1)),
        row(Account(Mine::Coins), "GET", "/sapi/v1/capital/config/getall", "", Fixed(10)),
    ]
};

/// Names of the WebSocket API requests about the connection itself.
pub const OWN: &[&str] = &[
    "userDataStream.subscribe.signature",
    "userDataStream.subscribe",
    "userDataStream.unsubscribe",
    "session.subscriptions",
    "session.logon",
    "session.status",
    "session.logout",
];

/// The endpoint of a method and path.
#[must_use]
pub fn by_path(method: &str, path: &str) -> Option<&'static Endpoint> {
    let path = path.strip_prefix(BASE).filter(|rest| !rest.starts_with('/')).unwrap_or(path);
    TABLE.iter().find(|row| row.method == method && row.path == path)
}

/// The endpoint of a name in the WebSocket API.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Endpoint> {
    TABLE.iter().find(|row| row.name == name && !name.is_empty())
}

impl Weight {
    /// The weight that is taken before the request is processed. It depends on the parsed
    /// parameters, so encoding them differently does not make a request cheaper.
    #[must_use]
    pub fn of(self, sent: &Params) -> u64 {
        let has = |name: &str| sent.peek(name).is_some();
        let symbols = || sent.peek("symbols").map(|list| list.split(',').count());
        match self {
            Weight::Fixed(weight) => weight,
            Weight::Write => 0,
            Weight::Symbol(one, all) => {
                if has("symbol") {
                    one
                } else {
                    all
                }
            }
            Weight::Given(given, with, without) => {
                let is_there = match given.split_once('=') {
                    Some((name, value)) => sent.peek(name) == Some(value),
                    None => has(given),
                };
                if is_there { with } else { without }
            }
            Weight::Each(one, most) => {
                let symbols = symbols().unwrap_or(1);
                u64::try_from(symbols).unwrap_or(u64::MAX).saturating_mul(one).min(most)
            }
            Weight::Symbols(few, some, all) => match (has("symbol"), symbols()) {
                (true, _) | (false, Some(0..=20)) => few,
                (false, Some(21..=100)) => some,
                (false, _) => all,
            },
            Weight::Levels => {
                match sent.peek("limit").and_then(|l| l.parse().ok()).unwrap_or(100) {
                    0..=100 => 5,
                    101..=500 => 25,
                    501..=1_000 => 50,
                    1_001_u64.. => 250,
                }
            }
        }
    }

    /// The additional weight of a refused request.
    #[must_use]
    pub fn refused(self) -> u64 {
        u64::from(self == Weight::Write)
    }
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Weight::Fixed(weight) => write!(f, "{weight}"),
            Weight::Write => f.write_str("0, refused 1"),
            Weight::Symbol(one, all) => write!(f, "{one}, without symbol {all}"),
            Weight::Given(name, with, without) => {
                write!(f, "{without}, with `{name}` {with}")
            }
            Weight::Symbols(few, some, all) => {
                write!(f, "{few}, over 20 symbols {some}, over 100 or all {all}")
            }
            Weight::Each(one, most) => write!(f, "{one} a symbol, at most {most}"),
            Weight::Levels => f.write_str("5, 25, 50, 250 up to 100, 500, 1,000, 5,000 levels"),
        }
    }
}
