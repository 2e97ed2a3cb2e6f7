//! The members of a request's body.

use super::error::{invalid, unreadable};
use crate::wire::error::ApiError;
use everwarm_domain::money::{Decimal, parse_decimal};
use serde_json::{Map, Value};

/// Most characters of a client's id.
const ID_MAX: usize = 128;
/// Most characters of a number.
const NUMBER_MAX: usize = 24;
/// Largest number of a request.
const LARGEST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// The members of a request's body. Unknown members have no effect, as at the venue.
#[derive(Debug)]
pub struct Body(Map<String, Value>);

impl Body {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn read(text: &str) -> Result<Body, ApiError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Body(members)),
            Ok(_) | Err(_) => Err(unreadable()),
        }
    }

    /// A member that is there and not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text; none if it is empty.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| invalid(format!("{name} must be a string")))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is missing or no text.
    pub fn word(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| invalid(format!("{name} is required")))
    }

    /// A number, as text or as a JSON number.
    ///
    /// # Errors
    /// It is no positive number, or too large.
    pub fn number(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(value)) => value.to_string(),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_) | Value::Null) => {
                return Err(invalid(format!("{name} must be a number")));
            }
        };
        let digits = |b: u8| b.is_ascii_digit() || b == b'.';
        let plain = text.len() <= NUMBER_MAX && text.bytes().all(digits);
        let value = parse_decimal(&text).ok().filter(|_| plain);
        let value = value.ok_or_else(|| invalid(format!("{name} is not a valid number")))?;
        if value <= Decimal::ZERO || value > LARGEST {
            return Err(invalid(format!("{name} must be > 0 and <= {LARGEST}")));
        }
        Ok(Some(value.normalize()))
    }

    /// A price, with as many decimals as the protocol admits.
    ///
    /// # Errors
    /// It is no price.
    pub fn price(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(price) = self.number(name)? else { return Ok(None) };
        let decimals = if price < Decimal::ONE { 4 } else { 2 };
        if price.scale() > decimals {
            return Err(invalid(format!(
                "invalid {name} {price}. sub-penny increment does not fulfill minimum pricing \
                 criteria"
            )));
        }
        Ok(Some(price))
    }

    /// The members of an object.
    ///
    /// # Errors
    /// It is no object.
    pub fn object(&self, name: &str) -> Result<Option<Body>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Body(members.clone()))),
            Some(_) => Err(invalid(format!("{name} must be an object"))),
        }
    }

    /// The client's id of an order. None: the exchange makes one.
    ///
    /// # Errors
    /// It is too long, or has a control character.
    pub fn client_id(&self) -> Result<Option<String>, ApiError> {
        let id = self.text("client_order_id")?;
        if id.is_some_and(|id| id.chars().count() > ID_MAX || id.contains(char::is_control)) {
            let msg = format!("client_order_id must be no more than {ID_MAX} characters");
            return Err(invalid(msg));
        }
        Ok(id.map(str::to_owned))
    }
}
