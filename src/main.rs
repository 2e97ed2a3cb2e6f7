//! Parses the command line, calls the library, ends with its exit code.

use everwarm::ops::cli::{self, Core};
use everwarm::ops::exit::{Exit, Failure};

/// What the commands call in the daemon's core.
const CORE: Core = Core {
    run: |_, _| Err(absent()),
    sim: |_| Err(absent()),
    journal: |_| Err(absent()),
    verify: |_, _| Err(absent()),
};

fn absent() -> Failure {
    Failure::new(Exit::Failed, "this build has no daemon core")
}

fn main() -> Exit {
    cli::main(&CORE)
}
