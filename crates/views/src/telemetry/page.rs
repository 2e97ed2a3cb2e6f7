//! One response of `/metrics`, in the text format of Prometheus.

use super::table::{Kind, Label, Row, rows};
use everwarm_runtime::meter::{ONE, Reading};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Number of values that were rejected because they are not finite, by metric. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rejected(Arc<Mutex<BTreeMap<&'static str, u64>>>);

enum Value {
    Count(u64),
    Amount(f64),
    Spread(Reading),
}

struct Family {
    row: &'static Row,
    /// By labels, as the response writes them.
    values: BTreeMap<String, Value>,
}

/// One response. It starts with all label values that the table knows, at zero.
pub struct Page {
    families: Vec<Family>,
    by_name: BTreeMap<&'static str, usize>,
    rejected: Rejected,
}

impl Page {
    /// A page with all metrics known in advance, at zero.
    #[must_use]
    pub fn new(rejected: &Rejected) -> Page {
        let families: Vec<Family> = rows().map(Family::new).collect();
        let by_name = families.iter().enumerate().map(|(at, of)| (of.row.name, at)).collect();
        Page { families, by_name, rejected: rejected.clone() }
    }

    /// Sets a counter. `labels` has the label values in the order of the table.
    ///
    /// # Panics
    /// The table has no such counter.
    pub fn count(&mut self, name: &str, labels: &[&str], value: u64) {
        self.family(name, labels).put(labels, Value::Count(value));
    }

    /// Sets a gauge or a fractional counter. It rejects and counts values that are not finite.
    ///
    /// # Panics
    /// The table has no such metric.
    pub fn set(&mut self, name: &str, labels: &[&str], value: f64) {
        let rejected = self.rejected.clone();
        let family = self.family(name, labels);
        if value.is_finite() {
            family.put(labels, Value::Amount(value));
        } else {
            let mut refused = rejected.0.lock().unwrap_or_else(PoisonError::into_inner);
            *refused.entry(family.row.name).or_default() += 1;
        }
    }

    /// Sets a gauge to 1 or 0.
    ///
    /// # Panics
    /// The table has no such metric.
    pub fn flag(&mut self, name: &str, labels: &[&str], on: bool) {
        self.count(name, labels, u64::from(on));
    }

    /// Sets a histogram.
    ///
    /// # Panics
    /// The table has no such histogram.
    pub fn spread(&mut self, name: &str, labels: &[&str], reading: Reading) {
        self.family(name, labels).put(labels, Value::Spread(reading));
    }

    /// The text of the response, with the number of rejected values by gauge.
    #[must_use]
    pub fn text(mut self) -> String {
        for row in rows().filter(|row| row.kind == Kind::Gauge) {
            self.count("everwarm_metrics_rejected_total", &[row.name], 0);
        }
        let refused = self.rejected.clone();
        for (name, n) in &*refused.0.lock().unwrap_or_else(PoisonError::into_inner) {
            self.count("everwarm_metrics_rejected_total", &[name], *n);
        }
        let mut out = String::with_capacity(256 * 1024);
        for family in &self.families {
            family.write(&mut out).expect("text can always be written to");
        }
        out
    }

    fn family(&mut self, name: &str, labels: &[&str]) -> &mut Family {
        let at = *self.by_name.get(name).unwrap_or_else(|| panic!("{name} is in no table"));
        let family = &mut self.families[at];
        assert_eq!(family.row.labels.len(), labels.len(), "{name} has other labels");
        family
    }
}

impl Family {
    fn new(row: &'static Row) -> Family {
        let mut family = Family { row, values: BTreeMap::new() };
        // All combinations of label values; none if a label's values are unknown.
        let mut all: Vec<Vec<&str>> = vec![Vec::new()];
        for label in row.labels {
            let with = |before: &Vec<&'static str>| {
                let before = before.clone();
                label.values.iter().map(move |value| [&before[..], &[*value]].concat())
            };
            all = all.iter().flat_map(with).collect();
        }
        for labels in all {
            let zero = match row.kind {
                Kind::Counter | Kind::Gauge => Value::Count(0),
                Kind::Histogram(bounds) => {
                    let counts = vec![0; bounds.len() + 1];
                    Value::Spread(Reading { bounds, counts, sum: 0 })
                }
            };
            family.put(&labels, zero);
        }
        family
    }

    fn put(&mut self, labels: &[&str], value: Value) {
        let mut text = String::new();
        for (Label { name, .. }, value) in self.row.labels.iter().zip(labels) {
            let comma = if text.is_empty() { "" } else { "," };
            write!(text, "{comma}{name}=\"{}\"", escaped(value)).expect("text takes text");
        }
        self.values.insert(text, value);
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Row { name, kind, help, .. } = self.row;
        if self.values.is_empty() {
            return Ok(());
        }
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", kind.name())?;
        for (labels, value) in &self.values {
            let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            match value {
                Value::Count(count) => writeln!(out, "{name}{braced} {count}")?,
                Value::Amount(amount) => writeln!(out, "{name}{braced} {amount}")?,
                Value::Spread(reading) => spread(out, name, labels, &braced, reading)?,
            }
        }
        Ok(())
    }
}

fn spread(
    out: &mut String,
    name: &str,
    labels: &str,
    braced: &str,
    Reading { bounds, counts, sum }: &Reading,
) -> std::fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    for (at, count) in counts.iter().enumerate() {
        below += count;
        let bound = bounds.get(at).map_or("+Inf".to_owned(), |bound| parts(*bound).to_string());
        writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}")?;
    }
    writeln!(out, "{name}_sum{braced} {}\n{name}_count{braced} {below}", parts(*sum))
}

#[expect(clippy::cast_precision_loss, reason = "a sum of seconds loses at most its nanoseconds")]
fn parts(value: i64) -> f64 {
    value as f64 / ONE as f64
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::meter::Histogram;

    fn text(fill: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(&Rejected::default());
        fill(&mut page);
        page.text()
    }

    #[test]
    fn everything_known_beforehand_is_there_from_the_start_and_nothing_is_a_summary() {
        let text = text(|_| ());
        for row in rows().filter(|row| row.labels.iter().all(|label| !label.values.is_empty())) {
            let kind = row.kind.name();
            assert!(text.contains(&format!("# HELP {} {}\n", row.name, row.help)), "{}", row.name);
            assert!(text.contains(&format!("# TYPE {} {kind}\n", row.name)), "{}", row.name);
            for value in row.labels.iter().flat_map(|label| label.values) {
                assert!(text.contains(&format!("=\"{value}\"")), "{}: {value}", row.name);
            }
        }
        assert!(!text.contains(" summary\n"));
        assert!(text.contains("everwarm_closes_total 0\n"), "{text}");
        let both = "everwarm_orders_total{side=\"buy\",outcome=\"filled\"} 0\n";
        assert!(text.contains(both), "{text}");
    }

    #[test]
    fn a_histogram_is_told_in_seconds_and_adds_up() {
        let histogram = Histogram::new(everwarm_runtime::meter::COMMIT);
        for nanos in [100_000, 150_000, 7_000_000_000] {
            histogram.count(nanos);
        }
        let name = "everwarm_store_commit_duration_seconds";
        let text = text(|page| page.spread(name, &["synced"], histogram.read()));
        for line in [
            "_bucket{durability=\"synced\",le=\"0.0001\"} 1",
            "_bucket{durability=\"synced\",le=\"0.0002\"} 2",
            "_bucket{durability=\"synced\",le=\"+Inf\"} 3",
            "_sum{durability=\"synced\"} 7.00025",
            "_count{durability=\"synced\"} 3",
            "_count{durability=\"lazy\"} 0",
        ] {
            assert!(text.contains(&format!("{name}{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn what_is_not_finite_is_refused_and_counted() {
        let rejected = Rejected::default();
        let mut page = Page::new(&rejected);
        page.set("everwarm_equity", &["USD"], 12.5);
        page.set("everwarm_equity", &["USD"], f64::NAN);
        let text = page.text();
        assert!(text.contains("everwarm_equity{currency=\"USD\"} 12.5\n"), "{text}");
        let counted = "everwarm_metrics_rejected_total{metric=\"everwarm_equity\"} 1\n";
        assert!(text.contains(counted), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        let text = text(|page| page.set("everwarm_equity", &["a\"b\\c\n"], 1.0));
        assert!(text.contains("everwarm_equity{currency=\"a\\\"b\\\\c\\n\"} 1\n"), "{text}");
    }
}
