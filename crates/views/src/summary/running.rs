//! The operation of a period: a fold over its facts. A binary search finds the first row, so the
//! cost does not depend on the age of the journal. The fold ends when the last stage has processed
//! the first close after the period: after an outage, closes come long after their time.

use super::Records;
use super::period::Period;
use super::used::{Counting, Used};
use super::view::{FileSize, Gap, LimitUsed, Running, Trouble};
use crate::exit::Failure;
use crate::journal_reader::JournalFacts;
use crate::sentences::restarts;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{DAY, MINUTE, UtcMs, day_of};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_words::text::count;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// The limit whose use is an amount of money.
pub const LOSS: &str = "risk.max_loss_per_day";
/// Maximum number of lines of a list.
const LINES: usize = 100;
/// Facts of different inputs may be out of time order, but by less than this.
const SLACK: UtcMs = 60 * MINUTE;
/// Number of rows searched first for the settings in force.
const WINDOW: u64 = 2000;

/// The operation of a period; `positions` is the most positions held in it.
pub fn running(
    journal: &dyn JournalFacts,
    data_dir: &Path,
    period: Period,
    (kept, positions): (&Records, u64),
) -> Result<Running, Failure> {
    // Daily limits count from the beginning of a day.
    let since = day_of(period.from).saturating_mul(DAY).saturating_sub(SLACK);
    let mut first = first_row(journal, since)?;
    if first == first_row(journal, 1)? {
        // The first run appends facts before any time is known: they belong to the period.
        first = 1;
    }
    let before = kept.equity.iter().take_while(|point| point.time <= period.from).last();
    let mut fold = Fold {
        settings: in_force(journal, first)?,
        close: before.map(|point| point.time),
        ..Fold::default()
    };
    journal.each(first, &mut |_, fact| {
        fold.take(fact, period);
        if fold.is_over(fact) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    // Starts without a close after them.
    let waiting = fold.started.iter().filter(|time| period.has(**time));
    fold.running.starts += waiting.count() as u64;
    fold.running.failures = std::mem::take(&mut fold.failures).into_values().collect();
    fold.running.files = files(data_dir);
    let all = first_row(journal, UtcMs::MAX)?.saturating_sub(1).max(1);
    let live = fold.running.files.iter().filter(|file| file.name.starts_with("live."));
    let bytes: u64 = live.map(|file| file.bytes).sum();
    fold.running.grown = bytes / 1024 * fold.running.facts / all * 1024;
    let sent = sent_before(journal, first, fold.counting.older(&kept.orders, since))?;
    let used = std::mem::take(&mut fold.counting).used(period, &kept.equity, &sent);
    fold.limits(positions, &used);
    Ok(fold.running)
}

/// Announcements of orders from the oldest close on, before row `before`.
fn sent_before(
    journal: &dyn JournalFacts,
    before: u64,
    oldest: Option<UtcMs>,
) -> Result<Vec<Fact<Body>>, Failure> {
    let mut sent = Vec::new();
    let Some(oldest) = oldest else { return Ok(sent) };
    journal.each(first_row(journal, oldest.saturating_sub(SLACK))?, &mut |row, fact| {
        if row >= before {
            return ControlFlow::Break(());
        }
        if let Body::Venue(Venue::Sent { .. }) = &fact.body {
            sent.push(fact.clone());
        }
        ControlFlow::Continue(())
    })?;
    Ok(sent)
}

/// A row after the last input before `time`, and not after the first input from `time` on. Without
/// such an input, it is the end of the journal.
pub fn first_row(journal: &dyn JournalFacts, time: UtcMs) -> Result<u64, Failure> {
    // Times of inputs never fall; facts of stages about an input may follow much later.
    let later = |row: u64| -> Result<bool, Failure> {
        let mut found = None;
        journal.each(row, &mut |_, fact| {
            if fact.key.rank > 0 {
                return ControlFlow::Continue(());
            }
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

/// The settings in force before a row. The search goes further back until it finds some.
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
    /// Time of the close before.
    close: Option<UtcMs>,
    /// Times of the starts since that close; the first run starts before any time is known.
    started: Vec<UtcMs>,
    /// Number of the first close after the period.
    end: Option<u64>,
    /// The newest problems, by the key of the fact and the position in it.
    failures: BTreeMap<(Key, usize), Trouble>,
    counting: Counting,
}

impl Fold {
    fn take(&mut self, fact: &Fact<Body>, period: Period) {
        self.counting.take(fact);
        if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body
            && fact.time < period.to
        {
            self.settings = serde_json::from_str(text).ok().or(self.settings.take());
        }
        if let Body::Market(Market::Close { time, bars, missing, .. }) = &fact.body {
            let before = self.close.replace(*time);
            let started = std::mem::take(&mut self.started).len() as u64;
            // The time of the input counts: a run may start by catching up with earlier closes.
            if period.closes(fact.time) {
                self.running.starts += started;
            }
            if period.closes(*time) {
                self.running.closes += 1;
                self.running.missing_bars += missing.len() as u64;
                // Nothing can be missing before the first close.
                let gap = before.filter(|before| time - before > MINUTE && !bars.is_empty());
                push(&mut self.running.gaps, gap.map(|from| Gap { from, to: *time }));
            }
            if *time > period.to {
                self.end.get_or_insert(fact.key.n);
            }
        }
        match &fact.body {
            Body::Operator(Operator::Started { .. }) => self.started.push(fact.time),
            Body::Decision(Decision::Declined { signal, code, .. })
                if period.closes(signal.close_time) =>
            {
                *self.running.declined.entry(code.clone()).or_default() += 1;
            }
            Body::Market(Market::LateBar { .. }) if period.has(fact.time) => {
                self.running.late_bars += 1;
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        if !period.has(fact.time) {
            return;
        }
        self.running.facts += 1;
        if let Body::Operator(Operator::Restarted { actors }) = &fact.body {
            for (place, of) in actors.iter().enumerate() {
                self.failed(
                    (fact, place),
                    u64::from(of.times),
                    format!("restarted: {}", restarts(of)),
                );
            }
        }
        if let Some(text) = trouble(&fact.body) {
            self.failed((fact, 0), 1, text);
        }
    }

    /// Counts a problem that happened `times` times.
    fn failed(&mut self, (fact, place): (&Fact<Body>, usize), times: u64, text: String) {
        self.running.failures_all += times;
        self.failures.insert((fact.key, place), Trouble { time: fact.time, text });
        if self.failures.len() > LINES {
            self.failures.pop_first();
        }
    }

    /// Whether no other fact of the period can follow. The last stage processes an input after
    /// every stage has processed the earlier ones.
    fn is_over(&self, fact: &Fact<Body>) -> bool {
        fact.key.rank == rank::LEDGER.0 && self.end.is_some_and(|end| fact.key.n >= end)
    }

    fn limits(&mut self, positions: u64, used: &Used) {
        let on = |limit: Decimal| Some(limit).filter(|limit| !limit.is_zero());
        let limit = |of: fn(&Settings) -> Decimal| self.settings.as_ref().map(of).and_then(on);
        let rows: [(&str, Decimal, Option<Decimal>); 4] = [
            ("trading.max_positions", positions.into(), limit(|s| s.trading.max_positions.into())),
            (
                "risk.max_trades_per_day",
                used.entries.into(),
                limit(|s| s.risk.max_trades_per_day.into()),
            ),
            (LOSS, used.loss.normalize(), limit(|s| s.risk.max_loss_per_day.normalize())),
            (
                "risk.max_consecutive_failures",
                used.failures.into(),
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

/// The text of a problem; none if the fact reports none.
fn trouble(body: &Body) -> Option<String> {
    Some(match body {
        Body::Venue(Venue::Unanswered { client_id, reason, .. }) => {
            format!("the status of order {client_id} was unknown: {reason}")
        }
        Body::Venue(Venue::Refused { client_id, code, text, .. }) => {
            format!("the venue rejected order {client_id}: {text} ({code})")
        }
        Body::Order(Order::Changed {
            client_id,
            symbol,
            status: OrderStatus::Expired,
            executed,
            ..
        }) => {
            let filled = if executed.is_zero() {
                "unfilled".to_owned()
            } else {
                format!("only {} filled", executed.normalize())
            };
            format!("order {client_id} in {symbol} expired: {filled}")
        }
        Body::Operator(Operator::Quarantined { stage, input, why, .. }) => {
            format!("{stage} failed at input {input}: {why}")
        }
        Body::Operator(Operator::Branch { path, down: Some(why) }) => {
            format!("{path} is stopped by its supervisor: {why}")
        }
        Body::Ledger(Ledger::Reconciled { conflicts, .. }) if !conflicts.is_empty() => {
            let differences = count(conflicts.len() as u64, "difference");
            format!("{differences} from the venue unexplained")
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

/// Files and folders of a data directory, by name.
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
