//! The data from which the running daemon responds to API requests.
//!
//! Over 500 lines: one context, and each question is a case.

use super::backfill::Backfills;
use super::dominance::Polls;
use super::history_sample::HistorySample;
use super::operator_input::Whole;
use super::points::PointPolls;
use super::reload::Reloader;
use super::retention;
use super::self_replay::SelfReplays;
use super::storekeeper::Retains;
use super::watch::Watch;
use crate::audit::{StoreFacts, replay, verify};
use crate::version::version;
use everwarm_adapters::PublicSource;
use everwarm_cli::log::LogLevel;
use everwarm_config::schema::schema;
use everwarm_config::{Config, Pace, VenueSource};
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Validity;
use everwarm_domain::path::{self, Places};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_edge::board::Trouble;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::{Passing, World};
use everwarm_history::History;
use everwarm_history::projection::projected_through;
use everwarm_messages::commander::Counts;
use everwarm_messages::courier::Deliveries;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::meter::Meter;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::supervise::TreeView;
use everwarm_trading::strategy;
use everwarm_views::backfill::BackfillView;
use everwarm_views::emergency;
use everwarm_views::events::EventView;
use everwarm_views::exit::Failure;
use everwarm_views::features::IndicatorsView;
use everwarm_views::health::{Lasting, Progress, Signs, disk_of, findings, never_done};
use everwarm_views::journal_reader::{JournalFacts, Proofs};
use everwarm_views::memory::{Folds, Memory};
use everwarm_views::questions::{Context, Process};
use everwarm_views::reconcile::reconcile;
use everwarm_views::storage::RetainRunView;
use everwarm_views::views::{
    CheckView, HealthView, LogLevelView, ReconcileView, ReloadsView, State, StatusView,
    SwitchesView, ValueView, VersionView,
};
use everwarm_words::text::instant;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Time for an answer of the root supervisor: the client has a response within a second.
const ANSWER: Duration = Duration::from_millis(800);
/// How long the market streams may be down while the daemon counts as ready, milliseconds. A lost
/// connection is usually back sooner.
const RECONNECT: i64 = 10_000;

/// The data from which the running daemon responds to API requests.
pub struct LiveContext {
    world: World,
    watch: Watch,
    history: History,
    facts: StoreFacts,
    data_dir: PathBuf,
    /// The venue, its environment, and how fast simulated time passes.
    venue: (String, Option<String>, Option<String>),
    reloader: Arc<Reloader>,
    log: LogLevel,
    began: Instant,
    /// When each part made progress last.
    progress: Progress,
    /// Since when conditions hold that only polling detects.
    lasting: Lasting,
    /// The tree as it was last served.
    pictured: Mutex<Option<Pictured>>,
    /// Results of deliveries to receivers.
    pub deliveries: Deliveries,
    /// The result of the last repeated day.
    pub repeated: SelfReplays,
    /// The result of the check of a sample of the history.
    pub history_sample: HistorySample,
    /// Commands of the chat, counted.
    pub commands: Counts,
    /// The backfills of the process.
    pub backfills: Backfills,
    /// Requests to remove what is due.
    pub retains: Retains,
    /// The polls of the dominance.
    pub polls: Polls,
    /// The polls of prices of tokens.
    pub point_polls: PointPolls,
}

impl LiveContext {
    /// Responds from the watch and the history.
    #[must_use]
    pub fn new(
        world: &World,
        watch: &Watch,
        config: &Config,
        (reloader, log): (Arc<Reloader>, LogLevel),
    ) -> LiveContext {
        let history = History::new(Arc::clone(&world.archive));
        let began = clock::now();
        let facts = StoreFacts(world.journal.store().clone());
        let data_dir = config.data_dir.clone();
        let venue = venue(config);
        LiveContext {
            world: world.clone(),
            watch: watch.clone(),
            history,
            facts,
            data_dir,
            venue,
            reloader,
            log,
            began,
            progress: Progress::default(),
            lasting: Lasting::default(),
            pictured: Mutex::default(),
            deliveries: Deliveries::default(),
            repeated: SelfReplays::default(),
            history_sample: HistorySample::default(),
            commands: Counts::default(),
            backfills: Backfills::default(),
            retains: Retains::default(),
            polls: Polls::default(),
            point_polls: PointPolls::default(),
        }
    }

    /// Notes the progress of each part, to find parts that do not move although they have work.
    pub fn look(&self) {
        let (journal, wall) = (&self.world.journal, wall().utc());
        let head = journal.head();
        for (stage, passed) in journal.progress() {
            self.progress.look(stage, (passed, head), wall);
        }
        let (durable, last) = (journal.durable_row(), journal.last_row());
        self.progress.look("store", (durable, last), wall);
        if let Ok(through) = projected_through(&self.world.archive) {
            self.progress.look("projector", (through, durable), wall);
        }
        let watched = self.watch.seen().memory.through;
        self.progress.look("watch", (watched, last), wall);
        self.beats(wall);
        self.lasting.look(&self.looked());
    }

    /// Notes the progress of parts that always have work: the messages each has handled, and for
    /// the feed those it received. In lockstep, time does not pass automatically, so no progress is
    /// expected.
    fn beats(&self, wall: UtcMs) {
        let readings = self.world.directory.readings();
        let passes = self.world.passing != Passing::Lockstep;
        let meters = &self.world.board.meters.market;
        for part in never_done() {
            let at = self.world.places.present(&format!("root/{part}"));
            let reading = readings.iter().find(|reading| reading.path == at);
            let handled = |meter: &Meter| meter.read().kinds.iter().map(|(_, n, _)| n).sum();
            let up = reading.filter(|r| r.alive && (passes || part.starts_with("ops/")));
            let moved = up.and_then(|reading| match part.ends_with("/feed") {
                true if !meters.is_up() || self.world.board.live().borrow().is_empty() => None,
                true => Some(meters.used.load(Relaxed) + meters.other.load(Relaxed)),
                false => Some(handled(&reading.meter)),
            });
            self.progress.beat(part, moved, wall);
        }
    }

    /// Conditions that only polling detects.
    fn looked(&self) -> Signs {
        let own = self.world.passing == Passing::Scaled(1) && self.world.admin.is_none();
        let skew = || {
            let Validity { timestamp, deadline, .. } = self.world.venue.validity(self.world.now());
            (self.world.clock.lock().offset(), deadline.saturating_sub(timestamp))
        };
        Signs {
            wall: wall().utc(),
            kind: self.world.places.venue,
            checks: self.checks(),
            skew: own.then(skew),
            disk: disk_of(&self.data_dir),
            emergency: emergency::read(&self.data_dir),
            unlinked: self.unlinked(),
            pending: self.reloader.view().restart_pending,
            ..Signs::default()
        }
    }

    /// The path of the journal, if the file is no longer there.
    pub(super) fn unlinked(&self) -> Option<String> {
        let store = self.world.journal.store();
        (!store.is_in_place()).then(|| store.path().display().to_string())
    }

    fn configured(&self) -> CheckView {
        let generation = standing(&self.world).now.generation;
        let (ok, name) = (generation > 0, "config".into());
        let none = || "no configuration is in force yet".to_owned();
        let detail = ok.then(|| format!("configuration {generation} is in force"));
        CheckView { name, ok, detail: detail.unwrap_or_else(none) }
    }

    /// Whether all streams are up or reconnecting, except those that an operator turned off.
    fn feeds(&self) -> CheckView {
        let meters = &self.world.board.meters;
        let stands = standing(&self.world);
        let off = |of: String| path::is_off(&stands.switches, &of);
        let listed = !self.world.board.live().borrow().is_empty();
        let streams = [
            ("market", meters.market.down_since(), off(self.world.places.feed()), listed),
            ("private", meters.private.down_since(), off(self.world.places.private()), true),
        ];
        let word = |(name, down, off, wanted): (&str, Option<i64>, bool, bool)| match down {
            _ if off => (true, format!("{name} stream turned off")),
            None => (true, format!("{name} stream up")),
            Some(_) if !wanted => (true, format!("{name} stream down, no symbols")),
            Some(0) => (false, format!("{name} stream not subscribed yet; retrying")),
            Some(since) => {
                let gone = wall().utc() - since;
                let detail = format!("{name} stream down for {} s; retrying", gone / 1000);
                (gone < RECONNECT, detail)
            }
        };
        let [market, private] = streams.map(word);
        let detail = format!("{}, {}", market.1, private.1);
        CheckView { name: "feeds".into(), ok: market.0 && private.0, detail }
    }
}

impl Context for LiveContext {
    fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn storage_rules(&self) -> StorageRules {
        retention::rules(&self.world)
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn archive(&self) -> &Arc<Archive> {
        &self.world.archive
    }

    fn journal(&self) -> &dyn JournalFacts {
        &self.facts
    }

    fn proofs(&self) -> Proofs {
        Proofs { verify, replay }
    }

    fn memory(&self, read: &mut dyn FnMut(&mut Memory)) -> Result<(), Failure> {
        read(&mut self.watch.seen().memory);
        Ok(())
    }

    fn status(&self) -> Result<StatusView, Failure> {
        let checks = self.checks();
        // Read before the facts seen: facts up to here are durable.
        let durable = self.world.journal.durable_row();
        let mut seen = self.watch.seen();
        let mut view = seen.memory.now().status.view_in(self.world.journal.life());
        view.ready = checks.iter().all(|check| check.ok);
        view.problems
            .extend(checks.iter().filter(|c| !c.ok).map(|c| format!("{}: {}", c.name, c.detail)));
        view.data_dir = self.data_dir.display().to_string();
        view.problems.extend(emergency::read(&self.data_dir).sentence());
        view.pid = Some(std::process::id());
        view.uptime_ms = u64::try_from(self.began.elapsed().as_millis()).ok();
        (view.venue, view.environment, view.pace) = self.venue.clone();
        view.budget_used_percent = percent(self.world.venue.used());
        view.unsynced = Some(seen.memory.through.saturating_sub(durable));
        view.off = self.switches()?.off();
        view.history = seen.memory.coverage.view();
        view.restarts = seen.restarts;
        view.steps.clone_from(&seen.steps);
        if view.state == State::Stopped {
            view.state = State::Starting;
        }
        Ok(view)
    }

    fn checks(&self) -> Vec<CheckView> {
        let mut seen = self.watch.seen();
        let status = seen.memory.now().status.view_in(self.world.journal.life());
        let reconciled = seen.ready.is_some();
        let detail = match (&status.conflicts[..], reconciled) {
            ([], true) => "the account agrees with the books".to_owned(),
            ([], false) => "the venue has not responded yet; retrying".to_owned(),
            (conflicts, _) => format!("{} unexplained differences", conflicts.len()),
        };
        let ok = reconciled && status.conflicts.is_empty();
        let stopped = seen.memory.now().status.stopped();
        let stages = CheckView {
            name: "stages".into(),
            ok: stopped.is_empty(),
            detail: match stopped.as_slice() {
                [] => "all stages run".to_owned(),
                stopped => format!(
                    "{} waits for an operator: run everwarm quarantine list",
                    stopped.join(", ")
                ),
            },
        };
        let lag = self.world.journal.uncommitted_age();
        let venue = self.world.board.trouble();
        let since = |t: &Trouble| format!("{}, since {} s", t.why, (wall() - t.since) / 1000);
        let waiting = self.world.venue.waiting();
        // Requests that wait for the budget are also refused by it: both are reported, the cause
        // first.
        let mut reasons: Vec<String> = Vec::new();
        reasons.extend(waiting.map(|left| format!("waiting for venue budget, {left} s")));
        let [all, orders] = self.world.venue.banned();
        let banned = |what: &str, (until, next): (i64, i64)| {
            let (until, next) = (instant(until), instant(next));
            format!(
                "the venue accepts no {what} until {until} UTC; the next attempt is at {next} UTC"
            )
        };
        reasons.extend(all.map(|wait| banned("requests", wait)));
        reasons.extend(orders.map(|wait| banned("orders", wait)));
        reasons.extend(venue.as_ref().map(since));
        let answers = reasons.is_empty();
        if answers {
            let asked = self.world.board.was_asked();
            reasons.push(if asked { "it responds" } else { "no request yet" }.to_owned());
        }
        vec![
            CheckView { name: "venue".into(), ok: answers, detail: reasons.join("; ") },
            CheckView { name: "reconciled".into(), ok, detail },
            self.configured(),
            self.feeds(),
            stages,
            CheckView {
                name: "store".into(),
                ok: lag.as_secs() < 2,
                detail: format!("oldest uncommitted fact {} ms", lag.as_millis()),
            },
            CheckView {
                name: "running".into(),
                ok: !self.watch.is_stopping(),
                detail: if self.watch.is_stopping() { "stop requested" } else { "running" }.into(),
            },
        ]
    }

    fn doctor(&self) -> Result<HealthView, Failure> {
        let (facts, quarantines, held, symbols) = {
            let mut seen = self.watch.seen();
            let Folds { status, health, .. } = seen.memory.now();
            (health.clone(), status.quarantines(), status.sellable(), status.symbols())
        };
        let passes = self.world.passing != Passing::Lockstep;
        let mut blocked = Vec::new();
        if let Some(view) = self.world.directory.view() {
            holding(&view, &mut blocked);
        }
        let refused = self.reloader.view().last.filter(|last| last.result.is_refused());
        let (looked, switches) = (self.looked(), self.switches()?);
        let failing = [self.polls.failing(), self.point_polls.failing()];
        Ok(findings(&Signs {
            running: true,
            switches: switches.switches,
            refused: refused.map(|last| (last.reasons, last.time)),
            first: self.lasting.look(&looked),
            venue: if passes { self.world.now() } else { facts.now },
            passes,
            facts,
            status: self.status()?,
            quarantines,
            held,
            symbols,
            config: self.reloader.file(),
            waiting: self.progress.waiting(),
            blocked,
            trouble: self.world.board.trouble().map(|trouble| (trouble.why, trouble.since.utc())),
            deliveries: self.deliveries.all(),
            repeated: self.repeated.last(),
            history_sample: self.history_sample.last(),
            failing_sources: failing.into_iter().flatten().collect(),
            ..looked
        }))
    }

    fn switches(&self) -> Result<SwitchesView, Failure> {
        let stands = standing(&self.world);
        Ok(SwitchesView::of(&stands.switches, strategy::off(&stands.now.content.settings())))
    }

    fn reconcile(&self) -> Result<ReconcileView, Failure> {
        reconcile(&Whole(&self.world.journal))
    }

    fn version(&self) -> VersionView {
        version()
    }

    fn schema(&self) -> Value {
        schema()
    }

    fn process(&self) -> Option<&dyn Process> {
        Some(self)
    }
}

impl Process for LiveContext {
    fn alive(&self) -> bool {
        let root = self.world.directory.supervisor("root");
        let answer = async { tokio::time::timeout(ANSWER, root.answers()).await };
        Handle::current().block_on(answer).unwrap_or(false)
    }

    fn tree(&self) -> Arc<Value> {
        let stopped = self
            .watch
            .seen()
            .memory
            .now()
            .status
            .stopped()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let head = self.world.journal.head();
        let progress = self.world.journal.progress().into_iter();
        let behind = progress.map(|(name, passed)| (name, head.saturating_sub(passed))).collect();
        let places = self.world.places;
        let now = (self.world.directory.view(), Stages { stopped, behind, places });
        let mut pictured = self.pictured.lock().unwrap_or_else(PoisonError::into_inner);
        let current = pictured.take().filter(|before| before.of == now);
        let current = current.unwrap_or_else(|| Pictured {
            tree: Arc::new(now.0.as_ref().map_or(Value::Null, |view| now.1.branch(view))),
            of: now,
        });
        Arc::clone(&pictured.insert(current).tree)
    }

    fn config(&self) -> Vec<ValueView> {
        self.reloader.values()
    }

    fn reloads(&self) -> ReloadsView {
        self.reloader.view()
    }

    fn log_level(&self) -> LogLevelView {
        self.log.view()
    }

    fn backfill(&self) -> BackfillView {
        let used = percent(self.world.venue.used()).unwrap_or_default();
        BackfillView { budget_used_percent: used, ..self.backfills.view() }
    }

    fn retain(&self) -> RetainRunView {
        self.retains.view()
    }

    fn events(&self, limit: usize) -> Vec<EventView> {
        self.watch.seen().events.newest(limit)
    }

    fn venue_time(&self) -> Option<UtcMs> {
        Some(self.world.now()).filter(|now| *now > 0)
    }

    fn indicators(&self, of: Symbol, width: Timeframe, end: UtcMs) -> Option<IndicatorsView> {
        self.watch.seen().features.at(of, width, end)
    }
}

/// Actors that block their thread, and since when.
fn holding(view: &TreeView, found: &mut Vec<(String, UtcMs)>) {
    if view.blocked {
        found.push((view.path.clone(), view.since_ms));
    }
    view.children.iter().for_each(|child| holding(child, found));
}

/// The tree as it was last served, and the data it was made from.
struct Pictured {
    of: (Option<TreeView>, Stages),
    tree: Arc<Value>,
}

/// The state of stages that only facts and the journal show.
#[derive(PartialEq, Eq)]
struct Stages {
    /// Stages before a quarantined input: up, but waiting for an operator.
    stopped: Vec<String>,
    /// Inputs that each stage has not passed yet.
    behind: BTreeMap<&'static str, u64>,
    places: Places,
}

impl Stages {
    fn branch(&self, view: &TreeView) -> Value {
        let name = view.path.rsplit('/').next().unwrap_or(&view.path);
        let is_stage = self.places.of(name) == view.path && self.behind.contains_key(name);
        let stands = is_stage && self.stopped.iter().any(|stopped| stopped == name);
        let behind = self.behind.get(name).copied().filter(|_| is_stage).unwrap_or(0);
        let state = if stands { json!("stopped") } else { json!(view.state) };
        let mut node = json!({
            "name": name,
            "kind": view.kind,
            "state": state,
            "restarts": view.restarts,
            "injected": view.injected,
            "since_ms": view.since_ms,
            "last_failure": view.last_failure,
            "down": view.down,
            "blocked": view.blocked,
            "planned": view.planned,
            "mailbox": view.mailbox as u64 + behind,
        });
        // Inside the literal above, each level would be built once more.
        node["children"] = view.children.iter().map(|child| self.branch(child)).collect();
        node
    }
}

/// A share as a whole percentage, rounded up.
pub(super) fn percent(share: f64) -> Option<u64> {
    format!("{:.0}", (share * 100.0).ceil()).parse().ok()
}

fn venue(config: &Config) -> (String, Option<String>, Option<String>) {
    let pace = config.market.pace;
    let remote = match &config.venue {
        VenueSource::Simulated => {
            let prices = config.market.prices.and_then(PublicSource::named);
            let prices =
                prices.map_or(String::new(), |of| format!(", live prices of {}", of.title));
            return (format!("simulated exchange{prices}"), None, Some(pace.to_string()));
        }
        VenueSource::Remote(remote) => remote,
    };
    (
        remote.place(),
        Some(remote.environment.to_owned()),
        (pace != Pace::Times(1)).then(|| pace.to_string()),
    )
}
