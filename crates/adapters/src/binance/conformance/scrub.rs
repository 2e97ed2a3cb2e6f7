//! What is secret in the messages: keys, signatures, account numbers and balances.

use everwarm_venue::conformance::scrub::{REMOVED, Secrets};
use everwarm_venue::conformance::wire::Scrub;
use serde_json::{Map, Value};

/// Stands for a removed amount.
const NOTHING: &str = "0.00000000";
/// Fields with a number or a name of the account.
const NUMBERS: [&str; 5] = ["uid", "accountId", "account", "userId", "email"];
/// Fields with a key or a signature.
const KEYS: [&str; 4] = ["apiKey", "signature", "listenKey", "X-MBX-APIKEY"];

/// Removes the texts of `keys`, and what is secret. Of the balances, those of the assets that
/// `symbol` begins or ends with stay, without amounts.
pub(super) fn scrub(keys: Vec<String>, symbol: String) -> Scrub {
    everwarm_venue::conformance::scrub::scrub(keys, Account { symbol })
}

/// The account of a walk over one symbol.
struct Account {
    symbol: String,
}

impl Secrets for Account {
    fn is_parameter(&self, name: &str) -> bool {
        KEYS.contains(&name)
    }

    fn is_row(&self, _list: &str, _row: &Value) -> bool {
        false
    }

    fn instead(&self, object: &Map<String, Value>, name: &str, value: &Value) -> Option<Value> {
        let is_secret = KEYS.contains(&name) || NUMBERS.contains(&name);
        let event = object.get("e").and_then(Value::as_str);
        match (event, name) {
            _ if is_secret && value.is_number() => Some(0.into()),
            _ if is_secret && !value.is_null() => Some(REMOVED.into()),
            (Some("balanceUpdate"), "d") => Some(NOTHING.into()),
            (_, "balances") => Some(self.balances(value, ["asset", "free", "locked"])),
            (Some("outboundAccountPosition"), "B") => Some(self.balances(value, ["a", "f", "l"])),
            (_, _) => None,
        }
    }
}

impl Account {
    /// The balances without amounts, and without those of other assets.
    fn balances(&self, value: &Value, [asset, free, locked]: [&str; 3]) -> Value {
        let Some(rows) = value.as_array() else { return Value::Null };
        let of_symbol = |row: &&Value| {
            let asset = row.get(asset).and_then(Value::as_str).unwrap_or_default();
            let rest = |rest: Option<&str>| rest.is_some_and(|rest| !rest.is_empty());
            rest(self.symbol.strip_prefix(asset)) || rest(self.symbol.strip_suffix(asset))
        };
        let mut rows: Vec<Value> = rows.iter().filter(of_symbol).cloned().collect();
        for row in &mut rows {
            for field in [free, locked] {
                if let Some(amount) = row.get_mut(field).filter(|amount| amount.is_string()) {
                    *amount = NOTHING.into();
                }
            }
        }
        Value::Array(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_venue::conformance::wire::Part;

    fn scrubbed(part: Part, text: &str) -> String {
        scrub(vec!["KEY0KEY".to_owned(), "SECRET".to_owned()], "BTCUSDT".to_owned())(part, text)
    }

    #[test]
    fn a_query_keeps_all_but_its_signature() {
        let text = "symbol=BTCUSDT&timestamp=1&signature=abc%3D";
        assert_eq!(scrubbed(Part::Query, text), "symbol=BTCUSDT&timestamp=1");
    }

    #[test]
    fn what_belongs_to_the_account_is_removed_wherever_it_is() {
        let text = r#"{"uid":354937868,"balances":[
            {"asset":"BTC","free":"4723846.89","locked":"0.1"},
            {"asset":"BNB","free":"77.5","locked":"0"},
            {"asset":"USDT","free":"7.25","locked":"0"}]}"#;
        let clean = scrubbed(Part::Text, text);
        for secret in ["354937868", "4723846", "77.5", "BNB", "7.25", "0.1"] {
            assert!(!clean.contains(secret), "{clean}");
        }
        assert!(clean.contains("BTC") && clean.contains("USDT"), "{clean}");
        let event = r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,
            "B":[{"a":"USDT","f":"9981.5","l":"12.5"}]}}"#;
        let clean = scrubbed(Part::Text, event);
        assert!(!clean.contains("9981.5") && !clean.contains("12.5"), "{clean}");
        let sent = r#"{"id":1,"params":{"apiKey":"KEY0KEY","signature":"x/+="}}"#;
        let clean = scrubbed(Part::Text, sent);
        assert!(!clean.contains("KEY0KEY") && !clean.contains("x/+="), "{clean}");
        let clean = scrubbed(Part::Text, "<html>KEY0KEY of SECRET</html>");
        assert_eq!(clean, "<html>removed of removed</html>");
    }

    #[test]
    fn a_message_without_a_secret_stays_as_it_was() {
        let text = r#"{ "symbol":"BTCUSDT", "price": "1.50000000", "q":1.0 }"#;
        assert_eq!(scrubbed(Part::Text, text), text);
    }
}
