//! `everwarm status`.

use super::Core;
use super::query::Args;
use crate::print::Printer;
use everwarm_views::coverage::{CoverageView, SeriesView};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{Asked, STATUS};
use everwarm_views::sentences;
use everwarm_views::views::StatusView;
use everwarm_words::text::{amount, count, hang, instant, plain, signed, thousands, took, wait};
use std::time::Duration;

/// Columns before the text of a line.
const INDENT: usize = 11;

/// Flags of `status`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    args: Args,
    /// Exit with code 4 if the daemon is not ready or not running.
    #[arg(long)]
    check: bool,
}

/// Prints the status.
pub fn print(args: &StatusArgs, core: &Core, printer: Printer) -> Result<Exit, Failure> {
    let StatusArgs { args, check } = args;
    let answer = args.daemon(core)?.ask(&STATUS, &Asked::default())?;
    let status: StatusView = answer.read()?;
    let exit = if *check && !status.ready { Exit::Problems } else { Exit::Fine };
    if args.json {
        return printer.answer(&answer).map(|_| exit);
    }
    let lines: Vec<String> =
        lines(&status).iter().flat_map(|line| hang(line, INDENT, printer.width)).collect();
    printer.lines(&lines).map(|_| exit)
}

/// External orders and holdings of the account, as text.
fn foreign(status: &StatusView) -> Vec<String> {
    let orders = count(status.foreign_orders, "order");
    let orders = (status.foreign_orders > 0).then_some(orders);
    let over = status.foreign.iter().map(|(asset, over)| format!("{} {asset}", plain(*over)));
    orders.into_iter().chain(over).collect()
}

/// Series that are named in the text, at most.
const NAMED: usize = 3;

/// The series that have the bars they need, and some of those that do not.
fn history(history: &CoverageView) -> String {
    let (series, ready) = history.counts();
    if series == 0 {
        return String::new();
    }
    let (symbols, whole) = (history.symbols_ready, count(history.symbols, "symbol"));
    let mut text =
        format!("{} of {whole}, {} of {series} series", thousands(symbols), thousands(ready));
    let more = (series - ready).saturating_sub(NAMED as u64);
    let cold = history.cold.iter().take(NAMED).map(cold);
    let more = (more > 0).then(|| format!("{} more", thousands(more)));
    let cold: Vec<String> = cold.chain(more).collect();
    if !cold.is_empty() {
        text = format!("{text}; not ready: {}", cold.join("; "));
    }
    text
}

/// One series with too few bars.
fn cold(series: &SeriesView) -> String {
    let SeriesView { symbol, timeframe, bars, needed, ready_in_ms, .. } = series;
    let when = match ready_in_ms {
        Some(ms) => format!("ready in {}", wait(*ms)),
        None => "its history is being loaded".to_owned(),
    };
    format!("{symbol} {timeframe} {} of {} bars, {when}", thousands(*bars), thousands(*needed))
}

/// Equity, cash and profit of the account.
fn account(status: &StatusView) -> String {
    let equity = status.equity.map_or("-".to_owned(), amount);
    let cash = status.cash.map_or("-".to_owned(), amount);
    let locked = signed(status.realized_pnl);
    let held = count(status.positions, "position");
    let adjusted = if status.adjusted.is_zero() {
        String::new()
    } else {
        format!(", adjustments {}", signed(status.adjusted))
    };
    format!("equity {equity}, cash {cash}, realised {locked}{adjusted}, {held}")
}

/// The status as text.
pub fn lines(status: &StatusView) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |name: &str, text: String| lines.push(format!("{name:<10} {text}"));
    let process = match (status.pid, status.uptime_ms) {
        (Some(pid), Some(ms)) => {
            format!(", process {pid} for {}", took(Duration::from_millis(ms)))
        }
        (Some(pid), None) => format!(", process {pid}"),
        (None, _) => String::new(),
    };
    add("state", format!("{}{process}", status.headline()));
    status.problems.iter().for_each(|problem| add("problem", problem.clone()));
    status.off.iter().for_each(|off| add("off", off.clone()));
    add("everwarm", status.version.clone());
    add("data", format!("{}, run {}", status.data_dir, status.life));
    let identity = format!("{}, epoch {}", status.installation, status.epoch);
    add("identity", format!("{identity}, configuration {}", status.config_generation));
    if !status.venue.is_empty() {
        let pace = status.pace.as_ref().map_or(String::new(), |pace| format!(", pace {pace}"));
        let used = status.budget_used_percent.map_or(String::new(), |used| {
            format!(", {used} % of the request budget used in this minute")
        });
        add("venue", format!("{}{pace}{used}", status.venue));
    }
    if let Some(live) = &status.live {
        let (order, day) = (amount(live.per_order), amount(live.per_day));
        add("live", format!("account {}, at most {order} an entry, {day} a day", live.account));
    }
    let closes = count(status.closes, "close");
    let newest = match status.close_time {
        Some(time) => {
            let symbols = count(status.symbols, "symbol");
            format!("{closes}, the newest {} UTC with {symbols}", instant(time))
        }
        None => closes,
    };
    let unsynced = match status.unsynced {
        None | Some(0) => String::new(),
        Some(facts) => format!(", {} not on disk yet", count(facts, "fact")),
    };
    add("market", format!("{newest}; input {}{unsynced}", thousands(status.head)));
    let history = history(&status.history);
    if !history.is_empty() {
        add("history", history);
    }
    let reasons = status.breaker_reasons.join("; ");
    let colon = if reasons.is_empty() { "" } else { ": " };
    let limits: Vec<String> = status.entry_limits.iter().map(|text| format!("; {text}")).collect();
    let limits = limits.concat();
    add("breaker", format!("{}{colon}{reasons}{limits}", sentences::level(status.breaker)));
    let orders = count(status.orders, "order");
    let (open, unknown) = (thousands(status.open_orders), thousands(status.unknown_orders));
    let fills = count(status.fills, "fill");
    add("orders", format!("{orders}, {open} not final, {unknown} with unknown status; {fills}"));
    add("account", account(status));
    for owed in &status.owed {
        add("owed exit", format!("{}, since {} UTC", owed.words(), instant(owed.since)));
    }
    let foreign = foreign(status);
    if !foreign.is_empty() {
        add("external", format!("{}; never touched", foreign.join(", ")));
    }
    add("restarts", thousands(status.restarts));
    for step in &status.steps {
        let took = took(Duration::from_micros(step.took_us));
        add("start", format!("{:<22} {took:>9}  {}", step.name, step.detail));
    }
    lines
}
