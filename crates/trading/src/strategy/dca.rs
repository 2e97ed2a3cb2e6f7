//! Buys after a fall from the highest close of the last hours, and more at each further fall below
//! the first entry. The exit rules sell the whole: by default at a net profit of 2 %, or 15 % below
//! the first entry.
//!
//! The first entry counts by the close at which it was decided. The next entry follows when the one
//! before is filled, at most one at a close. A declined entry is tried again when the price comes
//! back to its level from above. After a position, the highest close counts from the first close
//! without it.
//!
//! The setting `confidence_ranges` is the unit of the confidence. Configurations before version 2
//! lack it and keep the unit that they had.

use super::conditions::{Condition, Conditions, first_lack};
use super::numbers::{ppm, saturating, show, show_from};
use super::setting::{Added, Form, Setting, TIMEFRAME, Wrong};
use super::thresholds::{self, Set};
use super::{LotView, Strategy, StrategySignal, View};
use crate::risk::sizing::ADDITION_MAX;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::ExitRules;
use everwarm_domain::settings::exits::ProfitRow;
use everwarm_domain::signal::Intent;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use serde::{Deserialize, Serialize};

/// The dollar cost averaging strategy.
#[derive(Clone, Copy, Debug)]
pub struct Dca;

/// Settings of the strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Width of the bars it runs on.
    pub timeframe: Timeframe,
    /// Hours whose highest close the fall is counted from.
    pub hours: u32,
    /// Set of thresholds: a fall of 3 % or 5 %.
    pub thresholds: Set,
    /// Factor of the threshold.
    pub threshold_scale: Decimal,
    /// Entries that may follow the first one.
    pub steps: u32,
    /// How much larger each entry is than the one before, percent.
    pub growth_percent: u32,
    /// The fall that gives a confidence of one half, in average true ranges.
    #[serde(default = "former_ranges")]
    pub confidence_ranges: u32,
}

/// The unit of the confidence before version 2, in average true ranges. With it, only a seventh of
/// the entries on recorded bars had 0.4 or more.
const fn former_ranges() -> u32 {
    10
}

impl Default for Section {
    fn default() -> Section {
        Section {
            timeframe: Timeframe::M5,
            hours: 24,
            thresholds: Set::Loose,
            threshold_scale: Decimal::ONE,
            steps: 3,
            growth_percent: 25,
            confidence_ranges: 5,
        }
    }
}

/// Bars of the average true range, the unit of confidence.
const RANGE: u32 = 14;

/// What it remembers of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// End of the first bar after the last position, UTC milliseconds.
    since: Option<UtcMs>,
    /// The highest close from there on, quote units.
    top: f64,
    /// Whether the row before had fallen to the level of the next entry; none: there was no row.
    fallen: Option<bool>,
    /// The close at which the first entry was decided, quote units; zero: there is no position.
    first: f64,
    /// Entries that were filled.
    entries: u32,
    /// Base units of the lot with these entries.
    counted: Decimal,
}

impl Memory {
    /// Whether this row is the first that has fallen to the level.
    fn falls(&mut self, fallen: bool) -> bool {
        self.fallen.replace(fallen) == Some(false) && fallen
    }

    /// Forgets a position that is over, or an entry that was never made.
    fn ends(&mut self, close: f64, time: UtcMs) {
        if self.entries > 0 {
            (self.since, self.top) = (Some(time), close);
        }
        (self.first, self.entries, self.counted) = (0.0, 0, Decimal::ZERO);
    }

    /// The price from which a fall counts: the highest close of the hours, or since the last
    /// position.
    fn reference(&mut self, section: &Section, highest: f64, view: &View<'_>, close: f64) -> f64 {
        let window = i64::from(section.hours) * 60 * MINUTE;
        match self.since {
            Some(since) if view.head.time.saturating_sub(since) < window => {
                self.top = self.top.max(close);
                self.top
            }
            Some(_) | None => {
                self.since = None;
                highest
            }
        }
    }

    /// Counts the entries of the lot that are filled.
    fn count(&mut self, lot: LotView) {
        if !lot.enters && lot.held > self.counted {
            self.entries += 1;
            self.fallen = Some(false);
        }
        if !lot.enters || lot.held < self.counted {
            self.counted = lot.held;
        }
    }
}

impl Strategy for Dca {
    const KIND: &'static str = "dca";
    const VERSION: u16 = 2;
    const CONVERTS: &'static [u16] = &[1];
    const ENDS_WITH_LOT: bool = true;
    const SETTINGS: &'static [Setting] = &[
        TIMEFRAME,
        Setting {
            name: "hours",
            form: Form::Whole { least: 1, most: 168 },
            about: "The fall counts from the highest close of these hours.",
        },
        Setting {
            about: "Fall that the first entry needs, and each one after it below the first: loose \
                    3 %, strict 5 %.",
            ..thresholds::SET
        },
        thresholds::SCALE,
        Setting {
            name: "steps",
            form: Form::Whole { least: 0, most: 10 },
            about: "Entries that may follow the first one.",
        },
        Setting {
            name: "growth_percent",
            form: Form::Whole { least: 0, most: 100 },
            about: "How much larger each entry is than the one before. The largest is at most 10 \
                    times the first.",
        },
        Setting {
            name: "confidence_ranges",
            form: Form::Whole { least: 1, most: 100 },
            about: "Fall that gives a confidence of 0.5, in average true ranges of 14 bars.",
        },
    ];
    const ADDED: &'static [Added] = &[Added { name: "confidence_ranges", version: 2 }];
    type Section = Section;
    type Memory = Memory;

    fn check(section: &Section) -> Result<(), Wrong> {
        let names = &["timeframe", "hours"];
        if bars(section) == 0 {
            let text = format!("{} h have no bar of {}", section.hours, section.timeframe);
            return Err(Wrong { names, text });
        }
        if needed_fall(section) * f64::from(section.steps.max(1)) >= 1.0 {
            let names = &["threshold_scale", "steps"];
            let text = "the last entry would follow a fall of 100 % or more".to_owned();
            return Err(Wrong { names, text });
        }
        if size_ppm(section, section.steps).is_none() {
            let text = format!("the last entry is more than {ADDITION_MAX} times the first one");
            return Err(Wrong { names: &["steps", "growth_percent"], text });
        }
        Ok(())
    }

    fn exits() -> ExitRules {
        let profit = vec![ProfitRow { minutes: 0, profit_ppm: 20_000 }];
        ExitRules { stop_ppm: Some(150_000), profit, ..ExitRules::default() }
    }

    fn timeframe(section: &Section) -> Timeframe {
        section.timeframe
    }

    fn features(section: &Section) -> Vec<String> {
        let (timeframe, bars) = (section.timeframe, bars(section));
        vec![
            format!("close@{timeframe}"),
            format!("closes({bars}).high@{timeframe}"),
            format!("atr({RANGE})@{timeframe}"),
        ]
    }

    fn update(
        section: &Section,
        memory: &mut Memory,
        long: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        let [close, highest, range] = *view.values else { return None };
        if close.is_nan() || highest.is_nan() {
            memory.fallen = None;
            return None;
        }
        if view.lot.leaves {
            return None;
        }
        if long {
            return add(section, memory, (close, range), view.lot);
        }
        memory.ends(close, view.head.time);
        let top = memory.reference(section, highest, view, close);
        if !memory.falls(close <= top * (1.0 - needed_fall(section))) {
            return None;
        }
        memory.first = close;
        let (fall, hours) = (fallen(section, close, top).0, section.hours);
        let (shown, from) = show(close, top);
        let reason =
            format!("the close {shown} is {fall} % below {from}, the highest close of {hours} h");
        Some(StrategySignal::new(Intent::Open, confidence(section, top - close, range), reason))
    }

    fn conditions(
        section: &Section,
        memory: &Memory,
        long: bool,
        view: &View<'_>,
    ) -> Result<Conditions, String> {
        let [close, highest, _] = *view.values else { return Err("it has no values".to_owned()) };
        if close.is_nan() || highest.is_nan() {
            return Err(format!("the highest close of {} h is not known yet", section.hours));
        }
        if view.lot.leaves {
            let owed = Condition::new("no owed exit", false, || "an exit is owed".to_owned());
            return Ok(Conditions::new(Intent::Open, vec![owed]));
        }
        let mut memory = memory.clone();
        if long {
            memory.count(view.lot);
            return Ok(Conditions::new(Intent::Add, next_entry(section, &memory, close, view.lot)));
        }
        memory.ends(close, view.head.time);
        let top = memory.reference(section, highest, view, close);
        let level = top * (1.0 - needed_fall(section));
        let fell = Condition::new("fall from the highest close", close <= level, || {
            let (fall, needed) = fallen(section, close, top);
            let (shown, from) = show(close, top);
            format!("the close {shown} is {fall} % below {from}, the highest close: not {needed} %")
        });
        let first = !fell.met || memory.fallen == Some(false);
        let first = Condition::new("first close that fell as far", first, || match memory.fallen {
            Some(_) => "the close before had fallen as far: only the first one counts".to_owned(),
            None => "this is the first close with values: it only shows the price".to_owned(),
        });
        Ok(Conditions::new(Intent::Open, vec![fell.comparing(close, level), first]))
    }

    fn why_not(section: &Section, memory: &Memory, long: bool, view: &View<'_>) -> String {
        first_lack(Self::conditions(section, memory, long, view))
    }
}

/// The conditions of the next entry of a position.
fn next_entry(section: &Section, memory: &Memory, close: f64, lot: LotView) -> Vec<Condition> {
    let Memory { first, entries, fallen, .. } = *memory;
    let (level, number) = (level(section, memory), entries + 1);
    let filled =
        Condition::new("no open entry", !lot.enters, || "an entry is not filled yet".to_owned());
    let known = Condition::new("a known first entry", first > 0.0, || {
        "its first entry is not known".to_owned()
    });
    let more = Condition::new("an entry is left", first <= 0.0 || level.is_some(), || {
        format!("all {entries} entries are made")
    });
    let mut all = vec![filled, known, more];
    if let Some(level) = level {
        let fell = Condition::new("close at the level of the entry", close <= level, || {
            let (close, level) = show(close, level);
            format!("the close {close} is above {level}, the level of entry {number}")
        });
        let first = !fell.met || fallen == Some(false);
        let first = Condition::new("first close at the level", first, || match fallen {
            Some(true) => format!("entry {number} was signalled at a close before"),
            Some(false) | None => "the entry before is not filled".to_owned(),
        });
        all.extend([fell.comparing(close, level), first]);
    }
    all
}

/// The next entry of a position, if its level is reached.
fn add(
    section: &Section,
    memory: &mut Memory,
    (close, range): (f64, f64),
    lot: LotView,
) -> Option<StrategySignal> {
    memory.count(lot);
    if lot.enters || memory.entries == 0 {
        return None;
    }
    let level = level(section, memory)?;
    if !memory.falls(close <= level) {
        return None;
    }
    let (number, first) = (memory.entries + 1, memory.first);
    let (shown, at) = show(close, level);
    let reason = format!("the close {shown} is at {at} or below, the level of entry {number}");
    let signal =
        StrategySignal::new(Intent::Add, confidence(section, first - close, range), reason);
    Some(StrategySignal { size_ppm: size_ppm(section, memory.entries), ..signal })
}

/// The price of the next entry, quote units; none: there is no further one.
fn level(section: &Section, memory: &Memory) -> Option<f64> {
    let Memory { first, entries, .. } = *memory;
    let more = first > 0.0 && entries > 0 && entries <= section.steps;
    more.then(|| first * (1.0 - needed_fall(section) * f64::from(entries)))
}

/// The size of an entry after `entries` others, in millionths of the first one; none: it is too
/// large.
fn size_ppm(section: &Section, entries: u32) -> Option<u32> {
    let grown = u128::from(100 + section.growth_percent).checked_pow(entries)?;
    let ppm = grown.checked_mul(1_000_000)? / 100_u128.checked_pow(entries)?;
    u32::try_from(ppm).ok().filter(|_| ppm <= u128::from(ADDITION_MAX) * 1_000_000)
}

/// Bars of the hours.
fn bars(section: &Section) -> i64 {
    i64::from(section.hours) * 60 * MINUTE / section.timeframe.ms()
}

/// The fall of an entry, as a part of the price.
fn needed_fall(section: &Section) -> f64 {
    section.thresholds.threshold(section.threshold_scale, 0.03, 0.05)
}

/// The fall of a close, and the fall that an entry needs, in per cent.
fn fallen(section: &Section, close: f64, top: f64) -> (String, String) {
    show_from(2, 100.0 * (1.0 - close / top), 100.0 * needed_fall(section))
}

/// One half for a fall of as many average true ranges as the setting says.
fn confidence(section: &Section, fall: f64, range: f64) -> u32 {
    ppm(saturating(fall / (f64::from(section.confidence_ranges) * range)))
}

#[cfg(test)]
#[path = "dca_tests.rs"]
mod tests;
