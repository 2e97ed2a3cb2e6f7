//! Between what is fetched and what the stream sends there is no hole.

use crate::kit::{Folder, Process, ask, wait_until};
use everwarm::chaos::feed::{START, Small};
use everwarm_domain::time::MINUTE;
use everwarm_sim::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_sim::{InitialBooks, Pace, SimHandle, SimOptions, start};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Ends a close before a restart: a symbol of this market trades in each minute around it.
const CLOSE: i64 = START + 10 * MINUTE;

/// An exchange whose time only the test moves, for a daemon that does not know that.
struct Standing(SimHandle, Folder);

impl Standing {
    async fn start(name: &str) -> Standing {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = Folder::new(name);
        let data_dir = folder.join("books");
        fs::create_dir_all(&data_dir).unwrap();
        let (market, setup) = (Box::new(Small::new()), InitialBooks::default());
        let (port, pace, idle_exit) = (0, Pace::Lockstep, None);
        let options = SimOptions { data_dir, port, pace, market, setup, idle_exit };
        Standing(start(options).await.unwrap(), folder)
    }

    /// Venue time is `now`, the market is released up to `market`.
    async fn advance(&self, now: i64, market: i64) {
        let url = format!("http://{}/sim/v1/advance", self.0.addr);
        let body = json!({"to": now, "market": market}).to_string();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.post(url).bearer_auth(&self.0.token).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// The configuration of a daemon that trades there.
    fn configured(&self) -> PathBuf {
        let (addr, dir) = (self.0.addr, self.1.0.display());
        for (name, text) in [("key", DEMO_KEY), ("secret", DEMO_SECRET)] {
            let file = self.1.join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let text = format!(
            "[venue]\nkind = \"binance\"\nenvironment = \"testnet\"\nrest = \"http://{addr}\"\n\
             streams = \"ws://{addr}\"\nws_api = \"ws://{addr}/ws-api/v3\"\n\
             key = \"file:{dir}/key\"\nsecret = \"file:{dir}/secret\"\n\
             [market]\nsymbols = [\"BBBUSD\"]\npace = \"real\"\n\
             [trading]\nquote_asset = \"USD\"\n"
        );
        let file = self.1.join("daemon.toml");
        fs::write(&file, text).unwrap();
        file
    }
}

fn daemon(dir: &Path, config: &Path) -> Process {
    let daemon = Process::start(dir, &["run", "--config", config.to_str().unwrap()]);
    daemon.answers();
    wait_until("it is ready", || ask(dir, &["status"])["ready"] == true);
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_that_closed_just_before_the_stream_was_subscribed_is_said_before_the_next_one() {
    let there = Standing::start("overlap").await;
    let (dir, config) = (there.1.join("data"), there.configured());
    there.advance(CLOSE - 20_000, CLOSE - MINUTE).await;
    let before = daemon(&dir, &config);
    // Some seconds later: the daemon refuses that bar as one of the future until it has read the
    // venue's clock again, and then looks for it.
    there.advance(CLOSE + 10_000, CLOSE).await;
    let reported = |close: i64| ask(&dir, &["status"])["close_time"] == close;
    let on_disk = || ask(&dir, &["status"])["unsynced"] == 0;
    wait_until("a bar is said", || reported(CLOSE));
    wait_until("what it tells is on disk", || on_disk() && reported(CLOSE));
    before.kill();
    assert!(reported(CLOSE), "what was reported and is on disk outlives a kill");
    assert!(ask(&dir, &["status"])["unsynced"].is_null());
    // A second after the next close nobody knows yet whether its bar is closed for good, and no
    // stream that is subscribed now will send it.
    let next = CLOSE + MINUTE;
    there.advance(next + 1_000, next).await;
    let after = daemon(&dir, &config);
    // Time passes, and nothing is traded in it.
    there.advance(next + 10_000, next).await;
    wait_until("the bar is said although no other comes", || reported(next));
    after.kill();
    there.0.stop().await.unwrap();
}
