//! JSON responses, kept as text and passed on unchanged.

use super::{Exit, Failure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A JSON document, compact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Vec<u8>);

impl Json {
    /// The JSON of a value.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Json, Failure> {
        let bytes = serde_json::to_vec(value);
        bytes.map(Json).map_err(|e| Failure::new(Exit::Failed, e.to_string()))
    }

    /// The JSON that a daemon sent.
    #[must_use]
    pub const fn received(bytes: Vec<u8>) -> Json {
        Json(bytes)
    }

    /// Its text.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Parses it; a failure has a text for users.
    ///
    /// # Errors
    /// It is not JSON of this type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let odd = |e| {
            Failure::new(Exit::Failed, format!("the daemon responded with an unexpected body: {e}"))
        };
        self.parse().map_err(odd)
    }

    /// Parses it; an error is that of the parser.
    ///
    /// # Errors
    /// It is not JSON of this type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// Whether its first character begins an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    }

    /// The rows of a list.
    ///
    /// # Errors
    /// It is not a list.
    pub fn rows(&self) -> Result<Vec<Value>, Failure> {
        self.read()
    }

    /// The same document with a line for each member, as `serde_json` formats it.
    #[must_use]
    pub fn pretty(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let mut out = String::with_capacity(text.len() * 3 / 2);
        let (mut depth, mut quoted, mut escaped) = (0, false, false);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if quoted {
                out.push(c);
                quoted = escaped || c != '"';
                escaped = c == '\\' && !escaped;
                continue;
            }
            match c {
                '{' | '[' => {
                    out.push(c);
                    let end = if c == '{' { '}' } else { ']' };
                    if rest.next_if_eq(&end).is_some() {
                        out.push(end);
                        continue;
                    }
                    depth += 1;
                    line(&mut out, depth);
                }
                '}' | ']' => {
                    depth -= 1;
                    line(&mut out, depth);
                    out.push(c);
                }
                ',' => {
                    out.push(c);
                    line(&mut out, depth);
                }
                ':' => out.push_str(": "),
                c => {
                    quoted = c == '"';
                    out.push(c);
                }
            }
        }
        out
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_spread_over_lines_as_its_writer_would() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!("a,b:{\"c\\"),
            json!({ "a": [], "b": {}, "c": [1, "x: [y], \\\" {z}", { "d": null }], "é": -1.5e300 }),
        ] {
            let pretty = Json::of(&value).unwrap().pretty();
            assert_eq!(pretty, serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
