//! Tokens that trade in pools on chains, and points of their prices.
//!
//! An operator registers a token. A source outside reports its price in its pool. Such a point
//! cannot be fetched again, so it is a fact.

use super::id::Symbol;
use super::money::Decimal;
use super::time::UtcMs;
use serde::{Deserialize, Serialize};

/// Most tokens of the registry.
pub const TOKENS_MAX: usize = 200;
/// Most characters of the name of a chain.
pub const CHAIN_MAX: usize = 32;
/// Most characters of the address of a contract or a pool.
pub const ADDRESS_MAX: usize = 128;
/// Most decimals of a token.
pub const DECIMALS_MAX: u8 = 36;

/// A token of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name, which an operator chooses. It is unique in the registry.
    pub name: Symbol,
    /// The chain, as the source names it, like `eth` or `solana`.
    pub chain: String,
    /// The address of its contract.
    pub contract: String,
    /// The address of the pool whose price counts.
    pub pool: String,
    /// The decimals of its smallest unit, at most [`DECIMALS_MAX`].
    pub decimals: u8,
}

impl Token {
    /// Checks a token that an operator names, and writes its addresses in their one form.
    ///
    /// # Errors
    /// Names the value that cannot be right.
    pub fn checked(self) -> Result<Token, String> {
        let plain = |c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
        let chain = self.chain.as_str();
        if !(1..=CHAIN_MAX).contains(&chain.len()) || !chain.chars().all(plain) {
            return Err(format!(
                "chain {:?} is not 1 to {CHAIN_MAX} of a-z, 0-9, - and _, like eth or solana",
                shown(chain)
            ));
        }
        if self.decimals > DECIMALS_MAX {
            let decimals = self.decimals;
            return Err(format!("decimals {decimals} is not from 0 to {DECIMALS_MAX}"));
        }
        let contract = checked_address("contract", &self.contract)?;
        let pool = checked_address("pool", &self.pool)?;
        Ok(Token { contract, pool, ..self })
    }

    /// Whether both are the same contract in the same pool.
    #[must_use]
    pub fn is_same_market(&self, other: &Token) -> bool {
        let Token { chain, contract, pool, .. } = self;
        (chain, contract, pool) == (&other.chain, &other.contract, &other.pool)
    }
}

/// The one form of an address. Hexadecimal ones are the same in upper and lower case.
#[must_use]
pub fn address(text: &str) -> String {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let is_hex = digits.is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
    if is_hex { text.to_ascii_lowercase() } else { text.to_owned() }
}

fn checked_address(what: &str, text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.');
    if (1..=ADDRESS_MAX).contains(&text.len()) && text.chars().all(plain) {
        return Ok(address(text));
    }
    Err(format!(
        "{what} {:?} is not an address: 1 to {ADDRESS_MAX} of A-Z, a-z, 0-9, : . - and _",
        shown(text)
    ))
}

/// The beginning of a text from outside.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(48).collect()
}

/// The prices of tokens that one response reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// The source, as its configuration names it.
    pub source: String,
    /// When the response was received, UTC milliseconds.
    pub time: UtcMs,
    /// Time between two polls when it was taken, seconds.
    pub every_s: u32,
    /// The points, by token. Never empty.
    pub points: Vec<Point>,
}

/// The price of one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The name of the token.
    pub token: Symbol,
    /// Number of the input that added it. It tells tokens of the same name apart.
    pub added: u64,
    /// The price, US dollars, at most 18 decimals.
    pub price: Decimal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(chain: &str, contract: &str, pool: &str, decimals: u8) -> Token {
        let [chain, contract, pool] = [chain, contract, pool].map(str::to_owned);
        Token { name: Symbol::named("WETH").unwrap(), chain, contract, pool, decimals }
    }

    #[test]
    fn hexadecimal_addresses_are_the_same_in_both_cases_and_others_are_not() {
        let upper = token("eth", "0xC02AAA39", "0X88E6a0c2", 18).checked().unwrap();
        let lower = token("eth", "0xc02aaa39", "0x88e6a0c2", 18).checked().unwrap();
        assert!(upper == lower && upper.is_same_market(&lower));
        let other = token("solana", "EP2ib6dY", "ep2ib6dy", 6).checked().unwrap();
        assert_eq!((other.contract.as_str(), other.pool.as_str()), ("EP2ib6dY", "ep2ib6dy"));
        let moves = token("sui-network", "0x2::sui::SUI", "0x2", 9).checked().unwrap();
        assert_eq!(moves.contract, "0x2::sui::SUI");
    }

    #[test]
    fn a_token_that_cannot_be_is_refused_with_the_value() {
        let long = "a".repeat(129);
        for (token, why) in [
            (token("", "a", "b", 0), "chain \"\" is not 1 to 32 of a-z"),
            (token("Eth", "a", "b", 0), "chain \"Eth\" is not"),
            (token("../eth", "a", "b", 0), "chain \"../eth\" is not"),
            (token("eth", "a/b", "b", 0), "contract \"a/b\" is not an address"),
            (token("eth", "a", "", 0), "pool \"\" is not an address"),
            (token("eth", "a", "b,c", 0), "pool \"b,c\" is not an address"),
            (token("eth", &long, "b", 0), "is not an address: 1 to 128"),
            (token("eth", "a", "b", 37), "decimals 37 is not from 0 to 36"),
        ] {
            let found = token.checked().unwrap_err();
            assert!(found.contains(why), "{why:?} is not in {found:?}");
        }
    }
}
