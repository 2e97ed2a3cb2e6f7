//! `everwarm config`: show, check, compare and reload the configuration.

use super::run::{self, sources};
use super::{Core, query};
use crate::print::{Printer, confirm};
use crate::remote::Remote;
use clap::Subcommand;
use everwarm_config::last_start::typed;
use everwarm_config::layers::DEFAULTS;
use everwarm_config::reloadable::differences;
use everwarm_config::{CheckDepth, ConfigErrors, schema::schema};
use everwarm_views::changes::{Nothing, RELOAD, ROLLBACK};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, CONFIG, Json, RELOADS};
use everwarm_views::views::{
    DifferenceView, ReloadResult, ReloadView, ReloadsView, SetView, ValueView,
};
use everwarm_words::text::{Paint, Table, instant, wrap};
use serde::Serialize;
use std::path::Path;

/// Commands find the daemon by this key, so the running daemon has the same value.
const FOUND_BY: &str = "daemon.data_dir";

/// The result of a check of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct CheckedView {
    /// Whether a start would accept the configuration.
    valid: bool,
    /// All errors.
    errors: ConfigErrors,
}

/// Flags of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Check everything that a start checks: values, rules between keys, secrets, folders. Exit
    /// code 2: there is an error.
    Check(Given),
    /// Show every value and its source. This is the default.
    Show(ShowArgs),
    /// Print the JSON schema of a configuration file, for editors.
    Schema,
    /// Compare the configuration of the running daemon with the sources. Exit code 4: they differ.
    Diff(Given),
    /// Reload the configuration of the running daemon, after a preview of the changes. All changes
    /// are applied, or none. Exit code 2: there is an error; 5: the change is refused, by a
    /// position or by a key that needs a restart.
    Reload(ReloadArgs),
    /// Roll back to the configuration before the last reload.
    Rollback(ReloadArgs),
    /// Show the current configuration's generation and the results of reloads.
    Reloads(query::Args),
    /// Print an example with every key, its default and a comment.
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
    /// The values and the data directory. Without a named file, it uses the file and flags of the
    /// daemon's last start, and prints a note about that.
    fn values(
        &self,
        look: CheckDepth,
        printer: Printer,
    ) -> Result<(Vec<ValueView>, Box<Path>), ConfigErrors> {
        let sources = sources(self.run.config(), self.run.given()).or_noted();
        let file = sources.file.as_ref().filter(|_| self.run.config().is_none());
        let flags = Some(typed(&sources.noted)).filter(|flags| !flags.is_empty());
        let by: Vec<String> =
            file.map(|file| file.display().to_string()).into_iter().chain(flags).collect();
        if !by.is_empty() {
            printer
                .note(&format!("configuration of the daemon's last start: {}", by.join(" and ")));
        }
        let config = sources.load(look)?;
        Ok((config.values, config.data_dir.into()))
    }
}

/// Flags of `show`.
#[derive(Clone, Debug, Default, clap::Args)]
struct ShowArgs {
    /// Show the values of the running daemon, not those of the sources.
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    given: Given,
}

/// Flags of `reload` and `rollback`.
#[derive(Clone, Debug, clap::Args)]
struct ReloadArgs {
    /// Only preview the changes. Not possible with `rollback`.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: query::Args,
}

/// Whether a subcommand asks the daemon alone, and reads no sources of this machine.
pub fn asks_the_daemon(args: &Args) -> bool {
    match &args.verb {
        Some(Verb::Reload(_) | Verb::Rollback(_) | Verb::Reloads(_)) => true,
        Some(Verb::Show(args)) => args.running,
        Some(Verb::Check(_) | Verb::Diff(_) | Verb::Schema | Verb::Example) | None => false,
    }
}

/// Runs the subcommand.
pub fn print(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    match &args.verb {
        None => show(&ShowArgs::default(), printer),
        Some(Verb::Show(args)) => show(args, printer),
        Some(Verb::Check(given)) => check(given, printer),
        Some(Verb::Diff(given)) => diff(given, printer),
        Some(Verb::Reload(args)) => reload(args, core, printer),
        Some(Verb::Rollback(args)) => rollback(args, core, printer),
        Some(Verb::Reloads(args)) => reloads(args, core, printer),
        Some(Verb::Schema) => printer.json(&schema()),
        Some(Verb::Example) => printer.lines(&[DEFAULTS.trim_end()]).map(|_| Exit::Fine),
    }
}

fn show(args: &ShowArgs, printer: Printer) -> Result<Exit, Failure> {
    let ShowArgs { running, given } = args;
    let values = if *running {
        // The daemon is found by the data directory of the sources, whatever its own file says now.
        let asked = sources(given.run.config(), given.run.given()).load(CheckDepth::Words)?;
        let daemon = connected(Path::new(&asked.data_dir))?;
        let reloads: ReloadsView = daemon.ask(&RELOADS, &Asked::default())?.read()?;
        printer.note(&format!("configuration {} is in force", reloads.generation));
        running_values(&daemon)?
    } else {
        given.values(CheckDepth::Words, printer).map_err(Failure::from)?.0
    };
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
    let checked = given.values(CheckDepth::World, printer);
    if given.json {
        let errors = checked.err().unwrap_or_default();
        let exit = if errors.0.is_empty() { Exit::Fine } else { Exit::Usage };
        let view = CheckedView { valid: exit == Exit::Fine, errors };
        return printer.json(&view).map(|_| exit);
    }
    let (values, _) = checked.map_err(Failure::from)?;
    let set = values.iter().filter(|value| value.is_set()).count();
    let all = values.len();
    let line = format!(
        "the configuration is valid: {set} of {all} keys are set, the others have defaults"
    );
    printer.lines(&wrap(&line, printer.width)).map(|_| Exit::Fine)
}

fn diff(given: &Given, printer: Printer) -> Result<Exit, Failure> {
    let (values, data_dir) = given.values(CheckDepth::World, printer).map_err(Failure::from)?;
    let mut found = differences(&running_values(&connected(&data_dir)?)?, &values);
    found.retain(|difference| difference.key != FOUND_BY);
    let exit = if found.is_empty() { Exit::Fine } else { Exit::Problems };
    if given.json {
        return printer.json(&found).map(|_| exit);
    }
    if found.is_empty() {
        let line = "the running daemon agrees with the sources";
        return printer.lines(&[line]).map(|_| exit);
    }
    printer.lines(&difference_lines(&found, printer.width)).map(|_| exit)
}

/// The values of the running daemon.
fn running_values(daemon: &Remote) -> Result<Vec<ValueView>, Failure> {
    daemon.ask(&CONFIG, &Asked::default())?.read()
}

fn connected(data_dir: &Path) -> Result<Remote, Failure> {
    Remote::connect(data_dir)?.ok_or_else(|| Failure::no_daemon(data_dir))
}

fn reload(args: &ReloadArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let ask = |dry: Option<u8>| {
        args.args.change(core, &RELOAD, &Asked::default().with("dry_run", dry), &Nothing {})
    };
    if args.dry_run || !args.yes {
        let answer = ask(Some(1))?;
        let would: ReloadView = answer.read()?;
        if args.dry_run || would.result == ReloadResult::Unchanged {
            return print_result(&answer, args, printer);
        }
        for line in changes(&would, printer.width) {
            printer.note(&line);
        }
        confirm("apply these changes", false)?;
    }
    print_result(&ask(None)?, args, printer)
}

fn rollback(args: &ReloadArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if args.dry_run {
        return Err(Failure::new(Exit::Usage, "rollback has no --dry-run: leave it out"));
    }
    confirm("roll back to the earlier configuration", args.yes)?;
    let answer = args.args.change(core, &ROLLBACK, &Asked::default(), &Nothing {})?;
    print_result(&answer, args, printer)
}

fn print_result(answer: &Json, args: &ReloadArgs, printer: Printer) -> Result<Exit, Failure> {
    if args.args.json {
        return printer.answer(answer);
    }
    let view: ReloadView = answer.read()?;
    let generation = view.generation;
    let line = match view.result {
        ReloadResult::Applied => format!("configuration {generation} is in force"),
        ReloadResult::RolledBack => {
            format!("rolled back: the earlier configuration is in force as {generation}")
        }
        ReloadResult::Possible => format!("these changes would replace configuration {generation}"),
        ReloadResult::Unchanged
        | ReloadResult::Invalid
        | ReloadResult::Rejected
        | ReloadResult::RollbackFailed => {
            format!("not applied: configuration {generation} stays in force")
        }
    };
    let lines = [vec![line], changes(&view, printer.width)].concat();
    printer.lines(&lines).map(|_| Exit::Fine)
}

fn changes(view: &ReloadView, width: usize) -> Vec<String> {
    let shown = |set: &Option<SetView>| set.as_ref().map_or("-".into(), |s| s.value.to_string());
    let line = |change: &DifferenceView| {
        let by = change.now.as_ref().map_or("", |set| set.origin.as_str());
        let (before, now) = (shown(&change.running), shown(&change.now));
        wrap(&format!("{}: {before} becomes {now}, by {by}", change.key), width)
    };
    view.changes.iter().flat_map(line).collect()
}

fn reloads(args: &query::Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(&RELOADS, &Asked::default())?;
    if args.json {
        return printer.answer(&answer);
    }
    let view: ReloadsView = answer.read()?;
    let mut lines = vec![format!("configuration {} is in force", view.generation)];
    for key in &view.restart_pending {
        lines.push(format!("{key} needs a restart to change"));
    }
    if let Some(last) = &view.last {
        let (trigger, result) = (last.trigger.name(), last.result.name());
        lines.push(format!("last reload {} UTC, trigger {trigger}: {result}", instant(last.time)));
        lines.extend(last.reasons.iter().map(|reason| format!("  {reason}")));
        lines.extend(changes(last, printer.width).iter().map(|line| format!("  {line}")));
    }
    for count in view.counts.iter().filter(|count| count.count > 0) {
        lines.push(format!("{} by {}: {}", count.result.name(), count.trigger.name(), count.count));
    }
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// Differences as text: a table if it fits, else a few lines for each. Nothing is cut.
pub fn difference_lines(found: &[DifferenceView], width: usize) -> Vec<String> {
    let cell = |set: &Option<SetView>| {
        set.as_ref().map_or(["-".to_owned(), "-".to_owned()], |set| {
            [set.value.to_string(), set.origin.clone()]
        })
    };
    let mut table = Table::new(&["key", "running", "origin", "in the sources", "origin"]);
    let mut lines = Vec::new();
    for DifferenceView { key, running, now } in found {
        let ([ran, ran_by], [set, set_by]) = (cell(running), cell(now));
        lines.push(key.clone());
        for (when, value, by) in [("running", &ran, &ran_by), ("in the sources", &set, &set_by)] {
            let wrapped = wrap(&format!("{when}: {value}, by {by}"), width.saturating_sub(2));
            lines.extend(wrapped.iter().map(|line| format!("  {line}")));
        }
        table.row(vec![key.clone(), ran, ran_by, set, set_by]);
    }
    let wide = table.lines(usize::MAX);
    if wide.iter().all(|line| line.chars().count() <= width) { wide } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_whole_on_a_terminal_of_any_width() {
        let set = |value: &str, origin: &str| {
            Some(SetView { value: serde_json::Value::from(value), origin: origin.to_owned() })
        };
        let origin = "/a/folder/that/has/a/long/name/mine.toml, line 12, column 9";
        let found = [DifferenceView {
            key: "market.seed".into(),
            running: set("7", "--seed"),
            now: set("1", origin),
        }];
        let wide = difference_lines(&found, 200);
        assert_eq!(wide.len(), 2, "{wide:?}");
        for width in [40, 80, 89] {
            let lines = difference_lines(&found, width);
            let words = lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(origin) && words.contains("\"7\", by --seed"), "{words}");
            let long = lines.iter().filter(|line| line.chars().count() > width);
            let whole = long.filter(|line| !line.contains("/a/folder")).count();
            assert_eq!(whole, 0, "{lines:?}");
        }
    }
}
