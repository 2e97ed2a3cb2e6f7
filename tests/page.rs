//! The operator page without a browser: what it is served, the one stream it reads, and the cookie
//! by which it may change something. With one: `tests/page/`.

use crate::kit::{Folder, PATIENCE, Process, run, small_recording, wait_until};
use everwarm_api::{ApiFile, TOKEN_FILE};
use everwarm_views::audit::AUDIT_FILE;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

fn send(dir: &Path, lines: &[&str], body: &str) -> TcpStream {
    let file = ApiFile::read(dir).expect("it names where it answers");
    let mut stream = TcpStream::connect(file.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (addr, length) = (file.addr, body.len());
    let head = lines.join("\r\n");
    let text = format!("{head}\r\nHost: {addr}\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{text}Connection: close\r\n\r\n{body}").as_bytes()).unwrap();
    stream
}

fn request(dir: &Path, lines: &[&str], body: &str) -> String {
    let mut answer = Vec::new();
    send(dir, lines, body).read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Server-sent events as they come.
struct Events(BufReader<TcpStream>);

/// One event: its id, its kind, its data.
type Event = (String, String, Value);

impl Events {
    fn open(dir: &Path, more: &[&str]) -> Events {
        let lines = [&["GET /api/v1/events HTTP/1.1"], more].concat();
        let mut reader = BufReader::new(send(dir, &lines, ""));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        Events(reader)
    }

    /// The next one; none at the end. The lengths of chunks are passed over.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut kind) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(value) = line.strip_prefix("id: ") {
                value.clone_into(&mut id);
            } else if let Some(value) = line.strip_prefix("event: ") {
                value.clone_into(&mut kind);
            } else if let Some(value) = line.strip_prefix("data: ") {
                return Some((id, kind, serde_json::from_str(value).unwrap()));
            }
        }
    }
}

/// How often the actor had been started again when it was up, in an event.
fn restarts(event: &Event, path: &str) -> Option<u64> {
    let row = &event.2["cells"]["tree"][path];
    (row["state"] == "running").then(|| row["restarts"].as_u64()).flatten()
}

#[test]
fn a_page_reads_one_stream_and_changes_something_by_a_cookie() {
    let folder = Folder::new("page");
    let dir = folder.join("data");
    let config = folder.join("chaos.toml");
    fs::write(&config, "[chaos]\nenabled = true\n").unwrap();
    let arguments = ["run", "--symbols", "3", "--config", config.to_str().unwrap()];
    let mut daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("ready");

    let index = request(&dir, &["GET / HTTP/1.1"], "");
    assert!(index.contains("text/html") && index.contains("/page/app.js"), "{index}");
    assert!(index.contains("content-security-policy: default-src 'self';"), "{index}");
    for (path, kind) in [
        ("/page/app.js", "text/javascript"),
        ("/page/vendor/uplot/uPlot.min.css", "text/css"),
        ("/favicon.ico", "image/svg+xml"),
        ("/page/vendor/NOTICE", "text/plain"),
    ] {
        let answer = request(&dir, &[&format!("GET {path} HTTP/1.1")], "");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(kind), "{path}: {answer}");
    }
    let none = request(&dir, &["GET /page/../api.token HTTP/1.1"], "");
    assert!(none.starts_with("HTTP/1.1 404"), "{none}");

    // Everything first, then what changed, with the same ids counting on.
    let mut events = Events::open(&dir, &[]);
    let first = events.next().unwrap();
    assert_eq!(first.1, "snapshot");
    for section in ["status", "tree", "checks", "symbols", "events"] {
        assert!(first.2["cells"][section].is_object(), "{section}: {}", first.2);
    }
    let path = "root/trading/stages/indicator";
    assert_eq!(restarts(&first, path), Some(0));
    let second = std::iter::from_fn(|| events.next()).find(|e| e.1 != "beat").unwrap();
    assert_eq!(second.1, "change");

    // No change without the token, nor by a page of elsewhere that has the cookie.
    let addr = ApiFile::read(&dir).unwrap().addr;
    let kind = "Content-Type: application/json";
    let (kill, body) = ("POST /api/v1/kill HTTP/1.1", r#"{"path":"indicator"}"#);
    let token = fs::read_to_string(dir.join(TOKEN_FILE)).unwrap();
    let sign_in = "POST /api/v1/session HTTP/1.1";
    assert!(request(&dir, &[sign_in, kind], "{}").starts_with("HTTP/1.1 401"));
    let signed = request(&dir, &[sign_in, kind, &format!("Authorization: Bearer {token}")], "{}");
    assert!(signed.starts_with("HTTP/1.1 200"), "{signed}");
    let cookie = signed.lines().find_map(|l| l.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!signed.contains(&token), "the token itself is nowhere");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let ours = format!("Origin: http://{addr}");
    let knows = request(&dir, &["GET /api/v1/session HTTP/1.1", &cookie], "");
    assert!(knows.contains(r#"{"signed_in":true}"#), "{knows}");
    let from = |origin: &str| request(&dir, &[kill, kind, &cookie, origin], body);
    for elsewhere in ["Origin: http://localhost:1", "Origin: http://evil.example", "X-No: origin"] {
        assert!(from(elsewhere).starts_with("HTTP/1.1 401"), "{elsewhere}");
    }
    let killed = from(&ours);
    assert!(killed.starts_with("HTTP/1.1 200") && killed.contains(path), "{killed}");
    let seen = std::iter::from_fn(|| events.next()).find(|e| restarts(e, path) == Some(1));
    let id = seen.expect("the stream reports that it came back").0;
    let audited = fs::read_to_string(dir.join(AUDIT_FILE)).unwrap();
    assert!(audited.contains(r#""who":"page","what":"POST /api/v1/kill""#), "{audited}");

    // Who comes back receives what changed meanwhile; who was with another process, everything.
    drop(events);
    let again = Events::open(&dir, &[&format!("Last-Event-ID: {id}")]).next().unwrap();
    let rows = |event: &Event| event.2["cells"]["tree"].as_object().map_or(0, serde_json::Map::len);
    assert!(again.1 != "snapshot" && rows(&again) < rows(&first), "{again:?}");
    let other = Events::open(&dir, &["Last-Event-ID: 1-1"]).next().unwrap();
    assert_eq!((other.1.as_str(), restarts(&other, path)), ("snapshot", Some(1)));

    // A reader is no reason to wait at the stop.
    let mut reading = Events::open(&dir, &[]);
    assert_eq!(reading.next().unwrap().1, "snapshot");
    let began = everwarm_runtime::clock::now();
    daemon.signal("-TERM");
    while reading.next().is_some() {}
    wait_until("it stops", || !daemon.alive());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// Events of a group in what a page receives first: kind and key of each.
fn log(dir: &Path, group: &str) -> BTreeSet<(String, String)> {
    let first = Events::open(dir, &[]).next().unwrap();
    assert_eq!(first.1, "snapshot");
    let rows = first.2["cells"]["events"].as_object().unwrap().values();
    let of = rows.filter(|row| row["group"] == group);
    of.map(|row| (row["kind"].to_string(), row["key"].to_string())).collect()
}

#[test]
fn what_orders_came_to_before_a_restart_is_in_the_log_of_events_and_what_actors_did_is_not() {
    let folder = Folder::new("page-log");
    let (dir, config) = (folder.join("data"), folder.join("chaos.toml"));
    let often = "[chaos]\nenabled = true\n[trading]\nvalid_for_s = 86400\n";
    fs::write(&config, often).unwrap();
    let path = config.to_str().unwrap();
    let recording = small_recording(&folder.join("recording"));
    // It is soon at its end, and nothing happens from there on.
    let arguments = ["run", "--pace", "600x", "--recording", &recording, "--config", path];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    let closes = || crate::kit::ask(&dir, &["status"])["closes"].as_u64();
    wait_until("the recording is played", || closes() > Some(250));
    assert_eq!(run(&dir, &["kill", "closer", "--yes", "--config", path]).0, Some(0));
    let ended = |(kind, _): &&(String, String)| kind.contains("ended");
    wait_until("the actor is told of", || log(&dir, "actors").iter().find(ended).is_some());
    let mut before = BTreeSet::new();
    wait_until("orders are told of", || {
        before = log(&dir, "orders");
        before.iter().filter(|(kind, _)| kind.contains("Order.Filled")).count() > 3
    });
    // What a kill finds in memory alone is lost, and so it is reported.
    wait_until("all of that is on disk", || crate::kit::ask(&dir, &["status"])["unsynced"] == 0);
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    let after = log(&dir, "orders");
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let restarted = |(kind, _): &&(String, String)| kind.contains("restarted");
    let actors = log(&dir, "actors");
    assert_eq!(actors.iter().find(|row| ended(row) || restarted(row)), None, "it is no fact");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}
