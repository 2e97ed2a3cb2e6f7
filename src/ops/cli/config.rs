//! `everwarm config`: what is configured, where it came from, and what is wrong with it.

use super::run::{self, sources};
use crate::ops::config::layers::DEFAULTS;
use crate::ops::config::{ConfigErrors, Look, schema::schema};
use crate::ops::desk::Desk;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::Printer;
use crate::ops::remote::RemoteDesk;
use crate::ops::text::{Paint, Table, count};
use crate::ops::views::{CheckedView, DifferenceView, SetView, ValueView};
use clap::Subcommand;
use std::path::Path;

/// Found by it, the running daemon cannot have another.
const FOUND_BY: &str = "daemon.data_dir";

/// Flags of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Check all that a start would: values, rules between them, secrets, folders. Exit code 2:
    /// something is wrong.
    Check(Given),
    /// Every value and where it came from (what happens without a verb).
    Show(Given),
    /// The JSON schema of a configuration file, for editors and other checkers.
    Schema,
    /// What the running daemon has otherwise than it would have if it started now. Exit code 4:
    /// something differs.
    Diff(Given),
    /// A file with every key, its default and a comment: config/default.toml.
    Example,
}

#[derive(Clone, Debug, Default, clap::Args)]
struct Given {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: run::Args,
}

impl Given {
    fn values(&self, look: Look) -> Result<(Vec<ValueView>, Box<Path>), ConfigErrors> {
        let config = sources(self.run.config(), self.run.given()).load(look)?;
        Ok((config.values, config.data_dir.into()))
    }
}

/// Does what the verb says.
pub fn print(args: &Args, printer: Printer) -> Result<Exit, Failure> {
    match &args.verb {
        None => show(&Given::default(), printer),
        Some(Verb::Show(given)) => show(given, printer),
        Some(Verb::Check(given)) => check(given, printer),
        Some(Verb::Diff(given)) => diff(given, printer),
        Some(Verb::Schema) => printer.json(&schema()),
        Some(Verb::Example) => printer.lines(&[DEFAULTS.trim_end()]).map(|_| Exit::Fine),
    }
}

fn show(given: &Given, printer: Printer) -> Result<Exit, Failure> {
    let (values, _) = given.values(Look::Words).map_err(Failure::from)?;
    if given.json {
        return printer.json(&values);
    }
    let mut table = Table::new(&["key", "value", "origin"]);
    for ValueView { key, value, origin, .. } in &values {
        table.row(vec![key.clone(), value.to_string(), origin.clone()]);
    }
    let mut lines = table.lines(printer.width);
    for (line, value) in lines.iter_mut().skip(1).zip(&values) {
        if !value.is_set() {
            *line = Paint::Dim.on(line, printer.color);
        }
    }
    printer.lines(&lines).map(|_| Exit::Fine)
}

fn check(given: &Given, printer: Printer) -> Result<Exit, Failure> {
    let checked = given.values(Look::World);
    if given.json {
        let errors = checked.err().unwrap_or_default();
        let exit = if errors.0.is_empty() { Exit::Fine } else { Exit::Usage };
        let view = CheckedView { valid: exit == Exit::Fine, errors };
        return printer.json(&view).map(|_| exit);
    }
    let (values, _) = checked.map_err(Failure::from)?;
    let set = values.iter().filter(|value| value.is_set()).count();
    let all = count(values.len() as u64, "value");
    let line = format!("the configuration is valid: {set} of {all} set, the others as by default");
    printer.lines(&[line]).map(|_| Exit::Fine)
}

fn diff(given: &Given, printer: Printer) -> Result<Exit, Failure> {
    let (values, data_dir) = given.values(Look::World).map_err(Failure::from)?;
    let Some(desk) = RemoteDesk::connect(&data_dir)? else {
        let text = format!("no daemon is running on {}", data_dir.display());
        return Err(Failure::new(Exit::Unreachable, text));
    };
    let found = differences(&desk.config()?, &values);
    let exit = if found.is_empty() { Exit::Fine } else { Exit::Problems };
    if given.json {
        return printer.json(&found).map(|_| exit);
    }
    if found.is_empty() {
        let line = "the running daemon has what it would have if it started now";
        return printer.lines(&[line]).map(|_| exit);
    }
    let mut table = Table::new(&["key", "running", "origin", "at a start now", "origin"]);
    for DifferenceView { key, running, now } in &found {
        let cell = |set: &Option<SetView>| {
            set.as_ref().map_or(["-".to_owned(), "-".to_owned()], |set| {
                [set.value.to_string(), set.origin.clone()]
            })
        };
        let ([ran, ran_by], [set, set_by]) = (cell(running), cell(now));
        table.row(vec![key.clone(), ran, ran_by, set, set_by]);
    }
    printer.table(&table).map(|_| exit)
}

/// Keys whose values differ; a program of another version may have other keys.
fn differences(running: &[ValueView], now: &[ValueView]) -> Vec<DifferenceView> {
    let find = |values: &[ValueView], key: &str| {
        let found = values.iter().find(|value| value.key == key);
        found.map(|v| SetView { value: v.value.clone(), origin: v.origin.clone() })
    };
    let only_running = running.iter().filter(|value| find(now, &value.key).is_none());
    let keys = now.iter().chain(only_running).map(|value| &value.key);
    keys.filter(|key| *key != FOUND_BY)
        .map(|key| DifferenceView {
            key: key.clone(),
            running: find(running, key),
            now: find(now, key),
        })
        .filter(|d| d.running.as_ref().map(|s| &s.value) != d.now.as_ref().map(|s| &s.value))
        .collect()
}
