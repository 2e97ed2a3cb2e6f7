//! Tests of recordings: real files, unchanged and with every kind of damage.

use super::*;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("everwarm-recording-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // An earlier process with this id may have left one.
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Folder {
        std::fs::write(self.0.join(name), content).unwrap();
        self
    }

    fn open(&self) -> Result<Recording, RecordingError> {
        Recording::open(&self.0, None)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn shared(folder: &str) -> PathBuf {
    crate::shared::shared("data").join(folder)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|l| format!("{l}\n")).collect()
}

/// The header and the first rows of a real file, uncompressed.
fn real_lines(rows: usize) -> Vec<String> {
    let file = std::fs::read(shared("coinbase").join("LTCUSD_1m.csv.gz")).unwrap();
    let mut text = String::new();
    MultiGzDecoder::new(&file[..]).read_to_string(&mut text).unwrap();
    lines(&text)[..=rows].to_vec()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

const HEADER: &str = "open_time,open,high,low,close,volume\n";
const ROW: &str = "1522800000000,134.12,134.13,134.01,134.01,210.5\n";

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn coinbase_is_read_as_its_description_requires() {
    let folder = shared("coinbase");
    let mut recording = Recording::open(&folder, None).unwrap();
    assert_eq!(recording.notices(), []);
    let names: Vec<&str> = recording.instruments().iter().map(|i| i.symbol.as_str()).collect();
    assert_eq!(names, ["BTCUSD", "ETHUSD", "LTCUSD"]);
    assert_eq!(recording.start(), 1_522_800_000_000);
    assert_eq!(recording.balances(), [("USD".to_owned(), decimal("100000"))]);

    // (symbol, rows, opening of the last, holes, missing minutes)
    let described = [
        ("BTCUSD", 3_887, 1_523_059_140_000, 2, 433),
        ("ETHUSD", 2_449, 1_522_972_740_000, 2, 431),
        ("LTCUSD", 3_887, 1_523_059_140_000, 4, 433),
    ];
    for (name, rows, last, holes, missing) in described {
        let bars = recording.bars(symbol(name), i64::MIN, i64::MAX, usize::MAX);
        let steps = bars.windows(2).map(|w| (w[1].open_time - w[0].open_time) / MINUTE - 1);
        let gaps: Vec<i64> = steps.filter(|s| *s > 0).collect();
        let end = bars.last().unwrap().open_time;
        let found = (bars.len(), end, gaps.len(), gaps.iter().sum::<i64>());
        assert_eq!(found, (rows, last, holes, missing), "{name}");
    }
    assert_eq!(recording.bar_count(), 3_887 + 2_449 + 3_887);

    let btc = &recording.instruments()[0];
    assert_eq!((btc.base.as_str(), btc.quote.as_str()), ("BTC", "USD"));
    assert_eq!((btc.tick_size, btc.lot_size), (decimal("0.01"), decimal("0.00000001")));
    let first = recording.bars(symbol("BTCUSD"), 0, i64::MAX, 1)[0];
    assert_eq!(first.high, Price::e8(742_491_000_000));
    assert_eq!(first.volume, decimal("7.14319709"));
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn walking_the_closes_meets_every_bar_once() {
    let folder = shared("coinbase");
    let mut recording = Recording::open(&folder, None).unwrap();
    let (mut after, mut bars, mut longest) = (recording.start(), 0, 0);
    while let Some(close) = recording.next_close(after) {
        let round = recording.bars_closing(close);
        assert!(!round.is_empty() && round.is_sorted_by_key(|b| b.symbol));
        assert!(round.iter().all(|b| b.open_time == close - MINUTE));
        longest = longest.max((close - after) / MINUTE - 1);
        bars += round.len();
        after = close;
    }
    assert_eq!(bars, recording.bar_count());
    // The longest gap without a bar of any symbol, in minutes.
    assert_eq!(longest, 427);
    assert_eq!(after, 1_523_059_200_000);
    assert!(recording.bars_closing(after + MINUTE).is_empty());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_other_minute_files_have_the_described_rows() {
    let described = [
        ("btcperp", "BTC-PERP", 27_419, "BTC", "USD", "0.001", "0.00000001"),
        ("binance", "BTCBUSD", 1_440, "BTC", "BUSD", "0.01", "0.00001"),
        ("binance_futures", "ADAUSDT", 1_440, "ADA", "USDT", "0.0001", "1"),
        ("freqtrade", "XRPETH", 2_469, "XRP", "ETH", "0.00000001", "1"),
        ("fxcm", "GBPUSD", 30_117, "GBP", "USD", "0.00001", "0.00001"),
        ("poloniex_old", "UNITTEST-BTC", 13_681, "UNITTEST", "BTC", "0.00000001", "0.00000001"),
        ("us_equities", "AAPL", 2_303, "AAPL", "USD", "0.01", "1"),
        ("us_equities", "SPY", 4_839, "SPY", "USD", "0.01", "1"),
        ("us_equities", "SPY-20230803", 947, "SPY20230803", "USD", "0.001", "1"),
    ];
    for (folder_name, name, rows, base, quote, tick, lot) in described {
        let folder = shared(folder_name);
        let mut recording = Recording::open(&folder, None).unwrap();
        let noticed = match folder_name {
            // Six volumes have float rounding noise.
            "btcperp" => 1,
            // Daily bars of two symbols open with the sessions of New York.
            "us_equities" => 2,
            _ => 0,
        };
        assert_eq!(recording.notices().len(), noticed, "{name}");
        let bars = recording.bars(symbol(name), i64::MIN, i64::MAX, usize::MAX);
        let found = recording.instruments().iter().find(|i| i.symbol == symbol(name)).unwrap();
        assert_eq!((bars.len(), found.base.as_str()), (rows, base), "{name}");
        assert_eq!(found.quote, quote, "{name}");
        let steps = (found.tick_size, found.lot_size);
        assert_eq!(steps, (decimal(tick), decimal(lot)), "{name}");
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn wider_files_hold_what_lies_before_the_first_minute() {
    let mut recording = Recording::open(&shared("coinbase"), None).unwrap();
    let days = recording.older(symbol("BTCUSD"), Timeframe::D1, 0..=i64::MAX);
    let first = recording.bars(symbol("BTCUSD"), 0, i64::MAX, 1)[0].open_time;
    assert_eq!((days.len(), days.last().unwrap().open_time), (1_186, first - Timeframe::D1.ms()));
    assert!(recording.older(symbol("BTCUSD"), Timeframe::H4, 0..=i64::MAX).is_empty());
    assert!(recording.older(symbol("ETHUSD"), Timeframe::D1, 0..=i64::MAX).is_empty());
    let within = recording.older(symbol("BTCUSD"), Timeframe::D1, days[3].open_time..=first);
    assert_eq!(within[..], days[3..]);
}

#[test]
fn wider_files_are_read_as_strictly_as_minutes() {
    let row = |time: i64| format!("{time},1,2,1,2,5\n");
    let minutes = format!("{HEADER}{}", row(1_522_800_000_000));
    let with = |name: &str, text: &str| {
        Folder::new().with("AUSD_1m.csv", &minutes).with(name, text).open()
    };
    let day = format!("{HEADER}{}", row(1_522_713_600_000));
    let older = with("AUSD_1d.csv", &day).unwrap();
    assert_eq!(older.older(symbol("AUSD"), Timeframe::D1, 0..=i64::MAX).len(), 1);
    let wrong = with("AUSD_1d.csv", &day.replace(",5\n", ",x\n")).unwrap_err().to_string();
    assert!(wrong.contains("AUSD_1d.csv:2: volume"), "{wrong}");
    let twice = Folder::new().with("AUSD_1m.csv", &minutes).with("AUSD_1d.csv", &day);
    let wrong = twice.with("AUSD_1d.csv.gz", gzip(&day)).open().unwrap_err().to_string();
    assert!(wrong.contains("AUSD 1d is here twice"), "{wrong}");
    // Half an hour past the hour.
    let off = with("AUSD_1h.csv", &format!("{HEADER}{}", row(1_522_713_600_000 + 1_800_000)));
    let notices = off.unwrap().notices().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(notices[0].contains("AUSD_1h.csv:2: the file is left out"), "{notices:?}");
    assert!(with("BUSD_1d.csv", "anything").is_ok(), "it has no minutes");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_declared_quote_volume_is_counted_in_base_units() {
    let folder = shared("btcperp");
    let config = Folder::new().with(
        "perp.toml",
        "[account]\nbalances = { USD = \"5000\" }\n[symbols.BTC-PERP]\nvolume = \"quote\"\n\
         lot = \"0.001\"\ntick = 0.125\nmax_position = 0.5\nbase = \"XBT\"\n",
    );
    let mut recording = Recording::open(&folder, Some(&config.0.join("perp.toml"))).unwrap();
    let first = recording.bars(symbol("BTC-PERP"), 0, i64::MAX, 1)[0];
    // 2,300,413.7295 USD at 46,377.
    assert_eq!(first.volume, decimal("49.602"));
    let rules = &recording.instruments()[0];
    assert_eq!((rules.base.as_str(), rules.quote.as_str()), ("XBT", "USD"));
    assert_eq!((rules.lot_size, rules.min_quantity), (decimal("0.001"), decimal("0.001")));
    assert_eq!(recording.max_position(symbol("BTC-PERP")), Some(decimal("0.5")));
    assert_eq!(recording.balances(), [("USD".to_owned(), decimal("5000"))]);
}

#[test]
fn bounds_of_ranges_are_inclusive_and_the_limit_counts_from_the_front() {
    let minute = |n: i64| 1_522_800_000_000 + n * MINUTE;
    let row = |n: i64| format!("{},2,3,1,2,5\n", minute(n));
    let text = |rows: &[i64]| HEADER.to_owned() + &rows.iter().map(|n| row(*n)).collect::<String>();
    let folder = Folder::new()
        .with("AUSD_1m.csv", text(&[0, 1, 2, 5]))
        .with("BUSD-X_1m.csv.gz", gzip(&text(&[1, 7])))
        .with("AUSD_5m.csv", "not read")
        .with("notes.txt", "not read");
    let mut recording = folder.open().unwrap();
    let mut opens = |name: &str, from: i64, to: i64, limit: usize| -> Vec<i64> {
        let bars = recording.bars(symbol(name), minute(from), minute(to), limit);
        bars.iter().map(|b| (b.open_time - minute(0)) / MINUTE).collect()
    };
    assert_eq!(opens("AUSD", 0, 2, 99), [0, 1, 2]);
    assert_eq!(opens("AUSD", 1, 5, 2), [1, 2]);
    assert!(opens("AUSD", 3, 4, 9).is_empty());
    assert_eq!(opens("BUSD-X", 0, 9, 9), [1, 7]);
    assert!(opens("NONE", 0, 9, 9).is_empty());
    assert_eq!(recording.next_close(i64::MIN), Some(minute(1)));
    assert_eq!(recording.next_close(minute(1)), Some(minute(2)));
    assert_eq!(recording.next_close(minute(3)), Some(minute(6)));
    assert_eq!(recording.next_close(minute(8)), None);
    assert_eq!(recording.bars_closing(minute(2)).len(), 2);
    assert_eq!(recording.bars_closing(minute(2) + 1), []);
    assert_eq!(recording.bars_closing(i64::MIN), []);
}

type Damage = fn(&mut Vec<String>);

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn damaged_rows_are_refused_with_file_line_and_reason() {
    let real = real_lines(50);
    // The damage, mostly to line 21, then the line and the text of the error.
    let cases: [(Damage, u64, &str); 19] = [
        (|l| l.swap(20, 21), 22, "open_time 1522801140000 comes after 1522801200000"),
        (|l| l[20] = l[20].replacen("000,", "001,", 1), 21, "is off the grid: 1 ms past"),
        (|l| l[20] = l[20].replacen("000,", ",", 1), 21, "between 1990 and 2100"),
        (|l| l[20] = l[20].replacen("000,", "000000,", 1), 21, "between 1990 and 2100"),
        (|l| l[20] = l[20].replacen("152", "x52", 1), 21, "is not a whole number of milliseconds"),
        (|l| l.insert(21, l[20].replace('\n', "1\n")), 22, "a second, different bar for open_time"),
        (|l| l[20] = "1522801140000,1,0.9,1.1,1,5\n".into(), 21, "high 0.9 is below low 1.1"),
        (|l| l[20] = "1522801140000,2,1.5,1,1.2,5\n".into(), 21, "high 1.5 is below open 2"),
        (|l| l[20] = "1522801140000,1,2,1.5,1.8,5\n".into(), 21, "low 1.5 is above open 1"),
        (|l| l[20] = "1522801140000,0,2,0,1.8,5\n".into(), 21, "low 0 is not positive"),
        (|l| l[20] = "1522801140000,1,2,1,1.8,-5\n".into(), 21, "volume -5 is negative"),
        (|l| l[20] = "1522801140000,1,2,1,1.8,1e5\n".into(), 21, "volume \"1e5\" is not a plain"),
        (|l| l[20] = "1522801140000,1,2,1,nan,5\n".into(), 21, "close \"nan\" is not a plain"),
        (|l| l[20] = "1522801140000,1,1_0,1,1,5\n".into(), 21, "high \"1_0\" is not a plain"),
        (|l| l[20] = "1522801140000,1,,1,1,5\n".into(), 21, "high \"\" is not a plain decimal"),
        (
            |l| l[20] = "1522801140000,1.1234567890123456789,2,1,1.8,5\n".into(),
            21,
            "open 1.1234567890123456789 has more than 18 decimals",
        ),
        (
            |l| l[20] = "1522801140000,1,2,1,1.8,9999999999999999999\n".into(),
            21,
            "volume 9999999999999999999 is out of range",
        ),
        (|l| l[20] = "1522801140000,1,2,1,1.8\n".into(), 21, "has 5 fields, the header has 6"),
        (
            |l| *l.last_mut().unwrap() = l[50].trim_end().to_owned(),
            51,
            "the file is cut short: the last line has no end",
        ),
    ];
    for (damage, line, reason) in cases {
        let mut lines = real.clone();
        damage(&mut lines);
        let folder = Folder::new().with("LTCUSD_1m.csv", lines.concat());
        let error = folder.open().expect_err(reason);
        assert_eq!(error.file, folder.0.join("LTCUSD_1m.csv"));
        assert_eq!(error.line, Some(line), "{error}");
        let text = error.to_string();
        assert!(text.contains(reason), "{text} does not contain {reason}");
        assert!(text.contains(&format!("LTCUSD_1m.csv:{line}: ")), "{text}");
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_repeated_row_is_dropped_with_a_notice_and_a_dropped_row_is_a_gap() {
    let mut lines = real_lines(50);
    let whole = Folder::new().with("LTCUSD_1m.csv", lines.concat()).open().unwrap();
    lines.insert(21, lines[20].clone());
    let folder = Folder::new().with("LTCUSD_1m.csv", lines.concat());
    let repaired = folder.open().unwrap();
    assert_eq!(repaired.bars, whole.bars);
    let [notice] = repaired.notices() else { panic!("one notice") };
    assert_eq!(notice.line, Some(22));
    assert!(
        notice.to_string().ends_with("LTCUSD_1m.csv:22: dropped: the same as the row before it")
    );
    lines.drain(20..22);
    let gap = Folder::new().with("LTCUSD_1m.csv", lines.concat()).open().unwrap();
    assert_eq!(gap.bar_count(), 49);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn harmless_differences_of_form_are_read() {
    let lines = real_lines(50);
    let text = lines.concat();
    let whole = Folder::new().with("LTCUSD_1m.csv", &text).open().unwrap();
    let forms = [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}\n\n"),
        text.replace(',', " , ").replace("open_time", "Open_Time"),
        text.lines().map(|l| ["x,", l, ",y\n"].concat()).collect(),
    ];
    for form in forms {
        let folder = Folder::new().with("LTCUSD_1m.csv", &form);
        assert_eq!(folder.open().unwrap().bars, whole.bars, "{}", &form[..60]);
    }
    let packed = Folder::new().with("LTCUSD_1m.csv.gz", gzip(text.trim_end()));
    assert_eq!(packed.open().unwrap().bars, whole.bars);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn compressed_files_cut_or_damaged_anywhere_are_refused() {
    let lines = real_lines(300);
    let packed = gzip(&lines.concat());
    let check = |content: &[u8], what: &str| {
        let folder = Folder::new().with("LTCUSD_1m.csv.gz", content);
        let error = folder.open().expect_err(what);
        assert!(error.to_string().contains("LTCUSD_1m.csv.gz"), "{error}");
        error
    };
    for end in (0..packed.len()).step_by(37).chain([packed.len() - 1]) {
        let error = check(&packed[..end], "cut");
        assert!(matches!(error.fault, Fault::CutShort(_) | Fault::Empty(_)), "{end}: {error}");
    }
    for at in (10..packed.len()).step_by(41) {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x55;
        check(&damaged, "damaged");
    }
    check(lines.concat().as_bytes(), "not compressed at all");
}

#[test]
fn files_and_folders_that_are_no_recording_are_refused() {
    let header = |h: &str| format!("{h}\n{ROW}");
    let cases = [
        ("AUSD_1m.csv", header("open_time,open,high,low,close"), "column volume is missing"),
        ("AUSD_1m.csv", header("time,open,high,low,close,volume"), "column open_time is missing"),
        (
            "AUSD_1m.csv",
            header("open_time,open,high,low,close,volume,open"),
            "column open is there",
        ),
        ("AUSD_1m.csv", ROW.to_owned(), "_1m.csv:1: column open_time is missing"),
        ("AUSD_1m.csv", HEADER.to_owned(), "has a header but no rows"),
        ("AUSD_1m.csv", String::new(), "has no header"),
        ("AUSD_1m.csv", "x".repeat(10_000), "longer than 4096 bytes"),
        ("A USD_1m.csv", format!("{HEADER}{ROW}"), "must be a symbol: \"A USD\""),
        ("_1m.csv", format!("{HEADER}{ROW}"), "must be a symbol: \"\""),
        ("A-NAME-TOO-LONG-TO-BE_1m.csv", format!("{HEADER}{ROW}"), "must be a symbol"),
        ("AUSD_5m.csv", format!("{HEADER}{ROW}"), "holds no file named SYMBOL_1m.csv"),
    ];
    for (name, content, reason) in cases {
        let error = Folder::new().with(name, content).open().expect_err(reason).to_string();
        assert!(error.contains(reason), "{error} does not contain {reason}");
    }
    let bytes = Folder::new().with("AUSD_1m.csv", b"open_time\xff\n").open().unwrap_err();
    assert_eq!(bytes.fault, Fault::NotText("not UTF-8"));
    let text = format!("{HEADER}{ROW}");
    let twice = Folder::new().with("A_1m.csv", &text).with("A_1m.csv.gz", gzip(&text));
    assert_eq!(twice.open().unwrap_err().fault, Fault::SymbolTwice("A".to_owned()));
    for (name, other) in [("btcusd_1m.csv", "BTCUSD"), ("BTC-Perp_1m.csv", "BTC-PERP")] {
        let small = Folder::new().with(name, &text).open().unwrap_err().to_string();
        assert!(small.ends_with(&format!("Write {other}: rename the file")), "{small}");
    }
    let absent = Recording::open(Path::new("/nowhere/at/all"), None).unwrap_err();
    assert!(matches!(absent.fault, Fault::Io(_)), "{absent}");
}

#[test]
fn a_wrong_configuration_is_refused_by_key() {
    let cases = [
        ("[symbols.AUSD]\ntik = 1\n", Some(2), "unknown field `tik`"),
        ("[simbols.AUSD]\n", Some(1), "unknown field `simbols`"),
        ("[account]\nbalance = 1\n", Some(2), "unknown field `balance`"),
        ("[symbols.AUSD]\nvolume = \"lots\"\n", Some(2), "unknown variant `lots`"),
        ("[symbols.AUSD]\nlot = \"-1\"\n", Some(2), "-1 is negative"),
        ("[symbols.AUSD]\nlot = \"0.000000001\"\n", Some(2), "more than 8 decimals"),
        ("[symbols.AUSD]\ntick = 0\n", None, "symbols.AUSD.tick must be above zero"),
        ("[symbols.AUSD]\nbase = \"\"\n", None, "symbols.AUSD.base: \"\" is not an asset"),
        ("[symbols.AUSD]\nbase = \"USD\"\n", None, "base and quote are both USD"),
        (
            "[symbols.AUSD]\nmin_quantity = 5\nmax_quantity = 1\n",
            None,
            "recording.toml: symbols.AUSD: min_quantity 5 is above max_quantity 1",
        ),
        (
            "[symbols.AUSD]\nmin_quantity = 10000000\n",
            None,
            "min_quantity 10000000 is above max_quantity 9000000",
        ),
        ("[symbols.AUSD]\nlot = 2\nmax_quantity = 1\n", None, "lot 2 is above max_quantity 1"),
        ("[symbols.BUSD]\ntick = 1\n", None, "symbols.BUSD: the recording has no file BUSD_1m"),
        ("[symbols.AUSD]\ntick = \"0.05\"\n", Some(2), "open 134.12 is not a multiple of"),
        ("this is not toml\n", Some(1), "recording.toml:1: "),
        ("[symbols.AUSD]\nlot = nan\n", Some(2), "recording.toml:2: "),
    ];
    for (config, line, reason) in cases {
        let folder = Folder::new()
            .with("AUSD_1m.csv", format!("{HEADER}{ROW}"))
            .with("recording.toml", config);
        let error = folder.open().expect_err(reason);
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(reason), "{error} does not contain {reason}");
    }
    let folder = Folder::new().with("AUSD_1m.csv", format!("{HEADER}{ROW}"));
    let error = Recording::open(&folder.0, Some(&folder.0.join("absent.toml"))).unwrap_err();
    assert!(matches!(error.fault, Fault::Io(_)), "{error}");
}

#[test]
fn volumes_are_empty_fine_or_huge_without_a_panic() {
    let rows = "1522800000000,1,1,1,1,\n1522800060000,1,1,1,1,0.1234567891\n";
    let recording = Folder::new().with("AUSD_1m.csv", format!("{HEADER}{rows}")).open().unwrap();
    let volumes: Vec<Decimal> = recording.bars[0].iter().map(|b| b.volume).collect();
    assert_eq!(volumes, [Decimal::ZERO, decimal("0.12345678")]);
    let [notice] = recording.notices() else { panic!("one notice") };
    assert!(notice.text.starts_with("1 volumes with more than 8 decimals"));
    let tiny = "1522800000000,0.00000001,1,0.00000001,0.00000001,1000000000000000000\n";
    let folder = Folder::new()
        .with("AUSD_1m.csv", format!("{HEADER}{tiny}"))
        .with("recording.toml", "[symbols.AUSD]\nvolume = \"quote\"\nlot = \"0.00000001\"\n");
    assert!(matches!(folder.open().unwrap_err().fault, Fault::Volume(_)));
    assert_eq!(VOLUME_MAX, Decimal::from(10_i64.pow(18)));
}
