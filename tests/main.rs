//! The one integration test binary: linked once, its areas run in parallel.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod crash_equivalence;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod sigkill;
#[cfg(test)]
mod tidy;
