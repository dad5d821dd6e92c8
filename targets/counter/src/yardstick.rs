//! The cycle model against the project's yardstick, a plugin in C that is handed out beside the source tree: the C file is
//! included in a program that prints what its classifier says.

use crate::timing::{Kind, time};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Stands in for QEMU, and prints size, cycles, and kind for pairs of halfwords on standard input.
const PROGRAM: &str = r#"
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t i, void (*f)(qemu_plugin_id_t, struct qemu_plugin_tb *)) {}
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *t, udata_cb f, int g, void *d) {}
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *t, udata_cb f, int g, void *d) {}
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t i, void (*f)(qemu_plugin_id_t, void *), void *d) {}
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *t) { return 0; }
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *t, size_t n) { return 0; }
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *t) { return 0; }
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *t) { return 0; }
int main(void)
{
    uint8_t p[4];
    while (fread(p, 4, 1, stdin) == 1) {
        size_t size = thumb_size(p);
        struct op o = classify(p, size);
        int kind = !o.single_mem ? (o.cls == C_IT ? 3 : 0) : o.cls == C_LOAD ? 1 : 2;
        printf("%zu %u %d\n", size, o.cycles, kind);
    }
    return 0;
}
"#;

#[test]
fn every_encoding_is_timed_as_by_the_yardstick() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/tools/mcycles.c");
    let Ok(source) = source.canonicalize() else {
        println!("skipped: no yardstick beside the source tree");
        return;
    };
    let folder = std::env::temp_dir().join(format!("residua-counter-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("yardstick");
    let text = format!("#include \"{}\"\n{PROGRAM}", source.display());
    std::fs::write(folder.join("yardstick.c"), text).unwrap();
    let compiler = Command::new("cc").arg("-w").arg("-o").arg(&program).arg(folder.join("yardstick.c")).status();
    assert!(compiler.unwrap().success());

    // Every first halfword; second halfwords that between them take every value of each field that matters.
    let seconds: Vec<u16> = (0..16u16)
        .flat_map(|high| [0x000, 0x010, 0x0c0, 0x0f0, 0xa00, 0xa40, 0xb10, 0xbc5, 0xfff].map(|low| high << 12 | low))
        .collect();
    let pairs: Vec<(u16, u16)> = (0..=u16::MAX)
        .flat_map(|first| seconds.iter().map(move |&second| (first, second)))
        .filter(|&(first, second)| first >= 0xe800 || second == 0)
        .collect();
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let bytes: Vec<u8> = pairs.iter().flat_map(|&(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.lines().count(), pairs.len());
    for (&(first, second), line) in pairs.iter().zip(output.lines()) {
        let own = time(first, second);
        let kind = match own.kind {
            Kind::Plain => 0,
            Kind::Load => 1,
            Kind::Store => 2,
            Kind::IfThen => 3,
        };
        assert_eq!(format!("{} {} {kind}", own.bytes, own.cycles), line, "{first:04x} {second:04x}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
