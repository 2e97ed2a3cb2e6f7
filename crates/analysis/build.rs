//! Tells tests whether the shared material is there.

#[path = "../../tests/shared_absent.rs"]
mod shared_absent;

fn main() {
    shared_absent::declare();
}
