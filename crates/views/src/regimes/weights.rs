//! The members of the composite `ALT` and their weights, as the key `market.alt` has them.

use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::Symbol;
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The key with the weights.
const KEY: &str = "market.alt";
/// The weights without a configuration.
const USUAL: &str = "SOL: 1, ETH: 1, BNB: 1, HYPE: 1";
/// Most members.
const MOST: usize = 50;
/// What follows an asset in the name of a symbol. The first symbol with bars counts.
const ENDINGS: [&str; 7] = ["", "USDT", "USDC", "USD", "-USDT", "-USD", "-PERP"];

/// Assets or symbols, each with its weight above 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AltWeights(Vec<(String, f64)>);

impl Default for AltWeights {
    fn default() -> AltWeights {
        AltWeights::read(USUAL).unwrap_or(AltWeights(Vec::new()))
    }
}

impl AltWeights {
    /// Reads weights like `SOL: 1, ETH: 0.5`.
    ///
    /// # Errors
    /// The part that is wrong, and why.
    pub fn read(text: &str) -> Result<AltWeights, String> {
        let (mut all, mut names) = (Vec::new(), BTreeSet::new());
        for part in text.split(',').map(str::trim) {
            let (name, weight) = part.split_once(':').ok_or_else(|| {
                format!("{part:?} is not an asset with its weight, like \"SOL: 1\"")
            })?;
            let (name, weight) = (name.trim(), weight.trim());
            Symbol::named(name)?;
            let digits = |c: char| c.is_ascii_digit() || c == '.';
            let number = weight.parse().ok().filter(|_| weight.chars().all(digits));
            let number = number.filter(|number| (1e-6..=1000.0).contains(number));
            let number = number.ok_or_else(|| {
                format!("the weight of {name} is {weight:?}: write a number from 0.000001 to 1000")
            })?;
            if !names.insert(name) {
                return Err(format!("{name} is there twice"));
            }
            all.push((name.to_owned(), number));
        }
        match all.len() {
            0..=MOST => Ok(AltWeights(all)),
            many => Err(format!("{many} members are too many: at most {MOST} are allowed")),
        }
    }

    /// Takes one fact in: a configuration may have other weights.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        if let Body::Operator(Operator::ConfigApplied { values, .. }) = &fact.body {
            let value = values.iter().find(|(key, _)| key == KEY);
            let text = value.and_then(|(_, value)| serde_json::from_str::<String>(value).ok());
            // Only checked values are in facts. Earlier versions had no such key.
            *self = text.and_then(|text| AltWeights::read(&text).ok()).unwrap_or_default();
        }
    }

    /// The symbol of each member, with its weight, and the members without one. A member is the
    /// name of a symbol, or of an asset that the symbol trades against dollars.
    pub(super) fn symbols(
        &self,
        has_bars: impl Fn(Symbol) -> bool,
    ) -> (Vec<(Symbol, f64)>, Vec<String>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (name, weight) in &self.0 {
            let symbols =
                ENDINGS.iter().filter_map(|end| Symbol::named(&[name, *end].concat()).ok());
            match symbols.into_iter().find(|symbol| has_bars(*symbol)) {
                Some(symbol) => found.push((symbol, *weight)),
                None => missing.push(name.clone()),
            }
        }
        (found, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_kernel::fact::Key;

    #[test]
    fn weights_are_read_and_members_found_by_the_names_of_symbols() {
        let weights = AltWeights::read("SOL: 2,ETH:0.5 , BNB : 1").unwrap();
        let known = ["SOLUSDC", "SOLUSDT", "BNB-PERP", "ETHBTC"].map(|n| Symbol::named(n).unwrap());
        let (found, missing) = weights.symbols(|symbol| known.contains(&symbol));
        assert_eq!(found, [(known[1], 2.0), (known[2], 1.0)], "the more usual quote asset counts");
        assert_eq!(missing, ["ETH"]);
        let names = AltWeights::default().0.into_iter().map(|(name, _)| name);
        assert_eq!(names.collect::<Vec<_>>(), ["SOL", "ETH", "BNB", "HYPE"]);
    }

    #[test]
    fn the_newest_configuration_has_the_weights() {
        let mut weights = AltWeights::default();
        let mut configured = |values: &[(&str, &str)]| {
            let values = values.iter().map(|(key, value)| (key.to_string(), value.to_string()));
            let body = Body::Operator(Operator::ConfigApplied {
                generation: 1,
                text: String::new(),
                origins: Vec::new(),
                values: values.collect(),
                source: String::new(),
                retained: Vec::new(),
            });
            let key = Key { n: 1, rank: 0, i: 0 };
            weights.fold(&Fact { key, time: 0, version: 1, because: Vec::new(), body });
            weights.clone()
        };
        let two = AltWeights::read("SOL: 2, ADA: 1").unwrap();
        let values = [("market.symbols", "\"auto\""), (KEY, "\"SOL: 2, ADA: 1\"")];
        assert_eq!(configured(&values), two);
        assert_eq!(configured(&values[..1]), AltWeights::default(), "of an earlier version");
    }

    #[test]
    fn wrong_weights_are_refused_with_the_reason() {
        let weight = "write a number from 0.000001 to 1000";
        for (text, why) in [
            ("", "\"\" is not an asset with its weight, like \"SOL: 1\"".to_owned()),
            ("SOL: 1,", "\"\" is not an asset with its weight, like \"SOL: 1\"".to_owned()),
            ("SOL", "\"SOL\" is not an asset with its weight, like \"SOL: 1\"".to_owned()),
            ("SOL: 0", format!("the weight of SOL is \"0\": {weight}")),
            ("SOL: inf", format!("the weight of SOL is \"inf\": {weight}")),
            ("SOL: 1e3", format!("the weight of SOL is \"1e3\": {weight}")),
            ("SOL: -1", format!("the weight of SOL is \"-1\": {weight}")),
            ("SOL: 1, SOL: 1", "SOL is there twice".to_owned()),
        ] {
            assert_eq!(AltWeights::read(text), Err(why), "{text}");
        }
        let lower = AltWeights::read("sol: 1").unwrap_err();
        assert!(lower.ends_with("Write SOL"), "{lower}");
        let many: Vec<String> = (0..=MOST).map(|n| format!("A{n}: 1")).collect();
        assert!(AltWeights::read(&many.join(",")).unwrap_err().starts_with("51 members"));
    }
}
