//! The steps in their order, each with what it expects and the page of the documentation that says
//! so: <https://docs.alpaca.markets>.

use super::walk::Walk;
use super::{
    account, ends, events, groups, market, market_stream, orders, refusals, rules, stops,
    user_stream,
};
use everwarm_venue::conformance::ends::cancel;
use everwarm_venue::conformance::walk::Step;
use everwarm_venue::conformance_steps;

/// All steps but those of the end. The first shows whether the venue responds.
pub(super) const STEPS: &[Step<Walk>] = conformance_steps! {
    "clock and rules": {
        "clock" rules::clock,
            "The clock runs forward, is near ours, and knows the next session.",
            "reference: getclock";
        "calendar" rules::calendar,
            "The trading days ascend and agree with the clock.",
            "reference: getcalendar";
        "asset" rules::asset,
            "The asset is an active stock that can be traded.",
            "reference: get-v2-assets-symbol_or_asset_id";
        "unknown-asset" rules::unknown_asset,
            "An unknown symbol is refused with 404.",
            "reference: get-v2-assets-symbol_or_asset_id";
    }
    "market data": {
        "last-trade" market::last_trade,
            "The price of the last trade is a JSON number.",
            "reference: stocklatesttradesingle";
        "past-bars" market::past_bars,
            "A page has as many bars as requested, ascending, and a token.",
            "reference: stockbars";
        "next-page" market::next_page,
            "The next page begins after the last bar of the first one.",
            "reference: stockbars";
        "bad-timeframe" market::bad_timeframe,
            "An unknown width is refused.",
            "reference: stockbars";
    }
    "market stream": {
        "market-wrong-key" market_stream::wrong_key,
            "A wrong key is refused with 402.",
            "docs: streaming-market-data, errors";
        "market-auth" market_stream::auth,
            "A connection is greeted, and accepts the key.",
            "docs: streaming-market-data, authentication";
        "second-connection" market_stream::second,
            "A second connection is refused with 406.",
            "docs: streaming-market-data, errors";
        "symbol-limit" market_stream::symbol_limit,
            "More than 30 symbols of the free feed are refused with 405.",
            "docs: about-market-data-api";
        "market-subscribe" market_stream::subscribe,
            "One subscription is confirmed with all lists.",
            "docs: streaming-market-data, subscription";
        "bar-event" market_stream::bar_event,
            "A bar arrives after its minute, with the opening time.",
            "docs: real-time-stock-pricing-data, minute bars";
    }
    "account": {
        "account" account::account,
            "The account has a number and amounts in texts, and may trade.",
            "reference: getaccount";
        "removed-fields" account::removed,
            "The fields of the rule for day traders are removed.",
            "changelog of 2026-07-06";
        "positions" account::positions,
            "Positions have amounts in texts.",
            "reference: getallopenpositions";
        "wrong-key" account::wrong_key,
            "A wrong key is refused with 401 or 403.",
            "docs: authentication";
        "wrong-data-key" account::wrong_data_key,
            "Market data refuses a wrong key with 401 or 403.",
            "docs: authentication";
        "leftovers" ends::begin,
            "Open orders of killed runs are cancelled.",
            "reference: deleteorderbyorderid";
    }
    "user stream": {
        "early-listen" user_stream::early,
            "A stream cannot be listened to before the key is shown.",
            "docs: websocket-streaming";
        "user-wrong-key" user_stream::wrong_key,
            "A wrong key is unauthorized.",
            "docs: websocket-streaming";
        "authenticate" user_stream::log_on,
            "The key is authorized.",
            "docs: websocket-streaming";
        "listen" user_stream::subscribe,
            "The stream trade_updates is confirmed.",
            "docs: websocket-streaming";
    }
    "orders": {
        "limit" orders::limit,
            "An order far from the market is accepted, and its event follows.",
            "reference: postorder; docs: websocket-streaming";
        "query-client" orders::query_client,
            "Our id finds the order.",
            "reference: getorderbyclientorderid";
        "query-id" orders::query_id,
            "The venue's id finds the order.",
            "reference: getorderbyorderid";
        "open-orders" orders::open_orders,
            "The list of open orders has it.",
            "reference: getallorders";
        "duplicate" orders::duplicate,
            "The id of an open order is refused with 422 and 40010001.",
            "reference: postorder";
        "cancel" orders::cancel,
            "The cancel is accepted with 204, and its event follows.",
            "reference: deleteorderbyorderid";
        "cancel-again" orders::cancel_again,
            "The cancel of a canceled order is refused with 422.",
            "reference: deleteorderbyorderid";
        "duplicate-ended" orders::duplicate_ended,
            "The id of an ended order is refused, too.",
            "reference: postorder";
        "market-buy" orders::buy,
            "It is filled. Its events follow, in order.",
            "reference: postorder; docs: websocket-streaming";
        "fills" orders::fills,
            "The fills of the order are in the account's records.",
            "reference: getaccountactivitiesbyactivitytype";
        "position" orders::held,
            "The position has the share.",
            "reference: getopenposition";
        "cancel-filled" orders::cancel_filled,
            "The cancel of a filled order is refused with 422.",
            "reference: deleteorderbyorderid";
        "ioc-fok" orders::expires,
            "IOC and FOK orders without a match are canceled, also in their events.",
            "docs: orders-at-alpaca, time in force";
    }
    "waiting orders": {
        "stop-buy" stops::buy,
            "It waits, and can be canceled.",
            "docs: orders-at-alpaca, stop order";
        "stop-limit-buy" stops::buy_limit,
            "It waits, and can be canceled.",
            "docs: orders-at-alpaca, stop limit order";
        "stop-sale" stops::sale,
            "It waits, and can be canceled.",
            "docs: orders-at-alpaca, stop order";
        "stop-limit-sale" stops::sale_limit,
            "It waits, and can be canceled.",
            "docs: orders-at-alpaca, stop limit order";
        "trailing-stop-buy" groups::trailing,
            "It waits with the best price, and can be canceled.",
            "docs: orders-at-alpaca, trailing stop orders";
        "replace" groups::replace,
            "A new order with its own id takes the place of the replaced one.",
            "reference: patchorderbyorderid; docs: websocket-streaming";
        "bracket" groups::bracket,
            "Both legs are held, and a cancel of the entry cancels them.",
            "docs: orders-at-alpaca, bracket orders";
        "oto" groups::oto,
            "The leg is held, and a cancel of the entry cancels it.",
            "docs: orders-at-alpaca, oto orders";
        "market-sale" orders::sale,
            "It is filled. Its events follow, in order.",
            "reference: postorder; docs: websocket-streaming";
    }
    "refusals": {
        "sub-penny" refusals::sub_penny,
            "A price with three decimals is refused with 422.",
            "docs: orders-at-alpaca, sub-penny increments";
        "no-price" refusals::no_price,
            "A limit order without a price is refused with 422.",
            "reference: postorder";
        "too-much" refusals::too_much,
            "An order that the account cannot pay is refused with 403 and 40310000.",
            "reference: postorder";
        "unknown-symbol" refusals::unknown_symbol,
            "An order of an unknown symbol is refused with 422.",
            "reference: postorder";
        "unknown-query" refusals::unknown_query,
            "The query of an unknown order is refused with 404.",
            "reference: getorderbyclientorderid";
        "unknown-cancel" refusals::unknown_cancel,
            "The cancel of an unknown order is refused with 404.",
            "reference: deleteorderbyorderid";
    }
    "limits": {
        "limit-headers" account::limit_headers,
            "Responses have the limit of requests in headers.",
            "docs: usage limit";
        "limit-falls" account::limit_falls,
            "A request takes one from the limit.",
            "docs: usage limit";
    }
    "connections": {
        "market-reconnect" market_stream::reconnect,
            "A new connection is accepted after the old one ended.",
            "docs: streaming-market-data";
        "reconnect" user_stream::reconnect,
            "A new session gets later events.",
            "docs: websocket-streaming";
        "events-once" events::once,
            "Every event came once, and in the order of its time.",
            "docs: websocket-streaming";
        "event-fields" events::fields,
            "Every event has its time, its execution and its order.",
            "docs: websocket-streaming";
    }
};

/// The end of every walk.
pub(super) const END: &[Step<Walk>] = conformance_steps! {
    "end": {
        "end-cancel" cancel,
            "No order of this run is open.",
            "reference: getallorders";
        "end-sell" ends::sell,
            "What this run bought is sold.",
            "reference: getorderbyclientorderid";
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_step_has_a_short_name_of_its_own() {
        let all: Vec<&str> = STEPS.iter().chain(END).map(|s| s.expectation.name).collect();
        let names: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(names.len(), all.len(), "{all:?}");
        assert!(all.iter().all(|name| name.len() <= 17), "{all:?}");
        assert_eq!(all[0], "clock", "the step that shows whether the venue responds");
    }
}
