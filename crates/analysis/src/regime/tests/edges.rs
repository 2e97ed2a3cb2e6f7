//! Each change of the driver that `docs/explanation/regimes.md` lists, by bars that lead to it.

use super::{states, walk};
use crate::regime::{Driver, Drivers};
use Driver::{Basing, Extended, Failing, None, Turning, Up};

/// From, to, wick, parts of the walk from 2,000. The driver changes at the last bar.
type Edge = (Driver, Driver, i64, &'static [(usize, i64)]);

const EDGES: [Edge; 21] = [
    (None, Failing, 8, &[(201, -1)]),
    (None, Turning, 40, &[(200, -1), (2, 500)]),
    (None, Up, 40, &[(201, 1)]),
    (None, Extended, 1, &[(201, 1)]),
    (Failing, Basing, 20, &[(200, -1), (11, 5)]),
    (Failing, Turning, 40, &[(200, -1), (7, 20)]),
    (Failing, Up, 20, &[(200, 0), (2, -1), (2, 60)]),
    (Failing, Extended, 20, &[(200, 0), (2, -3), (2, 500)]),
    (Basing, Failing, 20, &[(201, -1), (30, 0), (2, -500)]),
    (Basing, Turning, 20, &[(200, -1), (13, 5)]),
    (Basing, Up, 4, &[(200, 1), (20, -1), (60, 0), (2, 10)]),
    (Basing, Extended, 4, &[(201, -1), (80, 0), (3, 500)]),
    (Turning, Failing, 1, &[(200, -2), (2, 200), (4, -200)]),
    (Turning, Up, 40, &[(200, -1), (19, 20)]),
    (Turning, Extended, 40, &[(200, -1), (4, 500)]),
    (Up, Failing, 40, &[(200, 2), (3, -200)]),
    (Up, Turning, 1, &[(200, -1), (53, 3), (3, -60), (3, 60)]),
    (Up, Extended, 40, &[(200, 2), (3, 200)]),
    (Extended, Failing, 1, &[(230, 1), (2, -500)]),
    (Extended, Turning, 1, &[(200, -1), (53, 3), (1, -300), (4, 100)]),
    (Extended, Up, 1, &[(200, 2), (3, -5)]),
];

#[test]
fn each_change_of_the_table_happens_at_the_second_close() {
    for (from, to, wick, parts) in EDGES {
        let all = states::<Drivers>(&walk(2_000, parts, wick));
        let [.., before, last] = all[..] else { panic!("too few bars") };
        assert_eq!((before, last), (from, to));
    }
}

/// The table of the page: from each driver, those that can follow.
fn table() -> String {
    let to = &Driver::ALL[1..];
    let head: Vec<String> = to.iter().map(|driver| format!("to *{}*", driver.name())).collect();
    let row = |from: &Driver| {
        let cell = |to: &Driver| if is_edge(*from, *to) { " yes |" } else { " - |" };
        format!("| from *{}* |{}\n", from.name(), to.iter().map(cell).collect::<String>())
    };
    let rows: Vec<String> = Driver::ALL.iter().map(row).collect();
    let line = "---|".repeat(to.len());
    format!("| | {} |\n|---|{line}\n{}", head.join(" | "), rows.concat())
}

#[test]
fn the_page_has_the_table_of_the_changes() {
    let page = include_str!("../../../../../docs/explanation/regimes.md");
    assert!(page.contains(&table()), "docs/explanation/regimes.md needs this table:\n{}", table());
}

/// Whether a driver can follow another.
pub(super) fn is_edge(from: Driver, to: Driver) -> bool {
    EDGES.iter().any(|edge| (edge.0, edge.1) == (from, to))
}
