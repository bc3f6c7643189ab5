//! Everything that only reads a journal.
