//! Whether the private stream tells what happens: nothing but an event of the account shows that a
//! subscription is dead, for pings go on, and an account may be quiet for days.
//!
//! So it is held against what questions find. Where an order has changed while the stream was
//! subscribed, and it has not said so some seconds after a question did, it is given up.

use crate::world::{Passing, World};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderReport;
use everwarm_domain::time::{SteadyMs, UtcMs};
use everwarm_runtime::clock::steady;
use everwarm_trading::orders::book::ToQuery;
use std::time::Duration;

/// Wall time a stream has to tell what a question has found. Longer than it is ever behind.
pub const FAIR: Duration = Duration::from_millis(FAIR_MS.unsigned_abs());
/// The same, milliseconds.
const FAIR_MS: i64 = 5_000;
/// Most that is waited for at a time; what more is found says nothing new.
const MOST: usize = 64;

/// What a question found and no stream has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedReport {
    /// The order.
    pub client_id: ClientOrderId,
    /// Venue time since which the stream is subscribed that should have told.
    pub stream: UtcMs,
    /// What is executed of it, base units.
    executed: Decimal,
    /// Whether it is over.
    over: bool,
    /// When it was found, steady milliseconds.
    found: SteadyMs,
}

impl MissedReport {
    /// What of `report` is news, and should have been told by the stream there is. In lockstep a
    /// minute passes faster than a message: there it is no sign.
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

    /// Whether the stream told as much by `hint`.
    #[must_use]
    pub fn is_in(&self, hint: &OrderReport) -> bool {
        let far = hint.executed >= self.executed && (hint.status.is_final() || !self.over);
        hint.client_id == self.client_id && far
    }
}

/// What the stream is still to tell.
#[derive(Debug, Default)]
pub struct MissedReports(Vec<MissedReport>);

impl MissedReports {
    /// This was found; the stream may be on its way to tell it.
    pub fn expect(&mut self, untold: MissedReport) {
        if self.0.len() < MOST {
            self.0.push(untold);
        }
    }

    /// The stream told this.
    pub fn told(&mut self, hint: &OrderReport) {
        self.0.retain(|untold| !untold.is_in(hint));
    }

    /// What the stream that is subscribed since `stream` should have told by steady time `now`.
    /// Everything of it, and of streams before, is then forgotten.
    pub fn overdue(&mut self, stream: Option<UtcMs>, now: SteadyMs) -> Option<MissedReport> {
        self.0.retain(|untold| Some(untold.stream) == stream);
        let due = |untold: &&MissedReport| untold.found + FAIR_MS <= now;
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
    use everwarm_trading::orders::book::Why;
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
        assert!(news(&half, &report("1", PartlyFilled, 2_000)).is_none(), "it was told");
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
        listening.told(&report("1", PartlyFilled, 2_000));
        listening.told(&report("2", Filled, 2_000));
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE), None, "it told");
        listening.expect(found.clone());
        listening.expect(found.clone());
        listening.told(&report("1", PartlyFilled, 2_000));
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE), Some(found.clone()));
        assert_eq!(listening.overdue(Some(SUBSCRIBED), DUE), None, "once");
        listening.expect(found);
        assert_eq!(listening.overdue(Some(3_000), DUE), None, "another has taken its place");
    }
}
