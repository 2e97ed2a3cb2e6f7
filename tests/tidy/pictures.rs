//! The pictures of `docs/images/` match the code, and are drawn from the files beside them.

use super::{files, none, root};
use everwarm_domain::fact::{BreakerLevel, Standing};
use everwarm_runtime::chaos::Site;
use everwarm_views::telemetry::STEPS;
use std::collections::BTreeSet;

/// A graph: its boxes by id, with how each is drawn, and its lines.
struct Graph {
    boxes: Vec<(String, String)>,
    lines: Vec<(String, String)>,
}

impl Graph {
    fn read(name: &str) -> Graph {
        Graph::of(&std::fs::read_to_string(root().join("docs/images").join(name)).unwrap())
    }

    fn of(text: &str) -> Graph {
        let is_id = |word: &&str| !word.is_empty() && !["graph", "node", "edge"].contains(word);
        let (mut boxes, mut lines, mut drawn) = (Vec::new(), Vec::new(), "");
        // What stands between braces is about the same rank; what is behind them is a line.
        let parts = text.lines().flat_map(|line| line.split([';', '}']));
        let parts = parts.map(|part| part.trim().trim_start_matches("{ rank=same").trim());
        for part in parts.filter(|part| !part.starts_with("//")) {
            if let Some(how) = part.strip_prefix("node [") {
                drawn = how;
            } else if part.contains(" -> ") {
                let ids: Vec<&str> = part.split(" [").next().unwrap().split(" -> ").collect();
                let pairs = ids.windows(2);
                lines.extend(pairs.map(|pair| (pair[0].to_owned(), pair[1].to_owned())));
            } else if let Some((id, how)) = part.split_once(" [")
                && is_id(&id)
                && !id.contains(' ')
            {
                boxes.push((id.to_owned(), format!("{drawn} {how}")));
            }
        }
        Graph { boxes, lines }
    }

    /// Ids of the boxes that are no notes and are not dashed, in their order.
    fn states(&self) -> Vec<&str> {
        let plain = |how: &str| !how.contains("shape=note") && !how.contains("dashed");
        self.boxes.iter().filter(|(_, how)| plain(how)).map(|(id, _)| id.as_str()).collect()
    }
}

/// The name of a variant, which a new one must have too.
const fn level(level: BreakerLevel) -> &'static str {
    match level {
        BreakerLevel::Normal => "Normal",
        BreakerLevel::Reduced => "Reduced",
        BreakerLevel::ExitsOnly => "ExitsOnly",
        BreakerLevel::Halted => "Halted",
    }
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Trading => "Trading",
        Standing::Leaving => "Leaving",
        Standing::Halted => "Halted",
        Standing::Gone => "Gone",
    }
}

#[test]
fn the_picture_of_the_breaker_has_its_levels() {
    use BreakerLevel as L;
    let levels = [L::Normal, L::Reduced, L::ExitsOnly, L::Halted].map(level);
    assert_eq!(Graph::read("breaker-levels.dot").states(), levels);
}

#[test]
fn the_picture_of_symbols_has_their_states() {
    use Standing as S;
    let states = [S::Trading, S::Leaving, S::Halted, S::Gone].map(standing);
    assert_eq!(Graph::read("symbol-states.dot").states(), states);
}

#[test]
fn the_picture_of_the_start_has_its_steps_in_order() {
    let graph = Graph::read("start-steps.dot");
    assert_eq!(graph.states(), STEPS);
    for pair in STEPS.windows(2) {
        let line = (pair[0].to_owned(), pair[1].to_owned());
        assert!(graph.lines.contains(&line), "{line:?}");
    }
}

#[test]
fn the_picture_of_an_order_names_kill_points_that_are_there() {
    let graph = Graph::read("kill-points.dot");
    let points = graph.boxes.iter().filter(|(_, how)| how.contains("shape=ellipse"));
    let names = points.map(|(_, how)| how.split("label=\"").nth(1).unwrap());
    let names: Vec<&str> = names.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() > 10, "{names:?}");
    let known = |name: &&&str| Site::ALL.iter().any(|site| site.name() == **name);
    none(&names.iter().filter(|name| !known(name)).map(|n| (*n).to_owned()).collect::<Vec<_>>());
}

#[test]
fn the_picture_of_the_tree_has_every_supervisor_and_actor() {
    let code = std::fs::read_to_string(root().join("src/tree.rs")).unwrap();
    let named = ["supervisor(\"", "group(\"", "each(\"", "edge(\"", "worker(\""].iter();
    let named = named.flat_map(|start| code.split(start).skip(1));
    let named: BTreeSet<&str> = named.map(|rest| rest.split('"').next().unwrap()).collect();
    let graph = Graph::read("tree.dot");
    let drawn: BTreeSet<&str> = graph.states().into_iter().collect();
    assert_eq!(drawn, named, "docs/images/tree.dot beside src/tree.rs");
}

#[test]
fn every_picture_is_drawn_from_the_file_beside_it() {
    let mut findings = Vec::new();
    let sources = files(&["docs/images"], &[".dot"]);
    assert!(sources.len() > 6, "the pictures are not where they are looked for");
    for source in &sources {
        let path = root().join(source.path.replace(".dot", ".svg"));
        let drawn = std::fs::read_to_string(path).unwrap_or_default();
        let graph = Graph::of(&source.text);
        let lines = graph.lines.iter().map(|(from, to)| format!("{from}&#45;&gt;{to}"));
        let wanted: BTreeSet<String> =
            graph.boxes.iter().map(|(id, _)| id.clone()).chain(lines).collect();
        let titles = drawn.split("<title>").skip(2).map(|rest| rest.split('<').next().unwrap());
        let found: BTreeSet<String> =
            titles.filter(|title| !title.starts_with("cluster_")).map(str::to_owned).collect();
        if wanted != found {
            let other: Vec<&String> = wanted.symmetric_difference(&found).collect();
            findings.push(format!("{}: run scripts/make_pictures.sh: {other:?}", source.path));
        }
    }
    none(&findings);
}
