//! The configuration as the program uses it: typed values, checked against all rules.
//!
//! Over 500 lines: the typed value of each key, and the rules between keys.

use super::backfill::{BackfillConfig, timeframes};
use super::error::{ConfigErrors, Place};
use super::keys::{self, KEYS, Key, Kind, decimal, listed, symbols};
use super::last_start;
use super::layers::{Entry, Given, Layer, drop_ins, variables};
use super::messages::Messages;
use super::remote_access::Beyond;
use super::schedule::Schedule;
use super::secret::SecretRef;
use super::source::{DominanceSource, PointsSource};
use super::strategies;
use super::values::{LogFormat, MarketSource, Pace, Symbols, time_of_day};
use super::venue::VenueSource;
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::money::Decimal;
use everwarm_domain::secret::Secret;
use everwarm_domain::secret::long_enough;
use everwarm_domain::settings::{
    DriverLevels, ExternalOrders, MarketLimits, MarketRules, Risk, Selection, Settings, SizeRules,
    Trading, exits, sizes,
};
use everwarm_domain::time::UtcMs;
use everwarm_sim::PaperFills;
use everwarm_sim::market::Seeded;
use everwarm_views::known_symbols::meant;
use everwarm_views::views::ValueView;
use figment::Figment;
use figment::value::Value;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Part of every client order id.
    pub installation: String,
    /// Threads for stages, sockets and all other workers.
    pub workers: usize,
    /// How long an actor may block its thread before the process ends.
    pub hang_limit: Duration,
    /// Address of the API, on loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The token for requests that change something, if one is configured and was loaded.
    pub token: Option<Secret>,
    /// The log filter.
    pub log: String,
    /// The venue of the orders.
    pub venue: VenueSource,
    /// Maximum streams on one market connection.
    pub streams: usize,
    /// Wall time between two reconciliations while trading; none: only at starts.
    pub compare: Option<Duration>,
    /// Whether `trading.mode` is live.
    pub live: bool,
    /// Form of the log.
    pub log_format: LogFormat,
    /// When the decisions of the day before are repeated, milliseconds after midnight UTC; none:
    /// never.
    pub self_replay: Option<UtcMs>,
    /// What is kept, and for how long.
    pub storage: StorageRules,
    /// What a backfill completes, and when.
    pub backfill: BackfillConfig,
    /// How long a clean stop may take.
    pub stop: Duration,
    /// The traded symbols, and the market of the simulated exchange.
    pub market: MarketSource,
    /// The settings of the stages.
    pub settings: Settings,
    /// The API for other machines.
    pub beyond: Option<Beyond>,
    /// The receivers of messages.
    pub messages: Messages,
    /// The source of the dominance; none: it is not enabled.
    pub dominance: Option<DominanceSource>,
    /// The source of prices of tokens; none: it is not enabled.
    pub points: Option<PointsSource>,
    /// Whether faults may be injected into actors.
    pub chaos: bool,
    /// Whether they may be injected even if the venue is real.
    pub chaos_on_live: bool,
    /// Every value with its origin, in the order of the table of keys.
    pub values: Vec<ValueView>,
    /// Names of the environment variables that set keys or hold secrets.
    pub variables: Vec<String>,
}

impl Config {
    /// The sources of all values other than defaults: (key, place).
    #[must_use]
    pub fn origins(&self) -> Vec<(String, String)> {
        let set = self.values.iter().filter(|value| value.is_set());
        set.map(|value| (value.key.clone(), value.origin.clone())).collect()
    }
}

/// How deeply a configuration is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckDepth {
    /// Only the text of the sources.
    Words,
    /// Also the token of the API.
    Secrets,
    /// Also the account's key, and the files and folders that are named: everything a start needs.
    World,
}

/// The sources of a configuration besides the defaults. Later ones win: file, drop-ins,
/// environment, flags.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file. Its drop-ins are beside it.
    pub file: Option<PathBuf>,
    /// All environment variables.
    pub environment: Vec<(String, String)>,
    /// The flags.
    pub flags: Vec<Given>,
    /// The flags taken over from the last start.
    pub noted: Vec<Given>,
    /// Whether this start draws a new installation name. Only a flag sets it, for one start, so it
    /// is no key.
    pub new_installation: bool,
}

impl Sources {
    /// Merges all sources and checks the result.
    ///
    /// # Errors
    /// All errors, each with its place.
    pub fn load(&self, look: CheckDepth) -> Result<Config, ConfigErrors> {
        let (config, errors) = self.loaded(look);
        if errors.0.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// The same for commands that need only some keys. Errors of other keys are ignored. An
    /// unreadable part of a source may have set any key, so the keys in `set` must be set
    /// elsewhere.
    ///
    /// # Errors
    /// The errors of the keys and sections in `needed`. All errors, if part of a source cannot be
    /// read and a key in `set` is missing.
    pub fn load_needed(
        &self,
        look: CheckDepth,
        needed: &[&str],
        set: &[&str],
    ) -> Result<Config, ConfigErrors> {
        let (config, mut errors) = self.loaded(look);
        let is_needed = |key: &str| {
            let of = |section: &str| key.strip_prefix(section).is_some_and(|r| r.starts_with('.'));
            needed.iter().any(|needed| key == *needed || of(needed))
        };
        let given = |key: &&str| config.values.iter().any(|v| v.key == **key && v.is_set());
        let unread = errors.0.iter().any(|error| error.key.is_none()) && !set.iter().all(given);
        if !unread {
            errors.0.retain(|error| error.key.as_deref().is_some_and(is_needed));
        }
        if errors.0.is_empty() { Ok(config) } else { Err(errors) }
    }

    pub(super) fn loaded(&self, look: CheckDepth) -> (Config, ConfigErrors) {
        let Merged { mut values, files, names, .. } = self.merged();
        values.check();
        let mut config = values.config();
        config.variables = names.into_iter().collect();
        if look >= CheckDepth::Secrets {
            config.token = values.token(&self.environment);
        }
        if look >= CheckDepth::World {
            values.read_key(&mut config.venue, &self.environment);
            values.read_tls(&mut config.beyond, &self.environment);
            values.read_receivers(&mut config.messages, &self.environment);
            values.read_source(&mut config.dominance, &self.environment);
            values.look_around(&config);
        }
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        values.errors.sort(&files);
        (config, values.errors)
    }

    /// The same sources, completed by the file and flags of the daemon's last start if no file is
    /// named. A given flag wins over the same one of that start. The data directory stays the one
    /// where they were found.
    #[must_use]
    pub fn or_noted(mut self) -> Sources {
        const KEY: &str = "daemon.data_dir";
        if self.file.is_none() {
            let text = self.text(KEY);
            self.file = last_start::read(Path::new(&text));
            let mut flags = last_start::flags(Path::new(&text));
            flags.retain(|flag| self.flags.iter().all(|given| given.key != flag.key));
            self.noted.clone_from(&flags);
            self.flags.extend(flags);
            if self.file.is_some() && self.flags.iter().all(|flag| flag.key != KEY) {
                let place = Path::new(&text).join(last_start::FILE).display().to_string();
                self.flags.push(Given { key: KEY.into(), text, place });
            }
        }
        self
    }

    /// The text of one key in the sources, whatever errors they have.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        self.merged().values.text(key)
    }

    /// The environment variables that set keys, without those that hold secrets.
    #[must_use]
    pub fn variables(&self) -> Vec<Given> {
        self.merged().variables
    }

    /// Merges the sources; later ones win. It only checks that they can be read.
    fn merged(&self) -> Merged {
        let mut errors = ConfigErrors::default();
        let mut files: Vec<PathBuf> = self.file.iter().cloned().collect();
        files.extend(self.file.iter().flat_map(|path| drop_ins(path, &mut errors)));
        let mut layers: Vec<Layer> =
            files.iter().map(|path| Layer::file(path, &mut errors)).collect();
        let mut variables = variables(&self.environment);
        let secrets = referred(&layers, variables.iter().chain(&self.flags));
        let ours = variables.iter().map(|variable| &variable.place).chain(&secrets);
        let names: BTreeSet<String> = ours.cloned().collect();
        variables.retain(|variable| !secrets.contains(&variable.place));
        layers.push(Layer::given(&variables, &mut errors));
        layers.push(Layer::given(&self.flags, &mut errors));
        let mut defaults = Layer::defaults();
        let text = |layer: &Layer, key: &str| {
            layer.0.get(key).and_then(|entry| entry.value.as_str()).map(str::to_owned)
        };
        let last = |key: &str| layers.iter().rev().find_map(|layer| text(layer, key));
        if last("venue.kind").or_else(|| text(&defaults, "venue.kind")).as_deref() == Some("sim") {
            defaults.simulated();
        }
        if last("market.prices").is_some_and(|source| !source.is_empty()) {
            defaults.priced();
        }
        let mut figment = Figment::from(&defaults);
        let mut set = BTreeMap::new();
        for layer in layers {
            figment = figment.merge(&layer);
            set.extend(layer.0);
        }
        Merged { values: Values { figment, defaults, set, errors }, files, names, variables }
    }
}

/// The minimum number of traded symbols. A recording has its number only once it is opened, and a
/// whole venue counts as a thousand.
fn symbols_at_least(market: &MarketSource, venue: &VenueSource, rule: &Selection) -> usize {
    const VENUE: usize = 1_000;
    let there = match &market.symbols {
        Symbols::Named(names) => names.len(),
        Symbols::First(count) => *count as usize,
        Symbols::Auto if *venue != VenueSource::Simulated => VENUE,
        Symbols::Auto => 1,
    };
    if rule.top == 0 { there } else { there.min(rule.top as usize) }
}

/// The merged sources.
struct Merged {
    values: Values,
    files: Vec<PathBuf>,
    /// Names of the environment variables that set keys or hold secrets.
    names: BTreeSet<String>,
    /// The environment variables that set keys.
    variables: Vec<Given>,
}

/// Names of variables that hold secrets. They never count as keys.
fn referred<'a>(files: &'a [Layer], given: impl Iterator<Item = &'a Given>) -> BTreeSet<String> {
    let secret = |key: &str| keys::find(key).is_some_and(|key| matches!(key.kind, Kind::Secret));
    let entries = files.iter().flat_map(|layer| &layer.0);
    let texts = entries.filter_map(|(key, entry)| Some((key.as_str(), entry.value.as_str()?)));
    let texts = texts.chain(given.map(|given| (given.key.as_str(), given.text.as_str())));
    let names = texts.filter(|(key, _)| secret(key)).filter_map(|(_, t)| t.strip_prefix("env:"));
    names.map(str::to_owned).collect()
}

/// The merged values, and the errors found so far.
pub(super) struct Values {
    figment: Figment,
    pub(super) defaults: Layer,
    pub(super) set: BTreeMap<String, Entry>,
    errors: ConfigErrors,
}

impl Values {
    /// Checks each value on its own.
    fn check(&mut self) {
        for key in KEYS.iter().filter(|key| !matches!(key.kind, Kind::Strategies)) {
            if let Err(e) = key.kind.check(&self.value(key.name)) {
                self.wrong(key.name, &e);
            }
        }
        self.check_symbols();
    }

    /// A list is text only in a flag or a variable. In a file, a text in place of a list is an
    /// error.
    fn check_symbols(&mut self) {
        const KEY: &str = "market.symbols";
        let value = self.value(KEY);
        let in_file = self.set.get(KEY).is_some_and(|entry| entry.value_place.line.is_some());
        let named = matches!(symbols(&value), Ok(Symbols::Named(_)));
        if let Some(text) = value.as_str().filter(|_| in_file && named) {
            let text = format!("{text:?} is not \"auto\", a number, or a list like [\"BTCUSDT\"]");
            self.wrong(KEY, &text);
        }
    }

    /// The typed values, with the rules between them checked.
    fn config(&mut self) -> Config {
        let (strategy, of_strategies) = strategies::read(self);
        let settings = Settings {
            universe: self.selection(),
            market: MarketRules { max_jump_percent: self.get("market.max_jump_percent") },
            trading: Trading {
                quote_asset: self.text("trading.quote_asset"),
                notional: self.decimal("trading.notional"),
                max_positions: self.get("trading.max_positions"),
                valid_for_s: self.get("trading.valid_for_s"),
                recv_window_ms: self.get("trading.recv_window_ms"),
                stale_s: self.get("trading.stale_s"),
            },
            risk: self.risk(),
            strategy,
        };
        let market = self.market();
        let venue = self.venue(&market, &settings.trading.quote_asset);
        let symbols = symbols_at_least(&market, &venue, &settings.universe);
        strategies::affordable(self, &settings, symbols);
        let is_simulated = venue == VenueSource::Simulated;
        if is_simulated {
            self.made_symbols(&market);
        }
        strategies::driven(self, &settings, &market, is_simulated);
        self.external_orders();
        let simulated = venue == VenueSource::Simulated && market.prices.is_none();
        let pace = if self.set.contains_key("market.pace") || simulated {
            market.pace
        } else {
            Pace::Times(1)
        };
        let compare = Duration::from_secs(self.get("venue.compare_account_s"));
        Config {
            data_dir: self.path("daemon.data_dir").unwrap_or_default(),
            installation: self.text("daemon.installation"),
            workers: self.get("daemon.workers"),
            hang_limit: Duration::from_secs(self.get("daemon.hang_limit_s")),
            listen: self.parsed("daemon.listen").unwrap_or(([127, 0, 0, 1], 0).into()),
            token: None,
            log: self.text("daemon.log"),
            streams: self.get("venue.streams_per_connection"),
            compare: Some(compare).filter(|every| !every.is_zero()),
            live: self.live(&venue),
            venue,
            market: MarketSource { pace, ..market },
            log_format: self.parsed("daemon.log_format").unwrap_or_default(),
            storage: self.storage(),
            backfill: self.backfill(),
            self_replay: time_of_day(&self.text("daemon.self_replay")).unwrap_or_default(),
            stop: Duration::from_secs(self.get("daemon.stop_s")),
            settings,
            beyond: self.beyond(),
            messages: self.messages(),
            dominance: self.dominance(),
            points: self.points(),
            chaos: self.get("chaos.enabled"),
            chaos_on_live: self.get("chaos.on_live"),
            values: KEYS.iter().flat_map(|key| self.views(key, &of_strategies)).collect(),
            variables: Vec::new(),
        }
    }

    /// What is kept, and for how long.
    fn storage(&self) -> StorageRules {
        let none = StorageRules::default();
        StorageRules {
            analysis_days: self.get("storage.analysis_days"),
            profile: self.parsed("storage.profile").unwrap_or_default(),
            bars: self.parsed("storage.bars").unwrap_or(none.bars),
            archive: self.get("storage.archive"),
            archive_dir: self.path("storage.archive_dir").unwrap_or_default(),
            scan_history: self.get("storage.scan_history"),
            price_per_gb_month: self.decimal("storage.price_per_gb_month"),
            limit: self.get::<u64>("storage.limit_mb") * 1_000_000,
            min_free: self.get::<u64>("storage.min_free_mb") * 1_000_000,
            emergency: false,
        }
    }

    /// What a backfill completes.
    fn backfill(&self) -> BackfillConfig {
        BackfillConfig {
            schedule: Schedule::read(&self.text("history.schedule")).unwrap_or_default(),
            days: self.get("history.days"),
            timeframes: timeframes(&self.text("history.timeframes")).unwrap_or_default(),
        }
    }

    /// The rules of the circuit breaker and of sizes.
    fn risk(&self) -> Risk {
        Risk {
            max_consecutive_failures: self.get("risk.max_consecutive_failures"),
            max_trades_per_day: self.get("risk.max_trades_per_day"),
            max_loss_per_day: self.decimal("risk.max_loss_per_day"),
            reduce_at_drawdown_percent: self.get("risk.reduce_at_drawdown_percent"),
            exits_only_at_drawdown_percent: self.get("risk.exits_only_at_drawdown_percent"),
            halt_at_drawdown_percent: self.get("risk.halt_at_drawdown_percent"),
            peak_days: self.get("risk.peak_days"),
            losses_in_a_row: self.get("risk.losses_in_a_row"),
            losses_bar_minutes: self.get("risk.losses_bar_minutes"),
            symbol_trades: self.get("risk.symbol_trades"),
            symbol_trades_bar_minutes: self.get("risk.symbol_trades_bar_minutes"),
            stop_cooldown_minutes: self.get("risk.stop_cooldown_minutes"),
            strategy_reduce_at_stops: self.get("risk.strategy_reduce_at_stops"),
            strategy_reduce_at_stop_percent: self.get("risk.strategy_reduce_at_stop_percent"),
            strategy_exits_only_at_stops: self.get("risk.strategy_exits_only_at_stops"),
            strategy_exits_only_at_stop_percent: self
                .get("risk.strategy_exits_only_at_stop_percent"),
            unknown_order_s: self.get("risk.unknown_order_s"),
            venue_silent_s: self.get("risk.venue_silent_s"),
            no_close_s: self.get("risk.no_close_s"),
            clock_off_ms: self.get("risk.clock_off_ms"),
            disk_behind_s: self.get("risk.disk_behind_s"),
            restarts_per_hour: self.get("risk.restarts_per_hour"),
            external_orders: self.get("risk.external_orders"),
            driver_levels: DriverLevels::read(&self.text("risk.driver_levels")).unwrap_or_default(),
            sizes: self.sizes(),
        }
    }

    /// A share, millionths; none is 0.
    fn share(&self, key: &str) -> u32 {
        exits::below_all(&self.text(key)).ok().flatten().unwrap_or_default()
    }

    /// The caps of exposure, and the costs of a stop.
    fn sizes(&self) -> SizeRules {
        let cap = |key| Some(self.decimal(key)).filter(|cap| !cap.is_zero());
        SizeRules {
            max_exposure: cap("risk.max_exposure"),
            max_symbol_exposure: cap("risk.max_symbol_exposure"),
            max_strategy_exposure: cap("risk.max_strategy_exposure"),
            max_venue_exposure: cap("risk.max_venue_exposure"),
            groups: sizes::groups(&self.text("risk.groups")).unwrap_or_default(),
            fee_ppm: self.share("risk.fee"),
            slippage_ppm: self.share("risk.slippage"),
        }
    }

    /// The selection rule. The names of `market.symbols` are checked in the market.
    fn selection(&self) -> Selection {
        Selection {
            names: Vec::new(),
            quote: self.text("market.universe.quote"),
            top: self.get("market.universe.top"),
            min_volume: self.decimal("market.universe.min_volume"),
            exclude: listed(&self.text("market.universe.exclude")).unwrap_or_default(),
            refresh_s: self.get("market.universe.refresh_s"),
            limits: MarketLimits {
                max_spread_ppm: self.percent("market.universe.max_spread_percent"),
                min_age_d: self.get("market.universe.min_age_d"),
                min_volatility_ppm: self.percent("market.universe.min_volatility_percent"),
                max_volatility_ppm: self.percent("market.universe.max_volatility_percent"),
            },
        }
    }

    /// A percentage in millionths, rounded up.
    fn percent(&self, key: &str) -> u32 {
        let ppm = self.decimal(key).checked_mul(Decimal::new(10_000, 0));
        ppm.map_or(u32::MAX, |ppm| u32::try_from(ppm.ceil()).unwrap_or(u32::MAX))
    }

    fn market(&mut self) -> MarketSource {
        let market = MarketSource {
            recording: self.path("market.recording"),
            recording_config: self.path("market.recording_config"),
            prices: self.prices(),
            prices_address: Some(self.text("market.prices_address")).filter(|at| !at.is_empty()),
            seed: self.get("market.seed"),
            symbols: symbols(&self.value("market.symbols")).unwrap_or(Symbols::Auto),
            pace: self.parsed("market.pace").unwrap_or(Pace::Lockstep),
            until_end: self.get("market.until_end"),
            fee_ppm: self.share("market.fee"),
            spread_ppm: self.share("market.spread"),
            slippage: self.decimal("market.slippage"),
            fills: self.fills(),
        };
        if market.slippage > Decimal::ONE_HUNDRED {
            self.wrong("market.slippage", "is above 100");
        }
        if market.fills.impact > Decimal::TEN {
            self.wrong("market.fills.impact", "is above 10");
        }
        self.live_prices(&market);
        if market.recording.is_none() {
            if market.recording_config.is_some() {
                self.wrong("market.recording_config", "needs market.recording, which is empty");
            }
            if market.until_end {
                self.wrong(
                    "market.until_end",
                    "a synthetic market has no end: set market.recording too",
                );
            }
        }
        market
    }

    /// The assumptions about fills.
    fn fills(&self) -> PaperFills {
        let percent = |key| Decimal::new(self.get(key), 2);
        PaperFills {
            range_spread: percent("market.fills.range_spread_percent"),
            impact: self.decimal("market.fills.impact"),
            volume_share: percent("market.fills.volume_percent"),
            queue_share: percent("market.fills.queue_percent"),
            latency: self.get("market.fills.latency_ms"),
        }
    }

    /// Checks that orders of others are noticed, and their end, if they halt trading or are
    /// adopted.
    fn external_orders(&mut self) {
        let text = match self.get::<ExternalOrders>("risk.external_orders") {
            ExternalOrders::Ignore => return,
            ExternalOrders::Halt => {
                "\"halt\" needs venue.compare_account_s above 0: only a comparison of the account \
                 shows orders of others, and that they are gone"
            }
            ExternalOrders::Adopt => {
                "\"adopt\" needs venue.compare_account_s above 0: only a comparison of the account \
                 shows what orders of others traded"
            }
        };
        if self.get::<u64>("venue.compare_account_s") == 0 {
            self.wrong("risk.external_orders", text);
        }
    }

    /// Checks that the synthetic market has the named symbols.
    fn made_symbols(&mut self, market: &MarketSource) {
        const KEY: &str = "market.symbols";
        let Symbols::Named(names) = &market.symbols else { return };
        if market.recording.is_some() || market.prices.is_some() || self.errors.about(KEY) {
            return;
        }
        for symbol in names.iter().filter(|symbol| !Seeded::knows(**symbol)) {
            let near = meant(*symbol, Seeded::names()).unwrap_or_else(|| {
                "; its names are like BTCUSDT, ETHUSDT, S001USDT; --recording plays others"
                    .to_owned()
            });
            self.wrong(KEY, &format!("the synthetic market has no {symbol}{near}"));
        }
    }

    /// Checks that the named files and folders exist.
    fn look_around(&mut self, config: &Config) {
        let MarketSource { recording, recording_config, .. } = &config.market;
        if let Some(folder) = recording.as_ref().filter(|folder| !folder.is_dir()) {
            self.wrong("market.recording", &format!("{} is not a folder", folder.display()));
        }
        if let Some(file) = recording_config.as_ref().filter(|file| !file.is_file()) {
            self.wrong("market.recording_config", &format!("{} is not a file", file.display()));
        }
    }

    /// The secret that a key refers to; none if it refers to none, or if it cannot be read.
    pub(super) fn secret(&mut self, key: &str, environment: &[(String, String)]) -> Option<Secret> {
        let place = self.text(key).parse::<SecretRef>().unwrap_or_default();
        place.read(environment).unwrap_or_else(|e| {
            self.wrong(key, &e);
            None
        })
    }

    /// The token of the API, if one is configured.
    pub(super) fn token(&mut self, environment: &[(String, String)]) -> Option<Secret> {
        const KEY: &str = "daemon.token";
        let token = self.secret(KEY, environment)?;
        if let Err(e) = long_enough(&token) {
            self.wrong(KEY, &e);
        }
        Some(token)
    }

    fn value(&self, key: &str) -> Value {
        self.figment.find_value(key).expect("the defaults have every key")
    }

    /// A typed value. If it has another type, it is the type's default, and [`Values::check`]
    /// reports the error.
    pub(super) fn get<T: DeserializeOwned + Default>(&self, key: &str) -> T {
        self.figment.extract_inner(key).unwrap_or_default()
    }

    pub(super) fn text(&self, key: &str) -> String {
        self.value(key).as_str().unwrap_or_default().to_owned()
    }

    fn parsed<T: FromStr>(&self, key: &str) -> Option<T> {
        self.text(key).parse().ok()
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    pub(super) fn decimal(&self, key: &str) -> Decimal {
        decimal(&self.value(key)).unwrap_or_default()
    }

    fn views(&self, key: &Key, of_strategies: &[ValueView]) -> Vec<ValueView> {
        if matches!(key.kind, Kind::Strategies) {
            return of_strategies.to_vec();
        }
        vec![self.view(key.name)]
    }

    fn view(&self, key: &str) -> ValueView {
        let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
        let origin = self.set.get(key).map(|entry| entry.place.to_string());
        ValueView {
            key: key.to_owned(),
            value: json(&self.value(key)),
            default: json(&self.defaults.0[key].value),
            origin: origin.unwrap_or_else(|| ValueView::DEFAULT.to_owned()),
        }
    }

    /// Whether a key has an error.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        self.errors.about(key)
    }

    /// Adds an error about a section, at the first place where a key of it is set.
    pub(super) fn wrong_section(&mut self, section: &str, text: &str) {
        let below = |key: &&String| key.strip_prefix(section).is_some_and(|k| k.starts_with('.'));
        let places = self.set.iter().filter(|(key, _)| below(key)).map(|(_, entry)| &entry.place);
        let place = places.min().cloned().unwrap_or_else(|| Place::whole(ValueView::DEFAULT));
        self.errors.push(place, Some(section), text);
    }

    pub(super) fn wrong(&mut self, key: &str, text: &str) {
        let place = self.set.get(key).map(|entry| entry.value_place.clone());
        self.errors.push(
            place.unwrap_or_else(|| Place::whole(ValueView::DEFAULT)),
            Some(key),
            text,
        );
    }
}
