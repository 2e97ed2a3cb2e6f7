//! CSV tables for accountants: amounts exactly as the venue reported them or the books have them.

use super::period::Period;
use crate::exit::Failure;
use crate::sentences;
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::UtcMs;
use everwarm_history::records::{FillView, OrderView, TradeView};
use everwarm_words::text::{instant, plain};
use std::collections::BTreeMap;
use std::path::Path;

/// File of the trades that closed in the period.
pub const TRADES: &str = "trades.csv";
/// File of the executions in the period, each with its fee.
pub const FEES: &str = "fees.csv";

/// Writes both tables into a folder; creates the folder if it is missing.
///
/// # Errors
/// They could not be written.
pub fn write(
    folder: &Path,
    period: Period,
    (trades, fills, orders): (&[TradeView], &[FillView], &[OrderView]),
) -> Result<(), Failure> {
    let no = |e: std::io::Error| crate::backup::failed(folder, &e);
    std::fs::create_dir_all(folder).map_err(no)?;
    let put = |name: &str, lines: Vec<Vec<String>>| {
        let mut out = csv::Writer::from_writer(Vec::new());
        for line in lines {
            out.write_record(line).map_err(std::io::Error::from)?;
        }
        let bytes = out.into_inner().map_err(csv::IntoInnerError::into_error)?;
        everwarm_runtime::files::write_whole(&folder.join(name), &bytes)
    };
    put(TRADES, trade_lines(trades, period)).map_err(no)?;
    put(FEES, fee_lines(fills, orders, period)).map_err(no)
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn utc(time: UtcMs) -> String {
    format!("{}Z", instant(time).replace(' ', "T"))
}

fn trade_lines(trades: &[TradeView], period: Period) -> Vec<Vec<String>> {
    let mut lines = vec![head(&["opened", "closed", "symbol", "quantity", "cost", "result"])];
    for trade in trades {
        let Some(closed) = trade.closed.filter(|closed| period.has(*closed)) else { continue };
        lines.push(vec![
            utc(trade.opened),
            utc(closed),
            trade.symbol.to_string(),
            plain(trade.quantity),
            plain(trade.cost),
            plain(trade.pnl),
        ]);
    }
    lines
}

fn fee_lines(fills: &[FillView], orders: &[OrderView], period: Period) -> Vec<Vec<String>> {
    let strategies: BTreeMap<&ClientOrderId, &str> =
        orders.iter().map(|order| (&order.client_order_id, order.strategy.as_str())).collect();
    let mut lines = vec![head(&[
        "time",
        "symbol",
        "side",
        "quantity",
        "price",
        "amount",
        "fee",
        "fee_asset",
        "trade_id",
        "client_order_id",
        "strategy",
    ])];
    for fill in fills.iter().filter(|fill| period.has(fill.time)) {
        let amount = fill.price.checked_mul(fill.quantity).map_or(String::new(), plain);
        lines.push(vec![
            utc(fill.time),
            fill.symbol.to_string(),
            sentences::side(fill.side).to_owned(),
            plain(fill.quantity),
            plain(fill.price),
            amount,
            plain(fill.fee),
            fill.fee_asset.clone(),
            fill.trade_id.to_string(),
            fill.client_order_id.to_string(),
            strategies.get(&fill.client_order_id).copied().unwrap_or_default().to_owned(),
        ]);
    }
    lines
}
