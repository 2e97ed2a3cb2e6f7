//! `everwarm store`.

use super::{Core, ask};
use crate::ops::config::Look;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::progress::Progress;
use crate::ops::store_check::{check, exit};
use crate::ops::text::{Paint, Table, thousands};
use crate::ops::views::FileState;
use clap::Subcommand;
use std::sync::Arc;

/// Flags of `store`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Check the files of a daemon that does not run, without changing them: checksums, and every
    /// fact read. Exit code 4: one is damaged.
    Check(ask::Args),
}

/// Does what the verb says.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let Verb::Check(args) = &args.verb;
    let progress = Arc::new(Progress::begin("reading every fact", !printer.quiet));
    let data_dir = args.configuration(Look::Words)?.data_dir;
    let files = check(&data_dir, &core.files, &progress)?;
    drop(progress);
    let exit = exit(&files);
    if args.json {
        return printer.json(&files).map(|_| exit);
    }
    let mut table = Table::new(&["file", ">kB", "state", "what is in it"]);
    for file in &files {
        table.row(vec![
            file.file.clone(),
            thousands(file.bytes / 1024),
            file.state.name().to_owned(),
            file.detail.clone(),
        ]);
    }
    let mut lines = table.lines(printer.width);
    for (line, file) in lines.iter_mut().skip(1).zip(&files) {
        let paint = match file.state {
            FileState::Good => Paint::Plain,
            FileState::Absent => Paint::Dim,
            FileState::Held => Paint::Yellow,
            FileState::Bad => Paint::Red,
        };
        *line = paint.on(line, printer.color);
    }
    // A reason may be longer than a line, and is wanted whole.
    if printer.width != usize::MAX {
        let bad = files.iter().filter(|file| file.state == FileState::Bad);
        lines.extend(bad.map(|file| format!("{}: {}", file.file, file.detail)));
    }
    printer.lines(&lines).map(|_| exit)
}
