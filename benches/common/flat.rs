//! Whether what a soak watches stays as it is, or grows with what it keeps and no faster. Judges
//! values alone, so `tests/soak.rs` can show what it lets pass and what not.

/// Minutes of the market until everything has its size: the averages have their bars, the live file
/// was sealed for the first time, and the allocator has seen each kind of minute.
const WARM: f64 = 240.0;
/// What may grow by this share of itself, or by this much, from one half of the time after that to
/// the other, and still counts as flat: a page more or less, a segment that is about to be sealed.
const SLACK: (f64, f64) = (1.10, 4.0);
/// What files that keep everything may have beyond what they keep, MB: what is not sealed yet. A
/// larger one takes room ahead by doubling itself, and may have done so once.
const AHEAD: f64 = 16.0;

/// How something may grow, MB or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum May {
    /// Not at all.
    Stay,
    /// Until it has so much: a journal fills up before its oldest part is sealed, and its file
    /// grows by doubling itself.
    Fill(f64),
    /// By so many bytes for each bar that was played: it keeps every one.
    Keep(f64),
}

/// The first look that counts, of looks at these minutes: the market, so many times faster than
/// life, has gone on for [`WARM`], or, where the run is too short for that to leave a third of it,
/// for a third of the run.
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

/// What is wrong with how something grew, of looks after it was warm in which so many bars were
/// played; none: it grew as it may.
pub fn grown(name: &str, may: May, values: &[f64], bars: f64) -> Option<String> {
    let (before, after) = halves(values);
    match may {
        May::Stay => {
            let most = (before * SLACK.0).max(before + SLACK.1);
            (after > most)
                .then(|| format!("{name} grew from {before:.1} to {after:.1}, {most:.1} at most"))
        }
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
