//! A private stream that stands and sends nothing, and one that is refused when it comes back.

use super::remote::{Elsewhere, fills};
use crate::cli::look::get;
use crate::kit::{PATIENCE, ask, run, wait_until};
use everwarm::audit::StoreFacts;
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Venue};
use everwarm_domain::order::ReportSource;
use everwarm_runtime::store::Store;
use everwarm_views::journal_reader::JournalFacts;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

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

/// Words about orders that its private stream has brought.
fn received(dir: &Path) -> u64 {
    let text = get(dir, "/metrics");
    let of = |line: &&str| line.starts_with("everwarm_feed_messages_total{");
    let line = text.lines().filter(of).find(|line| line.contains("kind=\"order\"")).unwrap();
    line.split_once(' ').unwrap().1.parse().unwrap()
}

/// Has the exchange misbehave.
fn misbehave(there: &Elsewhere, words: &[&str]) {
    let (code, _, err) = run(&exchange(there), &[&["sim", "fault"], words].concat());
    assert_eq!(code, Some(0), "{err}");
}

/// The folder of the exchange.
fn exchange(there: &Elsewhere) -> PathBuf {
    there.folder.join("other").join("exchange")
}

#[test]
fn a_private_stream_that_stands_and_tells_nothing_is_replaced() {
    let there = Elsewhere::at_pace("deaf-account", 4, 120);
    let fault = |words: &[&str]| misbehave(&there, words);
    // Orders rest until the market trades: no answer reports that they were filled. The first
    // connection for events of the account is silent from its first one on.
    fault(&["late-fills"]);
    fault(&["silent", "--at", "user", "--times", "1"]);
    let dir = there.folder.join("data");
    let config = there.configured("deaf.toml", "environment = \"testnet\"", "");
    let daemon = Elsewhere::daemon(&dir, &config);
    assert!(daemon.complains("private stream did not report ", PATIENCE), "{:?}", fills(&dir));
    let found = fills(&dir).len();
    wait_until("it trades on", || fills(&dir).len() > found + 3);
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err.matches("private stream did not report ").count(), 1, "{err}");
    let ways = ways(&dir);
    let streamed = ways.iter().position(|way| *way == ReportSource::Stream);
    let asked = ways.iter().position(|way| *way == ReportSource::Query);
    assert!(asked.is_some() && asked < streamed, "asked first, then streamed: {ways:?}");
}

#[test]
fn a_private_stream_that_is_refused_when_it_comes_back_is_asked_for_again() {
    let there = Elsewhere::at_pace("refused-account", 4, 120);
    let dir = there.folder.join("data");
    let config = there.configured("refused.toml", "environment = \"testnet\"", "");
    // Orders often: the account receives something soon.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("fast = 3\nslow = 6", "fast = 2\nslow = 3")).unwrap();
    let daemon = Elsewhere::daemon(&dir, &config);
    wait_until("it trades", || fills(&dir).len() > 3);
    let subscribing = "userDataStream.subscribe.signature";
    for how in ["limited", "error-before", "reset"] {
        misbehave(&there, &[how, "--at", subscribing, "--times", "1"]);
        misbehave(&there, &["user-stream-ended", "--times", "1"]);
        let met = || {
            let on = ask(&exchange(&there), &["sim", "faults"])["on"].clone();
            on.as_array().unwrap().iter().all(|fault| fault["over"] == true)
        };
        wait_until("it was ended, and refused", met);
        let up = || get(&dir, "/readyz?verbose").contains("private stream up");
        wait_until("it is subscribed again", up);
        let before = received(&dir);
        wait_until("it tells of orders again", || received(&dir) > before);
    }
    let before = fills(&dir).len();
    wait_until("it trades on", || fills(&dir).len() > before + 3);
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
}
