//! The parameters of a request.

use super::{Exit, Failure};
use crate::scan::{TOP, TOP_MAX};
use crate::scan_days::DAYS_MAX;
use crate::summary::Period;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::page::Page;
use std::fmt::Display;
use std::str::FromStr;

/// Parameters of a request, by their names in its path and its query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked(Vec<(String, String)>);

impl Asked {
    /// The same parameters, with one more if it has a value.
    #[must_use]
    pub fn with(mut self, name: &str, word: Option<impl Display>) -> Asked {
        self.0.extend(word.map(|word| (name.to_owned(), word.to_string())));
        self
    }

    /// The parameters of a period; empty if there is none.
    #[must_use]
    pub fn within(period: Option<Period>) -> Asked {
        let (from, to) = (period.map(|period| period.from), period.map(|period| period.to));
        Asked::default().with("from", from).with("to", to)
    }

    /// The value of the parameter `name`.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, word)| word.as_str())
    }

    /// Each parameter: its name and value.
    pub fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, word)| (name.as_str(), word.as_str()))
    }

    /// Checks that the path or query knows each parameter, and that each occurs once.
    ///
    /// # Errors
    /// A parameter is unknown or occurs twice.
    pub fn check(&self, path: &str, query: &[&str]) -> Result<(), Failure> {
        let in_path = |name: &str| path.contains(&format!("{{{name}}}"));
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !query.contains(&name.as_str()) && !in_path(name) {
                let known = query.join(", ");
                return Err(bad(match known.as_str() {
                    "" => "this path has no query".to_owned(),
                    known => format!("there is no {name:?} in this query; it may have {known}"),
                }));
            }
            if self.0[..at].iter().any(|(other, _)| other == name) {
                return Err(bad(format!("{name} is given twice")));
            }
        }
        Ok(())
    }

    /// Maximum number of rows, the newest; none: all.
    ///
    /// # Errors
    /// It is not a number.
    pub fn limit(&self) -> Result<Option<usize>, Failure> {
        let limit = self.parsed::<u32>("limit", "a number from 0 to 4294967295")?;
        Ok(limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// Number of rows of a scan.
    ///
    /// # Errors
    /// It is no number in the range of a scan.
    pub fn top(&self) -> Result<usize, Failure> {
        let top = self.parsed::<u32>("top", "a number from 1 to 10000")?.unwrap_or(TOP);
        if !(1..=TOP_MAX).contains(&top) {
            return Err(bad(format!("top must be a number from 1 to {TOP_MAX}, not {top}")));
        }
        Ok(usize::try_from(top).unwrap_or(usize::MAX))
    }

    /// Number of days; 1 if it is not given.
    ///
    /// # Errors
    /// It is no number in the range of a count of days.
    pub fn days(&self) -> Result<u32, Failure> {
        let days = self.parsed::<u32>("days", "a number of days")?.unwrap_or(1);
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(bad(format!("days must be a number from 1 to {DAYS_MAX}, not {days}")));
        }
        Ok(days)
    }

    /// The requested page of a list.
    ///
    /// # Errors
    /// The cursor or the limit is invalid.
    pub fn page(&self) -> Result<Page, Failure> {
        let before = self.word("before").map(str::parse).transpose().map_err(bad)?;
        Ok(Page { limit: self.limit()?, before })
    }

    /// The requested period; none: not given.
    ///
    /// # Errors
    /// Only one end is given, or `from` is not before `to`.
    pub fn period(&self) -> Result<Option<Period>, Failure> {
        match (self.time("from")?, self.time("to")?) {
            (Some(from), Some(to)) if from < to => Ok(Some(Period { from, to })),
            (None, None) => Ok(None),
            _ => Err(bad("the query needs from and to, and from before to")),
        }
    }

    /// A requested time, UTC milliseconds; none: not given.
    ///
    /// # Errors
    /// It is not a number.
    pub fn time(&self, name: &str) -> Result<Option<UtcMs>, Failure> {
        self.parsed(name, "a time in UTC milliseconds")
    }

    /// The symbol.
    ///
    /// # Errors
    /// It is missing or invalid.
    pub fn symbol(&self) -> Result<Symbol, Failure> {
        Symbol::named(self.word("symbol").unwrap_or_default()).map_err(bad)
    }

    /// The bar width.
    ///
    /// # Errors
    /// It is missing or unknown.
    pub fn timeframe(&self) -> Result<Timeframe, Failure> {
        let none = |_| bad("the bar width must be 1m, 5m, 15m, 1h, 4h or 1d");
        self.word("timeframe").unwrap_or_default().parse().map_err(none)
    }

    fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Failure> {
        let parse = |word: &str| {
            word.parse().map_err(|_| bad(format!("{name} must be {expected}, not {word:?}")))
        };
        self.word(name).map(parse).transpose()
    }
}

/// The failure for an invalid parameter.
#[must_use]
pub fn bad(text: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, text).coded(Failure::BAD_QUERY)
}
