//! The tables as text.
