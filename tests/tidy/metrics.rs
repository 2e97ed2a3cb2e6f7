//! `docs/reference/metrics.md` is generated from the table of metrics.

use super::assert_generated;
use everwarm_views::telemetry::{Kind, document, rows};
use std::collections::BTreeSet;

#[test]
fn the_page_of_metrics_is_up_to_date() {
    assert_generated("docs/reference/metrics.md", &document());
}

#[test]
fn names_are_those_of_prometheus_and_symbols_are_rare() {
    let names: BTreeSet<_> = rows().map(|row| row.name).collect();
    assert_eq!(names.len(), rows().count(), "a name is there twice");
    for row in rows() {
        let total = row.name.ends_with("_total");
        assert_eq!(total, row.kind == Kind::Counter, "{}", row.name);
        let unit = match row.unit {
            "seconds" | "bytes" | "ratio" => row.unit,
            _ => "",
        };
        let bare = row.name.trim_end_matches("_total");
        assert!(bare.ends_with(unit) || bare.contains("timestamp"), "{}", row.name);
        let known = row.name.starts_with("everwarm_") || row.name.starts_with("process_");
        assert!(known && !row.help.ends_with('.'), "{}", row.name);
        let symbol = row.labels.iter().any(|label| label.name == "symbol");
        assert!(!symbol || row.kind == Kind::Gauge, "{}", row.name);
    }
    let symbols = rows().filter(|row| row.labels.iter().any(|label| label.name == "symbol"));
    assert!(symbols.count() <= 6);
}
