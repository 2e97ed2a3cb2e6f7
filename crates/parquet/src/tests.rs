use super::*;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::Timeframe;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::RowAccessor as _;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const START: i64 = 1_767_571_200_000;

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("everwarm-parquet-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("bars.parquet")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn symbol(name: &str) -> Symbol {
    Symbol::named(name).unwrap()
}

fn bar(name: &str, minute: i64, price: &str, volume: &str) -> Bar {
    let price = Price::exact(price.parse().unwrap()).unwrap();
    let [open, high, low, close] = [price; 4];
    let (open_time, volume) = (START + minute * 60_000, volume.parse().unwrap());
    Bar { symbol: symbol(name), open_time, open, high, low, close, volume }
}

fn write(path: &Path, bars: &[Bar]) -> Written {
    let mut writer = BarsWriter::begin(path, Timeframe::M1).unwrap();
    for bar in bars {
        writer.add(bar).unwrap();
    }
    writer.finish().unwrap()
}

fn read(path: &Path) -> Result<Vec<Bar>, String> {
    let rows = BarsReader::open(path).map_err(|e| e.to_string())?;
    rows.map(|row| row.map_err(|e| e.to_string())?.bar(symbol("NONE"))).collect()
}

fn why(path: &Path) -> String {
    read(path).unwrap_err()
}

#[test]
fn bars_come_back_to_the_last_digit_from_several_groups() {
    let folder = Folder::new("round");
    let mut bars = vec![
        bar("AAA", 0, "90000.12", "12.5"),
        bar("AAA", 1, "92233720368.54775807", "0"),
        bar("AAA", 2, "9.223372036854775807", "1000000000000000000"),
        bar("AAA", 3, "0.000000000000000001", "22815.123456789012345678"),
        bar("AAA", 9, "0.1", "0.30000000000000004"),
        bar("AAA", 10, "1", "0.0000000000000000000000000001"),
    ];
    bars.extend((0..2_500).map(|n| {
        let (price, volume) = (format!("{}.{:02}", 40 + n / 9_000, n % 100), (n * n).to_string());
        bar("BBB", n, &price, &volume)
    }));
    let written = write(&folder.file(), &bars);
    assert_eq!((written.symbols, written.bars, written.kept), (2, 2_506, 0));
    assert_eq!((written.first, written.last), (Some(START), Some(START + 2_499 * 60_000)));
    assert_eq!(written.bytes, std::fs::metadata(folder.file()).unwrap().len());
    assert_eq!(read(&folder.file()).unwrap(), bars);
    let bytes = std::fs::read(folder.file()).unwrap();
    std::fs::remove_file(folder.file()).unwrap();
    write(&folder.file(), &bars);
    assert!(std::fs::read(folder.file()).unwrap() == bytes, "the same bars give the same bytes");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn a_file_that_exists_keeps_the_bars_that_the_new_ones_lack() {
    let folder = Folder::new("extend");
    let old = [
        bar("AAA", 0, "1", "1"),
        bar("AAA", 1, "1", "1"),
        bar("CCC", 5, "1", "1"),
        bar("CCC", 6, "1", "1"),
    ];
    write(&folder.file(), &old);
    let new = [bar("AAA", 1, "2", "2"), bar("BBB", 0, "2", "2"), bar("CCC", 6, "2", "2")];
    let written = write(&folder.file(), &new);
    assert_eq!((written.symbols, written.bars, written.kept), (3, 5, 2));
    assert_eq!(read(&folder.file()).unwrap(), [old[0], new[0], new[1], old[2], new[2]]);
    let error = BarsWriter::begin(&folder.file(), Timeframe::H1).unwrap_err().to_string();
    assert!(error.contains("has bars of 1m, not of 1h. Use another folder"), "{error}");
    let mut writer = BarsWriter::begin(&folder.0.join("other"), Timeframe::M1).unwrap();
    writer.add(&old[1]).unwrap();
    let error = writer.add(&old[1]).unwrap_err().to_string();
    assert!(error.contains("AAA at 1767571260000 comes after AAA at 1767571260000"), "{error}");
}

#[test]
fn one_symbol_is_read_of_several() {
    let folder = Folder::new("one");
    let bars = [bar("AAA", 0, "1", "1"), bar("BBB", 0, "2", "1"), bar("BBB", 1, "3", "1")];
    write(&folder.file(), &bars);
    let of = |name: &str, most| {
        let rows = rows_of(&folder.file(), Some(symbol(name)), most).map_err(|e| e.to_string());
        rows.map(|rows| rows.iter().map(|row| row.number).collect::<Vec<_>>())
    };
    assert_eq!(of("BBB", 9), Ok(vec![2, 3]));
    assert_eq!(of("BBB", 1), Ok(vec![2]));
    assert!(of("CCC", 9).unwrap_err().contains("has no bar of CCC; it has AAA, BBB"));
    let error = rows_of(&folder.file(), None, 9).unwrap_err().to_string();
    let want = "row 2: holds several symbols, like AAA and BBB. Name one: --symbol AAA";
    assert!(error.ends_with(want), "{error}");
}

#[test]
fn a_file_that_is_cut_or_changed_is_refused_or_reads_the_same() {
    let folder = Folder::new("torn");
    let bars: Vec<Bar> =
        (0..8).map(|n| bar("AAA", n, &format!("1.{n}1"), "0.30000000000000004")).collect();
    write(&folder.file(), &bars);
    let whole = std::fs::read(folder.file()).unwrap();
    let torn = folder.0.join("torn.parquet");
    for end in (0..whole.len()).step_by(7) {
        std::fs::write(&torn, &whole[..end]).unwrap();
        let error = why(&torn);
        assert!(error.contains("torn.parquet: is no Parquet file, or is cut short"), "{error}");
    }
    // A file system may keep the size of a file and lose a block.
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= if at % 2 == 0 { 0x01 } else { 0xff };
        std::fs::write(&torn, &bytes).unwrap();
        // Names and statistics that nobody reads may change.
        if let Ok(read) = read(&torn) {
            assert!(read == bars, "byte {at} was changed");
        }
    }
}

/// The next column of a group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    levels: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, None).unwrap();
    column.close().unwrap();
}

/// A file of another program, with one group.
fn foreign(
    path: &Path,
    columns: &str,
    write: impl FnOnce(&mut SerializedRowGroupWriter<'_, File>),
) {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {columns} }}")).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let file = File::create(path).unwrap();
    let mut out = SerializedFileWriter::new(file, schema, properties).unwrap();
    let mut group = out.next_row_group().unwrap();
    write(&mut group);
    group.close().unwrap();
    out.close().unwrap();
}

#[test]
fn files_of_other_programs_are_read() {
    let folder = Folder::new("foreign");
    let file = folder.file();
    // Further columns, another order, capitals, decimals of each kind and microseconds.
    let columns = "OPTIONAL DOUBLE Volume; OPTIONAL BOOLEAN more; OPTIONAL INT64 open_time
        (TIMESTAMP(MICROS,true)); REQUIRED INT64 open (DECIMAL(18,8)); REQUIRED INT32 high
        (DECIMAL(9,2)); REQUIRED FIXED_LEN_BYTE_ARRAY (16) low (DECIMAL(38,18)); OPTIONAL INT64
        close;";
    foreign(&file, columns, |group| {
        column::<DoubleType>(group, &[1.5], Some(&[1, 0]));
        column::<parquet::data_type::BoolType>(group, &[], Some(&[0, 0]));
        column::<Int64Type>(group, &[START * 1_000, (START + 60_000) * 1_000], Some(&[1, 1]));
        column::<Int64Type>(group, &[100_000_000, 200_000_000], None);
        column::<Int32Type>(group, &[225, 225], None);
        let low = |units: i128| FixedLenByteArray::from(units.to_be_bytes().to_vec());
        let one = 10_i128.pow(18);
        column::<FixedLenByteArrayType>(group, &[low(one), low(one * 2)], None);
        column::<Int64Type>(group, &[1, 2], Some(&[1, 1]));
    });
    let rows = rows_of(&file, None, 9).unwrap();
    let numbers = |row: &Row| {
        let [a, b, c, d] = row.prices;
        [a, b, c, d, row.volume].map(|number| number.to_string()).join(" ")
    };
    assert_eq!(rows.iter().map(numbers).collect::<Vec<_>>(), ["1 2.25 1 1 1.5", "2 2.25 2 2 0"]);
    assert_eq!((rows[1].symbol, rows[1].open_time), (None, START + 60_000));
}

/// The columns of a whole file, in which the tests change one.
const WHOLE: [&str; 6] = [
    "REQUIRED INT64 open_time;",
    "REQUIRED DOUBLE open;",
    "REQUIRED DOUBLE high;",
    "REQUIRED DOUBLE low;",
    "REQUIRED DOUBLE close;",
    "REQUIRED DOUBLE volume;",
];

/// The error for a file without rows whose columns are changed.
fn refused(folder: &Folder, change: impl FnOnce(&mut Vec<&str>)) -> String {
    let mut columns = WHOLE.to_vec();
    change(&mut columns);
    let schema = parse_message_type(&format!("message m {{ {} }}", columns.concat())).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let file = File::create(folder.file()).unwrap();
    let out = SerializedFileWriter::new(file, Arc::new(schema), properties).unwrap();
    out.close().unwrap();
    BarsReader::open(&folder.file()).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn a_wrong_column_is_named_with_what_is_wanted() {
    let folder = Folder::new("columns");
    let refused = |change: fn(&mut Vec<&str>)| refused(&folder, change);
    assert_eq!(refused(|_| ()), "");
    assert_eq!(refused(|columns| columns[0] = "REQUIRED INT64 open_time (INT_64);"), "");
    let error = refused(|columns| columns.retain(|column| !column.contains("close")));
    let want = "bars.parquet: column close is missing; wanted: open_time, open, high, low, close";
    assert!(error.contains(want), "{error}");
    let error = refused(|columns| columns.push("REQUIRED DOUBLE CLOSE;"));
    assert!(error.contains("column close is there twice"), "{error}");
    let error = refused(|columns| columns[1] = "REQUIRED FLOAT open;");
    assert!(error.contains("column open has the type FLOAT; wanted: DOUBLE"), "{error}");
    let error = refused(|columns| columns[1] = "REPEATED DOUBLE open;");
    assert!(error.contains("column open has the type DOUBLE"), "{error}");
    let error =
        refused(|columns| columns[0] = "REQUIRED INT64 open_time (TIMESTAMP(MILLIS,false));");
    assert!(
        error.contains("a timestamp without a time zone; wanted: a timestamp in UTC"),
        "{error}"
    );
    std::fs::write(folder.file(), "open_time,open,high,low,close,volume\n1,1,1,1,1,1\n").unwrap();
    assert!(why(&folder.file()).contains("is no Parquet file"));
}

#[test]
fn a_wrong_value_is_named_with_its_row() {
    let folder = Folder::new("values");
    let file = folder.file();
    let with = |times: &[i64], closes: &[f64], levels: &[i16]| {
        let columns = WHOLE.concat().replace("REQUIRED DOUBLE close", "OPTIONAL DOUBLE close");
        foreign(&file, &columns, |group| {
            column::<Int64Type>(group, times, None);
            for _ in 0..3 {
                column::<DoubleType>(group, &[1.0, 1.0], None);
            }
            column::<DoubleType>(group, closes, Some(levels));
            column::<DoubleType>(group, &[1.0, 1.0], None);
        });
        rows_of(&file, None, 9).map_err(|e| e.to_string())
    };
    assert_eq!(with(&[0, 1], &[1.0, 0.1], &[1, 1]).unwrap()[1].prices[3], Decimal::new(1, 1));
    let error = with(&[0, 1], &[1.0, f64::NAN], &[1, 1]).unwrap_err();
    assert!(error.contains("row 2: close NaN is no decimal of up to 28 digits"), "{error}");
    let error = with(&[0, 1], &[1.0, 1e300], &[1, 1]).unwrap_err();
    assert!(error.contains("row 2: close 1"), "{error}");
    let error = with(&[0, 1], &[1.0], &[0, 1]).unwrap_err();
    assert!(error.contains("row 1: close null is no value"), "{error}");
}

#[test]
fn text_beside_other_numbers_is_refused() {
    let folder = Folder::new("exact");
    let columns = WHOLE.concat() + "OPTIONAL BYTE_ARRAY exact (STRING);";
    foreign(&folder.file(), &columns, |group| {
        column::<Int64Type>(group, &[START, START + 60_000], None);
        for _ in 0..5 {
            column::<DoubleType>(group, &[1.0, 1.0], None);
        }
        let texts = ["1 1 1 1 1.00000000000000000001", "1 1 1 2 1"];
        let texts = texts.map(|text| ByteArray::from(text.as_bytes()));
        column::<ByteArrayType>(group, &texts, Some(&[1, 1]));
    });
    let mut rows = BarsReader::open(&folder.file()).unwrap();
    let volume = rows.next().unwrap().unwrap().volume;
    assert_eq!(volume.to_string(), "1.00000000000000000001");
    let error = rows.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("row 2: exact 1 1 1 2 1 is none of the numbers beside it"), "{error}");
    assert!(rows.next().is_none(), "it ends after an error");
}

#[test]
fn trades_are_written_with_exact_numbers() {
    let folder = Folder::new("trades");
    let file = folder.file();
    let trade = Trade {
        strategy: "sma_cross",
        symbol: symbol("AAA"),
        opened: START,
        closed: START + 60_000,
        quantity: "0.5".parse().unwrap(),
        entry: Some("90000.12".parse().unwrap()),
        exit: None,
        fees: Decimal::ZERO,
        profit: "-1.25".parse().unwrap(),
        entry_regime: "",
        entry_reason: "crossed",
        exit_reason: "stop",
    };
    write_trades(&file, &[]).unwrap();
    write_trades(&file, &[trade.clone(), Trade { profit: Decimal::TWO, ..trade.clone() }]).unwrap();
    let read = SerializedFileReader::new(File::open(&file).unwrap()).unwrap();
    let rows: Vec<_> = read.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].get_string(0).unwrap(), "sma_cross");
    assert_eq!(rows[0].get_timestamp_millis(3).unwrap(), START + 60_000);
    let units = |row: usize, column| {
        let bytes = rows[row].get_decimal(column).unwrap().data().try_into().unwrap();
        i128::from_be_bytes(bytes)
    };
    assert_eq!((units(0, 8), units(1, 8)), (-1_250_000_000_000_000_000, 2 * 10_i128.pow(18)));
    assert_eq!(units(0, 5), 9_000_012 * 10_i128.pow(16));
    assert!(rows[0].get_decimal(6).is_err(), "no exit");
    let wide = Trade { profit: Decimal::MAX, ..trade };
    let error = write_trades(&file, &[wide]).unwrap_err().to_string();
    assert!(error.contains("row 1: profit 79228162514264337593543950335 is no DECIMAL"), "{error}");
}
