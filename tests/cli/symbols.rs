//! Symbols come and go while the daemon trades, by an operator's word and by the venue's.

use crate::kit::{Folder, Process, ask, made_recording, run, until_end, wait_until};
use everwarm_sim::server::port::PortFile;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How a symbol stands; none: it is not listed.
fn state(dir: &Path, symbol: &str) -> Option<String> {
    let all = ask(dir, &["symbols", "list"]);
    let row = all.as_array().unwrap().iter().find(|row| row["symbol"] == symbol)?;
    row["state"].as_str().map(str::to_owned)
}

fn newest_bar(dir: &Path, symbol: &str) -> Option<i64> {
    let all = ask(dir, &["symbols", "list"]);
    all.as_array().unwrap().iter().find(|row| row["symbol"] == symbol)?["newest_bar"].as_i64()
}

/// Has the exchange of that data directory change something about a symbol.
fn steer(dir: &Path, what: &str, body: &str) {
    let file = PortFile::read(&dir.join("exchange")).unwrap().unwrap();
    let url = format!("http://127.0.0.1:{}/sim/v1/{what}", file.port);
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sent = client.post(url).bearer_auth(&file.token).body(body.to_owned()).send();
    assert!(runtime.block_on(sent).unwrap().status().is_success(), "{what} {body}");
}

/// Has the exchange halt a symbol, let it trade again, or delist it.
fn stand(dir: &Path, symbol: &str, standing: &str) {
    steer(dir, "standing", &format!(r#"{{"symbol":"{symbol}","standing":"{standing}"}}"#));
}

#[test]
fn symbols_come_and_go_while_it_trades() {
    let folder = Folder::new("symbols");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--symbols", "4", "--pace", "600x"]);
    daemon.answers();
    daemon.prints("ready");
    let all = ask(&dir, &["symbols", "list"]);
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4, "{all}");
    let (one, two) = (names[0], names[1]);
    wait_until("bars come", || newest_bar(&dir, one).is_some());

    let (code, out, err) = run(&dir, &["symbols", "remove", one, "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(&format!("{one} is removed")), "{out}");
    // Whether it was held decides which.
    wait_until("it is left", || matches!(state(&dir, one).as_deref(), None | Some("leaving")));
    let (code, out, _) = run(&dir, &["symbols", "list"]);
    assert!(code == Some(0) && out.starts_with("symbol") && out.contains(two), "{out}");

    // It is remembered over a kill.
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &["run", "--symbols", "4", "--pace", "600x"]);
    daemon.answers();
    daemon.prints("may trade");
    assert_ne!(state(&dir, one).as_deref(), Some("trading"));

    assert_eq!(run(&dir, &["symbols", "add", one, "--yes"]).0, Some(0));
    wait_until("it trades again", || state(&dir, one).as_deref() == Some("trading"));
    let since = newest_bar(&dir, two).unwrap();
    wait_until("and has bars", || newest_bar(&dir, one) > Some(since));
    let (code, _, err) = run(&dir, &["symbols", "add", "NOPEUSDT", "--yes"]);
    assert!(code == Some(5) && err.contains("the venue does not list NOPEUSDT"), "{code:?} {err}");
    let small = two.to_lowercase();
    let (code, out, err) = run(&dir, &["symbols", "remove", &small, "--yes"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains(&format!("{small:?} is not a symbol")), "{err}");
    assert!(err.contains(&format!("Write {two}")), "{err}");
    assert_eq!(state(&dir, two).as_deref(), Some("trading"), "nothing was changed");

    stand(&dir, two, "halted");
    wait_until("it is noticed", || state(&dir, two).as_deref() == Some("halted"));
    stand(&dir, two, "trading");
    wait_until("it comes back by itself", || state(&dir, two).as_deref() == Some("trading"));
    stand(&dir, two, "delisted");
    wait_until("its end", || matches!(state(&dir, two).as_deref(), None | Some("gone")));
    let all = ask(&dir, &["symbols", "list"]);
    let row = all.as_array().unwrap().iter().find(|row| row["symbol"] == two);
    if row.is_some_and(|row| !row["held"].is_null()) {
        let (_, out, _) = run(&dir, &["status"]);
        assert!(out.contains("the venue delisted it"), "{out}");
        assert!(run(&dir, &["positions"]).1.contains("delisted, cannot be sold"));
    }
    daemon.signal("-INT");
    assert_eq!(daemon.result().0, Some(0));
    let (code, _, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = run(&dir, &["symbols", "add", one, "--yes"]);
    assert!(code == Some(3) && err.contains("no daemon is running"), "{code:?} {err}");
}

/// Writes a recording of five symbols, each with ten times the volume of the one before; the last
/// is paid in another asset.
fn ranked_recording(dir: &Path) -> String {
    let made = dir.join("made");
    made_recording(&made, 5, 400);
    let mut files: Vec<_> = fs::read_dir(&made).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let ranked = dir.join("ranked");
    fs::create_dir_all(&ranked).unwrap();
    let mut times = Decimal::ONE;
    for (name, file) in ["AAAUSDT", "BBBUSDT", "CCCUSDT", "DDDUSDT", "EEEEUR"].iter().zip(files) {
        let text = fs::read_to_string(file).unwrap();
        let mut rows = text.lines();
        let mut all = vec![rows.next().unwrap().to_owned()];
        all.extend(rows.map(|row| {
            let (prices, volume) = row.rsplit_once(',').unwrap();
            format!("{prices},{}", volume.parse::<Decimal>().unwrap() * times)
        }));
        fs::write(ranked.join(format!("{name}_1m.csv")), all.join("\n") + "\n").unwrap();
        times *= Decimal::TEN;
    }
    ranked.to_str().unwrap().to_owned()
}

#[test]
fn the_rule_of_the_universe_picks_what_is_traded() {
    let folder = Folder::new("universe");
    let dir = folder.join("data");
    let recording = ranked_recording(&folder.join("recordings"));
    let config = folder.join("rule.toml");
    let rule = "[market.universe]\nquote = \"USDT\"\ntop = 1\nrefresh_s = 60\n";
    fs::write(&config, rule).unwrap();
    let file = ["--config", config.to_str().unwrap()];
    let daemon = Process::start(&dir, &[&until_end(&recording)[..], &file].concat());
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    let all = ask(&dir, &["orders"]);
    let traded: BTreeSet<&str> =
        all.as_array().unwrap().iter().map(|order| order["symbol"].as_str().unwrap()).collect();
    // The first by volume of those paid in USDT.
    assert_eq!(traded, BTreeSet::from(["DDDUSDT"]), "{all}");
}

/// The venue is asked for its rules once an hour of its time; here an hour takes three minutes.
#[test]
fn rules_that_changed_are_asked_for_when_an_order_is_refused_by_them() {
    const SYMBOLS: usize = 10;
    let folder = Folder::new("rules");
    let dir = folder.join("data");
    let config = folder.join("quick.toml");
    fs::write(&config, "[strategy.sma_cross]\nfast = 2\nslow = 3\n").unwrap();
    let count = SYMBOLS.to_string();
    let file = config.to_str().unwrap();
    let arguments = ["run", "--symbols", &count, "--pace", "20x", "--config", file];
    let daemon = Process::start(&dir, &arguments);
    daemon.prints("may trade");
    daemon.answers();
    let made = everwarm_sim::market::Seeded::new(1, SYMBOLS, 0, 0);
    let lots: BTreeMap<String, Decimal> = everwarm_sim::market::Market::instruments(&made)
        .iter()
        // No multiple of it is one by chance five times in a row.
        .map(|rule| (rule.symbol.to_string(), rule.lot_size * Decimal::from(70)))
        .collect();
    for (symbol, lot) in &lots {
        steer(&dir, "rules", &format!(r#"{{"symbol":"{symbol}","lot_size":"{lot}"}}"#));
    }
    let buys = || {
        let orders = ask(&dir, &["orders"]);
        let all = orders.as_array().unwrap().iter();
        let buys = all.filter(|order| order["side"] == "buy").cloned();
        buys.collect::<Vec<_>>()
    };
    let suits = |order: &serde_json::Value| {
        let quantity: Decimal = order["quantity"].as_str().unwrap().parse().unwrap();
        (quantity % lots[order["symbol"].as_str().unwrap()]).is_zero()
    };
    let filled = || buys().into_iter().filter(|order| order["status"] == "filled");
    wait_until("orders by the new rules", || filled().filter(suits).count() >= 5);
    let refused = buys().iter().filter(|order| order["status"] == "rejected").count();
    let wrong = buys().iter().filter(|order| !suits(order)).count();
    // Those that left before the answer came were made by the old rules too.
    assert!(refused > 0 && wrong <= SYMBOLS, "{refused} refused, {wrong} by the old rules");
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(run(&dir, &["verify"]).0, Some(0));
}
