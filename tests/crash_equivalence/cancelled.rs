//! An entry that the venue has not filled when its signal is withdrawn: it is cancelled, what was
//! filled of it is sold, and kills around each step of that change nothing.

use super::none_failed;
use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Feed, Outcome, Plan, run};
use everwarm::chaos::sweep::sweep;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Analysis, Body, Decision, Market, Order, Signal, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{OrderStatus, Response, Side};
use everwarm_domain::signal::Direction;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_sim::faults::{Fault, Kind};
use everwarm_trading::StageSpec;
use std::collections::BTreeSet;

/// Whose orders are filled late.
const SYMBOL: &str = "AAAUSD";
/// It has no bar in the two minutes that begin here, so nothing of it is filled then.
const SILENT: i64 = 50;

/// Enters at one close, and leaves at the next one.
#[derive(Debug, Default)]
struct Hasty {
    close: Option<UtcMs>,
}

impl Hasty {
    fn side(&self) -> Option<Side> {
        match (self.close? - START) / MINUTE {
            SILENT => Some(Side::Buy),
            close if close == SILENT + 1 => Some(Side::Sell),
            _ => None,
        }
    }
}

impl Stage for Hasty {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::STRATEGY
    }
    fn name(&self) -> &'static str {
        "sma_cross"
    }
    fn version(&self) -> u16 {
        91
    }
    fn on_poison(&self) -> OnPoison {
        OnPoison::Skip
    }
    fn interest(&self) -> Mask {
        Mask::of(&[kind::CLOSE])
    }
    fn produces(&self) -> Mask {
        Mask::of(&[kind::SIGNALS])
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        if let Body::Market(Market::Close { time, .. }) = &fact.body {
            self.close = Some(*time);
        }
    }
    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        let Body::Market(Market::Close { time, .. }) = &fact.body else { return };
        let Some(side) = self.side() else { return };
        let rows = vec![Signal {
            strategy: "sma_cross".to_owned(),
            symbol: Symbol::new(SYMBOL).unwrap(),
            intent: side.into(),
            direction: Direction::Long,
            confidence_ppm: 1,
            price: Price::e8(100 * 100_000_000),
            close_time: *time,
            reason: "it is hasty".to_owned(),
            terms: Box::default(),
        }];
        out.append_because([fact.key], Body::Analysis(Analysis::Signals { rows }));
    }
    fn save(&self) -> Vec<u8> {
        state::save(1, &self.close)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.close = state::load(1, bytes)?;
        Ok(())
    }
}

fn hasty() -> Feed {
    let small = feed::small();
    let one = |spec: StageSpec| match spec.name {
        "sma_cross" => StageSpec { make: |_, _| Box::new(Hasty::default()), ..spec },
        _ => spec,
    };
    let stages = small.stages.into_iter().map(one).collect();
    Feed { stages, ..feed::small() }
}

fn at(place: &str, kind: Kind) -> Fault {
    Fault { at: Some(place.to_owned()), times: Some(1), ..Fault::of(kind) }
}

/// The entry gets nothing before the market trades, or half of what it asks for.
fn entry(kind: Kind) -> Vec<Fault> {
    vec![at(SYMBOL, kind)]
}

/// What is wrong apart from what the audit finds, which derives with another strategy.
fn broken(outcome: &Outcome) -> Vec<String> {
    let audited = |broken: &&String| !broken.starts_with("verify: ");
    outcome.broken.iter().filter(audited).cloned().collect()
}

fn stop_orders(outcome: &Outcome) -> BTreeSet<&ClientOrderId> {
    let stops = outcome.facts.iter().filter_map(|fact| {
        let Body::Decision(Decision::Approved { intent, .. }) = &fact.body else { return None };
        intent.terms.stop.is_some().then_some(&intent.client_id)
    });
    stops.collect()
}

/// What happened to the entry and the exit. Stop orders have cancels of their own.
fn story(outcome: &Outcome) -> Vec<String> {
    let stops = stop_orders(outcome);
    let describe = |fact: &Fact<Body>| {
        let is_of_stop = match &fact.body {
            Body::Decision(Decision::CancelIntent { client_id: of, .. })
            | Body::Order(Order::Changed { client_id: of, .. })
            | Body::Venue(Venue::Responded { of, .. }) => stops.contains(of),
            Body::Venue(Venue::Requested(request)) => stops.contains(&request.of),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => false,
        };
        if is_of_stop {
            return None;
        }
        Some(match &fact.body {
            Body::Decision(Decision::CancelIntent { side, .. }) => format!("cancel {side:?}"),
            Body::Decision(Decision::Owed { ended: Some(why), .. }) => why.clone(),
            Body::Venue(Venue::Requested(request)) => format!("requested {}", request.attempt),
            Body::Venue(Venue::Responded { response, .. }) => match response {
                Response::Accepted => "accepted".to_owned(),
                Response::NotOpen => "not open".to_owned(),
                Response::Refused { code, .. } => format!("refused {code}"),
                Response::Unknown { .. } => "unknown".to_owned(),
            },
            Body::Order(Order::Changed { status, executed, .. }) if status.is_final() => {
                let part = if executed.is_zero() { "nothing" } else { "something" };
                format!("{status:?} with {part}")
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => return None,
        })
    };
    outcome.facts.iter().filter_map(describe).collect()
}

/// What was bought and what was sold in all.
fn traded(outcome: &Outcome) -> [Decimal; 2] {
    [Side::Buy, Side::Sell].map(|of| {
        let filled = |fact: &Fact<Body>| match &fact.body {
            Body::Order(Order::Filled { side, fill, .. }) if *side == of => Some(fill.quantity),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        };
        outcome.facts.iter().filter_map(filled).sum()
    })
}

fn calm(faults: Vec<Fault>) -> Outcome {
    let outcome = run(&hasty(), &Plan { faults, workers: 2, ..Plan::default() }).unwrap();
    assert_eq!(broken(&outcome), [""; 0]);
    outcome
}

#[test]
fn an_entry_of_which_nothing_is_filled_is_cancelled_and_nothing_is_sold() {
    let outcome = calm(entry(Kind::LateFills));
    assert_eq!(
        story(&outcome),
        [
            "cancel Buy",
            "requested 1",
            "accepted",
            "Cancelled with nothing",
            "nothing of AAAUSD is held"
        ]
    );
    assert_eq!(traded(&outcome), [Decimal::ZERO; 2]);
}

#[test]
fn what_was_filled_of_a_cancelled_entry_is_sold() {
    let outcome = calm(entry(Kind::PartialFills));
    let story = story(&outcome);
    let begin = ["cancel Buy", "requested 1", "accepted", "Cancelled with something"];
    assert_eq!(story[..4], begin, "{story:?}");
    assert_eq!(story[4], "Filled with something", "{story:?}");
    let [bought, sold] = traded(&outcome);
    // The fee of what was bought is taken from it; less than a step stays.
    assert!(bought > Decimal::ZERO && sold > bought * Decimal::new(99, 2), "{bought} {sold}");
}

#[test]
fn a_cancel_without_a_clear_answer_is_resolved_by_a_query() {
    let entry = entry(Kind::PartialFills);
    let learned = calm(entry.clone());
    let cancel = |kind| at("DELETE order", kind);
    let lost = ["cancel Buy", "requested 1", "unknown", "Cancelled with something", "accepted"];
    let twice = ["cancel Buy", "requested 1", "unknown", "requested 2", "accepted"];
    for (kind, want) in [
        (Kind::NoAnswer, &lost[..]),
        (Kind::ErrorAfter, &lost[..]),
        (Kind::Reset, &twice[..]),
        (Kind::ErrorBefore, &twice[..]),
    ] {
        let outcome = calm([entry.clone(), vec![cancel(kind)]].concat());
        let story = story(&outcome);
        assert_eq!(story[..want.len()], *want, "{kind:?}");
        assert_eq!(learned.picture.difference(&outcome.picture), None, "{kind:?}");
    }
}

#[test]
fn kills_around_each_step_of_a_cancel_end_the_same() {
    let feed = hasty();
    for kind in [Kind::LateFills, Kind::PartialFills] {
        let faults = entry(kind);
        let learned = calm(faults.clone());
        let mut plans = Vec::new();
        for site in [Site::BeforeAppend, Site::AfterAppend, Site::BeforeSend, Site::AfterSend] {
            let point = (site, "gateway".to_owned(), Phase::Live);
            let passed = learned.passings.get(&point).copied().unwrap_or_default();
            assert!(passed >= 2, "{site:?}: an entry and its cancel");
            for nth in 1..=passed {
                for fault_kind in [FaultKind::Panic, FaultKind::Kill, FaultKind::Die] {
                    let (site, who, phase) = point.clone();
                    let planned = vec![PlannedFault { site, who, phase, nth, kind: fault_kind }];
                    plans.push(Plan {
                        strikes: planned,
                        faults: faults.clone(),
                        ..Plan::default()
                    });
                }
            }
        }
        let mut swept = sweep(&feed, &plans, &learned.picture);
        swept.failures.retain(|failure| !failure.why.contains("verify: "));
        none_failed("hasty", &swept);
        let cancelled = story(&learned).iter().any(|step| step.starts_with("Cancelled"));
        assert!(cancelled && swept.runs == plans.len(), "{} runs", swept.runs);
    }
}

#[test]
fn an_order_that_is_over_is_not_cancelled() {
    let outcome = calm(Vec::new());
    let cancelled = |step: &String| step.starts_with("requested");
    assert!(!story(&outcome).iter().any(cancelled), "{:?}", story(&outcome));
    let filled = OrderStatus::Filled;
    assert!(story(&outcome).contains(&format!("{filled:?} with something")));
}
