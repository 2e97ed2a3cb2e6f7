//! Pages and lists that must name everything there is.

use super::{none, product_code, root, rust_files};
use everwarm_api::Refusal;
use everwarm_config::layers::variables;
use everwarm_views::{changes, questions};
use std::collections::BTreeSet;

#[test]
fn the_pages_of_the_api_have_every_path_and_every_code() {
    let pages = ["docs/reference/api.md", "docs/how-to/use-the-api.md"];
    let read = |page| std::fs::read_to_string(root().join(page)).unwrap();
    let page = pages.map(read).concat();
    let sources = rust_files();
    let routes = sources.iter().find(|s| s.path == "crates/api/src/routes.rs").unwrap();
    let code = product_code(routes).unwrap();
    let named = code.split(".route(").skip(1).filter_map(|rest| rest.strip_prefix('"'));
    let mut paths: Vec<&str> = named.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(paths.len() > 5, "the paths are not where they are looked for");
    paths.extend(questions::ALL.iter().map(|question| question.path));
    paths.extend(changes::ALL.iter().map(|change| change.path));
    let is_missing = |name: &&&str| !page.contains(&format!("`{name}`"));
    let missing = paths.iter().chain(Refusal::CODES).filter(is_missing);
    none(&missing.map(|name| format!("{pages:?} do not name {name}")).collect::<Vec<_>>());
}

#[test]
fn variables_of_tests_and_benches_are_not_taken_for_configuration() {
    let mut findings = Vec::new();
    for source in rust_files() {
        let others = ["crates/runtime/", "crates/config/src/", "tests/cli/", "tests/tidy/"];
        if others.iter().any(|at| source.path.starts_with(at)) {
            continue;
        }
        for rest in source.text.split("\"EVERWARM_").skip(1) {
            let name = rest.split('"').next().unwrap();
            let plain = |b: u8| b.is_ascii_uppercase() || b == b'_';
            let given = [(format!("EVERWARM_{name}"), String::new())];
            if name.bytes().all(plain) && !name.contains("__") && !variables(&given).is_empty() {
                findings.push(format!(
                    "{}: EVERWARM_{name} would be an unknown key: add it to NOT_OURS",
                    source.path
                ));
            }
        }
    }
    none(&findings);
}

#[test]
fn every_item_of_the_contract_of_supervision_has_a_test_named_after_it() {
    let sources = rust_files();
    let names = sources.iter().flat_map(|source| source.text.split("fn ").skip(1));
    let tested: BTreeSet<&str> =
        names.flat_map(|rest| rest.split('(').next().unwrap_or("").split('_')).collect();
    let items = (1..=66).chain([71, 72, 73]).map(|item| format!("s{item:02}"));
    none(&items.filter(|item| !tested.contains(item.as_str())).collect::<Vec<_>>());
}
