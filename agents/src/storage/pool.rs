//! The bytes of volumes: one qcow2 file each in a directory, made beside its place under its own name and moved there
//! whole, so that a file at its place is a volume and a half-made one is known for what it is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use windlass_sagas::ids::VolumeId;
use windlass_sagas::record::{ImageFormat, Refusal, RefusalCode};

use super::record::ids_in;
use crate::driver::driver_failed;
use crate::files::sync_parent;
use crate::limits::{COPY_TIME_MAX, IMAGE_LOOK_BYTES_MAX, IMAGE_LOOK_SECONDS_MAX};
use crate::linux::{Tool, complained};

const WHOLE: &str = ".qcow2";
const MAKING: &str = ".making";

/// A directory of volumes.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    directory: PathBuf,
    /// Who serves the volumes, and owns their files.
    user: (u32, u32),
}

/// What `qemu-img info` says of a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    virtual_size: u64,
    backing_filename: Option<String>,
    #[serde(default)]
    encrypted: bool,
    format_specific: Option<FormatSpecific>,
}

#[derive(Debug, Deserialize)]
struct FormatSpecific {
    data: Option<FormatData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FormatData {
    data_file: Option<String>,
}

impl Pool {
    pub(super) const fn new(directory: PathBuf, user: (u32, u32)) -> Self {
        Self { directory, user }
    }

    /// Where a volume's bytes are.
    pub(super) fn file(&self, volume: VolumeId) -> PathBuf {
        self.directory.join(format!("{volume}{WHOLE}"))
    }

    fn making(&self, volume: VolumeId) -> PathBuf {
        self.directory.join(format!("{volume}{MAKING}"))
    }

    /// Whether the volume has bytes; half-made ones are none.
    pub(super) fn has(&self, volume: VolumeId) -> bool {
        self.file(volume).exists()
    }

    /// Whether anything of the volume is there.
    pub(super) fn has_any(&self, volume: VolumeId) -> bool {
        self.has(volume) || self.making(volume).exists()
    }

    /// Every volume of which anything is there, with its size, GiB; 0 for a half-made one.
    pub(super) async fn all(&self) -> Result<Vec<(VolumeId, u64)>, Refusal> {
        let listed =
            ids_in(&self.directory, WHOLE).and_then(|whole| Ok((whole, ids_in(&self.directory, MAKING)?)));
        let (whole, making) = listed.map_err(|error| failed(&self.directory, &error))?;
        let mut all = Vec::new();
        for volume in &whole {
            all.push((*volume, self.size_gib(*volume).await?));
        }
        all.extend(making.difference(&whole).map(|volume| (*volume, 0)));
        Ok(all)
    }

    /// The size of a volume, GiB, rounded up.
    pub(super) async fn size_gib(&self, volume: VolumeId) -> Result<u64, Refusal> {
        let info = look(&self.file(volume), ImageFormat::Qcow2).await?;
        Ok(info.virtual_size.div_ceil(1 << 30))
    }

    /// Makes a volume's bytes, whole and synced: blank, or a copy of an image's that grows to the size.
    pub(super) async fn make(
        &self,
        volume: VolumeId,
        size_gib: u64,
        image: Option<(&Path, ImageFormat)>,
    ) -> Result<(), Refusal> {
        let making = self.making(volume);
        remove_if_there(&making).map_err(|error| failed(&making, &error))?;
        let size = format!("{size_gib}G");
        match image {
            None => {
                qemu_img(&["create", "-q", "-f", "qcow2"]).arg(&making).arg(&size).succeed().await?;
            }
            Some((bytes, format)) => {
                self.check(bytes, format, size_gib).await?;
                let copy = qemu_img(&["convert", "-q", "-f", name(format), "-O", "qcow2"]);
                copy.arg(bytes).arg(&making).within(COPY_TIME_MAX).succeed().await?;
                qemu_img(&["resize", "-q", "-f", "qcow2"]).arg(&making).arg(&size).succeed().await?;
            }
        }
        let (user, group) = self.user;
        let settled = tokio::task::spawn_blocking({
            let (making, file) = (making.clone(), self.file(volume));
            move || settle(&making, &file, (user, group))
        });
        let settled = settled.await.map_err(|error| driver_failed(&error.to_string()))?;
        settled.map_err(|error| failed(&making, &error))
    }

    /// Refuses an image whose header reaches beyond its own bytes, or that is larger than the volume. Its bytes came
    /// from a client: they are looked at with bounded time and memory, and by the declared format alone.
    async fn check(&self, bytes: &Path, format: ImageFormat, size_gib: u64) -> Result<(), Refusal> {
        let info = look(bytes, format).await.map_err(|refusal| bad_image(&refusal.message))?;
        if let Some(file) = info.backing_filename {
            return Err(bad_image(&format!("it rests on another file, {file:?}")));
        }
        let data_file = info.format_specific.and_then(|specific| specific.data?.data_file);
        if let Some(file) = data_file {
            return Err(bad_image(&format!("its bytes are in another file, {file:?}")));
        }
        if info.encrypted {
            return Err(bad_image("it is encrypted"));
        }
        if info.virtual_size > size_gib << 30 {
            let message = format!("it needs {} bytes, the volume has {size_gib} GiB", info.virtual_size);
            return Err(Refusal { code: RefusalCode::NoRoom, retryable: false, message });
        }
        Ok(())
    }

    /// Removes whatever of the volume is there, durably.
    pub(super) fn delete(&self, volume: VolumeId) -> Result<(), Refusal> {
        for path in [self.file(volume), self.making(volume)] {
            let removed = remove_if_there(&path).and_then(|()| sync_parent(&path));
            removed.map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

/// Gives the file to who serves it, syncs it, and moves it to its place.
fn settle(making: &Path, file: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(making, fs::Permissions::from_mode(0o600))?;
    std::os::unix::fs::chown(making, Some(user), Some(group))?;
    File::open(making)?.sync_all()?;
    fs::rename(making, file)?;
    sync_parent(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn look(file: &Path, format: ImageFormat) -> Result<Info, Refusal> {
    let bounds = [format!("--as={IMAGE_LOOK_BYTES_MAX}"), format!("--cpu={IMAGE_LOOK_SECONDS_MAX}")];
    let tool = Tool::new("prlimit").args(bounds).args([
        "qemu-img",
        "info",
        "-U",
        "-f",
        name(format),
        "--output=json",
    ]);
    let ended = tool.arg(file).run().await?;
    if !ended.success {
        return Err(complained("qemu-img", &ended.complaint));
    }
    serde_json::from_slice(&ended.out).map_err(|error| driver_failed(&format!("qemu-img info: {error}")))
}

fn qemu_img(arguments: &[&str]) -> Tool {
    Tool::new("qemu-img").args(arguments)
}

const fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Raw => "raw",
        ImageFormat::Qcow2 => "qcow2",
    }
}

fn bad_image(message: &str) -> Refusal {
    Refusal {
        code: RefusalCode::BadImage,
        retryable: false,
        message: format!("the image can't be used: {message}"),
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Refusal {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull => Refusal { code: RefusalCode::DiskFull, retryable: true, message },
        _ => driver_failed(&message),
    }
}
