//! One lock a thing: work of different steps on the same volume, port or guest comes one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use windlass_sagas::record::StepInput;

/// The locks that are held or waited for.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<HashMap<[u8; 16], Arc<Turn<()>>>>);

impl Locks {
    /// Waits for the thing that the step changes; a step that changes nothing waits for nobody.
    pub(super) async fn hold(&self, input: &StepInput) -> Option<OwnedMutexGuard<()>> {
        let turn = self.turn(subject(input)?);
        Some(turn.lock_owned().await)
    }

    fn turn(&self, thing: [u8; 16]) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds or waits for is held by this map alone.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(thing).or_default())
    }
}

/// The thing that a step changes.
const fn subject(input: &StepInput) -> Option<[u8; 16]> {
    match input {
        StepInput::ReserveVolume { volume, .. } | StepInput::ReleaseVolume { volume, .. } => Some(volume.0),
        StepInput::PreparePort(setup) => Some(setup.port.0),
        StepInput::RemovePort { port, .. } => Some(port.0),
        StepInput::BootGuest(setup) | StepInput::BootKernel(setup, _) => Some(setup.server.0),
        StepInput::DestroyGuest { server }
        | StepInput::StopGuest { server, .. }
        | StepInput::PlugVolume { server, .. }
        | StepInput::UnplugVolume { server, .. } => Some(server.0),
        StepInput::ConfirmGuest { .. } => None,
    }
}
