//! Tests the ladder: its levels and sizes, what counts as an entry, and when it begins anew.

use super::*;
use crate::strategy::kind;
use crate::testing::{dec, sym};
use everwarm_domain::features::FeatureHead;
use everwarm_domain::money::Price;

/// A symbol that the strategy runs on, with the highest close of the day at 100.
struct Played {
    section: Section,
    memory: Memory,
    lot: LotView,
    time: UtcMs,
}

impl Played {
    fn new() -> Played {
        let (section, memory) = (Section::default(), Memory::default());
        Played { section, memory, lot: LotView::default(), time: 0 }
    }

    /// Plays one close. The memory is saved and loaded before. Returns the signal and its size, or
    /// why there is none.
    fn close(&mut self, close: f64) -> Result<(Intent, Option<u32>), String> {
        self.close_below(close, 100.0)
    }

    fn close_below(&mut self, close: f64, highest: f64) -> Result<(Intent, Option<u32>), String> {
        self.time += 5 * MINUTE;
        let bytes = serde_json::to_vec(&self.memory).unwrap();
        self.memory = serde_json::from_slice(&bytes).unwrap();
        let head = FeatureHead { symbol: sym("A"), time: self.time, close: Price::e8(1) };
        let values = [close, highest, 0.5];
        let view = View { head, values: &values, lot: self.lot };
        let long = !self.lot.leaves && (self.lot.enters || !self.lot.held.is_zero());
        let why = Dca::why_not(&self.section, &self.memory, long, &view);
        let signal = Dca::update(&self.section, &mut self.memory, long, &view);
        signal.map(|signal| (signal.intent, signal.size_ppm)).ok_or(why)
    }

    fn filled(&mut self, held: &str) {
        self.lot = LotView { held: dec(held), ..LotView::default() };
    }
}

const OPEN: Result<(Intent, Option<u32>), String> = Ok((Intent::Open, None));

const fn add(ppm: u32) -> (Intent, Option<u32>) {
    (Intent::Add, Some(ppm))
}

#[test]
fn buys_three_per_cent_below_the_highest_close_and_again_at_each_further_three() {
    let mut played = Played::new();
    let why = played.close(96.0).unwrap_err();
    assert_eq!(why, "this is the first close with values: it only shows the price");
    let why = played.close(97.5).unwrap_err();
    assert!(why.ends_with("is 2.50 % below 100.00, the highest close: not 3.00 %"), "{why}");
    assert_eq!(played.close(96.0), OPEN);
    // The first entry is at 96: the levels are 93.12, 90.24 and 87.36.
    played.lot = LotView { enters: true, ..LotView::default() };
    assert_eq!(played.close(90.0).unwrap_err(), "an entry is not filled yet");
    played.filled("1");
    let why = played.close(93.13).unwrap_err();
    assert_eq!(why, "the close 93.1300 is above 93.1200, the level of entry 2");
    assert_eq!(played.close(93.12), Ok(add(1_250_000)));
    played.lot.enters = true;
    assert!(played.close(90.0).is_err());
    played.filled("2.25");
    assert_eq!(played.close(90.24), Ok(add(1_562_500)));
    played.filled("3.8");
    assert_eq!(played.close(80.0), Ok(add(1_953_125)));
    played.filled("5.7");
    assert_eq!(played.close(70.0).unwrap_err(), "all 4 entries are made");
}

#[test]
fn an_addition_that_is_not_made_is_tried_when_its_level_is_reached_again() {
    let mut played = Played::new();
    assert!(played.close(100.0).is_err());
    assert_eq!(played.close(96.0), OPEN);
    played.filled("1");
    assert_eq!(played.close(93.0), Ok(add(1_250_000)));
    let why = played.close(92.0).unwrap_err();
    assert_eq!(why, "entry 2 was signalled at a close before");
    assert!(played.close(93.5).is_err());
    assert_eq!(played.close(93.0), Ok(add(1_250_000)), "still the second");
}

#[test]
fn a_fall_through_two_levels_makes_one_entry_a_close() {
    let mut played = Played::new();
    assert!(played.close(100.0).is_err());
    assert_eq!(played.close(96.0), OPEN);
    played.filled("1");
    assert_eq!(played.close(88.0), Ok(add(1_250_000)));
    played.filled("2");
    assert_eq!(played.close(88.0), Ok(add(1_562_500)));
}

#[test]
fn an_entry_that_is_not_made_is_not_repeated_at_once() {
    let mut played = Played::new();
    assert!(played.close(100.0).is_err());
    assert_eq!(played.close(96.0), OPEN);
    let why = played.close(95.0).unwrap_err();
    assert_eq!(why, "the close before had fallen as far: only the first one counts");
    assert!(played.close(98.0).is_err());
    assert_eq!(played.close(96.0), OPEN);
}

#[test]
fn after_a_position_the_highest_close_counts_from_there() {
    let mut played = Played::new();
    assert!(played.close(100.0).is_err());
    assert_eq!(played.close(96.0), OPEN);
    played.filled("1");
    assert!(played.close(95.0).is_err());
    played.lot.leaves = true;
    assert_eq!(played.close(90.0).unwrap_err(), "an exit is owed");
    played.lot = LotView::default();
    assert!(played.close(90.0).is_err(), "it begins at 90");
    assert!(played.close(91.0).is_err());
    assert!(played.close(88.28).is_err());
    assert_eq!(played.close(88.27), OPEN, "3 % below 91");
    // After 24 h the highest close of the day counts again.
    played.lot = LotView::default();
    assert!(played.close(95.0).is_err());
    played.time += 24 * 60 * MINUTE;
    assert_eq!(played.close(90.0), OPEN, "10 % below 100");
}

#[test]
fn a_part_that_is_sold_is_no_entry_and_a_lot_without_memory_gets_none() {
    let mut played = Played::new();
    assert!(played.close(100.0).is_err());
    assert_eq!(played.close(96.0), OPEN);
    played.filled("1");
    assert!(played.close(95.0).is_err());
    played.filled("0.4");
    assert!(played.close(95.0).is_err());
    played.filled("0.4");
    assert_eq!(played.close(93.0), Ok(add(1_250_000)));
    played.memory = Memory::default();
    assert!(played.close(95.0).is_err());
    assert_eq!(played.close(50.0).unwrap_err(), "its first entry is not known");
}

#[test]
fn without_values_nothing_is_decided_and_the_next_close_only_shows_the_price() {
    let mut played = Played::new();
    assert!(played.close(100.0).is_err());
    let why = played.close_below(96.0, f64::NAN).unwrap_err();
    assert_eq!(why, "the highest close of 24 h is not known yet");
    assert!(played.close(96.0).is_err());
}

#[test]
fn its_settings_are_checked_against_each_other() {
    let kind = kind("dca").unwrap();
    let wrong = |section: &str| (kind.read)(section).unwrap_err().text;
    assert!(wrong(r#"{"timeframe":"1d","hours":5}"#).contains("have no bar of 1d"));
    assert!(wrong(r#"{"steps":10,"thresholds":"strict","threshold_scale":"2"}"#).contains("100 %"));
    assert!(wrong(r#"{"steps":4,"growth_percent":100}"#).contains("more than 10 times"));
    assert_eq!((kind.exits)().members()["stop"], "15%");
    assert_eq!((kind.exits)().members()["profit"], "0: 2%");
    let sizes: Vec<_> = (0..4).map(|n| size_ppm(&Section::default(), n).unwrap()).collect();
    assert_eq!(sizes, [1_000_000, 1_250_000, 1_562_500, 1_953_125]);
}

/// The confidence of a first entry that fell 4 % with an average true range of 0.5.
fn confidence_with(section: &str) -> u32 {
    let section = (kind("dca").unwrap().read)(section).unwrap();
    let mut played = Played::new();
    played.section = serde_json::from_str(&section).unwrap();
    assert!(played.close(100.0).is_err());
    let head = FeatureHead { symbol: sym("A"), time: 600_000, close: Price::e8(1) };
    let view = View { head, values: &[96.0, 100.0, 0.5], lot: LotView::default() };
    Dca::update(&played.section, &mut played.memory, false, &view).unwrap().confidence_ppm
}

#[test]
fn a_section_without_the_unit_of_its_confidence_keeps_ten_ranges() {
    // The fall of 4 is 8 ranges: 1.6 units of five, 0.8 units of ten.
    let defaults = (kind("dca").unwrap().defaults)();
    assert_eq!(confidence_with(&defaults), 615_384);
    assert_eq!(confidence_with("{}"), 444_444);
    assert_eq!(confidence_with(r#"{"confidence_ranges":8}"#), 500_000);
}
