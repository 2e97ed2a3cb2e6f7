//! `everwarm store`.

use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use crate::store_check::{check, exit};
use clap::Subcommand;
use everwarm_config::CheckDepth;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::FileState;
use everwarm_words::text::{Paint, Table, thousands};
use std::sync::Arc;

/// Flags of `store`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Check the files while no daemon runs, without changes: checksums, every fact, and each
    /// checkpoint against the facts. Exit code 4: a file is damaged.
    Check(query::Args),
    /// Remove the damaged checkpoint of a stage, as `store check` or `verify` names it. The next
    /// start derives the state from the facts, which takes longer.
    Forget(ForgetArgs),
}

/// Flags of `store forget`.
#[derive(Clone, Debug, clap::Args)]
pub struct ForgetArgs {
    /// The stage, as `verify` names it.
    stage: String,
    #[command(flatten)]
    ask: query::Args,
}

fn forget(args: &ForgetArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let data_dir = args.ask.configuration(CheckDepth::Words)?.data_dir;
    let stood = (core.files.forget)(&data_dir, &args.stage)?;
    if args.ask.json {
        return printer.json(&serde_json::json!({ "stage": args.stage, "input": stood }));
    }
    let stage = &args.stage;
    let line = match stood {
        Some(n) => format!(
            "removed the checkpoint of {stage} at input {}: the next start derives \
             its state from the facts",
            thousands(n)
        ),
        None => format!("{stage} has no checkpoint"),
    };
    printer.lines(&[line]).map(|_| Exit::Fine)
}

/// Runs the subcommand.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let args = match &args.verb {
        Verb::Check(args) => args,
        Verb::Forget(args) => return forget(args, core, printer),
    };
    let progress = Arc::new(Progress::begin("reading every fact", !printer.quiet));
    let data_dir = args.configuration(CheckDepth::Words)?.data_dir;
    let files = check(&data_dir, &core.files, core.proofs.verify, &progress)?;
    drop(progress);
    let exit = exit(&files);
    if args.json {
        return printer.json(&files).map(|_| exit);
    }
    let mut table = Table::new(&["file", ">kB", "state", "contents"]);
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
    // The table may cut a reason, so print it in full below.
    if printer.width != usize::MAX {
        let bad = files.iter().filter(|file| file.state == FileState::Bad);
        lines.extend(bad.map(|file| format!("{}: {}", file.file, file.detail)));
    }
    printer.lines(&lines).map(|_| exit)
}
