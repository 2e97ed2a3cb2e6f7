//! The state under the journal's lock: numbering, gates, the tail in memory.
//!
//! Over 500 lines: all that one lock guards.

use super::stored_rounds::last_row;
use super::{AppendError, Chunk, Damaged, Round, StageInfo, TAIL_BYTES, Waker};
use crate::clock;
use crate::poison::{At, Poison};
use crate::store::{Batch, CheckpointRow, Op, Recovered, Sealing, Slots, Store, StoreError};
use everwarm_kernel::fact::{Body, Fact, Key, Mask, Rank};
use everwarm_kernel::roster::{Joined, Member};
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Bytes waiting. Above this, the store thread stops gathering and commits.
pub(super) const GATHER_BYTES: usize = 2 << 20;

pub(super) struct Slot<B> {
    pub(super) n: u64,
    pub(super) input: Arc<Chunk<B>>,
    /// Facts of each stage about the input, by stage index.
    pub(super) outs: Vec<(usize, Arc<Chunk<B>>)>,
}

pub(super) struct StageState {
    pub(super) info: StageInfo,
    /// Its entry in the roster.
    pub(super) who: Joined,
    pub(super) lower: Vec<usize>,
    pub(super) higher: Vec<usize>,
    pub(super) incarnation: u64,
    /// Its supervisor stopped it, and the journal passes inputs for it.
    pub(super) absent: bool,
    pub(super) passed: u64,
    /// The input by which it joined, 0 if it took part before the first input; and the input by
    /// which it left.
    pub(super) joined: u64,
    pub(super) left: Option<u64>,
    /// Version of its last facts, and the last input that an older version passed.
    pub(super) spoke: u16,
    pub(super) since: u64,
    /// The newest saved state, which may be in memory only.
    pub(super) checkpoint: Option<Arc<CheckpointRow>>,
    /// The input of the newest state for the file, and the time when that was queued.
    pub(super) written: u64,
    pub(super) saved_at: Instant,
    /// Published bytes at the time of the newest saved state.
    pub(super) saved_behind: u64,
    /// First input whose round it needs in memory, if not the one after its saved state. `u64::MAX`
    /// while it reads history from the file.
    pub(super) needs: u64,
    /// Row of its last fact about an input whose round is not in memory.
    pub(super) appended_behind: u64,
    pub(super) waker: Option<Arc<Waker>>,
    pub(super) next_wake: Option<i64>,
    pub(super) poison: Poison,
    /// The input its instance handles now.
    pub(super) at: Arc<At>,
    /// Whether the store does not have `poison` yet, and the mark that must be durable before the
    /// stage tries again.
    pub(super) poison_changed: bool,
    pub(super) mark: u64,
}

impl StageState {
    /// A stage that has received nothing yet.
    pub(super) fn new(info: StageInfo) -> StageState {
        StageState {
            who: super::roster::fixed(&info),
            lower: Vec::new(),
            higher: Vec::new(),
            incarnation: 0,
            absent: false,
            passed: 0,
            joined: 0,
            left: None,
            spoke: 0,
            since: 0,
            checkpoint: None,
            written: 0,
            saved_at: clock::now(),
            saved_behind: 0,
            needs: 0,
            appended_behind: 0,
            waker: None,
            next_wake: None,
            poison: Poison::default(),
            at: Arc::default(),
            poison_changed: false,
            mark: 0,
            info,
        }
    }

    /// The input at which its next instance begins.
    pub(super) fn begins(&self) -> u64 {
        self.checkpoint.as_ref().map_or(self.joined, |c| c.n)
    }

    /// Whether it has left and passed its last input. Other stages no longer wait for it.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_some_and(|left| self.passed + 1 >= left)
    }
}

pub(super) struct Reader {
    pub(super) mask: Mask,
    pub(super) waker: Arc<Waker>,
}

pub(super) struct Inner<B> {
    pub(super) next_row: u64,
    pub(super) head: u64,
    pub(super) time: i64,
    pub(super) tail: VecDeque<Arc<Chunk<B>>>,
    pub(super) tail_bytes: usize,
    /// Weight of all facts that were ever in the tail.
    pub(super) published: u64,
    pub(super) rounds: VecDeque<Slot<B>>,
    pub(super) pending: Vec<Op<B>>,
    /// Rows of the roster that the next commit writes.
    pub(super) roster: Vec<Member>,
    pub(super) pending_bytes: usize,
    pub(super) pending_since: Option<Instant>,
    /// Bytes waiting above which the store thread wakes; 0 while it is idle.
    pub(super) gather: usize,
    pub(super) committed: u64,
    pub(super) durable: u64,
    /// Bytes of blocks ever written, and how many of them are sealed.
    pub(super) bytes: (u64, u64),
    /// Last row of a thinned segment that the live file has yet to name and flush.
    pub(super) thins: Option<u64>,
    /// Number of commits that wrote a saved state.
    pub(super) saves: u64,
    pub(super) sealing: Sealing,
    /// First row that each projection still has to read, by name.
    pub(super) holds: BTreeMap<&'static str, u64>,
    pub(super) synced_at: Instant,
    pub(super) sync_wanted: u64,
    pub(super) marks: super::poison::Marks,
    pub(super) stages: Vec<StageState>,
    /// Saved states that were unreadable when the journal was opened.
    pub(super) damaged: Vec<Damaged>,
    pub(super) writers: BTreeMap<&'static str, u64>,
    pub(super) readers: BTreeMap<&'static str, Reader>,
    pub(super) closing: bool,
    /// Nothing more is written, as if the process had ended.
    pub(super) abandoned: bool,
    pub(super) ended: bool,
}

impl<B: Body> Inner<B> {
    /// Makes the state from the recovered store. Returns it with the slots of the good saved states
    /// in the file.
    pub(super) fn new(found: &Recovered, infos: &[StageInfo]) -> (Inner<B>, Slots) {
        let passed = |rank: u16| {
            let row = found.passed.iter().find(|(r, _)| *r == rank);
            row.map(|(_, p)| *p).unwrap_or_default()
        };
        let state = |info: &StageInfo| {
            let last = passed(info.rank.0);
            let upgraded = last.version != 0 && last.version != info.version;
            let poison = found.poison.iter().find(|(r, _)| *r == info.rank.0);
            let mut poison = poison.map(|(_, p)| p.clone()).unwrap_or_default();
            let poison_changed = poison.reopen(upgraded);
            StageState {
                passed: last.n,
                spoke: last.version,
                since: if upgraded { last.n } else { last.since },
                poison,
                poison_changed,
                ..StageState::new(info.clone())
            }
        };
        let mut stages: Vec<StageState> = infos.iter().map(state).collect();
        let roster = super::roster::enrol(found, &mut stages);
        let (damaged, slots) = super::start_checkpoint::choose_checkpoints(found, &mut stages);
        let mut inner = Inner {
            next_row: found.row + 1,
            head: passed(0).n,
            time: i64::MIN,
            tail: VecDeque::new(),
            tail_bytes: 0,
            published: 0,
            rounds: VecDeque::new(),
            pending: Vec::new(),
            roster,
            pending_bytes: 0,
            pending_since: None,
            gather: 0,
            committed: found.row,
            durable: found.row,
            bytes: found.bytes,
            thins: None,
            saves: 0,
            sealing: Sealing::default(),
            holds: BTreeMap::new(),
            synced_at: clock::now(),
            sync_wanted: 0,
            marks: super::poison::Marks::default(),
            stages,
            damaged,
            writers: BTreeMap::new(),
            readers: BTreeMap::new(),
            closing: false,
            abandoned: false,
            ended: false,
        };
        inner.relate();
        (inner, slots)
    }

    /// The stages that take part or have not passed their last input.
    pub(super) fn present(&self) -> impl Iterator<Item = &StageState> {
        self.stages.iter().filter(|s| !s.is_over())
    }

    /// Computes again which stages see the facts of which other stages.
    pub(super) fn relate(&mut self) {
        let mut by_rank: Vec<usize> = (0..self.stages.len()).collect();
        by_rank.sort_by_key(|i| self.stages[*i].info.rank);
        for (place, index) in by_rank.iter().enumerate() {
            let interest = self.stages[*index].info.interest;
            let seen = |q: &&usize| interest.meets(self.stages[**q].info.produces);
            let lower = by_rank[..place].iter().filter(seen).copied().collect();
            let higher = by_rank[place + 1..].iter().filter(seen).copied().collect();
            let state = &mut self.stages[*index];
            (state.lower, state.higher) = (lower, higher);
        }
    }

    /// Reads the facts after the oldest checkpoint, which the stages still have to fold. A stage
    /// without a checkpoint reads its history separately.
    pub(super) fn load_tail(&mut self, store: &Store) -> Result<(), StoreError> {
        let saved = self.present().filter_map(|s| s.checkpoint.as_ref());
        let oldest = saved.min_by_key(|c| c.n).map(|c| c.row);
        self.load_from(oldest.map_or_else(|| store.live_from(), Ok)?, store)?;
        // The tail holds only facts about inputs that are sealed.
        let whole_from = store.whole_from()?;
        if self.rounds.is_empty()
            && self.head > 0
            && self.tail.front().is_none_or(|c| c.first_row > whole_from)
        {
            (self.tail_bytes, self.published) = (0, 0);
            self.tail.clear();
            self.load_from(whole_from, store)?;
        }
        let lacks = self.lacks_the_past(0);
        let lacking = |s: &&mut StageState| lacks && s.checkpoint.is_none() && !s.is_over();
        for state in self.stages.iter_mut().filter(lacking) {
            state.needs = u64::MAX;
        }
        Ok(())
    }

    fn load_from(&mut self, from: u64, store: &Store) -> Result<(), StoreError> {
        let mut wrong = None;
        store.scan(from, &mut |row, fact: Fact<B>| {
            if let Err(why) = self.restore(row, fact) {
                wrong = Some(why);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        match wrong {
            Some(reason) => Err(StoreError::Torn { path: store.path.clone(), reason }),
            None => Ok(()),
        }
    }

    /// Takes one fact of the file back into the tail. The tail has no holes. It also keeps facts
    /// about inputs before the first round, for readers by row.
    pub(super) fn restore(&mut self, row: u64, fact: Fact<B>) -> Result<(), String> {
        let Key { n, rank, .. } = fact.key;
        if rank == 0 {
            self.time = self.time.max(fact.time);
        }
        let joins = self.tail.back().is_some_and(|c| {
            let last = c.facts.last().expect("a chunk holds a fact").key;
            (last.n, last.rank) == (n, rank) && rank != 0
        });
        if joins {
            // Facts of one pass are neighbours in the file. They become one chunk again.
            let last = self.tail.pop_back().expect("it was just looked at");
            let index = self.index_of_rank(rank);
            if let Some(slot) = self.slot_mut(n) {
                slot.outs.retain(|(i, _)| Some(*i) != index);
            }
            self.tail_bytes -= last.weight;
            let last = Arc::into_inner(last).expect("nobody reads yet");
            let mut facts = last.facts;
            facts.push(fact);
            return self.place(Chunk::new(last.first_row, facts));
        }
        self.place(Chunk::new(row, vec![fact]))
    }

    pub(super) fn place(&mut self, chunk: Chunk<B>) -> Result<(), String> {
        let key = chunk.facts[0].key;
        let chunk = Arc::new(chunk);
        self.tail_bytes += chunk.weight;
        self.published += chunk.weight as u64;
        self.tail.push_back(Arc::clone(&chunk));
        if key.rank == 0 {
            let follows = self.rounds.back().is_none_or(|s| s.n + 1 == key.n);
            if !follows {
                return Err(format!("input {} does not follow its predecessor", key.n));
            }
            self.rounds.push_back(Slot { n: key.n, input: chunk, outs: Vec::new() });
        } else if let Some(index) = self.index_of_rank(key.rank)
            && let Some(slot) = self.slot_mut(key.n)
        {
            slot.outs.push((index, chunk));
        }
        Ok(())
    }

    pub(super) fn append_inputs(
        &mut self,
        time: i64,
        bodies: Vec<B>,
        wake: &mut Vec<Arc<Waker>>,
    ) -> bool {
        self.time = self.time.max(time);
        let mut mask = Mask::NONE;
        let mut synced = false;
        for body in bodies {
            self.head += 1;
            synced |= body.synced();
            let key = Key { n: self.head, rank: 0, i: 0 };
            let fact = Fact { key, time: self.time, version: 0, because: Vec::new(), body };
            let chunk = self.publish(vec![fact]);
            mask = mask.and(chunk.mask);
            self.rounds.push_back(Slot { n: self.head, input: chunk, outs: Vec::new() });
        }
        self.wake_ready(None, wake);
        self.wake_readers(mask, wake);
        self.stand_in(wake);
        self.want(synced)
    }

    pub(super) fn pass(
        &mut self,
        index: usize,
        n: u64,
        facts: Vec<Fact<B>>,
        next_wake: Option<i64>,
        wake: &mut Vec<Arc<Waker>>,
    ) -> bool {
        let synced = self.step_past(index, n, facts, next_wake, wake);
        self.stand_in(wake);
        synced
    }

    pub(super) fn step_past(
        &mut self,
        index: usize,
        n: u64,
        facts: Vec<Fact<B>>,
        next_wake: Option<i64>,
        wake: &mut Vec<Arc<Waker>>,
    ) -> bool {
        let state = &mut self.stages[index];
        assert!(n > state.passed, "{} passes {n} twice", state.info.name);
        state.passed = n;
        state.spoke = state.info.version;
        // A stage that receives nothing needs no clock input either.
        state.next_wake = next_wake.filter(|_| state.poison.skips.awake(n));
        if state.poison.passed(n) {
            state.poison_changed = true;
        }
        let mut synced = false;
        if !facts.is_empty() {
            synced = facts.iter().any(|f| f.body.synced());
            let chunk = self.publish(facts);
            let (mask, row) = (chunk.mask, chunk.last_row());
            if let Some(slot) = self.slot_mut(n) {
                slot.outs.push((index, chunk));
            } else {
                self.stages[index].appended_behind = row;
            }
            self.wake_readers(mask, wake);
        }
        self.wake_ready(Some(index), wake);
        self.want(synced)
    }

    pub(super) fn publish(&mut self, facts: Vec<Fact<B>>) -> Arc<Chunk<B>> {
        let count = facts.len() as u64;
        let chunk = Arc::new(Chunk::new(self.next_row, facts));
        self.next_row += count;
        self.tail_bytes += chunk.weight;
        self.published += chunk.weight as u64;
        self.pending_bytes += chunk.weight;
        self.pending_since.get_or_insert_with(clock::now);
        self.tail.push_back(Arc::clone(&chunk));
        self.pending.push(Op::Facts(Arc::clone(&chunk)));
        chunk
    }

    /// Whether every stage has passed the last input, and all requested flushes are done.
    pub(super) fn settled(&self) -> bool {
        self.sync_wanted <= self.durable && self.present().all(|s| s.passed == self.head)
    }

    /// Requests a flush if `synced`. Returns whether to wake the store thread.
    pub(super) fn want(&mut self, synced: bool) -> bool {
        if synced {
            self.sync_wanted = self.next_row - 1;
        }
        let much = self.pending_bytes > self.gather;
        if much {
            self.gather = GATHER_BYTES;
        }
        synced || much
    }

    /// Wakes the stages whose gate is open beyond what they have passed: all stages, or those that
    /// see facts of `of`.
    pub(super) fn wake_ready(&self, of: Option<usize>, wake: &mut Vec<Arc<Waker>>) {
        for (i, stage) in self.stages.iter().enumerate() {
            let concerned =
                of.is_none_or(|of| stage.lower.contains(&of) || stage.higher.contains(&of));
            if concerned && self.ready(i) > stage.passed {
                wake.extend(stage.waker.clone());
            }
        }
    }

    pub(super) fn wake_readers(&self, mask: Mask, wake: &mut Vec<Arc<Waker>>) {
        let concerned = self.readers.values().filter(|r| r.mask.meets(mask));
        wake.extend(concerned.map(|r| Arc::clone(&r.waker)));
    }

    /// The last input that a stage may handle. Every lower rank it sees has passed this input, and
    /// every higher one the input before.
    pub(super) fn ready(&self, index: usize) -> u64 {
        let stage = &self.stages[index];
        let waits = |q: &&usize| !self.stages[**q].is_over();
        let lower = stage.lower.iter().filter(waits).map(|q| self.stages[*q].passed);
        let higher = stage.higher.iter().filter(waits).map(|q| self.stages[*q].passed + 1);
        // A stage that leaves does not receive the input by which it leaves.
        let last = stage.left.map_or(self.head, |left| (left - 1).min(self.head));
        lower.chain(higher).fold(last, u64::min)
    }

    pub(super) fn round(&self, index: usize, n: u64) -> Round<B> {
        let stage = &self.stages[index];
        let wanted = |c: &Arc<Chunk<B>>| c.mask.meets(stage.info.interest);
        let mut seen = Vec::new();
        let from = |slot: &Slot<B>, ranks: &[usize], seen: &mut Vec<Arc<Chunk<B>>>| {
            for rank in ranks {
                let of = slot.outs.iter().filter(|(i, c)| i == rank && wanted(c));
                seen.extend(of.map(|(_, c)| Arc::clone(c)));
            }
        };
        if let Some(before) = self.slot(n - 1) {
            from(before, &stage.higher, &mut seen);
        }
        let slot =
            self.slot(n).expect("a round is kept until every stage has saved itself behind it");
        seen.extend(Some(&slot.input).filter(|c| wanted(c)).cloned());
        from(slot, &stage.lower, &mut seen);
        let own = slot.outs.iter().find(|(i, _)| *i == index).map(|(_, c)| Arc::clone(c));
        let time = slot.input.facts[0].time;
        let (failures, held) = (stage.poison.failures(n), stage.poison.has_held(n));
        let skips = &stage.poison.skips;
        Round { n, time, seen, own, failures, held, asked: skips.asked(n) }.without(&skips.at(n))
    }

    pub(super) fn slot(&self, n: u64) -> Option<&Slot<B>> {
        let first = self.rounds.front()?.n;
        self.rounds.get(usize::try_from(n.checked_sub(first)?).ok()?)
    }

    pub(super) fn slot_mut(&mut self, n: u64) -> Option<&mut Slot<B>> {
        let first = self.rounds.front()?.n;
        self.rounds.get_mut(usize::try_from(n.checked_sub(first)?).ok()?)
    }

    fn in_a_round(&self, chunk: &Arc<Chunk<B>>) -> bool {
        self.slot(chunk.facts[0].key.n).is_some_and(|slot| {
            let outs = slot.outs.iter().map(|(_, c)| c);
            outs.chain([&slot.input]).any(|c| Arc::ptr_eq(c, chunk))
        })
    }

    /// Whether the tail is long and a good part of it is kept for this stage. If the tail is long
    /// because the store is slow, saving a state would not shorten it.
    pub(super) fn holds_tail(&self, index: usize) -> bool {
        let behind = self.published - self.stages[index].saved_behind;
        self.tail_bytes > TAIL_BYTES / 2 && behind > TAIL_BYTES as u64 / 4
    }

    pub(super) fn row_of(&self, n: u64) -> Option<u64> {
        self.slot(n).map(|s| s.input.first_row)
    }

    pub(super) fn index_of(&self, rank: Rank) -> usize {
        self.index_of_rank(rank.0).expect("a stage attaches to the journal it was declared to")
    }

    pub(super) fn index_of_rank(&self, rank: u16) -> Option<usize> {
        self.stages.iter().position(|s| s.info.rank.0 == rank)
    }

    pub(super) fn open(&self) -> Result<(), AppendError> {
        if self.ended || self.closing { Err(AppendError::Closed) } else { Ok(()) }
    }

    /// Takes everything that the next commit writes.
    pub(super) fn batch(&mut self, sync: bool) -> Batch<B> {
        let stages = self.stages.iter().filter(|s| s.passed > 0);
        let passed = stages.map(|s| (s.info.rank.0, s.passed, s.spoke, s.since)).collect();
        self.pending_bytes = 0;
        let (poison, last) = (self.poison_rows(), self.closing);
        let (ops, head, bytes) = (std::mem::take(&mut self.pending), self.head, self.bytes.0);
        let roster = std::mem::take(&mut self.roster);
        Batch { ops, passed, roster, head, bytes, poison, sync, last }
    }

    /// Whether the live file holds enough for a segment, besides the part that stays in it.
    pub(super) fn seals(&self) -> bool {
        self.bytes.0 - self.bytes.1 >= self.sealing.keep + self.sealing.segment
    }

    /// Drops committed facts that every checkpoint in memory covers.
    pub(super) fn trim(&mut self) {
        self.leave_behind();
        let saved = |s: &StageState| match &s.checkpoint {
            Some(checkpoint) if s.needs == 0 => checkpoint.n,
            _ => s.needs,
        };
        let base = self.present().map(saved).fold(self.head, u64::min);
        while self.rounds.front().is_some_and(|s| s.n < base && last_row(s) <= self.committed) {
            let gone = self.rounds.pop_front().expect("it was just looked at");
            let first = self.tail.front().map_or(self.next_row, |c| c.first_row);
            let chunks = std::iter::once(&gone.input).chain(gone.outs.iter().map(|(_, c)| c));
            // The weight of chunks that left the tail before their round was counted until now.
            let late = chunks.filter(|c| c.first_row < first);
            self.tail_bytes -= late.map(|c| c.weight).sum::<usize>();
        }
        let keep = self.rounds.front().map_or(self.next_row, |s| s.input.first_row);
        // If inputs were appended far ahead, facts about earlier inputs follow inputs whose rounds
        // are still kept. A long tail is cut there too. Readers by row find the rest in the file.
        while self.tail.front().is_some_and(|c| {
            let cut = c.last_row() < keep || self.tail_bytes > TAIL_BYTES / 2;
            cut && c.last_row() <= self.committed
        }) {
            let gone = self.tail.pop_front().expect("it was just looked at");
            if !self.in_a_round(&gone) {
                self.tail_bytes -= gone.weight;
            }
        }
    }
}
