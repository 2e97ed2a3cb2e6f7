//! What was sealed away of the journal is in the history for good: no start has to read it again.

/// What is wrong where a life finds a history that has followed the journal up to a row, and a
/// segment with the next one: `sealed` is its last row, none where there is no such segment.
#[must_use]
pub fn lost(through: u64, sealed: Option<u64>) -> Option<String> {
    let sealed = sealed?;
    Some(format!("rows up to {sealed} are sealed, and the history ends at row {through}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_lost_what_is_sealed_is_found() {
        assert_eq!(lost(41, None), None);
        let broken = lost(41, Some(60)).unwrap();
        assert_eq!(broken, "rows up to 60 are sealed, and the history ends at row 41");
    }
}
