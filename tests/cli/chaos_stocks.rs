//! `everwarm chaos --protocol alpaca`: the proof for stocks, over the end of a session.

use crate::kit::{Folder, plain};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_sim::faults::{KINDS, Kind};
use everwarm_sim::market::{stocks, write_bars};
use serde_json::Value;
use std::fs;

/// Half an hour before the end of a session: 2026-01-08T20:30Z, a Thursday.
const START: UtcMs = 1_767_904_200_000;
/// Half an hour after the next opening.
const END: UtcMs = START + DAY - 330 * MINUTE;
/// Minutes of both sessions in between.
const CLOSES: u64 = 60;

/// Runs `chaos` on an hour of stocks: exit code, standard output and standard error.
fn chaos(folder: &Folder, asked: &[&str]) -> (Option<i32>, String, String) {
    let recording = folder.join("stocks");
    fs::create_dir_all(&recording).unwrap();
    // Cheap ones: an order is of several shares.
    let names = ["BAC", "F", "T"].map(|name| Symbol::named(name).unwrap());
    let mut market = stocks::market(7, &names, START).unwrap();
    for name in names {
        let bars = market.bars(name, START, END - MINUTE, usize::MAX);
        write_bars(&recording.join(format!("{name}_1m.csv")), &bars).unwrap();
    }
    let config = folder.join("stocks.toml");
    fs::write(&config, "[strategy.sma_cross]\nfast = 3\nslow = 6\n").unwrap();
    let (recording, config) = (recording.to_str().unwrap(), config.to_str().unwrap());
    let all = ["chaos", "--protocol", "alpaca", "--recording", recording, "--config", config];
    let output = plain(&[&all[..], asked].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// How often a kind of fault was injected, at this place or at any.
fn times(report: &Value, what: &str, place: Option<&str>) -> u64 {
    let rows = report["struck"].as_array().unwrap().iter().filter(|row| row["what"] == what);
    let rows = rows.filter(|row| place.is_none_or(|place| row["place"] == place));
    rows.map(|row| row["times"].as_u64().unwrap()).sum()
}

#[test]
fn kills_and_every_fault_of_a_venue_of_stocks_make_no_difference_over_a_night() {
    let folder = Folder::new("chaos-stocks");
    let asked = ["--kills", "6", "--crashes", "4", "--disk", "1", "--venue-faults", "--json"];
    let (code, out, err) = chaos(&folder, &asked);
    let report: Value = serde_json::from_str(&out).unwrap_or_default();
    assert_eq!(code, Some(0), "{}\n{err}\n{out}", report["differences"]);
    assert_eq!(report["differences"], serde_json::json!([]), "{report}");
    assert_eq!(report["closes"], CLOSES, "the night has none: {report}");
    assert!(times(&report, "kill", None) + times(&report, "panic", None) >= 6, "{report}");
    assert_eq!((times(&report, "crash", None), times(&report, "disk", None)), (4, 1), "{report}");
    for kind in [Kind::NoAnswer, Kind::UnknownOrder, Kind::Duplicate] {
        assert!(times(&report, "venue", Some(kind.row().name)) > 0, "{kind:?}: {report}");
    }
    let absent = [Kind::Shutdown, Kind::OddBar, Kind::Banned];
    let rows = report["struck"].as_array().unwrap();
    for row in KINDS {
        let is_row = |of: &&Value| of["what"] == "venue" && of["place"] == row.name;
        let listed = rows.iter().any(|of| is_row(&of));
        assert_eq!(listed, !absent.contains(&row.kind), "{}: {report}", row.name);
    }
}

/// The response to an order has no fills there. Its report and the next queries are lost, too.
#[test]
fn a_fill_is_known_before_the_next_minute_however_many_responses_are_lost() {
    let folder = Folder::new("chaos-stocks-fills");
    let faults = [
        r#"{"kind":"error-after","at":"POST order","chance":400}"#,
        r#"{"kind":"unknown-order","value":3}"#,
        r#"{"kind":"reset","chance":200}"#,
        r#"{"kind":"user-stream-ended","chance":300,"times":60}"#,
    ];
    let plan = format!(r#"{{"protocol":"alpaca","faults":[{}]}}"#, faults.join(","));
    let (code, out, err) = chaos(&folder, &["--plan", &plan]);
    assert_eq!(code, Some(0), "{out}{err}");
    for fault in ["error-after", "unknown-order", "reset", "user-stream-ended"] {
        assert!(out.contains(fault), "{out}");
    }
}

#[test]
fn a_promise_that_is_broken_is_found_for_stocks_too_and_the_command_repeats_it() {
    let folder = Folder::new("chaos-stocks-broken");
    let plan = r#"{"sabotage":"random-ids"}"#;
    let (code, out, err) = chaos(&folder, &["--plan", plan]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains("DIFFERENT: "), "{out}");
    let again = out.lines().find(|line| line.starts_with("again: ")).unwrap_or_default();
    assert!(again.ends_with(&format!(" --protocol alpaca --plan '{plan}'")), "{out}");

    let lost = r#"{"kind":"reset","at":"POST order","chance":500}"#;
    let plan = format!(r#"{{"sabotage":"no-query","protocol":"alpaca","faults":[{lost}]}}"#);
    let (code, out, err) = chaos(&folder, &["--plan", &plan]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains("it was neither rejected nor queried"), "{out}");
}

#[test]
fn a_plan_of_another_protocol_and_the_feed_without_shares_are_refused() {
    let plan = r#"{"sabotage":"random-ids","protocol":"alpaca"}"#;
    let crashes = r#"{"crashes":{"seed":1,"live_us":9,"protocol":"alpaca","parts":["live"]}}"#;
    for (asked, why) in [
        (&["--closes", "9", "--protocol", "binance", "--plan", plan][..], "leave it out"),
        (&["--closes", "9", "--protocol", "binance", "--plan", crashes], "leave it out"),
        (&["--exhaustive", "--plan", plan], "has no shares"),
        (&["--exhaustive", "--protocol", "alpaca"], "cannot be used with"),
        (&["--closes", "0"], "0 is not in 1..=100000"),
    ] {
        let output = plain(&[&["chaos"][..], asked].concat());
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{asked:?}: {err}");
        assert!(err.contains(why), "{asked:?}: {err}");
    }
}
