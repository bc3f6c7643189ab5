//! The `null` driver: holds nothing, and says at once that every step is done. What is measured over it is the cell and
//! the channel, not the hosts. It must never be what a file or a flag chooses.

use windlass_sagas::ids::ServerId;
use windlass_sagas::protocol::ledger::{Observed, Op, Work, WorkResult};
use windlass_sagas::protocol::{InventoryItem, PlacedView};
use windlass_sagas::record::{Capacity, Endpoint, Refusal, RefusalCode, Role, StepInput, StepOutput};

use crate::driver::{Driver, Pending};

/// A guest whose name begins so is never booted.
pub const REFUSED_PREFIX: &str = "refused-";
/// Where every export is said to be; nobody dials it.
const PORT: u16 = 10_809;

/// The driver.
pub(crate) struct Null {
    name: String,
    capacity: Capacity,
}

impl Null {
    /// A host that others would reach under `name`.
    pub(crate) const fn new(name: String, capacity: Capacity) -> Self {
        Self { name, capacity }
    }

    fn done(&self, input: &StepInput) -> Result<StepOutput, Refusal> {
        match input {
            StepInput::BootGuest(guest) | StepInput::BootKernel(guest, _)
                if guest.name.starts_with(REFUSED_PREFIX) =>
            {
                let message = "its name asks for it".into();
                Err(Refusal { code: RefusalCode::Injected, retryable: false, message })
            }
            StepInput::ReserveVolume { export_to: Some(_), .. } => {
                Ok(StepOutput::Export(Endpoint { host: self.name.clone(), port: PORT }))
            }
            StepInput::ReserveVolume { export_to: None, .. }
            | StepInput::ReleaseVolume { .. }
            | StepInput::PreparePort(_)
            | StepInput::RemovePort { .. }
            | StepInput::BootGuest(_)
            | StepInput::BootKernel(..)
            | StepInput::StopGuest { .. }
            | StepInput::DestroyGuest { .. }
            | StepInput::PlugVolume { .. }
            | StepInput::UnplugVolume { .. }
            | StepInput::ConfirmGuest { .. } => Ok(StepOutput::None),
        }
    }
}

impl Driver for Null {
    fn work(&self, _role: Role, work: Work) -> Pending<WorkResult> {
        Box::pin(std::future::ready(match work.op {
            Op::Observe => WorkResult::Observed(Ok(Observed::Absent)),
            Op::Execute => WorkResult::Executed(self.done(&work.input)),
            Op::Undo => WorkResult::Undone(Ok(())),
        }))
    }

    fn inventory(&self, _role: Role) -> Pending<Result<Vec<InventoryItem>, Refusal>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn apply(&self, _view: PlacedView) -> Pending<Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn console(&self, _server: ServerId, _bytes_max: u32) -> Pending<Result<Vec<u8>, Refusal>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }

    fn traits(&self) -> Vec<String> {
        Vec::new()
    }
}
