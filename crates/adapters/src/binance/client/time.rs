//! The venue's clock in the client, and how long a request may arrive.

use super::{BinanceClient, Cost, LOOKS_MAX, mapped, read};
use crate::binance::error::{self, Kind};
use crate::binance::sign::Query;
use crate::binance::wire;
use everwarm_domain::bounds;
use everwarm_domain::order::{Proof, Validity};
use everwarm_domain::time::UtcMs;
use everwarm_venue::port::{TimeSample, VenueError};
use everwarm_venue::rate_limit::Priority;

/// How long the venue may still execute a request after its receive window, milliseconds.
const SETTLE_MS: i64 = 10_000;

impl BinanceClient {
    /// Reads the venue's clock and updates [`Self::clock`]. If the time changes a lot, it reads
    /// again. Weight 1 each time.
    ///
    /// # Errors
    /// As every read, or each reading has a different time.
    pub async fn server_time(&self) -> Result<TimeSample, VenueError> {
        let mut times = Vec::new();
        for _ in 0..LOOKS_MAX {
            let sample = self.look_at_clock().await?;
            if self.0.config.clock.lock().sample(sample) {
                return Ok(sample);
            }
            times.push(sample.server);
        }
        let text = format!("server time {times:?}: each is far from what it was, and another");
        Err(error::of_unreadable(Kind::Read, text))
    }

    /// The validity of a request signed for venue time `timestamp`: how long it may arrive, and how
    /// to prove that it did not.
    #[must_use]
    pub fn validity(&self, timestamp: UtcMs) -> Validity {
        let deadline = timestamp.saturating_add(self.recv_window());
        let settled_at = Some(deadline.saturating_add(SETTLE_MS));
        Validity { timestamp, deadline, settled_at, proof: Proof::ByAbsenceAndTrades }
    }

    async fn look_at_clock(&self) -> Result<TimeSample, VenueError> {
        let sent = (self.0.config.wall)();
        let cost = Cost(1, Priority::Fills);
        let answer = self.public("/api/v3/time", Query::new(), cost).await?;
        let received = (self.0.config.wall)();
        let time: wire::ServerTime = read("server time", &answer)?;
        mapped(Kind::Read, bounds::time("server time", time.server_time))?;
        Ok(TimeSample { sent, server: time.server_time, received })
    }
}
