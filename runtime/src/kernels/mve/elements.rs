//! What is done element by element.

use crate::kernels::Addition;

/// Most pixels whose values are added in 16 bits.
const TOGETHER: usize = 128;

/// Adds the values of pixels side by side to the sums of their channels.
pub(crate) fn add_up(sums: &mut [i32], pixels: &[i8]) {
    let channels = sums.len();
    if channels == 0 {
        return;
    }
    for pixels in pixels.chunks(channels.wrapping_mul(TOGETHER)) {
        let count = pixels.len().checked_div(channels).unwrap_or(0);
        if sums.len() & 7 == 0 && count.wrapping_mul(channels) == pixels.len() {
            // SAFETY: there are `count` pixels, at least one, of as many values as there are sums: a multiple of 8, not 0.
            unsafe { add_pixels(sums.as_mut_ptr(), pixels.as_ptr(), channels, count) }
        } else {
            for pixel in pixels.chunks(channels) {
                // SAFETY: a pixel has at least one value, and no more than there are sums.
                unsafe { add_pixel(sums.as_mut_ptr(), pixel.as_ptr(), pixel.len()) }
            }
        }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn add_pixel(sums: *mut i32, values: *const i8, count: usize) {
    mve_asm!(
        "push {{r7, lr}}",
        "dlstp.32 lr, r2",
        "2:",
        "vldrb.s32 q0, [r1], #4",
        "vldrw.u32 q1, [r0]",
        "vadd.i32 q1, q1, q0",
        "vstrw.32 q1, [r0], #16",
        "letp lr, 2b",
        "pop {{r7, pc}}",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn add_pixels(sums: *mut i32, values: *const i8, channels: usize, count: usize) {
    mve_asm!(
        "push {{r4-r7, lr}}",
        "lsrs r4, r2, #3",
        // Even and odd channels are widened apart and stored by turns.
        "2:",
        "mov r5, r1",
        "vmov.i32 q0, #0",
        "dls lr, r3",
        "3:",
        "vldrb.s16 q1, [r5]",
        "add r5, r2",
        "vadd.i16 q0, q0, q1",
        "le lr, 3b",
        "vld20.32 {{q2, q3}}, [r0]",
        "vld21.32 {{q2, q3}}, [r0]",
        "vmovlb.s16 q1, q0",
        "vmovlt.s16 q0, q0",
        "vadd.i32 q2, q2, q1",
        "vadd.i32 q3, q3, q0",
        "vst20.32 {{q2, q3}}, [r0]",
        "vst21.32 {{q2, q3}}, [r0]!",
        "adds r1, #8",
        "subs r4, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// What the assembly reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Numbers {
    /// 0.
    multipliers: [i32; 2],
    /// 8.
    offset: i32,
    /// 12: to the left.
    shift: i32,
    /// 16.
    zero_point: i32,
}

/// Replaces each element of a row by its sum with an element of another.
pub(crate) fn add(addition: &Addition, row: &mut [i8], second: &[i8]) {
    let count = row.len().min(second.len());
    let numbers = Numbers {
        multipliers: addition.multipliers,
        offset: addition.offset,
        // A shift to the right is a negative one to the left.
        shift: (addition.requantizer.shift() as i32).wrapping_neg(),
        zero_point: addition.requantizer.zero_point(),
    };
    if count > 0 {
        // SAFETY: both have `count` elements, at least one.
        unsafe { add_to_row(row.as_mut_ptr(), second.as_ptr(), count, &numbers) }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn add_to_row(row: *mut i8, second: *const i8, count: usize, numbers: *const Numbers) {
    mve_asm!(
        "push {{r4-r7, lr}}",
        "ldrd r4, r5, [r3]",
        "ldrd r6, r7, [r3, #8]",
        "ldr r3, [r3, #16]",
        "vdup.32 q3, r6",
        "dlstp.32 lr, r2",
        "2:",
        "vldrb.s32 q0, [r0]",
        "vldrb.s32 q1, [r1], #4",
        "vmov q2, q3",
        "vmla.s32 q2, q0, r4",
        "vmla.s32 q2, q1, r5",
        "vshl.s32 q2, r7",
        "vqmovnb.s32 q2, q2",
        "vqadd.s16 q2, q2, r3",
        "vqmovnb.s16 q2, q2",
        "vstrb.32 q2, [r0], #4",
        "letp lr, 2b",
        "pop {{r4-r7, pc}}",
    )
}

/// Clamps elements.
pub(crate) fn clamp(min: i8, max: i8, elements: &mut [i8]) {
    if !elements.is_empty() {
        // SAFETY: there are so many elements, at least one.
        unsafe { clamp_all(elements.as_mut_ptr(), elements.len(), min.into(), max.max(min).into()) }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn clamp_all(elements: *mut i8, count: usize, min: i32, max: i32) {
    mve_asm!(
        "push {{r7, lr}}",
        "vdup.8 q1, r2",
        "vdup.8 q2, r3",
        "dlstp.8 lr, r1",
        "2:",
        "vldrb.u8 q0, [r0]",
        "vmax.s8 q0, q0, q1",
        "vmin.s8 q0, q0, q2",
        "vstrb.8 q0, [r0], #16",
        "letp lr, 2b",
        "pop {{r7, pc}}",
    )
}

/// Copies a row to one of the same length.
pub(crate) fn copy(from: &[i8], to: &mut [i8]) {
    if from.len() == to.len() && !to.is_empty() {
        // SAFETY: both have so many elements, at least one.
        unsafe { copy_all(to.as_mut_ptr(), from.as_ptr(), from.len()) }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn copy_all(to: *mut i8, from: *const i8, count: usize) {
    mve_asm!(
        "push {{r7, lr}}",
        "dlstp.8 lr, r2",
        "2:",
        "vldrb.u8 q0, [r1], #16",
        "vstrb.8 q0, [r0], #16",
        "letp lr, 2b",
        "pop {{r7, pc}}",
    )
}
