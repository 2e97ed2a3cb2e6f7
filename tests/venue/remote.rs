//! A daemon at an exchange of somebody else: one it neither starts, steers nor stops.

use crate::cli::api::{every_command, every_path, holding};
use crate::kit::{Folder, PATIENCE, Process, ask, run, wait_until};
use everwarm_adapters::binance::{ApiKey, BinanceClient};
use everwarm_domain::id::Symbol;
use everwarm_domain::secret::Secret;
use everwarm_runtime::clock::wall;
use everwarm_sim::server::port::{PRIVATE_KEY_FILE, PortFile};
use everwarm_sim::wire::sign::{DEMO_ED25519_KEY, DEMO_KEY, DEMO_SECRET};
use everwarm_venue::clock::Pace;
use everwarm_venue::port::TradesSince;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An exchange that was started by itself, and what a daemon needs to trade there.
pub struct Elsewhere {
    pub exchange: Process,
    pub folder: Folder,
    pub port: u16,
    symbols: Vec<String>,
    /// How many times faster than real time its time passes.
    factor: u32,
}

impl Elsewhere {
    /// An exchange where a minute takes a second.
    pub fn start(name: &str, symbols: usize) -> Elsewhere {
        Elsewhere::at_pace(name, symbols, 60)
    }

    /// An exchange whose time passes this many times faster than real time.
    pub fn at_pace(name: &str, symbols: usize, factor: u32) -> Elsewhere {
        let folder = Folder::new(name);
        // Where the folder looks for what is left running.
        let books = folder.join("other").join("exchange");
        let (count, pace) = (symbols.to_string(), format!("{factor}x"));
        let arguments = ["sim", "--pace", &pace, "--idle-exit", "0", "--symbols", &count];
        let exchange = Process::start(&books, &arguments);
        let ours = || PortFile::read(&books).ok().flatten().filter(|f| f.pid == exchange.pid());
        wait_until("the exchange listens", || ours().is_some());
        let port = ours().unwrap().port;
        let key = folder.join("key");
        fs::write(&key, DEMO_ED25519_KEY).unwrap();
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let symbols = everwarm_sim::market::Seeded::new(1, symbols, 0, 0);
        let symbols = everwarm_sim::market::Market::instruments(&symbols).iter();
        let symbols = symbols.map(|rule| rule.symbol.to_string()).collect();
        Elsewhere { exchange, folder, port, symbols, factor }
    }

    /// The configuration of a daemon that trades there; `venue`, `trading` and `more` are lines.
    pub fn configured(&self, name: &str, venue: &str, trading: &str) -> PathBuf {
        let (port, folder) = (self.port, self.folder.0.display());
        let (symbols, factor) = (&self.symbols, self.factor);
        let text = format!(
            "[venue]\nkind = \"binance\"\nrest = \"http://127.0.0.1:{port}\"\n\
             streams = \"ws://127.0.0.1:{port}\"\nws_api = \"ws://127.0.0.1:{port}/ws-api/v3\"\n\
             key = \"file:{folder}/key\"\n\
             private_key = \"file:{folder}/other/exchange/{PRIVATE_KEY_FILE}\"\n{venue}\n\
             [market]\nsymbols = {symbols:?}\npace = \"{factor}x\"\n\
             [trading]\nquote_asset = \"USDT\"\n{trading}\n\
             [strategy.sma_cross]\nfast = 3\nslow = 6\n"
        );
        let file = self.folder.join(name);
        fs::write(&file, text).unwrap();
        file
    }

    /// Runs the daemon on `dir`.
    pub fn daemon(dir: &Path, config: &Path) -> Process {
        let daemon = Process::start(dir, &["run", "--config", config.to_str().unwrap()]);
        daemon.answers();
        daemon
    }

    /// The exchange as its owner sees it.
    pub fn client(&self) -> BinanceClient {
        let key = ApiKey::hmac(Secret::new(DEMO_KEY), Secret::new(DEMO_SECRET));
        // As fast as the exchange: its time is believed then, however slow this machine is.
        let (wall, per_mille) = (wall(), 1_000 * self.factor);
        let pace = Pace::Scaled { wall, venue: wall.utc(), per_mille };
        super::client(SocketAddr::from(([127, 0, 0, 1], self.port)), key, pace)
    }

    /// Every trade of the account there: (symbol, trade id).
    pub async fn trades(&self) -> BTreeSet<(String, String)> {
        let client = self.client();
        let mut all = BTreeSet::new();
        for symbol in &self.symbols {
            let of = Symbol::new(symbol).unwrap();
            let trades = client.trades_since(of, TradesSince::Time(0)).await.unwrap();
            all.extend(trades.iter().map(|t| (symbol.clone(), t.fill.trade_id.to_string())));
        }
        all
    }
}

/// Every fill a daemon reports: (symbol, trade id).
pub fn fills(dir: &Path) -> BTreeSet<(String, String)> {
    let fills = ask(dir, &["fills"]);
    let row = |fill: &Value| {
        let text = |name: &str| fill[name].as_str().unwrap().to_owned();
        (text("symbol"), text("trade_id"))
    };
    let rows: Vec<_> = fills.as_array().unwrap().iter().map(row).collect();
    let set: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(set.len(), rows.len(), "a fill counted twice");
    set
}

#[tokio::test]
async fn a_daemon_trades_at_an_exchange_of_somebody_else_and_goes_on_after_a_kill() {
    let mut there = Elsewhere::start("remote", 4);
    let dir = there.folder.join("data");
    let config = there.configured("testnet.toml", "environment = \"testnet\"", "");
    let daemon = Elsewhere::daemon(&dir, &config);
    wait_until("it is ready", || ask(&dir, &["status"])["ready"] == true);
    let status = ask(&dir, &["status"]);
    assert_eq!(status["environment"], "testnet");
    let venue = status["venue"].as_str().unwrap();
    assert!(venue.contains("testnet") && venue.contains(&there.port.to_string()), "{venue}");
    assert!(ask(&dir, &["tree"]).to_string().contains("gateway"));
    assert!(!ask(&dir, &["tree"]).to_string().contains("exchange"), "it keeps no exchange");
    wait_until("it trades", || fills(&dir).len() > 3);
    daemon.kill();

    let daemon = Elsewhere::daemon(&dir, &config);
    let before = fills(&dir).len();
    wait_until("it goes on", || fills(&dir).len() > before + 3);
    wait_until("it is ready again", || ask(&dir, &["status"])["ready"] == true);
    // A close comes every second; between two of them everything is reported.
    let mut agreed = false;
    for _ in 0..100 {
        let theirs = there.trades().await;
        agreed = fills(&dir) == theirs && !theirs.is_empty();
        if agreed {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(agreed, "every trade of the account is a fill, once");
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert!(there.exchange.alive(), "it is not ours to stop");
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[tokio::test]
async fn what_the_venue_refuses_is_told_and_ends_nothing() {
    let there = Elsewhere::start("refused", 1);
    let config = there.configured("wrong.toml", "environment = \"testnet\"", "");
    // The secret of another key.
    fs::write(there.folder.join("key"), DEMO_KEY).unwrap();
    let dir = there.folder.join("data");
    let mut daemon = Elsewhere::daemon(&dir, &config);
    let problem = || ask(&dir, &["status"])["problems"].to_string();
    wait_until("it says why", || problem().contains("-1022"));
    assert!(problem().contains("it rejects requests"), "{}", problem());
    assert!(daemon.complains("private stream refused", PATIENCE));
    assert!(daemon.alive());
}

#[test]
fn a_daemon_that_hears_no_bars_is_not_ready_and_says_why() {
    let there = Elsewhere::start("deaf", 1);
    let config = there.configured("deaf.toml", "environment = \"testnet\"", "");
    let text = fs::read_to_string(&config).unwrap();
    let streams = format!("streams = \"ws://127.0.0.1:{}\"", there.port);
    assert!(text.contains(&streams), "{text}");
    // Nobody listens there.
    fs::write(&config, text.replace(&streams, "streams = \"ws://127.0.0.1:9\"")).unwrap();
    let dir = there.folder.join("data");
    let daemon = Elsewhere::daemon(&dir, &config);
    wait_until("the account is compared", || ask(&dir, &["status"])["state"] == "trading");
    let status = ask(&dir, &["status"]);
    assert_eq!(status["ready"], false, "{status}");
    assert!(
        status["problems"].to_string().contains("feeds: market stream not subscribed yet"),
        "{status}"
    );
    let (code, out, _) = run(&dir, &["status", "--check"]);
    assert_eq!(code, Some(4), "{out}");
    assert!(out.starts_with("state      not ready, trading waits, process "), "{out}");
    assert!(out.contains("\nproblem    feeds: market stream not subscribed yet"), "{out}");
    daemon.kill();
}

#[test]
fn the_secret_of_an_account_is_nowhere_but_in_its_file() {
    const PLANTED: &str = "hunter2-of-an-account";
    let there = Elsewhere::start("planted", 1);
    let secret = there.folder.join("secret");
    fs::write(there.folder.join("key"), DEMO_KEY).unwrap();
    fs::write(&secret, PLANTED).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let config = there.configured("planted.toml", "environment = \"testnet\"", "");
    let text = fs::read_to_string(&config).unwrap();
    let private = text.lines().find(|line| line.starts_with("private_key")).unwrap();
    let text = text.replace(private, &format!("secret = \"file:{}\"", secret.display()));
    fs::write(&config, format!("{text}\n[daemon]\nlog = \"trace\"\n")).unwrap();
    let dir = there.folder.join("data");
    let daemon = Elsewhere::daemon(&dir, &config);
    let problem = || ask(&dir, &["status"])["problems"].to_string();
    wait_until("it signs, and is refused", || problem().contains("-1022"));
    let path = config.to_str().unwrap();
    let mut printed = String::new();
    for words in every_command() {
        let (_, out, err) = run(&dir, &[&words[..], &["--config", path, "-vvv"]].concat());
        printed += &[out, err].concat();
    }
    for words in [&["config", "show"][..], &["config", "check"], &["live", "confirm"]] {
        let (_, out, err) = run(&dir, &[words, &["--config", path, "-vvv"]].concat());
        printed += &[out, err].concat();
    }
    printed += &every_path(&dir);
    daemon.signal("-TERM");
    let (_, out, err) = daemon.result();
    printed += &[out, err].concat();
    assert!(printed.contains("TRACE") && printed.contains("-1022"), "it logs all there is");
    assert!(!printed.contains("hunter2"), "{:?}", printed.lines().find(|l| l.contains("hunter2")));
    assert_eq!(holding(&there.folder.0, PLANTED), [secret]);
}
