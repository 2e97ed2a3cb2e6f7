//! The data that the page shows, as rows.

use super::versions::{Rows, Section, Versions};
use everwarm_runtime::clock;
use everwarm_views::questions::{Context, Process, orders, positions, remembered, symbols};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of orders, fills and signals shown.
const NEWEST: usize = 150;
/// Maximum number of events shown.
const EVENTS: usize = 400;
/// How long the books are still read after the newest fact. The history follows the disk, so it
/// lags behind.
const SETTLED: Duration = Duration::from_secs(3);

/// Reads the data of a daemon repeatedly.
#[derive(Debug, Default)]
pub struct PageObserver {
    /// The rows read so far.
    pub versions: Versions,
    /// The newest input, and when it was first seen.
    head: Option<(u64, Instant)>,
    /// The newest event.
    event: Option<u64>,
    /// The tree at the last poll.
    tree: Arc<Value>,
    /// The clocks, as members of a JSON object.
    clocks: String,
}

impl PageObserver {
    /// Polls the daemon once.
    pub fn look(&mut self, context: &dyn Context) {
        let Ok(mut status) = context.status() else { return };
        let process = context.process();
        let venue = process.and_then(Process::venue_time);
        let venue = venue.map_or_else(|| "null".to_owned(), |now| now.to_string());
        let (at, uptime) = (clock::wall().utc(), status.uptime_ms.take().unwrap_or(0));
        status.unsynced = None;
        self.clocks = format!("\"at\":{at},\"uptime_ms\":{uptime},\"venue_at\":{venue}");
        let now = clock::now();
        if self.head.is_none_or(|(head, _)| head != status.head) {
            self.head = Some((status.head, now));
        }
        self.one("status", &status);
        self.keyed("checks", &context.checks(), |row| row.name.clone());
        let quarantines = remembered(context, |memory| memory.now().status.quarantines());
        self.keyed("quarantine", &quarantines.unwrap_or_default(), |row| row.id.to_string());
        if let Ok(switches) = context.switches() {
            self.one("switches", &switches);
        }
        if let Some(process) = process {
            self.process(process);
        }
        if self.head.is_some_and(|(_, since)| now - since < SETTLED) {
            self.books(context);
        }
        self.versions.seal();
    }

    /// Reads data that only a running process has.
    fn process(&mut self, process: &dyn Process) {
        self.tree(process.tree());
        self.one("reloads", &process.reloads());
        let newest = process.events(1).pop().map(|event| event.id);
        if self.event != newest {
            self.event = newest;
            self.newest("events", &process.events(EVENTS), |row| row.id.to_string());
        }
    }

    /// Reads data that changes only with facts.
    fn books(&mut self, context: &dyn Context) {
        let listed = symbols(context).unwrap_or_default();
        self.keyed("symbols", &listed, |row| row.symbol.to_string());
        if let Ok(rows) = positions(context) {
            self.keyed("positions", &rows, |row| row.symbol.to_string());
        }
        if let Ok(rows) = remembered(context, |memory| memory.now().status.lots()) {
            self.keyed("lots", &rows, |row| format!("{} {}", row.symbol, row.strategy));
        }
        if let Ok(page) = orders(context, Some(NEWEST).into()) {
            self.newest("orders", &page.rows, |row| row.client_order_id.to_string());
        }
        if let Ok(page) = context.history().fills(Some(NEWEST)) {
            self.newest("fills", &page.rows, |row| format!("{}:{}", row.symbol, row.trade_id));
        }
        if let Ok(rows) = remembered(context, |memory| memory.signals.newest(Some(NEWEST))) {
            self.newest("signals", &rows, |row| format!("{} {}", row.key, row.symbol));
        }
        if let Ok(Some(last)) = context.history().equity(Some(1)).map(|mut page| page.rows.pop()) {
            self.one("equity", &last);
        }
    }

    /// The clocks of the last poll: wall time, uptime and venue time, in milliseconds, as members
    /// of a JSON object.
    #[must_use]
    pub fn clocks(&self) -> &str {
        &self.clocks
    }

    /// Stores the tree if it changed. It has hundreds of rows and rarely changes.
    fn tree(&mut self, tree: Arc<Value>) {
        if !Arc::ptr_eq(&tree, &self.tree) {
            self.versions.put(Section::Table("tree"), branches(&tree));
            self.tree = tree;
        }
    }

    fn one(&mut self, name: &'static str, row: &impl Serialize) {
        let row = (String::new(), text(row));
        self.versions.put(Section::Table(name), Rows::from([row]));
    }

    fn keyed<T: Serialize>(&mut self, name: &'static str, rows: &[T], key: fn(&T) -> String) {
        self.versions.put(Section::Table(name), by_key(rows, key));
    }

    fn newest<T: Serialize>(&mut self, name: &'static str, rows: &[T], key: fn(&T) -> String) {
        self.versions.put(Section::Newest(name), by_key(rows, key));
    }
}

fn by_key<T: Serialize>(rows: &[T], key: fn(&T) -> String) -> Rows {
    rows.iter().map(|row| (key(row), text(row))).collect()
}

fn text(row: &impl Serialize) -> String {
    serde_json::to_string(row).unwrap_or_else(|_| "null".to_owned())
}

/// The tree flattened: each node under its path, with its position among its siblings.
fn branches(root: &Value) -> Rows {
    let mut rows = Rows::new();
    let mut open = vec![(String::new(), 0, root)];
    while let Some((parent, place, node)) = open.pop() {
        let Value::Object(node) = node else { continue };
        let Some(name) = node.get("name").and_then(Value::as_str) else { continue };
        let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        let (below, own): (Vec<_>, Vec<_>) = node.iter().partition(|(key, _)| *key == "children");
        let children = below.into_iter().filter_map(|(_, below)| below.as_array()).flatten();
        open.extend(children.enumerate().map(|(place, child)| (path.clone(), place, child)));
        let own = own.into_iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value)));
        let place = ("place", Cow::Owned(json!(place)));
        rows.insert(path, text(&own.chain([place]).collect::<BTreeMap<_, _>>()));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_sent_by_paths() {
        let leaf = |name: &str| json!({ "name": name, "state": "running", "children": [] });
        let ops = json!({ "name": "ops", "state": "running", "children": [leaf("b"), leaf("a")] });
        let root = json!({ "name": "root", "state": "running", "children": [ops] });
        let rows = branches(&root);
        let row = |path: &str| serde_json::from_str::<Value>(&rows[path]).unwrap();
        let places: Vec<_> =
            rows.keys().map(|path| (path.as_str(), row(path)["place"].clone())).collect();
        let [first, second] = [json!(0), json!(1)];
        assert_eq!(
            places,
            [
                ("root", first.clone()),
                ("root/ops", first.clone()),
                ("root/ops/a", second),
                ("root/ops/b", first)
            ]
        );
        assert_eq!(row("root/ops/a"), json!({ "name": "a", "state": "running", "place": 1 }));
        assert!(branches(&Value::Null).is_empty());
    }
}
