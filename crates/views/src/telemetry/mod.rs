//! What programs may watch: the metrics of `/metrics`, from one table.
//!
//! `table` is every metric there is, and all that is known of it beforehand; `page` is one answer,
//! held against the table; `document` writes `docs/reference/metrics.md` from it. `counts` folds
//! facts, `supervised` what supervisors tell, `process` asks the system. Nothing is kept up between
//! two answers: values are taken when somebody asks, from where they are counted in place.

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
