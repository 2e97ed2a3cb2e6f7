//! The file `SYMBOL_WIDTH.known`: bars that a source does not have, and odd bars that it confirmed.
//!
//! A repair writes it, so the same question is not sent twice and a check counts no finding.

use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Price, parse_decimal};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::{Times, joined};
use everwarm_runtime::files::write_whole;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Largest file, in bytes.
const BYTES_MAX: u64 = 64 << 20;
/// The first line.
const HEAD: &str = "# Bars that a source lacks, and odd bars that it confirmed. Written by \
                    `everwarm history check --repair`.\n";

/// What sources responded about one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Missing bars by source, ascending.
    holes: BTreeMap<String, Vec<Times>>,
    /// Confirmed bars with their source, by opening time.
    bars: BTreeMap<UtcMs, (Bar, String)>,
}

impl Known {
    /// The file beside a file of bars.
    pub fn path(folder: &Path, symbol: Symbol, timeframe: Timeframe) -> PathBuf {
        folder.join(format!("{symbol}_{timeframe}.known"))
    }

    /// Reads a file; an absent one is empty.
    ///
    /// # Errors
    /// It cannot be read, or a line is wrong.
    pub fn read(path: &Path, symbol: Symbol) -> Result<Known, String> {
        let no = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Known::default()),
            Err(e) => return Err(no(&e)),
        };
        let mut text = String::new();
        file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|e| no(&e))?;
        if text.len() as u64 > BYTES_MAX {
            return Err(no(&format!("is longer than {BYTES_MAX} bytes. Remove it")));
        }
        Known::parse(&text, symbol)
            .map_err(|(line, why)| format!("{}:{line}: {why}. Remove the line", path.display()))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        write_whole(path, self.text().as_bytes())
    }

    fn parse(text: &str, symbol: Symbol) -> Result<Known, (usize, String)> {
        let mut known = Known::default();
        for (at, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = known.line(line, symbol);
            read.map_err(|why| (at + 1, format!("{line:?} is no known hole or bar: {why}")))?;
        }
        for holes in known.holes.values_mut() {
            *holes = joined(std::mem::take(holes), 0);
        }
        Ok(known)
    }

    fn line(&mut self, line: &str, symbol: Symbol) -> Result<(), String> {
        let fields: Vec<&str> = line.split(' ').collect();
        let time = |text: &str| text.parse::<UtcMs>().map_err(|e| e.to_string());
        match fields[..] {
            ["hole", from, to, source] => {
                let times = time(from)?..=time(to)?;
                if times.is_empty() {
                    return Err("it ends before it begins".to_owned());
                }
                self.holes.entry(source.to_owned()).or_default().push(times);
            }
            ["bar", open_time, open, high, low, close, volume, source] => {
                let price = |text| parse_decimal(text).and_then(Price::exact);
                let bar = Bar {
                    symbol,
                    open_time: time(open_time)?,
                    open: price(open)?,
                    high: price(high)?,
                    low: price(low)?,
                    close: price(close)?,
                    volume: parse_decimal(volume)?,
                };
                self.bars.insert(bar.open_time, (bar, source.to_owned()));
            }
            _ => return Err("wanted: hole FROM TO SOURCE, or bar with its values".to_owned()),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (source, holes) in &self.holes {
            for times in holes {
                let (from, to) = (times.start(), times.end());
                text.extend([format!("hole {from} {to} {source}\n")]);
            }
        }
        for (bar, source) in self.bars.values() {
            let Bar { open_time, open, high, low, close, volume, .. } = bar;
            let volume = volume.normalize();
            text.extend([format!(
                "bar {open_time} {open} {high} {low} {close} {volume} {source}\n"
            )]);
        }
        text
    }

    /// All missing bars that some source does not have, ascending.
    pub fn holes(&self, width: UtcMs) -> Vec<Times> {
        joined(self.holes.values().flatten().cloned().collect(), width)
    }

    /// Those that this source does not have, ascending.
    pub fn holes_of(&self, source: &str) -> &[Times] {
        self.holes.get(source).map_or(&[], Vec::as_slice)
    }

    /// Whether a source confirmed exactly this bar.
    pub fn has_bar(&self, bar: &Bar) -> bool {
        self.bars.get(&bar.open_time).is_some_and(|(known, _)| known == bar)
    }

    /// Adds bars that a source does not have.
    pub fn add_holes(&mut self, source: &str, times: Vec<Times>, width: UtcMs) {
        if times.is_empty() {
            return;
        }
        let holes = self.holes.entry(source.to_owned()).or_default();
        holes.extend(times);
        *holes = joined(std::mem::take(holes), width);
    }

    /// Adds a bar that a source confirmed.
    pub fn add_bar(&mut self, source: &str, bar: Bar) {
        self.bars.insert(bar.open_time, (bar, source.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_a_wrong_line_is_named() {
        let symbol = Symbol::named("AAA").unwrap();
        let mut known = Known::default();
        known.add_holes("one", vec![180_000..=240_000, 60_000..=120_000], 60_000);
        known.add_holes("two", vec![600_000..=600_000], 60_000);
        let price = |units: i64| Price::e8(units * 100_000_000);
        let (open, close) = (price(2), price(1));
        let volume = "1.5".parse().unwrap();
        let bar = Bar { symbol, open_time: 60_000, open, high: open, low: close, close, volume };
        known.add_bar("one", bar);
        let text = known.text();
        assert!(text.contains("\nhole 60000 240000 one\n"), "{text}");
        assert!(text.contains("\nbar 60000 2 2 1 1 1.5 one\n"), "{text}");
        assert_eq!(Known::parse(&text, symbol), Ok(known.clone()));
        assert_eq!(known.holes(60_000), [60_000..=240_000, 600_000..=600_000]);
        assert_eq!(known.holes_of("two"), [600_000..=600_000]);
        assert!(known.has_bar(&bar) && !known.has_bar(&Bar { close: open, ..bar }));
        for wrong in ["hole 1 2", "hole 2 1 one", "hole a 2 one", "bar 1 1 1 1 1 x one", "x"] {
            let (line, why) = Known::parse(&format!("# one\n{wrong}\n"), symbol).unwrap_err();
            assert!(line == 2 && why.contains(wrong), "{why}");
        }
    }
}
