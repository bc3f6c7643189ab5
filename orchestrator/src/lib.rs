//! The orchestrator: the shell that leads a cell and serves its API.
