//! What is secret in the messages: keys, account numbers, balances and positions.

use everwarm_domain::money::parse_decimal;
use everwarm_venue::conformance::ends::is_own;
use everwarm_venue::conformance::scrub::{REMOVED, Secrets};
use everwarm_venue::conformance::wire::Scrub;
use serde_json::{Map, Value};

/// Stands for a removed amount.
const NOTHING: &str = "0";
/// Fields with a key, or a number of the account.
const SECRETS: [&str; 8] = [
    "key",
    "secret",
    "key_id",
    "secret_key",
    "account_id",
    "account_number",
    "APCA-API-KEY-ID",
    "APCA-API-SECRET-KEY",
];
/// Texts of the account that say nothing about its owner.
const ACCOUNT: [&str; 3] = ["status", "crypto_status", "currency"];
/// Texts of a position that say nothing about its size.
const POSITION: [&str; 5] = ["asset_id", "symbol", "exchange", "asset_class", "side"];

/// Removes the texts of `keys`, and what is secret. Of the positions, that of `symbol` stays,
/// without amounts. Orders of other clients are removed from lists.
pub(super) fn scrub(keys: Vec<String>, symbol: String) -> Scrub {
    everwarm_venue::conformance::scrub::scrub(keys, Account { symbol })
}

/// The account of a walk over one symbol.
struct Account {
    symbol: String,
}

/// Whether an object is a position.
fn is_position(object: &Map<String, Value>) -> bool {
    object.contains_key("avg_entry_price") || object.contains_key("cost_basis")
}

/// A value of which nothing may be known, unless `open` names it.
fn closed(name: &str, value: &Value, open: &[&str]) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::String(_) if open.contains(&name) => None,
        Value::String(text) if parse_decimal(text).is_ok() => Some(NOTHING.into()),
        Value::String(_) => Some(REMOVED.into()),
        Value::Number(_) => Some(0.into()),
        Value::Array(_) | Value::Object(_) => Some(Value::Null),
    }
}

impl Secrets for Account {
    fn is_parameter(&self, name: &str) -> bool {
        SECRETS.contains(&name)
    }

    fn is_row(&self, list: &str, row: &Value) -> bool {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        match row.as_object() {
            Some(row) if is_position(row) => text("symbol") != self.symbol,
            // The venue chooses the ids of legs. Their order is ours.
            Some(row) if list != "legs" && row.contains_key("client_order_id") => {
                !is_own(text("client_order_id"))
            }
            Some(_) | None => false,
        }
    }

    fn instead(&self, object: &Map<String, Value>, name: &str, value: &Value) -> Option<Value> {
        match name {
            // An account number shows that the object is an account.
            _ if object.contains_key("account_number") => closed(name, value, &ACCOUNT),
            _ if is_position(object) => closed(name, value, &POSITION),
            _ if SECRETS.contains(&name) && value.is_string() => Some(REMOVED.into()),
            "position_qty" => closed(name, value, &[]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_venue::conformance::wire::Part;

    fn scrubbed(text: &str) -> String {
        let keys = vec!["PK0KEY".to_owned(), "S3CRET".to_owned()];
        scrub(keys, "AAPL".to_owned())(Part::Text, text)
    }

    fn hides(text: &str, secrets: &[&str], stays: &[&str]) {
        let clean = scrubbed(text);
        for secret in secrets {
            assert!(text.contains(secret) && !clean.contains(secret), "{secret}: {clean}");
        }
        for word in stays {
            assert!(clean.contains(word), "{word}: {clean}");
        }
    }

    #[test]
    fn what_belongs_to_the_account_is_removed_wherever_it_is() {
        hides(
            r#"{"id":"e6fe16f3-64a4-4921-8928-cadf02f92f98","account_number":"PA3XKQ7",
                "status":"ACTIVE","currency":"USD","cash":"-23140.2","created_at":"2019-06-12",
                "daytrade_count":7,"admin_configurations":{"max":"5511"},"new_name":"Jane Doe",
                "trading_blocked":false}"#,
            &["e6fe16f3", "PA3XKQ7", "23140", "2019", "7", "5511", "Jane"],
            &["ACTIVE", "USD", "\"cash\":\"0\"", "\"trading_blocked\":false"],
        );
        hides(
            r#"[{"asset_id":"904837e3","symbol":"AAPL","avg_entry_price":"100.5","qty":"53",
                "qty_available":"51","side":"long"},
                {"symbol":"TSLA","avg_entry_price":"1","cost_basis":"2"}]"#,
            &["100.5", "53", "51", "TSLA"],
            &["904837e3", "AAPL", "long"],
        );
        hides(
            r#"{"stream":"trade_updates","data":{"event":"fill","price":"179.08","qty":"1",
                "position_qty":"117","order":{"id":"7a3c","account_id":"b4d1"}}}"#,
            &["117", "b4d1"],
            &["179.08", "7a3c", "\"qty\":\"1\""],
        );
        hides(
            r#"[{"client_order_id":"my-bot-1","id":"61e6"},{"client_order_id":"ewc-1-1"}]"#,
            &["my-bot-1", "61e6"],
            &["ewc-1-1"],
        );
        hides(
            r#"{"action":"auth","key":"PK0KEY","secret":"S3CRET"}"#,
            &["PK0KEY", "S3CRET"],
            &["auth"],
        );
        assert_eq!(scrubbed("<html>PK0KEY</html>"), "<html>removed</html>");
    }

    #[test]
    fn a_message_without_a_secret_stays_as_it_was() {
        let text = r#"{ "bars":{"AAPL":[{"o":10.50,"v":1e2}]}, "next_page_token": null }"#;
        assert_eq!(scrubbed(text), text);
    }
}
