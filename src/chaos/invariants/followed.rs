//! The history permanently holds every sealed row: no start has to read it again.

use everwarm_history::projection::projected_through;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;

/// What is wrong with the journal and the history that the next life finds. The history may not
/// exist yet.
///
/// # Errors
/// They cannot be read.
pub fn check(store: &Store, archive: Option<&Archive>) -> Result<Option<String>, String> {
    let through = archive.map(projected_through).transpose().map_err(|e| e.to_string())?;
    let through = through.unwrap_or_default();
    let sealed = store.sealed_with(through + 1).map_err(|e| e.to_string())?;
    Ok(lost(through, sealed))
}

/// The same for a history that ends at row `through`. `sealed` is the last row of the segment with
/// the next row, if that is sealed.
fn lost(through: u64, sealed: Option<u64>) -> Option<String> {
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
