//! Checks the ends of a file and its footer: where its columns lie, and how many values they have.

use super::error::Fault;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// Most bytes of a footer. A group of 64 k rows takes about 1 kB.
const FOOTER_MAX: u64 = 64 << 20;
/// Most rows of a file: 2,000 symbols with the minutes of a year.
const ROWS_MAX: u64 = 1 << 30;

/// The first and the last bytes of a file.
const MAGIC: &[u8; 4] = b"PAR1";
/// The length of a file that begins and ends as a file of Parquet does.
pub fn check_ends(file: &mut File) -> Result<u64, Fault> {
    let length = file.metadata().map_err(Fault::Io)?.len();
    let least = 2 * MAGIC.len() as u64 + 4;
    if length < least {
        return Err(Fault::NotParquet("have a header and a footer"));
    }
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    file.read_exact(&mut head).map_err(Fault::Io)?;
    file.seek(SeekFrom::End(-8)).map_err(Fault::Io)?;
    file.read_exact(&mut tail).map_err(Fault::Io)?;
    let [a, b, c, d, magic @ ..] = tail;
    if head != *MAGIC {
        return Err(Fault::NotParquet("begin with PAR1"));
    }
    if magic != *MAGIC {
        return Err(Fault::NotParquet("end with PAR1"));
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > FOOTER_MAX {
        let text = format!("has a footer of {footer} bytes; at most {FOOTER_MAX} are read");
        return Err(Fault::TooLarge(text));
    }
    if footer > length - least {
        return Err(Fault::Damaged("its footer is longer than the file".to_owned()));
    }
    Ok(length)
}

/// Checks that the columns lie in the file and have as many values as it has rows.
pub fn check_groups(
    about: &ParquetMetaData,
    columns: &[(&'static str, usize)],
    length: u64,
) -> Result<(), Fault> {
    let damaged = |text: String| Err(Fault::Damaged(text));
    let mut rows = 0_u64;
    for (number, group) in about.row_groups().iter().enumerate() {
        let Ok(of_group) = u64::try_from(group.num_rows()) else {
            return damaged(format!("group {number} has {} rows", group.num_rows()));
        };
        rows = rows.saturating_add(of_group);
        for (name, at) in columns {
            let Some(chunk) = group.columns().get(*at) else {
                return damaged(format!("group {number} has no column {name}"));
            };
            let end = place(chunk).and_then(|(start, bytes)| start.checked_add(bytes));
            if chunk.file_path().is_some() || end.is_none_or(|end| end > length) {
                return damaged(format!("column {name} of group {number} is outside of the file"));
            }
            if chunk.num_values() != group.num_rows() {
                let (values, rows) = (chunk.num_values(), group.num_rows());
                return damaged(format!("column {name} has {values} values in {rows} rows"));
            }
            check_compression(chunk)?;
        }
    }
    if rows > ROWS_MAX {
        return Err(Fault::TooLarge(format!("has {rows} rows; at most {ROWS_MAX} are read")));
    }
    if i64::try_from(rows) != Ok(about.file_metadata().num_rows()) {
        return damaged(format!(
            "its groups have {rows} rows, and the footer names another number"
        ));
    }
    Ok(())
}

/// Where a column begins, and its bytes; none: outside of every file.
pub fn place(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    Some((u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?))
}

fn check_compression(chunk: &ColumnChunkMetaData) -> Result<(), Fault> {
    let name = match chunk.compression() {
        Compression::UNCOMPRESSED | Compression::SNAPPY => return Ok(()),
        Compression::GZIP(_) => "GZIP",
        Compression::LZO => "LZO",
        Compression::BROTLI(_) => "BROTLI",
        Compression::LZ4 | Compression::LZ4_RAW => "LZ4",
        Compression::ZSTD(_) => "ZSTD",
    };
    Err(Fault::Compression(name))
}

/// The value of a key in the footer.
pub fn value(about: &ParquetMetaData, key: &str) -> Option<String> {
    let pairs = about.file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == key)?.value.clone()
}
