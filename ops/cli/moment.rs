//! `--at`: a moment of the past, as people write one.

use windlass_client::v1::{ReadAt, read_at::Point};

/// What `--at` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    /// One moment.
    One(ReadAt),
    /// Two: from one, to another or to now.
    Between(ReadAt, Option<ReadAt>),
}

/// Reads a moment, or two with `..` between them.
///
/// # Errors
/// What is neither.
pub(crate) fn at(text: &str) -> Result<At, String> {
    match text.split_once("..") {
        None => parse(text).map(At::One),
        Some((from, "")) => Ok(At::Between(parse(from)?, None)),
        Some((from, to)) => Ok(At::Between(parse(from)?, Some(parse(to)?))),
    }
}

/// Reads a position, or a time: `2026-11-26T03:12:00Z`, `2026-11-26 03:12`, `2026-11-26`, `03:12` (the last time that it
/// was so late) or `-2h` (so long ago; s, m, h or d). Times are UTC where they name no offset.
///
/// # Errors
/// What is neither.
pub(crate) fn parse(text: &str) -> Result<ReadAt, String> {
    let now = time::UtcDateTime::now();
    read(text.trim(), now).ok_or_else(|| {
        format!("{text} is no position and no time; times are as 2026-11-26T03:12:00Z, 03:12 or -2h, in UTC")
    })
}

fn read(text: &str, now: time::UtcDateTime) -> Option<ReadAt> {
    if let Ok(position) = text.parse() {
        return Some(ReadAt { point: Some(Point::Position(position)) });
    }
    let at = ago(text, now).or_else(|| of_day(text, now)).or_else(|| whole(text))?;
    let nanos = i32::try_from(at.nanosecond()).ok()?;
    let time = prost_types::Timestamp { seconds: at.unix_timestamp(), nanos };
    Some(ReadAt { point: Some(Point::Time(time)) })
}

/// `-2h`.
fn ago(text: &str, now: time::UtcDateTime) -> Option<time::UtcDateTime> {
    let (number, unit) = text.strip_prefix('-')?.split_at_checked(text.len().checked_sub(2)?)?;
    let number: i64 = number.parse().ok()?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    now.checked_sub(time::Duration::seconds(number.checked_mul(unit_s)?))
}

/// `03:12` or `03:12:07`: today, or yesterday where today's is still to come.
fn of_day(text: &str, now: time::UtcDateTime) -> Option<time::UtcDateTime> {
    let at = now.replace_time(clock(text)?);
    if at <= now { Some(at) } else { at.checked_sub(time::Duration::DAY) }
}

/// A date, with or without a time and an offset.
fn whole(text: &str) -> Option<time::UtcDateTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?.parse().ok()?, digits(parts.next()?)?, digits(parts.next()?)?);
    if parts.next().is_some() {
        return None;
    }
    let date = time::Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day).ok()?;
    if rest.is_empty() {
        return Some(time::UtcDateTime::new(date, time::Time::MIDNIGHT));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock_text, offset_s) = match rest.find(['Z', 'z', '+', '-']) {
        None => (rest, 0),
        Some(place) => (&rest[..place], offset(&rest[place..])?),
    };
    let at = time::UtcDateTime::new(date, clock(clock_text)?);
    at.checked_sub(time::Duration::seconds(offset_s))
}

/// `Z` or `+02:00`, in seconds.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = i64::from(digits(hours)?) * 3600 + i64::from(digits(minutes)?) * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// `03:12`, `03:12:07` or `03:12:07.25`.
fn clock(text: &str) -> Option<time::Time> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = text.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let second = parts.next().map_or(Some(0), digits)?;
    if parts.next().is_some() || fraction.len() > 9 || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    time::Time::from_hms_nano(hour, minute, second, nanos).ok()
}

fn digits(text: &str) -> Option<u8> {
    (text.len() == 2).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<ReadAt> {
        // 2026-11-26 12:00:00 UTC.
        let now = time::UtcDateTime::from_unix_timestamp(1_795_694_400).expect("a time");
        read(text, now)
    }

    fn seconds(text: &str) -> Option<i64> {
        match at(text)?.point? {
            Point::Time(time) => Some(time.seconds),
            Point::Position(_) => None,
        }
    }

    #[test]
    fn positions_and_times_are_told_apart() {
        assert_eq!(at("42").and_then(|it| it.point), Some(Point::Position(42)));
        let noon = 1_795_694_400;
        for (text, since_noon_s) in [
            ("2026-11-26T12:00:00Z", 0),
            ("2026-11-26 12:00", 0),
            ("2026-11-26T13:30:00+01:30", 0),
            ("2026-11-26T07:00-05:00", 0),
            ("2026-11-26", -12 * 3600),
            ("03:12", -(8 * 3600 + 48 * 60)),
            ("12:00:00", 0),
            ("12:00:01", 1 - 24 * 3600),
            ("-90s", -90),
            ("-15m", -900),
            ("-2h", -7200),
            ("-3d", -3 * 24 * 3600),
        ] {
            assert_eq!(seconds(text), Some(noon + since_noon_s), "{text}");
        }
        let Some(Point::Time(time)) = at("11:59:59.25").and_then(|it| it.point) else { panic!("a time") };
        assert_eq!((time.seconds, time.nanos), (noon - 1, 250_000_000));
    }

    #[test]
    fn two_moments_stand_with_dots_between() {
        let position = |it| ReadAt { point: Some(Point::Position(it)) };
        assert_eq!(super::at("40..96"), Ok(At::Between(position(40), Some(position(96)))));
        assert_eq!(super::at("40.."), Ok(At::Between(position(40), None)));
        assert_eq!(super::at("40"), Ok(At::One(position(40))));
        assert!(matches!(super::at("-2h..-1h"), Ok(At::Between(_, Some(_)))));
        for bad in ["..", "..40", "40..x", "40...96"] {
            assert!(super::at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in [
            "",
            "-",
            "-1",
            "-h",
            "-2w",
            "yesterday",
            "25:00",
            "3:12",
            "03:12:61",
            "2026-13-01",
            "2026-02-30",
            "2026-11-26T",
            "2026-11-26T12:00:00+1",
            "2026-11-26X12:00",
            "12:00:00.1234567890",
            "-9999999999999999d",
        ] {
            assert!(at(bad).is_none(), "{bad}");
        }
        assert!(parse("nonsense").is_err_and(|said| said.contains("UTC")));
    }
}
