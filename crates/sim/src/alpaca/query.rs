//! Parameters of queries. Unknown ones have no effect, as at the venue.

use super::error::{bad_data_request, invalid};
use super::times;
use crate::wire::error::ApiError;
use crate::wire::params::Params;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::UtcMs;
use std::collections::BTreeSet;

/// Most symbols of one request.
const SYMBOLS_MAX: usize = 1_000;

/// The order of the rows of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// The parameters of a query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    params: &'a Params,
    /// Whether it is a request for market data, whose refusals have another status.
    data: bool,
}

impl<'a> Query<'a> {
    /// The parameters of a query, for market data or for trading.
    #[must_use]
    pub fn of(params: &'a Params, data: bool) -> Query<'a> {
        Query { params, data }
    }

    /// A wrong parameter.
    #[must_use]
    pub fn wrong(&self, msg: impl Into<String>) -> ApiError {
        if self.data { bad_data_request(msg) } else { invalid(msg) }
    }

    /// A parameter that was sent and is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.params.peek(name).filter(|text| !text.is_empty())
    }

    /// A time, or the first instant of a date.
    ///
    /// # Errors
    /// It is neither.
    pub fn time(&self, name: &str) -> Result<Option<UtcMs>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let time = times::read(text);
        time.map(Some).ok_or_else(|| self.wrong(format!("invalid {name}: use RFC 3339")))
    }

    /// A number of rows.
    ///
    /// # Errors
    /// It is no number from 1 to `most`.
    pub fn count(&self, name: &str, usual: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text(name) else { return Ok(usual) };
        let count = text.parse().ok().filter(|count| (1..=most).contains(count));
        count.ok_or_else(|| self.wrong(format!("{name} must be a number from 1 to {most}")))
    }

    /// The order of the rows.
    ///
    /// # Errors
    /// It is neither `asc` nor `desc`.
    pub fn direction(&self, name: &str, usual: Direction) -> Result<Direction, ApiError> {
        match self.text(name) {
            None => Ok(usual),
            Some("asc") => Ok(Direction::Ascending),
            Some("desc") => Ok(Direction::Descending),
            Some(_) => Err(self.wrong(format!("{name} must be asc or desc"))),
        }
    }

    /// Whether a flag is set. Python's clients write it with a capital letter.
    ///
    /// # Errors
    /// It is neither `true` nor `false`.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            None | Some("false" | "False") => Ok(false),
            Some("true" | "True") => Ok(true),
            Some(_) => Err(self.wrong(format!("{name} must be true or false"))),
        }
    }

    /// The symbols of a list with commas; none if it was not sent.
    ///
    /// # Errors
    /// A name that no symbol can have, or too many.
    pub fn symbols(&self, name: &str) -> Result<Option<BTreeSet<Symbol>>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let mut symbols = BTreeSet::new();
        for name in text.split(',') {
            let symbol = Symbol::named(name);
            symbols.insert(symbol.map_err(|why| self.wrong(format!("invalid symbol: {why}")))?);
            if symbols.len() > SYMBOLS_MAX {
                return Err(self.wrong(format!("more than {SYMBOLS_MAX} symbols")));
            }
        }
        Ok(Some(symbols))
    }
}
