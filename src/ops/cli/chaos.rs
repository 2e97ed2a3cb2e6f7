//! `everwarm chaos`.

use super::Core;
use super::run::{configuration, put};
use crate::ops::config::{Config, Look};
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::progress::Progress;
use crate::ops::text::{Table, count, thousands, took};
use crate::ops::views::ChaosView;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What `chaos` is asked to do.
#[derive(Clone, Debug)]
pub struct ChaosConfig {
    /// What the daemon would run with; its recording is what is played.
    pub config: Config,
    /// What the program is started with besides, to run with the same.
    pub arguments: Vec<std::ffi::OsString>,
    /// Actors to be killed.
    pub kills: u64,
    /// Processes to be killed.
    pub crashes: u64,
    /// Disks that die.
    pub disk: u64,
    /// Whether the exchange misbehaves meanwhile.
    pub venue_faults: bool,
    /// Whether all there is to strike in the small feed is struck instead.
    pub exhaustive: bool,
    /// So many runs drawn from that; none: all.
    pub runs: Option<u64>,
    /// What is drawn follows from it.
    pub seed: u64,
    /// One plan that is run again instead: a line of JSON that a difference was told with.
    pub plan: Option<String>,
    /// How often, at most.
    pub times: Option<u64>,
}

/// Flags of `chaos`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The recording that is played: a folder of SYMBOL_1m.csv[.gz].
    #[arg(long, value_name = "DIR", required_unless_present = "exhaustive")]
    recording: Option<PathBuf>,
    /// Base, quote, volume unit and filters of the recording; default: recording.toml in its
    /// folder.
    #[arg(long, value_name = "FILE")]
    recording_config: Option<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Actors to kill, at numbered points and at random moments.
    #[arg(long, value_name = "N", default_value_t = 300)]
    kills: u64,
    /// Processes of the daemon to kill, in every part of their lives; half the time the exchange
    /// too.
    #[arg(long, value_name = "N", default_value_t = 20)]
    crashes: u64,
    /// Disks to let die at a write, a flush or a change of length, tearing what was not flushed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    disk: u64,
    /// Have the exchange misbehave meanwhile, in every way that must make no difference: lost
    /// connections, lost, doubled, late and reordered messages, lost answers, orders not found yet.
    /// For a quarter of the kills and of the crashes instead in every way that does make one: slow
    /// answers, 429, 418, 5xx, its clock ahead (compared with the same undisturbed), late and
    /// partial fills.
    #[arg(long)]
    venue_faults: bool,
    /// Instead strike all there is in a small feed that comes with the program: every kill point by
    /// every blow, every operation of the disk with every image, with one worker thread and four.
    #[arg(long, conflicts_with_all = ["recording", "kills", "crashes", "disk", "venue_faults"])]
    exhaustive: bool,
    /// So many runs drawn from all of that.
    #[arg(long, value_name = "N", requires = "exhaustive")]
    runs: Option<u64>,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Run this plan again, as a difference was told with.
    #[arg(long, value_name = "JSON",
        conflicts_with_all = ["kills", "crashes", "disk", "venue_faults", "runs"])]
    plan: Option<String>,
    /// How often, or until it is different; default: 10 for a plan that strikes at moments that
    /// depend on timing, else 1.
    #[arg(long, value_name = "N", requires = "plan")]
    times: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Plays the recording under all that, and prints what struck and what came of it.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let mut given = Vec::new();
    let path = |path: &PathBuf| path.display().to_string();
    put(&mut given, "market.recording", "--recording", args.recording.as_ref().map(path));
    let description = args.recording_config.as_ref().map(path);
    put(&mut given, "market.recording_config", "--recording-config", description.clone());
    put(&mut given, "market.pace", "chaos", Some("lockstep".to_owned()));
    let config = configuration(args.config.as_ref(), given, Look::World)?;
    let mut arguments = Vec::new();
    for (flag, value) in
        [("--recording-config", &args.recording_config), ("--config", &args.config)]
    {
        if let Some(value) = value {
            arguments.extend([flag.into(), value.clone().into_os_string()]);
        }
    }
    let Args { kills, crashes, disk, venue_faults, exhaustive, runs, seed, plan, times, .. } =
        args.clone();
    let asked = ChaosConfig {
        config,
        arguments,
        kills,
        crashes,
        disk,
        venue_faults,
        exhaustive,
        runs,
        seed,
        plan,
        times,
    };
    let shown: Mutex<Option<(&str, Progress)>> = Mutex::new(None);
    let tell = |what: &'static str, done, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.as_ref().is_none_or(|(is, _)| *is != what) {
            *shown = None;
            *shown = Some((what, Progress::of(what, all, !printer.quiet)));
        }
        if let Some((_, progress)) = &*shown {
            progress.at(done);
        }
    };
    let view = (core.chaos)(&asked, &tell)?;
    drop(shown);
    let exit = if view.differences.is_empty() { Exit::Fine } else { Exit::Problems };
    if args.json {
        return printer.json(&view).map(|_| exit);
    }
    printer.lines(&lines(&view, args, printer.width)).map(|_| exit)
}

fn lines(view: &ChaosView, args: &Args, width: usize) -> Vec<String> {
    let us = Duration::from_micros;
    let mut table = Table::new(&["what", "where", ">times"]);
    for row in &view.struck {
        table.row(vec![row.what.clone(), row.place.clone(), row.times.to_string()]);
    }
    let mut lines = table.lines(width);
    lines.push(String::new());
    for (what, [middle, most, longest]) in [
        ("an actor was up again", view.restarts_us),
        ("the last life of a run traded", view.starts_us),
    ] {
        if longest > 0 {
            let (middle, most, longest) = (took(us(middle)), took(us(most)), took(us(longest)));
            lines
                .push(format!("{what} after {middle} (half), {most} (99 of 100), {longest} (all)"));
        }
    }
    if view.missed > 0 {
        lines.push(format!("{} never fell", count(view.missed, "strike")));
    }
    if view.by_chance {
        lines
            .push("it strikes at moments that depend on timing: not every run shows it".to_owned());
    }
    let (runs, closes) = (count(view.runs, "run"), count(view.closes, "close"));
    let (lived, wall) = (thousands(view.lives), took(us(view.wall_us)));
    let of = format!("{runs} of {closes}, {lived} lives, {wall}");
    if view.differences.is_empty() {
        lines.push(format!("{of}: no difference"));
        return lines;
    }
    let what = args.what();
    for difference in &view.differences {
        lines.push(format!("DIFFERENT: {}", difference.why));
        lines.push(format!("again: everwarm chaos {what} --plan '{}'", difference.again));
    }
    lines.push(format!("{of}: {}", count(view.differences.len() as u64, "difference")));
    lines
}

impl Args {
    /// What is played, as flags.
    fn what(&self) -> String {
        if self.exhaustive {
            return "--exhaustive".to_owned();
        }
        let mut flags = Vec::new();
        for (flag, value) in [
            ("--recording", &self.recording),
            ("--recording-config", &self.recording_config),
            ("--config", &self.config),
        ] {
            flags.extend(value.as_ref().map(|value| format!("{flag} {}", value.display())));
        }
        // The exchange draws from it too.
        flags.extend((self.seed != 1).then(|| format!("--seed {}", self.seed)));
        flags.join(" ")
    }
}
