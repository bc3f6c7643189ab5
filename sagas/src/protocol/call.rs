//! The vocabulary of the channel between a leader and a ledger: calls down, answers up.
//!
//! A call ends in an outcome or in a call error; a call error is never recorded and never means "nothing changed".

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cell::views::HostView;
use crate::fault::FaultKind;
use crate::ids::*;
use crate::record::{
    BoundExport, ClosedKey, Direction, FaultRule, LedgerId, Refusal, StepInput, StepKey, StepOutput,
};

/// Which of the three calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Make the step's change.
    Execute,
    /// Remove the step's change.
    Undo,
    /// Tell what became of the step.
    Lookup,
}

/// Who owns what a call makes; shown by the host where it can, for people and inventories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cell.
    pub cell: CellId,
    /// The project.
    pub project: ProjectId,
}

/// One call of one key. Every call of a key carries the same dispatch position, inputs, exports and closed keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The leader's term.
    pub term: Term,
    /// The step.
    pub key: StepKey,
    /// Which call.
    pub verb: Verb,
    /// Which way the step goes now; a look-up says what it looks for.
    pub direction: Direction,
    /// Which try of that direction.
    pub attempt: Attempt,
    /// The position of the commit that first dispatched the step.
    pub dispatched: Position,
    /// Whose ledger.
    pub ledger: LedgerId,
    /// The ledger's admitted id.
    pub incarnation: Incarnation,
    /// How long the caller will wait, milliseconds.
    pub remaining_ms: u32,
    /// Who owns what it makes.
    pub owner: Owner,
    /// What is asked.
    pub body: CallBody,
}

impl Call {
    /// The answer to this call, of the ledger and the attempt that it names.
    #[must_use]
    pub const fn answered(&self, answer: Answer) -> Reply {
        let Self { ledger, incarnation, key, verb, attempt, .. } = *self;
        Reply { ledger, incarnation, key, verb, attempt, answer }
    }
}

/// What identifies the change that is asked for: the same under a key, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBody {
    /// The step's inputs.
    pub input: StepInput,
    /// The exports that it dials.
    pub exports: Vec<BoundExport>,
    /// The keys that its success closes.
    pub closes: Vec<ClosedKey>,
}

impl CallBody {
    /// The hash by which a ledger tells the same body from another.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let bytes = postcard::to_allocvec(&(&self.input, &self.exports, &self.closes)).unwrap_or_default();
        Hash(Sha256::new_with_prefix(b"windlass call 1\0").chain_update(bytes).finalize().into())
    }
}

/// What a ledger answers to a call, and about which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whose ledger.
    pub ledger: LedgerId,
    /// The incarnation that answers.
    pub incarnation: Incarnation,
    /// The step.
    pub key: StepKey,
    /// Which call is answered.
    pub verb: Verb,
    /// The attempt that the answer speaks of: a refusal's own, else the call's.
    pub attempt: Attempt,
    /// The answer.
    pub answer: Answer,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The change is there.
    Done(StepOutput),
    /// The agent made no change, as it says.
    Refused(Refusal),
    /// The change is gone, and the key closed.
    Undone,
    /// To a look-up: work for the key is under way.
    Running,
    /// To a look-up: nothing is known under the key and the world holds nothing of it.
    Absent,
    /// No outcome.
    Error(CallError),
}

/// Why a call ended without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CallError {
    /// The agent has seen a higher term; the highest is named.
    #[error("a higher term ({0}) is known")]
    Fenced(Term),
    /// The key is closed.
    #[error("the key is closed")]
    Tombstoned,
    /// The key is known with another body or dispatch position.
    #[error("the key is known with another body")]
    KeyConflict,
    /// Too many calls are under way.
    #[error("busy")]
    Busy,
    /// The call names another incarnation than the ledger's own, which is named.
    #[error("the ledger's incarnation is {0}")]
    WrongIncarnation(Incarnation),
    /// The call lies below the low water, which is named.
    #[error("the call lies below the low water {0}")]
    BelowLowWater(Position),
    /// The agent stops; ask again later.
    #[error("draining")]
    Draining,
    /// The agent does not know such a step, or does not serve its role; nothing was begun.
    #[error("the agent does not know this step or does not serve its role")]
    Unsupported,
}

/// What the leader sends down beside calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// I lead; the journal's tail is this.
    Lead {
        /// The term.
        term: Term,
        /// The last durable position.
        position: Position,
        /// Its hash.
        hash: Hash,
    },
    /// A call.
    Call(Box<Call>),
    /// Every call strictly below this position is settled.
    LowWater {
        /// Whose ledger.
        ledger: LedgerId,
        /// Its admitted id.
        incarnation: Incarnation,
        /// The leader's term.
        term: Term,
        /// The position.
        position: Position,
    },
    /// Tell what the host holds.
    TakeInventory {
        /// Whose ledger.
        ledger: LedgerId,
    },
    /// What the host should know beside steps (A9).
    View {
        /// The leader's term.
        term: Term,
        /// The view.
        view: Box<PlacedView>,
    },
    /// Every fault that is armed for the host (F1): what is left out is disarmed.
    Faults {
        /// The leader's term.
        term: Term,
        /// The faults.
        faults: Vec<LeasedFault>,
    },
    /// The last durable commit, for the agent to remember (O6).
    Seen {
        /// The leader's term.
        term: Term,
        /// Its position.
        position: Position,
        /// Its hash.
        hash: Hash,
    },
}

/// What a host should know (A9), as of a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedView {
    /// The position that it is of.
    pub position: Position,
    /// The content's hash: equal is the same view.
    pub hash: Hash,
    /// What the host should know.
    pub content: HostView,
}

impl PlacedView {
    /// This content, as of this position.
    #[must_use]
    pub fn new(position: Position, content: HostView) -> Self {
        Self { position, hash: content.content_hash(), content }
    }
}

/// What an agent says of its host's view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewApplied {
    /// Which host.
    pub host: HostId,
    /// The position of the view in force; 0: none.
    pub position: Position,
    /// Why a newer one could not be applied.
    pub failure: Option<String>,
}

/// A fault with what is left of its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedFault {
    /// Which.
    pub id: FaultId,
    /// What happens.
    pub rule: FaultRule,
    /// How long it may strike from now on, milliseconds.
    pub remaining_ms: u32,
}

/// What an agent says of the faults that it was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultsHeld {
    /// Which host.
    pub host: HostId,
    /// The faults that may strike there, and how often each has.
    pub faults: Vec<FaultHeld>,
    /// Why it takes none.
    pub refusal: Option<String>,
}

/// One fault at an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultHeld {
    /// Which.
    pub id: FaultId,
    /// What happens.
    pub kind: FaultKind,
    /// How often it has struck there, over all starts of the agent.
    pub strikes: u64,
}

/// What an agent sends up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Up {
    /// Who I am and what I have seen; first on every stream.
    Hello(Hello),
    /// An answer to a call.
    Reply(Reply),
    /// The Lead's term is lower than one I have seen.
    FencedLead {
        /// The highest seen.
        highest: Term,
    },
    /// What the host holds for one ledger.
    Inventory(Inventory),
    /// What is in force of the host's view.
    ViewApplied(ViewApplied),
    /// Which faults may strike here, and how often each has.
    FaultsHeld(FaultsHeld),
    /// I live.
    Heartbeat {
        /// Who.
        host: HostId,
    },
}

/// An agent's first message on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The cell that it belongs to.
    pub cell: CellId,
    /// The host.
    pub host: HostId,
    /// The current start of its kernel.
    pub boot: BootId,
    /// Its ledgers.
    pub ledgers: Vec<(LedgerId, Incarnation)>,
    /// The highest term that it has seen.
    pub highest: Term,
    /// The last durable commit that it was shown.
    pub seen: (Position, Hash),
    /// What it offers.
    pub capacity: crate::record::Capacity,
    /// What it can do.
    pub traits: Vec<String>,
}

/// What a host holds, as one role sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Whose ledger; `None` only in an empty default.
    pub ledger: Option<LedgerId>,
    /// The ledger's id.
    pub incarnation: Option<Incarnation>,
    /// The things.
    pub items: Vec<InventoryItem>,
}

/// One thing that a host holds, recognised by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InventoryItem {
    /// A volume's bytes.
    Volume {
        /// Which.
        volume: VolumeId,
        /// Its size, GiB.
        size_gib: u64,
    },
    /// An open export.
    Export {
        /// Of which volume.
        volume: VolumeId,
        /// For which host.
        host: HostId,
    },
    /// A port's link and rules.
    Port {
        /// Which.
        port: PortId,
        /// Its MAC.
        mac: crate::record::Mac,
    },
    /// What is left of a guest whose process has ended: it runs no more.
    Ended {
        /// Which.
        server: ServerId,
        /// The step that booted it.
        booted_by: StepKey,
    },
    /// A guest that runs.
    Guest {
        /// Which.
        server: ServerId,
        /// Virtual CPUs.
        vcpus: u32,
        /// Memory, MiB.
        ram_mib: u64,
    },
    /// A volume in a guest.
    Device {
        /// The attachment; `None` for a root.
        attachment: Option<AttachmentId>,
        /// The guest.
        server: ServerId,
        /// The volume.
        volume: VolumeId,
    },
}
