//! Which constants belong to which step.

use residua::plan::Plan;
use residua::plan::format::NONE;

/// Bytes of each step's constants: from where one begins to where the next one does, so that they add up to the whole
/// section.
pub(super) fn of_steps(plan: &Plan<'_>) -> Vec<usize> {
    let steps = usize::from(plan.step_count());
    let mut starts: Vec<(usize, usize)> = (0..plan.step_count())
        .filter_map(|index| Some((usize::from(index), plan.step(index)?)))
        .flat_map(|(index, s)| [s.channel_parameters, s.weights, s.padding].map(|offset| (offset, index)))
        .filter(|&(offset, _)| offset != NONE)
        .map(|(offset, index)| (offset as usize, index))
        .collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|&(offset, _)| offset).chain([plan.constants_len()]);
    let mut bytes = vec![0; steps];
    for (&(start, index), end) in starts.iter().zip(ends) {
        bytes[index] += end.saturating_sub(start);
    }
    bytes
}
