//! The journal: one order of facts.
//!
//! `append` and `pass` are synchronous, under one short lock: they check the writer's incarnation,
//! number the facts, publish them to the tail in memory and queue them for the store thread. They
//! never wait and there is no await between a step and its append, so a kill cannot fall between. A
//! stage's facts about an input and its having passed that input are one act.
//!
//! Stages read by *round*: input `n` and what each rank said about it. Everybody else reads by
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
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
pub(crate) use stored_rounds::Past;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
pub use waker::Waker;

/// Bytes waiting for the store thread above which inputs wait.
const QUEUE_BYTES: usize = 32 << 20;
/// Bytes of the tail above which inputs wait; from half of it on, stages that hold much of it save
/// themselves.
const TAIL_BYTES: usize = 24 << 20;
/// Inputs a stage handles between checkpoints in the file, at most.
const CHECKPOINT_INPUTS: u64 = 1000;
/// Time between checkpoints in the file of a stage that is fed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Time between looks of a store thread that has nothing to write.
const IDLE: Duration = Duration::from_millis(100);
/// Inputs a stage handles between checkpoints in memory, at least.
const MEMORY_INPUTS: u64 = 32;
/// A stage saves itself in memory once it was fed this many times the size of its state: then
/// saving costs a fraction of the work it saves a successor.
const MEMORY_FED: usize = 2;

/// Facts of one append, shared by all readers.
#[derive(Debug)]
pub struct Chunk<B> {
    /// Row of the first fact.
    pub first_row: u64,
    /// Kinds within.
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
    /// A successor has taken over: the writer must end.
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

/// Where an append stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Number of the last input appended.
    pub n: u64,
    /// Row of the last fact appended; what [`Journal::durable`] waits for.
    pub row: u64,
}

/// What a stage may handle next: one input and what it may see of it.
pub struct Round<B> {
    /// The input.
    pub n: u64,
    /// Its event time.
    pub time: i64,
    /// Facts it may see, in the order it must see them; only chunks that hold something of
    /// interest.
    pub seen: Vec<Arc<Chunk<B>>>,
    /// What it has said about `n` already.
    pub own: Option<Arc<Chunk<B>>>,
    /// How often it has failed at `n`.
    pub(crate) failures: u32,
    /// Whether it has held its thread at `n`.
    pub(crate) held: bool,
    /// Whether it is asked about `n`, or only given it.
    pub(crate) asked: bool,
}

/// The journal of one store.
pub struct Journal<B: Body> {
    inner: Mutex<Inner<B>>,
    work: Condvar,
    /// What the sealing thread waits for: enough to seal, a commit, the end.
    seals: Condvar,
    /// What a stage waits for that reads the past: a commit, the end.
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

/// What a stage gets when it takes over its place.
pub(crate) struct Attached<B> {
    pub seat: Seat<B>,
    pub passed: u64,
    /// The input by which it joined; 0: it was there before the first.
    pub joined: u64,
    /// Last input an older version passed; what it decided is not decided again.
    pub since: u64,
    pub checkpoint: Option<Arc<CheckpointRow>>,
    /// Where its first rounds are in the file alone.
    pub past: Option<Past<B>>,
}

/// A stage's right to speak, until a successor takes it over.
pub(crate) struct Seat<B> {
    index: usize,
    incarnation: u64,
    rank: u16,
    version: u16,
    /// The input it handles now.
    pub(crate) at: Arc<At>,
    marker: std::marker::PhantomData<fn() -> B>,
}

impl<B: Body> Journal<B> {
    /// Opens the journal in `store` for these stages and starts the store thread.
    ///
    /// A stage the journal does not know joins it: it is given what comes from here on.
    ///
    /// # Errors
    /// A stage that takes part is not among them, or see [`StoreError`].
    pub fn open(
        store: Store,
        mut stages: Vec<StageInfo>,
        options: Options,
    ) -> Result<Arc<Self>, StoreError> {
        stages.sort_by_key(|s| s.rank);
        let found = store.recover()?;
        roster::check(&store, &found, &stages)?;
        let (mut inner, slots) = Inner::new(&found, &stages);
        start_checkpoint::has_past(&store, &inner.damaged)?;
        inner.load_tail(&store)?;
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

    /// Number of this process life on this store, from 1.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Has stages save themselves after this many inputs instead of a thousand.
    pub fn checkpoint_after(&self, inputs: u64) {
        self.checkpoint_inputs.store(inputs, Relaxed);
    }

    /// The kill points.
    #[must_use]
    pub fn chaos(&self) -> &Chaos {
        &self.options.chaos
    }

    /// The store behind it, to read what is committed.
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

    /// Tells of the last row that is on disk, whenever it is another.
    #[must_use]
    pub fn durable_rows(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    /// Takes over the right to append inputs under `name`: what its former holder still sends is
    /// refused.
    pub fn writer(&self, name: &'static str) -> Writer {
        let mut inner = self.lock();
        let incarnation = inner.writers.entry(name).or_default();
        *incarnation += 1;
        Writer { name, incarnation: *incarnation }
    }

    /// Waits while the store thread or a stage is too far behind. Called before a step, never
    /// within.
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

    /// Appends inputs, one act. Event time never decreases: an older stamp stays in the body.
    ///
    /// # Errors
    /// A successor has taken over, or the journal has ended; nothing is appended then.
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
        self.tell(&wake, notify);
        Ok(appended)
    }

    /// Resolves when row `row` is on disk, asking for a flush; false where the journal ended
    /// before.
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

    /// Wakes `waker` whenever a fact in `mask` is appended. One subscription a name: a successor
    /// replaces its predecessor's.
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
        // What lies before something that cannot be read is read for itself.
        if out.is_empty() { scanned.map(|()| out) } else { Ok(out) }
    }

    /// Whether every stage has passed the head, and what asked for a flush has been flushed.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.lock().settled()
    }

    /// Resolves when the journal has settled anew after this call: for those who wait for quiet.
    /// Made before [`Journal::settled`] is asked, it misses nothing.
    pub fn rested(&self) -> Notified<'_> {
        self.rest.notified()
    }

    /// The earliest event time at which a stage wants to be woken.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        self.lock().stages.iter().filter_map(|s| s.next_wake).min()
    }

    /// Age of the oldest fact that is not committed.
    #[must_use]
    pub fn uncommitted_age(&self) -> Duration {
        self.lock().pending_since.map_or(Duration::ZERO, |t| t.elapsed())
    }

    /// What its commits took.
    #[must_use]
    pub fn meter(&self) -> &StoreMeter {
        &self.meter
    }

    /// Saved states that could not be read when it was opened: each start took the one before, or
    /// reads the past again.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damaged> {
        self.lock().damaged.clone()
    }

    /// How far each stage is: (name, last input passed).
    #[must_use]
    pub fn progress(&self) -> Vec<(&'static str, u64)> {
        self.lock().present().map(|s| (s.info.name, s.passed)).collect()
    }

    /// How long ago the state of each stage was last saved for the next process; at first since the
    /// journal was opened.
    pub fn saved(&self) -> Vec<(&'static str, Duration)> {
        self.lock().present().map(|s| (s.info.name, s.saved_at.elapsed())).collect()
    }

    /// Flushes everything and ends the store thread. Appends are refused from here on.
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

    /// Ends it as the end of its process would: nothing more is written. For who has several lives
    /// in one process; the threads of a journal that is neither closed nor abandoned never end.
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

    /// Up to `max` rounds after `n`, as far as the gates are open; also those it has passed
    /// already.
    pub(crate) fn rounds(&self, seat: &Seat<B>, after: u64, max: usize) -> Vec<Round<B>> {
        let mut inner = self.lock();
        let (admitted, marked) = inner.admitted(seat.index, after + max as u64);
        let last = admitted.max(inner.stages[seat.index].passed).min(after + max as u64);
        let rounds = (after + 1..=last).map(|n| inner.round(seat.index, n)).collect();
        drop(inner);
        self.tell(&[], marked);
        rounds
    }

    /// One act: `drafts` are the stage's facts about `n`, and it has passed `n`.
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
        self.tell(&wake, notify);
        if settled {
            self.rest.notify_waiters();
        }
        Ok(())
    }

    /// Facts without the progress they imply: a broken promise, see [`Sabotage::CursorApart`].
    pub(crate) fn say_apart(&self, seat: &Seat<B>, n: u64, facts: Vec<Fact<B>>) {
        let mut inner = self.lock();
        let chunk = inner.publish(facts);
        if let Some(slot) = inner.slot_mut(n) {
            slot.outs.push((seat.index, chunk));
        }
    }

    /// Whether the stage should save itself; `fed` is the weight of what it has handled since it
    /// did.
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

    /// Keeps a saved state that stands at the last input passed, for a successor in this process;
    /// for those in later ones it is also queued for the file, from time to time or where it is the
    /// `last`.
    pub(crate) fn checkpoint(&self, seat: &Seat<B>, mut bytes: Vec<u8>, last: bool) {
        // It is kept for long, and may have been grown to twice its size.
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
        // What is committed may wait for nothing but this.
        inner.trim();
        let notify = inner.want(false);
        drop(inner);
        self.tell(&[], notify);
        self.space.notify_waiters();
    }

    fn tell(&self, wake: &[Arc<Waker>], notify: bool) {
        if notify {
            self.work.notify_one();
        }
        for waker in wake {
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
        // Whoever falls with the journal comes after its reason.
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
            let asked = facts_asked || inner.marks.waiting() || inner.closing;
            let unsynced = !inner.pending.is_empty() || inner.committed > inner.durable;
            let sync = asked || (unsynced && inner.synced_at.elapsed() >= self.options.sync);
            let waits = inner.pending_since.unwrap_or(began).elapsed();
            let gathered = !inner.pending.is_empty()
                && (waits >= self.options.lazy || inner.pending_bytes > GATHER_BYTES);
            if sync || gathered {
                return Some(inner.batch(sync));
            }
            // Where nothing waits, whatever comes first wakes us.
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
            inner.bytes.1 = done.sealed.unwrap_or(inner.bytes.1);
            if synced {
                inner.durable = inner.committed;
                inner.synced_at = clock::now();
            }
            inner.pending_since = (!inner.pending.is_empty()).then(clock::now);
            inner.trim();
            let mut again = inner.marked(synced);
            // Who reads the past waits for nothing else.
            let readers = inner.stages.iter().filter(|s| s.needs == u64::MAX);
            again.extend(readers.filter_map(|s| s.waker.clone()));
            let seals = done.sealed.is_some() || inner.seals();
            (inner.durable, synced && inner.settled(), again, seals)
        };
        self.tell(&again, false);
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
