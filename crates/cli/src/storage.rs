//! `everwarm storage`.

use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use clap::Subcommand;
use everwarm_config::CheckDepth;
use everwarm_domain::bar_retention::StorageRules;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{self, Asked};
use everwarm_views::storage::RetainView;
use everwarm_words::text::{count, instant, megabytes};
use std::sync::Arc;

/// Flags of `storage`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    ask: query::Args,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Remove facts that the journal keeps for a time only, and move old bars to the archive, while
    /// no daemon runs. A running daemon does it each night. Exit code 4: facts differ from their
    /// inputs, so nothing is removed.
    Retain(RetainArgs),
}

/// Flags of `storage retain`.
#[derive(Clone, Debug, clap::Args)]
pub struct RetainArgs {
    /// Days of the journal that stay whole [default: storage.analysis_days].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: Option<i64>,
    /// Show what would be removed, and which bars would go to the archive.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    ask: query::Args,
}

/// What to remove.
#[derive(Debug)]
pub struct RetainConfig {
    /// Days that stay whole.
    pub days: i64,
    /// How long bars stay.
    pub rules: StorageRules,
    /// Whether nothing is removed.
    pub dry_run: bool,
    /// Counts the facts that are read.
    pub progress: Arc<Progress>,
}

impl Args {
    /// Whether it works with files alone.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.verb.is_some()
    }
}

/// Prints what the data directory holds, or removes facts.
///
/// # Errors
/// The files cannot be used.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &args.verb {
        None => show(&args.ask, core, printer),
        Some(Verb::Retain(args)) => retain(args, core, printer),
    }
}

/// Prints the parts. The column of costs needs a price.
fn show(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(&questions::STORAGE, &Asked::default())?;
    if args.json {
        return printer.answer(&answer);
    }
    let rows = answer.rows()?;
    let all = questions::STORAGE.columns;
    let priced = rows.iter().any(|row| !row["cost_per_month"].is_null());
    let columns = if priced { all } else { &all[..all.len() - 1] };
    printer.table(&questions::table(columns, &rows))
}

fn retain(args: &RetainArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let config = args.ask.configuration(CheckDepth::Words)?;
    let rules = config.storage;
    let days = args.days.unwrap_or(rules.analysis_days);
    if days == 0 {
        let text = "storage.analysis_days is 0: all facts stay for ever; name the days: --days N";
        return Err(Failure::new(Exit::Usage, text.to_owned()));
    }
    let progress = Arc::new(Progress::begin("deriving the facts again", !printer.quiet));
    let config_of = RetainConfig { days, rules, dry_run: args.dry_run, progress };
    let view = (core.files.retain)(&config.data_dir, &config_of)?;
    drop(config_of);
    if args.ask.json {
        return printer.json(&view).map(|_| Exit::Fine);
    }
    let mut lines = vec![line(&view)];
    if view.bars.is_empty() {
        lines.push("no bar is due".to_owned());
    } else {
        let head = if view.dry_run { "bars that would be moved or removed:" } else { "bars:" };
        lines.push(head.to_owned());
        lines.extend(view.bars.iter().map(|step| format!("  {step}")));
    }
    printer.lines(&lines).map(|_| Exit::Fine)
}

fn line(view: &RetainView) -> String {
    let RetainView { until, segments, facts, bytes_before, bytes_after, dry_run, .. } = view;
    let (until, files) = (instant(*until), count(*segments, "file"));
    match (segments, dry_run) {
        (0, _) => format!("no sealed file of the journal lies before {until}: nothing to remove"),
        (_, true) => format!(
            "{files} from before {until}, {} MB, would be written again without bars and what is \
             computed from them, except what led to an order",
            megabytes(*bytes_before)
        ),
        (_, false) => format!(
            "removed {} from before {until}: {files}, {} MB instead of {} MB",
            count(*facts, "fact"),
            megabytes(*bytes_after),
            megabytes(*bytes_before)
        ),
    }
}
