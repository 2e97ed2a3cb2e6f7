//! The daemon, disturbed and not: equal.
//!
//! A failing run is one line of JSON, its plan. It is run again with
//! `EVERWARM_PLAN='…' cargo test --test tests replay -- --ignored --nocapture`.

mod ailing;
mod classic;
mod clock;
mod controls;
mod faults;
mod precondition;
mod promises;
mod steered;
mod sweeps;
mod symbols;
mod upgrade;

use everwarm::chaos::feed;
use everwarm::chaos::rig::Feed;
use everwarm::chaos::sweep::{Learned, Swept, learn};
use std::sync::OnceLock;

/// The small feed and what undisturbed runs of it teach; learned once for all tests.
fn learned() -> &'static (Feed, Learned) {
    static LEARNED: OnceLock<(Feed, Learned)> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let feed = feed::small();
        let learned = learn(&feed).unwrap();
        (feed, learned)
    })
}

/// Fails with every run that was not as it must be.
fn none_failed(swept: &Swept) {
    for failure in &swept.failures {
        println!("EVERWARM_PLAN='{}'\n    {}", failure.plan, failure.why);
    }
    assert!(swept.failures.is_empty(), "{} of {} runs", swept.failures.len(), swept.runs);
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
