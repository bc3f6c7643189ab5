//! The stream of a journal: how it is made, and what an existing one must not be.
//!
//! Invariant: nothing in it ever ends by age, size or number, or the journal would lose its beginning.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};

use super::{OpenError, Settings, stream_name, subject};

/// The longest name of a cell, bytes.
const NAME_BYTES_MAX: usize = 63;

/// The cell's stream, made where there is none. One that is there is looked at and left as it is.
pub(super) async fn find_or_make(context: &Context, settings: &Settings) -> Result<Stream, OpenError> {
    check_name(&settings.cell)?;
    let stream = stream_name(&settings.cell);
    match context.get_stream(&stream).await {
        Ok(found) => fit(found, settings),
        Err(error) if is_missing(&error.kind()) => match context.create_stream(config(settings)).await {
            Ok(made) => fit(made, settings),
            // Somebody else has made it in the meantime, or we may not: a second look tells.
            Err(error) => {
                let second = context.get_stream(&stream).await;
                let failed = |_| OpenError::Stream { stream, reason: error.to_string() };
                fit(second.map_err(failed)?, settings)
            }
        },
        Err(error) => Err(OpenError::Stream { stream, reason: error.to_string() }),
    }
}

/// The cell's stream, which must be there.
pub(super) async fn find(context: &Context, settings: &Settings) -> Result<Stream, OpenError> {
    check_name(&settings.cell)?;
    let stream = stream_name(&settings.cell);
    let found = context.get_stream(&stream).await;
    fit(found.map_err(|error| OpenError::Stream { stream, reason: error.to_string() })?, settings)
}

/// Deletes the stream of this name; none is there afterwards.
pub(super) async fn delete(context: &Context, stream: String) -> Result<(), OpenError> {
    match context.delete_stream(&stream).await {
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error.kind()) => Ok(()),
        Err(error) => Err(OpenError::Stream { stream, reason: error.to_string() }),
    }
}

fn fit(stream: Stream, settings: &Settings) -> Result<Stream, OpenError> {
    let config = &stream.cached_info().config;
    match unfit(config, settings) {
        Some(what) => Err(OpenError::Unfit { stream: config.name.clone(), what }),
        None => Ok(stream),
    }
}

pub(super) fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

pub(super) fn check_name(cell: &str) -> Result<(), OpenError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = !cell.is_empty() && cell.len() <= NAME_BYTES_MAX && cell.bytes().all(word);
    good.then_some(()).ok_or_else(|| {
        OpenError::Settings(format!(
            "{cell:?} can't be part of a stream's name: 1 to {NAME_BYTES_MAX} of a-z, A-Z, 0-9, - and _"
        ))
    })
}

/// How a journal's stream is made. Who may purge and delete is a matter of permissions: the stream's own flags against
/// it can't be taken back.
fn config(settings: &Settings) -> Config {
    Config {
        name: stream_name(&settings.cell),
        subjects: vec![subject(&settings.cell)],
        description: Some("the journal of a Windlass cell; never purge it".to_owned()),
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        storage: StorageType::File,
        num_replicas: settings.replicas.max(1),
        allow_direct: true,
        ..Config::default()
    }
}

/// Why a journal can't be kept in a stream with this configuration, and the fix.
fn unfit(found: &Config, settings: &Settings) -> Option<String> {
    let wanted = subject(&settings.cell);
    let limited = [
        ("max_msgs", found.max_messages > 0),
        ("max_bytes with discard old", found.max_bytes > 0 && found.discard == DiscardPolicy::Old),
        ("max_msgs_per_subject", found.max_messages_per_subject > 0),
        ("max_age", !found.max_age.is_zero()),
    ];
    let limit = limited.into_iter().find(|(_, set)| *set).map(|(name, _)| name);
    if found.subjects != [wanted.clone()] {
        Some(format!("it takes {:?}, not only {wanted:?}: name another cell or remove it", found.subjects))
    } else if let Some(limit) = limit {
        Some(format!("its {limit} would let frames go: take the limit off with `nats stream edit`"))
    } else if found.retention != RetentionPolicy::Limits {
        Some("frames leave it when they are read (retention is not by limits): remove it".to_owned())
    } else if found.mirror.is_some() || found.sources.as_ref().is_some_and(|all| !all.is_empty()) {
        Some("it copies another stream: remove it, or name another cell".to_owned())
    } else if found.sealed || found.no_ack || found.subject_transform.is_some() || found.allow_rollup {
        Some("it is sealed, does not acknowledge, or changes what it is given: remove it".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn settings() -> Settings {
        Settings { cell: "blue".to_owned(), replicas: 1, ..Settings::default() }
    }

    #[test]
    fn what_is_made_is_fit_and_every_limit_is_not() {
        assert_eq!(unfit(&config(&settings()), &settings()), None);
        let spoilt: [fn(&mut Config); 7] = [
            |config| config.max_messages = 10,
            |config| config.max_age = Duration::from_secs(1),
            |config| config.max_messages_per_subject = 1,
            |config| config.subjects.push("other".to_owned()),
            |config| config.retention = RetentionPolicy::WorkQueue,
            |config| config.sealed = true,
            |config| config.allow_rollup = true,
        ];
        for spoil in spoilt {
            let mut config = config(&settings());
            spoil(&mut config);
            assert!(unfit(&config, &settings()).is_some(), "{config:?}");
        }
    }

    #[test]
    fn a_name_with_a_dot_or_a_wildcard_is_refused() {
        for name in ["", "a.b", "a b", "*", ">", "é", &"x".repeat(64)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("eu-west_1").is_ok());
    }
}
