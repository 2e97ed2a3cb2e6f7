//! Looking in: configuration, command line, API.
