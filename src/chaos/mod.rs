//! Proof of crash equivalence.
