//! Who holds a resource: nobody, a saga, or the quarantine of an abandoned one (L1).

use serde::{Deserialize, Serialize};

use crate::ids::SagaId;

/// Who holds a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lock {
    /// Nobody.
    #[default]
    Free,
    /// This saga, until its terminal commit.
    Held(SagaId),
    /// Left by this abandoned saga, until an operator adopts or discards it.
    Quarantined(SagaId),
}

impl Lock {
    /// The saga that holds it, or left it in quarantine.
    #[must_use]
    pub const fn saga(self) -> Option<SagaId> {
        match self {
            Self::Free => None,
            Self::Held(saga) | Self::Quarantined(saga) => Some(saga),
        }
    }

    /// Whether nobody holds it.
    #[must_use]
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Free)
    }
}
