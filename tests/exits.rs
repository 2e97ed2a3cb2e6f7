//! Exits are owed: a position whose exit was decided is sold, whatever happened in between.

use crate::kit::{Folder, Process, ask, exchange, wait_until};
use everwarm_sim::server::port::PortFile;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

/// Opening time of the first bar, UTC milliseconds.
const START: i64 = 1_600_000_020_000;
const MINUTE: i64 = 60_000;

/// A recording of one symbol: the fast average crosses up after 40 minutes, and down `down` minutes
/// after the beginning.
fn hill(dir: &Path, down: i64, minutes: i64) -> String {
    fs::create_dir_all(dir).unwrap();
    let mut text = "open_time,open,high,low,close,volume\n".to_owned();
    for minute in 0..minutes {
        let price = match minute {
            0..40 => 10_000,
            at if at < down => 10_000 + (at - 40) * 10,
            at => 10_000 + (down - 40) * 10 - (at - down) * 5,
        };
        let price = format!("{}.{:02}", price / 100, price % 100);
        let open_time = START + minute * MINUTE;
        writeln!(text, "{open_time},{price},{price},{price},{price},1000").unwrap();
    }
    fs::write(dir.join("BTCUSDT_1m.csv"), text).unwrap();
    dir.to_str().unwrap().to_owned()
}

/// The exchange's time, UTC milliseconds.
fn exchange_time(dir: &Path) -> Option<i64> {
    let port = PortFile::read(&dir.join("exchange")).ok().flatten()?.port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = "GET /api/v3/time HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1)?).ok()?;
    body["serverTime"].as_i64()
}

fn fills(dir: &Path, side: &str) -> usize {
    let fills = ask(dir, &["fills"]);
    fills.as_array().unwrap().iter().filter(|fill| fill["side"] == side).count()
}

#[test]
fn an_exit_decided_during_an_outage_of_two_hours_is_sold_after_the_start() {
    let folder = Folder::new("exits");
    // It buys a minute after the price has begun to rise, and is killed long before it falls.
    let down = 180;
    let recording = hill(&folder.join("recording"), down, 1_500);
    let (dir, config) = (folder.join("data"), folder.join("everwarm.toml"));
    // A second at this pace. What is decided during the outage expires in it.
    fs::write(&config, "[trading]\nvalid_for_s = 600\n").unwrap();
    let play = ["run", "--pace", "600x", "--recording", &recording, "--config"];
    let play = [&play[..], &[config.to_str().unwrap()]].concat();
    let daemon = Process::start(&dir, &play);
    let bought = |line: &String| line.contains(" fill ") && line.contains("bought");
    wait_until("it has bought", || daemon.lines().iter().any(bought));
    daemon.kill();
    assert_eq!(fills(&dir, "sell"), 0, "the price still rises");
    // The averages cross down some minutes after the price turns. Long after that it starts again.
    let late = START + (down + 100) * MINUTE;
    wait_until("two hours have passed", || exchange_time(&dir).is_some_and(|time| time > late));
    let daemon = Process::start(&dir, &play);
    let sold = |line: &String| line.contains(" fill ") && line.contains("sold");
    wait_until("it has sold", || daemon.lines().iter().any(sold));
    wait_until("the history has it", || fills(&dir, "sell") > 0);
    let orders = ask(&dir, &["orders"]);
    // On a slow machine, an order may expire before it is sent. It is requested again. The stop
    // order was cancelled for the sale.
    let sent = |order: &&Value| {
        let sells = order["side"] == "sell" && order["stop_price"].is_null();
        sells && !order["venue_order_id"].is_null()
    };
    let sales: Vec<_> = orders.as_array().unwrap().iter().filter(sent).collect();
    assert_eq!(sales.len(), 1, "one sale was sent, when it could be sold: {orders}");
    let decided = sales[0]["time"].as_i64().unwrap();
    assert!(decided < late - 60 * MINUTE, "it was decided on a close of the outage: {orders}");
    wait_until("nothing is owed", || {
        ask(&dir, &["status"])["owed"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(ask(&dir, &["status"])["positions"], 0, "the fee leaves what is too small to sell");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until("the exchange ends", || exchange(&dir).is_none());
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], serde_json::json!([]));
}

#[test]
fn a_target_that_rests_at_the_venue_sells_the_lot_while_the_daemon_is_dead() {
    let folder = Folder::new("target");
    let recording = hill(&folder.join("recording"), 1_500, 1_500);
    let (dir, config) = (folder.join("data"), folder.join("everwarm.toml"));
    fs::write(&config, "[strategy.sma_cross]\nstop = \"5%\"\ntarget = \"4%\"\n").unwrap();
    let play = ["run", "--pace", "240x", "--recording", &recording, "--config"];
    let play = [&play[..], &[config.to_str().unwrap()]].concat();
    let daemon = Process::start(&dir, &play);
    daemon.answers();
    let price = |of: &Value| of.as_str().map(|text| text.parse::<f64>().unwrap());
    let lot = || ask(&dir, &["lots"])[0].clone();
    wait_until("both orders of the lot rest", || {
        price(&lot()["stop"]).is_some() && price(&lot()["target"]).is_some()
    });
    let target = price(&lot()["target"]).unwrap();
    daemon.kill();
    assert_eq!(fills(&dir, "sell"), 0, "the price is below the target");
    // The price rises from 100 by a tenth each minute, and the target is below 108.
    let late = START + 150 * MINUTE;
    wait_until("the price is above it", || exchange_time(&dir).is_some_and(|time| time > late));
    let daemon = Process::start(&dir, &play);
    daemon.answers();
    wait_until("the history has the sale", || fills(&dir, "sell") > 0);
    let sale = ask(&dir, &["fills"]);
    let sale = sale.as_array().unwrap().iter().find(|fill| fill["side"] == "sell").unwrap();
    assert_eq!(price(&sale["price"]), Some(target), "it was sold at the target: {sale}");
    let protecting = |orders: &Value| {
        let of = |order: &&Value| order["side"] == "sell";
        let words = |order: &Value| order["status"].as_str().unwrap().to_owned();
        let mut all: Vec<String> =
            orders.as_array().unwrap().iter().filter(of).map(words).collect();
        all.sort();
        all
    };
    wait_until("the stop order has ended", || {
        protecting(&ask(&dir, &["orders"])) == ["expired", "filled"]
    });
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until("the exchange ends", || exchange(&dir).is_none());
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
    assert_eq!(ask(&dir, &["verify-trades"])["problems"], serde_json::json!([]));
}
