//! Removes facts that the journal keeps for a time only. `everwarm_domain::retention` says which.
//!
//! Facts are removed only behind a stored state of all stages. That state was derived again from
//! the facts and agreed with them. So everything after it can still be verified. Then bars leave
//! the history, see `retention/bars.rs`.

mod bars;

use crate::audit::{DerivedPeriod, StoreFacts, derive, store_failure};
use crate::daemon_run::{APPLICATION, LIVE_FILE};
use bars::Moving;
use everwarm_cli::progress::Counted;
use everwarm_cli::storage::RetainConfig;
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::fact::Body;
use everwarm_domain::retention::Retention;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_edge::world::World;
use everwarm_history as history;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Keep, LoopPlace, Store, StoreError, StoredLoop, Thinned};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::storage::RetainView;
use everwarm_views::summary::Period;
use everwarm_words::text::{count, instant, megabytes};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Newest stored states that are kept. Of older ones, one a week is kept.
const NEWEST: usize = 7;

/// Stores the states at the end of a day, and removes the facts that are due.
pub(super) fn tonight(world: &World, end: &StoredLoop<Body>) -> Result<(), StoreError> {
    let store = world.journal.store();
    store.put_loop_state(end)?;
    let days = bars::rules(&world.board).analysis_days;
    let places = places(store)?;
    let until = day_of(end.state.time).saturating_sub(days);
    let place = places.iter().rfind(|place| days > 0 && day_of(place.time) <= until);
    if let Some(place) = place {
        let mut retention = Retention::default();
        let thinned =
            world.journal.thin(place.row, &mut |fact: &Fact<Body>| retention.stays(fact))?;
        if thinned.segments > 0 {
            tracing::info!(
                "removed {} from before {}: {} MB instead of {} MB",
                count(thinned.facts, "fact"),
                instant(place.time),
                megabytes(thinned.after),
                megabytes(thinned.before)
            );
        }
    }
    forget(store, &places, place.map_or(0, |place| place.n))
}

/// The rules of storage in force.
pub(super) fn rules(world: &World) -> StorageRules {
    bars::rules(&world.board)
}

/// Moves the bars that are due on the day of `time`, event time. `goes_on` as in [`Moving::run`].
pub(super) fn bars_tonight(
    world: &World,
    time: UtcMs,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<(), Failure> {
    let data_dir = world.archive.path().parent().unwrap_or(Path::new(""));
    let (history, today) = (&*world.archive, day_of(time));
    let rules = bars::rules(&world.board);
    let minutes_from = bars::minutes_from(world, today);
    let of = Moving { history, rules: &rules, data_dir, today, minutes_from };
    let steps = of.run(goes_on)?;
    for step in &steps {
        tracing::info!("{step}");
    }
    Ok(())
}

/// The stored states that can be read, by input.
fn places(store: &Store) -> Result<Vec<LoopPlace>, StoreError> {
    let all = store.loop_states()?;
    Ok(all.into_iter().filter_map(|n| store.loop_place(n).ok()).collect())
}

/// Removes stored states that nothing needs: those before `from`, and most of the older ones.
fn forget(store: &Store, places: &[LoopPlace], from: u64) -> Result<(), StoreError> {
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
    let (rules, today) = (&bars::possible(config.rules.clone()), day_of(newest));
    let minutes_from = UtcMs::MAX;
    if config.dry_run {
        let whole = |end: &StoredLoop<Body>| store.whole_before(end.row);
        let whole = end.as_ref().map_or(Ok((0, 0)), whole).map_err(|e| store_failure(&e))?;
        let bars = Moving { history: &archive, rules, data_dir, today, minutes_from }.plan()?;
        return Ok(RetainView { segments: whole.0, bytes_before: whole.1, bars, ..view });
    }
    let thinned = end.map_or(Ok(Thinned::default()), |end| remove(&store, &end));
    let thinned = thinned.map_err(|e| store_failure(&e))?;
    // It was opened for reading only.
    drop(archive);
    let history = Archive::open_existing(&data_dir.join(history::FILE))?;
    let mut bars = Vec::new();
    if let Some(mut history) = history {
        bars =
            Moving { history: &history, rules, data_dir, today, minutes_from }.run(&mut || true)?;
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
