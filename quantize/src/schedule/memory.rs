//! Static addresses: buffers that are live at once never share bytes.

use crate::qgraph::QGraph;

/// Alignment of buffers in the arena.
const ALIGNMENT: usize = 4;

struct Buffer {
    len: usize,
    lifetime: [u16; 2],
    offset: usize,
}

/// Arena offsets of the values' rings and the steps' sums, and the arena's size. Largest buffers first, each at the lowest
/// place that no live buffer holds.
pub fn assign(
    graph: &QGraph,
    segments: &[u16],
    rings: &[u32],
    lifetimes: &[[u16; 2]],
    state_len: usize,
) -> (Vec<u32>, Vec<Option<u32>>, u32) {
    let values = graph.values.iter().zip(rings).zip(lifetimes);
    let mut buffers: Vec<Buffer> = values
        .map(|((value, &ring), &lifetime)| Buffer { len: value.row_len() * ring as usize, lifetime, offset: 0 })
        .collect();
    let sums = graph.steps.iter().zip(segments);
    buffers.extend(sums.map(|(step, &s)| Buffer { len: step.sums * 4, lifetime: [s, s], offset: 0 }));

    let mut order: Vec<usize> = (0..buffers.len()).filter(|&b| buffers[b].len > 0).collect();
    order.sort_by_key(|&b| (std::cmp::Reverse(buffers[b].len), b));
    let mut placed: Vec<usize> = Vec::new();
    let mut end = state_len;
    for &index in &order {
        let [first, last] = buffers[index].lifetime;
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .map(|&p| &buffers[p])
            .filter(|p| p.lifetime[0] <= last && first <= p.lifetime[1])
            .map(|p| (p.offset, p.offset + p.len))
            .collect();
        taken.sort_unstable();
        let mut offset = state_len;
        for (start, stop) in taken {
            if offset + buffers[index].len <= start {
                break;
            }
            offset = offset.max(stop.next_multiple_of(ALIGNMENT));
        }
        buffers[index].offset = offset;
        end = end.max(offset + buffers[index].len);
        placed.push(index);
    }
    let (values, sums) = buffers.split_at(graph.values.len());
    let offsets = values.iter().map(|b| b.offset as u32).collect();
    let scratch = sums.iter().map(|b| (b.len > 0).then_some(b.offset as u32)).collect();
    (offsets, scratch, end.next_multiple_of(16) as u32)
}
