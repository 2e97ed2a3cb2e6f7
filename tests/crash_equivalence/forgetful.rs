//! States that come back from a checkpoint without something: each is found by what the run then
//! does, not by its checkpoint alone. The stage is killed before every other step and saved at each
//! input, so whatever it keeps goes through a checkpoint at once. The sound stage must bear that.

use everwarm::chaos::feed::{self, START};
use everwarm::chaos::rig::{Feed, Outcome, Plan, Sizes, run};
use everwarm::chaos::script::{Deed, Word};
use everwarm_domain::fact::{Body, Ledger, Market, Operator, Venue};
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::{Risk, Settings};
use everwarm_domain::switch::Switch;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_runtime::chaos::faults::Image;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Sabotage, Site};
use everwarm_sim::faults::{Fault, Kind};
use everwarm_trading::{AnyStage, Make, StageSpec, specs};

/// Passings of its step at which a stage is killed: every other one up to this.
const PASSINGS: u32 = 4_000;

/// A stage with a defect.
struct Defective {
    stage: AnyStage,
    /// What is saved: it has not received some facts.
    saved: AnyStage,
    forgets: fn(&Body) -> bool,
    /// Whether it sleeps for good once it was loaded.
    sleeps: bool,
    loaded: bool,
    /// Whether it panics at an input.
    falls: fn(&Body) -> bool,
}

impl Stage for Defective {
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
        if (self.falls)(&fact.body) {
            // As a panic, without the words of one among those of the tests.
            std::panic::resume_unwind(Box::new("it falls at this one".to_owned()));
        }
        self.stage.evolve(fact);
        if !(self.forgets)(&fact.body) {
            self.saved.evolve(fact);
        }
    }
    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        self.stage.decide(fact, out);
    }
    fn conclude(&self, out: &mut Out<Body>) {
        self.stage.conclude(out);
    }
    fn next_wake(&self) -> Option<i64> {
        self.stage.next_wake().filter(|_| !(self.sleeps && self.loaded))
    }
    fn save(&self) -> Vec<u8> {
        self.saved.save()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.loaded = true;
        self.stage.load(bytes)?;
        self.saved.load(bytes)
    }
    fn check(&self) {
        self.stage.check();
    }
}

/// The sound stage of a name, in a shape that can be spoilt.
fn sound(name: &str) -> Defective {
    let spec = specs().into_iter().find(|spec| spec.name == name).unwrap();
    Defective {
        stage: spec.build(),
        saved: spec.build(),
        forgets: |_| false,
        sleeps: false,
        loaded: false,
        falls: |_| false,
    }
}

/// The feed with another stage in the place of its own.
fn with(feed: Feed, name: &str, make: Make) -> Feed {
    let stages = feed.stages.iter();
    let stages =
        stages.map(|spec| if spec.name == name { StageSpec { make, ..*spec } } else { *spec });
    Feed { stages: stages.collect(), ..feed }
}

/// Kills of a stage before every other step.
fn kills(who: &str) -> Vec<PlannedFault> {
    let fault = |nth| PlannedFault {
        site: Site::BeforeStep,
        who: who.to_owned(),
        phase: Phase::Live,
        nth,
        kind: FaultKind::Kill,
    };
    (1..PASSINGS).step_by(2).map(fault).collect()
}

fn every_input(planned: Vec<PlannedFault>) -> Plan {
    Plan { strikes: planned, sizes: Sizes { checkpoint: 1, ..Sizes::SMALL }, ..Plan::default() }
}

/// What is wrong with an outcome beside a calm one, apart from what the audit of the journal and
/// its checkpoints finds: a defect of this kind in the product would be one of the audit, too.
fn found(calm: &Outcome, outcome: &Result<Outcome, String>) -> Option<String> {
    match outcome {
        Err(why) => Some(why.clone()),
        Ok(outcome) => {
            let audited = |broken: &&String| !broken.starts_with("verify: ");
            let new = |broken: &&String| !calm.broken.contains(*broken);
            let broken = outcome.broken.iter().filter(audited).find(new).cloned();
            broken.or_else(|| calm.picture.difference(&outcome.picture))
        }
    }
}

/// A defect of a stage is found under kills of it; the sound stage bears the same kills.
fn is_found(feed: fn() -> Feed, name: &str, defect: Make, plan: impl Fn() -> Plan) {
    let undisturbed = Plan { strikes: Vec::new(), ..plan() };
    let calm = run(&feed(), &undisturbed).unwrap();
    let borne = run(&feed(), &plan());
    assert_eq!(found(&calm, &borne), None, "the sound {name} bears it");
    let borne = borne.unwrap();
    let killed = borne.injected.iter().filter(|fault| fault.who == name).count();
    assert!(killed > 100, "{name} was killed {killed} times");
    let outcome = run(&with(feed(), name, defect), &plan());
    let Some(why) = found(&calm, &outcome) else { panic!("the defect of {name} is not found") };
    let audited = outcome.map_or(Vec::new(), |outcome| outcome.broken);
    let why: String = why.chars().take(200).collect();
    println!("{name}: {why}; {} more by the audit", audited.len());
}

/// The small feed, in which one order that the venue refuses is one too many.
fn strict() -> Feed {
    let risk = Risk { max_consecutive_failures: 1, ..Risk::default() };
    Feed { settings: Settings { risk, ..feed::settings() }, ..feed::small() }
}

/// The small feed, in which a person allows little real money before anything is bought.
fn confirmed() -> Feed {
    let script = vec![(START + 20 * MINUTE, Deed::Confirm { per_order: 1, per_day: 1 })];
    Feed { script, ..feed::small() }
}

/// The small feed, flattened while one symbol that is held does not trade, and resumed before it
/// trades again: it is kept.
fn flattened() -> Feed {
    let (at, b) = (|minute: i64| START + minute * MINUTE, Symbol::new("BBBUSD").unwrap());
    let script = vec![
        (at(54), Deed::Stand(b, "halted")),
        (at(57), Deed::Later(Word::Flatten)),
        (at(60), Deed::Switch(Word::Resume)),
        (at(62), Deed::Stand(b, "trading")),
    ];
    Feed { script, ..feed::small() }
}

/// The small feed, in which the roll-up falls at the bars of one symbol at one close.
fn poisoned() -> Feed {
    let make: Make = |_, _| Box::new(Defective { falls: of_one_close, ..sound("roll-up") });
    with(feed::small(), "roll-up", make)
}

fn of_one_close(body: &Body) -> bool {
    let Body::Market(Market::Close { time, bars, .. }) = body else { return false };
    *time == START + 20 * MINUTE && bars.iter().any(|bar| bar.symbol.as_str() == "BBBUSD")
}

#[test]
fn a_breaker_that_forgets_which_orders_left_is_found() {
    let defect: Make = |_, _| {
        let forgets = |body: &Body| matches!(body, Body::Venue(Venue::Sent { .. }));
        Box::new(Defective { forgets, ..sound("breaker") })
    };
    is_found(strict, "breaker", defect, || every_input(kills("breaker")));
}

#[test]
fn a_decision_that_forgets_to_flatten_is_found() {
    let defect: Make = |_, _| {
        let forgets = |body: &Body| {
            let Body::Operator(Operator::Switched { switch, .. }) = body else { return false };
            *switch == Switch::Flatten
        };
        Box::new(Defective { forgets, ..sound("decision") })
    };
    is_found(flattened, "decision", defect, || every_input(kills("decision")));
}

#[test]
fn a_decision_that_forgets_the_caps_of_real_money_is_found() {
    let defect: Make = |_, _| {
        let forgets = |body: &Body| matches!(body, Body::Operator(Operator::LiveConfirmed { .. }));
        Box::new(Defective { forgets, ..sound("decision") })
    };
    is_found(confirmed, "decision", defect, || every_input(kills("decision")));
}

#[test]
fn a_breaker_that_forgets_trades_is_found() {
    let defect: Make = |_, _| {
        let forgets = |body: &Body| matches!(body, Body::Ledger(Ledger::Lot { .. }));
        Box::new(Defective { forgets, ..sound("breaker") })
    };
    is_found(feed::barring, "breaker", defect, || every_input(kills("breaker")));
}

#[test]
fn a_breaker_that_forgets_quarantines_is_found() {
    let defect: Make = |_, _| {
        let forgets = |body: &Body| matches!(body, Body::Operator(Operator::Quarantined { .. }));
        Box::new(Defective { forgets, ..sound("breaker") })
    };
    is_found(poisoned, "breaker", defect, || every_input(kills("breaker")));
}

/// What was announced and never left may not be sent again, because of a twin: it ends when it is
/// too old, by a wake-up alone.
#[test]
fn a_wake_up_that_a_checkpoint_loses_is_found() {
    let defect: Make = |_, _| Box::new(Defective { sleeps: true, ..sound("order-manager") });
    let site = Site::BeforeSend;
    let who = "gateway".to_owned();
    let died = PlannedFault { site, who, phase: Phase::Live, nth: 5, kind: FaultKind::Die };
    let plan = |killed: Vec<PlannedFault>| {
        let planned = [vec![died.clone()], killed].concat();
        let (twin, image) = (Some(feed::twin()), Some(Image::Synced));
        Plan { twin, image, ..every_input(planned) }
    };
    let calm = run(&feed::small(), &plan(Vec::new())).unwrap();
    let kills = || plan(kills("order-manager"));
    assert_eq!(found(&calm, &run(&feed::small(), &kills())), None, "the sound one bears it");
    let feed = with(feed::small(), "order-manager", defect);
    let why = found(&calm, &run(&feed, &kills()));
    let why: String = why.expect("it is found").chars().take(200).collect();
    println!("order-manager: {why}");
}

/// A venue answers 503 and has done nothing: whoever sends again before the request can no longer
/// arrive is in the log of requests.
#[test]
fn a_resend_without_its_settling_time_is_found() {
    let at = Some("POST order".to_owned());
    let faults = vec![Fault { chance: 400, at, ..Fault::of(Kind::ErrorBefore) }];
    let plan = |sabotage| Plan { faults: faults.clone(), sabotage, ..Plan::default() };
    let calm = run(&feed::small(), &plan(None)).unwrap();
    assert_eq!(calm.broken, [""; 0]);
    let hasty = run(&feed::small(), &plan(Some(Sabotage::NoSettling))).unwrap();
    let why = hasty.broken.first().expect("it is found");
    assert!(why.contains("and again at"), "{why}");
    println!("{why}");
}
