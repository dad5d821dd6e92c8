//! The counter against the project's yardstick, a plugin in C that is handed out beside the source tree.

mod pooling;

use pooling::{COLUMNS, Pooling, ROWS};
use residua_harness::{Parts, Target, counter, firmware, home, packed_for};
use residua_mailbox::{Mode, Request};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn counts_are_those_of_the_yardstick() {
    let source = home().unwrap().join("../shared/tools/mcycles.c");
    if !source.is_file() {
        println!("skipped: no yardstick beside the source tree");
        return;
    }
    residua_harness::install().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let yardstick = folder.path().join("yardstick.so");
    let compiler = Command::new("cc").args(["-O2", "-fPIC", "-shared", "-o"]).arg(&yardstick).arg(&source).status();
    assert!(compiler.unwrap().success());

    let plugins = [counter().unwrap(), yardstick].map(|plugin| format!("{},out=counts.txt", plugin.display()));
    for (target, machine) in
        [(Target::CortexM3, "mps2-an385"), (Target::CortexM4, "mps2-an386"), (Target::CortexM7, "mps2-an500")]
    {
        for mode in [Mode::Infer, Mode::Profile] {
            fs::write(folder.path().join("mailbox.bin"), mailbox(target, mode)).unwrap();
            let [own, theirs] = plugins.each_ref().map(|plugin| count(folder.path(), target, machine, plugin));
            let own: Vec<_> = own.lines().map(|line| numbers(line, ["instructions", "cycles", "taken"])).collect();
            let theirs: Vec<_> = theirs.lines().map(|line| numbers(line, ["insns", "cycles", "taken"])).collect();
            assert!(own.len() >= 3 && own.iter().any(|counts| counts[1] > 500), "{target} {mode:?}: {own:?}");
            assert_eq!(own, theirs, "{target} {mode:?}");
        }
    }
}

/// Two inputs of noise for the pooling plan, as the target reads it.
fn mailbox(target: Target, mode: Mode) -> Vec<u8> {
    let plan = packed_for(target, &Pooling::default().plan()).unwrap();
    let input: Vec<u8> = (0..2 * ROWS * COLUMNS).map(|i| (i * i * 37) as u8).collect();
    let input_offset = (Request::LEN + plan.len()).next_multiple_of(16);
    let request = Request {
        mode,
        plan_offset: Request::LEN as u32,
        plan_len: plan.len() as u32,
        input_offset: input_offset as u32,
        input_len: input.len() as u32,
        input_count: 2,
    };
    let mut image = [&request.to_bytes()[..], &plan].concat();
    image.resize(input_offset, 0);
    image.extend(input);
    image
}

/// Boots the firmware with a plugin; what that wrote.
fn count(folder: &Path, target: Target, machine: &str, plugin: &str) -> String {
    let firmware = firmware(target, &Parts::all()).unwrap();
    let status = Command::new("qemu-system-arm")
        .current_dir(folder)
        .args(["-M", machine, "-cpu", target.name(), "-display", "none", "-serial", "null", "-monitor", "none"])
        .args(["-semihosting-config", "enable=on,target=native", "-plugin", plugin, "-device"])
        .arg(format!("loader,file=mailbox.bin,addr={:#x},force-raw=on", firmware.mailbox.start))
        .arg("-kernel")
        .arg(firmware.elf)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    fs::read_to_string(folder.join("counts.txt")).unwrap()
}

/// The numbers that stand behind these words.
fn numbers(line: &str, names: [&str; 3]) -> [u64; 3] {
    let words: Vec<_> = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    names.map(|name| {
        let at = words.iter().position(|&word| word == name).unwrap();
        words[at + 1].parse().unwrap()
    })
}
