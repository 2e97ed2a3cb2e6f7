//! Defaults for an instrument of which only the name is known.

use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use std::collections::BTreeSet;

/// Known quote assets. The quote of a name is the longest of these at its end.
const QUOTES: [&str; 17] = [
    "FDUSD", "USDT", "USDC", "BUSD", "USDP", "USD", "EUR", "GBP", "JPY", "AUD", "BRL", "TRY",
    "DAI", "BTC", "ETH", "BNB", "SOL",
];

/// Quote of a name that ends with no known asset: shares, and perpetuals like `BTC-PERP`.
const FALLBACK_QUOTE: &str = "USD";

const SEPARATORS: [char; 3] = ['-', '_', '.'];

/// Base and quote asset of a name.
///
/// A trailing `-PERP` (any separator) is dropped first. If the part after the last separator is a
/// known quote, it is the quote (`BNB-USD`). Otherwise the quote is the longest known one at the
/// end of the name without separators (`BTCBUSD`: BUSD, not USD). A name without a known quote is
/// the base, priced in USD (`AAPL`; `BTC-PERP`: base BTC). The base is never empty.
#[must_use]
pub fn split_name(name: &str) -> (String, String) {
    let name = name.to_ascii_uppercase();
    let name = match name.rsplit_once(SEPARATORS) {
        Some((rest, "PERP")) if !plain(rest).is_empty() => rest,
        _ => name.as_str(),
    };
    if let Some((rest, last)) = name.rsplit_once(SEPARATORS)
        && QUOTES.contains(&last)
        && !plain(rest).is_empty()
    {
        return (plain(rest), last.to_owned());
    }
    let joined = plain(name);
    let quote = QUOTES
        .into_iter()
        .filter(|q| joined.len() > q.len() && joined.ends_with(q))
        .max_by_key(|q| q.len());
    match quote {
        Some(quote) => (joined[..joined.len() - quote.len()].to_owned(), quote.to_owned()),
        None if joined.is_empty() => (name.to_owned(), FALLBACK_QUOTE.to_owned()),
        None => (joined, FALLBACK_QUOTE.to_owned()),
    }
}

fn plain(name: &str) -> String {
    name.replace(SEPARATORS, "")
}

/// Smallest order value in units of `quote`, as on Binance.
pub(super) fn min_notional(quote: &str) -> Decimal {
    match quote {
        "BTC" => Decimal::new(1, 4),
        "ETH" => Decimal::new(1, 3),
        "BNB" | "SOL" => Decimal::new(1, 2),
        "JPY" => Decimal::new(500, 0),
        _ => Decimal::new(5, 0),
    }
}

/// Default balances of an account: an amount of every quote asset, by asset.
#[must_use]
pub fn default_balances(instruments: &[Instrument]) -> Vec<(String, Decimal)> {
    let quotes: BTreeSet<&str> = instruments.iter().map(|i| i.quote.as_str()).collect();
    let amount = |quote: &str| match quote {
        "BTC" => 10,
        "ETH" => 100,
        "BNB" => 200,
        "SOL" => 1_000,
        "JPY" => 10_000_000,
        _ => 100_000,
    };
    quotes.into_iter().map(|q| (q.to_owned(), Decimal::new(amount(q), 0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_base_and_quote() {
        let cases = [
            ("BTCUSD", "BTC", "USD"),
            ("BTCBUSD", "BTC", "BUSD"),
            ("BTCUSDT", "BTC", "USDT"),
            ("BTCFDUSD", "BTC", "FDUSD"),
            ("BNB-USD", "BNB", "USD"),
            ("UNITTEST-BTC", "UNITTEST", "BTC"),
            ("XRPETH", "XRP", "ETH"),
            ("GBPUSD", "GBP", "USD"),
            ("BTC-PERP", "BTC", "USD"),
            ("ETHUSDT-PERP", "ETH", "USDT"),
            ("AAPL", "AAPL", "USD"),
            ("SPY-20230803", "SPY20230803", "USD"),
            ("USDT", "USDT", "USD"),
            ("BTC", "BTC", "USD"),
            ("-USD", "USD", "USD"),
            ("-PERP", "PERP", "USD"),
            ("--", "--", "USD"),
        ];
        for (name, base, quote) in cases {
            assert_eq!(split_name(name), (base.to_owned(), quote.to_owned()), "{name}");
        }
    }
}
