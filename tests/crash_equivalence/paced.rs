//! Venue time that passes by itself: the daemon is dead for minutes of the market, the exchange
//! goes on, and the daemon comes back. Two such runs are never the same, so what is compared is
//! what must hold of each: books equal to the exchange's, no order twice, and whatever was to be
//! sold is sold or owed.

use everwarm::chaos::feed;
use everwarm::chaos::rig::{Feed, Outcome, Paced, Plan, Sizes, run};
use everwarm_domain::fact::{Analysis, Body, Decision, Operator, Order, Signal};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_runtime::chaos::faults::Image;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_trading::{AnyStage, StageSpec, specs};
use std::collections::BTreeMap;

/// What was before exits were owed: a strategy signals once that it sells, and its decision
/// requests that at once or never.
struct Careless {
    stage: AnyStage,
    signals: BTreeMap<(Symbol, String), Signal>,
}

impl Careless {
    fn forget(&self, mut appended: Out<Body>, out: &mut Out<Body>) {
        let drafts = appended.take();
        let asked: Vec<Symbol> = drafts
            .iter()
            .filter_map(|draft| {
                let Body::Decision(Decision::Approved { intent, .. }) = &draft.body else {
                    return None;
                };
                Some(intent.symbol)
            })
            .collect();
        for draft in drafts {
            let body = match draft.body {
                Body::Decision(Decision::Owed {
                    symbol, strategy, ended: None, refusal, ..
                }) => {
                    let signal = self.signals.get(&(symbol, strategy)).cloned();
                    let signal = signal.filter(|_| !asked.contains(&symbol));
                    let Some(signal) = signal else { continue };
                    let (code, text) = ("pending".to_owned(), refusal.unwrap_or_default());
                    Body::Decision(Decision::Declined { signal, code, text })
                }
                Body::Decision(Decision::Owed { .. }) => continue,
                Body::Analysis(Analysis::Signals { rows }) => {
                    let rows = rows.into_iter().filter(|row| {
                        let before = self.signals.get(&(row.symbol, row.strategy.clone()));
                        before.is_none_or(|before| before.side() != row.side())
                    });
                    let rows: Vec<Signal> = rows.collect();
                    if rows.is_empty() {
                        continue;
                    }
                    Body::Analysis(Analysis::Signals { rows })
                }
                body @ (Body::Market(_)
                | Body::Venue(_)
                | Body::Operator(_)
                | Body::Analysis(_)
                | Body::Decision(_)
                | Body::Order(_)
                | Body::Ledger(_)) => body,
            };
            out.append_because(draft.because, body);
        }
    }
}

impl Stage for Careless {
    type Body = Body;
    fn rank(&self) -> Rank {
        self.stage.rank()
    }
    fn name(&self) -> &'static str {
        self.stage.name()
    }
    fn version(&self) -> u16 {
        self.stage.version()
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
        if let Body::Analysis(Analysis::Signals { rows }) = &fact.body {
            let rows = rows.iter().map(|row| ((row.symbol, row.strategy.clone()), row.clone()));
            self.signals.extend(rows);
        }
        self.stage.evolve(fact);
    }
    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        let mut appended = Out::default();
        self.stage.decide(fact, &mut appended);
        self.forget(appended, out);
    }
    fn conclude(&self, out: &mut Out<Body>) {
        let mut appended = Out::default();
        self.stage.conclude(&mut appended);
        self.forget(appended, out);
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

fn careless(name: &str) -> AnyStage {
    let spec = specs().into_iter().find(|spec| spec.name == name).unwrap();
    Box::new(Careless { stage: spec.build(), signals: BTreeMap::new() })
}

/// The daemon dies at these passings, and is away for so many minutes of the market each time.
fn outages(minutes: i64, away: i64, deaths: &[(Site, &str, u32)]) -> Plan {
    let die = |(site, who, nth): &(Site, &str, u32)| PlannedFault {
        site: *site,
        who: (*who).to_owned(),
        phase: Phase::Live,
        nth: *nth,
        kind: FaultKind::Die,
    };
    let planned = deaths.iter().map(die).collect();
    let paced = Some(Paced { factor: 1_200, minutes, away });
    // The careless one saves nothing of its own: it reads everything again.
    let sizes = Sizes { checkpoint: 100_000, ..Sizes::SMALL };
    Plan {
        strikes: planned,
        image: Some(Image::Everything),
        paced,
        workers: 2,
        sizes,
        ..Plan::default()
    }
}

fn sales(outcome: &Outcome) -> usize {
    let sold = |body: &Body| matches!(body, Body::Order(Order::Filled { side: Side::Sell, .. }));
    outcome.facts.iter().filter(|fact| sold(&fact.body)).count()
}

/// What is wrong apart from what the audit of the journal finds: it derives with stages that are
/// sound.
fn broken(outcome: &Outcome) -> Vec<String> {
    let audited = |broken: &&String| !broken.starts_with("verify: ");
    outcome.broken.iter().filter(audited).cloned().collect()
}

#[test]
fn outages_of_market_time_leave_nothing_unsold_and_nothing_twice() {
    // When its first orders have left, and later; a cross up and one down are 18 minutes apart.
    let deaths = [(Site::AfterSend, "gateway", 1), (Site::BeforeStep, "ledger", 60)];
    let outcome = run(&feed::small(), &outages(100, 22, &deaths)).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    assert_eq!(outcome.lives, 3, "{:?}", outcome.injected);
    assert!(sales(&outcome) > 0);
    let owed = outcome
        .facts
        .iter()
        .filter(|fact| matches!(&fact.body, Body::Decision(Decision::Owed { ended: Some(_), .. })));
    assert!(owed.count() > 0, "exits were owed, and are over");
    let lives = outcome
        .facts
        .iter()
        .filter(|fact| matches!(&fact.body, Body::Operator(Operator::Started { .. })));
    assert_eq!(lives.count(), 3);
}

#[test]
fn an_exit_that_is_requested_once_or_never_is_found_by_an_outage_of_market_time() {
    let stages = feed::small().stages.into_iter().map(|spec| match spec.name {
        "decision" => StageSpec { make: |_, _| careless("decision"), ..spec },
        "sma_cross" => StageSpec { make: |_, _| careless("sma_cross"), ..spec },
        _ => spec,
    });
    let feed = Feed { stages: stages.collect(), ..feed::small() };
    // What leaves second is to sell: it is too old after the outage.
    let plan = outages(46, 8, &[(Site::BeforeSend, "gateway", 2)]);
    let outcome = run(&feed, &plan).unwrap();
    let broken = broken(&outcome);
    let owed = |broken: &String| broken.contains("was to be sold, and no exit is owed");
    assert!(broken.iter().any(owed), "{broken:?}");
    // The sound one sells.
    let outcome = run(&feed::small(), &plan).unwrap();
    assert_eq!((outcome.broken.len(), outcome.lives), (0, 2), "{:?}", outcome.broken);
    // A machine may be so slow that every request is too old until the feed ends: then the last
    // word is that it is owed.
    let mut owed = BTreeMap::new();
    for fact in &outcome.facts {
        if let Body::Decision(Decision::Owed { symbol, ended, .. }) = &fact.body {
            owed.insert(*symbol, ended.is_none());
        }
    }
    assert!(sales(&outcome) > 0 || owed.values().any(|still| *still), "{owed:?}");
}
