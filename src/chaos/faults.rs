//! The exchange faults of a run: every kind, each rare enough that the run finishes, all drawn from
//! one seed.

use everwarm_sim::Protocol;
use everwarm_sim::faults::{Fault, KINDS, Kind, Mode};

/// Modes of wrong responses that need no wait by wall clock.
const LIES: [Mode; 4] = [Mode::WrongTypes, Mode::HugeNumbers, Mode::Truncated, Mode::WrongContent];

/// Kinds that a run at a venue of stocks does not have. Its streams announce no end, no message is
/// marked as a closed bar, and no rejection is a ban.
const NOT_OF_STOCKS: [Kind; 3] = [Kind::Shutdown, Kind::OddBar, Kind::Banned];

/// Whether runs with this protocol have faults of a kind.
#[must_use]
pub fn is_known(protocol: Protocol, kind: Kind) -> bool {
    !(protocol.trades_shares() && NOT_OF_STOCKS.contains(&kind))
}

/// Those of the faults that runs with this protocol have.
#[must_use]
pub fn known(protocol: Protocol, mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.retain(|fault| is_known(protocol, fault.kind));
    faults
}

/// A transparent fault as often as a run can bear it; none for a consequential kind.
#[must_use]
pub fn transparent(kind: Kind, seed: u64) -> Option<Fault> {
    let fault = Fault { seed, ..Fault::of(kind) };
    let at = |place: &str| Some(place.to_owned());
    Some(match kind {
        Kind::Reset => Fault { chance: 15, ..fault },
        Kind::NoAnswer => Fault { chance: 250, at: at("POST order"), ..fault },
        Kind::ErrorAfter => Fault { chance: 400, at: at("POST order"), ..fault },
        Kind::UnknownOrder => Fault { value: Some(3), ..fault },
        // Minutes without a message; the daemon waits for each.
        Kind::Silent => Fault { chance: 2, value: Some(180_000), times: Some(4), ..fault },
        Kind::ChannelSilent => Fault { chance: 12, value: Some(180_000), times: Some(6), ..fault },
        Kind::Missing => Fault { chance: 10, times: Some(25), ..fault },
        Kind::Duplicate => Fault { chance: 60, ..fault },
        Kind::Reorder => Fault { chance: 60, times: Some(40), ..fault },
        Kind::Rotate => Fault { chance: 8, times: Some(6), ..fault },
        Kind::Shutdown => Fault { chance: 8, times: Some(6), value: Some(50), ..fault },
        Kind::UserStreamEnded => Fault { chance: 60, times: Some(6), ..fault },
        Kind::OddBar => Fault { chance: 4, ..fault },
        Kind::Slow
        | Kind::ErrorBefore
        | Kind::Limited
        | Kind::Banned
        | Kind::ClockSkew
        | Kind::LateFills
        | Kind::PartialFills
        | Kind::OddRecords
        | Kind::Hostile => return None,
    })
}

/// One transparent fault of each kind.
#[must_use]
pub fn all_transparent(seed: u64) -> Vec<Fault> {
    KINDS.iter().filter_map(|row| transparent(row.kind, seed)).collect()
}

/// A consequential fault as often as a run can bear it; none for a transparent kind. The daemon
/// waits for delays, so kills do not change their consequences.
#[must_use]
pub fn consequential(kind: Kind, seed: u64) -> Option<Fault> {
    let fault = Fault { seed, ..Fault::of(kind) };
    let at = |place: &str| Some(place.to_owned());
    Some(match kind {
        Kind::Slow => Fault { chance: 60, value: Some(20), ..fault },
        Kind::ErrorBefore => Fault { chance: 40, at: at("POST order"), ..fault },
        // The wait uses the wall clock, whatever else is requested meanwhile.
        Kind::Limited => Fault { at: at("GET account"), times: Some(2), ..fault },
        Kind::Banned => Fault { at: at("GET account"), times: Some(1), value: Some(1), ..fault },
        Kind::ClockSkew => {
            // Ahead for even seeds, behind for odd seeds.
            Fault { value: Some(if seed.is_multiple_of(2) { 400 } else { -400 }), ..fault }
        }
        Kind::LateFills => Fault { chance: 150, ..fault },
        Kind::PartialFills => Fault { chance: 250, ..fault },
        // Every request receives the same bars, also after a restart of the exchange.
        Kind::OddRecords => Fault { chance: 5, ..fault },
        Kind::Hostile => {
            let mode = LIES[usize::try_from(seed).unwrap_or(0) % LIES.len()];
            Fault { mode: Some(mode), chance: 30, times: Some(20), ..fault }
        }
        Kind::Reset
        | Kind::NoAnswer
        | Kind::ErrorAfter
        | Kind::UnknownOrder
        | Kind::Silent
        | Kind::ChannelSilent
        | Kind::Missing
        | Kind::Duplicate
        | Kind::Reorder
        | Kind::Rotate
        | Kind::Shutdown
        | Kind::UserStreamEnded
        | Kind::OddBar => return None,
    })
}

/// One consequential fault of each kind.
#[must_use]
pub fn all_consequential(seed: u64) -> Vec<Fault> {
    KINDS.iter().filter_map(|row| consequential(row.kind, seed)).collect()
}

/// The consequential faults of one turn. Odd turns include faults that make two runs incomparable.
#[must_use]
pub fn consequential_in(turn: u64, seed: u64) -> Vec<Fault> {
    let mut faults = all_consequential(seed);
    if turn.is_multiple_of(2) {
        faults.retain(|fault| are_comparable(std::slice::from_ref(fault)));
    }
    faults
}

/// The faults that change the outcome of a run.
#[must_use]
pub fn that_matter(faults: &[Fault]) -> Vec<Fault> {
    faults.iter().filter(|fault| !fault.kind.row().transparent).cloned().collect()
}

/// Whether a run under these faults ends as a run without kills at the same venue. That is not so
/// where orders fill late or the venue sends wrong responses. Chance decides whether such a report
/// arrives before a close, which moves the equity of that close. Invariants still hold there.
#[must_use]
pub fn are_comparable(faults: &[Fault]) -> bool {
    let moves = [Kind::LateFills, Kind::PartialFills, Kind::Hostile];
    !faults.iter().any(|fault| moves.contains(&fault.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_of_stocks_has_all_faults_but_those_that_it_does_not_know() {
        let all = || [all_transparent(1), all_consequential(1)].concat();
        assert_eq!(known(Protocol::Binance, all()), all());
        let kinds: Vec<Kind> = known(Protocol::Alpaca, all()).iter().map(|it| it.kind).collect();
        let absent: Vec<Kind> =
            all().iter().map(|it| it.kind).filter(|it| !kinds.contains(it)).collect();
        assert_eq!(absent, NOT_OF_STOCKS);
    }

    #[test]
    fn they_are_those_of_the_table() {
        for row in KINDS {
            let faults = (transparent(row.kind, 1), consequential(row.kind, 1));
            assert_eq!(faults.0.is_some(), row.transparent, "{}", row.name);
            assert_eq!(faults.1.is_some(), !row.transparent, "{}", row.name);
            assert_eq!(faults.0.or(faults.1).map(|fault| fault.check()), Some(Ok(())));
        }
        let skew = |seed| consequential(Kind::ClockSkew, seed).and_then(|fault| fault.value);
        assert_eq!((skew(2), skew(3)), (Some(400), Some(-400)));
        let all = [all_transparent(1), all_consequential(1)].concat();
        assert_eq!(that_matter(&all), all_consequential(1));
        assert!(are_comparable(&all_transparent(1)) && !are_comparable(&all));
        assert!(are_comparable(&consequential_in(2, 1)));
        assert_eq!(consequential_in(2, 1).len() + 3, all_consequential(1).len());
        assert_eq!(consequential_in(3, 1), all_consequential(1));
    }
}
