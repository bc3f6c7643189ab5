//! Status words, OpenStack's: one table from saga and resource state to the word that clients read.
//!
//! Clients fail on an unknown word and stop waiting for good at ERROR: a create that unwinds still shows BUILD; ERROR
//! comes with the terminal commit, when the resource holds nothing.

use super::state::{Cell, Lock, Port, PortState, Server, ServerState, Volume, VolumeState};
use crate::record::SagaKind;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the words are their own description")]
        pub enum $name { $($variant),* }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word, as clients read it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words! {
    /// A server's status.
    ServerStatus { Build = "BUILD", Active = "ACTIVE", Shutoff = "SHUTOFF", Reboot = "REBOOT", Error = "ERROR" }
}

words! {
    /// A volume's status.
    VolumeStatus {
        Creating = "creating", Available = "available", Reserved = "reserved", Attaching = "attaching",
        InUse = "in-use", Detaching = "detaching", Deleting = "deleting", Error = "error",
    }
}

words! {
    /// A port's status.
    PortStatus { Down = "DOWN", Build = "BUILD", Active = "ACTIVE" }
}

/// The kind of the open saga that holds a resource.
fn holder(cell: &Cell, lock: Lock) -> Option<SagaKind> {
    match lock {
        Lock::Held(saga) => cell.sagas.get(&saga).map(|saga| saga.kind),
        Lock::Free | Lock::Quarantined(_) => None,
    }
}

/// A server's word. A delete shows the state before it, as OpenStack does (the task is the saga).
#[must_use]
pub fn server_status(cell: &Cell, server: &Server) -> ServerStatus {
    if let Lock::Quarantined(_) = server.lock {
        return ServerStatus::Error;
    }
    match &server.state {
        ServerState::Building => ServerStatus::Build,
        ServerState::Active(_) | ServerState::Lost(_)
            if holder(cell, server.lock) == Some(SagaKind::ServerReboot) =>
        {
            ServerStatus::Reboot
        }
        ServerState::Active(_) => ServerStatus::Active,
        ServerState::Lost(_) if holder(cell, server.lock) == Some(SagaKind::ServerRestore) => {
            ServerStatus::Reboot
        }
        ServerState::Lost(_) | ServerState::Stopped(_) => ServerStatus::Shutoff,
        ServerState::Failed(_) => ServerStatus::Error,
    }
}

/// A volume's word.
#[must_use]
pub fn volume_status(cell: &Cell, volume: &Volume) -> VolumeStatus {
    if let Lock::Quarantined(_) = volume.lock {
        return VolumeStatus::Error;
    }
    let attached = !volume.attachments.is_empty();
    match (&volume.state, holder(cell, volume.lock)) {
        (VolumeState::Failed(_), _) => VolumeStatus::Error,
        (VolumeState::Creating, _) => VolumeStatus::Creating,
        (VolumeState::Ready(_), Some(SagaKind::VolumeAttach)) => VolumeStatus::Attaching,
        (VolumeState::Ready(_), Some(SagaKind::ServerCreate)) => VolumeStatus::Reserved,
        (VolumeState::Ready(_), Some(SagaKind::VolumeDetach)) => VolumeStatus::Detaching,
        (VolumeState::Ready(_), Some(SagaKind::VolumeDelete)) => VolumeStatus::Deleting,
        (VolumeState::Ready(_), Some(SagaKind::ServerDelete)) => VolumeStatus::Detaching,
        (VolumeState::Ready(_), _) if attached => VolumeStatus::InUse,
        (VolumeState::Ready(_), _) => VolumeStatus::Available,
    }
}

/// A port's word.
#[must_use]
pub const fn port_status(port: &Port) -> PortStatus {
    match port.state {
        PortState::Unbound => PortStatus::Down,
        PortState::Bound(..) => PortStatus::Build,
        PortState::Ready(..) => PortStatus::Active,
    }
}
