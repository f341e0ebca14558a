//! A few lines of a terminal that are drawn anew in their place, without flicker.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use console::{Term, truncate_str};

/// Lines that are drawn again and again.
#[derive(Debug)]
pub struct Panel {
    terminal: Term,
    /// How many lines were drawn last.
    drawn: usize,
}

impl Default for Panel {
    fn default() -> Self {
        Self::new()
    }
}

impl Panel {
    /// A panel on standard output, which has nothing yet.
    pub fn new() -> Self {
        Self {
            terminal: Term::stdout(),
            drawn: 0,
        }
    }

    /// Draws these lines in the place of those before, as one piece of output; what is too wide or too much
    /// for the terminal is left out.
    pub fn draw(&mut self, text: &str) {
        let (height, width) = self.terminal.size();
        let frame = frame(text, self.drawn, (usize::from(width), usize::from(height)));
        self.drawn = frame.lines;
        let mut out = io::stdout().lock();
        // A terminal that went away is no reason to fail.
        let _drawn = out
            .write_all(frame.bytes.as_bytes())
            .and_then(|()| out.flush());
    }
}

/// What has to be written to draw lines over earlier ones.
struct Frame {
    bytes: String,
    lines: usize,
}

fn frame(text: &str, drawn: usize, (width, height): (usize, usize)) -> Frame {
    let mut bytes = String::new();
    if drawn > 0 {
        // Up to where it began.
        let _written = write!(bytes, "\x1b[{drawn}A");
    }
    // In the last line the cursor waits; in the last column some terminals break the line.
    let lines: Vec<_> = text.lines().take(height.saturating_sub(1).max(1)).collect();
    for line in &lines {
        let line = truncate_str(line, width.saturating_sub(1).max(1), "…");
        let _written = write!(bytes, "\r{line}\x1b[K\n");
    }
    // What earlier lines were below these.
    bytes.push_str("\x1b[J");
    Frame {
        bytes,
        lines: lines.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_over_earlier_ones_and_fit_the_terminal() {
        let first = frame("one\ntwo", 0, (80, 24));
        assert_eq!(
            (first.bytes.as_str(), first.lines),
            ("\rone\x1b[K\n\rtwo\x1b[K\n\x1b[J", 2)
        );
        let next = frame(&"x".repeat(100), first.lines, (80, 24));
        assert!(next.bytes.starts_with("\x1b[2A\rx"));
        assert_eq!(next.bytes.matches('x').count(), 78);
        assert_eq!(frame("1\n2\n3\n4", 0, (80, 3)).lines, 2);
    }
}
