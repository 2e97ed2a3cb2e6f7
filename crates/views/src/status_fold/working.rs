//! Orders that are not final, as of the facts taken in.

use super::super::exit::{Exit, Failure};
use super::StatusFold;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// An order that is not final.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Working {
    /// The order manager's last status.
    pub(super) status: OrderStatus,
    /// Event time of the announcement that it is sent; none once the order manager has recorded the
    /// result.
    pub(super) sent: Option<UtcMs>,
    /// The status that the venue reported after that.
    pub(super) reported: Option<OrderStatus>,
    /// Its symbol and strategy; none if it is from before the journal had lots.
    #[serde(default)]
    pub(super) of: Option<(Symbol, String)>,
}

impl Working {
    pub(super) const fn new(status: OrderStatus) -> Working {
        Working { status, sent: None, reported: None, of: None }
    }

    /// The status that the next start finds: no process is left that could receive a response.
    pub(super) const fn at_rest(&self) -> OrderStatus {
        match (self.reported, self.status) {
            (Some(reported), _) => reported,
            (None, OrderStatus::Sent) => OrderStatus::Unknown,
            (None, OrderStatus::Intent) if self.sent.is_some() => OrderStatus::Unknown,
            (None, status) => status,
        }
    }
}

impl StatusFold {
    /// The open order with this id, or whose id begins like this, and its symbol.
    ///
    /// # Errors
    /// There is no such order, or there are several.
    pub fn open_order(&self, id: &str) -> Result<(ClientOrderId, Symbol), Failure> {
        let none = |text: String| {
            let text = format!("{text}. List them: everwarm orders");
            Failure::new(Exit::Failed, text)
        };
        let mut found = self.orders.iter().filter(|(known, _)| known.0.starts_with(id));
        let (client_id, order) = match (found.next(), found.next()) {
            (Some(one), None) => one,
            (Some(_), Some(_)) => {
                return Err(none(format!("several open orders have ids that begin with {id}")));
            }
            (None, _) => return Err(none(format!("no open order has the id {id}"))),
        };
        let old = || none(format!("order {id} is from a version without lots"));
        let (symbol, _) = order.of.as_ref().ok_or_else(old)?;
        Ok((client_id.clone(), *symbol))
    }
}
