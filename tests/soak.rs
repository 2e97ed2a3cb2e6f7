//! What `cargo bench --bench soak` lets pass and what not.

#[path = "../benches/common/flat.rs"]
#[allow(clippy::cast_precision_loss, reason = "a measurement counts in floats")]
mod flat;

use flat::{May, grown, halves, warm};

/// Looks a second apart, minutes.
fn looks(seconds: u32) -> Vec<f64> {
    (1..=seconds).map(|second| f64::from(second) / 60.0).collect()
}

#[test]
fn what_counts_begins_after_four_hours_of_the_market_or_a_third_of_the_run() {
    let minute = |seconds: u32, factor: f64| {
        let looks = looks(seconds);
        looks[warm(&looks, factor)] * factor
    };
    for (seconds, factor) in [(120, 240.0), (120, 300.0), (1_440, 60.0)] {
        let from = minute(seconds, factor);
        assert!(from >= 240.0, "{seconds} s at {factor}x: {from}");
    }
    assert_eq!(warm(&looks(120), 240.0), 59, "half is left");
    assert_eq!(warm(&looks(1_440), 60.0), 480, "of a day a third is left out");
    for (seconds, factor) in [(120, 60.0), (360, 1.0), (120, 130.0)] {
        let third = seconds as usize / 3;
        assert_eq!(warm(&looks(seconds), factor), third, "{seconds} s at {factor}x");
    }
}

#[test]
fn memory_that_stands_passes_and_memory_that_climbs_does_not() {
    let memory = |of: fn(u32) -> f64| -> Option<String> {
        let values: Vec<f64> = (0..60).map(of).collect();
        grown("memory, MB", May::Stay, &values, 1e6)
    };
    assert_eq!(memory(|_| 65.0), None);
    assert_eq!(memory(|second| 62.0 + f64::from(second % 8)), None, "it breathes");
    assert_eq!(memory(|second| 70.0 - f64::from(second) / 10.0), None, "it falls");
    let text = memory(|second| 60.0 + f64::from(second) / 4.0).unwrap();
    assert_eq!(text, "memory, MB grew from 63.6 to 71.1, 70.0 at most");
    assert!(memory(|second| if second < 30 { 60.0 } else { 67.0 }).is_some(), "a step");
    // Few of something may be some more.
    let files = |last: f64| grown("open files", May::Stay, &[20.0, last], 1e6);
    assert_eq!((files(24.0), files(24.5).is_some()), (None, true));
}

#[test]
fn tasks_may_rise_at_each_close_but_must_end_again() {
    let tasks = |of: fn(u32) -> f64| -> Option<String> {
        let values: Vec<f64> = (0..60).map(of).collect();
        grown("tasks", May::Return, &values, 1e6)
    };
    assert_eq!(tasks(|second| 750.0 + f64::from(second * second % 10) * 70.0), None);
    assert_eq!(
        tasks(|second| if second < 30 { 750.0 } else { 750.0 + f64::from(second % 9) }),
        None
    );
    let text =
        tasks(|second| 750.0 + f64::from(second % 8) * 70.0 + f64::from(second) * 7.0).unwrap();
    assert_eq!(text, "tasks grew from 750.0 to 974.0, 937.5 at most");
}

#[test]
fn what_keeps_every_bar_may_grow_by_the_bar_and_no_more() {
    let kept = |mb: f64| {
        let values: Vec<f64> = (0..=60).map(|second| 5.0 + mb * f64::from(second) / 60.0).collect();
        grown("journal, MB", May::Keep(400.0), &values, 36_000.0)
    };
    assert_eq!(kept(14.4 + 15.9), None);
    let text = kept(31.0).unwrap();
    assert_eq!(text, "journal, MB grew by 31.0, 30.4 at most for 36000 bars");
    assert_eq!(grown("journal, MB", May::Keep(400.0), &[], 0.0), None);
    // 14.4 MB are kept: a file may have doubled itself, and that once.
    let doubled = |last: f64| grown("history, MB", May::Keep(400.0), &[42.0, last], 36_000.0);
    assert_eq!((doubled(84.0 + 14.0), doubled(126.0).is_some()), (None, true));
    assert_eq!(halves(&[1.0, 3.0, 5.0, 7.0]), (2.0, 6.0));
}

#[test]
fn what_fills_up_has_a_size_it_never_passes() {
    let filled = |top: f64| grown("live.redb, MB", May::Fill(40.0), &[16.0, 16.0, top, 33.0], 1e6);
    assert_eq!((filled(33.0), filled(40.0)), (None, None), "a file that doubled itself once");
    assert_eq!(filled(64.0).unwrap(), "live.redb, MB came to 64.0, 40.0 at most");
}
