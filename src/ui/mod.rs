//! The only code that prints: data to standard output, everything else to standard error.

mod board;
mod drill;
mod panel;
mod rehearsal;
mod transfer;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::exit::Exit;

pub use drill::DrillProgress;
pub use panel::Panel;
pub use rehearsal::RehearsalProgress;
pub use transfer::{AccountBars, TransferProgress};

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

/// Whether a program watches, for which everything on standard error is an event.
static SPEAKS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on, everything on standard error is an event: a line of JSON each.
pub fn speak_json() {
    SPEAKS_JSON.store(true, Ordering::Relaxed);
}

fn speaks_json() -> bool {
    SPEAKS_JSON.load(Ordering::Relaxed)
}

/// Tells an event: `{"event":"phase",…}`.
fn event(name: &str, mut fields: Value) {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let time = OffsetDateTime::now_utc().format(&Rfc3339);
    let mut line = json!({ "event": name, "time": time.unwrap_or_default() });
    if let (Some(line), Some(fields)) = (line.as_object_mut(), fields.as_object_mut()) {
        fields.retain(|_, value| !value.is_null());
        line.append(fields);
    }
    let _written = writeln!(io::stderr().lock(), "{line}");
}

/// Says something to whoever watches.
pub fn say(text: &str) {
    if speaks_json() {
        return event("note", json!({ "text": text }));
    }
    // Nobody may be reading, which is no reason to fail.
    let _written = writeln!(io::stderr().lock(), "{text}");
}

/// Says what went wrong, with every cause once, and how the program will exit.
pub fn say_error(error: &dyn Error, exit: Exit) {
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
    if speaks_json() {
        return event("error", json!({ "text": text, "exit_code": exit as u8 }));
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
