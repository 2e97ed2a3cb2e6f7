//! Polygon, which is now called Massive: past bars of stocks listed in the United States. They
//! need the key of an account.
//!
//! Protocol: <https://massive.com/docs/rest/stocks/aggregates/custom-bars>.

mod client;
pub mod wire;

use crate::{NeededKey, PublicSource};

/// Polygon, as a source of past bars.
pub const PUBLIC: PublicSource = PublicSource {
    name: "polygon",
    title: "Polygon",
    address: ADDRESSES[0],
    key: Some(NeededKey {
        variables: &["POLYGON_API_KEY"],
        page: "https://massive.com/dashboard/keys",
    }),
    open: client::open,
};

/// Its addresses before and after it was renamed. They serve the same.
const ADDRESSES: [&str; 2] = ["https://api.polygon.io", "https://api.massive.com"];

#[cfg(test)]
mod tests;
