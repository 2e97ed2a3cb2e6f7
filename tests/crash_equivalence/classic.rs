//! The three classic tests of a daemon that trades.
