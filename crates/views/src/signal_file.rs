//! Files with signals of external programs, which a backtest takes.
//!
//! A line has one signal, with the members of a request to the API: as CSV with their names in the
//! first line, or as one object of JSON. Each line must have a time: there the signal arrives.

use super::exit::{Exit, Failure};
use super::external::ExternalSignalView;
use csv::{Position, StringRecord, Trim};
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::money::Decimal;
use everwarm_domain::nearest::nearest;
use everwarm_domain::order::Side;
use everwarm_words::text::{count, plain, thousands};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Most signals of a file.
const SIGNALS: usize = 1_000_000;
/// Most bytes of a file.
const BYTES: u64 = 512 << 20;
/// The columns that every file has.
const REQUIRED: [&str; 6] = ["time", "id", "strategy", "symbol", "side", "reason"];
/// The columns that it may have.
const OPTIONAL: [&str; 4] = ["confidence", "stop", "target", "max_age_s"];

/// A signal of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRow {
    /// Its line, from 1; 0: it is of no file.
    pub line: u64,
    /// The signal. Its time is when it arrives, UTC milliseconds.
    pub signal: ExternalSignal,
}

/// The signals of a file, by time.
///
/// # Errors
/// The file cannot be read or is too large, or a line is no signal, is before an earlier line, or
/// has the id of an earlier line. The text names the line.
pub fn read(file: &Path) -> Result<Vec<SignalRow>, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", file.display()));
    let mut text = String::new();
    let opened = File::open(file).and_then(|open| open.take(BYTES + 1).read_to_string(&mut text));
    let bytes = opened.map_err(|e| wrong(e.to_string()))?;
    if bytes as u64 > BYTES {
        return Err(wrong(format!("it has more than {} MB: play its parts", BYTES >> 20)));
    }
    rows(&text).map_err(wrong)
}

/// The signals of a text.
fn rows(text: &str) -> Result<Vec<SignalRow>, String> {
    // Programs for tables write this mark, and ends of lines that the reader would miscount.
    let text = &text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut taken = Taken::default();
    match text.trim_start().chars().next() {
        None => {
            let columns = REQUIRED.join(",");
            return Err(format!("it is empty: its first line must have the columns {columns}"));
        }
        Some('{') => {
            for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty())
            {
                // The error counts lines from this one.
                let view = serde_json::from_str::<ExternalSignalView>(text);
                taken.take(line, &view.map_err(|e| of_line(line, &text_of(&e)))?)?;
            }
        }
        Some(_) => {
            let mut builder = csv::ReaderBuilder::new();
            let mut reader = builder.trim(Trim::All).flexible(true).from_reader(text.as_bytes());
            let header = reader.headers().map_err(|e| e.to_string())?.clone();
            let first = header.position().map_or(1, Position::line);
            check_columns(&header).map_err(|why| of_line(first, &why))?;
            for record in reader.records() {
                let record = record.map_err(|e| e.to_string())?;
                let line = record.position().map_or(0, Position::line);
                let view = view_of(&header, &record).map_err(|why| of_line(line, &why))?;
                taken.take(line, &view)?;
            }
        }
    }
    Ok(taken.rows)
}

fn of_line(line: u64, why: &str) -> String {
    format!("line {line}: {why}")
}

/// An error of a decoder, without its own place.
fn text_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Checks the names of the columns.
fn check_columns(columns: &StringRecord) -> Result<(), String> {
    let all = || REQUIRED.into_iter().chain(OPTIONAL);
    for (at, column) in columns.iter().enumerate() {
        if !all().any(|name| name == column) {
            let more = match nearest(column, all()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the columns are {}", all().collect::<Vec<_>>().join(", ")),
            };
            return Err(format!("there is no column {column:?}; {more}"));
        }
        if columns.iter().take(at).any(|other| other == column) {
            return Err(format!("the column {column} is there twice: remove one"));
        }
    }
    match REQUIRED.iter().find(|name| columns.iter().all(|column| column != **name)) {
        Some(name) => Err(format!("the column {name} is missing: add it")),
        None => Ok(()),
    }
}

/// The signal of a row of CSV.
fn view_of(columns: &StringRecord, row: &StringRecord) -> Result<ExternalSignalView, String> {
    if row.len() != columns.len() {
        let (has, first) = (count(row.len() as u64, "column"), columns.len());
        return Err(format!("it has {has}, the first line has {first}: quote a text with commas"));
    }
    let mut members = Map::new();
    for (name, text) in columns.iter().zip(row) {
        if text.is_empty() && OPTIONAL.contains(&name) {
            continue;
        }
        let number = if name == "max_age_s" { text.parse::<u32>().ok() } else { None };
        members.insert(name.to_owned(), number.map_or(Value::from(text), Value::from));
    }
    serde_json::from_value(Value::Object(members)).map_err(|e| text_of(&e))
}

/// The signals so far.
#[derive(Default)]
struct Taken {
    rows: Vec<SignalRow>,
    /// The line of each strategy and id.
    lines: BTreeMap<(String, String), u64>,
}

impl Taken {
    /// Takes the signal of the next line.
    fn take(&mut self, line: u64, view: &ExternalSignalView) -> Result<(), String> {
        let wrong = |why: &str| Err(of_line(line, why));
        if view.time.is_none() {
            return wrong("the time is missing: add when it arrives, like 2026-01-05T07:00:00Z");
        }
        let signal = view.read(0).map_err(|why| of_line(line, &why.text))?;
        // It arrives in time; what remains to be checked is the allowed age.
        view.check_age(0, 0).map_err(|why| of_line(line, &why.text))?;
        if let Some(last) = self.rows.last().filter(|last| last.signal.time > signal.time) {
            let text = format!("its time is before that of line {}: sort by time", last.line);
            return wrong(&text);
        }
        if self.rows.len() >= SIGNALS {
            let text = format!("a file has at most {} signals", thousands(SIGNALS as u64));
            return wrong(&format!("{text}: play its parts, with --from and --to"));
        }
        match self.lines.entry((signal.strategy.clone(), signal.id.clone())) {
            Entry::Occupied(first) => {
                let text = format!("the id {} is that of line {}", signal.id, first.get());
                return wrong(&format!("{text}: use a new id for each signal"));
            }
            Entry::Vacant(place) => {
                place.insert(line);
            }
        }
        self.rows.push(SignalRow { line, signal });
        Ok(())
    }
}

/// The signals as CSV that [`read`] takes.
///
/// # Errors
/// A text is too large for memory.
pub fn write(signals: &[ExternalSignal]) -> io::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let columns = ["time", "id", "strategy", "symbol", "side", "reason"];
    out.write_record(columns.iter().chain(&["confidence", "stop", "target"]))?;
    for signal in signals {
        let side = match signal.side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        let confidence = plain(Decimal::new(i64::from(signal.confidence_ppm), 6));
        let [stop, target] = [signal.stop, signal.target].map(|of| of.map(plain));
        out.write_record([
            &signal.time.to_string(),
            &*signal.id,
            &signal.strategy,
            signal.symbol.as_str(),
            side,
            &in_one_line(&signal.reason),
            &confidence,
            &stop.unwrap_or_default(),
            &target.unwrap_or_default(),
        ])?;
    }
    out.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// A text without control characters.
fn in_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "time,id,strategy,symbol,side,reason,confidence,stop,target,max_age_s";
    const ROW: &str = "2026-01-05T07:00:30Z,one,trend,BINANCE:BTCUSDT,buy,\"up, \"\"far\"\"\"";

    fn table(rows: &[&str]) -> String {
        [&[HEAD][..], rows].concat().join("\n")
    }

    #[test]
    fn a_line_of_either_form_is_the_same_signal() {
        let text = table(&[&format!("{ROW},0.75,90.5,,60")]);
        let read = rows(&format!("\u{feff}{}\r\n\r\n", text.replace('\n', "\r\n"))).unwrap();
        let [SignalRow { line: 2, signal }] = &read[..] else { panic!("{read:?}") };
        assert_eq!((signal.time, signal.confidence_ppm), (1_767_596_430_000, 750_000));
        assert_eq!((signal.symbol.as_str(), &*signal.reason), ("BTCUSDT", "up, \"far\""));
        assert_eq!((signal.stop, signal.target), (Some(Decimal::new(905, 1)), None));
        let json = r#"{"id":"one","strategy":"trend","symbol":"BTCUSDT","side":"buy",
            "reason":"up, \"far\"","time":"1767596430000","confidence":"0.75","stop":"90.5"}"#;
        let json = json.replace('\n', "");
        assert_eq!(rows(&json).unwrap(), [SignalRow { line: 1, signal: signal.clone() }]);
        let written = String::from_utf8(write(std::slice::from_ref(signal)).unwrap()).unwrap();
        assert_eq!(rows(&written).unwrap(), read, "as it is written");
        assert!(rows(HEAD).unwrap().is_empty(), "no signal");
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_line() {
        let of = |time: &str, id: &str| format!("{time},{id},trend,BTCUSDT,buy,why,,,,");
        for (text, why) in [
            (String::new(), "it is empty"),
            (HEAD.replace("side", "sides"), "line 1: there is no column \"sides\"; did you mean"),
            (HEAD.replace("id,", "time,"), "line 1: the column time is there twice"),
            (HEAD.replace("reason,", ""), "line 1: the column reason is missing"),
            (table(&[&of("5", "a"), "1,b"]), "line 3: it has 2 columns, the first line has 10"),
            (table(&["5,a,trend,BTCUSDT,buy,\"why,,,,"]), "line 2: it has 6 columns"),
            (table(&[&of("soon", "a")]), "line 2: the time \"soon\""),
            (table(&[&of("5", "a b")]), "line 2: the id of a signal must be"),
            (table(&["5,a,trend,btc/usdt,buy,why,,,,"]), "line 2: "),
            (table(&["5,a,trend,BTCUSDT,long,why,,,,"]), "line 2: unknown variant `long`"),
            (table(&["5,a,trend,BTCUSDT,buy,why,2,,,"]), "line 2: the confidence 2"),
            (table(&["5,a,trend,BTCUSDT,buy,why,,,,4000"]), "line 2: max_age_s must be"),
            (table(&["5,a,trend,BTCUSDT,sell,why,,9,,"]), "line 2: a sell closes the lot"),
            (table(&[&of("5", "a"), &of("4", "b")]), "line 3: its time is before that of line 2"),
            (table(&[&of("5", "a"), &of("5", "a")]), "line 3: the id a is that of line 2"),
            (r#"{"id":"a"}"#.to_owned(), "line 1: missing field"),
            (format!("{{}}\n{HEAD}"), "line 1: missing field"),
        ] {
            let refused = rows(&text).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
        let timeless = r#"{"id":"a","strategy":"t","symbol":"BTCUSDT","side":"buy","reason":"x"}"#;
        assert!(rows(timeless).unwrap_err().contains("line 1: the time is missing"));
        assert!(read(Path::new("no such file")).unwrap_err().text.starts_with("no such file: "));
    }

    #[test]
    fn signals_at_one_time_keep_their_order() {
        let of = |id: &str| format!("5,{id},trend,BTCUSDT,buy,why,,,,");
        let read = rows(&table(&[&of("b"), &of("a")])).unwrap();
        assert_eq!(read.iter().map(|row| &*row.signal.id).collect::<Vec<_>>(), ["b", "a"]);
    }
}
