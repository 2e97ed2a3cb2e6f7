//! Runs the command line with the built-in kinds of strategies.

use everwarm_views::exit::Exit;

fn main() -> Exit {
    everwarm::main_with(&[])
}
