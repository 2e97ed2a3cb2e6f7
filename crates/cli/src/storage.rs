//! `everwarm storage`.

use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use crate::remote::Remote;
use clap::Subcommand;
use everwarm_api::Token;
use everwarm_config::{BackfillConfig, CheckDepth};
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::settings::Settings;
use everwarm_views::changes::{LIFT, Nothing, RETAIN};
use everwarm_views::emergency::EmergencyView;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{self, Asked, Json};
use everwarm_views::storage::{RetainRequest, RetainRunView, RetainState, RetainView};
use everwarm_words::text::{count, instant, megabytes};
use std::sync::Arc;
use std::time::Duration;

/// Wall time between two questions about the progress.
const LOOK: Duration = Duration::from_millis(300);

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
    /// Remove facts that the journal keeps for a time only, and move old bars to the archive. The
    /// running daemon does it, else this process. Exit code 4: facts differ from their inputs, so
    /// nothing is removed.
    Retain(RetainArgs),
    /// Show the emergency of storage: its state, its steps, and what they freed.
    Emergency(query::Args),
    /// Lift the emergency of storage: bars and facts stay as configured again. Needs enough space.
    Lift(query::Args),
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
    /// What features need.
    pub settings: Settings,
    /// What a scheduled backfill completes.
    pub backfill: BackfillConfig,
    /// Whether nothing is removed.
    pub dry_run: bool,
    /// Counts the facts that are read.
    pub progress: Arc<Progress>,
}

/// Prints what the data directory holds, or removes facts.
///
/// # Errors
/// The files cannot be used.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &args.verb {
        None => show(&args.ask, core, printer),
        Some(Verb::Retain(args)) => retain(args, core, printer),
        Some(Verb::Emergency(args)) => emergency(args, core, printer),
        Some(Verb::Lift(args)) => lift(args, core, printer),
    }
}

/// Prints the parts. The column of costs needs a price.
fn show(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let daemon = args.daemon(core)?;
    let answer = daemon.ask(&questions::STORAGE, &Asked::default())?;
    if args.json {
        return printer.answer(&answer);
    }
    let rows = answer.rows()?;
    let all = questions::STORAGE.columns;
    let priced = rows.iter().any(|row| !row["cost_per_month"].is_null());
    let columns = if priced { all } else { &all[..all.len() - 1] };
    let exit = printer.table(&questions::table(columns, &rows))?;
    let view: EmergencyView = daemon.ask(&questions::EMERGENCY, &Asked::default())?.read()?;
    let text = view.sentence();
    text.map_or(Ok(exit), |text| printer.lines(&[text]).map(|_| exit))
}

/// Prints the emergency, a step a line.
fn emergency(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(&questions::EMERGENCY, &Asked::default())?;
    if args.json {
        return printer.answer(&answer);
    }
    let view: EmergencyView = answer.read()?;
    let text = view.sentence();
    let mut lines = vec![text.unwrap_or_else(|| "there is no emergency of storage".to_owned())];
    lines.extend(view.steps.iter().map(|step| {
        let (freed, bars) = (megabytes(step.freed), count(step.bars, "bar"));
        let held = step.held.as_ref().map_or(String::new(), |why| format!("; {why}"));
        let ended = instant(step.ended);
        format!("  {}, {ended} UTC: {freed} MB freed, {bars} removed{held}", step.name)
    }));
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// Lifts the emergency.
fn lift(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let changed = args.change(core, &LIFT, &Asked::default(), &Nothing {})?;
    if args.json {
        return printer.answer(&changed);
    }
    let line = "the emergency of storage is lifted; bars and facts stay as configured";
    printer.lines(&[line.to_owned()]).map(|_| Exit::Fine)
}

/// Requests the removal from the running daemon, and follows it to its end.
fn follow(
    remote: &Remote,
    token: Option<&Token>,
    word: &RetainRequest,
) -> Result<RetainView, Failure> {
    let asked = Asked::default();
    let begun = remote.change(&RETAIN, &asked, Json::of(word)?, token)?;
    let run = begun.read::<RetainRunView>()?.run;
    loop {
        let view: RetainRunView = remote.ask(&questions::RETAIN, &asked)?.read()?;
        if view.run != run {
            let text = "the daemon was restarted, or another request followed. The same command \
                        does the rest";
            return Err(Failure::new(Exit::Failed, text));
        }
        match (view.state, view.removed) {
            (RetainState::Done, Some(removed)) => return Ok(removed),
            (RetainState::Failed, _) => {
                let exit = if view.differs { Exit::Problems } else { Exit::Failed };
                return Err(Failure::new(exit, view.error.unwrap_or_default()));
            }
            (RetainState::None | RetainState::Running | RetainState::Done, _) => {
                std::thread::park_timeout(LOOK);
            }
        }
    }
}

fn retain(args: &RetainArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let config = args.ask.configuration(CheckDepth::Secrets)?;
    let (data_dir, dry_run) = (config.data_dir, args.dry_run);
    let progress = Arc::new(Progress::begin("deriving the facts again", !printer.quiet));
    let view = if let Some(remote) = Remote::connect(&data_dir)? {
        let token = Token::find(config.token.as_ref(), &data_dir)?;
        follow(&remote, token.as_ref(), &RetainRequest { days: args.days, dry_run })?
    } else {
        let rules = config.storage;
        let days = args.days.unwrap_or(rules.analysis_days);
        if days == 0 {
            let text = "storage.analysis_days is 0: all facts stay for ever; name the days: --days \
                        N";
            return Err(Failure::new(Exit::Usage, text.to_owned()));
        }
        let progress = Arc::clone(&progress);
        let (settings, backfill) = (config.settings, config.backfill);
        let of = RetainConfig { days, rules, settings, backfill, dry_run, progress };
        (core.files.retain)(&data_dir, &of)?
    };
    drop(progress);
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
