//! What an agent sends up.

use windlass_proto::agent::v1;
use windlass_proto::agent::v1::agent_message::Kind;
use windlass_sagas::ids::{CellId, HostId, Position};
use windlass_sagas::limits::{NAME_BYTES_MAX, TRAITS_MAX};
use windlass_sagas::protocol::{Hello, Up};
use windlass_sagas::record::{Capacity, LedgerId};

use crate::fault::{held, held_out};
use crate::inventory::{Collector, pages};
use crate::limits::BUILD_BYTES_MAX;
use crate::outcome::{call_error, outcome, reply_out};
use crate::view::{applied, applied_out};
use crate::{WireError, at_most, bad, hash, id, known_role, role_out, term, term_out};

/// Reads a message of the agent of `host`; `None` for one that says nothing by itself (a page that is not the last), and
/// for one that only a newer agent knows: an answer of such a kind is as good as lost, and the call is asked about.
///
/// # Errors
/// The field at fault; `host` for a Hello that names another one.
pub fn decode_up(
    host: HostId,
    collector: &mut Collector,
    message: &v1::AgentMessage,
) -> Result<Option<Up>, WireError> {
    let Some(kind) = &message.kind else { return Ok(None) };
    Ok(match kind {
        Kind::Hello(m) => {
            let hello = hello(m)?;
            if hello.host != host {
                return Err(bad("host"));
            }
            Some(Up::Hello(hello))
        }
        Kind::Outcome(m) => outcome(m)?.map(Up::Reply),
        Kind::CallError(m) => call_error(m)?.map(Up::Reply),
        Kind::FencedLead(m) => Some(Up::FencedLead { highest: term(m.highest_term.as_ref())? }),
        Kind::Inventory(m) => collector.page(host, m)?.map(Up::Inventory),
        Kind::Heartbeat(_) => Some(Up::Heartbeat { host }),
        Kind::ViewApplied(m) => Some(Up::ViewApplied(applied(host, m))),
        Kind::FaultsHeld(m) => Some(Up::FaultsHeld(held(host, m)?)),
        // No word of the protocol: `ConsoleTold` reads it.
        Kind::Console(_) => return Err(bad("kind")),
    })
}

/// Writes a message, or the pages of one.
#[must_use]
pub fn encode_up(cell: CellId, build: &str, up: &Up) -> Vec<v1::AgentMessage> {
    let kind = match up {
        Up::Hello(hello) => Kind::Hello(hello_out(hello, build)),
        Up::Reply(reply) => reply_out(cell, reply),
        Up::FencedLead { highest } => {
            Kind::FencedLead(v1::FencedLead { highest_term: Some(term_out(*highest)) })
        }
        Up::Inventory(inventory) => return pages(cell, inventory),
        Up::ViewApplied(applied) => Kind::ViewApplied(applied_out(applied)),
        Up::FaultsHeld(held) => Kind::FaultsHeld(held_out(held)),
        Up::Heartbeat { .. } => Kind::Heartbeat(v1::Heartbeat {}),
    };
    vec![v1::AgentMessage { kind: Some(kind) }]
}

fn hello(m: &v1::Hello) -> Result<Hello, WireError> {
    let host: HostId = id(&m.host, "host")?;
    let ledger = |m: &v1::LedgerHello| {
        let Some(role) = known_role(m.role)? else { return Ok(None) };
        Ok(Some((LedgerId { host, role }, id(&m.incarnation, "ledgers.incarnation")?)))
    };
    let capacity = m.capacity.as_ref().ok_or(bad("capacity"))?;
    at_most(m.build.len(), BUILD_BYTES_MAX, "build")?;
    let traits = m.traits.iter().filter(|it| it.len() <= NAME_BYTES_MAX);
    let last_hash = if m.last_position == 0 { Default::default() } else { hash(&m.last_hash, "last_hash")? };
    Ok(Hello {
        cell: id(&m.cell, "cell")?,
        host,
        boot: id(&m.boot, "boot")?,
        ledgers: m.ledgers.iter().filter_map(|m| ledger(m).transpose()).collect::<Result<_, _>>()?,
        highest: m.highest_term.as_ref().map(|it| term(Some(it))).transpose()?.unwrap_or_default(),
        seen: (Position(m.last_position), last_hash),
        capacity: Capacity { vcpus: capacity.vcpus, ram_mib: capacity.ram_mib, disk_gib: capacity.disk_gib },
        traits: traits.take(TRAITS_MAX).cloned().collect(),
    })
}

fn hello_out(hello: &Hello, build: &str) -> v1::Hello {
    let Capacity { vcpus, ram_mib, disk_gib } = hello.capacity;
    let ledgers = hello.ledgers.iter().map(|(ledger, incarnation)| v1::LedgerHello {
        role: role_out(ledger.role),
        incarnation: incarnation.0.to_vec().into(),
    });
    v1::Hello {
        cell: hello.cell.0.to_vec().into(),
        host: hello.host.0.to_vec().into(),
        ledgers: ledgers.collect(),
        highest_term: Some(term_out(hello.highest)),
        last_position: hello.seen.0.0,
        last_hash: hello.seen.1.0.to_vec().into(),
        build: build.to_string(),
        capacity: Some(v1::Capacity { vcpus, ram_mib, disk_gib }),
        boot: hello.boot.0.to_vec().into(),
        traits: hello.traits.clone(),
    }
}
