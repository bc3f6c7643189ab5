//! `windlass image`: uploaded and registered, or registered by hash alone, and downloaded again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use windlass_client::v1;

use crate::app::App;
use crate::exit;
use crate::limits::GIB;
use crate::meter::Meter;
use crate::output::note;
use crate::resource::{self, Listed, Named};

/// Images: uploaded, or registered by hash and size.
#[derive(Subcommand, Debug)]
pub(crate) enum Image {
    /// Upload a file as an image and register it; or register one by hash, whose bytes come later or were there before.
    #[command(after_help = "Example: windlass image create debian-12 --file ~/debian-12.qcow2")]
    Create(CreateImage),
    /// List images that the project may see.
    #[command(after_help = "Example: windlass image list")]
    List(Listed),
    /// Show one.
    #[command(after_help = "Example: windlass image get debian-12")]
    Get(Named),
    /// Download the bytes of one; the file is there whole and checked, or not at all.
    #[command(after_help = "Example: windlass image download debian-12 --to ~/debian-12.qcow2")]
    Download {
        /// Its name or id.
        name: String,
        /// The file to write.
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
    },
    /// Say how guests of an image start that has no boot loader: from a kernel, which is an image too.
    ///
    /// Kernel and initial file system are raw images of the project, or public ones; no server may use the image yet.
    #[command(
        after_help = "Example: windlass image set-boot debian-12 --kernel linux-6 --cmdline root=/dev/vda1"
    )]
    SetBoot {
        /// Its name or id.
        name: String,
        /// The image that is the kernel.
        #[arg(long)]
        kernel: String,
        /// The image that is the initial file system.
        #[arg(long)]
        initrd: Option<String>,
        /// What the kernel is told.
        #[arg(long, default_value = "console=ttyS0")]
        cmdline: String,
    },
    /// Delete one; volumes keep their bytes.
    #[command(after_help = "Example: windlass image delete debian-12")]
    Delete(Named),
}

/// Upload and register an image.
#[derive(Args, Debug)]
pub(crate) struct CreateImage {
    /// Its name.
    name: String,
    /// The file with its bytes.
    #[arg(long, value_name = "PATH", required_unless_present = "sha256")]
    file: Option<PathBuf>,
    /// Instead of a file: SHA-256 of its bytes, 64 hexadecimal digits.
    #[arg(long, conflicts_with = "file", requires = "size_bytes")]
    sha256: Option<String>,
    /// Instead of a file: its size, bytes.
    #[arg(long, conflicts_with = "file", requires = "sha256")]
    size_bytes: Option<u64>,
    /// Its format.
    #[arg(long, value_enum, default_value_t = ImageFormat::Qcow2)]
    format: ImageFormat,
    /// The smallest root that it fits, GiB; by default what the disk in the file needs, without a file 1.
    #[arg(long)]
    min_disk_gib: Option<u64>,
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

/// What an image's bytes are.
struct Data {
    sha256: String,
    size_bytes: u64,
    /// The smallest root that the disk in them fits, GiB.
    disk_gib: u64,
}

impl CreateImage {
    async fn run(self, app: &App) -> anyhow::Result<u8> {
        let parent = app.parent()?;
        let format = match self.format {
            ImageFormat::Raw => v1::image::Format::Raw,
            ImageFormat::Qcow2 => v1::image::Format::Qcow2,
        };
        let data = match (&self.file, &self.sha256, self.size_bytes) {
            (Some(file), _, _) => upload(app, &parent, format, file).await?,
            (None, Some(sha256), Some(size_bytes)) => {
                Data { sha256: sha256.clone(), size_bytes, disk_gib: 1 }
            }
            (None, _, _) => anyhow::bail!(exit::Usage("name --file, or --sha256 and --size-bytes".into())),
        };
        let evidence = match self.evidence {
            Evidence::Hello => v1::image::Evidence::Hello,
            Evidence::Lease => v1::image::Evidence::Lease,
            Evidence::Runs => v1::image::Evidence::Runs,
        };
        let visibility =
            if self.public { v1::image::Visibility::Public } else { v1::image::Visibility::Private };
        let image = v1::Image {
            display_name: self.name,
            sha256: data.sha256,
            size_bytes: data.size_bytes,
            format: format.into(),
            min_disk_gib: self.min_disk_gib.unwrap_or(data.disk_gib),
            min_ram_mib: self.min_ram_mib,
            evidence: evidence.into(),
            visibility: visibility.into(),
            ..Default::default()
        };
        let (image, validate_only) = (Some(image), app.validate_only);
        resource::change(app, v1::CreateImageRequest { parent, image, validate_only, ..Default::default() })
            .await
    }
}

pub(crate) async fn run(app: &App, command: Image) -> anyhow::Result<u8> {
    match command {
        Image::Create(create) => create.run(app).await,
        Image::List(listed) => {
            let (parent, filter) = (app.parent()?, listed.filter);
            resource::list(app, v1::ListImagesRequest { parent, filter, ..Default::default() }, listed.limit)
                .await
        }
        Image::Get(named) => {
            let name = app.name("images", &named.name)?;
            resource::get(app, v1::GetImageRequest { name, ..Default::default() }).await
        }
        Image::Download { name, to } => download(app, &app.name("images", &name)?, &to).await,
        Image::SetBoot { name, kernel, initrd, cmdline } => {
            let named = |name: &str| app.name("images", name);
            let initrd = initrd.as_deref().map(named).transpose()?.unwrap_or_default();
            let boot = Some(v1::image::Boot { kernel: named(&kernel)?, initrd, cmdline });
            let (name, validate_only) = (named(&name)?, app.validate_only);
            let request = v1::SetImageBootRequest { name, boot, validate_only, ..Default::default() };
            resource::change(app, request).await
        }
        Image::Delete(named) => {
            let (name, validate_only) = (app.name("images", &named.name)?, app.validate_only);
            resource::change(app, v1::DeleteImageRequest { name, validate_only, ..Default::default() }).await
        }
    }
}

/// Uploads a file, which changes nothing but what the cell keeps; with `--validate-only` it does not even that.
async fn upload(app: &App, parent: &str, format: v1::image::Format, file: &Path) -> anyhow::Result<Data> {
    if app.validate_only {
        let message = "a file is uploaded before its image can be judged: name --sha256 and --size-bytes";
        anyhow::bail!(exit::Usage(message.into()));
    }
    let meter = Arc::new(OnceLock::new());
    let told = Arc::clone(&meter);
    let sent = move |at, whole| told.get_or_init(|| Meter::new("uploading", "byte", whole)).at(at);
    let uploaded = app.client.upload_image(parent, format, file, sent).await;
    if let Some(meter) = meter.get() {
        meter.end();
    }
    let v1::UploadImageDataResponse { sha256, size_bytes, virtual_size_bytes } = uploaded?;
    note(format!("uploaded {size_bytes} bytes, SHA-256 {sha256}"));
    Ok(Data { sha256, size_bytes, disk_gib: virtual_size_bytes.div_ceil(GIB).max(1) })
}

/// Downloads beside the wanted place, and moves the file there once it is whole.
async fn download(app: &App, name: &str, to: &Path) -> anyhow::Result<u8> {
    let failed = || format!("write {}", to.display());
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any new file, by the umask.
    let permissions = std::fs::Permissions::from_mode(0o666);
    let beside =
        tempfile::Builder::new().permissions(permissions).tempfile_in(folder).with_context(failed)?;
    let mut file = tokio::fs::File::from_std(beside.reopen().with_context(failed)?);
    let mut meter: Option<Meter> = None;
    let received = |at, whole| {
        meter.get_or_insert_with(|| Meter::new("downloading", "byte", whole)).at(at);
    };
    let downloaded = app.client.download_image(name, &mut file, received).await;
    if let Some(meter) = &meter {
        meter.end();
    }
    let bytes = downloaded?;
    file.sync_all().await.with_context(failed)?;
    beside.persist(to).map_err(|error| error.error).with_context(failed)?;
    note(format!("{bytes} bytes are in {}", to.display()));
    Ok(exit::OK)
}
