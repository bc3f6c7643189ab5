//! What things are called inside QEMU, each from the id of what it is: nodes have at most 31 characters, serials 20.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use windlass_sagas::ids::{AttachmentId, ServerId, VolumeId};

/// The block node of a volume: its id's bytes in the letters of base64url (RFC 4648, section 5), which QEMU takes.
pub(super) fn node(volume: VolumeId) -> String {
    format!("v{}", URL_SAFE_NO_PAD.encode(volume.0))
}

/// The volume that a node is of.
pub(super) fn volume_of(node: &str) -> Option<VolumeId> {
    let bytes = URL_SAFE_NO_PAD.decode(node.strip_prefix('v')?).ok()?;
    bytes.as_slice().try_into().ok()
}

/// The device of a volume that a guest boots with.
pub(super) fn booted(volume: VolumeId) -> String {
    format!("b-{volume}")
}

/// The device of an attachment.
pub(super) fn plugged(attachment: AttachmentId) -> String {
    format!("a-{attachment}")
}

/// The attachment that a device is of.
pub(super) fn attachment_of(device: &str) -> Option<AttachmentId> {
    device.strip_prefix("a-")?.parse().ok()
}

/// What the guest sees of a volume's id: its first 20 hexadecimal digits, as many as virtio-blk allows (VIRTIO 1.2,
/// 5.2.6).
pub(super) fn serial(volume: VolumeId) -> String {
    volume.to_string().chars().filter(|it| *it != '-').take(20).collect()
}

/// A guest's process, for people.
pub(super) fn process(server: ServerId) -> String {
    format!("wl-{server}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_read_back() {
        let volume = VolumeId([0xab; 16]);
        assert_eq!((node(volume).len(), serial(volume).len()), (23, 20));
        assert_eq!(volume_of(&node(volume)), Some(volume));
        assert_eq!(volume_of("seed"), None);
        let attachment = AttachmentId([7; 16]);
        assert_eq!(attachment_of(&plugged(attachment)), Some(attachment));
        assert_eq!(attachment_of(&booted(volume)), None);
    }
}
