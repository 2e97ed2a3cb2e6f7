//! The averages of other lengths, while it trades and at a start.

use crate::cli::look::get;
use crate::kit::{Folder, Process, ask, plain, run, wait_until};
use crate::shared::shared;
use everwarm::audit;
use everwarm_domain::fact::{Analysis, Body, Market};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Closes from each plan on to the first values of all its features.
fn waits(dir: &Path) -> Vec<Option<u32>> {
    let (mut closes, mut waits) = (0_u32, Vec::new());
    let journal = audit::open(dir).unwrap();
    let read = journal.each(0, &mut |_, fact| {
        match &fact.body {
            Body::Market(Market::Close { .. }) => closes += 1,
            Body::Analysis(Analysis::FeaturePlan { .. }) => {
                waits.push(None);
                closes = 0;
            }
            Body::Analysis(Analysis::FeatureValues { table, .. }) => {
                let warm = table.rows().all(|row| row.values.iter().all(|v| v.is_finite()));
                if let Some(first @ None) = waits.last_mut().filter(|_| warm) {
                    *first = Some(closes);
                }
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    waits
}

#[test]
fn an_average_of_another_length_is_there_long_before_as_many_bars_have_come() {
    let folder = Folder::new("warmed");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let write = |fast: u32, slow: u32| {
        let text = format!("[strategy.sma_cross]\nfast = {fast}\nslow = {slow}\n");
        fs::write(&file, text).unwrap();
    };
    let start = || {
        let path = file.to_str().unwrap();
        let market = ["run", "--symbols", "4", "--pace", "600x", "--config", path];
        let daemon = Process::start(&dir, &market);
        daemon.answers();
        daemon.prints("may trade");
        daemon
    };
    write(10, 30);
    let daemon = start();
    let listed = ask(&dir, &["symbols", "list"]);
    let symbols: Vec<&str> =
        listed.as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    let shows = |symbol: &str, name: &str| {
        let answer = get(&dir, &format!("/api/v1/bars/{symbol}/1m?limit=3"));
        answer.contains(&format!("\"{name}\""))
    };
    let all_show = |name: &str| symbols.iter().all(|symbol| shows(symbol, name));
    wait_until("it shows averages", || all_show("sma(30)@1m"));
    assert!(symbols.iter().all(|symbol| !shows(symbol, "sma(300)@1m")));
    write(150, 300);
    let (code, _, err) = run(&dir, &["config", "reload", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    wait_until("it shows the new ones", || all_show("sma(150)@1m") && all_show("sma(300)@1m"));
    daemon.signal("-9");
    drop(daemon.end());
    // A start under other settings is no different.
    write(200, 400);
    let daemon = start();
    wait_until("it shows the next ones", || all_show("sma(400)@1m"));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let waits = waits(&dir);
    assert_eq!(waits.len(), 3, "{waits:?}");
    for (wait, slow) in waits.iter().zip([30, 300, 400]) {
        assert!(wait.is_some_and(|closes| closes < slow / 2), "{waits:?}");
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_strategy_that_lacks_days_says_for_which_symbols_and_how_many() {
    let folder = Folder::new("cold");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let text = "[strategy.sma_cross]\ntimeframe = \"1d\"\nfast = 50\nslow = 200\n";
    fs::write(&file, text).unwrap();
    let recording = shared("data").join("coinbase");
    let market = ["--recording", recording.to_str().unwrap(), "--pace", "60x"];
    let run = [&["run"], &market[..], &["--config", file.to_str().unwrap()]].concat();
    let daemon = Process::start(&dir, &run);
    daemon.answers();
    daemon.prints("may trade");
    // One symbol has days before its first minute, the others have none.
    let rows = || {
        let rows = ask(&dir, &["history", "status"]);
        let row = |row: &serde_json::Value| {
            format!("{} {} {} of {}", row["symbol"], row["state"], row["bars"], row["first"])
        };
        let needed = rows.as_array().unwrap().iter().filter(|row| !row["state"].is_null());
        needed.map(row).collect::<Vec<_>>()
    };
    let wanted = [
        r#""BTCUSD" "warm" 200 of 200"#,
        r#""ETHUSD" "cold" 0 of 200"#,
        r#""LTCUSD" "cold" 0 of 200"#,
    ];
    wait_until("it shows all of them", || rows() == wanted);
    let ready = get(&dir, "/readyz");
    assert!(ready.contains(r#""strategy":"sma_cross","symbols":3,"ready":1"#), "{ready}");
    daemon.signal("-9");
    drop(daemon.end());
    assert_eq!(rows(), wanted, "from the files of a daemon that was killed");
    let status = plain(&["status", "--data-dir", dir.to_str().unwrap()]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("1 of 3 symbols, 1 of 3 series; not ready: "), "{status}");
    assert!(status.contains("ETHUSD 1d 0 of 200 bars, ready in 200 days"), "{status}");
}
