//! A guest's console, asked of its host on the stream that stands here. Nothing of it is journaled.

use tokio::time::timeout;
use windlass_proto::v1::{self, ErrorReason};
use windlass_sagas::ids::{HostId, Position, ServerId};
use windlass_sagas::record::{Refusal, RefusalCode};

use super::Api;
use super::call::Call;
use super::errors::Problem;
use super::limits::{CONSOLE_BYTES, CONSOLE_BYTES_MAX, CONSOLE_WAIT_MAX};
use super::past::only_now;
use super::view::{Named, View};
use super::visit::Point;

impl Api {
    /// What a server's guest wrote last.
    pub(super) async fn console(
        &self,
        call: Call,
        asked: v1::GetServerConsoleRequest,
    ) -> Result<v1::GetServerConsoleResponse, Problem> {
        let Named { place, last } = Named::of(&asked.name, "servers");
        let bytes_max = if asked.bytes_max == 0 { CONSOLE_BYTES } else { asked.bytes_max };
        let read_at = asked.read_at;
        let look = move |view: &View<'_>| {
            only_now(read_at.as_ref(), "a console")?;
            if bytes_max > CONSOLE_BYTES_MAX {
                let message = format!("at most {CONSOLE_BYTES_MAX} bytes, asked for {bytes_max}");
                return Err(Problem::field("bytes_max", message));
            }
            let server = view.found("server", &last, |cell, id| {
                cell.servers.get(&ServerId(id)).map(|it| (it, it.spec.project))
            })?;
            Ok((server.spec.id, server.spec.host, view.position()))
        };
        let (server, host, position) =
            self.visit(call, Point::now(Position(asked.min_position)), place, look).await?;
        // One byte more tells whether there are more.
        let more = bytes_max.saturating_add(1).min(CONSOLE_BYTES_MAX);
        let asking = self.parts().inventories.console(host, server, more);
        let mut text = match timeout(CONSOLE_WAIT_MAX, asking).await {
            Ok(Some(Ok(text))) => text,
            Ok(Some(Err(refusal))) => return Err(refused(&refusal, &asked.name)),
            Ok(None) => return Err(unreachable(host, "has no stream to this orchestrator")),
            Err(_) => return Err(unreachable(host, "did not answer in time")),
        };
        let most = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let truncated = text.len() > most || (most == more as usize && text.len() == most);
        text.drain(..text.len().saturating_sub(most));
        Ok(v1::GetServerConsoleResponse { text, truncated, position })
    }
}

fn unreachable(host: HostId, why: &str) -> Problem {
    let name = super::names::host(host);
    Problem::new(ErrorReason::HostUnreachable, format!("host {host} {why}"))
        .hint("ask again in a moment, or another orchestrator")
        .with("host", name)
}

fn refused(refusal: &Refusal, name: &str) -> Problem {
    match refusal.code {
        RefusalCode::Missing => {
            Problem::new(ErrorReason::WrongState, format!("server {name} has no guest: {}", refusal.message))
                .hint("start the server first")
        }
        _ => Problem::new(
            ErrorReason::HostUnreachable,
            format!("the console can't be read: {}", refusal.message),
        )
        .hint("ask again in a moment; the host's log says more"),
    }
}
