//! One of each saga, as the requests that bring it about in a cell that has one flavor, one image and one network of these
//! names. Each saga says its own; whatever tries every saga (the failure matrix) needs no other word about it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::record::*;

/// The name of the flavor that examples use.
pub const FLAVOR: &str = "small";
/// The name of the image that examples use.
pub const IMAGE: &str = "debian";
/// The name of the network that examples use; it has a subnet with free addresses.
pub const NETWORK: &str = "net";

/// How one saga comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What is asked before, one after another, each to its end.
    pub before: Vec<Body>,
    /// What then begins the saga.
    pub begin: Begin,
}

/// What begins a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// A request.
    Asked(Box<Body>),
    /// The host of the guests starts anew.
    HostReboots,
}

impl Begin {
    /// This request.
    pub(super) fn asked(body: impl Into<Body>) -> Self {
        Self::Asked(Box::new(body.into()))
    }
}

/// A server of this name with these volumes.
pub(super) fn server(name: &str, volumes: &[&str]) -> CreateServer {
    CreateServer {
        name: name.into(),
        flavor: FLAVOR.into(),
        image: IMAGE.into(),
        nics: alloc::vec![Nic::Network { network: NETWORK.into(), ip: None, groups: Vec::new() }],
        volumes: volumes.iter().map(|name| (*name).into()).collect(),
        key_pair: None,
        user_data: None,
        metadata: Vec::new(),
        root_gib: None,
        keep_root: false,
        placement: PlacementHints::default(),
    }
}

/// A blank volume of this name.
pub(super) fn volume(name: &str) -> CreateVolume {
    CreateVolume { name: name.into(), size_gib: 2, image: None, zone: None }
}
