//! `everwarm history fetch` and `history check` with sources that need a key, against a server that
//! speaks both of their protocols.

use crate::kit::{BINARY, Folder, output, wait_until};
use crate::past_source::bars_of;
use crate::shared::shared;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use everwarm_domain::time::MINUTE;
use everwarm_words::text::instant;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

/// 2024-01-08 00:00 UTC.
const START: i64 = 1_704_672_000_000;
/// Most rows of a page of the server: less than its documentation allows.
const ROWS: usize = 3_000;
/// The variables with the key of each source, and the key.
const KEYS: [(&str, &str); 3] = [
    ("APCA_API_KEY_ID", "PKHUNTER2"),
    ("APCA_API_SECRET_KEY", "s3cret-hunter3"),
    ("POLYGON_API_KEY", "poly-hunter4"),
];

/// What the server knows.
struct Known {
    address: String,
    /// It does not respond to requests for bars from this time on, other than for a next page.
    silent_from: AtomicI64,
    /// The body of its next response for bars.
    next: Mutex<Option<String>>,
}

/// The server.
struct Stocks {
    folder: Folder,
    known: Arc<Known>,
    /// Keeps the server alive.
    _runtime: Runtime,
}

impl Stocks {
    fn start(name: &str) -> Stocks {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let known = Arc::new(Known {
            address: format!("http://{}", listener.local_addr().unwrap()),
            silent_from: AtomicI64::new(i64::MAX),
            next: Mutex::new(None),
        });
        let app = Router::new().fallback(serve).with_state(Arc::clone(&known));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Stocks { folder: Folder::new(name), known, _runtime: runtime }
    }

    fn command(&self, source: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("history").args(arguments);
        command.args(["--source", source, "--address", &self.known.address]);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
    }

    /// Fetches with the key in the environment.
    fn fetch(&self, source: &str, out: &Path, more: &[&str]) -> Command {
        let all = [&["fetch", "--out", out.to_str().unwrap()], more].concat();
        let mut command = self.command(source, &all);
        command.envs(KEYS);
        command
    }

    /// A file with lines, and who may read it.
    fn key_file(&self, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.join("keys");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }
}

async fn serve(State(known): State<Arc<Known>>, request: Request) -> Response {
    let target = request.uri().to_string();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    assert!(KEYS.iter().all(|(_, key)| !target.contains(key)), "a key in an address");
    let refuse = |status, body: String| (status, body).into_response();
    if !has_key(path, request.headers()) {
        // A careless server shows what it got.
        let body = format!("{:?}", request.headers());
        return refuse(StatusCode::UNAUTHORIZED, body);
    }
    if let Some(name) = path.strip_prefix("/v2/assets/") {
        let asset = json!({"symbol": name, "class": "us_equity", "fractionable": true});
        let body = asset.to_string();
        return if name == "NOPE" {
            refuse(StatusCode::NOT_FOUND, body)
        } else {
            body.into_response()
        };
    }
    if let Some(body) = known.next.lock().unwrap().take() {
        return body.into_response();
    }
    let page = if path == "/v2/stocks/bars" { alpaca(query) } else { polygon(&known, path) };
    let (from, body) = page;
    let is_next = query.contains("page_token=") || query.contains("cursor=");
    if !is_next && from >= known.silent_from.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    Response::new(Body::from(body.to_string()))
}

fn has_key(path: &str, headers: &HeaderMap) -> bool {
    let is = |name: &str, key: &str| headers.get(name).is_some_and(|value| value == key);
    if path.starts_with("/v2/aggs/") {
        return is("authorization", &format!("Bearer {}", KEYS[2].1));
    }
    is("apca-api-key-id", KEYS[0].1) && is("apca-api-secret-key", KEYS[1].1)
}

/// The minutes that were traded, from a time to another: those of sessions, with gaps.
fn traded(from: i64, to: i64) -> impl Iterator<Item = i64> {
    let minutes = (from.max(START) - START) / MINUTE..=(to - START) / MINUTE;
    minutes.filter(|minute| minute % 7 < 5 && minute / 2_000 % 5 == 0)
}

/// A page of rows, and the time of the next one.
fn rows(from: i64, to: i64, time: impl Fn(i64) -> Value) -> (Vec<Value>, Option<i64>) {
    let row = |minute: i64| {
        let time = time(START + minute * MINUTE);
        let cents = 10_000 + minute % 500;
        let price = |more: i64| {
            let (units, rest) = ((cents + more) / 100, (cents + more) % 100);
            serde_json::from_str::<Value>(&format!("{units}.{rest:02}")).unwrap()
        };
        let [open, high, low, close] = [0, 7, -3, 5].map(price);
        let volume = 100 + minute % 9;
        json!({"t": time, "o": open, "h": high, "l": low, "c": close, "v": volume, "n": 3})
    };
    let mut minutes = traded(from, to);
    let rows = minutes.by_ref().take(ROWS).map(row).collect();
    (rows, minutes.next().map(|minute| START + minute * MINUTE))
}

fn alpaca(query: &str) -> (i64, Value) {
    let field = |name: &str| {
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let time = |name: &str| field(name).unwrap().parse::<jiff::Timestamp>().unwrap();
    let token = field("page_token").map(|token| token.replace("%3D", ""));
    let from = token.map_or_else(|| time("start").as_millisecond(), |at| at.parse().unwrap());
    let text = |time| json!(jiff::Timestamp::from_millisecond(time).unwrap().to_string());
    let (rows, next) = rows(from, time("end").as_millisecond(), text);
    let next = next.map(|time| format!("{time}=="));
    (from, json!({"bars": {field("symbols").unwrap(): rows}, "next_page_token": next}))
}

fn polygon(known: &Known, path: &str) -> (i64, Value) {
    let parts: Vec<&str> = path.split('/').collect();
    let [name, from, to] = [parts[4], parts[8], parts[9]];
    let (from, to): (i64, i64) = (from.parse().unwrap(), to.parse().unwrap());
    let (rows, next) = rows(from, to, |time| json!(time));
    let series = parts[..8].join("/");
    let next = next.map(|next| format!("{}{series}/{next}/{to}?cursor=YQ", known.address));
    let page = json!({
        "ticker": name, "adjusted": false, "status": "OK", "resultsCount": rows.len(),
        "results": rows, "next_url": next,
    });
    (from, page)
}

/// What a command printed, without a key in it.
fn printed(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = output(command);
    let text = [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).join("\n");
    assert!(!text.to_lowercase().contains("hunter"), "{text}");
    (status.code(), text)
}

#[test]
fn a_killed_fetch_goes_on_and_ends_with_the_same_file() {
    let server = Stocks::start("keyed-killed");
    let minutes = 120_000;
    let [from, to] = [0, minutes].map(|minute| instant(START + minute * MINUTE));
    let asked = ["--symbols", "BRK.B", "--from", &from, "--to", &to];
    for source in ["alpaca", "polygon"] {
        let file = |out: &Path| out.join("BRK.B_1m.csv.gz");
        let (killed, calm) = (server.folder.join(source), server.folder.join("calm"));
        server.known.silent_from.store(START + 100_000 * MINUTE, Ordering::SeqCst);
        let mut command = server.fetch(source, &killed, &asked);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        wait_until("a block is written", || file(&killed).exists());
        child.kill().unwrap();
        child.wait().unwrap();
        let half = bars_of(&file(&killed)).len();
        server.known.silent_from.store(i64::MAX, Ordering::SeqCst);
        for out in [&killed, &calm] {
            let (code, text) = printed(&mut server.fetch(source, out, &asked));
            assert_eq!(code, Some(0), "{text}");
        }
        let bars = bars_of(&file(&killed));
        let times: Vec<i64> = bars.iter().map(|bar| (bar.open_time - START) / MINUTE).collect();
        let wanted: Vec<i64> = traded(START, START + (minutes - 1) * MINUTE).collect();
        assert!(half > 0 && half < bars.len() && times == wanted, "{half} of {}", bars.len());
        assert_eq!((bars[1].high.to_string(), bars[1].volume), ("100.08".to_owned(), 101.into()));
        let bytes = |out: &Path| std::fs::read(file(out)).unwrap();
        assert!(bytes(&killed) == bytes(&calm), "the files of {source} differ");
        std::fs::remove_dir_all(&calm).unwrap();
    }
    let rules = std::fs::read_to_string(server.folder.join("alpaca/recording.toml")).unwrap();
    assert!(rules.contains("lot = \"0.00000001\"") && !rules.contains("tick"), "{rules}");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_recorded_bars_are_in_the_file_as_they_were_sent() {
    let server = Stocks::start("keyed-recorded");
    let text = std::fs::read(shared("wire/alpaca/go_marketdata_rest_test.json")).unwrap();
    let recorded: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let page = recorded.iter().find(|row| row["test"] == "TestGetBars").unwrap();
    *server.known.next.lock().unwrap() = Some(page["body_text"].as_str().unwrap().to_owned());
    let out = server.folder.join("got");
    let asked = ["--symbols", "AMZN", "--timeframes", "15m", "--from", "2021-10-15 16:00"];
    let asked = [&asked[..], &["--to", "2021-10-15 17:15"]].concat();
    let (code, text) = printed(&mut server.fetch("alpaca", &out, &asked));
    assert_eq!(code, Some(0), "{text}");
    let bars = bars_of(&out.join("AMZN_15m.csv.gz"));
    let row = |bar: &everwarm_domain::market::Bar| {
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
        format!("{} {} {}", instant(bar.open_time), prices.join(" "), bar.volume)
    };
    let rows: Vec<String> = bars.iter().map(row).collect();
    assert_eq!(
        rows,
        [
            "2021-10-15 16:00 3378.14 3380.815 3376.3001 3379.72 211689",
            "2021-10-15 16:15 3379.5241 3383.24 3376.49 3377.82 115850",
            "2021-10-15 16:30 3377.982 3380.86 3377 3380 58531",
            "2021-10-15 16:45 3379.73 3387.17 3378.7701 3386.7615 83180",
            "2021-10-15 17:00 3387.56 3390.74 3382.87 3382.87 134339",
        ]
    );
}

#[test]
fn a_key_is_read_where_it_is_and_never_shown() {
    let server = Stocks::start("keyed-keys");
    let out = server.folder.join("got");
    let to = instant(START + 10 * MINUTE);
    let times = ["--from", "2024-01-08", "--to", &to];
    let asked =
        [&["fetch", "--out", out.to_str().unwrap(), "--symbols", "AAPL"], &times[..]].concat();
    for (source, name, page) in [
        ("alpaca", "APCA_API_KEY_ID", "https://app.alpaca.markets"),
        ("polygon", "POLYGON_API_KEY", "https://massive.com/dashboard/keys"),
    ] {
        let (code, text) = printed(&mut server.command(source, &asked));
        let missing = format!("needs a key: the variable {name} is not set");
        assert!(code == Some(2) && text.contains(&missing) && text.contains(page), "{text}");
        let mut wrong = server.command(source, &asked);
        wrong.arg("-vvv").envs(KEYS.map(|(name, _)| (name, "hunter0")));
        let (code, text) = printed(&mut wrong);
        assert!(code == Some(1) && text.contains("wrong or revoked"), "{text}");
        assert!(text.contains("[redacted]"), "{text}");
    }
    let lines = KEYS.map(|(name, key)| format!("{name}={key}\n")).concat();
    for (text, mode, code, why) in [
        (&lines[..], 0o644, 2, "other users can read it"),
        ("APCA_API_KEY_ID=x\n", 0o600, 2, "has no line APCA_API_SECRET_KEY="),
        ("hunter2\n", 0o600, 2, "keys:1: is no line NAME=VALUE"),
        (&lines, 0o600, 0, "AAPL"),
    ] {
        let file = server.key_file(text, mode);
        let with = [&asked[..], &["--key-file", file.to_str().unwrap()]].concat();
        let (found, text) = printed(&mut server.command("alpaca", &with));
        assert!(found == Some(code) && text.contains(why), "{found:?} {text}");
    }
    for (more, why) in [
        (["--symbols", "NOPE"], "Alpaca has no NOPE"),
        (["--timeframes", "1d"], "Alpaca has no bars of 1d"),
        (["--timeframes", "4h"], "Alpaca has no bars of 4h"),
    ] {
        let symbols: &[&str] = if more[0] == "--symbols" { &[] } else { &["--symbols", "AAPL"] };
        let all = [&more[..], symbols, &times].concat();
        let (code, text) = printed(&mut server.fetch("alpaca", &out, &all));
        assert!(code == Some(2) && text.contains(why), "{text}");
    }
}

#[test]
fn a_repair_fetches_what_is_missing_with_the_key() {
    let server = Stocks::start("keyed-repair");
    let whole = server.folder.join("whole");
    let [from, to] = [0, 210].map(|minute| instant(START + minute * MINUTE));
    let asked = ["--symbols", "AAPL", "--from", &from, "--to", &to];
    let (code, text) = printed(&mut server.fetch("alpaca", &whole, &asked));
    assert_eq!(code, Some(0), "{text}");
    let bars = bars_of(&whole.join("AAPL_1m.csv.gz"));
    let text: Vec<String> = {
        let row = |bar: &everwarm_domain::market::Bar| {
            let everwarm_domain::market::Bar { open_time, open, high, low, close, volume, .. } =
                bar;
            format!("{open_time},{open},{high},{low},{close},{volume}\n")
        };
        bars.iter().map(row).collect()
    };
    for source in ["alpaca", "polygon"] {
        let folder = server.folder.join(source);
        std::fs::create_dir_all(&folder).unwrap();
        let rows = [&text[..50], &text[53..]].concat().concat();
        let file = folder.join("AAPL_1m.csv");
        std::fs::write(&file, format!("open_time,open,high,low,close,volume\n{rows}")).unwrap();
        let keys = KEYS.map(|(name, key)| format!("{name} = {key}\n")).concat();
        let keys = server.key_file(&keys, 0o600);
        let asked = ["check", folder.to_str().unwrap(), "--json", "--repair", "--key-file"];
        let asked = [&asked[..], &[keys.to_str().unwrap()]].concat();
        let (code, text) = printed(&mut server.command(source, &asked));
        assert_eq!(code, Some(0), "what was not traded is known: {text}");
        let view: Value = serde_json::from_str(&text[..=text.rfind('}').unwrap()]).unwrap();
        assert_eq!(view["repair"]["series"][0]["added"], 3, "{text}");
        assert!(bars_of(&file) == bars, "{source}");
    }
}
