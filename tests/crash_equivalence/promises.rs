//! Promises of the edge, each with a test that fails when its one line is gone;
//! `docs/explanation/recovery.md` lists them.

use super::learned;
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm_domain::fact::{Body, Operator, Venue};
use everwarm_runtime::chaos::faults::Image;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::collections::BTreeMap;

fn fault_at_gateway(site: Site, nth: u32, fault_kind: FaultKind) -> Outcome {
    let (feed, learned) = learned();
    let fault =
        PlannedFault { site, who: "gateway".to_owned(), phase: Phase::Live, nth, kind: fault_kind };
    let image = Some(Image::Synced);
    let outcome = run(feed, &Plan { strikes: vec![fault], image, ..Plan::default() }).unwrap();
    assert_eq!(outcome.injected.len(), 1, "one fault was injected");
    assert_eq!(outcome.broken, Vec::<String>::new());
    assert_eq!(learned.picture.difference(&outcome.picture), None);
    outcome
}

/// Whether the venue was asked about an order that it never got, or a cancel was sent again: the
/// daemon knew that the first request was about to leave. An order or cancel of which nothing is
/// known is sent as if for the first time.
fn announcement_was_kept(outcome: &Outcome) -> bool {
    outcome.facts.iter().any(|fact| match &fact.body {
        Body::Venue(Venue::Absent { .. }) => true,
        Body::Venue(Venue::Requested(request)) => request.attempt > 1,
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => false,
    })
}

/// How often each order was announced.
fn announcements(outcome: &Outcome) -> BTreeMap<String, u32> {
    let mut count = BTreeMap::new();
    for fact in &outcome.facts {
        if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            for attempt in attempts {
                *count.entry(attempt.client_id.0.clone()).or_default() += 1;
            }
        }
    }
    count
}

#[test]
fn what_is_about_to_leave_is_on_disk() {
    for nth in 1..=5 {
        // The power fails when the first byte is about to leave: what is not flushed is gone.
        let outcome = fault_at_gateway(Site::BeforeSend, nth, FaultKind::Die);
        assert!(announcement_was_kept(&outcome), "sending {nth}: the first announcement is lost");
    }
}

#[test]
fn a_lost_answer_is_asked_for_before_anything_is_sent_again() {
    for nth in 1..=5 {
        // The answer is lost with the task that waited for it; the daemon lives on.
        let outcome = fault_at_gateway(Site::AfterSend, nth, FaultKind::Panic);
        let again = announcements(&outcome).into_values().filter(|count| *count > 1).count();
        assert_eq!(again, 0, "sending {nth}: the venue had it");
    }
}

#[test]
fn a_fill_counts_once_however_often_it_is_told() {
    let (feed, _) = learned();
    let outcome = run(feed, &Plan::default()).unwrap();
    let mut reported: BTreeMap<(String, String), u32> = BTreeMap::new();
    for fact in &outcome.facts {
        if let Body::Venue(Venue::Reported(report)) = &fact.body {
            for fill in &report.fills {
                *reported
                    .entry((report.symbol.to_string(), fill.trade_id.to_string()))
                    .or_default() += 1;
            }
        }
    }
    assert!(
        reported.values().any(|times| *times > 1),
        "some fills are reported by answer and by stream"
    );
    assert_eq!(outcome.broken, Vec::<String>::new(), "and none is applied twice");
}

#[test]
fn nothing_of_a_life_comes_before_its_settings() {
    // Whoever appends them fails many times, so that all others have long begun.
    let (feed, learned) = learned();
    let (site, phase, fault_kind) = (Site::BeforeResume, Phase::Starting, FaultKind::Panic);
    let fault = |nth| PlannedFault { site, who: "config".to_owned(), phase, nth, kind: fault_kind };
    let planned = (1..=300).map(fault).collect();
    let outcome = run(feed, &Plan { strikes: planned, ..Plan::default() }).unwrap();
    assert_eq!((outcome.injected.len(), outcome.lives), (300, 1));
    let begins = |body: &Body| matches!(body, Body::Operator(Operator::Started { .. }));
    assert!(begins(&outcome.facts[0].body), "{:?}", outcome.facts[0]);
    assert_eq!(outcome.broken, Vec::<String>::new());
    assert_eq!(learned.picture.difference(&outcome.picture), None);
}
