//! Up to which time the venue's bars are final. One query serves all who need it as of the same
//! moment. So a check of a symbol's bars costs one round trip, not two.

use crate::world::{Passing, World};
use everwarm_domain::time::{SteadyMs, Timeframe, UtcMs};
use everwarm_runtime::clock::steady;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::simulated::Standing;
use std::time::Duration;
use tokio::sync::Mutex;

/// How often the venue's time is queried until it is as far as wanted. One wait is enough, unless
/// the venue's clock differs from ours.
const TRIES: u32 = 3;

/// Wall time for which a failed query is not repeated, milliseconds: many callers query no more
/// often than one.
const SILENT: i64 = 250;

/// The last response.
#[derive(Debug, Default)]
pub struct FinalBars(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    answer: Option<Answer>,
    /// When the last query failed, steady milliseconds, and why.
    failed: Option<(SteadyMs, VenueError)>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// When it was queried, steady milliseconds.
    asked: SteadyMs,
    through: UtcMs,
}

impl FinalBars {
    /// Venue time up to which bars are final: at least the last close before steady time `since`,
    /// and at least `least`. Bars that closed before `since` and that no stream sent are then in
    /// the venue's records. Later ones come by a stream that was subscribed before.
    ///
    /// A close of a moment ago is awaited, at most [`TRIES`] times as long as the source's records
    /// take to settle. An exchange in lockstep is exact and needs no wait.
    ///
    /// # Errors
    /// The venue does not respond.
    pub async fn through(
        &self,
        world: &World,
        since: SteadyMs,
        least: Option<UtcMs>,
    ) -> Result<UtcMs, VenueError> {
        let factor = match (world.passing, &world.wheel) {
            (Passing::Lockstep, Some(wheel)) => return reached(&wheel.status().await?),
            (Passing::Lockstep, None) => 1,
            (Passing::Scaled(factor), _) => factor.max(1),
        };
        let settles = world.source.capabilities().settles;
        let mut through = self.answer(world, since, UtcMs::MIN).await?;
        let closed = Timeframe::M1.open_of(through + settles);
        let wanted = least.map_or(closed, |least| least.max(closed));
        for _ in 0..TRIES {
            if through >= wanted {
                break;
            }
            let left = u64::try_from((wanted - through).min(settles)).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(left / u64::from(factor) + 1)).await;
            through = self.answer(world, SteadyMs::BEFORE_ALL, wanted).await?;
        }
        Ok(through)
    }

    /// The last response if it was queried after steady time `since` and reaches `least`, however
    /// old it is. Otherwise a new one.
    async fn answer(
        &self,
        world: &World,
        since: SteadyMs,
        least: UtcMs,
    ) -> Result<UtcMs, VenueError> {
        let mut stored = self.0.lock().await;
        if let Some(before) = stored.answer
            && before.asked > since
            && before.through >= least
        {
            return Ok(before.through);
        }
        let asked = steady();
        if let Some((_, why)) = stored.failed.as_ref().filter(|(at, _)| asked - *at < SILENT) {
            return Err(why.clone());
        }
        match world.venue.server_time().await {
            Ok(time) => {
                let through = time.server - world.source.capabilities().settles;
                stored.answer = Some(Answer { asked, through });
                Ok(through)
            }
            Err(why) => {
                stored.failed = Some((steady(), why.clone()));
                Err(why)
            }
        }
    }
}

/// How far the market of an exchange in lockstep is. After a kill it must catch up first: what was
/// appended beyond its position would be missing.
fn reached(standing: &Standing) -> Result<UtcMs, VenueError> {
    if standing.in_step {
        return Ok(standing.market);
    }
    let text = "the exchange has no time yet".to_owned();
    Err(VenueError { class: ErrorClass::NotSent, code: 0, text })
}
