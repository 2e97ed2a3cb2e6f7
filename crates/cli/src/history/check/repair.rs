//! Repairs a folder of bars: moves bad rows to a quarantine and adds what a source has.
//!
//! What the source sends is first written to a folder of its own. Each step replaces a file whole,
//! and each repair begins with what it finds. So a repair that was killed ends the same when it is
//! run again.

use super::files::{BarsFile, Looked};
use super::quarantine;
use super::rewrite::{Found, Separated, merge, separate};
use super::summary::{Request, requests};
use super::{CheckArgs, look};
use crate::Core;
use crate::history::{FetchConfig, Wanted};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::gaps::{Times, minus};
use everwarm_runtime::files::Lock;
use everwarm_sim::market::read_bars;
use everwarm_views::backup::failed;
use everwarm_views::checked_bars::{GapView, RepairView, RepairedSeriesView};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::fetched::FetchedSeriesView;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Start of the name of the folder with the bars of a source. The name of the source follows.
const FETCHED: &str = "refetched-";

/// Repairs the files of the folder.
///
/// # Errors
/// The folder is in use, a file cannot be read or written, or the source cannot be used at all.
pub fn run(
    (args, folder): (&CheckArgs, &Path),
    core: &Core,
    printer: Printer,
    now: UtcMs,
) -> Result<RepairView, Failure> {
    let _lock = lock(folder)?;
    let mut looked = look(folder, now)?;
    refuse_unreadable(&looked)?;
    let mut moved: BTreeMap<PathBuf, Separated> = BTreeMap::new();
    for file in looked.iter().filter(|file| file.is_bad && is_once(&looked, file)) {
        moved.insert(file.file.path.clone(), separate(&file.file, now)?);
    }
    if !moved.is_empty() {
        looked = look(folder, now)?;
    }
    let asked = requests(&looked, args.source.as_deref(), args.thin);
    let asked = looked.iter().zip(asked).filter(|(file, _)| is_once(&looked, file));
    let asked: Vec<(&Looked, Request)> = asked.collect();
    let out = folder.join(format!("{FETCHED}{}", args.source.as_deref().unwrap_or("default")));
    let mut fetched = fetch(args, (core, printer), &asked, out)?;
    let source = fetched.as_ref().map_or_else(String::new, |(source, _)| source.clone());
    let mut view = RepairView { source: source.clone(), series: Vec::new() };
    for (looked, request) in asked {
        let taken = moved.remove(&looked.file.path).unwrap_or_default();
        let found = fetched.as_mut().and_then(|(_, all)| all.remove(&looked.file.series()));
        let of = (&source[..], now);
        view.series.extend(finish(looked, request, (taken, found), of)?);
    }
    remove_fetched(folder)?;
    Ok(view)
}

fn lock(folder: &Path) -> Result<Lock, Failure> {
    let lock = Lock::folder(folder).map_err(|e| failed(folder, &e))?;
    lock.ok_or_else(|| {
        let text = format!("another process repairs {}. Wait for its end.", folder.display());
        Failure::new(Exit::Held, text)
    })
}

/// Whether a file can be read, and its series has no other.
fn is_once(all: &[Looked], file: &Looked) -> bool {
    let same = |other: &&Looked| other.file.series() == file.file.series();
    file.fold.is_some() && all.iter().filter(same).count() == 1
}

/// A quarantine or a file of known holes that cannot be read would be replaced.
fn refuse_unreadable(looked: &[Looked]) -> Result<(), Failure> {
    for Looked { file, .. } in looked {
        super::known::Known::read(&file.known(), file.symbol)
            .and_then(|_| quarantine::read(&file.quarantine(), ""))
            .map_err(|why| Failure::new(Exit::Usage, why))?;
    }
    Ok(())
}

type Fetched = (String, BTreeMap<(Symbol, Timeframe), FetchedSeriesView>);

/// Fetches all requested parts into a folder; none if there is nothing to request.
fn fetch(
    args: &CheckArgs,
    (core, printer): (&Core, Printer),
    asked: &[(&Looked, Request)],
    out: PathBuf,
) -> Result<Option<Fetched>, Failure> {
    // Days of a session are no UTC days, so no source has them.
    let has_days = |looked: &Looked| looked.fold.as_ref().is_some_and(|fold| !fold.has_sessions());
    let parts = asked.iter().filter(|(looked, _)| has_days(looked));
    let parts: Vec<_> = parts.flat_map(|(_, request)| request.parts.iter().cloned()).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let CheckArgs { source, address, keys, .. } = args.clone();
    let config = FetchConfig { source, address, keys, wanted: Wanted::Parts(parts), out };
    let shown: Mutex<Option<Progress>> = Mutex::new(None);
    let report = |done, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get_or_insert_with(|| Progress::of("bars", all, !printer.quiet)).at(done);
    };
    let view = (core.fetch)(&config, &report)?;
    let series = view.series.into_iter().map(|series| ((series.symbol, series.timeframe), series));
    Ok(Some((view.source, series.collect())))
}

/// Puts the bars of the source into one file, and writes down what it lacks.
fn finish(
    looked: &Looked,
    request: Request,
    (taken, found): (Separated, Option<FetchedSeriesView>),
    (source, now): (&str, UtcMs),
) -> Result<Option<RepairedSeriesView>, Failure> {
    let BarsFile { symbol, timeframe, .. } = looked.file;
    let mut view = RepairedSeriesView {
        symbol,
        timeframe,
        quarantined: taken.moved,
        damaged: taken.damaged,
        quarantine: looked.file.quarantine(),
        added: 0,
        confirmed: 0,
        none: 0,
        refused: Vec::new(),
    };
    let Some(found) = found else {
        let changed = view.quarantined > 0 || view.damaged.is_some();
        return Ok(changed.then_some(view));
    };
    view.refused = found.failures;
    view.refused.extend(found.refused);
    let mut known = looked.known.clone();
    let read = if found.bars > 0 { bars(&found.file)? } else { Vec::new() };
    let Request { compared, odd, .. } = request;
    let merged =
        merge(&looked.file, now, &Found { source, bars: read, asked: &compared, odd: &odd })?;
    let width = timeframe.ms();
    let none: Vec<Times> = found.none.iter().map(|GapView { from, to, .. }| *from..=*to).collect();
    let none: Vec<Times> = none.iter().flat_map(|part| minus(part, &compared, width)).collect();
    view.added = merged.added;
    view.quarantined += merged.replaced;
    view.confirmed = merged.confirmed.len() as u64;
    let bars_of = |times: &Times| super::summary::gap(times, width).bars;
    view.none = none.iter().map(bars_of).sum();
    known.add_holes(source, none, width);
    for bar in merged.confirmed {
        known.add_bar(source, bar);
    }
    if known != looked.known {
        let path = looked.file.known();
        known.write(&path).map_err(|e| failed(&path, &e))?;
    }
    if found.bars > 0 {
        std::fs::remove_file(&found.file).map_err(|e| failed(&found.file, &e))?;
    }
    Ok(Some(view))
}

fn bars(path: &Path) -> Result<Vec<everwarm_domain::market::Bar>, Failure> {
    let read = read_bars(path, usize::MAX);
    read.map(|(bars, _)| bars).map_err(|why| Failure::new(Exit::Failed, why.to_string()))
}

/// Removes the folders with the bars of sources.
fn remove_fetched(folder: &Path) -> Result<(), Failure> {
    let no = |e: std::io::Error| failed(folder, &e);
    for entry in std::fs::read_dir(folder).map_err(no)? {
        let path = entry.map_err(no)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(FETCHED) && path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(no)?;
        }
    }
    Ok(())
}
