//! `everwarm explain ID`.

use super::{Core, query};
use crate::print::Printer;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::UtcMs;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, EXPLAIN, Question, WHY_NOT};
use everwarm_views::views::ExplainView;
use everwarm_words::text::{Paint, instant, instant_of, wrap};

/// Maximum columns of a line of the story.
const WIDTH_MAX: usize = 120;

/// Flags of `explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// A client order id or its beginning, SYMBOL:TRADE for a fill, or the key of a fact.
    id: String,
    #[command(flatten)]
    args: query::Args,
}

/// Prints the causes and effects of an order, a fill or a fact.
pub fn print(args: &ExplainArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let asked = Asked::default().with("id", Some(&args.id));
    show((&EXPLAIN, &asked), &args.args, core, printer)
}

/// Flags of `why-not`.
#[derive(Clone, Debug, clap::Args)]
pub struct WhyNotArgs {
    /// The symbol.
    #[arg(value_parser = |text: &str| Symbol::named(text))]
    symbol: Symbol,
    /// The close in UTC: "2021-01-08 12:03" or milliseconds [default: the newest].
    #[arg(value_parser = time)]
    time: Option<UtcMs>,
    /// Explain only this strategy.
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    #[command(flatten)]
    args: query::Args,
}

/// Parses a time.
pub(super) fn time(text: &str) -> Result<UtcMs, String> {
    instant_of(text).ok_or_else(|| "not a time; write it like \"2021-01-08 12:03\"".to_owned())
}

/// Prints why there was no order.
pub fn why_not(args: &WhyNotArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let asked = Asked::default().with("symbol", Some(args.symbol)).with("time", args.time);
    let asked = asked.with("strategy", args.strategy.as_ref());
    show((&WHY_NOT, &asked), &args.args, core, printer)
}

fn show(
    (question, asked): (&Question, &Asked),
    args: &query::Args,
    core: &Core,
    printer: Printer,
) -> Result<Exit, Failure> {
    let answer = args.daemon(core)?.ask(question, asked)?;
    if args.json {
        return printer.answer(&answer);
    }
    let lines = lines(&answer.read()?, printer.width.min(WIDTH_MAX), printer.color);
    printer.lines(&lines).map(|_| Exit::Fine)
}

/// The story as text: inputs with their time, derived facts indented below them.
pub fn lines(story: &ExplainView, width: usize, color: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for line in wrap(&story.title, width) {
        lines.push(Paint::Bold.on(&line, color));
    }
    let mut time = None;
    for step in &story.steps {
        if time != Some(step.time) {
            time = Some(step.time);
            lines.push(String::new());
            let utc = if step.time == UtcMs::MIN { "" } else { " UTC" };
            lines.push(Paint::Dim.on(&format!("{}{utc}", instant(step.time)), color));
        }
        let indent = "  ".repeat(usize::from(step.depth) + 1);
        let text = format!("{}  [{}]", step.text, step.key);
        for (i, line) in wrap(&text, width.saturating_sub(indent.len() + 2)).iter().enumerate() {
            let hang = if i > 0 { "  " } else { "" };
            lines.push(format!("{indent}{hang}{line}"));
        }
    }
    lines
}
