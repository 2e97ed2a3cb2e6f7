//! Metrics of the market, the orders and the account.

use super::super::watch::Watch;
use everwarm_domain::fact::{BreakerLevel, Standing};
use everwarm_domain::path;
use everwarm_domain::sessions::Sessions;
use everwarm_edge::meters::StreamMeter;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::{Passing, World};
use everwarm_kernel::fact::Effect;
use everwarm_runtime::meter::Reading;
use everwarm_views::coverage::{CoverageView, SeriesState, StrategyReadyView};
use everwarm_views::health::exposed;
use everwarm_views::protection::BOUNDS;
use everwarm_views::telemetry::Page;
use everwarm_views::views::{OwedState, StatusView, SwitchesView, SymbolView};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Writes the metrics of the market, and the age of the newest bars.
pub fn market(page: &mut Page, world: &World, watch: &Watch, venue: &str) {
    let meters = &world.board.meters;
    let stands = standing(world);
    for (stream, of, place) in [
        ("market", &meters.market, world.places.feed()),
        ("private", &meters.private, world.places.private()),
    ] {
        shown(page, venue, stream, of);
        // A stream that an operator turned off raises no alarm.
        if !path::is_off(&stands.switches, &place) {
            page.flag("everwarm_feed_connected", &[venue, stream], of.is_up());
        }
    }
    let messages = "everwarm_feed_messages_total";
    let (market, private) = (&meters.market, &meters.private);
    let others = load(&market.other) + load(&private.other);
    for (kind, n) in
        [("bar", load(&market.used)), ("order", load(&private.used)), ("other", others)]
    {
        page.count(messages, &[venue, kind], n);
    }
    page.count("everwarm_feed_dropped_total", &[venue, "full"], load(&market.dropped));
    page.spread("everwarm_feed_latency_seconds", &[venue], meters.latency.read());
    let (same, revised) = world.board.bars.get();
    page.count("everwarm_bar_repeats_total", &["same"], same);
    page.count("everwarm_bar_repeats_total", &["revised"], revised);
    let (odd, refused) = world.board.bars.strange();
    page.count("everwarm_bars_odd_total", &["confirmed"], odd);
    page.count("everwarm_bars_odd_total", &["refused"], refused);
    let (symbols, stale_s) = {
        let mut seen = watch.seen();
        covered(page, &seen.memory.coverage.view());
        let state = seen.memory.now();
        (state.status.symbols(), state.counts.stale_s())
    };
    ages(page, (world.now(), &world.board.sessions()), &symbols, stale_s);
}

fn shown(page: &mut Page, venue: &str, stream: &str, of: &StreamMeter) {
    let labels = [venue, stream];
    page.count("everwarm_feed_decode_failures_total", &labels, load(&of.garbled));
    page.count("everwarm_feed_gaps_total", &labels, load(&of.gaps));
    for (reason, lost) in ["closed", "refused"].iter().zip(&of.lost) {
        page.count("everwarm_feed_reconnects_total", &[venue, stream, reason], load(lost));
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let newest = of.newest.load(Relaxed) as f64 / 1000.0;
    page.set("everwarm_feed_last_event_timestamp_seconds", &labels, newest);
}

fn ages(page: &mut Page, (now, sessions): (i64, &Sessions), symbols: &[SymbolView], stale_s: i64) {
    let traded = symbols.iter().filter(|s| s.state == Standing::Trading);
    let (mut all, mut stale) = (0, 0);
    for symbol in traded {
        all += 1;
        let Some(newest) = symbol.newest_bar else { continue };
        // Nothing ages while the venue does not trade.
        let age = sessions.open_between(newest, now);
        stale += u64::from(age > stale_s * 1000);
        #[expect(clippy::cast_precision_loss, reason = "an age is short")]
        let seconds = age as f64 / 1000.0;
        page.set("everwarm_feed_symbol_age_seconds", &[symbol.symbol.as_str()], seconds);
    }
    page.count("everwarm_feed_symbols", &[], all);
    page.count("everwarm_feed_stale_symbols", &[], stale);
}

/// Writes the metrics of past bars.
fn covered(page: &mut Page, history: &CoverageView) {
    for StrategyReadyView { strategy, symbols, ready } in &history.strategies {
        page.count("everwarm_strategy_symbols", &[strategy], *symbols);
        page.count("everwarm_strategy_symbols_ready", &[strategy], *ready);
    }
    for (state, name) in SeriesState::ALL {
        page.count("everwarm_series", &[name], history.series.get(&state).copied().unwrap_or(0));
    }
}

/// Writes the metrics of orders and the account.
pub fn account(page: &mut Page, world: &World, watch: &Watch, (venue, currency): (&str, &str)) {
    let meters = &world.board.meters;
    for (stage, took) in
        [("decide", &meters.decide), ("sync", &meters.sync), ("total", &meters.total)]
    {
        page.spread("everwarm_pipeline_duration_seconds", &[stage], took.read());
    }
    for (op, took) in [("submit", &meters.submit), ("query", &meters.query)] {
        page.spread("everwarm_order_roundtrip_seconds", &[venue, op], took.read());
    }
    page.set("everwarm_venue_rate_limit_used_ratio", &[venue], world.venue.used());
    let mut seen = watch.seen();
    let reconciled = seen.reconciled_ms;
    let state = seen.memory.now();
    let (taken, owners) = (state.status.taken(), state.status.owners());
    state.counts.show(page, (venue, currency), (taken, owners));
    let status = state.status.view_in(world.journal.life());
    let quarantines = state.status.quarantines();
    let stopped = !state.status.stopped().is_empty();
    // In lockstep nothing is late: time follows the facts.
    let passes = world.passing != Passing::Lockstep;
    let now = if passes { world.now() } else { state.health.now };
    let stay = exposed(
        &state.health,
        &state.status.sellable(),
        &state.status.symbols(),
        (status.breaker, None),
        now,
    );
    let protection = state.status.protection();
    let unprotected = "everwarm_lots_unprotected";
    page.count(unprotected, &["no-order"], protection.without_order(now));
    page.count(unprotected, &["no-stop"], protection.without_stop());
    let (counts, sum) = protection.waits();
    if !counts.is_empty() {
        page.spread("everwarm_unprotected_seconds", &[], Reading { bounds: BOUNDS, counts, sum });
    }
    let limited = state.counts.is_limited();
    let switches = state.status.switches();
    drop(seen);
    for strategy in switches.switches.strategies.keys() {
        page.flag("everwarm_strategy_enabled", &[strategy], false);
    }
    page.count("everwarm_orders_open", &[venue], status.open_orders);
    page.count("everwarm_orders_unknown", &[venue], status.unknown_orders);
    for (state, name) in OwedState::ALL {
        let owed = status.owed.iter().filter(|owed| owed.state == state);
        page.count("everwarm_exits_owed", &[name], owed.count() as u64);
    }
    let oldest = status.owed.iter().map(|owed| owed.since).min();
    let oldest = oldest.map_or(0, |since| (now - since).max(0) / 1000);
    let oldest = f64::from(i32::try_from(oldest).unwrap_or(i32::MAX));
    page.set("everwarm_exit_owed_age_seconds", &[], oldest);
    page.count("everwarm_reconcile_mismatches", &[venue], status.conflicts.len() as u64);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let reconciled = reconciled as f64 / 1000.0;
    page.set("everwarm_reconcile_last_success_timestamp_seconds", &[venue], reconciled);
    let period = world.compare_every().map_or(0.0, |every| every.as_secs_f64());
    page.set("everwarm_reconcile_period_seconds", &[venue], period);
    page.flag("everwarm_breaker_level", &[level(status.breaker)], true);
    let branch = stage_is_down(world);
    halted(page, &status, &switches, (limited, stopped, branch));
    for (effect, name) in
        [(Effect::Parts, "parts"), (Effect::Stage, "stage"), (Effect::Stopped, "stopped")]
    {
        let held = quarantines.iter().filter(|q| !q.quarantine.dropped);
        let n = held.filter(|q| q.quarantine.effect == effect).count();
        page.count("everwarm_quarantined", &[name], n as u64);
    }
    let dropped = quarantines.iter().filter(|q| q.quarantine.dropped).count();
    page.count("everwarm_stages_dropped", &[], dropped as u64);
    page.count("everwarm_positions_unprotected", &[], stay.len() as u64);
}

/// Whether a stage is stopped, so that the daemon opens no position.
fn stage_is_down(world: &World) -> bool {
    let stages = format!("{}/", everwarm_domain::path::STAGES);
    world.directory.readings().iter().any(|r| r.path.starts_with(&stages) && r.is_down())
}

fn halted(
    page: &mut Page,
    status: &StatusView,
    switches: &SwitchesView,
    (limited, stopped, branch): (bool, bool, bool),
) {
    for (reason, holds) in [
        ("operator", switches.allows >= BreakerLevel::ExitsOnly),
        ("limit", limited),
        ("conflict", !status.conflicts.is_empty()),
        ("stage", stopped),
        ("branch", branch),
    ] {
        page.flag("everwarm_trading_halted", &[reason], holds);
    }
}

const fn level(level: BreakerLevel) -> &'static str {
    match level {
        BreakerLevel::Normal => "normal",
        BreakerLevel::Reduced => "reduced",
        BreakerLevel::ExitsOnly => "exits-only",
        BreakerLevel::Halted => "halted",
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Relaxed)
}
