//! Files of Parquet: the shared recordings, the bars of a daemon, and what is refused.

use crate::kit::{Folder, Process, ask, plain, run, small_recording, until_end, wait_until_free};
use crate::shared::shared;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::Timeframe;
use everwarm_parquet::{BarsWriter, Written};
use everwarm_sim::market::{Market as _, Recording, read_bars, read_bars_of};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn write(path: &Path, bars: &[Bar]) -> Written {
    let mut writer = BarsWriter::begin(path, Timeframe::M1).unwrap();
    for bar in bars {
        writer.add(bar).unwrap();
    }
    writer.finish().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recordings_come_back_bit_for_bit() {
    let folder = Folder::new("sql-shared");
    let (mut bars, mut bytes) = (0, 0);
    for name in [
        "binance/BTCBUSD_1m",
        "binance_futures/ADAUSDT_1m",
        "btcperp/BTC-PERP_1m",
        "coinbase/BTCUSD_1m",
        "coinbase/ETHUSD_1m",
        "freqtrade/XRPETH_1m",
        "fxcm/GBPUSD_1m",
        "poloniex_old/UNITTEST-BTC_1m",
        "us_equities/AAPL_1m",
        "us_equities/SPY_1m",
    ] {
        let (read, _) = read_bars(&shared(&format!("data/{name}.csv.gz")), usize::MAX).unwrap();
        let file = folder.join(&format!("{}.parquet", name.split('/').next_back().unwrap()));
        let written = write(&file, &read);
        assert_eq!(read_bars(&file, usize::MAX).unwrap(), (read, Vec::new()), "{name}");
        (bars, bytes) = (bars + written.bars, bytes + written.bytes);
        println!("{name}: {} bars, {} bytes", written.bars, written.bytes);
    }
    println!("{bars} bars, {bytes} bytes");
    assert!(bytes < bars * 24, "{bytes} bytes for {bars} bars");
}

/// The bars that `everwarm bars --csv` prints.
fn printed(csv: &Path, dir: &Path, symbol: Symbol, width: &str) -> Vec<Bar> {
    let file = csv.join(format!("{symbol}_{width}.csv"));
    let output = plain(&["bars", symbol.as_str(), width, "--csv", "--data-dir", text(dir)]);
    assert!(output.status.success(), "{output:?}");
    if output.stdout.split(|byte| *byte == b'\n').count() < 3 {
        return Vec::new();
    }
    fs::write(&file, output.stdout).unwrap();
    read_bars(&file, usize::MAX).unwrap().0
}

/// The bars of one symbol in all files of a width.
fn exported(out: &Path, symbol: Symbol, width: &str) -> Vec<Bar> {
    let Ok(entries) = fs::read_dir(out.join(width)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| read_bars_of(file, Some(symbol), usize::MAX).unwrap().0;
    files.iter().flat_map(read).collect()
}

#[test]
fn an_export_has_the_bars_that_the_daemon_lists() {
    let folder = Folder::new("sql-export");
    let recording = small_recording(&folder.join("recording"));
    let (dir, out) = (folder.join("data"), folder.join("out"));
    let (code, printed_out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{printed_out}{err}");
    wait_until_free(&dir);
    let export = |more: &[&str]| {
        ask(&dir, &[&["history", "export", "--parquet", "--out", text(&out)], more].concat())
    };
    // The first export ends early; the next one extends its files.
    let times = ask(&dir, &["bars", "AAAUSD", "--limit", "30"]);
    let to = times[9]["open_time"].as_i64().unwrap().to_string();
    let early = export(&["--timeframes", "1m", "--to", &to]);
    let last = early["files"].as_array().unwrap().last().unwrap()["last"].as_i64();
    assert_eq!(last, times[8]["open_time"].as_i64(), "the last bar closes at --to");
    let whole = export(&[]);
    let sum = |view: &Value, field: &str| {
        let files = view["files"].as_array().unwrap().iter();
        files.map(|file| file[field].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(sum(&whole, "kept"), 0, "the daemon has every bar of the files");
    let (mut bars, csv) = (0, folder.join("csv"));
    fs::create_dir_all(&csv).unwrap();
    let symbols = ["AAAUSD", "BBBUSD", "CCCUSD"].map(|name| Symbol::named(name).unwrap());
    for symbol in symbols {
        for width in Timeframe::ALL {
            let want = printed(&csv, &dir, symbol, width.name());
            assert_eq!(exported(&out, symbol, width.name()), want, "{symbol} {width}");
            bars += want.len() as u64;
        }
    }
    assert_eq!(sum(&whole, "bars"), bars);
    for file in whole["files"].as_array().unwrap() {
        let bytes = fs::metadata(file["file"].as_str().unwrap()).unwrap().len();
        assert_eq!(file["bytes"].as_u64(), Some(bytes));
    }
    // The folder is a recording, as the files are that the other command prints.
    let [mut ours, mut theirs] = [&out, &csv].map(|path| Recording::open(path, None).unwrap());
    assert_eq!(ours.instruments(), theirs.instruments());
    for symbol in symbols {
        let [ours, theirs] = [&mut ours, &mut theirs]
            .map(|market| market.bars(symbol, i64::MIN, i64::MAX, usize::MAX));
        assert!(!ours.is_empty());
        assert_eq!(ours, theirs, "{symbol}");
    }
    // Without some of its symbols, an export keeps their bars.
    let one = export(&["--symbols", "AAAUSD", "--timeframes", "1m"]);
    assert_eq!(sum(&one, "bars"), sum_of(&whole, "1m"));
    assert!(sum(&one, "kept") > 0, "{one}");
}

/// The bars of one width.
fn sum_of(view: &Value, width: &str) -> u64 {
    let files = view["files"].as_array().unwrap().iter().filter(|file| file["timeframe"] == width);
    files.map(|file| file["bars"].as_u64().unwrap()).sum()
}

#[test]
fn a_running_daemon_exports_too() {
    let folder = Folder::new("sql-running");
    let (dir, out) = (folder.join("data"), folder.join("out"));
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--pace", "600x"]);
    daemon.answers();
    daemon.prints("may trade");
    let arguments = ["history", "export", "--parquet", "--out", text(&out), "--timeframes", "1m"];
    let view = ask(&dir, &arguments);
    let file = view["files"][0]["file"].as_str().unwrap();
    let symbol = ask(&dir, &["symbols", "list"])[0]["symbol"].as_str().unwrap().to_owned();
    let (read, _) = read_bars_of(Path::new(file), Symbol::named(&symbol).ok(), 5).unwrap();
    assert_eq!(read.len(), 5);
    let (code, table, note) = run(&dir, &arguments);
    assert_eq!(code, Some(0), "{note}");
    assert!(table.starts_with("file") && table.contains("1m/20"), "{table}");
    assert!(note.contains("read back and verified"), "{note}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn a_file_is_analyzed_as_its_csv_is_and_a_wrong_one_is_named() {
    let folder = Folder::new("sql-analyze");
    let csv = folder.join("AAA_1m.csv");
    let time = |n: i64| 1_767_571_200_000 + n * 60_000;
    let rows: Vec<String> =
        (0..40).map(|n| format!("{},{n}.5,{n}.9,{n}.1,{n}.7,{n}\n", time(n))).collect();
    let rows = rows.concat();
    fs::write(&csv, format!("open_time,open,high,low,close,volume\n{rows}")).unwrap();
    let (bars, _) = read_bars(&csv, usize::MAX).unwrap();
    let other = Symbol::named("BBB").unwrap();
    let both: Vec<Bar> = bars.iter().copied().chain([Bar { symbol: other, ..bars[0] }]).collect();
    let (alone, file) = (folder.join("alone.parquet"), folder.join("both.parquet"));
    write(&alone, &bars);
    write(&file, &both);
    let analyzed = |file: &Path, more: &[&str]| {
        let flags = ["analyze", text(file), "--indicators", "sma:5,close", "--csv"];
        let output = plain(&[&flags, more].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let want = analyzed(&csv, &[]);
    assert_eq!(want.0, Some(0), "{want:?}");
    assert_eq!(analyzed(&alone, &[]), want);
    assert_eq!(analyzed(&file, &["--symbol", "AAA"]), want);
    let refused = |file: &Path, more: &[&str]| {
        let (code, out, err) = analyzed(file, more);
        assert_eq!((code, &out[..]), (Some(2), ""), "{err}");
        err
    };
    assert!(refused(&file, &[]).contains("Name one: --symbol AAA"));
    assert!(refused(&file, &["--symbol", "CCC"]).contains("has no bar of CCC; it has AAA, BBB"));
    assert!(refused(&csv, &["--symbol", "AAA"]).contains("only a file that ends with .parquet"));
    // Seconds in place of milliseconds.
    let seconds: Vec<Bar> =
        bars.iter().map(|bar| Bar { open_time: bar.open_time / 1_000, ..*bar }).collect();
    let wrong = folder.join("seconds.parquet");
    write(&wrong, &seconds);
    let err = refused(&wrong, &[]);
    let want = "seconds.parquet: row 1: open_time 1767571200 is not a time in UTC milliseconds";
    assert!(err.contains(want), "{err}");
    let whole = fs::read(&alone).unwrap();
    fs::write(&wrong, &whole[..whole.len() - 10]).unwrap();
    let err = refused(&wrong, &[]);
    assert!(err.contains("is cut short: it does not end with PAR1. Write it again"), "{err}");
}
