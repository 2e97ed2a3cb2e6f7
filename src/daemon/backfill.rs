//! The backfill: completes the stored bars of many days, beside a running daemon or without one.
//!
//! Nothing is fetched that is stored. Each page is stored when it comes, with the times for which
//! the venue has no bars, so a backfill that is killed continues at its next page. A start does not
//! depend on these bars.

mod beside;
mod meter;
mod offline;
mod plan;
mod runs;
mod symbols;
mod work;

pub use beside::actor;
pub use offline::run;
pub use runs::Backfills;
pub use symbols::check;

use everwarm_domain::time::Timeframe;
use everwarm_history::backfill::SeriesPlan;
use everwarm_venue::Source;
use everwarm_views::backfill::BackfillState;
use meter::Meter;
pub(super) use plan::needs;
use plan::{Scope, row};

/// Writes a plan to the meter. `speed` is the factor of the venue's time; 0: it stands still.
fn planned(
    meter: &Meter,
    plans: &[SeriesPlan],
    scope: &Scope,
    (source, speed): (&dyn Source, u32),
) {
    let rows = || plans.iter().map(|plan| row(plan, &scope.sessions)).collect();
    let requests = plans.iter().map(|plan| plan.pages.len() as u64).sum::<u64>();
    let per_minute = u64::from(source.capabilities().per_minute) * u64::from(speed);
    meter.change(|view| {
        view.series = plans.len() as u64;
        view.bars = plans.iter().map(|plan| plan.missing).sum();
        view.requests = requests;
        view.estimate_ms = (requests * 60_000).checked_div(per_minute);
        if view.request.plan {
            view.rows = rows();
            view.state = BackfillState::Planned;
        }
    });
}

/// The widths to complete: those of the request, else the configured ones that the source has.
///
/// # Errors
/// The source lacks a width of the request, or all configured ones.
fn supported(
    named: &[Timeframe],
    configured: &[Timeframe],
    known: &[Timeframe],
) -> Result<Vec<Timeframe>, String> {
    let list = |widths: &[Timeframe]| {
        widths.iter().map(Timeframe::to_string).collect::<Vec<_>>().join(", ")
    };
    if let Some(absent) = named.iter().find(|width| !known.contains(width)) {
        return Err(format!("timeframes: the venue has no bars of {absent}, but {}", list(known)));
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let left = configured.iter().copied().filter(|of| known.contains(of));
    let left: Vec<Timeframe> = left.collect();
    if left.is_empty() {
        let (text, known) = (list(configured), list(known));
        return Err(format!("history.timeframes: the venue has no bars of {text}, but {known}"));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_that_the_venue_lacks_is_refused_if_it_is_named_and_else_left_out() {
        use Timeframe::{D1, H1, M1, M15};
        let known = [M1, H1];
        assert_eq!(supported(&[], &[D1, H1], &known), Ok(vec![H1]));
        assert_eq!(supported(&[M1], &[D1], &known), Ok(vec![M1]));
        let why = supported(&[M15], &[H1], &known).unwrap_err();
        assert_eq!(why, "timeframes: the venue has no bars of 15m, but 1m, 1h");
        assert!(supported(&[], &[D1], &known).unwrap_err().starts_with("history.timeframes"));
    }
}
