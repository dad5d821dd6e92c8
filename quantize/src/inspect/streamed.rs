//! A stream's figures: of its period and of an input row, where those of a whole frame would be.

use super::StepReport;
use super::memory::BufferReport;
use crate::stream::Timing;
use residua::plan::Plan;

/// Shapes become those of a period; operations and traffic, those for an input row on average.
pub(super) fn scale(plan: &Plan<'_>, timing: &Timing, steps: &mut [StepReport], buffers: &mut [BufferReport]) {
    let rows = u64::from(plan.input().rows);
    for step in steps {
        step.shape[0] = share((step.shape[0] as u64).saturating_mul(timing.per.into()), rows) as usize;
        step.macs = share(step.macs, rows);
    }
    for buffer in buffers {
        buffer.rows = buffer.rows.map(|[held, _]| [held, 0]);
        buffer.traffic_bytes = buffer.traffic_bytes.map(|bytes| share(bytes, rows));
    }
}

/// `total / parts`, rounded to the nearest.
fn share(total: u64, parts: u64) -> u64 {
    total.saturating_add(parts / 2) / parts.max(1)
}
