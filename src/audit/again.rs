//! Derives the facts of a journal again from its inputs, in a plain loop, and compares both.

use super::changes::StageChanges;
use super::{store_failure, torn_is_a_problem};
use everwarm_domain::fact::Body;
use everwarm_domain::time::UtcMs;
use everwarm_history::HistoryLibrary;
use everwarm_kernel::fact::{Body as _, Fact, Key, Rank};
use everwarm_kernel::plain::{LookUpFacts, LoopState, PlainLoop};
use everwarm_kernel::roster::Joined;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{LoopPlace, Store, StoreError, StoredLoop};
use everwarm_trading::StageSpec;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stages of this version, which receive the inputs of a journal one after the other.
pub(super) struct Again {
    plain: PlainLoop<Body>,
    /// The stages, with those that joined later.
    pub specs: Vec<StageSpec>,
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

/// Where the facts of a journal begin to be derived again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartAt {
    /// At the first fact; if facts were removed, at the first stored state after them.
    First,
    /// At the last stored state before this event time, UTC milliseconds. Without one, at the first
    /// fact.
    Before(UtcMs),
}

/// Where they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    /// The first row that is read.
    pub row: u64,
    /// The last input that is not derived again.
    pub n: u64,
    /// Event time of that input, UTC milliseconds.
    pub time: UtcMs,
}

impl Again {
    /// Before the first input that is derived again. Skips the same quarantined inputs as the
    /// daemon did.
    pub(super) fn new(
        journal: &dyn JournalFacts,
        archive: &Arc<Archive>,
        from: StartAt,
    ) -> Result<(Again, Begun), Failure> {
        let StageChanges { joined, skips, .. } = StageChanges::of(journal)?;
        let (mut plain, begun) = begin(journal, archive, from, &joined)?;
        let specs = everwarm_trading::specs_joined(&joined);
        let of = specs.clone();
        let make =
            move |who: &Joined| of.iter().find(|spec| spec.rank == who.rank).map(StageSpec::build);
        plain = plain.joined_by(Box::new(make));
        for (rank, skips) in skips {
            plain.skip(Rank(rank), &skips);
        }
        let (expected, passed) = (BTreeMap::new(), BTreeMap::new());
        Ok((Again { plain, specs, expected, passed }, begun))
    }

    /// The loop as it is after the last input.
    pub(super) fn capture(&self) -> LoopState<Body> {
        self.plain.capture()
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

/// A loop before the first input that is derived again, and where that is.
fn begin(
    journal: &dyn JournalFacts,
    archive: &Arc<Archive>,
    from: StartAt,
    later: &[Joined],
) -> Result<(PlainLoop<Body>, Begun), Failure> {
    let library = || Box::new(HistoryLibrary::new(Arc::clone(archive)));
    let failed = |e: StoreError| torn_is_a_problem(store_failure(&e));
    let whole_from = journal.store().map_or(Ok(1), Store::whole_from).map_err(failed)?;
    let first = || {
        let mut stages = everwarm_trading::stages();
        stages.retain(|stage| later.iter().all(|who| who.rank != stage.rank()));
        Ok((PlainLoop::new(stages, library()), Begun::default()))
    };
    let Some(store) = journal.store().filter(|_| whole_from > 1 || from != StartAt::First) else {
        return first();
    };
    let specs = everwarm_trading::specs_joined(later);
    let stage = |rank: Rank| {
        let fixed = everwarm_trading::stages().into_iter().find(|stage| stage.rank() == rank);
        fixed.or_else(|| specs.iter().find(|spec| spec.rank == rank).map(StageSpec::build))
    };
    let mut why = "there is none".to_owned();
    for LoopPlace { n, row, time } in places(store, whole_from, from, &mut why).map_err(failed)? {
        let read = store.loop_state(n).map_err(|e| e.to_string());
        let resumed =
            read.and_then(|StoredLoop { state, .. }| PlainLoop::resume(state, stage, library()));
        match resumed {
            Ok(plain) => return Ok((plain, Begun { row, n, time })),
            Err(e) => why = e,
        }
    }
    if whole_from == 1 {
        return first();
    }
    let text = format!(
        "the facts before row {whole_from} were removed, and no stored state after them can be \
         used: {why}. The daemon stores one each night, see daemon.self_replay"
    );
    Err(Failure::new(Exit::Problems, text))
}

/// The stored states from which facts can be derived again, the best first. `why` gets what is
/// wrong with one that cannot be read.
fn places(
    store: &Store,
    whole_from: u64,
    from: StartAt,
    why: &mut String,
) -> Result<Vec<LoopPlace>, StoreError> {
    let mut places = Vec::new();
    for n in store.loop_states()? {
        match store.loop_place(n) {
            Ok(place) if place.row >= whole_from => places.push(place),
            Ok(_) => {}
            Err(e) => *why = e.to_string(),
        }
    }
    if let StartAt::Before(time) = from {
        // Without one before that time, a later one is of no use, unless facts were removed.
        let before = places.partition_point(|place| place.time < time);
        let after = places.split_off(before);
        places.reverse();
        if whole_from > 1 {
            places.extend(after);
        }
    }
    Ok(places)
}

/// The causes and the encoded body of a fact, as they are compared: floats by bits.
fn encoded(fact: &Fact<Body>) -> (&[Key], Vec<u8>) {
    let mut bytes = Vec::new();
    fact.body.encode(&mut bytes);
    (&fact.because, bytes)
}
