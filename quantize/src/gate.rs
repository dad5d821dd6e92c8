//! Convolutions whose output only counts while a gate is open learn of the gate, so that a closed one spares them.

use crate::qgraph::QGraph;
use crate::quantize::code;
use residua::operators::has_epilogue;

/// Gives each convolution whose output is read by nothing but a product with a single element, or by other such
/// convolutions, that element as its second input: where it is zero, the product is zero whatever the convolution
/// computes. The gate must be known before: as in SkipNet (Wang et al., 2018), where it is worked out from the input of the
/// block that it opens.
pub fn gate(mut graph: QGraph) -> QGraph {
    let mut gates: Vec<Option<usize>> = vec![None; graph.values.len()];
    for index in (0..graph.steps.len()).rev() {
        let step = &graph.steps[index];
        // What the step's own output is worth tells what its input is worth, if nothing else reads that.
        let gate = match step.inputs[..] {
            [_, second] if step.record.operator == code("Multiply") && graph.values[second].shape == [1; 3] => {
                Some(second)
            }
            [_] if step.sums == 0 => gates[step.output],
            _ => None,
        };
        let input = step.inputs[0];
        if gate.is_some_and(|gate| gate < input) && graph.is_read_once(input) {
            gates[input] = gate;
        }
    }
    for step in &mut graph.steps {
        step.inputs.extend(gates[step.output].filter(|_| has_epilogue(step.record.operator)));
    }
    graph
}
