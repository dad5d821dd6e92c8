//! The rows that output rows need whose places in the input follow no stride.

use residua_models::graph::Window;

/// Largest steps of a window that are tried.
const MAX_STEP: usize = 8;
/// Largest number that a plan's fields hold.
const LIMIT: usize = u16::MAX as usize;

/// A window that holds the pixels around all places, in rows and columns of an image of these sizes, and the output rows for
/// each of its steps; the lowest window that steps forward by small numbers, or by the ratio of the sizes, or not at all.
/// `None` where it does not fit into a plan.
pub(super) fn cover([rows, columns]: [&[f32]; 2], [height, width]: [usize; 2]) -> Option<(Window, usize)> {
    let common = greatest_common_divisor(rows.len(), height);
    let small = (1..=MAX_STEP).flat_map(|upsampling| (1..=MAX_STEP).map(move |stride| (upsampling, stride)));
    let others = [(rows.len() / common, height / common), (rows.len(), 1)];
    let windows = small.chain(others).map(|(upsampling, stride)| Rows::new(rows, height, upsampling, stride));
    let rows = windows.filter(|w| [w.kernel, w.upsampling, w.stride, w.pad].iter().all(|&n| n <= LIMIT));
    let rows = rows.min_by_key(|w| (w.kernel, w.upsampling, w.stride))?;
    // All columns of a row are there. The window over columns says nothing but that it touches the input.
    let steps = (columns.len() - 1) / rows.upsampling;
    let pad = (steps + 1).saturating_sub(width);
    let window = Window {
        kernel: [rows.kernel, pad + 1],
        strides: [rows.stride, 1],
        dilations: [1, 1],
        pads: [rows.pad, pad, 0, 0],
    };
    (pad < LIMIT).then_some((window, rows.upsampling))
}

struct Rows {
    kernel: usize,
    upsampling: usize,
    stride: usize,
    pad: usize,
}

impl Rows {
    /// The window that needs the fewest rows where it moves by `stride` after each `upsampling` output rows.
    fn new(places: &[f32], height: usize, upsampling: usize, stride: usize) -> Self {
        let (mut back, mut ahead) = (0, 0);
        for (y, place) in places.iter().enumerate().filter(|(_, place)| **place >= 0.0) {
            let position = y / upsampling * stride;
            back = back.max(position.saturating_sub(place.floor() as usize));
            ahead = ahead.max(((place.ceil() as usize).min(height - 1)).saturating_sub(position));
        }
        // The last window starts in the padded input, though its row may lie in none.
        let last = places.len().saturating_sub(1) / upsampling * stride;
        back = back.max((last + 1).saturating_sub(height));
        Self { kernel: back + ahead + 1, upsampling, stride, pad: back }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_places_lie_in_their_windows(height in 1usize..40, rows_out in 1usize..60, shares in proptest::collection::vec(0.0f32..=1.0, 60)) {
            let place = |share: &f32| if *share < 0.1 { -1.0 } else { share * (height - 1) as f32 };
            let rows: Vec<f32> = shares.iter().take(rows_out).map(place).collect();
            let (window, upsampling) = cover([&rows, &[0.0]], [height, 1]).unwrap();
            for (y, place) in rows.iter().enumerate().filter(|(_, place)| **place >= 0.0) {
                let first = (y / upsampling * window.strides[0]) as i64 - window.pads[0] as i64;
                let last = first + window.kernel[0] as i64 - 1;
                prop_assert!(first <= place.floor() as i64 && place.ceil() as i64 <= last);
            }
            let last = (rows.len() - 1) / upsampling * window.strides[0];
            prop_assert!(last < height + window.pads[0]);
            prop_assert!(window.pads[0] < window.kernel[0]);
        }
    }

    #[test]
    fn a_resize_holds_few_rows() {
        let places: Vec<f32> = (0..15).map(|y| ((y as f32 + 0.5) * 8.0 / 15.0 - 0.5).clamp(0.0, 7.0)).collect();
        let (window, _) = cover([&places, &[0.0]], [8, 1]).unwrap();
        assert!(window.kernel[0] <= 4, "{window:?}");
        // One row is mirrored at each end.
        let mirrored = [1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 6.0];
        assert!(cover([&mirrored, &[0.0]], [8, 1]).unwrap().0.kernel[0] <= 5);
    }
}
