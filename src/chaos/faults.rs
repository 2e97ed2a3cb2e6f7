//! What a run has the exchange do wrong: every transparent fault, each seldom enough that the run
//! still gets through, all drawn from one seed.

use crate::sim::faults::{Fault, KINDS, Kind};

/// One transparent fault as often as a run can bear it; none for a kind that is consequential.
#[must_use]
pub fn transparent(kind: Kind, seed: u64) -> Option<Fault> {
    let fault = Fault { seed, ..Fault::of(kind) };
    let at = |place: &str| Some(place.to_owned());
    Some(match kind {
        Kind::Reset => Fault { chance: 15, ..fault },
        Kind::NoAnswer => Fault { chance: 250, at: at("POST order"), ..fault },
        Kind::UnknownOrder => Fault { value: Some(3), ..fault },
        // Some minutes without a word; each is waited for.
        Kind::Silent => Fault { chance: 2, value: Some(180_000), times: Some(4), ..fault },
        Kind::Missing => Fault { chance: 10, times: Some(25), ..fault },
        Kind::Duplicate => Fault { chance: 60, ..fault },
        Kind::Reorder => Fault { chance: 60, times: Some(40), ..fault },
        Kind::Rotate => Fault { chance: 8, times: Some(6), ..fault },
        Kind::Shutdown => Fault { chance: 8, times: Some(6), value: Some(50), ..fault },
        Kind::UserStreamEnded => Fault { chance: 60, times: Some(6), ..fault },
        Kind::Slow
        | Kind::ErrorBefore
        | Kind::ErrorAfter
        | Kind::Limited
        | Kind::Banned
        | Kind::ClockSkew
        | Kind::LateFills
        | Kind::PartialFills => return None,
    })
}

/// All of them together.
#[must_use]
pub fn all_transparent(seed: u64) -> Vec<Fault> {
    KINDS.iter().filter_map(|row| transparent(row.kind, seed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_table() {
        for row in KINDS {
            let fault = transparent(row.kind, 1);
            assert_eq!(fault.is_some(), row.transparent, "{}", row.name);
            assert_eq!(fault.map_or(Ok(()), |fault| fault.check()), Ok(()));
        }
    }
}
