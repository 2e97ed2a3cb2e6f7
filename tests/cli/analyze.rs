//! `everwarm analyze` over recorded bars, beside the values of the reference.

use crate::kit::{BINARY, Folder, output};
use crate::shared::shared;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

const LIST: &str = "sma:20,ema:200,rsi:14,atr:14,adx:14,macd:12:26:9,bbands:20:2,donchian:20";

/// The exit code and both outputs.
fn analyzed(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    command.arg("analyze").arg(file).args(arguments);
    let output = output(&mut command);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The columns of a table by their names.
fn columns(text: &str) -> Vec<(String, Vec<String>)> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let of = |at: usize| rows.iter().map(|row| row[at].to_owned()).collect();
    names.into_iter().enumerate().map(|(at, name)| (name, of(at))).collect()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_columns_are_those_of_the_reference() {
    let bars = shared("data/btcperp/BTC-PERP_1m.csv.gz");
    let (code, out, err) = analyzed(&bars, &["--indicators", LIST, "--csv", "--limit", "6000"]);
    assert_eq!((code, &err[..]), (Some(0), ""));
    let mut text = String::new();
    let packed = File::open(shared("golden/btcperp_1m/indicators.csv.gz")).unwrap();
    MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let (ours, reference) = (columns(&out), columns(&text));
    assert_eq!(ours.len(), 16, "open_time and 15 values");
    for (name, values) in ours {
        let (_, want) = reference.iter().find(|(of, _)| *of == name).unwrap();
        assert_eq!(values.len(), 6_000);
        for (at, (value, want)) in values.iter().zip(want).enumerate() {
            assert_eq!(value.is_empty(), want.is_empty(), "{name} at {at}: {value}, {want}");
            let number = |text: &String| text.parse::<f64>().unwrap_or_default();
            let (value, want) = (number(value), number(want));
            // MACD crosses zero: there the price is the measure.
            let far = (value - want).abs() / want.abs().max(1.0);
            assert!(far < 1e-8, "{name} at {at}: {value} instead of {want}");
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = Folder::new("analyze");
    let file = folder.join("A_1h.csv");
    let head = "open_time,open,high,low,close,volume\n";
    fs::write(&file, format!("{head}1700000400000,1,2,1,2,5\n1700004000000,2,4,2,3,5\n")).unwrap();
    let (code, out, err) = analyzed(&file, &["--indicators", "sma:2,close"]);
    assert_eq!((code, &err[..]), (Some(0), ""));
    assert!(out.lines().next().unwrap().contains("sma_2"), "{out}");
    assert!(out.lines().last().unwrap().trim_end().ends_with("2.5      3"), "{out}");
    let (_, out, _) = analyzed(&file, &["--indicators", "sma:2", "--json"]);
    assert_eq!(out.lines().last(), Some(r#"{"open_time":1700004000000,"sma_2":2.5}"#));
    let wrong = |list: &str| {
        let (code, out, err) = analyzed(&file, &["--indicators", list]);
        assert_eq!((code, &out[..]), (Some(2), ""), "{err}");
        err
    };
    assert!(wrong("sna:2").contains("--indicators: there is no indicator `sna`"));
    assert!(wrong("sma:0").contains("from 1 to 10000"));
    assert!(wrong("sma:2,sma(2)").contains("`sma(2)` is named twice"));
    fs::write(&file, format!("{head}1700000400000,1,2,1,2,5\n1700004000000,2,1,2,3,5\n")).unwrap();
    let text = wrong("sma:2");
    assert!(text.contains("A_1h.csv:3: high 1 is below low 2"), "{text}");
    fs::remove_file(&file).unwrap();
    assert!(wrong("sma:2").contains("A_1h.csv: cannot be read"));
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_events_of_structures_are_those_of_the_reference() {
    let bars = shared("data/btcperp/BTC-PERP_1m.csv.gz");
    let list = "swings:5,fvg:join,bos:5,choch:5,ob:5,liquidity:5";
    let arguments = ["--structure", list, "--limit", "6000"];
    let (code, out, err) = analyzed(&bars, &[&arguments[..], &["--json"]].concat());
    assert_eq!((code, &err[..]), (Some(0), ""));
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    let known = |event: &Value| event["known_index"].as_u64().unwrap();
    assert!(events.iter().all(|event| event["index"].as_u64().unwrap() <= known(event)));
    assert!(events.is_sorted_by_key(known));
    for name in ["bos", "choch", "ob", "ob_mitigated", "ob_invalidated", "liquidity"] {
        assert!(of(name) > 10, "{name}: {}", of(name));
    }
    // Rows of golden/btcperp_1m/smc/swing_events_L5: confirmed, but for what was rejected.
    assert_eq!((of("swing_confirmed"), of("swing_replaced"), of("swing_final")), (734, 57, 676));
    let first = r#"{"bottom":46385.0,"event":"fvg","index":1,"known_index":2,"#;
    assert!(out.starts_with(first), "{}", events[0]);
    assert_eq!(events[0]["open_time"], 1_640_991_720_000_i64);
    assert_eq!(events[0]["known_time"], 1_640_991_780_000_i64);
    let (_, table, note) = analyzed(&bars, &arguments);
    assert_eq!(table.lines().count(), 21, "a head and 20 rows: {table}");
    assert!(note.contains("the newest 20 of"), "{note}");
}

#[test]
fn structures_and_indicators_are_alternatives() {
    let folder = Folder::new("analyze-structure");
    let file = folder.join("A_1h.csv");
    let head = "open_time,open,high,low,close,volume\n";
    fs::write(&file, format!("{head}1700000400000,1,2,1,2,5\n")).unwrap();
    let wrong = |arguments: &[&str]| {
        let (code, out, err) = analyzed(&file, arguments);
        assert_eq!((code, &out[..]), (Some(2), ""), "{err}");
        err
    };
    assert!(wrong(&["--structure", "swing:5"]).contains(
        "--structure: there is no structure `swing`, but swings, fvg, bos, choch, ob, liquidity; \
         did you mean `swings`?"
    ));
    assert!(wrong(&["--structure", "ob:0"]).contains("from 1 to 10000"));
    assert!(wrong(&["--structure", "fvg,fvg"]).contains("`fvg` is named twice"));
    assert!(wrong(&["--structure", "fvg", "--indicators", "close"]).contains("cannot be used"));
    assert!(wrong(&["--structure", "fvg", "--regime"]).contains("without --plot FILE.svg"));
    assert!(wrong(&["--structure", "fvg", "--csv"]).contains("cannot be used"));
    assert!(wrong(&[]).contains("--structure"));
    // One bar has no event, and a row that is no bar is refused.
    let (code, out, err) = analyzed(&file, &["--structure", "fvg,ob:1", "--json"]);
    assert_eq!((code, &out[..], &err[..]), (Some(0), "", ""));
    for price in ["NaN", "inf", "0", "-1"] {
        fs::write(&file, format!("{head}1700000400000,1,2,{price},2,5\n")).unwrap();
        assert!(wrong(&["--structure", "fvg"]).contains("A_1h.csv:2: "));
    }
}
