//! What a person sees: the program in a terminal of 80 columns.

use std::io::Read as _;
use std::num::NonZero;

use portable_pty::{CommandBuilder, NativePtySystem, PtySize, PtySystem as _};
use vt100::Parser;

use crate::support::Lifeboat;

const COLUMNS: u16 = 80;
const LINES: u16 = 30;
/// What the lines of a drill that runs begin with, from top to bottom.
const LIVE: [&str; 5] = [
    "    nodes ",
    "    ORDERS ",
    "    load ",
    "    so far ",
    "    clock ",
];

/// What the screen showed whenever the program had drawn something, and what it shows in the end.
fn watch(lifeboat: &Lifeboat, arguments: &[&str]) -> (Vec<Vec<String>>, Vec<String>) {
    let size = PtySize {
        rows: LINES,
        cols: COLUMNS,
        pixel_width: 0,
        pixel_height: 0,
    };
    let terminal = NativePtySystem::default().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(arguments);
    command.cwd(lifeboat.home.path());
    command.env("TMPDIR", lifeboat.scratch.path());
    command.env("TERM", "xterm-256color");
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut output = terminal.master.try_clone_reader().unwrap();
    let mut parser = Parser::new(nonzero(LINES), nonzero(COLUMNS), 0);
    let mut seen: Vec<Vec<String>> = Vec::new();
    let mut bytes = [0; 1 << 14];
    // The terminal is gone when the program is.
    while let Ok(read @ 1..) = output.read(&mut bytes) {
        parser.process(&bytes[..read]);
        let screen = lines(&parser);
        if seen.last() != Some(&screen) {
            seen.push(screen);
        }
    }
    assert!(child.wait().unwrap().success());
    let last = lines(&parser);
    (seen, last)
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn lines(parser: &Parser) -> Vec<String> {
    let rows = parser.screen().rows(0, COLUMNS);
    rows.map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn a_drill_shows_its_cluster_its_load_and_the_clock_and_leaves_its_story() {
    let lifeboat = Lifeboat::new();
    let (seen, last) = watch(&lifeboat, &["drill", "run", "r3-follower-replaced"]);
    let mut whole = 0;
    for screen in &seen {
        for begin in LIVE {
            let found = screen.iter().filter(|line| line.starts_with(begin));
            assert!(found.count() <= 1, "drawn twice:\n{}", screen.join("\n"));
        }
        let first = screen.iter().position(|line| line.starts_with(LIVE[0]));
        if let Some(first) = first
            && let Some(lines) = screen.get(first..first + LIVE.len())
            && lines
                .iter()
                .zip(LIVE)
                .all(|(line, begin)| line.starts_with(begin))
        {
            whole += 1;
            let doing = &screen[first - 1];
            assert!(
                doing.contains("r3-follower-replaced"),
                "{}",
                screen.join("\n")
            );
        }
    }
    assert!(whole > 10, "shown {whole} of {} times", seen.len());
    let last = last.join("\n");
    assert!(last.contains("✓ r3-follower-replaced"), "{last}");
    assert!(last.contains("1 of 1 as expected"), "{last}");
    assert!(!LIVE.iter().any(|begin| last.contains(begin)), "{last}");
    assert!(
        last.lines().any(|line| line.ends_with("recovery")),
        "{last}"
    );
}
