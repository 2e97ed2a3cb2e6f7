//! Writes the files of a recording: bars, and the rules of their instruments.

use super::bar_row::COLUMNS;
use super::recording::CONFIG_FILE;
use super::recording_config::{Amount, Config, VOLUME_SCALE};
use super::recording_error::{Fault, RecordingError};
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, PRICE_SCALE_MAX};
use everwarm_runtime::files::write_whole;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes bars as one file that [`read_bars`](super::read_bars) reads. It is compressed if its name
/// ends with `.gz`. The same bars give the same bytes. A reader finds the old file or the new one.
///
/// # Errors
/// The file cannot be written.
pub fn write_bars(path: &Path, bars: &[Bar]) -> io::Result<()> {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for Bar { open_time, open, high, low, close, volume, .. } in bars {
        let volume = volume.normalize();
        writeln!(text, "{open_time},{open},{high},{low},{close},{volume}")
            .map_err(io::Error::other)?;
    }
    if path.extension().is_none_or(|e| e != "gz") {
        return write_whole(path, text.as_bytes());
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes())?;
    write_whole(path, &packed.finish()?)
}

/// Appends these rules to the `recording.toml` of a folder. Symbols that it
/// already names keep their lines.
///
/// # Errors
/// The file is invalid, or cannot be read or written.
pub fn add_rules(folder: &Path, rules: &[SymbolRules]) -> Result<(), RecordingError> {
    let path = folder.join(CONFIG_FILE);
    let failed = |e: io::Error| RecordingError::of(&path, Fault::Io(e.to_string()));
    let mut text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(e)),
    };
    let known = Config::parse(&text).map_err(|(line, why)| RecordingError {
        file: path.clone(),
        line,
        fault: Fault::Config(why),
    })?;
    let before = text.len();
    for rule in rules.iter().filter(|rule| !known.symbols.contains_key(rule.symbol.as_str())) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&section(rule));
    }
    if text.len() == before {
        return Ok(());
    }
    write_whole(&path, text.as_bytes()).map_err(failed)
}

/// The lines of one symbol. A number that a recording cannot have is left to its default.
fn section(rule: &SymbolRules) -> String {
    let SymbolRules { symbol, base, quote, .. } = rule;
    let mut text = format!("[symbols.\"{symbol}\"]\nbase = \"{base}\"\nquote = \"{quote}\"\n");
    for (key, value) in [
        ("tick", exact::<{ PRICE_SCALE_MAX }>(rule.tick_size)),
        ("lot", exact::<VOLUME_SCALE>(rule.lot_size)),
        ("min_quantity", exact::<VOLUME_SCALE>(rule.min_quantity)),
        ("max_quantity", exact::<VOLUME_SCALE>(rule.max_quantity)),
        ("min_notional", exact::<VOLUME_SCALE>(rule.min_notional)),
    ] {
        if let Some(value) = value.filter(|value| !value.is_zero()) {
            text.extend([key, " = \"", &value.to_string(), "\"\n"]);
        }
    }
    text
}

fn exact<const DECIMALS: u8>(value: Decimal) -> Option<Decimal> {
    Amount::<DECIMALS>::of(value).ok().map(|amount| amount.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{Market, Recording, read_bars};
    use everwarm_domain::id::Symbol;
    use everwarm_domain::money::Price;

    fn bar(minute: i64, price: &str) -> Bar {
        let price = Price::exact(price.parse().unwrap()).unwrap();
        let symbol = Symbol::new("BTCUSDT").unwrap();
        let open_time = 1_767_571_200_000 + minute * 60_000;
        let volume = "12.500".parse().unwrap();
        Bar { symbol, open_time, open: price, high: price, low: price, close: price, volume }
    }

    fn folder() -> std::path::PathBuf {
        let name =
            format!("everwarm-bars-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name.replace(['(', ')'], ""));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn bars_that_are_written_are_read_back_from_plain_and_compressed_files() {
        let folder = folder();
        let bars = [bar(0, "90000.12"), bar(1, "0.000000031"), bar(5, "90001")];
        for name in ["BTCUSDT_1m.csv", "BTCUSDT_5m.csv.gz"] {
            let path = folder.join(name);
            write_bars(&path, &bars).unwrap();
            let first = std::fs::read(&path).unwrap();
            assert_eq!(read_bars(&path, usize::MAX).unwrap().0, bars);
            write_bars(&path, &bars).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), first, "the same bytes");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn rules_are_appended_once_and_lines_of_the_user_stay() {
        let folder = folder();
        let mine = "# mine\n[account]\nbalances = { USDT = \"500\" }\n";
        std::fs::write(folder.join(CONFIG_FILE), mine).unwrap();
        write_bars(&folder.join("BTCUSDT_1m.csv.gz"), &[bar(0, "90000.12")]).unwrap();
        let read = Recording::open(&folder, None).unwrap();
        let mut rule = SymbolRules::from(read.instruments()[0].clone());
        rule.lot_size = "0.001".parse().unwrap();
        rule.min_quantity = "0.002".parse().unwrap();
        for _ in 0..2 {
            add_rules(&folder, std::slice::from_ref(&rule)).unwrap();
        }
        let text = std::fs::read_to_string(folder.join(CONFIG_FILE)).unwrap();
        assert!(text.starts_with(mine), "{text}");
        assert_eq!(text.matches("[symbols.").count(), 1, "{text}");
        let read = Recording::open(&folder, None).unwrap();
        let read = &read.instruments()[0];
        assert_eq!((read.lot_size, read.min_quantity), (rule.lot_size, rule.min_quantity));
        std::fs::write(folder.join(CONFIG_FILE), "[symbols").unwrap();
        assert!(add_rules(&folder, &[rule]).unwrap_err().to_string().contains(CONFIG_FILE));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
