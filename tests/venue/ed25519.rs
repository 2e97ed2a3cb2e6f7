//! A client whose key is Ed25519 trades: it places, receives the report, cancels.

use super::{client, exchange};
use crate::kit::{Folder, PATIENCE};
use everwarm_adapters::binance::ApiKey;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{OrderIntent, OrderStatus, OrderType, SendAttempt, Side};
use everwarm_domain::secret::Secret;
use everwarm_runtime::clock::{steady, wall};
use everwarm_sim::server::port::PRIVATE_KEY_FILE;
use everwarm_sim::wire::sign::DEMO_ED25519_KEY;
use everwarm_venue::clock::Pace;
use everwarm_venue::link::{self, Wiring};
use everwarm_venue::port::{AccountReport, ErrorClass, Stamp};
use everwarm_venue::session::{Event, Moment};
use rust_decimal::Decimal;
use std::ops::ControlFlow;
use tokio::sync::mpsc;

fn resting_buy(symbol: Symbol) -> OrderIntent {
    OrderIntent {
        client_id: ClientOrderId("ed25519-1".to_owned()),
        strategy: "test".to_owned(),
        symbol,
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: Decimal::from(1),
        price: None,
        close_time: 0,
        valid_until: i64::MAX,
        terms: Box::default(),
    }
}

#[tokio::test]
async fn a_client_with_an_ed25519_key_places_hears_and_cancels() {
    let folder = Folder::new("ed25519");
    let sim = exchange(&folder).await;
    let pem = Secret::new(&std::fs::read_to_string(folder.join(PRIVATE_KEY_FILE)).unwrap());
    let key = ApiKey::ed25519(Secret::new(DEMO_ED25519_KEY), &pem).unwrap();
    let venue = client(sim.addr, key, Pace::Real);
    venue.server_time().await.unwrap();

    let (sender, mut events) = mpsc::channel(1_000);
    let (url, session) = venue.user_session().unwrap();
    let clock = venue.clock().clone();
    let now = move || Moment { steady: steady(), wall: wall(), venue: clock.now(wall()) };
    tokio::spawn(async move {
        let mut wiring = Wiring { url, now, dice: || 0, admit: || Ok(()), limited: |_| () };
        let sink = |event| match sender.try_send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        link::run(session, &mut wiring, sink).await;
    });
    let mut next = async || tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
    assert_eq!(next().await, Event::Subscribed);

    let rules = venue.instruments(&[]).await.unwrap().remove(0);
    let bars =
        venue.klines(rules.symbol, "1m".parse().unwrap(), 0, i64::MAX, 1).await.unwrap().held;
    let mut intent = resting_buy(rules.symbol);
    let half = bars[0].close.decimal() / Decimal::TWO;
    let down = |value: Decimal, step: Decimal| (value / step).trunc() * step;
    intent.price = Some(down(half, rules.tick_size));
    intent.quantity = down(Decimal::from(100) / half, rules.lot_size);
    let attempt = SendAttempt {
        client_id: intent.client_id.clone(),
        attempt: 1,
        validity: venue.validity(venue.now()),
    };
    let report = venue.place(&intent, &attempt).await.unwrap();
    assert_eq!(report.status, OrderStatus::Open);
    let stamp = Stamp::from(venue.validity(venue.now()));
    let report = venue.cancel(intent.symbol, &intent.client_id, stamp).await.unwrap();
    assert_eq!(report.status, OrderStatus::Cancelled);
    let mut reports = Vec::new();
    while reports.len() < 2 {
        if let Event::Frame(AccountReport::Order(report)) = next().await {
            reports.push((report.client_id.clone(), report.status));
        }
    }
    let id = intent.client_id.clone();
    assert_eq!(reports, [(id.clone(), OrderStatus::Open), (id, OrderStatus::Cancelled)]);

    // Another key pair is nobody here, and that is no reason to try again.
    let other = pem.expose().replace("vS2V5", "vS2V6");
    assert_ne!(other, pem.expose());
    let other = ApiKey::ed25519(Secret::new(DEMO_ED25519_KEY), &Secret::new(&other)).unwrap();
    let refused = client(sim.addr, other, Pace::Real).account().await.unwrap_err();
    assert_eq!((refused.class, refused.code), (ErrorClass::Halt, -1022));
    sim.stop().await.unwrap();
}
