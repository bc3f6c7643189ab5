//! The agents: a runtime and the drivers of each role.
