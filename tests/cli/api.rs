//! The API against those who mean ill or are mistaken, and what may be changed by it.
//!
//! Over 500 lines: one subject, one test a promise.

use super::words::commands;
use crate::kit::{Folder, PATIENCE, Process, ask, run, wait_until};
use everwarm_api::{ApiFile, TOKEN_FILE};
use everwarm_runtime::clock;
use everwarm_views::audit::AUDIT_FILE;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the daemon answers to these bytes, until it ends the connection.
fn answer(dir: &Path, bytes: &[u8]) -> String {
    answer_within(dir, bytes, PATIENCE)
}

/// The same, as far as it comes within so long: a stream does not end by itself.
fn answer_within(dir: &Path, bytes: &[u8], within: Duration) -> String {
    let file = ApiFile::read(dir).expect("it names where it answers");
    let mut stream = TcpStream::connect(file.addr).unwrap();
    stream.set_read_timeout(Some(within)).unwrap();
    // It may answer, and end, before it has received all.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    let (began, mut piece) = (clock::now(), [0; 4096]);
    while began.elapsed() < within {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request of some lines, that ends the connection.
pub fn request(dir: &Path, lines: &[&str], body: &str) -> String {
    let host =
        if lines.iter().any(|l| l.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
    let length = format!("Content-Length: {}", body.len());
    let head = format!("{}\r\n{host}{length}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
    answer(dir, format!("{head}{body}").as_bytes())
}

const CHANGE: &str = "PUT /api/v1/log-level HTTP/1.1";
const JSON: &str = "Content-Type: application/json";
const BODY: &str = "{\"filter\":\"info\"}";

fn refused(dir: &Path) -> Vec<(String, u64)> {
    let text = request(dir, &["GET /metrics HTTP/1.1"], "");
    let lines =
        text.lines().filter_map(|l| l.strip_prefix("everwarm_http_refused_total{reason=\""));
    lines
        .map(|line| {
            let (reason, number) = line.split_once("\"} ").unwrap();
            (reason.to_owned(), number.parse().unwrap())
        })
        .collect()
}

/// Asserts what hostile requests get.
fn assert_refused(dir: &Path, bearer: &str) {
    let get = |path: &str| format!("GET {path} HTTP/1.1");
    let long = format!("GET /{} HTTP/1.1", "x".repeat(100_000));
    let many: Vec<String> = (0..200).map(|i| format!("X-{i}: 1")).collect();
    let many: Vec<&str> =
        std::iter::once("GET /livez HTTP/1.1").chain(many.iter().map(|s| &**s)).collect();
    let large = format!("{{\"filter\":\"{}\"}}", "x".repeat(100_000));
    let wrong = format!("{bearer}0");
    for (lines, body, status, code) in [
        (&[&*get("/livez"), "Host: evil.example"][..], "", "403", "wrong-host"),
        (&[CHANGE, "Host: evil.example:80", JSON, bearer], BODY, "403", "wrong-host"),
        (&[CHANGE, JSON], BODY, "401", "no-token"),
        (&[CHANGE, JSON, "Authorization: Basic eDp5"], BODY, "401", "no-token"),
        (&[CHANGE, JSON, &wrong], BODY, "401", "wrong-token"),
        (&[CHANGE, JSON, "Authorization: Bearer "], BODY, "401", "token"),
        (&[CHANGE, bearer], BODY, "400", "bad-body"),
        (&[CHANGE, "Content-Type: text/plain", bearer], BODY, "400", "bad-body"),
        (&[CHANGE, JSON, bearer], "{\"filter\":", "400", "bad-body"),
        (&[CHANGE, JSON, bearer], "{\"filter\":\"info\",\"x\":1}", "400", "bad-body"),
        (&[CHANGE, JSON, bearer], "{\"filter\":\"everwarm=loud\"}", "400", "bad-body"),
        (&[CHANGE, JSON, bearer], &large, "413", "too-large"),
        (&["POST /api/v1/log-level HTTP/1.1", JSON, bearer], BODY, "405", "wrong-method"),
        (&["DELETE /api/v1/orders HTTP/1.1", bearer], "", "405", "wrong-method"),
        (&[&*get("/api/v1/orders?limit=many")], "", "400", "bad-query"),
        (&[&*get("/api/v1/orders?limti=1")], "", "400", "bad-query"),
        (&[&*get("/api/v1/scan?top=0")], "", "400", "bad-query"),
        (&[&*get("/api/v1/scan?strategy=nothing")], "", "404", "no-such-id"),
        (&[&*get("/api/v1/status?x=1")], "", "400", "bad-query"),
        (&[&*get("/livez?x=1")], "", "400", "bad-query"),
        (&[&*get("/?x=1")], "", "400", "bad-query"),
        (&["POST /api/v1/retry?x=1 HTTP/1.1", JSON, bearer], "{}", "400", "bad-query"),
        (&[&*get("http://evil/livez")], "", "403", "wrong-host"),
        (&[&*get("http://localhost@evil:80/livez")], "", "403", "wrong-host"),
        (&[&*get("http://localhost/livez"), "Host: evil"], "", "403", "wrong-host"),
        (&["POST /api/v1/trading/halt HTTP/1.1", bearer], "{}", "400", "bad-body"),
        (&["POST /api/v1/trading/dance HTTP/1.1", JSON, bearer], "{}", "404", "no-such-path"),
        (&[&*get("/api/v1/bars/NOPE/1m")], "", "404", "no-such-symbol"),
        (&[&*get("/api/v1/why-not/NOPE")], "", "404", "no-such-symbol"),
        (&[&*get("/../../etc/passwd")], "", "404", "no-such-path"),
        (&[&*get("/api/v1/../../live.redb")], "", "404", "no-such-path"),
        (&[&*get("/api/v1/%2e%2e/api.token")], "", "404", "no-such-path"),
        (&[&*get("/api/v1/explain/..%2f..%2fapi.token")], "", "404", "no-such-id"),
        (&[&*get("//api.token")], "", "404", "no-such-path"),
    ] {
        let answer = request(dir, lines, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{lines:?}: {answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{lines:?}: {answer}");
        let problem: Value = serde_json::from_str(answer.rsplit("\r\n").next().unwrap()).unwrap();
        assert!(problem["code"].as_str().unwrap().contains(code), "{lines:?}: {problem}");
        assert_eq!(problem["status"].to_string(), status);
        assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
    }
    let whole = request(dir, &[&*get("http://127.0.0.1:80/livez")], "");
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
    assert!(request(dir, &[&long], "").starts_with("HTTP/1.1 4"), "a long path");
    assert!(request(dir, &many, "").starts_with("HTTP/1.1 4"), "many headers");
    assert!(answer(dir, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").starts_with("HTTP/1.1 400"));
}

/// Asserts that nobody may keep the daemon waiting.
fn assert_patience_ends(dir: &Path, bearer: &str) {
    let head = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".to_owned();
    let body = format!(
        "{CHANGE}\r\nHost: localhost\r\n{JSON}\r\n{bearer}\r\nContent-Length: 100\r\n\r\n{{"
    );
    std::thread::scope(|scope| {
        let head = scope.spawn(|| answer(dir, head.as_bytes()));
        let body = scope.spawn(|| answer(dir, body.as_bytes()));
        let (head, body) = (head.join().unwrap(), body.join().unwrap());
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
        assert!(body.starts_with("HTTP/1.1 408") && body.contains("too-slow"), "{body}");
    });
    // More connections than there is room for: the others are ended, and room comes back.
    let file = ApiFile::read(dir).unwrap();
    let crowd: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(file.addr).unwrap()).collect();
    let busy = |counts: &[(String, u64)]| counts.iter().any(|(r, n)| r == "busy" && *n > 0);
    // They stay until it has accepted more than there are places for.
    wait_until("those without room are counted", || busy(&refused(dir)));
    for stream in crowd {
        drop(stream.shutdown(Shutdown::Both));
    }
}

/// Requests are counted by the pattern of their path, and the start is timed.
fn assert_counted(dir: &Path) {
    let metrics = request(dir, &["GET /metrics HTTP/1.1"], "");
    for series in [
        "{route=\"/api/v1/log-level\",method=\"PUT\",status=\"200\"} 1",
        "{route=\"/api/v1/log-level\",method=\"PUT\",status=\"401\"} ",
        "{route=\"none\",method=\"GET\",status=\"404\"} ",
    ] {
        assert!(metrics.contains(&format!("everwarm_http_requests_total{series}")), "{metrics}");
    }
    let steps = metrics.lines().filter_map(|l| l.strip_prefix("everwarm_start_step_seconds"));
    let untimed: Vec<&str> = steps.filter(|l| l.ends_with("} 0")).collect();
    assert!(untimed.len() <= 1, "all but catching up, perhaps: {untimed:?}");
    assert!(!metrics.contains(".."), "the pattern is shown, never a path: {metrics}");
}

/// A word that names neither a level nor a part of the program is no filter, and changes none.
fn assert_typo_refused(dir: &Path) {
    let before = ask(dir, &["log-level"]);
    let (code, _, err) = run(dir, &["log-level", "debg", "--yes"]);
    assert!(code == Some(2) && err.contains("did you mean \"debug\"?"), "{code:?} {err}");
    assert_eq!(ask(dir, &["log-level"]), before);
}

/// What was to be changed with the token, and refused before it was tried, has its line; what came
/// without the token has none. Gives the lines of what was tried.
fn assert_noted(lines: Vec<Value>) -> Vec<Value> {
    let (lines, tried): (Vec<Value>, Vec<Value>) =
        lines.into_iter().partition(|line| line["body"].is_null());
    assert_eq!((lines.len(), tried.len()), (12, 4), "{lines:?} {tried:?}");
    for (what, why) in [
        ("PUT /api/v1/log-level", "Content-Type"),
        ("PUT /api/v1/log-level", "the Host header"),
        ("PUT /api/v1/log-level", "larger than 65536 bytes"),
        ("PUT /api/v1/log-level", "did not arrive within"),
        ("POST /api/v1/log-level", "does not accept"),
        ("DELETE /api/v1/orders", "does not accept"),
        ("POST /api/v1/retry?x=1", "accepts no query"),
        ("POST /api/v1/trading/halt", "Content-Type"),
        ("POST /api/v1/trading/dance", "halt, resume, new-peak or flatten"),
    ] {
        let is_refusal =
            |line: &Value| line["what"] == what && line["result"].as_str().unwrap().contains(why);
        assert!(lines.iter().any(is_refusal), "{what}, {why}: {lines:?}");
    }
    assert!(lines.iter().all(|line| line["who"] == "token"), "{lines:?}");
    tried
}

#[test]
fn hostile_requests_are_refused_and_counted_and_changes_need_the_token() {
    let folder = Folder::new("api");
    let dir = folder.join("data");
    let mut daemon = Process::start(&dir, &["run", "--symbols", "3"]);
    daemon.answers();
    let file = dir.join(TOKEN_FILE);
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the owner alone may read it");
    let token = fs::read_to_string(&file).unwrap();
    let bearer = format!("Authorization: Bearer {token}");

    assert_refused(&dir, &bearer);
    assert_patience_ends(&dir, &bearer);
    assert_eq!(
        ask(&dir, &["log-level"]),
        json!({ "filter": "warn", "for_s": null }),
        "nothing was changed"
    );
    let counts = refused(&dir);
    for (reason, least) in [
        ("wrong-host", 2),
        ("no-token", 2),
        ("wrong-token", 1),
        ("bad-body", 5),
        ("too-large", 2),
        ("too-slow", 2),
        ("malformed", 1),
        ("wrong-method", 2),
        ("bad-query", 2),
        ("no-such-path", 4),
    ] {
        let found = counts.iter().find(|(r, _)| r == reason).unwrap();
        assert!(found.1 >= least, "{reason}: {counts:?}");
    }

    let (code, out, err) = run(&dir, &["log-level", "info,everwarm=debug", "--yes"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "everwarm=debug,info", ""));
    assert_eq!(
        ask(&dir, &["log-level"]),
        json!({ "filter": "everwarm=debug,info", "for_s": null })
    );
    let (code, _, err) = run(&dir, &["log-level", "everwarm=loud", "--yes"]);
    assert_eq!(code, Some(2), "{err}");
    assert_typo_refused(&dir);
    fs::rename(&file, folder.join("away")).unwrap();
    let (code, _, err) = run(&dir, &["log-level", "debug", "--yes"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("token"), "{err}");
    fs::rename(folder.join("away"), &file).unwrap();

    let audit = fs::read_to_string(dir.join(AUDIT_FILE)).unwrap();
    let lines: Vec<Value> = audit.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(ask(&dir, &["audit"]).as_array(), Some(&lines), "by the command too");
    let lines = assert_noted(lines);
    let (code, _, err) = run(&dir, &["log-level", "debug"]);
    assert_eq!(code, Some(2), "nobody can be asked: {err}");
    assert!(err.contains("--yes"), "{err}");
    assert_counted(&dir);
    assert_eq!(
        (&lines[1]["result"], &lines[1]["what"]),
        (&json!("done"), &json!("PUT /api/v1/log-level"))
    );
    assert!(lines[2]["result"].as_str().unwrap().contains("loud"), "{audit}");
    assert!(!audit.contains(&token));

    assert!(daemon.alive());
    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0));
    assert!(err.contains("DEBUG"), "the level was changed: {err}");
    // The token is kept; one that others may read is not used.
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let (code, _, err) = run(&dir, &["run", "--symbols", "3"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("other users can read it") && err.contains("chmod 600"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), token);
}

const PLANTED: &str = "planted-hunter2-secret";

/// Commands that ask or change something, some in ways that are refused.
const EXAMPLES: &[&[&str]] = &[
    &["status"],
    &["orders"],
    &["fills"],
    &["positions"],
    &["lots"],
    &["history", "status"],
    &["history", "status", "--gaps"],
    &["history", "check"],
    &["backfill", "--plan", "--days", "1", "--symbols", "NOTHING"],
    &["bootstrap", "--dry-run"],
    &["history", "export", "--parquet", "--out", "/dev/null/bars"],
    &["trades"],
    &["equity"],
    &["signals"],
    &["bars", "BTCUSDT"],
    &["audit"],
    &["storage"],
    &["regimes"],
    &["regimes", "--history"],
    &["doctor"],
    &["summary"],
    &["funnel"],
    &["verify-trades"],
    &["symbols"],
    &["symbols", "list"],
    &["symbols", "add", "NOTHING", "--yes"],
    &["symbols", "remove", "NOTHING", "--yes"],
    &["symbols", "refresh"],
    &["tokens"],
    &["tokens", "list"],
    &["tokens", "bars", "NOTHING"],
    &["tokens", "import", "/dev/null/tokens.csv"],
    &["tokens", "remove", "NOTHING", "--yes"],
    &["tokens", "add", "NOTHING", "--chain=eth", "--contract=0x1", "--pool=0x2", "--decimals=18"],
    &["tree"],
    &["kill", "indicator", "--yes"],
    &["retry", "root/nothing", "--yes"],
    &["quarantine"],
    &["quarantine", "list"],
    &["quarantine", "retry", "1", "--yes"],
    &["quarantine", "drop", "1", "--yes"],
    &["switches"],
    &["order", "buy", "NOTHING", "--quote", "1", "--reason", "x", "--yes"],
    &["close", "NOTHING", "--reason", "x", "--yes"],
    &["cancel", "nothing", "--reason", "x", "--yes"],
    &["signal", "nothing", "NOTHING", "buy", "--id", "x", "--reason", "x", "--yes"],
    &["halt", "--reason", "x", "--yes"],
    &["resume", "--reason", "x", "--yes"],
    &["flatten", "--reason", "x", "--yes"],
    &["resume", "--reason", "x", "--yes"],
    &["safe-start", "--reason", "x", "--yes"],
    &["resume", "--reason", "x", "--yes"],
    &["disable", "sma_cross", "--reason", "x", "--yes"],
    &["enable", "sma_cross", "--reason", "x", "--yes"],
    &["reconcile"],
    &["resolve", "none", "--accept", "venue", "--reason", "x", "--yes"],
    &["explain", "1"],
    &["explain", "nothing"],
    &["why-not", "BTCUSDT"],
    &["scan", "--strategy", "sma_cross", "--top", "5"],
    &["scan", "--days", "2"],
    &["scan", "--days", "2", "--near", "--top", "3"],
    &["store", "check"],
    &["adopt", "NOTHING", "--reason", "r", "--yes"],
    &["limits", "clear", "--yes"],
    &["store", "forget", "nothing"],
    &["log-level"],
    &["log-level", "everwarm=loud", "--yes"],
    &["verify"],
    &["replay"],
    &["config"],
    &["config", "check"],
    &["config", "show"],
    &["config", "diff"],
    &["config", "reload", "--yes"],
    &["config", "rollback", "--yes"],
    &["config", "reloads"],
    &["backup", "/nowhere/one.backup"],
    &["restore", "/nowhere/one.backup"],
    &["export", "/nowhere/one.export"],
    &["import", "/nowhere/one.export"],
    &["wipe", "--regenerable"],
    &["storage", "retain", "--days", "30"],
    &["panic", "--venue", "sim", "--yes"],
    &["live", "confirm", "--per-order", "1", "--per-day", "2"],
    &["chaos", "--recording", "/nowhere"],
];

/// What prints the same whatever is configured, or is tried apart.
const OTHERS: [&str; 19] = [
    "analyze",
    "backtest",
    "conformance",
    "history fetch",
    "history check",
    "sweep",
    "strategy new",
    "strategy check",
    "run",
    "stop",
    "sim",
    "sim faults",
    "sim fault",
    "sim lift",
    "config schema",
    "config example",
    "api-doc",
    "completions",
    "man",
];

/// Commands without an example.
fn bare() -> Vec<Vec<String>> {
    let all = commands();
    let last = |command: &Vec<String>| {
        !all.iter().any(|c| c.len() > command.len() && c.starts_with(command))
    };
    let shown = |command: &Vec<String>| {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        EXAMPLES.iter().any(|example| example.starts_with(&words))
    };
    let other = |command: &Vec<String>| OTHERS.contains(&command.join(" ").as_str());
    all.iter().filter(|c| last(c) && !shown(c) && !other(c)).cloned().collect()
}

/// Every command that asks or changes something: the examples, and those without an example.
pub fn every_command() -> Vec<Vec<&'static str>> {
    let words = |command: Vec<String>| command.into_iter().map(|word| &*word.leak()).collect();
    EXAMPLES.iter().map(|words| words.to_vec()).chain(bare().into_iter().map(words)).collect()
}

#[test]
fn every_command_that_takes_arguments_has_an_example() {
    let folder = Folder::new("bare");
    for words in bare() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_ne!(run(&folder.join("data"), &words).0, Some(2), "{words:?} needs an example");
    }
}

/// Every file below a folder that holds the `planted` secret.
pub fn holding(dir: &Path, planted: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut places = vec![dir.to_owned()];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                places.push(path);
            } else if fs::read(&path)
                .unwrap()
                .windows(planted.len())
                .any(|w| w == planted.as_bytes())
            {
                found.push(path);
            }
        }
    }
    found
}

/// What every path answers, asked for well and badly.
pub fn every_path(dir: &Path) -> String {
    let mut responses = String::new();
    let routes = include_str!("../../crates/api/src/routes.rs");
    let quoted = routes.split('"').filter(|text| text.starts_with('/'));
    for get in quoted.map(|path| path.replace(['{', '}'], "1")) {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            for more in ["", "?limit=1", "?nonsense"] {
                let line = format!("{method} {get}{more} HTTP/1.1");
                responses += &if get == "/api/v1/events" {
                    let asked = format!("{line}\r\nHost: localhost\r\n\r\n");
                    answer_within(dir, asked.as_bytes(), Duration::from_secs(1))
                } else {
                    request(dir, &[&line, JSON], "{}")
                };
            }
        }
    }
    responses
}

#[test]
fn a_planted_secret_is_in_no_output_and_no_file() {
    let folder = Folder::new("planted");
    let (dir, file) = (folder.join("data"), folder.join("secret"));
    fs::write(&file, PLANTED).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let config = folder.join("mine.toml");
    let path = config.to_str().unwrap();
    let mut printed = String::new();
    let mut collect = |arguments: &[&str], code: i32| {
        let (ended, out, err) = run(&dir, arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {out}{err}");
        printed += &[out, err].concat();
    };
    // Where it may not stand.
    for text in [
        format!("[daemon]\ntoken = \"{PLANTED}\"\n"),
        format!("[daemon]\ntoken = \"{PLANTED}\n"),
        format!("[daemon]\ntokn = \"{PLANTED}\"\n"),
        format!("[daemon]\ntoken = [\"{PLANTED}\"]\n"),
        format!("[daemon]\ntoken = {PLANTED}\n"),
        format!("[secret]\nkey = \"{PLANTED}\"\n"),
    ] {
        fs::write(&config, text).unwrap();
        for words in [&["config", "check"][..], &["config", "check", "--json"], &["config", "show"]]
        {
            collect(&[words, &["--config", path]].concat(), 2);
        }
        collect(&["run", "--config", path, "--log", "trace"], 2);
    }
    // Where it is only referred to.
    fs::write(&config, format!("[daemon]\ntoken = \"file:{}\"\n", file.display())).unwrap();
    let daemon =
        Process::start(&dir, &["run", "--symbols", "2", "--config", path, "--log", "trace"]);
    daemon.answers();
    for words in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "check"],
        &["status", "--json"],
        &["tree", "--json"],
        &["log-level", "everwarm=trace", "--yes"],
    ] {
        collect(&[words, &["--config", path]].concat(), 0);
    }
    collect(&["config", "diff", "--config", path, "--json"], 4);
    for words in every_command() {
        for more in [&[][..], &["--json"], &["-vvv"]] {
            let (_, out, err) = run(&dir, &[&words[..], &["--config", path][..], more].concat());
            printed += &[out, err].concat();
        }
    }
    printed += &every_path(&dir);
    let wrong = request(&dir, &[CHANGE, JSON, "Authorization: Bearer wrong"], BODY);
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    let bearer = format!("Authorization: Bearer {PLANTED}");
    printed += &request(&dir, &[CHANGE, JSON, &bearer], BODY);
    daemon.signal("-INT");
    let (status, out, err) = daemon.end();
    assert_eq!(status.code(), Some(0));
    assert!(err.contains("TRACE"), "it logs all there is");
    printed += &[out.join("\n"), err, wrong].concat();
    assert!(printed.contains("env:NAME or file:PATH") && printed.contains("\"info\""), "{printed}");
    assert!(
        !printed.contains("hunter2"),
        "{}",
        printed.lines().find(|l| l.contains("hunter2")).unwrap()
    );
    assert_eq!(holding(&folder.0, PLANTED), std::slice::from_ref(&file));
    assert!(!dir.join(TOKEN_FILE).exists(), "none is made where one is configured");
    // Others may read it: refused, by name and not by content.
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let (code, out, err) = run(&dir, &["run", "--symbols", "2", "--config", path]);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(err.contains("other users can read it") && !err.contains("hunter2"), "{err}");
}

#[test]
fn a_secret_in_the_environment_is_not_inherited_by_the_exchange() {
    let folder = Folder::new("inherited");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    fs::write(&config, "[daemon]\ntoken = \"env:EVERWARM_TOKEN\"\n").unwrap();
    let mut command = Command::new(crate::kit::BINARY);
    command.args(["run", "--symbols", "2", "--data-dir"]).arg(&dir).arg("--config").arg(&config);
    command.env("EVERWARM_TOKEN", PLANTED).env("EVERWARM_DAEMON__LOG", "trace");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answers = || ApiFile::read(&dir).is_some_and(|file| file.pid == child.id());
    wait_until("it answers", answers);
    let exchange = crate::kit::exchange(&dir).unwrap();
    let inherited = fs::read(format!("/proc/{exchange}/environ")).unwrap();
    let inherited = String::from_utf8_lossy(&inherited);
    for name in ["hunter2", "EVERWARM_TOKEN", "EVERWARM_DAEMON__"] {
        assert!(!inherited.contains(name), "{name} is inherited");
    }
    let bearer = format!("Authorization: Bearer {PLANTED}");
    let answer = request(&dir, &[CHANGE, JSON, &bearer], BODY);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(holding(&folder.0, PLANTED), Vec::<PathBuf>::new());
}
