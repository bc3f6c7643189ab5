//! Tests of real hosts: guests in QEMU, volumes over TLS, packets over VXLAN, in network namespaces that each test makes
//! and removes. They run one after the other: two cores boot no more than two guests at a time. Without root or the tools
//! they say so on standard error, and prove nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on says where")]
#![expect(clippy::print_stderr, reason = "what is skipped, struck and measured is told")]

mod ended;
mod evidence;
mod guests;
mod kills;
mod matrix;
mod reboot;
mod refused;
mod site;
mod timing;
mod volumes;
