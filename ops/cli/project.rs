//! `windlass project`, `quota`, `flavor`, `image`, `key-pair`: what servers are made in and from.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use windlass_client::v1;

use crate::app::{App, of_cell};
use crate::resource::{self, Listed, Named};

/// Projects.
#[derive(Subcommand, Debug)]
pub(crate) enum Project {
    /// Make a project, with a default security group.
    #[command(after_help = "Example: windlass project create web")]
    Create(Named),
    /// List projects.
    #[command(after_help = "Example: windlass project list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass project get web")]
    Get(Named),
    /// Delete an empty one.
    #[command(after_help = "Example: windlass project delete web")]
    Delete(Named),
}

pub(crate) async fn run(app: &App, command: Project) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Project::Create(named) => {
            let project = Some(v1::Project { display_name: named.name, ..Default::default() });
            resource::change(app, v1::CreateProjectRequest { project, validate_only, ..Default::default() })
                .await
        }
        Project::List(listed) => {
            let request = v1::ListProjectsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Project::Get(named) => {
            let name = of_cell("projects", &named.name);
            resource::get(app, v1::GetProjectRequest { name, ..Default::default() }).await
        }
        Project::Delete(named) => {
            let name = of_cell("projects", &named.name);
            resource::change(app, v1::DeleteProjectRequest { name, validate_only, ..Default::default() })
                .await
        }
    }
}

/// Quotas.
#[derive(Subcommand, Debug)]
pub(crate) enum Quota {
    /// Show the project's quota and what it holds.
    #[command(after_help = "Example: windlass quota get --project web")]
    Get,
    /// Set the project's quota; what is not named stays.
    #[command(after_help = "Example: windlass quota set --servers 20 --vcpus 80")]
    Set(SetQuota),
}

/// Set a quota.
#[derive(Args, Debug)]
pub(crate) struct SetQuota {
    /// Servers.
    #[arg(long)]
    servers: Option<u64>,
    /// Virtual CPUs.
    #[arg(long)]
    vcpus: Option<u64>,
    /// Memory, MiB.
    #[arg(long)]
    ram_mib: Option<u64>,
    /// Volumes.
    #[arg(long)]
    volumes: Option<u64>,
    /// Volume bytes, GiB.
    #[arg(long)]
    gib: Option<u64>,
    /// Networks.
    #[arg(long)]
    networks: Option<u64>,
    /// Ports.
    #[arg(long)]
    ports: Option<u64>,
}

impl SetQuota {
    fn over(self, now: v1::Amounts) -> v1::Amounts {
        v1::Amounts {
            servers: self.servers.or(now.servers),
            vcpus: self.vcpus.or(now.vcpus),
            ram_mib: self.ram_mib.or(now.ram_mib),
            volumes: self.volumes.or(now.volumes),
            gib: self.gib.or(now.gib),
            networks: self.networks.or(now.networks),
            ports: self.ports.or(now.ports),
        }
    }
}

pub(crate) async fn quota(app: &App, command: Quota) -> anyhow::Result<u8> {
    let name = format!("{}/quota", app.parent()?);
    match command {
        Quota::Get => resource::get(app, v1::GetQuotaRequest { name, ..Default::default() }).await,
        Quota::Set(set) => {
            // A quota is set as a whole; what is not named is what it is now.
            let now = v1::GetQuotaRequest { name: name.clone(), ..Default::default() };
            let limits = Some(set.over(app.call(now).await?.limits.unwrap_or_default()));
            let validate_only = app.validate_only;
            resource::change(app, v1::SetQuotaRequest { name, limits, validate_only, ..Default::default() })
                .await
        }
    }
}

/// Flavors: the whole cell's.
#[derive(Subcommand, Debug)]
pub(crate) enum Flavor {
    /// Make a flavor.
    #[command(after_help = "Example: windlass flavor create small --vcpus 1 --ram-mib 1024 --root-gib 10")]
    Create {
        /// Its name, unique in the cell.
        name: String,
        /// Virtual CPUs.
        #[arg(long)]
        vcpus: u32,
        /// Memory, MiB.
        #[arg(long)]
        ram_mib: u64,
        /// The root's size, GiB.
        #[arg(long)]
        root_gib: u64,
        /// A trait that its servers' hosts must have; may be repeated.
        #[arg(long = "trait")]
        traits: Vec<String>,
    },
    /// List flavors.
    #[command(after_help = "Example: windlass flavor list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass flavor get small")]
    Get(Named),
    /// Delete one; servers keep what they were made from.
    #[command(after_help = "Example: windlass flavor delete small")]
    Delete(Named),
}

pub(crate) async fn flavor(app: &App, command: Flavor) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        Flavor::Create { name, vcpus, ram_mib, root_gib, traits: required_traits } => {
            let flavor = v1::Flavor {
                display_name: name,
                vcpus,
                ram_mib,
                root_gib,
                required_traits,
                ..Default::default()
            };
            let flavor = Some(flavor);
            resource::change(app, v1::CreateFlavorRequest { flavor, validate_only, ..Default::default() })
                .await
        }
        Flavor::List(listed) => {
            let request = v1::ListFlavorsRequest { filter: listed.filter, ..Default::default() };
            resource::list(app, request, listed.limit).await
        }
        Flavor::Get(named) => {
            let name = of_cell("flavors", &named.name);
            resource::get(app, v1::GetFlavorRequest { name, ..Default::default() }).await
        }
        Flavor::Delete(named) => {
            let name = of_cell("flavors", &named.name);
            resource::change(app, v1::DeleteFlavorRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

/// Images: registered by hash and size.
#[derive(Subcommand, Debug)]
pub(crate) enum Image {
    /// Register an image.
    #[command(
        after_help = "Example: windlass image create debian-12 --sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --size-bytes 1048576"
    )]
    Create(CreateImage),
    /// List images that the project may see.
    #[command(after_help = "Example: windlass image list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass image get debian-12")]
    Get(Named),
    /// Delete one; volumes keep their bytes.
    #[command(after_help = "Example: windlass image delete debian-12")]
    Delete(Named),
    /// Let guests of one boot from a kernel, instead of from their disk's own loader.
    #[command(
        after_help = "Example: windlass image set-boot debian-12 --kernel linux-6 --cmdline root=/dev/vda1"
    )]
    SetBoot {
        /// Its name or id; no server may be made from it.
        name: String,
        /// The image that is the kernel, raw.
        #[arg(long)]
        kernel: String,
        /// The image that is the initial RAM disk, raw.
        #[arg(long)]
        initrd: Option<String>,
        /// The kernel's command line.
        #[arg(long, default_value = "")]
        cmdline: String,
    },
}

/// Register an image.
#[derive(Args, Debug)]
pub(crate) struct CreateImage {
    /// Its name.
    name: String,
    /// SHA-256 of its bytes, 64 hexadecimal digits.
    #[arg(long)]
    sha256: String,
    /// Its size, bytes.
    #[arg(long)]
    size_bytes: u64,
    /// Its format.
    #[arg(long, value_enum, default_value_t = ImageFormat::Qcow2)]
    format: ImageFormat,
    /// The smallest root that it fits, GiB.
    #[arg(long, default_value_t = 1)]
    min_disk_gib: u64,
    /// The least memory that it runs in, MiB.
    #[arg(long, default_value_t = 0)]
    min_ram_mib: u64,
    /// What proves that a guest of it runs.
    #[arg(long, value_enum, default_value_t = Evidence::Runs)]
    evidence: Evidence,
    /// Every project may see it.
    #[arg(long)]
    public: bool,
}

/// Formats of images.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ImageFormat {
    /// Plain bytes.
    Raw,
    /// QEMU's format.
    Qcow2,
}

/// Evidence that a guest runs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Evidence {
    /// A hello from inside.
    Hello,
    /// Its first DHCP lease.
    Lease,
    /// Only that its process runs.
    Runs,
}

impl CreateImage {
    fn request(self, app: &App) -> anyhow::Result<v1::CreateImageRequest> {
        use v1::image as i;
        let format = match self.format {
            ImageFormat::Raw => i::Format::Raw,
            ImageFormat::Qcow2 => i::Format::Qcow2,
        };
        let evidence = match self.evidence {
            Evidence::Hello => i::Evidence::Hello,
            Evidence::Lease => i::Evidence::Lease,
            Evidence::Runs => i::Evidence::Runs,
        };
        let visibility = if self.public { i::Visibility::Public } else { i::Visibility::Private };
        let image = v1::Image {
            display_name: self.name,
            sha256: self.sha256,
            size_bytes: self.size_bytes,
            format: format as i32,
            min_disk_gib: self.min_disk_gib,
            min_ram_mib: self.min_ram_mib,
            evidence: evidence as i32,
            visibility: visibility as i32,
            ..Default::default()
        };
        let (parent, validate_only) = (app.parent()?, app.validate_only);
        Ok(v1::CreateImageRequest { parent, image: Some(image), validate_only, ..Default::default() })
    }
}

pub(crate) async fn image(app: &App, command: Image) -> anyhow::Result<u8> {
    match command {
        Image::Create(create) => {
            let request = create.request(app)?;
            resource::change(app, request).await
        }
        Image::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(app, v1::ListImagesRequest { parent, filter, ..Default::default() }, listed.limit)
                .await
        }
        Image::Get(named) => {
            let name = app.name("images", &named.name)?;
            resource::get(app, v1::GetImageRequest { name, ..Default::default() }).await
        }
        Image::Delete(named) => {
            let (name, validate_only) = (app.name("images", &named.name)?, app.validate_only);
            resource::change(app, v1::DeleteImageRequest { name, validate_only, ..Default::default() }).await
        }
        Image::SetBoot { name, kernel, initrd, cmdline } => {
            let (name, validate_only) = (app.name("images", &name)?, app.validate_only);
            let (kernel, initrd) =
                (app.name("images", &kernel)?, app.name_or_none("images", initrd.as_ref())?);
            let boot = Some(v1::image::Boot { kernel, initrd, cmdline });
            resource::change(app, v1::SetImageBootRequest { name, validate_only, boot, ..Default::default() })
                .await
        }
    }
}

/// Key pairs: the cell knows the public half only.
#[derive(Subcommand, Debug)]
pub(crate) enum KeyPair {
    /// Register a public key.
    #[command(after_help = "Example: windlass key-pair create ada --public-key ~/.ssh/id_ed25519.pub")]
    Create {
        /// Its name.
        name: String,
        /// The file with the public half, one line as in authorized_keys.
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
    },
    /// List the project's key pairs.
    #[command(after_help = "Example: windlass key-pair list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass key-pair get ada")]
    Get(Named),
    /// Delete one; guests keep it.
    #[command(after_help = "Example: windlass key-pair delete ada")]
    Delete(Named),
}

pub(crate) async fn key_pair(app: &App, command: KeyPair) -> anyhow::Result<u8> {
    let validate_only = app.validate_only;
    match command {
        KeyPair::Create { name, public_key } => {
            let text = std::fs::read_to_string(&public_key)
                .with_context(|| format!("read {}", public_key.display()))?;
            let public_key = text.trim().to_string();
            let key_pair = Some(v1::KeyPair { display_name: name, public_key, ..Default::default() });
            let parent = app.parent()?;
            resource::change(
                app,
                v1::CreateKeyPairRequest { parent, key_pair, validate_only, ..Default::default() },
            )
            .await
        }
        KeyPair::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(
                app,
                v1::ListKeyPairsRequest { parent, filter, ..Default::default() },
                listed.limit,
            )
            .await
        }
        KeyPair::Get(named) => {
            let name = app.name("keyPairs", &named.name)?;
            resource::get(app, v1::GetKeyPairRequest { name, ..Default::default() }).await
        }
        KeyPair::Delete(named) => {
            let name = app.name("keyPairs", &named.name)?;
            resource::change(app, v1::DeleteKeyPairRequest { name, validate_only, ..Default::default() })
                .await
        }
    }
}
