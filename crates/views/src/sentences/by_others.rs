//! What external orders traded, in words.

use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExternalTrade, ExternalTrades, Side, is_adopted};
use everwarm_domain::venue_ids::VenueOrderId;
use everwarm_words::text::{count, plain};
use std::collections::BTreeMap;

/// Most orders that are named.
const NAMED: usize = 5;

/// Which order a fill is of, if it is an external one that was adopted.
pub(super) fn whose(client_id: &ClientOrderId, strategy: &str) -> String {
    if is_adopted(client_id, strategy) {
        format!(" of the external order {client_id}")
    } else {
        String::new()
    }
}

/// The orders and what they traded together, the first ones by symbol.
pub(super) fn traded(external: &ExternalTrades) -> String {
    let mut orders: BTreeMap<(Symbol, &VenueOrderId), (&ExternalTrade, Decimal)> = BTreeMap::new();
    for trade in &external.trades {
        let name = (trade.symbol, &trade.venue_order_id);
        let (_, sum) = orders.entry(name).or_insert((trade, Decimal::ZERO));
        *sum = sum.saturating_add(trade.fill.quantity);
    }
    let named = orders.values().take(NAMED).map(|(trade, sum)| {
        let did = match trade.side {
            Side::Buy => "bought",
            Side::Sell => "sold",
        };
        let ExternalTrade { client_id, venue_order_id, symbol, .. } = trade;
        format!("{client_id} (venue id {venue_order_id}) {did} {} {symbol}", plain(*sum))
    });
    let mut named: Vec<String> = named.collect();
    if let Some(more @ 1..) = orders.len().checked_sub(NAMED) {
        named.push(count(more as u64, "more order"));
    }
    format!("external orders to adopt: {}", named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::VenueId;
    use everwarm_trading::testing::{sym, trade};

    #[test]
    fn each_order_is_named_with_what_it_traded() {
        let of = |order: u64, quantity: &str, side| ExternalTrade {
            client_id: ClientOrderId(format!("web_{order}")),
            venue_order_id: order.into(),
            symbol: sym("BTCUSDT"),
            side,
            fill: trade(order, "100", quantity),
        };
        let text = |trades: Vec<ExternalTrade>| {
            traded(&ExternalTrades { trades, venue: VenueId::default() })
        };
        let trades = vec![of(1, "1", Side::Buy), of(1, "0.5", Side::Buy), of(2, "2", Side::Sell)];
        let expected = "external orders to adopt: web_1 (venue id 1) bought 1.5 BTCUSDT; \
                        web_2 (venue id 2) sold 2 BTCUSDT";
        assert_eq!(text(trades), expected);
        let many = (1..=7).map(|order| of(order, "1", Side::Buy)).collect();
        assert!(text(many).ends_with("; 2 more orders"), "the rest is counted");
    }
}
