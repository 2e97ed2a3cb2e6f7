//! Ids that a venue gives to orders and trades: opaque text.
//!
//! Only the adapter of a venue interprets them. Earlier versions stored numbers; such a number
//! reads as its decimal text. Ids are ordered by length, then by bytes, so numbers keep their
//! order.

use crate::clean::is_hidden;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// Most characters of an id that a venue gives.
pub const VENUE_ID_MAX: usize = 64;

/// Characters of an invalid id that its error repeats.
const SHOWN: usize = 80;

/// The text of an id.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Text(Box<str>);

impl Text {
    fn new(what: &str, text: &str) -> Result<Text, String> {
        let length = text.chars().take(SHOWN + 1).count();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=VENUE_ID_MAX).contains(&length) {
            return Ok(Text(text.into()));
        }
        let shown: String = text.chars().filter(|c| !is_hidden(*c)).take(SHOWN).collect();
        let why = match length {
            0 => "it is empty".to_owned(),
            1..=VENUE_ID_MAX => "it has other characters than visible ASCII".to_owned(),
            _ if length > SHOWN => format!("it has more than {SHOWN} characters"),
            _ => format!("it has {length} characters"),
        };
        Err(format!(
            "{what} {shown:?} is refused: {why}; an id of a venue has 1 to {VENUE_ID_MAX} visible \
             ASCII characters"
        ))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.as_bytes().cmp(other.0.as_bytes()))
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reads a text, or a number as earlier versions stored it.
struct Either(&'static str);

impl serde::de::Visitor<'_> for Either {
    type Value = Text;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as text, or as a number of 64 bits", self.0)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Text::new(self.0, text).map_err(E::custom)
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string().into()))
    }
}

macro_rules! venue_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Checks an id from a venue and takes it over.
            ///
            /// # Errors
            /// Names the text. An id has 1 to [`VENUE_ID_MAX`] visible ASCII characters.
            pub fn new(text: &str) -> Result<$name, String> {
                Text::new($what, text).map($name)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0.0
            }
        }

        impl From<u64> for $name {
            /// The decimal text of the number.
            fn from(number: u64) -> $name {
                $name(Text(number.to_string().into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                $name::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                // MessagePack returns a stored number even if a text is requested. JSON needs
                // `deserialize_any`.
                let either = Either($what);
                let text = if from.is_human_readable() {
                    from.deserialize_any(either)
                } else {
                    from.deserialize_str(either)
                };
                text.map($name)
            }
        }
    };
}

venue_id! {
    /// A venue's id of an order.
    VenueOrderId, "order id"
}

venue_id! {
    /// A venue's id of a trade, unique per symbol.
    VenueTradeId, "trade id"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> VenueTradeId {
        VenueTradeId::new(text).unwrap()
    }

    #[test]
    fn ids_are_ordered_by_length_and_then_by_bytes() {
        let mut ids = ["10", "9", "b", "a", "100", "99", "aa", "B"].map(id);
        ids.sort();
        let order = ids.iter().map(VenueTradeId::as_str).collect::<Vec<_>>();
        assert_eq!(order, ["9", "B", "a", "b", "10", "99", "aa", "100"]);
        let numbers = [0, 9, 10, 99, 1_000, u64::MAX];
        assert!(numbers.map(VenueTradeId::from).is_sorted(), "numbers keep their order");
    }

    #[test]
    fn a_stored_number_reads_as_its_decimal_text() {
        for number in [0, 7, 200, 70_000, 5_000_000_000, u64::MAX] {
            let expected = VenueOrderId::from(number);
            assert_eq!(expected.as_str(), number.to_string());
            let json: VenueOrderId = serde_json::from_str(&number.to_string()).unwrap();
            let value: Option<VenueOrderId> = serde_json::from_value(number.into()).unwrap();
            assert_eq!((&json, value.as_ref()), (&expected, Some(&expected)));
        }
        assert!(serde_json::from_str::<VenueOrderId>("-1").is_err());
        assert!(serde_json::from_str::<VenueOrderId>("1.5").is_err());
    }

    #[test]
    fn an_id_is_written_as_text_and_comes_back() {
        let id = id("20261124093000000::e78adc81-56a1-495c-ad12-ec113d3ec628");
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<VenueTradeId>(&json).unwrap(), id);
    }

    #[test]
    fn an_id_of_65_characters_is_refused_by_an_error_that_names_it() {
        let longest = "x".repeat(VENUE_ID_MAX);
        assert_eq!(VenueOrderId::new(&longest).unwrap().as_str(), longest);
        let long = format!("{longest}y");
        let refused = VenueOrderId::new(&long).unwrap_err();
        assert_eq!(
            refused,
            format!(
                "order id \"{long}\" is refused: it has 65 characters; an id of a venue has 1 to \
                 64 visible ASCII characters"
            )
        );
        let decoded = serde_json::from_str::<VenueTradeId>(&format!("\"{long}\"")).unwrap_err();
        assert!(decoded.to_string().starts_with(&format!("trade id \"{long}\" is refused")));
        let endless = VenueOrderId::new(&"z".repeat(1_000_000)).unwrap_err();
        assert!(endless.contains("more than 80 characters") && endless.len() < 250, "{endless}");
        for bad in ["", "a b", "a\u{1b}[2J", "ü", "a\n"] {
            let refused = VenueTradeId::new(bad).unwrap_err();
            assert!(!refused.contains('\u{1b}'), "{refused:?}");
        }
    }
}
