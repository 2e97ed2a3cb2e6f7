//! Bars and drivers of samples that a projection of facts has.

use super::super::{AltWeights, RegimeDayView, RegimeView, days, regimes};
use everwarm_domain::dominance::Dominance;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, MINUTE, Timeframe, UtcMs};
use everwarm_history::Projector;
use everwarm_kernel::fact::{Fact, Key};
use everwarm_runtime::store::archive::Archive;
use std::path::Path;
use std::sync::Arc;

const START: UtcMs = 20_000 * DAY;
const HOUR: UtcMs = Timeframe::H1.ms();

/// A history with samples at these milliseconds after the start, each with both shares in
/// hundredths of a percent.
fn history(every_s: u32, samples: &[(UtcMs, [i64; 2])]) -> Arc<Archive> {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    let fact = |(n, (after, shares)): (u64, &(UtcMs, [i64; 2]))| {
        let [btc, usdt] = shares.map(|share| Decimal::new(share, 2));
        let (source, time) = ("coingecko".to_owned(), START + after);
        let body = Body::Market(Market::Dominance(Dominance { source, time, btc, usdt, every_s }));
        let key = Key { n, rank: 0, i: 0 };
        Fact { key, time: 0, version: 1, because: Vec::new(), body }
    };
    let facts: Vec<Fact<Body>> = (1..).zip(samples).map(fact).collect();
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    projector.apply((1..).zip(&facts), facts.len() as u64, true).unwrap();
    archive
}

fn rows(archive: &Archive) -> Vec<RegimeView> {
    regimes(archive, &AltWeights::default()).unwrap()
}

#[test]
fn a_bar_has_the_samples_of_its_time_and_a_time_without_samples_has_none() {
    let at = |hour: UtcMs, minute: UtcMs| hour * HOUR + minute * MINUTE;
    let samples = [
        (at(0, 5), [5_800, 460]),
        (at(0, 15), [5_820, 455]),
        (at(0, 25), [5_790, 450]),
        (at(0, 35), [5_810, 465]),
        (at(0, 45), [5_830, 470]),
        (at(0, 55), [5_840, 440]),
        (at(1, 5), [5_700, 480]),
        (at(3, 1), [5_750, 490]),
        (at(4, 1), [5_760, 491]),
    ];
    // Polls every ten minutes: samples may be 21 minutes apart.
    let rows = rows(&history(600, &samples));
    let names: Vec<&str> = rows.iter().map(|row| row.symbol.as_str()).collect();
    assert_eq!(names, ["BTC.D", "USDT.D"], "there is no hourly bar of a symbol");
    let bars = |row: &RegimeView| -> Vec<String> {
        let bar = |bar: &super::SampleBarView| {
            let hour = (bar.open_time - START) / HOUR;
            let shares = [bar.open, bar.high, bar.low, bar.close].map(|share| share.to_string());
            format!("{hour}: {} of {} {}", shares.join(" "), bar.samples, bar.complete)
        };
        row.dominance.iter().map(bar).collect()
    };
    assert_eq!(
        bars(&rows[0]),
        [
            "0: 58.00 58.40 57.90 58.40 of 6 true",
            "1: 57.00 57.00 57.00 57.00 of 1 false",
            "3: 57.50 57.50 57.50 57.50 of 1 false",
        ]
    );
    assert_eq!(bars(&rows[1])[0], "0: 4.60 4.70 4.40 4.40 of 6 true");
    let row = &rows[0];
    assert_eq!((row.bars, row.close, row.since), (3, START + 4 * HOUR, START + HOUR));
    assert_eq!(row.value, Some(Decimal::new(5_760, 2)), "the newest sample");
    assert_eq!((row.driver.as_str(), row.driver_1d.as_str()), ("none", "none"));
    let cold = "driver: 3 of 200 bars of 1h; driver: 0 of 200 bars of 1d";
    assert_eq!(row.missing, format!("{cold}; samples are missing in 2 bars of 1h"));
}

#[test]
fn a_first_sample_has_no_bar_and_a_late_one_marks_the_bars_that_lack_samples() {
    let only = rows(&history(600, &[(MINUTE, [5_800, 460])]));
    assert_eq!((only.len(), only[0].bars, only[0].close), (2, 0, START + MINUTE));
    assert!(only[0].dominance.is_empty());
    // A gap of 22 minutes within an hour, and one of 21 across its end.
    for (minutes, complete) in [(&[10_i64, 32, 50, 61][..], false), (&[10, 31, 45, 66][..], true)] {
        let samples: Vec<_> = minutes.iter().map(|at| (at * MINUTE, [5_800, 460])).collect();
        let row = &rows(&history(600, &samples))[0];
        assert_eq!(row.dominance[0].complete, complete, "{minutes:?}");
    }
}

#[test]
fn the_drivers_of_hours_and_days_are_those_of_any_bars_and_each_day_has_its_row() {
    let samples: Vec<_> =
        (0..300).map(|day| (day * DAY + 12 * HOUR, [3_000 + 10 * day, 900 - day])).collect();
    let archive = history(3_600, &samples);
    let rows = rows(&archive);
    let drivers = |row: &RegimeView| [&row.driver, &row.driver_1d].map(Clone::clone);
    assert_eq!(drivers(&rows[0]), ["extended", "extended"]);
    assert_eq!(drivers(&rows[1]), ["failing", "failing"]);
    assert_eq!((rows[0].bars, rows[0].dominance.len()), (299, 48), "24 of each width");
    let missing = "samples are missing in 299 bars of 1d";
    assert_eq!(rows[0].missing, missing, "a poll an hour: no hour lacks a sample");
    let days = days(&archive).unwrap();
    assert_eq!((days.len(), days[0].day), (299, START));
    let words = |of: &RegimeDayView| -> Vec<String> {
        of.dominance.iter().map(super::DominanceDayView::words).collect()
    };
    assert_eq!(words(&days[0]), ["30* none/none", "9* none/none"]);
    assert_eq!(words(&days[298]), ["59.8* extended/extended", "6.02* failing/failing"]);
}
