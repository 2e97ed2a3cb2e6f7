//! Branches of the real tree that fail until nobody restarts them any more: some are kept down and
//! come back, the others end the tree.

use super::poison::Stand;
use everwarm::domain::fact::{Body, BreakerLevel, Decision, Operator};
use everwarm::life::Life;
use everwarm::ops::fold::StatusFold;
use everwarm::trading::{AnyStage, StageSpec, specs};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What was said of branches and by the breaker, in order.
fn said(life: &Life) -> Vec<String> {
    let journal = &life.world.journal;
    let chunks = journal.read(1, usize::MAX).unwrap();
    let facts = chunks.iter().flat_map(|chunk| &chunk.facts);
    let words = facts.filter_map(|fact| match &fact.body {
        Body::Operator(Operator::Branch { path, down: Some(_) }) => Some(format!("{path} down")),
        Body::Operator(Operator::Branch { path, down: None }) => Some(format!("{path} up")),
        Body::Decision(Decision::Breaker { level: BreakerLevel::Normal, .. }) => {
            Some("all is allowed".to_owned())
        }
        Body::Decision(Decision::Breaker { level, reasons, .. }) => {
            Some(format!("{level:?}: {}", reasons.join(", ")))
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    });
    words.collect()
}

#[test]
fn a_feed_that_is_hopeless_is_kept_down_and_leaves_exits_only_until_it_is_up_again() {
    let stand = Stand::new("branch-feeds");
    let feeds = "root/trading/feeds";
    let down = format!("{feeds} down");
    stand.live(specs(), "the feed is not given up", |life| {
        life.world.directory.kill(&format!("{feeds}/feed"));
        said(life).contains(&down)
    });
    // Told again by the next life, which begins with all branches up.
    stand.live(specs(), "the breaker does not go back", |life| {
        said(life).last().is_some_and(|last| last == "all is allowed")
    });
    stand.live(specs(), "the feed does not come back", |life| {
        let said = said(life);
        let told = |words: &str| said.iter().filter(|line| *line == words).count();
        if told(&down) < 2 {
            life.world.directory.kill(&format!("{feeds}/feed"));
        }
        let reason = format!("ExitsOnly: {feeds} failed too often and is kept down");
        let end = [down.clone(), reason, format!("{feeds} up"), "all is allowed".to_owned()];
        said.ends_with(&end)
    });
}

/// While set, no indicator can be made.
static SICK: AtomicBool = AtomicBool::new(false);

fn brittle() -> AnyStage {
    if SICK.load(Relaxed) {
        // As a panic, without the words of one among those of the tests.
        std::panic::resume_unwind(Box::new("no indicator today".to_owned()));
    }
    let spec = specs().into_iter().find(|spec| spec.name == "indicator").unwrap();
    (spec.make)()
}

#[test]
fn an_analysis_that_cannot_start_stands_still_and_goes_on_where_it_was() {
    let stand = Stand::new("branch-analysis");
    let indicator = "root/trading/stages/indicator";
    let stages = || {
        let one = |spec: StageSpec| match spec.name {
            "indicator" => StageSpec { make: brittle, ..spec },
            _ => spec,
        };
        specs().into_iter().map(one).collect()
    };
    let status = |life: &Life| {
        let mut fold = StatusFold::default();
        let chunks = life.world.journal.read(1, usize::MAX).unwrap();
        chunks.iter().flat_map(|chunk| &chunk.facts).for_each(|fact| fold.fold(fact));
        fold.view()
    };
    let down = format!("{indicator} down");
    stand.live(stages(), "it is not kept down, or does not come back", |life| {
        let told = said(life);
        if !told.contains(&down) {
            SICK.store(true, Relaxed);
            life.world.directory.kill(indicator);
            return false;
        }
        if SICK.load(Relaxed) {
            let view = status(life);
            assert_eq!((view.breaker, view.ready), (BreakerLevel::Halted, false));
            assert!(view.problems.iter().any(|why| why.contains("no indicator today")));
            SICK.store(false, Relaxed);
        }
        let up = format!("{indicator} up");
        let head = life.world.journal.head();
        let passed = life.world.journal.progress().into_iter().all(|(_, passed)| passed == head);
        told.contains(&up) && told.last().is_some_and(|word| word == "all is allowed") && passed
    });
}

#[test]
fn a_gateway_that_is_hopeless_ends_the_tree() {
    let stand = Stand::new("branch-gateway");
    stand.live(specs(), "the tree does not end", |life| {
        life.world.directory.kill("root/trading/gateways/gateway");
        let directory = life.root.directory();
        directory.view().is_some_and(|root| {
            let why = root.last_failure.unwrap_or_default();
            assert!(why.is_empty() || why.starts_with("root/trading: gave up"), "{why}");
            !why.is_empty()
        })
    });
}
