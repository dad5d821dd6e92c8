//! What commands print and write.

use super::failure::{Failure, Kind};
use residua_quantize::stream::Timing;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

/// Prints a report: one JSON object, or text for a person. A reader that has gone away is no failure.
pub fn report(json: bool, report: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let out = if json {
        serde_json::to_string_pretty(report).map_err(|error| Failure::new(Kind::Check, error.to_string()))?
    } else {
        text()
    };
    match writeln!(io::stdout(), "{}", out.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::Input, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all: under a temporary name beside it, then renamed.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::new(Kind::Input, format!("cannot write {}: {error}", path.display()));
    let special = path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if special {
        // A pipe or a device: there is nothing to replace.
        return std::fs::write(path, bytes).map_err(fail);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".residua-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for any other new file: all that the user's mask leaves.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

/// What the times of a stream mean.
pub fn stream_text(timing: &Timing) -> String {
    let Timing { window, outputs, exact, delay, first, warm_up, rows, per } = timing;
    let mut out = format!(
        "stream of {rows} output row(s) for {per} input row(s); the first comes after {first}; from {warm_up} on, no padding above \
         the first row is in them\n"
    );
    out += &if exact == outputs {
        format!("the {outputs} output row(s) of a window of {window} equal the whole-frame run bit for bit")
    } else {
        format!(
            "of the {outputs} output row(s) of a window of {window}, {} differ from the whole-frame run, which pads below the \
             window: they wait for {delay} more input row(s); `eval --stream` measures what that costs",
            outputs - exact
        )
    };
    out
}

/// Lines of columns: the first is aligned left, the others right.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = [head.map(str::to_owned)].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Writing to a string does not fail.
            let _ = if column == 0 { write!(out, "{cell:width$}") } else { write!(out, "  {cell:>width$}") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}
