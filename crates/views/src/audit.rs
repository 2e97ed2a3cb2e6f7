//! The audit log: changes that were requested through the API, done or refused.

use super::exit::{Exit, Failure};
use super::views::AuditView;
use std::io::ErrorKind;
use std::path::Path;

/// Name of the audit log in the data directory; it has one JSON object per line.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// The requested changes, newest last; with a limit, the newest ones. It skips a line that a crash
/// left incomplete.
///
/// # Errors
/// The file cannot be read, or a line is not a change.
pub fn audit(data_dir: &Path, limit: Option<usize>) -> Result<Vec<AuditView>, Failure> {
    let text = match std::fs::read_to_string(data_dir.join(AUDIT_FILE)) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Failure::new(Exit::Failed, format!("{AUDIT_FILE}: {e}"))),
    };
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match serde_json::from_str(line) {
            Ok(row) => rows.push(row),
            Err(_) if !line.ends_with('\n') => {}
            Err(e) => {
                let text = format!("{AUDIT_FILE}, line {number}: {e}");
                return Err(Failure::new(Exit::Foreign, text));
            }
        }
    }
    let skip = limit.map_or(0, |limit| rows.len().saturating_sub(limit));
    Ok(rows.split_off(skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_a_torn_one_is_left_out() {
        let dir = std::env::temp_dir().join(format!("everwarm-audit-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(audit(&dir, None).unwrap(), []);
        let line = r#"{"time":7,"who":"token","what":"PUT /x","body":{"a":1},"result":"done"}"#;
        let write = |text: &str| std::fs::write(dir.join(AUDIT_FILE), text).unwrap();
        write(&format!("{line}\n{line}\n{}", &line[..20]));
        assert_eq!(audit(&dir, None).unwrap().len(), 2);
        let newest = audit(&dir, Some(1)).unwrap();
        assert_eq!((newest.len(), newest[0].time, newest[0].result.as_str()), (1, 7, "done"));
        write(&format!("nonsense\n{line}\n"));
        let failure = audit(&dir, None).unwrap_err();
        assert!(failure.exit == Exit::Foreign && failure.text.contains("line 1"), "{failure}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
