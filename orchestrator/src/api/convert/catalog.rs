//! Flavors, images and key pairs as messages.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use windlass_proto::v1;
use windlass_sagas::cell::state::{Flavor, Image, KeyPair};
use windlass_sagas::record::{Evidence, ImageFormat, ResourceRef, Visibility};

use crate::api::fields::stamp;
use crate::api::names;
use crate::api::view::View;

impl View<'_> {
    /// The fold does not keep when a flavor was made.
    pub(in crate::api) fn flavor(&self, flavor: &Flavor) -> v1::Flavor {
        v1::Flavor {
            name: format!("flavors/{}", flavor.id),
            uid: flavor.id.to_string(),
            display_name: flavor.name.clone(),
            create_time: None,
            update_time: None,
            position: self.position(),
            operation: String::new(),
            vcpus: flavor.vcpus,
            ram_mib: flavor.ram_mib,
            root_gib: flavor.root_gib,
            required_traits: flavor.traits.clone(),
        }
    }

    pub(in crate::api) fn image(&self, image: &Image) -> v1::Image {
        v1::Image {
            name: names::within(image.project, "images", image.id),
            uid: image.id.to_string(),
            display_name: image.name.clone(),
            create_time: stamp(image.created),
            update_time: stamp(image.created),
            position: self.position(),
            operation: String::new(),
            state: v1::image::State::Active.into(),
            sha256: image.sha256.to_string(),
            size_bytes: image.size_bytes,
            format: format(image.format).into(),
            min_disk_gib: image.min_disk_gib,
            min_ram_mib: image.min_ram_mib,
            visibility: visibility(image.visibility).into(),
            evidence: match image.evidence {
                Evidence::Hello => v1::image::Evidence::Hello,
                Evidence::Lease => v1::image::Evidence::Lease,
                Evidence::Runs => v1::image::Evidence::Runs,
            }
            .into(),
            // The fold does not know it: who answers looks.
            data_present: false,
            boot: image.boot.as_ref().map(|boot| v1::image::Boot {
                kernel: self.name(ResourceRef::Image(boot.kernel), image.project),
                initrd: boot
                    .initrd
                    .map(|(initrd, _)| self.name(ResourceRef::Image(initrd), image.project))
                    .unwrap_or_default(),
                cmdline: boot.cmdline.clone(),
            }),
        }
    }

    pub(in crate::api) fn key_pair(&self, key_pair: &KeyPair) -> v1::KeyPair {
        v1::KeyPair {
            name: names::within(key_pair.project, "keyPairs", key_pair.id),
            uid: key_pair.id.to_string(),
            display_name: key_pair.name.clone(),
            create_time: stamp(key_pair.created),
            update_time: stamp(key_pair.created),
            position: self.position(),
            operation: String::new(),
            public_key: key_pair.public_key.clone(),
            fingerprint: fingerprint(&key_pair.public_key),
        }
    }
}

pub(in crate::api) const fn format(format: ImageFormat) -> v1::image::Format {
    match format {
        ImageFormat::Raw => v1::image::Format::Raw,
        ImageFormat::Qcow2 => v1::image::Format::Qcow2,
    }
}

pub(in crate::api) const fn visibility(visibility: Visibility) -> v1::image::Visibility {
    match visibility {
        Visibility::Private => v1::image::Visibility::Private,
        Visibility::Public => v1::image::Visibility::Public,
    }
}

/// As OpenSSH shows it: SHA-256 of the key's blob in base64 without padding; empty where the key is no base64.
pub(in crate::api) fn fingerprint(public_key: &str) -> String {
    let blob = public_key.split_whitespace().nth(1).and_then(|text| STANDARD.decode(text).ok());
    blob.map(|blob| format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_hash_of_the_keys_blob() {
        let hash = STANDARD_NO_PAD.encode(Sha256::digest(b"a key"));
        let line = format!("ssh-ed25519 {} somebody@somewhere", STANDARD.encode(b"a key"));
        assert_eq!(fingerprint(&line), format!("SHA256:{hash}"));
        assert_eq!(hash.len(), 43);
        assert_eq!(fingerprint("ssh-ed25519 ???"), "");
    }
}
