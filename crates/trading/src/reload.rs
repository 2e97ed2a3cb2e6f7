//! Checks whether a configuration may be applied while the daemon trades. The checks are pure
//! functions of the holdings, the settings in force and the new settings.

use super::risk::limits::Counts;
use super::universe::Universe;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::{Risk, Settings};
use everwarm_domain::time::date_of;

/// The reason against a new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The configuration key with the problem.
    pub key: &'static str,
    /// The reason, as text for the operator.
    pub reason: String,
}

/// All reasons against applying `new`. Empty: it may be applied.
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
    let (taken, most) = (present.taken().len(), new.trading.max_positions);
    if taken > most as usize && most < old.trading.max_positions {
        let reason = format!("{taken} lots are held or on their way, {most} would be allowed");
        refusals.push(Refusal { key: "trading.max_positions", reason });
    }
    refusals
}

/// New limits that are below their present use. `used` is as of the last input. A limit blocks once
/// it is reached, so a limit equal to its use may be set.
#[must_use]
pub fn below_used(used: &Counts, old: &Risk, new: &Risk) -> Vec<Refusal> {
    let date = date_of(used.day);
    let loss = used.loss.normalize();
    let rows: [(&'static str, [Decimal; 3], String); 3] = [
        (
            "risk.max_consecutive_failures",
            [
                used.failures.into(),
                old.max_consecutive_failures.into(),
                new.max_consecutive_failures.into(),
            ],
            format!("{} orders in a row were rejected or expired", used.failures),
        ),
        (
            "risk.max_trades_per_day",
            [used.entries.into(), old.max_trades_per_day.into(), new.max_trades_per_day.into()],
            format!("{} entries were filled on {date}", used.entries),
        ),
        (
            "risk.max_loss_per_day",
            [loss, old.max_loss_per_day, new.max_loss_per_day],
            format!("{loss} were lost on {date}"),
        ),
    ];
    // Zero switches a limit off. A raised limit may still be below its use.
    let tighter = |old: Decimal, new: Decimal| !new.is_zero() && (old.is_zero() || new < old);
    let below =
        rows.into_iter().filter(|(_, [used, old, new], _)| tighter(*old, *new) && used > new);
    below
        .map(|(key, [_, _, new], usage)| {
            let most = new.normalize();
            Refusal {
                key,
                reason: format!("{usage}, {most} would be allowed: `everwarm halt` stops entries"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{crossing, dec, fact, input, instrument, position, sym};
    use everwarm_domain::fact::{AtVenue, Body, Ledger, Listed, Market};
    use everwarm_domain::id::Symbol;
    use everwarm_kernel::stage::Stage as _;

    fn lot(strategy: &str, symbol: &str, quantity: &str) -> Body {
        Body::Ledger(Ledger::Lot {
            strategy: strategy.to_owned(),
            symbol: sym(symbol),
            quantity: dec(quantity),
            cost: Decimal::ZERO,
            opened: None,
            realized_pnl: Decimal::ZERO,
        })
    }

    /// A universe with two symbols: two strategies hold one unit each of the first, and an
    /// unsellable amount is held of the other.
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
        universe.evolve(&fact(1, 800, lot("sma_cross", "BTCUSDT", "1")));
        universe.evolve(&fact(1, 800, lot("quick", "BTCUSDT", "1")));
        universe.evolve(&fact(1, 800, lot("quick", "ETHUSDT", "0.00001")));
        universe
    }

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let old = crossing(10, 30);
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
        let text = refused(|new| new.universe.exclude = without(&["BTCUSDT", "ETHUSDT"]));
        assert_eq!(text, format!("market.universe.exclude: {held}"));
        let text = refused(|new| new.universe.names = without(&["ETHUSDT"]));
        assert_eq!(text, format!("market.symbols: {held}"));
        let text = refused(|new| new.universe.quote = "EUR".into());
        assert_eq!(text, format!("market.universe.quote: {held}"));
        assert_eq!(refused(|new| new.universe.names = without(&["BTCUSDT"])), "");
        assert_eq!(refused(|new| new.universe.exclude = without(&["ETHUSDT"])), "", "dust");
    }

    #[test]
    fn a_limit_below_what_is_used_today_is_refused_and_one_that_is_reached_is_not() {
        let loss = dec("10.50");
        let used = Counts { day: 1, failures: 2, entries: 7, loss, ..Counts::default() };
        let limits = |failures, entries, loss| Risk {
            max_consecutive_failures: failures,
            max_trades_per_day: entries,
            max_loss_per_day: dec(loss),
            ..Risk::default()
        };
        let off = limits(0, 0, "0");
        let refused = |old: &Risk, new: &Risk| -> Vec<String> {
            let refusals = below_used(&used, old, new);
            refusals.iter().map(|refusal| format!("{}: {}", refusal.key, refusal.reason)).collect()
        };
        assert_eq!(refused(&off, &limits(2, 7, "10.5")), [""; 0], "as much as is used");
        assert_eq!(refused(&limits(1, 1, "1"), &off), [""; 0], "they are switched off");
        assert_eq!(refused(&limits(1, 5, "9"), &limits(1, 6, "9.5")), [""; 0], "they are raised");
        let texts = refused(&off, &limits(1, 6, "10.4"));
        assert_eq!(texts.len(), 3, "{texts:?}");
        let halt = "would be allowed: `everwarm halt` stops entries";
        assert!(
            texts[0].starts_with("risk.max_consecutive_failures: 2 orders in a row"),
            "{texts:?}"
        );
        let entries =
            format!("risk.max_trades_per_day: 7 entries were filled on 1970-01-02, 6 {halt}");
        assert_eq!(texts[1], entries);
        let loss = format!("risk.max_loss_per_day: 10.5 were lost on 1970-01-02, 10.4 {halt}");
        assert_eq!(texts[2], loss);
        assert_eq!(refused(&limits(9, 9, "99"), &limits(9, 5, "99")).len(), 1);
        assert_eq!(below_used(&Counts::default(), &off, &limits(1, 1, "1")), []);
    }

    #[test]
    fn a_limit_below_what_is_held_is_refused_and_all_refusals_are_told() {
        let text = refused(|new| {
            new.trading.max_positions = 1;
            new.universe.quote = "EUR".into();
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains(
            "trading.max_positions: 2 lots are held or on their way, 1 would be allowed"
        ));
        assert_eq!(refused(|new| new.trading.max_positions = 2), "");
        assert_eq!(refused(|new| new.strategy.enable("sma_cross", false)), "");
    }
}
