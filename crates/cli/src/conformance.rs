//! `everwarm conformance`: compares a venue with its documentation.

use super::Core;
use super::run::sources;
use crate::print::Printer;
use everwarm_config::venue::EXTERNAL;
use everwarm_config::{CheckDepth, Config, VenueSource};
use everwarm_domain::id::Symbol;
use everwarm_domain::path::SIMULATED;
use everwarm_venue::conformance::{Report, StepResult, Verdict};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::count;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// Width of the longest name of a step, in characters.
const NAME: usize = 17;
/// Width of the longest verdict, in characters.
const VERDICT: usize = 11;

/// Flags of `conformance`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Configuration file with the venue and its test key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The venue, like binance-testnet or alpaca-paper. It must be the one of the configuration.
    #[arg(long, value_name = "NAME", conflicts_with = "play")]
    venue: Option<String>,
    /// The symbol [default: the first one of the configuration].
    #[arg(long, value_parser = |text: &str| Symbol::named(text), conflicts_with = "play")]
    symbol: Option<Symbol>,
    /// Record all messages into DIR/wire.jsonl, without keys, account numbers and balances.
    #[arg(long, value_name = "DIR", conflicts_with = "play")]
    record: Option<PathBuf>,
    /// Judge the messages of DIR/wire.jsonl again, without a network or a key.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    play: Option<PathBuf>,
    /// Seconds to wait for a message of the venue.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The request to `conformance`.
#[derive(Clone, Debug)]
pub enum ConformanceRequest {
    /// Walk over the venue of a configuration.
    Walk {
        /// The configuration.
        config: Box<Config>,
        /// The symbol; none: the first one of the configuration.
        symbol: Option<Symbol>,
        /// The folder of the record, if one is made.
        record: Option<PathBuf>,
        /// Longest wait for a message.
        wait: Duration,
    },
    /// Judge a record again.
    Play(PathBuf),
}

/// Runs the command.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let request = match &args.play {
        Some(folder) => ConformanceRequest::Play(folder.clone()),
        None => walk(args)?,
    };
    let (plain, open) = (!args.json, AtomicBool::new(true));
    let report = (core.conformance)(&request, &|step| {
        if plain && open.load(Relaxed) {
            // Without a reader the walk still ends in order.
            open.store(printer.lines(&lines(step)).unwrap_or(false), Relaxed);
        }
    })?;
    if args.json {
        printer.json(&report)?;
    } else {
        printer.lines(&summary(&report))?;
    }
    Ok(match report.count(Verdict::Differs) {
        _ if report.interrupted => Exit::Interrupted,
        0 => Exit::Fine,
        _ => Exit::Problems,
    })
}

/// Loads the configuration. It refuses real money before it reads a key.
fn walk(args: &Args) -> Result<ConformanceRequest, Failure> {
    let sources = sources(args.config.as_ref(), Vec::new());
    let needed = ["daemon.data_dir", "venue", "market.symbols", "market.pace"];
    let set = ["venue.kind", "venue.environment"];
    let config = sources.load_needed(CheckDepth::Words, &needed, &set)?;
    let VenueSource::Remote(remote) = &config.venue else {
        let kinds = EXTERNAL.iter().map(|venue| format!("{:?}", venue.kind)).collect::<Vec<_>>();
        let text = format!(
            "venue.kind is {SIMULATED:?}. Name a file with venue.kind = {} and a test key: \
             everwarm conformance --config FILE",
            kinds.join(" or ")
        );
        return Err(Failure::new(Exit::Usage, text));
    };
    let named = format!("{}-{}", remote.kind, remote.environment);
    if remote.live {
        let text = format!(
            "{named} trades real money, and this command places orders. Use a test network: \
             venue.environment = \"testnet\""
        );
        return Err(Failure::new(Exit::Refused, text));
    }
    if args.venue.as_ref().is_some_and(|venue| *venue != named && venue != remote.kind) {
        let venue = args.venue.clone().unwrap_or_default();
        let text = format!("--venue {venue}: the venue of the configuration is {named}");
        return Err(Failure::new(Exit::Usage, text));
    }
    let config = Box::new(sources.load_needed(CheckDepth::World, &needed, &set)?);
    let (symbol, record) = (args.symbol, args.record.clone());
    let wait = Duration::from_secs(args.wait);
    Ok(ConformanceRequest::Walk { config, symbol, record, wait })
}

/// The lines of a step: its verdict, and if it is not as expected, what was expected.
fn lines(step: &StepResult) -> Vec<String> {
    let expectation = step.expectation;
    let (name, verdict) = (expectation.name, step.verdict.text());
    let head = format!("{name:<NAME$}  {verdict:<VERDICT$}  ");
    let indent = " ".repeat(NAME + VERDICT + 4);
    match step.verdict {
        Verdict::AsExpected => {
            vec![format!("{head}{}", expectation.expected), format!("{indent}{}", step.came)]
        }
        Verdict::NotTried => vec![format!("{head}{}", step.came)],
        Verdict::Differs => {
            let source = format!(" ({})", expectation.source);
            let mut lines = vec![format!("{head}{}{source}", expectation.expected)];
            lines.extend(step.differences.iter().map(|differs| format!("{indent}{differs}.")));
            lines
        }
    }
}

/// The last lines: the orders and holdings that remain, and the counts.
fn summary(report: &Report) -> Vec<String> {
    let mut lines = report.left.clone();
    let steps = count(report.steps.len() as u64, "step");
    let of = |verdict: Verdict| format!("{} {}", report.count(verdict), verdict.text());
    let [fine, differs, untried] =
        [Verdict::AsExpected, Verdict::Differs, Verdict::NotTried].map(of);
    let head = &report.head;
    let place = format!("{}-{}, {}", head.venue, head.environment, head.symbol);
    lines.push(format!("{place}: {steps}: {fine}, {differs}, {untried}"));
    lines
}
