//! Reports to people are complete: no signal stays pending after a close that the ledger has
//! passed. The story of an order contains the signal that led to it.

use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision, Ledger};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_views::explain::explain;
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::signals::SignalFold;
use everwarm_views::views::Outcome;
use std::collections::BTreeMap;

/// Stories checked of one run.
const STORIES: usize = 4;

/// The signals as `signals` prints them.
#[derive(Debug, Default)]
pub struct PrintedSignals {
    signals: SignalFold,
    /// The newest input that the ledger has passed.
    passed: u64,
}

impl PrintedSignals {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        self.signals.fold(fact);
        if let Body::Ledger(Ledger::Equity { .. }) = &fact.body {
            self.passed = self.passed.max(fact.key.n);
        }
    }

    /// Signals that are shown as pending after the ledger passed their close.
    #[must_use]
    pub fn end(&self) -> Vec<String> {
        let passed = |key: &str| key.parse().is_ok_and(|key: Key| key.n <= self.passed);
        let newest = self.signals.newest(None);
        let pending = newest.iter().filter(|one| one.outcome == Outcome::Pending);
        let pending = pending.filter(|one| passed(&one.key));
        let lines =
            pending.map(|one| format!("signal {} {} is listed as pending", one.key, one.symbol));
        lines.collect()
    }
}

/// Approved orders whose story lacks the signal of their strategy; checks some.
///
/// # Errors
/// The journal cannot be read.
pub fn stories(
    journal: &dyn JournalFacts,
    facts: &[(u64, Fact<Body>)],
) -> Result<Vec<String>, String> {
    let mut causes: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for (_, fact) in facts {
        if let Body::Decision(Decision::Approved { intent, .. }) = &fact.body {
            let of_strategy = |key: &&Key| (400..rank::BREAKER.0).contains(&key.rank);
            let because = fact.because.iter().filter(of_strategy).copied().collect();
            causes.insert(intent.client_id.0.clone(), because);
        }
    }
    let step = (causes.len() / STORIES).max(1);
    let mut broken = Vec::new();
    for (id, because) in causes.iter().step_by(step).take(STORIES) {
        let story = explain(journal, id, false).map_err(|e| format!("{e:?}"))?;
        let keys: Vec<String> = story.into_iter().flat_map(|s| s.steps).map(|s| s.key).collect();
        let lacks = because.iter().map(Key::to_string).filter(|key| !keys.contains(key));
        broken.extend(lacks.map(|key| format!("the story of {id} lacks {key}, which led to it")));
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::super::Listed;
    use super::*;
    use everwarm_trading::testing::world::two_runs;
    use everwarm_views::testing::lagging::lagging;

    #[test]
    fn a_signal_without_its_decision_is_found() {
        let facts = lagging(&two_runs(), 3);
        let pending = |without: Option<&Fact<Body>>| {
            let mut printed = PrintedSignals::default();
            for fact in facts.iter().filter(|fact| Some(*fact) != without) {
                printed.see(fact);
            }
            printed.end()
        };
        assert_eq!(pending(None), [""; 0]);
        let decided =
            |fact: &&Fact<Body>| matches!(fact.body, Body::Decision(Decision::Approved { .. }));
        let one = facts.iter().find(decided).unwrap();
        assert_eq!(pending(Some(one)).len(), 1);
    }

    #[test]
    fn a_story_without_its_signal_is_found() {
        let rows: Vec<_> = (1..).zip(lagging(&two_runs(), 3)).collect();
        assert_eq!(stories(&Listed(&rows, &[]), &rows).unwrap(), [""; 0]);
        let signal = |fact: &Fact<Body>| (400..500).contains(&fact.key.rank);
        let lacking: Vec<_> = rows.iter().filter(|(_, fact)| !signal(fact)).cloned().collect();
        let broken = stories(&Listed(&lacking, &[]), &rows).unwrap();
        assert!(!broken.is_empty() && broken[0].ends_with("which led to it"), "{broken:?}");
    }
}
