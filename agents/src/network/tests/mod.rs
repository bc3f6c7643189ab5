//! The network role on real kernels: hosts and guests are network namespaces that a test makes and removes. Without root
//! or the tools a test says on stderr that it was skipped, and why.

pub(super) mod cloud;
mod crash;
mod guest;
mod host;
mod lease;
mod place;
mod reach;
mod remains;
mod spoof;
