//! Finding who answers a reading command: a running daemon, else the files of one that is not
//! running.

use super::Core;
use super::run::{put, sources};
use crate::ops::api::Token;
use crate::ops::config::{Config, Look, Sources};
use crate::ops::desk::{Desk, ReloadHow, SymbolsChange};
use crate::ops::exit::{Exit, Failure};
use crate::ops::health::is_configured;
use crate::ops::offline::OfflineDesk;
use crate::ops::print::Printer;
use crate::ops::progress::{Counted, Progress};
use crate::ops::remote::RemoteDesk;
use crate::ops::text::shell_word;
use crate::ops::views::{
    AdoptView, AdoptedView, QuarantineView, ReloadView, ResolveView, ResolvedView, SwitchWord,
    SwitchedView, SymbolsChangeView,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a list a person is shown, unless asked otherwise.
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
    /// For one folder.
    #[cfg(test)]
    pub fn on(data_dir: &Path) -> Args {
        Args { data_dir: Some(data_dir.into()), ..Args::default() }
    }

    /// The same, with a configuration file.
    #[cfg(test)]
    pub fn by(self, config: &Path) -> Args {
        Args { config: Some(config.into()), ..self }
    }

    /// A command as it has to be typed to be about the same daemon: with the folder and the file
    /// named here, where it names none itself, else with the file that its daemon was started with
    /// where it is about what is configured. Commands of others stay as they are.
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

    /// What is configured.
    ///
    /// # Errors
    /// Something is wrong with it.
    pub fn configuration(&self, look: Look) -> Result<Config, Failure> {
        Ok(self.sources().load(look)?)
    }

    /// Where that comes from.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut given = Vec::new();
        let data_dir = self.data_dir.as_ref().map(|p| p.display().to_string());
        put(&mut given, "daemon.data_dir", "--data-dir", data_dir);
        sources(self.config.as_ref(), given)
    }

    /// Whoever answers for the data directory.
    ///
    /// # Errors
    /// Nobody does.
    pub fn desk(&self, core: &Core) -> Result<Box<dyn Desk>, Failure> {
        self.desk_counted(core, &Arc::new(Progress::begin("", false)))
    }

    /// The same, each fact read from a file being counted.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn desk_counted(
        &self,
        core: &Core,
        progress: &Arc<Progress>,
    ) -> Result<Box<dyn Desk>, Failure> {
        let data_dir = self.configuration(Look::Words)?.data_dir;
        if let Some(remote) = RemoteDesk::connect(&data_dir)? {
            return Ok(Box::new(remote));
        }
        offline(&data_dir, core, progress).map_err(silent)
    }

    /// Ends a quarantine, by the daemon or in its files.
    ///
    /// # Errors
    /// It cannot be ended so, or there is neither.
    pub fn release(&self, core: &Core, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
        let config = self.configuration(Look::Secrets)?;
        match RemoteDesk::connect(&config.data_dir)? {
            Some(remote) => {
                let token = Token::find(config.token.as_ref(), &config.data_dir)?;
                remote.release(id, retry, token.as_ref())
            }
            None => (core.release)(&config.data_dir, id, retry).map_err(silent),
        }
    }

    /// Ends a conflict, by the daemon or in its files.
    ///
    /// # Errors
    /// It cannot be ended so, or there is neither.
    pub fn resolve(
        &self,
        core: &Core,
        id: &str,
        word: &ResolveView,
    ) -> Result<ResolvedView, Failure> {
        let config = self.configuration(Look::Secrets)?;
        match RemoteDesk::connect(&config.data_dir)? {
            Some(remote) => {
                let token = Token::find(config.token.as_ref(), &config.data_dir)?;
                remote.resolve(id, word, token.as_ref())
            }
            None => (core.resolve)(&config.data_dir, id, word).map_err(silent),
        }
    }

    /// Takes a surplus into the books, by the daemon or in its files.
    ///
    /// # Errors
    /// It is refused, or there is neither.
    pub fn adopt(&self, core: &Core, word: &AdoptView) -> Result<AdoptedView, Failure> {
        let config = self.configuration(Look::Secrets)?;
        match RemoteDesk::connect(&config.data_dir)? {
            Some(remote) => {
                let token = Token::find(config.token.as_ref(), &config.data_dir)?;
                remote.adopt(word, token.as_ref())
            }
            None => (core.adopt)(&config.data_dir, word).map_err(silent),
        }
    }
}

impl Args {
    /// Has the running daemon read its configuration again.
    ///
    /// # Errors
    /// None is running, or it refuses.
    pub fn reload(&self, how: ReloadHow) -> Result<ReloadView, Failure> {
        let config = self.configuration(Look::Secrets)?;
        let Some(remote) = RemoteDesk::connect(&config.data_dir)? else {
            let dir = config.data_dir.display();
            let text =
                format!("no daemon is running on {dir}; the next start reads the configuration");
            return Err(Failure::new(Exit::Unreachable, text));
        };
        let token = Token::find(config.token.as_ref(), &config.data_dir)?;
        remote.reload(how, token.as_ref())
    }

    /// Has a word of an operator taken down, by the daemon or in its files.
    ///
    /// # Errors
    /// It is refused, or there is neither.
    pub fn switch(&self, core: &Core, word: &SwitchWord) -> Result<SwitchedView, Failure> {
        let config = self.configuration(Look::Secrets)?;
        match RemoteDesk::connect(&config.data_dir)? {
            Some(remote) => {
                let token = Token::find(config.token.as_ref(), &config.data_dir)?;
                remote.switch(word, token.as_ref())
            }
            None => (core.switch)(&config.data_dir, word).map_err(silent),
        }
    }

    /// Changes what a running daemon lists.
    ///
    /// # Errors
    /// None is running, or it refuses.
    pub fn change_symbols(&self, change: SymbolsChange) -> Result<SymbolsChangeView, Failure> {
        let config = self.configuration(Look::Secrets)?;
        let Some(remote) = RemoteDesk::connect(&config.data_dir)? else {
            return Err(Failure::no_daemon(&config.data_dir));
        };
        let token = Token::find(config.token.as_ref(), &config.data_dir)?;
        remote.change_symbols(change, token.as_ref())
    }
}

/// Files that are held belong to a daemon that was asked and did not answer.
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
) -> Result<Box<dyn Desk>, Failure> {
    if !data_dir.is_dir() {
        return Err(Failure::no_daemon(data_dir));
    }
    // Both are only looked at.
    let journal = (core.files.journal)(data_dir)?;
    let journal = Box::new(Counted(journal, Arc::clone(progress)));
    let desk = OfflineDesk::open(data_dir, journal, core.proofs)?;
    Ok(Box::new(desk.written_as(&data_dir.join(core.files.live))))
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
    fn limit(&self) -> Option<usize> {
        match self.limit {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => (!self.args.json).then_some(SHOWN),
        }
    }

    /// As many as asked for, else all.
    #[must_use]
    pub fn limit_or_all(&self) -> Option<usize> {
        self.limit.filter(|limit| *limit > 0)
    }

    /// Asks for a list and prints it: as JSON, or by `table`.
    ///
    /// # Errors
    /// It could not be read or written.
    pub fn list<T: Serialize>(
        &self,
        core: &Core,
        printer: Printer,
        ask: impl FnOnce(&dyn Desk, Option<usize>) -> Result<Vec<T>, Failure>,
        print: impl FnOnce(&[T]) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        let limit = self.limit();
        let rows = ask(self.args.desk(core)?.as_ref(), limit)?;
        if self.args.json {
            return printer.json(&rows);
        }
        if rows.is_empty() {
            printer.note("no rows yet");
            return Ok(Exit::Fine);
        }
        if self.limit.is_none() && limit == Some(rows.len()) {
            printer.note(&format!("the newest {SHOWN} rows; --limit 0 shows all"));
        }
        print(&rows)
    }
}
