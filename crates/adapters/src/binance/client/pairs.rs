//! Places a stop and a limit order as a pair, of which one ends the other.

use super::{Act, BinanceClient, budget, mapped, same_order, words};
use crate::binance::error::Kind;
use crate::binance::map;
use crate::binance::wire::{self, PairAnswer};
use everwarm_domain::order::{OrderIntent, OrderReport, ReportSource, SendAttempt};
use everwarm_venue::port::{Stamp, VenueError};
use everwarm_venue::transport::Method;

const PAIR: &str = "/api/v3/orderList/oco";

impl BinanceClient {
    /// Places a stop and a limit order as a pair: one request, signed for exactly the time of the
    /// attempts. The venue takes both or none.
    ///
    /// # Errors
    /// The meaning of the failure for both orders.
    pub async fn place_pair(
        &self,
        orders: &[(OrderIntent, SendAttempt); 2],
    ) -> Result<[OrderReport; 2], VenueError> {
        let query = words::pair(orders)?;
        let [(stop, attempt), (target, _)] = orders;
        let priority = budget::priority(stop.side);
        let act = Act { kind: Kind::Place, method: Method::Post, path: PAIR, priority };
        let answer = self.act(act, query, Stamp::from(attempt)).await?;
        let list: PairAnswer = mapped(Kind::Place, wire::decode("pair answer", &answer))?;
        let report = |intent: &OrderIntent| {
            let id = &intent.client_id.0;
            let state = list.order_reports.iter().find(|state| state.client_order_id == *id);
            let state = state.ok_or_else(|| format!("the answer has no order {id}"));
            let report = state.and_then(|s| map::order_state(ReportSource::Answer, s, &[]));
            same_order(Kind::Place, mapped(Kind::Place, report)?, intent.symbol, &intent.client_id)
        };
        Ok([report(stop)?, report(target)?])
    }
}
