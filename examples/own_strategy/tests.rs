//! Plays rows of a close and the average through the strategy.

use super::{OwnStrategy, Section};
use everwarm::sdk::{Intent, play};

#[test]
fn buys_below_the_average_and_sells_above_it() {
    let rows = [[100.0, 100.0], [98.9, 100.0], [99.5, 100.0], [100.1, 100.0]];
    let intents = play::<OwnStrategy>(&Section::default(), rows.iter().map(|row| &row[..]));
    assert_eq!(intents, [None, Some(Intent::Open), None, Some(Intent::Close)]);
}
