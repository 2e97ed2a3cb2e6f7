//! What sources send: pages of stock bars, the rules of a symbol, the dominance, and pools.

use super::spoil::{Step, spoiled, with_more, with_other_types};
use crate::shared::shared;
use everwarm_adapters::bar_rows::Rows;
use everwarm_adapters::{alpaca, coingecko, geckoterminal, polygon};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::Timeframe;
use everwarm_venue::source::BarRange;
use serde_json::Value;

/// A response to `GET /global`, shortened.
const GLOBAL: &[u8] = br#"{"data": {"active_cryptocurrencies": 17083, "ended_icos": 3376,
  "total_volume": {"eth": 38172650.5}, "market_cap_percentage": {"btc": 58.38439024390244,
  "eth": 11.9, "usdt": 4.600000000000001}, "market_cap_change_percentage_24h_usd": -1.2,
  "updated_at": 1767596100}}"#;

/// A response to `GET /networks/eth/pools/multi/0x88e6`, shortened.
const POOLS: &[u8] = br#"{"data": [{"type": "pool", "attributes": {"address": "0x88e6",
  "name": "USDC / WETH 0.05%", "base_token_price_usd": "0.999763421", "reserve_in_usd": "1639.5",
  "quote_token_price_usd": 3345.123456789012}, "relationships": {
  "base_token": {"data": {"id": "eth_0xa0b8", "type": "token"}},
  "quote_token": {"data": {"id": "eth_0xc02a", "type": "token"}}}}]}"#;

/// A decoder, with real or documented messages.
struct Decoder {
    read: fn(&[u8]) -> Result<String, String>,
    real: Vec<Vec<u8>>,
    /// The fields that it reads.
    fields: &'static [&'static str],
}

fn range(symbol: &str) -> BarRange {
    let symbol = Symbol::named(symbol).unwrap();
    BarRange { symbol, timeframe: Timeframe::M15, times: 0..=4_000_000_000_000 }
}

fn alpaca_page(bytes: &[u8]) -> Result<String, String> {
    let page = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let range = range("AMZN");
    let mut rows = Rows::of(&range);
    let next = alpaca::wire::add(&mut rows, &range, page)?;
    Ok(format!("{:?} {next:?}", rows.into_bars()))
}

fn alpaca_asset(bytes: &[u8]) -> Result<String, String> {
    let asset = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    alpaca::wire::rules(Symbol::named("AAPL").unwrap(), &asset).map(|rules| format!("{rules:?}"))
}

fn polygon_page(bytes: &[u8]) -> Result<String, String> {
    let page = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let range = range("AAPL");
    let mut rows = Rows::of(&range);
    let next = polygon::wire::add(&mut rows, &range, page)?;
    let known = ["https://api.polygon.io".to_owned()];
    let series = polygon::wire::series(&range)?;
    let path = next.map(|next| polygon::wire::next_path(&next, &known, &series));
    Ok(format!("{:?} {path:?}", rows.into_bars()))
}

/// Received in 2050.
fn dominance(bytes: &[u8]) -> Result<String, String> {
    let global = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    coingecko::wire::shares(&global, 2_524_608_000_000).map(|shares| format!("{shares:?}"))
}

fn pool_prices(bytes: &[u8]) -> Result<String, String> {
    let pools = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let wanted = ["0xa0b8", "0xc02a"].map(|contract| geckoterminal::Wanted {
        contract: contract.to_owned(),
        pool: "0x88e6".to_owned(),
    });
    geckoterminal::wire::prices("eth", &pools, &wanted).map(|prices| format!("{prices:?}"))
}

fn pool_bars(bytes: &[u8]) -> Result<String, String> {
    let response = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let range = BarRange { timeframe: Timeframe::H1, ..range("WETH") };
    let pool = ("base", "0x4c36388be6f416a29c8d8eee81c771ce6be14b18");
    let bars = geckoterminal::wire::bars(&range, pool, &response, 2_524_608_000_000);
    bars.map(|bars| format!("{bars:?}"))
}

fn decoders() -> [Decoder; 6] {
    let file = |name: &str| std::fs::read(shared("wire").join(name)).unwrap();
    let body = |name: &str, test: &str| {
        let all: Vec<Value> = serde_json::from_slice(&file(name)).unwrap();
        let one = all.iter().find(|one| one["test"] == test).unwrap();
        one["body_text"].as_str().unwrap().as_bytes().to_vec()
    };
    let name = "polygon/rest/v2_aggs_ticker_AAPL_range_1_day_2005_04_01_2005_04_04.json";
    let raw = String::from_utf8(file(name)).unwrap().replace("true", "false");
    let path = "/v2/aggs/ticker/AAPL/range/15/minute/1/2?cursor=a";
    let next = format!("\"next_url\": \"https://api.polygon.io{path}\", \"status\"");
    let raw = raw.replace("\"status\"", &next).into_bytes();
    [
        Decoder {
            read: alpaca_page,
            real: vec![body("alpaca/go_marketdata_rest_test.json", "TestGetBars")],
            fields: &["t", "o", "h", "l", "c", "v", "bars", "AMZN"],
        },
        Decoder {
            read: alpaca_asset,
            real: vec![body("alpaca/py_asset_routes.json", "test_get_asset")],
            fields: &["symbol", "class", "fractionable"],
        },
        Decoder {
            read: polygon_page,
            real: vec![raw],
            fields: &["t", "o", "h", "l", "c", "v", "ticker", "adjusted", "results", "status"],
        },
        Decoder {
            read: dominance,
            real: vec![GLOBAL.to_vec()],
            fields: &["data", "market_cap_percentage", "btc", "usdt", "updated_at"],
        },
        Decoder {
            read: pool_prices,
            real: vec![POOLS.to_vec()],
            fields: &["data", "attributes", "address", "relationships", "base_token", "id"],
        },
        Decoder {
            read: pool_bars,
            real: ["ohlcv_hour_real_rows.json", "shape_with_meta.json"]
                .map(|name| file(&format!("geckoterminal/{name}")))
                .to_vec(),
            fields: &["data", "ohlcv_list", "id"],
        },
    ]
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn any_bytes_of_a_source_give_bars_or_an_error() {
    for Decoder { read, real, .. } in decoders() {
        spoiled(&real, 4_000, |bytes| drop(read(bytes)));
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn new_fields_of_a_source_change_nothing_and_other_types_are_refused() {
    for Decoder { read, real, fields } in decoders() {
        for message in &real {
            let known = read(message).unwrap();
            let value: Value = serde_json::from_slice(message).unwrap();
            // Each field of the bars is another symbol.
            let known_symbols = |more: &Value| more["bars"].get("newField").is_none();
            for more in with_more(&value).into_iter().filter(known_symbols) {
                assert_eq!(read(more.to_string().as_bytes()).as_ref(), Ok(&known), "{more}");
            }
            for (path, other) in with_other_types(&value) {
                let Some(Step::Key(last)) = path.last() else { continue };
                let result = read(other.to_string().as_bytes());
                let read_field = fields.contains(&last.as_str());
                assert!(!read_field || result.is_err(), "{path:?}: {result:?}");
            }
        }
    }
}
