//! The newest events in words: important facts, and notices of supervisors.

use super::sentences::describe;
use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body as _, Fact};
use everwarm_runtime::clock::wall;
use everwarm_runtime::supervise::{Announcement, InjectedFault};
use everwarm_trading::decide::REFUSALS;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Number of events kept.
const KEPT: usize = 1000;

/// The importance of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Normal operation.
    Info,
    /// Should be noticed.
    Warn,
    /// A person should check it.
    Bad,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Its number; rises within this process.
    pub id: u64,
    /// Event time of a fact, else wall time, UTC milliseconds.
    pub time: UtcMs,
    /// Group of the fact, or `actors`.
    pub group: String,
    /// Kind of the fact, or of the notice.
    pub kind: String,
    /// Its importance.
    pub weight: Weight,
    /// The symbol, if the event is about exactly one.
    pub symbol: Option<Symbol>,
    /// Key of the fact, for `explain`; none for notices.
    pub key: Option<String>,
    /// Description in words.
    pub text: String,
}

/// The newest events.
#[derive(Debug, Default)]
pub struct EventLog {
    events: VecDeque<EventView>,
    last: u64,
}

impl EventLog {
    /// Takes one fact in, in the order of the journal.
    pub fn fact(&mut self, fact: &Fact<Body>) {
        let Some((group, weight, symbol)) = sorted(&fact.body) else { return };
        self.push(EventView {
            id: 0,
            time: fact.time,
            group: group.to_owned(),
            kind: Body::name(fact.body.kind()).to_owned(),
            weight,
            symbol,
            key: Some(fact.key.to_string()),
            text: describe(&fact.body, symbol),
        });
    }

    /// Takes in a notice of a supervisor about the actor at `path`.
    pub fn supervised(&mut self, path: &str, news: &Announcement) {
        let (kind, weight, text) = match news {
            Announcement::Exited { exit, asked: false, .. } => {
                ("ended", Weight::Warn, format!("{exit}"))
            }
            Announcement::Started { restarts } if *restarts > 0 => {
                ("restarted", Weight::Info, "restarted".to_owned())
            }
            Announcement::Blocked { holds } => {
                let text = format!("has blocked its thread for {} ms", holds.as_millis());
                ("blocked", Weight::Warn, text)
            }
            Announcement::BranchDown { why, .. } => {
                ("down", Weight::Bad, format!("is stopped by its supervisor: {why}"))
            }
            Announcement::BranchUp => ("up", Weight::Info, "runs again".to_owned()),
            Announcement::GaveUp { why } => {
                ("gave up", Weight::Bad, format!("failed too often: {why}"))
            }
            Announcement::StartFailed { .. } => {
                ("start failed", Weight::Warn, "did not start".to_owned())
            }
            Announcement::Started { .. }
            | Announcement::Unblocked { .. }
            | Announcement::StopFailed { .. }
            | Announcement::Ignored
            | Announcement::Exited { .. }
            | Announcement::Removed
            | Announcement::Stray { .. } => return,
        };
        self.actor(kind, weight, format!("{path}: {text}"));
    }

    /// Takes in a fault planned for the actor at `path`. It needs a message, which may never come.
    pub fn planned(&mut self, path: &str, fault: InjectedFault) {
        self.actor("planned", Weight::Warn, format!("{path}: {fault} (injected)"));
    }

    fn actor(&mut self, kind: &str, weight: Weight, text: String) {
        self.push(EventView {
            id: 0,
            time: wall().utc(),
            group: "actors".to_owned(),
            kind: kind.to_owned(),
            weight,
            symbol: None,
            key: None,
            text,
        });
    }

    fn push(&mut self, event: EventView) {
        self.last += 1;
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(EventView { id: self.last, ..event });
    }

    /// The newest events, newest last.
    #[must_use]
    pub fn newest(&self, limit: usize) -> Vec<EventView> {
        let skip = self.events.len().saturating_sub(limit);
        self.events.iter().skip(skip).cloned().collect()
    }
}

/// Group, importance and symbol of a fact; none for facts that are no event.
#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
fn sorted(body: &Body) -> Option<(&'static str, Weight, Option<Symbol>)> {
    use Weight::{Bad, Info, Warn};
    Some(match body {
        Body::Market(Market::LateBar { bar, .. }) => ("market", Warn, Some(bar.symbol)),
        Body::Market(Market::BarRefused { symbol, .. }) => ("market", Warn, Some(*symbol)),
        Body::Market(Market::CorporateAction(action)) => ("market", Warn, Some(action.symbol)),
        Body::Market(Market::Sessions { .. }) => ("market", Info, None),
        Body::Market(Market::Close { odd, .. }) => {
            ("market", Warn, Some(odd.first()?.symbol).filter(|_| odd.len() == 1))
        }
        Body::Market(Market::Universe { listed, unlisted, .. }) => {
            (!listed.is_empty() || !unlisted.is_empty()).then_some(("market", Info, None))?
        }
        Body::Venue(
            Venue::Refused { .. }
            | Venue::Unanswered { .. }
            | Venue::PanicTraded { .. }
            | Venue::ExternalTraded(_),
        ) => ("venue", Warn, None),
        Body::Venue(Venue::Absent { .. } | Venue::Account { .. } | Venue::Responded { .. }) => {
            ("venue", Info, None)
        }
        // The notices of supervisors report each restart.
        Body::Operator(Operator::Clock { .. } | Operator::Restarted { .. }) => return None,
        Body::Operator(Operator::Quarantined { .. } | Operator::Branch { down: Some(_), .. }) => {
            ("operator", Bad, None)
        }
        Body::Operator(_) => ("operator", Info, None),
        Body::Analysis(Analysis::Signals { .. }) => ("signals", Info, None),
        Body::Decision(Decision::Breaker { level, .. }) => {
            ("risk", if *level == BreakerLevel::Normal { Info } else { Bad }, None)
        }
        Body::Decision(Decision::Approved { intent, .. }) => ("orders", Info, Some(intent.symbol)),
        Body::Decision(Decision::Declined { signal, .. }) => ("risk", Info, Some(signal.symbol)),
        Body::Decision(Decision::Owed { symbol, tries, refusal, .. }) => {
            let weight = match refusal {
                Some(_) if *tries >= REFUSALS => Bad,
                Some(_) => Warn,
                None => Info,
            };
            ("risk", weight, Some(*symbol))
        }
        Body::Decision(
            Decision::Withdrawn { symbol, .. }
            | Decision::CancelIntent { symbol, .. }
            | Decision::Guarded { symbol, .. },
        )
        | Body::Order(Order::Filled { symbol, .. }) => ("orders", Info, Some(*symbol)),
        Body::Order(Order::Changed { symbol, status, .. }) => match status {
            OrderStatus::Unknown => ("orders", Bad, Some(*symbol)),
            OrderStatus::Rejected | OrderStatus::Expired => ("orders", Warn, Some(*symbol)),
            OrderStatus::Cancelled | OrderStatus::Filled => ("orders", Info, Some(*symbol)),
            OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => return None,
        },
        Body::Order(Order::Granted { .. }) => ("orders", Warn, None),
        Body::Order(Order::Compared { conflicts, .. }) => {
            (!conflicts.is_empty()).then_some(("ledger", Bad, None))?
        }
        Body::Ledger(Ledger::Position { symbol, .. }) => ("ledger", Info, Some(*symbol)),
        Body::Ledger(Ledger::Reconciled { conflicts, .. }) => {
            ("ledger", if conflicts.is_empty() { Info } else { Bad }, None)
        }
        Body::Ledger(Ledger::Adjusted { .. }) => ("ledger", Warn, None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::journal;
    use super::*;
    use everwarm_runtime::supervise::Exit;
    use std::time::Duration;

    #[test]
    fn what_people_want_to_know_is_kept_in_words_and_bounded() {
        let mut log = EventLog::default();
        journal().0.iter().for_each(|fact| log.fact(fact));
        let events = log.newest(100);
        let groups: Vec<&str> = events.iter().map(|event| event.group.as_str()).collect();
        for group in ["operator", "signals", "risk", "orders", "ledger"] {
            assert!(groups.contains(&group), "{group}: {groups:?}");
        }
        assert!(events.iter().all(|event| !event.text.is_empty() && event.key.is_some()));
        assert!(events.is_sorted_by_key(|event| event.id));
        log.supervised("root/ops", &Announcement::Started { restarts: 0 });
        assert_eq!(log.newest(100).len(), events.len(), "a first start is no news");
        let along = Announcement::Exited {
            exit: Exit::Orphaned,
            uptime: Duration::ZERO,
            restarts: 0,
            asked: false,
        };
        log.supervised("root/ops/sampler", &along);
        log.planned("root/ops", InjectedFault::Stall(Duration::from_secs(5)));
        let texts: Vec<String> = log.newest(2).into_iter().map(|event| event.text).collect();
        let planned = "root/ops: blocks its thread for 5 s at its next message (injected)";
        assert_eq!(texts, ["root/ops/sampler: ended with its supervisor", planned]);
        for _ in 0..KEPT {
            log.supervised("root/ops", &Announcement::BranchUp);
        }
        let newest = log.newest(usize::MAX);
        assert_eq!(newest.len(), KEPT);
        assert_eq!(newest[0].text, "root/ops: runs again");
        assert_eq!(log.newest(2)[1].id, (events.len() + 2 + KEPT) as u64);
    }
}
