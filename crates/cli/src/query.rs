//! Reading commands: they query the running daemon, or the files if none runs.

use super::Core;
use super::run::{put, sources};
use crate::offline::OfflineContext;
use crate::print::Printer;
use crate::progress::{Counted, Progress};
use crate::remote::Remote;
use everwarm_api::Token;
use everwarm_config::{CheckDepth, Config, Sources};
use everwarm_views::changes::Change;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::health::is_configured;
use everwarm_views::questions::{self, Asked, Json, Question};
use everwarm_words::text::shell_word;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of rows that a list prints as text by default.
const SHOWN: usize = 40;

/// Flags of every reading command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Data directory of the daemon [default: everwarm-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Args {
    /// Flags for one data directory.
    #[cfg(test)]
    pub fn on(data_dir: &Path) -> Args {
        Args { data_dir: Some(data_dir.into()), ..Args::default() }
    }

    /// The same flags with a configuration file.
    #[cfg(test)]
    pub fn by(self, config: &Path) -> Args {
        Args { config: Some(config.into()), ..self }
    }

    /// The configuration file that was named.
    #[must_use]
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    /// The command with flags added, so that it reaches the same daemon. It adds the data directory
    /// and the configuration file named here, unless the command names its own. A command about the
    /// configuration gets the file of the daemon's last start instead, if no file is named here.
    /// Commands of other programs stay unchanged.
    #[must_use]
    pub fn whole(&self, command: &str, started: Option<&Path>) -> String {
        let mut whole = command.to_owned();
        let ours = command.starts_with("everwarm ");
        let started = started.filter(|_| is_configured(command));
        let (config, folder) = (self.config.as_deref().or(started), self.data_dir.as_deref());
        for (flag, path) in [("--config", config), ("--data-dir", folder)] {
            let named = command.split_whitespace().any(|word| word == flag);
            if let Some(path) = path.filter(|_| ours && !named) {
                whole = format!("{whole} {flag} {}", shell_word(&path.display().to_string()));
            }
        }
        whole
    }

    /// Loads the configuration.
    ///
    /// # Errors
    /// The configuration has errors.
    pub fn configuration(&self, look: CheckDepth) -> Result<Config, Failure> {
        Ok(self.sources().load(look)?)
    }

    /// The sources of the configuration.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut given = Vec::new();
        let data_dir = self.data_dir.as_ref().map(|p| p.display().to_string());
        put(&mut given, "daemon.data_dir", "--data-dir", data_dir);
        sources(self.config.as_ref(), given)
    }

    /// The running daemon of the data directory, or else its files.
    ///
    /// # Errors
    /// Neither can be read.
    pub fn daemon(&self, core: &Core) -> Result<Daemon, Failure> {
        self.daemon_counted(core, &Arc::new(Progress::begin("", false)))
    }

    /// The same, with the facts read from files counted in `progress`.
    ///
    /// # Errors
    /// Neither can be read.
    pub fn daemon_counted(&self, core: &Core, progress: &Arc<Progress>) -> Result<Daemon, Failure> {
        let Config { data_dir, storage, .. } = self.configuration(CheckDepth::Words)?;
        if let Some(remote) = Remote::connect(&data_dir)? {
            return Ok(Daemon::Running(remote));
        }
        let files = offline(&data_dir, core, progress).map(|files| files.keeping(storage));
        files.map(Box::new).map(Daemon::Stopped).map_err(silent)
    }

    /// Sends a question without parameters and prints the rows of the response.
    ///
    /// # Errors
    /// The query or the output failed.
    pub fn print(
        &self,
        core: &Core,
        printer: Printer,
        question: &Question,
    ) -> Result<Exit, Failure> {
        let answer = self.daemon(core)?.ask(question, &Asked::default())?;
        if self.json {
            return printer.answer(&answer);
        }
        rows(&answer.rows()?, question, printer)
    }

    /// Requests a change from the daemon, or makes it in the files.
    ///
    /// # Errors
    /// The change is refused, or there is neither a daemon nor files.
    pub fn change(
        &self,
        core: &Core,
        change: &Change,
        asked: &Asked,
        body: &impl Serialize,
    ) -> Result<Json, Failure> {
        let config = self.configuration(CheckDepth::Secrets)?;
        let body = Json::of(body)?;
        if let Some(remote) = Remote::connect(&config.data_dir)? {
            let token = Token::find(config.token.as_ref(), &config.data_dir)?;
            return remote.change(change, asked, body, token.as_ref());
        }
        let control = (core.control)(&config.data_dir);
        let tried = (change.act)(control.as_ref(), asked, &body);
        tried.and_then(|(_, done)| done).map_err(silent)
    }
}

/// Turns "files in use" into "does not respond": a daemon uses them and did not respond.
pub(super) fn silent(failure: Failure) -> Failure {
    if failure.exit != Exit::Held {
        return failure;
    }
    let text = format!("{}, but it does not respond; wait, or run everwarm doctor", failure.text);
    Failure::new(Exit::Unreachable, text)
}

fn offline(
    data_dir: &Path,
    core: &Core,
    progress: &Arc<Progress>,
) -> Result<OfflineContext, Failure> {
    if !data_dir.is_dir() {
        return Err(Failure::no_daemon(data_dir));
    }
    // Both are opened for reading only.
    let journal = (core.files.journal)(data_dir)?;
    let journal = Box::new(Counted(journal, Arc::clone(progress)));
    let context = OfflineContext::open(data_dir, journal, core.proofs)?.built_as((core.version)());
    Ok(context.written_as(&data_dir.join(core.files.live)))
}

/// Flags of a command that lists.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub args: Args,
    /// Number of newest rows; 0: all [default: 40 as text, all as JSON].
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl ListArgs {
    /// The number of rows that are printed; none: all.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self.limit {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => (!self.args.json).then_some(SHOWN),
        }
    }

    /// The number of rows of `--limit`, else all.
    #[must_use]
    pub fn limit_or_all(&self) -> Option<usize> {
        self.limit.filter(|limit| *limit > 0)
    }

    /// Requests a list and prints its rows.
    ///
    /// # Errors
    /// The query or the output failed.
    pub fn print(
        &self,
        core: &Core,
        printer: Printer,
        question: &Question,
    ) -> Result<Exit, Failure> {
        self.print_with(core, printer, (question, Asked::default()), |_| ())
    }

    /// The same with parameters. `remark` gets the rows before the table is printed.
    ///
    /// # Errors
    /// The query or the output failed.
    pub fn print_with(
        &self,
        core: &Core,
        printer: Printer,
        (question, asked): (&Question, Asked),
        remark: impl FnOnce(&[Value]),
    ) -> Result<Exit, Failure> {
        let limit = self.limit();
        let answer = self.args.daemon(core)?.ask(question, &asked.with("limit", limit))?;
        if self.args.json {
            return printer.answer(&answer);
        }
        let found = answer.rows()?;
        if self.limit.is_none() && limit == Some(found.len()) {
            printer.note(&format!("the newest {SHOWN} rows; --limit 0 shows all"));
        }
        remark(&found);
        rows(&found, question, printer)
    }
}

/// The source that answers queries about a data directory.
pub enum Daemon {
    /// The running daemon.
    Running(Remote),
    /// The files, if no daemon runs.
    Stopped(Box<OfflineContext>),
}

impl Daemon {
    /// The response to a question.
    ///
    /// # Errors
    /// There is no response.
    pub fn ask(&self, question: &Question, asked: &Asked) -> Result<Json, Failure> {
        match self {
            Daemon::Running(remote) => remote.ask(question, asked),
            Daemon::Stopped(files) => Ok((question.answer)(files.as_ref(), asked)?.json),
        }
    }
}

/// Prints rows as a table, or a note that there are none.
pub(super) fn rows(rows: &[Value], question: &Question, printer: Printer) -> Result<Exit, Failure> {
    if rows.is_empty() {
        printer.note(question.none);
        return Ok(Exit::Fine);
    }
    printer.table(&questions::table(question.columns, rows))
}
