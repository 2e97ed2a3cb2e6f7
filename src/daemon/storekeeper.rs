//! Removes facts and bars beside trading: on request, and in an emergency of storage.
//!
//! It reads in parts and rests between them. No order waits for it.

mod emergency;
mod runs;

pub use runs::Retains;

use super::retention;
use super::self_replay::Resting;
use super::work::{self, Ended, Jobs};
use everwarm_edge::world::World;
use everwarm_runtime::supervise::ChildSpec;
use everwarm_views::emergency::{self as stored, EmergencyState, EmergencyView};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::storage::RetainRequest;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Handle;

/// Name of the actor.
pub const NAME: &str = "storekeeper";
/// Checks between two measurements of the space.
const MEASURE: u32 = 4;
/// Rests after work on request last so many times as long as the work.
const REST: u32 = 3;
/// The same in an emergency.
const URGENT: u32 = 1;

/// Lifts the emergency of a data directory.
///
/// # Errors
/// There is none, it has not ended, or the file cannot be removed.
pub fn lift(data_dir: &Path) -> Result<EmergencyView, Failure> {
    let view = stored::read(data_dir);
    match view.state {
        EmergencyState::None => {
            Err(Failure::new(Exit::Refused, "there is no emergency of storage"))
        }
        EmergencyState::Freeing | EmergencyState::Exhausted => {
            let text = format!(
                "there is still too little space: {}; free some, or change storage.limit_mb or \
                 storage.min_free_mb",
                view.reason
            );
            Err(Failure::new(Exit::Refused, text))
        }
        EmergencyState::Compact => {
            let path = data_dir.join(stored::FILE);
            stored::lift(data_dir).map_err(|e| everwarm_views::backup::failed(&path, &e))?;
            tracing::info!("the emergency of storage was lifted");
            Ok(view)
        }
    }
}

/// What the actor works with.
#[derive(Clone)]
struct Keeping {
    world: World,
    runs: Retains,
    /// Checks since the last measurement of the space.
    looks: u32,
}

/// The actor.
pub fn actor(world: &World, runs: &Retains, on: &Handle) -> ChildSpec {
    work::actor(NAME, Keeping { world: world.clone(), runs: runs.clone(), looks: 0 }, on)
}

/// What the actor does.
enum Job {
    /// Carry out this request.
    Retain(RetainRequest),
    /// Measure the space, and free some if there is too little.
    Measure,
}

impl Jobs for Keeping {
    type Job = Job;
    /// Why a request failed; none: the work did not panic.
    type Report = Option<Failure>;

    const LOOK: Duration = Duration::from_millis(500);

    fn job(&mut self) -> Option<Job> {
        self.looks = (self.looks + 1) % MEASURE;
        let measure = (self.looks == 0).then_some(Job::Measure);
        self.runs.asked().map(Job::Retain).or(measure)
    }

    fn panicked(job: &Job) -> Option<Failure> {
        match job {
            Job::Retain(_) => Some(Failure::new(Exit::Failed, "the removal panicked: see the log")),
            Job::Measure => None,
        }
    }

    fn run(&self, job: Job, ended: Ended) -> Option<Failure> {
        match job {
            Job::Retain(asked) => {
                let journal = Resting::new(&self.world, ended.steps, REST);
                self.runs.end(retention::beside(&self.world, &asked, &journal));
            }
            Job::Measure => {
                let rests = Resting::new(&self.world, ended.steps, URGENT);
                emergency::look(&self.world, &mut rests.steps());
            }
        }
        None
    }

    fn ended(&mut self, panicked: Option<Failure>) {
        if let Some(why) = panicked {
            self.runs.end(Err(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_views::storage::RetainState;

    #[test]
    fn a_request_whose_work_panics_has_failed_and_is_not_carried_out_again() {
        let (runs, request) = (Retains::default(), RetainRequest::default());
        runs.begin(&request).unwrap();
        runs.end(Err(Keeping::panicked(&Job::Retain(request)).unwrap()));
        let view = runs.view();
        assert_eq!((runs.asked(), view.state), (None, RetainState::Failed));
        assert_eq!(view.error.as_deref(), Some("the removal panicked: see the log"));
    }
}
