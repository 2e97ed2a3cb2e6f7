//! Every item of the supervision checklist has a test that carries its number in its name.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;
use std::path::Path;

/// The last item. `crates/runtime/README.md` lists all of them.
const LAST: u32 = 73;

fn numbers(path: &Path, found: &mut BTreeSet<u32>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            numbers(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = std::fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            if let (Some(name), true) = (name, is_test) {
                found.extend(
                    name.split('_').map_while(|part| part.strip_prefix('s')?.parse::<u32>().ok()),
                );
                is_test = false;
            }
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        }
    }
}

#[test]
fn every_item_of_the_checklist_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    numbers(&root.join("src"), &mut found);
    numbers(&root.join("tests"), &mut found);
    let missing: Vec<String> =
        (1..=LAST).filter(|n| !found.contains(n)).map(|n| format!("S-{n:02}")).collect();
    assert_eq!(missing, [""; 0]);
}
