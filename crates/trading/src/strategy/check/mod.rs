//! Checks one strategy over bars: whether it uses the future, its start, chance or another symbol,
//! whether a restart changes it, and whether its lots are ever closed.
//!
//! It plays the bars through the real stages of roll-up, indicators and strategy. Each signal is
//! filled at its closing price, so no exchange, cash or limit plays a part.

mod lots;
mod play;

use super::Kind;
use crate::indicators::Feature;
use crate::stages::interned;
use everwarm_domain::fact::Signal;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::settings::{ExitRules, Settings};
use everwarm_domain::signal::Intent;
use everwarm_domain::time::{MINUTE, UtcMs};
use play::{Broken, How, Played, play};
use serde::Serialize;
use std::collections::BTreeSet;

/// Closes after which the check of restarts saves and restores the stages.
pub const RESTART_EVERY: usize = 97;
/// The shorter series of the check of the future, in parts of the whole.
const PARTS: [(usize, &str); 3] = [(1, "25 %"), (2, "50 %"), (3, "75 %")];
/// The later start, as a part of the whole: one seventh.
const LATER: usize = 7;

/// The bars of all symbols that close at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The close, UTC milliseconds.
    pub time: UtcMs,
    /// The bars of one minute, by symbol.
    pub bars: Vec<Bar>,
}

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The strategy passed it.
    Passed,
    /// The strategy failed it.
    Failed,
    /// The bars show nothing.
    Unknown,
}

impl Outcome {
    /// The outcome in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }
}

/// One row of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// Its result.
    pub outcome: Outcome,
    /// What was found, and what to do.
    pub text: String,
    /// The close of the first bar that shows it, UTC milliseconds.
    pub time: Option<UtcMs>,
}

/// What the checks of one strategy found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Id of the strategy.
    pub strategy: String,
    /// Its kind.
    pub kind: String,
    /// Closes that were played.
    pub closes: u64,
    /// Symbols that were played.
    pub symbols: u64,
    /// Entries: signals that open a lot or add to it.
    pub entries: u64,
    /// Signals that close a lot.
    pub exits: u64,
    /// The results.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether a check failed.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.findings.iter().any(|finding| finding.outcome == Outcome::Failed)
    }
}

/// The strategy that is checked.
#[derive(Debug)]
struct Subject<'a> {
    kind: &'a Kind,
    id: &'static str,
    /// Settings with this strategy alone.
    settings: Settings,
    rules: ExitRules,
}

/// Checks an enabled strategy of the settings over bars. The kinds of the program must know its
/// kind.
///
/// # Errors
/// The settings have no such strategy, or this program lacks its kind.
pub fn check(settings: &Settings, id: &str, bars: &[Bars]) -> Result<Report, String> {
    let found = settings.strategy.0.get(id).filter(|one| one.enabled);
    let one = found.ok_or_else(|| format!("strategy.{id} is not configured, or not enabled"))?;
    let kind = super::kind(&one.kind)
        .ok_or_else(|| format!("strategy.{id}: this program lacks the kind {}", one.kind))?;
    let mut alone = settings.clone();
    alone.strategy.0.retain(|other, _| other == id);
    let rules = one.exits.clone().unwrap_or_else(ExitRules::none);
    let subject = Subject { kind, id: interned(id), settings: alone, rules };
    let of = |bars: &Bars| bars.bars.iter().map(|bar| bar.symbol).collect::<Vec<_>>();
    let symbols: BTreeSet<Symbol> = bars.iter().flat_map(of).collect();
    let mut report = Report {
        strategy: id.to_owned(),
        kind: kind.name.to_owned(),
        closes: bars.len() as u64,
        symbols: symbols.len() as u64,
        entries: 0,
        exits: 0,
        findings: Vec::new(),
    };
    match play(&subject, bars, How::default()) {
        Ok(whole) => {
            let enters = |signal: &&Signal| is_entry(signal);
            report.entries = whole.signals.iter().filter(enters).count() as u64;
            report.exits = whole.signals.len() as u64 - report.entries;
            let checks = Checks { subject: &subject, bars, whole: &whole };
            report.findings = checks.all(&symbols);
        }
        Err(broken) => report.findings.push(failed("run", broken)),
    }
    Ok(report)
}

const fn is_entry(signal: &Signal) -> bool {
    matches!(signal.intent, Intent::Open | Intent::Add)
}

fn failed(check: &'static str, broken: Broken) -> Finding {
    let (text, time) = (broken.text, Some(broken.time));
    Finding { check, outcome: Outcome::Failed, text, time }
}

fn passed(check: &'static str, text: String) -> Finding {
    Finding { check, outcome: Outcome::Passed, text, time: None }
}

/// A signal as bytes: everything that the journal keeps of it.
fn exact(signal: &Signal) -> String {
    serde_json::to_string(signal).unwrap_or_default()
}

/// The close of the first signal at which two runs differ.
fn difference<'a, 'b>(
    one: impl Iterator<Item = &'a Signal>,
    other: impl Iterator<Item = &'b Signal>,
) -> Option<UtcMs> {
    let (mut one, mut other) = (one, other);
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (Some(a), Some(b)) if exact(a) == exact(b) => {}
            (a, b) => {
                let times = [a.map(|a| a.close_time), b.map(|b| b.close_time)];
                return times.into_iter().flatten().min();
            }
        }
    }
}

/// A run without a fault, which other runs are compared with.
struct Checks<'a> {
    subject: &'a Subject<'a>,
    bars: &'a [Bars],
    whole: &'a Played,
}

impl Checks<'_> {
    fn all(&self, symbols: &BTreeSet<Symbol>) -> Vec<Finding> {
        let mut findings = vec![self.repeated()];
        if symbols.len() > 1 {
            findings.push(self.alone(symbols));
        }
        findings.extend([self.future(), self.start(), self.restart(), self.exits()]);
        if self.whole.signals.is_empty() {
            for finding in findings.iter_mut().filter(|one| one.outcome == Outcome::Passed) {
                finding.outcome = Outcome::Unknown;
                finding.text = self.silent();
            }
        }
        findings
    }

    /// Why nothing can be compared, and what to do.
    fn silent(&self) -> String {
        let texts = super::features(&self.subject.settings, &[]);
        let features: Vec<Feature> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let minutes = |feature: &Feature| feature.settled() * (feature.timeframe.ms() / MINUTE);
        let minutes = features.iter().map(minutes).max().unwrap_or(0);
        format!(
            "no signal in {} closes; its features settle after {minutes} minutes: play more days",
            self.bars.len()
        )
    }

    /// Compares another run with a part of the whole one.
    fn compare<'a>(
        &'a self,
        (check, advice): (&'static str, &str),
        (bars, how): (&[Bars], How),
        part: impl Iterator<Item = &'a Signal>,
    ) -> Result<(), Finding> {
        let other = play(self.subject, bars, how).map_err(|broken| failed(check, broken))?;
        let Some(time) = difference(part, other.signals.iter()) else { return Ok(()) };
        Err(failed(check, Broken { time, text: advice.to_owned() }))
    }

    fn repeated(&self) -> Finding {
        let check = "same again";
        let advice = "a second run over the same bars gave other signals: keep all memory in \
                      Memory; use no clock, random number, static or HashMap order";
        let signals = self.whole.signals.iter();
        match self.compare((check, advice), (self.bars, How::default()), signals) {
            Ok(()) => passed(check, "a second run gave the same signals".to_owned()),
            Err(finding) => finding,
        }
    }

    fn alone(&self, symbols: &BTreeSet<Symbol>) -> Finding {
        let check = "each symbol alone";
        let advice = "a run with one symbol alone gave other signals for it: keep all memory in \
                      Memory, which each symbol has for itself";
        for symbol in symbols {
            let how = How { only: Some(*symbol), ..How::default() };
            let of = self.whole.signals.iter().filter(|signal| signal.symbol == *symbol);
            if let Err(finding) = self.compare((check, advice), (self.bars, how), of) {
                return Finding { text: format!("{symbol}: {}", finding.text), ..finding };
            }
        }
        passed(check, format!("each of {} symbols alone gave the same signals", symbols.len()))
    }

    fn future(&self) -> Finding {
        let check = "no look-ahead";
        let advice = "a shorter series gave other signals than the beginning of the whole one: \
                      decide only on the values of the view";
        for (part, name) in PARTS {
            let Some(bars) = self.bars.get(..self.bars.len() * part / 4) else { continue };
            let Some(last) = bars.last().map(|close| close.time) else { continue };
            let until = self.whole.signals.iter().take_while(|signal| signal.close_time <= last);
            if let Err(finding) = self.compare((check, advice), (bars, How::default()), until) {
                return Finding { text: format!("{name}: {}", finding.text), ..finding };
            }
        }
        passed(check, "the first 25, 50 and 75 % of the bars gave the same signals".to_owned())
    }

    /// Starts later. Signals may differ until the indicators and the memory have settled.
    fn start(&self) -> Finding {
        let check = "later start";
        let bars = self.bars.get(self.bars.len() / LATER..).unwrap_or_default();
        let other = match play(self.subject, bars, How::default()) {
            Ok(other) => other,
            Err(broken) => return failed(check, broken),
        };
        let span = bars.first().map(|close| close.time).zip(bars.last().map(|close| close.time));
        let Some((first, last)) = span else { return passed(check, "no bars".to_owned()) };
        later_start(check, (first, last), (&self.whole.signals, &other.signals))
    }

    fn restart(&self) -> Finding {
        let check = "exact restart";
        let advice = "after restarts at every 97th bar the signals differ: Memory must keep \
                      everything; remove #[serde(skip)] and statics";
        let how = How { restart_every: RESTART_EVERY, ..How::default() };
        match self.compare((check, advice), (self.bars, how), self.whole.signals.iter()) {
            Ok(()) => {
                let text = "restarts at every 97th bar gave the same signals".to_owned();
                passed(check, text)
            }
            Err(finding) => finding,
        }
    }

    fn exits(&self) -> Finding {
        let check = "exits";
        let Played { by_rule, by_signal, open, signals } = self.whole;
        let prices = |signal: &Signal| signal.exits().stop.or(signal.exits().target).is_some();
        let none = self.subject.rules == ExitRules::none() && !signals.iter().any(prices);
        let first = signals.iter().find(|signal| is_entry(signal));
        if let Some(first) = first.filter(|_| none && *by_signal == 0) {
            let text = "no signal closed a lot, and it has no exit rule: give a Close signal, or \
                        set a rule like stop"
                .to_owned();
            return failed(check, Broken { time: first.close_time, text });
        }
        let only = if *by_signal == 0 && first.is_some() { "; no signal closed one" } else { "" };
        let text = format!(
            "lots closed: {by_signal} by signals, {by_rule} by exit rules; {open} open at the \
             end{only}"
        );
        passed(check, text)
    }
}

/// Compares a run that began later with the whole one.
fn later_start(
    check: &'static str,
    (first, last): (UtcMs, UtcMs),
    (whole, other): (&[Signal], &[Signal]),
) -> Finding {
    let key = |signal: &Signal| (signal.close_time, signal.symbol, signal.intent);
    let ones: BTreeSet<_> = whole.iter().map(key).filter(|one| one.0 >= first).collect();
    let others: BTreeSet<_> = other.iter().map(key).collect();
    let differing: BTreeSet<_> = ones.symmetric_difference(&others).collect();
    let Some((end, ..)) = differing.last() else {
        return passed(check, format!("all {} signals are the same", ones.len()));
    };
    let agreeing = ones.intersection(&others).filter(|one| one.0 > *end).count();
    let hours = (*end - first) / (60 * MINUTE);
    let text = format!("{} of {} signals differ", differing.len(), ones.union(&others).count());
    if agreeing > 0 {
        return passed(check, format!("{text}, the last one {hours} hours after the start"));
    }
    if *end < last - (last - first) / 4 {
        let (outcome, text) = (Outcome::Unknown, format!("{text}, and none follows: more days"));
        return Finding { check, outcome, text, time: Some(*end) };
    }
    let text = format!("{text}, up to the end: it depends on where the bars begin");
    failed(check, Broken { time: *end, text })
}

#[cfg(test)]
mod confidence_tests;

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
