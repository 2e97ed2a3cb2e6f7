//! Polls prices of the tokens of the registry beside trading, and appends each response as an
//! input.
//!
//! 1. A response has no time of its source, so the time of its receipt is that of its points. A
//!    token gets only points that are newer than its newest one in the journal, and the journal
//!    rejects the append of a predecessor. So no kill or restart stores a response twice.
//! 2. Before each request the registry is read again, so a new token is polled within seconds.
//! 3. Nothing waits for the source. The failure of a chain is noted, and retried after a growing
//!    wait; other chains go on. A token without a price costs only itself.
//! 4. The waits outlive the actor: its successor does not poll sooner.

use super::dominance::wait_after;
use super::fetch_history::asked_ms;
use super::operator_input::Whole;
use super::tokens::registry;
use super::work::{self, Ended, Jobs};
use everwarm_adapters::geckoterminal::{Client, NAME as SOURCE, POOLS_MAX, Wanted};
use everwarm_config::PointsSource;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_domain::token::{Point, Points, Token};
use everwarm_edge::world::{Passing, World};
use everwarm_history::projection::projected_through;
use everwarm_history::tokens::{Registered, Registry, newest_point};
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::journal::Writer;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::supervise::ChildSpec;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_views::health::views::FailingSourceView;
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::telemetry::Page;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Name of the actor, and of its writer.
const NAME: &str = "points";

/// The polls of a process.
#[derive(Clone, Debug, Default)]
pub struct PointPolls(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Chains whose last request failed.
    chains: BTreeMap<String, Failing>,
    /// Tokens by name, since they were polled last.
    tokens: BTreeMap<Symbol, Polled>,
    /// Prices that were refused since the process began.
    refused: u64,
}

/// A chain whose last request failed.
#[derive(Debug)]
struct Failing {
    view: FailingSourceView,
    failures: u32,
    next: Instant,
}

/// The last poll of a token.
#[derive(Debug)]
struct Polled {
    /// Number of the input that added it.
    added: u64,
    next: Instant,
    /// Why it has no price, and since when.
    refused: Option<(UtcMs, String)>,
}

/// A token that the actor follows.
#[derive(Clone, Debug)]
struct Followed {
    registered: Registered,
    /// The time of its newest point; none: it has none.
    newest: Option<UtcMs>,
}

impl Followed {
    fn token(&self) -> &Token {
        &self.registered.token
    }
}

impl PointPolls {
    /// What fails: a chain, or else a token without a price. None: nothing does.
    #[must_use]
    pub fn failing(&self) -> Option<FailingSourceView> {
        let state = self.locked();
        if let Some((chain, failing)) = state.chains.iter().next() {
            let why = format!("{chain}: {}", failing.view.why);
            return Some(FailingSourceView { why, ..failing.view.clone() });
        }
        let mut without = state.tokens.iter().filter_map(|(name, polled)| {
            polled.refused.as_ref().map(|(since, why)| (name, *since, why, polled.next))
        });
        let (name, since, why, next) = without.next()?;
        let more = match without.count() {
            0 => String::new(),
            more => format!("; {more} more without a price"),
        };
        let (source, why) = (SOURCE.to_owned(), format!("{name}: {why}{more}"));
        let next = after(next.saturating_duration_since(clock::now()));
        Some(FailingSourceView { source, since, why, next })
    }

    /// Prices that were refused since the process began.
    fn refused(&self) -> u64 {
        self.locked().refused
    }

    /// Whether a poll of a token is due. The first one is due if its newest point is older than
    /// the time between two polls.
    fn is_due(&self, of: &Followed, every: Duration) -> bool {
        let (state, now) = (self.locked(), clock::now());
        let Registered { token, added, .. } = &of.registered;
        if state.chains.get(&token.chain).is_some_and(|failing| failing.next > now) {
            return false;
        }
        if let Some(polled) = state.tokens.get(&token.name).filter(|last| last.added == *added) {
            return now >= polled.next;
        }
        let age = of.newest.map(|time| wall().utc().saturating_sub(time).max(0).unsigned_abs());
        age.is_none_or(|age| Duration::from_millis(age) >= every)
    }

    /// Forgets tokens that are not in the registry.
    fn keep(&self, all: &[Followed]) {
        let mut state = self.locked();
        let is_there = |name: &Symbol, polled: &Polled| {
            let is_this =
                |of: &Followed| of.token().name == *name && of.registered.added == polled.added;
            all.iter().any(is_this)
        };
        state.tokens.retain(|name, polled| is_there(name, polled));
        state.chains.retain(|chain, _| all.iter().any(|of| of.token().chain == *chain));
    }

    /// Notes the results of a request about a chain.
    fn succeeded(&self, chain: &str, of: &[(Followed, Result<Decimal, String>)], every: Duration) {
        let mut state = self.locked();
        if state.chains.remove(chain).is_some() {
            tracing::info!("{SOURCE} responds again about {chain}");
        }
        let (now, next) = (wall().utc(), clock::now() + every);
        for (of, price) in of {
            let (name, added) = (of.token().name, of.registered.added);
            let before = state.tokens.remove(&name).filter(|last| last.added == added);
            let before = before.and_then(|last| last.refused);
            let refused = price.as_ref().err().map(|why| {
                state.refused += 1;
                if before.as_ref().is_none_or(|(_, other)| other != why) {
                    tracing::warn!("{SOURCE}: {name} has no price: {why}");
                }
                (before.as_ref().map_or(now, |(since, _)| *since), why.clone())
            });
            state.tokens.insert(name, Polled { added, next, refused });
        }
    }

    /// Notes the failure of a request about a chain, or of the history.
    fn failed(&self, chain: &str, why: String, asked: Option<Duration>, every: Duration) {
        let mut state = self.locked();
        let before = state.chains.remove(chain);
        let failures = before.as_ref().map_or(0, |before| before.failures);
        let wait = wait_after(failures, asked, every);
        if before.as_ref().is_none_or(|before| before.view.why != why) {
            tracing::warn!("{SOURCE}: {chain}: {why}; retrying in {} s", wait.as_secs());
        }
        let since = before.map_or_else(|| wall().utc(), |before| before.view.since);
        let view = FailingSourceView { source: SOURCE.to_owned(), since, why, next: after(wait) };
        let (failures, next) = (failures.saturating_add(1), clock::now() + wait);
        state.chains.insert(chain.to_owned(), Failing { view, failures, next });
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall time after a wait.
fn after(wait: Duration) -> UtcMs {
    wall().utc().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// Whether the source is polled. In lockstep it is not: time does not pass automatically.
#[must_use]
pub fn is_polled(source: Option<&PointsSource>, passing: Passing) -> bool {
    source.is_some() && passing != Passing::Lockstep
}

/// Writes the metrics of a source that is polled. Before the first point of a token, its age is the
/// time since `started`.
pub fn show(page: &mut Page, archive: &Archive, polls: &PointPolls, started: UtcMs) {
    page.count("everwarm_token_prices_refused_total", &[SOURCE], polls.refused());
    // The component that needs the file reports that it cannot be read.
    let Ok(registry) = Registry::read(archive) else { return };
    page.count("everwarm_tokens", &[], registry.len() as u64);
    let time = |of: &Registered| newest_point(archive, of).ok().flatten().map(|point| point.time);
    let oldest = registry.iter().map(|of| time(of).unwrap_or(started)).min();
    let Some(oldest) = oldest else { return };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let age = wall().utc().saturating_sub(oldest).max(0) as f64 / 1000.0;
    page.set("everwarm_token_price_age_seconds", &[SOURCE], age);
}

/// What the actor works with.
#[derive(Clone)]
struct Polling {
    world: World,
    polls: PointPolls,
    client: Arc<Client>,
    every_s: u32,
    /// None: this actor has not begun.
    writer: Option<Writer>,
    /// The tokens of the registry, by name.
    tokens: Vec<Followed>,
    /// The number of the last input when the registry was read; none: it was not.
    head: Option<u64>,
    /// Whether it was read since the last request.
    fresh: bool,
}

/// The actor, if the source is polled.
pub fn actor(
    source: Option<&PointsSource>,
    world: &World,
    polls: &PointPolls,
    on: &Handle,
) -> Option<ChildSpec> {
    let PointsSource { address, every_s } = source.filter(|_| is_polled(source, world.passing))?;
    let client = match Client::new(address, Arc::new(wall)) {
        Ok(client) => Arc::new(client),
        Err(why) => {
            polls.failed("all chains", why, None, every(*every_s));
            return None;
        }
    };
    let (world, polls, every_s, writer) = (world.clone(), polls.clone(), *every_s, None);
    let (tokens, head, fresh) = (Vec::new(), None, false);
    let of = Polling { world, polls, client, every_s, writer, tokens, head, fresh };
    Some(work::actor(NAME, of, on))
}

fn every(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

/// What the actor does.
enum Job {
    /// Read the registry and the newest points.
    Learn,
    /// Request the prices of these tokens of one chain.
    Poll(Vec<Followed>),
}

/// What came of it.
enum Report {
    /// The tokens, at this number of the last input.
    Learned(Result<(Vec<Followed>, u64), String>),
    /// The response about these tokens.
    Polled(Vec<Followed>, Result<Vec<Result<Decimal, String>>, VenueError>),
    /// The actor has ended meanwhile.
    Interrupted,
}

impl Jobs for Polling {
    type Job = Job;
    type Report = Report;

    const LOOK: Duration = Duration::from_secs(1);

    fn look(&mut self) {
        // From here on, a predecessor appends nothing.
        self.writer.get_or_insert_with(|| self.world.journal.writer(NAME));
    }

    fn job(&mut self) -> Option<Job> {
        // Before the venue's time is known, no input has a time.
        if !self.world.knows_time() {
            return None;
        }
        let due = self.due();
        if std::mem::take(&mut self.fresh) && !due.is_empty() {
            return Some(Job::Poll(due));
        }
        let is_new = self.head != Some(self.world.journal.head());
        (is_new || !due.is_empty()).then_some(Job::Learn)
    }

    fn panicked(job: &Job) -> Report {
        let text = "it panicked: see the log".to_owned();
        match job {
            Job::Learn => Report::Learned(Err(text)),
            Job::Poll(of) => {
                let error = VenueError::new(ErrorClass::NotSent, 0, text);
                Report::Polled(of.clone(), Err(error))
            }
        }
    }

    fn run(&self, job: Job, ended: Ended) -> Report {
        match job {
            Job::Learn => Report::Learned(learn(&self.world)),
            Job::Poll(of) => Handle::current().block_on(async {
                let Some(chain) = of.first().map(|of| of.token().chain.clone()) else {
                    return Report::Interrupted;
                };
                let wanted: Vec<Wanted> = of.iter().map(Followed::wanted).collect();
                tokio::select! {
                    biased;
                    _ = ended.awaited => Report::Interrupted,
                    polled = self.client.prices(&chain, &wanted) => Report::Polled(of, polled),
                }
            }),
        }
    }

    fn ended(&mut self, report: Report) {
        let every = every(self.every_s);
        match report {
            Report::Learned(Ok((tokens, head))) => {
                self.polls.keep(&tokens);
                (self.tokens, self.head, self.fresh) = (tokens, Some(head), true);
            }
            Report::Learned(Err(why)) => tracing::warn!("{SOURCE}: the registry: {why}"),
            Report::Polled(of, polled) => {
                let chain = of.first().map(|of| of.token().chain.clone()).unwrap_or_default();
                match polled {
                    Ok(prices) => {
                        let prices: Vec<_> = of.into_iter().zip(prices).collect();
                        self.take(&prices);
                        self.polls.succeeded(&chain, &prices, every);
                    }
                    Err(error) => {
                        let asked = asked_ms(&error).map(Duration::from_millis);
                        self.polls.failed(&chain, error.to_string(), asked, every);
                    }
                }
            }
            Report::Interrupted => {}
        }
    }
}

impl Followed {
    fn wanted(&self) -> Wanted {
        let Token { contract, pool, .. } = self.token();
        Wanted { contract: contract.clone(), pool: pool.clone() }
    }
}

impl Polling {
    /// The tokens of the next request, all of one chain: that of the token whose newest point is
    /// the oldest.
    fn due(&self) -> Vec<Followed> {
        let every = every(self.every_s);
        let due = self.tokens.iter().filter(|of| self.polls.is_due(of, every));
        let mut due: Vec<&Followed> = due.collect();
        due.sort_by_key(|of| of.newest);
        let Some(first) = due.first().map(|of| of.token().chain.as_str()) else {
            return Vec::new();
        };
        let of_chain = due.iter().filter(|of| of.token().chain == first).take(POOLS_MAX);
        of_chain.map(|of| (*of).clone()).collect()
    }

    /// Appends the prices of a response.
    fn take(&self, of: &[(Followed, Result<Decimal, String>)]) {
        let Some(writer) = &self.writer else { return };
        let time = wall().utc();
        let fresh = of.iter().filter(|(of, _)| of.newest.is_none_or(|newest| newest < time));
        let point = |(of, price): &(Followed, Result<Decimal, String>)| {
            let (token, added) = (of.token().name, of.registered.added);
            price.as_ref().ok().map(|price| Point { token, added, price: *price })
        };
        let mut points: Vec<Point> = fresh.filter_map(point).collect();
        if points.is_empty() {
            return;
        }
        points.sort_by_key(|point| point.token);
        let (source, every_s) = (SOURCE.to_owned(), self.every_s);
        let body = Body::Market(Market::Points(Points { source, time, every_s, points }));
        if let Err(e) = self.world.journal.append(writer, self.world.now(), vec![body]) {
            // The daemon ends, or a successor polls.
            tracing::debug!("prices of tokens are not appended: {e}");
        }
    }
}

/// The tokens of the registry with the times of their newest points, and the number of the last
/// input. The history has those up to a row; the journal is read from there on.
fn learn(world: &World) -> Result<(Vec<Followed>, u64), String> {
    let head = world.journal.head();
    let through = projected_through(&world.archive);
    let through = through.map_err(|e| world.history_failed(e.into()))?;
    let registry = registry(&world.journal, &world.archive).map_err(|e| e.to_string())?;
    let mut tokens = Vec::new();
    for registered in registry.iter() {
        let point = newest_point(&world.archive, registered);
        let point = point.map_err(|e| world.history_failed(e))?;
        let newest = point.map(|point| point.time);
        tokens.push(Followed { registered: registered.clone(), newest });
    }
    let read = Whole(&world.journal).each(through + 1, &mut |_, fact| {
        if let Body::Market(Market::Points(points)) = &fact.body {
            newer(&mut tokens, points);
        }
        ControlFlow::Continue(())
    });
    read.map_err(|e| e.to_string())?;
    Ok((tokens, head))
}

/// Takes the time of newer points over.
fn newer(tokens: &mut [Followed], points: &Points) {
    for Point { token, added, .. } in &points.points {
        let is_this = |of: &&mut Followed| {
            of.registered.token.name == *token && of.registered.added == *added
        };
        if let Some(of) = tokens.iter_mut().find(is_this) {
            of.newest = of.newest.max(Some(points.time));
        }
    }
}

#[cfg(test)]
#[path = "points_tests.rs"]
mod tests;
