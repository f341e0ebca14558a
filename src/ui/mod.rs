//! The only code that prints: data to standard output, everything else to standard error.

mod drill;
mod transfer;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};

pub use drill::DrillProgress;
pub use transfer::TransferProgress;

/// Prints data.
///
/// # Errors
/// When standard output is full: a result that was not written is not a result.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Standard output, for much data.
pub fn output() -> impl io::Write {
    io::BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Whether standard output is a terminal, on which progress and data would mix.
pub fn output_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Says something to whoever watches.
pub fn say(text: &str) {
    // Nobody may be reading, which is no reason to fail.
    let _written = writeln!(io::stderr().lock(), "{text}");
}

/// Says what went wrong, with every cause once.
pub fn say_error(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = source.source();
    }
    say(&format!("error: {text}"));
}

/// Whether live progress can be drawn.
pub fn can_draw(no_progress: bool) -> bool {
    !no_progress && io::stderr().is_terminal()
}

/// The time of day, for log lines.
fn clock() -> String {
    use time::OffsetDateTime;
    use time::macros::format_description;
    OffsetDateTime::now_utc()
        .format(format_description!("[hour]:[minute]:[second]"))
        .unwrap_or_default()
}
