//! More orders than the venue takes in 10 s: the client holds back what would be too many.

use super::{client, exchange};
use crate::kit::Folder;
use everwarm_adapters::binance::{ApiKey, BinanceClient};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::order::{OrderIntent, OrderType, SendAttempt, Side, Validity};
use everwarm_domain::secret::Secret;
use everwarm_runtime::clock;
use everwarm_sim::server::port::PortFile;
use everwarm_venue::clock::Pace;
use everwarm_venue::port::ErrorClass;
use futures_util::future::join_all;
use rust_decimal::Decimal;
use std::time::Duration;

/// Orders of ours: more than the 100 that the exchange takes in 10 s.
const ORDERS: usize = 130;
/// Of somebody else, with the same account.
const OTHERS: usize = 25;

/// Places an order that rests; whether it was taken. One that was not has not left.
async fn place(client: &BinanceClient, like: &OrderIntent, name: String) -> bool {
    let client_id = ClientOrderId(name);
    let validity = Validity::within(client.now(), 60_000);
    let attempt = SendAttempt { client_id: client_id.clone(), attempt: 1, validity };
    let Err(error) = client.place(&OrderIntent { client_id, ..like.clone() }, &attempt).await
    else {
        return true;
    };
    assert_eq!(error.code, 0, "it left: {error}");
    assert!(matches!(error.class, ErrorClass::RateLimited { .. }), "{error}");
    false
}

#[tokio::test]
async fn orders_wait_for_their_window_and_none_is_too_many() {
    let folder = Folder::new("orders");
    let sim = exchange(&folder).await;
    let file = PortFile::read(&folder.0).unwrap().unwrap();
    let key = || ApiKey::hmac(Secret::new(&file.api_key), Secret::new(&file.api_secret));
    let (ours, others) = [0, 1].map(|_| client(sim.addr, key(), Pace::Real)).into();
    ours.server_time().await.unwrap();
    others.server_time().await.unwrap();
    let rules = ours.instruments(&[]).await.unwrap().remove(0);
    let half = ours.price(rules.symbol).await.unwrap() / Decimal::TWO;
    let down = |value: Decimal, step: Decimal| (value / step).trunc() * step;
    let like = OrderIntent {
        client_id: ClientOrderId(String::new()),
        strategy: "test".to_owned(),
        symbol: rules.symbol,
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: down(Decimal::from(20) / half, rules.lot_size),
        price: Some(down(half, rules.tick_size)),
        close_time: 0,
        valid_until: i64::MAX,
        terms: Box::default(),
    };
    // Orders are counted anew at each of these: all of them must fall into one.
    while clock::wall().utc().rem_euclid(10_000) >= 3_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let names = (0..OTHERS).map(|i| place(&others, &like, format!("other-{i}")));
    assert!(join_all(names).await.into_iter().all(|taken| taken));
    // The answer to its first order reports them.
    assert!(place(&ours, &like, "first".to_owned()).await);
    let mut left: Vec<String> = (0..ORDERS).map(|i| format!("ours-{i}")).collect();
    let mut waited = 0;
    while !left.is_empty() {
        let taken = join_all(left.iter().map(|name| place(&ours, &like, name.clone()))).await;
        let mut taken = taken.into_iter();
        left.retain(|_| !taken.next().unwrap());
        if let Some(wait) = ours.may_place(&[Side::Buy]).wait {
            waited += 1;
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
    assert!(waited > 0, "{ORDERS} orders in one window");
    let open = ours.open_orders(None).await.unwrap();
    assert_eq!(open.len(), OTHERS + 1 + ORDERS);
    sim.stop().await.unwrap();
}
