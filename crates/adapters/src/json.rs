//! Reads messages in JSON. An error names the position in the message.

use serde::de::DeserializeOwned;

/// Reads a message.
///
/// # Errors
/// Names the message (`what`), the error, and the position.
pub fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| place(what, bytes, &e))
}

fn place(what: &str, bytes: &[u8], error: &serde_json::Error) -> String {
    let lines = bytes.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1));
    let line: usize = lines.map(<[u8]>::len).sum();
    let end = (line + error.column()).min(bytes.len());
    let before = String::from_utf8_lossy(&bytes[end.saturating_sub(40).max(line)..end]);
    let path = path(&bytes[..end]);
    let at = if path.is_empty() { String::new() } else { format!(" at {path}") };
    format!("{what}{at}: {error}, after {:?}", &*before)
}

/// The path of the position after the bytes read so far, like `symbols[0].filters[2]`.
fn path(read: &[u8]) -> String {
    // The error of a value that was read as a whole comes after its end, so step back into it.
    let trimmed = read.trim_ascii_end();
    let read = match trimmed.strip_suffix(b",").map(<[u8]>::trim_ascii_end) {
        Some(whole) if whole.ends_with(b"}") => whole,
        Some(_) | None => trimmed,
    };
    let (read, whole) = match read.strip_suffix(b"}") {
        Some(inside) => (inside, true),
        None => (read, false),
    };
    // Objects with the current key, arrays with the index.
    let mut open: Vec<Result<String, usize>> = Vec::new();
    let mut rest = read.iter();
    let mut text: Option<Vec<u8>> = None;
    let mut last = Vec::new();
    while let Some(byte) = rest.next() {
        match (&mut text, byte) {
            (Some(_), b'"') => last = text.take().unwrap_or_default(),
            (Some(text), b'\\') => text.extend(rest.next()),
            (Some(text), byte) => text.push(*byte),
            (None, b'"') => text = Some(Vec::new()),
            (None, b'{') => open.push(Ok(String::new())),
            (None, b'[') => open.push(Err(0)),
            (None, b'}' | b']') => drop(open.pop()),
            (None, b':') => {
                if let Some(Ok(key)) = open.last_mut() {
                    *key = String::from_utf8_lossy(&last).into_owned();
                }
            }
            (None, b',') => {
                if let Some(Err(place)) = open.last_mut() {
                    *place += 1;
                }
            }
            (None, _) => {}
        }
    }
    if whole && let Some(Ok(key)) = open.last_mut() {
        key.clear();
    }
    let named = open.into_iter().map(|step| match step {
        Err(place) => format!("[{place}]"),
        Ok(key) if key.is_empty() => key,
        Ok(key) => format!(".{key}"),
    });
    named.collect::<String>().trim_start_matches('.').to_owned()
}
