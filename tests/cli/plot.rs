//! `everwarm analyze --plot` draws what it computes, and shows nothing before it is known.

use crate::kit::{BINARY, Folder, output};
use crate::shared::shared;
use roxmltree::{Document, Node};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HEAD: &str = "open_time,open,high,low,close,volume\n";
const STRUCTURES: &str = "swings:5,fvg,bos:5,choch:5,ob:5,liquidity:5";

/// The exit code and both outputs of `analyze`.
fn analyzed(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    command.arg("analyze").arg(file).args(arguments);
    let output = output(&mut command);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The picture of a file, and what was printed.
fn plotted(file: &Path, arguments: &[&str]) -> (String, String, String) {
    let picture = file.with_extension("svg");
    let flags = [&["--plot", picture.to_str().unwrap()], arguments].concat();
    let (code, out, err) = analyzed(file, &flags);
    assert_eq!(code, Some(0), "{err}");
    (fs::read_to_string(picture).unwrap(), out, err)
}

/// A file of minute bars that swing up and down. Every price and volume is a whole number.
fn waves(folder: &Folder, bars: i64) -> PathBuf {
    let mut text = HEAD.to_owned();
    let price = |n: i64| {
        1_000 + n + [0, 9, 22, 31, 38, 30, 17, 4, -9, -14, -6, -2][usize::try_from(n % 12).unwrap()]
    };
    for n in 0..bars {
        let (open, close) = (price(n), price(n + 1));
        let (high, low) = (open.max(close) + n % 3, open.min(close) - n % 5);
        let time = 1_700_000_040_000 + n * 60_000;
        writeln!(text, "{time},{open},{high},{low},{close},{}", 5 + n % 7).unwrap();
    }
    let file = folder.join("W_1m.csv");
    fs::write(&file, text).unwrap();
    file
}

fn of<'a>(picture: &'a Document, class: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    picture.descendants().filter(move |node| node.attribute("class") == Some(class))
}

fn number(node: Node, attribute: &str) -> i64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// The smallest and the largest x of all that a group draws.
fn across(group: Node) -> Option<(f64, f64)> {
    extent(group, ["x", "width", "cx"], 0)
}

/// The same of y.
fn down(group: Node) -> Option<(f64, f64)> {
    extent(group, ["y", "height", "cy"], 1)
}

fn extent(group: Node, names: [&str; 3], part: usize) -> Option<(f64, f64)> {
    let mut all = Vec::new();
    for node in group.descendants() {
        let value = |name: &str| node.attribute(name).map(|text| text.parse::<f64>().unwrap());
        if let (Some(from), Some(size)) = (value(names[0]), value(names[1])) {
            all.extend([from, from + size]);
        }
        all.extend(value(names[2]));
        let path = node.attribute("d").unwrap_or_default();
        let points = path.split(['M', 'L', 'Z']).filter(|point| !point.is_empty());
        all.extend(points.map(|point| point.split(' ').nth(part).unwrap().parse::<f64>().unwrap()));
    }
    let least = all.iter().copied().reduce(f64::min)?;
    Some((least, all.into_iter().reduce(f64::max)?))
}

/// What a picture of structures must keep: each event of the JSON is drawn once, pale between its
/// bar and the bar at whose close it was known, strong from there on.
fn shows_nothing_early(picture: &Document, lines: &str) {
    let middles: Vec<f64> = of(picture, "candle")
        .map(|candle| across(candle).map(|(left, right)| f64::midpoint(left, right)).unwrap())
        .collect();
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let drawn: Vec<Node> = of(picture, "event").collect();
    assert_eq!(drawn.len(), events.len());
    for (event, group) in events.iter().zip(drawn) {
        let (index, known) = (number(group, "data-index"), number(group, "data-known-index"));
        assert_eq!((&event["index"], &event["known_index"]), (&index.into(), &known.into()));
        assert_eq!(group.attribute("data-event"), event["event"].as_str());
        let title = group.first_element_child().unwrap();
        assert!(title.text().unwrap().contains(&format!("known at the close of bar {known} (")));
        let at = |bar: i64| middles[usize::try_from(bar).unwrap()];
        let part = |class: &str| group.children().find(|n| n.attribute("class") == Some(class));
        // A mark may reach a few pixels to each side of its place.
        let (left, _) = across(part("strong").unwrap()).unwrap();
        assert!(left > at(known) - 6.0, "{event}: strong from {left}, known at {}", at(known));
        if let Some((left, right)) = part("pale").and_then(across) {
            assert!(left > at(index) - 6.0, "{event}: {left}");
            assert!(right < at(known) + 6.0, "{event}: {right}");
        }
    }
}

#[test]
fn a_picture_has_all_that_is_asked_and_nothing_before_it_is_known() {
    let folder = Folder::new("plot");
    let file = waves(&folder, 240);
    let asked = ["--indicators", "sma(20), bbands:20:2,rsi:14,adx:14", "--regime"];
    let (picture, out, err) = plotted(&file, &[&asked[..], &["--structure", STRUCTURES]].concat());
    assert!(err.contains("W_1m.svg: written, with 240 bars"), "{err}");
    assert!(out.contains("sma_20") && out.contains("known (UTC)"), "both tables: {out}");
    let parsed = Document::parse(&picture).unwrap();
    assert_eq!(of(&parsed, "candle").count(), 240);
    let names: Vec<&str> =
        of(&parsed, "line").map(|line| line.attribute("data-name").unwrap()).collect();
    let adx = ["adx:14.plus_di", "adx:14.minus_di", "adx:14"];
    let bands = ["bbands:20:2.upper", "bbands:20:2.mid", "bbands:20:2.lower"];
    assert_eq!(names, [&["sma(20)"][..], &bands, &["rsi:14"], &adx].concat());
    // Lines of one pane are in one group: prices, regimes, volumes, rsi, adx.
    let panes: Vec<usize> = of(&parsed, "pane")
        .map(|pane| pane.children().filter(|n| n.attribute("class") == Some("line")).count())
        .collect();
    assert_eq!(panes, [4, 0, 0, 1, 3]);
    let texts: Vec<&str> = parsed.descendants().filter_map(|node| node.text()).collect();
    for name in ["swings:5", "liquidity:5", "volume", "regime.adx", "open time (UTC)"] {
        assert!(texts.contains(&name), "{name} is named: {texts:?}");
    }
    assert!(texts.iter().any(|text| text.starts_with("W_1m.csv: 2023-11-14 22:14 to ")));
    let bars: i64 = of(&parsed, "band").map(|band| number(band, "data-bars")).sum();
    assert_eq!(bars, (240 - 27) * 2 + (240 - 199), "regime, regime.adx, driver");
    let (_, lines, _) = analyzed(&file, &["--structure", STRUCTURES, "--json"]);
    for kind in ["swing_final", "fvg", "bos", "ob"] {
        assert!(lines.contains(&format!("\"{kind}\"")), "{kind} is tested");
    }
    shows_nothing_early(&parsed, &lines);
    let dark = "@media(prefers-color-scheme:dark)";
    assert!(picture.contains(dark) && !picture.contains("http://www.w3.org/1999"), "no request");
    assert_eq!(plotted(&file, &[&asked[..], &["--structure", STRUCTURES]].concat()).0, picture);
}

#[test]
fn a_picture_of_the_newest_bars_has_the_values_of_all() {
    let folder = Folder::new("plot-newest");
    let file = waves(&folder, 2_100);
    let (picture, out, err) = plotted(&file, &["--structure", "fvg,swings:5", "--json"]);
    assert!(err.contains("with the newest 2,000 bars of 2,100"), "{err}");
    assert!(out.lines().all(|line| line.contains("known_index")), "{out}");
    let parsed = Document::parse(&picture).unwrap();
    assert_eq!(of(&parsed, "candle").count(), 2_000);
    let flags = ["--indicators", "sma:1000", "--csv", "--plot-bars", "50"];
    let (picture, out, err) = plotted(&file, &flags);
    assert!(err.contains("with the newest 50 bars of 2,100"), "{err}");
    assert_eq!(out.lines().count(), 2_101, "all values are printed");
    let parsed = Document::parse(&picture).unwrap();
    assert_eq!(of(&parsed, "candle").count(), 50);
    let line = of(&parsed, "line").next().unwrap();
    let points = line.last_element_child().unwrap().attribute("d").unwrap().matches('L').count();
    assert_eq!(points, 49, "the average is defined at each drawn bar");
    // What ended before the first drawn bar is not drawn, and nothing is moved to its edge.
    let (picture, _, _) = plotted(&file, &["--structure", STRUCTURES, "--plot-bars", "50"]);
    let parsed = Document::parse(&picture).unwrap();
    let (first, _) = across(of(&parsed, "candle").next().unwrap()).unwrap();
    let candles: Vec<_> = of(&parsed, "candle").map(|candle| down(candle).unwrap()).collect();
    let top = candles.iter().map(|(top, _)| *top).reduce(f64::min).unwrap();
    let bottom = candles.iter().map(|(_, bottom)| *bottom).reduce(f64::max).unwrap();
    let mut earlier = 0;
    for event in of(&parsed, "event") {
        let strong = event.children().find(|n| n.attribute("class") == Some("strong")).unwrap();
        let (left, right) = across(strong).unwrap();
        assert!(right > first, "{event:?} is seen");
        let (high, low) = down(strong).unwrap();
        assert!(low > top - 12.0 && high < bottom + 12.0, "{event:?} is beyond the prices");
        let known = number(event, "data-known-index");
        assert_eq!(known < 2_050, left < first, "{event:?} begins at {left}");
        earlier += i32::from(known < 2_050);
        if ["bos", "choch"].contains(&event.attribute("data-event").unwrap()) {
            assert!(known + 6 >= 2_050, "{event:?} has ended");
        }
    }
    assert!(earlier > 0, "a zone is older than the picture");
    // Values and events of one file: those of a bar stay together.
    let flags = ["--indicators", "close", "--structure", "fvg", "--json"];
    let (_, out, _) = plotted(&file, &flags);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let time = |line: &Value| {
        let known = line["known_time"].as_i64();
        known.or(line["open_time"].as_i64()).unwrap()
    };
    assert!(lines.is_sorted_by_key(time));
    assert_eq!(lines.iter().filter(|line| line["close"].is_number()).count(), 2_100);
}

#[test]
fn strange_bars_are_drawn() {
    let folder = Folder::new("plot-strange");
    let file = folder.join("<&\"'>_1h.csv");
    let all = ["--indicators", "sma:20,rsi:14,zone:5,vwap", "--structure", STRUCTURES, "--regime"];
    // The most decimals, and about the largest numbers.
    let row = |prices: &str, volume: &str| format!("1700000400000,{prices},{volume}\n");
    let zeros = "0.0000000000000000";
    let tiny = row(&format!("{zeros}31,{zeros}4,{zeros}3,{zeros}3"), "1");
    let huge = row("1,90000000000,1,1", "9999999999");
    let huge = format!("{huge}1700004000000,1,1,1,1,0.000000000000000001\n");
    for (rows, candles) in [
        ("1700000400000,1,2,1,2,5\n", 1),
        ("1700000400000,1,1,1,1,0\n1700004000000,1,1,1,1,0\n1700007600000,1,1,1,1,0\n", 3),
        (&tiny[..], 1),
        ("1700000400000,9000000000,9000000000.00000001,9000000000,9000000000,1\n", 1),
        (&huge[..], 2),
    ] {
        fs::write(&file, format!("{HEAD}{rows}")).unwrap();
        let (picture, _, _) = plotted(&file, &all);
        let parsed = Document::parse(&picture).unwrap();
        assert_eq!(of(&parsed, "candle").count(), candles, "{rows}");
        for candle in of(&parsed, "candle") {
            let drawn = |node: Node| ["rect", "path"].contains(&node.tag_name().name());
            assert!(candle.children().any(drawn), "a candle is seen: {rows}");
        }
        let title = parsed.root_element().first_element_child().unwrap();
        assert!(title.text().unwrap().starts_with("<&\"'>_1h.csv: "), "{title:?}");
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{rows}");
    }
    // Nothing but candles is a picture, too; without volumes it has no pane for them.
    fs::write(&file, format!("{HEAD}1700000400000,1,2,1,2,0\n")).unwrap();
    let (picture, out, _) = plotted(&file, &["--csv"]);
    assert_eq!(out, "");
    assert_eq!(of(&Document::parse(&picture).unwrap(), "pane").count(), 1);
}

#[test]
fn a_picture_that_cannot_be_drawn_says_why() {
    let folder = Folder::new("plot-refused");
    let file = waves(&folder, 20);
    let wrong = |arguments: &[&str]| {
        let (code, out, err) = analyzed(&file, arguments);
        assert_eq!(out, "", "{err}");
        (code.unwrap(), err)
    };
    let (code, err) = wrong(&["--plot", file.to_str().unwrap()]);
    assert!(
        code == 2 && err.contains("--plot: the picture is SVG; name a file that ends"),
        "{err}"
    );
    let absent = folder.join("absent/a.svg");
    let (code, err) = wrong(&["--plot", absent.to_str().unwrap()]);
    assert!(code == 1 && err.contains("absent/a.svg: No such file"), "{err}");
    let taken = folder.join("taken.svg");
    fs::create_dir(&taken).unwrap();
    let (code, err) = wrong(&["--plot", taken.to_str().unwrap()]);
    assert!(code == 1 && err.contains("taken.svg"), "{err}");
    let many: Vec<String> = (2..35).map(|length| format!("sma:{length}")).collect();
    let picture = folder.join("a.svg");
    let picture = picture.to_str().unwrap();
    let (code, err) = wrong(&["--plot", picture, "--indicators", &many.join(",")]);
    assert!(code == 2 && err.contains("at most 32 values of indicators, not 33"), "{err}");
    assert_eq!(wrong(&["--plot", picture, "--plot-bars", "0"]).0, 2);
    assert_eq!(wrong(&["--plot", picture, "--plot-bars", "5001"]).0, 2);
    for price in ["NaN", "inf", "0"] {
        fs::write(&file, format!("{HEAD}1700000400000,1,2,{price},2,5\n")).unwrap();
        let (code, err) = wrong(&["--plot", picture]);
        assert!(code == 2 && err.contains("W_1m.csv:2: "), "{err}");
    }
    let bars = folder.join("bars.svg");
    fs::write(&bars, format!("{HEAD}1700000400000,1,2,1,2,5\n")).unwrap();
    let (code, _, err) = analyzed(&bars, &["--plot", bars.to_str().unwrap()]);
    assert!(code == Some(2) && err.contains("is the file of the bars"), "{err}");
    assert!(fs::read_to_string(&bars).unwrap().starts_with(HEAD));
    assert!(!folder.join("a.svg").exists(), "nothing was drawn");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_bars_are_drawn_as_they_became_known() {
    let folder = Folder::new("plot-recorded");
    for (name, limit) in [
        ("data/btcperp/BTC-PERP_1m.csv.gz", "1500"),
        ("data/us_equities/SPY_1d.csv.gz", "1500"),
        ("data/fx/EURUSD_15m.csv.gz", "600"),
    ] {
        let bars = shared(name);
        let picture = folder.join("a.svg");
        let list = ["--structure", STRUCTURES, "--limit", limit, "--json"];
        let flags = [&list[..], &["--plot", picture.to_str().unwrap()]].concat();
        let (code, lines, err) = analyzed(&bars, &flags);
        assert_eq!(code, Some(0), "{err}");
        assert!(lines.lines().count() > 200, "{name}: {}", lines.lines().count());
        let text = fs::read_to_string(&picture).unwrap();
        let parsed = Document::parse(&text).unwrap();
        assert_eq!(of(&parsed, "candle").count(), limit.parse::<usize>().unwrap());
        shows_nothing_early(&parsed, &lines);
        assert!(lines.contains("\"ob_mitigated\"") && lines.contains("\"swing_replaced\""));
    }
}
