//! `lab history`: what was done, as a scenario that does it again.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::lab::unexpected;
use super::{Failure, Outcome};
use crate::cli::LabName;
use crate::exit::Exit;
use crate::lab::{Answer, Call, LabPlace, Question};
use crate::ui;

pub(super) async fn run(lab: &LabName, write: Option<PathBuf>) -> Outcome {
    let place = LabPlace::of(&lab.name)?;
    let answer = Call::ask(&place, &Question::History).await?;
    let Answer::History { text, reason } = answer else {
        return Err(unexpected(answer));
    };
    if let Some(reason) = reason {
        ui::say(&format!("no drill can run this yet: {reason}"));
    }
    match write {
        None => ui::print(text.trim_end())?,
        Some(path) => {
            let written = File::create_new(&path)
                .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.flush()));
            written.map_err(|error| {
                let path = path.display();
                if error.kind() == io::ErrorKind::AlreadyExists {
                    let text = format!("can't write {path}: it is there; name another file");
                    return Failure::new(Exit::Refused, text);
                }
                Failure::new(Exit::Usage, format!("can't write {path}: {error}"))
            })?;
            ui::say(&format!("written to {}", path.display()));
        }
    }
    Ok(Exit::Done)
}
