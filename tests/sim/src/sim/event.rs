//! Everything that can happen in a world, and how the trace tells one thing from another.

use windlass_sagas::ids::HostId;
use windlass_sagas::protocol::ledger::{BatchId, WorkId};
use windlass_sagas::protocol::orchestrator::{Input, Receipt, Refused};
use windlass_sagas::protocol::{Cursor, Down, Hello, Up};
use windlass_sagas::record::Role;

use crate::agenda::Instant;
use crate::draw::Drawing;
use crate::journal::Waiting;
use crate::net::{End, Process};
use crate::orchestrator::{Fate, Work};
use crate::trace::word;

/// Everything that can happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    HostStarts { host: usize, life: u32 },
    Dial { host: usize, life: u32, node: usize },
    StreamOpen { host: usize, node: usize, link: u64, hello: Box<Hello> },
    StreamBroken { host: usize, node: usize, link: u64 },
    HostLosesLink { host: usize, node: usize, link: u64 },
    Heartbeat { host: usize, life: u32 },
    Down { host: usize, node: usize, link: u64, late: bool, down: Box<Down> },
    Up { host: usize, node: usize, link: u64, late: bool, up: Box<Up> },
    Work { host: usize, life: u32, role: Role, work: WorkId },
    Sync { host: usize, life: u32, role: Role, batch: BatchId },
    NodeStarts { node: usize, life: u32 },
    NodeResumes { node: usize, life: u32 },
    Node { node: usize, life: u32, work: Work },
    Submit { waiting: Waiting, frame: Vec<u8>, fate: Fate },
    Settle { fate: Fate },
    Subscribe { from: Process, cursor: Cursor, read: u64 },
    Deliver { to: Process },
    LeaseAsked { from: Process, asked: Option<u64>, sent: Instant },
    ClientAsks { place: usize },
    ClientWaits { token: u64 },
    ClientHears { token: u64, reply: Result<Receipt, Refused> },
    OperatorLooks,
    TailLost { frames: usize },
    Recover,
    ClockJumps { node: usize, by_ms: i64 },
    RaiseFormat,
    HostWiped { host: HostId },
    GuestEnds { host: usize, pick: u64 },
    EndedTold { host: usize, life: u32 },
    FaultsStop,
    Look,
}

impl Event {
    /// What it is, for people: ids in short, no bytes.
    pub(super) fn line(&self) -> String {
        match self {
            Self::HostStarts { host, .. } => format!("host {host}"),
            Self::Dial { host, node, .. } => format!("host {host} to orchestrator {node}"),
            Self::StreamOpen { host, node, link, .. }
            | Self::StreamBroken { host, node, link }
            | Self::HostLosesLink { host, node, link } => {
                format!("{link}, host {host} and orchestrator {node}")
            }
            Self::Heartbeat { host, .. } => format!("of host {host}"),
            Self::Down { host, node, late, down, .. } => {
                format!("orchestrator {node} to host {host}{}: {}", often(*late), of_down(down))
            }
            Self::Up { host, node, late, up, .. } => {
                format!("host {host} to orchestrator {node}{}: {}", often(*late), of_up(up))
            }
            Self::Work { host, role, work, .. } => format!("{} at host {host}, {role:?}", work.0),
            Self::Sync { host, role, batch, .. } => format!("batch {} at host {host}, {role:?}", batch.0),
            Self::NodeStarts { node, life } | Self::NodeResumes { node, life } => {
                format!("orchestrator {node}, life {life}")
            }
            Self::Node { node, work, .. } => format!("orchestrator {node}: {}", work.line()),
            Self::Submit { waiting, frame, fate } => {
                let Waiting { from, append, after } = waiting;
                let (node, after, bytes) = (from.node, after.0, frame.len());
                format!("append {append} of orchestrator {node} behind {after}, {bytes} bytes, {fate:?}")
            }
            Self::Settle { fate } => format!("{fate:?}"),
            Self::Subscribe { from, cursor, .. } => format!("orchestrator {} from {}", from.node, cursor.0),
            Self::Deliver { to } => format!("to orchestrator {}", to.node),
            Self::LeaseAsked { from, .. } => format!("by orchestrator {}", from.node),
            Self::ClientAsks { place } => format!("wish {place}"),
            Self::ClientWaits { token } => format!("wish {}", token >> 16),
            Self::ClientHears { token, reply } => format!("wish {}: {reply:?}", token >> 16),
            Self::TailLost { frames } => format!("{frames} frames"),
            Self::ClockJumps { node, by_ms } => format!("of orchestrator {node} by {by_ms} ms"),
            Self::HostWiped { host } => format!("{host}"),
            Self::GuestEnds { host, .. } => format!("on host {host}"),
            Self::EndedTold { host, .. } => format!("by host {host}"),
            Self::OperatorLooks | Self::Recover | Self::RaiseFormat | Self::FaultsStop | Self::Look => {
                String::new()
            }
        }
    }

    /// Draws it, where it is a message that arrives or something that a process does by itself.
    pub(super) fn draw(&self, at: Instant, drawing: &mut Drawing) {
        match self {
            Self::Down { host, node, down, late, .. }
                if !matches!(**down, Down::Seen { .. } | Down::View { .. }) =>
            {
                let what = format!("{}{}", of_down(down), often(*late));
                drawing.message(at, End::Node(*node), End::Host(*host), what);
            }
            Self::Up { host, node, up, late, .. } if matches!(**up, Up::Reply(_) | Up::FencedLead { .. }) => {
                let what = format!("{}{}", of_up(up), often(*late));
                drawing.message(at, End::Host(*host), End::Node(*node), what);
            }
            Self::Submit { waiting, fate, .. } => {
                let what = format!("append {} behind {}, {fate:?}", waiting.append, waiting.after.0);
                drawing.message(at, End::Node(waiting.from.node), End::Journal, what);
            }
            Self::Node { node, work: Work::Machine(input), .. } => match &**input {
                Input::Appended { .. } => {
                    drawing.message(at, End::Journal, End::Node(*node), Work::Machine(input.clone()).line());
                }
                Input::Fact { token, fact, .. } if *token != 0 => {
                    drawing.message(at, End::Clients, End::Node(*node), format!("ask {}", fact.name()));
                }
                _ => {}
            },
            Self::HostStarts { host, .. } => drawing.event(at, End::Host(*host), "starts".to_string(), false),
            Self::NodeStarts { node, .. } => drawing.event(at, End::Node(*node), "starts".to_string(), false),
            Self::NodeResumes { node, .. } => {
                drawing.event(at, End::Node(*node), "goes on".to_string(), false);
            }
            Self::ClockJumps { node, by_ms } => {
                drawing.event(at, End::Node(*node), format!("its clock jumps by {by_ms} ms"), true);
            }
            Self::GuestEnds { host, .. } => {
                drawing.event(at, End::Host(*host), "a guest may end by itself".to_string(), true);
            }
            Self::TailLost { frames } => {
                drawing.event(at, End::Journal, format!("the last {frames} frames are lost"), true);
            }
            _ => {}
        }
    }

    /// Its name and the numbers that tell it from others, for the trace.
    pub(super) fn mark(&self) -> (&'static str, [u64; 3]) {
        match self {
            Self::HostStarts { host, life } => ("host starts", [*host as u64, u64::from(*life), 0]),
            Self::Dial { host, node, .. } => ("dial", [*host as u64, *node as u64, 0]),
            Self::StreamOpen { host, node, link, .. } => {
                ("stream opens", [*host as u64, *node as u64, *link])
            }
            Self::StreamBroken { host, node, link } => ("stream breaks", [*host as u64, *node as u64, *link]),
            Self::HostLosesLink { host, node, link } => ("link lost", [*host as u64, *node as u64, *link]),
            Self::Heartbeat { host, .. } => ("heartbeat", [*host as u64, 0, 0]),
            Self::Down { host, node, link, .. } => ("down", [*host as u64, *node as u64, *link]),
            Self::Up { host, node, link, .. } => ("up", [*host as u64, *node as u64, *link]),
            Self::Work { host, role, work, .. } => ("work", [*host as u64, *role as u64, work.0]),
            Self::Sync { host, role, batch, .. } => ("sync", [*host as u64, *role as u64, batch.0]),
            Self::NodeStarts { node, life } => ("node starts", [*node as u64, u64::from(*life), 0]),
            Self::NodeResumes { node, life } => ("node resumes", [*node as u64, u64::from(*life), 0]),
            Self::Node { node, life, .. } => ("node", [*node as u64, u64::from(*life), 0]),
            Self::Submit { waiting, .. } => {
                ("submit", [waiting.from.node as u64, waiting.append, waiting.after.0])
            }
            Self::Settle { .. } => ("settle", [0; 3]),
            Self::Subscribe { from, cursor, read } => ("subscribe", [from.node as u64, cursor.0, *read]),
            Self::Deliver { to } => ("deliver", [to.node as u64, 0, 0]),
            Self::LeaseAsked { from, asked, .. } => ("lease", [from.node as u64, asked.unwrap_or(0), 0]),
            Self::ClientAsks { place } => ("client asks", [*place as u64, 0, 0]),
            Self::ClientWaits { token } => ("client waits", [*token, 0, 0]),
            Self::ClientHears { token, .. } => ("client hears", [*token, 0, 0]),
            Self::OperatorLooks => ("operator", [0; 3]),
            Self::TailLost { frames } => ("tail lost", [*frames as u64, 0, 0]),
            Self::Recover => ("recover", [0; 3]),
            Self::ClockJumps { node, by_ms } => ("clock jumps", [*node as u64, by_ms.unsigned_abs(), 0]),
            Self::RaiseFormat => ("raise format", [0; 3]),
            Self::HostWiped { host } => ("host wiped", [word(&host.0), 0, 0]),
            Self::GuestEnds { host, pick } => ("guest ends", [*host as u64, *pick, 0]),
            Self::EndedTold { host, life } => ("ended told", [*host as u64, u64::from(*life), 0]),
            Self::FaultsStop => ("faults stop", [0; 3]),
            Self::Look => ("look", [0; 3]),
        }
    }
}

const fn often(late: bool) -> &'static str {
    if late { ", late" } else { "" }
}

fn of_down(down: &Down) -> String {
    match down {
        Down::Lead { term, position, .. } => format!("lead {term} at {position}"),
        Down::Seen { position, .. } => format!("seen {position}"),
        Down::Call(call) => {
            let (verb, direction, attempt) = (call.verb, call.direction, call.attempt);
            format!("{verb:?} {direction:?} {} attempt {attempt}", call.body.input.name())
        }
        Down::LowWater { ledger, position, .. } => format!("low water {position} of {:?}", ledger.role),
        Down::View { view, .. } => format!("view of {}", view.position),
        Down::Faults { faults, .. } => format!("{} armed faults", faults.len()),
        Down::TakeInventory { ledger } => format!("take inventory of {:?}", ledger.role),
    }
}

fn of_up(up: &Up) -> String {
    match up {
        Up::Hello(hello) => format!("hello, highest {}", hello.highest),
        Up::Reply(reply) => {
            let (step, verb, attempt) = (reply.key.step, reply.verb, reply.attempt);
            format!("to {verb:?} of step {step} attempt {attempt}: {:?}", reply.answer)
        }
        Up::FencedLead { .. } => format!("{up:?}"),
        Up::Inventory(inventory) => format!("inventory of {} things", inventory.items.len()),
        Up::ViewApplied(applied) => format!("view of {} applied", applied.position),
        Up::FaultsHeld(held) => format!("{} armed faults held", held.faults.len()),
        Up::Heartbeat { .. } => "heartbeat".to_string(),
    }
}
