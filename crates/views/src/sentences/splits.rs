//! The sentences of splits, and of bars that a split may explain.

use everwarm_domain::split::{CorporateAction, Found};
use everwarm_domain::time::date_of;
use everwarm_words::text::instant;

pub(super) fn described(action: &CorporateAction) -> String {
    let CorporateAction { symbol, bar, found, .. } = action;
    let bar = instant(*bar);
    match found {
        Found::Asked(None) => format!(
            "{symbol}: the bar of {bar} UTC is far from the one before; the venue is queried for \
             a split, and no order of {symbol} leaves"
        ),
        Found::Asked(Some(why)) => format!(
            "{symbol}: the query for a split at {bar} UTC failed: {why}; no order of {symbol} \
             leaves"
        ),
        Found::Nothing => format!("{symbol}: no split explains the bar of {bar} UTC"),
        Found::Split { ex_day, ratio } => {
            format!("{symbol}: a split of {ratio} on {} explains the bar", date_of(*ex_day))
        }
    }
}
