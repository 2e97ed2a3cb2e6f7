//! `cargo bench --bench latency [-- short]`: from the append of a close to a signed order.
//!
//! Each millisecond a close of 1 or 300 symbols is appended, of which one signals. A gateway folds
//! its state as the daemon's does, announces orders and signs them. The second part waits until the
//! announcement is on disk before it signs, with a bare write and flush between closes. The third
//! part signs 100 orders of one close, which share one flush.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement asks the clock, counts in floats, prints, and may end at once"
)]

mod common;

use common::machine::{Floor, folder, load};
use common::market::{Instant as Filling, Tape, announce};
use common::world::{Feeder, grow, journal, runtime};
use common::{p50_p99, quantile, short, sized};
use everwarm_adapters::binance::ApiKey;
use everwarm_adapters::binance::sign::Query;
use everwarm_domain::fact::Body;
use everwarm_domain::order::OrderIntent;
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use everwarm_edge::orders::send_state::SendState;
use everwarm_kernel::fact::NoLibrary;
use everwarm_runtime::journal::{Journal, Waker, Writer};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::supervise::worker;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Warm-up closes, closes of a run, closes of a run with a flush, symbols that signal.
const SIZES: [usize; 4] = [200, 3_000, 500, 100];
const SHORT: [usize; 4] = [0, 60, 30, 10];

/// When the orders of a close were signed: the first and the last of them.
type Signed = Arc<Mutex<BTreeMap<UtcMs, (Instant, Instant)>>>;

/// A gateway that announces and signs as the daemon's does. Its venue fills immediately.
struct Gateway;

#[derive(Clone)]
struct Given {
    journal: Arc<Journal<Body>>,
    durable: bool,
    tape: Arc<Tape>,
    signed: Signed,
}

struct State {
    given: Given,
    outgoing: Runner<SendState>,
    writer: Writer,
    waker: Arc<Waker>,
    venue: Filling,
    key: ApiKey,
}

impl Actor for Gateway {
    type Msg = ();
    type State = State;
    type Arguments = Given;

    async fn pre_start(&self, me: ActorRef<()>, given: Given) -> Result<State, ActorProcessingErr> {
        let journal = Arc::clone(&given.journal);
        let library = Arc::new(NoLibrary);
        let (outgoing, _) = Runner::recover_stage(journal, Box::<SendState>::default(), library)?;
        let waker = Waker::new(move || drop(me.send_message(())));
        outgoing.listen(Arc::clone(&waker));
        let key = ApiKey::hmac(Secret::new("key"), Secret::new(&"secret".repeat(10)));
        let writer = given.journal.writer("gateway");
        Ok(State { given, outgoing, writer, waker, venue: Filling::default(), key })
    }

    async fn handle(
        &self,
        _: ActorRef<()>,
        (): (),
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        while state.outgoing.catch_up(64, |_| ())? {}
        if state.outgoing.cursor() < state.given.journal.head() {
            return Ok(());
        }
        let due = state.outgoing.stage().orders.to_send(0);
        let Some(time) = due.first().map(|d| d.intent.close_time) else { return Ok(()) };
        let intents: Vec<OrderIntent> = due.into_iter().map(|due| due.intent).collect();
        let sent = announce(&intents, time);
        let appended = state.given.journal.append(&state.writer, time, vec![sent])?;
        if state.given.durable {
            state.given.journal.durable(appended.row).await;
        }
        let mut at = None;
        for intent in &intents {
            let text = query(intent).signed(&state.key, time, 5_000);
            assert!(text.len() > 64, "a signed text has a signature");
            let now = Instant::now();
            at = Some((at.map_or(now, |(first, _)| first), now));
        }
        let mut signed = state.given.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.extend(at.map(|at| (time, at)));
        drop(signed);
        let closes = &state.given.tape.closes;
        let bars = closes.iter().rfind(|(close, _)| *close == time).map(|(_, bars)| bars);
        let mut answers = state.venue.answer(&intents, time, bars.expect("orders follow closes"));
        answers.remove(0);
        state.given.journal.append(&state.writer, time, answers)?;
        Ok(())
    }
}

fn query(intent: &OrderIntent) -> Query {
    Query::new()
        .with("symbol", intent.symbol)
        .with("side", "BUY")
        .with("type", "MARKET")
        .with("quantity", intent.quantity)
        .with("newClientOrderId", &intent.client_id)
        .with("newOrderRespType", "FULL")
}

struct Times {
    /// Microseconds to the first and to the last signed order of a close.
    first: Vec<f64>,
    last: Vec<f64>,
    /// Microseconds of a bare write and flush, one for each close.
    floor: Vec<f64>,
}

fn run(symbols: usize, trading: usize, closes: usize, durable: bool) -> Times {
    let dir = folder("latency");
    let (control, workers) = (runtime(), runtime());
    let tape = Arc::new(Tape::alternating(symbols, trading, closes));
    let signed = Signed::default();
    let mut floor = Floor::new(&dir);
    let times = control.block_on(async {
        let journal = journal(&dir);
        let given = Given {
            journal: Arc::clone(&journal),
            durable,
            tape: Arc::clone(&tape),
            signed: Arc::clone(&signed),
        };
        let gateway = worker("gateway", move |_| (Gateway, given.clone()));
        let gateway = gateway.on(workers.handle().clone());
        let quiet: common::world::OnResume = Arc::new(|_, _| ());
        let root = grow(&journal, workers.handle(), quiet, vec![gateway], &["gateway"]).await;
        let feeder = Feeder::new(&journal);
        feeder.begin(&tape).await;
        let on = tape.clone();
        let feeding = workers.spawn(async move {
            let (mut appended, mut floors) = (Vec::new(), Vec::new());
            let mut every = tokio::time::interval(Duration::from_millis(1));
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for (time, body) in on.bodies() {
                if durable {
                    feeder.settled().await;
                    // Long enough for the lazy commit of the facts after the last close.
                    tokio::time::sleep(Duration::from_millis(12)).await;
                    floors.push(floor.sync(4_096) * 1e3);
                } else {
                    every.tick().await;
                }
                appended.push((time, Instant::now()));
                feeder.append(time, vec![body]);
            }
            feeder.settled().await;
            (appended, floors)
        });
        let (appended, floor) = feeding.await.expect("feeding ends");
        root.stop(Duration::from_secs(10)).await;
        journal.close();
        let signed = signed.lock().unwrap_or_else(PoisonError::into_inner);
        let [warm, ..] = sized(SIZES, SHORT);
        let done = appended.iter().skip(warm).filter_map(|(time, began)| {
            let micros = |at: Instant| at.duration_since(*began).as_secs_f64() * 1e6;
            signed.get(time).map(|(first, last)| (micros(*first), micros(*last)))
        });
        let (first, last): (Vec<f64>, Vec<f64>) = done.unzip();
        assert!(!first.is_empty(), "no order was signed in {} closes", appended.len());
        Times { first, last, floor }
    });
    control.shutdown_background();
    workers.shutdown_background();
    times
}

fn main() {
    println!("latency, us p50/p99, load {}", load());
    let [_, closes, flushed, many] = sized(SIZES, SHORT);
    let (all, rounds) = (many * 3, if short() { 1 } else { 3 });
    for symbols in [1, all] {
        for _ in 0..rounds {
            let mut times = run(symbols, 1, closes, false);
            let count = times.first.len();
            println!(
                "close of {symbols} -> signed order, no flush: {} (aim 40/120), {count} orders, \
                 load {}",
                p50_p99(&mut times.first),
                load(),
            );
        }
    }
    for (symbols, trading, aim) in
        [(1, 1, "floor + 150"), (all, 1, "floor + 150"), (all, many, "one flush for all")]
    {
        for _ in 0..rounds {
            let mut times = run(symbols, trading, flushed, true);
            let over = quantile(&mut times.first, 0.5) - quantile(&mut times.floor, 0.5);
            println!(
                "close of {symbols} -> {trading} signed orders, flushed: first {}, last {} \
                 (aim {aim}); bare 4 KB write + fdatasync {}; first over floor {over:+.0} at p50; \
                 load {}",
                p50_p99(&mut times.first),
                p50_p99(&mut times.last),
                p50_p99(&mut times.floor),
                load(),
            );
        }
    }
}
