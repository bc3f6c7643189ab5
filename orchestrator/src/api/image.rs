//! `ImageService`: images registered by hash and size, read and deleted; their bytes are `image_data`'s. A public image may
//! be read by everybody.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::image_service_server::ImageService;
use windlass_sagas::cell::state::Image;
use windlass_sagas::ids::ImageId;
use windlass_sagas::limits::CMDLINE_BYTES_MAX;
use windlass_sagas::record::{self, Body, Evidence, ImageFormat, Visibility};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::image_data::{Download, Upload};
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;
use super::{convert, fields, names};

const FILTERS: [&str; 4] = ["state", "display_name", "visibility", "format"];
const CREATE: FieldNames = &[
    ("name", "image.display_name"),
    ("size_bytes", "image.size_bytes"),
    ("min_disk_gib", "image.min_disk_gib"),
];
const NAMED: FieldNames = &[("image", "name")];
const BOOT: FieldNames =
    &[("image", "name"), ("kernel", "boot.kernel"), ("initrd", "boot.initrd"), ("cmdline", "boot.cmdline")];

#[tonic::async_trait]
impl ImageService for Api {
    async fn get_image(&self, request: Request<v1::GetImageRequest>) -> Answer<v1::Image> {
        let (call, asked) = Self::open("images.get", request)?;
        let named = names::two(&asked.name, "projects", "images", "name");
        let place = named.clone().map(|(project, image)| Place::Image(project, image));
        let look = move |view: &View<'_>| Ok(view.image(found(view, &named?.1)?));
        let mut answer = self.read(call, point!(asked), place, look).await?;
        self.look_for_data(std::slice::from_mut(answer.get_mut())).await;
        Ok(answer)
    }

    async fn list_images(&self, request: Request<v1::ListImagesRequest>) -> Answer<v1::ListImagesResponse> {
        let (call, asked) = Self::open("images.list", request)?;
        let (place, ask) = (Place::parent_or_every(&asked.parent), ask!(call.method, asked, asked.parent));
        let look = move |view: &View<'_>| {
            let shown = view
                .cell
                .images
                .values()
                .filter(|image| image.visibility == Visibility::Public || view.lists(image.project));
            let rows = shown.map(|image| Row {
                created: image.created,
                name: &image.name,
                id: image.id.0,
                item: image,
            });
            let (images, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.image(it))?;
            Ok(v1::ListImagesResponse { images, next_page_token, position: view.position() })
        };
        let mut answer = self.read(call, point!(asked), place, look).await?;
        self.look_for_data(&mut answer.get_mut().images).await;
        Ok(answer)
    }

    async fn upload_image_data(&self, request: Upload) -> Answer<v1::UploadImageDataResponse> {
        self.take_image(request).await
    }

    type DownloadImageDataStream = Download;

    async fn download_image_data(
        &self,
        request: Request<v1::DownloadImageDataRequest>,
    ) -> Answer<Self::DownloadImageDataStream> {
        self.give_image(request).await
    }

    async fn create_image(&self, request: Request<v1::CreateImageRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("images.create", request)?;
        let (change, place) = (change!(asked), Place::parent(&asked.parent));
        let build = move |_: &View<'_>| body(&fields::required(asked.image, "image")?);
        self.change(call, change, place, CREATE, build).await
    }

    async fn delete_image(&self, request: Request<v1::DeleteImageRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("images.delete", request)?;
        let Named { place, last: image } = Named::of(&asked.name, "images");
        let build = |_: &View<'_>| Ok(Body::DeleteImage(record::DeleteImage { image }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn set_image_boot(&self, request: Request<v1::SetImageBootRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("images.setBoot", request)?;
        let change = change!(asked);
        let Named { place, last: image } = Named::of(&asked.name, "images");
        let build = move |view: &View<'_>| {
            let boot = fields::required(asked.boot, "boot")?;
            let initrd = &boot.initrd;
            Ok(Body::SetImageBoot(record::SetImageBoot {
                image,
                kernel: view.image_named(&boot.kernel, "boot.kernel")?,
                initrd: (!initrd.is_empty()).then(|| view.image_named(initrd, "boot.initrd")).transpose()?,
                cmdline: fields::text(&boot.cmdline, "boot.cmdline", CMDLINE_BYTES_MAX)?,
            }))
        };
        self.change(call, change, place, BOOT, build).await
    }
}

/// An image that the caller may read: a public one, or the project's own.
pub(super) fn found<'a>(view: &View<'a>, last: &str) -> Result<&'a Image, Problem> {
    if let Some(image) = view.public_image(view.project, last) {
        return Ok(image);
    }
    view.found("image", last, |cell, id| cell.images.get(&ImageId(id)).map(|it| (it, it.project)))
}

fn values(image: &Image, field: &str) -> Vec<String> {
    let value = match field {
        "state" => v1::image::State::Active.as_str_name(),
        "display_name" => image.name.as_str(),
        "visibility" => convert::visibility(image.visibility).as_str_name(),
        "format" => convert::format(image.format).as_str_name(),
        _ => return Vec::new(),
    };
    vec![value.to_owned()]
}

fn body(image: &v1::Image) -> Result<Body, Problem> {
    let format = match v1::image::Format::try_from(image.format) {
        Ok(v1::image::Format::Raw) => ImageFormat::Raw,
        Ok(v1::image::Format::Qcow2) => ImageFormat::Qcow2,
        Ok(v1::image::Format::Unspecified) | Err(_) => return Err(fields::unknown("image.format")),
    };
    let visibility = match v1::image::Visibility::try_from(image.visibility) {
        Ok(v1::image::Visibility::Unspecified | v1::image::Visibility::Private) => Visibility::Private,
        Ok(v1::image::Visibility::Public) => Visibility::Public,
        Err(_) => return Err(fields::unknown("image.visibility")),
    };
    let evidence = match v1::image::Evidence::try_from(image.evidence) {
        Ok(v1::image::Evidence::Hello) => Evidence::Hello,
        Ok(v1::image::Evidence::Lease) => Evidence::Lease,
        Ok(v1::image::Evidence::Unspecified | v1::image::Evidence::Runs) => Evidence::Runs,
        Err(_) => return Err(fields::unknown("image.evidence")),
    };
    Ok(Body::RegisterImage(record::RegisterImage {
        name: fields::display_name(&image.display_name, "image")?,
        sha256: fields::hash(&image.sha256, "image.sha256")?,
        size_bytes: image.size_bytes,
        format,
        min_disk_gib: image.min_disk_gib,
        min_ram_mib: image.min_ram_mib,
        evidence,
        visibility,
    }))
}
