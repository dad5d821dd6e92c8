//! The plugin as QEMU sees it: the part of its plugin API, version 1 (`qemu-plugin.h` of QEMU 7.2), that is used.

use crate::counter::{Block, Counter};
use crate::instructions::InstructionSet;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Opaque: a translation block being translated.
#[repr(C)]
struct TranslationBlock {
    _private: [u8; 0],
}

/// Opaque: an instruction of a translation block.
#[repr(C)]
struct Instruction {
    _private: [u8; 0],
}

/// The first field of `qemu_info_t`.
#[repr(C)]
pub struct Info {
    target_name: *const c_char,
}

type TranslateCallback = extern "C" fn(id: u64, block: *mut TranslationBlock);
type ExecuteCallback = extern "C" fn(cpu: c_uint, data: *mut c_void);
type ExitCallback = extern "C" fn(id: u64, data: *mut c_void);

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback touches no registers of the guest.
const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: TranslateCallback);
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut TranslationBlock,
        callback: ExecuteCallback,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: ExecuteCallback,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_atexit_cb(id: u64, callback: ExitCallback, data: *mut c_void);
    fn qemu_plugin_tb_n_insns(block: *const TranslationBlock) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const TranslationBlock, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const c_void;
    fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
}

/// The API version that QEMU reads before it installs the plugin.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static qemu_plugin_version: c_int = 1;

struct State {
    instruction_set: InstructionSet,
    blocks: Vec<Block>,
    counter: Counter,
    out: Option<File>,
}

impl State {
    fn write(&mut self, line: impl std::fmt::Display) {
        // A report that cannot be written is noticed by its reader, who finds fewer lines than regions.
        let _ = match &mut self.out {
            Some(file) => writeln!(file, "{line}"),
            None => writeln!(std::io::stderr(), "{line}"),
        };
    }
}

static STATE: Mutex<State> = Mutex::new(State {
    instruction_set: InstructionSet::Thumb,
    blocks: Vec::new(),
    counter: Counter::new(),
    out: None,
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Called by QEMU when the plugin is loaded; `arguments` are those behind the plugin's file name: `out=FILE`.
/// Returns 0, or another number to refuse.
///
/// # Safety
/// `info` must point to QEMU's description of itself, and `arguments` to `count` pointers to C strings, as QEMU's plugin
/// loader passes them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    info: *const Info,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // SAFETY: the caller passes its description, whose first field is a C string.
    let target = unsafe { CStr::from_ptr((*info).target_name) }.to_string_lossy();
    let Some(instruction_set) = InstructionSet::of(&target) else {
        eprintln!("residua-counter: unknown instruction set `{target}`; known: arm, riscv32");
        return 1;
    };
    state().instruction_set = instruction_set;
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller passes `count` pointers, each to a C string that lives as long as this call.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) }.to_string_lossy();
        let Some(path) = argument.strip_prefix("out=") else {
            eprintln!("residua-counter: unknown argument `{argument}`; known: out=FILE");
            return 1;
        };
        match File::create(path) {
            Ok(file) => state().out = Some(file),
            Err(error) => {
                eprintln!("residua-counter: cannot write {path}: {error}");
                return 1;
            }
        }
    }
    // SAFETY: `id` is this plugin's, and the callbacks have the types that API version 1 asks for.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
        qemu_plugin_register_atexit_cb(id, on_exit, std::ptr::null_mut());
    }
    0
}

extern "C" fn on_translate(_id: u64, block: *mut TranslationBlock) {
    // SAFETY: `block` is valid during this callback.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    let instructions: Vec<_> = (0..count)
        // SAFETY: `block` is valid during this callback and the index is below its number of instructions.
        .map(|index| unsafe { qemu_plugin_tb_get_insn(block, index) })
        .collect();
    let code: Vec<_> = instructions.iter().map(|&instruction| read(instruction)).collect();
    let mut state = state();
    let parts = Block::split(state.instruction_set, &code);
    let first = state.blocks.len();
    state.blocks.extend_from_slice(&parts);
    // The user data is the block's index, not an address: nothing is dereferenced when it comes back.
    let data = |index: usize| std::ptr::without_provenance_mut(first + index);
    if parts.len() == 1 {
        // SAFETY: `block` is valid during this callback; `on_execute` has the type that API version 1 asks for.
        unsafe { qemu_plugin_register_vcpu_tb_exec_cb(block, on_execute, NO_REGISTERS, data(0)) };
    } else {
        for (index, &instruction) in instructions.iter().enumerate() {
            // SAFETY: `instruction` is one of `block`, valid during this callback.
            unsafe { qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_execute, NO_REGISTERS, data(index)) };
        }
    }
}

/// Address and halfwords of an instruction; the second is 0 where there is none.
fn read(instruction: *mut Instruction) -> (u32, u16, u16) {
    // SAFETY: `instruction` is valid during the translation callback, from which alone this function is called, and so
    // are the `size` bytes at its data.
    let (address, bytes) = unsafe {
        let size = qemu_plugin_insn_size(instruction).min(4);
        let data = qemu_plugin_insn_data(instruction).cast::<u8>();
        (qemu_plugin_insn_vaddr(instruction), std::slice::from_raw_parts(data, size))
    };
    let halfword = |index: usize| bytes.get(index..index + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    // Guests are 32-bit cores.
    (address as u32, halfword(0), halfword(2))
}

extern "C" fn on_execute(_cpu: c_uint, data: *mut c_void) {
    let state = &mut *state();
    let Some(block) = state.blocks.get(data.addr()) else { return };
    if let Some(line) = state.counter.execute(block) {
        state.write(line);
    }
}

extern "C" fn on_exit(_id: u64, _data: *mut c_void) {
    let mut state = state();
    if let Some(line) = state.counter.finish() {
        state.write(line);
    }
}
