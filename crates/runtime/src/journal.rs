//! The journal: all facts in one order.
//!
//! `append` and `pass` are synchronous, under one short lock. They check the writer's incarnation
//! and number the facts. Then they publish them to the tail in memory and queue them for the store
//! thread. They never wait. There is no await between a step and its append, so a kill cannot
//! separate them. A stage appends its facts about an input and passes that input in one act.
//!
//! Stages read by *round*: input `n` and the facts of each rank about it. All other readers read by
//! *row*: the order of the file.
//!
//! Over 500 lines: the public face of the journal; its parts lie in its folder.

mod conditional_append;
mod locked_state;
mod options;
mod poison;
mod roster;
mod seal;
mod start_checkpoint;
mod stopped_stages;
mod stored_rounds;
mod waker;

use crate::chaos::{Chaos, Sabotage};
use crate::clock;
use crate::meter::StoreMeter;
use crate::poison::At;
use crate::store::{self, Batch, CheckpointRow, Committed, Op, Store, StoreError};
use everwarm_kernel::fact::{Body, Fact, Mask};
use locked_state::{GATHER_BYTES, Inner, Reader};
pub use options::Options;
pub use roster::{Enrol, StageInfo};
pub use start_checkpoint::Damaged;
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
pub(crate) use stored_rounds::Past;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
pub use waker::Waker;

/// Bytes waiting for the store thread. Above this, inputs wait.
const QUEUE_BYTES: usize = 32 << 20;
/// Bytes of the tail. Above this, inputs wait. From half of it on, stages that hold much of the
/// tail save their states.
const TAIL_BYTES: usize = 24 << 20;
/// Maximum of inputs that a stage handles between checkpoints in the file.
const CHECKPOINT_INPUTS: u64 = 1000;
/// Time between checkpoints in the file for a stage that receives facts.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Time between checks of a store thread that has nothing to write.
const IDLE: Duration = Duration::from_millis(100);
/// Minimum of inputs that a stage handles between checkpoints in memory.
const MEMORY_INPUTS: u64 = 32;
/// A stage saves itself in memory after it received this many times the size of its state. Saving
/// then costs a fraction of the work that a successor saves.
const MEMORY_FED: usize = 2;

/// Facts of one append, shared by all readers.
#[derive(Debug)]
pub struct Chunk<B> {
    /// Row of the first fact.
    pub first_row: u64,
    /// Set of the kinds of these facts.
    pub mask: Mask,
    /// The facts; never empty.
    pub facts: Vec<Fact<B>>,
    weight: usize,
}

impl<B> Chunk<B> {
    /// Rough size in memory, bytes.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Row of the last fact.
    #[must_use]
    pub fn last_row(&self) -> u64 {
        self.first_row + self.facts.len() as u64 - 1
    }
}

/// Why an append was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A successor has taken over. The writer must end.
    #[error("a successor has taken over")]
    Fenced,
    /// The journal has ended.
    #[error("the journal has ended")]
    Closed,
}

/// The right to append inputs under a name, until a successor takes it over.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    name: &'static str,
    incarnation: u64,
}

/// The place of an append in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Number of the last input appended.
    pub n: u64,
    /// Row of the last fact appended. Pass it to [`Journal::durable`].
    pub row: u64,
}

/// One input that a stage may handle, with the facts it may see.
pub struct Round<B> {
    /// Number of the input.
    pub n: u64,
    /// Event time of the input, UTC milliseconds.
    pub time: i64,
    /// Facts it may see, in the order it must see them. Chunks without facts of interest are left
    /// out.
    pub seen: Vec<Arc<Chunk<B>>>,
    /// Facts that it has already appended about `n`.
    pub own: Option<Arc<Chunk<B>>>,
    /// How often it has failed at `n`.
    pub(crate) failures: u32,
    /// Whether it has blocked its thread at `n`.
    pub(crate) held: bool,
    /// Whether it decides on `n`. If not, it only folds the facts.
    pub(crate) asked: bool,
}

/// The journal of one store.
pub struct Journal<B: Body> {
    inner: Mutex<Inner<B>>,
    work: Condvar,
    /// Wakes the sealing thread: enough to seal, a commit, or the end.
    seals: Condvar,
    /// Wakes a stage that reads history: a commit, or the end.
    commits: Condvar,
    durable: watch::Sender<u64>,
    space: Notify,
    rest: Notify,
    store: Store,
    options: Options,
    life: u64,
    checkpoint_inputs: AtomicU64,
    meter: StoreMeter,
    /// The sealing thread and the store thread, in the order in which they end.
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// The data that a stage receives when it takes over its rank.
pub(crate) struct Attached<B> {
    pub seat: Seat<B>,
    pub passed: u64,
    /// The input by which it joined; 0 if it took part before the first input.
    pub joined: u64,
    /// Last input that an older version passed. The stage does not decide again up to it.
    pub since: u64,
    pub checkpoint: Option<Arc<CheckpointRow>>,
    /// Reader of its first rounds, if these are only in the file.
    pub past: Option<Past<B>>,
}

/// A stage's right to append facts, until a successor takes it over.
pub(crate) struct Seat<B> {
    index: usize,
    incarnation: u64,
    rank: u16,
    version: u16,
    /// The input that the stage handles now.
    pub(crate) at: Arc<At>,
    marker: std::marker::PhantomData<fn() -> B>,
}

impl<B: Body> Journal<B> {
    /// Opens the journal in `store` for these stages and starts the store thread.
    ///
    /// A stage that the journal does not know joins it. It receives the inputs from here on.
    ///
    /// # Errors
    /// A stage that takes part is not in `stages`, or see [`StoreError`].
    pub fn open(
        store: Store,
        mut stages: Vec<StageInfo>,
        options: Options,
    ) -> Result<Arc<Self>, StoreError> {
        stages.sort_by_key(|s| s.rank);
        let found = store.recover()?;
        roster::check(&store, &found, &stages)?;
        let (mut inner, slots) = Inner::new(&found, &stages);
        let instead = start_checkpoint::past::<B>(&store, &inner.stages, &mut inner.damaged)?;
        inner.load_tail(&store)?;
        for (index, saved) in instead {
            inner.stages[index].checkpoint = Some(Arc::new(saved));
        }
        let durable = watch::Sender::new(found.row);
        let journal = Arc::new(Journal {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            seals: Condvar::new(),
            commits: Condvar::new(),
            durable,
            space: Notify::new(),
            rest: Notify::new(),
            store,
            options,
            life: found.life,
            checkpoint_inputs: AtomicU64::new(CHECKPOINT_INPUTS),
            meter: StoreMeter::default(),
            threads: Mutex::default(),
        });
        let io = |e| StoreError::io(&journal.store.path, &e);
        let own = Arc::clone(&journal);
        let run = move || store::run(&own.store, &*own, (own.life, slots), &own.options.chaos);
        let writing = std::thread::Builder::new().name("store".into()).spawn(run).map_err(io)?;
        let sealing = journal.start_sealing().map_err(io)?;
        *journal.threads.lock().unwrap_or_else(PoisonError::into_inner) = vec![sealing, writing];
        journal.announce_upgrades();
        journal.join_new();
        journal.begin_up();
        Ok(journal)
    }

    /// Number of this run on this store, from 1.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Sets the maximum of inputs between checkpoints in the file. The default is 1000.
    pub fn checkpoint_after(&self, inputs: u64) {
        self.checkpoint_inputs.store(inputs, Relaxed);
    }

    /// The kill points of this process.
    #[must_use]
    pub fn chaos(&self) -> &Chaos {
        &self.options.chaos
    }

    /// The store, to read committed facts.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Number of the last input.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.lock().head
    }

    /// Row of the last fact.
    #[must_use]
    pub fn last_row(&self) -> u64 {
        self.lock().next_row - 1
    }

    /// Last row that is on disk.
    #[must_use]
    pub fn durable_row(&self) -> u64 {
        *self.durable.borrow()
    }

    /// Watches the last row that is on disk.
    #[must_use]
    pub fn durable_rows(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    /// Takes over the right to append inputs under `name`. The journal rejects appends of the
    /// former writer.
    pub fn writer(&self, name: &'static str) -> Writer {
        let mut inner = self.lock();
        let incarnation = inner.writers.entry(name).or_default();
        *incarnation += 1;
        Writer { name, incarnation: *incarnation }
    }

    /// Waits while the store thread or a stage is too far behind. Call it before a step, never
    /// during one.
    pub async fn room(&self) {
        loop {
            let space = self.space.notified();
            {
                let inner = self.lock();
                let full = inner.pending_bytes > QUEUE_BYTES || inner.tail_bytes > TAIL_BYTES;
                if !full || inner.ended {
                    return;
                }
            }
            if tokio::time::timeout(Duration::from_millis(50), space).await.is_err() {
                self.wake_all();
            }
        }
    }

    /// Appends inputs in one act. Event time never decreases: an older `time` is raised to the last
    /// one.
    ///
    /// # Errors
    /// A successor has taken over, or the journal has ended. Nothing is appended then.
    pub fn append(
        &self,
        writer: &Writer,
        time: i64,
        bodies: Vec<B>,
    ) -> Result<Appended, AppendError> {
        let mut wake = Vec::new();
        let (appended, notify) = {
            let mut inner = self.lock();
            inner.open()?;
            if inner.writers.get(writer.name) != Some(&writer.incarnation) {
                return Err(AppendError::Fenced);
            }
            let notify = inner.append_inputs(time, bodies, &mut wake);
            (Appended { n: inner.head, row: inner.next_row - 1 }, notify)
        };
        self.notify(&wake, notify);
        Ok(appended)
    }

    /// Requests a flush and resolves when row `row` is on disk; false if the journal ended before.
    pub async fn durable(&self, row: u64) -> bool {
        if self.options.chaos.sabotaged(Sabotage::NoSync) {
            return true;
        }
        let mut seen = self.durable.subscribe();
        {
            let mut inner = self.lock();
            if inner.durable >= row {
                return true;
            }
            if inner.ended {
                return false;
            }
            inner.sync_wanted = inner.sync_wanted.max(row);
        }
        self.work.notify_one();
        loop {
            if *seen.borrow_and_update() >= row {
                return true;
            }
            if self.lock().ended || seen.changed().await.is_err() {
                return *seen.borrow() >= row;
            }
        }
    }

    /// Wakes `waker` whenever a fact in `mask` is appended. Each name has one subscription: a
    /// successor replaces the one of its predecessor.
    pub fn subscribe(&self, name: &'static str, mask: Mask, waker: Arc<Waker>) {
        waker.raise();
        self.lock().readers.insert(name, Reader { mask, waker });
    }

    /// Facts from row `from` on, in the order of the file; empty at the head.
    ///
    /// # Errors
    /// A row before the tail cannot be read from the file.
    pub fn read(&self, from: u64, chunks: usize) -> Result<Vec<Arc<Chunk<B>>>, StoreError> {
        {
            let inner = self.lock();
            if from >= inner.next_row {
                return Ok(Vec::new());
            }
            if inner.tail.front().is_some_and(|c| c.first_row <= from) {
                let at = inner.tail.partition_point(|c| c.last_row() < from);
                return Ok(inner.tail.range(at..).take(chunks).cloned().collect());
            }
        }
        let mut out = Vec::new();
        let scanned = self.store.scan(from, &mut |row, fact: Fact<B>| {
            out.push(Arc::new(Chunk::new(row, vec![fact])));
            if out.len() < 4096 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        // Facts before an unreadable place are returned first. The next read gives the error.
        if out.is_empty() { scanned.map(|()| out) } else { Ok(out) }
    }

    /// Whether every stage has passed the last input, and all requested flushes are done.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.lock().settled()
    }

    /// Resolves when the journal settles after this call. Call it before [`Journal::settled`], so
    /// that no change is missed.
    pub fn rested(&self) -> Notified<'_> {
        self.rest.notified()
    }

    /// The earliest event time at which a stage wants to be woken.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        Some(self.wanted_wake()?.0)
    }

    /// The same with the last input that this stage has passed. If stages want the same time, the
    /// latest of their inputs.
    #[must_use]
    pub fn wanted_wake(&self) -> Option<(i64, u64)> {
        let inner = self.lock();
        let wakes = inner.stages.iter().filter_map(|s| Some((s.next_wake?, s.passed)));
        wakes.min_by_key(|(at, passed)| (*at, Reverse(*passed)))
    }

    /// Age of the oldest fact that is not committed.
    #[must_use]
    pub fn uncommitted_age(&self) -> Duration {
        self.lock().pending_since.map_or(Duration::ZERO, |t| t.elapsed())
    }

    /// Durations of its commits.
    #[must_use]
    pub fn meter(&self) -> &StoreMeter {
        &self.meter
    }

    /// Saved states that were unreadable when the journal was opened. For each, the stage started
    /// from the state before it, or reads its history again.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damaged> {
        self.lock().damaged.clone()
    }

    /// Progress of each stage: (name, last input passed).
    #[must_use]
    pub fn progress(&self) -> Vec<(&'static str, u64)> {
        self.lock().present().map(|s| (s.info.name, s.passed)).collect()
    }

    /// Time since the state of each stage was last saved in the file. Before the first save, time
    /// since the journal was opened.
    pub fn saved(&self) -> Vec<(&'static str, Duration)> {
        self.lock().present().map(|s| (s.info.name, s.saved_at.elapsed())).collect()
    }

    /// Flushes everything and ends the store thread. The journal rejects appends from here on.
    pub fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
        self.seals.notify_all();
        let threads = &mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            drop(thread.join());
        }
        self.end();
    }

    /// Ends the journal as a kill of the process would: nothing more is written. It is for tests
    /// with several runs in one process. Without `close` or `abandon`, the threads of a journal
    /// never end.
    pub fn abandon(&self) {
        self.lock().abandoned = true;
        self.end();
        self.work.notify_one();
        let threads = &mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            drop(thread.join());
        }
    }

    pub(crate) fn listen(&self, seat: &Seat<B>, waker: Arc<Waker>) {
        waker.raise();
        let mut inner = self.lock();
        let state = &mut inner.stages[seat.index];
        if state.incarnation == seat.incarnation {
            state.waker = Some(waker);
        }
    }

    /// Up to `max` rounds after `after`, as far as the gates are open. Includes rounds that the
    /// stage has already passed.
    pub(crate) fn rounds(&self, seat: &Seat<B>, after: u64, max: usize) -> Vec<Round<B>> {
        let mut inner = self.lock();
        let (admitted, marked) = inner.admitted(seat.index, after + max as u64);
        let last = admitted.max(inner.stages[seat.index].passed).min(after + max as u64);
        let rounds = (after + 1..=last).map(|n| inner.round(seat.index, n)).collect();
        drop(inner);
        self.notify(&[], marked);
        rounds
    }

    /// Appends the stage's facts about `n` and passes `n`, in one act.
    pub(crate) fn pass(
        &self,
        seat: &Seat<B>,
        n: u64,
        facts: Vec<Fact<B>>,
        next_wake: Option<i64>,
    ) -> Result<(), AppendError> {
        let mut wake = Vec::new();
        let (notify, settled) = {
            let mut inner = self.lock();
            inner.open()?;
            if inner.stages[seat.index].incarnation != seat.incarnation {
                return Err(AppendError::Fenced);
            }
            let notify = inner.pass(seat.index, n, facts, next_wake, &mut wake);
            (notify, n == inner.head && inner.settled())
        };
        self.notify(&wake, notify);
        if settled {
            self.rest.notify_waiters();
        }
        Ok(())
    }

    /// Appends facts without the progress they imply. It breaks a promise, see
    /// [`Sabotage::CursorApart`].
    pub(crate) fn append_apart(&self, seat: &Seat<B>, n: u64, facts: Vec<Fact<B>>) {
        let mut inner = self.lock();
        let chunk = inner.publish(facts);
        if let Some(slot) = inner.slot_mut(n) {
            slot.outs.push((seat.index, chunk));
        }
    }

    /// Whether the stage should save itself. `fed` is the weight of the facts it handled since its
    /// last save.
    pub(crate) fn checkpoint_due(&self, seat: &Seat<B>, fed: usize) -> bool {
        let inner = self.lock();
        let state = &inner.stages[seat.index];
        let (n, size) = state.checkpoint.as_ref().map_or((0, 0), |c| (c.n, c.state.len()));
        let since = state.passed - n;
        since >= self.checkpoint_inputs.load(Relaxed)
            || (since >= MEMORY_INPUTS && fed >= size.saturating_mul(MEMORY_FED))
            || (since > 0
                && (state.saved_at.elapsed() >= CHECKPOINT_EVERY || inner.holds_tail(seat.index)))
    }

    /// Keeps a state saved at the last input passed, for a successor in this process. From time to
    /// time, or if it is the `last`, it is also queued for the file, for later runs.
    pub(crate) fn checkpoint(&self, seat: &Seat<B>, mut bytes: Vec<u8>, last: bool) {
        // The buffer may have twice the size of its content, and is kept for long.
        bytes.shrink_to_fit();
        let mut inner = self.lock();
        let n = inner.stages[seat.index].passed;
        let current = inner.stages[seat.index].incarnation == seat.incarnation;
        let Some(row) = inner.row_of(n).filter(|_| current) else { return };
        let saved = Arc::new(CheckpointRow { n, row, version: seat.version, state: bytes });
        let published = inner.published;
        let state = &mut inner.stages[seat.index];
        state.checkpoint = Some(Arc::clone(&saved));
        (state.saved_behind, state.needs) = (published, 0);
        let write = last
            || n - state.written >= self.checkpoint_inputs.load(Relaxed)
            || state.saved_at.elapsed() >= CHECKPOINT_EVERY;
        if write {
            (state.written, state.saved_at) = (n, clock::now());
            inner.pending_bytes += saved.state.len();
            inner.pending.push(Op::Checkpoint(seat.rank, saved));
        }
        // Committed facts may have been kept only for this stage.
        inner.trim();
        let notify = inner.want(false);
        drop(inner);
        self.notify(&[], notify);
        self.space.notify_waiters();
    }

    /// Wakes the store thread if `notify` is set, and these wakers.
    fn notify(&self, wake: &[Arc<Waker>], notify: bool) {
        if notify {
            self.work.notify_one();
        }
        // On one thread, the last one woken runs first: the lowest rank, for which the others wait.
        for waker in wake.iter().rev() {
            waker.raise();
        }
    }

    fn wake_all(&self) {
        let wakers: Vec<_> = {
            let inner = self.lock();
            inner.stages.iter().filter_map(|s| s.waker.clone()).collect()
        };
        for waker in wakers {
            waker.raise();
        }
    }

    fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        drop(inner);
        self.durable.send_modify(|_| {});
        self.space.notify_waiters();
        self.seals.notify_all();
        self.commits.notify_all();
    }

    fn fail(&self, why: &StoreError) {
        // Report the reason before other actors fail because the journal ended.
        (self.options.on_failure)(why);
        self.end();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<B>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Body> Chunk<B> {
    fn new(first_row: u64, facts: Vec<Fact<B>>) -> Chunk<B> {
        let mask = facts.iter().fold(0_u128, |m, f| m | 1 << f.body.kind());
        let weight = facts.iter().map(|f| f.body.weight() + 64).sum();
        Chunk { first_row, mask: Mask(mask), facts, weight }
    }
}

impl<B: Body> store::Source<B> for Journal<B> {
    fn next(&self) -> Option<Batch<B>> {
        let began = clock::now();
        let mut inner = self.lock();
        loop {
            if inner.abandoned {
                return None;
            }
            let facts_asked = inner.sync_wanted > inner.durable;
            let waited_for = inner.marks.waiting() || inner.thins.is_some();
            let asked = facts_asked || waited_for || inner.closing;
            let unsynced = !inner.pending.is_empty() || inner.committed > inner.durable;
            let sync = asked || (unsynced && inner.synced_at.elapsed() >= self.options.sync);
            let waits = inner.pending_since.unwrap_or(began).elapsed();
            let gathered = !inner.pending.is_empty()
                && (waits >= self.options.lazy || inner.pending_bytes > GATHER_BYTES);
            if sync || gathered {
                return Some(inner.batch(sync));
            }
            // If nothing waits, the first fact wakes this thread.
            let idle = inner.pending.is_empty();
            inner.gather = if idle { 0 } else { GATHER_BYTES };
            let gathers = if idle { IDLE } else { self.options.lazy.saturating_sub(waits) };
            let flush = self.options.sync.saturating_sub(inner.synced_at.elapsed());
            let wait = if unsynced { gathers.min(flush) } else { gathers };
            let wait = wait.max(Duration::from_millis(1));
            let waited = self.work.wait_timeout(inner, wait);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn committed(&self, done: Committed, synced: bool) {
        let meter = if synced { &self.meter.synced } else { &self.meter.lazy };
        meter.time(done.took);
        let (durable, settled, again, seals) = {
            let mut inner = self.lock();
            inner.committed = done.row.unwrap_or(inner.committed);
            inner.bytes.0 += done.bytes;
            inner.saves += u64::from(done.saved);
            inner.bytes.1 = done.sealed.unwrap_or(inner.bytes.1);
            if synced {
                inner.durable = inner.committed;
                inner.thins = inner.thins.filter(|last| done.thinned != Some(*last));
                inner.synced_at = clock::now();
            }
            inner.pending_since = (!inner.pending.is_empty()).then(clock::now);
            inner.trim();
            let mut again = inner.marked(synced);
            // Stages that read history wait only for commits.
            let readers = inner.stages.iter().filter(|s| s.needs == u64::MAX);
            again.extend(readers.filter_map(|s| s.waker.clone()));
            let moved = done.sealed.is_some() || done.thinned.is_some();
            let seals = moved || inner.seals();
            (inner.durable, synced && inner.settled(), again, seals)
        };
        self.notify(&again, false);
        self.commits.notify_all();
        if seals {
            self.seals.notify_all();
        }
        if synced {
            self.durable.send_replace(durable);
        }
        if settled {
            self.rest.notify_waiters();
        }
        self.space.notify_waiters();
    }

    fn failed(&self, why: StoreError) {
        self.fail(&why);
    }
}
