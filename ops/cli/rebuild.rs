//! `windlass events rebuild`: what a cell's public feed tells, made again. It reads a journal and writes to standard output, or
//! to a new stream; never to a feed that is there.

use anyhow::Context as _;
use clap::Args;
use windlass_journal::Read as _;
use windlass_journal::jetstream::{Feed, FeedMessage, FeedPlan, Settings};
use windlass_orchestrator::feed::{Message, rebuild};
use windlass_replay::{Metered, Source};
use windlass_sagas::ids::Position;
use windlass_sagas::protocol::Cursor;
use windlass_sagas::record::{Frame, Genesis};

use crate::exit::{self, Hinted, Usage};
use crate::limits::FEED_WINDOW;
use crate::meter::Meter;
use crate::output::{Format, note, raw, say};
use crate::replay::Place;

/// A span, and where it is read and goes.
#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    /// The first position. By default the journal's first.
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    from: u64,
    /// The last position. By default the journal's last.
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
    /// Publish them on the servers of --nats, to a stream that is made with this name, rather than print them. Its
    /// subjects begin with `windlass.<cell>.rebuilt.<STREAM>`.
    #[arg(long, value_name = "STREAM")]
    publish: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Rebuild {
    /// Makes them again, and says how many where they went to a stream.
    pub(crate) async fn run(self, format: Format) -> anyhow::Result<u8> {
        let last = self.to.unwrap_or(u64::MAX);
        if self.from == 0 || self.from > last {
            anyhow::bail!(Usage(format!("no span: from position {} to {last}; the first is 1", self.from)));
        }
        let mut to = self.to_stream()?;
        let source = self.place.open().await?;
        if let Some(end) = end(&source).await?.filter(|end| *end < self.to.unwrap_or(self.from)) {
            source.close().await;
            anyhow::bail!(Hinted {
                message: format!("the journal ends at position {end}, the span does not"),
                hint: "name a span within the journal with --from and --to".into(),
                code: exit::NOT_FOUND,
            });
        }
        let meter = Meter::new("reading", "frame", source.last().await?.0);
        let metered = Metered::new(&source, |cursor| meter.at(cursor.0));
        let span = Position(self.from)..=Position(last);
        let mut failed = None;
        let read = rebuild(&metered, span, async |genesis: &Genesis, message| {
            let taken = match &mut to {
                None => raw(&[message.payload.as_slice(), b"\n"].concat()),
                Some(to) => to.take(genesis, message).await,
            };
            taken.map_err(|error| {
                failed = Some(error);
                Stopped
            })
        })
        .await;
        meter.end();
        source.close().await;
        if let Some(failed) = failed {
            return Err(failed);
        }
        let end = read?;
        if end.0 < self.to.unwrap_or(self.from) {
            anyhow::bail!(Hinted {
                message: format!("the journal ends at position {end}, the span does not"),
                hint: "what was told before is all that there is".into(),
                code: exit::NOT_FOUND,
            });
        }
        if let Some(to) = to {
            let (stream, events) = to.finish().await?;
            match format {
                Format::Table => note(format!("{events} events in {stream}")),
                Format::Json => say(serde_json::json!({ "stream": stream, "events": events }))?,
            }
        }
        Ok(exit::OK)
    }

    fn to_stream(&self) -> anyhow::Result<Option<ToStream>> {
        let Some(stream) = self.publish.clone() else { return Ok(None) };
        let servers = self.place.servers();
        if servers.nats.is_empty() {
            anyhow::bail!(Usage("--publish: where? name the servers with --nats".into()));
        }
        if stream.starts_with("WINDLASS_") {
            anyhow::bail!(Usage(format!("{stream}: names that begin with WINDLASS_ are a cell's own")));
        }
        let access = servers.access();
        let settings = Settings { servers: servers.nats.clone(), access, replicas: 1, ..Settings::default() };
        Ok(Some(ToStream { stream, settings, feed: None, waiting: Vec::new(), published: 0 }))
    }
}

/// The last position that a journal's last frame names, before anything is told; it may be a void commit's.
async fn end(journal: &Source) -> anyhow::Result<Option<u64>> {
    let last = journal.last().await?;
    let frames = journal.read(Cursor(last.0.saturating_sub(1)), 1).await?;
    let Some((_, bytes)) = frames.first() else { return Ok(None) };
    let frame = Frame::decode(bytes.bytes())?;
    Ok(frame.commits.iter().map(|commit| commit.header.position.0).max())
}

/// Whoever takes the messages has failed, and keeps why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nobody takes what is made again")]
struct Stopped;

/// A new stream that takes messages.
struct ToStream {
    stream: String,
    settings: Settings,
    feed: Option<Feed>,
    waiting: Vec<FeedMessage>,
    published: u64,
}

impl ToStream {
    async fn take(&mut self, genesis: &Genesis, message: Message) -> anyhow::Result<()> {
        if self.feed.is_none() {
            self.feed = Some(self.begin(genesis).await?);
        }
        let id = message.id();
        let Message { subject, payload, .. } = message;
        self.waiting.push(FeedMessage { subject, id, payload });
        if self.waiting.len() >= FEED_WINDOW { self.send().await } else { Ok(()) }
    }

    /// Makes the stream, which must not be there.
    async fn begin(&self, genesis: &Genesis) -> anyhow::Result<Feed> {
        let (cell, stream) = (genesis.name.clone(), self.stream.clone());
        let prefix = format!("windlass.{cell}.rebuilt.{stream}");
        let plan = FeedPlan { stream, prefix, replicas: 1, keep: std::time::Duration::ZERO };
        let feed = Feed::connect(&Settings { cell, ..self.settings.clone() }, plan).await?;
        if feed.is_there().await? {
            anyhow::bail!(Hinted {
                message: format!("a stream {} is there", self.stream),
                hint: "events are made again into a stream of their own: name another".into(),
                code: exit::CONFLICT,
            });
        }
        feed.end().await?;
        Ok(feed)
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        let Some(feed) = &self.feed else { return Ok(()) };
        let sent = feed.publish(self.published, &self.waiting).await;
        sent.with_context(|| format!("publish to {}; delete the stream, it is not whole", self.stream))?;
        self.published += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<(String, u64)> {
        self.send().await?;
        Ok((self.stream, self.published))
    }
}
