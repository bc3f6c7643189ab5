//! Derived data of an orchestrator: fold images and the index.
