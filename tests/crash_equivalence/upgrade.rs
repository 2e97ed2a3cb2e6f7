//! Stages that speak under another version after a crash: what was decided stays decided, an open
//! order goes on, and the audit derives its own version's part and names the rest.

use super::{learned, learned_of, none_failed};
use everwarm::chaos::feed;
use everwarm::chaos::rig::{Feed, Outcome, Plan, run};
use everwarm::chaos::sweep::{mixture, sweep, verdict};
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Decision, Operator, Order};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_trading::{AnyStage, Make, StageSpec, specs};
use std::collections::BTreeSet;

/// The version of the first life.
const BEFORE: u16 = 90;

/// A stage of ours as it was before; where `halves`, it approved half a unit of each buy.
struct Before {
    stage: AnyStage,
    halves: bool,
}

impl Stage for Before {
    type Body = Body;
    fn rank(&self) -> Rank {
        self.stage.rank()
    }
    fn name(&self) -> &'static str {
        self.stage.name()
    }
    fn version(&self) -> u16 {
        BEFORE
    }
    fn on_poison(&self) -> OnPoison {
        self.stage.on_poison()
    }
    fn interest(&self) -> Mask {
        self.stage.interest()
    }
    fn produces(&self) -> Mask {
        self.stage.produces()
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        self.stage.evolve(fact);
    }
    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        self.stage.decide(fact, out);
    }
    fn conclude(&self, out: &mut Out<Body>) {
        self.stage.conclude(out);
        for mut draft in out.take() {
            if let Body::Decision(Decision::Approved { intent, .. }) = &mut draft.body
                && self.halves
                && intent.side == Side::Buy
            {
                intent.quantity = Decimal::new(5, 1);
            }
            out.append_because(draft.because, draft.body);
        }
    }
    fn next_wake(&self) -> Option<i64> {
        self.stage.next_wake()
    }
    fn save(&self) -> Vec<u8> {
        self.stage.save()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stage.load(bytes)
    }
    fn check(&self) {
        self.stage.check();
    }
}

/// Our stage of a rank, as it was before.
fn before(_: &'static str, rank: Rank) -> AnyStage {
    let ours = specs().into_iter().find(|spec| spec.rank == rank).unwrap();
    Box::new(Before { stage: ours.build(), halves: false })
}

fn halving(_: &'static str, _: Rank) -> AnyStage {
    let decision = specs().into_iter().find(|spec| spec.rank == rank::DECISION).unwrap();
    Box::new(Before { stage: decision.build(), halves: true })
}

/// All stages as they were before.
fn all_before() -> Vec<StageSpec> {
    specs().into_iter().map(|spec| StageSpec { make: before, ..spec }).collect()
}

/// The small feed whose first life has all stages as they were before.
pub(super) fn feed_before() -> Feed {
    Feed { before: Some(all_before()), ..feed::small() }
}

/// The decision alone as it was before.
fn decision_before() -> Vec<StageSpec> {
    let one = |spec: StageSpec| {
        let make: Make = if spec.rank == rank::DECISION { halving } else { spec.make };
        StageSpec { make, ..spec }
    };
    specs().into_iter().map(one).collect()
}

/// The process dies with an order on its way; the next one has the present versions.
fn upgraded(before: Vec<StageSpec>) -> Outcome {
    let (_, learned) = learned();
    let point = (Site::AfterSend, "gateway".to_owned(), Phase::Live);
    let nth = learned.passings[&point] / 2;
    let (site, who, phase) = point;
    let planned = vec![PlannedFault { site, who, phase, nth, kind: FaultKind::Die }];
    let feed = Feed { before: Some(before), ..feed::small() };
    let outcome = run(&feed, &Plan { strikes: planned, ..Plan::default() }).unwrap();
    assert_eq!((outcome.lives, outcome.missed.len()), (2, 0));
    outcome
}

/// Ranks for which a fact records that another version speaks now.
fn upgraded_ranks(outcome: &Outcome) -> BTreeSet<u16> {
    let ranks = outcome.facts.iter().filter_map(|fact| {
        let upgraded =
            if let Body::Operator(Operator::StageUpgraded { rank, from, .. }) = &fact.body {
                Some((*rank, *from))
            } else {
                None
            };
        upgraded.filter(|(_, from)| *from == BEFORE).map(|(rank, _)| rank)
    });
    ranks.collect()
}

#[test]
fn every_stage_under_another_version_goes_on_where_the_last_one_stood() {
    let (_, learned) = learned();
    let outcome = upgraded(all_before());
    assert_eq!(verdict(&Ok(outcome.clone()), &learned.picture), None);
    let ranks: BTreeSet<u16> = specs().iter().map(|spec| spec.rank.0).collect();
    assert_eq!(upgraded_ranks(&outcome), ranks);
    let names: BTreeSet<&str> = specs().iter().map(|spec| spec.name).collect();
    let others: BTreeSet<&str> = outcome.other_versions.iter().map(String::as_str).collect();
    assert_eq!(others, names, "the audit names them");
    let versions = |rank: u16| -> Vec<u16> {
        let mut of: Vec<u16> =
            outcome.facts.iter().filter(|f| f.key.rank == rank).map(|f| f.version).collect();
        of.dedup();
        of
    };
    for spec in specs() {
        let now = spec.build().version();
        // Some append nothing in the first life, or in the second.
        let spoke = versions(spec.rank.0);
        let in_turn = [BEFORE, now].into_iter().filter(|version| spoke.contains(version));
        assert_eq!(spoke, in_turn.collect::<Vec<_>>(), "{}", spec.name);
    }
}

#[test]
fn what_an_older_version_decided_is_not_decided_again() {
    let outcome = upgraded(decision_before());
    assert_eq!(outcome.broken, [""; 0], "every invariant and the audit hold");
    assert_eq!(outcome.other_versions, ["decision"]);
    assert_eq!(upgraded_ranks(&outcome), [rank::DECISION.0].into());
    let approved = |fact: &Fact<Body>| {
        let Body::Decision(Decision::Approved { intent, .. }) = &fact.body else { return None };
        let half = intent.quantity == Decimal::new(5, 1);
        (intent.side == Side::Buy).then_some((fact.version, half))
    };
    let buys: Vec<_> = outcome.facts.iter().filter_map(approved).collect();
    assert!(buys.contains(&(BEFORE, true)), "{buys:?}");
    assert!(buys.iter().any(|(version, _)| *version != BEFORE), "{buys:?}");
    assert!(buys.iter().all(|(version, half)| (*version == BEFORE) == *half), "{buys:?}");
    // The order that was on its way is the older version's, and was filled in the second life.
    let intents = outcome.facts.iter().filter(|f| matches!(f.body, Body::Order(Order::Intent(_))));
    assert!(intents.count() > 5);
}

#[test]
fn kills_around_an_upgrade_change_nothing() {
    let (feed, _) = learned_of("upgrade");
    let (_, learned) = learned();
    let plans: Vec<Plan> =
        (1..=8).map(|seed| mixture(&learned.passings, &learned.operations, seed)).collect();
    none_failed("upgrade", &sweep(feed, &plans, &learned.picture));
}
