//! What the events of the cell, its leaders, access, hosts and quarantine say. Never a secret, nor a secret's hash.

use windlass_sagas::ids::ProjectId;
use windlass_sagas::record::*;

use super::access::{access_role, scope};
use super::event::Told;
use crate::api::fields::rfc3339;
use crate::api::names;

/// `None`: another family's event.
pub(super) fn told(event: &Event, project: ProjectId) -> Option<Told> {
    access(event).or_else(|| hosts(event)).or_else(|| cell(event, project))
}

fn access(event: &Event) -> Option<Told> {
    Some(match event {
        Event::ProjectCreated(e) => Told::new("project.created", format!("project {} is made", e.name))
            .of(ResourceRef::Project(e.id))
            .makes(&e.name),
        Event::ProjectDeleted(e) => Told::new("project.deleted", "the project is no more")
            .of(ResourceRef::Project(e.project))
            .removes(),
        Event::QuotaSet(e) => {
            let Amounts { servers, vcpus, ram_mib, volumes, gib, networks, ports } = e.quota;
            Told::new("quota.set", "the project's quota is set")
                .of(ResourceRef::Project(e.project))
                .changes()
                .with("servers", servers)
                .with("vcpus", vcpus)
                .with("ram_mib", ram_mib)
                .with("volumes", volumes)
                .with("gib", gib)
                .with("networks", networks)
                .with("ports", ports)
        }
        Event::PrincipalCreated(e) => Told::new("principal.created", format!("principal {} is made", e.name))
            .of(ResourceRef::Principal(e.id))
            .makes(&e.name),
        Event::PrincipalDeleted(e) => Told::new("principal.deleted", "the principal is no more")
            .of(ResourceRef::Principal(e.principal))
            .removes(),
        Event::CredentialCreated(e) => {
            let told = Told::new("api_token.created", "an API token is recorded by its hash")
                .of(ResourceRef::Credential(e.id))
                .makes(&e.name)
                .with("principal", names::principal(e.principal));
            match e.expires {
                Some(time) => told.with("expire_time", rfc3339(time)),
                None => told,
            }
        }
        Event::CredentialRevoked(e) => Told::new("api_token.revoked", "the API token is no more")
            .of(ResourceRef::Credential(e.credential))
            .removes(),
        Event::RoleGranted(e) => Told::new("role.granted", "a role is granted")
            .of(ResourceRef::Principal(e.principal))
            .changes()
            .with("role", access_role(e.role).as_str_name())
            .with("scope", scope(e.scope)),
        Event::RoleRevoked(e) => Told::new("role.revoked", "a role is taken away")
            .of(ResourceRef::Principal(e.principal))
            .changes()
            .with("role", access_role(e.role).as_str_name())
            .with("scope", scope(e.scope)),
        // The other families' events.
        _ => return None,
    })
}

fn hosts(event: &Event) -> Option<Told> {
    let host = |kind, host, summary: &str| Told::new(kind, summary).of(ResourceRef::Host(host)).on(host);
    Some(match event {
        Event::JoinTokenCreated(e) => {
            Told::new("join_token.created", format!("host {} may join by a token", e.host))
                .of(ResourceRef::JoinToken(e.id))
                .makes(&e.host)
                .with("zone", &e.zone)
                .with("expire_time", rfc3339(e.expires))
        }
        Event::JoinTokenEnded(e) => Told::new("join_token.ended", "the join token is used or revoked")
            .of(ResourceRef::JoinToken(e.token))
            .removes(),
        Event::HostJoined(e) => host("host.joined", e.id, "the host has its certificate")
            .with("display_name", &e.name)
            .with("zone", &e.zone),
        Event::HostUp(e) => host("host.up", e.host, "the host is up")
            .with("boot_id", e.boot)
            .with("vcpus", e.capacity.vcpus)
            .with("ram_mib", e.capacity.ram_mib)
            .with("disk_gib", e.capacity.disk_gib),
        Event::HostDown(e) => host("host.down", e.host, "the host is silent"),
        Event::HostRebooted(e) => host("host.rebooted", e.host, "the host's kernel started anew"),
        Event::HostDraining(e) if e.draining => {
            host("host.draining", e.host, "nothing more is placed on the host").changes()
        }
        Event::HostDraining(e) => host("host.undrained", e.host, "the host is placed on again").changes(),
        Event::HostGone(e) => {
            host("host.gone", e.host, "the host was declared gone").changes().with("reason", &e.reason)
        }
        Event::HostOff(e) => host("host.off", e.host, "the host is affirmed to be powered off").changes(),
        Event::HostRejoined(e) => host("host.rejoined", e.host, "the host may join again").changes(),
        Event::IncarnationAdmitted(e) => host("ledger.admitted", e.host, "the ledger may be called")
            .with("role", e.role.name())
            .with("incarnation", e.incarnation),
        Event::InventoryDiffers(e) => host("inventory.differs", e.host, "the host holds something else")
            .with("role", e.role.name())
            .with("orphans", e.orphans.len())
            .with("losses", e.losses.len()),
        // The other families' events.
        _ => return None,
    })
}

fn cell(event: &Event, project: ProjectId) -> Option<Told> {
    Some(match event {
        Event::Genesis(e) => Told::new("cell.began", format!("cell {} begins", e.name)).with("cell", e.cell),
        Event::LeaderElected(e) => {
            let order = e.recover.as_ref().map(|order| format!(" by an operator's order: {order}"));
            let text = format!("term {} begins{}", e.term, order.unwrap_or_default());
            Told::new("leader.elected", text).with("build", &e.build)
        }
        Event::FormatRaised(e) => {
            Told::new("format.raised", format!("commits are written at level {}", e.level))
                .with("level", e.level)
        }
        Event::FaultArmed(e) => fault(e),
        Event::FaultDisarmed(e) => {
            Told::new("fault.disarmed", "the fault strikes no more").of(ResourceRef::Fault(e.fault)).removes()
        }
        Event::FaultForgotten(e) => {
            Told::new("fault.forgotten", "the fault's lease has ended before").of(ResourceRef::Fault(e.fault))
        }
        Event::ResourceAdopted(e) => Told::new("resource.adopted", format!("taken back: {}", e.reason))
            .of(e.resource)
            .changes()
            .with("name", names::of(e.resource, project))
            .with("reason", &e.reason),
        Event::ResourceDiscarded(e) => Told::new("resource.discarded", format!("gone: {}", e.reason))
            .of(e.resource)
            .removes()
            .with("name", names::of(e.resource, project))
            .with("reason", &e.reason),
        // The other families' events.
        _ => return None,
    })
}

fn fault(e: &FaultArmed) -> Told {
    let FaultRule { kind, role, step, direction, times, .. } = &e.rule;
    let told = Told::new("fault.armed", format!("{kind} is armed: {}", e.reason))
        .of(ResourceRef::Fault(e.id))
        .makes(kind.name())
        .with("fault_kind", kind.name())
        .with("expire_time", rfc3339(e.expires))
        .with("reason", &e.reason);
    let told = match times {
        Some(times) => told.with("times", times),
        None => told,
    };
    let told = step.iter().fold(told, |told, step| told.with("fault_step", step));
    let told = role.iter().fold(told, |told, role| told.with("fault_role", role.name()));
    let told = direction.iter().fold(told, |told, direction| told.with("fault_direction", direction.name()));
    e.host.iter().fold(told, |told, host| told.on(*host))
}
