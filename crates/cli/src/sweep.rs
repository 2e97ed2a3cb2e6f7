//! `everwarm sweep`: backtests over a grid of settings.

mod grid;
mod results;

use super::Core;
use super::backtest::{BacktestConfig, PlayArgs};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_config::Config;
use everwarm_runtime::files::write_whole;
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::sweep::{Part, PointResult, Rank, SweepPlan, SweepView, html, judge};
use everwarm_views::views::VERSION;
use everwarm_words::text::{Table, count, hang, shell_word, thousands};
use results::{Done, Results};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Most points of a grid.
const POINTS: u64 = 100_000;
/// Most parts of a period.
const PARTS: u64 = 1_000;
/// Most shards of a sweep.
const SHARDS: u64 = 10_000;
/// Best points that are printed as text.
const SHOWN: usize = 20;
/// Columns before the continuation of a long line.
const INDENT: usize = 2;

/// See [`SweepConfig::begin`].
pub type Begin<'a> = dyn Fn(&str, &[Part]) -> Result<Vec<u64>, Failure> + Sync + 'a;

/// The request to `sweep`.
pub struct SweepConfig<'a> {
    /// The configuration without the grid, and the period.
    pub base: &'a BacktestConfig,
    /// Number of parts into which the period is cut.
    pub parts: usize,
    /// Threads that play.
    pub jobs: usize,
    /// Gets a digest of bars and configuration and the parts; returns the points to play.
    pub begin: &'a Begin<'a>,
    /// The configuration of a point.
    pub config_of: &'a (dyn Fn(u64) -> Result<Config, Failure> + Sync),
    /// The values of a point in words.
    pub name_of: &'a (dyn Fn(u64) -> String + Sync),
    /// Stores the result of a point.
    pub take: &'a (dyn Fn(PointResult) -> Result<(), Failure> + Sync),
}

/// A part of the points: every `of`-th one, from the `number`-th on, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shard {
    number: u64,
    of: u64,
}

/// Flags of `sweep`.
#[derive(Clone, Debug, clap::Args)]
pub struct SweepArgs {
    #[command(flatten)]
    play: PlayArgs,
    /// File with the keys to vary and their values, like
    /// "strategy.sma_cross.fast" = { from = 10, to = 50, step = 5 }.
    #[arg(long, value_name = "FILE", required_unless_present = "merge")]
    grid: Option<PathBuf>,
    /// Parts of the period that choose a point; the next part tests it.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = up_to(PARTS))]
    train: u64,
    /// Test parts. With several, each is tested by the point that the parts before it choose.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = up_to(PARTS))]
    folds: u64,
    /// Figure by which points are chosen and ranked.
    #[arg(long, value_enum, default_value_t)]
    rank: Rank,
    /// Threads that play [default: one for each core].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// File with the results. A sweep that was stopped continues with the points that it lacks.
    #[arg(long, value_name = "FILE", default_value = "sweep.jsonl")]
    out: PathBuf,
    /// Play only a part of the points: 3/16 is the third of sixteen.
    #[arg(long, value_name = "K/N", value_parser = shard)]
    #[arg(conflicts_with_all = ["html", "json"])]
    shard: Option<Shard>,
    /// Print N commands, each for a part of the points, and play nothing.
    #[arg(long, value_name = "N", value_parser = up_to(SHARDS))]
    #[arg(conflicts_with_all = ["shard", "merge", "html", "json"])]
    plan: Option<u64>,
    /// Read the results of all parts of a sweep from these files, and play nothing.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["grid", "shard"])]
    merge: Vec<PathBuf>,
    /// Write a report with a heat map as one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON, with every point.
    #[arg(long)]
    json: bool,
}

fn up_to(most: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=most)
}

fn shard(text: &str) -> Result<Shard, String> {
    let pair = text.split_once('/');
    let pair = pair.and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
    let fits = |(k, n): &(u64, u64)| (1..=SHARDS).contains(n) && (1..=*n).contains(k);
    let pair = pair.filter(fits);
    pair.map(|(number, of)| Shard { number, of })
        .ok_or_else(|| format!("write it like 3/16, the third of at most {SHARDS}"))
}

/// Plays a sweep and prints its result, or a part of it.
pub fn run(args: &SweepArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if !args.merge.is_empty() {
        return report(args, &results::merged(&args.merge)?, printer);
    }
    let file = args.grid.as_deref().unwrap_or(Path::new(""));
    let plan = SweepPlan { axes: axes(file)?, train: train(args), ..SweepPlan::default() };
    let all = plan.count().filter(|count| *count <= POINTS).ok_or_else(|| {
        let all = plan.count().map_or_else(|| "too many".to_owned(), thousands);
        let most = thousands(POINTS);
        let text = format!("{}: it has {all} points; the most are {most}", file.display());
        Failure::new(Exit::Usage, text)
    })?;
    let config_of = |point| args.play.with(&plan.pairs(point));
    // A grid whose every point is invalid fails before a file is made.
    if !(0..all).any(|point| config_of(point).is_ok()) {
        config_of(0).map_err(|why| {
            Failure::new(why.exit, format!("every point of the grid is invalid: {why}"))
        })?;
    }
    if let Some(shards) = args.plan {
        return printer.lines(&commands(args, shards.min(all))).map(|_| Exit::Fine);
    }
    let done = played(args, &plan, core, printer)?;
    if let Some(Shard { number, of }) = args.shard {
        let points = count(done.points.len() as u64, "point");
        let file = args.out.display();
        printer.note(&format!("part {number} of {of}: {file} has its {points}"));
        return Ok(Exit::Fine);
    }
    report(args, &done, printer)
}

/// The keys of the grid.
fn axes(file: &Path) -> Result<Vec<everwarm_views::sweep::Axis>, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    grid::read(&text).map_err(wrong)
}

fn train(args: &SweepArgs) -> usize {
    usize::try_from(args.train).unwrap_or(usize::MAX)
}

/// Plays the points that the file lacks.
fn played(
    args: &SweepArgs,
    grid: &SweepPlan,
    core: &Core,
    printer: Printer,
) -> Result<Done, Failure> {
    let base = args.play.asked()?;
    let config_of = |point| args.play.with(&grid.pairs(point));
    let mine = |point: &u64| args.shard.is_none_or(|Shard { number, of }| point % of + 1 == number);
    // The plan, its file, and the progress exist once the bars are read.
    let running: Mutex<Option<(SweepPlan, Results, Progress)>> = Mutex::new(None);
    let held = || running.lock().unwrap_or_else(PoisonError::into_inner);
    let begin = |base: &str, parts: &[Part]| {
        let (version, base, parts) = (VERSION.to_owned(), base.to_owned(), parts.to_vec());
        let plan = SweepPlan { version, base, parts, ..grid.clone() };
        let results = Results::open(&args.out, &plan)?;
        let all: Vec<u64> = (0..plan.count().unwrap_or_default()).filter(mine).collect();
        let known = results.points().len() as u64;
        if known > 0 {
            let file = args.out.display();
            printer.note(&format!("{file} already has {}", count(known, "point")));
        }
        let progress = Progress::of("points", all.len() as u64, !printer.quiet);
        progress.at(known);
        let left = all.into_iter().filter(|point| !results.points().contains_key(point)).collect();
        *held() = Some((plan, results, progress));
        Ok(left)
    };
    let take = |result: PointResult| {
        let mut running = held();
        let Some((_, results, progress)) = running.as_mut() else { return Ok(()) };
        results.take(result)?;
        progress.at(results.points().len() as u64);
        Ok(())
    };
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (core.sweep)(&SweepConfig {
        base: &base,
        parts: train(args) + usize::try_from(args.folds).unwrap_or(usize::MAX),
        jobs: args.jobs.map_or_else(cores, NonZeroUsize::get),
        begin: &begin,
        config_of: &config_of,
        name_of: &|point| html::words(grid, point),
        take: &take,
    })?;
    let running = running.into_inner().unwrap_or_else(PoisonError::into_inner);
    let done = running.map(|(plan, results, _)| Done { plan, points: results.points().clone() });
    Ok(done.unwrap_or_default())
}

/// The commands of a sweep in parts.
fn commands(args: &SweepArgs, shards: u64) -> Vec<String> {
    let mut words = args.play.words();
    let path = |path: &Path| shell_word(&path.display().to_string());
    words.extend(args.grid.iter().map(|grid| format!("--grid {}", path(grid))));
    words.push(format!("--train {} --folds {}", args.train, args.folds));
    words.extend(args.jobs.map(|jobs| format!("--jobs {jobs}")));
    let words = words.join(" ");
    let stem = args.out.with_extension("");
    let command = |number: u64| {
        let out = format!("{}-{number}-of-{shards}.jsonl", stem.display());
        let out = shell_word(&out);
        format!("everwarm sweep {words} --shard {number}/{shards} --out {out}")
    };
    (1..=shards).map(command).collect()
}

/// Prints the result of a whole sweep.
fn report(args: &SweepArgs, done: &Done, printer: Printer) -> Result<Exit, Failure> {
    let all = done.plan.count().unwrap_or_default();
    let missing: Vec<u64> = (0..all).filter(|point| !done.points.contains_key(point)).collect();
    if let Some(first) = missing.first() {
        let (lacks, all) = (thousands(missing.len() as u64), count(all, "point"));
        let text = format!(
            "{lacks} of {all} are missing, the first with {}; there is no result until all are \
             played",
            html::words(&done.plan, *first)
        );
        return Err(Failure::new(Exit::Problems, text));
    }
    let view = judge(&done.plan, args.rank, &done.points);
    if let Some(file) = &args.html {
        let page = html::page(&view, args.rank);
        write_whole(file, page.as_bytes()).map_err(|e| failed(file, &e))?;
        printer.note(&format!("{}: written", file.display()));
    }
    if args.json {
        return printer.json(&view);
    }
    printer.lines(&lines(&view, args.rank, printer.width)).map(|_| Exit::Fine)
}

/// The report as text.
fn lines(view: &SweepView, rank: Rank, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut points = Table::new(&html::POINT_HEADS.map(right));
    for of in view.points.iter().take(SHOWN) {
        points.row(html::point(&view.plan, of, rank).into());
    }
    lines.extend(points.lines(width));
    if view.points.len() > SHOWN {
        lines
            .push(format!("the best {SHOWN} of {} in the test parts", count(view.played, "point")));
    }
    lines.push(String::new());
    let mut folds = Table::new(&html::FOLD_HEADS.map(right));
    for of in &view.walk_forward.folds {
        folds.row(html::fold(&view.plan, of, rank).into());
    }
    lines.extend(folds.lines(width));
    lines.push(String::new());
    let mut facts = Table::new(&["item", "value"]);
    for row in html::facts(view) {
        facts.row(row.into());
    }
    lines.extend(facts.lines(width).into_iter().skip(1));
    if !view.warnings.is_empty() {
        lines.push(String::new());
        lines.extend(view.warnings.iter().flat_map(|note| hang(note, INDENT, width)));
    }
    lines
}

/// The head of a column of numbers, for a table that aligns it to the right.
fn right(head: &'static str) -> &'static str {
    match head {
        "train" => ">train",
        "test" => ">test",
        "trades" => ">trades",
        "growth" => ">growth",
        "drawdown" => ">drawdown",
        "neighbours" => ">neighbours",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_several() {
        assert_eq!(shard("3/16"), Ok(Shard { number: 3, of: 16 }));
        for wrong in ["", "3", "0/4", "5/4", "1/0", "a/b", "-1/2", "1/99999"] {
            assert!(shard(wrong).unwrap_err().contains("3/16"), "{wrong}");
        }
    }
}
