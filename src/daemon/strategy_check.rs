//! Checks strategies over the bars of a market or a file, see `everwarm_trading::strategy::check`.

use super::identity::wanted;
use super::market;
use everwarm_cli::StrategyCheckConfig;
use everwarm_config::Config;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::MINUTE;
use everwarm_sim::market::{Market, read_bars};
use everwarm_trading::strategy::check::{Bars, Report, check};
use everwarm_views::exit::{Exit, Failure};
use std::path::Path;

/// Symbols that are played if the configuration names none.
const SYMBOLS: usize = 8;
/// Closes of a day.
const DAY: usize = 24 * 60;

/// Checks each strategy.
///
/// # Errors
/// The bars cannot be read, or there are none.
pub fn run(asked: &StrategyCheckConfig) -> Result<Vec<Report>, Failure> {
    let StrategyCheckConfig { config, ids, file, days } = asked;
    let closes = days.saturating_mul(DAY);
    let bars = match file {
        Some(file) => of_file(file, closes)?,
        None => of_market(config, closes)?,
    };
    if bars.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no bar to play: choose other --data"));
    }
    let failed = |why| Failure::new(Exit::Usage, why);
    let one = |id: &String| check(&config.settings, id, &bars).map_err(failed);
    ids.iter().map(one).collect()
}

/// The first closes of the configured market.
fn of_market(config: &Config, most: usize) -> Result<Vec<Bars>, Failure> {
    let (mut market, _) = market(&config.market)?;
    let symbols = symbols(config, market.as_ref())?;
    let (mut all, mut at) = (Vec::new(), market.start());
    while all.len() < most
        && let Some(time) = market.next_close(at)
    {
        at = time;
        let mut bars = market.bars_closing(time);
        bars.retain(|bar| symbols.contains(&bar.symbol));
        if !bars.is_empty() {
            all.push(Bars { time, bars });
        }
    }
    Ok(all)
}

/// The symbols that are played: those of the configuration, else the first ones.
fn symbols(config: &Config, market: &dyn Market) -> Result<Vec<Symbol>, Failure> {
    let named = wanted(&config.market, market)?;
    if !named.is_empty() {
        return Ok(named);
    }
    Ok(market.instruments().iter().map(|rule| rule.symbol).take(SYMBOLS).collect())
}

/// The first closes of a file of bars of one minute.
fn of_file(file: &Path, most: usize) -> Result<Vec<Bars>, Failure> {
    let failed = |why: String| Failure::new(Exit::Usage, why);
    let (bars, notices) = read_bars(file, most).map_err(|why| failed(why.to_string()))?;
    for notice in notices {
        tracing::warn!("{notice}");
    }
    let gap = |pair: &[Bar]| pair[1].open_time - pair[0].open_time;
    if let Some(least) = bars.windows(2).map(gap).min().filter(|least| *least > MINUTE) {
        let text = format!(
            "{}: its bars are {} minutes wide: give bars of one minute",
            file.display(),
            least / MINUTE
        );
        return Err(failed(text));
    }
    let close = |bar: Bar| Bars { time: bar.open_time + MINUTE, bars: vec![bar] };
    Ok(bars.into_iter().map(close).collect())
}
