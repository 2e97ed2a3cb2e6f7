//! Thin actors that touch the world.
