//! What `/metrics` reports of 300 symbols: little enough for whoever scrapes and keeps it.

use crate::cli::look::get;
use crate::kit::{Folder, Process, wait_until};

/// Lines and bytes of one answer, at most.
const LINES: usize = 20_000;
const BYTES: usize = 2_000_000;

#[test]
fn three_hundred_symbols_are_told_within_the_budget_of_a_scrape() {
    let folder = Folder::new("measured");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--pace", "10x", "--symbols", "300"]);
    daemon.answers();
    let ages = |text: &str| text.matches("everwarm_feed_symbol_age_seconds{").count();
    wait_until("all symbols are told of", || ages(&get(&dir, "/metrics")) == 300);
    let text = get(&dir, "/metrics");
    assert!(text.lines().count() < LINES, "{} lines", text.lines().count());
    assert!(text.len() < BYTES, "{} bytes", text.len());
    let mut gauges = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| line.contains("symbol=\"")) {
        let (name, _) = line.split_once('{').expect("a label is in braces");
        assert!(!name.ends_with("_bucket"), "{line}");
        gauges.insert(name);
    }
    assert!((1..=6).contains(&gauges.len()), "{gauges:?}");
    assert!(!text.contains(" summary\n"));
    assert!(text.contains("everwarm_actor_alive{actor=\"bar\"} "), "{text}");
    assert!(!text.contains("actor=\"BTCUSDT\""), "bar actors are reported as one");
    daemon.kill();
}
