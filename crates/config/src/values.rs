//! Values of the configuration that are more than a text or a number.

use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::sizes::percent;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_sim::PaperFills;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Fastest pace, in multiples of real time.
const PACE_MAX: u32 = 100_000;
const SYMBOLS_MAX: u32 = 1000;

/// The pace of the simulated exchange's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The next step follows once all stages have finished the last one.
    Lockstep,
    /// This many times faster than real time; 1 is real time.
    Times(u32),
}

impl FromStr for Pace {
    type Err = String;
    fn from_str(text: &str) -> Result<Pace, String> {
        match text {
            "lockstep" => return Ok(Pace::Lockstep),
            "real" => return Ok(Pace::Times(1)),
            _ => {}
        }
        let times = text.strip_suffix('x').and_then(|digits| digits.parse().ok());
        times.filter(|times| (1..=PACE_MAX).contains(times)).map(Pace::Times).ok_or_else(|| {
            format!("{text:?} is not a pace: write lockstep, real, or 1x to {PACE_MAX}x")
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::Lockstep => f.write_str("lockstep"),
            Pace::Times(1) => f.write_str("real"),
            Pace::Times(times) => write!(f, "{times}x"),
        }
    }
}

/// Milliseconds from midnight to a time like `03:30`; none: `off`.
///
/// # Errors
/// The text is neither.
pub fn time_of_day(text: &str) -> Result<Option<UtcMs>, String> {
    if text == "off" {
        return Ok(None);
    }
    let number = |digits: &str, below| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number: &UtcMs| plain && *number < below)
    };
    let parts = text.split_once(':').and_then(|(h, m)| number(h, 24).zip(number(m, 60)));
    parts
        .map(|(hours, minutes)| Some((hours * 60 + minutes) * MINUTE))
        .ok_or_else(|| format!("{text:?} is not a time of day: write it like 03:30, or off"))
}

/// A part of each day, UTC. It may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Milliseconds after midnight at which it begins.
    from: UtcMs,
    /// Milliseconds after midnight at which it has ended.
    to: UtcMs,
}

impl Window {
    /// Reads a text like `02:00-05:00`; empty: the whole day.
    ///
    /// # Errors
    /// It is another text, or the window is empty.
    pub fn read(text: &str) -> Result<Option<Window>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let parts = text.split_once('-').and_then(|(from, to)| {
            let part = |text| time_of_day(text).ok().flatten();
            part(from).zip(part(to))
        });
        let form = || format!("{text:?} is not a part of a day: write it like 02:00-05:00");
        let (from, to) = parts.filter(|(from, to)| from != to).ok_or_else(form)?;
        Ok(Some(Window { from, to }))
    }

    /// Whether it includes a time.
    #[must_use]
    pub fn includes(self, time: UtcMs) -> bool {
        let Window { from, to } = self;
        let of_day = time.rem_euclid(DAY);
        if from < to { (from..to).contains(&of_day) } else { of_day >= from || of_day < to }
    }
}

/// Symbols of a synthetic market with [`Symbols::Auto`].
pub const AUTO_SYMBOLS: u32 = 8;

/// The traded symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// [`AUTO_SYMBOLS`] of a synthetic market, all of a recording.
    Auto,
    /// The first ones by name, this many.
    First(u32),
    /// These symbols, sorted by name.
    Named(Vec<Symbol>),
}

impl FromStr for Symbols {
    type Err = String;
    fn from_str(text: &str) -> Result<Symbols, String> {
        if text == "auto" {
            return Ok(Symbols::Auto);
        }
        if let Ok(count) = text.parse() {
            return Some(count)
                .filter(|count| (1..=SYMBOLS_MAX).contains(count))
                .map(Symbols::First)
                .ok_or_else(|| {
                    format!("{count} symbols are not possible: choose 1 to {SYMBOLS_MAX}")
                });
        }
        let names = text.split(',').map(|name| Symbol::named(name.trim()));
        let mut names = names.collect::<Result<Vec<_>, _>>().map_err(|why| {
            format!("{why}. Give \"auto\", a number, or a list of names, like [\"BTCUSDT\"]")
        })?;
        names.sort();
        names.dedup();
        Ok(Symbols::Named(names))
    }
}

impl fmt::Display for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbols::Auto => f.write_str("auto"),
            Symbols::First(count) => write!(f, "{count}"),
            Symbols::Named(names) => {
                let names: Vec<&str> = names.iter().map(Symbol::as_str).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// The market of the simulated exchange, and its pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketSource {
    /// Folder of a recording; none: a synthetic market.
    pub recording: Option<PathBuf>,
    /// Description of the recording, if it is not in its folder.
    pub recording_config: Option<PathBuf>,
    /// Source of live prices; none: a recording or a synthetic market.
    pub prices: Option<&'static str>,
    /// Its address, if it is not the usual one.
    pub prices_address: Option<String>,
    /// Seed of a synthetic market.
    pub seed: u64,
    /// The symbols.
    pub symbols: Symbols,
    /// The pace.
    pub pace: Pace,
    /// Whether to stop at the end of a recording.
    pub until_end: bool,
    /// Fee of the simulated exchange, millionths of what is received.
    pub fee_ppm: u32,
    /// Spread of the simulated exchange, millionths of the price.
    pub spread_ppm: u32,
    /// Factor of the slippage of the simulated exchange.
    pub slippage: Decimal,
    /// Assumptions about fills at the simulated exchange.
    pub fills: PaperFills,
}

impl MarketSource {
    /// The flags that pass these settings to another process.
    #[must_use]
    pub fn flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        let mut add = |flag: &str, value: &OsStr| flags.extend([flag.into(), value.to_owned()]);
        if let Some(folder) = &self.recording {
            add("--recording", folder.as_os_str());
        }
        if let Some(file) = &self.recording_config {
            add("--recording-config", file.as_os_str());
        }
        if let Some(name) = self.prices {
            add("--prices", OsStr::new(name));
        }
        if let Some(address) = &self.prices_address {
            add("--prices-address", OsStr::new(address));
        }
        add("--seed", OsStr::new(&self.seed.to_string()));
        add("--symbols", OsStr::new(&self.symbols.to_string()));
        add("--pace", OsStr::new(&self.pace.to_string()));
        if self.until_end {
            flags.push("--until-end".into());
        }
        let share = |ppm| if ppm == 0 { "none".to_owned() } else { percent(ppm) };
        let mut add = |flag: &str, value: String| flags.extend([flag.into(), value.into()]);
        add("--fee", share(self.fee_ppm));
        add("--spread", share(self.spread_ppm));
        add("--slippage", self.slippage.to_string());
        // Live prices have other defaults, so the flag is needed to switch all of them off.
        if self.prices.is_some() || !self.fills.is_off() {
            add("--fills", written(&self.fills));
        }
        flags
    }
}

/// Assumptions about fills as the flag takes them.
fn written(fills: &PaperFills) -> String {
    let percent = |share: Decimal| (share * Decimal::ONE_HUNDRED).normalize();
    format!(
        "range_spread_percent={},impact={},volume_percent={},queue_percent={},latency_ms={}",
        percent(fills.range_spread),
        fills.impact.normalize(),
        percent(fills.volume_share),
        percent(fills.queue_share),
        fills.latency
    )
}

/// Format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON unless standard error is a terminal.
    #[default]
    Auto,
    /// Text lines for people.
    Text,
    /// One JSON object for each line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<LogFormat, String> {
        match text {
            "auto" => Ok(LogFormat::Auto),
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("{text:?} is not one of auto, text, json")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_pass_midnight() {
        let read = |text: &str| Window::read(text).unwrap().unwrap();
        let at = |hour: i64| 20_000 * DAY + hour * 60 * MINUTE;
        let night = read("02:00-05:00");
        assert!([2, 4].iter().all(|hour| night.includes(at(*hour))));
        assert!([1, 5, 23].iter().all(|hour| !night.includes(at(*hour))));
        assert!(!night.includes(at(5)) && night.includes(at(5) - 1));
        let late = read("22:30-01:00");
        assert!([23, 24].iter().all(|hour| late.includes(at(*hour))));
        assert!([1, 12, 22].iter().all(|hour| !late.includes(at(*hour))));
        assert_eq!(Window::read(""), Ok(None));
        for text in ["02:00", "02:00-02:00", "2:00-5:00", "02:00-25:00", "off-05:00", "-"] {
            assert!(Window::read(text).unwrap_err().contains("02:00-05:00"), "{text}");
        }
    }
}
