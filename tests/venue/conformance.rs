//! The check of a venue finds what differs from the documentation, and nothing else.

mod paper;
mod proxy;

use super::remote::Elsewhere;
use crate::cli::api::holding;
use crate::kit::{BINARY, Process, plain};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_sim::server::port::PRIVATE_KEY_FILE;
use everwarm_sim::wire::sign::DEMO_ED25519_KEY;
use proxy::{Passing, Planted, Proxy};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// The configuration of the exchange, or of a proxy in front of it.
fn configured(there: &Elsewhere, port: u16, name: &str, environment: &str) -> String {
    let environment = format!("environment = \"{environment}\"");
    let file = there.configured(name, &environment, "");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&format!(":{}", there.port), &format!(":{port}"))).unwrap();
    file.to_str().unwrap().to_owned()
}

fn check(config: &str, more: &[&str]) -> Output {
    plain(&[&["conformance", "--config", config], more].concat())
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// The steps of a report: name and verdict.
fn verdicts(report: &Value) -> Vec<(String, String)> {
    let text = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap();
    steps.iter().map(|step| (text(step, "name"), text(step, "verdict"))).collect()
}

/// The names of the steps with a verdict.
fn with(report: &Value, verdict: &str) -> BTreeSet<String> {
    let all = verdicts(report).into_iter();
    all.filter(|(_, of)| of == verdict).map(|(name, _)| name).collect()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(output)))
}

/// What the account has: (asset, amount).
async fn balances(there: &Elsewhere) -> Vec<(String, Decimal)> {
    let client = there.client();
    client.server_time().await.unwrap();
    let all = client.account().await.unwrap().balances;
    all.into_iter().map(|b| (b.asset, b.free + b.locked)).collect()
}

/// The base asset that the account has.
async fn held(there: &Elsewhere) -> Decimal {
    let all = balances(there).await;
    all.into_iter().filter(|(asset, _)| asset == "BTC").map(|(_, amount)| amount).sum()
}

/// The ids of the open orders of checks.
async fn open(there: &Elsewhere) -> Vec<String> {
    let orders = there.client().open_orders(None).await.unwrap();
    let ids = orders.into_iter().map(|order| order.client_id.0);
    ids.filter(|id| id.starts_with(ClientOrderId::CONFORMANCE_PREFIX)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_exchange_does_what_the_venue_documents_and_a_record_agrees() {
    let there = Elsewhere::start("conformance", 2);
    let config = configured(&there, there.port, "testnet.toml", "testnet");
    let folder = there.folder.join("record");
    let folder = folder.to_str().unwrap();
    let before = held(&there).await;
    let walked = check(&config, &["--venue", "binance-testnet", "--record", folder]);
    let shown = text(&walked);
    assert_eq!(walked.status.code(), Some(0), "{shown}");
    assert!(shown.contains("0 differs, 0 not tried"), "{shown}");
    assert_eq!(open(&there).await, Vec::<String>::new());
    let client = there.client();
    let rules = client.instruments(&[Symbol::new("BTCUSDT").unwrap()]).await.unwrap().remove(0);
    let price = client.price(rules.symbol).await.unwrap();
    let kept = (held(&there).await - before) * price;
    assert!(kept < rules.min_notional, "what was bought is sold: {kept} is kept");

    // Nothing of the account is in a byte of the record.
    let pem = fs::read_to_string(there.folder.join("other/exchange").join(PRIVATE_KEY_FILE));
    let pem = pem.unwrap().lines().nth(1).unwrap().to_owned();
    let mut secrets = vec![DEMO_ED25519_KEY.to_owned(), pem, "signature=".to_owned()];
    let amounts = balances(&there).await.into_iter().map(|(_, amount)| amount.to_string());
    secrets.extend(amounts.filter(|amount| amount.contains('.') && amount.len() > 8));
    assert!(secrets.len() > 3, "{secrets:?}");
    for secret in &secrets {
        assert_eq!(holding(Path::new(folder), secret), Vec::<PathBuf>::new(), "{secret}");
    }
    let file = Path::new(folder).join("wire.jsonl");
    let recorded = fs::read_to_string(&file).unwrap();
    let count = |text: &str| recorded.matches(text).count();
    for field in ["apiKey", "signature", "free", "locked"] {
        let there = format!(r#"\"{field}\":"#);
        let gone = ["removed", "0.00000000"].map(|gone| format!(r#"{there}\"{gone}\""#));
        assert!(count(&there) > 0, "{field}");
        assert_eq!(count(&there), gone.iter().map(|gone| count(gone)).sum::<usize>(), "{field}");
    }

    // A record is judged as the venue was, without the venue.
    drop(there.exchange);
    let played = plain(&["conformance", "--play", folder, "--json"]);
    assert_eq!(played.status.code(), Some(0), "{}", text(&played));
    let report = json_of(&played);
    let steps = verdicts(&report);
    assert!(steps.len() > 60 && steps.iter().all(|(_, v)| v == "as_expected"), "{steps:?}");
    fs::write(&file, recorded.replace("Order does not exist.", "No such order.")).unwrap();
    let played = plain(&["conformance", "--play", folder, "--json"]);
    assert_eq!(played.status.code(), Some(4), "{}", text(&played));
    assert_eq!(with(&json_of(&played), "differs"), BTreeSet::from(["unknown-query".to_owned()]));
    fs::write(&file, format!("{recorded}{{\"step\":")).unwrap();
    let played = plain(&["conformance", "--play", folder]);
    let line = format!("line {}", recorded.lines().count() + 1);
    assert_eq!(played.status.code(), Some(2));
    assert!(text(&played).contains(&line), "{}", text(&played));
}

/// A difference that a test plants, the steps that must name it, and what they must say.
struct Plant {
    name: &'static str,
    planted: Planted,
    steps: &'static [&'static str],
    says: &'static str,
}

fn on_response(change: impl FnMut(&mut Passing) + Send + 'static) -> Planted {
    Planted { response: Box::new(change), ..Planted::default() }
}

fn on_event(change: impl FnMut(Value) -> Vec<Value> + Send + 'static) -> Planted {
    Planted { event: Box::new(change), ..Planted::default() }
}

fn is(event: &Value, execution: &str, status: &str) -> bool {
    event["x"] == execution && event["X"] == status
}

fn every_plant_is_found(name: &str, plants: Vec<Plant>) {
    let there = Elsewhere::start(name, 2);
    for Plant { name, planted, steps, says } in plants {
        let proxy = Proxy::start(there.port, planted);
        let config = configured(&there, proxy.port, "planted.toml", "testnet");
        let found = check(&config, &["--wait", "10", "--json"]);
        let report = json_of(&found);
        let differs = with(&report, "differs");
        let steps: BTreeSet<String> = steps.iter().map(|step| (*step).to_owned()).collect();
        assert_eq!(differs, steps, "{name}: {report:#}");
        assert_eq!(found.status.code(), Some(4), "{name}");
        let steps = report["steps"].as_array().unwrap().iter();
        let sentences = steps.map(|step| step["came"].as_str().unwrap());
        assert!(sentences.into_iter().any(|came| came.contains(says)), "{name}: {report:#}");
    }
}

#[test]
fn a_wrong_response_is_named_by_its_step() {
    let code = on_response(|passing| {
        if passing.request == "GET /api/v3/order" && passing.body["code"] == -2013 {
            passing.body["code"] = json!(-2011);
        }
    });
    let field = on_response(|passing| {
        if passing.request == "GET /api/v3/ticker/bookTicker" {
            passing.body.as_object_mut().unwrap().remove("askQty");
        }
    });
    let filter = on_response(|passing| {
        let symbols = passing.body.get_mut("symbols").and_then(Value::as_array_mut);
        let filters = symbols.and_then(|all| all.first_mut()?.get_mut("filters")?.as_array_mut());
        for filter in filters.into_iter().flatten() {
            if filter["filterType"] == "PRICE_FILTER" {
                filter["tickSize"] = json!("0.07");
            }
        }
    });
    let weight = on_response(|passing| passing.weight = passing.weight.map(|weight| 3 * weight));
    every_plant_is_found(
        "conformance-answers",
        vec![
            Plant {
                name: "a wrong code",
                planted: code,
                steps: &["unknown-query"],
                says: "the error code of GET /api/v3/order",
            },
            Plant {
                name: "a missing field",
                planted: field,
                steps: &["best"],
                says: "\"askQty\" of GET /api/v3/ticker/bookTicker",
            },
            Plant {
                name: "a wrong filter",
                planted: filter,
                steps: &["filters"],
                says: "a multiple of 0.07",
            },
            Plant {
                name: "another weight",
                planted: weight,
                steps: &["weight-grows"],
                says: "the growth of X-MBX-USED-WEIGHT-1M by one GET /api/v3/klines",
            },
        ],
    );
}

#[test]
fn a_wrong_event_is_named_by_the_step_of_its_order() {
    let mut sales = 0;
    let twice = on_event(move |event| {
        sales += u32::from(is(&event, "TRADE", "FILLED") && event["S"] == "SELL");
        let doubled = sales == 1 && is(&event, "TRADE", "FILLED") && event["S"] == "SELL";
        if doubled { vec![event.clone(), event] } else { vec![event] }
    });
    let mut held: Option<Value> = None;
    let mut done = false;
    let late = on_event(move |event| {
        if !done && is(&event, "NEW", "NEW") {
            (held, done) = (Some(event), true);
            return Vec::new();
        }
        std::iter::once(event).chain(held.take()).collect()
    });
    let mut dropped = false;
    let missing = on_event(move |event| {
        if !dropped && is(&event, "CANCELED", "CANCELED") {
            dropped = true;
            return Vec::new();
        }
        vec![event]
    });
    every_plant_is_found(
        "conformance-events",
        vec![
            Plant {
                name: "a doubled event",
                planted: twice,
                steps: &["events-once", "market-sale"],
                says: "TRADE FILLED, TRADE FILLED",
            },
            Plant {
                name: "an event after its successor",
                planted: late,
                steps: &["market-buy"],
                says: "FILLED, NEW NEW",
            },
            Plant {
                name: "a missing event",
                planted: missing,
                steps: &["cancel-replace"],
                says: "CANCELED CANCELED",
            },
        ],
    );
}

#[test]
fn real_money_is_refused_before_anything_is_sent() {
    let there = Elsewhere::start("conformance-live", 1);
    let config = configured(&there, there.port, "live.toml", "live");
    for more in [&["--venue", "binance-live"][..], &["--venue", "binance-testnet"], &[]] {
        let refused = check(&config, more);
        assert_eq!(refused.status.code(), Some(5), "{}", text(&refused));
        assert!(text(&refused).contains("real money"), "{}", text(&refused));
    }
    let config = configured(&there, there.port, "testnet.toml", "testnet");
    let other = check(&config, &["--venue", "binance-demo"]);
    assert_eq!(other.status.code(), Some(2), "{}", text(&other));
    assert!(text(&other).contains("binance-testnet"), "{}", text(&other));
    let asked = everwarm_sim::server::requests::read(&there.folder.join("other/exchange"));
    let is_asked = |entry: &_| matches!(entry, everwarm_sim::server::requests::Entry::Asked(_));
    assert!(!asked.unwrap().iter().any(is_asked));
}

/// Runs the check until it sends this request, which waits until the returned sender is used.
fn run_until(there: &Elsewhere, request: &'static str) -> (Proxy, Process, SyncSender<()>) {
    let (arrived, arrival) = sync_channel(1);
    let (release, released) = sync_channel(1);
    let (arrived, released) = (Mutex::new(Some(arrived)), Arc::new(Mutex::new(released)));
    let on_request = move |sent: &str| {
        // Only the first one waits.
        if sent == request
            && let Some(arrived) = arrived.lock().unwrap().take()
        {
            arrived.send(()).unwrap();
            released.lock().unwrap().recv().ok();
        }
    };
    let planted = Planted { request: Box::new(on_request), ..Planted::default() };
    let proxy = Proxy::start(there.port, planted);
    let config = configured(there, proxy.port, "until.toml", "testnet");
    let mut command = Command::new(BINARY);
    command.args(["conformance", "--config", &config]);
    let process = Process::bare(command);
    arrival.recv_timeout(crate::kit::PATIENCE).unwrap();
    (proxy, process, release)
}

/// Waits for the exchange, outside of a runtime: a proxy has one of its own.
fn now<T>(asked: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(asked)
}

#[test]
fn what_a_run_leaves_is_cancelled_at_ctrl_c_and_after_a_kill_by_the_next_run() {
    const REPLACE: &str = "POST /api/v3/order/cancelReplace";
    let there = Elsewhere::start("conformance-ends", 2);
    let before = now(held(&there));
    let (_proxy, process, release) = run_until(&there, REPLACE);
    assert_eq!(now(open(&there)).len(), 1, "a limit order rests");
    process.signal("-INT");
    release.send(()).unwrap();
    let (code, out, err) = process.result();
    assert_eq!(code, Some(130), "{out}{err}");
    assert!(out.contains("the run was interrupted") && out.contains("sold"), "{out}");
    assert_eq!(now(open(&there)), Vec::<String>::new());
    let rest = now(held(&there)) - before;

    let (_proxy, process, _release) = run_until(&there, REPLACE);
    let left = now(open(&there));
    assert_eq!(left.len(), 1, "{left:?}");
    process.kill();
    let bought = now(held(&there)) - before;
    assert!(bought > rest, "{bought}");
    let config = configured(&there, there.port, "again.toml", "testnet");
    let next = check(&config, &[]);
    let shown = text(&next);
    assert_eq!(next.status.code(), Some(0), "{shown}");
    assert!(shown.contains("1 open order of earlier runs cancelled"), "{shown}");
    let run = left[0].split('-').nth(1).unwrap();
    assert!(shown.contains(&format!("An earlier run ({run}) did not end")), "{shown}");
    assert_eq!(now(open(&there)), Vec::<String>::new());
}
