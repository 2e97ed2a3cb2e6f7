//! A generated and a recorded market: the bars, members and drivers are those of an independent
//! script.

use super::{DAY, HOUR, MINUTE, bar, save};
use crate::Bar;
use crate::composite::{Composites, Fold, Series};
use crate::regime::{Driver, Drivers};
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;

/// What `composites.py` printed.
const PRINTED: &str = include_str!("composites.txt");
const FIRST: i64 = 20_000;
const HOURS: i64 = 12 * 24;
/// From this hour on, each minute has a bar.
const FINE: i64 = HOURS - 6;
const COUNT: u16 = 170;

type Row = (i64, Vec<(String, Bar)>);

/// The numbers of a generated market, as in the script.
struct Market {
    state: u64,
    prices: Vec<i64>,
}

impl Market {
    fn draw(&mut self, most: u64) -> u64 {
        let next = self.state.wrapping_mul(6_364_136_223_846_793_005);
        self.state = next.wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % most
    }

    fn row(&mut self, hour: i64, time: i64, part: i64) -> Row {
        let mut row = Vec::new();
        for i in 0..COUNT {
            let step = part - 10 + i64::try_from(self.draw(21)).unwrap();
            let price = &mut self.prices[usize::from(i)];
            *price = *price * step / part;
            let close = *price;
            let volume = (1 + self.draw(1000)) * (1 + u64::from(i * 37 % COUNT));
            let absent = self.draw(29) == 0
                || (100..104).contains(&hour)
                || ((150..153).contains(&hour) && i % 40 != 0);
            if !(absent || (i == 169 && hour < 90) || (i == 5 && hour >= 130)) {
                row.push((format!("S{i:03}"), bar(close, volume.into())));
            }
        }
        (FIRST * DAY + time, row)
    }
}

fn generated() -> Vec<Row> {
    let prices = (1..=i64::from(COUNT)).map(|price| price * 100_000_000).collect();
    let mut market = Market { state: 1, prices };
    let mut rows: Vec<Row> =
        (0..FINE).map(|hour| market.row(hour, (hour + 1) * HOUR, 1000)).collect();
    let fine = (0..(HOURS - FINE) * 60)
        .map(|at| market.row(FINE + at / 60, FINE * HOUR + (at + 1) * MINUTE, 10_000));
    rows.extend(fine);
    rows
}

fn recorded() -> Vec<Row> {
    let mut rows: BTreeMap<i64, Vec<(String, Bar)>> = BTreeMap::new();
    for name in ["BTCUSD", "ETHUSD", "LTCUSD"] {
        let path = crate::shared::shared(&format!("data/coinbase/{name}_1m.csv.gz"));
        let packed = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for row in csv::Reader::from_reader(MultiGzDecoder::new(packed)).records() {
            let row = row.unwrap();
            let close = format!("{:.8}", row[4].parse::<f64>().unwrap()).replace('.', "");
            let time = row[0].parse::<i64>().unwrap() + MINUTE;
            let bar = bar(close.parse().unwrap(), 1);
            rows.entry(time).or_default().push((name.to_owned(), bar));
        }
    }
    rows.into_iter().collect()
}

/// The bars of a series, by width.
struct Folded {
    widths: Vec<(Fold, Vec<Bar>)>,
}

impl Folded {
    fn new(widths: &[i64]) -> Folded {
        Folded { widths: widths.iter().map(|width| (Fold::new(*width), Vec::new())).collect() }
    }
}

fn show(title: &str, bars: &[Bar], text: &mut String) {
    writeln!(text, "# {title}").unwrap();
    for Bar { open_time, open, high, low, close, .. } in bars {
        // Four decimals, as the script rounds them.
        let price = |units: &i64| {
            let rounded = (units + 5_000) / 10_000;
            format!("{}.{:04}", rounded / 10_000, rounded % 10_000)
        };
        let prices = [open, high, low, close].map(price).join(" ");
        writeln!(text, "{open_time} {prices}").unwrap();
    }
}

fn drivers(title: &str, bars: &[Bar], text: &mut String) {
    let mut drivers = Drivers::new();
    let states: Vec<Driver> = bars.iter().map(|bar| drivers.update(bar).unwrap()).collect();
    let runs = states.chunk_by(|one, next| one == next);
    let runs = runs.map(|run| format!("{}{}", run.len(), &run[0].name()[..1]));
    writeln!(text, "# {title}").unwrap();
    let mut line = String::new();
    for run in runs {
        if line.len() + 1 + run.len() > 100 {
            writeln!(text, "{line}").unwrap();
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(&run);
    }
    writeln!(text, "{line}").unwrap();
}

/// The members of each bucket, as the script prints them after a cut.
fn cut(composites: &Composites<String>, text: &mut String) {
    for series in &Series::ALL[1..] {
        let members = composites.members(*series).map(|(name, _)| name.trim_start_matches('S'));
        for line in members.collect::<Vec<_>>().chunks(16) {
            let day = composites.cut().unwrap();
            writeln!(text, "{day} {} {}", series.name(), line.join(" ")).unwrap();
        }
    }
}

fn computed() -> String {
    let weights = [("S000", 2.0), ("S001", 1.0), ("S169", 0.5), ("S500", 3.0)];
    let weights = weights.map(|(name, weight)| (name.to_owned(), weight));
    let (mut composites, mut text) = (Composites::new(weights), "# cuts\n".to_owned());
    let mut all = Series::ALL.map(|_| Folded::new(&[DAY, HOUR]));
    for (at, (time, row)) in generated().iter().enumerate() {
        if at % 97 == 0 {
            composites = postcard::from_bytes(&save(&composites)).unwrap();
        }
        let before = composites.cut();
        let steps = composites.update(*time, row).unwrap();
        if composites.cut() != before {
            cut(&composites, &mut text);
        }
        for (step, folded) in steps.into_iter().zip(&mut all) {
            for (fold, bars) in &mut folded.widths {
                if let Some(step) = step {
                    fold.update(*time, step, bars);
                }
            }
        }
    }
    for (series, folded) in Series::ALL.into_iter().zip(&all) {
        let name = series.name();
        let (days, hours) = (&folded.widths[0].1, &folded.widths[1].1);
        show(&format!("{name} 1d"), days, &mut text);
        let some = [&hours[..2], &hours[hours.len() - 8..]].concat();
        show(&format!("{name} 1h"), &some, &mut text);
        drivers(&format!("{name} driver 1h"), hours, &mut text);
    }
    let weights = [("BTCUSD", 2.0), ("ETHUSD", 1.0), ("LTCUSD", 1.0)];
    let mut composites = Composites::new(weights.map(|(name, of)| (name.to_owned(), of)));
    let mut folded = Folded::new(&[HOUR, MINUTE]);
    for (time, row) in recorded() {
        let Some(step) = composites.update(time, &row).unwrap()[0] else { continue };
        for (fold, bars) in &mut folded.widths {
            fold.update(time, step, bars);
        }
    }
    show("recorded 1h", &folded.widths[0].1, &mut text);
    drivers("recorded driver 1m", &folded.widths[1].1, &mut text);
    text
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_file_is_what_the_script_prints() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/composite/tests/composites.py");
    let mut python = std::process::Command::new("python3");
    let printed = python.args(["-B", script]).arg(crate::shared::shared("data")).output();
    let printed = printed.expect("python3 runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), PRINTED);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn bars_members_and_drivers_are_those_of_an_independent_script() {
    let computed = computed();
    for (at, (line, want)) in computed.lines().zip(PRINTED.lines()).enumerate() {
        assert_eq!(line, want, "line {}", at + 1);
    }
    assert_eq!(computed.lines().count(), PRINTED.lines().count());
}
