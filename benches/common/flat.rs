//! Judges whether a watched value of a soak stays flat, or grows no faster than the data it keeps.
//! Uses values alone, so `tests/soak.rs` can test the limits.

/// Minutes of the market until everything has its full size: the averages have their bars, the live
/// file was sealed once, and the allocator has met each kind of minute.
const WARM: f64 = 240.0;
/// Growth from the first half of the warm time to the second that still counts as flat: a factor,
/// and an amount (one page, or a segment about to be sealed).
const SLACK: (f64, f64) = (1.10, 4.0);
/// The same for the lowest values. The lowest of twenty looks at the tasks was 675 to 803 without
/// growth.
const SLACK_OF_LOWEST: (f64, f64) = (1.25, 4.0);
/// Unsealed part of files that keep everything, at most, MB. A larger file allocates room ahead by
/// doubling, and may have doubled once.
const AHEAD: f64 = 16.0;

/// How far a value may grow, in MB or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum May {
    /// Not at all.
    Stay,
    /// As far as it likes for a moment, its lowest value not at all. For what each close makes and
    /// ends again, such as tasks.
    Return,
    /// Up to this value: a journal fills up before its oldest part is sealed, and its file doubles.
    Fill(f64),
    /// By this many bytes for each bar played: the file keeps every bar.
    Keep(f64),
}

/// Index of the first sample that counts, for samples at these minutes. The market runs `factor`
/// times faster than real time and is warm after [`WARM`]. If less than a third of the run remains
/// after that, a third of the run is warm-up.
pub fn warm(minutes: &[f64], factor: f64) -> usize {
    let (third, most) = (minutes.len() / 3, minutes.len() * 2 / 3);
    let by = minutes.iter().position(|wall| wall * factor >= WARM).unwrap_or(third);
    if by > most { third } else { by.max(third) }
}

/// The mean of the first half and of the second half.
pub fn halves(values: &[f64]) -> (f64, f64) {
    let (first, second) = values.split_at(values.len() / 2);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    (mean(first), mean(second))
}

/// The lowest value of the first half and of the second half.
fn lowest(values: &[f64]) -> (f64, f64) {
    let (first, second) = values.split_at(values.len() / 2);
    let min = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min);
    (min(first), min(second))
}

/// Why a value grew more than it may, for warm samples with `bars` bars played; none: it did not.
pub fn grown(name: &str, may: May, values: &[f64], bars: f64) -> Option<String> {
    let flat = |(before, after): (f64, f64), slack: (f64, f64)| {
        let most = (before * slack.0).max(before + slack.1);
        (after > most)
            .then(|| format!("{name} grew from {before:.1} to {after:.1}, {most:.1} at most"))
    };
    match may {
        May::Stay => flat(halves(values), SLACK),
        May::Return => flat(lowest(values), SLACK_OF_LOWEST),
        May::Fill(most) => {
            let top = values.iter().copied().fold(0.0, f64::max);
            (top > most).then(|| format!("{name} came to {top:.1}, {most:.1} at most"))
        }
        May::Keep(bytes) => {
            let (Some(first), Some(last)) = (values.first(), values.last()) else { return None };
            let (by, most) = (last - first, bars * bytes / 1e6 + AHEAD.max(*first));
            (by > most)
                .then(|| format!("{name} grew by {by:.1}, {most:.1} at most for {bars:.0} bars"))
        }
    }
}
