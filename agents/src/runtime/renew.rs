//! Keeps the certificate fresh: at two thirds of its life a new key is made here, and its certificate asked for over
//! the old one. Streams that stand go on; the next ones show the new certificate.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use windlass_proto::agent::v1::RenewRequest;
use windlass_proto::agent::v1::join_service_client::JoinServiceClient;

use super::dial::connect;
use crate::clock;
use crate::identity::{Fresh, Identity};
use crate::limits::{JOIN_TIME_MAX, RENEW_CHECK_EVERY, RENEW_PAUSE};
use crate::random::jitter;

/// What helps once a certificate has ended.
pub(super) const JOIN_AGAIN: &str = "the host must join again: an operator makes a token for it (`windlass host \
    token`), and `windlass agent join` with the same state directory keeps all that is on the host";

/// Runs for as long as the agent does. `pinned` orchestrators are asked where there are any, else the cell's.
pub(super) async fn keep_fresh(known: watch::Sender<Arc<Identity>>, pinned: Vec<String>) {
    let mut pause = RENEW_PAUSE.0;
    loop {
        let identity = Arc::clone(&known.borrow());
        let wait = until_due(identity.validity(), clock::wall().0);
        if !wait.is_zero() {
            sleep(wait.min(RENEW_CHECK_EVERY)).await;
            continue;
        }
        let addresses = if pinned.is_empty() { identity.orchestrators().to_vec() } else { pinned.clone() };
        match renew(&identity, &addresses).await {
            Ok(renewed) => {
                tracing::info!("the certificate is renewed");
                known.send_replace(Arc::new(renewed));
                pause = RENEW_PAUSE.0;
            }
            Err(why) if clock::wall().0 >= identity.validity().1 => {
                tracing::error!(why, "the certificate has ended; end this agent, then {JOIN_AGAIN}");
            }
            Err(why) => tracing::warn!(why, "the certificate could not be renewed; asking again"),
        }
        sleep(jitter(pause)).await;
        pause = (pause * 2).min(RENEW_PAUSE.1);
    }
}

/// How long until two thirds of the certificate's life have passed.
fn until_due((from_us, until_us): (i64, i64), now_us: i64) -> Duration {
    let due_us = from_us.saturating_add(until_us.saturating_sub(from_us) / 3 * 2);
    Duration::from_micros(u64::try_from(due_us.saturating_sub(now_us)).unwrap_or(0))
}

async fn renew(identity: &Identity, addresses: &[String]) -> Result<Identity, String> {
    let mut said = "there is no orchestrator to ask".to_owned();
    for address in addresses {
        match timeout(JOIN_TIME_MAX, renew_at(identity, address)).await {
            Ok(Ok(renewed)) => return Ok(renewed),
            Ok(Err(why)) => said = format!("{address}: {why}"),
            Err(_) => said = format!("{address}: it did not answer in time"),
        }
    }
    Err(said)
}

async fn renew_at(identity: &Identity, address: &str) -> Result<Identity, String> {
    let (key_pem, csr_der) = request()?;
    let mut client = JoinServiceClient::new(connect(address, identity).await?);
    let answer = client.renew(RenewRequest { csr_der: csr_der.into() }).await;
    let answer = answer.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?.into_inner();
    let fresh = Fresh {
        chain_der: answer.certificate_chain_der.iter().map(|der| der.to_vec()).collect(),
        key_pem,
        authority_der: answer.ca_certificate_der.to_vec(),
    };
    identity.renew(&fresh, answer.orchestrators).map_err(|error| error.to_string())
}

/// A new key, and the request for its certificate (PKCS #10). What else a certificate says is the cell's affair.
pub(crate) fn request() -> Result<(String, Vec<u8>), String> {
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let params = CertificateParams::new(Vec::new()).map_err(|error| error.to_string())?;
    let request = params.serialize_request(&key).map_err(|error| error.to_string())?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_at_two_thirds_of_its_life() {
        let life = (1_000_000, 10_000_000);
        assert_eq!(until_due(life, 1_000_000), Duration::from_secs(6));
        assert_eq!(until_due(life, 6_999_999), Duration::from_micros(1));
        assert_eq!(until_due(life, 7_000_000), Duration::ZERO);
        assert_eq!(until_due(life, i64::MAX), Duration::ZERO);
        assert_eq!(until_due((0, i64::MAX), 0), Duration::from_micros((i64::MAX / 3 * 2).cast_unsigned()));
    }
}
