//! The symbols of a backfill.

use super::super::fetch_history::why;
use super::super::panic::bought;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::settings::Settings;
use everwarm_venue::port::VenueError;
use everwarm_views::backfill::BackfillWord;
use std::collections::{BTreeMap, BTreeSet};

/// The symbols to complete, and whether each is traded. `rules` are those of the given symbols, or
/// of all symbols of the venue for the universe.
///
/// # Errors
/// The venue lacks a symbol, or there is none.
pub(super) fn symbols(
    word: &BackfillWord,
    traded: &BTreeSet<Symbol>,
    mut rules: Vec<Instrument>,
    settings: &Settings,
) -> Result<BTreeMap<Symbol, bool>, String> {
    let given = &word.symbols;
    let known = |name: &&Symbol| rules.iter().any(|rule| rule.symbol == **name);
    let absent: Vec<String> =
        given.iter().filter(|name| !known(name)).map(Symbol::to_string).collect();
    if !absent.is_empty() {
        return Err(format!("symbols: the venue has no {}", absent.join(", ")));
    }
    let names: Vec<Symbol> = if word.universe {
        bought(&mut rules, &settings.universe, &settings.trading.quote_asset);
        rules.iter().map(|rule| rule.symbol).collect()
    } else if given.is_empty() {
        traded.iter().copied().collect()
    } else {
        given.clone()
    };
    if names.is_empty() {
        return Err("no symbol is traded: name them with --symbols, or use --universe".to_owned());
    }
    Ok(names.into_iter().map(|name| (name, traded.contains(&name))).collect())
}

/// Why the venue did not report the rules of these symbols; none: of all.
pub(super) fn unknown(given: &[Symbol], error: &VenueError) -> String {
    let why = why(error);
    if given.is_empty() {
        return format!("the symbols of the venue: {why}");
    }
    let names: Vec<String> = given.iter().map(Symbol::to_string).collect();
    format!("the venue rejects the symbols {}: {why}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_sim::market::{Market as _, Seeded};

    #[test]
    fn symbols_are_named_or_traded_or_all_of_the_quote_asset() {
        let all = Seeded::new(1, 3, 0, 0).instruments().to_vec();
        let names: Vec<Symbol> = all.iter().map(|rule| rule.symbol).collect();
        let traded = BTreeSet::from([names[1]]);
        let settings = Settings::default();
        let of = |word: &BackfillWord| symbols(word, &traded, all.clone(), &settings);
        let word = BackfillWord::default();
        assert_eq!(of(&word), Ok(BTreeMap::from([(names[1], true)])));
        let universe = BackfillWord { universe: true, ..word.clone() };
        let found = of(&universe).unwrap();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), names);
        assert_eq!(found.values().filter(|traded| **traded).count(), 1);
        let one = BackfillWord { symbols: vec![names[0]], ..word.clone() };
        assert_eq!(of(&one), Ok(BTreeMap::from([(names[0], false)])));
        let wrong = BackfillWord { symbols: vec![Symbol::named("NOPE").unwrap()], ..word.clone() };
        assert_eq!(of(&wrong).unwrap_err(), "symbols: the venue has no NOPE");
        let none = symbols(&word, &BTreeSet::new(), Vec::new(), &settings).unwrap_err();
        assert!(none.contains("--universe"), "{none}");
    }
}
