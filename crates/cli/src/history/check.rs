//! `everwarm history check`: what a folder of bars or the history of a daemon holds, what is wrong
//! in it, and what it lacks.

mod files;
mod grid;
mod judge;
mod kinds;
mod known;
mod quarantine;
mod repair;
mod report;
mod rewrite;
mod scan;
mod series;
mod stored;
mod summary;
mod wide;

use super::KeyFile;
use crate::Core;
use crate::print::Printer;
use crate::query::Args;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::clock;
use everwarm_views::checked_bars::CheckedBarsView;
use everwarm_views::exit::{Exit, Failure};
use files::Looked;
use std::path::{Path, PathBuf};

/// Flags of `history check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Folder of SYMBOL_WIDTH.csv[.gz]. Widths: 1m, 5m, 15m, 1h, 4h or 1d [default: the stored bars
    /// of a daemon].
    #[arg(conflicts_with_all = ["data_dir", "config"])]
    folder: Option<PathBuf>,
    /// Accept gaps of one symbol alone: in a minute without a trade it has no bar.
    #[arg(long, requires = "folder")]
    thin: bool,
    /// Move bad rows to a quarantine. Then fetch what is missing from a source. Of stored bars, the
    /// next start fetches it.
    #[arg(long)]
    repair: bool,
    /// Name of the source of a repair. An unknown name prints all [default: the first of them].
    #[arg(long, value_name = "NAME", requires_all = ["repair", "folder"])]
    source: Option<String>,
    /// Address that serves the protocol of the source [default: the source's own].
    #[arg(long, value_name = "URL", requires_all = ["repair", "folder"])]
    address: Option<String>,
    #[command(flatten)]
    keys: KeyFile,
    #[command(flatten)]
    ask: Args,
}

impl CheckArgs {
    /// Whether it works with files of this machine alone.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.repair || self.folder.is_some()
    }
}

/// Checks the files of a folder or the stored bars of a daemon, after a repair if requested.
pub fn run(args: &CheckArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let Some(folder) = &args.folder else { return stored::run(args, core, printer) };
    let now = clock::wall().utc();
    let repair =
        args.repair.then(|| repair::run((args, folder), core, printer, now)).transpose()?;
    let mut view = summary::check(&look(folder, now)?, args.thin);
    view.repair = repair;
    if args.ask.json {
        printer.json(&view)?;
    } else {
        report::print(&view, printer)?;
    }
    Ok(if is_fine(&view) { Exit::Fine } else { Exit::Problems })
}

fn is_fine(view: &CheckedBarsView) -> bool {
    let CheckedBarsView { series, outages, odd, wrong, repair: _ } = view;
    let fine = series.iter().all(|series| series.counts.is_empty() && series.holes.is_empty());
    fine && outages.is_empty() && odd.is_empty() && wrong.is_empty()
}

/// Reads all files of a folder.
fn look(folder: &Path, now: UtcMs) -> Result<Vec<Looked>, Failure> {
    let files = files::all(folder)?;
    let minutes = |symbol| {
        let is = |file: &&files::BarsFile| file.series() == (symbol, Timeframe::M1);
        files.iter().find(is)
    };
    let look = |file: &files::BarsFile| {
        let minutes = minutes(file.symbol).filter(|_| file.timeframe != Timeframe::M1);
        file.look(minutes, now)
    };
    files.iter().map(look).collect()
}
