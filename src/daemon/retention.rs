//! Removes facts that the journal keeps for a time only. `everwarm_domain::retention` says which.
//!
//! A running daemon does it each night, on request (`beside`) and in an emergency of storage
//! (`storekeeper/emergency.rs`). `retain` does it without a daemon.
//!
//! Facts are removed only behind a stored state of all stages. That state was derived again from
//! the facts and agreed with them. So everything after it can still be verified. Then bars leave
//! the history, see `retention/bars.rs`.

mod bars;

use super::backfill::needs;
use super::self_replay::Resting;
use crate::audit::{DerivedPeriod, StoreFacts, derive, store_failure};
use crate::daemon_run::{APPLICATION, LIVE_FILE};
use bars::Moving;
pub(super) use bars::lock;
use everwarm_cli::progress::Counted;
use everwarm_cli::storage::RetainConfig;
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::fact::Body;
use everwarm_domain::retention::Retention;
use everwarm_domain::time::{DAY, Timeframe, UtcMs, day_of};
use everwarm_edge::world::World;
use everwarm_history as history;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Keep, LoopPlace, Store, StoreError, StoredLoop, Thinned};
use everwarm_views::emergency;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::storage::{RetainRequest, RetainView};
use everwarm_views::summary::Period;
use everwarm_words::text::{count, instant, megabytes};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Newest stored states that are kept. Of older ones, one a week is kept.
const NEWEST: usize = 7;

/// Held while facts, bars or files are removed: one caller at a time does that.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until nobody else removes anything.
fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The turn, if nobody else removes anything now.
pub(super) fn turn_now() -> Option<MutexGuard<'static, ()>> {
    match TURN.try_lock() {
        Ok(turn) => Some(turn),
        Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Stores the states at the end of a day.
pub(super) fn keep_states(world: &World, end: &StoredLoop<Body>) -> Result<(), StoreError> {
    let store = world.journal.store();
    store.put_loop_state(end)?;
    forget(store, &places(store)?, 0)
}

/// Removes the facts and the bars that are due at the time of the newest stored states. `goes_on`
/// as in [`Moving::run`].
pub(super) fn tonight(
    world: &World,
    time: UtcMs,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<(), Failure> {
    let _turn = turn();
    let today = day_of(time);
    // A segment that cannot be thinned does not keep bars in the history.
    let thinned = thin(world, rules(world).analysis_days, today).map_err(|e| store_failure(&e));
    let moving = Tonight::of(world, rules(world), today);
    for step in moving.moving().run(goes_on)? {
        tracing::info!("{step}");
    }
    thinned.map(drop)
}

/// Removes facts of the journal before the last stored states that are so many days old. None: no
/// states are stored, so nothing can be removed.
pub(super) fn thin(world: &World, days: i64, today: i64) -> Result<Option<Thinned>, StoreError> {
    let store = world.journal.store();
    let places = places(store)?;
    let until = today.saturating_sub(days);
    let place = places.iter().rfind(|place| days > 0 && day_of(place.time) <= until);
    let Some(place) = place else {
        return Ok(places.first().map(|_| Thinned::default()));
    };
    let mut retention = Retention::default();
    let thinned = world.journal.thin(place.row, &mut |fact: &Fact<Body>| retention.stays(fact))?;
    if thinned.segments > 0 {
        tracing::info!(
            "removed {} from before {}: {} MB instead of {} MB",
            count(thinned.facts, "fact"),
            instant(place.time),
            megabytes(thinned.after),
            megabytes(thinned.before)
        );
    }
    forget(store, &places, place.n)?;
    Ok(Some(thinned))
}

/// The rules of storage in force, also in an emergency.
pub(super) fn rules(world: &World) -> StorageRules {
    emergency::in_force(configured(world), data_dir(world))
}

/// The configured rules of storage.
pub(super) fn configured(world: &World) -> StorageRules {
    bars::rules(&world.board)
}

/// The data directory.
pub(super) fn data_dir(world: &World) -> &Path {
    world.archive.path().parent().unwrap_or(Path::new(""))
}

/// What [`Moving`] needs beside trading.
pub(super) struct Tonight<'a> {
    world: &'a World,
    rules: StorageRules,
    today: i64,
    minutes_from: UtcMs,
    needed: BTreeMap<Timeframe, UtcMs>,
}

impl<'a> Tonight<'a> {
    /// By these rules, on a day.
    pub(super) fn of(world: &'a World, rules: StorageRules, today: i64) -> Tonight<'a> {
        let minutes_from = bars::minutes_from(world, today);
        Tonight { world, rules, today, minutes_from, needed: bars::needed_now(world, today) }
    }

    /// The bars to move.
    pub(super) fn moving(&self) -> Moving<'_> {
        let (history, data_dir) = (&*self.world.archive, data_dir(self.world));
        let Tonight { rules, today, minutes_from, needed, .. } = self;
        let (today, minutes_from) = (*today, *minutes_from);
        Moving { history, rules, data_dir, today, minutes_from, needed }
    }
}

/// Removes what is due on request, beside trading.
///
/// # Errors
/// Facts differ from their inputs, or the files cannot be used.
pub(super) fn beside(
    world: &World,
    asked: &RetainRequest,
    journal: &Resting,
) -> Result<RetainView, Failure> {
    let _turn = turn();
    let (store, rules) = (world.journal.store(), rules(world));
    let days = asked.days.unwrap_or(rules.analysis_days);
    if days == 0 {
        let text = "storage.analysis_days is 0: all facts stay for ever; name the days: --days N";
        return Err(Failure::new(Exit::Usage, text));
    }
    let newest = newest(store)?;
    let until = day_of(newest).saturating_sub(days).saturating_mul(DAY);
    let view = RetainView { until, dry_run: asked.dry_run, ..RetainView::default() };
    let period = Period { from: until - DAY, to: until };
    let end = agreed(derive(journal, &world.archive, period)?)?;
    let moving = Tonight::of(world, rules, day_of(newest));
    if asked.dry_run {
        let whole = end.as_ref().map_or(Ok((0, 0)), |end| store.whole_before(end.row));
        let whole = whole.map_err(|e| store_failure(&e))?;
        let bars = moving.moving().plan()?;
        return Ok(RetainView { segments: whole.0, bytes_before: whole.1, bars, ..view });
    }
    let thinned = || -> Result<Thinned, StoreError> {
        let Some(end) = &end else { return Ok(Thinned::default()) };
        store.put_loop_state(end)?;
        let mut retention = Retention::default();
        let keep: &mut Keep<'_, Body> = &mut |fact| retention.stays(fact);
        let thinned = world.journal.thin(end.row, keep)?;
        forget(store, &places(store)?, end.state.n)?;
        Ok(thinned)
    };
    let thinned = thinned().map_err(|e| store_failure(&e))?;
    let bars = moving.moving().run(&mut journal.steps())?;
    let Thinned { segments, facts, before, after } = thinned;
    let (bytes_before, bytes_after) = (before, after);
    Ok(RetainView { segments, facts, bytes_before, bytes_after, bars, ..view })
}

/// The stored states that can be read, by input.
fn places(store: &Store) -> Result<Vec<LoopPlace>, StoreError> {
    let all = store.loop_states()?;
    Ok(all.into_iter().filter_map(|n| store.loop_place(n).ok()).collect())
}

/// Removes stored states that nothing needs: those before `from`, and most of the older ones. The
/// first one behind the removed facts stays: `verify` begins there.
fn forget(store: &Store, places: &[LoopPlace], from: u64) -> Result<(), StoreError> {
    let whole = store.whole_from()?;
    let first = places.iter().find(|place| place.row >= whole);
    let from = from.max(first.map_or(0, |place| place.n));
    superfluous(places, from).into_iter().try_for_each(|n| store.forget_loop_state(n))
}

/// The inputs of those states.
fn superfluous(places: &[LoopPlace], from: u64) -> Vec<u64> {
    let newest = places.len().saturating_sub(NEWEST);
    let (mut week, mut superfluous) = (None, Vec::new());
    for (at, place) in places.iter().enumerate() {
        let of = day_of(place.time).div_euclid(7);
        let first = week.replace(of) != Some(of);
        if place.n < from || (place.n > from && at < newest && !first) {
            superfluous.push(place.n);
        }
    }
    superfluous
}

/// Removes the facts that are due from the files of a stopped daemon.
///
/// # Errors
/// A daemon runs, facts differ from their inputs, or the files cannot be used.
pub(super) fn retain(data_dir: &Path, config: &RetainConfig) -> Result<RetainView, Failure> {
    let store = stopped(data_dir, Store::open)?;
    let archive = archive(data_dir)?;
    let newest = newest(&store)?;
    let until = day_of(newest).saturating_sub(config.days).saturating_mul(DAY);
    let view = RetainView { until, dry_run: config.dry_run, ..RetainView::default() };
    let journal = Counted(Box::new(StoreFacts(store.clone())), Arc::clone(&config.progress));
    let period = Period { from: until - DAY, to: until };
    let end = agreed(derive(&journal, &archive, period)?)?;
    let rules = emergency::in_force(bars::possible(config.rules.clone()), data_dir);
    let (rules, today) = (&rules, day_of(newest));
    let minutes_from = UtcMs::MAX;
    let needs = needs(&config.settings);
    let needed = &bars::needed(&needs, &config.backfill, None, today);
    if config.dry_run {
        let whole = |end: &StoredLoop<Body>| store.whole_before(end.row);
        let whole = end.as_ref().map_or(Ok((0, 0)), whole).map_err(|e| store_failure(&e))?;
        let history = &archive;
        let bars = Moving { history, rules, data_dir, today, minutes_from, needed }.plan()?;
        return Ok(RetainView { segments: whole.0, bytes_before: whole.1, bars, ..view });
    }
    let thinned = end.map_or(Ok(Thinned::default()), |end| remove(&store, &end));
    let thinned = thinned.map_err(|e| store_failure(&e))?;
    // It was opened for reading only.
    drop(archive);
    let history = Archive::open_existing(&data_dir.join(history::FILE))?;
    let mut bars = Vec::new();
    if let Some(mut history) = history {
        let of = Moving { history: &history, rules, data_dir, today, minutes_from, needed };
        bars = of.run(&mut || true)?;
        if bars.iter().any(|step| step.bars.is_some()) {
            history.compact()?;
        }
    }
    let Thinned { segments, facts, before, after } = thinned;
    let (bytes_before, bytes_after) = (before, after);
    Ok(RetainView { segments, facts, bytes_before, bytes_after, bars, ..view })
}

/// Removes the facts that are kept for a time only, as far as they lie before these states.
pub(super) fn remove(store: &Store, end: &StoredLoop<Body>) -> Result<Thinned, StoreError> {
    store.put_loop_state(end)?;
    let mut retention = Retention::default();
    let keep: &mut Keep<'_, Body> = &mut |fact| retention.stays(fact);
    let thinned = store.thin(end.row, keep)?;
    forget(store, &places(store)?, end.state.n)?;
    Ok(thinned)
}

/// Opens the journal of a stopped daemon.
pub(super) fn stopped(
    data_dir: &Path,
    open: fn(&Path, &str) -> Result<Store, StoreError>,
) -> Result<Store, Failure> {
    let live = data_dir.join(LIVE_FILE);
    if !live.exists() {
        return Err(Failure::no_daemon(data_dir));
    }
    open(&live, APPLICATION).map_err(|e| {
        if matches!(e, StoreError::Held(_)) {
            let text = "a running daemon uses these files; stop it first: everwarm stop";
            return Failure::new(Exit::Held, text.to_owned());
        }
        store_failure(&e)
    })
}

/// The history of a stopped daemon. Without it no fact can be derived again.
pub(super) fn archive(data_dir: &Path) -> Result<Arc<Archive>, Failure> {
    let none = || {
        let text = "the history is missing, so no fact can be derived again; a start makes it";
        Failure::new(Exit::Refused, text.to_owned())
    };
    Archive::look(&data_dir.join(history::FILE))?.map(Arc::new).ok_or_else(none)
}

/// The states at the end of what was derived again. None if no input follows it.
///
/// # Errors
/// A fact differs.
pub(super) fn agreed(derived: DerivedPeriod) -> Result<Option<StoredLoop<Body>>, Failure> {
    let DerivedPeriod { first, end, .. } = derived;
    let Some(first) = first else { return Ok(end) };
    let text = format!(
        "nothing was changed: facts differ from their inputs, the first is {}: {}; run everwarm \
         verify",
        first.key, first.text
    );
    Err(Failure::new(Exit::Problems, text))
}

/// Event time of the last input.
fn newest(store: &Store) -> Result<UtcMs, Failure> {
    let mut newest = 0;
    let live = store.live_from().map_err(|e| store_failure(&e))?;
    StoreFacts(store.clone()).each(live, &mut |_, fact| {
        newest = newest.max(fact.time);
        ControlFlow::Continue(())
    })?;
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_states_stay_and_one_a_week_of_the_older_ones() {
        let place =
            |day: u64| LoopPlace { n: day, row: day, time: i64::try_from(day).unwrap() * DAY + 1 };
        let places: Vec<LoopPlace> = (3..30).map(place).collect();
        let stay = |from| {
            let gone = superfluous(&places, from);
            (3..30).filter(|n| !gone.contains(n)).collect::<Vec<u64>>()
        };
        assert_eq!(stay(0), [3, 7, 14, 21, 23, 24, 25, 26, 27, 28, 29]);
        // Facts before input 10 were removed: its state stays.
        assert_eq!(stay(10), [10, 14, 21, 23, 24, 25, 26, 27, 28, 29]);
    }
}
