//! The steps in their order, each with what it expects and the page of the documentation that says
//! so: <https://developers.binance.com/docs/binance-spot-api-docs>.

use super::walk::Walk;
use super::{account, ends, orders, public, stops, streams};
use everwarm_venue::conformance::ends::cancel;
use everwarm_venue::conformance::walk::Step;
use everwarm_venue::conformance_steps;

/// All steps but those of the end. The first shows whether the venue responds.
pub(super) const STEPS: &[Step<Walk>] = conformance_steps! {
    "clock and rules": {
        "time" public::time,
            "The clock is in milliseconds, runs forward, and is near ours.",
            "rest-api: check server time";
        "ping" public::ping,
            "The body of a ping is empty.",
            "rest-api: test connectivity";
        "limits" public::limits,
            "The limits of weight, orders and requests are listed.",
            "rest-api: limits";
        "symbol" public::symbol,
            "The symbol is TRADING and takes the orders of this walk.",
            "rest-api: exchange information";
        "filters" public::filters,
            "The filters are complete, agree with each other and with the price.",
            "filters";
        "unknown-symbol" public::unknown_symbol,
            "An unknown symbol is refused with -1121.",
            "errors";
    }
    "market data": {
        "closed-bars" public::closed_bars,
            "Bars have 12 columns, close after a minute, and keep the range.",
            "rest-api: klines";
        "open-bar" public::open_bar,
            "The last bar is the one that is forming.",
            "rest-api: klines";
        "bad-interval" public::bad_interval,
            "An unknown interval is refused with -1120.",
            "errors";
        "depth" public::depth,
            "Bids fall, asks rise, and they do not cross.",
            "rest-api: order book";
        "price" public::price,
            "The last price is a decimal in a string.",
            "rest-api: symbol price ticker";
        "best" public::best,
            "The best bid is not above the best ask.",
            "rest-api: symbol order book ticker";
        "average" public::average,
            "The average price has its minutes.",
            "rest-api: current average price";
        "day" public::day,
            "The statistics of a day have price and volumes.",
            "rest-api: 24hr ticker";
    }
    "market stream": {
        "market-subscribe" streams::market_subscribe,
            "SUBSCRIBE is confirmed with null.",
            "web-socket-streams";
        "subscriptions" streams::subscriptions,
            "LIST_SUBSCRIPTIONS lists the stream.",
            "web-socket-streams";
        "wrong-method" streams::wrong_method,
            "An unknown method gets an error with code and text.",
            "web-socket-streams";
        "bar-event" streams::bar_event,
            "A bar arrives, with the flag of its close.",
            "web-socket-streams: klines";
    }
    "account": {
        "account" account::account,
            "The account has a number, balances and rates, and may trade.",
            "rest-api: account information";
        "commission" account::commission,
            "The rates of the symbol are decimals.",
            "rest-api: query commission rates";
        "order-counts" account::order_counts,
            "The order counts of 10 seconds and of the day are listed.",
            "rest-api: query unfilled order count";
        "clock-ahead" account::ahead,
            "A timestamp in the future is refused with -1021.",
            "rest-api: timing security";
        "clock-behind" account::behind,
            "A timestamp outside the window is refused with -1021.",
            "rest-api: timing security";
        "wrong-signature" account::wrong_signature,
            "A wrong signature is refused with -1022.",
            "errors";
        "no-signature" account::no_signature,
            "A request without a signature is refused with -1102.",
            "errors";
        "unknown-key" account::unknown_key,
            "An unknown key is refused with 401 and -2015.",
            "errors";
        "listen-key" account::listen_key_gone,
            "Listen keys are withdrawn: HTTP 410.",
            "changelog of 2026-02-20";
        "leftovers" ends::begin,
            "Open orders of killed runs are cancelled.",
            "rest-api: cancel order";
    }
    "user stream": {
        "subscribe" streams::subscribe,
            "The session gets a subscription of the account's events.",
            "user-data-stream";
        "api-limits" streams::api_limits,
            "A response of the WebSocket API has the used weight.",
            "websocket-api: limits";
        "subscribe-twice" streams::subscribe_twice,
            "A second subscription is refused with -2035.",
            "errors";
    }
    "orders": {
        "test-order" orders::test_order,
            "A test order is checked only; the body is empty.",
            "rest-api: test new order";
        "market-buy" orders::market_buy,
            "It is FILLED with its fills. Both reports and the balances follow, in order.",
            "rest-api: new order; user-data-stream";
        "trades" orders::trades,
            "The trades of the order are those of its reports.",
            "rest-api: account trade list";
        "query-filled" orders::query_filled,
            "Our id and the venue's id find the same order.",
            "rest-api: query order";
        "cancel-filled" orders::cancel_filled,
            "The cancel of a filled order is refused with -2011.",
            "errors";
        "quote-buy" orders::quote_buy,
            "A market order of a quote amount pays at most this amount.",
            "rest-api: new order";
        "market-sale" orders::market_sale,
            "It is FILLED with its fills. Both reports and the balances follow, in order.",
            "rest-api: new order; user-data-stream";
        "limit" orders::rest,
            "An order far from the market is NEW, and its report follows.",
            "rest-api: new order";
        "open-orders" orders::open_orders,
            "The list of open orders has it.",
            "rest-api: current open orders";
        "duplicate" orders::duplicate,
            "The id of an open order is refused with -2010.",
            "errors";
        "cancel-replace" orders::replace,
            "One request cancels the old order and places the new one.",
            "rest-api: cancel an existing order and send a new order";
        "cancel" orders::cancel,
            "It is CANCELED. The cancel has its own id, and the report names both.",
            "rest-api: cancel order";
        "cancel-again" orders::cancel_again,
            "The cancel of a cancelled order is refused with -2011.",
            "errors";
        "query-cancelled" orders::query_cancelled,
            "A cancelled order is found by our id.",
            "rest-api: query order";
        "ioc-fok" orders::expires,
            "IOC and FOK orders without a match are EXPIRED, also in their reports.",
            "rest-api: new order";
        "maker-match" orders::maker_would_match,
            "A LIMIT_MAKER order that would match is refused with -2010.",
            "errors";
    }
    "waiting orders": {
        "stop-loss" stops::stop_loss,
            "It waits, is not working, and can be cancelled.",
            "rest-api: new order";
        "stop-loss-limit" stops::stop_loss_limit,
            "It waits, is not working, and can be cancelled.",
            "rest-api: new order";
        "take-profit" stops::take_profit,
            "It waits, is not working, and can be cancelled.",
            "rest-api: new order";
        "take-profit-limit" stops::take_profit_limit,
            "It waits, is not working, and can be cancelled.",
            "rest-api: new order";
        "trailing-stop" stops::trailing,
            "It is accepted if and only if the symbol allows trailing stops.",
            "faqs: trailing stop";
        "would-trigger" stops::would_trigger,
            "A stop beyond the market is refused with -2010.",
            "errors";
    }
    "lists of orders": {
        "oco" stops::oco,
            "Both orders are NEW. The cancel of one ends both.",
            "rest-api: new order list, OCO";
        "oto" stops::oto,
            "The second order waits for the first. The cancel of one ends both.",
            "rest-api: new order list, OTO";
        "otoco" stops::otoco,
            "A pair waits for the first order. The cancel of one ends all.",
            "rest-api: new order list, OTOCO";
    }
    "refusals": {
        "too-small" orders::too_little,
            "An order below the smallest value is refused with -1013.",
            "filters";
        "off-tick" orders::off_tick,
            "A price between two ticks is refused with -1013.",
            "filters: PRICE_FILTER";
        "off-step" orders::off_step,
            "A quantity between two steps is refused with -1013.",
            "filters: LOT_SIZE";
        "unknown-query" orders::unknown_query,
            "The query of an unknown order is refused with -2013.",
            "errors";
        "unknown-cancel" orders::unknown_cancel,
            "The cancel of an unknown order is refused with -2011.",
            "errors";
        "bad-id" orders::bad_id,
            "An id with a dot is refused with -1100.",
            "errors";
        "no-price" orders::no_price,
            "A limit order without a price is refused with -1102.",
            "errors";
    }
    "limits": {
        "weight-present" public::weight_present,
            "Responses have the used weight in a header.",
            "rest-api: limits";
        "weight-grows" public::weight_grows,
            "A page of bars adds a weight of 2.",
            "rest-api: klines";
        "count-headers" account::count_headers,
            "Responses to orders have the order counts in headers.",
            "rest-api: limits";
    }
    "connections": {
        "reconnect" streams::reconnect,
            "A new session gets a new subscription, and later reports.",
            "user-data-stream";
        "events-once" streams::once,
            "Every event came once, and in the order of its time.",
            "user-data-stream";
        "server-ping" streams::ping,
            "The venue sends pings.",
            "web-socket-streams";
    }
};

/// The end of every walk.
pub(super) const END: &[Step<Walk>] = conformance_steps! {
    "end": {
        "end-cancel" cancel,
            "No order of this run is open.",
            "rest-api: current open orders";
        "end-sell" ends::sell,
            "What this run bought is sold.",
            "rest-api: account trade list";
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let all: Vec<&str> = STEPS.iter().chain(END).map(|s| s.expectation.name).collect();
        let names: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(names.len(), all.len(), "{all:?}");
        assert_eq!(all[0], "time", "the step that shows whether the venue responds");
    }
}
