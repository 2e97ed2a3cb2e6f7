//! A second file.
