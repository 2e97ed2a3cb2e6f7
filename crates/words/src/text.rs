//! Formats text for people: instants, numbers, tables, colour.

use comfy_table::{CellAlignment, ContentArrangement};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::time::{DAY, UtcMs};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::time::Duration;

/// Year, month and day of an instant, UTC.
#[must_use]
pub fn civil(time: UtcMs) -> (i64, i64, i64) {
    let date = zoned(time).date();
    (date.year().into(), date.month().into(), date.day().into())
}

/// An instant in UTC, clamped to the range of the calendar.
fn zoned(time: UtcMs) -> Zoned {
    let beyond = if time < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(time).unwrap_or(beyond).to_zoned(TimeZone::UTC)
}

/// The date of an instant, UTC, like `2021-01-08`.
#[must_use]
pub fn date(time: UtcMs) -> String {
    let (year, month, day) = civil(time);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The time of day, UTC, as short as is exact: `12:03`, `12:03:07` or `12:03:07.120`.
#[must_use]
pub fn clock(time: UtcMs) -> String {
    let ms = time.rem_euclid(DAY);
    let (hour, minute, second, milli) =
        (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    match (second, milli) {
        (0, 0) => format!("{hour:02}:{minute:02}"),
        (_, 0) => format!("{hour:02}:{minute:02}:{second:02}"),
        (_, _) => format!("{hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}

/// Date and time, like `2021-01-08 12:03`, as exact as [`clock`]. `UtcMs::MIN` stands for a time
/// before the venue's time was known.
#[must_use]
pub fn instant(time: UtcMs) -> String {
    if time == UtcMs::MIN {
        return "before any market time".to_owned();
    }
    format!("{} {}", date(time), clock(time))
}

/// Parses `2021-01-08 12:03` (also with `T` between and `Z` at the end) or UTC milliseconds; none
/// if it is neither.
#[must_use]
pub fn instant_of(text: &str) -> Option<UtcMs> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, time) = text.trim_end_matches('Z').split_once([' ', 'T'])?;
    let number = |text: &str| {
        let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let numbers = |text: &str, mark| text.split(mark).map(number).collect::<Option<Vec<i64>>>();
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let &[year, month, day] = date.as_slice() else { return None };
    let (&[hour, minute] | &[hour, minute, 0]) = time.as_slice() else { return None };
    let (month, day) = (month.try_into().ok()?, day.try_into().ok()?);
    let (hour, minute) = (hour.try_into().ok()?, minute.try_into().ok()?);
    let at = DateTime::new(year.try_into().ok()?, month, day, hour, minute, 0, 0).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// A number with thousands separators, like `12,034`.
#[must_use]
pub fn thousands(number: u64) -> String {
    group(&number.to_string())
}

/// An amount of cash with two decimals, like `1,012.33`.
#[must_use]
pub fn amount(value: Decimal) -> String {
    let text = format!("{:.2}", value.round_dp(2));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) if digits.bytes().any(|b| b.is_ascii_digit() && b != b'0') => ("-", digits),
        Some(digits) => ("", digits),
        None => ("", text.as_str()),
    };
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "00"));
    format!("{sign}{}.{rest}", group(whole))
}

/// Like [`amount`], with a sign for gains too.
#[must_use]
pub fn signed(value: Decimal) -> String {
    let text = amount(value);
    if value.round_dp(2) > Decimal::ZERO { format!("+{text}") } else { text }
}

/// A price or quantity: all its decimals, without trailing zeros.
#[must_use]
pub fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

/// A computed price or quantity: at most 8 decimals, more if it is tiny.
#[must_use]
pub fn rounded(value: Decimal) -> String {
    plain(money::shown(value, 8))
}

fn group(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration, like `4.1 ms`, `1.25 s`, `2 min 5 s` or `4 h 54 min`.
#[must_use]
pub fn took(duration: Duration) -> String {
    let us = duration.as_micros();
    if us < 1000 {
        format!("{us} us")
    } else if us < 1_000_000 {
        format!("{}.{} ms", us / 1000, us / 100 % 10)
    } else if us < 60_000_000 {
        format!("{}.{:02} s", us / 1_000_000, us / 10_000 % 100)
    } else if us < 3_600_000_000 {
        format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
    } else {
        format!("{} h {} min", duration.as_secs() / 3600, duration.as_secs() / 60 % 60)
    }
}

/// A wait in whole units, rounded up, like `12 min`, `50 h` or `200 days`. `ms` is milliseconds.
#[must_use]
pub fn wait(ms: i64) -> String {
    let minutes = ms.max(0).unsigned_abs().div_ceil(60_000);
    if minutes < 120 {
        format!("{minutes} min")
    } else if minutes < 72 * 60 {
        format!("{} h", minutes.div_ceil(60))
    } else {
        format!("{} days", thousands(minutes.div_ceil(24 * 60)))
    }
}

/// A number with its noun, like `1 order` or `2 orders`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", thousands(number))
}

/// Bytes in megabytes, rounded to a tenth, without the unit.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

/// `text` cut to `width` characters; a cut text ends in an ellipsis.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A text style, used if colour is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// No style.
    Plain,
    /// Less important.
    Dim,
    /// Important.
    Bold,
    /// Good news, buys.
    Green,
    /// Bad news, sells.
    Red,
    /// Needs attention.
    Yellow,
}

impl Paint {
    /// `text`, coloured if `color`.
    #[must_use]
    pub fn on(self, text: &str, color: bool) -> String {
        let code = match self {
            Paint::Plain => return text.to_owned(),
            Paint::Dim => 2,
            Paint::Bold => 1,
            Paint::Green => 32,
            Paint::Red => 31,
            Paint::Yellow => 33,
        };
        if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Rows under headings. Each column is as wide as its widest cell; numbers are right-aligned.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<String>,
    numeric: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; a leading `>` marks a column of numbers.
    #[must_use]
    pub fn new(head: &[&str]) -> Table {
        Table {
            numeric: head.iter().map(|h| h.starts_with('>')).collect(),
            head: head.iter().map(|h| h.trim_start_matches('>').to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one cell a heading.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.head.len(), "one cell a heading");
        self.rows.push(cells);
    }

    /// The lines, headings first, none longer than `width` characters.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<String> {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.head);
        table.add_rows(&self.rows);
        for (column, numeric) in table.column_iter_mut().zip(&self.numeric) {
            let side = if *numeric { CellAlignment::Right } else { CellAlignment::Left };
            column.set_padding((0, 2)).set_cell_alignment(side);
        }
        table.lines().map(|line| fit(line.trim_end(), width)).collect()
    }
}

/// A line with a label and a text, broken into lines of at most `width` characters. Lines after the
/// first are indented by `indent`.
#[must_use]
pub fn hang(line: &str, indent: usize, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let at = line.char_indices().nth(indent).map_or(line.len(), |(at, _)| at);
    // Spaces in the label stay; no word is cut.
    let at = line[..at].rfind(' ').map_or(0, |space| space + 1);
    let (head, rest) = line.split_at(at);
    let rest = wrap(rest, width.saturating_sub(indent));
    let before = |i: usize| if i == 0 { head.to_owned() } else { " ".repeat(indent) };
    rest.iter().enumerate().map(|(i, part)| before(i) + part).collect()
}

/// Breaks a text between words into lines of at most `width` characters; a longer word stays whole.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let fits = line.chars().count() + 1 + word.chars().count() <= width;
        if line.is_empty() {
            line.push_str(word);
        } else if fits {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// One word of a shell command, quoted if a shell would interpret it.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_are_quoted_where_a_shell_would_split_them() {
        for (word, typed) in [
            ("/a/b-c_1.csv", "/a/b-c_1.csv"),
            ("BTCUSD,ETHUSD", "BTCUSD,ETHUSD"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), typed);
        }
    }

    #[test]
    fn what_is_longer_hangs_below_its_text_and_loses_no_word() {
        let line = "problem    conflict 7, a shortage of BTC; see everwarm reconcile";
        assert_eq!(hang(line, 11, 100), [line]);
        let lines = hang(line, 11, 40);
        assert_eq!(
            lines,
            ["problem    conflict 7, a shortage of", "           BTC; see everwarm reconcile",]
        );
        assert!(lines.iter().all(|line| line.chars().count() <= 40));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for indent in 0..20 {
            assert_eq!(words(&hang(line, indent, 40).join(" ")), words(line), "{indent}");
        }
    }

    #[test]
    fn instants() {
        assert_eq!(instant(0), "1970-01-01 00:00");
        assert_eq!(instant(1_610_107_380_000), "2021-01-08 12:03");
        assert_eq!(instant(1_610_107_387_120), "2021-01-08 12:03:07.120");
        assert_eq!(date(951_782_400_000), "2000-02-29");
        assert_eq!(date(-1), "1969-12-31");
        for time in [0, 1_610_107_380_000, 951_782_400_000, 1_709_164_800_000, -60_000] {
            assert_eq!(instant_of(&instant(time)), Some(time));
        }
        for text in ["2021-01-08T12:03Z", "2021-01-08 12:03:00", "1610107380000"] {
            assert_eq!(instant_of(text), Some(1_610_107_380_000), "{text}");
        }
        for text in ["", "12:03", "2021-02-30 00:00", "2021-01-08 24:00", "x-1-1 1:1", "now"] {
            assert_eq!(instant_of(text), None, "{text}");
        }
    }

    #[test]
    fn numbers() {
        let dec = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(amount(dec("-1234567.891")), "-1,234,567.89");
        assert_eq!(amount(dec("-0.001")), "0.00");
        assert_eq!(amount(dec("100")), "100.00");
        assert_eq!(signed(dec("12.5")), "+12.50");
        assert_eq!(signed(dec("0.001")), "0.00");
        assert_eq!(count(1, "order") + ", " + &count(1200, "fill"), "1 order, 1,200 fills");
        assert_eq!(plain(dec("0.1200")), "0.12");
    }

    #[test]
    fn durations() {
        let short = [12, 4100, 1_250_000, 125_000_000].map(|us| took(Duration::from_micros(us)));
        assert_eq!(short, ["12 us", "4.1 ms", "1.25 s", "2 min 5 s"]);
        let long = [3599, 3600, 17_661].map(|s| took(Duration::from_secs(s)));
        assert_eq!(long, ["59 min 59 s", "1 h 0 min", "4 h 54 min"]);
    }

    #[test]
    fn tables_are_aligned_and_cut() {
        let mut table = Table::new(&["symbol", ">quantity", "why"]);
        table.row(vec!["ETHUSD".into(), "0.5".into(), "crossed above".into()]);
        table.row(vec!["BTC-PERP".into(), "12".into(), String::new()]);
        assert_eq!(
            table.lines(30),
            ["symbol    quantity  why", "ETHUSD         0.5  crossed a…", "BTC-PERP        12",]
        );
    }
}
