//! The note of what a data directory trades: one directory is for one market.
//!
//! Positions and orders of one market mean nothing in another. The note is compared before any file
//! is opened or process started.

use super::exchange::played;
use super::injected;
use super::live_prices;
use everwarm_adapters::PublicSource;
use everwarm_config::{Config, Given, MarketSource, Remote, Symbols, last_start};
use everwarm_domain::fact::Retained;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::{MarketLimits, Selection, Settings};
use everwarm_runtime::files::{is_full, write_whole};
use everwarm_sim::market::{Market, split_name};
use everwarm_trading::strategy;
use everwarm_trading::universe::{self, Venue};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::known_symbols::meant;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

/// Name of the note in the data directory.
pub const FILE: &str = "market.txt";
/// Folder in a data directory into which a backup is being restored.
pub const RESTORING: &str = "restoring";

/// What a daemon trades.
pub struct Traded {
    /// The settings of the stages, with the names of the traded symbols.
    pub settings: Settings,
    /// The market as a text: equal texts mean equal markets.
    pub words: String,
    /// Asset in which cash is counted.
    pub currency: String,
    /// Instruments known without a request: those of a simulated exchange.
    pub rules: Vec<Instrument>,
}

impl Traded {
    /// What the configuration trades at the simulated exchange.
    ///
    /// # Errors
    /// The market cannot be read, a wanted symbol does not exist, or no symbol is left.
    pub fn simulated(config: &Config) -> Result<Traded, Failure> {
        if let Some(source) = config.market.prices {
            return Traded::priced(config, source);
        }
        let (market, _) = played(injected::protocol(config)?, &config.market)?;
        Traded::of(config, market.as_ref())
    }

    /// What the configuration trades on live prices. The exchange asks the source for the rules.
    fn priced(config: &Config, source: &str) -> Result<Traded, Failure> {
        let title = PublicSource::named(source).map_or(source, |source| source.title);
        let mut names = live_prices::symbols(&config.market).to_vec();
        names.sort();
        let mut settings = config.settings.clone();
        settings.universe.names.clone_from(&names);
        affordable(config, &settings, &[], names.len())?;
        let currency = match config.settings.trading.quote_asset.as_str() {
            "" => names.first().map(|name| split_name(name.as_str()).1).unwrap_or_default(),
            set => set.to_owned(),
        };
        let names: Vec<&str> = names.iter().map(Symbol::as_str).collect();
        let words = format!("live prices of {title}: {}", names.join(", "));
        Ok(Traded { settings, words, currency, rules: Vec::new() })
    }

    /// What the configuration trades on this market.
    ///
    /// # Errors
    /// A wanted symbol does not exist, or no symbol is left.
    pub fn of(config: &Config, market: &dyn Market) -> Result<Traded, Failure> {
        let first = market.instruments().iter().min_by_key(|rule| rule.symbol);
        let currency = match config.settings.trading.quote_asset.as_str() {
            "" => first.map_or("", |rule| rule.quote.as_str()),
            set => set,
        };
        let mut settings = config.settings.clone();
        settings.universe.names = wanted(&config.market, market)?;
        leaves_some(&settings.universe, market.instruments())?;
        affordable(config, &settings, &[], market.instruments().len())?;
        Ok(Traded {
            rules: market.instruments().to_vec(),
            settings,
            words: describe(&config.market, market),
            currency: currency.to_owned(),
        })
    }
}

impl Traded {
    /// What the configuration trades at an external exchange.
    #[must_use]
    pub fn at(config: &Config, remote: &Remote) -> Traded {
        let mut settings = config.settings.clone();
        settings.universe.names.clone_from(&remote.symbols);
        Traded {
            settings,
            words: remote.place(),
            currency: config.settings.trading.quote_asset.clone(),
            rules: Vec::new(),
        }
    }
}

/// Checks that a selection rule leaves some instruments, whatever their market. Passes where the
/// instruments are unknown.
///
/// # Errors
/// The rule leaves no instrument.
pub fn leaves_some(rule: &Selection, there: &[Instrument]) -> Result<(), Failure> {
    let limits = MarketLimits::default();
    let rule = Selection { top: 0, min_volume: Decimal::ZERO, limits, ..rule.clone() };
    let venue = Venue { rules: there.to_vec(), ..Venue::default() };
    let (words, quote) = (BTreeMap::new(), &rule.quote);
    if there.is_empty() || !universe::wanted(&rule, &words, &venue, |_| false).is_empty() {
        return Ok(());
    }
    let quotes: BTreeSet<&str> = there.iter().map(|it| it.quote.as_str()).collect();
    let quotes: Vec<&str> = quotes.into_iter().collect();
    let (key, why) = if quote.is_empty() || quotes.contains(&quote.as_str()) {
        ("exclude", "every symbol is excluded".to_owned())
    } else {
        ("quote", format!("no symbol has the quote asset {quote}; there are {}", quotes.join(", ")))
    };
    let text = format!("market.universe.{key}: no symbol remains to trade: {why}");
    Err(Failure::new(Exit::Usage, text))
}

/// Checks that the features of all strategies can be computed for the traded symbols, of `there` at
/// the venue. Passes where the instruments are unknown: the configuration was then checked with its
/// limits.
///
/// # Errors
/// A feature cannot be computed; names the strategy and where it is configured.
pub fn affordable(
    config: &Config,
    settings: &Settings,
    retained: &[Retained],
    there: usize,
) -> Result<(), Failure> {
    let Selection { names, top, .. } = &settings.universe;
    let all = if names.is_empty() { there } else { names.len() };
    let symbols = if *top == 0 { all } else { all.min(*top as usize) };
    strategy::affordable(settings, retained, symbols.max(1)).map_err(|wrong| {
        let section = format!("strategy.{}", wrong.id);
        let below = |key: &str| key.strip_prefix(&section).is_some_and(|k| k.starts_with('.'));
        let origins = config.origins();
        let place = origins.iter().find(|(key, _)| below(key));
        let place = place.map_or(String::new(), |(_, place)| format!("{place}: "));
        Failure::new(Exit::Usage, format!("{place}{section}: {}", wrong.text))
    })
}

fn describe(source: &MarketSource, market: &dyn Market) -> String {
    let names: Vec<&str> = market.instruments().iter().map(|rule| rule.symbol.as_str()).collect();
    let names = names.join(", ");
    if source.recording.is_none() {
        return format!("a synthetic market of seed {}: {names}", source.seed);
    }
    let start = everwarm_words::text::instant(market.start());
    format!("a recording that begins at {start} UTC: {names}")
}

/// Makes a missing directory, and refuses one that trades another market.
///
/// # Errors
/// The directory trades another market, or cannot be used.
pub fn check(data_dir: &Path, market: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(data_dir).map_err(|e| failed(data_dir, &e))?;
    if data_dir.join(RESTORING).exists() {
        let dir = data_dir.display();
        let text = format!(
            "the restore of a backup into {dir} is incomplete: repeat it with everwarm restore"
        );
        return Err(Failure::new(Exit::Refused, text));
    }
    match std::fs::read_to_string(data_dir.join(FILE)) {
        Ok(noted) if noted.trim_end() == market => Ok(()),
        Ok(noted) => {
            let (dir, noted) = (data_dir.display(), noted.trim_end());
            let text = format!(
                "{dir} belongs to {noted}, but the configuration selects {market}. Nothing was \
                 changed. Choose another --data-dir, or the earlier market"
            );
            Err(Failure::new(Exit::Refused, text))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed(&data_dir.join(FILE), &e)),
    }
}

/// Writes the note of the market.
///
/// # Errors
/// The note cannot be written.
pub fn note(data_dir: &Path, market: &str) -> Result<(), Failure> {
    if data_dir.join(FILE).exists() {
        return Ok(());
    }
    let written = write_whole(&data_dir.join(FILE), format!("{market}\n").as_bytes());
    written.map_err(|e| failed(&data_dir.join(FILE), &e))
}

/// Writes the note of the configuration file and flags of this start; none: there is no file.
///
/// # Errors
/// The note cannot be written.
pub fn started(data_dir: &Path, file: Option<&Path>, flags: &[Given]) -> Result<(), Failure> {
    last_start::note(data_dir, file, flags)
        .map_err(|e| failed(&data_dir.join(last_start::FILE), &e))
}

fn failed(place: &Path, error: &std::io::Error) -> Failure {
    let exit = if is_full(error) { Exit::DiskFull } else { Exit::Failed };
    Failure::new(exit, format!("the data directory cannot be used: {}: {error}", place.display()))
}

/// The symbols that the configuration names; empty: all.
///
/// # Errors
/// The market lacks one of them.
pub fn wanted(source: &MarketSource, market: &dyn Market) -> Result<Vec<Symbol>, Failure> {
    let all: Vec<Symbol> = market.instruments().iter().map(|rule| rule.symbol).collect();
    match &source.symbols {
        Symbols::Auto => Ok(Vec::new()),
        Symbols::First(n) => Ok(all.into_iter().take(*n as usize).collect()),
        Symbols::Named(names) => match names.iter().find(|name| !all.contains(name)) {
            None => Ok(names.clone()),
            Some(absent) => {
                let near = meant(*absent, all.iter().copied()).unwrap_or_default();
                let all: Vec<&str> = all.iter().map(Symbol::as_str).collect();
                let all = all.join(", ");
                let text =
                    format!("market.symbols: there is no {absent}; the symbols are {all}{near}");
                Err(Failure::new(Exit::Usage, text))
            }
        },
    }
}
