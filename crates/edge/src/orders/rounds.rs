//! Requests under way: one round at a time, in a task that outlives the gateway that started it.
//!
//! A killed gateway takes no request with it. Its successor waits for the end of the round before
//! it concludes anything. The responses of a round are one append, in the order of the requests. So
//! the result does not depend on which response came first.
//!
//! Over 500 lines: the tasks of all kinds of rounds, side by side.

use crate::market::universe::UniverseMsg;
use crate::orders::gateway::GatewayMsg;
use crate::orders::report_checks::Known;
use crate::orders::silence::MissedReport;
use crate::orders::unexplained::{self, Applied, Booked, Expected, Search};
use crate::world::World;
use everwarm_domain::fact::{Body, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::{
    OrderIntent, OrderReport, OrderRequest, Proof, Response, SendAttempt,
};
use everwarm_domain::path;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::chaos::{Sabotage, Site};
use everwarm_runtime::clock;
use everwarm_runtime::journal::Writer;
use everwarm_trading::orders::order_states::ToQuery;
use everwarm_venue::port::{AccountPicture, ErrorClass, Stamp, Trade, TradesSince, VenueError};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Whether a round is under way.
#[derive(Debug, Default)]
pub struct Flight {
    up: AtomicBool,
    landed: Notify,
}

/// A round. It ends when dropped, however its task ends.
pub struct Round(Arc<Flight>);

impl Drop for Round {
    fn drop(&mut self) {
        self.0.up.swap(false, AcqRel);
        self.0.landed.notify_waiters();
    }
}

impl Flight {
    /// Begins a round, if none is under way.
    pub fn begin(self: &Arc<Self>) -> Option<Round> {
        (!self.up.swap(true, AcqRel)).then(|| Round(Arc::clone(self)))
    }

    /// Whether a round is under way.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Acquire)
    }

    /// Resolves when no round is under way.
    pub async fn landed(&self) {
        loop {
            let landed = self.landed.notified();
            if !self.is_up() {
                return;
            }
            landed.await;
        }
    }
}

/// What the gateway has to do.
pub enum Due {
    /// This task, now.
    Now(Box<RoundTask>),
    /// Something, after this wall time, milliseconds.
    Held(UtcMs),
    /// Nothing.
    Nothing,
}

/// What a round does.
pub enum RoundTask {
    /// Sends orders once row `row` is on disk.
    Send {
        /// The orders, in their order.
        orders: Vec<(OrderIntent, SendAttempt)>,
        /// The row of their `Sent`.
        row: u64,
        /// The venue's numbers of our orders.
        known: Known,
    },
    /// Cancels orders once row `row` is on disk.
    Cancel {
        /// The requests, each with the close at which its order was decided.
        requests: Vec<(OrderRequest, UtcMs)>,
        /// The row of the last `Requested`.
        row: u64,
        /// The venue's numbers of our orders.
        known: Known,
    },
    /// Reads the venue's clock; see [`World::read_clock`].
    ReadClock,
    /// Queries orders.
    Query(Vec<ToQuery>, Known),
    /// Compares the account with the books: first live orders, then balances.
    Reconcile {
        /// The run.
        life: u64,
        /// The live orders.
        asks: Vec<ToQuery>,
        /// What trades are compared with.
        booked: Box<Booked>,
        /// Whether the balances wait until all of these orders were found.
        patient: bool,
        /// What the account should show.
        expected: Box<Expected>,
        /// Booked trades of the live orders.
        applied: Applied,
    },
    /// Fetches what `everwarm panic` and external orders traded, and reports the account.
    Account {
        /// The snapshot of the account.
        account: Venue,
        /// Symbols with a balance that nothing explains.
        searches: Vec<Search>,
        /// What trades are compared with.
        booked: Box<Booked>,
        /// Set to true if the account was reported.
        reported: Arc<AtomicBool>,
    },
}

/// What a reconciliation uses.
struct Looking<'a> {
    life: u64,
    /// The live orders.
    asks: &'a [ToQuery],
    booked: &'a Booked,
    /// Symbols to search although their balance agrees; none: external orders are not adopted.
    named: Option<&'a BTreeSet<Symbol>>,
    expected: &'a Expected,
    applied: &'a Applied,
}

/// Longest wall time until the venue is queried again, ms. A longer wait may end earlier.
const LOOK_AGAIN: u64 = 120_000;

/// Why the venue cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueProblem {
    /// The reason in words.
    pub why: String,
    /// Whether the venue clearly rejected the request: it will do so again for a while.
    pub refused: bool,
    /// How long the venue's rate limit blocks requests, milliseconds of wall time; none if it does
    /// not.
    pub retry_after_ms: Option<u64>,
}

impl VenueProblem {
    fn of(error: &VenueError) -> VenueProblem {
        let refused = error.class.is_final();
        let retry_after_ms = match error.class {
            ErrorClass::RateLimited { retry_after_ms } => Some(retry_after_ms.min(LOOK_AGAIN)),
            ErrorClass::NotSent
            | ErrorClass::Refused { .. }
            | ErrorClass::Rules
            | ErrorClass::Funds
            | ErrorClass::Unknown
            | ErrorClass::Halt
            | ErrorClass::Absent => None,
        };
        VenueProblem { why: error.to_string(), refused, retry_after_ms }
    }

    /// The same, if it may affect other requests, too; none if not.
    fn away(error: &VenueError) -> Option<VenueProblem> {
        let class = error.class;
        let all = matches!(
            class,
            ErrorClass::NotSent
                | ErrorClass::RateLimited { .. }
                | ErrorClass::Unknown
                | ErrorClass::Halt
        );
        all.then(|| VenueProblem::of(error))
    }

    /// The task of the round ended early.
    #[must_use]
    pub fn lost() -> VenueProblem {
        VenueProblem { why: "the round was lost".to_owned(), refused: false, retry_after_ms: None }
    }

    fn doubtful() -> VenueProblem {
        let why = "two account reports contradict each other".to_owned();
        VenueProblem { why, refused: false, retry_after_ms: None }
    }

    fn ended() -> VenueProblem {
        VenueProblem {
            why: "the journal has ended".to_owned(),
            refused: false,
            retry_after_ms: None,
        }
    }
}

/// Runs a round. Returns why the venue could not be used; none if it could.
pub async fn run_round(world: &World, writer: &Writer, task: RoundTask) -> Option<VenueProblem> {
    let answers = match task {
        RoundTask::Send { orders, row, known } => place_orders(world, orders, row, &known).await,
        RoundTask::Cancel { requests, row, known } => cancel(world, requests, row, &known).await,
        RoundTask::ReadClock => {
            let problem = world.read_clock().await.err().map(|error| VenueProblem::of(&error));
            if let Some(problem) = &problem {
                tracing::info!(
                    why = problem.why,
                    "the venue's clock was not read; it is tried again"
                );
            }
            (Vec::new(), problem)
        }
        RoundTask::Query(asks, known) => query(world, &asks, &known).await,
        RoundTask::Reconcile { life, asks, booked, patient, expected, applied } => {
            let (booked, expected, none) = (&*booked, &*expected, BTreeSet::new());
            let (asks, named) = (&asks[..], booked.adopted.as_ref().map(|_| &none));
            let known = Looking { life, asks, booked, named, expected, applied: &applied };
            reconcile(world, &known, patient).await
        }
        RoundTask::Account { account, searches, booked, reported } => {
            let (found, error) = unexplained::fetch(world, &searches, &booked).await;
            let kept = error.as_ref().map(VenueProblem::of);
            // `everwarm panic` may have sold more than this snapshot shows, and an external order
            // may have traded more. The next check shows all of it.
            let stands = !found.has_trades() && kept.is_none();
            reported.store(stands, Release);
            let account = stands.then_some(Body::Venue(account));
            (found.into_bodies(world).into_iter().chain(account).collect(), kept)
        }
    };
    let (bodies, kept) = answers;
    if !bodies.is_empty() {
        let appended = world.journal.append(writer, world.now(), bodies);
        if let Err(e) = appended {
            tracing::debug!(error = %e, "answers came after the end");
        }
    }
    kept
}

type Answers = (Vec<Body>, Option<VenueProblem>);

async fn place_orders(
    world: &World,
    orders: Vec<(OrderIntent, SendAttempt)>,
    row: u64,
    known: &Known,
) -> Answers {
    let announced = clock::now();
    if !world.journal.durable(row).await {
        return (Vec::new(), Some(VenueProblem::ended()));
    }
    measure(world, &orders, announced);
    world.chaos().point(Site::BeforeSend, crate::orders::gateway::NAME);
    world.chaos().leaves(row);
    let sends = requests(world, orders).into_iter().map(|request| send(world, request));
    let answers = join_all(sends).await.into_iter().flatten();
    world.chaos().point(Site::AfterSend, crate::orders::gateway::NAME);
    let mut kept = None;
    let mut bodies = Vec::new();
    for (answer, decided, SendAttempt { client_id, attempt, .. }, took) in answers {
        world.board.meters.submit.time(took);
        bodies.push(Body::Venue(match answer {
            Ok(report) if known.believes(world, &report, decided) => Venue::Reported(report),
            Ok(_) => {
                let reason = "the response is impossible".to_owned();
                Venue::Unanswered { client_id, attempt, reason }
            }
            Err(e) => {
                if e.class == ErrorClass::Rules {
                    // The order followed the rules we know. The venue may have changed them.
                    world.send(path::UNIVERSE, UniverseMsg::Outdated);
                }
                if e.class == ErrorClass::Funds {
                    world.send(&world.places.gateway(), GatewayMsg::Lacking);
                }
                if let ErrorClass::Halt = e.class {
                    tracing::error!(error = %e, "the venue does not let the account trade");
                }
                kept = VenueProblem::away(&e).or(kept);
                refused(world, client_id, attempt, e)
            }
        }));
    }
    (bodies, kept)
}

/// The orders of one request: one, or a pair.
type Request = Vec<(OrderIntent, SendAttempt)>;

fn requests(world: &World, orders: Vec<(OrderIntent, SendAttempt)>) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for (mut intent, attempt) in orders {
        let list = intent.terms.list.clone();
        let same = |request: &&mut Request| request[0].0.terms.list == list;
        if world.chaos().sabotaged(Sabotage::RandomIds) {
            intent.client_id = ClientOrderId(format!("ew-{:x}", crate::stream::dice()));
        }
        match requests.iter_mut().find(same).filter(|_| list.is_some()) {
            Some(pair) => pair.push((intent, attempt)),
            None => requests.push(vec![(intent, attempt)]),
        }
    }
    requests
}

/// Sends one request. Returns for each order the response, the close it was decided at, its
/// announcement, and how long the request took.
async fn send(
    world: &World,
    mut request: Request,
) -> Vec<(Result<OrderReport, VenueError>, UtcMs, SendAttempt, Duration)> {
    let began = clock::now();
    // Of a pair, the stop order comes first.
    request.sort_by_key(|(intent, _)| intent.terms.stop.is_none());
    let about = request.iter().map(|(intent, attempt)| (intent.close_time, attempt.clone()));
    let about: Vec<_> = about.collect();
    let answers: Vec<Result<OrderReport, VenueError>> = match <[_; 2]>::try_from(request) {
        Ok(pair) => match world.venue.place_pair(pair).await {
            Ok(reports) => reports.into_iter().map(Ok).collect(),
            Err(e) => vec![Err(e.clone()), Err(e)],
        },
        Err(single) => {
            let sends = single.iter().map(|(intent, attempt)| world.venue.place(intent, attempt));
            join_all(sends).await
        }
    };
    let took = began.elapsed();
    let with = |(answer, (decided, attempt))| (answer, decided, attempt, took);
    answers.into_iter().zip(about).map(with).collect()
}

/// Cancels orders. A response reports how the order ended. Anything else is found by a query of the
/// order.
async fn cancel(
    world: &World,
    requests: Vec<(OrderRequest, UtcMs)>,
    row: u64,
    known: &Known,
) -> Answers {
    if !world.journal.durable(row).await {
        return (Vec::new(), Some(VenueProblem::ended()));
    }
    world.chaos().point(Site::BeforeSend, crate::orders::gateway::NAME);
    world.chaos().leaves(row);
    let cancels = requests.into_iter().map(|(request, decided)| {
        let venue = world.venue.clone();
        let OrderRequest { timestamp, deadline, .. } = request;
        let stamp = Stamp { timestamp, deadline };
        async move { (venue.cancel(request.symbol, &request.of, stamp).await, request, decided) }
    });
    let answers = join_all(cancels).await;
    world.chaos().point(Site::AfterSend, crate::orders::gateway::NAME);
    let (mut bodies, mut kept) = (Vec::new(), None);
    for (answer, request, decided) in answers {
        let response = match answer {
            Ok(report) if known.believes(world, &report, decided) => {
                bodies.push(Body::Venue(Venue::Reported(report)));
                Response::Accepted
            }
            Ok(_) => Response::Unknown { reason: "the response is impossible".to_owned() },
            Err(e) => {
                kept = VenueProblem::away(&e).or(kept);
                responded(e)
            }
        };
        let OrderRequest { id, of, attempt, .. } = request;
        bodies.push(Body::Venue(Venue::Responded { id, of, attempt, response }));
    }
    (bodies, kept)
}

/// The result that a failed request about an order shows.
fn responded(e: VenueError) -> Response {
    match e.class {
        ErrorClass::Absent => Response::NotOpen,
        ErrorClass::Unknown => Response::Unknown { reason: e.text },
        ErrorClass::NotSent
        | ErrorClass::RateLimited { .. }
        | ErrorClass::Refused { .. }
        | ErrorClass::Rules
        | ErrorClass::Funds
        | ErrorClass::Halt => Response::Refused { code: e.code, text: e.text },
    }
}

/// Measures the time from the close of these orders to now, when they are sent.
fn measure(world: &World, orders: &[(OrderIntent, SendAttempt)], announced: Instant) {
    let (meters, now) = (&world.board.meters, clock::now());
    meters.sync.time(now.saturating_duration_since(announced));
    // Orders of an earlier close have waited for something else, and those that protect a lot for
    // its fill.
    let mut decided = orders.iter().filter(|(intent, _)| intent.protection().is_none());
    let appended = decided.next().and_then(|(intent, _)| meters.appended_at(intent.close_time));
    if let Some(appended) = appended {
        meters.decide.time(announced.saturating_duration_since(appended));
        meters.total.time(now.saturating_duration_since(appended));
    }
}

fn refused(world: &World, client_id: ClientOrderId, attempt: u32, e: VenueError) -> Venue {
    let again = match e.class {
        ErrorClass::NotSent | ErrorClass::RateLimited { .. } => true,
        ErrorClass::Refused { again } => again,
        ErrorClass::Rules | ErrorClass::Funds | ErrorClass::Halt => false,
        ErrorClass::Unknown | ErrorClass::Absent => {
            if world.chaos().sabotaged(Sabotage::NoQuery) {
                true
            } else {
                return Venue::Unanswered { client_id, attempt, reason: e.text };
            }
        }
    };
    Venue::Refused { client_id, attempt, code: e.code, text: e.text, again }
}

/// Queries each order by our id. If the venue has none, looks for a trade that could belong to it.
async fn query(world: &World, asks: &[ToQuery], known: &Known) -> Answers {
    let mut bodies = Vec::new();
    for ask in asks {
        let asked = world.now();
        match find(world, ask, known).await {
            Ok(Found::Order(report)) => {
                if let Some(missed) = MissedReport::of(world, ask, &report) {
                    world.send(&world.places.gateway(), GatewayMsg::Found(missed));
                }
                bodies.push(Body::Venue(Venue::Reported(*report)));
            }
            Ok(Found::Nothing) => {
                let client_id = ask.client_id.clone();
                bodies.push(Body::Venue(Venue::Absent { client_id, asked }));
            }
            Ok(Found::Doubt) => {}
            Err(e) => {
                tracing::debug!(error = %e, order = %ask.client_id, "the venue was not reached");
                return (bodies, Some(VenueProblem::of(&e)));
            }
        }
    }
    (bodies, None)
}

enum Found {
    Order(Box<OrderReport>),
    Nothing,
    /// No such order, but a trade since that nothing of ours explains.
    Doubt,
}

async fn find(world: &World, ask: &ToQuery, known: &Known) -> Result<Found, VenueError> {
    let began = clock::now();
    let found = world.venue.find_order(ask.symbol, &ask.client_id).await;
    world.board.meters.query.time(began.elapsed());
    match found {
        Ok(Some(report)) if known.believes(world, &report, ask.decided) => {
            return Ok(Found::Order(Box::new(report)));
        }
        Ok(Some(_)) => return Ok(Found::Doubt),
        Ok(None) => {}
        Err(e) if e.class == ErrorClass::Absent => {}
        Err(e) => return Err(e),
    }
    if ask.proof == Proof::ById {
        return Ok(Found::Nothing);
    }
    let trades = world.venue.trades_since(ask.symbol, TradesSince::Time(ask.since)).await?;
    let strange = trades.into_iter().filter(|t| !known.has(t.symbol, &t.venue_order_id));
    let strange: Vec<Trade> = strange.collect();
    let count = strange.len();
    // Trades of `everwarm panic` are no evidence of our order.
    let doubt = count > unexplained::of_panic(world, strange).await?.len();
    Ok(if doubt { Found::Doubt } else { Found::Nothing })
}

fn is_found(ask: &ToQuery, body: &Body) -> bool {
    matches!(body, Body::Venue(Venue::Reported(report)) if report.client_id == ask.client_id)
}

async fn reconcile(world: &World, known: &Looking<'_>, patient: bool) -> Answers {
    let mut bodies = Vec::new();
    let kept = reconcile_account(world, known, patient, &mut bodies).await.err();
    if let Some(kept) = &kept {
        tracing::info!(why = kept.why, "the account was not read; it is tried again");
        // Found trades are kept: the next try has less to fetch.
        bodies.retain(|body| {
            matches!(body, Body::Venue(Venue::PanicTraded { .. } | Venue::ExternalTraded(_)))
        });
    }
    (bodies, kept)
}

async fn reconcile_account(
    world: &World,
    known: &Looking<'_>,
    patient: bool,
    bodies: &mut Vec<Body>,
) -> Result<(), VenueProblem> {
    let no = |e: VenueError| VenueProblem::of(&e);
    let Looking { life, asks, booked, named, expected, applied } = *known;
    let (reports, kept) = query(world, asks, &booked.known).await;
    *bodies = reports;
    if let Some(kept) = kept {
        return Err(kept);
    }
    let clear = asks.iter().all(|ask| bodies.iter().any(|body| is_found(ask, body)));
    if patient && !clear {
        return Ok(());
    }
    let open = world.venue.open_orders(None).await.map_err(no)?;
    let picture = world.venue.account().await.map_err(no)?;
    // The consequences are permanent, and a balance may be reported wrong once.
    if picture != world.venue.account().await.map_err(no)? {
        tracing::warn!("the second request of the account had other values; it is fetched again");
        return Err(VenueProblem::doubtful());
    }
    world.venue.check_order_counts().await.map_err(no)?;
    let mut open: Vec<_> = open.into_iter().map(|o| (o.client_id, o.symbol)).collect();
    open.sort();
    let AccountPicture { mut balances, unread, charges, .. } = picture;
    balances.sort_by(|a, b| a.asset.cmp(&b.asset));
    let searches = expected.searches(&balances, &unexplained::reports(bodies, applied), named);
    let (found, error) = unexplained::fetch(world, &searches, booked).await;
    let has_trades = found.has_trades();
    bodies.extend(found.into_bodies(world));
    if let Some(e) = error {
        return Err(no(e));
    }
    if has_trades {
        let mut now = world.venue.account().await.map_err(no)?.balances;
        now.sort_by(|a, b| a.asset.cmp(&b.asset));
        // `everwarm panic` or an external order still trades: the next check shows all of it.
        if now != balances {
            return Ok(());
        }
    }
    let time = world.now();
    let (charge_ids, charges) = charges.into_iter().unzip();
    bodies.push(Body::Venue(Venue::Account {
        life,
        time,
        balances,
        open,
        unread,
        venue: world.venue.id(),
        charges,
        charge_ids,
    }));
    Ok(())
}
