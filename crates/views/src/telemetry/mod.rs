//! The metrics of `/metrics`, from one table.
//!
//! `table` has every metric and all that is known of it in advance. `page` is one response, checked
//! against the table. `document` writes `docs/reference/metrics.md` from it. `counts` folds facts,
//! `supervised` counts supervision notices, `process` reads values of the operating system. Nothing
//! runs between two requests: each request reads the current counters.

mod counts;
mod document;
mod page;
mod process;
mod supervised;
mod table;

pub use counts::Counts;
pub use document::document;
pub use page::{Page, Rejected};
pub use process::{Process, disk_free};
pub use supervised::{Back, Fault, Supervised, name};
pub use table::{HALTS, HTTP, Kind, LEVELS, Label, REFUSALS, Row, SECTIONS, STEPS, rows};
