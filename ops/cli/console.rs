//! `windlass server console`: what a guest wrote last, and, followed, what it writes from then on.

use clap::Args;
use windlass_client::v1;

use crate::app::App;
use crate::exit;
use crate::limits::CONSOLE_EVERY;
use crate::output::{self, Format};

/// Show what a guest wrote to its console.
#[derive(Args, Debug)]
pub(crate) struct Console {
    /// Its server's name or id.
    name: String,
    /// At most so many bytes, the last ones; at most 262144.
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    bytes: u32,
    /// Go on until interrupted: once a second, print what is new.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(app: &App, command: Console) -> anyhow::Result<u8> {
    let name = app.name("servers", &command.name)?;
    let request = v1::GetServerConsoleRequest { name, bytes_max: command.bytes, ..Default::default() };
    let first = app.call(request.clone()).await?;
    if app.format == Format::Json && !command.follow {
        output::json(&first)?;
        return Ok(exit::OK);
    }
    if first.truncated {
        output::note("what the guest wrote before is left out: see --bytes");
    }
    output::raw(&first.text)?;
    if !command.follow {
        return Ok(exit::OK);
    }
    let mut before = first;
    loop {
        tokio::time::sleep(CONSOLE_EVERY).await;
        let now = app.call(request.clone()).await?;
        output::raw(new(&before, &now))?;
        before = now;
    }
}

/// What is new in a console since it was read last. Two windows that begin at the console's own beginning tell it exactly;
/// else the new one goes on where it overlaps the old one most, so that a guest which repeats itself may seem to say less
/// than it did. A console that begins anew is new as a whole.
fn new<'a>(before: &v1::GetServerConsoleResponse, now: &'a v1::GetServerConsoleResponse) -> &'a [u8] {
    let (old, text) = (before.text.as_slice(), now.text.as_slice());
    let overlaps = |gone: &usize| {
        let kept = old.get(*gone..).unwrap_or_default();
        text.starts_with(kept)
    };
    let most = if before.truncated || now.truncated { old.len() } else { 0 };
    let gone = (0..=most).find(overlaps);
    let known = gone.map_or(0, |gone| old.len() - gone);
    text.get(known..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str, truncated: bool) -> v1::GetServerConsoleResponse {
        v1::GetServerConsoleResponse { text: text.into(), truncated, position: 0 }
    }

    #[test]
    fn only_what_is_new_is_printed() {
        let cases = [
            (("", false), ("boot\n", false), "boot\n"),
            (("boot\n", false), ("boot\n", false), ""),
            (("tick\n", false), ("tick\ntick\n", false), "tick\n"),
            (("abcdef", false), ("cdefgh", true), "gh"),
            (("cdefgh", true), ("efghij", true), "ij"),
            (("cdefgh", true), ("uvwxyz", true), "uvwxyz"),
            (("cdefgh", true), ("again", false), "again"),
            (("boot\nlogin", false), ("boot\n", false), "boot\n"),
        ];
        for ((old, old_cut), (text, cut), wanted) in cases {
            let (before, now) = (window(old, old_cut), window(text, cut));
            assert_eq!(new(&before, &now), wanted.as_bytes(), "{old:?} then {text:?}");
        }
    }
}
