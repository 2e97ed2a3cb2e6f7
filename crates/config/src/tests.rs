//! Tests of whole configurations: precedence, sources, and all errors together.
//!
//! Over 500 lines: one test a rule between keys.

use super::keys;
use super::layers::ON_LIVE_PRICES;
use super::*;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::{Regime, Risk, Settings, Size};
use everwarm_sim::PaperFills;
use everwarm_views::calibrate;
use std::net::SocketAddr;
use std::path::Path;

fn flag(key: &str, text: &str) -> Given {
    Given { key: key.into(), text: text.into(), place: format!("--{key}") }
}

fn with(flags: &[Given]) -> Result<Config, ConfigErrors> {
    Sources { flags: flags.to_vec(), ..Sources::default() }.load(CheckDepth::World)
}

fn written(file: &Path, text: &str) -> Sources {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
    Sources { file: Some(file.into()), ..Sources::default() }
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("everwarm-config-{name}-{}", std::process::id()))
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn the_embedded_file_says_the_defaults() {
    let config = with(&[]).unwrap();
    assert_eq!(config.data_dir, Path::new("everwarm-data"));
    assert_eq!((config.installation.as_str(), config.workers), ("demo", 2));
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 0)));
    assert_eq!((config.log.as_str(), config.token.is_none()), ("warn", true));
    let market = MarketSource {
        recording: None,
        recording_config: None,
        prices: None,
        prices_address: None,
        seed: 1,
        symbols: Symbols::Auto,
        pace: Pace::Times(240),
        until_end: false,
        fee_ppm: 1_000,
        spread_ppm: 0,
        slippage: Decimal::ONE,
        fills: PaperFills::default(),
    };
    assert_eq!(config.market, market);
    let mut settings = Settings::default();
    let words = [("timeframe", "1m"), ("confidence", "atr")];
    let words = words.map(|(name, word)| (name, word.into()));
    for (name, value) in [("fast", 10.into()), ("slow", 30.into())].into_iter().chain(words) {
        settings.strategy.set("sma_cross", name, serde_json::Value::clone(&value));
    }
    // The rules of symbols, strategies and unknown orders are off with the simulated exchange.
    settings.risk = Risk {
        reduce_at_drawdown_percent: 5,
        exits_only_at_drawdown_percent: 10,
        halt_at_drawdown_percent: 20,
        peak_days: 30,
        losses_bar_minutes: 60,
        symbol_trades_bar_minutes: 360,
        strategy_reduce_at_stop_percent: 40,
        strategy_exits_only_at_stop_percent: 60,
        ..Risk::default()
    };
    assert_eq!(config.settings, settings);
    let set = with(&[flag("risk.losses_in_a_row", "2")]).unwrap();
    assert_eq!(set.settings.risk, Risk { losses_in_a_row: 2, ..settings.risk.clone() });
    let flags = vec![flag("venue.kind", "binance"), flag("venue.environment", "testnet")];
    let (real, _) = Sources { flags, ..Sources::default() }.loaded(CheckDepth::Words);
    let rules = Risk {
        losses_in_a_row: 3,
        symbol_trades: 5,
        stop_cooldown_minutes: 15,
        strategy_reduce_at_stops: 4,
        strategy_exits_only_at_stops: 6,
        unknown_order_s: 300,
        venue_silent_s: 120,
        no_close_s: 300,
        clock_off_ms: 5000,
        disk_behind_s: 10,
        restarts_per_hour: 60,
        ..settings.risk
    };
    assert_eq!(real.settings.risk, rules);
    // The twenty-two settings of the strategy replace its one key.
    assert_eq!((config.origins(), config.values.len()), (vec![], keys::KEYS.len() + 21));
}

#[test]
fn every_setting_of_the_stages_is_a_key() {
    fn leaves(above: &str, value: &serde_json::Value, out: &mut Vec<String>) {
        match value.as_object() {
            Some(object) => {
                object
                    .iter()
                    .for_each(|(key, inner)| leaves(&format!("{above}{key}."), inner, out));
            }
            None => out.push(above.trim_end_matches('.').to_owned()),
        }
    }
    let mut found = Vec::new();
    leaves("", &serde_json::to_value(Settings::default()).unwrap(), &mut found);
    // `market.symbols` names are checked in the market.
    found.retain(|key| key != "universe.names");
    let known = |key: &String| {
        let below = format!("market.{key}");
        let key = if key.starts_with("universe.") { &below } else { key };
        let key = key.replace("risk.sizes.", "risk.").replace("universe.limits.", "universe.");
        let percent = key.replace("_ppm", "_percent");
        keys::find(key.trim_end_matches("_ppm")).or_else(|| keys::find(&percent)).is_some()
    };
    assert!(found.len() > 10 && found.iter().all(known), "{found:?}");
}

#[test]
fn sizes_and_caps_are_read_and_wrong_ones_refused() {
    let config = with(&[
        flag("strategy.sma_cross.size", "risk 0.5%"),
        flag("risk.max_symbol_exposure", "5000"),
        flag("risk.groups", "majors: BTCUSDT, ETHUSDT = 8000"),
        flag("risk.fee", "0.075%"),
        flag("risk.slippage", "none"),
        flag("strategy.sma_cross.regimes", "wide_structure, tight_smc"),
        flag("strategy.sma_cross.regime_sizes", "tight_smc: 0.5"),
        flag("strategy.sma_cross.drivers", "BTCUSDT: up, extended"),
        flag("strategy.sma_cross.daily_bias", "long"),
    ]);
    let settings = config.unwrap().settings;
    let one = &settings.strategy.0["sma_cross"];
    assert_eq!(one.size, Size::Risk(5_000));
    assert_eq!(one.regimes.names(), "tight_smc, wide_structure");
    assert_eq!(one.regimes.size_ppm(Regime::TightSmc), 500_000);
    let btc = Symbol::named("BTCUSDT").unwrap();
    assert_eq!((one.drivers.names(btc).as_str(), one.drivers.long), ("up, extended", true));
    let rules = settings.risk.sizes;
    let [all, symbol, strategy, venue] = rules.amounts();
    assert_eq!((all, symbol, strategy, venue), (None, Some(Decimal::new(5_000, 0)), None, None));
    assert_eq!((rules.groups.len(), rules.fee_ppm, rules.slippage_ppm), (1, 750, 0));
    for (key, text, why) in [
        ("strategy.sma_cross.size", "10%", "is not \"fixed\", or a share like"),
        ("strategy.sma_cross.regimes", "wide", "; did you mean \"wide_structure\"?"),
        ("strategy.sma_cross.regime_sizes", "tight_smc: 2", "is not from \"0\" to \"1\""),
        ("strategy.sma_cross.regime_sizes", "smc: 1", "is not one of no_data, tight_smc"),
        ("strategy.sma_cross.drivers", "BTCUSDT: upp", "; did you mean \"up\"?"),
        ("strategy.sma_cross.drivers", "BTCUSD: up", "not traded; did you mean BTCUSDT?"),
        ("strategy.sma_cross.drivers", "S200USDT: up", "S200USDT has no driver: it is not traded"),
        ("strategy.sma_cross.daily_bias", "short", "any"),
        ("risk.driver_levels", "BTCUSDT: failing = halted", "is not one of reduced, exits-only"),
        ("risk.driver_levels", "BTCUSD: up = reduced", "not traded; did you mean BTCUSDT?"),
        ("risk.max_exposure", "-1", "-1 is negative"),
        ("risk.groups", "majors: BTCUSDT", "is not a group like"),
        ("risk.fee", "100%", "is not above 0% and below 100%"),
        ("market.slippage", "100.5", "is above 100"),
        ("market.fills.impact", "10.5", "is above 10"),
        ("market.fills.volume_percent", "101", "is not in the range 0 to 100"),
        ("market.fee", "0%", "is not above 0% and below 100%"),
    ] {
        let errors = with(&[flag(key, text)]).unwrap_err().to_string();
        assert!(errors.contains(key) && errors.contains(why), "{errors}");
    }
}

#[test]
fn live_prices_have_assumptions_about_fills_and_a_flag_passes_them_on() {
    let part = |hundredths| Decimal::new(hundredths, 2);
    let live = |more: &[Given]| {
        let prices = [flag("market.prices", "binance"), flag("market.symbols", "BTCUSDT")];
        with(&[&prices[..], more].concat()).unwrap()
    };
    let passed = |config: &Config| {
        let flags = config.market.flags();
        let at = flags.iter().position(|flag| flag == "--fills");
        at.map(|at| flags[at + 1].clone().into_string().unwrap())
    };
    let (range_spread, volume_share, queue_share) = (part(20), part(10), part(100));
    let usual =
        PaperFills { range_spread, impact: Decimal::ONE, volume_share, queue_share, latency: 500 };
    assert_eq!(live(&[]).market.fills, usual);
    let words = |volume| {
        let before = "range_spread_percent=20,impact=1,volume_percent=";
        Some(format!("{before}{volume},queue_percent=100,latency_ms=500"))
    };
    assert_eq!(passed(&live(&[])), words(10));
    let whole = live(&[flag("market.fills.volume_percent", "0")]);
    assert_eq!(whole.market.fills, PaperFills { volume_share: Decimal::ZERO, ..usual });
    assert_eq!(passed(&whole), words(0), "the exchange has the same defaults");
    let (comments, example) = (keys::comments(), with(&[]).unwrap());
    assert_eq!(passed(&example), None);
    for (key, text) in ON_LIVE_PRICES {
        let end = format!("With live prices the default is {text}.");
        assert!(comments[*key].ends_with(&end), "{key}: {}", comments[*key]);
    }
    let empty = with(&[flag("market.prices", "")]).unwrap();
    assert!(empty.market.fills.is_off());
    // `calibrate` compares with the same assumptions.
    let assumed = [calibrate::RANGE_SPREAD_PERCENT, calibrate::IMPACT, calibrate::VOLUME_PERCENT];
    let numbers = ON_LIVE_PRICES.iter().take(3).map(|(_, text)| text.parse().unwrap());
    assert_eq!(numbers.collect::<Vec<u32>>(), assumed);
}

#[test]
fn later_sources_win_and_origins_are_shown() {
    let folder = folder("layers");
    let file = folder.join("mine.toml");
    let mut sources = written(
        &file,
        "[market]\nseed = 3\npace = \"60x\"\nsymbols = [\"LTCUSD\", \"BTCUSD\"]\n[trading]\n\
         notional = 250.5\nmax_positions = 3\nvalid_for_s = 60\n",
    );
    let more = folder.join("mine.toml.d");
    written(&more.join("20-b.toml"), "[trading]\nmax_positions = 5\nvalid_for_s = 62\n");
    written(&more.join("10-a.toml"), "[trading]\nmax_positions = 4\nrecv_window_ms = 4000\n");
    written(&more.join("30-c.toml.off"), "nonsense");
    written(&more.join(".hidden.toml"), "nonsense");
    sources.environment = vec![
        pair("EVERWARM_MARKET__SEED", "4"),
        pair("EVERWARM_DAEMON__INSTALLATION", "12"),
        pair("EVERWARM_RISK__MAX_LOSS_PER_DAY", "0.1"),
        pair("EVERWARM_TRADING__VALID_FOR_S", "63"),
    ];
    sources.flags = vec![flag("market.pace", "lockstep")];
    let config = sources.load(CheckDepth::World).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((config.market.seed, config.market.pace), (4, Pace::Lockstep));
    assert_eq!(config.market.symbols.to_string(), "BTCUSD,LTCUSD");
    assert_eq!(config.installation, "12");
    let trading = &config.settings.trading;
    assert_eq!(trading.notional.to_string(), "250.5");
    assert_eq!((trading.max_positions, trading.valid_for_s), (5, 63));
    assert_eq!(trading.recv_window_ms, 4000);
    assert_eq!(config.settings.risk.max_loss_per_day.to_string(), "0.1");
    let origins = config.origins();
    let origin = |key: &str| origins.iter().find(|(k, _)| k == key).unwrap().1.as_str();
    assert_eq!(origin("market.pace"), "--market.pace");
    assert_eq!(origin("market.seed"), "EVERWARM_MARKET__SEED");
    assert_eq!(origin("trading.valid_for_s"), "EVERWARM_TRADING__VALID_FOR_S");
    assert!(origin("trading.notional").ends_with("mine.toml:6:1"));
    assert!(origin("trading.max_positions").ends_with("mine.toml.d/20-b.toml:2:1"));
    assert!(origin("trading.recv_window_ms").ends_with("mine.toml.d/10-a.toml:3:1"));
}

#[test]
fn everything_wrong_is_reported() {
    let flags = [
        flag("market.sead", "1"),
        flag("market.pace", "fast"),
        flag("daemon.workers", "many"),
        flag("daemon.listen", "0.0.0.0:80"),
        flag("daemon.installation", "Mine"),
        flag("trading.notional", "-1"),
        flag("trading.recv_window_ms", "60001"),
        flag("strategy.sma_cross.fast", "30"),
        flag("market.until_end", "true"),
        flag("market.symbols", "BTC/USD"),
        flag("venue.kind", "nyse"),
        flag("daemon.data_dir", ""),
        flag("daemon.log", "everwarm=loud"),
        flag("market.recording_config", "/nowhere"),
        flag("daemon.token", "hunter2"),
    ];
    let errors = with(&flags).unwrap_err();
    let text = errors.to_string();
    for Given { place, .. } in &flags {
        assert!(errors.0.iter().any(|e| e.place.source == *place), "{place} is missing in\n{text}");
    }
    for expected in [
        "--market.sead: unknown key \"market.sead\"; did you mean \"market.seed\"?",
        "--market.pace: market.pace: \"fast\" is not a pace",
        "--daemon.workers: daemon.workers: \"many\" is not a whole number",
        "--trading.recv_window_ms: trading.recv_window_ms: 60001 is not in the range 1 to 60000",
        "fast = 30 must be less than slow = 30",
        "market.recording_config: needs market.recording",
        "market.recording_config: /nowhere is not a file",
        "daemon.token: a secret cannot stand here",
    ] {
        assert!(text.contains(expected), "{expected}\nis missing in\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn orders_of_others_halt_trading_or_are_adopted_only_if_the_account_is_compared() {
    let with = |policy: &str, every: &str| {
        let flags =
            vec![flag("risk.external_orders", policy), flag("venue.compare_account_s", every)];
        Sources { flags, ..Sources::default() }.load(CheckDepth::Words).map(drop)
    };
    with("ignore", "0").unwrap();
    for policy in ["halt", "adopt"] {
        with(policy, "60").unwrap();
        let error = with(policy, "0").unwrap_err().to_string();
        let key = "risk.external_orders";
        let expected = format!("--{key}: {key}: \"{policy}\" needs venue.compare_account_s");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn a_wrong_value_is_reported_where_it_stands() {
    let folder = folder("places");
    let file = folder.join("a.toml");
    let text = "[risk]\nmax_trades_per_day = \"x\"\n[strategy.sma_cross]\nslow = 5\n";
    let errors = written(&file, text).load(CheckDepth::Words).unwrap_err().to_string();
    let dir = folder.display();
    assert_eq!(
        errors,
        format!(
            "{dir}/a.toml:2:22: risk.max_trades_per_day: \"x\" is not a whole number\n\
             {dir}/a.toml:4:8: strategy.sma_cross.slow: fast = 10 must be less than slow = 5"
        )
    );
    std::fs::write(&file, b"[risk]\n# \xff\n").unwrap();
    let sources = Sources { file: Some(file), ..Sources::default() };
    let errors = sources.load(CheckDepth::Words).unwrap_err().to_string();
    assert_eq!(errors, format!("{dir}/a.toml:2:3: this is not UTF-8"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn secrets_and_the_world_are_looked_at_when_asked() {
    let flags = [flag("daemon.token", "env:NOT_SET"), flag("market.recording", "/nowhere")];
    let sources = Sources { flags: flags.to_vec(), ..Sources::default() };
    assert!(sources.load(CheckDepth::Words).is_ok());
    assert_eq!(sources.load(CheckDepth::Secrets).unwrap_err().0.len(), 1);
    let error = sources.load(CheckDepth::World).unwrap_err().to_string();
    assert_eq!(
        error,
        "--daemon.token: daemon.token: the variable NOT_SET is not set\n\
         --market.recording: market.recording: /nowhere is not a folder"
    );
    let environment = vec![pair("NOT_SET", "hunter2-and-more")];
    let config = Sources { environment, ..sources }.load(CheckDepth::Secrets).unwrap();
    assert_eq!(config.token.as_ref().unwrap().expose(), "hunter2-and-more");
    assert!(!format!("{config:?}").contains("hunter2"));
    let environment = vec![pair("NOT_SET", "hunter2")];
    let flags = vec![flag("daemon.token", "env:NOT_SET")];
    let short = Sources { environment, flags, ..Sources::default() }.load(CheckDepth::Secrets);
    let error = short.unwrap_err().to_string();
    assert!(
        error.contains("daemon.token: the token has 7 characters, but needs at least 16"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
    // A variable that a secret refers to is no key, even with a matching name.
    let mut environment = vec![pair("EVERWARM_TOKEN", "hunter3-and-more")];
    let load = |environment: &[(String, String)]| {
        Sources { environment: environment.to_vec(), ..Sources::default() }
            .load(CheckDepth::Secrets)
    };
    let error = load(&environment).unwrap_err().to_string();
    assert!(error.contains("unknown key \"token\"") && !error.contains("hunter3"), "{error}");
    environment.push(pair("EVERWARM_DAEMON__TOKEN", "env:EVERWARM_TOKEN"));
    let config = load(&environment).unwrap();
    assert_eq!(config.token.unwrap().expose(), "hunter3-and-more");
    assert_eq!(config.variables, ["EVERWARM_DAEMON__TOKEN", "EVERWARM_TOKEN"]);
}

#[test]
fn what_panic_needs_is_read_whatever_else_is_wrong() {
    let needed = |name: &str, text: &str| {
        let dir = folder(name);
        let mut sources = written(&dir.join("a.toml"), text);
        sources.environment = vec![pair("KEY", "k"), pair("SECRET", "s")];
        let set = ["venue.kind", "venue.environment"];
        let loaded = sources.load_needed(CheckDepth::World, &["daemon.data_dir", "venue"], &set);
        assert!(sources.load(CheckDepth::World).is_err(), "{text}");
        std::fs::remove_dir_all(dir).unwrap();
        loaded.map_err(|errors| errors.to_string())
    };
    let venue = "[venue]\nkind = \"binance\"\nenvironment = \"demo\"\nkey = \"env:KEY\"\n";
    let secret = "secret = \"env:SECRET\"\n";
    let broken =
        "[risk]\nmax_trades_per_day = = 3\nmax_los = 1\n[strategy.sma_cross]\nfast = 900\n";
    let config = needed("panic-fine", &format!("{venue}{secret}{broken}")).unwrap();
    let VenueSource::Remote(remote) = config.venue else { panic!("{:?}", config.venue) };
    assert_eq!(remote.environment, "demo");
    assert!(remote.open.is_some());
    // The needed keys are checked as usual.
    let error = needed("panic-key", &format!("{venue}{broken}")).unwrap_err();
    assert!(error.contains("venue.secret") && !error.contains("fast"), "{error}");
    // The unreadable line may have set the environment.
    let torn = format!("{venue}{secret}").replace("environment = ", "environment = = ");
    let error = needed("panic-torn", &format!("{torn}{broken}")).unwrap_err();
    assert!(error.contains(":3:"), "{error}");
}

#[test]
fn any_number_of_strategies_of_a_kind_are_configured_by_their_ids() {
    let folder = folder("instances");
    let file = folder.join("a.toml");
    let text = "[strategy.quick]\nkind = \"sma_cross\"\nfast = 5\n[strategy.sma_cross]\n\
                enabled = false\n";
    let mut sources = written(&file, text);
    sources.environment = vec![pair("EVERWARM_STRATEGY__QUICK__SLOW", "12")];
    let config = sources.load(CheckDepth::Words).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let all = &config.settings.strategy.0;
    let quick = &all["quick"];
    assert_eq!((quick.kind.as_str(), quick.enabled), ("sma_cross", true));
    assert_eq!(quick.section, r#"{"confidence":"atr","fast":5,"slow":12,"timeframe":"1m"}"#);
    assert!(!all["sma_cross"].enabled);
    let shown = |key: &str| config.values.iter().find(|value| value.key == key).unwrap();
    assert_eq!(shown("strategy.quick.slow").value, 12);
    assert_eq!(shown("strategy.quick.slow").origin, "EVERWARM_STRATEGY__QUICK__SLOW");
    assert_eq!(shown("strategy.quick.timeframe").origin, "default");
}

#[test]
fn what_no_strategy_can_be_made_of_is_reported_where_it_stands() {
    let wrong = |text: &str| {
        let folder = folder("no-instance");
        let errors = written(&folder.join("a.toml"), text).load(CheckDepth::Words).unwrap_err();
        let shown = errors.to_string().replace(&format!("{}/", folder.display()), "");
        std::fs::remove_dir_all(&folder).unwrap();
        shown
    };
    for (text, expected) in [
        (
            "[strategy.a]\nkind = \"sma_cros\"\n",
            "a.toml:2:8: strategy.a.kind: unknown kind \"sma_cros\"; known kinds: sma_cross",
        ),
        ("[strategy.a]\nfast = 3\n", "a.toml:2:8: strategy.a.fast: has no `kind`; add one of:"),
        (
            "[strategy.a]\n",
            "a.toml:1:11: strategy.a.kind: unknown kind \"a\"; known kinds: sma_cross",
        ),
        ("[strategy.a]\nkind = \"sma_cross\"\n[strategy.a]\n", "a.toml:3:11: duplicate key"),
        (
            "[strategy.Fast-1]\nkind = \"sma_cross\"\n",
            "a.toml:2:8: strategy.Fast-1.kind: the id \"Fast-1\" is not 1 to 32 of a-z, 0-9, _",
        ),
        (
            "[strategy.a]\nkind = \"sma_cross\"\nfats = 3\n",
            "a.toml:3:1: unknown key \"strategy.a.fats\"; did you mean \"strategy.a.fast\"?",
        ),
        (
            "[strategy.a]\nkind = \"sma_cross\"\nfast = 0\n",
            "a.toml:3:8: strategy.a.fast: 0 is not in the range 1 to 1000",
        ),
        (
            "[strategy.a]\nkind = \"sma_cross\"\nfast = 40\n",
            "a.toml:3:8: strategy.a.fast: fast = 40 must be less than slow",
        ),
        (
            "[strategy.a]\nkind = \"sma_cross\"\ntimeframe = \"7m\"\n",
            "a.toml:3:13: strategy.a.timeframe: \"7m\" is not one of 1m, 5m",
        ),
    ] {
        let found = wrong(text);
        assert!(found.starts_with(expected), "{expected}\nis not\n{found}");
    }
    for id in everwarm_domain::order::RESERVED {
        let found = wrong(&format!("[strategy.{id}]\nkind = \"sma_cross\"\n"));
        let expected = format!("a.toml:2:8: strategy.{id}.kind: the id {id} is reserved");
        assert!(found.starts_with(&expected), "{expected}\nis not\n{found}");
    }
    let typo = wrong("[strategy.a]\nkind = \"sma_cros\"\n");
    assert!(typo.ends_with("; did you mean \"sma_cross\"?"), "{typo}");
}

/// A number of different strategies with the longest averages.
fn many(count: usize) -> String {
    let one = |n: usize| {
        let (fast, width) = (500 - n % 500, ["1m", "5m", "15m", "1h"][n / 500 % 4]);
        format!(
            "[strategy.s{n:04}]\nkind = \"sma_cross\"\nfast = {fast}\nslow = {}\n\
             timeframe = \"{width}\"\n",
            fast + 500
        )
    };
    (0..count).map(one).collect()
}

#[test]
fn what_there_is_no_room_for_is_reported_where_it_stands_with_its_memory() {
    let folder = folder("too-much");
    let load_many = |count: usize, symbols: u32| {
        let mut sources = written(&folder.join("a.toml"), &many(count));
        sources.flags = vec![flag("market.symbols", &symbols.to_string())];
        let loaded = sources.load(CheckDepth::World).map(drop).map_err(|errors| errors.to_string());
        loaded.map_err(|text| text.replace(&format!("{}/", folder.display()), ""))
    };
    assert_eq!(load_many(98, 8), Ok(()));
    assert_eq!(load_many(20, 1000), Ok(()));
    let why = load_many(50, 1000).unwrap_err();
    let place = "a.toml:2:1: strategy.s0000: 103 features of 1000 symbols take 561 MB; ";
    assert!(why.starts_with(place) && why.contains("fewer symbols"), "{why}");
    let why = load_many(99, 8).unwrap_err();
    let place = "a.toml:492:1: strategy.s0098: 99 strategies are configured, and at most 98 ";
    assert!(why.starts_with(place), "{why}");
    let why = load_many(600, 8).unwrap_err();
    assert!(why.contains("1202 features of 8 symbols take "), "{why}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_name_of_a_feature_is_checked_like_any_value() {
    let wrong = |text: &str| keys::FEATURE.check(&text.into()).unwrap_err();
    assert_eq!(keys::FEATURE.check(&"ema(21)@4h".into()), Ok(()));
    assert!(wrong("emma(21)@4h").ends_with("; did you mean `ema`?"), "{}", wrong("emma(21)@4h"));
    assert!(wrong("ema(0)@4h").contains("length is a whole number from 1 to 10000"));
    assert!(wrong("ema(21)@7h").contains("there are no 7h bars, but 1m, 5m, 15m, 1h, 4h, 1d"));
}
