//! Removes what belongs to the account from recorded messages: keys, signatures, account numbers
//! and balances.

use everwarm_venue::conformance::wire::{Part, Scrub};
use serde_json::Value;
use std::sync::Arc;

/// Stands for a removed text.
const REMOVED: &str = "removed";
/// Stands for a removed amount.
const NOTHING: &str = "0.00000000";
/// Fields with a number or a name of the account.
const NUMBERS: [&str; 5] = ["uid", "accountId", "account", "userId", "email"];
/// Fields with a key or a signature.
const KEYS: [&str; 4] = ["apiKey", "signature", "listenKey", "X-MBX-APIKEY"];

/// Removes these texts, and what the fields say is secret. Of the balances, those of the assets
/// that `symbol` begins or ends with stay, without amounts.
pub(super) fn scrub(secrets: Vec<String>, symbol: String) -> Scrub {
    Arc::new(move |part, text| {
        let mut text = match part {
            Part::Query => query(text),
            Part::Text => body(text, &symbol),
        };
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, REMOVED);
        }
        text
    })
}

/// The parameters without those that are secret.
fn query(text: &str) -> String {
    let is_open = |part: &&str| !KEYS.contains(&part.split('=').next().unwrap_or_default());
    text.split('&').filter(is_open).collect::<Vec<_>>().join("&")
}

/// A body or a message. One without a secret stays exactly as it was.
fn body(text: &str, symbol: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if clean(&mut value, symbol) { value.to_string() } else { text.to_owned() }
}

/// Cleans a value. Returns whether it changed.
fn clean(value: &mut Value, symbol: &str) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(list) => {
            let mut changed = false;
            for value in list {
                changed |= clean(value, symbol);
            }
            changed
        }
        Value::Object(map) => {
            let mut changed = false;
            let event = map.get("e").and_then(Value::as_str).map(str::to_owned);
            for (name, value) in map.iter_mut() {
                let is_secret = KEYS.contains(&name.as_str()) || NUMBERS.contains(&name.as_str());
                let position = event.as_deref() == Some("outboundAccountPosition") && name == "B";
                let delta = event.as_deref() == Some("balanceUpdate") && name == "d";
                if is_secret && value.is_number() {
                    *value = 0.into();
                } else if is_secret && !value.is_null() {
                    *value = REMOVED.into();
                } else if delta {
                    *value = NOTHING.into();
                } else if name == "balances" {
                    balances(value, symbol, ["asset", "free", "locked"]);
                } else if position {
                    balances(value, symbol, ["a", "f", "l"]);
                } else {
                    changed |= clean(value, symbol);
                    continue;
                }
                changed = true;
            }
            changed
        }
    }
}

/// Removes amounts, and the balances of other assets.
fn balances(value: &mut Value, symbol: &str, [asset, free, locked]: [&str; 3]) {
    let Some(list) = value.as_array_mut() else { return *value = Value::Null };
    list.retain(|row| {
        let asset = row.get(asset).and_then(Value::as_str).unwrap_or_default();
        symbol.strip_prefix(asset).is_some_and(|rest| !rest.is_empty())
            || symbol.strip_suffix(asset).is_some_and(|rest| !rest.is_empty())
    });
    for row in list {
        for field in [free, locked] {
            if let Some(amount) = row.get_mut(field).filter(|amount| amount.is_string()) {
                *amount = NOTHING.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
