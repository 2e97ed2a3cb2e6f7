//! `everwarm halt`, `resume`, `flatten`, `safe-start`, `enable`, `disable`, `switches`: what an
//! operator turns on and off, by the running daemon or in its files.

use super::Core;
use super::ask::Args;
use crate::ops::control_views::enables;
use crate::ops::describe;
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, confirm};
use crate::ops::text::{instant, wrap};
use crate::ops::views::{SwitchWord, SwitchesView};
use everwarm_domain::switch::{SafeStep, Switch};

/// A word with its reason.
#[derive(Clone, Debug, clap::Args)]
pub struct WordArgs {
    /// The reason; it is stored in the journal.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    args: Args,
}

/// Flags of `safe-start`.
#[derive(Clone, Debug, clap::Args)]
pub struct SafeArgs {
    /// The step.
    #[arg(value_enum, default_value_t)]
    step: Step,
    #[command(flatten)]
    word: WordArgs,
}

/// Steps of a careful start.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum Step {
    /// Collect data and compare the account; send no orders.
    #[default]
    Collect,
    /// Allow exits, too.
    Exits,
    /// Allow everything: the safe start ends.
    Trade,
}

/// Flags of `enable` and `disable`.
#[derive(Clone, Debug, clap::Args)]
pub struct NamedArgs {
    /// A strategy by its id, or a branch by its path in the tree, like root/trading/feeds.
    name: String,
    #[command(flatten)]
    word: WordArgs,
}

/// Halts, resumes or flattens.
pub fn word(
    args: &WordArgs,
    switch: Switch,
    core: &Core,
    printer: Printer,
) -> Result<Exit, Failure> {
    confirm(&describe::switched(&switch), args.yes)?;
    let word = SwitchWord { switch, reason: args.reason.clone() };
    let view = args.args.switch(core, &word)?;
    if args.args.json {
        return printer.json(&view);
    }
    let mut lines = vec![view.text];
    lines.extend(view.standing.reasons.iter().map(|reason| format!("  {reason}")));
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// Takes a step of a careful start.
pub fn safe(args: &SafeArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let step = match args.step {
        Step::Collect => SafeStep::Collect,
        Step::Exits => SafeStep::Exits,
        Step::Trade => SafeStep::Trade,
    };
    word(&args.word, Switch::Safe(step), core, printer)
}

/// Turns a strategy or a process on or off.
pub fn named(args: &NamedArgs, on: bool, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    word(&args.word, Switch::named(&args.name, on), core, printer)
}

/// Lists what is off.
pub fn list(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let view = args.desk(core)?.switches()?;
    if args.json {
        return printer.json(&view);
    }
    printer.lines(&lines(&view, printer.width)).map(|_| Exit::Fine)
}

/// What is off as people see it.
pub fn lines(view: &SwitchesView, width: usize) -> Vec<String> {
    let switches = &view.switches;
    let mut all = Vec::new();
    if let Some((step, said)) = &switches.safe {
        all.push((format!("safe-start, {}", step.name()), said));
    }
    all.extend(switches.halted.iter().map(|said| ("halted".to_owned(), said)));
    all.extend(switches.flatten.iter().map(|said| ("flattened".to_owned(), said)));
    let named = switches.strategies.iter().chain(&switches.processes);
    all.extend(named.map(|(name, said)| (format!("{name} is off"), said)));
    let said = all
        .iter()
        .map(|(what, said)| format!("{what}, since {} UTC: {}", instant(said.since), said.reason));
    let configured = view.configured_off.iter();
    let configured = configured.map(|name| format!("{name} is off: {} = false", enables(name)));
    let told: Vec<String> = said.chain(configured).collect();
    if told.is_empty() {
        return vec!["nothing is turned off".to_owned()];
    }
    told.iter().flat_map(|line| wrap(line, width)).collect()
}
