//! Last trades and snapshots of symbols.

use super::bars::Row;
use super::query::Query;
use super::{new_york, number, times};
use crate::exchange::{Exchange, depth};
use crate::market::Market;
use crate::wire::error::ApiError;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, UtcMs};

/// A trade of the market, as JSON members without braces.
#[must_use]
pub fn trade(time: UtcMs, price: Decimal, quantity: Decimal, id: i64) -> String {
    format!(
        "\"t\":\"{}\",\"x\":\"V\",\"p\":{},\"s\":{},\"c\":[\"@\"],\"i\":{id},\"z\":\"C\"",
        times::utc(time),
        number(price),
        number(quantity),
    )
}

/// The last trade of a symbol, as a JSON object; none if it never traded.
fn latest(exchange: &Exchange, market: &mut dyn Market, symbol: Symbol) -> Option<String> {
    let tape = exchange.tape(symbol)?;
    let reached = exchange.market();
    let bars = market.bars_closing(tape.minute);
    let bar = bars.iter().find(|bar| bar.symbol == symbol);
    let prints = bar.map(|bar| market.prints(bar)).unwrap_or_default();
    let print = prints.into_iter().rfind(|print| print.time <= reached);
    let members = match print {
        Some(print) => trade(print.time, print.price.decimal(), print.quantity, print.id),
        None => trade((tape.minute - 1).min(reached), tape.last, Decimal::ZERO, 0),
    };
    Some(format!("{{{members}}}"))
}

/// The response about the last trades of the symbols of a query.
///
/// # Errors
/// A wrong parameter.
pub fn latest_trades(
    exchange: &Exchange,
    market: &mut dyn Market,
    query: Query<'_>,
) -> Result<String, ApiError> {
    let symbols = query.symbols("symbols")?;
    let symbols = symbols.ok_or_else(|| query.wrong("symbols is required"))?;
    let row = |symbol| Some(format!("\"{symbol}\":{}", latest(exchange, market, symbol)?));
    let rows: Vec<String> = symbols.into_iter().filter_map(row).collect();
    Ok(format!("{{\"trades\":{{{}}}}}", rows.join(",")))
}

/// The response about the last trade of one symbol.
///
/// # Errors
/// It never traded.
pub fn latest_trade(
    exchange: &Exchange,
    market: &mut dyn Market,
    query: Query<'_>,
    name: &str,
) -> Result<String, ApiError> {
    let symbol = Symbol::named(name).map_err(|why| query.wrong(why))?;
    let trade = latest(exchange, market, symbol);
    let trade = trade.ok_or_else(|| query.wrong(format!("no trade found for {symbol}")))?;
    Ok(format!("{{\"symbol\":\"{symbol}\",\"trade\":{trade}}}"))
}

/// The sum of the bars with opening times in a range; none if no share was traded.
fn sum(market: &mut dyn Market, symbol: Symbol, (from, to): (UtcMs, UtcMs)) -> Option<String> {
    let each = market.trades_per_minute();
    let bars = market.bars(symbol, from, to, usize::MAX);
    let traded: Vec<&Bar> = bars.iter().filter(|bar| !bar.volume.is_zero()).collect();
    let (first, rest) = traded.split_first()?;
    let mut row = Row::of(first, each);
    row.open_time = from;
    for bar in rest {
        row.add(&Row::of(bar, each));
    }
    Some(format!("{{{}}}", row.members()))
}

fn snapshot(exchange: &Exchange, market: &mut dyn Market, symbol: Symbol) -> Option<String> {
    let (tape, rules) = (exchange.tape(symbol)?.clone(), exchange.instrument(symbol)?);
    let trade = latest(exchange, market, symbol)?;
    let (bid, ask) = depth::best(&tape, rules, exchange.costs());
    let quote = format!(
        "{{\"t\":\"{}\",\"ax\":\"V\",\"ap\":{},\"as\":1,\"bx\":\"V\",\"bp\":{},\"bs\":1,\
         \"c\":[\"R\"],\"z\":\"C\"}}",
        times::utc(exchange.market()),
        number(ask),
        number(bid),
    );
    let last = exchange.market() - MINUTE;
    let minute = exchange.last_close() - MINUTE;
    let today = new_york::day(tape.minute - 1);
    let day =
        |day: i64| (new_york::midnight(day), (new_york::midnight(day + 1) - MINUTE).min(last));
    let minute = sum(market, symbol, (minute, minute));
    let (this, before) = (sum(market, symbol, day(today)), sum(market, symbol, day(today - 1)));
    let or_null = |bar: Option<String>| bar.unwrap_or_else(|| "null".to_owned());
    Some(format!(
        "{{\"latestTrade\":{trade},\"latestQuote\":{quote},\"minuteBar\":{},\"dailyBar\":{},\
         \"prevDailyBar\":{}}}",
        or_null(minute),
        or_null(this),
        or_null(before),
    ))
}

/// The response with snapshots of the symbols of a query.
///
/// # Errors
/// A wrong parameter.
pub fn snapshots(
    exchange: &Exchange,
    market: &mut dyn Market,
    query: Query<'_>,
) -> Result<String, ApiError> {
    let symbols = query.symbols("symbols")?;
    let symbols = symbols.ok_or_else(|| query.wrong("symbols is required"))?;
    let row = |symbol| Some(format!("\"{symbol}\":{}", snapshot(exchange, market, symbol)?));
    let rows: Vec<String> = symbols.into_iter().filter_map(row).collect();
    Ok(format!("{{{}}}", rows.join(",")))
}
