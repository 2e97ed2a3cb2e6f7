//! Rounds that are in the file alone: for a stage that has no saved state, because it is new or
//! speaks under a new version, and for one that was kept down for so long that the others are far
//! ahead. The tail in memory begins where the others need it; what lies before
//! is read as the stage handles it, a block at a time.
//!
//! What a rank said lies in the file in the order of inputs, but at other places than the inputs:
//! whoever is slow speaks later. So each rank is read by itself, and a round is put together where
//! all are at its input.

use super::locked_state::{GATHER_BYTES, Inner, Slot, StageState};
use super::{Attached, Chunk, Journal, Round, Seat};
use crate::store::{Reader, Store, StoreError};
use everwarm_kernel::fact::{Body, Fact, Mask, Rank, RuntimeEvent};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Wall time for which a commit is waited before the end of the journal is looked for.
const WAIT: Duration = Duration::from_millis(50);

/// One rank, read on its own.
struct Lane<B> {
    rank: u16,
    mask: Mask,
    reader: Reader,
    /// Read and not given yet, with its row.
    read: VecDeque<(u64, Fact<B>)>,
    /// Whether all that is committed has been read.
    dry: bool,
}

impl<B: Body> Lane<B> {
    /// From row `from` on.
    fn new(rank: u16, mask: Mask, from: u64) -> Lane<B> {
        Lane { rank, mask, reader: Reader::at(from), read: VecDeque::new(), dry: false }
    }

    /// What it said about input `n`, in one chunk; what lies before is forgotten.
    fn about(&mut self, n: u64, store: &Store) -> Result<Option<Arc<Chunk<B>>>, StoreError> {
        let (mut first, mut facts) = (0, Vec::new());
        loop {
            while let Some((row, fact)) = self.read.pop_front_if(|(_, fact)| fact.key.n <= n) {
                if fact.key.n == n {
                    first = if facts.is_empty() { row } else { first };
                    facts.push(fact);
                }
            }
            if self.dry || !self.read.is_empty() {
                return Ok((!facts.is_empty()).then(|| Arc::new(Chunk::new(first, facts))));
            }
            let Lane { rank, mask, reader, read, .. } = self;
            let more = reader.block(store, &mut |row, fact: Fact<B>| {
                if fact.key.rank == *rank && mask.has(fact.body.kind()) {
                    read.push_back((row, fact));
                }
            })?;
            self.dry = !more;
        }
    }
}

/// Reads rounds for one stage.
pub(crate) struct Past<B> {
    /// Every input, for its time.
    inputs: Lane<B>,
    lower: Vec<Lane<B>>,
    higher: Vec<Lane<B>>,
    own: Lane<B>,
    interest: Mask,
}

impl<B: Body> Past<B> {
    /// The rounds from `after` + 1 to `last`, all of which are committed as far as they are seen.
    fn rounds(
        &mut self,
        store: &Store,
        after: u64,
        last: u64,
    ) -> Result<Vec<Round<B>>, StoreError> {
        let own = std::slice::from_mut(&mut self.own);
        let lanes = self.lower.iter_mut().chain(&mut self.higher).chain(own);
        // What was committed meanwhile is there to be read.
        lanes.chain([&mut self.inputs]).for_each(|lane| lane.dry = false);
        let mut rounds = Vec::new();
        for n in after + 1..=last {
            let mut seen = Vec::new();
            for lane in &mut self.higher {
                seen.extend(lane.about(n - 1, store)?);
            }
            let missing = || StoreError::Torn {
                path: store.path.clone(),
                reason: format!("input {n} is not in it"),
            };
            let input = self.inputs.about(n, store)?.ok_or_else(missing)?;
            let time = input.facts[0].time;
            if input.mask.meets(self.interest) {
                seen.push(input);
            }
            for lane in &mut self.lower {
                seen.extend(lane.about(n, store)?);
            }
            let own = self.own.about(n, store)?;
            rounds.push(Round { n, time, seen, own, failures: 0, held: false, asked: true });
        }
        Ok(rounds)
    }
}

impl<B: Body> Inner<B> {
    /// Whether the tail in memory lacks rounds that follow input `n`, where a stage begins.
    pub(super) fn lacks_the_past(&self, n: u64) -> bool {
        self.rounds.front().is_some_and(|slot| slot.n > n + 1)
    }

    pub(super) fn past(&self, index: usize) -> Past<B> {
        let stage = &self.stages[index];
        let interest = stage.info.interest;
        let from = stage.checkpoint.as_ref().map_or(0, |c| c.row);
        let lanes = |of: &[usize]| -> Vec<Lane<B>> {
            of.iter().map(|q| Lane::new(self.stages[*q].info.rank.0, interest, from)).collect()
        };
        Past {
            inputs: Lane::new(Rank::INPUT.0, Mask::ALL, from),
            lower: lanes(&stage.lower),
            higher: lanes(&stage.higher),
            own: Lane::new(stage.info.rank.0, Mask::ALL, from),
            interest,
        }
    }

    /// The last input of which everything the stage may see is in the file. While the store thread
    /// is behind there is none: what a new stage says about its past must not pile up.
    pub(super) fn in_the_file(&self, index: usize) -> u64 {
        let stage = &self.stages[index];
        if self.pending_bytes > GATHER_BYTES {
            return 0;
        }
        let seen = stage.lower.iter().chain(&stage.higher).chain([&index]);
        let waiting = |q: &usize| self.stages[*q].said_behind > self.committed;
        let Some(front) = self.rounds.front().filter(|_| !seen.clone().any(waiting)) else {
            return 0;
        };
        let whole = last_row(front) <= self.committed;
        if whole { front.n } else { front.n - 1 }
    }
}

/// Last row of what was said about an input so far.
pub(super) fn last_row<B>(slot: &Slot<B>) -> u64 {
    let outs = slot.outs.iter().map(|(_, chunk)| chunk.last_row());
    outs.fold(slot.input.last_row(), u64::max)
}

impl<B: Body> Journal<B> {
    /// Takes over a stage's place.
    pub(crate) fn attach(&self, rank: Rank) -> Attached<B> {
        let mut inner = self.lock();
        let index = inner.index_of(rank);
        let saved = inner.stages[index].begins();
        let past = inner.lacks_the_past(saved).then(|| inner.past(index));
        let state = &mut inner.stages[index];
        state.needs = if past.is_some() { u64::MAX } else { 0 };
        state.incarnation += 1;
        state.absent = false;
        state.waker = None;
        // What a predecessor still handles is its own.
        state.at = Arc::default();
        let seat = Seat {
            index,
            at: Arc::clone(&state.at),
            incarnation: state.incarnation,
            rank: rank.0,
            version: state.info.version,
            marker: std::marker::PhantomData,
        };
        let (passed, joined, since) = (state.passed, state.joined, state.since);
        Attached { seat, passed, joined, since, checkpoint: state.checkpoint.clone(), past }
    }

    /// Says which stages speak under another version from here on.
    pub(super) fn announce_upgrades(&self) {
        let upgraded: Vec<B> = {
            let inner = self.lock();
            let changed =
                |s: &&StageState| !s.is_over() && s.spoke != 0 && s.spoke != s.info.version;
            let event = |s: &StageState| {
                let (rank, from, to) = (s.info.rank, s.spoke, s.info.version);
                B::runtime(RuntimeEvent::StageUpgraded { rank, from, to })
            };
            inner.stages.iter().filter(changed).map(event).collect()
        };
        if !upgraded.is_empty() {
            let writer = self.writer("runtime");
            let appended = self.append(&writer, i64::MIN, upgraded);
            appended.expect("nobody has closed or taken over a journal that was just opened");
        }
    }

    /// Up to `max` rounds after `after`, read from the file; none where the next is not whole in
    /// it yet.
    pub(crate) fn past_rounds(
        &self,
        seat: &Seat<B>,
        past: &mut Past<B>,
        after: u64,
        max: usize,
    ) -> Result<Vec<Round<B>>, StoreError> {
        let wanted = after + max as u64;
        let (last, marked) = {
            let mut inner = self.lock();
            let (admitted, marked) = inner.admitted(seat.index, wanted);
            let last = admitted.max(inner.stages[seat.index].passed).min(wanted);
            (last.min(inner.in_the_file(seat.index)), marked)
        };
        self.tell(&[], marked);
        let rounds = past.rounds(&self.store, after, last)?;
        let inner = self.lock();
        let poison = &inner.stages[seat.index].poison;
        let round = |round: Round<B>| {
            let (failures, held) = (poison.failures(round.n), poison.has_held(round.n));
            let asked = poison.skips.asked(round.n);
            Round { failures, held, asked, ..round }.without(&poison.skips.at(round.n))
        };
        Ok(rounds.into_iter().map(round).collect())
    }

    /// Whether a stage that reads the past may go on with the tail in memory behind `cursor`, which
    /// is then kept for it.
    pub(crate) fn join(&self, seat: &Seat<B>, cursor: u64) -> bool {
        let mut inner = self.lock();
        let joins = inner.slot(cursor).is_some();
        let state = &mut inner.stages[seat.index];
        if joins && state.incarnation == seat.incarnation {
            state.needs = cursor;
        }
        joins
    }

    /// Waits for a commit, not for long. False where the journal has ended.
    pub(crate) fn wait_for_a_commit(&self) -> bool {
        let inner = self.lock();
        let before = inner.committed;
        let waiting = |inner: &mut Inner<B>| inner.committed == before && !inner.ended;
        let waited = self.commits.wait_timeout_while(inner, WAIT, waiting);
        !waited.unwrap_or_else(std::sync::PoisonError::into_inner).0.ended
    }
}
