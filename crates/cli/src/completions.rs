//! `everwarm completions`, `man` and `api-doc`: made from the definitions of the command line and
//! of the API.

use super::Core;
use crate::print::Printer;
use clap::Command;
use clap_complete::{Shell, generate};
use everwarm_views::exit::{Exit, Failure};
use std::path::{Path, PathBuf};

/// Flags of `completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct CompletionArgs {
    /// The shell.
    shell: Shell,
}

/// Flags of `man`.
#[derive(Clone, Debug, clap::Args)]
pub struct ManArgs {
    /// A command, like `config check` [default: everwarm itself].
    command: Vec<String>,
    /// Write the pages of all commands into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Prints a description of the command line or of the API.
pub fn describe(command: &super::Command, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if let super::Command::Completions(args) = command {
        completions(args, super::command(), printer)
    } else if let super::Command::Man(args) = command {
        man(args, super::versioned(core), printer)
    } else {
        printer.json(&everwarm_api::openapi::document())
    }
}

/// Prints the completions of a shell.
fn completions(args: &CompletionArgs, mut cli: Command, printer: Printer) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut cli, "everwarm", &mut script);
    print(&script, printer)
}

/// Prints a man page, or writes all.
fn man(args: &ManArgs, mut cli: Command, printer: Printer) -> Result<Exit, Failure> {
    cli.build();
    if let Some(dir) = &args.dir {
        let written = std::fs::create_dir_all(dir).and_then(|()| write(&cli, dir));
        let failed = |e| Failure::new(Exit::Failed, format!("{}: {e}", dir.display()));
        return written.map(|()| Exit::Fine).map_err(failed);
    }
    let mut command = &cli;
    for word in &args.command {
        command = command.find_subcommand(word).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!(
                    "there is no command {:?}; everwarm --help lists them",
                    args.command.join(" ")
                ),
            )
        })?;
    }
    let failed = |e: std::io::Error| Failure::new(Exit::Failed, e.to_string());
    print(&page(command).map_err(failed)?, printer)
}

fn print(bytes: &[u8], printer: Printer) -> Result<Exit, Failure> {
    printer.lines(&[String::from_utf8_lossy(bytes).trim_end()]).map(|_| Exit::Fine)
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn write(command: &Command, dir: &Path) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or("everwarm");
    std::fs::write(dir.join(format!("{name}.1")), page(command)?)?;
    let visible = command.get_subcommands().filter(|c| c.get_name() != "help");
    visible.into_iter().try_for_each(|command| write(command, dir))
}
