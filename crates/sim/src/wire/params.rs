//! Request parameters, read by name, with the protocol's errors for wrong ones.

use super::error::ApiError;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::{Decimal, PRICE_SCALE_MAX};
use everwarm_domain::time::UtcMs;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The latest time that a parameter may name: in the year 2286.
pub const TIME_MAX: UtcMs = 9_999_999_999_999;

/// The largest decimal number that a parameter may hold: 10^15.
const NUMBER_MAX: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);
/// Decimals of a quantity or an amount.
const DECIMALS: usize = 8;

/// The parameters of one request. Every one sent must be read, see [`Params::finish`].
#[derive(Debug, Default)]
pub struct Params {
    list: Vec<(String, String)>,
    read: Mutex<BTreeSet<String>>,
}

impl Params {
    /// Parses a query string and a form body. If both have a name, the value of the query string is
    /// used.
    ///
    /// # Errors
    /// -1101 if one of them has a name twice, -1100 for bytes that are not text.
    pub fn parse(query: &str, body: &str) -> Result<Params, ApiError> {
        let mut list = pairs(query)?;
        for (name, value) in pairs(body)? {
            if !list.iter().any(|(known, _)| *known == name) {
                list.push((name, value));
            }
        }
        Ok(Params { list, read: Mutex::default() })
    }

    /// Parameters that came as a list of names and values.
    #[must_use]
    pub fn of(list: Vec<(String, String)>) -> Params {
        Params { list, read: Mutex::default() }
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A parameter, if it was sent.
    ///
    /// # Errors
    /// -1105 if it is empty.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some((known, value)) = self.list.iter().find(|(known, _)| known == name) else {
            return Ok(None);
        };
        self.reading().insert(known.clone());
        if value.is_empty() {
            return Err(ApiError::new(-1105, format!("Parameter '{name}' was empty.")));
        }
        Ok(Some(value))
    }

    /// A parameter as it was sent. This does not count as reading it.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&str> {
        let found = self.list.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// -1102 if it is missing or empty.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok().flatten().ok_or_else(|| ApiError::mandatory(name))
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// -1100 for other characters, -1130 beyond the range.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if !text.bytes().all(|b| b.is_ascii_digit()) || text.len() > 20 {
            return Err(illegal(name, "^[0-9]{1,20}$"));
        }
        text.parse().map(Some).map_err(|_| ApiError::invalid(name))
    }

    /// A time in milliseconds. A time after [`TIME_MAX`] becomes [`TIME_MAX`].
    ///
    /// # Errors
    /// As [`Params::integer`].
    pub fn time(&self, name: &str) -> Result<Option<UtcMs>, ApiError> {
        Ok(self.integer(name)?.map(|time| time.min(TIME_MAX)))
    }

    /// A decimal number that is not negative and has at most 8 decimals, a price at most 18.
    ///
    /// # Errors
    /// -1100 for other characters, -1111 for more decimals, -1108 beyond the range.
    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |t: &str| (1..=20).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return Err(illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$"));
        }
        let is_price = name.ends_with("rice");
        if part.len() > if is_price { PRICE_SCALE_MAX.into() } else { DECIMALS } {
            return Err(ApiError::new(
                -1111,
                format!("Parameter '{name}' has too much precision."),
            ));
        }
        let value = Decimal::from_str_exact(text).ok().filter(|value| *value <= NUMBER_MAX);
        let overflow = || ApiError::new(-1108, format!("Parameter '{name}' overflowed."));
        value.map(Some).ok_or_else(overflow)
    }

    /// A decimal number that must be there.
    ///
    /// # Errors
    /// -1102 if it is missing; otherwise as [`Params::decimal`].
    pub fn required_decimal(&self, name: &str) -> Result<Decimal, ApiError> {
        self.required(name)?;
        self.decimal(name)?.ok_or_else(|| ApiError::mandatory(name))
    }

    /// The word `true` or `false`; false if it was not sent.
    ///
    /// # Errors
    /// -1130 for another word.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::invalid(name)),
        }
    }

    /// A client's id.
    ///
    /// # Errors
    /// -1100 for anything but 1 to 36 letters, digits, `-` and `_`.
    pub fn client_id(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let fits = text.len() <= 36;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !fits || !text.bytes().all(plain) {
            return Err(illegal(name, "^[a-zA-Z0-9-_]{1,36}$"));
        }
        Ok(Some(text.to_owned()))
    }

    /// A symbol's name, whether or not it is traded.
    ///
    /// # Errors
    /// -1100 for lower case and other characters, -1121 for names no symbol can have.
    pub fn symbol(&self, name: &str) -> Result<Option<Symbol>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let plain =
            |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if !text.bytes().all(plain) {
            return Err(illegal(name, "^[A-Z0-9-_.]{1,20}$"));
        }
        Symbol::new(text).map(Some).map_err(|_| ApiError::new(-1121, "Invalid symbol."))
    }

    /// Refuses a request with parameters that nothing has read.
    ///
    /// # Errors
    /// -1104 with both counts.
    pub fn finish(&self) -> Result<(), ApiError> {
        let (read, sent) = (self.reading().len(), self.list.len());
        if read == sent {
            return Ok(());
        }
        let head = "Not all sent parameters were read;";
        Err(ApiError::new(
            -1104,
            format!("{head} read '{read}' parameter(s) but was sent '{sent}'."),
        ))
    }
}

fn illegal(name: &str, range: &str) -> ApiError {
    let head = format!("Illegal characters found in parameter '{name}'");
    ApiError::new(-1100, format!("{head}; legal range is '{range}'."))
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let mut list: Vec<(String, String)> = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if list.iter().any(|(known, _)| *known == name) {
            return Err(ApiError::new(-1101, "Duplicate values for a parameter detected."));
        }
        list.push((name, value));
    }
    Ok(list)
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, ApiError> {
    let wrong = || ApiError::new(-1100, "Illegal characters found in a parameter.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}
