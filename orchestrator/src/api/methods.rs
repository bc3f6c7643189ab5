//! What each method of the API needs: its permission in the proto and the core's word for it. One table, compared with
//! the descriptor by a test; which project the permission must hold in is each service's knowledge.

use windlass_sagas::cell::Permission;

/// What a method needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Any credential of the cell: what is asked for belongs to everybody, or the answer holds only what the caller
    /// may read.
    Credential,
    /// This, in the project that the call is about, or in the whole cell where it is about none.
    Permission(Permission),
}

const fn permission(permission: Permission) -> Needs {
    Needs::Permission(permission)
}

const READ: Needs = permission(Permission::Read);
const WRITE: Needs = permission(Permission::Write);
const AUDIT: Needs = permission(Permission::Audit);
const DRILL: Needs = permission(Permission::Drill);
const OPERATE: Needs = permission(Permission::Operate);

/// The proto's permissions, in order.
pub const TABLE: &[(&str, Needs)] = &[
    ("apiTokens.create", OPERATE),
    ("apiTokens.list", AUDIT),
    ("apiTokens.revoke", OPERATE),
    ("cell.doctor", AUDIT),
    ("cell.get", Needs::Credential),
    ("faults.arm", DRILL),
    ("faults.disarm", DRILL),
    ("faults.get", DRILL),
    ("faults.list", DRILL),
    ("flavors.create", OPERATE),
    ("flavors.delete", OPERATE),
    ("flavors.get", Needs::Credential),
    ("flavors.list", Needs::Credential),
    ("history.diff", READ),
    ("history.list", READ),
    ("history.watch", READ),
    ("hosts.affirmPoweredOff", OPERATE),
    ("hosts.declareGone", OPERATE),
    ("hosts.drain", OPERATE),
    ("hosts.get", READ),
    ("hosts.list", READ),
    ("hosts.rejoin", OPERATE),
    ("hosts.undrain", OPERATE),
    ("images.create", WRITE),
    ("images.delete", WRITE),
    ("images.download", READ),
    ("images.get", READ),
    ("images.list", READ),
    ("images.setBoot", WRITE),
    ("images.upload", WRITE),
    ("joinTokens.create", OPERATE),
    ("joinTokens.list", AUDIT),
    ("joinTokens.revoke", OPERATE),
    ("keyPairs.create", WRITE),
    ("keyPairs.delete", WRITE),
    ("keyPairs.get", READ),
    ("keyPairs.list", READ),
    ("networks.create", WRITE),
    ("networks.delete", WRITE),
    ("networks.get", READ),
    ("networks.list", READ),
    ("operations.abandon", OPERATE),
    ("operations.cancel", WRITE),
    ("operations.get", READ),
    ("operations.list", READ),
    ("operations.retry", OPERATE),
    ("operations.skip", OPERATE),
    ("operations.watch", READ),
    ("ports.create", WRITE),
    ("ports.delete", WRITE),
    ("ports.get", READ),
    ("ports.list", READ),
    ("principals.create", OPERATE),
    ("principals.delete", OPERATE),
    ("principals.get", AUDIT),
    ("principals.list", AUDIT),
    ("projects.create", OPERATE),
    ("projects.delete", OPERATE),
    ("projects.get", READ),
    ("projects.list", Needs::Credential),
    ("quarantine.adopt", OPERATE),
    ("quarantine.discard", OPERATE),
    ("quarantine.list", READ),
    ("quotas.get", READ),
    ("quotas.set", OPERATE),
    ("recovery.get", AUDIT),
    ("recovery.order", OPERATE),
    ("roles.grant", OPERATE),
    ("roles.revoke", OPERATE),
    ("securityGroups.create", WRITE),
    ("securityGroups.delete", WRITE),
    ("securityGroups.get", READ),
    ("securityGroups.list", READ),
    ("securityGroups.setRules", WRITE),
    ("serverConsoles.get", READ),
    ("servers.create", WRITE),
    ("servers.delete", WRITE),
    ("servers.get", READ),
    ("servers.list", READ),
    ("servers.reboot", WRITE),
    ("servers.start", WRITE),
    ("servers.stop", WRITE),
    ("subnets.create", WRITE),
    ("subnets.delete", WRITE),
    ("subnets.get", READ),
    ("subnets.list", READ),
    ("volumes.attach", WRITE),
    ("volumes.create", WRITE),
    ("volumes.delete", WRITE),
    ("volumes.detach", WRITE),
    ("volumes.get", READ),
    ("volumes.list", READ),
];

/// What a permission of the proto needs; `Operate` for one that the table does not know, so that nothing is open by
/// mistake.
#[must_use]
pub fn needs(name: &str) -> Needs {
    TABLE.iter().find(|(known, _)| *known == name).map_or(OPERATE, |(_, needs)| *needs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_the_descriptors() {
        let described: BTreeSet<&str> =
            windlass_proto::permissions().map(|(_, permission)| permission).collect();
        let table: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
        assert_eq!(table, described);
        assert_eq!(table.len(), TABLE.len(), "a permission stands twice");
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
    }
}
