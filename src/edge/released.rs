//! Up to when the venue's bars are closed for good: asked for once for all who ask in the same
//! moment, so that a look at a symbol's bars costs one round trip and not two.

use super::world::{Passing, World};
use crate::domain::time::UtcMs;
use crate::venue::port::{CLOSE_MARGIN, VenueError};
use everwarm_runtime::clock::steady_ms;
use tokio::sync::Mutex;

/// Age at which an answer is not used any more, milliseconds.
const FRESH: i64 = 1_000;

/// The last answer.
#[derive(Debug, Default)]
pub struct Released(Mutex<Option<Answer>>);

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// When it was asked for, steady milliseconds.
    asked: i64,
    through: UtcMs,
}

impl Released {
    /// Venue time up to which bars are closed for good; where an answer of a moment ago does not
    /// reach `least`, a new one. An exchange that moves in lockstep is exact; another may still be
    /// closing the last bar.
    ///
    /// # Errors
    /// The venue does not answer.
    pub async fn through(&self, world: &World, least: Option<UtcMs>) -> Result<UtcMs, VenueError> {
        if let (Passing::Lockstep, Some(admin)) = (world.passing, &world.admin) {
            return Ok(admin.status().await?.market);
        }
        let mut answer = self.0.lock().await;
        let asked = steady_ms();
        if let Some(before) = *answer
            && asked - before.asked < FRESH
            && least.is_none_or(|least| before.through >= least)
        {
            return Ok(before.through);
        }
        let through = world.venue.server_time().await?.server - CLOSE_MARGIN;
        *answer = Some(Answer { asked, through });
        Ok(through)
    }
}
