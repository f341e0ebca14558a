//! Stored evidence as a page for a browser: one file that needs no other, for whoever was not there.

mod agreement;
mod chart;
mod document;
mod drill;
mod error;
mod evidence;
mod findings;
mod ink;
mod logs;
mod losses;
mod matrix;
mod matrix_cell;
mod matrix_changes;
mod rehearsal;
mod replicas;
mod seen;
mod seen_charts;
mod step_chart;
mod timeline;
mod timeline_charts;
mod timeline_panels;
mod words;

use std::path::{Path, PathBuf};

pub use error::PageError;

use evidence::Evidence;

/// A page, ready to be written.
#[derive(Debug)]
pub struct Page {
    /// The whole document.
    pub html: String,
    /// Where it goes when nobody says anything else.
    pub default_path: PathBuf,
}

/// Makes the page of what lies there: the directory of a drill's run, of a rehearsal or of a matrix, or
/// a matrix's file. Nothing else is read, and nothing is started.
///
/// # Errors
/// [`PageError`] when it is none of these, or can't be read.
pub fn page_of(path: &Path) -> Result<Page, PageError> {
    let evidence = Evidence::at(path)?;
    let markup = match &evidence {
        Evidence::Drill(run) => drill::page(run),
        Evidence::Rehearsal(rehearsal) => rehearsal::page(rehearsal, path),
        Evidence::Matrix(table) => matrix::page(table, path),
    };
    let default_path = if path.is_dir() {
        path.join("report.html")
    } else {
        path.with_extension("html")
    };
    Ok(Page {
        html: markup.into_string(),
        default_path,
    })
}
