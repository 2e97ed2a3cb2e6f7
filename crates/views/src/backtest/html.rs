//! A backtest in words, and as one self-contained HTML page.

use super::view::{BacktestView, DaemonResult, NamedResult};
use crate::html::{chart, page as page_of, section, table};
use crate::summary::html::fees;
use everwarm_domain::money::Decimal;
use everwarm_words::text::{amount, count, instant, plain, rounded, signed, thousands};
use std::collections::BTreeSet;

/// Most gaps that are named.
const GAPS: usize = 5;

/// The HTML text.
#[must_use]
pub fn page(view: &BacktestView) -> String {
    let name = format!("backtest from {} to {}", instant(view.from), instant(view.to));
    let mut out = String::new();
    match &view.daemon {
        Some(DaemonResult::Traded(daemon)) => {
            let rows = side_by_side(&[view, daemon]).into_iter();
            let rows: Vec<[String; 3]> = rows.filter_map(|row| row.try_into().ok()).collect();
            table(&mut out, &["", "played", "the daemon"], &rows);
        }
        Some(DaemonResult::Differs(_)) | None => table(&mut out, &["", ""], &facts(view)),
    }
    section(&mut out, "Equity", false);
    out.push_str(&chart(&view.equity));
    let heads = ["", "trades", "won", "profit", "per trade", "profit factor", "minutes"];
    for (title, rows) in [
        ("Strategies", &view.strategies),
        ("Symbols", &view.symbols),
        ("Regimes at the entry", &view.regimes),
    ] {
        section(&mut out, title, rows.is_empty());
        table(&mut out, &heads, &results(rows));
    }
    section(&mut out, "Notes", notes(view).is_empty());
    let rows: Vec<[String; 1]> = notes(view).into_iter().map(|note| [note]).collect();
    table(&mut out, &[""], &rows);
    section(&mut out, "Trades", view.trades.is_empty());
    let price = |price: Option<Decimal>| price.map_or_else(|| "-".to_owned(), rounded);
    let row = |trade: &super::BacktestTradeView| {
        [
            instant(trade.opened),
            instant(trade.closed),
            trade.symbol.to_string(),
            trade.strategy.clone(),
            plain(trade.quantity),
            price(trade.entry),
            price(trade.exit),
            signed(trade.profit),
            trade.entry_reason.clone(),
            trade.exit_reason.clone(),
        ]
    };
    let heads = [
        "opened",
        "closed",
        "symbol",
        "strategy",
        "quantity",
        "entry",
        "exit",
        "profit",
        "why it was bought",
        "why it was sold",
    ];
    table(&mut out, &heads, &view.trades.iter().map(row).collect::<Vec<_>>());
    page_of(&name, &format!("{name}, UTC"), &out)
}

/// The figures, each with its name.
#[must_use]
pub fn facts(view: &BacktestView) -> Vec<[String; 2]> {
    let mut rows = figures(view);
    rows.push(["fees".to_owned(), fees(&view.account.fees)]);
    rows
}

/// All but the fees, which have as many units as assets.
fn figures(view: &BacktestView) -> Vec<[String; 2]> {
    let (account, all, orders) = (&view.account, &view.all, &view.orders);
    let declined: u64 = orders.declined.values().sum();
    let mut rows = vec![
        (
            "equity",
            format!("{} to {}", amount(account.equity_before), amount(account.equity_after)),
        ),
        ("profit", format!("{}, {}", signed(account.profit), percent(Some(account.growth)))),
        ("profit a year", percent(account.growth_per_year)),
        ("buy and hold", percent(account.buy_and_hold)),
        ("maximum drawdown", percent(Some(account.drawdown))),
        ("Sharpe ratio", number(account.sharpe)),
        ("Sortino ratio", number(account.sortino)),
        ("exposure", percent(Some(account.exposure))),
        ("trades", format!("{}, {} won", thousands(all.trades), thousands(all.won))),
        ("win rate", percent(all.win_rate)),
        ("profit per trade", all.expectancy.map_or_else(dash, signed)),
        ("profit factor", number(all.profit_factor)),
        ("best, worst trade", format!("{}, {}", signed(all.best), signed(all.worst))),
        ("open lots", thousands(account.open_lots)),
        ("signals, declined", format!("{}, {}", thousands(orders.signals), thousands(declined))),
    ];
    let (placed, fills) = (thousands(orders.orders), thousands(orders.fills));
    let rejected = thousands(orders.rejected);
    rows.push(("orders, rejected, fills", format!("{placed}, {rejected}, {fills}")));
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

/// The figures of some results, and those of each strategy that one of them has. A row has a name,
/// then the text of each result.
#[must_use]
pub fn side_by_side(views: &[&BacktestView]) -> Vec<Vec<String>> {
    let row = |name: String, texts: Vec<String>| [vec![name], texts].concat();
    let columns: Vec<_> = views.iter().map(|view| figures(view)).collect();
    let mut rows = Vec::new();
    for (at, [name, _]) in columns.first().into_iter().flatten().enumerate() {
        rows.push(row(name.clone(), columns.iter().map(|of| of[at][1].clone()).collect()));
    }
    let assets: BTreeSet<&String> =
        views.iter().flat_map(|view| view.account.fees.keys()).collect();
    for asset in assets {
        let fee = |view: &&BacktestView| {
            view.account.fees.get(asset).map_or_else(dash, |fee| plain(*fee))
        };
        rows.push(row(format!("fees in {asset}"), views.iter().map(fee).collect()));
    }
    let names: BTreeSet<&String> =
        views.iter().flat_map(|view| &view.strategies).map(|of| &of.name).collect();
    for name in names {
        let profit = |view: &&BacktestView| {
            let found = view.strategies.iter().find(|of| of.name == *name);
            found.map_or_else(dash, |of| {
                format!("{}, {}", signed(of.result.profit), count(of.result.trades, "trade"))
            })
        };
        rows.push(row(format!("profit of {name}"), views.iter().map(profit).collect()));
    }
    rows
}

/// Results of strategies or symbols, in words.
#[must_use]
pub fn results(rows: &[NamedResult]) -> Vec<[String; 7]> {
    let row = |NamedResult { name, result }: &NamedResult| {
        [
            name.clone(),
            thousands(result.trades),
            percent(result.win_rate),
            signed(result.profit),
            result.expectancy.map_or_else(dash, signed),
            number(result.profit_factor),
            result.mean_minutes.map_or_else(dash, |minutes| minutes.to_string()),
        ]
    };
    rows.iter().map(row).collect()
}

/// What lacks in the bars, and why signals were declined.
#[must_use]
pub fn notes(view: &BacktestView) -> Vec<String> {
    let mut notes = Vec::new();
    for (id, ready) in &view.data.ready {
        match ready {
            None => notes.push(format!("{id} never had all its values: the bars are too few")),
            Some(at) if *at > view.from + everwarm_domain::time::MINUTE => {
                notes.push(format!("{id} had all its values from {} on", instant(*at)));
            }
            Some(_) => {}
        }
    }
    for (symbol, missing) in &view.data.missing {
        notes.push(format!("{symbol} lacks {}", count(*missing, "bar")));
    }
    for gap in view.data.gaps.iter().take(GAPS) {
        notes.push(format!("no close from {} to {}", instant(gap.from), instant(gap.to)));
    }
    let more = view.data.gaps_all.saturating_sub(GAPS as u64);
    if more > 0 {
        notes.push(format!("and {} more", count(more, "gap")));
    }
    if let Some(DaemonResult::Differs(why)) = &view.daemon {
        notes.push(format!("no result of the daemon to compare with: {why}"));
    }
    for (code, times) in &view.orders.declined {
        notes.push(format!("declined {code}: {}", thousands(*times)));
    }
    notes
}

fn dash() -> String {
    "-".to_owned()
}

fn percent(share: Option<Decimal>) -> String {
    let percent = |share: Decimal| share.saturating_mul(Decimal::ONE_HUNDRED).round_dp(2);
    share.map_or_else(dash, |share| format!("{} %", plain(percent(share))))
}

fn number(value: Option<Decimal>) -> String {
    value.map_or_else(dash, |value| plain(value.round_dp(2)))
}
