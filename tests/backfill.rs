//! `everwarm backfill` without a daemon and beside one, and what a start would fetch.

use crate::cli::api::request;
use crate::kit::{Folder, Process, ask, run, wait_until};
use crate::past_source::{NAMES, Source};
use everwarm_sim::wire::sign::{DEMO_KEY, DEMO_SECRET};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

/// Minutes before the start of the exchange: 48 days.
const MINUTES: u32 = 70_123;
/// Days of the backfill, and pages of their quarter hours.
const DAYS: &str = "40";
const PAGES: usize = 4;

/// Stands before a source, and answers so many requests for bars. Later ones wait.
struct Gate {
    at: SocketAddr,
    asked: Arc<Asked>,
}

#[derive(Default)]
struct Asked {
    /// The requests for bars so far, and how many of them are answered.
    requests: Mutex<(Vec<String>, usize)>,
    opened: Condvar,
}

impl Gate {
    fn before(source: &Source) -> Gate {
        let upstream = source.socket();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::<Asked>::default();
        let all = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, upstream, &all));
            }
        });
        Gate { at, asked }
    }

    /// Answers so many requests in all.
    fn open(&self, answered: usize) {
        self.asked.requests.lock().unwrap().1 = answered;
        self.asked.opened.notify_all();
    }

    fn requests(&self) -> Vec<String> {
        self.asked.requests.lock().unwrap().0.clone()
    }
}

/// Serves one request. The client may be gone at any time.
fn serve(mut stream: TcpStream, upstream: SocketAddr, asked: &Asked) {
    let (mut head, mut part) = (Vec::new(), [0; 4_096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(read @ 1..) => head.extend(&part[..read]),
            Ok(0) | Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    if path.contains("/klines") {
        let mut requests = asked.requests.lock().unwrap();
        requests.0.push(path.to_owned());
        let number = requests.0.len();
        drop(asked.opened.wait_while(requests, |requests| requests.1 < number).unwrap());
    }
    let mut there = TcpStream::connect(upstream).unwrap();
    write!(there, "GET {path} HTTP/1.1\r\nhost: {upstream}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    there.read_to_end(&mut answer).unwrap();
    drop(stream.write_all(&answer));
}

/// The configuration of a daemon at that exchange.
fn configured(folder: &Folder, gate: &Gate) -> PathBuf {
    let (at, dir) = (gate.at, folder.0.display());
    for (name, text) in [("key", DEMO_KEY), ("secret", DEMO_SECRET)] {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let text = format!(
        "[venue]\nkind = \"binance\"\nenvironment = \"testnet\"\nrest = \"http://{at}\"\n\
         streams = \"ws://{at}\"\nws_api = \"ws://{at}/ws-api/v3\"\n\
         key = \"file:{dir}/key\"\nsecret = \"file:{dir}/secret\"\n\
         [market]\nsymbols = [{:?}]\n[trading]\nquote_asset = \"USDT\"\n",
        NAMES[0]
    );
    let file = folder.join("mine.toml");
    fs::write(&file, text).unwrap();
    file
}

/// Whether a folder has no file, or is not there.
fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(0, Iterator::count) == 0
}

/// The stored bars.
fn bars(dir: &Path) -> Value {
    ask(dir, &["bars", NAMES[0], "15m", "--limit", "0"])
}

#[test]
fn a_backfill_that_is_killed_at_every_page_goes_on_and_requests_no_stored_page_again() {
    let source = Source::start("backfill-killed", MINUTES);
    let gate = Gate::before(&source);
    let config = configured(&source.folder, &gate);
    let wanted =
        ["backfill", "--days", DAYS, "--timeframes", "15m", "--config", config.to_str().unwrap()];
    let whole = source.folder.join("whole");
    let plan = run(&whole, &[&wanted[..], &["--plan", "--json"]].concat());
    let plan: Value = serde_json::from_str(&plan.1).expect(&plan.2);
    assert_eq!((&plan["state"], &plan["requests"]), (&"planned".into(), &PAGES.into()));
    assert!(is_empty(&whole) && gate.requests().is_empty(), "a plan fetches nothing");
    gate.open(usize::MAX);
    let (code, out, err) = run(&whole, &[&wanted[..], &["--json"]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    let once = gate.requests();
    assert_eq!(once.len(), PAGES);
    let (killed, stored) = (source.folder.join("killed"), bars(&whole));
    assert_eq!(stored.as_array().unwrap().len(), 40 * 96);
    for page in 0..PAGES {
        // Each kill comes when so many pages are stored and the next one is requested. Two requests
        // for each page before were counted: the one that a kill ended, and its repetition.
        gate.open(PAGES + 2 * page);
        let child = Process::start(&killed, &wanted);
        let next = || gate.requests().len() > PAGES + 2 * page;
        wait_until("the next page is requested", next);
        child.kill();
    }
    gate.open(usize::MAX);
    let (code, out, err) = run(&killed, &[&wanted[..], &["--json"]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(bars(&killed), stored, "the end is that of a backfill without kills");
    let all = gate.requests().split_off(PAGES);
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different, once.iter().collect(), "the same pages");
    assert_eq!(all.len(), PAGES + PAGES, "a kill costs the page that was under way: {all:?}");
    let again = run(&killed, &[&wanted[..], &["--json"]].concat());
    let again: Value = serde_json::from_str(&again.1).unwrap();
    assert_eq!((&again["requests"], &again["fetched"]), (&0.into(), &0.into()));
    source.end();
}

#[test]
fn an_unknown_symbol_is_refused_with_what_was_meant_and_no_backfill_begins() {
    let folder = Folder::new("backfill-unknown");
    let config = folder.join("mine.toml");
    fs::write(&config, "[market]\nsymbols = 2\npace = \"1440x\"\n").unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let asked = ["backfill", "--symbols", "ETHUSDT,BTCUSDX", "--days", "1"];
    let asked = [&asked[..], &config].concat();
    let why = "symbols: BTCUSDX is unknown at the venue; did you mean BTCUSDT?";
    let (code, out, err) = run(&folder.join("alone"), &asked);
    assert!(code == Some(2) && err.contains(why), "{code:?} {out}{err}");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &[&["run"][..], &config].concat());
    daemon.answers();
    wait_until("it trades", || ask(&dir, &["status"])["close_time"].is_i64());
    let (code, out, err) = run(&dir, &asked);
    assert!(code == Some(2) && err.contains(why), "{code:?} {out}{err}");
    let last = ask(&dir, &["audit", "--limit", "1"]);
    assert_eq!(last[0]["what"], "POST /api/v1/backfill", "{last}");
    assert_eq!(last[0]["result"], why, "{last}");
    assert_eq!(view(&dir)["state"], "none");
    daemon.signal("-TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
}

/// The backfill of the daemon, as its API shows it.
fn view(dir: &Path) -> Value {
    let text = request(dir, &["GET /api/v1/backfill HTTP/1.1"], "");
    serde_json::from_str(text.rsplit("\r\n").next().unwrap()).unwrap_or_default()
}

#[test]
fn a_daemon_trades_while_a_backfill_runs_and_begins_one_by_its_schedule() {
    let folder = Folder::new("backfill-beside");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let text = "[market]\nsymbols = 2\npace = \"1440x\"\n[history]\nschedule = \"02:00\"\n\
                days = 3\ntimeframes = \"1h\"\n[strategy.sma_cross]\nfast = 3\nslow = 6\n";
    fs::write(&config, text).unwrap();
    let with = |words: &[&str]| {
        let (code, out, err) =
            run(&dir, &[words, &["--config", config.to_str().unwrap()]].concat());
        assert_eq!(code, Some(0), "{out}{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let dry = with(&["bootstrap", "--dry-run", "--json"]);
    let row = &dry["rows"][0];
    assert_eq!((&row["lack"], &row["need"]), (&"empty".into(), &1_000.into()), "{dry}");
    assert!(is_empty(&dir), "a dry run writes no file");
    let daemon = Process::start(&dir, &["run", "--config", config.to_str().unwrap()]);
    daemon.answers();
    let scheduled = || view(&dir)["scheduled"] == true && view(&dir)["state"] == "done";
    wait_until("the schedule has begun one", scheduled);
    let close = || ask(&dir, &["status"])["close_time"].as_i64();
    let before = close();
    let done = with(&["backfill", "--days", "10", "--timeframes", "1d,4h,1h", "--json"]);
    assert_eq!((&done["state"], &done["series"]), (&"done".into(), &6.into()), "{done}");
    assert!(done["fetched"].as_u64().unwrap() > 0, "{done}");
    let hours = done["rows"].as_array().unwrap().iter().find(|row| row["timeframe"] == "1h");
    assert!(hours.unwrap()["have"].as_u64().unwrap() >= 16, "the schedule fetched them");
    wait_until("it trades on", || close() > before);
    let all = ask(&dir, &["bars", NAMES[0], "4h", "--limit", "0"]);
    assert!(all.as_array().unwrap().len() >= 4, "those before the start: {all}");
    daemon.signal("-TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
    let dry = with(&["bootstrap", "--dry-run", "--json"]);
    let row = &dry["rows"][0];
    assert!(row["have"].as_u64().unwrap() > 900 && row["lack"] != "empty", "{dry}");
}
