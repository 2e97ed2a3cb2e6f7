//! Ids of the protocol: UUIDs made from the numbers and names of the exchange.
//!
//! They have the layout of random UUIDs, but the same object always has the same one.

use crate::exchange::Exchange;
use everwarm_domain::id::Symbol;
use sha2::{Digest, Sha256};

/// Beginning of the id of an order. The last twelve digits are its number in hexadecimal.
const ORDER: &str = "0edda5ed-0000-4000-8000-";
/// Beginning of the id of an execution. The last twelve digits are its number in hexadecimal.
const EXECUTION: &str = "0e8ec5ed-0000-4000-8000-";
/// Hexadecimal digits of a number in an id.
const DIGITS: usize = 12;

/// The id of an order.
#[must_use]
pub fn order(number: u64) -> String {
    format!("{ORDER}{number:0DIGITS$x}")
}

/// The number of the order with this id. Upper case digits are the same.
#[must_use]
pub fn order_number(id: &str) -> Option<u64> {
    numbered(ORDER, id)
}

/// The id of an execution.
#[must_use]
pub fn execution(number: u64) -> String {
    format!("{EXECUTION}{number:0DIGITS$x}")
}

/// The number of the execution with this id.
#[must_use]
pub fn execution_number(id: &str) -> Option<u64> {
    numbered(EXECUTION, id)
}

fn numbered(beginning: &str, id: &str) -> Option<u64> {
    let id = id.to_ascii_lowercase();
    let digits = id.strip_prefix(beginning).filter(|digits| digits.len() == DIGITS)?;
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// The id of an asset.
#[must_use]
pub fn asset(symbol: Symbol) -> String {
    hashed(&["asset", symbol.as_str()])
}

/// The number of a fee of the account, by its date and its name.
#[must_use]
pub fn fee(exchange: &Exchange, date: &str, name: &str) -> String {
    hashed(&["fee", &account(exchange), date, name])
}

/// The id of a split, by its symbol and its date.
#[must_use]
pub fn split(symbol: Symbol, date: &str) -> String {
    hashed(&["split", symbol.as_str(), date])
}

/// The id of the account of these books.
#[must_use]
pub fn account(exchange: &Exchange) -> String {
    let (seed, opened) = (exchange.seed().to_string(), exchange.opened_at().to_string());
    hashed(&["account", &seed, &opened])
}

/// The number of the account. Other books have another one, unless their seed and start are equal.
#[must_use]
pub fn account_number(exchange: &Exchange) -> String {
    let id = account(exchange).to_ascii_uppercase().replace('-', "");
    format!("PA{}", &id[..10])
}

fn hashed(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let bytes = hash.finalize();
    let number = bytes.iter().take(16).fold(0_u128, |sum, b| sum << 8 | u128::from(*b));
    // The version 4 and the variant of random UUIDs.
    let number = number & !(0xf << 76) | 4 << 76;
    let number = number & !(0b11 << 62) | 0b10 << 62;
    let text = format!("{number:032x}");
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_order_can_be_read_from_its_id() {
        for number in [1, 255, 1 << 40] {
            assert_eq!(order_number(&order(number)), Some(number));
            assert_eq!(order_number(&order(number).to_uppercase()), Some(number));
            assert_eq!(execution_number(&execution(number)), Some(number));
            assert_eq!(order_number(&execution(number)), None);
        }
        assert_eq!(order(255), "0edda5ed-0000-4000-8000-0000000000ff");
        for wrong in ["", "1", "0edda5ed-0000-4000-8000-+000000000ff", &order(1)[1..]] {
            assert_eq!(order_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_asset_always_has_the_same_random_looking_id() {
        let id = asset(Symbol::new("AAPL").expect("a symbol"));
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!((&id[14..15], "89ab".contains(&id[19..20])), ("4", true), "{id}");
        assert_ne!(id, asset(Symbol::new("MSFT").expect("a symbol")));
    }
}
