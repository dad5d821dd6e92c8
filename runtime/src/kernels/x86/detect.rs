//! What the core can do.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

/// Whether the core and its operating system have AVX2.
#[inline]
pub fn has_avx2() -> bool {
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
    if cfg!(any(target_feature = "avx2", miri)) {
        return cfg!(target_feature = "avx2");
    }
    match FOUND.load(Ordering::Relaxed) {
        UNKNOWN => {
            let found = look_up();
            FOUND.store(if found { YES } else { NO }, Ordering::Relaxed);
            found
        }
        found => found == YES,
    }
}

/// Asks the core (Intel's manual, volume 1, 14.3 and 14.7.1).
#[cold]
fn look_up() -> bool {
    const XSAVE_AND_AVX: u32 = 1 << 27 | 1 << 28;
    const AVX2: u32 = 1 << 5;
    const XMM_AND_YMM: u64 = 0b110;
    let [highest, features] = [0, 1].map(__cpuid);
    if highest.eax < 7 || features.ecx & XSAVE_AND_AVX != XSAVE_AND_AVX || __cpuid_count(7, 0).ebx & AVX2 == 0 {
        return false;
    }
    // SAFETY: the operating system has turned XSAVE on, which the instruction needs.
    let saved = unsafe { _xgetbv(0) };
    saved & XMM_AND_YMM == XMM_AND_YMM
}
