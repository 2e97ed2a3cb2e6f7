//! More streams than a connection carries: they are spread over several, and each comes back by
//! itself.

use crate::kit::{Folder, Process, ask, exchange, kill_exchange, runs, wait_until};
use everwarm_sim::server::port::PortFile;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Connections the exchange of a data directory has now.
async fn connections(dir: &Path) -> Option<u64> {
    let file = PortFile::read(&dir.join("exchange")).ok()??;
    let url = format!("http://127.0.0.1:{}/sim/v1/status", file.port);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = http.get(url).send().await.ok()?.text().await.ok()?;
    serde_json::from_str::<Value>(&text).ok()?["connections"].as_u64()
}

/// Waits for three market connections and the account's.
fn four_connections(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    wait_until("four connections", || runtime.block_on(connections(dir)) == Some(4));
}

/// The newest bar of each symbol; none where one has none yet.
fn newest(dir: &Path, symbols: &[String]) -> Option<Vec<i64>> {
    let bar = |symbol: &String| {
        let bars = ask(dir, &["bars", symbol, "1m", "--limit", "1"]);
        bars[0]["open_time"].as_i64()
    };
    symbols.iter().map(bar).collect()
}

#[test]
fn many_symbols_are_spread_over_connections_that_come_back() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = Folder::new("connections");
    let dir = folder.join("data");
    let config = folder.join("few.toml");
    fs::write(&config, "[venue]\nstreams_per_connection = 3\n").unwrap();
    let file = config.to_str().unwrap();
    let daemon =
        Process::start(&dir, &["run", "--pace", "60x", "--symbols", "7", "--config", file]);
    daemon.prints("may trade");
    daemon.answers();
    four_connections(&dir);
    let made = everwarm_sim::market::Seeded::new(1, 7, 0, 0);
    let rules = everwarm_sim::market::Market::instruments(&made).iter();
    let symbols: Vec<String> = rules.map(|rule| rule.symbol.to_string()).collect();
    wait_until("all symbols have bars", || newest(&dir, &symbols).is_some());
    let before = newest(&dir, &symbols).unwrap();
    let later = |than: &[i64]| {
        newest(&dir, &symbols).is_some_and(|now| now.iter().zip(than).all(|(now, was)| now > was))
    };
    wait_until("all symbols go on", || later(&before));

    let first = exchange(&dir).unwrap();
    kill_exchange(&dir);
    wait_until("it is gone", || !runs(first));
    four_connections(&dir);
    let after = newest(&dir, &symbols).unwrap();
    wait_until("all symbols go on again", || later(&after));
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
}
