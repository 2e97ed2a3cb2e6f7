//! `everwarm panic`: cancels all orders and sells all positions, without a daemon.

use super::Core;
use super::live::typed;
use super::run::{put, sources};
use crate::print::{Printer, note};
use crate::remote::Remote;
use clap::builder::{PossibleValue, PossibleValuesParser};
use everwarm_api::Token;
use everwarm_config::venue::EXTERNAL;
use everwarm_config::{CheckDepth, Config, Symbols, VenueSource};
use everwarm_domain::id::Symbol;
use everwarm_domain::path::SIMULATED;
use everwarm_views::changes::TRADING;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, Json};
use everwarm_views::views::ReasonView;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// How long a running daemon may take to halt. Then everything is sold anyway.
const HALT_TIME: Duration = Duration::from_secs(5);

/// The request to `panic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Whether to sell the holdings, too.
    pub flatten: bool,
    /// The symbols to sell; none: those that are traded.
    pub symbols: Option<Vec<Symbol>>,
}

/// The possible venues, each with a short description.
fn venues() -> PossibleValuesParser {
    let sim = "The simulated exchange of the data directory".to_owned();
    let remote = EXTERNAL.iter().map(|v| (v.kind, format!("{}, as configured", v.title)));
    let all = std::iter::once((SIMULATED, sim)).chain(remote);
    all.map(|(kind, help)| PossibleValue::new(kind).help(help)).collect::<Vec<_>>().into()
}

/// Flags of `panic`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The venue.
    #[arg(long, value_parser = venues())]
    venue: String,
    /// Also sell the base assets of the symbols at market, rounded down.
    #[arg(long)]
    flatten: bool,
    /// Symbols to sell, like BTCUSDT,ETHUSDT [default: those of the configuration, or all that its
    /// universe selects]. It sells the whole balance, external holdings too.
    #[arg(long, value_name = "LIST", requires = "flatten")]
    symbols: Option<String>,
    /// Do not ask for confirmation; needed without a terminal.
    #[arg(long)]
    yes: bool,
    /// Data directory of the daemon [default: everwarm-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file with addresses and API key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Asks for confirmation and runs the panic.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let mut given = Vec::new();
    let data_dir = args.data_dir.as_ref().map(|p| p.display().to_string());
    put(&mut given, "daemon.data_dir", "--data-dir", data_dir);
    let simulated = args.venue == SIMULATED;
    if simulated {
        put(&mut given, "venue.kind", "--venue", Some(SIMULATED.to_owned()));
    }
    let symbols = match args.symbols.as_deref().map(str::parse::<Symbols>) {
        None => None,
        Some(Ok(Symbols::Named(list))) => Some(list),
        Some(Ok(Symbols::Auto | Symbols::First(_)) | Err(_)) => {
            return Err(Failure::new(Exit::Usage, "--symbols takes a list, like BTCUSDT,ETHUSDT"));
        }
    };
    let chosen = args.flatten && symbols.is_none();
    let (needed, set) = used(simulated, chosen);
    let config =
        sources(args.config.as_ref(), given).load_needed(CheckDepth::World, &needed, set)?;
    let place = match &config.venue {
        _ if simulated => format!("the simulated exchange of {}", config.data_dir.display()),
        VenueSource::Remote(remote) if remote.kind == args.venue => remote.place(),
        VenueSource::Simulated | VenueSource::Remote(_) => {
            let text = format!(
                "venue.kind is not {:?}: name the file with its API key: --config FILE",
                args.venue
            );
            return Err(Failure::new(Exit::Usage, text));
        }
    };
    let daemon = warn_of_daemon(&config);
    agreed(args, &place)?;
    if daemon {
        halt(&config);
    }
    (core.panic)(&config, &Panic { flatten: args.flatten, symbols }, printer)
}

/// The keys and sections that `panic` reads, and the keys that the configuration must set. If part
/// of the file cannot be read, the default environment could be the wrong one. `chosen`: the
/// configuration selects the symbols to sell.
fn used(simulated: bool, chosen: bool) -> (Vec<&'static str>, &'static [&'static str]) {
    let (mut needed, set): (Vec<&str>, &[&str]) = if simulated {
        (vec!["daemon.data_dir"], &[])
    } else {
        (vec!["daemon.data_dir", "venue"], &["venue.kind", "venue.environment"])
    };
    if chosen {
        needed.extend(["market.symbols", "market.universe", "trading.quote_asset"]);
    }
    (needed, set)
}

/// Whether a daemon runs on the data directory. Prints a note if so.
fn warn_of_daemon(config: &Config) -> bool {
    let there = match Remote::connect(&config.data_dir) {
        Ok(desk) => desk.is_some(),
        Err(_) => true,
    };
    if there {
        let dir = config.data_dir.display();
        note(&format!("a daemon runs on {dir}: requesting a halt"));
    }
    there
}

/// Requests a halt from the daemon. It does not wait for a daemon that does not respond.
fn halt(config: &Config) {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (data_dir, token) = (config.data_dir.clone(), config.token.clone());
    std::thread::spawn(move || {
        let halted = Remote::connect(&data_dir).and_then(|daemon| {
            let gone = || Failure::new(Exit::Unreachable, "it has ended");
            let token = Token::find(token.as_ref(), &data_dir)?;
            let halt = Asked::default().with("word", Some("halt"));
            let body = Json::of(&ReasonView { reason: "everwarm panic".to_owned() })?;
            daemon.ok_or_else(gone)?.change(&TRADING, &halt, body, token.as_ref()).map(drop)
        });
        // The receiver is gone after a timeout.
        sender.send(halted).ok();
    });
    match receiver.recv_timeout(HALT_TIME) {
        Ok(Ok(())) => note("the daemon is halted until: everwarm resume --reason TEXT"),
        Ok(Err(e)) => note(&format!("the daemon is not halted ({e}); stop it: everwarm stop")),
        Err(_) => note("the daemon does not respond; stop it: everwarm stop"),
    }
}

fn agreed(args: &Args, place: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let text = "standard input is not a terminal: add --yes to confirm";
        return Err(Failure::new(Exit::Usage, text));
    }
    let more = if args.flatten { " and sells positions at market" } else { "" };
    note(&format!("This cancels all open orders of the account{more}: {place}"));
    if typed("Type yes to confirm: ")?.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "not confirmed; nothing was changed"))
}
