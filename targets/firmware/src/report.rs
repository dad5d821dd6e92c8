//! The report file on the host.

use residua_mailbox::{REPORT_FILE, Record, Status};
use semihosting::fs::File;
use semihosting::io::Write as _;

/// Writes records. What cannot be written is lost: the host then finds no closing record.
pub struct Report(Option<File>);

impl Report {
    /// Creates the file.
    pub fn create() -> Self {
        Self(File::create(REPORT_FILE).ok())
    }

    /// Appends a record.
    pub fn write(&mut self, record: &Record<'_>) {
        if let Some(file) = &mut self.0
            && record.write(|piece| file.write_all(piece)).is_err()
        {
            self.0 = None;
        }
    }

    /// Writes the closing record.
    pub fn end(&mut self, status: Status) {
        self.write(&Record::End(status));
    }
}
