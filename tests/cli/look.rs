//! The reading commands, asked of a running daemon and of its files; and the same end however often
//! a run is killed.

use crate::kit::{
    Folder, PATIENCE, Process, ask, assert_ended_well, complaints, kill_exchange, made_recording,
    plain, run, small_recording, until_end, wait_until,
};
use everwarm::chaos::feed::{MINUTES, START};
use everwarm_api::ApiFile;
use everwarm_domain::time::MINUTE;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

const LAST_CLOSE: i64 = START + MINUTES * MINUTE;

const ORDER: [&str; 13] = [
    "average_price",
    "client_order_id",
    "filled_quantity",
    "price",
    "quantity",
    "side",
    "status",
    "stop_price",
    "strategy",
    "symbol",
    "time",
    "type",
    "venue_order_id",
];
const FILL: [&str; 9] = [
    "client_order_id",
    "fee",
    "fee_asset",
    "price",
    "quantity",
    "side",
    "symbol",
    "time",
    "trade_id",
];
const POSITION: [&str; 6] =
    ["average_price", "quantity", "realized_pnl", "standing", "symbol", "unrealized_pnl"];
const LOT: [&str; 7] =
    ["average_price", "opened", "quantity", "stop", "strategy", "symbol", "target"];
const EQUITY: [&str; 4] = ["adjusted", "cash", "equity", "time"];

/// Asserts the fields of every row: times are numbers, what is counted in decimals is text.
fn assert_shape(rows: &Value, fields: &[&str]) {
    let rows = rows.as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let object = row.as_object().unwrap();
        let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, fields, "{row}");
        for (name, value) in object {
            match name.as_str() {
                "time" => assert!(value.as_i64() >= Some(START - 60 * MINUTE), "{row}"),
                "price" | "average_price" | "stop_price" | "venue_order_id" if value.is_null() => {}
                _ => assert!(value.is_string(), "{name}: {row}"),
            }
            let decimal = ["quantity", "price", "fee", "equity", "cash", "pnl"];
            if decimal.iter().any(|end| name.ends_with(end))
                && let Some(text) = value.as_str()
            {
                assert!(text.parse::<f64>().is_ok() && !text.contains('e'), "{name}: {row}");
            }
        }
    }
}

/// Each file of the daemon has a kind, and their sum is there.
fn assert_storage(dir: &Path) {
    let rows = ask(dir, &["storage"]);
    let bytes = |part: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["part"] == part);
        row.unwrap_or_else(|| panic!("no {part}: {rows}"))["bytes"].as_u64().unwrap()
    };
    let parts = ["journal, live", "history", "simulated exchange", "other files"].map(bytes);
    assert!(parts.iter().all(|bytes| *bytes > 0), "{rows}");
    assert!(bytes("all") >= parts.iter().sum(), "{rows}");
    assert!(bytes("free on the disk") > 0);
}

/// A position is the sum of its lots, and all that is held is a strategy's.
fn assert_lots(dir: &Path) {
    let (lots, positions) = (ask(dir, &["lots"]), ask(dir, &["positions"]));
    for position in positions.as_array().unwrap() {
        let of = |lot: &&Value| lot["symbol"] == position["symbol"];
        let lots: Vec<&Value> = lots.as_array().unwrap().iter().filter(of).collect();
        let number = |row: &Value| row["quantity"].as_str().unwrap().parse::<f64>().unwrap();
        let sum: f64 = lots.iter().map(|lot| number(lot)).sum();
        assert!((sum - number(position)).abs() < 1e-9, "{position} {lots:?}");
        for lot in lots {
            let mut names: Vec<&String> = lot.as_object().unwrap().keys().collect();
            names.sort_unstable();
            assert_eq!(names, LOT, "{lot}");
            assert!(lot["strategy"] == "sma_cross" || lot["strategy"] == "house", "{lot}");
        }
    }
}

/// All answers that the files give as well as the daemon.
fn answers(dir: &Path) -> Vec<(String, Value)> {
    let mut commands: Vec<Vec<String>> =
        ["orders", "fills", "positions", "trades", "equity", "signals", "funnel", "verify-trades"]
            .map(|what| vec![what.to_owned()])
            .to_vec();
    for order in ask(dir, &["orders"]).as_array().unwrap().iter().take(2) {
        let id = order["client_order_id"].as_str().unwrap().to_owned();
        commands.push(vec!["explain".to_owned(), id]);
    }
    let fill = &ask(dir, &["fills"])[0];
    let text = |name: &str| fill[name].as_str().unwrap();
    let id = format!("{}:{}", text("symbol"), text("trade_id"));
    commands.push(vec!["explain".to_owned(), id]);
    for words in [
        "equity --limit 3",
        "bars AAAUSD 5m --limit 4",
        "bars BBBUSD",
        "why-not CCCUSD",
        "scan --top 2",
    ] {
        commands.push(words.split(' ').map(str::to_owned).collect());
    }
    let answer = |command: Vec<String>| {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        (command.join(" "), ask(dir, &words))
    };
    commands.into_iter().map(answer).collect()
}

/// The funnel counts what the lists show, and the books agree with the fills of every trade.
fn assert_trades(dir: &Path) {
    let rows = |what: &str| ask(dir, &[what]).as_array().unwrap().clone();
    let (orders, fills, signals) = (rows("orders"), rows("fills"), rows("signals"));
    let funnel = ask(dir, &["funnel"]);
    let [of] = &funnel["strategies"].as_array().unwrap()[..] else { panic!("{funnel}") };
    let sum = |step: &str| {
        let ways = ["entries", "exits", "protective"].map(|way| of[way][step].as_u64().unwrap());
        usize::try_from(ways.iter().sum::<u64>()).unwrap()
    };
    assert_eq!((sum("orders"), sum("fills"), sum("signals")), {
        (orders.len(), fills.len(), signals.len())
    });
    let count = |rows: &[Value], name: &str, value: &str| {
        rows.iter().filter(|row| row[name] == value).count() as u64
    };
    let rejected = count(&orders, "status", "rejected");
    assert!(rejected > 0 && funnel["failed"].as_u64() >= Some(rejected), "{funnel}");
    let bought = signals.iter().filter(|row| row["side"] == "buy").cloned().collect::<Vec<_>>();
    let declined = of["entries"]["declined"].as_object().unwrap().values();
    let declined: u64 = declined.map(|times| times.as_u64().unwrap()).sum();
    assert_eq!(declined, count(&bought, "outcome", "declined"), "{funnel}");
    let (code, text, err) = run(dir, &["funnel", "--month", "1999-01"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(text.contains("0 closes: no orders were decided"), "{text}");

    let verified = ask(dir, &["verify-trades"]);
    assert_eq!(verified["problems"], serde_json::json!([]));
    assert_eq!(verified["fills"].as_u64(), Some(fills.len() as u64), "{verified}");
    assert_eq!(verified["closed"], of["trades"]["closed"], "{verified}");
    assert!(verified["closed"].as_u64() > Some(0), "{verified}");
    let number = |row: &Value, name: &str| row[name].as_str().unwrap().parse::<f64>().unwrap();
    for trade in verified["trades"].as_array().unwrap() {
        let [sold, paid, fees] = ["proceeds", "cost", "fees"].map(|name| number(trade, name));
        let dust = number(trade, "moved_out_cost") - number(trade, "moved_in_cost");
        let made = sold - paid - fees + dust + number(trade, "external");
        assert!((number(trade, "profit") - made).abs() < 1e-6, "{trade}");
    }
}

fn assert_story(dir: &Path, order: &Value) {
    let id = order["client_order_id"].as_str().unwrap();
    let story = ask(dir, &["explain", id]);
    let kinds: Vec<&str> =
        story["steps"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap()).collect();
    let mut rest = kinds.iter();
    for kind in [
        "Market.Close",
        "Analysis.Signals",
        "Decision.Approved",
        "Order.Intent",
        "Venue.Sent",
        "Order.Filled",
    ] {
        assert!(rest.any(|k| *k == kind), "{kind} is not in its place: {kinds:?}");
    }
    let (code, text, err) = run(dir, &["explain", id]);
    assert_eq!(code, Some(0), "{err}");
    for words in ["because", "crossed above", "approved", "sent to", "fill 1: bought"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

fn assert_words(dir: &Path, live: bool) {
    let symbol = "AAAUSD";
    for (what, words) in [
        ("status", "breaker    normal"),
        ("orders", symbol),
        ("fills", symbol),
        ("positions", symbol),
        ("trades", symbol),
        ("equity", "equity"),
        ("signals", "sma_cross"),
        ("verify", "facts"),
        ("funnel", "sma_cross  entries"),
        ("verify-trades", "of the books agree with the fills"),
    ] {
        let (code, text, err) = run(dir, &[what]);
        assert_eq!(code, Some(0), "{what}: {text}{err}");
        assert!(text.contains(words), "{what} without {words:?}: {text}");
    }
    let (code, text, err) = run(dir, &["tree"]);
    if live {
        assert_eq!(code, Some(0), "{err}");
        for name in ["root", "store", "trading", "stages", "ledger", "gateway", "running"] {
            assert!(text.contains(name), "{name}: {text}");
        }
        assert_eq!(ask(dir, &["tree"])["name"], "root");
    } else {
        assert_eq!(code, Some(3), "{text}");
        assert!(err.contains("no daemon is running"), "{err}");
    }
    let (code, _, err) = run(dir, &["explain", "ew-nobody"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("ew-nobody"), "{err}");
}

pub fn get(dir: &Path, path: &str) -> String {
    let file = ApiFile::read(dir).expect("it names where it answers");
    let mut stream = TcpStream::connect(file.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A metric of a running daemon, by its name with its labels.
pub fn measured(dir: &Path, name: &str) -> f64 {
    let text = get(dir, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name}: {text}")).trim().parse().unwrap()
}

/// Lists read page by page, by the links of the answers, are the whole lists.
fn assert_pages(dir: &Path) {
    for (list, limit) in [("orders", 3), ("fills", 2), ("equity", 70), ("bars/AAAUSD/1m", 90)] {
        let body = |answer: &str| -> Vec<Value> {
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            serde_json::from_str(body).unwrap_or_else(|e| panic!("{list}: {e}: {answer}"))
        };
        let whole = body(&get(dir, &format!("/api/v1/{list}")));
        let mut next = Some(format!("/api/v1/{list}?limit={limit}"));
        let (mut pages, mut number) = (Vec::new(), 0);
        while let Some(path) = next {
            let answer = get(dir, &path);
            pages.splice(0..0, body(&answer));
            number += 1;
            let link = answer.lines().find_map(|line| line.strip_prefix("link: <"));
            next = link.map(|link| link.strip_suffix(">; rel=\"next\"").unwrap().to_owned());
        }
        assert_eq!(pages, whole, "{list}");
        assert_eq!(number, whole.len().div_ceil(limit), "{list}");
        assert!(number > 1, "{list}: {}", whole.len());
        let answer = get(dir, &format!("/api/v1/{list}?before=nowhere"));
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

fn assert_metrics(dir: &Path) {
    let text = get(dir, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    for row in everwarm_views::telemetry::rows() {
        // No source of the dominance or of prices of tokens is enabled.
        let absent = ["everwarm_dominance_", "everwarm_token_"];
        let is_there = !absent.iter().any(|start| row.name.starts_with(start));
        let help = format!("# HELP {} {}\n", row.name, row.help);
        assert_eq!(text.contains(&help), is_there, "{}", row.name);
        let kind = format!("# TYPE {} {}\n", row.name, row.kind.name());
        assert_eq!(text.contains(&kind), is_there, "{}", row.name);
    }
    let closes = ask(dir, &["equity"]).as_array().unwrap().len();
    let of_side = |what: &[&str], side: &str| {
        let all = ask(dir, what);
        all.as_array().unwrap().iter().filter(|o| o["side"] == side).cloned().collect::<Vec<_>>()
    };
    let fills = of_side(&["fills"], "buy").len();
    let orders = of_side(&["orders"], "buy");
    let rejected = orders.iter().filter(|o| o["status"] == "rejected").count();
    assert!(rejected > 0, "the feed holds one that is rejected");
    for line in [
        format!("everwarm_closes_total {closes}"),
        format!("everwarm_fills_total{{side=\"buy\",liquidity=\"taker\"}} {fills}"),
        "everwarm_ready 1".to_owned(),
        "everwarm_mode_info{mode=\"replay\"} 1".to_owned(),
        "everwarm_actor_restarts_total{actor=\"feed\",reason=\"error\"} 0".to_owned(),
        "everwarm_actor_alive{actor=\"bar\"} 1".to_owned(),
        "everwarm_actor_alive{actor=\"ledger\"} 1".to_owned(),
        "everwarm_supervisor_children{supervisor=\"gateways/sim\",state=\"running\"} 2".to_owned(),
        format!("everwarm_orders_total{{side=\"buy\",outcome=\"rejected\"}} {rejected}"),
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    for counted in [
        "everwarm_actor_messages_total{actor=\"bar\",message=\"closed\"} ",
        "everwarm_actor_messages_total{actor=\"gateway\",message=\"landed\"} ",
        "everwarm_actor_handle_duration_seconds_count{actor=\"decision\"} ",
        "everwarm_actor_mailbox_wait_seconds_count{actor=\"decision\"} ",
        "everwarm_actor_mailbox_wait_seconds_count{actor=\"closer\"} ",
        "everwarm_order_roundtrip_seconds_count{venue=\"simulated\",op=\"submit\"} ",
        "everwarm_pipeline_duration_seconds_count{stage=\"total\"} ",
        "everwarm_store_commit_duration_seconds_count{durability=\"synced\"} ",
        "everwarm_feed_messages_total{venue=\"simulated\",kind=\"bar\"} ",
        "everwarm_feed_connected{venue=\"simulated\",stream=\"market\"} ",
        "everwarm_actor_recoveries_total{actor=\"ledger\",source=\"empty\"} ",
        "everwarm_tokio_timer_lag_seconds_count ",
        "everwarm_fill_slippage_ratio_count ",
    ] {
        let line = text.lines().find(|line| line.starts_with(counted));
        let line = line.unwrap_or_else(|| panic!("{counted}: {text}"));
        assert!(!line.ends_with(" 0"), "{line}");
    }
    assert!(text.contains("everwarm_equity{currency=\"USD\"} "), "{text}");
    assert!(!text.contains("everwarm_store_file_bytes{file=\"live\"} 0\n"), "{text}");
    assert!(get(dir, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(dir, "/livez").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_daemon_and_its_files_answer_the_same() {
    let folder = Folder::new("look");
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    let arguments = ["run", "--pace", "lockstep", "--recording", &recording];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    wait_until("everything is projected", || {
        let status = ask(&dir, &["status"]);
        let equity = ask(&dir, &["equity", "--limit", "1"]);
        status["close_time"] == LAST_CLOSE
            && status["open_orders"] == 0
            && equity[0]["time"] == LAST_CLOSE
    });
    assert_shape(&ask(&dir, &["orders"]), &ORDER);
    assert_shape(&ask(&dir, &["fills"]), &FILL);
    assert_shape(&ask(&dir, &["positions"]), &POSITION);
    assert_shape(&ask(&dir, &["equity"]), &EQUITY);
    assert_lots(&dir);
    assert_storage(&dir);
    assert_trades(&dir);
    assert_story(&dir, &ask(&dir, &["orders"])[0]);
    assert_words(&dir, true);
    assert_metrics(&dir);
    let live = answers(&dir);
    assert_pages(&dir);
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));

    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!((status.code(), complaints(&err)), (Some(0), vec![]));
    for ((what, live), (_, files)) in live.iter().zip(answers(&dir)) {
        assert_eq!(*live, files, "{what}");
    }
    assert_story(&dir, &ask(&dir, &["orders"])[0]);
    assert_words(&dir, false);
}

/// Orders, fills, positions and equity, without what a resend moves.
fn picture(dir: &Path) -> Vec<Value> {
    let without = |what: &str, fields: &[&str]| {
        let mut rows = ask(dir, &[what]);
        for row in rows.as_array_mut().unwrap() {
            for field in fields {
                row.as_object_mut().unwrap().remove(*field);
            }
        }
        rows
    };
    vec![
        without("orders", &["venue_order_id"]),
        without("fills", &["trade_id", "time"]),
        without("positions", &[]),
        without("equity", &[]),
    ]
}

#[test]
fn a_recording_comes_to_the_same_end_after_a_kill() {
    let folder = Folder::new("end");
    let recording = small_recording(&folder.join("recording"));
    let (calm, hit) = (folder.join("calm"), folder.join("hit"));
    let command = until_end(&recording);
    let (code, out, err) = run(&calm, &command);
    assert_ended_well(code, &out, &err);
    assert!(
        out.contains("run 1 took") && out.contains("closes") && out.contains("0 not final"),
        "{out}"
    );

    let killed = Process::start(&hit, &command);
    killed.until("a fill", PATIENCE, |lines| lines.iter().any(|line| line.contains(" fill ")));
    killed.kill();
    let killed = Process::start(&hit, &command);
    killed.prints("may trade again");
    killed.kill();
    kill_exchange(&hit);
    let (code, out, err) = run(&hit, &command);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(picture(&calm), picture(&hit));
    // It has ended: the same command reports it again, and trades nothing.
    let (code, out, err) = run(&hit, &command);
    assert_ended_well(code, &out, &err);
    assert_eq!(picture(&calm), picture(&hit));
}

#[test]
fn some_symbols_of_a_recording_are_traded_alone() {
    let folder = Folder::new("some");
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    let chosen = [&until_end(&recording)[..], &["--symbols", "BBBUSD"]].concat();
    let (code, out, err) = run(&dir, &chosen);
    assert_eq!(code, Some(0), "{out}{err}");
    let orders = ask(&dir, &["orders"]);
    let orders = orders.as_array().unwrap();
    assert!(!orders.is_empty() && orders.iter().all(|o| o["symbol"] == "BBBUSD"), "{orders:?}");
}

#[test]
fn bars_that_were_seen_make_a_recording_of_ones_own() {
    let folder = Folder::new("mine");
    let (seen, mine, again) = (folder.join("seen"), folder.join("mine"), folder.join("again"));
    let recording = made_recording(&folder.join("recording"), 2, 200);
    let (code, out, err) = run(&seen, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    fs::create_dir_all(&mine).unwrap();
    let symbols = ["BTCUSDT", "ETHUSDT"];
    for symbol in symbols {
        let output = plain(&["bars", symbol, "1m", "--csv", "--data-dir", seen.to_str().unwrap()]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        fs::write(mine.join(format!("{symbol}_1m.csv")), output.stdout).unwrap();
    }
    let (code, out, err) = run(&again, &until_end(mine.to_str().unwrap()));
    assert_eq!(code, Some(0), "{out}{err}");
    for symbol in symbols {
        let bars = |dir| ask(dir, &["bars", symbol, "1m"]);
        let (before, after) = (bars(&seen), bars(&again));
        assert!(before.as_array().unwrap().len() >= 200, "{before}");
        assert_eq!(before, after, "{symbol}");
    }
}
