//! Messages for people: a pure fold over facts, one item per fact that matters.
//!
//! Over 500 lines: one message a kind of fact.

use crate::profit::{Course, earned};
use crate::sentences::describe;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{
    Body, BreakerLevel, Conflict, Decision, Ledger, Operator, Order, Restarts,
};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::{DAY, UtcMs, day_of};
use everwarm_kernel::fact::{Effect, Fact, Mask};
use everwarm_words::text::{amount, civil, count, date, fit, signed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of facts that can cause an item.
pub const INTEREST: Mask = Mask::of(&[
    kind::STARTED,
    kind::QUARANTINED,
    kind::RELEASED,
    kind::RESOLVED,
    kind::BRANCH,
    kind::BREAKER,
    kind::CHANGED,
    kind::FILLED,
    kind::EQUITY,
    kind::RECONCILED,
    kind::ADJUSTED,
    kind::RESTARTED,
]);

/// Minimum event time between two items about restarts: a loop of restarts becomes one item with
/// their number.
const RESTARTS_EVERY: UtcMs = 600_000;
/// Maximum number of actors and causes in such an item.
const RESTARTS_ROWS: usize = 20;

/// Maximum number of characters of one item.
const TEXT_MAX: usize = 300;

/// The topic of an item; the configuration may exclude topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// An execution.
    Fill,
    /// The breaker changed its level or its reasons.
    Halt,
    /// The account differs from the books, or no longer does.
    Conflict,
    /// An order with unknown status, and its later status.
    Unknown,
    /// A supervisor stopped a branch, or the branch runs again.
    Branch,
    /// An input was quarantined because a stage failed at it, or the quarantine ended.
    Quarantine,
    /// A process started, or actors were restarted.
    Restart,
    /// The result of a UTC day in one line.
    Day,
    /// The result of a month in one line.
    Month,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 9] = [
        Topic::Fill,
        Topic::Halt,
        Topic::Conflict,
        Topic::Unknown,
        Topic::Branch,
        Topic::Quarantine,
        Topic::Restart,
        Topic::Day,
        Topic::Month,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Fill => "fill",
            Topic::Halt => "halt",
            Topic::Conflict => "conflict",
            Topic::Unknown => "unknown",
            Topic::Branch => "branch",
            Topic::Quarantine => "quarantine",
            Topic::Restart => "restart",
            Topic::Day => "day",
            Topic::Month => "month",
        }
    }

    /// Whether it overtakes items that are not urgent, because a person may have to act.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        match self {
            Topic::Halt | Topic::Conflict | Topic::Unknown | Topic::Branch | Topic::Quarantine => {
                true
            }
            Topic::Fill | Topic::Restart | Topic::Day | Topic::Month => false,
        }
    }

    /// The topics in a text, separated by commas.
    ///
    /// # Errors
    /// A name in it is not a topic.
    pub fn listed(text: &str) -> Result<BTreeSet<Topic>, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let topic = |name: &str| {
            let known = Topic::ALL.into_iter().find(|topic| topic.name() == name);
            known.ok_or_else(|| {
                let all = Topic::ALL.map(Topic::name).join(", ");
                format!("{name:?} is not a topic; the topics are {all}")
            })
        };
        names.map(topic).collect()
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its permanent id: installation, epoch, and the key of its fact, which `everwarm explain`
    /// takes.
    pub id: String,
    /// Its topic.
    pub topic: Topic,
    /// Event time, UTC milliseconds.
    pub time: UtcMs,
    /// The message in words.
    pub text: String,
}

/// What the fold must remember to find news.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct News {
    installation: String,
    epoch: u64,
    breaker: (BreakerLevel, Vec<String>),
    /// Reported conflicts, by id.
    conflicts: BTreeSet<String>,
    /// Inputs that end a reported conflict, by number; none: all conflicts. The ledger may still
    /// process earlier inputs.
    settled: Vec<(u64, Option<String>)>,
    /// Orders with unknown status; at most as many as open orders.
    unknown: BTreeSet<ClientOrderId>,
    day: Span,
    month: Span,
    /// Fills that the equity does not have yet, by number of their input: day and month.
    later: Vec<(u64, (i64, i64))>,
    /// Quarantines without an item, by number: the stage is in a stopped branch.
    unasked: BTreeSet<u64>,
    /// Restarts of actors without an item yet, by name and cause.
    restarts: BTreeMap<(String, String), u32>,
    /// Event time of the last item about restarts.
    #[serde(rename = "restarts_told")]
    restarts_reported: Option<UtcMs>,
}

impl News {
    /// Takes in a fact, in the order of the journal; returns its items. Each stage's facts are in
    /// order; those of different stages may be about distant inputs.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is no news needs no word")]
    pub fn fold(&mut self, fact: &Fact<Body>) -> Vec<Item> {
        let sentence = |topic| vec![(topic, describe(&fact.body, None))];
        let texts = match &fact.body {
            Body::Operator(Operator::Started { life, installation, epoch }) => {
                self.installation.clone_from(installation);
                self.epoch = *epoch;
                self.settled.push((fact.key.n, None));
                let first = *life == 1;
                if first { Vec::new() } else { sentence(Topic::Restart) }
            }
            // The item about its branch reports it.
            Body::Operator(Operator::Quarantined { effect: Effect::Down, .. }) => {
                self.unasked.insert(fact.key.n);
                Vec::new()
            }
            Body::Operator(Operator::Released { quarantine, .. })
                if self.unasked.remove(quarantine) =>
            {
                Vec::new()
            }
            Body::Operator(Operator::Quarantined { .. } | Operator::Released { .. }) => {
                sentence(Topic::Quarantine)
            }
            Body::Operator(Operator::Resolved { conflict, .. }) => {
                self.settled.push((fact.key.n, Some(conflict.id())));
                sentence(Topic::Conflict)
            }
            Body::Operator(Operator::Branch { .. }) => sentence(Topic::Branch),
            Body::Operator(Operator::Restarted { actors }) => {
                self.restarted(actors);
                self.report_restarts(fact.time)
            }
            Body::Decision(Decision::Breaker { level, reasons, .. }) => {
                let now = (*level, reasons.clone());
                let moved = self.breaker != now;
                self.breaker = now;
                if moved { sentence(Topic::Halt) } else { Vec::new() }
            }
            Body::Order(order) => self.order(order, fact),
            Body::Ledger(ledger) => {
                let mut all = self.ledger(ledger, fact);
                all.extend(self.report_restarts(fact.time));
                all
            }
            _ => Vec::new(),
        };
        texts.into_iter().map(|(topic, text)| self.item(fact, topic, &text)).collect()
    }

    fn restarted(&mut self, actors: &[Restarts]) {
        for of in actors {
            let key = (of.actor.clone(), of.reason.clone());
            if self.restarts.len() < RESTARTS_ROWS || self.restarts.contains_key(&key) {
                let times = self.restarts.entry(key).or_default();
                *times = times.saturating_add(of.times);
            }
        }
    }

    /// The collected restarts, if the last item about restarts is old enough.
    fn report_restarts(&mut self, now: UtcMs) -> Vec<(Topic, String)> {
        let due =
            self.restarts_reported.is_none_or(|last| now >= last.saturating_add(RESTARTS_EVERY));
        if self.restarts.is_empty() || !due {
            return Vec::new();
        }
        self.restarts_reported = Some(now);
        let row = |((actor, reason), times)| Restarts { actor, reason, times };
        let actors = std::mem::take(&mut self.restarts).into_iter().map(row).collect();
        let body = Body::Operator(Operator::Restarted { actors });
        vec![(Topic::Restart, describe(&body, None))]
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn order(&mut self, order: &Order, fact: &Fact<Body>) -> Vec<(Topic, String)> {
        match order {
            Order::Filled { fill, .. } => {
                // By the venue's time, as in a summary: midnight itself belongs to the next day.
                self.later.push((fact.key.n, numbers(fill.time + 1)));
                vec![(Topic::Fill, describe(&fact.body, None))]
            }
            Order::Changed { client_id, status, .. } => {
                let news = if *status == OrderStatus::Unknown {
                    self.unknown.insert(client_id.clone())
                } else {
                    self.unknown.remove(client_id)
                };
                if news { vec![(Topic::Unknown, describe(&fact.body, None))] } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, ledger: &Ledger, fact: &Fact<Body>) -> Vec<(Topic, String)> {
        match ledger {
            Ledger::Equity { time, equity, adjusted, .. } => {
                let (day, month) = numbers(*time);
                let known = self.later.partition_point(|(n, _)| *n <= fact.key.n);
                for (_, (day, month)) in self.later.drain(..known) {
                    self.day.filled(day);
                    self.month.filled(month);
                }
                let made = earned(*equity, *adjusted);
                let over = self
                    .day
                    .take(day, *equity, made)
                    .map(|(span, was)| (Topic::Day, was.words(&date(span * DAY))));
                let month_over = self.month.take(month, *equity, made).map(|(span, was)| {
                    let name = format!("{:04}-{:02}", span.div_euclid(12), span.rem_euclid(12) + 1);
                    (Topic::Month, was.words(&name))
                });
                over.into_iter().chain(month_over).collect()
            }
            Ledger::Reconciled { conflicts, .. } => {
                let known = self.settled.partition_point(|(n, _)| *n <= fact.key.n);
                for (_, conflict) in self.settled.drain(..known) {
                    match conflict {
                        Some(id) => drop(self.conflicts.remove(&id)),
                        None => self.conflicts.clear(),
                    }
                }
                let now: BTreeSet<String> = conflicts.iter().map(Conflict::id).collect();
                let news = now != self.conflicts;
                self.conflicts = now;
                if news { vec![(Topic::Conflict, describe(&fact.body, None))] } else { Vec::new() }
            }
            Ledger::Adjusted { .. } => vec![(Topic::Conflict, describe(&fact.body, None))],
            _ => Vec::new(),
        }
    }

    fn item(&self, fact: &Fact<Body>, topic: Topic, text: &str) -> Item {
        let News { installation, epoch, .. } = self;
        // One fact may end a day and a month.
        let part = match topic {
            Topic::Day => "-day",
            Topic::Month => "-month",
            // A fact of the ledger may also report the collected restarts.
            Topic::Restart if matches!(fact.body, Body::Ledger(_)) => "-restart",
            Topic::Fill
            | Topic::Halt
            | Topic::Conflict
            | Topic::Unknown
            | Topic::Branch
            | Topic::Quarantine
            | Topic::Restart => "",
        };
        let id = format!("{installation}-{epoch}-{}{part}", fact.key);
        Item { id, topic, time: fact.time, text: fit(text, TEXT_MAX) }
    }

    /// The installation that the facts name.
    #[must_use]
    pub fn installation(&self) -> &str {
        &self.installation
    }
}

/// Numbers of the day and the month of an instant; midnight belongs to the day it ends.
fn numbers(time: UtcMs) -> (i64, i64) {
    let day = day_of(time - 1);
    let (year, month, _) = civil(time - 1);
    (day, year * 12 + month - 1)
}

/// The present day or month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredSpan")]
struct Span {
    /// Its number; none: there was no close yet.
    number: Option<i64>,
    /// Equity at its beginning, and after its newest close.
    first: Decimal,
    last: Decimal,
    course: Course,
    fills: u64,
    /// Fills of the next span, before its first close.
    next_fills: u64,
}

/// A stored span, also of earlier versions without a course. They stored both ends with the
/// adjustments, and the drawdown of the equity.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct StoredSpan {
    number: Option<i64>,
    first: End,
    last: End,
    course: Option<Course>,
    highest: Decimal,
    fall: Decimal,
    fills: u64,
    next_fills: u64,
}

/// One end of a stored span, in either format.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum End {
    Equity(Decimal),
    Value { equity: Decimal, adjusted: Decimal },
}

impl Default for End {
    fn default() -> End {
        End::Equity(Decimal::ZERO)
    }
}

impl End {
    /// Equity, and the adjustments up to then.
    const fn parts(self) -> (Decimal, Decimal) {
        match self {
            End::Equity(equity) => (equity, Decimal::ZERO),
            End::Value { equity, adjusted } => (equity, adjusted),
        }
    }
}

impl From<StoredSpan> for Span {
    fn from(kept: StoredSpan) -> Span {
        let StoredSpan { number, highest, fall, fills, next_fills, .. } = kept;
        let ((first, before), (last, adjusted)) = (kept.first.parts(), kept.last.parts());
        let course = kept.course.unwrap_or_else(|| {
            let (first, last) = (earned(first, before), earned(last, adjusted));
            // If an adjustment came between, peak and drawdown without adjustments are unknown.
            let known = before == adjusted;
            let between =
                if known { (highest.saturating_sub(adjusted), fall) } else { Default::default() };
            Course::known(first, last, between.0, between.1)
        });
        Span { number, first, last, course, fills, next_fills }
    }
}

impl Span {
    /// Counts a fill of span `number`. A fill of a span that has ended counts in the present one.
    fn filled(&mut self, number: i64) {
        if self.number.is_some_and(|now| now < number) {
            self.next_fills += 1;
        } else {
            self.fills += 1;
        }
    }

    /// Takes in the equity after a close of span `number`, with and without adjustments (`earned`).
    /// Returns the span that ended before it.
    fn take(&mut self, number: i64, equity: Decimal, earned: Decimal) -> Option<(i64, Span)> {
        let mut ended = None;
        if self.number != Some(number) {
            let before = *self;
            ended = before.number.map(|number| (number, before));
            let (first, from) =
                ended.map_or((equity, earned), |_| (before.last, before.course.last()));
            let fills = if ended.is_some() { before.next_fills } else { before.fills };
            let course = Course::from(from);
            *self = Span { number: Some(number), first, course, fills, ..Span::default() };
        }
        self.last = equity;
        self.course.take(earned, equity - earned);
        ended
    }

    fn words(&self, name: &str) -> String {
        let Span { first, last, course, fills, .. } = self;
        let share = course.profit().checked_div(*first).unwrap_or_default();
        let percent = |share: Decimal| amount(share.saturating_mul(Decimal::ONE_HUNDRED));
        let fills = count(*fills, "fill");
        format!(
            "{name}: equity {}, {} ({} %), {fills}, maximum drawdown {} %",
            amount(*last),
            signed(course.profit()),
            percent(share),
            percent(course.fall())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{T, equity, journal};
    use everwarm_kernel::fact::{Body as _, Key};

    fn all(news: &mut News, facts: &[Fact<Body>]) -> Vec<(Topic, String)> {
        let items = facts.iter().flat_map(|fact| news.fold(fact)).collect::<Vec<_>>();
        let short = |item: Item| (item.topic, item.id);
        items.into_iter().map(short).collect()
    }

    #[test]
    fn fills_are_told_once_each_by_the_number_of_their_fact() {
        let facts = journal().0;
        let mut news = News::default();
        let items = all(&mut news, &facts);
        let fills: Vec<_> = facts.iter().filter(|f| f.body.kind() == kind::FILLED).collect();
        let expected: Vec<_> =
            fills.iter().map(|fill| (Topic::Fill, format!("demo-0-{}", fill.key))).collect();
        assert_eq!(items, expected, "a first start, a good comparison and closes are no news");
        assert!(
            facts.iter().all(|f| INTEREST.has(f.body.kind())
                || all(&mut news, std::slice::from_ref(f)).is_empty())
        );
    }

    #[test]
    fn a_day_and_a_month_end_in_one_line_each() {
        let mut news = News::default();
        let at = |n: u64, time: UtcMs, value: &str| {
            let key = Key { n, rank: 800, i: 0 };
            Fact { key, time, version: 1, because: Vec::new(), body: equity(time, value) }
        };
        let midnight = T.div_euclid(DAY) * DAY + DAY;
        let first = [at(1, T, "10000"), at(2, T + 1, "9900"), at(3, midnight, "10100")];
        assert_eq!(all(&mut news, &first), []);
        let next = news.fold(&at(4, midnight + 60_000, "10050"));
        let line = "2021-01-08: equity 10,100.00, +100.00 (1.00 %), 0 fills, maximum drawdown \
                    1.00 %";
        assert_eq!((next.len(), next[0].text.as_str()), (1, line));
        let later = news.fold(&at(5, midnight + 40 * DAY, "10201"));
        let ids: Vec<_> = later.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, ["-0-5.800.0-day", "-0-5.800.0-month"]);
        assert!(later[1].text.starts_with("2021-01: equity 10,050.00, +50.00"), "{later:?}");
    }

    #[test]
    fn a_fill_that_is_received_after_midnight_is_of_the_day_in_which_it_was_made() {
        let facts = journal().0;
        let fill = facts.iter().find(|fact| fact.body.kind() == kind::FILLED).unwrap();
        let midnight = T.div_euclid(DAY) * DAY + DAY;
        for (made, fills) in [(midnight - 1, "1 fill,"), (midnight, "0 fills,")] {
            let mut late = fill.clone();
            late.time = midnight + 30_000;
            let Body::Order(Order::Filled { fill, .. }) = &mut late.body else { unreachable!() };
            fill.time = made;
            let close = |time: UtcMs| Fact { time, body: equity(time, "10000"), ..late.clone() };
            let mut news = News::default();
            all(&mut news, &[close(midnight), late.clone()]);
            let over = news.fold(&close(midnight + 60_000));
            assert!(over[0].text.contains(fills), "{made}: {over:?}");
        }
    }

    #[test]
    fn what_is_withdrawn_is_neither_loss_nor_a_fall() {
        let mut news = News::default();
        let at = |n: u64, time: UtcMs, equity: i64, adjusted: i64| {
            let key = Key { n, rank: 800, i: 0 };
            let (equity, adjusted) = (Decimal::from(equity), Decimal::from(adjusted));
            let ledger = Ledger::Equity { time, equity, cash: equity, adjusted };
            Fact { key, time, version: 1, because: Vec::new(), body: Body::Ledger(ledger) }
        };
        let midnight = T.div_euclid(DAY) * DAY + DAY;
        // Half of it is withdrawn; then a tenth of the rest is lost and won again.
        let day = [at(1, T, 1000, 0), at(2, T + 1, 500, -500), at(3, midnight, 510, -500)];
        assert_eq!(all(&mut news, &day), []);
        let over = news.fold(&at(4, midnight + 60_000, 459, -500));
        let line = "2021-01-08: equity 510.00, +10.00 (1.00 %), 0 fills, maximum drawdown 0.00 %";
        assert_eq!((over.len(), over[0].text.as_str()), (1, line));
        let over = news.fold(&at(5, midnight + DAY + 60_000, 500, -500));
        assert!(over[0].text.contains("-51.00 (-10.00 %)"), "{over:?}");
        assert!(over[0].text.contains("drawdown 10.00 %"), "of what is left: {over:?}");
    }

    #[test]
    fn a_loop_of_restarts_is_few_items_and_none_of_them_is_lost() {
        let mut news = News::default();
        let fact = |n: u64, time: UtcMs, body| {
            let key = Key { n, rank: 0, i: 0 };
            Fact { key, time, version: 1, because: Vec::new(), body }
        };
        let restarted = |actor: &str, reason: &str, times| {
            let (actor, reason) = (actor.to_owned(), reason.to_owned());
            let actors = vec![Restarts { actor, reason, times }];
            Body::Operator(Operator::Restarted { actors })
        };
        let mut items = Vec::new();
        let first = T - 1_000;
        for n in 1..=100 {
            let time = first + i64::try_from(n).unwrap() * 1_000;
            items.extend(news.fold(&fact(n, time, restarted("feed", "panic", 1))));
        }
        items.extend(news.fold(&fact(101, T + 200_000, restarted("bar", "injected", 2))));
        assert_eq!(items.len(), 1, "{items:?}");
        assert_eq!(
            (items[0].topic, items[0].text.as_str()),
            (Topic::Restart, "actors restarted: feed 1 time (panic)")
        );
        // A close reports the rest, although no actor is restarted any more.
        let close = |n, time| fact(n, time, equity(time, "10000"));
        assert_eq!(news.fold(&close(102, T + RESTARTS_EVERY - 1)), []);
        let rest = news.fold(&close(103, T + RESTARTS_EVERY));
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(rest[0].id, "-0-103-restart");
        assert_eq!(rest[0].text, "actors restarted: bar 2 times (injected), feed 99 times (panic)");
        assert_eq!(news.fold(&close(104, T + 2 * RESTARTS_EVERY)), []);
    }

    #[test]
    fn topics_are_known_by_their_names() {
        let both = Topic::listed("fill, day").unwrap();
        assert_eq!(both.into_iter().collect::<Vec<_>>(), [Topic::Fill, Topic::Day]);
        assert!(Topic::listed("fills").unwrap_err().contains("the topics are fill, halt"));
        assert!(Topic::listed("").unwrap().is_empty());
        for topic in Topic::ALL {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.name());
        }
    }
}
