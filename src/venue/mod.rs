//! The port to venues, and everything that knows a wire.
