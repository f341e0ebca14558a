//! The drills that there are, as a table for people.

use comfy_table::ContentArrangement;

use super::backup::table;
use crate::scenario::Source;

/// A row for every drill.
pub fn drills_text(sources: &[Source]) -> String {
    let mut table = table();
    // What a drill shows is a sentence or two: a narrow column of it is harder to read than long lines.
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["drill", "promise", "group", "servers", "shows"]);
    for source in sources {
        let scenario = &source.scenario;
        let servers = scenario.servers.as_ref();
        table.add_row([
            scenario.name.clone(),
            scenario.promise.clone(),
            source.group().to_owned(),
            servers.map_or_else(|| String::from("all"), ToString::to_string),
            scenario.about.clone(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
