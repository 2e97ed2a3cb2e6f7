use super::*;
use everwarm_domain::sessions::Session;
use everwarm_domain::time::MINUTE;

/// A series: ranges with bars, the bars from facts among them, ranges without bars at the source.
type Given<'a> = (&'a str, &'a [(i64, i64)], Option<(i64, i64)>, &'a [(i64, i64)]);

fn times((from, to): (i64, i64)) -> Times {
    from * MINUTE..=to * MINUTE
}

fn stored(given: &[Given<'_>]) -> StoredBars {
    let mut stored = StoredBars::default();
    for (name, runs, facts, none) in given {
        let series = StoredSeries {
            runs: runs.iter().copied().map(times).collect(),
            facts: facts.map(times),
            none: none.iter().copied().map(times).collect(),
        };
        stored.series.insert((Symbol::named(name).unwrap(), Timeframe::M1), series);
    }
    stored
}

const NOTHING: (&BTreeSet<Symbol>, &BTreeMap<Series, Vec<Times>>) =
    (&BTreeSet::new(), &BTreeMap::new());

static ALWAYS: Sessions = Sessions::ALWAYS;

fn known(absence: Absence) -> Known<'static> {
    let (loading, marked) = NOTHING;
    Known { sessions: &ALWAYS, absence, loading, marked, running: true }
}

/// The holes of the first series, in minutes.
fn first(stored: &StoredBars, known: &Known<'_>) -> String {
    let ledger = ledger(stored, known);
    let shown = ledger[0].holes.iter().map(|hole| {
        let (from, to) = (hole.times.start() / MINUTE, hole.times.end() / MINUTE);
        format!("{from}-{to} {:?}", hole.state)
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_hole_is_open_until_the_source_was_asked() {
    let bars: &[(i64, i64)] = &[(0, 9), (20, 29)];
    let check = |none: &[(i64, i64)], facts, absence| {
        first(&stored(&[("A", bars, facts, none)]), &known(absence))
    };
    assert_eq!(check(&[], None, Absence::Lost), "10-19 Open");
    assert_eq!(check(&[(10, 19)], None, Absence::Lost), "10-19 Unfillable");
    assert_eq!(check(&[(10, 19)], None, Absence::Unknown), "10-19 Unfillable");
    assert_eq!(check(&[(10, 19)], None, Absence::NotTraded), "10-19 NotTraded");
    assert_eq!(check(&[(5, 14)], None, Absence::NotTraded), "10-14 NotTraded, 15-19 Open");
    // Both bars beside it come from closes, which asked for those between.
    assert_eq!(check(&[], Some((5, 25)), Absence::NotTraded), "10-19 NotTraded");
    assert_eq!(check(&[], Some((20, 29)), Absence::NotTraded), "10-19 Open");
}

#[test]
fn what_all_series_lack_is_an_outage_and_the_rest_of_it_is_not() {
    let none: &[(i64, i64)] = &[(0, 99)];
    let a: Given<'_> = ("A", &[(0, 9), (30, 50)], None, none);
    let b: Given<'_> = ("B", &[(0, 12), (30, 50)], None, none);
    let late: Given<'_> = ("C", &[(40, 50)], None, none);
    let check = |given: &[Given<'_>]| first(&stored(given), &known(Absence::Lost));
    let tail = ", 51-99 Unfillable";
    let outage = "10-12 Unfillable, 13-29 VenueOutage".to_owned() + tail;
    assert_eq!(check(&[a, b]), outage);
    assert_eq!(check(&[a, b, late]), outage, "a listing proves nothing before it");
    let whole: Given<'_> = ("D", &[(0, 50)], None, none);
    assert_eq!(check(&[a, b, whole]), "10-29 Unfillable".to_owned() + tail, "one symbol traded");
    // Nobody asked for it yet.
    let (a, b) = (("A", a.1, None, &[][..]), ("B", b.1, None, &[][..]));
    assert_eq!(check(&[a, b]), "10-29 Open");
}

#[test]
fn a_wide_bar_within_an_outage_of_minutes_is_part_of_it() {
    let mut all = StoredBars::default();
    for name in ["A", "B"] {
        let symbol = Symbol::named(name).unwrap();
        for (width, runs) in [
            (Timeframe::M1, [times((0, 119)), times((245, 299))]),
            (Timeframe::H1, [times((0, 60)), times((240, 240))]),
        ] {
            let none = vec![*runs[0].end() + width.ms()..=*runs[1].start() - width.ms()];
            let series = StoredSeries { runs: runs.to_vec(), facts: None, none };
            all.series.insert((symbol, width), series);
        }
    }
    let known = known(Absence::NotTraded);
    assert_eq!(first(&all, &known), "120-244 VenueOutage");
    let hours = &ledger(&all, &known)[1];
    assert_eq!(hours.by_state(), BTreeMap::from([(HoleState::VenueOutage, 2)]));
}

#[test]
fn times_before_the_first_bar_are_before_the_listing_if_the_source_has_none() {
    let check = |none: &[(i64, i64)]| {
        first(&stored(&[("A", &[(20, 29)], None, none)]), &known(Absence::NotTraded))
    };
    assert_eq!(check(&[(0, 19)]), "0-19 BeforeListing");
    assert_eq!(check(&[(0, 9)]), "0-9 BeforeListing, 10-19 Open");
    assert_eq!(check(&[]), "");
}

#[test]
fn what_a_start_fetches_is_filling_and_what_a_stopped_daemon_lacks_is_open() {
    let all = stored(&[("A", &[(0, 9), (20, 29)], None, &[])]);
    let symbol = Symbol::named("A").unwrap();
    let (loading, marked) = (
        BTreeSet::from([symbol]),
        BTreeMap::from([((symbol, Timeframe::M1), vec![times((12, 14))])]),
    );
    let mut known = Known { loading: &loading, ..known(Absence::Lost) };
    assert_eq!(first(&all, &known), "10-19 Filling");
    known.running = false;
    assert_eq!(first(&all, &known), "10-19 Open");
    let mut known = Known { marked: &marked, loading: NOTHING.0, ..known };
    let ledger = ledger(&all, &known);
    let evidence: Vec<Evidence> = ledger[0].holes.iter().map(|hole| hole.evidence).collect();
    assert_eq!(evidence, [Evidence::NotRequested, Evidence::Marked, Evidence::NotRequested]);
    known.running = true;
    assert_eq!(first(&all, &known), "10-11 Open, 12-14 Filling, 15-19 Open");
}

#[test]
fn nights_and_bars_that_the_retention_moved_out_are_no_lost_bars() {
    let session = |open: i64, close: i64| Session { open: open * MINUTE, close: close * MINUTE };
    let sessions = vec![session(0, 10), session(20, 40)];
    let sessions = Sessions::new(0, 60 * MINUTE, sessions).unwrap();
    let all = stored(&[("A", &[(0, 9), (25, 30)], None, &[])]);
    let known = Known { sessions: &sessions, ..known(Absence::Lost) };
    assert_eq!(first(&all, &known), "20-24 Open");
    let ledger = ledger(&all, &known);
    assert_eq!((ledger[0].bars, ledger[0].expected), (16, 21));

    // The hours show that the daemon traded from minute 60 on. Its minutes begin at 180.
    let mut all = stored(&[("A", &[(0, 9), (180, 200)], Some((180, 200)), &[])]);
    let hours = StoredSeries {
        runs: vec![times((60, 120))],
        facts: Some(times((60, 120))),
        none: Vec::new(),
    };
    all.series.insert((Symbol::named("A").unwrap(), Timeframe::H1), hours);
    let known = Known { sessions: &ALWAYS, ..known };
    assert_eq!(first(&all, &known), "10-179 Open", "the retention removed nothing");
    all.moved_through.insert(Timeframe::M1, 179 * MINUTE);
    assert_eq!(first(&all, &known), "10-59 Open, 60-179 MovedOut");
}
