//! The dominance of BTC and USDT: the real program against a local server that speaks as CoinGecko.

use crate::cli::look::get;
use crate::kit::{
    BINARY, Folder, Process, ask, http_answer, http_request, of_journal, run, sources_found,
    wait_until,
};
use everwarm_domain::dominance::Dominance;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::{Value, json};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const KEY: &str = "CG-hunter2";
const HOUR: UtcMs = 60 * MINUTE;

/// How the server responds from now on.
#[derive(Clone)]
enum Plan {
    /// With these bytes.
    Bytes(String),
    /// With these bytes, and then it closes the connection.
    Torn(String),
    /// Not at all.
    Silence,
}

impl Plan {
    /// The share of BTC at this time, seconds.
    fn share(btc: &str, updated_at: i64) -> Plan {
        let shares = format!("{{\"btc\":{btc},\"eth\":11.9,\"usdt\":4.60}}");
        let data = format!("{{\"market_cap_percentage\":{shares},\"updated_at\":{updated_at}}}");
        Plan::Bytes(http_answer(200, &format!("{{\"data\":{data}}}")))
    }
}

struct Held {
    plan: Plan,
    /// Heads of the requests.
    asked: Vec<String>,
    /// Connections without a response.
    silent: Vec<TcpStream>,
}

struct Source {
    at: SocketAddr,
    held: Arc<Mutex<Held>>,
}

impl Source {
    fn begin(plan: Plan) -> Source {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let held = Arc::new(Mutex::new(Held { plan, asked: Vec::new(), silent: Vec::new() }));
        let all = Arc::clone(&held);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, &all));
            }
        });
        Source { at, held }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, plan: Plan) {
        self.held().plan = plan;
    }

    /// A daemon that polls this source each half hour.
    fn daemon(&self, folder: &Folder) -> Process {
        let file = folder.join("mine.toml");
        let address = format!("address = \"http://{}/api/v3\"", self.at);
        let section = "[source.coingecko]\nenabled = true\nevery_s = 1800\nkey = \"env:CG\"\n";
        std::fs::write(&file, format!("{section}{address}\n")).unwrap();
        let mut command = Command::new(BINARY);
        command.env("CG", KEY);
        let flags = ["run", "--pace", "240x", "--symbols", "2", "--config"];
        let flags = [&flags[..], &[file.to_str().unwrap()]].concat();
        let daemon = Process::of(command, &folder.join("data"), &flags);
        daemon.answers();
        daemon
    }
}

fn serve(stream: TcpStream, all: &Mutex<Held>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let Some((request, _)) = http_request(&mut reader) else { return };
        let plan = {
            let mut held = all.lock().unwrap_or_else(PoisonError::into_inner);
            held.asked.push(request);
            held.plan.clone()
        };
        match plan {
            Plan::Bytes(bytes) => {
                if stream.write_all(bytes.as_bytes()).is_err() {
                    return;
                }
            }
            Plan::Torn(bytes) => {
                drop(stream.write_all(bytes.as_bytes()));
                return;
            }
            Plan::Silence => {
                let mut held = all.lock().unwrap_or_else(PoisonError::into_inner);
                held.silent.push(stream);
                return;
            }
        }
    }
}

/// The row of the dominance of BTC; null: there is none.
fn btc(dir: &Path) -> Value {
    let rows = ask(dir, &["regimes"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["symbol"] == "BTC.D");
    row.cloned().unwrap_or_default()
}

/// The samples of the journal, each with the number of its input.
fn samples(dir: &Path) -> Vec<(u64, Dominance)> {
    of_journal(dir, |body| {
        let Body::Market(Market::Dominance(one)) = body else { return None };
        Some(one.clone())
    })
}

#[test]
fn each_sample_is_kept_once_over_kills_and_gives_bars_with_drivers() {
    let folder = Folder::new("dominance");
    let dir = folder.join("data");
    let now = everwarm_runtime::clock::wall().utc();
    let first = now - now % HOUR - 10 * HOUR;
    let planned = [(5, "58.00"), (35, "58.50"), (65, "57.90"), (182, "57.00"), (241, "57.10")];
    let plan = |n: usize| Plan::share(planned[n].1, (first + planned[n].0 * MINUTE) / 1_000);
    let source = Source::begin(plan(0));
    // Each sample is old, so each start polls. The kill comes before the next poll.
    for (n, (_, share)) in planned.iter().enumerate() {
        source.plan(plan(n));
        let daemon = source.daemon(&folder);
        let value = json!(share.trim_end_matches('0').trim_end_matches('.'));
        wait_until("the sample is stored", || btc(&dir)["value"] == value);
        daemon.kill();
    }
    // The source repeats the newest sample.
    source.plan(Plan::Bytes(http_answer(500, "out of order")));
    let daemon = source.daemon(&folder);
    wait_until("the failure is reported", || {
        sources_found(&dir).contains("HTTP 500: out of order")
    });
    source.plan(plan(4));
    wait_until("the source responds again", || sources_found(&dir).is_empty());

    let row = btc(&dir);
    let bars = row["dominance"].as_array().unwrap().iter().filter(|bar| bar["timeframe"] == "1h");
    let bar = |bar: &Value| {
        let hour = (bar["open_time"].as_i64().unwrap() - first) / HOUR;
        let shares = ["open", "high", "low", "close"].map(|name| bar[name].as_str().unwrap());
        format!("{hour}: {} of {} {}", shares.join(" "), bar["samples"], bar["complete"])
    };
    assert_eq!(
        bars.map(bar).collect::<Vec<_>>(),
        [
            "0: 58 58.5 58 58.5 of 2 true",
            "1: 57.9 57.9 57.9 57.9 of 1 false",
            "3: 57 57 57 57 of 1 false",
        ],
        "nothing is invented for the hour without a sample"
    );
    let missing = row["missing"].as_str().unwrap();
    assert!(missing.starts_with("driver: 3 of 200 bars of 1h; driver: "), "{missing}");
    assert_eq!((&row["driver"], &row["composite"]), (&json!("none"), &json!(false)));
    let text = get(&dir, "/metrics");
    for line in [
        "everwarm_dominance_percent{asset=\"BTC\"} 57.1\n",
        "everwarm_dominance_percent{asset=\"USDT\"} 4.6\n",
        "everwarm_dominance_age_seconds{source=\"coingecko\"} ",
    ] {
        assert!(text.contains(line), "{line}");
    }
    daemon.kill();

    assert_eq!(btc(&dir), row, "the files of a stopped daemon have the same");
    let stored = samples(&dir);
    let times: Vec<UtcMs> =
        stored.iter().map(|(_, sample)| (sample.time - first) / MINUTE).collect();
    assert_eq!(times, planned.map(|(minute, _)| minute));
    let (n, sample) = &stored[0];
    assert_eq!((sample.source.as_str(), sample.every_s), ("coingecko", 1_800));
    let (_, out, _) = run(&dir, &["explain", &n.to_string()]);
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("dominance by coingecko at ") && words.contains("BTC 58 %"), "{out}");
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let asked = source.held().asked.clone();
    let is_whole = |head: &String| {
        let key = format!("x-cg-demo-api-key: {KEY}");
        head.starts_with("GET /api/v3/global ") && head.contains(&key)
    };
    assert!(asked.iter().all(is_whole), "{asked:?}");
}

#[test]
fn a_source_that_fails_is_reported_in_words_and_trading_goes_on() {
    let folder = Folder::new("dominance-fails");
    let dir = folder.join("data");
    let time = everwarm_runtime::clock::wall().utc() / 1_000 - 60;
    let too_many = "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 9\r\n\r\nslow down";
    let torn = "HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{\"data\":";
    let source = Source::begin(Plan::Bytes(too_many.to_owned()));
    let daemon = source.daemon(&folder);
    for (plan, why) in [
        (Plan::Bytes(too_many.to_owned()), "fails: HTTP 429: slow down"),
        (Plan::Torn(torn.to_owned()), "body"),
        (Plan::share("58.4", time * 1_000), "milliseconds, and it must be seconds"),
        (Plan::Silence, "timed out"),
    ] {
        source.plan(plan);
        wait_until(why, || sources_found(&dir).contains(why));
        assert!(sources_found(&dir).starts_with("the source coingecko fails: "));
    }
    wait_until("the daemon is ready", || ask(&dir, &["status"])["ready"] == true);
    assert_eq!(btc(&dir), Value::Null, "nothing wrong is stored");
    source.plan(Plan::share("58.4", time));
    wait_until("the source responds again", || sources_found(&dir).is_empty());
    wait_until("the sample is stored", || btc(&dir)["value"] == "58.4");
    daemon.signal("-INT");
    let (code, out, err) = daemon.result();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("coingecko: HTTP 429") && !err.contains(KEY), "{err}");
    assert_eq!(samples(&dir).len(), 1);
}
