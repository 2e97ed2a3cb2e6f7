//! A daemon that trades stocks at an exchange which speaks the protocol of Alpaca, over kills.

use super::remote::fills;
use crate::kit::{Folder, Process, ask, run, wait_until};
use everwarm_adapters::{AccountKey, External, Signing};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::{OrderReport, Side};
use everwarm_domain::secret::Secret;
use everwarm_runtime::clock::wall;
use everwarm_sim::server::port::PortFile;
use everwarm_sim::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_venue::Opening;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::{TradesSince, Venue};
use everwarm_venue::rate_limit::Note;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const SYMBOLS: [&str; 2] = ["AAPL", "SPY"];

/// How fast time passes at the exchange of its own process.
const FACTOR: u32 = 120;

/// Where an exchange of stocks listens, and the folder of what trades there.
pub struct Place {
    pub folder: Folder,
    pub port: u16,
    /// How fast its time passes.
    pub factor: u32,
}

/// An exchange of stocks that was started for itself, whose market opens soon.
struct Stocks {
    exchange: Process,
    at: Place,
}

impl Stocks {
    fn start(name: &str) -> Stocks {
        let folder = Folder::new(name);
        let books = folder.join("other").join("exchange");
        let (list, pace) = (SYMBOLS.join(","), format!("{FACTOR}x"));
        let arguments = [
            "sim",
            "--protocol",
            "alpaca",
            "--pace",
            &pace,
            "--idle-exit",
            "0",
            "--symbols",
            &list,
        ];
        let exchange = Process::start(&books, &arguments);
        let ours = || PortFile::read(&books).ok().flatten().filter(|f| f.pid == exchange.pid());
        wait_until("the exchange listens", || ours().is_some());
        let port = ours().unwrap().port;
        Stocks { exchange, at: Place::new(folder, port, FACTOR) }
    }
}

impl Place {
    /// Writes the key of the account.
    pub fn new(folder: Folder, port: u16, factor: u32) -> Place {
        for (name, text) in [("id", DEMO_KEY), ("secret", DEMO_SECRET)] {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        }
        Place { folder, port, factor }
    }

    /// The addresses in the order of the configuration keys.
    fn addresses(&self) -> [String; 4] {
        let port = self.port;
        [
            format!("http://127.0.0.1:{port}"),
            format!("ws://127.0.0.1:{port}/v2/iex"),
            format!("ws://127.0.0.1:{port}/stream"),
            format!("http://127.0.0.1:{port}"),
        ]
    }

    /// The configuration of a daemon that trades there.
    pub fn configured(&self, name: &str, strategy: &str) -> PathBuf {
        let [rest, streams, account, data] = self.addresses();
        let (folder, factor) = (self.folder.0.display(), self.factor);
        let text = format!(
            "[venue]\nkind = \"alpaca\"\nrest = {rest:?}\nstreams = {streams:?}\n\
             ws_api = {account:?}\ndata = {data:?}\n\
             key = \"file:{folder}/id\"\nsecret = \"file:{folder}/secret\"\n\
             [market]\nsymbols = {SYMBOLS:?}\npace = \"{factor}x\"\n\
             [trading]\nquote_asset = \"USD\"\nnotional = \"5000\"\n{strategy}"
        );
        let file = self.folder.join(name);
        fs::write(&file, text).unwrap();
        file
    }

    /// The account as its owner sees it.
    pub fn venue(&self) -> Arc<dyn Venue> {
        let (wall_now, per_mille) = (wall(), self.factor * 1_000);
        let pace = Pace::Scaled { wall: wall_now, venue: wall_now.utc(), per_mille };
        let opening = Opening {
            recv_window: 5_000,
            clock: SharedClock::new(pace),
            wall: Arc::new(wall),
            note: Note::default(),
        };
        let signing = Signing::Secret(Secret::new(DEMO_SECRET));
        let key = AccountKey { key: Secret::new(DEMO_KEY), signing };
        let open = (External::named("alpaca").unwrap().open)(&self.addresses(), key).unwrap();
        open(opening).unwrap().venue
    }

    /// Every trade of the account there: (symbol, trade id).
    async fn trades(&self) -> BTreeSet<(String, String)> {
        let venue = self.venue();
        let mut all = BTreeSet::new();
        for symbol in SYMBOLS {
            let of = Symbol::named(symbol).unwrap();
            let trades = venue.trades_since(of, TradesSince::Time(1)).await.unwrap();
            all.extend(trades.iter().map(|t| (symbol.to_owned(), t.fill.trade_id.to_string())));
        }
        all
    }

    /// Waits until every trade of the account is a fill of the daemon, once.
    pub async fn agrees(&self, dir: &Path) {
        for _ in 0..200 {
            let theirs = self.trades().await;
            if !theirs.is_empty() && fills(dir) == theirs {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("fills {:?}, trades {:?}", fills(dir), self.trades().await);
    }
}

/// Starts a daemon that answers.
pub fn daemon(dir: &Path, config: &Path) -> Process {
    let daemon = Process::start(dir, &["run", "--config", config.to_str().unwrap()]);
    daemon.answers();
    daemon
}

/// Waits until the daemon is ready.
pub fn ready(dir: &Path) {
    wait_until("it is ready", || ask(dir, &["status"])["ready"] == true);
}

pub const FAST: &str = "[strategy.sma_cross]\nfast = 3\nslow = 6\n";

#[tokio::test]
async fn stocks_are_traded_over_kills_and_no_order_is_sent_twice() {
    let mut there = Stocks::start("stocks");
    let dir = there.at.folder.join("data");
    let config = there.at.configured("stocks.toml", FAST);
    let daemon = self::daemon(&dir, &config);
    ready(&dir);
    let status = ask(&dir, &["status"]);
    assert_eq!(status["environment"], "paper", "{status}");
    assert!(ask(&dir, &["tree"]).to_string().contains("alpaca"));
    wait_until("it trades", || fills(&dir).len() > 2);
    daemon.kill();
    for _ in 0..3 {
        let daemon = self::daemon(&dir, &config);
        let before = fills(&dir).len();
        wait_until("it goes on", || fills(&dir).len() > before + 1);
        daemon.kill();
    }
    let daemon = self::daemon(&dir, &config);
    ready(&dir);
    there.at.agrees(&dir).await;
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert!(there.exchange.alive(), "it is not ours to stop");
    for command in ["verify", "verify-trades"] {
        let (code, out, err) = run(&dir, &[command]);
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
}

/// The strategy waits for years, so that only the order by hand trades.
pub const IDLE: &str = "[strategy.sma_cross]\nfast = 400\nslow = 500\n";

pub fn held(dir: &Path, symbol: &str) -> Option<String> {
    let positions = ask(dir, &["positions"]);
    let row = positions.as_array().unwrap().iter().find(|row| row["symbol"] == symbol).cloned();
    row.map(|row: Value| row["quantity"].as_str().unwrap().to_owned())
}

pub async fn open_orders(venue: &Arc<dyn Venue>) -> Vec<OrderReport> {
    venue.open_orders(None).await.unwrap()
}

#[tokio::test]
async fn ten_shares_bought_and_killed_at_once_are_found_once_with_their_stop_at_the_venue() {
    let there = Stocks::start("ten-shares");
    let dir = there.at.folder.join("data");
    let config = there.at.configured("ten.toml", IDLE);
    let daemon = self::daemon(&dir, &config);
    ready(&dir);
    let buy = ["order", "buy", "AAPL", "--quantity", "10", "--reason", "a test", "--yes"];
    wait_until("the order is taken", || {
        let (code, out, err) = run(&dir, &buy);
        let early = ["no close yet", "market-closed"].iter().any(|words| out.contains(words));
        assert!(code == Some(0) || early, "{out}{err}");
        code == Some(0)
    });
    daemon.kill();
    let daemon = self::daemon(&dir, &config);
    ready(&dir);
    wait_until("the shares are found", || held(&dir, "AAPL").as_deref() == Some("10"));
    there.at.agrees(&dir).await;
    let venue = there.at.venue();
    let mut stops = Vec::new();
    for _ in 0..200 {
        stops = open_orders(&venue).await;
        if !stops.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let stop = &stops[..];
    assert!(
        matches!(stop, [OrderReport { side: Side::Sell, .. }])
            && stop[0].quantity.to_string() == "10",
        "{stop:?}"
    );
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(open_orders(&venue).await.len(), 1, "the stop outlives the daemon");

    // Somebody sells half of it while the daemon is away.
    let stop = stops.remove(0);
    there.at.sell_elsewhere(&stop, 5).await;
    let daemon = self::daemon(&dir, &config);
    wait_until("it says what differs", || {
        ask(&dir, &["status"])["problems"].to_string().contains("AAPL")
    });
    let (code, shown, _) = run(&dir, &["reconcile"]);
    assert_eq!(code, Some(4), "{shown}");
    let row = shown.lines().find(|line| line.contains("AAPL") && line.contains("10"));
    let words = row.map(|row| row.split_whitespace().collect::<Vec<_>>()).unwrap_or_default();
    assert!(words.contains(&"10") && words.contains(&"5"), "both sides are shown: {shown}");
    daemon.kill();
}

impl Place {
    /// Cancels the stop and sells a part, without the daemon.
    async fn sell_elsewhere(&self, stop: &OrderReport, quantity: u32) {
        let [rest, ..] = self.addresses();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let signed = |it: reqwest::RequestBuilder| {
            it.header("APCA-API-KEY-ID", DEMO_KEY).header("APCA-API-SECRET-KEY", DEMO_SECRET)
        };
        let id = &stop.venue_order_id;
        let gone = signed(client.delete(format!("{rest}/v2/orders/{id}"))).send().await.unwrap();
        assert_eq!(gone.status(), 204);
        let body = serde_json::json!({
            "symbol": "AAPL", "qty": quantity.to_string(), "side": "sell", "type": "market",
            "time_in_force": "day", "client_order_id": "by-somebody-else",
        });
        let sold = signed(client.post(format!("{rest}/v2/orders")))
            .header("content-type", "application/json")
            .body(body.to_string());
        let sold = sold.send().await.unwrap();
        assert!(sold.status().is_success(), "{}", sold.text().await.unwrap());
    }
}
