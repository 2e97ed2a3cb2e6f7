//! The metrics of the running daemon.

mod actors;
mod regimes;
mod sampler;
mod trading;

pub use sampler::{Sampled, sampler};

use super::dominance;
use super::points::{self, PointPolls};
use super::reload::in_force;
use super::self_replay::SelfReplays;
use super::watch::Watch;
use crate::version::version;
use everwarm_api::page::Stream;
use everwarm_api::{Metrics, Refusals};
use everwarm_cli::log::LogCounts;
use everwarm_config::{Config, VenueSource};
use everwarm_edge::world::World;
use everwarm_messages::commander::Counts;
use everwarm_messages::courier::Deliveries;
use everwarm_runtime::clock;
use everwarm_runtime::meter::Histogram;
use everwarm_views::emergency;
use everwarm_views::questions::{self, Context};
use everwarm_views::telemetry::{HTTP, Page, Process, Rejected, STEPS, disk_free};
use everwarm_views::views::VersionView;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Configuration key of the drawdown that raises an alarm.
const ALARM: &str = "risk.alarm_drawdown_percent";

/// Sources of metrics, besides the world and the watch.
pub struct Parts {
    /// Currency of money values.
    pub currency: String,
    /// API requests, responses and refusals.
    pub refusals: Refusals,
    /// Log lines, counted.
    pub logged: LogCounts,
    /// Panics, without injected ones.
    pub panics: Arc<AtomicU64>,
    /// Samples of the workers' runtime.
    pub sampled: Arc<Sampled>,
    /// Results of messages to receivers.
    pub deliveries: Deliveries,
    /// The result of the last repeated day.
    pub repeated: SelfReplays,
    /// Commands of the chat, counted.
    pub commands: Counts,
    /// The polls of prices of tokens.
    pub points: PointPolls,
}

/// Values that do not change while the process runs.
struct Fixed {
    version: VersionView,
    mode: &'static str,
    /// The venue as a label value.
    venue: &'static str,
    start_ms: i64,
    data_dir: PathBuf,
    /// The drawdown that raises an alarm, until a configuration is in force.
    alarm: Option<Value>,
    /// Whether the sources of the dominance and of prices of tokens are polled.
    polls: [bool; 2],
}

/// The content of `/metrics`.
pub fn metrics(
    config: &Config,
    parts: Parts,
    world: &World,
    watch: &Watch,
    desk: Arc<dyn Context>,
) -> Metrics {
    let (mode, venue) = match (&config.venue, &config.market.recording) {
        (VenueSource::Remote(remote), _) if config.live => ("live", remote.kind),
        (VenueSource::Remote(remote), _) => ("paper", remote.kind),
        (VenueSource::Simulated, None) => ("paper", "simulated"),
        (VenueSource::Simulated, Some(_)) => ("replay", "simulated"),
    };
    let (start_ms, data_dir) = (clock::wall().utc(), config.data_dir.clone());
    let alarm_at = config.values.iter().find(|value| value.key == ALARM);
    let alarm = alarm_at.map(|value| value.value.clone());
    let polls = [
        dominance::is_polled(config.dominance.as_ref(), world.passing),
        points::is_polled(config.points.as_ref(), world.passing),
    ];
    let fixed = Fixed { version: version(), mode, venue, start_ms, data_dir, alarm, polls };
    let (world, watch, rejected) = (world.clone(), watch.clone(), Rejected::default());
    let (took, by_regime) = (Histogram::new(HTTP), regimes::Regimes::default());
    Arc::new(move |stream| {
        let began = clock::now();
        let mut page = Page::new(&rejected);
        process(&mut page, &fixed, &parts);
        readiness(&mut page, &watch, desk.as_ref());
        actors::show(&mut page, &world, &watch);
        trading::market(&mut page, &world, &watch, fixed.venue);
        by_regime.show(&mut page, &world.archive);
        sources(&mut page, &world, &fixed, &parts.points);
        trading::account(&mut page, &world, &watch, (fixed.venue, &parts.currency));
        store(&mut page, &world, &fixed);
        reloads(&mut page, &fixed, desk.as_ref());
        alarmed(&mut page, &world, &fixed);
        parts.repeated.show(&mut page, fixed.start_ms);
        api(&mut page, &parts, stream);
        page.spread("everwarm_metrics_render_duration_seconds", &[], took.read());
        let text = page.text();
        took.time(began.elapsed());
        text
    })
}

/// Sources beside the venue.
fn sources(page: &mut Page, world: &World, fixed: &Fixed, polls: &PointPolls) {
    let [dominance, tokens] = fixed.polls;
    if dominance {
        dominance::show(page, &world.archive, fixed.start_ms);
    }
    if tokens {
        points::show(page, &world.archive, polls, fixed.start_ms);
    }
}

fn process(page: &mut Page, fixed: &Fixed, parts: &Parts) {
    let revision = fixed.version.revision.as_deref().unwrap_or("development");
    page.count("everwarm_build_info", &[&fixed.version.version, revision], 1);
    page.flag("everwarm_mode_info", &[fixed.mode], true);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let start = fixed.start_ms as f64 / 1000.0;
    page.set("everwarm_start_timestamp_seconds", &[], start);
    page.set("process_start_time_seconds", &[], start);
    let now = Process::look();
    for (name, value) in [
        ("process_cpu_seconds_total", now.cpu),
        ("process_resident_memory_bytes", now.resident),
        ("process_virtual_memory_bytes", now.addressed),
        ("process_threads", now.threads),
        ("process_open_fds", now.fds),
        ("process_max_fds", now.max_fds),
    ] {
        if let Some(value) = value {
            page.set(name, &[], value);
        }
    }
    parts.sampled.show(page);
    page.count("everwarm_panics_total", &["hook"], parts.panics.load(Relaxed));
    parts
        .logged
        .levels()
        .for_each(|(level, n)| page.count("everwarm_log_events_total", &[level], n));
    page.count("everwarm_log_suppressed_total", &[], parts.logged.held_back());
}

fn readiness(page: &mut Page, watch: &Watch, desk: &dyn Context) {
    let checks = desk.checks();
    page.flag("everwarm_ready", &[], checks.iter().all(|check| check.ok));
    for check in &checks {
        page.flag("everwarm_ready_check", &[&check.name], check.ok);
    }
    for step in &watch.seen().steps {
        let name = step.name.replace(' ', "_");
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a start are exact")]
        let seconds = step.took_us as f64 / 1_000_000.0;
        if STEPS.contains(&name.as_str()) {
            page.set("everwarm_start_step_seconds", &[&name], seconds);
        }
    }
}

fn store(page: &mut Page, world: &World, fixed: &Fixed) {
    let store = world.journal.store();
    // The component that needs the file reports that it cannot be read.
    let segments = store.segments().map_or(0, |(_, bytes)| bytes);
    let history = std::fs::metadata(world.archive.path()).map_or(0, |m| m.len());
    for (file, bytes) in
        [("live", store.file_bytes()), ("segments", segments), ("history", history)]
    {
        page.count("everwarm_store_file_bytes", &[file], bytes);
    }
    if let Some(free) = disk_free(&fixed.data_dir) {
        page.set("everwarm_store_disk_free_bytes", &[], free);
    }
    let emergency = emergency::read(&fixed.data_dir);
    page.count("everwarm_storage_emergency", &[], emergency.state.number());
    for name in emergency::NAMES.iter().copied() {
        let freed = emergency.steps.iter().find(|step| step.name == name);
        let freed = freed.map_or(0, |step| step.freed);
        page.count("everwarm_storage_emergency_freed_bytes", &[name], freed);
    }
    let meter = world.journal.meter();
    for (durability, commits) in [("lazy", &meter.lazy), ("synced", &meter.synced)] {
        page.spread("everwarm_store_commit_duration_seconds", &[durability], commits.read());
    }
    let lag = world.journal.uncommitted_age();
    page.set("everwarm_store_uncommitted_seconds", &[], lag.as_secs_f64());
    page.count("everwarm_journal_head", &[], world.journal.head());
    let pending = world.journal.last_row().saturating_sub(world.journal.durable_row());
    page.count("everwarm_store_journal_pending", &[], pending);
    for (stage, ago) in world.journal.saved() {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
        let saved = clock::wall().utc() as f64 / 1000.0 - ago.as_secs_f64();
        page.set("everwarm_store_snapshot_timestamp_seconds", &[stage], saved);
    }
}

fn reloads(page: &mut Page, fixed: &Fixed, desk: &dyn Context) {
    let Some(reloads) = desk.process().map(questions::Process::reloads) else { return };
    page.count("everwarm_config_generation", &[], reloads.generation);
    let well = reloads.last.as_ref().is_none_or(|last| last.result.is_success());
    page.flag("everwarm_config_last_reload_successful", &[], well);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let last = reloads.last_success.unwrap_or(fixed.start_ms) as f64 / 1000.0;
    page.set("everwarm_config_last_reload_success_timestamp_seconds", &[], last);
    page.flag("everwarm_config_restart_pending", &[], !reloads.restart_pending.is_empty());
    for of in &reloads.counts {
        let labels = [of.trigger.name(), of.result.name()];
        page.count("everwarm_config_reloads_total", &labels, of.count);
    }
}

fn alarmed(page: &mut Page, world: &World, fixed: &Fixed) {
    let alarm = in_force(&world.board, ALARM).or_else(|| fixed.alarm.clone());
    let percent = alarm.and_then(|value| value.as_u64()).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "0 to 100")]
    page.set("everwarm_drawdown_alarm_ratio", &[], percent as f64 / 100.0);
}

fn api(page: &mut Page, parts: &Parts, stream: &Stream) {
    page.count("everwarm_stream_clients", &[], stream.readers() as u64);
    page.count("everwarm_stream_lagged_total", &[], stream.skipped());
    for of in parts.deliveries.all() {
        page.count("everwarm_messages_total", &[&of.receiver], of.taken);
        let since = of.failing_since.map_or(0, |since| (clock::wall().utc() - since).max(0));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
        let seconds = since as f64 / 1000.0;
        page.set("everwarm_messages_failing_seconds", &[&of.receiver], seconds);
        let apart = of.apart.map_or(0, |apart| apart.messages + apart.lost);
        page.count("everwarm_messages_refused", &[&of.receiver], apart);
    }
    for (result, n) in parts.commands.all() {
        page.count("everwarm_chat_commands_total", &[result], n);
    }
    let refused = parts.refusals.all();
    refused.for_each(|(reason, n)| page.count("everwarm_http_refused_total", &[reason], n));
    // Other label values appear with the first such request.
    page.count("everwarm_http_requests_total", &["/metrics", "GET", "200"], 0);
    for ((route, method, status), n) in parts.refusals.requests() {
        let status = status.to_string();
        page.count("everwarm_http_requests_total", &[&route, method, &status], n);
    }
    for (route, took) in parts.refusals.took() {
        page.spread("everwarm_http_request_duration_seconds", &[&route], took);
    }
}
