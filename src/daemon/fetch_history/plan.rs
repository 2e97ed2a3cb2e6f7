//! Decides which bars to request for each file.

use super::{bars_in, usage};
use everwarm_cli::{FetchConfig, Wanted, WantedPart};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::{joined, minus};
use everwarm_sim::market::read_bars;
use everwarm_views::exit::Failure;
use everwarm_words::text::instant;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A part of a series that its file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Opening times, UTC milliseconds.
    pub times: RangeInclusive<UtcMs>,
    pub width: UtcMs,
    pub place: Place,
    /// Prices beside it, of which one is near; empty: none is known.
    pub near: Vec<Price>,
}

/// Where a part lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the bars of the file. It grows from its end.
    Before,
    /// After the bars of the file.
    After,
    /// Anywhere: it is one of the parts of a repair.
    Anywhere,
}

impl Part {
    /// Opening times in it.
    pub fn bars(&self) -> u64 {
        bars_in(&self.times, self.width)
    }

    /// The pages to request, each of at most `page` bars.
    pub fn pages(&self, page: u64) -> Vec<RangeInclusive<UtcMs>> {
        let width = self.width;
        let (mut from, to) = (*self.times.start(), *self.times.end());
        let step = width.saturating_mul(i64::try_from(page).unwrap_or(i64::MAX));
        let mut pages = Vec::new();
        while from <= to {
            let end = from.saturating_add(step - width).min(to);
            pages.push(from..=end);
            from = end.saturating_add(width);
        }
        pages
    }
}

/// The parts of `from..through` that a file with bars of these opening times lacks. Bars that close
/// after `through` are not final.
fn parts(
    width: UtcMs,
    (from, through): (UtcMs, UtcMs),
    held: Option<RangeInclusive<UtcMs>>,
) -> Vec<Part> {
    let first = from.saturating_add(width - 1).div_euclid(width) * width;
    let last = last_final(width, through);
    let part = |times, place| Part { times, width, place, near: Vec::new() };
    let parts = match held {
        None => vec![part(first..=last, Place::After)],
        Some(held) => {
            vec![
                // What lies between the file and the request is fetched, too: no hole remains.
                part(first..=held.start() - width, Place::Before),
                part(held.end() + width..=last, Place::After),
            ]
        }
    };
    parts.into_iter().filter(|part| !part.times.is_empty()).collect()
}

/// The last bar that closes by `through`.
fn last_final(width: UtcMs, through: UtcMs) -> UtcMs {
    through.div_euclid(width) * width - width
}

/// What to fetch for one file.
pub(super) struct Plan {
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    pub path: PathBuf,
    /// Bars that it has.
    pub held: u64,
    pub wanted: Vec<Part>,
    /// Why the source cannot be asked for it.
    pub refused: Option<String>,
}

impl Plan {
    /// The plans of all series.
    pub fn all(asked: &FetchConfig, through: UtcMs) -> Result<Vec<Plan>, Failure> {
        match &asked.wanted {
            Wanted::Span { series, from, .. } => {
                series.iter().map(|of| Plan::span(asked, *of, (*from, through))).collect()
            }
            Wanted::Parts(all) => {
                let mut parts: BTreeMap<(Symbol, Timeframe), Vec<&WantedPart>> = BTreeMap::new();
                for part in all {
                    parts.entry((part.symbol, part.timeframe)).or_default().push(part);
                }
                parts.into_iter().map(|(of, all)| Plan::parts(asked, of, all, through)).collect()
            }
        }
    }

    fn span(
        asked: &FetchConfig,
        (symbol, timeframe): (Symbol, Timeframe),
        times: (UtcMs, UtcMs),
    ) -> Result<Plan, Failure> {
        let path = path(&asked.out, symbol, timeframe);
        let bars = held(&path, timeframe)?;
        let span = bars.first().zip(bars.last()).map(|(a, b)| a.open_time..=b.open_time);
        let wanted = parts(timeframe.ms(), times, span);
        let held = bars.len() as u64;
        Ok(Plan { symbol, timeframe, path, held, wanted, refused: None })
    }

    /// The parts of a repair without the bars that a killed repair fetched.
    fn parts(
        asked: &FetchConfig,
        (symbol, timeframe): (Symbol, Timeframe),
        all: Vec<&WantedPart>,
        through: UtcMs,
    ) -> Result<Plan, Failure> {
        let path = path(&asked.out, symbol, timeframe);
        let bars = held(&path, timeframe)?;
        let width = timeframe.ms();
        let has = joined(bars.iter().map(|bar| bar.open_time..=bar.open_time).collect(), width);
        let last = last_final(width, through);
        let mut wanted = Vec::new();
        for WantedPart { times, near, .. } in all {
            let times = *times.start()..=*times.end().min(&last);
            let left = minus(&times, &has, width).into_iter();
            let near = || near.clone();
            let part = |times| Part { times, width, place: Place::Anywhere, near: near() };
            wanted.extend(left.map(part));
        }
        wanted.sort_by_key(|part| *part.times.start());
        let held = bars.len() as u64;
        Ok(Plan { symbol, timeframe, path, held, wanted, refused: None })
    }

    /// Bars to request.
    pub fn bars(&self) -> u64 {
        self.wanted.iter().map(Part::bars).sum()
    }
}

/// The symbols of plans, each once.
pub(super) fn symbols(plans: &[Plan]) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = plans.iter().map(|plan| plan.symbol).collect();
    symbols.dedup();
    symbols
}

fn path(out: &Path, symbol: Symbol, timeframe: Timeframe) -> PathBuf {
    let name = |end: &str| out.join(format!("{symbol}_{timeframe}.csv{end}"));
    if name("").exists() { name("") } else { name(".gz") }
}

/// The bars of a file; none if there is no file.
pub(super) fn held(path: &Path, timeframe: Timeframe) -> Result<Vec<Bar>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let no = |why| {
        let folder = path.parent().unwrap_or(Path::new(".")).display();
        let how = format!("everwarm history check {folder} --repair");
        usage(format!("{why}. Repair or remove the file: {how}"))
    };
    let (bars, _) = read_bars(path, usize::MAX).map_err(|e| no(e.to_string()))?;
    if let Some(bar) = bars.iter().find(|bar| bar.open_time % timeframe.ms() != 0) {
        let (file, open) = (path.display(), instant(bar.open_time));
        return Err(no(format!("{file}: no bar of {timeframe} opens at {open}")));
    }
    Ok(bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::MINUTE;

    fn wanted(
        from: UtcMs,
        through: UtcMs,
        held: Option<RangeInclusive<UtcMs>>,
    ) -> Vec<(UtcMs, UtcMs, Place)> {
        let minutes = |minute: UtcMs| minute * MINUTE;
        let held = held.map(|held| minutes(*held.start())..=minutes(*held.end()));
        let parts = parts(MINUTE, (minutes(from), minutes(through)), held);
        let minute = |time: &UtcMs| time / MINUTE;
        parts.iter().map(|p| (minute(p.times.start()), minute(p.times.end()), p.place)).collect()
    }

    #[test]
    fn a_file_gets_what_lies_before_and_after_its_bars_and_nothing_twice() {
        use Place::{After, Before};
        assert_eq!(wanted(10, 20, None), [(10, 19, After)], "bars that close by then");
        assert_eq!(wanted(10, 20, Some(12..=15)), [(10, 11, Before), (16, 19, After)]);
        assert_eq!(wanted(10, 20, Some(10..=19)), []);
        assert_eq!(wanted(10, 20, Some(5..=30)), []);
        assert_eq!(wanted(20, 30, Some(5..=10)), [(11, 29, After)], "no hole between");
        assert_eq!(wanted(5, 10, Some(20..=30)), [(5, 19, Before)], "no hole between");
        assert_eq!(wanted(10, 10, None), []);
    }

    #[test]
    fn times_between_bars_begin_with_the_next_bar() {
        let parts = parts(MINUTE, (MINUTE + 1, 3 * MINUTE + 5), None);
        assert_eq!(parts[0].times, 2 * MINUTE..=2 * MINUTE);
        assert_eq!(parts[0].pages(1), [2 * MINUTE..=2 * MINUTE]);
    }
}
