//! `windlass history verify`: the chain followed, by the API of a live cell or here.

use windlass_client::v1;
use windlass_journal::Read;
use windlass_replay::{Metered, Seen};
use windlass_sagas::ids::{Hash, Position, from_hex};

use super::{Verify, print};
use crate::app::App;
use crate::exit::{self, Usage};
use crate::meter::Meter;
use crate::output::Format;

pub(super) async fn run(
    command: Verify,
    format: Format,
    connect: impl AsyncFn() -> anyhow::Result<App>,
) -> anyhow::Result<u8> {
    let Verify { seen, place } = command;
    let seen = seen.iter().map(|text| witness(text)).collect::<Result<Vec<_>, _>>()?;
    if !place.is_named() {
        return by_api(&connect().await?, &seen, format).await;
    }
    let source = place.open().await?;
    // A damaged journal does not know its end; it is read all the same.
    let meter = Meter::new("verifying", "frame", source.last().await.unwrap_or_default().0);
    let verified = windlass_replay::verify(&Metered::new(&source, |cursor| meter.at(cursor.0)), &seen).await;
    meter.end();
    source.close().await;
    let verified = verified?;
    print::verified(&verified, seen.len(), format)?;
    Ok(if verified.is_whole() { exit::OK } else { exit::FAILED })
}

async fn by_api(app: &App, seen: &[Seen], format: Format) -> anyhow::Result<u8> {
    let seen = seen.iter().map(|seen| v1::verify_history_request::Seen {
        position: seen.position.0,
        hash: seen.hash.to_string(),
    });
    let request = v1::VerifyHistoryRequest { seen: seen.collect(), ..Default::default() };
    let meter = std::sync::OnceLock::new();
    let mut last = 0;
    let told = |at, end| {
        last = at;
        meter.get_or_init(|| Meter::new("verifying", "commit", end)).at(at);
    };
    let verified = app.client.verify_history(request, told).await;
    if let Some(meter) = meter.get() {
        meter.end();
    }
    let verified = verified?;
    print::told(&verified, last, format)?;
    Ok(if verified.whole { exit::OK } else { exit::FAILED })
}

/// `POSITION:HASH`.
fn witness(text: &str) -> anyhow::Result<Seen> {
    let usage =
        || Usage(format!("--seen {text}: POSITION:HASH is expected, the hash with 64 hexadecimal digits"));
    let (position, hash) = text.split_once(':').ok_or_else(usage)?;
    let position = Position(position.parse().map_err(|_| usage())?);
    let hash = from_hex(hash).map(Hash).ok_or_else(usage)?;
    Ok(Seen { position, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_a_position_and_a_whole_hash() {
        let seen = witness(&format!("7:{}", "0f".repeat(32))).expect("well formed");
        assert_eq!((seen.position, seen.hash), (Position(7), Hash([0x0f; 32])));
        for bad in
            ["", "7", "7:", "7:0f", &format!("x:{}", "0f".repeat(32)), &format!("7:{}", "0g".repeat(32))]
        {
            assert!(witness(bad).is_err_and(|error| error.is::<Usage>()), "{bad}");
        }
    }
}
