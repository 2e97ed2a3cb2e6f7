//! The actor that brings messages to one receiver: reads what is on disk, makes a message of it,
//! sends it until it is taken.

use super::news::{INTEREST, Topic};
use super::outbox::{Message, Outbox};
use super::receiver::{Receiver, Trouble};
use crate::edge::task::guarded;
use crate::edge::world::{World, wall};
use crate::ops::views::DeliveryView;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::clock;
use everwarm_runtime::fact::Body as _;
use everwarm_runtime::journal::Waker;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Chunks read at once.
const CHUNKS: usize = 512;
/// Wall time between looks at what is on its way to the disk.
const LOOK: Duration = Duration::from_millis(250);
/// What happens within this time of the first item is one message.
const GATHER: Duration = Duration::from_secs(1);
/// Rows after which the place is kept even though nothing was told.
const KEEP_ROWS: u64 = 20_000;
/// Wait after the first failure; it doubles with each, up to the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// Wait after what lies behind cannot be read.
const UNREADABLE: Duration = Duration::from_mins(1);

/// What is told of, and how often; it may change at any time.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What is not told.
    pub without: BTreeSet<Topic>,
    /// Time between two messages to one receiver, at least.
    pub every: Duration,
}

/// What a courier is given.
pub struct Post {
    /// Whom it tells.
    pub receiver: Receiver,
    /// The terms in force.
    pub terms: Box<dyn Fn() -> Terms + Send + Sync>,
    /// Where it says how it goes.
    pub deliveries: Deliveries,
}

/// How it goes with what is brought outside, by receiver.
#[derive(Clone, Debug, Default)]
pub struct Deliveries(Arc<Mutex<BTreeMap<&'static str, DeliveryView>>>);

impl Deliveries {
    /// Notes what became of a try.
    pub fn note(&self, receiver: &'static str, done: Result<(), &str>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let view = all.entry(receiver).or_insert_with(|| DeliveryView::of(receiver));
        match done {
            Ok(()) => {
                view.taken += 1;
                (view.failing_since, view.why) = (None, None);
            }
            Err(why) => {
                view.failing_since.get_or_insert_with(wall);
                view.why = Some(why.to_owned());
            }
        }
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> Vec<DeliveryView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// What a courier hears.
#[derive(Debug)]
pub enum CourierMsg {
    /// There may be new facts.
    News,
    /// Time to look again.
    Tick,
    /// What became of a message.
    Sent(Result<(), Trouble>),
}

/// The actor.
pub struct Courier;

/// Its state.
pub struct State {
    world: World,
    post: Arc<Post>,
    client: Client,
    waker: Arc<Waker>,
    /// Away while the disk is waited for.
    outbox: Option<Outbox>,
    /// The place that was kept last.
    kept: u64,
    gathering: Option<Instant>,
    sending: bool,
    /// When the last message was taken.
    taken: Option<Instant>,
    /// After what went wrong, not before this.
    not_before: Instant,
    tries: u32,
    ticking: bool,
}

impl Actor for Courier {
    type Msg = CourierMsg;
    type State = State;
    type Arguments = (World, Arc<Post>);

    async fn pre_start(
        &self,
        me: ActorRef<CourierMsg>,
        (world, post): (World, Arc<Post>),
    ) -> Result<State, ActorProcessingErr> {
        let name = post.receiver.name();
        let begun = world.pens.take(name).await;
        let outbox = Outbox::load(&world.archive, name, world.journal.last_row());
        let outbox = outbox.map_err(|e| world.history_failed(e.into()))?.unwrap_or_default();
        drop(begun);
        let client = post.receiver.client()?;
        let waker = Waker::new(move || drop(me.send_message(CourierMsg::News)));
        world.journal.subscribe(name, INTEREST, Arc::clone(&waker));
        let (kept, not_before) = (outbox.next_row(), clock::now());
        Ok(State {
            world,
            post,
            client,
            waker,
            outbox: Some(outbox),
            kept,
            gathering: None,
            sending: false,
            taken: None,
            not_before,
            tries: 0,
            ticking: false,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<CourierMsg>,
        message: CourierMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            CourierMsg::News => state.waker.clear(),
            CourierMsg::Tick => state.ticking = false,
            CourierMsg::Sent(done) => state.sent(done).await?,
        }
        state.turn(&me).await
    }
}

impl State {
    async fn turn(&mut self, me: &ActorRef<CourierMsg>) -> Result<(), ActorProcessingErr> {
        let behind = self.gather().await?;
        self.close().await?;
        let now = clock::now();
        let due = self.outbox.as_ref().and_then(Outbox::due).filter(|_| !self.sending);
        let wait = self.may_send_at().saturating_duration_since(now);
        match due.cloned() {
            Some(message) if wait.is_zero() => self.send(me, message),
            Some(_) => self.tick_after(me, wait),
            None => {}
        }
        if behind {
            self.tick_after(me, LOOK);
        }
        Ok(())
    }

    /// No message leaves before this.
    fn may_send_at(&self) -> Instant {
        let rested = self.taken.map(|taken| taken + (self.post.terms)().every);
        rested.map_or(self.not_before, |rested| rested.max(self.not_before))
    }

    /// Reads on, as far as facts are on disk and the next message takes them; true where there is
    /// more to come.
    async fn gather(&mut self) -> Result<bool, ActorProcessingErr> {
        let Some(mut outbox) = self.outbox.take() else {
            return Err("it was cut short".into());
        };
        let (journal, post) = (Arc::clone(&self.world.journal), Arc::clone(&self.post));
        let work = tokio::task::spawn_blocking(move || {
            let read = read_on(&mut outbox, &journal, &(post.terms)().without);
            (outbox, read.map_err(|e| e.to_string()))
        });
        let (outbox, read) = work.await?;
        let (has_news, row) = (outbox.has_news(), outbox.next_row());
        let behind = has_news || row <= self.world.journal.last_row();
        self.outbox = Some(outbox);
        if has_news && self.gathering.is_none() {
            self.gathering = Some(clock::now());
        }
        if let Err(e) = read {
            let name = self.post.receiver.name();
            tracing::warn!("{name} is not told what lies behind: {e}");
            self.post.deliveries.note(name, Err(&e));
            self.not_before = clock::now() + UNREADABLE;
        }
        if row >= self.kept + KEEP_ROWS {
            self.keep(false).await?;
        }
        Ok(behind)
    }

    /// Makes a message of what was gathered, once it is time, and keeps it.
    async fn close(&mut self) -> Result<(), ActorProcessingErr> {
        let (now, not_before) = (clock::now(), self.may_send_at());
        let ripe = self.gathering.is_some_and(|since| now >= since + GATHER);
        let Some(outbox) = self.outbox.as_mut().filter(|o| ripe || o.is_full()) else {
            return Ok(());
        };
        if now < not_before || !outbox.close() {
            return Ok(());
        }
        self.gathering = None;
        self.keep(true).await
    }

    async fn keep(&mut self, durable: bool) -> Result<(), ActorProcessingErr> {
        let Some(outbox) = self.outbox.clone() else { return Ok(()) };
        self.kept = outbox.next_row();
        let (world, name) = (self.world.clone(), self.post.receiver.name());
        let pen = world.pens.take(name).await;
        let work = tokio::task::spawn_blocking(move || {
            let _until_done = pen;
            world.chaos().point(Site::BeforeCommit, name);
            let kept = outbox.keep(&world.archive, name, durable);
            kept.map_err(|e| world.history_failed(e.into()))?;
            world.chaos().point(Site::AfterCommit, name);
            Ok::<_, String>(())
        });
        match work.await {
            Ok(done) => Ok(done?),
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(e) => Err(e.to_string().into()),
        }
    }

    fn send(&mut self, me: &ActorRef<CourierMsg>, message: Message) {
        self.sending = true;
        let (me, post, client) = (me.clone(), Arc::clone(&self.post), self.client.clone());
        tokio::spawn(async move {
            let sent = guarded(post.receiver.send(&client, &message)).await;
            // Who is gone has a successor, which sends it again.
            drop(me.send_message(CourierMsg::Sent(sent.unwrap_or_else(|e| Err(Trouble::of(e))))));
        });
    }

    async fn sent(&mut self, done: Result<(), Trouble>) -> Result<(), ActorProcessingErr> {
        self.sending = false;
        let name = self.post.receiver.name();
        self.post.deliveries.note(name, done.as_ref().copied().map_err(|e| e.why.as_str()));
        let Err(trouble) = done else {
            (self.tries, self.taken) = (0, Some(clock::now()));
            if let Some(outbox) = &mut self.outbox {
                outbox.taken();
            }
            return self.keep(true).await;
        };
        let wait = BACK_OFF.0.saturating_mul(1 << self.tries.min(16)).min(BACK_OFF.1);
        let wait = wait.max(trouble.wait.unwrap_or_default());
        if self.tries == 0 {
            tracing::warn!("{name} does not take a message: {}", trouble.why);
        }
        self.tries += 1;
        self.not_before = clock::now() + wait;
        Ok(())
    }

    fn tick_after(&mut self, me: &ActorRef<CourierMsg>, wait: Duration) {
        if !self.ticking {
            self.ticking = true;
            me.send_after(wait.clamp(Duration::from_millis(1), LOOK), || CourierMsg::Tick);
        }
    }
}

/// Takes in what is on disk; see [`State::gather`].
fn read_on(
    outbox: &mut Outbox,
    journal: &everwarm_runtime::journal::Journal<crate::domain::fact::Body>,
    without: &BTreeSet<Topic>,
) -> Result<(), everwarm_runtime::store::StoreError> {
    let durable = journal.durable_row();
    while outbox.next_row() <= durable && !outbox.is_full() {
        let chunks = journal.read(outbox.next_row(), CHUNKS)?;
        let Some(last) = chunks.last().map(|chunk| chunk.last_row().min(durable)) else { break };
        for chunk in &chunks {
            let from = outbox.next_row();
            for (fact, row) in chunk.facts.iter().zip(chunk.first_row..) {
                let ours = row >= from && row <= durable && INTEREST.has(fact.body.kind());
                if ours && !outbox.take(row, fact, without) {
                    return Ok(());
                }
            }
        }
        outbox.skip_to(last);
    }
    Ok(())
}
