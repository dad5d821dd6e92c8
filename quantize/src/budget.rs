//! Schedules and writes a plan within bounds on arena and plan.

use crate::aligned::AlignedBytes;
use crate::compile::CompileError;
use crate::inspect::{BufferKind, PeakReport, PlanReport};
use crate::qgraph::QGraph;
use crate::schedule::{Memory, Objective, Schedule, ScheduleError, schedule_within};
use crate::write::{Extras, write};
use residua::plan::{Plan, PlanError};

/// What a plan may take, and what it should make small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Largest arena in bytes; with a fast region, the largest part above it.
    pub ram: Option<usize>,
    /// Size of the fast region at the arena's start, in bytes; none where it is 0.
    pub fast_ram: usize,
    /// Largest plan in bytes.
    pub flash: Option<usize>,
    /// What the schedule makes small within these.
    pub objective: Objective,
}

/// A model that does not fit its budget.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BudgetError {
    /// The smallest arena is larger than [`Budget::ram`].
    #[error(
        "the arena takes at least {needed} bytes{}, {} more than --ram {budget}\n{peak}\nwhat would help: {}, or \
         --ram {needed}",
        if *fast > 0 { " above the fast region" } else { "" },
        needed - budget,
        ram_help(peak)
    )]
    Ram {
        /// Smallest arena in bytes.
        needed: usize,
        /// Bytes allowed.
        budget: usize,
        /// Size of the fast region in bytes, which come on top of both; 0 for none.
        fast: usize,
        /// What determines it.
        peak: Box<PeakReport>,
    },
    /// What must lie in the fast region is larger.
    #[error(
        "counters, scratch and heads lie in the fast region and take {needed} bytes, {} more than --fast-ram {budget}\nwhat \
         would help: --fast-ram {needed}",
        needed - budget
    )]
    Fast {
        /// Bytes needed.
        needed: usize,
        /// Bytes allowed.
        budget: usize,
    },
    /// The smallest plan is larger than [`Budget::flash`].
    #[error(
        "the plan takes at least {needed} bytes, {} more than --flash {budget}\n{constants} bytes are constants, {bytes} of \
         them those of `{step}` ({operator}), the most of all steps\nwhat would help: fewer channels into or out of \
         `{step}`, or --flash {needed}",
        needed - budget
    )]
    Flash {
        /// Smallest plan in bytes.
        needed: usize,
        /// Bytes allowed.
        budget: usize,
        /// Constants in bytes.
        constants: usize,
        /// The step with most constants.
        step: String,
        /// Its operator.
        operator: String,
        /// Its constants in bytes.
        bytes: usize,
    },
}

/// Schedules and writes a graph.
///
/// # Errors
/// The smallest arena or plan is larger than the budget, or the runtime refuses the plan.
pub(crate) fn fit(graph: &QGraph, extras: &Extras, budget: &Budget) -> Result<(Schedule, AlignedBytes), CompileError> {
    let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let memory = Memory { ram: budget.ram.map(bytes), fast: bytes(budget.fast_ram) };
    let schedule = match schedule_within(graph, budget.objective, &memory) {
        Ok(schedule) => schedule,
        Err(ScheduleError::Ram { smallest, budget }) => {
            let peak = Box::new(PlanReport::of(&Plan::load(&write(graph, &smallest, extras)?)?).peak);
            let [needed, budget, fast] = [smallest.slow_len(), budget, smallest.fast].map(|bytes| bytes as usize);
            return Err(BudgetError::Ram { needed, budget, fast, peak }.into());
        }
        Err(ScheduleError::Fast { needed, fast }) => {
            return Err(BudgetError::Fast { needed: needed as usize, budget: fast as usize }.into());
        }
    };
    let bytes = write(graph, &schedule, extras)?;
    let Some(flash) = budget.flash.filter(|&flash| bytes.len() > flash) else { return Ok((schedule, bytes)) };
    // The objective gives way where only the shortest plan fits.
    let (schedule, bytes) = match schedule_within(graph, Objective::Flash, &memory) {
        Ok(shortest) => {
            let shorter = write(graph, &shortest, extras)?;
            if shorter.len() < bytes.len() { (shortest, shorter) } else { (schedule, bytes) }
        }
        Err(_) => (schedule, bytes),
    };
    if bytes.len() <= flash { Ok((schedule, bytes)) } else { Err(too_long(&bytes, flash)?.into()) }
}

fn too_long(bytes: &AlignedBytes, budget: usize) -> Result<BudgetError, PlanError> {
    let report = PlanReport::of(&Plan::load(bytes)?);
    let largest = report.steps.into_iter().rev().max_by_key(|s| s.constants_bytes);
    let (step, operator, bytes) =
        largest.map_or((String::new(), String::new(), 0), |s| (s.name, s.operator, s.constants_bytes));
    Ok(BudgetError::Flash {
        needed: report.plan_bytes,
        budget,
        constants: report.constants_bytes,
        step,
        operator,
        bytes,
    })
}

/// What makes the largest buffer of the peak smaller.
fn ram_help(peak: &PeakReport) -> String {
    let Some(largest) = peak.buffers.first() else { return "a smaller model".into() };
    let writer = &largest.writer;
    match largest.kind {
        BufferKind::Counters => "fewer operators".into(),
        BufferKind::Scratch => format!("a smaller window or fewer channels into `{writer}`"),
        BufferKind::Sums => format!("fewer channels out of `{writer}`"),
        BufferKind::Head => format!("fewer columns or channels of `{writer}`"),
        BufferKind::Ring => {
            format!(
                "fewer columns or channels of `{writer}`, smaller windows over it, or shortcuts over fewer operators"
            )
        }
        BufferKind::Tensor => format!("fewer rows, columns or channels of `{writer}`"),
    }
}
