//! The check of a venue: a walk in steps that compares what the venue does with what its
//! documentation says.
//!
//! An adapter has the steps and implements [`course::Course`]. Here are the parts that do not
//! depend on a venue: the report, the [`wire`] that the walk uses, and the [`record`] of what
//! passed over it. [`walk`] runs the steps, [`check`] compares responses, [`ends`] cleans up, and
//! [`scrub`] removes secrets. A walk that plays a record judges the same answers again, without a
//! network.

pub mod check;
pub mod course;
pub mod ends;
pub mod record;
pub mod scrub;
pub mod walk;
pub mod wire;

use everwarm_domain::id::Symbol;
use record::{Head, Played};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;

/// What one step expects, and where that is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// The name of the step.
    pub name: &'static str,
    /// The group of the step.
    pub group: &'static str,
    /// The expected behaviour.
    pub expected: &'static str,
    /// The page of the venue's documentation that says so.
    pub source: &'static str,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The venue did what the step expects.
    AsExpected,
    /// It did something else.
    Differs,
    /// The step could not be judged.
    NotTried,
}

impl Verdict {
    /// The verdict as text.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Verdict::AsExpected => "as expected",
            Verdict::Differs => "differs",
            Verdict::NotTried => "not tried",
        }
    }
}

/// One difference between the expectation and the venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What differs.
    pub what: String,
    /// The expected value.
    pub expected: String,
    /// The value that came.
    pub came: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, expected is {}", self.what, self.came, self.expected)
    }
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepResult {
    /// What was expected.
    #[serde(flatten)]
    pub expectation: Expectation,
    /// The verdict.
    pub verdict: Verdict,
    /// What came, or why the step was not tried.
    pub came: String,
    /// The differences; empty unless the verdict is [`Verdict::Differs`].
    pub differences: Vec<Difference>,
}

/// The report of a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was checked, by whom and when.
    #[serde(flatten)]
    pub head: Head,
    /// The results, in the order of the steps.
    pub steps: Vec<StepResult>,
    /// What the account may still hold, one sentence each.
    pub left: Vec<String>,
    /// Whether the walk was interrupted.
    pub interrupted: bool,
}

impl Report {
    /// How many steps have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.steps.iter().filter(|step| step.verdict == verdict).count()
    }
}

/// Why a walk has no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The venue did not respond at all.
    #[error("{0}")]
    Unreachable(String),
    /// The venue refuses the key.
    #[error("{0}")]
    Key(String),
    /// A file cannot be written.
    #[error("{0}")]
    Record(String),
}

/// What answers the requests of a walk.
#[derive(Debug)]
pub enum Answers {
    /// The venue. The messages are recorded in this file, if there is one.
    Venue(Option<PathBuf>),
    /// A record.
    Record(Played),
}

/// One walk.
pub struct Task<'a> {
    /// What is checked.
    pub head: Head,
    /// The instrument.
    pub symbol: Symbol,
    /// Where the answers come from.
    pub answers: Answers,
    /// Longest wait for a message, wall time.
    pub patience: Duration,
    /// Our wall clock.
    pub now: wire::Now,
    /// Becomes true when the walk must end early.
    pub stop: watch::Receiver<bool>,
    /// Called after each step.
    pub on_step: &'a mut dyn FnMut(&StepResult),
}

/// A running walk.
pub type Walking<'a> = Pin<Box<dyn Future<Output = Result<Report, WalkError>> + 'a>>;

/// The walk over one venue.
pub trait Conformance: Send + Sync + fmt::Debug {
    /// Why nothing may be tried at these addresses; none: money is not real there.
    ///
    /// # Errors
    /// An address may lead to real money.
    fn is_test_money(&self) -> Result<(), String>;

    /// All steps, in their order.
    fn steps(&self) -> Vec<Expectation>;

    /// Walks over the venue. What the walk leaves is cancelled and sold at its end, also if it is
    /// stopped early.
    fn walk<'a>(&'a self, task: Task<'a>) -> Walking<'a>;
}
