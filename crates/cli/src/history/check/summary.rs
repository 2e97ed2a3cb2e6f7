//! Sums up what was read of the files of a folder, and what a repair has to request.

use super::files::{BarsFile, Looked};
use crate::history::WantedPart;
use everwarm_domain::money::Price;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::{self, Odd, Span, Times, bars_of, joined, minus};
use everwarm_views::checked_bars::{
    CheckedBarsView, CheckedSeriesView, GapView, OddPriceView, OutageView,
};
use std::collections::{BTreeMap, BTreeSet};

/// Outages by width, with the number of series.
type Outages = BTreeMap<Timeframe, Vec<(Times, usize)>>;

/// A range without bars, with the prices beside it.
type Lack = (Times, Vec<Price>);

/// A gap of this width.
pub fn gap(times: &Times, width: UtcMs) -> GapView {
    let bars = u64::try_from(bars_of(times, width)).unwrap_or(0);
    GapView { from: *times.start(), to: *times.end(), bars }
}

/// Outages that no source explained, by width.
fn outages(looked: &[Looked]) -> Outages {
    let mut spans: BTreeMap<Timeframe, Vec<Span>> = BTreeMap::new();
    for looked in looked {
        let width = looked.file.timeframe.ms();
        let Some((fold, times)) = looked.fold.as_ref().and_then(|fold| Some((fold, fold.span()?)))
        else {
            continue;
        };
        let known = looked.known.holes(width);
        let gaps = fold.gaps.iter().flat_map(|gap| minus(&gap.times, &known, width)).collect();
        spans.entry(looked.file.timeframe).or_default().push(Span { times, gaps });
    }
    spans.into_iter().map(|(width, spans)| (width, gaps::outages(&spans, width.ms()))).collect()
}

/// The whole check. `thin` accepts gaps of one symbol alone.
pub fn check(looked: &[Looked], thin: bool) -> CheckedBarsView {
    let found = outages(looked);
    let mut view = CheckedBarsView { wrong: doubled(looked), ..CheckedBarsView::default() };
    for looked in looked {
        view.wrong.extend(looked.wrong.iter().cloned());
        view.series.extend(series(looked, &found, thin));
        view.odd.extend(odd(looked));
    }
    for (timeframe, outages) in found {
        view.outages.extend(outages.iter().map(|(times, series)| OutageView {
            timeframe,
            gap: gap(times, timeframe.ms()),
            series: *series as u64,
        }));
    }
    view
}

/// Series with two files.
fn doubled(looked: &[Looked]) -> Vec<String> {
    let same = looked.windows(2).filter(|pair| pair[0].file.series() == pair[1].file.series());
    let text = |pair: &[Looked]| {
        let (first, second) = (pair[0].file.path.display(), pair[1].file.path.display());
        format!("{first}, {second}: the same series. Remove one.")
    };
    same.map(text).collect()
}

fn series(looked: &Looked, outages: &Outages, thin: bool) -> Option<CheckedSeriesView> {
    let fold = looked.fold.as_ref()?;
    let BarsFile { symbol, timeframe, path } = looked.file.clone();
    let width = timeframe.ms();
    let known = looked.known.holes(width);
    let of_outages = joined(outages_of(outages, timeframe), width);
    let holes = unknown(looked, &known, thin).into_iter();
    let holes = holes.flat_map(|(times, _)| minus(&times, &of_outages, width));
    let lacks = fold.lacks();
    let bars = |times: &[Times]| times.iter().map(|times| gap(times, width).bars).sum::<u64>();
    let all = bars(&lacks.iter().map(|(times, _)| times.clone()).collect::<Vec<_>>());
    let left = lacks.iter().flat_map(|(times, _)| minus(times, &known, width));
    let differing = looked.differing.len() as u64;
    Some(CheckedSeriesView {
        symbol,
        timeframe,
        file: path,
        rows: fold.rows,
        good: fold.good - differing,
        bars: fold.good,
        whole: fold.span().map_or(0, |times| gap(&times, width).bars),
        first: fold.first.map(|bar| bar.open_time),
        last: fold.last.map(|bar| bar.open_time),
        gaps: fold.gaps.iter().map(|found| gap(&found.times, width)).collect(),
        holes: holes.map(|times| gap(&times, width)).collect(),
        known: all - bars(&left.collect::<Vec<_>>()),
        without_volume: fold.without_volume,
        counts: fold.counts.clone(),
        bad: fold.bad.clone(),
    })
}

fn outages_of(outages: &Outages, timeframe: Timeframe) -> Vec<Times> {
    outages.get(&timeframe).into_iter().flatten().map(|(times, _)| times.clone()).collect()
}

/// What a file lacks without `known`, and without its gaps if it is `thin`.
fn unknown(looked: &Looked, known: &[Times], thin: bool) -> Vec<Lack> {
    let Some(fold) = &looked.fold else { return Vec::new() };
    let width = looked.file.timeframe.ms();
    let inside = fold.span();
    let is_gap = |times: &Times| inside.as_ref().is_some_and(|span| span.contains(times.start()));
    let lacks = fold.lacks().into_iter().filter(|(times, _)| !(thin && is_gap(times)));
    let parts = lacks.flat_map(|(times, near)| {
        minus(&times, known, width).into_iter().map(move |part| (part, near.clone()))
    });
    parts.collect()
}

fn odd(looked: &Looked) -> impl Iterator<Item = OddPriceView> {
    let (symbol, timeframe) = looked.file.series();
    let found = looked.fold.iter().flat_map(|fold| &fold.odd);
    found.map(move |(bar, odd)| {
        let what = odd.to_string();
        OddPriceView { symbol, timeframe, open_time: bar.open_time, what }
    })
}

/// What a repair requests for one file.
#[derive(Debug, Default)]
pub struct Request {
    /// Missing bars, and bars to compare.
    pub parts: Vec<WantedPart>,
    /// Times whose bars are there and are compared.
    pub compared: Vec<Times>,
    /// Opening times of the odd bars and of the wide bars that differ from their minutes.
    pub odd: BTreeSet<UtcMs>,
}

/// What a repair requests, by file. `source` limits the known holes to those of one source.
pub fn requests(looked: &[Looked], source: Option<&str>, thin: bool) -> Vec<Request> {
    let found = outages(looked);
    looked.iter().map(|file| request(file, looked, &found, (source, thin))).collect()
}

fn request(
    file: &Looked,
    all: &[Looked],
    outages: &Outages,
    (source, thin): (Option<&str>, bool),
) -> Request {
    let mut request = Request::default();
    let Some(fold) = &file.fold else { return request };
    let (symbol, timeframe) = file.file.series();
    let width = timeframe.ms();
    let part = |times, near| WantedPart { symbol, timeframe, times, near };
    let known = match source {
        Some(source) => file.known.holes_of(source).to_vec(),
        None => file.known.holes(width),
    };
    let mut lacks = unknown(file, &known, thin);
    if thin {
        let outages = joined(outages_of(outages, timeframe), width);
        let gaps = fold.gaps.iter().map(|gap| (gap.times.clone(), gap.near.to_vec()));
        lacks.extend(gaps.flat_map(|(times, near)| {
            let others = minus(&times, &outages, width);
            minus(&times, &others, width).into_iter().map(move |part| (part, near.clone()))
        }));
    }
    request.parts.extend(lacks.into_iter().map(|(times, near)| part(times, near)));
    let mut compare = |times: Times, near: Vec<Price>| {
        request.parts.push(part(times.clone(), near));
        request.compared.push(times);
    };
    let mut own: BTreeMap<UtcMs, Vec<Price>> = BTreeMap::new();
    for bar in fold.odd.iter().map(|(bar, _)| bar).chain(&file.differing) {
        own.insert(bar.open_time, vec![bar.open, bar.close]);
    }
    for (bar, odd) in &fold.odd {
        if let Odd::Jump { from, .. } = odd {
            own.entry(bar.open_time).or_default().push(*from);
        }
    }
    for (time, near) in &own {
        compare(*time..=*time, near.clone());
    }
    // The minutes may be wrong, and not the wide bar.
    let same = |other: &&Looked| other.file.symbol == symbol && timeframe == Timeframe::M1;
    for wide in all.iter().filter(same) {
        for bar in &wide.differing {
            let to = bar.open_time + wide.file.timeframe.ms() - width;
            compare(bar.open_time..=to, vec![bar.open, bar.close]);
        }
    }
    request.compared = joined(request.compared, width);
    request.odd = own.into_keys().collect();
    request
}
