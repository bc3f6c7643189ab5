//! What the state alone can be checked for, where no host can be asked: at a moment of the past, or of a journal that
//! nobody leads. The state's resources stand in for the inventories; its counters are still what is checked, never what
//! is checked by.

use std::collections::BTreeSet;

use windlass_sagas::cell::Cell;
use windlass_sagas::cell::state::{PortState, ServerState, VolumeState};
use windlass_sagas::ids::*;
use windlass_sagas::record::Capacity;

use super::{
    Check, INVARIANTS, Look, Outcome, Picture, Shown, addressed_once, attached_once, oversold, usage,
};

/// Checks invariants 3 to 6 of a fold by itself; the others are said not to be checked.
#[must_use]
pub fn check_state(cell: &Cell) -> Vec<Check> {
    let (picture, shown) = (Picture::of(cell), shown(cell));
    let check = |(number, _): &(u32, &str)| {
        let look: Look = match number {
            3 => attached_once,
            4 => addressed_once,
            5 => oversold,
            6 => usage,
            _ => {
                let why = "what hosts held is in no history: the state alone can't tell";
                let outcome = Outcome::NotChecked(why.to_owned());
                return Check { invariant: *number, outcome, findings: Vec::new(), looked_at: 0 };
            }
        };
        let findings = look(&picture, &shown, &[]);
        let outcome = if findings.is_empty() { Outcome::Passed } else { Outcome::Failed };
        Check { invariant: *number, outcome, findings, looked_at: shown.count }
    };
    INVARIANTS.iter().map(check).collect()
}

/// What hosts would show if they held what the state says, no more and no less.
fn shown(cell: &Cell) -> Shown {
    let mut shown = Shown::default();
    for server in cell.servers.values().filter(|it| !matches!(it.state, ServerState::Failed(_))) {
        let spec = &server.spec;
        let size = Capacity { vcpus: u64::from(spec.vcpus), ram_mib: spec.ram_mib, disk_gib: 0 };
        shown.guests.entry(spec.id).or_default().push((spec.host, size));
        shown.count += 1;
    }
    for volume in cell.volumes.values().filter(|it| !matches!(it.state, VolumeState::Failed(_))) {
        let spec = &volume.spec;
        shown.volumes.entry(spec.id).or_default().push((spec.host, spec.size_gib));
        let host = |server: ServerId| cell.servers.get(&server).map(|it| (it.spec.host, server));
        let at: BTreeSet<_> = volume.attachments.iter().filter_map(|it| host(it.server)).collect();
        shown.devices.insert(spec.id, at);
        shown.count += 1;
    }
    for port in cell.ports.values() {
        let host = match &port.state {
            PortState::Ready(_, host, _) | PortState::Bound(_, host) => *host,
            // On no host; its addresses are taken all the same.
            PortState::Unbound => HostId([0; 16]),
        };
        shown.ports.entry(port.spec.id).or_default().push((host, port.spec.mac));
        shown.count += 1;
    }
    shown
}
