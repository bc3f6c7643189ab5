//! `windlass history export`: whole at its place, or not there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use windlass_client::v1::{self, read_at::Point};
use windlass_journal::Read;
use windlass_replay::{Ask, ExportError, Exporting, File, FindError, Moment, find_operation, find_project};
use windlass_sagas::ids::{Position, SagaId, Time};

use super::{Export, as_test, print};
use crate::app::{App, of_cell};
use crate::exit::{self, Hinted, Usage};
use crate::meter::Meter;
use crate::moment::parse;
use crate::output::Format;

pub(super) async fn run(
    command: Export,
    format: Format,
    connect: impl AsyncFn() -> anyhow::Result<App>,
) -> anyhow::Result<u8> {
    let wanted = Wanted::of(&command)?;
    let Some(directory) = &command.as_test else {
        let file = command.file.as_deref().ok_or_else(|| Usage("no file is named".into()))?;
        new_file(file)?;
        write(&command, &wanted, file, connect).await?;
        print::exported(&opened(file)?, file, format)?;
        return Ok(exit::OK);
    };
    let Wanted::Operation(saga) = wanted else {
        anyhow::bail!(Usage("--as-test takes one operation".into()))
    };
    let beside = directory.join(format!(".{saga}.part"));
    std::fs::create_dir_all(&beside).with_context(|| format!("make {}", beside.display()))?;
    let made = async {
        let file = beside.join(as_test::CAPTURE);
        write(&command, &wanted, &file, connect).await?;
        as_test::keep(&opened(&file)?, saga, &beside, directory).await
    };
    match made.await {
        Ok(case) => print::case(&case, format).map(|()| exit::OK),
        Err(error) => {
            std::fs::remove_dir_all(&beside).ok();
            Err(error)
        }
    }
}

/// What is wanted of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Cell,
    Operation(SagaId),
    Project(String),
    Span(Option<v1::ReadAt>, Option<v1::ReadAt>),
}

impl Wanted {
    fn of(command: &Export) -> anyhow::Result<Self> {
        if let Some(id) = &command.operation {
            let text = id.rsplit('/').next().unwrap_or(id);
            let saga =
                text.parse().map_err(|_| Usage(format!("{id} is no operation's id: a UUID is expected")))?;
            return Ok(Self::Operation(saga));
        }
        if let Some(project) = &command.of_project {
            return Ok(Self::Project(project.clone()));
        }
        let Some(span) = &command.span else { return Ok(Self::Cell) };
        let usage = || Usage(format!("--span {span}: A..B is expected, each a position or a time"));
        let (from, to) = span.split_once("..").ok_or_else(usage)?;
        let end = |text: &str| match text {
            "" => Ok(None),
            text => parse(text).map(Some).map_err(|why| Usage(format!("--span {span}: {why}"))),
        };
        Ok(Self::Span(end(from)?, end(to)?))
    }

    /// As the API is asked.
    fn request(&self) -> v1::ExportHistoryRequest {
        let mut request = v1::ExportHistoryRequest::default();
        match self {
            Self::Cell => {}
            Self::Operation(saga) => request.parent = format!("operations/{saga}"),
            Self::Project(project) => request.parent = of_cell("projects", project),
            Self::Span(from, to) => {
                (request.from, request.read_at) = (*from, *to);
            }
        }
        request
    }

    /// As a journal is asked.
    async fn ask<R: Read>(&self, journal: &R) -> Result<Ask, FindError> {
        Ok(match self {
            Self::Cell => Ask::cell(),
            Self::Span(from, to) => Ask::span(from.as_ref().and_then(moment), to.as_ref().and_then(moment)),
            Self::Operation(saga) => {
                let (first, last) = find_operation(journal, *saga).await?;
                Ask::operation(*saga, first, last)
            }
            Self::Project(text) => {
                let text = text.rsplit('/').next().unwrap_or(text);
                let (project, name) = find_project(journal, text).await?;
                Ask::project(project, name)
            }
        })
    }
}

/// As a journal is asked.
fn moment(read_at: &v1::ReadAt) -> Option<Moment> {
    match read_at.point? {
        Point::Position(position) => Some(Moment::Position(Position(position))),
        Point::Time(stamp) => {
            let us = stamp.seconds.checked_mul(1_000_000)?.checked_add(i64::from(stamp.nanos) / 1_000)?;
            Some(Moment::Time(Time(us)))
        }
    }
}

fn new_file(file: &Path) -> anyhow::Result<()> {
    if file.try_exists().with_context(|| format!("look at {}", file.display()))? {
        anyhow::bail!(Hinted {
            message: format!("{} exists", file.display()),
            hint: "an export never writes over a file: name another".into(),
            code: exit::CONFLICT,
        });
    }
    Ok(())
}

fn opened(file: &Path) -> anyhow::Result<File> {
    File::open(file).with_context(|| format!("read {} again", file.display()))
}

/// Writes the file beside its place, and moves it there once it is whole, so that a half is never taken for an export.
async fn write(
    command: &Export,
    wanted: &Wanted,
    file: &Path,
    connect: impl AsyncFn() -> anyhow::Result<App>,
) -> anyhow::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let beside = PathBuf::from(name);
    let written = if command.place.is_named() {
        directly(command, wanted, &beside).await
    } else {
        by_api(&connect().await?, wanted, &beside).await
    };
    let moved = written.and_then(|()| Ok(std::fs::rename(&beside, file)?));
    if moved.is_err() {
        std::fs::remove_file(&beside).ok();
    }
    moved.with_context(|| format!("export to {}", file.display()))
}

async fn by_api(app: &App, wanted: &Wanted, beside: &Path) -> anyhow::Result<()> {
    let mut out = tokio::fs::File::create(beside).await?;
    let meter = std::sync::OnceLock::new();
    let told = |at, end| meter.get_or_init(|| Meter::new("exporting", "commit", end)).at(at);
    let exported = app.client.export_history(wanted.request(), &mut out, told).await;
    if let Some(meter) = meter.get() {
        meter.end();
    }
    exported?;
    Ok(out.sync_all().await?)
}

async fn directly(command: &Export, wanted: &Wanted, beside: &Path) -> anyhow::Result<()> {
    let source = command.place.open().await?;
    let written = match wanted.ask(&source).await {
        Ok(ask) => write_file(&source, ask, beside).await,
        Err(FindError::Export(ExportError::NotFound(what))) => Err(Hinted {
            message: format!("{what} is not in this journal"),
            hint: "check the name, and that this is the right journal".into(),
            code: exit::NOT_FOUND,
        }
        .into()),
        Err(error) => Err(error.into()),
    };
    source.close().await;
    written
}

/// Writes what is asked for to the file at `path`, which lasts once this returns.
pub(crate) async fn write_file<R: Read>(journal: &R, ask: Ask, path: &Path) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::fs::File::create(path)?;
    let mut exporting = Exporting::begin(journal, ask).await?;
    let meter = Meter::new("exporting", "frame", exporting.progress().1.0);
    let written = async {
        while let Some(piece) = exporting.next().await? {
            out.write_all(&piece)?;
            meter.at(exporting.progress().0.0);
        }
        anyhow::Ok(())
    };
    let written = written.await;
    meter.end();
    written?;
    Ok(out.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> anyhow::Result<Wanted> {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            export: Export,
        }
        let Alone { export } = clap::Parser::try_parse_from(["export", "a.wlj", "--span", text])?;
        Wanted::of(&export)
    }

    #[test]
    fn a_span_has_positions_and_times_as_people_write_them() {
        let Wanted::Span(Some(from), Some(to)) = span("17..1970-01-01T00:00:01.5Z").unwrap() else {
            panic!("both ends")
        };
        assert_eq!(moment(&from), Some(Moment::Position(Position(17))));
        assert_eq!(moment(&to), Some(Moment::Time(Time(1_500_000))));
        assert!(matches!(span("..03:12").unwrap(), Wanted::Span(None, Some(_))));
        assert!(matches!(span("-2h..").unwrap(), Wanted::Span(Some(_), None)));
        for bad in ["17", "x..", "..-1"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
