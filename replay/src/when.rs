//! Commit time as people read it.

use windlass_sagas::ids::Time;

/// The time in UTC, to the microsecond: `2026-09-21 13:06:40.000000Z` (proleptic Gregorian calendar).
#[must_use]
pub fn utc(time: Time) -> String {
    const DAY_US: i64 = 24 * 3600 * 1_000_000;
    let (days, us) = (time.0.div_euclid(DAY_US), time.0.rem_euclid(DAY_US));
    let (year, month, day) = date(days);
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{us:06}Z")
}

/// Year, month and day of a count of days since 1970-01-01. Years are counted from March, so that the leap day is last.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let since_march_0 = days + 719_468;
    let (era, day_of_era) = (since_march_0.div_euclid(ERA_DAYS), since_march_0.rem_euclid(ERA_DAYS));
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_are_told_right() {
        let check = |seconds: i64, text: &str| assert_eq!(utc(Time(seconds * 1_000_000)), text);
        check(0, "1970-01-01 00:00:00.000000Z");
        check(951_782_399, "2000-02-28 23:59:59.000000Z");
        check(951_782_400, "2000-02-29 00:00:00.000000Z");
        check(1_790_000_000, "2026-09-21 14:13:20.000000Z");
        check(4_107_542_400, "2100-03-01 00:00:00.000000Z");
        check(-1, "1969-12-31 23:59:59.000000Z");
        assert_eq!(utc(Time(1)), "1970-01-01 00:00:00.000001Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = date(-1000);
        for days in -999..200_000 {
            let (year, month, day) = date(days);
            let next = (year, month, day) == (last.0, last.1, last.2 + 1)
                || (day == 1 && (year, month) == (last.0, last.1 + 1))
                || (day == 1 && month == 1 && (year, last.1, last.2) == (last.0 + 1, 12, 31));
            assert!(next, "{last:?} is followed by {:?}", (year, month, day));
            last = (year, month, day);
        }
    }
}
