//! Sagas through the public API: the measured ones, those that fill the journal, and the deletes between rows.

use std::time::Duration;

use tokio::time::Instant;
use windlass_agents::null::REFUSED_PREFIX;
use windlass_client::v1;

use super::cell::Cell;
use super::limits::{FILL_CHUNK, IN_FLIGHT_UNMEASURED, SOME};
use super::load::{Ask, Load, Measured, Ran, What};
use super::measure::Measure;
use super::meter::{Processes, Used};
use super::plan::{Plan, Row};
use super::seeded;
use crate::output;

impl Load {
    /// One row of sagas; then what they made is deleted.
    pub(super) async fn sagas(&mut self, cell: &Cell, row: Row, plan: &Plan) -> anyhow::Result<Measure> {
        let Row::Sagas { refused, in_flight, .. } = row else {
            anyhow::bail!("{row} is no row of sagas");
        };
        output::note(format!("{row}: {} s", plan.time.as_secs()));
        let processes = cell.processes();
        let (warm_up, time) = (plan.warm_up(), plan.time);
        let measured = Measured { processes: &processes, warm_up, time };
        let ran = self.create(in_flight, refused, u64::MAX, Some(measured)).await?;
        self.delete_all().await?;
        Ok(Measure::of(row, ran))
    }

    /// Runs sagas until there were so many, and leaves nothing of them but their commits.
    pub(super) async fn fill(&mut self, sagas: u64) -> anyhow::Result<()> {
        if self.sagas < sagas {
            output::note(format!("filling the journal: {} sagas more", sagas - self.sagas));
        }
        while self.sagas < sagas {
            let servers = (sagas - self.sagas).div_ceil(2).min(FILL_CHUNK);
            sound(&self.create(IN_FLIGHT_UNMEASURED, false, servers, None).await?)?;
            self.delete_all().await?;
        }
        Ok(())
    }

    /// Some sagas, if there were none yet.
    pub(super) async fn some(&mut self) -> anyhow::Result<()> {
        if self.sagas == 0 {
            sound(&self.create(IN_FLIGHT_UNMEASURED, false, SOME, None).await?)?;
            self.delete_all().await?;
        }
        Ok(())
    }

    async fn create(
        &mut self,
        in_flight: usize,
        refused: bool,
        servers: u64,
        measured: Option<Measured<'_>>,
    ) -> anyhow::Result<Ran> {
        let hypervisors = self.hypervisors.clone();
        let (mut number, mut left, mut made) = (self.number, servers, Vec::new());
        let next = || {
            left = left.checked_sub(1)?;
            let place = usize::try_from(number).unwrap_or(0) % hypervisors.len().max(1);
            let prefix = if refused { REFUSED_PREFIX } else { "b-" };
            let name = format!("{prefix}{number}");
            let host = hypervisors.get(place)?;
            let what = What::Create(Box::new(seeded::server(&name, host)));
            made.push(name);
            number += 1;
            Some(Ask { what, completes: !refused })
        };
        let ran = self.run(in_flight, next, measured).await;
        self.number = number;
        self.made.append(&mut made);
        ran
    }

    async fn delete_all(&mut self) -> anyhow::Result<()> {
        let mut names = std::mem::take(&mut self.made).into_iter();
        let next = || {
            let name = seeded::server_name(&names.next()?);
            let what = What::Delete(v1::DeleteServerRequest { name, ..Default::default() });
            Some(Ask { what, completes: true })
        };
        sound(&self.run(IN_FLIGHT_UNMEASURED, next, None).await?)
    }

    /// A read through the API, one at a time.
    pub(super) async fn reads(&self, plan: &Plan) -> anyhow::Result<Measure> {
        output::note(format!("{}: {} s", Row::Api, plan.time.as_secs()));
        let begun = Instant::now();
        let (from, until) = (begun + plan.warm_up(), begun + plan.warm_up() + plan.time);
        let (mut ran, processes) = (Ran::default(), Processes::default());
        let before = processes.look().await?;
        while Instant::now() < until {
            let at = Instant::now();
            let request = v1::GetProjectRequest { name: seeded::parent(), ..Default::default() };
            self.client.call(request).await?;
            if at >= from {
                ran.latencies.push(at.elapsed());
            }
        }
        let seconds = plan.time.as_secs_f64();
        ran.used = Used { seconds, ..Used::between(&before, &processes.look().await?) };
        Ok(Measure::of(Row::Api, ran))
    }
}

/// What is not measured has to go well.
fn sound(ran: &Ran) -> anyhow::Result<()> {
    match &ran.first_error {
        None => Ok(()),
        Some(error) => anyhow::bail!("{} operations went wrong, the first: {error}", ran.errors),
    }
}

/// The time below which so many thousandths of the times are; zero where there are none.
pub(super) fn quantile(sorted: &[Duration], thousandths: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * thousandths / 1000).min(last)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 500), Duration::from_millis(101));
        assert_eq!(quantile(&times, 990), Duration::from_millis(199));
        assert_eq!(quantile(&times[..1], 990), Duration::from_millis(1));
        assert_eq!(quantile(&[], 500), Duration::ZERO);
    }
}
