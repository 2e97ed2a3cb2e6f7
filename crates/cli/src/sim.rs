//! `everwarm sim`.

use super::Core;
use super::faults::{self, Steer};
use super::run::{MarketArgs, configuration, put};
use crate::log;
use crate::print::Printer;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use everwarm_config::{CheckDepth, Given, MarketSource, Pace, Symbols};
use everwarm_sim::Protocol;
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
    /// The protocol that it speaks.
    pub protocol: Protocol,
    /// The market that it plays.
    pub market: MarketSource,
    /// How long it stays without a client; none: for ever.
    pub idle_exit: Option<Duration>,
    /// Whether it spreads the trades of a minute over the minute.
    pub ticks: bool,
    /// Whether fractions of a share are traded.
    pub fractions: bool,
}

/// When the trades of a minute are spread over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Ticks {
    /// At the pace of real time.
    #[default]
    Auto,
    /// At every pace.
    On,
    /// Never: all trades happen at the end of the minute.
    Off,
}

/// Reads the name of a protocol.
pub(super) fn protocols() -> impl TypedValueParser<Value = Protocol> {
    PossibleValuesParser::new(Protocol::NAMES).try_map(|name| name.parse::<Protocol>())
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
    /// Protocol of the exchange. alpaca: whole shares, paid in USD, without commission.
    #[arg(long, value_name = "PROTOCOL", default_value_t, value_parser = protocols())]
    protocol: Protocol,
    /// Trade fractions of a share and amounts in dollars, in a fresh exchange. Needs --protocol
    /// alpaca.
    #[arg(long)]
    fractions: bool,
    /// Spread 60 trades of each symbol over every minute. Otherwise four trades happen at its end.
    /// auto: at the pace real only.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    ticks: Ticks,
    /// Configuration file; only its [market] is used, for stocks without its symbols.
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

    /// The symbols of a synthetic market of stocks, which has other names than the market that the
    /// configuration checks: they are taken out of `given`. None: the configuration names them.
    fn stocks(&self, given: &mut Vec<Given>) -> Result<Option<Symbols>, Failure> {
        if !self.protocol.trades_shares() || self.market.recording.is_some() {
            return Ok(None);
        }
        given.retain(|given| given.key != "market.symbols");
        put(given, "market.symbols", "--protocol", Some(Symbols::Auto.to_string()));
        let text = self.market.symbols.as_deref().unwrap_or("auto");
        let symbols = text
            .parse()
            .map_err(|why: String| Failure::new(Exit::Usage, format!("--symbols: {why}")))?;
        Ok(Some(symbols))
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
    if args.fractions && !args.protocol.trades_shares() {
        return Err(Failure::new(Exit::Usage, "--fractions: needs --protocol alpaca"));
    }
    let mut given = args.market.given();
    put(&mut given, "daemon.log", "--log", args.log.clone());
    // This process is the simulated exchange, whatever venue the daemon's file names.
    put(&mut given, "venue.kind", "sim", Some("sim".to_owned()));
    let stocks = args.stocks(&mut given)?;
    let mut config = configuration(args.config.as_ref(), given, CheckDepth::World)?;
    config.market.symbols = stocks.unwrap_or(config.market.symbols);
    log::start(&config.log, config.log_format)?;
    let real = config.market.pace == Pace::Times(1);
    let ticks = args.ticks == Ticks::On || (args.ticks == Ticks::Auto && real);
    (core.sim)(SimConfig {
        data_dir: args.data_dir.clone(),
        port: args.port,
        protocol: args.protocol,
        market: config.market,
        idle_exit: (args.idle_exit > 0).then(|| Duration::from_secs(args.idle_exit)),
        ticks,
        fractions: args.fractions,
    })
}
