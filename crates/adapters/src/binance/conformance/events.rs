//! The events of the account: their order, and that each comes once.

use super::walk::Walk;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, not_tried};
use everwarm_venue::conformance::walk::Base;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Walk {
    /// Compares the reports of orders since `mark` with the `expected` ones of each: (id, reports
    /// like `NEW NEW` of execution type and status). A part of a fill is left out. Then the account
    /// must be reported, too, if `balances` change.
    pub(super) async fn reports(
        &mut self,
        mark: usize,
        expected: &[(String, &[&str])],
        balances: bool,
        check: &mut Check,
    ) -> Result<(), Stop> {
        self.base.events_until(|base| is_reported(base, mark, expected, balances)).await?;
        let seconds = self.base.patience.as_secs();
        for (id, reports) in expected {
            let came = reports_of(&self.base, mark, id);
            if came != *reports {
                let missing = reports.iter().any(|report| !came.iter().any(|c| c == report));
                let late = if missing { format!(" after {seconds} s") } else { String::new() };
                let what = format!("the list of reports of order {id}{late}");
                check.differs(what, listed(reports), listed(&came));
            }
        }
        if balances && position_after(&self.base, mark, expected).is_none() {
            let what = format!("the event outboundAccountPosition after {seconds} s");
            check.differs(what, "sent after the reports of the order", "missing");
        }
        Ok(())
    }

    /// Waits for an event of a list since `mark`: (its id, its kind of status).
    pub(super) async fn list_event(
        &mut self,
        mark: usize,
        (list, kind): (&str, &str),
        check: &mut Check,
    ) -> Result<(), Stop> {
        let user = self.base.user()?;
        let is_it = |event: &Value| {
            let text = |field: &str| event.get(field).and_then(Value::as_str);
            let of = (text("e"), text("C"), text("l"));
            of == (Some("listStatus"), Some(list), Some(kind))
        };
        if self.base.events.iter().skip(mark).any(is_it) {
            return Ok(());
        }
        let mut came = false;
        let heard = self.base.listen(user, |message| {
            came = message.get("event").is_some_and(is_it);
            came
        });
        heard.await?;
        if !came {
            let what =
                format!("the event listStatus {kind} after {} s", self.base.patience.as_secs());
            check.differs(what, format!("sent for list {list}"), "missing");
        }
        Ok(())
    }

    /// Every report came once, and in the order of its time.
    pub(super) fn events_once(&self) -> Outcome {
        if self.base.events.is_empty() {
            return Err(not_tried("no event came"));
        }
        let mut check = Check::new();
        let (mut seen, mut time) = (BTreeMap::<i64, u32>::new(), i64::MIN);
        for event in &self.base.events {
            let integer = |field: &str| event.get(field).and_then(Value::as_i64);
            if let Some(at) = integer("E") {
                let kind = event.get("e").and_then(Value::as_str).unwrap_or("an event");
                let what = format!("\"E\" of {kind}, compared with the event before it");
                check.holds(at >= time, what, format!("{time} or later"), at);
                time = time.max(at);
            }
            if let (Some(id), Some(number)) = (order_of(event), integer("I").filter(|n| *n >= 0)) {
                let times = seen.entry(number).or_default();
                *times += 1;
                let what = format!("the count of execution {number} of order {id}");
                check.holds(*times == 1, what, 1, *times);
            }
        }
        check.end(format!("{} events, {} reports of orders", self.base.events.len(), seen.len()))
    }
}

fn is_reported(base: &Base, mark: usize, expected: &[(String, &[&str])], balances: bool) -> bool {
    let has = |(id, reports): &(String, &[&str])| {
        let came = reports_of(base, mark, id);
        reports.iter().all(|report| came.iter().any(|c| c == report))
    };
    expected.iter().all(has) && (!balances || position_after(base, mark, expected).is_some())
}

/// The reports of an order since `mark`, without parts of fills that follow the first report.
fn reports_of(base: &Base, mark: usize, id: &str) -> Vec<String> {
    let events = base.events.iter().skip(mark).filter(|event| order_of(event) == Some(id));
    let text = |event: &Value, field: &str| {
        event.get(field).and_then(Value::as_str).unwrap_or("missing").to_owned()
    };
    let mut reports: Vec<String> = Vec::new();
    for event in events {
        let report = format!("{} {}", text(event, "x"), text(event, "X"));
        let is_part = report == "TRADE PARTIALLY_FILLED";
        if !(is_part && reports.iter().any(|earlier| earlier == "NEW NEW")) {
            reports.push(report);
        }
    }
    reports
}

/// The report about balances after the last of these orders' reports.
fn position_after<'b>(
    base: &'b Base,
    mark: usize,
    expected: &[(String, &[&str])],
) -> Option<&'b Value> {
    let ids: BTreeSet<&str> = expected.iter().map(|(id, _)| id.as_str()).collect();
    let of_them = |event: &Value| order_of(event).is_some_and(|id| ids.contains(id));
    let last = base.events.iter().rposition(of_them).filter(|last| *last >= mark)?;
    let mut later = base.events.iter().skip(last);
    later.find(|event| event.get("e").and_then(Value::as_str) == Some("outboundAccountPosition"))
}

/// Reports as one text.
fn listed<S: AsRef<str>>(reports: &[S]) -> String {
    let list: Vec<&str> = reports.iter().map(AsRef::as_ref).collect();
    if list.is_empty() { "empty".to_owned() } else { list.join(", ") }
}

/// The id of the order that a report is about. A cancel has its own id, and the order's in `C`.
fn order_of(event: &Value) -> Option<&str> {
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    if text("e") != Some("executionReport") {
        return None;
    }
    text("C").filter(|original| !original.is_empty()).or_else(|| text("c"))
}
