//! The one integration test binary: linked once, its areas run in parallel.

#[cfg(test)]
mod crash_equivalence;
#[cfg(test)]
mod tidy;
