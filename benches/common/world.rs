//! The daemon's stages and followers as actors under its supervisor, over a store on disk.

use super::market::{Instant as Filling, Seen, Tape};
use everwarm::daemon_run::{APPLICATION, places};
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Body, Order};
use everwarm_domain::market::Bar;
use everwarm_domain::order::OrderIntent;
use everwarm_domain::time::UtcMs;
use everwarm_edge::operation::config::InForce;
use everwarm_edge::orders::send_state::SendState;
use everwarm_kernel::fact::{Mask, NoLibrary};
use everwarm_runtime::journal::{Journal, Options, Waker, Writer};
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::stage_actor::{MakeStage, StageActor, StageArguments};
use everwarm_runtime::store::Store;
use everwarm_runtime::supervise::{
    Backoff, ChildSpec, RootHandle, Strategy, Tree, supervisor, worker,
};
use everwarm_trading::closes::Closes;
use everwarm_trading::universe::Universe;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;

/// Wall time without any progress after which a bench gives up.
const STANDS: Duration = Duration::from_mins(1);

/// Called at each start of a stage.
pub type OnResume = Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync>;

/// A runtime with one worker.
pub fn runtime() -> Runtime {
    let made = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    made.expect("threads can be started")
}

/// Opens the journal in a folder, as the daemon does.
pub fn journal(dir: &Path) -> Arc<Journal<Body>> {
    let store = Store::open(&dir.join("live.redb"), APPLICATION).expect("the folder is ours");
    journal_in(store)
}

/// The journal in an opened store.
pub fn journal_in(store: Store) -> Arc<Journal<Body>> {
    let options = Options::new(|why| panic!("the store ended: {why}"));
    Journal::open(store, places(&everwarm_trading::specs()), options)
        .expect("a store that was opened can be read")
}

/// The followers: they read by round, as stages do.
fn followers() -> Vec<(&'static str, MakeStage<Body>)> {
    vec![
        ("universe", Arc::new(|| Box::<Universe>::default())),
        ("config", Arc::new(|| Box::<InForce>::default())),
        ("gateway", Arc::new(|| Box::<SendState>::default())),
        ("closer", Arc::new(|| Box::<Closes>::default())),
    ]
}

/// Starts the tree of stages and followers, and returns when all are up. The caller starts the
/// followers named in `without`.
///
/// # Panics
/// The journal waits for a reader that is not in the tree: it would never settle.
pub async fn grow(
    journal: &Arc<Journal<Body>>,
    workers_on: &Handle,
    on_resume: OnResume,
    more: Vec<ChildSpec>,
    without: &[&str],
) -> RootHandle {
    let child = |name: &str, make: MakeStage<Body>| {
        let arguments = StageArguments::<Body> {
            journal: Arc::clone(journal),
            make,
            library: Arc::new(NoLibrary),
            on_resume: Arc::clone(&on_resume),
            mailbox: Arc::default(),
        };
        let made = move |mailbox| StageArguments { mailbox, ..arguments.clone() };
        let worker = worker(name, move |context| (StageActor::default(), made(context.mailbox())));
        let worker = worker.backoff(Backoff {
            first: Duration::from_millis(1),
            max: Duration::from_secs(10),
            healthy: Duration::from_secs(5),
        });
        worker.on(workers_on.clone())
    };
    let mut here: Vec<_> = followers().into_iter().map(|(name, _)| name).collect();
    here.extend(everwarm_trading::specs().iter().map(|stage| stage.name));
    let (waited_for, here) = (waited_for(journal), here.into_iter().collect::<BTreeSet<_>>());
    assert_eq!(waited_for, here, "left: whom the journal waits for; right: who is started");
    let stages = everwarm_trading::specs()
        .into_iter()
        .map(|stage| child(stage.name, Arc::new(move || stage.build())));
    let followers = followers().into_iter().filter(|(name, _)| !without.contains(name));
    let followers = followers.map(|(name, make)| child(name, make));
    let root = supervisor("root", Strategy::OneForOne)
        .child(supervisor("stages", Strategy::OneForOne).children(stages))
        .child(supervisor("followers", Strategy::OneForOne).children(followers).children(more));
    let tree = Tree::new(Arc::new(|_| ()), Arc::new(everwarm_runtime::clock::WallMs::default));
    tree.start(root).await.expect("stages start")
}

fn waited_for(journal: &Journal<Body>) -> BTreeSet<&'static str> {
    journal.progress().into_iter().map(|(name, _)| name).collect()
}

/// Waits until every stage and follower has passed the head.
///
/// # Panics
/// No reader has moved for a minute; the text names how far each is.
pub async fn settled(journal: &Journal<Body>) {
    let (mut before, mut since) = (Vec::new(), Instant::now());
    while !journal.settled() {
        tokio::time::sleep(Duration::from_micros(200)).await;
        let now = journal.progress();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        let head = journal.head();
        assert!(since.elapsed() < STANDS, "it stands at head {head}: {before:?}");
    }
}

/// Appends closes, and after each the responses of the venue to its intents.
pub struct Feeder {
    journal: Arc<Journal<Body>>,
    writer: Writer,
    news: Arc<Notify>,
    waker: Arc<Waker>,
    row: u64,
    venue: Filling,
    pub seen: Seen,
}

impl Feeder {
    pub fn new(journal: &Arc<Journal<Body>>) -> Feeder {
        let news = Arc::new(Notify::new());
        let woken = Arc::clone(&news);
        let waker = Waker::new(move || woken.notify_one());
        let mask = Mask::of(&[kind::INTENT, kind::EQUITY]);
        journal.subscribe("feeder", mask, Arc::clone(&waker));
        Feeder {
            writer: journal.writer("feeder"),
            row: journal.last_row() + 1,
            journal: Arc::clone(journal),
            news,
            waker,
            venue: Filling::default(),
            seen: Seen::default(),
        }
    }

    /// Orders filled so far.
    pub fn orders(&self) -> u64 {
        self.venue.orders
    }

    /// Appends inputs.
    pub fn append(&self, time: UtcMs, bodies: Vec<Body>) {
        self.journal.append(&self.writer, time, bodies).expect("nobody else writes");
    }

    /// Appends a close, waits for the equity after it, and fills its orders.
    pub async fn close(&mut self, time: UtcMs, body: Body, bars: &[Bar]) {
        self.journal.room().await;
        self.append(time, vec![body]);
        loop {
            self.waker.clear();
            self.look();
            if self.seen.equity.is_some_and(|(at, _)| at >= time) {
                break;
            }
            self.news.notified().await;
        }
        self.answer(time, bars);
    }

    /// Appends a close and fills the orders known so far, without waiting.
    pub async fn close_ahead(&mut self, time: UtcMs, body: Body, bars: &[Bar]) {
        self.journal.room().await;
        self.append(time, vec![body]);
        self.look();
        self.answer(time, bars);
        tokio::task::yield_now().await;
    }

    fn answer(&mut self, time: UtcMs, bars: &[Bar]) {
        let intents: Vec<OrderIntent> = std::mem::take(&mut self.seen.intents);
        let answers = self.venue.answer(&intents, time, bars);
        if !answers.is_empty() {
            self.append(time, answers);
        }
    }

    /// Reads the facts appended since the last call.
    pub fn look(&mut self) {
        for chunk in self.journal.read(self.row, usize::MAX).expect("the tail is in memory") {
            for fact in &chunk.facts {
                self.seen.note(fact);
            }
            self.row = chunk.last_row() + 1;
        }
    }

    /// Waits until every stage and follower has passed the head.
    pub async fn settled(&self) {
        settled(&self.journal).await;
    }

    /// Appends the first facts and waits until the account was compared.
    pub async fn begin(&self, tape: &Tape) {
        self.append(0, tape.prologue());
        self.settled().await;
    }
}

/// The intents among facts from `row` on, and the row after the last.
pub fn intents(journal: &Journal<Body>, row: &mut u64) -> Vec<OrderIntent> {
    let mut found = Vec::new();
    for chunk in journal.read(*row, usize::MAX).expect("the tail is in memory") {
        let orders = chunk.facts.iter().filter_map(|fact| match &fact.body {
            Body::Order(Order::Intent(intent)) => Some(intent.clone()),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        });
        found.extend(orders);
        *row = chunk.last_row() + 1;
    }
    found
}
