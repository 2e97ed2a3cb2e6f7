//! The process of the simulated exchange, and the market that it plays.

use super::live_prices;
use crate::audit::store_failure;
use everwarm_cli::SimConfig;
use everwarm_config::values::AUTO_SYMBOLS;
use everwarm_config::{MarketSource, Pace, Symbols};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_runtime::clock::wall;
use everwarm_runtime::files::is_full;
use everwarm_sim::books::BooksError;
use everwarm_sim::market::{
    DEFAULT_HISTORY_BARS, Market, Recording, Seeded, Ticking, default_balances, stocks,
};
use everwarm_sim::{Costs, InitialBooks, Protocol, SimError, SimOptions};
use everwarm_views::exit::{Exit, Failure};
use std::path::Path;
use tokio::runtime::Runtime;

/// Start of the synthetic market where its time is not real time: 2026-01-05T00:00Z, a Monday.
const MADE_START: UtcMs = 1_767_571_200_000;
/// Start of the synthetic market of stocks where its time is not real time: five minutes before the
/// market in New York opens on that day, 2026-01-05T14:25Z.
const MADE_OPENING: UtcMs = MADE_START + 865 * MINUTE;
/// Names of stocks that an error shows.
const SHOWN: u32 = 40;
/// Symbols of the synthetic market.
const MADE_SYMBOLS: u32 = AUTO_SYMBOLS;

/// Runs the exchange until it ends.
pub fn run(config: SimConfig) -> Result<Exit, Failure> {
    let runtime = super::runtime(2, "exchange")?;
    let (market, setup) = if let Some(name) = config.market.prices {
        live(&runtime, name, &config.market)?
    } else {
        let (market, setup) = played(config.protocol, &config.market)?;
        (Ticking::when(config.ticks, market, setup.seed), setup)
    };
    let (protocol, fractions) = (config.protocol, config.fractions);
    let setup = InitialBooks { protocol, fractions, ..setup };
    let pace = match config.market.pace {
        Pace::Lockstep => everwarm_sim::Pace::Lockstep,
        Pace::Times(factor) => everwarm_sim::Pace::Times(factor),
    };
    let options = SimOptions {
        data_dir: config.data_dir,
        port: config.port,
        pace,
        market,
        setup,
        idle_exit: config.idle_exit,
    };
    let served = runtime.block_on(everwarm_sim::serve(options));
    served.map(|()| Exit::Fine).map_err(|e| match e {
        SimError::Books(BooksError::Store(e)) => store_failure(&e),
        SimError::OtherMarket { .. } => Failure::new(Exit::Refused, e.to_string()),
        SimError::Full(_) => Failure::new(Exit::DiskFull, e.to_string()),
        SimError::Io { ref source, .. } if is_full(source) => {
            Failure::new(Exit::DiskFull, e.to_string())
        }
        SimError::Books(_) | SimError::Io { .. } | SimError::Failed(_) => {
            Failure::new(Exit::Failed, e.to_string())
        }
    })
}

/// The market of live prices, and the initial books of the exchange. Its trades are all at the end
/// of the minute, because a minute is known when it is over.
fn live(
    runtime: &Runtime,
    name: &str,
    source: &MarketSource,
) -> Result<(Box<dyn Market>, InitialBooks), Failure> {
    let market = runtime.block_on(live_prices::open(name, source))?;
    let balances = default_balances(market.instruments()).into_iter().collect();
    let setup = InitialBooks {
        seed: source.seed,
        balances,
        costs: costs(source),
        ..InitialBooks::default()
    };
    Ok((Box::new(market), setup))
}

/// The market that an exchange of this protocol plays, and its initial books.
pub fn played(
    protocol: Protocol,
    source: &MarketSource,
) -> Result<(Box<dyn Market>, InitialBooks), Failure> {
    let shares = protocol.trades_shares();
    let (market, setup) = if shares { stocks(source)? } else { market(source)? };
    Ok((market, InitialBooks { protocol, ..setup }))
}

/// The market to play, and the initial books of the exchange. Live prices cannot be played.
pub fn market(source: &MarketSource) -> Result<(Box<dyn Market>, InitialBooks), Failure> {
    if source.prices.is_some() {
        let text = "market.prices: live prices cannot be played again: name a recording";
        return Err(Failure::new(Exit::Usage, text));
    }
    let Some(folder) = &source.recording else {
        let start = match source.pace {
            Pace::Times(1) => wall().utc().div_euclid(MINUTE) * MINUTE,
            Pace::Lockstep | Pace::Times(_) => MADE_START,
        };
        let (seed, history) = (source.seed, DEFAULT_HISTORY_BARS);
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let made = match &source.symbols {
            Symbols::Auto => Seeded::new(seed, count(MADE_SYMBOLS), start, history),
            Symbols::First(n) => Seeded::new(seed, count(*n), start, history),
            Symbols::Named(names) => Seeded::with_symbols(seed, names, start, history),
        };
        let setup = InitialBooks { seed, costs: costs(source), ..InitialBooks::default() };
        return Ok((Box::new(made), setup));
    };
    Ok(recorded(source, read(folder, source)?))
}

/// The market of stocks to play, in the sessions of New York, and the initial books.
fn stocks(source: &MarketSource) -> Result<(Box<dyn Market>, InitialBooks), Failure> {
    let usage = |why: String| Failure::new(Exit::Usage, why);
    let market = if let Some(folder) = &source.recording {
        stocks::recorded(read(folder, source)?).map_err(usage)?
    } else {
        let start = match source.pace {
            Pace::Times(1) => wall().utc(),
            Pace::Lockstep | Pace::Times(_) => MADE_OPENING,
        };
        let first = |count: u32| {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            stocks::names().take(count).collect()
        };
        let names: Vec<Symbol> = match &source.symbols {
            Symbols::Auto => first(MADE_SYMBOLS),
            Symbols::First(count) => first(*count),
            Symbols::Named(names) => names.clone(),
        };
        if let Some(name) = names.iter().find(|name| !stocks::knows(**name)) {
            let all: Vec<String> = first(SHOWN).iter().map(Symbol::to_string).collect();
            let all = all.join(", ");
            return Err(usage(format!(
                "market.symbols: {name} is no stock of the synthetic market, which has {all} and \
                 more"
            )));
        }
        stocks::market(source.seed, &names, start).map_err(usage)?
    };
    let balances = default_balances(market.instruments()).into_iter().collect();
    let (seed, costs) = (source.seed, costs(source));
    Ok((market, InitialBooks { seed, balances, costs, ..InitialBooks::default() }))
}

/// The bars of a recording, checked.
pub fn read(folder: &Path, source: &MarketSource) -> Result<Recording, Failure> {
    let recording = Recording::open(folder, source.recording_config.as_deref());
    let recording = recording.map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    for notice in recording.notices() {
        tracing::warn!("{notice}");
    }
    Ok(recording)
}

/// A recording as a market, with the initial books of its exchange.
pub fn recorded(source: &MarketSource, recording: Recording) -> (Box<dyn Market>, InitialBooks) {
    let names = || recording.instruments().iter().map(|rule| rule.symbol);
    let stop_orders = |symbol| Some((symbol, recording.max_stop_orders(symbol)?));
    let setup = InitialBooks {
        seed: source.seed,
        balances: recording.balances().iter().cloned().collect(),
        max_position: names().filter_map(|s| Some((s, recording.max_position(s)?))).collect(),
        max_stop_orders: names().filter_map(stop_orders).collect(),
        costs: costs(source),
        ..InitialBooks::default()
    };
    (Box::new(recording), setup)
}

/// What trading costs at the exchange.
fn costs(source: &MarketSource) -> Costs {
    let share = |ppm: u32| Decimal::new(ppm.into(), 6).normalize();
    let slippage = source.slippage.normalize();
    let (fee, spread) = (share(source.fee_ppm), share(source.spread_ppm));
    Costs { fee, spread, slippage, paper: source.fills }
}
