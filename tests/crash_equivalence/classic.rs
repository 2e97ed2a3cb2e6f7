//! The three classic tests of a daemon that trades: bars are still there after a kill, averages are
//! valid at once, an order filled while the daemon was dead is found.

use super::learned;
use everwarm::chaos::rig::{Outcome, Plan, run};
use everwarm_domain::fact::{Analysis, Body, Market, Operator, Order, Venue};
use everwarm_domain::order::ReportSource;
use everwarm_runtime::chaos::faults::Image;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};

fn death(site: Site, who: &str, nth: u32) -> Outcome {
    let (feed, learned) = learned();
    let fault =
        PlannedFault { site, who: who.to_owned(), phase: Phase::Live, nth, kind: FaultKind::Die };
    let image = Some(Image::Synced);
    let plan = Plan { strikes: vec![fault], image, ..Plan::default() };
    let outcome = run(feed, &plan).unwrap();
    assert_eq!((outcome.lives, outcome.injected.len()), (2, 1), "it died once");
    assert_eq!(outcome.broken, Vec::<String>::new());
    assert_eq!(learned.picture.difference(&outcome.picture), None);
    outcome
}

/// Where the second life begins.
fn second_life(outcome: &Outcome) -> usize {
    let begins = |body: &Body| matches!(body, Body::Operator(Operator::Started { life: 2, .. }));
    outcome.facts.iter().position(|fact| begins(&fact.body)).unwrap()
}

#[test]
fn bars_are_still_there_after_a_kill() {
    let outcome = death(Site::BeforeStep, "indicator", 100);
    let loaded = |body: &Body| matches!(body, Body::Market(Market::HistoryLoaded { .. }));
    let second = second_life(&outcome);
    let (before, after) = outcome.facts.split_at(second);
    assert_eq!(before.iter().filter(|fact| loaded(&fact.body)).count(), 3, "one a symbol");
    assert!(!after.iter().any(|fact| loaded(&fact.body)), "no past is fetched again");
    // Every close is appended once, in order, in one life or the other.
    let closes: Vec<i64> = outcome
        .facts
        .iter()
        .filter_map(|fact| {
            if let Body::Market(Market::Close { time, .. }) = &fact.body {
                Some(*time)
            } else {
                None
            }
        })
        .collect();
    assert!(closes.len() > 250 && closes.windows(2).all(|pair| pair[0] < pair[1]));
    let bars = outcome.picture.ours.iter().filter(|line| line.starts_with("bars "));
    assert!(bars.count() >= 3, "the public history is compared too");
}

#[test]
fn averages_are_valid_at_once_after_a_kill() {
    let outcome = death(Site::BeforeStep, "indicator", 100);
    let mut rows = 0;
    for fact in &outcome.facts[second_life(&outcome)..] {
        let Body::Analysis(Analysis::FeatureValues { table, .. }) = &fact.body else { continue };
        for row in table.rows() {
            rows += 1;
            assert!(row.values.iter().all(|value| value.is_finite()), "{row:?}");
        }
    }
    assert!(rows > 200, "{rows} rows");
}

#[test]
fn an_order_filled_while_the_daemon_was_dead_is_found_and_applied_once() {
    let outcome = death(Site::AfterSend, "gateway", 5);
    let second = second_life(&outcome);
    let mut found = None;
    for fact in &outcome.facts[second..] {
        if let Body::Venue(Venue::Reported(report)) = &fact.body
            && report.source == ReportSource::Query
        {
            found = found.or(Some(report));
        }
    }
    let order = found.expect("a query found it");
    assert!(!order.fills.is_empty(), "it was filled while nobody listened");
    let (mut sent, mut applied) = (0, Vec::new());
    for fact in &outcome.facts {
        if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            sent += attempts.iter().filter(|a| a.client_id == order.client_id).count();
        } else if let Body::Order(Order::Filled { client_id, fill, .. }) = &fact.body
            && *client_id == order.client_id
        {
            applied.push(fill.trade_id.clone());
        }
    }
    assert_eq!(sent, 1, "it was sent once");
    let trades: Vec<_> = order.fills.iter().map(|fill| fill.trade_id.clone()).collect();
    assert_eq!(applied, trades, "each fill once");
    let id = format!("client_order_id=\"{}\"", order.client_id);
    let visible = outcome.picture.ours.iter().filter(|line| line.contains(&id));
    let is_answer = |line: &&String| line.starts_with("order") || line.starts_with("fill");
    let lines: Vec<_> = visible.filter(is_answer).collect();
    assert_eq!(lines.len(), 1 + trades.len(), "visible in public answers: {lines:?}");
}
