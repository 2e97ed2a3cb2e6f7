//! `everwarm live`: the confirmation that a person types before real money is traded.

use super::Core;
use super::run::{configuration, put};
use crate::print::note;
use clap::Subcommand;
use everwarm_config::{CheckDepth, VenueSource};
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::LiveView;
use everwarm_words::text::amount;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;

/// Subcommands of `live`.
#[derive(Debug, Subcommand)]
pub enum Live {
    /// Show the account of the key and the caps, and ask you to type the account number. It needs a
    /// terminal, and no daemon may run. The last confirmation counts. No configuration raises its
    /// caps.
    Confirm(Confirm),
}

/// Flags of `live confirm`.
#[derive(Clone, Debug, clap::Args)]
pub struct Confirm {
    /// Maximum cost of one entry, in the quote asset.
    #[arg(long, value_name = "AMOUNT", value_parser = positive)]
    per_order: Decimal,
    /// Maximum cost of all entries of a UTC day, in the quote asset.
    #[arg(long, value_name = "AMOUNT", value_parser = positive)]
    per_day: Decimal,
    /// Data directory of the daemon [default: everwarm-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn positive(text: &str) -> Result<Decimal, String> {
    let amount = parse_decimal(text)?;
    if amount > Decimal::ZERO { Ok(amount) } else { Err("must be greater than 0".to_owned()) }
}

/// Shows the account and the caps, asks for the account number and stores the confirmation.
pub fn run(Live::Confirm(args): &Live, core: &Core) -> Result<Exit, Failure> {
    let refused = |text: String| Err(Failure::new(Exit::Refused, text));
    let mut given = Vec::new();
    let data_dir = args.data_dir.as_ref().map(|p| p.display().to_string());
    put(&mut given, "daemon.data_dir", "--data-dir", data_dir);
    let config = configuration(args.config.as_ref(), given, CheckDepth::World)?;
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return refused("live confirm needs a person at a terminal".to_owned());
    }
    let asset = config.settings.trading.quote_asset.clone();
    let view = (core.account)(&config)?;
    if let VenueSource::Remote(remote) = &config.venue {
        note(&format!("environment  {}, at {}", remote.environment, remote.address()));
    }
    note(&format!("account      {}, with {} {asset}", view.account, amount(view.quote)));
    if !view.can_trade {
        note("             the venue does not allow it to trade");
    }
    note(&format!("an entry     at most {} {asset}", amount(args.per_order)));
    note(&format!("a UTC day    at most {} {asset} in entries", amount(args.per_day)));
    note("This is real money. Exits have no cap.");
    let typed = typed("Type the account number to confirm: ")?;
    if typed.trim() != view.account {
        return refused("this is not the account number; nothing is confirmed".to_owned());
    }
    let (account, per_order, per_day) = (view.account, args.per_order, args.per_day);
    (core.confirm)(&config, &LiveView { account, per_order, per_day })?;
    note("confirmed; it applies from the next start on");
    Ok(Exit::Fine)
}

/// Reads the line that a person types after `question`.
///
/// # Errors
/// The terminal was closed.
pub fn typed(question: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::new(Exit::Failed, format!("the terminal: {e}"));
    let mut out = std::io::stderr();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(failed)?;
    Ok(line)
}
