//! The supervision tree. Children start in the listed order and stop in the reverse order.
//!
//! Safety does not depend on the order of start: the gateway sends nothing until this run has
//! compared the account with the books.
//!
//! A child that exceeds its restart budget fails its supervisor, up to the root (exit code 12).
//! Branches that only observe (analysis, bars, feeds, ops) are stopped instead and retried every
//! minute. The journal records that as an input. The circuit breaker then allows exits only, until
//! the branch is up again.

use everwarm_domain::fact::Body;
use everwarm_edge::clock::Clock;
use everwarm_edge::market::universe::{MakeBar, UniverseActor};
use everwarm_edge::market::{bar::BarActor, closer::Closer, feed::Feed};
use everwarm_edge::operation::config::{ConfigActor, MakeStage, Wanted};
use everwarm_edge::operation::projector::ProjectorActor;
use everwarm_edge::orders::gateway::Gateway;
use everwarm_edge::orders::private_stream::Private;
use everwarm_edge::orders::rounds::Flight;
use everwarm_edge::simulated::exchange::{Keeper, Launch};
use everwarm_edge::simulated::pacer::Pacer;
use everwarm_edge::world::World;
use everwarm_kernel::stage::OnPoison;
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::stage_actor::{StageActor, StageArguments};
use everwarm_runtime::supervise::{
    Backoff, ChildSpec, Strategy, SupervisorSpec, supervisor, worker,
};
use everwarm_trading::StageSpec;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Everything the tree is made from.
#[derive(Clone)]
pub struct TreeSpec {
    /// What the actors of the edge share.
    pub world: World,
    /// The settings from the configuration.
    pub wanted: Wanted,
    /// How to start the simulated exchange, and its port; none where the daemon does not start one.
    pub exchange: Option<(Launch, u16)>,
    /// The stages, by rank.
    pub stages: Vec<StageSpec>,
    /// Where workers run. All share one runtime, so a close passes the stages without changing
    /// threads. The runtime is apart from the supervisors, so no worker delays them.
    pub workers_on: Handle,
    /// Time between two retries of a branch that its supervisor stopped.
    pub retry: Duration,
    /// Called with the report of each start of a stage.
    pub on_resume: Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync>,
    /// Set when a recording has ended.
    pub ended: watch::Sender<bool>,
    /// The operator actors.
    pub ops: Vec<ChildSpec>,
}

/// Time between two retries of a branch that its supervisor stopped.
pub const RETRY: Duration = Duration::from_mins(1);
/// Restarts allowed to one supervisor, and within which time.
const BUDGET: (u32, Duration) = (5, Duration::from_secs(10));

/// The tree.
#[must_use]
pub fn tree(seed: &TreeSpec) -> SupervisorSpec {
    supervisor("root", Strategy::RestForOne)
        .budget(1, BUDGET.1)
        .child(store(seed))
        .child(
            group("trading", Strategy::OneForOne)
                .children(exchange(seed))
                .child(config(seed))
                .child(edge("clock", seed, |w| (Clock, w)))
                .child(stages(seed))
                .child(gateways(seed))
                .child(dispensable(bars(seed), seed))
                .child(dispensable(feeds(seed), seed))
                .child(pacer(seed)),
        )
        .child(dispensable(ops(seed), seed))
}

fn store(seed: &TreeSpec) -> SupervisorSpec {
    group("store", Strategy::OneForOne).child(edge("projector", seed, |w| (ProjectorActor, w)))
}

fn config(seed: &TreeSpec) -> ChildSpec {
    let (wanted, of) = (seed.wanted.clone(), seed.clone());
    let make: MakeStage = Arc::new(move |spec| stage(spec, &of));
    edge("config", seed, move |w| (ConfigActor, (w, wanted.clone(), Arc::clone(&make))))
}

/// The configuration actor adds and removes strategies while the daemon trades.
fn stages(seed: &TreeSpec) -> SupervisorSpec {
    let present = seed.world.journal.present();
    let present = |spec: &&StageSpec| present.iter().any(|(rank, ..)| *rank == spec.rank);
    let stages = seed.stages.iter().filter(present).map(|spec| stage(*spec, seed));
    // Each stage has its own budget: one bar may fail several stages until it is quarantined.
    group("stages", Strategy::Dynamic).children(stages)
}

fn stage(spec: StageSpec, seed: &TreeSpec) -> ChildSpec {
    let (world, on_resume) = (seed.world.clone(), Arc::clone(&seed.on_resume));
    let arguments = move |mailbox| StageArguments::<Body> {
        journal: Arc::clone(&world.journal),
        make: Arc::new(move || spec.build()),
        library: world.library.clone(),
        on_resume: Arc::clone(&on_resume),
        mailbox,
    };
    let actor = worker(spec.name, move |c| (StageActor::default(), arguments(c.mailbox())))
        .backoff(quick())
        .on(seed.workers_on.clone());
    match spec.build().on_poison() {
        // The decision waits for it, so nothing is decided meanwhile.
        OnPoison::Skip => dispensable(actor, seed),
        OnPoison::Stop | OnPoison::Escalate => actor,
    }
}

fn gateways(seed: &TreeSpec) -> SupervisorSpec {
    // A round continues when the gateway that began it is restarted.
    let flight = Arc::new(Flight::default());
    let venue = group(seed.world.places.venue, Strategy::OneForOne)
        .child(edge("gateway", seed, move |w| (Gateway, (w, Arc::clone(&flight)))))
        .child(edge("private", seed, |w| (Private, w)));
    each("gateways").child(venue)
}

/// The universe starts and stops bar actors as symbols are listed.
fn bars(seed: &TreeSpec) -> SupervisorSpec {
    let of = seed.clone();
    let make: MakeBar = Arc::new(move |symbol| {
        dispensable(edge(symbol.as_str(), &of, move |w| (BarActor, (w, symbol))), &of)
    });
    group("bars", Strategy::OneForOne)
        .child(edge("closer", seed, |w| (Closer, w)))
        .child(group("symbols", Strategy::Dynamic))
        .child(edge("universe", seed, move |w| (UniverseActor, (w, Arc::clone(&make)))))
}

fn feeds(seed: &TreeSpec) -> SupervisorSpec {
    let source = group(seed.world.places.source, Strategy::OneForOne);
    each("feeds").child(source.child(edge("feed", seed, |w| (Feed, w))))
}

fn ops(seed: &TreeSpec) -> SupervisorSpec {
    group("ops", Strategy::OneForOne).children(seed.ops.clone())
}

fn exchange(seed: &TreeSpec) -> Option<ChildSpec> {
    let (launch, port) = seed.exchange.clone()?;
    Some(edge("exchange", seed, move |w| (Keeper, (w, launch.clone(), port))))
}

fn pacer(seed: &TreeSpec) -> ChildSpec {
    let ended = seed.ended.clone();
    edge("pacer", seed, move |w| (Pacer, (w, ended.clone())))
}

/// A worker of the edge.
fn edge<A: ractor::Actor>(
    id: &str,
    seed: &TreeSpec,
    make: impl Fn(World) -> (A, A::Arguments) + Send + Sync + 'static,
) -> ChildSpec {
    let world = seed.world.clone();
    worker(id, move |_| make(world.clone())).backoff(quick()).on(seed.workers_on.clone())
}

fn group(id: &str, strategy: Strategy) -> SupervisorSpec {
    supervisor(id, strategy).budget(BUDGET.0, BUDGET.1)
}

/// A supervisor of one supervisor for each venue or source. It passes a failure on without a
/// restart: restarts are not counted twice.
fn each(id: &str) -> SupervisorSpec {
    supervisor(id, Strategy::OneForOne).budget(0, BUDGET.1)
}

/// A branch that the rest runs without: after too many failures it is stopped and retried.
fn dispensable(branch: impl Into<ChildSpec>, seed: &TreeSpec) -> ChildSpec {
    let quick = quick();
    let backoff = Backoff { healthy: quick.healthy.min(seed.retry), ..quick };
    branch.into().backoff(backoff).degrade(seed.retry)
}

/// The first restart is immediate; each further one waits longer.
fn quick() -> Backoff {
    Backoff {
        first: Duration::from_millis(1),
        max: Duration::from_secs(10),
        healthy: Duration::from_secs(5),
    }
}
