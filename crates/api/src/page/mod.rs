//! The operator page: its files and its event stream.

mod assets;
mod picture;
mod stream;
mod versions;

pub use assets::{ASSETS, Asset, POLICY, asset};
pub use stream::{Full, Stream};
