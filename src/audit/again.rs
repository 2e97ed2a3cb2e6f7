//! Derives the facts of a journal again from its inputs, in a plain loop, and compares both.

use super::{set_aside, torn_is_a_problem};
use everwarm_domain::fact::Body;
use everwarm_history::HistoryLibrary;
use everwarm_kernel::fact::{Body as _, Fact, Key, Rank};
use everwarm_kernel::plain::{LookUpFacts, PlainLoop};
use everwarm_kernel::roster::{Change, Joined};
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::StageSpec;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The stages of this version, which receive the inputs of a journal one after the other.
pub(super) struct Again {
    plain: PlainLoop<Body>,
    /// Facts derived and not met in the journal yet.
    expected: BTreeMap<Key, Fact<Body>>,
    /// The last input that each rank is known to have passed.
    passed: BTreeMap<u16, u64>,
}

/// How a fact of the journal compares with the derived one.
pub(super) enum Beside {
    /// The same.
    Same,
    /// Another fact was derived in its place.
    Other(Box<Fact<Body>>),
    /// No fact was derived in its place.
    Nothing,
}

impl Again {
    /// Before the first input. Skips the same quarantined inputs as the daemon did.
    pub(super) fn new(journal: &dyn JournalFacts, archive: Arc<Archive>) -> Result<Again, Failure> {
        let library = HistoryLibrary::new(archive);
        let later = joined(journal)?;
        let there = everwarm_trading::stages()
            .into_iter()
            .filter(|stage| later.iter().all(|who| who.rank != stage.rank()));
        let specs = everwarm_trading::specs_joined(&later);
        let make = move |who: &Joined| {
            specs.iter().find(|spec| spec.rank == who.rank).map(StageSpec::build)
        };
        let plain = PlainLoop::new(there.collect(), Box::new(library));
        let mut plain = plain.joined_by(Box::new(make));
        for (rank, skips) in set_aside(journal)? {
            plain.skip(Rank(rank), &skips);
        }
        Ok(Again { plain, expected: BTreeMap::new(), passed: BTreeMap::new() })
    }

    /// The last input.
    pub(super) fn last(&self) -> u64 {
        self.plain.last()
    }

    /// Name of the stage of each rank.
    pub(super) fn names(&self) -> BTreeMap<u16, &str> {
        self.plain.stages().map(|stage| (stage.rank().0, stage.name())).collect()
    }

    /// The state of the stage of a rank after the facts so far, as the stage saves it; none where
    /// no stage of this version has the rank.
    pub(super) fn state(&self, rank: u16) -> Option<Vec<u8>> {
        let stage = self.plain.stages().find(|stage| stage.rank().0 == rank)?;
        Some(stage.save())
    }

    /// Derives the facts that follow from an input. `others` gives the facts of stages of other
    /// versions.
    pub(super) fn input(
        &mut self,
        fact: &Fact<Body>,
        others: LookUpFacts<'_, Body>,
    ) -> Result<(), String> {
        let expected = &mut self.expected;
        let mut keep = |derived: &Fact<Body>| {
            if derived.key.rank != 0 {
                expected.insert(derived.key, derived.clone());
            }
        };
        let given = self.plain.input_with_known(fact.time, fact.body.clone(), others, &mut keep);
        given.map(drop).map_err(|why| format!("input {}: {why}", fact.key))
    }

    /// Compares a fact of the journal with the derived one.
    pub(super) fn held(&mut self, fact: &Fact<Body>) -> Beside {
        let passed = self.passed.entry(fact.key.rank).or_default();
        *passed = (*passed).max(fact.key.n);
        match self.expected.remove(&fact.key) {
            None => Beside::Nothing,
            Some(implied) if encoded(&implied) == encoded(fact) => Beside::Same,
            Some(implied) => Beside::Other(Box::new(implied)),
        }
    }

    /// Skips a fact of the journal that is not compared.
    pub(super) fn leave(&mut self, fact: &Fact<Body>) {
        self.expected.remove(&fact.key);
    }

    /// Derived facts that are missing in the journal, up to the input that their stage has passed.
    pub(super) fn missing(&mut self) -> Vec<Fact<Body>> {
        let passed = |key: &Key| self.passed.get(&key.rank).is_some_and(|passed| key.n < *passed);
        let all = std::mem::take(&mut self.expected);
        all.into_iter().filter(|(key, _)| passed(key)).map(|(_, fact)| fact).collect()
    }
}

/// The stages that joined later.
pub(super) fn joined(journal: &dyn JournalFacts) -> Result<Vec<Joined>, Failure> {
    let mut all = Vec::new();
    let read = journal.each(0, &mut |_, fact| {
        if let Some(Change::Joined(who)) = fact.body.roster() {
            all.push(who);
        }
        ControlFlow::Continue(())
    });
    read.map_err(torn_is_a_problem).map(|()| all)
}

/// The causes and the encoded body of a fact, as they are compared: floats by bits.
fn encoded(fact: &Fact<Body>) -> (&[Key], Vec<u8>) {
    let mut bytes = Vec::new();
    fact.body.encode(&mut bytes);
    (&fact.because, bytes)
}
