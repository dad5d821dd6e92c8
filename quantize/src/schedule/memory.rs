//! Static addresses: buffers that are live at once never share bytes, and none lies across the end of the fast region.

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
    /// Bytes read and written in one inference.
    pub traffic: u64,
}

impl Buffer {
    fn meets(&self, other: &Self) -> bool {
        self.lifetime[0] <= other.lifetime[1] && other.lifetime[0] <= self.lifetime[1]
    }
}

/// Like [`assign`], with those buffers below `fast` that are read and written most, byte for byte, and the others above.
pub fn assign_hot(buffers: &[Buffer], fast: usize) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&b| buffers[b].len > 0).collect();
    // By traffic a byte, without division.
    let heat = |a: usize, b: usize| u128::from(buffers[a].traffic) * buffers[b].len as u128;
    order.sort_by(|&a, &b| heat(b, a).cmp(&heat(a, b)).then(a.cmp(&b)));
    let above = fast.next_multiple_of(super::ARENA_ALIGNMENT);
    let (mut offsets, mut hot) = (vec![0; buffers.len()], Vec::new());
    let mut cold = buffers.to_vec();
    for index in order {
        let (offset, len) = (lowest(buffers, &offsets, &hot, index), buffers[index].len);
        if offset + len <= fast {
            offsets[index] = offset;
            hot.push(index);
            // What is placed already counts for the end alone.
            cold[index] = Buffer { len: 0, floor: offset + len, ..cold[index] };
        } else {
            cold[index].floor = cold[index].floor.max(above);
        }
    }
    let last = cold.iter().map(|b| b.lifetime[1]).max().unwrap_or(0);
    let live = |segment: u16| cold.iter().filter(move |b| (b.lifetime[0]..=b.lifetime[1]).contains(&segment));
    let most = (0..=last).map(|segment| live(segment).map(|b| b.len).sum::<usize>()).max().unwrap_or(0);
    let (places, end) = assign(&cold, above + most);
    for (index, _) in cold.iter().enumerate().filter(|(_, b)| b.len > 0) {
        offsets[index] = places[index];
    }
    (offsets, end)
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
        let offset = lowest(buffers, &offsets, &order[..position], index);
        offsets[index] = offset;
        end = end.max(offset + buffers[index].len);
    }
    (offsets, end)
}

/// Lowest place of a buffer where none of those placed is live at the same time.
fn lowest(buffers: &[Buffer], offsets: &[usize], placed: &[usize], index: usize) -> usize {
    let buffer = &buffers[index];
    let placed = placed.iter().filter(|&&p| buffers[p].meets(buffer));
    let mut taken: Vec<(usize, usize)> = placed.map(|&p| (offsets[p], offsets[p] + buffers[p].len)).collect();
    taken.sort_unstable();
    let mut offset = buffer.floor;
    for (start, stop) in taken {
        if offset + buffer.len <= start {
            break;
        }
        offset = offset.max(stop);
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn live_buffers_are_apart(
            shapes in proptest::collection::vec((1usize..50, 0u16..6, 0u16..3, 0usize..3), 1..12), fast in 0usize..800,
        ) {
            let buffers: Vec<Buffer> = shapes
                .iter()
                .map(|&(len, first, more, floor)| Buffer {
                    len: len * 4, lifetime: [first, first + more], floor: floor * 8, traffic: len as u64 * 7919 % 1000,
                })
                .collect();
            for (offsets, end) in [assign(&buffers, 0), assign_hot(&buffers, fast)] {
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
            let (offsets, _) = assign_hot(&buffers, fast);
            let whole = |(b, &start): (&Buffer, &usize)| start + b.len <= fast || start >= fast;
            prop_assert!(buffers.iter().zip(&offsets).all(whole));
        }
    }

    #[test]
    fn the_busiest_bytes_are_fast() {
        let buffer = |len, traffic| Buffer { len, lifetime: [0, 0], floor: 8, traffic };
        let buffers = [buffer(40, 400), buffer(16, 1600), buffer(20, 100), buffer(24, 1000)];
        // 8 + 16 + 24 bytes are taken by the two busiest; of the others, none fits into the rest.
        assert_eq!(assign_hot(&buffers, 64), (vec![64, 8, 104, 24], 124));
        assert_eq!(assign_hot(&buffers, 200).1, 108);
    }
}
