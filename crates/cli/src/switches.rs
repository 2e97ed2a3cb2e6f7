//! `everwarm halt`, `resume`, `flatten`, `safe-start`, `enable`, `disable` and `switches`: the
//! operator's switches, set in the running daemon or in its files.

use super::Core;
use super::query::Args;
use crate::print::{Printer, confirm};
use everwarm_domain::switch::{SafeStep, Switch};
use everwarm_views::changes::{Change, ENABLE, SAFE_START, TRADING};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::operations::enables;
use everwarm_views::questions::{Asked, SWITCHES};
use everwarm_views::sentences;
use everwarm_views::views::{NamedView, ReasonView, SafeView, SwitchedView, SwitchesView};
use everwarm_words::text::{instant, wrap};
use serde::Serialize;

/// Flags of every switch: its reason and its confirmation.
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

/// Flags of `resume`.
#[derive(Clone, Debug, clap::Args)]
pub struct ResumeArgs {
    /// End a level after a drawdown, too: the present equity is the new peak.
    #[arg(long)]
    new_peak: bool,
    #[command(flatten)]
    word: WordArgs,
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

/// Steps of the safe start.
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
pub fn word(args: &WordArgs, word: &str, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let switch = match word {
        "halt" => Switch::Halt,
        "resume" => Switch::Resume,
        "new-peak" => Switch::NewPeak,
        _ => Switch::Flatten,
    };
    let (asked, reason) = (Asked::default().with("word", Some(word)), args.reason.clone());
    args.apply(&switch, core, (&TRADING, &asked, &ReasonView { reason }), printer)
}

/// Resumes.
pub fn resume(args: &ResumeArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let how = if args.new_peak { "new-peak" } else { "resume" };
    word(&args.word, how, core, printer)
}

/// Takes a step of the safe start.
pub fn safe(args: &SafeArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let step = match args.step {
        Step::Collect => SafeStep::Collect,
        Step::Exits => SafeStep::Exits,
        Step::Trade => SafeStep::Trade,
    };
    let body = SafeView { step, reason: args.word.reason.clone() };
    args.word.apply(&Switch::Safe(step), core, (&SAFE_START, &Asked::default(), &body), printer)
}

/// Turns a strategy or a branch on or off.
pub fn named(
    args: &NamedArgs,
    change: &Change,
    core: &Core,
    printer: Printer,
) -> Result<Exit, Failure> {
    let NamedArgs { name, word } = args;
    let switch = Switch::named(name, change.path == ENABLE.path);
    let body = NamedView { name: name.clone(), reason: word.reason.clone() };
    word.apply(&switch, core, (change, &Asked::default(), &body), printer)
}

impl WordArgs {
    /// Asks for confirmation and sets the switch.
    fn apply(
        &self,
        switch: &Switch,
        core: &Core,
        (change, asked, body): (&Change, &Asked, &impl Serialize),
        printer: Printer,
    ) -> Result<Exit, Failure> {
        confirm(&sentences::switched(switch), self.yes)?;
        let answer = self.args.change(core, change, asked, body)?;
        if self.args.json {
            return printer.answer(&answer);
        }
        let view: SwitchedView = answer.read()?;
        let mut lines = vec![view.text];
        lines.extend(view.standing.reasons.iter().map(|reason| format!("  {reason}")));
        printer.lines(&lines).map(|_| Exit::Fine)
    }
}

/// Lists the switches that are off.
pub fn list(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(&SWITCHES, &Asked::default())?;
    if args.json {
        return printer.answer(&answer);
    }
    printer.lines(&lines(&answer.read()?, printer.width)).map(|_| Exit::Fine)
}

/// The switches as text.
pub fn lines(view: &SwitchesView, width: usize) -> Vec<String> {
    let switches = &view.switches;
    let mut all = Vec::new();
    if let Some((step, why)) = &switches.safe {
        all.push((format!("safe-start, {}", step.name()), why));
    }
    all.extend(switches.halted.iter().map(|why| ("halted".to_owned(), why)));
    all.extend(switches.flatten.iter().map(|why| ("flattened".to_owned(), why)));
    let named = switches.strategies.iter().chain(&switches.processes);
    all.extend(named.map(|(name, why)| (format!("{name} is off"), why)));
    let by_hand = all
        .iter()
        .map(|(what, why)| format!("{what}, since {} UTC: {}", instant(why.since), why.reason));
    let configured = view.configured_off.iter();
    let configured = configured.map(|name| format!("{name} is off: {} = false", enables(name)));
    let all_off: Vec<String> = by_hand.chain(configured).collect();
    if all_off.is_empty() {
        return vec!["nothing is turned off".to_owned()];
    }
    all_off.iter().flat_map(|line| wrap(line, width)).collect()
}
