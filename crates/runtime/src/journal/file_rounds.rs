//! Rounds that are only in the file.
//!
//! A stage reads them if it has no saved state, because it is new or has a new version. A stage
//! that was stopped for long reads them too. The tail in memory begins where the other stages need
//! it. Earlier rounds are read while the stage handles them, a block at a time.
//!
//! The facts of a rank lie in the file in the order of inputs, but not beside the inputs: a slow
//! stage appends later. So each rank is read on its own, and a round is assembled when all are at
//! its input.

use super::inner::{GATHER_BYTES, Inner, Slot, StageState};
use super::{Attached, Chunk, Journal, Round, Seat};
use crate::store::{Reader, Store, StoreError};
use everwarm_kernel::fact::{Body, Fact, Mask, Rank, RuntimeEvent};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Wall time to wait for a commit before the end of the journal is checked.
const WAIT: Duration = Duration::from_millis(50);

/// One rank, read on its own.
struct Lane<B> {
    rank: u16,
    mask: Mask,
    reader: Reader,
    /// Facts that were read and not returned yet, with their rows.
    read: VecDeque<(u64, Fact<B>)>,
    /// Whether all committed facts were read.
    dry: bool,
}

impl<B: Body> Lane<B> {
    /// Starts at row `from`.
    fn new(rank: u16, mask: Mask, from: u64) -> Lane<B> {
        Lane { rank, mask, reader: Reader::at(from), read: VecDeque::new(), dry: false }
    }

    /// The facts about input `n`, in one chunk. Earlier ones are dropped.
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

/// A reader of rounds for one stage.
pub(crate) struct FileRounds<B> {
    /// Every input, for its time.
    inputs: Lane<B>,
    lower: Vec<Lane<B>>,
    higher: Vec<Lane<B>>,
    own: Lane<B>,
    interest: Mask,
}

impl<B: Body> FileRounds<B> {
    /// The rounds from `after` + 1 to `last`, whose visible facts are all committed.
    fn rounds(
        &mut self,
        store: &Store,
        after: u64,
        last: u64,
    ) -> Result<Vec<Round<B>>, StoreError> {
        let own = std::slice::from_mut(&mut self.own);
        let lanes = self.lower.iter_mut().chain(&mut self.higher).chain(own);
        // Facts may have been committed since the last read.
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
            rounds.push(Round { n, time, seen, own, failures: 0, held: false, decides: true });
        }
        Ok(rounds)
    }
}

impl<B: Body> Inner<B> {
    /// Whether the tail in memory lacks rounds after input `n`, where a stage starts.
    pub(super) fn tail_lacks(&self, n: u64) -> bool {
        self.rounds.front().is_some_and(|slot| slot.n > n + 1)
    }

    pub(super) fn file_rounds(&self, index: usize) -> FileRounds<B> {
        let stage = &self.stages[index];
        let interest = stage.info.interest;
        let from = stage.checkpoint.as_ref().map_or(0, |c| c.row);
        let lanes = |of: &[usize]| -> Vec<Lane<B>> {
            of.iter().map(|q| Lane::new(self.stages[*q].info.rank.0, interest, from)).collect()
        };
        FileRounds {
            inputs: Lane::new(Rank::INPUT.0, Mask::ALL, from),
            lower: lanes(&stage.lower),
            higher: lanes(&stage.higher),
            own: Lane::new(stage.info.rank.0, Mask::ALL, from),
            interest,
        }
    }

    /// The last input whose visible facts are all in the file; 0 while the store thread is behind:
    /// facts of a new stage about its history must not pile up.
    pub(super) fn last_in_file(&self, index: usize) -> u64 {
        let stage = &self.stages[index];
        if self.pending_bytes > GATHER_BYTES {
            return 0;
        }
        let seen = stage.lower.iter().chain(&stage.higher).chain([&index]);
        let waiting = |q: &usize| self.stages[*q].row_behind > self.committed;
        let Some(front) = self.rounds.front().filter(|_| !seen.clone().any(waiting)) else {
            return 0;
        };
        let whole = last_row(front) <= self.committed;
        if whole { front.n } else { front.n - 1 }
    }
}

/// Row of the last fact about an input so far.
pub(super) fn last_row<B>(slot: &Slot<B>) -> u64 {
    let outs = slot.outs.iter().map(|(_, chunk)| chunk.last_row());
    outs.fold(slot.input.last_row(), u64::max)
}

impl<B: Body> Journal<B> {
    /// Takes over the place of a stage.
    pub(crate) fn attach(&self, rank: Rank) -> Attached<B> {
        let mut inner = self.lock();
        let index = inner.index_of(rank);
        let saved = inner.stages[index].begins();
        let file_rounds = inner.tail_lacks(saved).then(|| inner.file_rounds(index));
        let state = &mut inner.stages[index];
        state.needs = if file_rounds.is_some() { u64::MAX } else { 0 };
        state.incarnation += 1;
        state.absent = false;
        state.waker = None;
        // The earlier instance keeps its own marker of the current input.
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
        Attached { seat, passed, joined, since, checkpoint: state.checkpoint.clone(), file_rounds }
    }

    /// Appends an input for each stage whose version changed.
    pub(super) fn announce_upgrades(&self) {
        let upgraded: Vec<B> = {
            let inner = self.lock();
            let changed = |s: &&StageState| {
                !s.is_over() && s.last_version != 0 && s.last_version != s.info.version
            };
            let event = |s: &StageState| {
                let (rank, from, to) = (s.info.rank, s.last_version, s.info.version);
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

    /// Up to `max` rounds after `after`, read from the file; none if the next one is not complete
    /// there.
    pub(crate) fn rounds_from_file(
        &self,
        seat: &Seat<B>,
        file_rounds: &mut FileRounds<B>,
        after: u64,
        max: usize,
    ) -> Result<Vec<Round<B>>, StoreError> {
        let wanted = after + max as u64;
        let (last, marked) = {
            let mut inner = self.lock();
            let (admitted, marked) = inner.admitted(seat.index, wanted);
            let last = admitted.max(inner.stages[seat.index].passed).min(wanted);
            (last.min(inner.last_in_file(seat.index)), marked)
        };
        self.wake_up(&[], marked);
        let rounds = file_rounds.rounds(&self.store, after, last)?;
        let inner = self.lock();
        let poison = &inner.stages[seat.index].poison;
        let round = |round: Round<B>| {
            let (failures, held) = (poison.failures(round.n), poison.has_held(round.n));
            let decides = poison.skips.decides(round.n);
            Round { failures, held, decides, ..round }.without(&poison.skips.at(round.n))
        };
        Ok(rounds.into_iter().map(round).collect())
    }

    /// Whether a stage that reads its history may go on with the tail in memory behind `cursor`. If
    /// so, the tail is kept for it.
    pub(crate) fn join(&self, seat: &Seat<B>, cursor: u64) -> bool {
        let mut inner = self.lock();
        let joins = inner.slot(cursor).is_some();
        let state = &mut inner.stages[seat.index];
        if joins && state.incarnation == seat.incarnation {
            state.needs = cursor;
        }
        joins
    }

    /// Waits briefly for a commit; false if the journal has ended.
    pub(crate) fn wait_for_a_commit(&self) -> bool {
        let inner = self.lock();
        let before = inner.committed;
        let waiting = |inner: &mut Inner<B>| inner.committed == before && !inner.ended;
        let waited = self.commits.wait_timeout_while(inner, WAIT, waiting);
        !waited.unwrap_or_else(std::sync::PoisonError::into_inner).0.ended
    }
}
