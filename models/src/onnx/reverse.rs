//! Recurrent layers from the last step to the first, for tract: it takes a layer of one direction as a forward one, whatever
//! the layer says, but runs both directions of a bidirectional one.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// Inputs that have an axis of directions, which comes first: W, R, B, initial_h, initial_c, P.
const DIRECTED: [usize; 6] = [1, 2, 3, 5, 6, 7];
/// The axis of directions of Y, Y_h and Y_c.
const AXES: [i64; 3] = [1, 0, 0];

/// Makes each reverse layer a bidirectional one, with the same constants twice, of which the second direction is read.
pub(super) fn widen(graph: &mut GraphProto) {
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut indices = vec![];
    for mut node in std::mem::take(&mut graph.node) {
        let recurrent = matches!(node.op_type.as_str(), "LSTM" | "GRU" | "RNN");
        let direction = node.attribute.iter_mut().find(|a| a.name == "direction" && a.s == b"reverse");
        let Some(direction) = direction.filter(|_| recurrent) else {
            nodes.push(node);
            continue;
        };
        direction.s = b"bidirectional".to_vec();
        let stem = node.output.join("/");
        for index in DIRECTED {
            let Some(input) = node.input.get_mut(index).filter(|name| !name.is_empty()) else { continue };
            let twice = format!("{stem}/twice/{index}");
            nodes.push(simple("Concat", &[input, input], &twice, 0));
            *input = twice;
        }
        let second = format!("{stem}/second");
        let mut taken = vec![];
        for (index, axis) in AXES.into_iter().enumerate() {
            let Some(output) = node.output.get_mut(index).filter(|name| !name.is_empty()) else { continue };
            let both = format!("{stem}/both/{index}");
            taken.push(simple("Gather", &[&both, &second], output, axis));
            *output = both;
        }
        nodes.push(node);
        nodes.extend(taken);
        let (data_type, raw_data) = (DataType::Int64 as i32, 1i64.to_le_bytes().to_vec());
        indices.push(TensorProto { name: second, dims: vec![1], data_type, raw_data, ..TensorProto::default() });
    }
    graph.node = nodes;
    graph.initializer.extend(indices);
}

/// A node named after its output, along an axis.
fn simple(operator: &str, inputs: &[&str], output: &str, axis: i64) -> NodeProto {
    let r#type = AttributeType::Int as i32;
    NodeProto {
        name: output.into(),
        op_type: operator.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        attribute: vec![AttributeProto { name: "axis".into(), r#type, i: axis, ..AttributeProto::default() }],
        ..NodeProto::default()
    }
}
