//! Shared parts of the benches: a market made before timing starts, a venue that fills immediately,
//! the daemon's own stages under its own supervisor, and values of this process.

#![allow(dead_code, reason = "each measurement uses its part")]

pub mod flat;
pub mod lookers;
pub mod machine;
pub mod market;
pub mod world;

/// Whether the argument `short` was given. Sizes are then small: a run shows that the bench works
/// and its result is sane. Its times mean nothing.
pub fn short() -> bool {
    std::env::args().any(|argument| argument == "short")
}

/// The size for a whole bench or for its short form.
pub fn sized<T>(whole: T, small: T) -> T {
    if short() { small } else { whole }
}

/// The quantile `p` of the values, from 0 to 1; sorts them.
pub fn quantile(values: &mut [f64], p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (values.len() as f64 * p) as usize;
    values.get(at.min(last)).copied().unwrap_or(f64::NAN)
}

/// Median and range of the values: `12.3 (11.0-14.1)`.
pub fn spread(values: &mut [f64]) -> String {
    let (low, mid, high) = (quantile(values, 0.0), quantile(values, 0.5), quantile(values, 1.0));
    let digits = usize::from(mid < 1000.0) + usize::from(mid < 10.0);
    format!("{mid:.digits$} ({low:.digits$}-{high:.digits$})")
}

/// Median and 99th percentile as `p50/p99`.
pub fn p50_p99(values: &mut [f64]) -> String {
    let (half, most) = (quantile(values, 0.5), quantile(values, 0.99));
    let digits = usize::from(half < 1000.0) + usize::from(half < 10.0);
    format!("{half:.digits$}/{most:.digits$}")
}
