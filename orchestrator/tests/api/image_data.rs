//! The bytes of images over a real socket: what is taken, what is refused and leaves nothing, and who may.

use std::path::Path;

use tokio_stream::{Stream, StreamExt};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use windlass_client::v1::image_service_client::ImageServiceClient;
use windlass_client::v1::upload_image_data_request::{Finish, Part, Start};
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;

use crate::bad_input::check;
use crate::support::furniture::image;
use crate::support::stage::bytes;
use crate::support::{TOKEN, World, ask, why};

pub(crate) const UPLOAD: &str = "/windlass.v1.ImageService/UploadImageData";

/// How many blobs are kept or on their way.
fn kept(world: &World) -> usize {
    let folders = std::fs::read_dir(world.blobs.path()).expect("the directory").flatten();
    folders.map(|folder| std::fs::read_dir(folder.path()).expect("a folder").count()).sum()
}

/// How many folders of kept blobs there are.
fn shelves(world: &World) -> usize {
    std::fs::read_dir(world.blobs.path()).expect("the directory").count() - 1
}

fn start() -> Start {
    Start { parent: "projects/blue".into(), format: image::Format::Raw.into(), ..Default::default() }
}

fn begin(start: Start) -> UploadImageDataRequest {
    UploadImageDataRequest { part: Some(Part::Start(start)) }
}

fn data(bytes: impl Into<Vec<u8>>) -> UploadImageDataRequest {
    UploadImageDataRequest { part: Some(Part::Data(bytes.into())) }
}

fn finish() -> UploadImageDataRequest {
    UploadImageDataRequest { part: Some(Part::Finish(Finish {})) }
}

async fn upload(
    world: &World,
    token: Option<&str>,
    parts: impl Stream<Item = UploadImageDataRequest> + Send + 'static,
) -> Result<UploadImageDataResponse, Status> {
    let channel = Channel::from_shared(format!("http://{}", world.address)).expect("an address");
    let mut client = ImageServiceClient::new(channel.connect().await.expect("connected"));
    let mut request = Request::new(parts);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
    }
    client.upload_image_data(request).await.map(tonic::Response::into_inner)
}

/// The header of an empty qcow2 disk of 1 GiB, with its tables behind it.
fn qcow2() -> Vec<u8> {
    let mut file = vec![0; (3 << 16) + 16];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    for (at, value) in [(4, 3_u32), (20, 16), (36, 2), (56, 1), (96, 4), (100, 112)] {
        put(at, &value.to_be_bytes());
    }
    for (at, value) in [(24, 1_u64 << 30), (40, 3 << 16), (48, 1 << 16)] {
        put(at, &value.to_be_bytes());
    }
    file
}

#[tokio::test]
async fn what_is_uploaded_is_registered_seen_and_downloaded_again() {
    let world = World::furnished().await;
    let admin = world.admin();
    let last = world.last();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), qcow2()).expect("written");
    for _ in 0..2 {
        let qcow2 = image::Format::Qcow2;
        let uploaded =
            admin.upload_image("projects/blue", qcow2, file.path(), |_, _| ()).await.expect("taken");
        assert_eq!((uploaded.size_bytes, uploaded.virtual_size_bytes), ((3 << 16) + 16, 1 << 30));
        assert_eq!(kept(&world), 1);
    }
    assert_eq!(world.last(), last, "nothing of it is in the journal");

    let made = bytes(&admin, "bytes").await;
    assert!(made.data_present, "{made:?}");
    ask(&admin, image("without")).await;
    let get =
        |name: &str| GetImageRequest { name: format!("projects/blue/images/{name}"), ..Default::default() };
    assert!(admin.call(get("bytes")).await.expect("there").data_present);
    assert!(!admin.call(get("without")).await.expect("there").data_present);
    let listed = ListImagesRequest { parent: "projects/blue".into(), ..Default::default() };
    let listed = admin.call(listed).await.expect("listed").images;
    let here: Vec<&str> =
        listed.iter().filter(|it| it.data_present).map(|it| it.display_name.as_str()).collect();
    assert_eq!(here, ["bytes"]);

    let (mut downloaded, mut told) = (Vec::new(), Vec::new());
    let name = "projects/blue/images/bytes";
    admin.download_image(name, &mut downloaded, |at, of| told.push((at, of))).await.expect("given");
    assert_eq!((downloaded, told), (vec![7; 4096], vec![(4096, 4096)]));
    let missing = admin.download_image("projects/blue/images/without", &mut Vec::new(), |_, _| ()).await;
    let missing = missing.expect_err("no bytes");
    assert_eq!((why(&missing).0, missing.code), (ImageDataMissing, Code::FailedPrecondition));
}

#[tokio::test]
async fn a_large_image_goes_up_and_down_in_parts() {
    let world = World::furnished().await;
    let admin = world.admin();
    let body: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &body).expect("written");
    let raw = image::Format::Raw;
    let uploaded = admin.upload_image("projects/blue", raw, file.path(), |_, _| ()).await.expect("taken");
    let mut request = image("large");
    let image = request.image.as_mut().expect("set");
    (image.sha256, image.size_bytes, image.format) = (uploaded.sha256, uploaded.size_bytes, raw.into());
    ask(&admin, request).await;
    let mut downloaded = Vec::new();
    let bytes = admin.download_image("projects/blue/images/large", &mut downloaded, |_, _| ()).await;
    assert_eq!((bytes.expect("given"), downloaded == body), (2_000_000, true));
    // Somebody spoils it on the disk: the client notices.
    let shelf = world.blobs.path().join(&image_hash(&world).await[..2]);
    std::fs::write(shelf.join(image_hash(&world).await), vec![0; 2_000_000]).expect("written");
    let spoilt = admin.download_image("projects/blue/images/large", &mut Vec::new(), |_, _| ()).await;
    assert_eq!(spoilt.expect_err("not the image").code, Code::DataLoss);
}

async fn image_hash(world: &World) -> String {
    let request = GetImageRequest { name: "projects/blue/images/large".into(), ..Default::default() };
    world.admin().call(request).await.expect("there").sha256
}

#[tokio::test]
async fn every_bad_upload_is_refused_by_reason_and_field_and_leaves_nothing() {
    let world = World::furnished().await;
    let last = world.last();
    let begin_with = |spoil: fn(&mut Start)| {
        let mut start = start();
        spoil(&mut start);
        begin(start)
    };
    let of_qcow2 = |spoil: fn(&mut Vec<u8>)| {
        let mut file = qcow2();
        spoil(&mut file);
        vec![
            begin_with(|it| it.format = image::Format::Qcow2.into()),
            data(&file[..1000]),
            data(&file[1000..]),
        ]
    };
    let cases: Vec<(Vec<UploadImageDataRequest>, ErrorReason, &str)> = vec![
        (vec![], InvalidField, "start"),
        (vec![UploadImageDataRequest { part: None }], InvalidField, "part"),
        (vec![data("first")], InvalidField, "start"),
        (vec![begin(start()), begin(start())], InvalidField, "start"),
        (vec![begin(start()), UploadImageDataRequest { part: None }], InvalidField, "part"),
        (vec![begin_with(|it| it.parent = "nonsense".into()), data("x")], InvalidField, "parent"),
        (vec![begin_with(|it| it.parent = "projects/none".into()), data("x")], NotFound, ""),
        (vec![begin_with(|it| it.format = 0), data("x")], InvalidField, "start.format"),
        (vec![begin_with(|it| it.format = 9), data("x")], InvalidField, "start.format"),
        (vec![begin_with(|it| it.sha256 = "03".into()), data("x")], InvalidField, "start.sha256"),
        (vec![begin_with(|it| it.size_bytes = u64::MAX), data("x")], TooLarge, "start.size_bytes"),
        (vec![begin(start()), data(vec![1; 300_000])], TooLarge, ""),
        (vec![begin(start())], ImageInvalid, "data"),
        (vec![begin(start()), data(b"QFI\xfb and more")], ImageInvalid, "data"),
        (vec![begin_with(|it| it.format = 2), data("no qcow2")], ImageInvalid, "data"),
        (of_qcow2(|file| file[15] = 1), ImageInvalid, "data"),
        (of_qcow2(|file| file[79] = 4), ImageInvalid, "data"),
        (of_qcow2(|file| file.truncate(100_000)), ImageInvalid, "data"),
        (vec![begin_with(|it| it.size_bytes = 3), data("four")], ChecksumMismatch, "start.size_bytes"),
        (vec![begin_with(|it| it.size_bytes = 5), data("four")], ChecksumMismatch, "start.size_bytes"),
        (vec![begin_with(|it| it.sha256 = "03".repeat(32)), data("x")], ChecksumMismatch, "start.sha256"),
    ];
    for (at, (parts, reason, field)) in cases.into_iter().enumerate() {
        let parts = tokio_stream::iter(parts).chain(tokio_stream::once(finish()));
        let refused = upload(&world, Some(TOKEN), parts).await;
        let status = refused.expect_err("it is bad");
        check(&status, &format!("bad upload {at}"), reason, field);
        assert_eq!(kept(&world), 0, "bad upload {at} left something");
    }
    assert_eq!(world.last(), last);
    let unfinished = upload(&world, Some(TOKEN), tokio_stream::iter([begin(start()), data("x")])).await;
    check(&unfinished.expect_err("no finish"), "unfinished", UploadBrokenOff, "");
    assert_eq!(kept(&world), 0);
    let whole = tokio_stream::iter([begin(start()), data("x"), finish()]);
    assert!(upload(&world, Some(TOKEN), whole).await.is_ok());
    assert_eq!(kept(&world), 1);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::furnished().await;
    let parts = tokio_stream::iter([begin(start()), data(vec![1; 100_000])]);
    let mut hangs = Box::pin(upload(&world, Some(TOKEN), parts.chain(tokio_stream::pending())));
    while kept(&world) == 0 {
        tokio::select! {
            answer = &mut hangs => panic!("{answer:?}"),
            () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
        }
    }
    drop(hangs);
    while kept(&world) > 0 {
        assert_eq!(shelves(&world), 0, "what was broken off is kept as a whole");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(shelves(&world), 0);
}

#[tokio::test]
async fn who_may_not_make_images_may_not_upload_and_who_may_not_read_them_not_download() {
    let world = World::furnished().await;
    bytes(&world.admin(), "bytes").await;
    let reader = world.principal("ben", &[(role_grant::Role::Reader, "projects/blue")]).await;
    let other = world.principal("ann", &[]).await;
    for token in [None, Some("wlt_nobody")] {
        let refused = upload(&world, token, tokio_stream::iter([begin(start()), data("x"), finish()])).await;
        check(&refused.expect_err("no token"), "no token", Unauthenticated, "");
    }
    for token in ["wlt_ben", "wlt_ann"] {
        let refused =
            upload(&world, Some(token), tokio_stream::iter([begin(start()), data("x"), finish()])).await;
        let status = refused.expect_err("no permission");
        check(&status, token, PermissionDenied, "");
        let details = status.get_error_details();
        assert_eq!(details.error_info().expect("a reason").metadata["permission"], "images.upload");
    }
    assert_eq!(kept(&world), 1);
    let name = "projects/blue/images/bytes";
    assert_eq!(reader.download_image(name, &mut Vec::new(), |_, _| ()).await.expect("a reader may"), 4096);
    let refused = other.download_image(name, &mut Vec::new(), |_, _| ()).await.expect_err("no permission");
    assert_eq!(why(&refused).0, PermissionDenied);
    let admin = world.admin();
    let unread = admin.upload_image("projects/blue", image::Format::Raw, Path::new("/nowhere"), |_, _| ());
    assert_eq!(unread.await.expect_err("no file").code, Code::InvalidArgument);
}
