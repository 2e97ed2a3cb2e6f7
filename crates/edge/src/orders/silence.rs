//! Detects a dead private stream. Only an event of the account shows that a subscription works:
//! pings go on without it, and an account may be quiet for days.
//!
//! So the stream is compared with what queries find. It is given up if an order changed while it
//! was subscribed, and it has not reported that some seconds after a query did.

use crate::world::{Passing, World};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderReport;
use everwarm_domain::time::{SteadyMs, UtcMs};
use everwarm_runtime::clock::steady;
use everwarm_trading::orders::order_states::ToQuery;
use std::time::Duration;

/// Wall time a stream has to report what a query found. No stream is delayed by as much.
pub const FAIR: Duration = Duration::from_millis(FAIR_MS.unsigned_abs());
/// The same, milliseconds.
const FAIR_MS: i64 = 5_000;
/// Most reports awaited at a time. Further ones show nothing new.
const MOST: usize = 64;

/// A change that a query found and no stream has reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedReport {
    /// The order.
    pub client_id: ClientOrderId,
    /// Venue time since which the stream is subscribed that should have reported it.
    pub stream: UtcMs,
    /// Executed quantity of the order, base units.
    executed: Decimal,
    /// Whether the order is final.
    over: bool,
    /// When a query found it, steady milliseconds.
    found: SteadyMs,
}

impl MissedReport {
    /// The change in `report` that the current stream should have reported; none without one. In
    /// lockstep a minute passes faster than a message, so there it shows nothing.
    #[must_use]
    pub fn of(world: &World, ask: &ToQuery, report: &OrderReport) -> Option<MissedReport> {
        let stream = world.board.listening_since()?;
        let should = world.passing != Passing::Lockstep;
        should.then(|| MissedReport::news(ask, report, stream, steady())).flatten()
    }

    fn news(
        ask: &ToQuery,
        report: &OrderReport,
        stream: UtcMs,
        found: SteadyMs,
    ) -> Option<MissedReport> {
        let (executed, over) = (report.executed, report.status.is_final());
        let news = executed > ask.executed || (over && !ask.over);
        let client_id = report.client_id.clone();
        (news && report.time > stream).then_some(MissedReport {
            client_id,
            stream,
            executed,
            over,
            found,
        })
    }

    /// Whether `hint` reports at least as much.
    #[must_use]
    pub fn is_in(&self, hint: &OrderReport) -> bool {
        let far = hint.executed >= self.executed && (hint.status.is_final() || !self.over);
        hint.client_id == self.client_id && far
    }
}

/// The changes that the stream has not reported yet.
#[derive(Debug, Default)]
pub struct MissedReports(Vec<MissedReport>);

impl MissedReports {
    /// Adds a change. The stream may be about to report it.
    pub fn expect(&mut self, missed: MissedReport) {
        if self.0.len() < MOST {
            self.0.push(missed);
        }
    }

    /// Removes the changes that this hint reports.
    pub fn reported(&mut self, hint: &OrderReport) {
        self.0.retain(|missed| !missed.is_in(hint));
    }

    /// A change that the stream subscribed since `stream` should have reported by steady time
    /// `now`. Then all changes are removed; those of earlier streams always are.
    pub fn overdue(&mut self, stream: Option<UtcMs>, now: SteadyMs) -> Option<MissedReport> {
        self.0.retain(|missed| Some(missed.stream) == stream);
        let due = |missed: &&MissedReport| missed.found + FAIR_MS <= now;
        let overdue = self.0.iter().find(due).cloned();
        if overdue.is_some() {
            self.0.clear();
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::order::{OrderStatus, Proof, ReportSource, Side};
    use everwarm_trading::orders::order_states::Why;
    use everwarm_trading::testing::{dec, sym};

    const SUBSCRIBED: UtcMs = 1_000;
    const FOUND: SteadyMs = SteadyMs::from_start(70);
    const DUE: SteadyMs = SteadyMs::from_start(FOUND.ms() + FAIR_MS);

    fn ask(executed: &str, over: bool) -> ToQuery {
        ToQuery {
            client_id: ClientOrderId("ew-1".to_owned()),
            symbol: sym("BTCUSDT"),
            venue_order_id: None,
            since: 0,
            decided: 0,
            why: Why::Quiet,
            executed: dec(executed),
            over,
            proof: Proof::default(),
        }
    }

    fn report(executed: &str, status: OrderStatus, time: UtcMs) -> OrderReport {
        OrderReport {
            source: ReportSource::Query,
            client_id: ClientOrderId("ew-1".to_owned()),
            venue_order_id: 7.into(),
            symbol: sym("BTCUSDT"),
            side: Side::Buy,
            status,
            quantity: dec("2"),
            executed: dec(executed),
            executed_quote: dec("0"),
            fills: Vec::new(),
            time,
        }
    }

    fn news(ask: &ToQuery, report: &OrderReport) -> Option<MissedReport> {
        MissedReport::news(ask, report, SUBSCRIBED, FOUND)
    }

    #[test]
    fn only_what_changed_under_a_stream_that_stood_is_missed() {
        use OrderStatus::{Cancelled, Filled, Open, PartlyFilled};
        let (nothing, half) = (ask("0", false), ask("1", false));
        assert!(news(&nothing, &report("0", Open, 2_000)).is_none(), "nothing happened");
        assert!(news(&half, &report("1", PartlyFilled, 2_000)).is_none(), "it was reported");
        assert!(news(&ask("2", true), &report("2", Filled, 2_000)).is_none(), "fills were missing");
        assert!(news(&nothing, &report("2", Filled, 1_000)).is_none(), "before the stream");
        for (ask, executed, status) in
            [(&nothing, "1", PartlyFilled), (&half, "2", Filled), (&half, "1", Cancelled)]
        {
            assert!(news(ask, &report(executed, status, 1_001)).is_some(), "{status:?}");
        }
    }

    #[test]
    fn a_stream_that_tells_in_time_is_kept_and_one_that_does_not_is_replaced_once() {
        use OrderStatus::{Filled, PartlyFilled};
        let found = news(&ask("0", false), &report("2", Filled, 2_000)).unwrap();
        let mut listening = MissedReports::default();
        listening.expect(found.clone());
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE + -1), None, "it has its time");
        listening.reported(&report("1", PartlyFilled, 2_000));
        listening.reported(&report("2", Filled, 2_000));
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE), None, "it reported");
        listening.expect(found.clone());
        listening.expect(found.clone());
        listening.reported(&report("1", PartlyFilled, 2_000));
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE), Some(found.clone()));
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE), None, "once");
        listening.expect(found);
        assert_eq!(listening.overdue(Some(3_000), DUE), None, "another has taken its place");
    }
}
