//! Whether a configuration may be put in force while it trades: a pure function of what is held,
//! the settings in force and the new ones. It changes nothing and waits for nobody.

use super::universe::Universe;
use crate::domain::settings::Settings;

/// Why a configuration may not be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The key in its way.
    pub key: &'static str,
    /// The cause, in words.
    pub reason: String,
}

/// Everything that speaks against `new`.
#[must_use]
pub fn check(present: &Universe, old: &Settings, new: &Settings) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (symbol, key) in present.let_go(&old.universe, &new.universe) {
        let reason = match present.held(symbol) {
            Some(held) => format!("{} {symbol} are held", held.normalize()),
            None => format!("an order in {symbol} is not over yet"),
        };
        let reason = format!("{reason}; it would not be traded any more: leave it first");
        refusals.push(Refusal { key, reason });
    }
    let (taken, most) = (present.bound().len(), new.trading.max_positions);
    if taken > most as usize && most < old.trading.max_positions {
        let reason = format!("{taken} positions are held or on their way, {most} would be allowed");
        refusals.push(Refusal { key: "trading.max_positions", reason });
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fact::{AtVenue, Body, Listed, Market};
    use crate::domain::id::Symbol;
    use crate::trading::testing::{fact, input, instrument, position, sym};
    use everwarm_runtime::stage::Stage as _;

    /// Two symbols are listed; of one, 2 are held, of the other less than can be sold.
    fn present() -> Universe {
        let mut universe = Universe::default();
        let rules = ["BTCUSDT", "ETHUSDT"].map(instrument).to_vec();
        let listed = |name| Listed {
            symbol: sym(name),
            wanted: true,
            venue: AtVenue::Trading,
            why: String::new(),
        };
        let listed = ["BTCUSDT", "ETHUSDT"].map(listed).to_vec();
        for body in [
            Market::Instruments { rules },
            Market::Universe { asked: 0, basis: 0, listed, unlisted: Vec::new() },
        ] {
            universe.evolve(&input(1, Body::Market(body)));
        }
        universe.evolve(&fact(1, 800, position("BTCUSDT", "2", "0")));
        universe.evolve(&fact(1, 800, position("ETHUSDT", "0.00001", "0")));
        universe
    }

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let old = Settings::default();
        let mut new = old.clone();
        change(&mut new);
        let refusals = check(&present(), &old, &new);
        let words = refusals.iter().map(|refusal| format!("{}: {}", refusal.key, refusal.reason));
        words.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_symbol_that_is_held_is_not_let_go_and_one_that_is_not_is() {
        let held = "2 BTCUSDT are held; it would not be traded any more: leave it first";
        let without = |names: &[&str]| names.iter().map(|name| sym(name)).collect::<Vec<Symbol>>();
        let told = refused(|new| new.universe.exclude = without(&["BTCUSDT", "ETHUSDT"]));
        assert_eq!(told, format!("market.universe.exclude: {held}"));
        let told = refused(|new| new.universe.names = without(&["ETHUSDT"]));
        assert_eq!(told, format!("market.symbols: {held}"));
        let told = refused(|new| new.universe.quote = "EUR".into());
        assert_eq!(told, format!("market.universe.quote: {held}"));
        assert_eq!(refused(|new| new.universe.names = without(&["BTCUSDT"])), "");
        assert_eq!(refused(|new| new.universe.exclude = without(&["ETHUSDT"])), "", "dust");
    }

    #[test]
    fn a_limit_below_what_is_held_is_refused_and_all_refusals_are_told() {
        let told = refused(|new| {
            new.trading.max_positions = 0;
            new.universe.quote = "EUR".into();
        });
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains(
            "trading.max_positions: 1 positions are held or on their way, 0 would be allowed"
        ));
        assert_eq!(refused(|new| new.trading.max_positions = 1), "");
        assert_eq!(refused(|new| new.strategy.sma_cross.enabled = false), "");
    }
}
