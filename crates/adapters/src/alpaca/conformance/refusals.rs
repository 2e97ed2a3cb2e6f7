//! Steps with requests that the venue refuses.

use super::orders::LOW;
use super::rules::UNKNOWN;
use super::walk::{FORBIDDEN, Terms, Walk};
use everwarm_venue::conformance::check::Outcome;

/// An id of the right form that no order has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
/// More shares than an account with play money can pay.
const TOO_MUCH: &str = "1000000";

/// A purchase at a limit with something else, which must be refused.
async fn refused(
    walk: &mut Walk,
    more: &[(&str, &str)],
    (status, code, words): (u16, Option<i64>, &str),
) -> Outcome {
    let (id, price) = (walk.base.id(), walk.level(LOW).await?);
    let answer = walk.place_with(&id, &Terms::limit(price), more).await?;
    answer.rejected(&[status], code, words)
}

pub(super) async fn sub_penny(walk: &mut Walk) -> Outcome {
    let price = format!("{:.2}5", walk.level(LOW).await?);
    refused(walk, &[("limit_price", &price)], (422, None, "sub-penny")).await
}

pub(super) async fn no_price(walk: &mut Walk) -> Outcome {
    let (id, price) = (walk.base.id(), walk.level(LOW).await?);
    let terms = Terms { limit: None, ..Terms::limit(price) };
    walk.place_with(&id, &terms, &[]).await?.rejected(&[422], None, "limit price")
}

pub(super) async fn too_much(walk: &mut Walk) -> Outcome {
    let expected = (403, Some(FORBIDDEN), "insufficient buying power");
    refused(walk, &[("qty", TOO_MUCH)], expected).await
}

pub(super) async fn unknown_symbol(walk: &mut Walk) -> Outcome {
    refused(walk, &[("symbol", UNKNOWN)], (422, None, "asset")).await
}

pub(super) async fn unknown_query(walk: &mut Walk) -> Outcome {
    let id = walk.base.id();
    walk.query(&id).await?.rejected(&[404], Some(40_410_000), "order not found")
}

pub(super) async fn unknown_cancel(walk: &mut Walk) -> Outcome {
    walk.cancel(NOBODY).await?.rejected(&[404], Some(40_410_000), "order not found")
}
