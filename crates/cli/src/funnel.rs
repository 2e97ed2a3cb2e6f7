//! `everwarm funnel`.

use super::{Core, query};
use crate::print::Printer;
use crate::progress::Progress;
use everwarm_domain::money::Decimal;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, FUNNEL};
use everwarm_views::summary::Period;
use everwarm_views::views::{FunnelView, StepsView, StrategyFunnelView};
use everwarm_words::text::{Table, count, hang, signed, thousands};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Columns before the continuation of a long line.
const INDENT: usize = 2;

/// Flags of `funnel`.
#[derive(Clone, Debug, clap::Args)]
pub struct FunnelArgs {
    /// A UTC day, like 2026-01-05 [default: the whole journal].
    #[arg(value_name = "DATE", value_parser = Period::day)]
    day: Option<Period>,
    /// A month, like 2026-01.
    #[arg(long, value_name = "MONTH", value_parser = Period::month, conflicts_with = "day")]
    month: Option<Period>,
    #[command(flatten)]
    args: query::Args,
}

/// Prints the counts of each step.
pub fn print(args: &FunnelArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let progress = Arc::new(Progress::begin("counting signals and orders", !printer.quiet));
    let asked = Asked::within(args.day.or(args.month));
    let answer = args.args.daemon_counted(core, &progress)?.ask(&FUNNEL, &asked)?;
    drop(progress);
    if args.args.json {
        return printer.answer(&answer);
    }
    let view: FunnelView = answer.read()?;
    printer.lines(&lines(&view, printer.width)).map(|_| Exit::Fine)
}

fn lines(view: &FunnelView, width: usize) -> Vec<String> {
    let (mut lines, mut texts) = (Vec::new(), Vec::new());
    if !view.strategies.is_empty() {
        let titles =
            ["strategy", "kind", ">signals", ">approved", ">orders", ">sent", ">filled", ">failed"];
        let mut table = Table::new(&titles);
        for of in &view.strategies {
            for (name, steps) in ways(of) {
                if *steps != StepsView::default() {
                    table.row(row(&of.strategy, name, steps));
                }
            }
            texts.extend(reasons(of));
        }
        lines.extend(table.lines(width));
        lines.push(String::new());
    }
    let closes = count(view.closes, "close");
    texts.push(match view.failure_rate {
        Some(rate) => {
            let (failed, orders) = (thousands(view.failed), count(view.orders, "order"));
            format!("{closes}: {failed} of {orders} failed ({})", percent(rate))
        }
        None => format!("{closes}: no orders were decided"),
    });
    lines.extend(texts.iter().flat_map(|text| hang(text, INDENT, width)));
    lines
}

const fn ways(of: &StrategyFunnelView) -> [(&'static str, &StepsView); 3] {
    [("entries", &of.entries), ("exits", &of.exits), ("protective", &of.protective)]
}

fn row(strategy: &str, name: &str, steps: &StepsView) -> Vec<String> {
    let of = |number: u64, rate: Option<Decimal>| {
        let number = thousands(number);
        rate.map_or_else(|| number.clone(), |rate| format!("{number} ({})", percent(rate)))
    };
    vec![
        strategy.to_owned(),
        name.to_owned(),
        thousands(steps.signals),
        of(steps.approved, steps.approved_rate),
        thousands(steps.orders),
        of(steps.sent, steps.sent_rate),
        of(steps.filled, steps.filled_rate),
        of(steps.failed, steps.failure_rate),
    ]
}

/// The reasons and the results of one strategy.
fn reasons(of: &StrategyFunnelView) -> Vec<String> {
    let name = &of.strategy;
    let mut texts = Vec::new();
    for (way, steps) in ways(of) {
        let mut list = |what: &str, reasons: &BTreeMap<String, u64>| {
            if !reasons.is_empty() {
                texts.push(format!("{name} {way} {what}: {}", listed(reasons)));
            }
        };
        list("declined", &steps.declined);
        list("ended", &steps.ended);
        list("failed", &steps.failures);
        let mut rest = Vec::new();
        for (number, what) in [(steps.withdrawn, "withdrawn unsent"), (steps.open, "still open")] {
            if number > 0 {
                rest.push(format!("{} {what}", thousands(number)));
            }
        }
        if !rest.is_empty() {
            texts.push(format!("{name} {way}: {}", rest.join(", ")));
        }
    }
    let owed = &of.owed;
    if owed.opened > 0 {
        let [opened, ended, left] = [owed.opened, owed.ended, owed.owed].map(thousands);
        let by = match owed.by_rules {
            0 => String::new(),
            rules => format!(" ({} by exit rules)", thousands(rules)),
        };
        let mut text =
            format!("{name} exits: {opened} decided{by}, {ended} ended, {left} still owed");
        if !owed.waiting.is_empty() {
            text = format!("{text}: {}", listed(&owed.waiting));
        }
        texts.push(text);
    }
    let trades = &of.trades;
    if trades.closed > 0 {
        let [won, lost] = [trades.won, trades.lost].map(thousands);
        let (closed, made) = (count(trades.closed, "trade"), signed(trades.realized));
        texts.push(format!("{name}: {closed} closed, {won} won, {lost} lost, profit {made}"));
    }
    texts
}

/// Reasons with their numbers, the most frequent first.
fn listed(reasons: &BTreeMap<String, u64>) -> String {
    let mut reasons: Vec<(&String, &u64)> = reasons.iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let one = |(why, times): &(&String, &u64)| format!("{why} {}", thousands(**times));
    reasons.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A ratio as a percentage with at most one decimal.
fn percent(ratio: Decimal) -> String {
    format!("{} %", (ratio * Decimal::ONE_HUNDRED).round_dp(1).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_views::views::{ClosedTradesView, OwedStepsView};

    #[test]
    fn each_step_has_its_number_and_its_reasons() {
        let counted = |of: &[(&str, u64)]| of.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
        let ratio = |text: &str| Some(text.parse().unwrap());
        let entries = StepsView {
            signals: 1_200,
            declined: counted(&[("cash", 2), ("max-positions", 1_098)]),
            approved: 100,
            orders: 100,
            withdrawn: 1,
            sent: 98,
            filled: 97,
            fills: 120,
            ended: counted(&[("expired", 2), ("filled", 97)]),
            open: 1,
            failed: 2,
            failures: counted(&[("too late to send", 2)]),
            failure_rate: ratio("0.02"),
            approved_rate: ratio("0.083333"),
            sent_rate: ratio("0.98"),
            filled_rate: ratio("0.989796"),
        };
        let owed = OwedStepsView {
            opened: 3,
            by_rules: 2,
            ended: 2,
            owed: 1,
            waiting: counted(&[("halted", 1)]),
        };
        let trades =
            ClosedTradesView { closed: 2, won: 1, lost: 1, realized: "-3.5".parse().unwrap() };
        let of = StrategyFunnelView {
            strategy: "sma_cross".to_owned(),
            entries,
            owed,
            trades,
            ..StrategyFunnelView::default()
        };
        let mut view = FunnelView {
            closes: 5_000,
            strategies: vec![of],
            orders: 100,
            failed: 2,
            failure_rate: ratio("0.02"),
            ..FunnelView::default()
        };
        let want = [
            "strategy   kind     signals     approved  orders       sent     filled   failed",
            "sma_cross  entries    1,200  100 (8.3 %)     100  98 (98 %)  97 (99 %)  2 (2 %)",
            "",
            "sma_cross entries declined: max-positions 1,098, cash 2",
            "sma_cross entries ended: filled 97, expired 2",
            "sma_cross entries failed: too late to send 2",
            "sma_cross entries: 1 withdrawn unsent, 1 still open",
            "sma_cross exits: 3 decided (2 by exit rules), 2 ended, 1 still owed: halted 1",
            "sma_cross: 2 trades closed, 1 won, 1 lost, profit -3.50",
            "5,000 closes: 2 of 100 orders failed (2 %)",
        ];
        assert_eq!(lines(&view, 100), want);
        view = FunnelView { closes: 1, ..FunnelView::default() };
        assert_eq!(lines(&view, 100), ["1 close: no orders were decided"]);
    }
}
