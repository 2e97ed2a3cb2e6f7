//! Past bars and projections of the journal.
