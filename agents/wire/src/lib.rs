//! Agent proto to core types and back, written once.
