//! What people command while it trades makes no difference to what kills change: nothing. What is
//! set aside is released, a configuration is taken back, money is paid in, `everwarm panic` sells,
//! a start goes step by step, orders are given by hand, backups are made.

use super::{learned_of, none_failed, number};
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::operators::speak;
use everwarm::chaos::rig::{Feed, Outcome, Plan, run};
use everwarm::chaos::script::Deed;
use everwarm::chaos::sweep::{Die, every_target, learn, mixture, pack, sweep};
use everwarm::chaos::venue_time::short;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Body, Decision, Ledger, Operator};
use everwarm_domain::order::{MANUAL, OrderIntent, Side};
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Body as _;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::collections::BTreeMap;

/// Mixtures in every test run.
const MIXTURES: u64 = 5;
/// Minutes of the feed in which somebody panics and adopts.
const PANIC: (i64, i64) = (52, 72);

fn count(outcome: &Outcome, is: impl Fn(&Body) -> bool) -> usize {
    outcome.facts.iter().filter(|fact| is(&fact.body)).count()
}

#[test]
fn every_word_has_its_effect() {
    let outcome = run(&feed::commanded(), &Plan { workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    let script = feed::commanded().script;
    let commands: u64 = outcome.deeds.values().sum();
    assert_eq!(commands, script.len() as u64, "{:?}", outcome.deeds);
    let operator = |is: fn(&Operator) -> bool| {
        count(&outcome, |body| matches!(body, Body::Operator(fact) if is(fact)))
    };
    assert_eq!(count(&outcome, |body| body.kind() == kind::PANIC_TRADED), 1);
    assert_eq!(operator(|fact| matches!(fact, Operator::Adopted { .. })), 1);
    assert_eq!(operator(|fact| matches!(fact, Operator::Resolved { .. })), 1);
    assert_eq!(operator(|fact| matches!(fact, Operator::Quarantined { .. })), 2);
    assert_eq!(operator(|fact| matches!(fact, Operator::Released { .. })), 2);
    assert_eq!(operator(|fact| matches!(fact, Operator::ConfigApplied { .. })), 3);
    let adjusted = |body: &Body| matches!(body, Body::Ledger(Ledger::Adjusted { .. }));
    assert!(count(&outcome, adjusted) >= 2, "what was taken out, and what was adopted");
    assert_eq!(operator(|fact| matches!(fact, Operator::Manual { .. })), 4);
    let by_hand = |wanted: Side, limited: bool| {
        count(&outcome, |body| {
            let Body::Decision(Decision::Approved { intent, .. }) = body else { return false };
            let OrderIntent { strategy, side, price, terms, .. } = intent;
            let own = strategy == MANUAL && terms.stop.is_none() && terms.list.is_none();
            own && *side == wanted && price.is_some() == limited
        })
    };
    let orders = [(Side::Buy, false), (Side::Sell, false), (Side::Buy, true)];
    assert_eq!(orders.map(|(side, limited)| by_hand(side, limited)), [1, 2, 1]);
    let declined = |wanted: &str| {
        count(&outcome, |body| {
            let Body::Decision(Decision::Declined { code, .. }) = body else { return false };
            code == wanted
        })
    };
    assert!(declined("exits-only") + declined("halted") > 0, "a careful start");
}

#[test]
fn kills_around_every_word_end_the_same() {
    let (feed, learned) = learned_of("commanded");
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut passings = learned.passings.clone();
    // Who speaks dies before and after each word.
    let mut groups = Vec::new();
    for ((site, who, phase), count) in passings.iter().filter(|((_, who, _), _)| who == "script") {
        let fault = |nth| PlannedFault {
            site: *site,
            who: who.clone(),
            phase: *phase,
            nth,
            kind: FaultKind::Die,
        };
        groups.extend((1..=*count).map(|nth| vec![fault(nth)]));
    }
    assert!(groups.len() >= 18, "{}", groups.len());
    passings.retain(|(_, who, _), _| ["config", "breaker", "ledger"].contains(&who.as_str()));
    let mut targets = every_target(&passings, &mut die);
    die.shuffle(&mut targets);
    targets.truncate(60);
    groups.extend(targets);
    let mut plans = pack(groups, 7, &mut die);
    plans.extend(
        (0..MIXTURES).map(|_| mixture(&learned.passings, &learned.operations, die.throw())),
    );
    let swept = sweep(feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("commanded", &swept);
    assert!(swept.injected.keys().any(|(_, who, ..)| who == "script"));
}

/// The feed around a sale by `everwarm panic`, and a deposit that is adopted.
fn sold_by_hand() -> Feed {
    let keeps = |deed: &Deed| matches!(deed, Deed::Panic(_) | Deed::Pay(900) | Deed::Adopt(_));
    let feed = feed::commanded();
    let mut script = Vec::new();
    for (_, deed) in feed.script.iter().filter(|(_, deed)| keeps(deed)) {
        let later = 2 * i64::try_from(script.len()).unwrap();
        let at = START + (PANIC.0 + later) * MINUTE;
        script.push((at, *deed));
        if !matches!(deed, Deed::Adopt(_)) {
            script.push((at, Deed::Switch(everwarm::chaos::script::Word::Resume)));
        }
    }
    short(&Feed { script, ..feed }, PANIC.1)
}

#[test]
fn kills_around_what_panic_sold_and_what_is_adopted_end_the_same() {
    let feed = sold_by_hand();
    let learned = learn(&feed).unwrap();
    let calm = run(&feed, &Plan::default()).unwrap();
    for wanted in [kind::PANIC_TRADED, kind::ADOPTED] {
        assert_eq!(count(&calm, |body| body.kind() == wanted), 1, "{wanted:?}");
    }
    let mut die = Die(number("EVERWARM_SEED").unwrap_or(1));
    let mut groups = Vec::new();
    let sites = [Site::BeforeAppend, Site::AfterAppend];
    for ((site, who, phase), passed) in &learned.passings {
        if !(sites.contains(site) && ["gateway", "script"].contains(&who.as_str())) {
            continue;
        }
        let fault_kinds: &[FaultKind] = if who == "script" {
            &[FaultKind::Die]
        } else {
            &[FaultKind::Die, FaultKind::Kill, FaultKind::Panic]
        };
        // The last of them: it happens near the end of this feed.
        let from = if who == "script" { 1 } else { 1 + passed * 2 / 3 };
        for (nth, fault_kind) in
            (from..=*passed).flat_map(|nth| fault_kinds.iter().map(move |b| (nth, *b)))
        {
            groups.push(vec![PlannedFault {
                site: *site,
                who: who.clone(),
                phase: *phase,
                nth,
                kind: fault_kind,
            }]);
        }
    }
    let plans = pack(groups, 4, &mut die);
    let swept = sweep(&feed, &plans, &learned.picture);
    println!("{} runs of {} lives, {} targets", swept.runs, swept.lives, swept.injected.len());
    none_failed("panic", &swept);
    let live = |who: &str, fault_kind| (Site::AfterAppend, who.to_owned(), Phase::Live, fault_kind);
    for target in [
        live("gateway", FaultKind::Kill),
        live("gateway", FaultKind::Die),
        live("script", FaultKind::Die),
    ] {
        assert!(swept.injected.contains_key(&target), "{target:?}");
    }
}

#[test]
fn words_drawn_for_any_feed_are_said_and_kills_end_the_same() {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in [number("EVERWARM_SEED").unwrap_or(1), 3] {
        let operators = Some(seed);
        let feed = feed::small();
        let learned = learn(&speak(&feed, seed)).unwrap_or_else(|why| panic!("{seed}: {why}"));
        let mut die = Die(seed);
        let mixed = |_| mixture(&learned.passings, &learned.operations, die.throw());
        let plans: Vec<Plan> = (0..MIXTURES).map(mixed).collect();
        let plans: Vec<Plan> = plans.into_iter().map(|plan| Plan { operators, ..plan }).collect();
        let swept = sweep(&feed, &plans, &learned.picture);
        none_failed("small", &swept);
        let outcome = run(&feed, &Plan { operators, ..Plan::default() }).unwrap();
        outcome
            .deeds
            .into_iter()
            .for_each(|(what, times)| *kinds.entry(what).or_default() += times);
    }
    println!("{kinds:?}");
    for what in [
        "flatten",
        "safe-start",
        "rollback",
        "resolve",
        "adopt",
        "panic",
        "a release",
        "a limit order by hand",
        "a signal to buy",
        "a signal to sell",
    ] {
        assert!(kinds.get(what).is_some_and(|times| *times >= 2), "{what}: {kinds:?}");
    }
}
