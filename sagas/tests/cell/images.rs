//! What guests of an image boot with: set while nobody uses the image, kept as long as somebody does.

use windlass_sagas::cell::Reason;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::*;

const CMDLINE: &str = "console=ttyS0 root=/dev/vda";

/// A raw image, whose bytes are told by the length of its name.
fn raw(name: &str) -> RegisterImage {
    RegisterImage {
        name: name.into(),
        sha256: Hash([u8::try_from(name.len()).expect("short"); 32]),
        size_bytes: 1 << 20,
        format: ImageFormat::Raw,
        min_disk_gib: 1,
        min_ram_mib: 64,
        evidence: Evidence::Hello,
        visibility: Visibility::Private,
    }
}

fn image(world: &mut World, name: &str, format: ImageFormat) {
    world.ask(RegisterImage { format, ..raw(name) }).expect("registered");
}

fn boot(image: &str) -> SetImageBoot {
    let (kernel, initrd) = ("kernel".into(), Some("initrd".into()));
    SetImageBoot { image: image.into(), kernel, initrd, cmdline: CMDLINE.into() }
}

/// A world with the raw images `kernel` and `initrd`, and `guest` with a disk of its own.
fn world() -> World {
    let mut world = World::ready(1);
    image(&mut world, "kernel", ImageFormat::Raw);
    image(&mut world, "initrd", ImageFormat::Raw);
    image(&mut world, "guest", ImageFormat::Qcow2);
    world
}

fn expected() -> DirectBoot {
    DirectBoot { kernel: Hash([6; 32]), initrd: Some(Hash([6; 32])), cmdline: CMDLINE.into() }
}

/// What the open sagas boot their guests with.
fn boots(world: &World) -> Vec<Option<DirectBoot>> {
    let steps = world.cell.sagas.values().flat_map(|saga| &saga.plan.steps);
    let boots = steps.filter_map(|step| match &step.input {
        StepInput::BootKernel(_, boot) => Some(Some(boot.clone())),
        StepInput::BootGuest(_) => Some(None),
        _ => None,
    });
    boots.collect()
}

#[test]
fn a_guest_of_an_image_with_a_kernel_boots_from_it_each_time() {
    let mut world = world();
    world.ask(boot("guest")).expect("set");
    world.ask(CreateServer { image: "guest".into(), ..create_server("web", &[]) }).expect("admitted");
    assert_eq!(boots(&world), [Some(expected())]);
    world.run();
    world.ask(create_server("plain", &[])).expect("admitted");
    assert_eq!(boots(&world), [None]);
    world.run();
    let host = world.host_named("h0");
    world.seen(host, 2);
    let mut again = boots(&world);
    again.sort_by_key(Option::is_some);
    assert_eq!(again, [None, Some(expected())], "made again after a reboot of the host");
    world.run();
}

#[test]
fn a_boot_is_replaced_while_no_server_is_made_from_the_image() {
    let mut world = world();
    world.ask(boot("guest")).expect("set");
    let plain = SetImageBoot { initrd: None, cmdline: String::new(), ..boot("guest") };
    world.ask(plain).expect("replaced");
    world.ask(CreateServer { image: "guest".into(), ..create_server("web", &[]) }).expect("admitted");
    assert_eq!(world.refused(boot("guest")), Reason::ResourceInUse);
    world.run();
    assert_eq!(world.refused(boot("guest")), Reason::ResourceInUse);
    world.ask(DeleteServer { server: "web".into() }).expect("begun");
    world.run();
    world.ask(boot("guest")).expect("no server any more");
}

#[test]
fn what_a_server_needs_to_start_again_is_not_deleted() {
    let mut world = world();
    world.ask(boot("guest")).expect("set");
    world.ask(CreateServer { image: "guest".into(), ..create_server("web", &[]) }).expect("admitted");
    world.run();
    for image in ["guest", "kernel", "initrd"] {
        assert_eq!(world.refused(DeleteImage { image: image.into() }), Reason::ResourceInUse, "{image}");
    }
    world.ask(DeleteServer { server: "web".into() }).expect("begun");
    world.run();
    assert_eq!(world.refused(DeleteImage { image: "kernel".into() }), Reason::ResourceInUse);
    for image in ["guest", "kernel", "initrd"] {
        world.ask(DeleteImage { image: image.into() }).expect("nobody uses it");
    }
}

#[test]
fn an_image_without_a_kernel_is_deleted_under_its_servers() {
    let mut world = world();
    world.ask(CreateServer { image: "guest".into(), ..create_server("web", &[]) }).expect("admitted");
    world.run();
    world.ask(DeleteImage { image: "guest".into() }).expect("volumes keep their bytes");
}

#[test]
fn a_bad_boot_is_refused_with_its_field() {
    let mut world = world();
    image(&mut world, "packed", ImageFormat::Qcow2);
    let cases = [
        (SetImageBoot { image: "none".into(), ..boot("guest") }, Reason::NotFound, "image"),
        (SetImageBoot { kernel: "none".into(), ..boot("guest") }, Reason::NotFound, "kernel"),
        (SetImageBoot { kernel: "packed".into(), ..boot("guest") }, Reason::InvalidField, "kernel"),
        (SetImageBoot { initrd: Some("packed".into()), ..boot("guest") }, Reason::InvalidField, "initrd"),
        (boot("kernel"), Reason::InvalidField, "kernel"),
        (SetImageBoot { cmdline: "a\nb".into(), ..boot("guest") }, Reason::InvalidField, "cmdline"),
        (SetImageBoot { cmdline: "é".into(), ..boot("guest") }, Reason::InvalidField, "cmdline"),
        (SetImageBoot { cmdline: "x".repeat(1025), ..boot("guest") }, Reason::InvalidField, "cmdline"),
    ];
    for (body, reason, field) in cases {
        let rejection = world.ask(body.clone()).expect_err("refused");
        assert_eq!((rejection.reason, rejection.field.as_deref()), (reason, Some(field)), "{body:?}");
    }
    world.ask(SetImageBoot { cmdline: "x".repeat(1024), ..boot("guest") }).expect("within the bound");
}

#[test]
fn a_public_image_is_another_projects_kernel_and_its_own_projects_to_change() {
    let mut world = world();
    let blue = world.project;
    let public = |name: &str| RegisterImage { visibility: Visibility::Public, ..raw(name) };
    world.ask(public("shared")).expect("registered");
    world.ask(CreateProject { name: "red".into(), quota: None }).expect("made");
    world.project = world.cell.projects.values().find(|project| project.name == "red").expect("made").id;
    world.ask(raw("mine")).expect("registered");
    let body = SetImageBoot { kernel: "shared".into(), initrd: None, ..boot("mine") };
    assert_eq!(world.refused(SetImageBoot { kernel: "kernel".into(), ..body.clone() }), Reason::NotFound);
    assert_eq!(world.refused(boot("debian")), Reason::PermissionDenied);
    world.ask(body).expect("everybody sees it");
    world.project = blue;
    assert_eq!(world.refused(DeleteImage { image: "shared".into() }), Reason::ResourceInUse);
    world.ask(boot("debian")).expect("its own");
}

#[test]
fn a_copy_of_an_image_has_time_for_its_bytes() {
    let mut world = World::ready(1);
    let reserves = |world: &World| {
        let plan = world.begun().next().expect("a saga began");
        let is_copy = |step: &&Step| matches!(step.input, StepInput::ReserveVolume { .. });
        let step = plan.steps.iter().find(is_copy).expect("it copies");
        (step.retry.call_ms, step.deadline_ms, plan.deadline_ms)
    };
    let (call, step, saga) = (30_000, 300_000, 1_200_000);
    // 8 MB a second, in whole seconds, fifty minutes at most; three attempts of that.
    for (bytes, more) in [(7_999_999, 0), (640_000_000, 80_000), (30_000_000_000, 3_000_000)] {
        let name = format!("i{bytes}");
        world.ask(RegisterImage { size_bytes: bytes, min_disk_gib: 40, ..raw(&name) }).expect("registered");
        let more_in_all = 3 * u64::from(more);
        let expected = (call + more, step + more_in_all, saga + more_in_all);
        world
            .ask(CreateVolume {
                image: Some(name.clone()),
                size_gib: 40,
                ..create_volume(&format!("v{bytes}"))
            })
            .expect("admitted");
        assert_eq!(reserves(&world), expected, "a volume of {bytes} bytes");
        world
            .ask(CreateServer { image: name, root_gib: Some(40), ..create_server(&format!("s{bytes}"), &[]) })
            .expect("admitted");
        assert_eq!(reserves(&world).0, expected.0, "a root of {bytes} bytes");
        world.run();
    }
    world.ask(create_volume("blank")).expect("admitted");
    assert_eq!(reserves(&world), (call, step, saga));
}
