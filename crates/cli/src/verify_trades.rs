//! `everwarm verify-trades`.

use super::Core;
use super::query::ListArgs;
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, VERIFY_TRADES};
use everwarm_views::views::{VerifiedTradeView, VerifyTradesView};
use everwarm_words::text::{Table, count, hang, instant, plain, rounded, signed, thousands};
use std::sync::Arc;

/// Columns before the continuation of a long line.
const INDENT: usize = 2;

/// Computes every trade again and prints the trades and the differences.
pub fn print(list: &ListArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let progress = Arc::new(Progress::begin("computing every trade again", !printer.quiet));
    let asked = Asked::default().with("limit", list.limit());
    let answer = list.args.daemon_counted(core, &progress)?.ask(&VERIFY_TRADES, &asked)?;
    drop(progress);
    let view: VerifyTradesView = answer.read()?;
    let exit = if view.differing == 0 { Exit::Fine } else { Exit::Problems };
    if list.args.json {
        return printer.answer(&answer).map(|_| exit);
    }
    let shown = view.trades.len() as u64;
    if shown < view.closed {
        let closed = thousands(view.closed);
        printer.note(&format!("the newest {shown} of {closed} trades; --limit 0 shows more"));
    }
    printer.lines(&lines(&view, printer.width)).map(|_| exit)
}

fn lines(view: &VerifyTradesView, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.trades.is_empty() {
        let mut table = Table::new(&[
            "closed (UTC)",
            "symbol",
            "strategy",
            ">bought",
            ">entry",
            ">sold",
            ">exit",
            ">fees",
            ">profit",
        ]);
        for trade in &view.trades {
            table.row(row(trade));
        }
        lines.extend(table.lines(width));
        lines.push(String::new());
    }
    let mut texts: Vec<String> = view.trades.iter().filter_map(moved).collect();
    texts.extend(view.problems.iter().map(|p| format!("{} {}: {}", p.key, p.kind, p.text)));
    let more = view.differing.saturating_sub(view.problems.len() as u64);
    if more > 0 {
        texts.push(format!("and {} more", thousands(more)));
    }
    if view.unbooked > 0 {
        let fills = count(view.unbooked, "fill");
        texts.push(format!("{fills} at the end of the journal: not in the books yet"));
    }
    let (fills, facts) = (count(view.fills, "fill"), count(view.facts, "fact"));
    let closed = count(view.closed, "closed trade");
    texts.push(match view.differing {
        0 => format!("{fills}, {closed}: all {facts} of the books agree with the fills"),
        1 => format!("{fills}, {closed}: 1 of {facts} of the books differs from the fills"),
        some => {
            let some = thousands(some);
            format!("{fills}, {closed}: {some} of {facts} of the books differ from the fills")
        }
    });
    lines.extend(texts.iter().flat_map(|text| hang(text, INDENT, width)));
    lines
}

fn row(trade: &VerifiedTradeView) -> Vec<String> {
    let average = |price: Option<_>| price.map_or_else(|| "-".to_owned(), rounded);
    vec![
        instant(trade.closed),
        trade.symbol.to_string(),
        trade.strategy.clone(),
        plain(trade.bought),
        average(trade.entry_average),
        plain(trade.sold),
        average(trade.exit_average),
        rounded(trade.fees),
        signed(trade.profit),
    ]
}

/// What a trade contains besides its purchases and sales; none: nothing.
fn moved(trade: &VerifiedTradeView) -> Option<String> {
    let mut parts = Vec::new();
    for (quantity, cost, what) in [
        (trade.moved_in, trade.moved_in_cost, "moved in from other lots"),
        (trade.moved_out, trade.moved_out_cost, "moved out to other lots"),
    ] {
        if !quantity.is_zero() {
            parts.push(format!("{} {what} at a cost of {}", plain(quantity), rounded(cost)));
        }
    }
    if !trade.base_fees.is_zero() {
        parts.push(format!("{} paid as base fees", plain(trade.base_fees)));
    }
    for (asset, fee) in &trade.other_fees {
        parts.push(format!("{} {asset} of fees, not in the profit", plain(*fee)));
    }
    if !trade.external.is_zero() {
        parts.push(format!("{} from external holdings", rounded(trade.external)));
    }
    let VerifiedTradeView { symbol, strategy, .. } = trade;
    let closed = instant(trade.closed);
    (!parts.is_empty()).then(|| format!("{closed} {symbol} of {strategy}: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;
    use everwarm_domain::money::Decimal;
    use everwarm_views::views::ProblemView;
    use std::collections::BTreeMap;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn trade() -> VerifiedTradeView {
        VerifiedTradeView {
            strategy: "sma_cross".to_owned(),
            symbol: Symbol::new("BTCUSDT").unwrap(),
            opened: Some(0),
            closed: 60_000,
            bought: dec("2"),
            cost: dec("200"),
            entry_average: Some(dec("100")),
            sold: dec("1.999"),
            proceeds: dec("219.89"),
            exit_average: Some(dec("110")),
            fees: dec("0.22"),
            base_fees: dec("0.001"),
            other_fees: BTreeMap::from([("BNB".to_owned(), dec("0.5"))]),
            moved_in: Decimal::ZERO,
            moved_in_cost: Decimal::ZERO,
            moved_out: Decimal::ZERO,
            moved_out_cost: Decimal::ZERO,
            external: Decimal::ZERO,
            profit: dec("19.67"),
        }
    }

    #[test]
    fn a_trade_is_printed_with_its_arithmetic_and_the_first_difference_with_both_numbers() {
        let agree = VerifyTradesView {
            fills: 2,
            facts: 9,
            closed: 1,
            trades: vec![trade()],
            ..VerifyTradesView::default()
        };
        let printed = lines(&agree, 100);
        assert!(printed[1].contains("1970-01-01 00:01  BTCUSDT  sma_cross"), "{printed:#?}");
        for cell in [" 2 ", " 100", " 1.999 ", " 110", " 0.22 ", "+19.67"] {
            assert!(printed[1].contains(cell), "{cell}: {}", printed[1]);
        }
        let want = [
            "1970-01-01 00:01 BTCUSDT of sma_cross: 0.001 paid as base fees; 0.5 BNB of fees, not \
             in the profit",
            "2 fills, 1 closed trade: all 9 facts of the books agree with the fills",
        ];
        assert_eq!(printed[3..], want);
        let text = "BTCUSDT: cost 3 in the fact, 2 by its executions".to_owned();
        let (key, kind) = ("7.800.0".to_owned(), "Ledger.Position".to_owned());
        let problems = vec![ProblemView { key, kind, text }];
        let view = VerifyTradesView { differing: 3, problems, unbooked: 1, fills: 2, ..agree };
        let printed = lines(&view, 100);
        let want = [
            "7.800.0 Ledger.Position: BTCUSDT: cost 3 in the fact, 2 by its executions",
            "and 2 more",
            "1 fill at the end of the journal: not in the books yet",
            "2 fills, 1 closed trade: 3 of 9 facts of the books differ from the fills",
        ];
        assert_eq!(printed[printed.len() - 4..], want);
    }
}
