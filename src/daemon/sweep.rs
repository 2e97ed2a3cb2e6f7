//! Plays the points of a grid, each in every part of the period, on several threads.

use super::backtest::{self, Bars, END};
use super::chaos::interrupted;
use super::past_signals::Signals;
use super::stop::Stop;
use everwarm_cli::SweepConfig;
use everwarm_config::Config;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_sim::InitialBooks;
use everwarm_sim::market::{Market as _, Window};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::sweep::{Figures, Outcome, Part, PointResult};
use sha2::{Digest as _, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Plays a sweep.
///
/// # Errors
/// A part has no close, or a point cannot be played or stored.
pub fn run(asked: &SweepConfig<'_>) -> Result<(), Failure> {
    let config = &asked.base.config;
    let (bars, signals) = Bars::of(asked.base)?;
    let (market, setup) = bars.market(config)?;
    let whole = (market.start(), market.end());
    let mut market = Window::of(market, asked.base.from.or(bars.start()), asked.base.to);
    let (from, to) = (market.start(), market.end().ok_or_else(backtest::endless)?);
    let parts = Part::cut(from, to, asked.parts).map_err(|why| Failure::new(Exit::Usage, why))?;
    for part in &parts {
        if market.next_close(part.from).is_none_or(|close| close > part.to) {
            return Err(backtest::empty((part.from, part.to), whole));
        }
    }
    let base = digest(config, &setup, &mut market, &signals);
    let points = (asked.begin)(&base, &parts)?;
    interrupted(Stop::new()?.may_take(END))?;
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(point) = points.get(next.fetch_add(1, Relaxed)) {
            if let Err(why) = play(asked, (&bars, &signals), *point, &parts) {
                next.store(points.len(), Relaxed);
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(why);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..asked.jobs.min(points.len()) {
            scope.spawn(work);
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Plays a point in each part.
fn play(
    asked: &SweepConfig<'_>,
    (bars, signals): (&Bars, &Signals),
    point: u64,
    parts: &[Part],
) -> Result<(), Failure> {
    let config = match (asked.config_of)(point) {
        Ok(config) => config,
        Err(why) => {
            // The first line counts the errors.
            let errors: Vec<&str> = why.text.lines().skip(1).collect();
            let text = if errors.is_empty() { why.text.clone() } else { errors.join("; ") };
            let outcome = Outcome::Refused(text);
            return (asked.take)(PointResult { point, outcome });
        }
    };
    let one = |part: &Part| {
        let market = bars.market(&config)?;
        let period = (Some(part.from), Some(part.to));
        let view = backtest::play(&config, market, signals, period, &|_, _| ())?;
        Ok(Figures::of(&view))
    };
    let all = || parts.iter().map(one).collect::<Result<Vec<Figures>, Failure>>();
    let figures = catch_unwind(AssertUnwindSafe(all)).unwrap_or_else(|_| {
        Err(Failure::new(Exit::Failed, "a stage panicked; the message above says where"))
    });
    let figures = figures.map_err(|why| {
        if why.exit == Exit::Interrupted {
            let text = "interrupted; the same command continues the sweep";
            return Failure::new(why.exit, text);
        }
        Failure::new(why.exit, format!("{}: {why}", (asked.name_of)(point)))
    })?;
    (asked.take)(PointResult { point, outcome: Outcome::Played(figures) })
}

/// A digest of what results depend on, besides the grid: the settings, the initial books, the bars
/// with their history, and the signals.
fn digest(config: &Config, setup: &InitialBooks, market: &mut Window, signals: &Signals) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{:?} {setup:?}", config.settings));
    let (first, last) = (UtcMs::MIN, market.end().map_or(UtcMs::MAX, |end| end - MINUTE));
    for rule in market.instruments().to_vec() {
        digest.update(format!("{rule:?}"));
        for bar in market.bars(rule.symbol, first, last, usize::MAX) {
            digest.update(format!("{bar:?}"));
        }
    }
    for row in signals.rows() {
        digest.update(format!("{:?}", row.signal));
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    format!("{:032x}", u128::from_be_bytes(bytes))
}
