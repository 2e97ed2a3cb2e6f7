//! Tokens and their prices: the real program against a local server that speaks as GeckoTerminal.

use crate::cli::look::get;
use crate::kit::{
    BINARY, Folder, Process, ask, http_answer, http_request, of_journal, run, sources_found,
    wait_until,
};
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::token::Points;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the server responds from now on.
#[derive(Clone)]
enum Plan {
    /// With the pools that were requested, as far as it has them.
    Pools,
    /// With these bytes, and then it closes the connection.
    Bytes(String),
}

struct Held {
    plan: Plan,
    /// The price of the first token of each pool.
    prices: BTreeMap<String, String>,
    /// Paths of the requests.
    asked: Vec<String>,
}

struct Source {
    at: SocketAddr,
    held: Arc<Mutex<Held>>,
}

impl Source {
    fn begin() -> Source {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (prices, asked) = (BTreeMap::new(), Vec::new());
        let held = Arc::new(Mutex::new(Held { plan: Plan::Pools, prices, asked }));
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

    /// The pool has its first token at this price.
    fn price(&self, pool: &str, price: &str) {
        self.held().prices.insert(pool.to_owned(), price.to_owned());
    }

    /// A daemon that polls this source each hour.
    fn daemon(&self, folder: &Folder) -> Process {
        let file = folder.join("mine.toml");
        let section = "[source.geckoterminal]\nenabled = true\nevery_s = 3600\n";
        let address = format!("address = \"http://{}/api/v2\"", self.at);
        std::fs::write(&file, format!("{section}{address}\n")).unwrap();
        let flags = ["run", "--pace", "240x", "--symbols", "2", "--config"];
        let flags = [&flags[..], &[file.to_str().unwrap()]].concat();
        let daemon = Process::of(Command::new(BINARY), &folder.join("data"), &flags);
        daemon.answers();
        daemon
    }
}

/// The response about the pools of a path.
fn pools(path: &str, prices: &BTreeMap<String, String>) -> String {
    let token = |name: &str| json!({ "data": { "id": format!("eth_{name}") } });
    let pool = |(address, price): (&str, &String)| {
        json!({
            "attributes": {
                "address": address,
                "base_token_price_usd": price,
                "quote_token_price_usd": "1",
            },
            // The contract of a token here is that of its pool with another beginning.
            "relationships": {
                "base_token": token(&address.replace("0xb", "0xa")),
                "quote_token": token("0xdac1"),
            },
        })
    };
    let wanted = path.rsplit('/').next().unwrap().split(',');
    let known = wanted.filter_map(|address| prices.get(address).map(|price| (address, price)));
    http_answer(200, &json!({ "data": known.map(pool).collect::<Vec<_>>() }).to_string())
}

fn serve(stream: TcpStream, all: &Mutex<Held>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((request, _)) = http_request(&mut reader) {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let (bytes, closes) = {
            let mut held = all.lock().unwrap_or_else(PoisonError::into_inner);
            held.asked.push(path.clone());
            match held.plan.clone() {
                Plan::Pools => (pools(&path, &held.prices), false),
                Plan::Bytes(bytes) => (bytes, true),
            }
        };
        if stream.write_all(bytes.as_bytes()).is_err() || closes {
            return;
        }
    }
}

/// Adds a token whose contract and pool have this number.
fn add(dir: &Path, name: &str, number: u32) {
    let (contract, pool) = (format!("0xa{number}"), format!("0xb{number}"));
    let flags = ["tokens", "add", name, "--chain", "eth", "--contract", &contract];
    let flags = [&flags[..], &["--pool", &pool, "--decimals", "18"]].concat();
    let (code, out, err) = run(dir, &flags);
    assert_eq!((code, out.as_str()), (Some(0), format!("{name} is added").as_str()), "{err}");
}

/// The row of a token; null: it is not in the registry.
fn token(dir: &Path, name: &str) -> Value {
    let rows = ask(dir, &["tokens"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == name);
    row.cloned().unwrap_or_default()
}

/// The rows of all tokens, without their ages.
fn settled(dir: &Path) -> Vec<Value> {
    let mut rows = ask(dir, &["tokens"]).as_array().unwrap().clone();
    for row in &mut rows {
        row["age_s"] = Value::Null;
    }
    rows
}

/// The responses of the journal, each with the number of its input.
fn responses(dir: &Path) -> Vec<(u64, Points)> {
    of_journal(dir, |body| {
        let Body::Market(Market::Points(one)) = body else { return None };
        Some(one.clone())
    })
}

#[test]
fn each_price_is_kept_once_over_kills_and_the_registry_survives() {
    let folder = Folder::new("tokens");
    let dir = folder.join("data");
    let source = Source::begin();
    let names = ["ONE", "TWO", "THREE", "FOUR"];
    for (n, price) in [(1, "1.5"), (2, "0.000000000000123456"), (3, "61234.25"), (4, "7")] {
        source.price(&format!("0xb{n}"), price);
    }
    // Each start polls only the new token: the points of the others are young, also after kills.
    for (n, name) in (1..).zip(names) {
        let daemon = source.daemon(&folder);
        if n < 4 {
            add(&dir, name, n);
        }
        wait_until("the price is stored", || !token(&dir, name)["price"].is_null());
        if n == 2 {
            let text = get(&dir, "/metrics");
            for line in [
                "everwarm_tokens 2\n",
                "everwarm_token_prices_refused_total{source=\"geckoterminal\"} 0\n",
                "everwarm_token_price_age_seconds{source=\"geckoterminal\"} ",
            ] {
                assert!(text.contains(line), "{line}");
            }
        }
        daemon.kill();
        if n == 3 {
            // Without a daemon, too. The next start polls it.
            add(&dir, "FOUR", 4);
        }
    }
    let rows = settled(&dir);
    let all: Vec<(&str, &str, u64)> = rows
        .iter()
        .map(|row| {
            let text = |member: &str| row[member].as_str().unwrap();
            (text("name"), text("price"), row["points"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("FOUR", "7", 1),
        ("ONE", "1.5", 1),
        ("THREE", "61234.25", 1),
        ("TWO", "0.000000000000123456", 1),
    ];
    assert_eq!(all, expected);
    let bars = ask(&dir, &["tokens", "bars", "THREE"]);
    let [bar] = &bars.as_array().unwrap()[..] else { panic!("{bars}") };
    assert_eq!((&bar["open"], &bar["close"]), (&json!("61234.25"), &json!("61234.25")));
    assert_eq!(bar["points"], 1);

    let stored = responses(&dir);
    let tokens: Vec<&str> =
        stored.iter().flat_map(|(_, of)| &of.points).map(|point| point.token.as_str()).collect();
    assert_eq!(tokens, names, "each was polled once");
    let (n, first) = &stored[0];
    assert_eq!((first.source.as_str(), first.every_s), ("geckoterminal", 3_600));
    let (_, out, _) = run(&dir, &["explain", &n.to_string()]);
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1 price by geckoterminal at ") && words.contains("ONE 1.5"), "{out}");
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let asked = source.held().asked.clone();
    let path = |n: u32| format!("/api/v2/networks/eth/pools/multi/0xb{n}");
    assert_eq!(asked, [path(1), path(2), path(3), path(4)]);

    // What cannot be fetched again is in the export.
    let export = folder.join("export");
    let export = export.to_str().unwrap();
    ask(&dir, &["export", export]);
    ask(&dir, &["wipe", "--all", "--exported", export]);
    let (code, out, err) = run(&dir, &["import", export]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(settled(&dir), rows);
}

#[test]
fn a_source_that_fails_is_reported_in_words_and_trading_goes_on() {
    let folder = Folder::new("tokens-fail");
    let dir = folder.join("data");
    let source = Source::begin();
    source.price("0xb1", "2.5");
    let too_many = "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 9\r\n\r\nslow down";
    source.plan(Plan::Bytes(too_many.to_owned()));
    let daemon = source.daemon(&folder);
    add(&dir, "ONE", 1);
    let other = json!({ "data": [{
        "attributes": {
            "address": "0xb7",
            "base_token_price_usd": "1",
            "quote_token_price_usd": "1",
        },
        "relationships": {
            "base_token": { "data": { "id": "eth_0xa7" } },
            "quote_token": { "data": { "id": "eth_0xa8" } },
        },
    }] });
    for (bytes, why) in [
        (too_many.to_owned(), "geckoterminal fails: eth: HTTP 429: slow down"),
        ("HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{\"data\":".to_owned(), "body"),
        (http_answer(200, &other.to_string()), "pool 0xb7: nobody requested it"),
    ] {
        source.plan(Plan::Bytes(bytes));
        wait_until(why, || sources_found(&dir).contains(why));
    }
    wait_until("the daemon is ready", || ask(&dir, &["status"])["ready"] == true);
    assert!(token(&dir, "ONE")["price"].is_null(), "nothing wrong is stored");
    source.plan(Plan::Pools);
    wait_until("the price is stored", || token(&dir, "ONE")["price"] == "2.5");
    wait_until("the source responds again", || sources_found(&dir).is_empty());

    // A token without a price is named, and others have theirs.
    source.price("0xb3", "3.5");
    let file = folder.join("more.csv");
    let rows = "name,chain,contract,pool,decimals\nTWO,eth,0xa2,0xb2,18\nTHREE,eth,0xa3,0xb3,6\n";
    std::fs::write(&file, rows).unwrap();
    let (code, out, err) = run(&dir, &["tokens", "import", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (Some(0), "2 tokens are added"), "{err}");
    wait_until("the price is stored", || token(&dir, "THREE")["price"] == "3.5");
    wait_until("the other is named", || {
        sources_found(&dir).contains("TWO: there is no pool 0xb2 on eth")
    });
    let refused = "everwarm_token_prices_refused_total{source=\"geckoterminal\"} 1\n";
    assert!(get(&dir, "/metrics").contains(refused));
    let (code, out, err) = run(&dir, &["tokens", "remove", "TWO", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(0), "TWO is removed"), "{err}");
    wait_until("the finding ends", || sources_found(&dir).is_empty());
    daemon.signal("-INT");
    let (code, out, err) = daemon.result();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("geckoterminal: eth: HTTP 429"), "{err}");
    assert_eq!(responses(&dir).len(), 2);
}

#[test]
fn a_file_with_a_wrong_row_changes_nothing_and_names_its_line() {
    let folder = Folder::new("tokens-import");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--symbols", "2"]);
    daemon.answers();
    add(&dir, "ONE", 1);
    let file = folder.join("tokens.csv");
    let path = file.to_str().unwrap();
    let import = |rows: &str| {
        let header = "name,chain,contract,pool,decimals\n";
        std::fs::write(&file, format!("{header}{rows}")).unwrap();
        run(&dir, &["tokens", "import", path])
    };
    let (code, _, err) = import("TWO,eth,0xa2,0xb2,18\nbad,eth,0xa3,0xb3,18\nX,eth,0xa4,0xb4,99\n");
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("line 3: \"bad\" is not a symbol"), "{err}");
    assert!(err.contains("line 4: decimals 99 is not from 0 to 36"), "{err}");
    // The registry refuses these, and names the line, too.
    let (code, _, err) = import("TWO,eth,0xa2,0xb2,18\nONE,eth,0xa9,0xb9,18\n");
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("line 3: ONE is another token in the registry"), "{err}");
    wait_until("the registry is shown", || !token(&dir, "ONE").is_null());
    assert_eq!(settled(&dir).len(), 1);
    let (code, out, _) = import("TWO,eth,0xa2,0xb2,18\nONE,eth,0xa1,0xb1,18\n");
    assert_eq!(code, Some(0));
    assert_eq!(out, "TWO is added; 1 token had the same values before");
    let (code, _, err) = run(&dir, &["tokens", "remove", "NONE", "--yes"]);
    assert!(code == Some(5) && err.contains("there is no token NONE"), "{code:?} {err}");
    daemon.signal("-INT");
    assert_eq!(daemon.result().0, Some(0));
    assert_eq!(settled(&dir).len(), 2);
}
