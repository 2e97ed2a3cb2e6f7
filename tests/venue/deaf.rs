//! A private stream that stands and tells nothing.

use super::remote::{Elsewhere, fills};
use crate::kit::{PATIENCE, run, wait_until};
use everwarm::audit::StoreFacts;
use everwarm::domain::fact::{Body, Venue};
use everwarm::domain::order::ReportSource;
use everwarm::life::{APPLICATION, LIVE_FILE};
use everwarm::ops::desk::JournalFacts;
use everwarm_runtime::store::Store;
use std::ops::ControlFlow;
use std::path::Path;

/// By what way each report with a fill came, in order.
fn ways(dir: &Path) -> Vec<ReportSource> {
    let facts = StoreFacts(Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap());
    let mut ways = Vec::new();
    let each = facts.each(1, &mut |_, fact| {
        if let Body::Venue(Venue::Reported(report)) = &fact.body
            && !report.fills.is_empty()
        {
            ways.push(report.source);
        }
        ControlFlow::Continue(())
    });
    each.unwrap();
    ways
}

#[test]
fn a_private_stream_that_stands_and_tells_nothing_is_replaced() {
    let there = Elsewhere::start("deaf-account", 4);
    let exchange = there.folder.join("other").join("exchange");
    let fault = |words: &[&str]| {
        let (code, _, err) = run(&exchange, &[&["sim", "fault"], words].concat());
        assert_eq!(code, Some(0), "{err}");
    };
    // Orders rest until the market trades: no answer tells that they were filled. The first
    // connection for events of the account is silent from its first one on.
    fault(&["late-fills"]);
    fault(&["silent", "--at", "user", "--times", "1"]);
    let dir = there.folder.join("data");
    let config = there.configured("deaf.toml", "environment = \"testnet\"", "");
    let daemon = Elsewhere::daemon(&dir, &config);
    assert!(daemon.complains("private stream told nothing of ", PATIENCE), "{:?}", fills(&dir));
    let found = fills(&dir).len();
    wait_until("it trades on", || fills(&dir).len() > found + 3);
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err.matches("private stream told nothing of ").count(), 1, "{err}");
    let ways = ways(&dir);
    let told = ways.iter().position(|way| *way == ReportSource::Stream);
    let asked = ways.iter().position(|way| *way == ReportSource::Query);
    assert!(asked.is_some() && asked < told, "asked first, then told: {ways:?}");
}
