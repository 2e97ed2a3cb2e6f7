//! The way of a bar: listed symbols, their streams, their closed bars, the close.

pub mod bar;
pub mod closer;
pub mod confirm;
pub mod connections;
pub mod feature_history;
pub mod feed;
pub mod fetch;
pub mod final_bars;
pub mod split_query;
pub mod universe;
pub mod wide_bars;
