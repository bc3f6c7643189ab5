//! Folding a host's life, its ledgers' incarnations, and what leaves quarantine.

use alloc::collections::BTreeMap;
use core::mem;

use crate::cell::lookup::NO_PROJECT;
use crate::cell::state::*;
use crate::ids::*;
use crate::record::*;

impl Cell {
    pub(super) fn join_token_created(&mut self, e: &JoinTokenCreated) {
        let JoinTokenCreated { id, host, roles, zone, secret_sha256, expires } = e.clone();
        let again = self.hosts.values().find(|known| known.name == host && known.life == HostLife::Down);
        let again = again.map(|known| known.id);
        self.join_tokens.insert(id, JoinToken { id, host, again, roles, zone, secret_sha256, expires });
    }

    pub(super) fn join_token_ended(&mut self, id: JoinTokenId) {
        self.join_tokens.remove(&id);
    }

    /// A host that rejoins keeps its id, its retired incarnations and what is claimed on it. One that was only silent, its
    /// certificate expired, keeps everything else too: its ledgers are those that it had.
    pub(super) fn host_joined(&mut self, e: &HostJoined) {
        self.name_taken(NO_PROJECT, "host", &e.name, e.id.0);
        let again = self.join_tokens.values().any(|token| token.again == Some(e.id));
        if let Some(host) = self.hosts.get_mut(&e.id).filter(|host| again && host.life == HostLife::Down) {
            host.certificate_sha256 = Some(e.certificate_sha256);
            return;
        }
        let old = self.hosts.remove(&e.id);
        let claimed = old.as_ref().map(|host| host.claimed).unwrap_or_default();
        let retired = old.map(|host| host.retired).unwrap_or_default();
        let host = Host {
            id: e.id,
            name: e.name.clone(),
            roles: e.roles.iter().copied().collect(),
            zone: e.zone.clone(),
            address: e.address,
            certificate_sha256: Some(e.certificate_sha256),
            life: HostLife::Joined,
            draining: false,
            boot: None,
            rebooted: None,
            capacity: Capacity::default(),
            claimed,
            traits: alloc::vec::Vec::new(),
            incarnations: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            retired,
            findings: BTreeMap::new(),
        };
        self.hosts.insert(e.id, host);
    }

    pub(super) fn host_up(&mut self, e: &HostUp) {
        self.change_host(e.host, |host| {
            host.life = HostLife::Up;
            host.boot = Some(e.boot);
            host.capacity = e.capacity;
            host.traits.clone_from(&e.traits);
        });
    }

    pub(super) fn host_down(&mut self, id: HostId) {
        self.change_host(id, |host| host.life = HostLife::Down);
    }

    /// Guests don't outlive their host's kernel.
    pub(super) fn host_rebooted(&mut self, id: HostId) {
        let position = self.position;
        self.change_host(id, |host| host.rebooted = Some(position));
        let lost: alloc::vec::Vec<ServerId> = self
            .servers
            .values()
            .filter(|server| server.spec.host == id)
            .map(|server| server.spec.id)
            .collect();
        for server in lost {
            self.server_lost(server);
        }
    }

    pub(super) fn host_draining(&mut self, e: &HostDraining) {
        self.change_host(e.host, |host| host.draining = e.draining);
    }

    /// Its certificate is revoked, and no call may ever name its ledgers again.
    pub(super) fn host_gone(&mut self, id: HostId) {
        self.change_host(id, |host| {
            host.life = HostLife::Gone { off: false };
            host.certificate_sha256 = None;
            let admitted = mem::take(&mut host.incarnations);
            let before = mem::take(&mut host.unconfirmed);
            host.retired.extend(admitted.into_values().chain(before.into_values()));
        });
    }

    pub(super) fn host_off(&mut self, id: HostId) {
        self.change_host(id, |host| host.life = HostLife::Gone { off: true });
        self.rest_begins(id);
    }

    pub(super) fn host_rejoined(&mut self, id: HostId) {
        self.change_host(id, |host| {
            host.life = HostLife::Joined;
            host.boot = None;
            host.findings = BTreeMap::new();
        });
        self.rest_begins(id);
    }

    /// A leader who goes on without a lost tail, by an operator's order, names no ledger before its inventory is compared
    /// with what is left: the tail may have made what the fold does not know.
    pub(super) fn leader_elected(&mut self, e: &Campaign) {
        self.leader_build.clone_from(&e.build);
        if e.recover.is_some() {
            for host in self.hosts.values_mut() {
                host.unconfirmed.append(&mut host.incarnations);
            }
        }
    }

    pub(super) fn incarnation_admitted(&mut self, e: &IncarnationAdmitted) {
        self.change_host(e.host, |host| {
            let before = [host.incarnations.insert(e.role, e.incarnation), host.unconfirmed.remove(&e.role)];
            host.retired.extend(before.into_iter().flatten().filter(|old| *old != e.incarnation));
        });
    }

    pub(super) fn inventory_differs(&mut self, e: &InventoryDiffers) {
        self.change_host(e.host, |host| {
            if e.orphans.is_empty() && e.losses.is_empty() {
                host.findings.remove(&e.role);
            } else {
                host.findings.insert(e.role, (e.orphans.clone(), e.losses.clone()));
            }
        });
    }

    fn change_host(&mut self, id: HostId, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(&id) {
            change(host);
        }
    }

    pub(super) fn quarantine_ended(&mut self, resource: ResourceRef) {
        self.set_lock(resource, Lock::Free);
    }

    /// What was affirmed to be gone is no more, and what it claimed is given back.
    pub(super) fn resource_discarded(&mut self, resource: ResourceRef) {
        match resource {
            ResourceRef::Server(id) => self.server_deleted(id),
            ResourceRef::Volume(id) => self.volume_deleted(id),
            ResourceRef::Port(id) => self.port_deleted(id),
            ResourceRef::Network(_)
            | ResourceRef::Subnet(_)
            | ResourceRef::SecurityGroup(_)
            | ResourceRef::Flavor(_)
            | ResourceRef::Image(_)
            | ResourceRef::KeyPair(_)
            | ResourceRef::Project(_)
            | ResourceRef::Host(_)
            | ResourceRef::Saga(_)
            | ResourceRef::Credential(_)
            | ResourceRef::Principal(_)
            | ResourceRef::JoinToken(_)
            | ResourceRef::Fault(_) => {}
        }
    }
}
