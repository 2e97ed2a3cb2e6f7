//! `MessagePack` on the streams of market data: the messages of the JSON clients in binary frames.
//! A client asks for it with a header when it connects.

use super::times;
use crate::server::sockets::Manner;
use axum::extract::ws::Message;
use axum::http::{HeaderMap, header};
use everwarm_domain::time::UtcMs;
use rmp_serde::{Deserializer, MSGPACK_EXT_STRUCT_NAME};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::io::Cursor;

/// Deepest nesting of a request. The largest valid one has two levels.
const DEPTH: usize = 8;
/// The type of the extension that holds a time.
const TIMESTAMP: i8 = -1;
/// The member that holds a time.
const TIME: &str = "t";
/// The members that are floating-point numbers, also when their value is whole.
const FLOATS: [&str; 8] = ["o", "h", "l", "c", "vw", "p", "bp", "ap"];

/// Whether the head of a connection asks for this format.
#[must_use]
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/msgpack"))
}

/// Reads a request. None: the bytes are not exactly one map with names that are texts, or it is
/// nested too deeply.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Deserializer::new(Cursor::new(bytes));
    reader.set_max_depth(DEPTH);
    let request = Map::deserialize(&mut reader).ok()?;
    let read = usize::try_from(reader.position()).ok()?;
    (read == bytes.len()).then_some(request)
}

/// The bytes of a JSON text. Blanks at its end stay, and a text that is not JSON stays as it is.
#[must_use]
pub fn written(text: &str) -> Vec<u8> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return text.as_bytes().to_vec() };
    let packed = rmp_serde::to_vec(&Packed { name: "", value: &value });
    let mut bytes = packed.unwrap_or_else(|_| text.as_bytes().to_vec());
    bytes.extend(&text.as_bytes()[text.trim_end().len()..]);
    bytes
}

/// A JSON value, and the name of the member that holds it.
struct Packed<'a> {
    name: &'a str,
    value: &'a Value,
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Packed { name, value } = *self;
        match value {
            Value::Number(number) if FLOATS.contains(&name) => {
                to.serialize_f64(number.as_f64().unwrap_or_default())
            }
            Value::String(text) => match times::read(text).filter(|_| name == TIME) {
                Some(time) => Timestamp::of(time).serialize(to),
                None => to.serialize_str(text),
            },
            Value::Array(values) => {
                to.collect_seq(values.iter().map(|value| Packed { name: "", value }))
            }
            Value::Object(members) => to.collect_map(
                members.iter().map(|(name, value)| (name.as_str(), Packed { name, value })),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.serialize(to),
        }
    }
}

/// A time in the shortest form that the format has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Timestamp(Vec<u8>);

impl Timestamp {
    fn of(time: UtcMs) -> Timestamp {
        let (second, ms) = (time.div_euclid(1_000), time.rem_euclid(1_000));
        let nanos = u64::try_from(ms * 1_000_000).unwrap_or_default();
        let short = u64::try_from(second).ok().filter(|second| *second < 1 << 34);
        let Some(both) = short.map(|second| (nanos << 34) | second) else {
            let nanos = u32::try_from(nanos).unwrap_or_default();
            return Timestamp([&nanos.to_be_bytes()[..], &second.to_be_bytes()[..]].concat());
        };
        let bytes = u32::try_from(both).map(|second| second.to_be_bytes().to_vec());
        Timestamp(bytes.unwrap_or_else(|_| both.to_be_bytes().to_vec()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_newtype_struct(MSGPACK_EXT_STRUCT_NAME, &(TIMESTAMP, Octets(&self.0)))
    }
}

/// Bytes that are not a list of numbers.
struct Octets<'a>(&'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// The manner of such a connection.
pub const MANNER: Manner =
    Manner { limit: None, frame: |text| Message::Binary(written(&text).into()) };

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_have_their_shortest_form() {
        let bytes = |time| rmp_serde::to_vec(&Timestamp::of(time)).expect("bytes");
        assert_eq!(bytes(1_000), [0xd6, 0xff, 0, 0, 0, 1]);
        assert_eq!(bytes(4_294_967_295_000), [0xd6, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(bytes(4_294_967_296_000), [0xd7, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]);
        // One millisecond is 1,000,000 << 34.
        assert_eq!(bytes(1_001), [0xd7, 0xff, 0, 0x3d, 0x09, 0, 0, 0, 0, 1]);
        let before =
            [0xc7, 12, 0xff, 0x3b, 0x8b, 0x87, 0xc0, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(bytes(-1), before);
    }

    #[test]
    fn a_message_has_floats_integers_and_a_time() {
        let text = r#"[{"T":"b","S":"A","c":2,"t":"1970-01-01T00:00:01Z","v":9,"x":["o",null]}]"#;
        let mut expected = vec![0x91, 0x86];
        expected.extend([0xa1, b'S', 0xa1, b'A', 0xa1, b'T', 0xa1, b'b', 0xa1, b'c', 0xcb]);
        expected.extend(2.0_f64.to_be_bytes());
        expected.extend([0xa1, b't', 0xd6, 0xff, 0, 0, 0, 1, 0xa1, b'v', 9]);
        expected.extend([0xa1, b'x', 0x92, 0xa1, b'o', 0xc0]);
        assert_eq!(written(text), expected);
        // The faults that make a message too long or unreadable keep their effect.
        expected.extend(*b"  ");
        assert_eq!(written(&format!("{text}  ")), expected);
        assert_eq!(written("[{\"T\":"), b"[{\"T\":");
    }

    #[test]
    fn only_one_map_is_a_request() {
        let request = json!({"action": "subscribe", "bars": ["AAPL"]});
        let bytes = rmp_serde::to_vec(&request).expect("bytes");
        assert_eq!(read(&bytes).map(Value::Object), Some(request));
        assert_eq!(read(&[&bytes[..], &[0xc0]].concat()), None, "more after it");
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "cut off after {length} bytes");
        }
        let deep: Vec<u8> = [&[0x81, 0xa1, b'a'][..], &[0x91].repeat(100_000)].concat();
        let closed: Vec<u8> = [&[0x81, 0xa1, b'a'][..], &[0x91; 20], &[0xc0]].concat();
        for wrong in [
            &b"{}"[..],
            &deep,
            &closed,
            // A list, a text, a map whose name is a number, an extension, and a reserved byte.
            &[0x90],
            &[0xa1, b'a'],
            &[0x81, 1, 1],
            &[0x81, 0xa1, b'a', 0xd6, 0xff, 0, 0, 0, 1],
            &[0xc1],
            // They announce four billion members, texts and bytes.
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0x81, 0xa1, b'a', 0xdd, 0xff, 0xff, 0xff, 0xff],
            &[0x81, 0xa1, b'a', 0xdb, 0xff, 0xff, 0xff, 0xff],
            &[0x81, 0xa1, b'a', 0xc6, 0xff, 0xff, 0xff, 0xff],
            // Not UTF-8.
            &[0x81, 0xa1, b'a', 0xa1, 0xff],
        ] {
            assert_eq!(read(wrong), None, "{:?}", &wrong[..wrong.len().min(9)]);
        }
    }
}
