//! What the inputs of a journal imply, derived once more in a plain loop, beside what it holds.

use super::{set_aside, torn_is_a_problem};
use everwarm_domain::fact::Body;
use everwarm_history::HistoryLibrary;
use everwarm_kernel::fact::{Body as _, Fact, Key, Rank};
use everwarm_kernel::plain::{PlainLoop, Told};
use everwarm_kernel::roster::{Change, Joined};
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::StageSpec;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The stages of this version, given the inputs of a journal as they come by.
pub(super) struct Again {
    plain: PlainLoop<Body>,
    /// Derived and not yet seen in the journal.
    expected: BTreeMap<Key, Fact<Body>>,
    /// The last input each rank is known to have passed.
    passed: BTreeMap<u16, u64>,
}

/// What a fact of the journal is beside what was derived.
pub(super) enum Beside {
    /// The same.
    Same,
    /// This was derived in its place.
    Other(Box<Fact<Body>>),
    /// Nothing was.
    Nothing,
}

impl Again {
    /// Nothing yet. What was set aside then is set aside now.
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

    /// The state that the facts so far give the stage of a rank, as that saves it; none where no
    /// stage of this version has the rank.
    pub(super) fn state(&self, rank: u16) -> Option<Vec<u8>> {
        let stage = self.plain.stages().find(|stage| stage.rank().0 == rank)?;
        Some(stage.save())
    }

    /// Derives what follows from an input; of what is told no stage is asked.
    pub(super) fn input(&mut self, fact: &Fact<Body>, told: Told<'_, Body>) -> Result<(), String> {
        let expected = &mut self.expected;
        let mut keep = |said: &Fact<Body>| {
            if said.key.rank != 0 {
                expected.insert(said.key, said.clone());
            }
        };
        let given = self.plain.input_told(fact.time, fact.body.clone(), told, &mut keep);
        given.map(drop).map_err(|why| format!("input {}: {why}", fact.key))
    }

    /// Puts a derived fact of the journal beside what was derived now.
    pub(super) fn held(&mut self, fact: &Fact<Body>) -> Beside {
        let passed = self.passed.entry(fact.key.rank).or_default();
        *passed = (*passed).max(fact.key.n);
        match self.expected.remove(&fact.key) {
            None => Beside::Nothing,
            Some(implied) if encoded(&implied) == encoded(fact) => Beside::Same,
            Some(implied) => Beside::Other(Box::new(implied)),
        }
    }

    /// Leaves out a fact of the journal that is not compared.
    pub(super) fn leave(&mut self, fact: &Fact<Body>) {
        self.expected.remove(&fact.key);
    }

    /// What was derived and is not in the journal, up to where its stage is known to have spoken.
    pub(super) fn missing(&mut self) -> Vec<Fact<Body>> {
        let passed = |key: &Key| self.passed.get(&key.rank).is_some_and(|passed| key.n < *passed);
        let all = std::mem::take(&mut self.expected);
        all.into_iter().filter(|(key, _)| passed(key)).map(|(_, fact)| fact).collect()
    }
}

/// Those who were not there from the start.
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

/// What a fact says and follows from, as it is compared: floats by bits.
fn encoded(fact: &Fact<Body>) -> (&[Key], Vec<u8>) {
    let mut bytes = Vec::new();
    fact.body.encode(&mut bytes);
    (&fact.because, bytes)
}
