//! Recorded bars: the states are those of an independent script, and no regime is rare.

use super::{Machine, SCALE, restore, save, states};
use crate::Bar;
use crate::regime::{Driver, Drivers, Regime, Regimes};
use flate2::read::MultiGzDecoder;
use std::fs::File;

/// What `regimes.py` printed. Its head describes the format.
const RUNS: &str = include_str!("regimes.txt");

/// Name, file, width of a folded bar in minutes (0: as recorded).
type Series = (&'static str, &'static str, i64);
const BTC_1M: Series = ("BTC-PERP 1m", "data/btcperp/BTC-PERP_1m.csv.gz", 0);
const BTC_15M: Series = ("BTC-PERP 15m", "data/btcperp/BTC-PERP_1m.csv.gz", 15);
const BTC_1H: Series = ("BTC-PERP 1h", "data/btcperp/BTC-PERP_1m.csv.gz", 60);
const SPY_1D: Series = ("SPY 1d", "data/us_equities/SPY_1d.csv.gz", 0);
const BTC_1D: Series = ("BTCUSD 1d", "data/coinbase/BTCUSD_1d.csv.gz", 0);
const EUR_15M: Series = ("EURUSD 15m", "data/fx/EURUSD_15m.csv.gz", 0);

fn bars((_, path, minutes): Series) -> Vec<Bar> {
    let file = crate::shared::shared(path);
    let packed = File::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(packed));
    // The decimals are those of floats.
    let units = |text: &str| -> i64 {
        format!("{:.8}", text.parse::<f64>().unwrap()).replace('.', "").parse().unwrap()
    };
    let one = |row: csv::StringRecord| {
        let [open, high, low, close] = [1, 2, 3, 4].map(|column: usize| units(&row[column]));
        let open_time = row[0].parse().unwrap();
        (open_time, Bar { open_time, open, high, low, close, scale: SCALE, volume: 0 })
    };
    let rows: Vec<(i64, Bar)> = reader.records().map(|row| one(row.unwrap())).collect();
    if minutes == 0 { rows.into_iter().map(|(_, bar)| bar).collect() } else { fold(&rows, minutes) }
}

/// Whole bars of so many minutes.
fn fold(rows: &[(i64, Bar)], minutes: i64) -> Vec<Bar> {
    let bucket = |row: &(i64, Bar)| row.0 / (60_000 * minutes);
    let buckets = rows.chunk_by(|one, next| bucket(one) == bucket(next));
    let whole = buckets.filter(|rows| rows.len() == usize::try_from(minutes).unwrap());
    let one = |rows: &[(i64, Bar)]| {
        let (high, low) = (rows.iter().map(|row| row.1.high), rows.iter().map(|row| row.1.low));
        let (high, low) = (high.max().unwrap(), low.min().unwrap());
        Bar { high, low, close: rows[rows.len() - 1].1.close, ..rows[0].1 }
    };
    whole.map(one).collect()
}

#[test]
fn the_runs_are_what_the_script_prints() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/regime/tests/regimes.py");
    let mut python = std::process::Command::new("python3");
    let printed = python.args(["-B", script]).arg(crate::shared::shared("data")).output();
    let printed = printed.expect("python3 runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), RUNS);
}

/// The first letters of the states that the script found.
fn listed(title: &str) -> Vec<char> {
    let title = format!("# {title}");
    let lines = RUNS.lines().skip_while(|line| **line != title).skip(1);
    let runs = lines.take_while(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let run = |run: &str| {
        let (count, state) = run.split_at(run.len() - 1);
        std::iter::repeat_n(state.chars().next().unwrap(), count.parse().unwrap())
    };
    runs.flat_map(run).collect()
}

/// The machine finds the listed states, also if it is saved and restored now and then.
fn agrees<M: Machine>(title: &str, bars: &[Bar], name: fn(M::State) -> &'static str) {
    let want = listed(title);
    assert_eq!(want.len(), bars.len(), "{title}: regimes.txt has other bars");
    let mut machine = M::default();
    for (at, bar) in bars.iter().enumerate() {
        if at % 97 == 0 {
            machine = restore(&save(&machine));
        }
        let state = name(machine.take(bar).unwrap());
        assert!(state.starts_with(want[at]), "{title}: {state} at {at}, not {}", want[at]);
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn regimes_and_drivers_are_those_of_an_independent_script() {
    for series in [BTC_1M, BTC_15M, BTC_1H, SPY_1D, BTC_1D] {
        let bars = bars(series);
        agrees::<Regimes>(&format!("{} regime", series.0), &bars, Regime::name);
        agrees::<Drivers>(&format!("{} driver", series.0), &bars, Driver::name);
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn no_regime_is_rare_and_none_is_everywhere() {
    for series in [BTC_15M, BTC_1H, SPY_1D, EUR_15M] {
        let all = states::<Regimes>(&bars(series));
        for regime in [Regime::TightSmc, Regime::WideStructure, Regime::Consolidation] {
            let percent = 100 * all.iter().filter(|of| **of == regime).count() / all.len();
            assert!((10..70).contains(&percent), "{}: {regime} {percent} %", series.0);
        }
    }
}
