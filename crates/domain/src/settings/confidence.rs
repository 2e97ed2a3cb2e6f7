//! The least confidence of a signal that opens or adds to a lot.

use super::sizes::MILLION;
use crate::money::Decimal;
use serde_json::{Map, Value};

/// Name of the member of a section.
pub const MEMBER: &str = "min_confidence";

/// Reads a part of one like `0.4`, millionths.
///
/// # Errors
/// The reason as text.
pub fn read(text: &str) -> Result<u32, String> {
    let form =
        || format!("{text:?} is not from \"0\" to \"1\" with at most 6 decimals, like \"0.4\"");
    let part: Decimal = text.parse().map_err(|_| form())?;
    let units = part.checked_mul(MILLION.into()).filter(Decimal::is_integer).ok_or_else(form)?;
    let ppm = u32::try_from(units).map_err(|_| form())?;
    if ppm <= MILLION { Ok(ppm) } else { Err(form()) }
}

/// Takes the member of a section. Without it each signal is enough.
///
/// # Errors
/// The reason as text.
pub fn take(section: &mut Map<String, Value>) -> Result<u32, String> {
    let Some(value) = section.remove(MEMBER) else { return Ok(0) };
    let text = value.as_str().ok_or_else(|| format!("{value} is not text in quotes"));
    text.and_then(read).map_err(|why| format!("{MEMBER}: {why}"))
}

/// A confidence in millionths as a part of one: `0.4`.
#[must_use]
pub fn text(ppm: u32) -> String {
    Decimal::new(ppm.into(), 6).normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_is_a_part_of_one() {
        for (words, ppm) in [("0", 0), ("0.4", 400_000), ("0.000001", 1), ("1", 1_000_000)] {
            assert_eq!((read(words), text(ppm)), (Ok(ppm), words.to_owned()));
        }
        for wrong in ["1.1", "-0.1", "0.0000001", "40%", "", "1e20"] {
            assert!(read(wrong).unwrap_err().contains("like \"0.4\""), "{wrong}");
        }
        let mut section: Map<String, Value> =
            serde_json::from_str(r#"{"min_confidence":0.4}"#).unwrap();
        assert_eq!(take(&mut section).unwrap_err(), "min_confidence: 0.4 is not text in quotes");
        assert_eq!(take(&mut section), Ok(0));
    }
}
