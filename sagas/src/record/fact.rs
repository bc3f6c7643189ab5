//! Everything that anybody may tell the cell: one closed enum, so that all that can move it is listed in one place.

use super::report::*;
use super::request::{Body, Request};
use crate::ids::{ProjectId, RequestId};
use crate::record::Principal;

records! {
    /// A fact that the cell itself reports.
    Report {
        /// The cell begins.
        Genesis(Genesis) = 1 v 1,
        /// A candidate takes the lead.
        Campaign(Campaign) = 2 v 1,
        /// The format level rises.
        RaiseFormat(RaiseFormat) = 3 v 1,
        /// A step ended.
        Step(StepReport) = 10 v 1,
        /// A saga passed its deadline.
        Overdue(SagaOverdue) = 11 v 1,
        /// A host showed itself.
        HostSeen(HostSeen) = 20 v 1,
        /// A host was silent too long.
        HostSilent(HostSilent) = 21 v 1,
        /// A ledger showed its incarnation and inventory.
        Ledger(LedgerReported) = 22 v 1,
    }
}

/// What a commit is decided from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a fact is decided where it is made; it is not kept in numbers"
)]
pub enum Fact {
    /// A client or an operator asks (kinds from 100).
    Request(Request),
    /// The cell reports (kinds below 100).
    Report(Report),
}

impl Fact {
    /// The recorded number of this kind.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Request(request) => request.body.kind(),
            Self::Report(report) => report.kind(),
        }
    }

    /// The version that this build writes for this kind.
    #[must_use]
    pub const fn version(&self) -> u16 {
        match self {
            Self::Request(request) => request.body.version(),
            Self::Report(report) => report.version(),
        }
    }

    /// The kind's name, for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Request(request) => request.body.name(),
            Self::Report(report) => report.name(),
        }
    }
}

/// What stands in front of a request's body in the record.
pub(crate) type RequestHead = (RequestId, ProjectId, Principal);

/// The first kind that is a request's body; below it are reports.
pub(crate) const FIRST_REQUEST_KIND: u16 = 100;

impl From<Report> for Fact {
    fn from(report: Report) -> Self {
        Self::Report(report)
    }
}

impl From<(RequestHead, Body)> for Fact {
    fn from(((id, project, principal), body): (RequestHead, Body)) -> Self {
        Self::Request(Request { id, project, principal, body })
    }
}
