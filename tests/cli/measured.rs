//! What `/metrics` reports of 300 symbols: little enough for whoever scrapes and keeps it. And the
//! decisions that the daemon repeats in the night.

use crate::cli::look::get;
use crate::kit::{Folder, Process, run, wait_until};
use everwarm::audit;
use everwarm_domain::time::DAY;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::scan_days::{near, scan_days};
use everwarm_views::testing::Facts;
use std::path::Path;

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

/// The value of a metric without labels, if the page has it.
fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split(' ').nth(1)?.parse().ok()
}

#[test]
fn the_decisions_of_a_day_are_repeated_in_the_night() {
    let folder = Folder::new("repeated");
    let dir = folder.join("data");
    let config = folder.join("early.toml");
    let text = "[daemon]\nself_replay = \"00:05\"\n[storage]\nscan_history = true\n";
    std::fs::write(&config, text).unwrap();
    let flags = ["--pace", "4500x", "--symbols", "2", "--config", config.to_str().unwrap()];
    let daemon = Process::start(&dir, &[&["run"], &flags[..]].concat());
    daemon.answers();
    // The market begins with a day, so the first day that has inputs ends a day later.
    let differences = "everwarm_self_replay_differences";
    let now = || get(&dir, "/metrics");
    let inputs = |text: &str| metric(text, "everwarm_self_replay_inputs");
    wait_until("a day is repeated", || inputs(&now()) > Some(0.0));
    let text = now();
    // Whatever else it finds at this pace.
    let (_, out, _) = run(&dir, &["doctor", "--json"]);
    let doctor: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(metric(&text, differences), Some(0.0), "{doctor}");
    assert_eq!(metric(&text, "everwarm_self_replay_successful"), Some(1.0), "{doctor}");
    let of = |part: &str| doctor[part].to_string().contains("self-replay");
    assert_eq!((of("checks"), of("findings")), (true, false), "{doctor}");
    daemon.kill();
    counts_are_stored(&dir);
}

/// The night has stored the counts of the day that the journal gives, the bars near a signal, and
/// where the next night begins.
fn counts_are_stored(dir: &Path) {
    let history = Archive::look(&dir.join("history.redb")).unwrap().unwrap();
    let counts = history.all("scan_days.1").unwrap();
    let (key, _) = counts.first().expect("the counts of the scanner are stored");
    let end = i64::from_be_bytes(*key.first_chunk().unwrap()) + DAY - 1;
    let (journal, none) = (audit::open(dir).unwrap(), Archive::in_memory(dir).unwrap());
    let counted = |archive: &Archive| scan_days(&*journal, archive, (1, end), None).unwrap();
    assert_eq!(counted(&history), counted(&none));
    let kept = near(&Facts(Vec::new()), &history, (1, end), None, 9).unwrap();
    assert_eq!((kept.rows.len(), kept.unknown), (9, Vec::new()));
    assert_eq!(history.len("scan_state.1").unwrap(), 1);
}
