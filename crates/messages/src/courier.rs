//! The actor that delivers messages to one receiver. It reads durable facts, makes messages of
//! them, and sends each until the receiver accepts it.

use super::mail::{Lane, Mail};
use super::outbox::Message;
use super::receiver::{Trouble, client_of, send};
use everwarm_config::Receiver;
use everwarm_config::messages::Terms;
use everwarm_edge::task::guarded;
use everwarm_edge::world::World;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::journal::Waker;
use everwarm_views::news::INTEREST;
use everwarm_views::views::{ApartView, DeliveryView};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wall time between two checks for facts that have become durable.
const LOOK: Duration = Duration::from_millis(250);
/// Items within this time of the first one go into one message.
const GATHER: Duration = Duration::from_secs(1);
/// Rows after which the position is saved, even if there was no message.
const KEEP_ROWS: u64 = 20_000;
/// Wait after the first failure, and the longest wait. It doubles with each failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// How often a message may be rejected before it is put aside as rejected.
const REFUSALS: u32 = 5;
/// Wait after the journal could not be read.
const UNREADABLE: Duration = Duration::from_mins(1);

/// The dependencies of a courier.
pub struct Post {
    /// The receiver of its messages.
    pub receiver: Receiver,
    /// The current terms of delivery.
    pub terms: Box<dyn Fn() -> Terms + Send + Sync>,
    /// Where it records the state of deliveries.
    pub deliveries: Deliveries,
}

/// The state of deliveries, by receiver.
#[derive(Clone, Debug, Default)]
pub struct Deliveries(Arc<Mutex<BTreeMap<&'static str, DeliveryView>>>);

impl Deliveries {
    /// Records the result of an attempt.
    pub fn note(&self, receiver: &'static str, done: Result<(), &str>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let view = all.entry(receiver).or_insert_with(|| DeliveryView::of(receiver));
        match done {
            Ok(()) => {
                view.taken += 1;
                (view.failing_since, view.why) = (None, None);
            }
            Err(why) => {
                view.failing_since.get_or_insert_with(|| wall().utc());
                view.why = Some(why.to_owned());
            }
        }
    }

    /// Records the messages that the receiver rejected for good.
    pub fn refused(&self, receiver: &'static str, apart: Option<ApartView>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(receiver).or_insert_with(|| DeliveryView::of(receiver)).apart = apart;
    }

    /// The state of all receivers, by name.
    #[must_use]
    pub fn all(&self) -> Vec<DeliveryView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// The messages that the actor handles.
#[derive(Debug)]
pub enum CourierMsg {
    /// There may be new facts.
    News,
    /// It is time to check again.
    Tick,
    /// The result of sending a message.
    Sent(Result<(), Trouble>),
}

/// The actor.
pub struct Courier;

/// The message being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// The next message of an outbox.
    Due(Lane),
    /// The oldest rejected message.
    Apart,
}

/// The delivery state of one outbox.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// When the first item of the next message came.
    gathering: Option<Instant>,
    /// How often the current message was rejected.
    refusals: u32,
    /// After a rejection, this outbox sends nothing before this time.
    not_before: Instant,
}

/// Its state.
pub struct State {
    world: World,
    post: Arc<Post>,
    client: Client,
    waker: Arc<Waker>,
    /// `None` while a task reads or writes with it.
    mail: Option<Mail>,
    /// The position saved last.
    kept: u64,
    courses: [Course; 2],
    sending: Option<Sending>,
    /// Number of messages rejected by earlier processes and still to be sent once more.
    again: usize,
    /// When the receiver accepted the last message.
    taken: Option<Instant>,
    /// After a failure, nothing is sent before this time.
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
        let mail = Mail::load(&world.archive, name, world.journal.last_row());
        let mail = mail.map_err(|e| world.history_failed(e.into()))?.unwrap_or_default();
        drop(begun);
        let client = client_of(&post.receiver)?;
        let waker = Waker::new(move || drop(me.send_message(CourierMsg::News)));
        world.journal.subscribe(name, INTEREST, Arc::clone(&waker));
        post.deliveries.refused(name, mail.refused());
        let (kept, again, not_before) = (mail.rows(), mail.apart(), clock::now());
        Ok(State {
            world,
            post,
            client,
            waker,
            mail: Some(mail),
            kept,
            courses: [Course { gathering: None, refusals: 0, not_before }; 2],
            sending: None,
            again,
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
        if self.sending.is_none() {
            match self.next() {
                Some((what, message, wait)) if wait.is_zero() => self.send(me, what, message),
                Some((_, _, wait)) => self.tick_after(me, wait),
                None => {}
            }
        }
        if behind {
            self.tick_after(me, LOOK);
        }
        Ok(())
    }

    /// The message to send next and how long it must wait. Urgent messages come first. Earlier
    /// rejected ones come last.
    fn next(&self) -> Option<(Sending, Message, Duration)> {
        let (mail, now) = (self.mail.as_ref()?, clock::now());
        let due = Lane::ALL.into_iter().filter_map(|lane| {
            let wait = self.may_send_at(lane).saturating_duration_since(now);
            Some((Sending::Due(lane), mail.lane(lane).due()?, wait))
        });
        let apart = mail.oldest_apart().filter(|_| self.again > 0);
        let apart = apart.map(|message| {
            let wait = self.may_send_at(Lane::Calm).saturating_duration_since(now);
            (Sending::Apart, message, wait)
        });
        // The first of those with the shortest wait.
        let next = due.chain(apart).min_by_key(|(_, _, wait)| *wait);
        next.map(|(what, message, wait)| (what, message.clone(), wait))
    }

    /// The earliest time at which this outbox may send.
    fn may_send_at(&self, lane: Lane) -> Instant {
        let open = self.not_before.max(self.courses[lane as usize].not_before);
        let rested = self.taken.map(|taken| taken + (self.post.terms)().every);
        rested.map_or(open, |rested| rested.max(open))
    }

    /// Reads durable facts, as far as the next messages have room; true if there are more.
    async fn gather(&mut self) -> Result<bool, ActorProcessingErr> {
        let Some(mut mail) = self.mail.take() else {
            return Err("the response is incomplete".into());
        };
        let (journal, post) = (Arc::clone(&self.world.journal), Arc::clone(&self.post));
        let work = tokio::task::spawn_blocking(move || {
            let read = mail.read_on(&journal, &(post.terms)().without);
            (mail, read.map_err(|e| e.to_string()))
        });
        let (mail, read) = work.await?;
        for lane in Lane::ALL {
            let gathering = &mut self.courses[lane as usize].gathering;
            if mail.lane(lane).has_news() && gathering.is_none() {
                *gathering = Some(clock::now());
            }
        }
        let behind = mail.has_news() || mail.next_row() <= self.world.journal.last_row();
        let rows = mail.rows();
        self.mail = Some(mail);
        if let Err(e) = read {
            let name = self.post.receiver.name();
            tracing::warn!("{name} gets no messages: {e}");
            self.post.deliveries.note(name, Err(&e));
            self.not_before = clock::now() + UNREADABLE;
        }
        if rows >= self.kept + KEEP_ROWS {
            self.keep(false).await?;
        }
        Ok(behind)
    }

    /// Makes messages of the gathered items when they are due, and saves them.
    async fn close(&mut self) -> Result<(), ActorProcessingErr> {
        let now = clock::now();
        let mut closed = false;
        for lane in Lane::ALL {
            let (not_before, course) = (self.may_send_at(lane), self.courses[lane as usize]);
            let ripe = course.gathering.is_some_and(|since| now >= since + GATHER);
            let Some(mail) = &mut self.mail else { continue };
            let outbox = mail.lane_mut(lane);
            if now >= not_before && (ripe || outbox.is_full()) && outbox.close() {
                self.courses[lane as usize].gathering = None;
                closed = true;
            }
        }
        if closed { self.keep(true).await } else { Ok(()) }
    }

    async fn keep(&mut self, durable: bool) -> Result<(), ActorProcessingErr> {
        let Some(mail) = self.mail.clone() else { return Ok(()) };
        self.kept = mail.rows();
        let (world, name) = (self.world.clone(), self.post.receiver.name());
        let pen = world.pens.take(name).await;
        let work = tokio::task::spawn_blocking(move || {
            let _until_done = pen;
            world.chaos().point(Site::BeforeCommit, name);
            let kept = mail.keep(&world.archive, name, durable);
            kept.map_err(|e| world.history_failed(e.into()))?;
            world.chaos().point(Site::AfterCommit, name);
            Ok::<_, String>(())
        });
        match work.await {
            Ok(done) => done?,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(e) => return Err(e.to_string().into()),
        }
        if let Some(mail) = &mut self.mail {
            mail.is_kept();
        }
        Ok(())
    }

    fn send(&mut self, me: &ActorRef<CourierMsg>, what: Sending, message: Message) {
        self.sending = Some(what);
        let (me, post, client) = (me.clone(), Arc::clone(&self.post), self.client.clone());
        tokio::spawn(async move {
            let sent = guarded(send(&post.receiver, &client, &message)).await;
            // If this actor has ended, its successor sends the message again.
            drop(me.send_message(CourierMsg::Sent(sent.unwrap_or_else(|e| Err(Trouble::of(e))))));
        });
    }

    async fn sent(&mut self, done: Result<(), Trouble>) -> Result<(), ActorProcessingErr> {
        let (Some(what), Some(mail)) = (self.sending.take(), &mut self.mail) else {
            return Ok(());
        };
        let name = self.post.receiver.name();
        self.post.deliveries.note(name, done.as_ref().copied().map_err(|e| e.why.as_str()));
        match done {
            Ok(()) => {
                (self.tries, self.taken) = (0, Some(clock::now()));
                match what {
                    Sending::Due(lane) => {
                        self.courses[lane as usize].refusals = 0;
                        mail.lane_mut(lane).taken();
                    }
                    Sending::Apart => {
                        self.again = self.again.saturating_sub(1);
                        mail.tried_again(None, wall().utc());
                    }
                }
            }
            Err(Trouble { why, refused: true, .. }) => match what {
                Sending::Due(lane) => {
                    let course = &mut self.courses[lane as usize];
                    course.refusals += 1;
                    if course.refusals < REFUSALS {
                        if course.refusals == 1 {
                            tracing::warn!("{name} rejects a message: {why}");
                        }
                        course.not_before = clock::now() + back_off(course.refusals - 1);
                        return Ok(());
                    }
                    course.refusals = 0;
                    let id = mail.lane(lane).due().map_or("", |message| &message.id);
                    tracing::error!(
                        "{name} rejected message {id} {REFUSALS} times: {why}; it is quarantined"
                    );
                    mail.set_apart(lane, &why, wall().utc());
                }
                Sending::Apart => {
                    self.again = self.again.saturating_sub(1);
                    mail.tried_again(Some(&why), wall().utc());
                }
            },
            Err(trouble) => {
                let wait = back_off(self.tries).max(trouble.wait.unwrap_or_default());
                if self.tries == 0 {
                    tracing::warn!("{name} does not accept a message: {}", trouble.why);
                }
                self.tries += 1;
                self.not_before = clock::now() + wait;
                return Ok(());
            }
        }
        self.post.deliveries.refused(name, mail.refused());
        self.keep(true).await
    }

    fn tick_after(&mut self, me: &ActorRef<CourierMsg>, wait: Duration) {
        if !self.ticking {
            self.ticking = true;
            me.send_after(wait.clamp(Duration::from_millis(1), LOOK), || CourierMsg::Tick);
        }
    }
}

/// The wait after this number of failures before the last one.
pub(super) fn back_off(failures: u32) -> Duration {
    BACK_OFF.0.saturating_mul(1 << failures.min(16)).min(BACK_OFF.1)
}
