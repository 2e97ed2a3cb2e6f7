//! The first books of the exchange as an account of US stocks.

use crate::exchange::fact::Opened;
use crate::exchange::filters::MAX_NUM_ORDERS;
use crate::exchange::local::DEFAULT_BALANCE;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use std::collections::BTreeMap;

/// The currency of the account.
pub const USD: &str = "USD";
/// Price step of shares from one dollar on.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// Price step of cheaper shares.
const FINE: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

/// Decimals of a number of shares, where fractions of a share are traded.
pub const FRACTION_DECIMALS: u32 = 9;
/// The smallest fraction of a share.
const FRACTION: Decimal = Decimal::from_parts(1, 0, 0, false, FRACTION_DECIMALS);

/// Turns the instruments of new books into shares, paid in USD, with the price steps of the
/// protocol. Each symbol is an asset of its own. Quantities are whole, or with `fractions` have up
/// to nine decimals.
#[must_use]
pub fn of_shares(mut opened: Opened, fractions: bool) -> Opened {
    let balances = std::mem::take(&mut opened.balances);
    let all = opened.instruments.clone();
    opened.balances = held(&all, &balances);
    let most = u32::try_from(MAX_NUM_ORDERS).unwrap_or(u32::MAX);
    for rules in &all {
        opened.max_stop_orders.entry(rules.symbol).or_insert(most);
    }
    let prices: BTreeMap<_, _> =
        opened.last.iter().map(|bar| (bar.symbol, bar.close.decimal())).collect();
    for rules in &mut opened.instruments {
        let cheap = prices.get(&rules.symbol).is_some_and(|price| *price < Decimal::ONE);
        share(rules, if cheap { FINE } else { CENT });
        if fractions {
            (rules.lot_size, rules.min_quantity) = (FRACTION, FRACTION);
        }
    }
    opened
}

/// The balances: USD, and the shares of each symbol.
fn held(
    instruments: &[Instrument],
    balances: &BTreeMap<String, Decimal>,
) -> BTreeMap<String, Decimal> {
    let quotes = || instruments.iter().map(|rules| rules.quote.as_str());
    let money = std::iter::once(USD).chain(quotes()).find_map(|asset| balances.get(asset));
    let money = money.copied().unwrap_or_else(|| Decimal::from(DEFAULT_BALANCE));
    let is_money = |asset: &str| asset == USD || quotes().any(|quote| quote == asset);
    let shares = instruments.iter().filter(|rules| !is_money(&rules.base)).filter_map(|rules| {
        let amount = balances.get(&rules.base)?.trunc();
        (amount > Decimal::ZERO).then(|| (rules.symbol.as_str().to_owned(), amount))
    });
    shares.chain([(USD.to_owned(), money)]).collect()
}

/// Whether an instrument is a share, as new books have it.
#[must_use]
pub fn is_share(rules: &Instrument) -> bool {
    let steps = rules.lot_size.fract().is_zero() || is_fractionable(rules);
    rules.quote == USD && rules.base == rules.symbol.as_str() && steps
}

/// Whether fractions of a share are traded.
#[must_use]
pub fn is_fractionable(rules: &Instrument) -> bool {
    rules.lot_size == FRACTION
}

fn share(rules: &mut Instrument, tick: Decimal) {
    rules.symbol.as_str().clone_into(&mut rules.base);
    USD.clone_into(&mut rules.quote);
    rules.tick_size = tick;
    rules.lot_size = Decimal::ONE;
    rules.market_lot_size = Decimal::ZERO;
    rules.min_quantity = Decimal::ONE;
    rules.max_quantity = rules.max_quantity.trunc();
    rules.market_max_quantity = rules.market_max_quantity.trunc();
    rules.min_notional = rules.min_notional.min(Decimal::ONE);
}
