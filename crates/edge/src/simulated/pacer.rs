//! Lockstep: moves the simulated exchange on when everything that its last move caused is done.
//!
//! Idle means three things. Every stage and follower has passed the head. At the head, the board
//! shows that no actor has anything left to do. The last close that the exchange released was
//! appended. If only waits are left, venue time moves to the earliest of them, without a bar. Every
//! request is absolute. So after a lost response, or after a kill of the pacer, the request is
//! repeated.
//!
//! Resting orders may trade in the minute that is released, and end the other order of their pair.
//! The gateway queries all of these before the close of that minute is appended, and everything
//! that follows from their fills is done first: a lot has its stop order, an exit that was sold has
//! ended. So the close meets the same state in every run. While an order rests, no minute is
//! released before the last close is on disk.
//!
//! An order may also trade as soon as it is sent. The response of some venues does not report that,
//! and the message of the stream may be late or lost. So before a minute is released, the exchange
//! is queried for what traded since the last one, and the gateway queries these orders, too.
//!
//! Time also stands still while the private stream is being subscribed, for a while. Otherwise
//! requests signed for a past minute are rejected, and the stream lags behind a fast market.

use crate::board::{Rest, Traded};
use crate::clock::ClockMsg;
use crate::market::closer::{self, CloserMsg};
use crate::market::universe::{self, UniverseMsg};
use crate::orders::gateway::{self, GatewayMsg};
use crate::task::guarded;
use crate::world::{Passing, World};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::path;
use everwarm_domain::time::{UtcMs, WallMs};
use everwarm_runtime::chaos::Site;
use everwarm_venue::port::VenueError;
use everwarm_venue::simulated::{Standing, Wheel};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Its name at kill points.
pub const NAME: &str = "pacer";
/// Wall time without any progress after which an announced bar is queried.
const NUDGE: Duration = Duration::from_millis(250);
/// Longest wall time to wait for the private stream.
const STREAM_WAIT: Duration = Duration::from_secs(1);
/// Wall time between tries if the exchange does not respond.
const RETRY: Duration = Duration::from_millis(50);

/// Messages of the pacer.
#[derive(Debug)]
pub enum PacerMsg {
    /// An actor may have become idle.
    Look,
    /// Its task has ended, and how.
    Ended(Result<(), String>),
}

/// The actor. It works in one task, so that its handler never waits.
pub struct Pacer;

/// What it is started with.
pub type Arguments = (World, watch::Sender<bool>);

/// Its state.
pub struct State(tokio::task::JoinHandle<()>);

impl Drop for State {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor for Pacer {
    type Msg = PacerMsg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<PacerMsg>,
        (world, ended): Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State(tokio::spawn(async move {
            if world.passing == Passing::Lockstep {
                let how = guarded(lead(&world, &ended)).await;
                drop(me.send_message(PacerMsg::Ended(how)));
            }
        })))
    }

    async fn handle(
        &self,
        _: ActorRef<PacerMsg>,
        message: PacerMsg,
        _: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PacerMsg::Look => Ok(()),
            // However it ended, the supervisor decides.
            PacerMsg::Ended(Ok(())) => Err("the pacer's task has ended".into()),
            PacerMsg::Ended(Err(why)) => Err(why.into()),
        }
    }
}

/// What keeps time from passing.
enum Wait {
    Work,
    /// A stage is to be woken now.
    Wake,
    Until(UtcMs),
    Nothing,
}

/// Since when the private stream is not subscribed.
struct Unsubscribed(Option<Instant>);

impl Unsubscribed {
    /// Whether time has to stand still for it.
    fn holds(&mut self, listening: bool) -> bool {
        if listening {
            self.0 = None;
            return false;
        }
        self.0.get_or_insert_with(Instant::now).elapsed() < STREAM_WAIT
    }
}

async fn lead(world: &World, ended: &watch::Sender<bool>) {
    let Some(wheel) = &world.wheel else { return };
    // The last close is known only when the closer is up.
    world.board.known_close().await;
    let found = ask_until(|| wheel.status()).await;
    let mut standing = raise(world, &**wheel, &found).await;
    let mut progress = (0, Instant::now());
    let mut generation = wheel.generation();
    let mut unsubscribed = Unsubscribed(None);
    loop {
        world.chaos().point(Site::BeforeStep, NAME);
        // Created before the check, so that it misses no later change.
        let (board, journal) = (world.board.changed(), world.journal.rested());
        let holds = unsubscribed.holds(world.board.listening_since().is_some());
        let wait = if holds { Wait::Work } else { waits(world, &standing) };
        match wait {
            Wait::Work | Wait::Wake => {
                if matches!(wait, Wait::Wake) {
                    world.send(path::CLOCK, ClockMsg::Look);
                }
                let head = world.journal.head();
                if progress.0 != head {
                    progress = (head, Instant::now());
                }
                let left = NUDGE.saturating_sub(progress.1.elapsed());
                tokio::select! {
                    () = board => {}
                    () = journal => {}
                    () = tokio::time::sleep(left) => {}
                }
                let restarted = std::mem::replace(&mut generation, wheel.generation());
                if progress.1.elapsed() >= NUDGE || restarted != generation {
                    progress.1 = Instant::now();
                    standing = raise(world, &**wheel, &standing).await;
                    world.send(path::CLOSER, CloserMsg::Nudge);
                    world.send(&world.places.gateway(), GatewayMsg::Pull);
                    world.send(path::UNIVERSE, UniverseMsg::Pull);
                }
                continue;
            }
            Wait::Until(at) => {
                let (to, market) = (at.max(standing.now), standing.market);
                world.board.write_reach(to);
                standing = ask_until(|| wheel.advance(to, market)).await;
            }
            Wait::Nothing => {
                let Some(next) = standing.next_close else {
                    ended.send_replace(true);
                    tokio::time::sleep(RETRY).await;
                    continue;
                };
                if !closes_reach_disk(world).await {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                if world.follows_orders() && world.board.has_resting_orders() {
                    standing = raise(world, &**wheel, &standing).await;
                    if !world.board.follows_all() {
                        continue;
                    }
                }
                let to = next.max(standing.now);
                world.board.write_reach(to);
                world.chaos().point(Site::BeforeSend, NAME);
                standing = ask_until(|| wheel.advance(to, next)).await;
                world.chaos().point(Site::AfterSend, NAME);
            }
        }
        progress.1 = Instant::now();
        adopt(world, &standing);
    }
}

/// Waits until the closes so far are on disk if an order may trade in the next minute. Otherwise a
/// power failure could leave a fill that is older than the closes to be read again. They would be
/// decided with the fill. False if the journal has ended.
async fn closes_reach_disk(world: &World) -> bool {
    !world.board.has_resting_orders() || world.journal.durable(world.journal.last_row()).await
}

/// Moves the exchange to where it was found, to the last close that was appended or is being
/// appended, and to our clock. A killed exchange may have lost the last minutes, and responds to
/// nothing before it gets the time. A pacer killed in the same moment does not know the time
/// either. But the closer may append what was on its way to it.
async fn raise(world: &World, wheel: &dyn Wheel, found: &Standing) -> Standing {
    let market = world.board.newest_close().map_or(found.market, |close| close.max(found.market));
    let now = found.now.max(market).max(world.now());
    world.board.write_reach(now);
    let standing = ask_until(|| wheel.advance(now, market)).await;
    adopt(world, &standing);
    standing
}

/// Publishes the state of the exchange to the actors that wait for it.
fn adopt(world: &World, standing: &Standing) {
    let moved = {
        let mut clock = world.clock.lock();
        let before = clock.now(WallMs::default());
        let now = standing.now.max(before);
        clock.set_manual(now);
        now != before
    };
    let own = standing.traded.iter();
    let own = own.map(|(id, at, executed)| (ClientOrderId(id.clone()), *at, *executed));
    let orders = own.filter(|(id, ..)| id.is_ours()).collect();
    let traded = Traded { market: standing.market, orders };
    let other = *world.board.traded() != traded;
    world.board.write_traded(traded);
    if let Some(close) = standing.last_close {
        let symbols = standing.closed.clone();
        world.send(path::CLOSER, CloserMsg::Traded { close, symbols });
    }
    if other && !moved {
        world.send(&world.places.gateway(), GatewayMsg::Pull);
    }
    if moved {
        world.send(path::UNIVERSE, UniverseMsg::Pull);
        world.send(&world.places.gateway(), GatewayMsg::Pull);
        world.send(path::CLOCK, ClockMsg::Look);
    }
}

/// What keeps the closes of the released minute from being appended. Lets them be appended if
/// nothing does.
fn keeps_closes_out(world: &World, standing: &Standing) -> Option<Wait> {
    let (n, board) = (world.journal.head(), &world.board);
    if !world.follows_orders() || board.open_until() >= standing.market {
        return None;
    }
    let known = board.follows_all() && board.rest(gateway::NAME, n) != Rest::Busy;
    if !known || !world.journal.settled() || world.journal.head() != n {
        return Some(Wait::Work);
    }
    if world.journal.next_wake().is_some_and(|at| at <= standing.now) {
        return Some(Wait::Wake);
    }
    board.write_open_until(standing.market);
    world.send(path::CLOSER, CloserMsg::Pull);
    None
}

fn waits(world: &World, standing: &Standing) -> Wait {
    if let Some(wait) = keeps_closes_out(world, standing) {
        return wait;
    }
    if world.follows_orders() && !world.board.follows_all() {
        return Wait::Work;
    }
    let n = world.journal.head();
    // A minute in which only other symbols traded is no close of ours.
    let live = world.board.live();
    let ours = standing.closed.iter().any(|s| live.borrow().binary_search(s).is_ok());
    let others = world.board.others();
    let all = [closer::NAME, gateway::NAME, universe::NAME].into_iter().chain(others);
    let rests: Vec<Rest> = all.map(|who| world.board.rest(who, n)).collect();
    let held = rests.contains(&Rest::Held);
    let missing = ours && world.board.last_close() < standing.last_close && !held;
    if missing || !world.journal.settled() {
        return Wait::Work;
    }
    if rests.contains(&Rest::Busy) || world.journal.head() != n {
        return Wait::Work;
    }
    let waits = rests.into_iter().filter_map(|rest| match rest {
        Rest::Until(at) => Some(at),
        Rest::Busy | Rest::Idle | Rest::Held => None,
    });
    match waits.chain(world.journal.next_wake()).min() {
        // A wait that is over is work that has not begun.
        Some(at) if at <= standing.now => Wait::Wake,
        Some(at) => Wait::Until(at),
        None if held => Wait::Work,
        None => Wait::Nothing,
    }
}

/// Repeats a request until there is a response. The keeper starts an exchange that has ended.
async fn ask_until<F: Future<Output = Result<Standing, VenueError>>>(
    ask: impl Fn() -> F,
) -> Standing {
    loop {
        match ask().await {
            Ok(standing) => return standing,
            Err(e) => tracing::debug!(error = %e, "the exchange does not answer"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
