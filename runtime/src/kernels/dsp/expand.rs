//! Activations to the two words that four of them take in a product.

/// Expands the first `pixels` (2 or 3) of the sources: for each four activations, the odd word of each pixel, then the even
/// word of each.
///
/// Takes as many whole fours as all sources have and `out` has room for (`2 pixels` words each). Any alignment.
pub(crate) fn expand(pixels: usize, [a, b, c]: [&[i8]; 3], out: &mut [u32]) {
    let shorter = a.len().min(b.len());
    // SAFETY: the number of fours is at least 1 and such that four bytes for each of them are inside every source, and
    // `2 pixels` words inside `out`; the cores take unaligned words.
    unsafe {
        match pixels {
            3 => {
                let fours = (shorter.min(c.len()) >> 2).min(out.len().checked_div(6).unwrap_or(0));
                if fours > 0 {
                    expand3(a.as_ptr(), b.as_ptr(), c.as_ptr(), out.as_mut_ptr(), fours);
                }
            }
            2 => {
                let fours = (shorter >> 2).min(out.len() >> 2);
                if fours > 0 {
                    expand2(a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), fours);
                }
            }
            _ => {}
        }
    }
}

/// Reads 4 `fours` bytes from each source, writes 6 `fours` words; `fours` at least 1.
#[unsafe(naked)]
unsafe extern "C" fn expand3(a: *const i8, b: *const i8, c: *const i8, out: *mut u32, fours: usize) {
    dsp_asm!(
        "push {{r4-r9, lr}}",
        "ldr r4, [sp, #28]",
        "2:",
        "ldr r8, [r0], #4",
        "ldr r9, [r1], #4",
        "ldr lr, [r2], #4",
        "sxtb16 r5, r8, ror #8",
        "sxtb16 r6, r9, ror #8",
        "sxtb16 r7, lr, ror #8",
        "rev16 r8, r8",
        "rev16 r9, r9",
        "rev16 lr, lr",
        "eor r8, r8, #0x007f007f",
        "eor r9, r9, #0x007f007f",
        "eor lr, lr, #0x007f007f",
        "stmia r3!, {{r5-r9, lr}}",
        "subs r4, #1",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

/// Reads 4 `fours` bytes from each source, writes 4 `fours` words; `fours` at least 1.
#[unsafe(naked)]
unsafe extern "C" fn expand2(a: *const i8, b: *const i8, out: *mut u32, fours: usize) {
    dsp_asm!(
        "push {{r4-r7, lr}}",
        "2:",
        "ldr r6, [r0], #4",
        "ldr r7, [r1], #4",
        "sxtb16 r4, r6, ror #8",
        "sxtb16 r5, r7, ror #8",
        "rev16 r6, r6",
        "rev16 r7, r7",
        "eor r6, r6, #0x007f007f",
        "eor r7, r7, #0x007f007f",
        "stmia r2!, {{r4-r7}}",
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r7, pc}}",
    )
}
