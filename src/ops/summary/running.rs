//! How it ran: a fold over the facts of a period. Where they begin in the journal is found by
//! halving it, so a day costs a day however old the journal is.

use super::money::Tops;
use super::period::Period;
use super::view::{FileSize, Gap, LimitUsed, Running, Trouble};
use crate::domain::fact::{Body, Decision, Ledger, Market, Operator, Order, Venue};
use crate::domain::money::Decimal;
use crate::domain::order::OrderStatus;
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, UtcMs};
use crate::ops::desk::JournalFacts;
use crate::ops::exit::Failure;
use crate::ops::text::count;
use everwarm_runtime::fact::Fact;
use std::ops::ControlFlow;
use std::path::Path;

/// The limit of which the use is money.
pub const LOSS: &str = "risk.max_loss_per_day";
/// Lines of a list.
const LINES: usize = 100;
/// Facts of different inputs may lie in another order than their times, but not by as much.
const SLACK: UtcMs = 60 * MINUTE;
/// Rows looked at first for the settings in force.
const WINDOW: u64 = 2000;

/// How it ran in a period.
pub fn running(
    journal: &dyn JournalFacts,
    data_dir: &Path,
    period: Period,
    tops: &Tops,
) -> Result<Running, Failure> {
    let mut first = first_row(journal, period.from.saturating_sub(SLACK))?;
    if first == first_row(journal, 1)? {
        // What a first life says before there is any time belongs to it.
        first = 1;
    }
    let mut fold = Fold { settings: in_force(journal, first)?, ..Fold::default() };
    journal.each(first, &mut |_, fact| {
        fold.take(fact, period);
        let over = fact.key.rank == 0 && fact.time > period.to.saturating_add(SLACK);
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    // Those that have not come to a close.
    let waiting = fold.started.iter().filter(|time| period.has(**time));
    fold.running.starts += waiting.count() as u64;
    fold.running.files = files(data_dir);
    let all = first_row(journal, UtcMs::MAX)?.saturating_sub(1).max(1);
    let journal = fold.running.files.iter().filter(|file| file.name.starts_with("live."));
    let bytes: u64 = journal.map(|file| file.bytes).sum();
    fold.running.grown = bytes / 1024 * fold.running.facts / all * 1024;
    fold.limits(tops);
    Ok(fold.running)
}

/// The first row of a fact of that time or later, about; the last one where there is none.
fn first_row(journal: &dyn JournalFacts, time: UtcMs) -> Result<u64, Failure> {
    let later = |row: u64| -> Result<bool, Failure> {
        let mut found = None;
        journal.each(row, &mut |_, fact| {
            found = Some(fact.time);
            ControlFlow::Break(())
        })?;
        Ok(found.is_none_or(|found| found >= time))
    };
    let (mut low, mut high) = (1, 1024);
    while !later(high)? {
        (low, high) = (high, high * 2);
    }
    while low < high {
        let middle = u64::midpoint(low, high);
        if later(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// The settings in force before a row; the older ones are, the further back is looked.
fn in_force(journal: &dyn JournalFacts, before: u64) -> Result<Option<Settings>, Failure> {
    let mut window = WINDOW;
    loop {
        let from = before.saturating_sub(window).max(1);
        let mut found = None;
        journal.each(from, &mut |row, fact| {
            if row >= before {
                return ControlFlow::Break(());
            }
            if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body {
                found = serde_json::from_str(text).ok();
            }
            ControlFlow::Continue(())
        })?;
        if found.is_some() || from == 1 {
            return Ok(found);
        }
        window = window.saturating_mul(4);
    }
}

#[derive(Default)]
struct Fold {
    running: Running,
    settings: Option<Settings>,
    /// The close before.
    close: Option<UtcMs>,
    /// Lives that began since, the first of them before there was any time.
    started: Vec<UtcMs>,
    /// Orders in a row that came to nothing, and the most of them.
    failed: (u64, u64),
}

impl Fold {
    fn take(&mut self, fact: &Fact<Body>, period: Period) {
        if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body
            && fact.time < period.to
        {
            self.settings = serde_json::from_str(text).ok().or(self.settings.take());
        }
        if let Body::Market(Market::Close { time, bars, missing }) = &fact.body {
            let before = self.close.replace(*time);
            let started = std::mem::take(&mut self.started).len() as u64;
            if period.closes(*time) {
                self.running.starts += started;
                self.running.closes += 1;
                self.running.missing_bars += missing.len() as u64;
                // The first close has nothing before it that could be missing.
                let gap = before.filter(|before| time - before > MINUTE && !bars.is_empty());
                push(&mut self.running.gaps, gap.map(|from| Gap { from, to: *time }));
            }
        }
        if let Body::Operator(Operator::Started { .. }) = &fact.body {
            self.started.push(fact.time);
        }
        if !period.has(fact.time) {
            return;
        }
        self.running.facts += 1;
        match &fact.body {
            Body::Market(Market::LateBar { .. }) => self.running.late_bars += 1,
            Body::Decision(Decision::Declined { code, .. }) => {
                *self.running.declined.entry(code.clone()).or_default() += 1;
            }
            Body::Order(Order::Changed { status, .. }) => self.changed(*status),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        if let Some(text) = trouble(&fact.body) {
            self.running.failures_all += 1;
            push(&mut self.running.failures, Some(Trouble { time: fact.time, text }));
        }
    }

    fn changed(&mut self, status: OrderStatus) {
        match status {
            OrderStatus::Rejected | OrderStatus::Expired => self.failed.0 += 1,
            OrderStatus::Filled => self.failed.0 = 0,
            OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled
            | OrderStatus::Cancelled => {}
        }
        self.failed.1 = self.failed.1.max(self.failed.0);
    }

    fn limits(&mut self, tops: &Tops) {
        let on = |limit: Decimal| Some(limit).filter(|limit| !limit.is_zero());
        let limit = |of: fn(&Settings) -> Decimal| self.settings.as_ref().map(of).and_then(on);
        let rows: [(&str, Decimal, Option<Decimal>); 4] = [
            (
                "trading.max_positions",
                tops.positions.into(),
                limit(|s| s.trading.max_positions.into()),
            ),
            (
                "risk.max_trades_per_day",
                tops.entries.into(),
                limit(|s| s.risk.max_trades_per_day.into()),
            ),
            (LOSS, tops.loss.normalize(), limit(|s| s.risk.max_loss_per_day.normalize())),
            (
                "risk.max_consecutive_failures",
                self.failed.1.into(),
                limit(|s| s.risk.max_consecutive_failures.into()),
            ),
        ];
        let row = |(key, used, limit): (&str, Decimal, Option<Decimal>)| LimitUsed {
            key: key.to_owned(),
            used,
            limit,
        };
        self.running.limits = rows.into_iter().map(row).collect();
    }
}

fn push<T>(list: &mut Vec<T>, line: Option<T>) {
    if line.is_some() && list.len() == LINES {
        list.remove(0);
    }
    list.extend(line);
}

/// What went wrong, where it did.
fn trouble(body: &Body) -> Option<String> {
    Some(match body {
        Body::Venue(Venue::Unanswered { client_id, reason, .. }) => {
            format!("order {client_id} was not answered: {reason}")
        }
        Body::Venue(Venue::Refused { client_id, code, text, .. }) => {
            format!("order {client_id} was refused: {text} ({code})")
        }
        Body::Operator(Operator::Quarantined { stage, input, why, .. }) => {
            format!("{stage} failed at input {input}: {why}")
        }
        Body::Operator(Operator::Branch { path, down: Some(why) }) => {
            format!("{path} is kept down: {why}")
        }
        Body::Ledger(Ledger::Reconciled { conflicts, .. }) if !conflicts.is_empty() => {
            let differences = count(conflicts.len() as u64, "difference");
            format!("{differences} with the venue that nothing explains")
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => return None,
    })
}

/// What lies in a data directory, by name.
fn files(data_dir: &Path) -> Vec<FileSize> {
    let entries = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| FileSize {
        name: entry.file_name().to_string_lossy().into_owned(),
        bytes: bytes(&entry.path()),
    };
    let mut files: Vec<FileSize> = entries.map(size).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn bytes(path: &Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| bytes(&entry.path())).sum(),
        Err(_) => std::fs::metadata(path).map_or(0, |about| about.len()),
    }
}
