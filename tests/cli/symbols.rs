//! Symbols come and go while the daemon trades, by an operator's word and by the venue's.

use crate::kit::{Folder, Process, ask, run, wait_until};
use everwarm::sim::server::port::PortFile;
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

/// Has the exchange halt a symbol, let it trade again, or delist it.
fn stand(dir: &Path, symbol: &str, standing: &str) {
    let file = PortFile::read(&dir.join("exchange")).unwrap().unwrap();
    let url = format!("http://127.0.0.1:{}/sim/v1/standing", file.port);
    let body = format!(r#"{{"symbol":"{symbol}","standing":"{standing}"}}"#);
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sent = runtime.block_on(client.post(url).bearer_auth(&file.token).body(body).send());
    assert!(sent.unwrap().status().is_success());
}

#[test]
fn symbols_come_and_go_while_it_trades() {
    let folder = Folder::new("symbols");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--symbols", "4", "--pace", "600x"]);
    daemon.answers();
    daemon.says("ready");
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
    daemon.says("may trade");
    assert_ne!(state(&dir, one).as_deref(), Some("trading"));

    assert_eq!(run(&dir, &["symbols", "add", one, "--yes"]).0, Some(0));
    wait_until("it trades again", || state(&dir, one).as_deref() == Some("trading"));
    let since = newest_bar(&dir, two).unwrap();
    wait_until("and has bars", || newest_bar(&dir, one) > Some(since));
    let (code, _, err) = run(&dir, &["symbols", "add", "NOPEUSDT", "--yes"]);
    assert!(code == Some(5) && err.contains("the venue has no NOPEUSDT"), "{code:?} {err}");

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
        assert!(out.contains("the venue does not have it any more"), "{out}");
        assert!(run(&dir, &["positions"]).1.contains("gone: not sellable"));
    }
    daemon.signal("-INT");
    assert_eq!(daemon.result().0, Some(0));
    let (code, _, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = run(&dir, &["symbols", "add", one, "--yes"]);
    assert!(code == Some(3) && err.contains("no daemon is running"), "{code:?} {err}");
}
