//! Pages of a list, from its newest rows backwards.

use super::key_encoding;
use everwarm_domain::time::UtcMs;
use std::fmt;
use std::str::FromStr;

/// Most bytes of a cursor.
const PLACE_MAX: usize = 64;

/// Which rows of a list are requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most this many of the newest rows.
    pub limit: Option<usize>,
    /// Only rows before this cursor.
    pub before: Option<Cursor>,
}

impl From<Option<usize>> for Page {
    fn from(limit: Option<usize>) -> Page {
        Page { limit, before: None }
    }
}

/// The position of a row in a list. For clients it is an opaque text. It stays valid when rows are
/// added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub(super) Vec<u8>);

impl Cursor {
    /// The cursor of a row that is listed under a time.
    #[must_use]
    pub fn at(time: UtcMs) -> Cursor {
        Cursor(key_encoding::time_key(time).to_vec())
    }

    /// The time of this cursor. For a cursor of another list it is the nearest time.
    pub(super) fn time(&self) -> UtcMs {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(&self.0).for_each(|(byte, of)| *byte = *of);
        key_encoding::time_of(bytes)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Cursor, String> {
        let none = || format!("{text:?} is no place in a list; take it from the Link of an answer");
        let pair = |at: usize| {
            let digits =
                text.get(at..at + 2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
            u8::from_str_radix(digits?, 16).ok()
        };
        if text.is_empty() || text.len() > 2 * PLACE_MAX {
            return Err(none());
        }
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
        bytes.map(Cursor).ok_or_else(none)
    }
}

/// Some rows of a list, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor for older rows; none if there are no older rows.
    pub older: Option<Cursor>,
}

impl<T> Paged<T> {
    /// A list with all its rows.
    pub const fn all(rows: Vec<T>) -> Paged<T> {
        Paged { rows, older: None }
    }

    /// Keeps the newest `limit` rows, and notes whether there are older ones.
    pub(super) fn newest(
        mut rows: Vec<T>,
        limit: Option<usize>,
        place: impl Fn(&T) -> Cursor,
    ) -> Paged<T> {
        let drop = rows.len().saturating_sub(limit.unwrap_or(usize::MAX));
        let rows = rows.split_off(drop);
        let older = rows.first().filter(|_| drop > 0).map(place);
        Paged { rows, older }
    }

    /// Converts each row.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Paged<U> {
        Paged { rows: self.rows.into_iter().map(make).collect(), older: self.older }
    }

    /// Converts each row, or returns the first error.
    ///
    /// # Errors
    /// The first error of `make`.
    pub fn try_map<U, E>(self, make: impl Fn(T) -> Result<U, E>) -> Result<Paged<U>, E> {
        let rows = self.rows.into_iter().map(make).collect::<Result<_, E>>()?;
        Ok(Paged { rows, older: self.older })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_and_back_and_other_words_are_refused() {
        for time in [UtcMs::MIN, -1, 0, 1_700_000_000_000, UtcMs::MAX] {
            let cursor = Cursor::at(time);
            assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
            assert_eq!(cursor.time(), time);
        }
        for wrong in ["", "0", "0x", "zz", "00ü", "+1", " 1"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong:?}");
        }
        assert!("0".repeat(2 * PLACE_MAX + 2).parse::<Cursor>().is_err());
    }
}
