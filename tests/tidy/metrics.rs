//! `docs/METRICS.md` is written from the table of metrics. `EVERWARM_BLESS=1 cargo test` writes it
//! anew.

use super::root;
use everwarm::ops::telemetry::{Kind, document, rows};
use std::collections::BTreeSet;

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path = root().join("docs/METRICS.md");
    let wanted = document();
    if std::env::var_os("EVERWARM_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/METRICS.md is out of date: EVERWARM_BLESS=1 cargo test metrics");
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
