//! The client against a small cell behind real sockets.

#[path = "over_sockets/calls.rs"]
mod calls;
#[path = "over_sockets/services.rs"]
mod services;
#[path = "over_sockets/support.rs"]
mod support;
#[path = "over_sockets/tls.rs"]
mod tls;
#[path = "over_sockets/watching.rs"]
mod watching;
