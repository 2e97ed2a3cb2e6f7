//! `everwarm export`, `everwarm import` and `everwarm wipe`.

use super::backup::{self, BackupArgs};
use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use crate::remote::Remote;
use everwarm_api::Token;
use everwarm_config::CheckDepth;
use everwarm_views::backup::{BackupView, check, write};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::storage::WipedView;
use everwarm_words::text::megabytes;
use std::path::PathBuf;

/// Flags of `wipe`.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false, args = ["regenerable", "all"])]
pub struct WipeArgs {
    /// Remove bars and what is computed from them. Orders, fills, positions, limits and commands
    /// stay. The next start fetches the bars again.
    #[arg(long)]
    regenerable: bool,
    /// Remove the whole journal and the history. Without positions and open orders only, or with an
    /// export of them. The configuration and the books of a simulated exchange stay.
    #[arg(long)]
    all: bool,
    /// An export of the same journal, so that positions and orders are not lost.
    #[arg(long, value_name = "FILE", requires = "all")]
    exported: Option<PathBuf>,
    #[command(flatten)]
    args: query::Args,
}

/// What to wipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wipe {
    /// What can be fetched or computed again.
    Regenerable,
    /// Everything.
    All {
        /// The export that has what cannot be made again.
        exported: Option<PathBuf>,
    },
}

/// Packs what cannot be made again.
///
/// # Errors
/// The export cannot be made.
pub fn export(args: &BackupArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let BackupArgs { file, force, args } = args;
    let config = args.configuration(CheckDepth::Secrets)?;
    let data_dir = &config.data_dir;
    let progress = Progress::begin("deriving every fact again", !printer.quiet);
    let made = write(file, *force, |out| match Remote::connect(data_dir)? {
        Some(remote) => remote.export(Token::find(config.token.as_ref(), data_dir)?.as_ref(), out),
        None => (core.export)(data_dir, out),
    });
    drop(progress);
    let made = made?;
    if args.json {
        return printer.json(&made).map(|_| Exit::Fine);
    }
    let BackupView { file, bytes, about, .. } = made;
    let line = format!(
        "{file}: orders, fills, positions, limits, commands and configuration up to run {}, row \
         {}, {} MB; read back and verified",
        about.life,
        about.row,
        megabytes(bytes)
    );
    printer.lines(&[line]).map(|_| Exit::Fine)
}

/// Unpacks an export into an empty data directory.
///
/// # Errors
/// It is no export, or the directory is not empty.
pub fn import(args: &backup::FileArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let file = args.file();
    if !check(file)?.about.export {
        let text = format!(
            "{} is a backup, not an export; use: everwarm restore {}",
            file.display(),
            file.display()
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    backup::restore(args, core, printer)
}

/// Wipes a data directory.
///
/// # Errors
/// A daemon runs, or something would be lost.
pub fn wipe(args: &WipeArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let WipeArgs { all, exported, args, .. } = args;
    let data_dir = args.configuration(CheckDepth::Words)?.data_dir;
    let what = if *all { Wipe::All { exported: exported.clone() } } else { Wipe::Regenerable };
    let progress = Progress::begin("wiping", !printer.quiet);
    let wiped = (core.wipe)(&data_dir, &what);
    drop(progress);
    let wiped = wiped?;
    if args.json {
        return printer.json(&wiped).map(|_| Exit::Fine);
    }
    let WipedView { data_dir, all, bytes_before, bytes_after } = wiped;
    let what = if all { "the journal and the history" } else { "bars and what follows from them" };
    let next = if all {
        "import an export, or the next start begins a new journal"
    } else {
        "the next start fetches the bars that it needs"
    };
    let line = format!(
        "{data_dir}: removed {what}: {} MB instead of {} MB; {next}",
        megabytes(bytes_after),
        megabytes(bytes_before)
    );
    printer.lines(&[line]).map(|_| Exit::Fine)
}
