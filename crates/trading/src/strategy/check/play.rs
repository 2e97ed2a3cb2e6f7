//! Plays bars through the stages of one strategy: roll-up, indicators and the strategy itself.

use super::lots::Lots;
use super::{Bars, Subject};
use crate::stages::AnyStage;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Analysis, Body, Market, Operator};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::signal::Signal;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body as _, Fact, Key, Rank};
use everwarm_kernel::stage::Step;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rank of the strategy: that of the first instance which joins a journal.
const RANK: Rank = Rank(rank::STRATEGY.0 + 1);

/// How the bars are played.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    /// Only the bars of this symbol; none: all bars.
    pub only: Option<Symbol>,
    /// Closes after which each stage is saved and a new one restores it; 0: never.
    pub restart_every: usize,
}

/// The result of a run.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// All signals, in their order.
    pub signals: Vec<Signal>,
    /// Lots that an exit rule closed, that a signal closed, and that are open.
    pub by_rule: u64,
    pub by_signal: u64,
    pub open: u64,
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The close at which it ended, UTC milliseconds.
    pub time: UtcMs,
    /// What failed.
    pub text: String,
}

/// Plays the bars.
///
/// # Errors
/// The strategy panicked, or a new stage did not restore its state.
pub(super) fn play(subject: &Subject<'_>, bars: &[Bars], how: How) -> Result<Played, Broken> {
    let time = Cell::new(UtcMs::MIN);
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut machine = Machine::new(subject);
        machine.begin();
        for (at, close) in bars.iter().enumerate() {
            time.set(close.time);
            machine.close(close, how.only);
            if how.restart_every > 0 && (at + 1) % how.restart_every == 0 {
                machine.restart()?;
            }
        }
        Ok(machine.end())
    }));
    let text = match played {
        Ok(Ok(played)) => return Ok(played),
        Ok(Err(why)) => why,
        Err(payload) => format!("it panicked: {}", words(&*payload)),
    };
    Err(Broken { time: time.get(), text })
}

/// The text of a panic.
fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a text")
}

/// The stages of a run, fed as every loop over facts feeds them.
struct Machine<'a> {
    subject: &'a Subject<'a>,
    stages: Vec<AnyStage>,
    step: Step<Body>,
    n: u64,
    /// What the stages after the strategy would have appended about the input before.
    after: Vec<Fact<Body>>,
    lots: Lots<'a>,
    signals: Vec<Signal>,
}

impl<'a> Machine<'a> {
    fn new(subject: &'a Subject<'a>) -> Machine<'a> {
        let lots = Lots::new(subject);
        let (stages, step, after) = (stages(subject), Step::default(), Vec::new());
        Machine { subject, stages, step, n: 0, after, lots, signals: Vec::new() }
    }

    fn begin(&mut self) {
        let (life, installation) = (1, "check".to_owned());
        self.input(i64::MIN, Body::Operator(Operator::Started { life, installation, epoch: 0 }));
        let configured = Operator::configured(1, &self.subject.settings);
        self.input(i64::MIN, Body::Operator(configured));
    }

    fn close(&mut self, close: &Bars, only: Option<Symbol>) {
        let wanted = |bar: &&Bar| only.is_none_or(|only| bar.symbol == only);
        let bars: Vec<Bar> = close.bars.iter().filter(wanted).copied().collect();
        if bars.is_empty() {
            return;
        }
        let body = Body::Market(Market::close(close.time, bars.clone(), Vec::new()));
        let signals = self.input(close.time, body);
        let key = |rank: Rank, i| Key { n: self.n, rank: rank.0, i };
        let changes = self.lots.close(&bars, &signals);
        let fact = |(i, (rank, body))| Fact {
            key: key(rank, i),
            time: close.time,
            version: u16::MAX,
            because: Vec::new(),
            body,
        };
        self.after = (0..).zip(changes).map(fact).collect();
        self.signals.extend(signals);
    }

    /// Feeds one input to the stages, and returns the signals.
    fn input(&mut self, time: UtcMs, body: Body) -> Vec<Signal> {
        self.n += 1;
        let key = Key { n: self.n, rank: 0, i: 0 };
        let before = std::mem::take(&mut self.after);
        let mut about = vec![Fact { key, time, version: 0, because: Vec::new(), body }];
        for stage in &mut self.stages {
            let (interest, mut own) = (stage.interest(), Vec::new());
            self.step.begin(self.n, time);
            for fact in before.iter().chain(&about).filter(|f| interest.has(f.body.kind())) {
                self.step.feed(&mut **stage, fact, &mut own);
            }
            self.step.finish(&mut **stage, &mut own);
            about.append(&mut own);
        }
        let signals = about.into_iter().filter_map(|fact| match fact.body {
            Body::Analysis(Analysis::Signals { rows }) => Some(rows),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => None,
        });
        signals.flatten().collect()
    }

    /// Replaces each stage by a new one that restores the saved state.
    fn restart(&mut self) -> Result<(), String> {
        let mut fresh = stages(self.subject);
        for (stage, new) in self.stages.iter().zip(&mut fresh) {
            new.load(&stage.save()).map_err(|why| format!("its state is not restored: {why}"))?;
        }
        self.stages = fresh;
        Ok(())
    }

    fn end(self) -> Played {
        let Lots { by_rule, by_signal, .. } = self.lots;
        Played { signals: self.signals, by_rule, by_signal, open: self.lots.open() }
    }
}

/// The stages of a run with empty states, by rank.
fn stages(subject: &Subject<'_>) -> Vec<AnyStage> {
    let before = crate::stages::specs().into_iter().filter(|spec| spec.rank < rank::STRATEGY);
    let mut stages: Vec<AnyStage> = before.map(|spec| spec.build()).collect();
    stages.push((subject.kind.make)(subject.id, RANK));
    stages
}
