//! The public API v1 and the agent API v1: generated messages, services and the descriptor; no domain types.
