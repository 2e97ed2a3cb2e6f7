//! `everwarm backup` and `everwarm restore`.

use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use crate::remote::Remote;
use everwarm_api::Token;
use everwarm_config::CheckDepth;
use everwarm_views::backup::{self, BackupView, RestoredView};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::{count, instant, thousands};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Flags of `backup` and `export`.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    /// The file to write.
    pub file: PathBuf,
    /// Replace an existing file. The old file stays until the new one is complete.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub args: query::Args,
}

/// Flags of `restore` and `import`.
#[derive(Clone, Debug, clap::Args)]
pub struct FileArgs {
    /// The file to read.
    file: PathBuf,
    #[command(flatten)]
    args: query::Args,
}

impl FileArgs {
    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// Writes a backup, from the running daemon or from its files.
pub fn backup(args: &BackupArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let BackupArgs { file, force, args } = args;
    let config = args.configuration(CheckDepth::Secrets)?;
    let progress = Progress::begin("packing, kB", !printer.quiet);
    let made = backup::write(file, *force, |out| {
        let mut out = ProgressWriter { out, progress: &progress, bytes: 0 };
        match Remote::connect(&config.data_dir)? {
            Some(remote) => {
                let token = Token::find(config.token.as_ref(), &config.data_dir)?;
                remote.backup(token.as_ref(), &mut out)
            }
            None => (core.backup)(&config.data_dir, &mut out).map_err(query::silent),
        }
    });
    drop(progress);
    let made = made?;
    if args.json {
        return printer.json(&made);
    }
    printer.lines(&[sentence(&made)]).map(|_| Exit::Fine)
}

fn sentence(made: &BackupView) -> String {
    let (kb, rows) = (thousands(made.bytes.div_ceil(1024)), count(made.about.row, "fact"));
    let sealed = count(made.segments, "sealed segment");
    let life = made.about.life;
    format!("{}: {rows} up to run {life}, {sealed}, {kb} kB; read back and verified", made.file)
}

/// Restores a backup into a data directory.
pub fn restore(args: &FileArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let FileArgs { file, args } = args;
    let data_dir = args.configuration(CheckDepth::Words)?.data_dir;
    let progress = Progress::begin("restoring", !printer.quiet);
    let made = (core.restore)(file, &data_dir);
    drop(progress);
    let made: RestoredView = made?;
    if args.json {
        return printer.json(&made);
    }
    let RestoredView { data_dir, taken, facts, installation, epoch, .. } = made;
    let lines = [
        format!("{data_dir}: {} up to {} UTC, all verified", count(facts, "fact"), instant(taken)),
        format!(
            "installation {installation}, epoch {epoch}: order ids are new, none is used twice"
        ),
        "the next start reads from the venue what happened since, before it sends orders"
            .to_owned(),
    ];
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// A writer that reports the bytes written, in KiB, as progress.
struct ProgressWriter<'a> {
    out: &'a mut dyn Write,
    progress: &'a Progress,
    bytes: u64,
}

impl Write for ProgressWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        self.progress.at(self.bytes / 1024);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
