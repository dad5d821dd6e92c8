//! Static addresses: buffers that are live at once never share bytes.

/// Orders that are tried before a placement above the lower bound is accepted.
const ATTEMPTS: u64 = 300;

/// A buffer to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    /// Bytes, a multiple of the alignment; 0 for none.
    pub len: usize,
    /// First and last segment in which it is live.
    pub lifetime: [u16; 2],
    /// Lowest place.
    pub floor: usize,
}

impl Buffer {
    fn meets(&self, other: &Self) -> bool {
        self.lifetime[0] <= other.lifetime[1] && other.lifetime[0] <= self.lifetime[1]
    }
}

/// Offsets of the buffers and where the last one ends. Tries orders (largest first, longest lived first, then random
/// exchanges, always the same) until `bound` is reached.
pub fn assign(buffers: &[Buffer], bound: usize) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&b| buffers[b].len > 0).collect();
    let span = |b: usize| buffers[b].lifetime[1] - buffers[b].lifetime[0];
    order.sort_by_key(|&b| (std::cmp::Reverse(buffers[b].len), b));
    let mut best = first_fit(buffers, &order);
    let mut by_span = order.clone();
    by_span.sort_by_key(|&b| std::cmp::Reverse(span(b)));
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut current = by_span;
    for _ in 0..ATTEMPTS {
        if best.1 <= bound || order.len() < 2 {
            break;
        }
        let candidate = first_fit(buffers, &current);
        if candidate.1 <= best.1 {
            if candidate.1 < best.1 {
                best = candidate;
            }
            order.clone_from(&current);
        }
        current.clone_from(&order);
        for _ in 0..2 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let len = current.len() as u64;
            current.swap((random % len) as usize, ((random >> 32) % len) as usize);
        }
    }
    best
}

/// Each buffer at the lowest place that no live buffer holds.
fn first_fit(buffers: &[Buffer], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; buffers.len()];
    let mut end = buffers.iter().map(|b| b.floor).max().unwrap_or(0);
    for (position, &index) in order.iter().enumerate() {
        let buffer = &buffers[index];
        let placed = order[..position].iter().filter(|&&p| buffers[p].meets(buffer));
        let mut taken: Vec<(usize, usize)> = placed.map(|&p| (offsets[p], offsets[p] + buffers[p].len)).collect();
        taken.sort_unstable();
        let mut offset = buffer.floor;
        for (start, stop) in taken {
            if offset + buffer.len <= start {
                break;
            }
            offset = offset.max(stop);
        }
        offsets[index] = offset;
        end = end.max(offset + buffer.len);
    }
    (offsets, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn live_buffers_are_apart(
            shapes in proptest::collection::vec((1usize..50, 0u16..6, 0u16..3, 0usize..3), 1..12),
        ) {
            let buffers: Vec<Buffer> = shapes
                .iter()
                .map(|&(len, first, more, floor)| Buffer {
                    len: len * 4, lifetime: [first, first + more], floor: floor * 8,
                })
                .collect();
            let (offsets, end) = assign(&buffers, 0);
            for (a, &start) in buffers.iter().zip(&offsets) {
                prop_assert!(start >= a.floor && start + a.len <= end);
            }
            for i in 0..buffers.len() {
                for j in 0..i {
                    let apart = offsets[i] + buffers[i].len <= offsets[j] || offsets[j] + buffers[j].len <= offsets[i];
                    prop_assert!(apart || !buffers[i].meets(&buffers[j]));
                }
            }
        }
    }
}
