//! The events of the account: their order, their fields, and that each comes once.

use super::walk::{Walk, time};
use everwarm_venue::conformance::check::{Check, Outcome, Stop, field, not_tried};
use everwarm_venue::conformance::walk::Base;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Events on the way to another one. They may be missing.
const ON_THE_WAY: [&str; 5] =
    ["pending_new", "accepted", "pending_cancel", "pending_replace", "partial_fill"];

/// The event of the account in a message of its stream.
pub(super) fn event_of(message: &Value) -> Option<&Value> {
    let stream = message.get("stream").and_then(Value::as_str);
    message.get("data").filter(|_| stream == Some("trade_updates"))
}

/// The name of an event.
fn name(event: &Value) -> &str {
    event.get("event").and_then(Value::as_str).unwrap_or("missing")
}

/// A text of the order of an event.
fn of_order<'e>(event: &'e Value, name: &str) -> &'e str {
    let text = event.get("order").and_then(|order| order.get(name)).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// The events of an order since `mark`, without those on the way. An order that waits for the next
/// session may have been announced as new, or not yet.
fn events<'b>(base: &'b Base, mark: usize, id: &str, is_open: bool) -> Vec<&'b str> {
    let since = base.events.iter().skip(mark);
    let names = since.filter(|event| of_order(event, "client_order_id") == id).map(name);
    names.filter(|name| !ON_THE_WAY.contains(name) && (is_open || *name != "new")).collect()
}

impl Walk {
    /// Compares the events of an order since `mark` with the `expected` ones.
    pub(super) async fn reports(
        &mut self,
        mark: usize,
        (id, expected): (&str, &[&str]),
        check: &mut Check,
    ) -> Result<(), Stop> {
        let is_open = self.is_open;
        let due = expected.iter().copied().filter(|name| is_open || *name != "new");
        let due: Vec<&str> = due.collect();
        let enough = |base: &Base| {
            let came = events(base, mark, id, is_open);
            due.iter().all(|name| came.contains(name))
        };
        self.base.events_until(enough).await?;
        let came = events(&self.base, mark, id, is_open);
        if came != due {
            let what = format!("the list of events of order {id}");
            check.differs(what, format!("{due:?}"), format!("{came:?}"));
        }
        Ok(())
    }

    /// The event of this name about an order since `mark`.
    pub(super) fn event(&self, mark: usize, id: &str, wanted: &str) -> Option<&Value> {
        let mut since = self.base.events.iter().skip(mark);
        since.find(|event| of_order(event, "client_order_id") == id && name(event) == wanted)
    }
}

/// Every event came once, and in the order of its time.
pub(super) async fn once(walk: &mut Walk) -> Outcome {
    walk.base.catch_up().await?;
    let mut check = Check::new();
    let (mut counts, mut before) = (BTreeMap::<(&str, &str), u32>::new(), None);
    for event in &walk.base.events {
        let id = event.get("execution_id").and_then(Value::as_str).unwrap_or_default();
        let order = of_order(event, "client_order_id");
        let count = counts.entry((order, id)).or_default();
        *count += u32::from(!id.is_empty());
        let what = format!("the count of execution {id} of order {order}");
        check.holds(*count <= 1, what, 1, *count);
        let text = event.get("timestamp").and_then(Value::as_str);
        let at = text.and_then(|text| text.parse::<Timestamp>().ok());
        if at < before {
            let what = format!("\"timestamp\" of event {:?} of order {order}", name(event));
            check.differs(what, "that of the event before it, or later", text.unwrap_or("missing"));
        }
        before = before.max(at);
    }
    if counts.is_empty() {
        return Err(not_tried("no event came"));
    }
    check.end(format!("{} events", walk.base.events.len()))
}

/// Every event has all its fields.
pub(super) async fn fields(walk: &mut Walk) -> Outcome {
    if walk.base.events.is_empty() {
        return Err(not_tried("no event came"));
    }
    let mut check = Check::new();
    for event in &walk.base.events {
        let of = format!("event {:?}", name(event));
        time(&mut check, &of, event, "timestamp");
        let is_named = event.get("execution_id").is_some_and(Value::is_string);
        let what = format!("\"execution_id\" of {of}");
        check.holds(is_named, what, "a text", field(event, "execution_id"));
        let venue_id = of_order(event, "id");
        check.holds(
            !venue_id.is_empty(),
            format!("\"id\" of the order of {of}"),
            "a text",
            "empty",
        );
        if matches!(name(event), "fill" | "partial_fill") {
            for name in ["price", "qty", "position_qty"] {
                check.decimal(&of, event, name);
            }
        }
    }
    check.end(format!("{} events", walk.base.events.len()))
}
