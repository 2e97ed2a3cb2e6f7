//! `everwarm run`.

use super::Core;
use crate::print::Printer;
use everwarm_config::{CheckDepth, Config, Given, Sources};
use everwarm_views::exit::{Exit, Failure};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

/// Flags that select the market of the simulated exchange.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MarketArgs {
    /// Recording to play: a folder of SYMBOL_1m.csv[.gz].
    #[arg(long, value_name = "DIR")]
    pub recording: Option<PathBuf>,
    /// File with base, quote, volume unit and filters of the recording [default: recording.toml in
    /// its folder].
    #[arg(long, value_name = "FILE")]
    pub recording_config: Option<PathBuf>,
    /// Trade play money on live prices of this source, which needs no account: one of those of
    /// `history fetch --source` without a key. Needs --symbols with a list.
    #[arg(long, value_name = "SOURCE")]
    pub prices: Option<String>,
    /// Address of that source, if it is another one: http on this machine, or https.
    #[arg(long, value_name = "URL")]
    pub prices_address: Option<String>,
    /// Seed of the synthetic market [default: 1].
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Number of symbols, or their names: 8, or BTCUSD,ETHUSD [default: 8 of a synthetic market,
    /// all of a recording].
    #[arg(long, value_name = "N|LIST")]
    pub symbols: Option<String>,
    /// Pace of simulated time: lockstep, real, or a factor like 60x [default: 240x].
    #[arg(long, value_name = "PACE")]
    pub pace: Option<String>,
    /// Stop with a summary when the recording has ended and every order is final.
    #[arg(long)]
    pub until_end: bool,
    /// Fee of the simulated exchange: 0.1%, or none [default: 0.1%].
    #[arg(long, value_name = "SHARE")]
    pub fee: Option<String>,
    /// Distance between bid and ask at the simulated exchange: 0.05%, or none [default: none].
    #[arg(long, value_name = "SHARE")]
    pub spread: Option<String>,
    /// Factor of the slippage at the simulated exchange, from 0 to 100 [default: 1].
    #[arg(long, value_name = "FACTOR")]
    pub slippage: Option<String>,
    /// Assumptions about fills at the simulated exchange, keys of [market.fills]:
    /// volume_percent=10,latency_ms=500 [default: none; with --prices those that make fills worse].
    #[arg(long, value_name = "LIST")]
    pub fills: Option<String>,
}

impl MarketArgs {
    /// The configuration keys that the flags set.
    pub fn given(&self) -> Vec<Given> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let mut given = Vec::new();
        put(&mut given, "market.recording", "--recording", path(&self.recording));
        put(
            &mut given,
            "market.recording_config",
            "--recording-config",
            path(&self.recording_config),
        );
        put(&mut given, "market.prices", "--prices", self.prices.clone());
        let address = self.prices_address.clone();
        put(&mut given, "market.prices_address", "--prices-address", address);
        put(&mut given, "market.seed", "--seed", self.seed.clone());
        put(&mut given, "market.symbols", "--symbols", self.symbols.clone());
        put(&mut given, "market.pace", "--pace", self.pace.clone());
        let until_end = self.until_end.then(|| "true".to_owned());
        put(&mut given, "market.until_end", "--until-end", until_end);
        put(&mut given, "market.fee", "--fee", self.fee.clone());
        put(&mut given, "market.spread", "--spread", self.spread.clone());
        put(&mut given, "market.slippage", "--slippage", self.slippage.clone());
        for part in self.fills.iter().flat_map(|list| list.split(',')) {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            let key = format!("market.fills.{}", name.trim());
            put(&mut given, &key, "--fills", Some(text.trim().to_owned()));
        }
        given
    }
}

/// Adds a key if its flag was given.
pub fn put(given: &mut Vec<Given>, key: &str, flag: &str, text: Option<String>) {
    given.extend(text.map(|text| Given { key: key.into(), text, place: flag.into() }));
}

/// The sources of this process' configuration, besides the defaults.
pub fn sources(file: Option<&PathBuf>, flags: Vec<Given>) -> Sources {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let environment = environment.collect();
    let noted = Vec::new();
    Sources { file: file.cloned(), environment, flags, noted, new_installation: false }
}

/// Loads the configuration of this process.
pub fn configuration(
    file: Option<&PathBuf>,
    flags: Vec<Given>,
    look: CheckDepth,
) -> Result<Config, Failure> {
    Ok(sources(file, flags).load(look)?)
}

/// Flags of `run`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    market: MarketArgs,
    /// Data directory [default: everwarm-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file; `everwarm config example` prints every key with its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Worker threads, for stages and sockets [default: 2].
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Address of the API, on loopback; port 0 takes a free port [default: 127.0.0.1:0].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Name of this installation, part of every client order id [default: demo].
    #[arg(long, value_name = "ID")]
    installation: Option<String>,
    /// Begin a new journal under a new installation name, if the old journal is lost. Remaining
    /// files of the old one are renamed and kept.
    #[arg(long, conflicts_with = "installation")]
    new_installation: bool,
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

    /// The configuration file.
    pub fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// The configuration keys that the flags set.
    pub fn given(&self) -> Vec<Given> {
        let mut given = self.market.given();
        let data_dir = self.data_dir.as_ref().map(|p| p.display().to_string());
        put(&mut given, "daemon.data_dir", "--data-dir", data_dir);
        put(&mut given, "daemon.workers", "--workers", self.workers.clone());
        put(&mut given, "daemon.listen", "--listen", self.listen.clone());
        put(&mut given, "daemon.installation", "--installation", self.installation.clone());
        put(&mut given, "daemon.log", "--log", self.log.clone());
        given
    }
}

/// Runs the daemon.
pub fn run(args: &Args, core: &Core, printer: Printer, began: Instant) -> Result<Exit, Failure> {
    let sources = sources(args.config(), args.given());
    let new_installation = args.new_installation;
    (core.run)(Sources { new_installation, ..sources }, printer, began)
}
