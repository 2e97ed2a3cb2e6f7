//! Finds the first close at which two runs differ: a clue to the cause of a difference.

use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Rank};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Characters that are shown of a fact.
const SHOWN: usize = 400;

/// Closes by time, each with its bars and what the stages up to the decision derived.
fn closes(facts: &[Fact<Body>]) -> BTreeMap<UtcMs, Vec<String>> {
    let mut times: BTreeMap<u64, UtcMs> = BTreeMap::new();
    for fact in facts {
        if let Body::Market(Market::Close { time, .. }) = &fact.body {
            times.insert(fact.key.n, *time);
        }
    }
    let mut closes: BTreeMap<UtcMs, Vec<String>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| Rank(fact.key.rank) <= rank::DECISION) {
        if let Some(time) = times.get(&fact.key.n) {
            closes.entry(*time).or_default().push(format!("{:?}", fact.body));
        }
    }
    closes
}

/// The first close at which two runs have other bars, or derived something else. `None`: there is
/// none.
pub(super) fn first_differing_close(one: &[Fact<Body>], other: &[Fact<Body>]) -> Option<String> {
    let (one, other) = (closes(one), closes(other));
    let time = one.keys().chain(other.keys()).filter(|time| one.get(time) != other.get(time)).min();
    let time = *time?;
    let mut text = format!("the first close that differs is {time}");
    for (name, here, there) in [("one", &one, &other), ("other", &other, &one)] {
        let there = there.get(&time).map(Vec::as_slice).unwrap_or_default();
        let here = here.get(&time).map(Vec::as_slice).unwrap_or_default();
        for fact in here.iter().filter(|fact| !there.contains(fact)) {
            let shown: String = fact.chars().take(SHOWN).collect();
            write!(text, "\n  {name}: {shown}").expect("text takes text");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_kernel::fact::Key;

    fn close(n: u64, time: UtcMs) -> Fact<Body> {
        let body = Body::Market(Market::Close {
            time,
            bars: Vec::new(),
            missing: Vec::new(),
            odd: Vec::new(),
        });
        Fact { key: Key { n, rank: 0, i: 0 }, time, version: 0, because: Vec::new(), body }
    }

    #[test]
    fn the_first_close_that_one_run_lacks_is_named_whatever_its_number() {
        let (one, other) = ([close(1, 60), close(2, 120)], [close(4, 60), close(5, 180)]);
        assert_eq!(first_differing_close(&one, &[close(7, 60), close(9, 120)]), None);
        let text = first_differing_close(&one, &other).unwrap();
        assert!(
            text.starts_with("the first close that differs is 120\n  one: Market(Close"),
            "{text}"
        );
        assert!(!text.contains("other"), "{text}");
    }
}
