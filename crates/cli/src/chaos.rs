//! `everwarm chaos`.

mod synthetic;

use super::Core;
use super::run::{put, sources};
use super::sim::protocols;
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_config::layers::variable_of;
use everwarm_config::{CheckDepth, Config, Given, Sources};
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_domain::path::SIMULATED;
use everwarm_sim::Protocol;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::ChaosView;
use everwarm_words::text::{Table, count, shell_word, thousands, took};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use synthetic::Synthetic;

/// Keys that `chaos` and `backtest` set, whatever the configuration says. The runs trade at a
/// simulated exchange, open no public API and send no messages.
pub(super) const HERE: [(&str, &str); 13] = [
    ("venue.kind", "sim"),
    ("market.prices", ""),
    ("market.prices_address", ""),
    ("trading.mode", "paper"),
    ("daemon.listen", "127.0.0.1:0"),
    ("api.listen", ""),
    ("api.tls_cert", ""),
    ("api.tls_key", ""),
    ("messages.webhook", ""),
    ("messages.webhook_token", ""),
    ("messages.telegram_token", ""),
    ("messages.telegram_chat", ""),
    ("messages.heartbeat", ""),
];

/// A second strategy, for runs whose user configures none. It enters by limit orders, and its lots
/// have a stop by range, a trailing stop and a target. The first one has the defaults.
const SECOND: [(&str, &str); 9] = [
    ("strategy.second.kind", FIRST_STRATEGY),
    ("strategy.second.fast", "5"),
    ("strategy.second.slow", "20"),
    ("strategy.second.stop", "2 atr"),
    ("strategy.second.target", "1.5%"),
    ("strategy.second.trail", "1%"),
    ("strategy.second.trail_from", "0.5%"),
    ("strategy.second.entry", "limit 0.1%"),
    ("strategy.second.entry_minutes", "5"),
];

/// Most closes of a synthetic market. All bars of the market are in memory.
const CLOSES_MAX: i64 = 100_000;

/// The request to `chaos`.
#[derive(Clone, Debug)]
pub struct ChaosConfig {
    /// The configuration of the daemon. Its recording is played.
    pub config: Config,
    /// The protocol of the exchange.
    pub protocol: Protocol,
    /// More arguments for the daemon processes, so that they load the same configuration.
    pub arguments: Vec<std::ffi::OsString>,
    /// More environment variables for the daemon processes.
    pub variables: Vec<(String, String)>,
    /// Number of actors to kill.
    pub kills: u64,
    /// Number of processes to kill.
    pub crashes: u64,
    /// Number of disks to fail.
    pub disk: u64,
    /// Whether the exchange gets faults, too.
    pub venue_faults: bool,
    /// Whether every possible fault is injected into the small built-in feed instead.
    pub exhaustive: bool,
    /// Number of runs drawn from the exhaustive list; none: all of them.
    pub runs: Option<u64>,
    /// Seed of all random choices.
    pub seed: u64,
    /// A fault plan to repeat instead: the JSON line that a difference was reported with.
    pub plan: Option<String>,
    /// Maximum number of repetitions of the plan.
    pub times: Option<u64>,
}

/// Flags of `chaos`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Recording to play: a folder of SYMBOL_1m.csv[.gz].
    #[arg(long, value_name = "DIR", required_unless_present_any = ["exhaustive", "closes"])]
    recording: Option<PathBuf>,
    /// File with base, quote, volume unit and filters of the recording [default: recording.toml in
    /// its folder].
    #[arg(long, value_name = "FILE")]
    recording_config: Option<PathBuf>,
    /// Number of closes of a synthetic market of four symbols to play instead. The seed makes the
    /// market.
    #[arg(long, value_name = "N", conflicts_with_all = ["recording", "recording_config"],
        value_parser = clap::value_parser!(u32).range(1..=CLOSES_MAX))]
    closes: Option<u32>,
    /// Protocol of the exchange. alpaca: the recording is of stocks; only the minutes of the
    /// sessions in New York are played [default: that of the plan, else binance].
    #[arg(long, value_name = "PROTOCOL", value_parser = protocols())]
    protocol: Option<Protocol>,
    /// Configuration file. Its strategies, limits and symbols run at the simulated exchange,
    /// whatever its venue is [default: two strategies; one enters by limit orders and has a stop by
    /// range, a trailing stop and a target].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of actors to kill, at kill points and at random moments.
    #[arg(long, value_name = "N", default_value_t = 300)]
    kills: u64,
    /// Number of daemon processes to kill, in every phase of a run; half the time the exchange,
    /// too.
    #[arg(long, value_name = "N", default_value_t = 20)]
    crashes: u64,
    /// Number of disk failures, at a write, a flush or a truncation; unflushed data is torn.
    #[arg(long, value_name = "N", default_value_t = 10)]
    disk: u64,
    /// Inject faults into the exchange, too. Most runs get faults that must not change the result,
    /// like lost connections and duplicate messages. A quarter of the kills and crashes get faults
    /// that do change it, like slow responses and a wrong clock. docs/how-to/prove-it.md lists
    /// them.
    #[arg(long)]
    venue_faults: bool,
    /// Inject every fault once into a small built-in feed instead: every kill point with every kind
    /// of fault, and every file operation of journal and history, with one worker thread or four,
    /// drawn.
    #[arg(long, conflicts_with_all = ["recording", "recording_config", "config", "kills", "crashes",
        "disk", "venue_faults", "closes", "protocol"])]
    exhaustive: bool,
    /// Run only this many of its cases, drawn by the seed.
    #[arg(long, value_name = "N", requires = "exhaustive",
        value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Seed of all random choices.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Repeat a fault plan: the JSON line that was printed with a difference.
    #[arg(long, value_name = "JSON",
        conflicts_with_all = ["kills", "crashes", "disk", "venue_faults", "runs"])]
    plan: Option<String>,
    /// Maximum number of repetitions until the result differs [default: 10 for a plan that depends
    /// on timing, else 1].
    #[arg(long, value_name = "N", requires = "plan",
        value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the fault plan, and prints the injected faults and the differences.
pub fn run(args: &Args, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    if args.strikes_nothing() {
        let text = "no fault is requested, so nothing would be proved: give --kills, --crashes, \
                    --disk or --venue-faults";
        return Err(Failure::new(Exit::Usage, text));
    }
    let protocol = args.protocol()?;
    let made = |closes| Synthetic::write(protocol, args.seed, closes);
    let synthetic = args.closes.map(made).transpose()?;
    let recording = synthetic.as_ref().map(Synthetic::path).or(args.recording.as_deref());
    let theirs = sources(args.config.as_ref(), Vec::new());
    let keys = args.keys(&theirs);
    let flags = args.given(&keys, recording);
    let config = Sources { flags, ..theirs.clone() }.load(CheckDepth::World)?;
    let kind = theirs.text("venue.kind");
    if !args.exhaustive && kind != SIMULATED {
        printer.note(&format!(
            "venue.kind is {kind:?}: strategies, limits and symbols run at the simulated \
             exchange, on the recording; no order leaves this machine",
        ));
    }
    let again = args.again(&theirs, protocol);
    let arguments = args.config.iter().flat_map(|file| ["--config".into(), file.into()]).collect();
    let here = |(key, value): &(&str, &str)| (variable_of(key), (*value).to_owned());
    let variables = keys.iter().map(here).collect();
    let Args { kills, crashes, disk, venue_faults, exhaustive, runs, seed, plan, times, .. } =
        args.clone();
    let asked = ChaosConfig {
        config,
        protocol,
        arguments,
        variables,
        kills,
        crashes,
        disk,
        venue_faults,
        exhaustive,
        runs,
        seed,
        plan,
        times,
    };
    let shown: Mutex<Option<(&str, Progress)>> = Mutex::new(None);
    let report = |what: &'static str, done, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.as_ref().is_none_or(|(is, _)| *is != what) {
            *shown = None;
            *shown = Some((what, Progress::of(what, all, !printer.quiet)));
        }
        if let Some((_, progress)) = &*shown {
            progress.at(done);
        }
    };
    let view = (core.chaos)(&asked, &report)?;
    drop(shown);
    let exit = match (view.differences.is_empty(), view.injected_nothing()) {
        (false, _) => Exit::Problems,
        (true, true) => Exit::Failed,
        (true, false) => Exit::Fine,
    };
    if args.json {
        return printer.json(&view).map(|_| exit);
    }
    printer.lines(&lines(&view, &again, printer.width)).map(|_| exit)
}

/// The report. `again` is the command that runs a plan, without the plan.
fn lines(view: &ChaosView, again: &str, width: usize) -> Vec<String> {
    let us = Duration::from_micros;
    let mut table = Table::new(&["what", "where", ">times"]);
    for row in &view.injected {
        table.row(vec![row.what.clone(), row.place.clone(), row.times.to_string()]);
    }
    let mut lines = table.lines(width);
    lines.push(String::new());
    for (what, [middle, most, longest]) in [
        ("restart of an actor", view.restarts_us),
        ("start of a process until it trades", view.starts_us),
    ] {
        if longest > 0 {
            let (middle, most, longest) = (took(us(middle)), took(us(most)), took(us(longest)));
            lines
                .push(format!("{what} after {middle} (half), {most} (99 of 100), {longest} (all)"));
        }
    }
    if view.missed > 0 {
        lines.push(format!("{} not reached", count(view.missed, "planned fault")));
    }
    if view.by_chance {
        lines.push("the plan depends on timing, so not every run shows the difference".to_owned());
    }
    let (runs, closes) = (count(view.runs, "run"), count(view.closes, "close"));
    let (lived, wall) = (thousands(view.lives), took(us(view.wall_us)));
    let of = format!("{runs} of {closes}, {lived} lives, {wall}");
    if view.differences.is_empty() {
        let proved = if view.injected_nothing() {
            "no fault was injected, so nothing is proved"
        } else {
            "no difference"
        };
        lines.push(format!("{of}: {proved}"));
        return lines;
    }
    for difference in &view.differences {
        lines.push(format!("DIFFERENT: {}", difference.why));
        lines.push(format!("again: {again} --plan {}", shell_word(&difference.again)));
    }
    lines.push(format!("{of}: {}", count(view.differences.len() as u64, "difference")));
    lines
}

impl Args {
    /// Whether the flags request no fault at all.
    fn strikes_nothing(&self) -> bool {
        let requested = self.kills > 0 || self.crashes > 0 || self.disk > 0 || self.venue_faults;
        !requested && !self.exhaustive && self.plan.is_none()
    }

    /// The protocol of the flag, else of the plan.
    fn protocol(&self) -> Result<Protocol, Failure> {
        let planned = self.plan.as_deref().and_then(planned_protocol);
        let refused = |text: String| Err(Failure::new(Exit::Usage, text));
        match (self.protocol, planned) {
            (Some(asked), Some(planned)) if asked != planned => refused(format!(
                "--protocol: the plan is of the protocol {planned}, not {asked}: leave it out"
            )),
            (None, Some(planned)) if self.exhaustive && planned.trades_shares() => refused(
                format!("--exhaustive: its feed has no shares, so no plan of {planned} fits it"),
            ),
            (asked, planned) => Ok(asked.or(planned).unwrap_or_default()),
        }
    }

    /// The keys that `chaos` sets, with their values: also those of a second strategy, unless the
    /// user has a configuration file or sets a strategy.
    fn keys(&self, theirs: &Sources) -> Vec<(&'static str, &'static str)> {
        let set = |set: &Given| set.key.starts_with("strategy.");
        let own = self.config.is_some() || theirs.variables().iter().any(set);
        let second = if own { &[][..] } else { &SECOND };
        HERE.iter().chain(second).copied().collect()
    }

    /// The configuration keys that the flags and `chaos` set.
    fn given(&self, keys: &[(&str, &str)], recording: Option<&Path>) -> Vec<Given> {
        let mut given = Vec::new();
        let path = |path: &Path| path.display().to_string();
        put(&mut given, "market.recording", "--recording", recording.map(path));
        let description = self.recording_config.as_deref().map(path);
        put(&mut given, "market.recording_config", "--recording-config", description);
        put(&mut given, "market.pace", "chaos", Some("lockstep".to_owned()));
        for (key, value) in keys {
            put(&mut given, key, "chaos", Some((*value).to_owned()));
        }
        given
    }

    /// The command that repeats this run, with the environment variables that set configuration
    /// keys.
    fn again(&self, theirs: &Sources, protocol: Protocol) -> String {
        let variables = theirs.variables();
        let set = variables.iter().map(|set| format!("{}={}", set.place, shell_word(&set.text)));
        let mut words: Vec<String> = set.collect();
        words.push("everwarm chaos".to_owned());
        if self.exhaustive {
            words.push("--exhaustive".to_owned());
        }
        for (flag, value) in [
            ("--recording", &self.recording),
            ("--recording-config", &self.recording_config),
            ("--config", &self.config),
        ] {
            let word = |path: &PathBuf| format!("{flag} {}", shell_word(&path.to_string_lossy()));
            words.extend(value.as_ref().map(word));
        }
        words.extend(self.closes.map(|closes| format!("--closes {closes}")));
        let unusual = protocol != Protocol::default();
        words.extend(unusual.then(|| format!("--protocol {protocol}")));
        // The exchange uses the seed, too.
        words.extend((self.seed != 1).then(|| format!("--seed {}", self.seed)));
        words.join(" ")
    }
}

/// The protocol that a plan names. A plan that cannot be read is reported later.
fn planned_protocol(plan: &str) -> Option<Protocol> {
    let plan: Value = serde_json::from_str(plan).ok()?;
    let plan = plan.get("crashes").unwrap_or(&plan);
    plan.get("protocol")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// Whether a second strategy trades, by the command line and the environment.
    fn has_second(words: &[&str], variables: &[(&str, &str)]) -> bool {
        let line = ["chaos", "--recording", "r"].iter().chain(words);
        let args = Line::try_parse_from(line).unwrap().args;
        let set = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let environment = variables.iter().map(set).collect();
        let theirs = Sources { environment, ..sources(args.config.as_ref(), Vec::new()) };
        args.keys(&theirs).iter().any(|(key, _)| key.starts_with("strategy.second."))
    }

    #[test]
    fn a_second_strategy_trades_unless_the_user_configures_strategies() {
        assert!(has_second(&[], &[]));
        assert!(has_second(&[], &[("EVERWARM_TRADING__NOTIONAL", "50")]));
        assert!(!has_second(&[], &[("EVERWARM_STRATEGY__SMA_CROSS__FAST", "5")]));
        assert!(!has_second(&["--config", "mine.toml"], &[]));
    }
}
