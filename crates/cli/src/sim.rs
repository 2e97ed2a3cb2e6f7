//! `everwarm sim`.

use super::Core;
use super::faults::{self, Steer};
use super::run::{MarketArgs, configuration, put};
use crate::log;
use crate::print::Printer;
use everwarm_config::{CheckDepth, MarketSource};
use everwarm_views::exit::{Exit, Failure};
use std::path::PathBuf;
use std::time::Duration;

/// The settings of the simulated exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    /// Data directory of the exchange.
    pub data_dir: PathBuf,
    /// Port on loopback; 0 takes a free one.
    pub port: u16,
    /// The market that it plays.
    pub market: MarketSource,
    /// How long it stays without a client; none: for ever.
    pub idle_exit: Option<Duration>,
}

/// Flags of `sim`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    steer: Option<Steer>,
    #[command(flatten)]
    market: MarketArgs,
    /// Data directory of the exchange.
    #[arg(long, value_name = "DIR", default_value = "everwarm-data/sim")]
    data_dir: PathBuf,
    /// Port on loopback; 0 takes a free port, which the port file in its data directory shows.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Configuration file; only its [market] is used.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop after this many seconds without a client; 0: never.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_exit: u64,
    /// Log filter, like debug or warn,everwarm=debug [default: warn].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl Args {
    /// Uses `filter` for the log unless a flag sets one.
    pub fn louder(&self, filter: Option<&str>) -> Args {
        let log = self.log.clone().or_else(|| filter.map(str::to_owned));
        Args { log, ..self.clone() }
    }

    /// Whether the command is for an exchange that already runs.
    pub fn steers(&self) -> bool {
        self.steer.is_some()
    }
}

/// Checks the configuration and runs the exchange, or sends a command to a running one.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if let Some(steer) = &args.steer {
        return faults::run(steer, printer);
    }
    let mut given = args.market.given();
    put(&mut given, "daemon.log", "--log", args.log.clone());
    // This process is the simulated exchange, whatever venue the daemon's file names.
    put(&mut given, "venue.kind", "sim", Some("sim".to_owned()));
    let config = configuration(args.config.as_ref(), given, CheckDepth::World)?;
    log::start(&config.log, config.log_format)?;
    (core.sim)(SimConfig {
        data_dir: args.data_dir.clone(),
        port: args.port,
        market: config.market,
        idle_exit: (args.idle_exit > 0).then(|| Duration::from_secs(args.idle_exit)),
    })
}
