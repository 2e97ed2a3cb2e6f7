//! The client of production against the simulated exchange.

mod conformance;
mod connections;
mod disturbed;
mod ed25519;
mod live;
mod orders;
mod overlap;
mod panic;
mod remote;
mod silent_stream;
mod splits;
mod stock_faults;
mod stocks;
mod stocks_at_night;
mod stocks_kept;

use crate::kit::{BINARY, Folder};
use everwarm_adapters::binance::{ApiKey, BinanceClient, Config};
use everwarm_runtime::clock::wall;
use everwarm_sim::market::Seeded;
use everwarm_sim::{InitialBooks, SimHandle, SimOptions, start};
use everwarm_venue::Probe;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::rate_limit::Note;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// An exchange in this process, of two symbols that begin now, as fast as life.
async fn exchange(folder: &Folder) -> SimHandle {
    let minute = wall().utc().div_euclid(60_000) * 60_000;
    let options = SimOptions {
        data_dir: folder.0.clone(),
        port: 0,
        pace: everwarm_sim::Pace::Times(1),
        market: Box::new(Seeded::new(1, 2, minute, 10)),
        setup: InitialBooks::default(),
        idle_exit: None,
    };
    start(options).await.unwrap()
}

/// A client of the exchange there.
fn client(addr: SocketAddr, key: ApiKey, pace: Pace) -> BinanceClient {
    let config = Config {
        rest: format!("http://{addr}"),
        stream: format!("ws://{addr}"),
        ws_api: format!("ws://{addr}/ws-api/v3"),
        key: Some(key),
        recv_window: 5_000,
        clock: SharedClock::new(pace),
        wall: Arc::new(wall),
        probe: Probe::default(),
        note: Note::default(),
    };
    BinanceClient::new(config).unwrap()
}

/// Runs the binary on a terminal, types a line, and gives its exit code and what it showed.
fn on_terminal(dir: &Path, arguments: &[&str], typed: &str) -> (Option<i32>, String) {
    let words = [&[BINARY], arguments, &["--data-dir", dir.to_str().unwrap()]].concat();
    assert!(words.iter().all(|word| !word.contains([' ', '\'', '"'])), "{words:?}");
    let mut command = Command::new("script");
    command.args(["-qec", &words.join(" "), "/dev/null"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("script, of the package bsdutils");
    // Held open: its end would be typed too.
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(format!("{typed}\n").as_bytes()).unwrap();
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    let code = child.wait().unwrap().code();
    drop(keys);
    (code, shown)
}
