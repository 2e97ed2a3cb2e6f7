//! The rules of `doctor`: each reports a problem, since when it exists, and what to do.
//!
//! Over 500 lines: one function a rule.

mod beside;

use super::causes::causes_first;
use super::exposed::{Cause, exposed};
use super::fold::most_frequent;
use super::lasting;
use super::signs::{Signs, Waiting};
use crate::coverage::{SeriesView, StrategyReadyView};
use crate::emergency::EmergencyState;
use crate::sentences;
use crate::stored_texts::shown;
use crate::views::{ApartView, FindingView, HealthView, OwedState, Severity, SymbolView};
use everwarm_domain::fact::{BreakerLevel, Standing};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_domain::path::SIMULATED;
use everwarm_domain::switch::SafeStep;
use everwarm_domain::time::{MINUTE, UtcMs, date_of, day_of};
use everwarm_trading::orders::order_states::CANCELS_MAX;
use everwarm_words::text::{count, instant, plain, shell_word, thousands, wait};
use std::collections::BTreeMap;

/// How long a part may make no progress, milliseconds of wall time, and what to do then. It applies
/// to parts that have work and to parts that are never done. The last line is for stages.
const DEADLINES: &[(&str, UtcMs, Todo)] = &[
    ("store", 5_000, DISK),
    ("projector", 30_000, DISK),
    ("watch", 30_000, LOOK),
    // Each of these makes progress every ten seconds or more often, the feed as the market does.
    ("trading/clock", 10_000, ANEW),
    ("trading/bars/closer", 30_000, ANEW),
    ("trading/bars/universe", 30_000, ANEW),
    ("trading/feeds/feed", 90_000, SILENT),
    ("ops/hangup", 30_000, ANEW),
    ("ops/files", 30_000, ANEW),
    ("ops/log", 30_000, ANEW),
    ("ops/steward", 30_000, ANEW),
    ("", 10_000, LOOK),
];
/// What to do, and the command for it.
type Todo = (&'static str, &'static str);
const DISK: Todo = ("the disk does not accept writes: check it", "df -h");
const LOOK: Todo =
    ("check its state; a process that hangs ends with exit code 13", "everwarm tree");
const ANEW: Todo = ("check its state, keep the log, then restart the daemon", "everwarm tree");
const SILENT: Todo = (
    "it is connected but receives nothing. If the venue shows trades, restart the feed: disable \
     it with this command, then enable it",
    "everwarm disable root/trading/feeds --reason \"silent\"",
);
/// Maximum age of the newest close, milliseconds of venue time.
const CLOSE_AGE: UtcMs = 3 * MINUTE;
/// How long an order's status may be unknown, milliseconds of venue time.
const UNKNOWN: UtcMs = 2 * MINUTE;
/// How long an order may be decided and not sent, milliseconds of venue time. It expires after
/// `trading.valid_for_s`.
const UNSENT: UtcMs = MINUTE;
/// How long a cancel may take, milliseconds of venue time.
const CANCELLING: UtcMs = 2 * MINUTE;
/// How long an exit may be owed, milliseconds of venue time.
const OWED: UtcMs = 2 * MINUTE;
/// A finding: at least so many signals without an order, over at least this time.
const NO_ORDERS: (u64, UtcMs) = (10, 60 * MINUTE);
/// The same for orders without a fill.
const NO_FILLS: (u64, UtcMs) = (3, 30 * MINUTE);
/// How long a series may lack bars for its first value, milliseconds of venue time.
const COLD: i64 = 60 * MINUTE;
/// How long deliveries to a receiver may fail, milliseconds.
const DELIVERY: UtcMs = MINUTE;
/// What to do about a difference between the account and the books.
const COMPARE: &str = "compare both sides with everwarm reconcile, then accept one";
const NO_SYMBOL: &str = "no symbol is listed: correct market.universe before you accept a side";
/// The data directory that commands use if none is named.
const DATA_DIR: &str = "everwarm-data";
/// Path of the market's stream in the tree.
const FEEDS: &str = "root/trading/feeds";
type Rule = fn(&Signs, &mut Vec<FindingView>);

/// All rules, by the name of the check.
const RULES: &[(&str, Rule)] = &[
    ("process", process),
    ("journal", journal),
    ("conflicts", conflicts),
    ("quarantine", quarantine),
    ("branches", branches),
    ("breaker", breaker),
    ("ready", ready),
    ("progress", progress),
    ("venue", venue),
    ("market", market),
    ("stale", stale),
    ("odd-bars", odd_bars),
    ("history", history),
    ("unsent", unsent),
    ("unknown", unknown),
    ("cancels", cancels),
    ("unprotected", unprotected),
    ("owed", owed),
    ("no-orders", no_orders),
    ("no-fills", no_fills),
    ("clock", clock),
    ("disk", disk),
    ("emergency", emergency),
    ("configuration", configuration),
    ("messages", messages),
    ("self-replay", self_replay),
    ("stored-bars", beside::stored_bars),
    ("old-bars", beside::old_bars),
    ("sources", beside::sources),
];

/// All findings, the most severe first, and each cause before its consequences.
#[must_use]
pub fn findings(signs: &Signs) -> HealthView {
    let mut findings = Vec::new();
    for (name, rule) in RULES {
        let from = findings.len();
        rule(signs, &mut findings);
        for finding in &mut findings[from..] {
            (*name).clone_into(&mut finding.check);
            finding.command = finding.command.take().map(|command| there(signs, command));
        }
    }
    causes_first(&mut findings);
    let checks = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
    HealthView { running: signs.running, healthy: findings.is_empty(), checks, findings }
}

/// A command with the data directory that was checked, and with its configuration
/// file if the command reads the configuration.
fn there(signs: &Signs, mut command: String) -> String {
    let folder = &signs.status.data_dir;
    if command == DISK.1 {
        let folder = if folder.is_empty() { DATA_DIR } else { folder };
        return format!("{command} {}", shell_word(folder));
    }
    if !command.starts_with("everwarm ") {
        return command;
    }
    if let Some(file) = signs.config.as_ref().filter(|_| is_configured(&command)) {
        command = format!("{command} --config {}", shell_word(file));
    }
    if !folder.is_empty() && folder != DATA_DIR {
        command = format!("{command} --data-dir {}", shell_word(folder));
    }
    command
}

/// Whether a command reads the configuration, instead of only querying a daemon.
#[must_use]
pub fn is_configured(command: &str) -> bool {
    ["run", "config", "panic"].iter().any(|verb| command.split(' ').nth(1) == Some(*verb))
}

fn finding(severity: Severity, text: String, todo: &str) -> FindingView {
    FindingView { severity, text, todo: todo.to_owned(), ..FindingView::default() }
}

impl FindingView {
    fn since(self, since: UtcMs, now: UtcMs) -> FindingView {
        // A fact from before the venue's time was known has no time.
        if since == UtcMs::MIN {
            return self;
        }
        let for_s = u64::try_from((now - since) / 1000).unwrap_or(0);
        FindingView { since: Some(since), for_s: Some(for_s), ..self }
    }

    fn after(self, since: Option<UtcMs>, now: UtcMs) -> FindingView {
        match since {
            Some(since) => self.since(since, now),
            None => self,
        }
    }

    fn by(self, command: impl Into<String>) -> FindingView {
        FindingView { command: Some(command.into()), ..self }
    }
}

fn process(signs: &Signs, found: &mut Vec<FindingView>) {
    if signs.running {
        return;
    }
    let held = signs.held.len() as u64;
    let (open, positions) =
        (count(signs.status.open_orders, "open order"), count(held, "position"));
    let alone = if held + signs.status.open_orders == 0 {
        String::new()
    } else {
        format!("; nobody manages {positions} and {open}")
    };
    let view = finding(
        Severity::Broken,
        format!("no daemon is running{alone}"),
        "start it; its log and its exit code show why it stopped",
    );
    found.push(view.after(signs.written, signs.wall).by("everwarm run"));
}

fn conflicts(signs: &Signs, found: &mut Vec<FindingView>) {
    for conflict in &signs.status.conflicts {
        let id = conflict.id();
        let text = format!("conflict {id}: {}", sentences::conflict(conflict));
        let accept = format!("everwarm resolve {id} --accept venue --reason \"why\"");
        let (todo, command) = match signs.symbols[..] {
            [] => (NO_SYMBOL, "everwarm config check".to_owned()),
            [..] => (COMPARE, accept),
        };
        let since = signs.facts.conflicts.get(&id).copied().unwrap_or(signs.facts.now);
        let view = finding(Severity::Broken, text, todo);
        found.push(view.since(since, signs.venue).by(command));
    }
}

fn quarantine(signs: &Signs, found: &mut Vec<FindingView>) {
    for one in &signs.quarantines {
        let text = format!("quarantine {}: {}", one.id, one.text);
        let (todo, verb) = match one.quarantine.effect {
            everwarm_kernel::fact::Effect::Parts => {
                ("check the input, then allow entries of its symbols again", "drop")
            }
            everwarm_kernel::fact::Effect::Stage
            | everwarm_kernel::fact::Effect::Stopped
            | everwarm_kernel::fact::Effect::Down => ("repair the cause, then retry", "retry"),
        };
        // An operator chose this, but no other rule reports that the stage is stopped.
        let dropped = one.quarantine.dropped;
        let severity = if dropped { Severity::Warning } else { Severity::Broken };
        let view = finding(severity, text, todo);
        let command = format!("everwarm quarantine {verb} {}", one.id);
        found.push(view.since(one.quarantine.time, signs.venue).by(command));
    }
}

fn branches(signs: &Signs, found: &mut Vec<FindingView>) {
    // Without a process all branches are down, and the next start starts them.
    for (path, since) in signs.facts.branches.iter().filter(|_| signs.running) {
        let problems = &signs.status.problems;
        let prefix = format!("{path} is stopped by its supervisor");
        let text = problems.iter().find(|problem| problem.starts_with(&prefix)).cloned();
        let text = text.unwrap_or_else(|| format!("{prefix}; no entries"));
        let todo = "repair the cause, then retry now; the daemon retries every minute";
        let view = finding(Severity::Broken, text, todo).since(*since, signs.venue);
        found.push(view.by(format!("everwarm retry {path}")));
    }
}

fn breaker(signs: &Signs, found: &mut Vec<FindingView>) {
    let (level, since) = signs.breaker();
    let severity = match level {
        BreakerLevel::Normal => return,
        BreakerLevel::Reduced | BreakerLevel::ExitsOnly => Severity::Warning,
        BreakerLevel::Halted => Severity::Broken,
    };
    let (allowed, operators) = signs.switches.level();
    let operators: Vec<String> = operators.iter().map(|reason| shown(reason)).collect();
    let mut reasons = signs.status.breaker_reasons.clone();
    reasons.extend(
        operators.into_iter().filter(|reason| !signs.status.breaker_reasons.contains(reason)),
    );
    let reasons = reasons.join("; ");
    let colon = if reasons.is_empty() { "" } else { ": " };
    let text = format!("the breaker is at {}{colon}{reasons}", sentences::level(level));
    let view = finding(severity, text, "it returns to normal when all its reasons end");
    let view = view.after(since, signs.venue);
    // `resume` does not end a safe start, which continues by its own steps.
    let command = match signs.switches.step() {
        SafeStep::Collect => "everwarm safe-start exits --reason \"why\"",
        SafeStep::Exits => "everwarm safe-start trade --reason \"why\"",
        SafeStep::Trade if reasons.contains("--new-peak") => {
            "everwarm resume --new-peak --reason \"why\""
        }
        SafeStep::Trade if allowed == BreakerLevel::Normal => "everwarm status",
        SafeStep::Trade => "everwarm resume --reason \"why\"",
    };
    found.push(view.by(command));
}

fn ready(signs: &Signs, found: &mut Vec<FindingView>) {
    // Another rule reports these conditions.
    let reported = |name: &str| match name {
        "venue" => signs.trouble.is_some(),
        "reconciled" => !signs.status.conflicts.is_empty(),
        "store" => signs.waiting.iter().any(|one| one.part == "store" && is_late(signs, one)),
        _ => false,
    };
    let open = lasting::open(signs);
    for check in open.filter(|check| signs.running && !reported(&check.name)) {
        let text = format!("not ready, {}: {}", check.name, check.detail);
        let todo = "wait, or raise the log level to see what it waits for";
        let view = finding(Severity::Broken, text, todo);
        let view = view.after(first(signs, &lasting::ready(&check.name)), signs.wall);
        found.push(view.by("everwarm log-level everwarm=info"));
    }
}

/// Strategies that cannot trade a symbol for a long time, because it has too few past bars.
fn history(signs: &Signs, found: &mut Vec<FindingView>) {
    let history = &signs.status.history;
    let longest = history.cold.iter().find(|series| series.ready_in_ms >= Some(COLD));
    let Some(SeriesView { symbol, timeframe, bars, needed, ready_in_ms, .. }) = longest else {
        return;
    };
    let waits = |one: &&StrategyReadyView| one.ready < one.symbols;
    let strategies = history.strategies.iter().filter(waits);
    let strategies = strategies.map(|StrategyReadyView { strategy, symbols, ready }| {
        format!("{strategy} has values for {ready} of {symbols} symbols")
    });
    let strategies = strategies.collect::<Vec<_>>().join(", ");
    let wait = wait(ready_in_ms.unwrap_or(0));
    let text = format!(
        "{strategies}: {symbol} has {bars} of {needed} bars of {timeframe}, ready in {wait}"
    );
    let todo = "the venue has no more: wait, shorten the lengths, or exclude the symbol";
    found.push(finding(Severity::Warning, text, todo).by("everwarm status"));
}

/// Start of a condition that only repeated checks find, wall time; none: unknown.
fn first(signs: &Signs, name: &str) -> Option<UtcMs> {
    signs.first.get(name).copied()
}

/// Whether a part has its own deadline, the deadline, and what to do after it.
fn deadline(part: &str) -> (bool, UtcMs, Todo) {
    let line = |name: &str| DEADLINES.iter().find(|(of, ..)| *of == name);
    let own = line(part);
    own.or(line("")).map_or((false, 0, LOOK), |(_, ms, todo)| (own.is_some(), *ms, *todo))
}

/// Whether a part has made no progress for longer than it may.
fn is_late(signs: &Signs, waiting: &Waiting) -> bool {
    signs.wall - waiting.since >= deadline(&waiting.part).1
}

/// The parts with a deadline that are never done, by their path below the root.
pub fn never_done() -> impl Iterator<Item = &'static str> {
    DEADLINES.iter().map(|(part, ..)| *part).filter(|part| part.contains('/'))
}

fn progress(signs: &Signs, found: &mut Vec<FindingView>) {
    // Others wait for a stage that an operator must decide about: another rule reports it.
    let decided = signs.checks.iter().any(|check| check.name == "stages" && !check.ok);
    for waiting in &signs.waiting {
        let (own, _, (todo, command)) = deadline(&waiting.part);
        if !is_late(signs, waiting) || (decided && !own) {
            continue;
        }
        let text = format!("{} makes no progress: {}", waiting.part, waiting.what);
        let view = finding(Severity::Broken, text, todo).since(waiting.since, signs.wall);
        found.push(view.by(command));
    }
    for (path, since) in &signs.blocked {
        let text = format!("{path} blocks its thread");
        let todo =
            "if it stays blocked, the process ends with exit code 13; report it with the log";
        let view = finding(Severity::Broken, text, todo).since(*since, signs.wall);
        found.push(view.by("everwarm tree"));
    }
}

fn venue(signs: &Signs, found: &mut Vec<FindingView>) {
    if let Some((why, since)) = &signs.trouble {
        let text = format!("the venue cannot be used: {why}");
        let todo =
            "the daemon retries automatically; check its status page, the key and the network";
        found.push(
            finding(Severity::Broken, text, todo).since(*since, signs.wall).by("everwarm status"),
        );
    }
}

fn market(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some(close) = signs.facts.close.filter(|_| signs.running && signs.passes) else { return };
    // No close comes outside the trading hours.
    let hours = &signs.facts.calendar;
    let open = |row: &SymbolView| hours.of(row.symbol).open_between(close, signs.venue);
    let longest = signs.symbols.iter().map(open).max();
    if longest.unwrap_or(signs.venue - close) > CLOSE_AGE {
        let text = format!("no close after {} UTC", instant(close));
        let todo = "without a close no order is decided; check feeds and bars";
        let view = finding(Severity::Broken, text, todo).since(close + MINUTE, signs.venue);
        found.push(or_off(signs, view.by("everwarm tree")));
    }
}

/// The same finding. If an operator turned off the market's stream, it names that cause and its
/// command.
fn or_off(signs: &Signs, view: FindingView) -> FindingView {
    let Some(why) = signs.switches.processes.get(FEEDS) else { return view };
    let text = format!("{}; {FEEDS} was turned off by an operator: {}", view.text, why.reason);
    let todo = "while it is off, bars come late or not at all: turn it on";
    let todo = todo.to_owned();
    FindingView { text, todo, ..view }.by(format!("everwarm enable {FEEDS} --reason \"why\""))
}

fn stale(signs: &Signs, found: &mut Vec<FindingView>) {
    let old = signs
        .symbols
        .iter()
        .filter(|row| row.state == Standing::Trading && signs.facts.is_stale(row, signs.now()));
    let rows: Vec<_> = old.collect();
    let Some(oldest) = rows.iter().filter_map(|row| row.newest_bar).min() else { return };
    let names: Vec<&str> = rows.iter().take(5).map(|row| row.symbol.as_str()).collect();
    let more = if rows.len() > names.len() { ", …" } else { "" };
    let number = count(rows.len() as u64, "symbol");
    let text = format!("stale data: no new bar of {number} ({}{more})", names.join(", "));
    let todo = "they get no entries; if the venue shows trades, check the feed";
    let view = finding(Severity::Warning, text, todo).since(oldest, signs.venue);
    found.push(or_off(signs, view.by("everwarm symbols list")));
}

fn odd_bars(signs: &Signs, found: &mut Vec<FindingView>) {
    for (symbol, (since, text)) in &signs.facts.split_doubts {
        let todo = "the daemon repeats the query; if it keeps failing, check the venue's status";
        let view = finding(Severity::Broken, text.clone(), todo).since(*since, signs.venue);
        found.push(view.by(format!("everwarm why-not {symbol}")));
    }
    for (symbol, (since, text)) in &signs.facts.strange {
        let todo = "compare it with the exchange's chart; exits continue, and entries of the \
                    symbol pause for 15 closes after an odd bar";
        let view = finding(Severity::Warning, text.clone(), todo).since(*since, signs.venue);
        found.push(view.by(format!("everwarm why-not {symbol}")));
    }
}

fn unsent(signs: &Signs, found: &mut Vec<FindingView>) {
    for (id, (since, side)) in signs.facts.due.iter().filter(|_| signs.running && signs.passes) {
        // The `breaker` rule reports orders that the breaker blocks.
        let held_back = match signs.status.breaker {
            BreakerLevel::Normal | BreakerLevel::Reduced => false,
            BreakerLevel::ExitsOnly => *side == Side::Buy,
            BreakerLevel::Halted => true,
        };
        if held_back || signs.venue - since < UNSENT {
            continue;
        }
        let seconds = thousands(u64::try_from((signs.venue - since) / 1000).unwrap_or(0));
        let text = format!("order {id}, decided {seconds} s ago, has not been sent");
        let todo = "it expires after trading.valid_for_s; check what the gateway waits for";
        let view = finding(Severity::Broken, text, todo).since(*since, signs.venue);
        found.push(view.by(format!("everwarm explain {id}")));
    }
}

fn unknown(signs: &Signs, found: &mut Vec<FindingView>) {
    for (id, since) in &signs.facts.unknown {
        if signs.running && signs.venue - since < UNKNOWN {
            continue;
        }
        let text = format!("the status of order {id} is unknown");
        let todo = "the daemon queries the venue until it knows; it does not send the order again";
        let view = finding(Severity::Broken, text, todo).since(*since, signs.venue);
        found.push(view.by(format!("everwarm explain {id}")));
    }
}

fn cancels(signs: &Signs, found: &mut Vec<FindingView>) {
    for (id, one) in &signs.facts.cancels {
        let failed = one.attempts >= CANCELS_MAX && !one.waits;
        let late = signs.now() - one.since >= CANCELLING;
        let (side, symbol, attempts) = (sentences::side(one.side), one.symbol, one.attempts);
        let last = one.last.as_ref().map_or(String::new(), |last| format!("; last: {last}"));
        let (severity, text, todo) = if failed {
            let text = format!(
                "order {id} to {side} {symbol} is still open: {attempts} cancels failed{last}"
            );
            let todo = "cancel it on the venue's website; the daemon then reads its status. Or \
                        cancel every open order of the account with this command";
            (Severity::Broken, text, todo)
        } else if late {
            let attempts = count(attempts.into(), "attempt");
            let text = format!(
                "order {id} to {side} {symbol} is not cancelled yet after {attempts}{last}"
            );
            let todo = "the daemon sends up to eight cancels and queries the order after each; \
                        check the venue's responses";
            (Severity::Warning, text, todo)
        } else {
            continue;
        };
        let view = finding(severity, text, todo).since(one.since, signs.venue);
        let panic = || format!("everwarm panic --venue {}", venue_word(signs));
        found.push(view.by(if failed { panic() } else { format!("everwarm explain {id}") }));
    }
}

fn unprotected(signs: &Signs, found: &mut Vec<FindingView>) {
    if !signs.running {
        return;
    }
    let breaker = signs.breaker();
    for one in exposed(&signs.facts, &signs.held, &signs.symbols, breaker, signs.now()) {
        let (held, symbol) = (plain(one.quantity), one.symbol);
        let text = format!("the position {held} {symbol} cannot be closed: {}", one.why.words());
        let todo = "repair the cause, or sell it with this command: it cancels every open order \
                    of the account and sells the named symbols at market";
        let view = finding(Severity::Broken, text, todo).after(one.since, signs.venue);
        let view = view.by(sale(signs, symbol));
        found.push(if one.why == Cause::Late { or_off(signs, view) } else { view });
    }
}

fn owed(signs: &Signs, found: &mut Vec<FindingView>) {
    for one in &signs.status.owed {
        let late = signs.now() - one.since > OWED;
        let severity = match one.state {
            OwedState::Refused => Severity::Broken,
            OwedState::Waiting | OwedState::Requested if late => Severity::Warning,
            OwedState::Waiting | OwedState::Requested => continue,
        };
        let text = format!("an exit is owed, {}", one.words());
        let todo =
            "the daemon requests it at each close; repair the cause, or sell with this command";
        let view = finding(severity, text, todo).since(one.since, signs.venue);
        found.push(view.by(sale(signs, one.symbol)));
    }
}

/// The command that sells one symbol, whatever the daemon does.
fn sale(signs: &Signs, symbol: Symbol) -> String {
    format!("everwarm panic --venue {} --flatten --symbols {symbol}", venue_word(signs))
}

/// The venue's name for `everwarm panic`.
fn venue_word(signs: &Signs) -> &'static str {
    if signs.kind.is_empty() { SIMULATED } else { signs.kind }
}

fn no_orders(signs: &Signs, found: &mut Vec<FindingView>) {
    let run = signs.facts.signals;
    if run.count < NO_ORDERS.0 || signs.facts.now - run.first < NO_ORDERS.1 {
        return;
    }
    let last = signs.facts.declined.as_ref();
    let why = last.map_or(String::new(), |why| format!("; last: {why}"));
    let most = mostly(&signs.facts.held_up);
    let signals = thousands(run.count);
    let text = format!("decision: {signals} signals but no order{most}{why}");
    let todo = "check why they are declined; a limit may be too low";
    let view = finding(Severity::Warning, text, todo).since(run.first, signs.venue);
    found.push(view.by("everwarm funnel"));
}

fn no_fills(signs: &Signs, found: &mut Vec<FindingView>) {
    let run = signs.facts.orders;
    if run.count < NO_FILLS.0 || signs.facts.now - run.first < NO_FILLS.1 {
        return;
    }
    let most = mostly(&signs.facts.unfilled);
    let text = format!("fill: {} orders but no fill{most}", thousands(run.count));
    let todo = "check their status; the venue may reject them, or their prices may be too far";
    let view = finding(Severity::Warning, text, todo).since(run.first, signs.venue);
    found.push(view.by("everwarm orders --limit 20"));
}

/// The most frequent reason, as a part of a sentence; empty: there is none.
fn mostly(reasons: &BTreeMap<String, u64>) -> String {
    let most = most_frequent(reasons);
    most.map_or(String::new(), |(why, times)| format!("; mostly {why} ({})", thousands(times)))
}

fn clock(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some((severity, (skew, _))) = lasting::clock(signs).zip(signs.skew) else { return };
    let side = if skew > 0 { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {} ms {side} the venue's", skew.abs());
    let todo = "synchronise the clock; logs and deadlines use this machine's time";
    let view = finding(severity, text, todo).after(first(signs, "clock"), signs.wall);
    found.push(view.by("timedatectl set-ntp true"));
}

fn journal(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some(file) = &signs.unlinked else { return };
    let text = format!(
        "{file} was deleted or replaced while the daemon runs: the journal is lost when the \
         daemon ends"
    );
    let todo = "make a backup now, stop the daemon, and restore the backup into a new directory";
    let view = finding(Severity::Broken, text, todo).after(first(signs, "journal"), signs.wall);
    found.push(view.by("everwarm backup everwarm-rescue.backup"));
}

fn disk(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some((severity, disk)) = lasting::disk(signs).zip(signs.disk) else { return };
    let (free, total) = (thousands(disk.free >> 20), thousands(disk.total >> 20));
    let text = format!("{free} MB of {total} MB are free on the disk of the data directory");
    let todo = "free some space; a full disk ends the process with exit code 11";
    let view = finding(severity, text, todo).after(first(signs, "disk"), signs.wall);
    found.push(view.by("df -h"));
}

fn emergency(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some(text) = signs.emergency.sentence() else { return };
    let (severity, todo, command) = match signs.emergency.state {
        EmergencyState::None => return,
        EmergencyState::Compact => (
            Severity::Warning,
            "this command lifts it: bars stay as configured again",
            "everwarm storage lift",
        ),
        EmergencyState::Freeing => (
            Severity::Warning,
            "trading goes on; free some space, or raise the limit",
            "everwarm storage",
        ),
        EmergencyState::Exhausted => (
            Severity::Broken,
            "free some space now: a full disk ends the process with exit code 11",
            "everwarm storage",
        ),
    };
    let view = finding(severity, text, todo).since(signs.emergency.since, signs.wall);
    found.push(view.by(command));
}

fn configuration(signs: &Signs, found: &mut Vec<FindingView>) {
    if !signs.pending.is_empty() {
        let text = format!("changed keys need a restart: {}", signs.pending.join(", "));
        let todo = "until then the earlier values are in force; restart the daemon";
        let view = finding(Severity::Warning, text, todo);
        let view = view.after(first(signs, "restart"), signs.wall);
        found.push(view.by("everwarm config diff"));
    }
    if let Some((reasons, time)) = &signs.refused {
        let text = format!("the last reload was refused: {}", reasons.join("; "));
        let todo = "the earlier configuration is in force; repair the file and reload";
        let command = "everwarm config reload --dry-run";
        let view = finding(Severity::Warning, text, todo).since(*time, signs.wall);
        found.push(view.by(command));
    }
}

fn self_replay(signs: &Signs, found: &mut Vec<FindingView>) {
    let Some(repeated) = &signs.repeated else { return };
    let date = date_of(day_of(repeated.day));
    let (text, todo) = match (&repeated.error, repeated.differing) {
        (None, 0) => return,
        (Some(why), _) => (
            format!("the decisions of {date} could not be repeated: {why}"),
            "trading goes on; repeat them with this command, which shows the reason in full",
        ),
        (None, differing) => (
            format!(
                "{} of {date} differ from the decisions repeated in the night",
                count(differing, "fact")
            ),
            "if the program was upgraded since that day, the new version decides otherwise; if \
             not, keep a backup and report it. This command lists the differences",
        ),
    };
    let view = finding(Severity::Warning, text, todo).since(repeated.ended, signs.wall);
    found.push(view.by(format!("everwarm replay {date}")));
}

fn messages(signs: &Signs, found: &mut Vec<FindingView>) {
    for delivery in &signs.deliveries {
        if let Some(apart) = &delivery.apart {
            let (receiver, ApartView { messages, lost, last, why, time }) =
                (&delivery.receiver, apart);
            let more =
                if *lost > 0 { format!(" and {lost} that were dropped") } else { String::new() };
            let messages = count(*messages, "message");
            let text = format!("{receiver} rejected {messages}{more}, the newest {last}: {why}");
            let todo = "other messages continue; repair the receiver or [messages], then restart: \
                        the daemon sends the kept messages once more";
            let view = finding(Severity::Warning, text, todo).since(*time, signs.wall);
            found.push(view.by("everwarm config check"));
        }
        let Some(since) = delivery.failing_since.filter(|since| signs.wall - since >= DELIVERY)
        else {
            continue;
        };
        let why = delivery.why.as_deref().unwrap_or("no response");
        let text = match delivery.receiver.as_str() {
            "commands" => format!("the commands of the chat cannot be received: {why}"),
            receiver => format!("{receiver} accepts no messages: {why}"),
        };
        let todo = "messages wait and are sent later; check the receiver and [messages]";
        let view = finding(Severity::Warning, text, todo).since(since, signs.wall);
        found.push(view.by("everwarm config check"));
    }
}
