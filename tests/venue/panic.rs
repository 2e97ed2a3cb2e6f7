//! Everything off by hand: with the daemon killed, at an exchange of somebody else and at ours.

use super::on_terminal;
use super::remote::Elsewhere;
use crate::kit::{Folder, Process, run, wait_until};
use everwarm_adapters::binance::BinanceClient;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::{OrderIntent, OrderType, SendAttempt, Side, Validity};
use everwarm_sim::server::port::PortFile;
use std::path::Path;

/// Places a buy: resting far below the market, or at the market.
async fn buy(client: &BinanceClient, symbol: Symbol, id: &str, order_type: OrderType) {
    client.server_time().await.unwrap();
    let rule = client.instruments(&[symbol]).await.unwrap().remove(0);
    let last = client.price(symbol).await.unwrap();
    let half = floor_to_step(last / Decimal::TWO, rule.tick_size);
    let client_id = ClientOrderId(id.to_owned());
    let intent = OrderIntent {
        client_id: client_id.clone(),
        strategy: "hand".to_owned(),
        symbol,
        side: Side::Buy,
        order_type,
        quantity: floor_to_step(Decimal::from(500) / last, rule.lot_size),
        price: (order_type == OrderType::Limit).then_some(half),
        close_time: 0,
        valid_until: i64::MAX,
        terms: Box::default(),
    };
    client.server_time().await.unwrap();
    let validity = Validity::within(client.now(), 60_000);
    let attempt = SendAttempt { client_id, attempt: 1, validity };
    client.place(&intent, &attempt).await.unwrap();
}

/// What the account has of an asset.
async fn held(client: &BinanceClient, asset: &str) -> Decimal {
    client.server_time().await.unwrap();
    let all = client.account().await.unwrap().balances;
    all.iter().filter(|b| b.asset == asset).map(|b| b.free + b.locked).sum()
}

fn panic(dir: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    run(dir, &[&["panic", "--venue"], more].concat())
}

#[tokio::test]
async fn panic_cancels_and_sells_without_the_daemon() {
    let there = Elsewhere::start("panic", 3);
    let dir = there.folder.join("data");
    let config = there.configured("testnet.toml", "environment = \"testnet\"", "");
    let file = config.to_str().unwrap();
    let daemon = Elsewhere::daemon(&dir, &config);
    let (code, _, err) = panic(&dir, &["binance", "--config", file]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("a daemon runs") && err.contains("--yes"), "{err}");
    daemon.kill();

    let client = there.client();
    let (btc, eth) = (Symbol::new("BTCUSDT").unwrap(), Symbol::new("ETHUSDT").unwrap());
    buy(&client, btc, "rest-1", OrderType::Limit).await;
    buy(&client, btc, "rest-2", OrderType::Limit).await;
    buy(&client, eth, "rest-3", OrderType::Limit).await;
    buy(&client, btc, "now-1", OrderType::Market).await;
    buy(&client, eth, "now-2", OrderType::Market).await;
    let had = held(&client, "BTC").await;
    let (code, out, err) = panic(&dir, &["binance", "--config", file, "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!err.contains("a daemon runs"), "{err}");
    assert!(out.contains("2 orders cancelled") && out.contains("1 order cancelled"), "{out}");
    assert!(out.contains("no open orders"), "{out}");
    assert_eq!(held(&client, "BTC").await, had, "nothing is sold that was not asked for");

    buy(&client, eth, "rest-4", OrderType::Limit).await;
    let asked = ["panic", "--venue", "binance", "--config", file];
    let (code, shown) = on_terminal(&dir, &asked, "no");
    assert_eq!(code, Some(5), "{shown}");
    assert!(shown.contains("nothing was changed") && shown.contains("testnet"), "{shown}");
    assert_eq!(client.open_orders(None).await.unwrap().len(), 1);
    let (code, shown) = on_terminal(&dir, &asked, "yes");
    assert_eq!(code, Some(0), "{shown}");
    buy(&client, eth, "rest-5", OrderType::Limit).await;
    let flatten = ["binance", "--config", file, "--yes", "--flatten", "--symbols", "BTCUSDT"];
    let (code, out, err) = panic(&dir, &flatten);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("BTCUSDT") && out.contains("sold"), "{out}");
    let rule = client.instruments(&[btc]).await.unwrap().remove(0);
    assert!(held(&client, "BTC").await < rule.lot_size.max(rule.market_lot_size));
    assert!(held(&client, "ETH").await > Decimal::ZERO, "not asked for");
    assert!(client.open_orders(None).await.unwrap().is_empty());

    // Of a universe, what is paid in its asset and not excluded.
    let text = std::fs::read_to_string(&config).unwrap();
    let named = text.lines().find(|line| line.starts_with("symbols = ")).unwrap();
    let flatten_of = |rule: &str| {
        let rule = format!("symbols = \"auto\"\nuniverse = {{ {rule} }}");
        std::fs::write(&config, text.replace(named, &rule)).unwrap();
        panic(&dir, &["binance", "--config", file, "--yes", "--flatten"])
    };
    let (code, out, err) = flatten_of("quote = \"USDT\", exclude = \"ETHUSDT\"");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains("ETH") && held(&client, "ETH").await > Decimal::ZERO, "{out}");
    let (code, out, err) = flatten_of("quote = \"USDT\"");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("ETHUSDT") && out.contains("sold"), "{out}");
    let (code, _, err) = panic(&dir, &["binance", "--yes"]);
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn panic_finds_our_own_exchange_by_its_port_file() {
    let folder = Folder::new("panic-sim");
    let dir = folder.join("data");
    let (code, _, err) = panic(&dir, &["sim", "--yes"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("no simulated exchange runs"), "{err}");
    let daemon = Process::start(&dir, &["run", "--pace", "60x", "--symbols", "8"]);
    daemon.prints("may trade");
    wait_until("something is held", || {
        let positions = crate::kit::ask(&dir, &["positions"]);
        positions.as_array().is_some_and(|all| !all.is_empty())
    });
    daemon.kill();
    assert!(PortFile::read(&dir.join("exchange")).unwrap().is_some());
    // A sale gets a part at once; the rest is open and holds what is left.
    let parts = ["sim", "fault", "partial-fills", "--times", "2", "--value", "30"];
    let (code, out, err) = run(&dir, &parts);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = panic(&dir, &["sim", "--flatten", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("sold") && out.contains("no open orders"), "{out}");
    let (code, out, err) = panic(&dir, &["sim", "--flatten", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains("sold"), "nothing was left of them: {out}");
}
