//! Removes what belongs to the account from recorded messages: keys, signatures, account numbers
//! and balances. An adapter says which fields of its venue these are.

use super::wire::{Part, Scrub};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Stands for a removed text.
pub const REMOVED: &str = "removed";

/// What is secret in the messages of a venue.
pub trait Secrets: Send + Sync + 'static {
    /// Whether a parameter of a request is secret.
    fn is_parameter(&self, name: &str) -> bool;

    /// Whether a row of a list belongs to something that a record must not name. `list` is the name
    /// of the list; empty: it has none.
    fn is_row(&self, list: &str, row: &Value) -> bool;

    /// What stands in place of a field of `object`. None: the value stays, and the fields in it are
    /// examined.
    fn instead(&self, object: &Map<String, Value>, name: &str, value: &Value) -> Option<Value>;
}

/// Removes the texts of `keys`, and what is secret by its name.
pub fn scrub(keys: Vec<String>, secrets: impl Secrets) -> Scrub {
    Arc::new(move |part, text| {
        let mut text = match part {
            Part::Query => query(text, &secrets),
            Part::Text => body(text, &secrets),
        };
        for key in keys.iter().filter(|key| !key.is_empty()) {
            text = text.replace(key, REMOVED);
        }
        text
    })
}

/// The parameters without those that are secret.
fn query(text: &str, secrets: &impl Secrets) -> String {
    let is_open = |part: &&str| !secrets.is_parameter(part.split('=').next().unwrap_or_default());
    text.split('&').filter(is_open).collect::<Vec<_>>().join("&")
}

/// A body or a message. One without a secret stays exactly as it was.
fn body(text: &str, secrets: &impl Secrets) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if clean("", &mut value, secrets) { value.to_string() } else { text.to_owned() }
}

/// Cleans the value of this name. Returns whether it changed.
fn clean(of: &str, value: &mut Value, secrets: &impl Secrets) -> bool {
    let mut changed = false;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Array(rows) => {
            let before = rows.len();
            rows.retain(|row| !secrets.is_row(of, row));
            changed = rows.len() < before;
            for row in rows {
                changed |= clean("", row, secrets);
            }
        }
        Value::Object(fields) => {
            let object = fields.clone();
            for (name, value) in fields.iter_mut() {
                match secrets.instead(&object, name, value) {
                    Some(other) => {
                        changed |= other != *value;
                        *value = other;
                    }
                    None => changed |= clean(name, value, secrets),
                }
            }
        }
    }
    changed
}
