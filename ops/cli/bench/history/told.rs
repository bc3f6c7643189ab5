//! What `bench history` tells: a table and its ratios, or one JSON document.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::ratios::{self, Ratio, Ratios};
use super::super::sagas::quantile;
use super::rows::{Measured, Row, count};
use crate::output::aligned;

const COLUMNS: [&str; 8] = ["ROW", "COUNT", "S", "PER S", "PER CPU S", "OF RAW", "P50 MS", "MAX MS"];

/// The commits of a second of CPU, of those of the bare reading; `None` for questions.
fn of_raw(measured: &Measured, row: &Row) -> Option<f64> {
    let raw = measured.row("raw").filter(|_| row.each.is_empty())?;
    Some(row.per_cpu_second() / raw.per_cpu_second())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The median and the longest, where each has its time.
fn times(row: &Row) -> Option<[f64; 2]> {
    Some([ms(quantile(&row.each, 500)), ms(*row.each.last()?)])
}

/// Everything against the bars that it was given.
fn ratios(measured: &Measured) -> Vec<Ratio> {
    let mut ratios = Ratios::default();
    let row = |name| measured.row(name);
    let seconds = |name| row(name).map(|row| row.seconds);
    let longest = |name| row(name).and_then(times).map(|[_, longest]| longest / 1e3);
    let rate = |name| row(name).map(Row::per_cpu_second);
    ratios.at_least("commits folded a second of CPU", rate("fold"), 1e6);
    let decided = rate("check").map(|rate| rate * 60.0);
    ratios.at_least("commits decided again a minute of CPU", decided, 1e6);
    ratios.at_most("s of a start from an image and the commits behind it", seconds("cold-image"), 2.0);
    ratios.at_most("s of the longest question about the past", longest("at"), 1.0);
    ratios.at_most("bytes in memory of a finished saga", Some(measured.saga_bytes), 64.0);
    ratios.0
}

/// The named amounts, in their order.
fn amounts(measured: &Measured) -> [(&'static str, f64); 8] {
    let commits = count(measured.made.commits.max(1));
    let each = |bytes: u64| count(bytes) / commits;
    [
        ("bytes of a commit", each(measured.frame_bytes)),
        ("bytes on disk of a commit, journal", each(measured.journal_bytes)),
        ("bytes on disk of a commit, store", each(measured.store_bytes)),
        ("bytes on disk of a commit, kept images", each(measured.image_bytes)),
        ("bytes of a commit, exported", each(measured.export_bytes)),
        ("bytes in memory of a finished saga", measured.saga_bytes),
        ("MiB in memory of the whole fold", measured.fold_mib),
        ("commits made a second, with the store", commits / measured.made.seconds.max(1e-9)),
    ]
}

pub(super) fn table(measured: &Measured) -> String {
    let dash = || "-".to_owned();
    let rows = measured.rows.iter().map(|row| {
        let of_raw = of_raw(measured, row).map_or_else(dash, |share| format!("{share:.3}"));
        let [p50, longest] =
            times(row).map_or_else(|| [dash(), dash()], |times| times.map(|time| format!("{time:.2}")));
        let [count, name] = [row.count.to_string(), row.name.to_owned()];
        let [rate, cpu_rate] = [row.per_second(), row.per_cpu_second()].map(|rate| format!("{rate:.0}"));
        vec![name, count, format!("{:.3}", row.seconds), rate, cpu_rate, of_raw, p50, longest]
    });
    let rows = aligned(Some(&COLUMNS), rows);
    let amounts = amounts(measured).into_iter();
    let amounts = aligned(None, amounts.map(|(what, value)| vec![what.to_owned(), format!("{value:.1}")]));
    let ratios = aligned(Some(&ratios::COLUMNS), ratios(measured).iter().map(Ratio::cells));
    let Measured { made, frames, images, remembered, .. } = measured;
    format!(
        "{} commits in {frames} frames, {} finished sagas, {remembered} of them remembered, {images} kept \
         images\n\n{rows}\n\n{amounts}\n\n{ratios}\n",
        made.commits, made.sagas
    )
}

pub(super) fn json(measured: &Measured) -> Value {
    let rows = measured.rows.iter().map(|row| {
        let times = times(row);
        json!({
            "row": row.name,
            "count": row.count,
            "seconds": row.seconds,
            "cpuSeconds": row.cpu_seconds,
            "perSecond": row.per_second(),
            "perCpuSecond": row.per_cpu_second(),
            "ofRaw": of_raw(measured, row),
            "p50Ms": times.map(|[p50, _]| p50),
            "maxMs": times.map(|[_, longest]| longest),
        })
    });
    let amounts = amounts(measured).into_iter().map(|(what, value)| json!({ "what": what, "value": value }));
    json!({
        "commits": measured.made.commits,
        "frames": measured.frames,
        "finishedSagas": measured.made.sagas,
        "remembered": measured.remembered,
        "keptImages": measured.images,
        "rows": rows.collect::<Vec<_>>(),
        "amounts": amounts.collect::<Vec<_>>(),
        "ratios": ratios(measured).iter().map(Ratio::json).collect::<Vec<_>>(),
    })
}
