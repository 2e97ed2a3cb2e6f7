//! Replays a journal: its inputs pass the stages of this version again, whatever version decided
//! then.

use super::again::{Again, Begun, Beside, StartAt};
use super::through;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Analysis, Body, LOTS_FROM, Ledger};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Body as _, Fact};
use everwarm_runtime::store::archive::Archive;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::sentences::describe;
use everwarm_views::summary::Period;
use everwarm_views::views::{DecidedView, ReplayView, ReplayedStageView};
use everwarm_words::text::instant;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Differences listed at most.
const DIFFERENCES_MAX: usize = 100;

/// Decides everything again and compares the facts about inputs of that period.
///
/// # Errors
/// The journal cannot be read, or the history bars that an input refers to are missing.
pub fn replay(
    journal: &dyn JournalFacts,
    archive: &Arc<Archive>,
    period: Option<Period>,
) -> Result<ReplayView, Failure> {
    let (again, Begun { row, n, .. }) = Again::new(journal, archive, StartAt::First)?;
    let (view, stages) = (ReplayView::default(), BTreeMap::new());
    let mut replay = Replay { again, period, view, stages, before_lots: 0, times: None };
    through(journal, row, |_, fact| {
        let taken = if fact.key.n > n { replay.take(fact) } else { Ok(()) };
        taken.map(|()| ControlFlow::Continue(()))
    })?;
    if let Some(period) = period.filter(|_| replay.view.inputs == 0) {
        let name = period.name();
        let from_to = replay.times.map_or_else(
            || "it has none at all".to_owned(),
            |(from, to)| format!("the inputs are from {} to {}", instant(from), instant(to)),
        );
        let text = format!("the journal has no inputs of {name}; {from_to}");
        return Err(Failure::new(Exit::Failed, text).coded("no-inputs"));
    }
    Ok(replay.conclude())
}

struct Replay {
    again: Again,
    period: Option<Period>,
    view: ReplayView,
    /// How facts compare, by rank.
    stages: BTreeMap<u16, ReplayedStageView>,
    /// The last input about which a ledger without lots appended facts.
    before_lots: u64,
    /// Event times of the first and the last input that have one.
    times: Option<(UtcMs, UtcMs)>,
}

impl Replay {
    fn take(&mut self, fact: &Fact<Body>) -> Result<(), String> {
        let asked = self.is_asked(fact);
        if fact.key.rank == 0 {
            self.view.inputs += u64::from(asked);
            // Facts appended before the venue's time was known have no time.
            if fact.time > 0 {
                let from = self.times.map_or(fact.time, |(from, _)| from);
                self.times = Some((from, fact.time));
            }
            return self.again.input(fact, &mut |_, _| Ok(None));
        }
        if fact.key.rank == rank::LEDGER.0 && fact.version < LOTS_FROM {
            self.before_lots = fact.key.n;
        }
        let mut beside = self.again.held(fact);
        if matches!(&beside, Beside::Other(now) if same_lot(fact, now)) {
            beside = Beside::Same;
        }
        // A plan follows from the configuration alone, and earlier versions appended none.
        if asked && fact.body.kind() != kind::FEATURE_PLAN {
            match beside {
                Beside::Same => self.stage(fact).same += 1,
                Beside::Other(now) if is_among(&fact.body, &now.body) => {
                    self.stage(fact).same += 1;
                }
                Beside::Other(now) => self.differs(Some(fact), Some(&now)),
                Beside::Nothing => self.differs(Some(fact), None),
            }
        }
        Ok(())
    }

    fn is_asked(&self, fact: &Fact<Body>) -> bool {
        self.period.is_none_or(|Period { from, to }| (from..to).contains(&fact.time))
    }

    fn stage(&mut self, fact: &Fact<Body>) -> &mut ReplayedStageView {
        self.stages.entry(fact.key.rank).or_default()
    }

    fn differs(&mut self, then: Option<&Fact<Body>>, now: Option<&Fact<Body>>) {
        let Some(fact) = then.or(now) else { return };
        let stage = self.stage(fact);
        stage.then_only += u64::from(then.is_some());
        stage.now_only += u64::from(now.is_some());
        self.view.differing += 1;
        if self.view.differences.len() < DIFFERENCES_MAX {
            let (key, time) = (fact.key.to_string(), fact.time);
            let kind = Body::name(fact.body.kind()).to_owned();
            let [then, now] = [then, now].map(|fact| fact.map(|fact| describe(&fact.body, None)));
            self.view.differences.push(DecidedView { key, time, kind, then, now });
        }
    }

    /// Adds the facts derived now that are missing in the journal, up to the input that their stage
    /// has passed.
    fn conclude(mut self) -> ReplayView {
        let plan = |fact: &Fact<Body>| fact.body.kind() == kind::FEATURE_PLAN;
        for fact in self.again.missing() {
            // A version without lots could not append one: that is no difference.
            let lot = matches!(fact.body, Body::Ledger(Ledger::Lot { .. }));
            if lot && fact.key.n <= self.before_lots {
                continue;
            }
            if self.is_asked(&fact) && !plan(&fact) {
                self.differs(None, Some(&fact));
            }
        }
        self.view.differences.sort_by_key(|view| view.time);
        let names = self.again.names();
        for (rank, mut stage) in self.stages {
            stage.stage = names.get(&rank).map_or_else(|| rank.to_string(), ToString::to_string);
            self.view.stages.push(stage);
        }
        self.view
    }
}

/// Whether every feature value derived now is among those of the journal. An earlier version may
/// have used another plan or form.
fn is_among(then: &Body, now: &Body) -> bool {
    let (
        Body::Analysis(Analysis::FeatureValues { timeframe: width, table: then, .. }),
        Body::Analysis(Analysis::FeatureValues { timeframe, table: now, .. }),
    ) = (then, now)
    else {
        return false;
    };
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || !(a.is_finite() || b.is_finite());
    width == timeframe
        && then.len() == now.len()
        && then.rows().zip(now.rows()).all(|(then, now)| {
            let is_known = |value: &f64| then.values.iter().any(|other| same(*value, *other));
            then.head == now.head && now.values.iter().all(is_known)
        })
}

/// Whether both facts agree on a lot without an opening time. A version without lots had opened it.
fn same_lot(then: &Fact<Body>, now: &Fact<Body>) -> bool {
    let (Body::Ledger(Ledger::Lot { opened: None, .. }), Body::Ledger(now)) =
        (&then.body, &now.body)
    else {
        return false;
    };
    let mut now = now.clone();
    if let Ledger::Lot { opened, .. } = &mut now {
        *opened = None;
    }
    then.body == Body::Ledger(now)
}
