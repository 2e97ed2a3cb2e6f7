//! `everwarm panic`: everything off, by hand.

use super::Core;
use super::live::typed;
use super::run::{configuration, put};
use crate::domain::id::Symbol;
use crate::ops::config::{Config, Look, Symbols, VenueSource};
use crate::ops::exit::{Exit, Failure};
use crate::ops::print::{Printer, note};
use crate::ops::remote::RemoteDesk;
use clap::ValueEnum;
use std::io::IsTerminal;
use std::path::PathBuf;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Whether what is held is sold.
    pub flatten: bool,
    /// Of which symbols; none: those that are traded.
    pub symbols: Option<Vec<Symbol>>,
}

/// A venue by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Venue {
    /// The simulated exchange that runs for the data directory.
    Sim,
    /// Binance, as configured.
    Binance,
}

/// Flags of `panic`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where.
    #[arg(long, value_enum)]
    venue: Venue,
    /// Sell the base assets of the symbols at the market too, rounded down.
    #[arg(long)]
    flatten: bool,
    /// Which symbols are sold, like BTCUSDT,ETHUSDT [default: those the configuration names, or all
    /// that are paid in the asset of its universe and not excluded]. All of it goes, whoever bought
    /// it.
    #[arg(long, value_name = "LIST", requires = "flatten")]
    symbols: Option<String>,
    /// Do not ask; needed where there is no terminal.
    #[arg(long)]
    yes: bool,
    /// Folder of the daemon [default: everwarm-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file: addresses and key are taken from it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Asks, and does it.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let mut given = Vec::new();
    let data_dir = args.data_dir.as_ref().map(|p| p.display().to_string());
    put(&mut given, "daemon.data_dir", "--data-dir", data_dir);
    if args.venue == Venue::Sim {
        put(&mut given, "venue.kind", "--venue", Some("sim".to_owned()));
    }
    let config = configuration(args.config.as_ref(), given, Look::World)?;
    let place = match (&config.venue, args.venue) {
        (VenueSource::Binance(remote), Venue::Binance) => {
            format!("Binance spot, {}, at {}", remote.environment.name(), remote.hosts.rest)
        }
        (_, Venue::Sim) => format!("the simulated exchange of {}", config.data_dir.display()),
        (VenueSource::Simulated, Venue::Binance) => {
            let text = "venue.kind is not \"binance\": give the configuration that names its key";
            return Err(Failure::new(Exit::Usage, text));
        }
    };
    let symbols = match args.symbols.as_deref().map(str::parse::<Symbols>) {
        None => None,
        Some(Ok(Symbols::Named(list))) => Some(list),
        Some(Ok(Symbols::Auto | Symbols::First(_)) | Err(_)) => {
            return Err(Failure::new(Exit::Usage, "--symbols takes a list, like BTCUSDT,ETHUSDT"));
        }
    };
    warn_of_daemon(&config);
    agreed(args, &place)?;
    (core.panic)(&config, &Panic { flatten: args.flatten, symbols }, printer)
}

fn warn_of_daemon(config: &Config) {
    let there = match RemoteDesk::connect(&config.data_dir) {
        Ok(desk) => desk.is_some(),
        Err(_) => true,
    };
    if there {
        let dir = config.data_dir.display();
        note(&format!("a daemon runs on {dir}: stop it too, or it goes on trading"));
    }
}

fn agreed(args: &Args, place: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let text = "there is no terminal to ask on: --yes does it without asking";
        return Err(Failure::new(Exit::Usage, text));
    }
    let more = if args.flatten { " and sells what is held at the market" } else { "" };
    note(&format!("This cancels all open orders of the account{more}: {place}"));
    if typed("Type yes to do it: ")?.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "nothing was done"))
}
