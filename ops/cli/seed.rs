//! What a new cell needs before its first server, for `up` and `demo`: hosts' tokens, a project, a flavor, an image, a
//! network with a subnet. All of it goes through the public API, as anybody's would.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use windlass_agents::join::{Join, Standing, Token, join, standing};
use windlass_client::v1;
use windlass_client::{Client, NewSecret, Unary};

use crate::host::Role;
use crate::output;

/// How often hosts are looked at until they are up, and the pause between.
const LOOKS_MAX: u32 = 1_500;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The same for a host that is silent: three times the grace that it has.
const SILENT_LOOKS_MAX: u32 = 300;
const SILENT_LOOK_PAUSE: Duration = Duration::from_millis(300);

/// The project that is made.
pub(crate) const PROJECT: &str = "demo";
/// A network in it.
pub(crate) const NETWORK: &str = "net";
/// A flavor.
pub(crate) const FLAVOR: &str = "small";
/// An image.
pub(crate) const IMAGE: &str = "debian";

/// Makes a change and waits for its end; anything but COMPLETED is an error.
pub(crate) async fn done<M: Unary<Answer = v1::Operation>>(
    client: &Client,
    request: M,
) -> anyhow::Result<v1::Operation> {
    let operation = client.call(request).await?;
    let ended = if operation.done { operation } else { client.wait(&operation).await? };
    match &ended.result {
        Some(v1::operation::Result::Response(_)) => Ok(ended),
        Some(v1::operation::Result::Error(error)) => {
            anyhow::bail!("{} did not complete: {}", ended.name, error.message)
        }
        Some(v1::operation::Result::Preview(_)) | None => anyhow::bail!("{} has not ended", ended.name),
    }
}

/// Whether the project is there.
pub(crate) async fn is_there(client: &Client) -> anyhow::Result<bool> {
    let request = v1::GetProjectRequest { name: format!("projects/{PROJECT}"), ..Default::default() };
    match client.call(request).await {
        Ok(_) => Ok(true),
        Err(error) if error.code == windlass_client::Code::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes project, flavor, image, network and subnet.
pub(crate) async fn seed(client: &Client) -> anyhow::Result<()> {
    let parent = project(client, 512, 4).await?;
    let image = v1::Image {
        display_name: IMAGE.to_owned(),
        sha256: NewSecret::of(IMAGE).sha256,
        size_bytes: 4 << 20,
        format: v1::image::Format::Raw.into(),
        visibility: v1::image::Visibility::Public.into(),
        ..Default::default()
    };
    done(client, v1::CreateImageRequest { parent: parent.clone(), image: Some(image), ..Default::default() })
        .await?;
    network(client).await
}

/// Makes the project and a flavor of this size; gives the project's resource name.
async fn project(client: &Client, ram_mib: u64, root_gib: u64) -> anyhow::Result<String> {
    let display_name = String::from;
    let project = v1::Project { display_name: display_name(PROJECT), ..Default::default() };
    done(client, v1::CreateProjectRequest { project: Some(project), ..Default::default() }).await?;
    let flavor =
        v1::Flavor { display_name: display_name(FLAVOR), vcpus: 1, ram_mib, root_gib, ..Default::default() };
    done(client, v1::CreateFlavorRequest { flavor: Some(flavor), ..Default::default() }).await?;
    Ok(format!("projects/{PROJECT}"))
}

/// Makes a network with a subnet.
async fn network(client: &Client) -> anyhow::Result<()> {
    let (parent, display_name) = (format!("projects/{PROJECT}"), String::from);
    let network = v1::Network { display_name: display_name(NETWORK), ..Default::default() };
    let request =
        v1::CreateNetworkRequest { parent: parent.clone(), network: Some(network), ..Default::default() };
    done(client, request).await?;
    let subnet = v1::Subnet {
        display_name: display_name(NETWORK),
        network: format!("{parent}/networks/{NETWORK}"),
        cidr: "10.10.0.0/16".into(),
        ..Default::default()
    };
    done(client, v1::CreateSubnetRequest { parent, subnet: Some(subnet), ..Default::default() }).await?;
    Ok(())
}

/// The guest that real hosts run.
pub(crate) const GUEST: &str = "guest";
/// What its kernel is told; the rest is for a start in two seconds where it is emulated.
const GUEST_CMDLINE: &str =
    "console=ttyS0 quiet panic=-1 nokaslr mitigations=off random.trust_cpu=on no_timer_check";

/// Makes project, flavor, network and subnet, and the image of the guest in this directory, for real hosts.
pub(crate) async fn seed_real(client: &Client, guest: &Path) -> anyhow::Result<()> {
    let parent = project(client, 128, 1).await?;
    image(client, GUEST, &guest.join("root")).await?;
    for part in ["kernel", "initrd"] {
        image(client, &format!("{GUEST}-{part}"), &guest.join(part)).await?;
    }
    let named = |part: &str| format!("{parent}/images/{GUEST}-{part}");
    let boot = v1::image::Boot {
        kernel: named("kernel"),
        initrd: named("initrd"),
        cmdline: GUEST_CMDLINE.to_owned(),
    };
    let name = format!("{parent}/images/{GUEST}");
    done(client, v1::SetImageBootRequest { name, boot: Some(boot), ..Default::default() }).await?;
    network(client).await
}

/// A public raw image with the bytes of this file.
async fn image(client: &Client, name: &str, file: &Path) -> anyhow::Result<()> {
    let (parent, format) = (format!("projects/{PROJECT}"), v1::image::Format::Raw);
    let uploaded = client.upload_image(parent.as_str(), format, file, |_, _| {}).await?;
    let image = v1::Image {
        display_name: name.to_owned(),
        sha256: uploaded.sha256,
        size_bytes: uploaded.size_bytes,
        format: format.into(),
        visibility: v1::image::Visibility::Public.into(),
        evidence: v1::image::Evidence::Hello.into(),
        ..Default::default()
    };
    done(client, v1::CreateImageRequest { parent, image: Some(image), ..Default::default() }).await?;
    Ok(())
}

/// Waits, bounded, until so many hosts are up with every ledger admitted: then servers can be placed.
pub(crate) async fn until_up(client: &Client, hosts: usize) -> anyhow::Result<()> {
    let enough = |all: &[v1::Host]| all.iter().filter(|host| is_ready(host)).count() >= hosts;
    let up = looks(client, (LOOKS_MAX, LOOK_PAUSE), enough).await?;
    anyhow::ensure!(up, "not all of {hosts} hosts came up; their logs say why");
    Ok(())
}

/// Looks at the hosts until this holds of them; whether it did within so many looks.
async fn looks(
    client: &Client,
    (most, pause): (u32, Duration),
    holds: impl Fn(&[v1::Host]) -> bool,
) -> anyhow::Result<bool> {
    for _ in 0..most {
        if holds(&client.list(v1::ListHostsRequest::default()).take(1000).await?) {
            return Ok(true);
        }
        tokio::time::sleep(pause).await;
    }
    Ok(false)
}

fn is_ready(host: &v1::Host) -> bool {
    let admitted = host.ledgers.iter().filter(|ledger| ledger.admitted).count();
    host.state() == v1::host::State::Up && admitted == host.roles.len()
}

/// Makes a join token for a host, and gives its text.
pub(crate) async fn join_token(client: &Client, host: &str, roles: &[Role]) -> anyhow::Result<String> {
    let secret = NewSecret::join_token()?;
    let ends = windlass_orchestrator::clock::system_time() + Duration::from_secs(600);
    let join_token = v1::JoinToken {
        display_name: host.to_owned(),
        roles: roles.iter().map(|role| role.message()).collect(),
        zone: "default".into(),
        secret_sha256: secret.sha256.clone(),
        expire_time: Some(ends.into()),
        ..Default::default()
    };
    let request = v1::CreateJoinTokenRequest { join_token: Some(join_token), ..Default::default() };
    done(client, request).await?;
    Ok(secret.text)
}

/// Waits, bounded, until a host whose certificate has ended counts as silent: before that it does not join again.
async fn until_down(client: &Client, name: &str) -> anyhow::Result<()> {
    output::tell(format!(
        "the certificate of {name} has ended; it joins again once it counts as DOWN, in half a minute"
    ));
    let up = |host: &v1::Host| host.display_name == name && host.state() == v1::host::State::Up;
    let silent = |all: &[v1::Host]| !all.iter().any(up);
    let silent = looks(client, (SILENT_LOOKS_MAX, SILENT_LOOK_PAUSE), silent).await?;
    anyhow::ensure!(
        silent,
        "the host {name} can't join again: it is up all the same; does its agent run elsewhere?"
    );
    Ok(())
}

/// Makes the machine whose state is in `directory` a host, in this process, unless it is one already and can show it.
pub(crate) async fn join_host(
    client: &Client,
    authority: &Path,
    directory: PathBuf,
    (name, roles): (&str, &[Role]),
    (orchestrator, address): (String, Option<IpAddr>),
) -> anyhow::Result<()> {
    match standing(&directory) {
        Standing::Host => return Ok(()),
        Standing::Ended => until_down(client, name).await?,
        Standing::Nobody => {}
    }
    let authority = std::fs::read_to_string(authority)?;
    let token = Token::new(&join_token(client, name, roles).await?, &authority)?;
    let asked = Join {
        authority: token.authority(Some(authority))?,
        token,
        orchestrator,
        state: directory,
        name: Some(name.to_owned()),
        roles: BTreeSet::new(),
        address,
    };
    join(asked).await.with_context(|| format!("host {name} can't join"))?;
    Ok(())
}

/// A request for a server of the seeded flavor and image, in the seeded network.
pub(crate) fn server(name: &str, host: &str, volumes: &[&str]) -> v1::CreateServerRequest {
    let parent = format!("projects/{PROJECT}");
    let placement = v1::server::PlacementHints {
        host: if host.is_empty() { String::new() } else { format!("hosts/{host}") },
        ..Default::default()
    };
    let attachment =
        |volume: &&str| v1::Attachment { volume: format!("{parent}/volumes/{volume}"), ..Default::default() };
    let interface =
        v1::server::Interface { network: format!("{parent}/networks/{NETWORK}"), ..Default::default() };
    let server = v1::Server {
        display_name: name.to_owned(),
        flavor: format!("flavors/{FLAVOR}"),
        image: format!("{parent}/images/{IMAGE}"),
        interfaces: vec![interface],
        volumes: volumes.iter().map(attachment).collect(),
        placement: Some(placement),
        ..Default::default()
    };
    v1::CreateServerRequest { parent, server: Some(server), ..Default::default() }
}
