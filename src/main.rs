//! Parses the command line, calls the library, ends with its exit code.

use everwarm::daemon::CORE;
use everwarm::ops::cli;
use everwarm_views::exit::Exit;

fn main() -> Exit {
    cli::main(&CORE)
}
