//! The messages, and what they mean.

use crate::bar_rows::{RowDecimal, bar, check_width};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::SymbolRules;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_venue::port::Bars;
use everwarm_venue::source::BarRange;
use serde::Deserialize;

/// What profits and losses of every contract are paid in.
const QUOTE: &str = "USDC";
/// Decimals of a price and of a quantity of a contract, together.
const DECIMALS: u32 = 6;
/// Most decimals of a quantity that are accepted.
const SIZE_DECIMALS_MAX: u32 = DECIMALS;
/// Smallest value of an order, USDC.
const MIN_NOTIONAL: i64 = 10;

/// The response to `{"type": "meta"}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Meta {
    /// The contracts.
    pub universe: Vec<Coin>,
}

/// A contract.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coin {
    /// Its name, like `BTC` or `kPEPE`.
    pub name: String,
    /// Decimals of a quantity.
    pub sz_decimals: u32,
}

/// A row of `{"type": "candleSnapshot"}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Candle {
    /// Opening time, UTC milliseconds.
    pub t: UtcMs,
    /// Its last millisecond.
    #[serde(rename = "T")]
    pub end: UtcMs,
    /// The contract.
    pub s: String,
    /// The width.
    pub i: String,
    /// Open.
    pub o: RowDecimal,
    /// High.
    pub h: RowDecimal,
    /// Low.
    pub l: RowDecimal,
    /// Close.
    pub c: RowDecimal,
    /// Volume in units of the coin.
    pub v: RowDecimal,
}

/// The symbol of a contract: its name in capitals. None: the name cannot be one.
#[must_use]
pub fn symbol(coin: &str) -> Option<Symbol> {
    Symbol::named(&coin.to_ascii_uppercase()).ok()
}

/// The rules of a contract. Its prices have at most five significant digits, too, so the step of a
/// high price is larger than this:
/// <https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/tick-and-lot-size>. None:
/// its name or its numbers are not possible.
#[must_use]
pub fn rules(coin: &Coin) -> Option<SymbolRules> {
    let size = Some(coin.sz_decimals).filter(|decimals| *decimals <= SIZE_DECIMALS_MAX)?;
    let lot_size = Decimal::new(1, size);
    Some(SymbolRules {
        symbol: symbol(&coin.name)?,
        base: coin.name.to_ascii_uppercase(),
        quote: QUOTE.to_owned(),
        tick_size: Decimal::new(1, DECIMALS - size),
        lot_size,
        min_quantity: lot_size,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::from(MIN_NOTIONAL),
    })
}

/// The bars of a page. The bar that holds the start of a range is sent, too, and left out here.
///
/// # Errors
/// A bar of another contract or width, or bars that do not ascend.
pub fn bars(range: &BarRange, coin: &str, rows: &[Candle]) -> Result<Bars, String> {
    let BarRange { symbol, timeframe, times } = range;
    let mut bars = Bars::default();
    let mut last = None;
    for row in rows {
        if row.s != coin || row.i != timeframe.name() {
            let found = format!("{} {}", row.s, row.i).chars().take(40).collect::<String>();
            return Err(format!("the bars are of {found:?}, not of {coin} {timeframe}"));
        }
        check_width(*timeframe, row.t, row.end)?;
        if last.replace(row.t).is_some_and(|last| last >= row.t) {
            return Err(format!("{coin}: bar {} is out of order", row.t));
        }
        if !times.contains(&row.t) {
            continue;
        }
        match bar(*symbol, row.t, [&row.o, &row.h, &row.l, &row.c], &row.v) {
            Ok(bar) => bars.held.push(bar),
            Err(unheld) => bars.unheld.push(unheld),
        }
    }
    Ok(bars)
}
