//! The symbols of a backfill.

use super::super::fetch_history::why;
use super::super::panic::bought;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::settings::Settings;
use everwarm_edge::world::World;
use everwarm_venue::port::VenueError;
use everwarm_views::backfill::BackfillRequest;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::known_symbols::meant;
use std::collections::{BTreeMap, BTreeSet};
use tokio::runtime::Handle;

/// Checks the symbols of a request to the running daemon, before it begins. Without a response of
/// the venue they are checked when it begins.
///
/// # Errors
/// One of them is unknown at the venue.
pub fn check(world: &World, request: &BackfillRequest) -> Result<(), Failure> {
    if request.symbols.is_empty() {
        return Ok(());
    }
    match Handle::current().block_on(world.venue.instruments(&[])) {
        Ok(rules) => known(&request.symbols, &rules).map_err(|why| Failure::new(Exit::Usage, why)),
        Err(error) => {
            tracing::info!("{}", unreported(&error));
            Ok(())
        }
    }
}

/// Checks that symbols are among those of the venue.
///
/// # Errors
/// The first one that is not, and the one that was probably meant.
fn known(given: &[Symbol], rules: &[Instrument]) -> Result<(), String> {
    let is_listed = |name: &Symbol| rules.iter().any(|rule| rule.symbol == *name);
    let Some(absent) = given.iter().find(|name| !is_listed(name)) else { return Ok(()) };
    let near = meant(*absent, rules.iter().map(|rule| rule.symbol)).unwrap_or_default();
    Err(format!("symbols: {absent} is unknown at the venue{near}"))
}

/// The symbols to complete, and whether each is traded. `rules` are those of all symbols of the
/// venue, if symbols are given or the universe is.
///
/// # Errors
/// The venue lacks a symbol, or there is none.
pub(super) fn symbols(
    request: &BackfillRequest,
    traded: &BTreeSet<Symbol>,
    mut rules: Vec<Instrument>,
    settings: &Settings,
) -> Result<BTreeMap<Symbol, bool>, String> {
    let given = &request.symbols;
    known(given, &rules)?;
    let names: Vec<Symbol> = if request.universe {
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

/// Why the venue did not report its symbols.
pub(super) fn unreported(error: &VenueError) -> String {
    format!("the symbols of the venue: {}", why(error))
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
        let of = |request: &BackfillRequest| symbols(request, &traded, all.clone(), &settings);
        let request = BackfillRequest::default();
        assert_eq!(of(&request), Ok(BTreeMap::from([(names[1], true)])));
        let universe = BackfillRequest { universe: true, ..request.clone() };
        let found = of(&universe).unwrap();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), names);
        assert_eq!(found.values().filter(|traded| **traded).count(), 1);
        let one = BackfillRequest { symbols: vec![names[0]], ..request.clone() };
        assert_eq!(of(&one), Ok(BTreeMap::from([(names[0], false)])));
        let unknown = |name: &str| {
            let symbols = vec![names[1], Symbol::named(name).unwrap()];
            of(&BackfillRequest { symbols, ..request.clone() }).unwrap_err()
        };
        assert_eq!(unknown("NOPE"), "symbols: NOPE is unknown at the venue");
        let misspelt = &names[0].as_str()[1..];
        let meant =
            format!("symbols: {misspelt} is unknown at the venue; did you mean {}?", names[0]);
        assert_eq!(unknown(misspelt), meant);
        let none = symbols(&request, &BTreeSet::new(), Vec::new(), &settings).unwrap_err();
        assert!(none.contains("--universe"), "{none}");
    }
}
