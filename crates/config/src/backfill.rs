//! The bars that a backfill completes, and when it begins automatically.

use super::schedule::Schedule;
use everwarm_domain::time::Timeframe;

/// The section `history`.
#[derive(Clone, Debug, PartialEq)]
pub struct BackfillConfig {
    /// When the daemon begins a backfill; none: never.
    pub schedule: Option<Schedule>,
    /// Days before now.
    pub days: u32,
    /// Widths of the bars.
    pub timeframes: Vec<Timeframe>,
}

/// The widths in a text like `1d,4h`, each once.
///
/// # Errors
/// A part of it is no width.
pub fn timeframes(text: &str) -> Result<Vec<Timeframe>, String> {
    let mut all: Vec<Timeframe> = Vec::new();
    for width in text.split(',') {
        let width = width.trim().parse::<Timeframe>()?;
        if !all.contains(&width) {
            all.push(width);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_read_each_once() {
        assert_eq!(timeframes("1d, 4h,1d"), Ok(vec![Timeframe::D1, Timeframe::H4]));
        assert!(timeframes("1d,").is_err() && timeframes("2d").is_err());
    }
}
