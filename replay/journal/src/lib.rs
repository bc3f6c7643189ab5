//! Reading and appending a cell's journal: one contract, several implementations.
