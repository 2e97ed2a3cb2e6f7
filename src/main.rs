//! Parses the command line, calls the library, ends with its exit code.

use everwarm::daemon::CORE;
use everwarm_cli as cli;
use everwarm_views::exit::Exit;

fn main() -> Exit {
    cli::main(&CORE)
}
