//! The operator page: what it is made of, and the one stream it is told everything by.

mod assets;
mod picture;
mod stream;
mod versions;

pub use assets::{ASSETS, Asset, POLICY, asset};
pub use stream::{Full, Stream};
