//! Tests order types that the venue does not take.

use super::*;

#[test]
fn what_the_venue_does_not_take_is_not_entered() {
    let mut stage = ready(|_| {});
    let only = |orders| {
        let (venue, capabilities) = (VenueId::default(), Capabilities { orders });
        input(
            1,
            Body::Market(Market::Capabilities {
                venue,
                capabilities,
                stop_orders: 0,
                fewer: Vec::new(),
                pairs: false,
                splits: false,
            }),
        )
    };
    facts_of(&mut stage, &only(vec![OrderType::Limit]));
    let mut again = Decide::default();
    again.load(&stage.save()).unwrap();
    let refused = ["BTCUSDT unsupported: the venue does not take market orders"];
    assert_eq!(ask(&mut again, &[buy("BTCUSDT")]), refused, "it is remembered");
    facts_of(&mut again, &only(vec![OrderType::Market]));
    assert_eq!(ask(&mut again, &[buy("BTCUSDT")]), ["Buy 10 BTCUSDT holding 1010"]);
}
