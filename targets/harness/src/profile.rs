//! The cost of each step, from laps.

use crate::HarnessError;
use crate::emulator::{Answer, Counts};
use residua::engine::{Engine, Observer};
use residua::plan::Plan;
use serde::Serialize;

/// What one step of a plan costs over one inference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StepCost {
    /// The step's name in the plan; `engine` for what lies between the steps.
    pub name: String,
    /// Instructions.
    pub instructions: u64,
    /// Modelled cycles.
    pub cycles: u64,
}

/// Assigns the last inference's laps to steps. Laps carry no names: the host runs the same engine, which takes the same
/// steps in the same order whatever the data, and notes them.
pub(crate) fn steps(plan: Plan<'_>, answer: &Answer, inferences: &[Counts]) -> Result<Vec<StepCost>, HarnessError> {
    let order = order(plan)?;
    let laps = answer.laps.len() / inferences.len().max(1);
    if laps != 2 * order.len() {
        return Err(HarnessError::Report(format!("{laps} laps for {} executions of steps", order.len())));
    }
    let last = answer.laps.get(answer.laps.len() - laps..).unwrap_or_default();
    let mut costs = vec![Counts::default(); plan.step_count().into()];
    let mut between = inferences.last().copied().unwrap_or_default();
    for (&step, pair) in order.iter().zip(last.chunks_exact(2)) {
        let [_, inside] = pair else { continue };
        if let Some(cost) = costs.get_mut(usize::from(step)) {
            *cost += *inside;
        }
        between.instructions = between.instructions.saturating_sub(inside.instructions);
        between.cycles = between.cycles.saturating_sub(inside.cycles);
    }
    let named = |name: &str, counts: &Counts| StepCost {
        name: name.to_owned(),
        instructions: counts.instructions,
        cycles: counts.cycles,
    };
    let steps = (0..plan.step_count()).zip(&costs).map(|(index, counts)| named(plan.step_name(index), counts));
    Ok(steps.chain([named("engine", &between)]).collect())
}

/// Steps in the order in which an inference takes them.
fn order(plan: Plan<'_>) -> Result<Vec<u16>, HarnessError> {
    struct Order(Vec<u16>);
    impl Observer for Order {
        fn step_begins(&mut self, step: u16) {
            self.0.push(step);
        }
    }
    let mut arena = vec![0u8; plan.arena_len() + 16];
    let start = arena.as_ptr().align_offset(16).min(16);
    let arena = &mut arena[start..start + plan.arena_len()];
    let mut engine = Engine::new(plan, arena)?;
    let mut order = Order(Vec::new());
    for _ in 0..plan.input().rows {
        engine.push_with(|_| (), &mut order)?;
    }
    Ok(order.0)
}
