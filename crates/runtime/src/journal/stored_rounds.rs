//! Rounds that are only in the file. They are for a stage that has no saved state, because it is
//! new or has a new version. They are also for a stage that was stopped for so long that the others
//! are far ahead. The tail in memory begins where the other stages need it. The stage reads earlier
//! rounds from the file, a block at a time.
//!
//! The file holds the facts of one rank in the order of inputs. But a slow rank appends later than
//! others. So each rank has its own reader. A round is complete when all readers are at its input.

use super::locked_state::{GATHER_BYTES, Inner, Slot, StageState};
use super::{Attached, Chunk, Journal, Round, Seat};
use crate::store::{Reader, Store, StoreError};
use everwarm_kernel::fact::{Body, Fact, Mask, Rank, RuntimeEvent};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Wall time to wait for a commit before checking whether the journal has ended.
const WAIT: Duration = Duration::from_millis(50);

/// The reader of one rank.
struct Lane<B> {
    rank: u16,
    mask: Mask,
    reader: Reader,
    /// Facts that are read and not used yet, with their rows.
    read: VecDeque<(u64, Fact<B>)>,
    /// Whether all committed facts have been read.
    dry: bool,
}

impl<B: Body> Lane<B> {
    /// Reads from row `from` on.
    fn new(rank: u16, mask: Mask, from: u64) -> Lane<B> {
        Lane { rank, mask, reader: Reader::at(from), read: VecDeque::new(), dry: false }
    }

    /// Its facts about input `n`, in one chunk. Drops facts about earlier inputs.
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
    /// All inputs: their event times are needed.
    inputs: Lane<B>,
    lower: Vec<Lane<B>>,
    higher: Vec<Lane<B>>,
    own: Lane<B>,
    interest: Mask,
}

impl<B: Body> Past<B> {
    /// Reads the rounds from `after` + 1 to `last`. All their visible facts must be committed.
    fn rounds(
        &mut self,
        store: &Store,
        after: u64,
        last: u64,
    ) -> Result<Vec<Round<B>>, StoreError> {
        let own = std::slice::from_mut(&mut self.own);
        let lanes = self.lower.iter_mut().chain(&mut self.higher).chain(own);
        // More facts may have been committed meanwhile.
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

    /// The last input of which everything the stage may see is in the file. It is 0 while the store
    /// thread is behind. Otherwise the facts of a new stage about history would pile up.
    pub(super) fn in_the_file(&self, index: usize) -> u64 {
        let stage = &self.stages[index];
        if self.pending_bytes > GATHER_BYTES {
            return 0;
        }
        let seen = stage.lower.iter().chain(&stage.higher).chain([&index]);
        let waiting = |q: &usize| self.stages[*q].appended_behind > self.committed;
        let Some(front) = self.rounds.front().filter(|_| !seen.clone().any(waiting)) else {
            return 0;
        };
        let whole = last_row(front) <= self.committed;
        if whole { front.n } else { front.n - 1 }
    }
}

/// Last row of the facts about an input so far.
pub(super) fn last_row<B>(slot: &Slot<B>) -> u64 {
    let outs = slot.outs.iter().map(|(_, chunk)| chunk.last_row());
    outs.fold(slot.input.last_row(), u64::max)
}

impl<B: Body> Journal<B> {
    /// Takes over the rank of a stage for a new instance.
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
        // The predecessor keeps its own marker of the input it handles.
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

    /// Appends an input for each stage that has another version from here on.
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

    /// Up to `max` rounds after `after`, read from the file. None if the file does not hold the
    /// next one completely yet.
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
        self.notify(&[], marked);
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

    /// Whether a stage that reads history can continue with the tail in memory after `cursor`. If
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

    /// Waits briefly for a commit. False if the journal has ended.
    pub(crate) fn wait_for_a_commit(&self) -> bool {
        let inner = self.lock();
        let before = inner.committed;
        let waiting = |inner: &mut Inner<B>| inner.committed == before && !inner.ended;
        let waited = self.commits.wait_timeout_while(inner, WAIT, waiting);
        !waited.unwrap_or_else(std::sync::PoisonError::into_inner).0.ended
    }
}
