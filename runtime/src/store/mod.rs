//! Files: the only folder that names redb.

pub mod archive;
