//! Standard output, for data only. A reader that closed it is no error.

use everwarm_domain::clean::is_hidden;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::Json;
use everwarm_words::text::Table;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

/// Columns of a terminal that does not report its size.
const WIDTH: usize = 120;
/// Lines of a terminal that does not report its size.
const HEIGHT: usize = 24;
/// Smallest terminal size that is accepted.
const WIDTH_MIN: usize = 40;
const HEIGHT_MIN: usize = 10;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether the environment allows colours.
#[must_use]
pub fn colors_welcome() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to standard output.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// Longest line, in characters.
    pub width: usize,
    /// Maximum number of lines visible at once.
    pub height: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether to print only data and errors.
    pub quiet: bool,
}

impl Printer {
    /// For the standard output of this process. Without a terminal, lines have no maximum length.
    #[must_use]
    pub fn new(color: Color, quiet: bool) -> Printer {
        let terminal = std::io::stdout().is_terminal();
        let (width, height) = if terminal { size() } else { (usize::MAX, usize::MAX) };
        let color = match color {
            Color::Auto => terminal && colors_welcome(),
            Color::Always => true,
            Color::Never => false,
        };
        Printer { width, height, color, terminal, quiet }
    }

    /// Writes one line that is neither data nor an error to standard error.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }

    /// Writes lines. Returns `false` if the reader closed standard output.
    ///
    /// # Errors
    /// Writing failed for another reason.
    pub fn lines<S: AsRef<str>>(&self, lines: &[S]) -> Result<bool, Failure> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&shown(line.as_ref()));
            text.push('\n');
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(e) if e.kind() == ErrorKind::StorageFull => {
                Err(Failure::new(Exit::DiskFull, format!("standard output: {e}")))
            }
            Err(e) => Err(Failure::new(Exit::Failed, format!("standard output: {e}"))),
        }
    }

    /// Writes a table.
    ///
    /// # Errors
    /// Writing failed.
    pub fn table(&self, table: &Table) -> Result<Exit, Failure> {
        self.lines(&table.lines(self.width)).map(|_| Exit::Fine)
    }

    /// Writes a JSON response unchanged.
    ///
    /// # Errors
    /// Writing failed.
    pub fn answer(&self, answer: &Json) -> Result<Exit, Failure> {
        self.lines(&[answer.pretty()]).map(|_| Exit::Fine)
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// Writing failed.
    pub fn json(&self, value: &impl Serialize) -> Result<Exit, Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        self.lines(&[text]).map(|_| Exit::Fine)
    }
}

/// Columns and lines of the terminal: from the environment, else from the terminal itself.
fn size() -> (usize, usize) {
    let from_env = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let own = terminal_size::terminal_size();
    let width = from_env("COLUMNS").or(own.map(|(width, _)| usize::from(width.0)));
    let height = from_env("LINES").or(own.map(|(_, height)| usize::from(height.0)));
    (width.unwrap_or(WIDTH).max(WIDTH_MIN), height.unwrap_or(HEIGHT).max(HEIGHT_MIN))
}

/// Continues if `yes` is set or a person confirms.
///
/// # Errors
/// Nobody confirmed.
pub fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let text = format!(
            "nothing was changed: standard input is not a terminal. To confirm, add --yes: {what}"
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let failed = |e: std::io::Error| Failure::new(Exit::Failed, e.to_string());
    let mut err = std::io::stderr().lock();
    write!(err, "{what}: continue? [y/N] ").and_then(|()| err.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "not confirmed; nothing was changed"))
}

/// Writes one line to standard error that is not data.
pub fn note(text: &str) {
    if let Err(e) = writeln!(std::io::stderr(), "{}", shown(text)) {
        tracing::debug!("standard error: {e}");
    }
}

/// The text with control characters replaced, except line breaks, tabs and colours. External texts
/// are cleaned when they arrive, but older journals and files may hold texts that were not.
fn shown(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| is_hidden(c) && !['\n', '\t'].contains(&c);
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(obeyed) {
        safe.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = color(rest).unwrap_or_else(|| {
            safe.push(char::REPLACEMENT_CHARACTER);
            0
        });
        safe.push_str(&rest[..length]);
        let first = rest.chars().next().map_or(0, char::len_utf8);
        rest = &rest[length.max(first)..];
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// The length of the colour sequence at the beginning of a text, if there is one.
fn color(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    codes[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_sent_colours_and_nothing_else() {
        let fine = "a\tb\nc \u{1b}[1;31mred\u{1b}[0m \u{e9}";
        assert!(matches!(shown("plain"), Cow::Borrowed("plain")));
        assert_eq!(shown(fine), fine);
        let hostile = "x\u{1b}[2Jy\u{1b}]0;t\u{7}z\u{9b}5n\r\u{202e}!\u{1b}";
        assert_eq!(
            shown(hostile),
            "x\u{fffd}[2Jy\u{fffd}]0;t\u{fffd}z\u{fffd}5n\u{fffd}\u{fffd}!\u{fffd}"
        );
    }
}
