//! Tables in plain text: no frames, two spaces between the columns, numbers on the right.

use super::plain::plain;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A column's title, and whether it holds numbers.
#[derive(Clone, Copy)]
pub enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// Renders rows under their titles.
pub fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(title) | Column::Number(title) => *title,
    }));
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    for (place, column) in columns.iter().enumerate() {
        let Some(drawn) = table.column_mut(place) else { continue };
        drawn.set_padding((0, 2));
        if let Column::Number(_) = column {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines();
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_from_outside_cannot_draw_on_the_terminal() {
        let rows = [vec!["a\u{1b}[2J\u{202e}b\nc".to_owned()]];
        assert_eq!(table(&[Column::Text("why")], rows), "why\na\\u{1b}[2J\\u{202e}b\\nc\n");
    }

    #[test]
    fn columns_line_up_and_lines_end_with_what_is_there() {
        let columns = [Column::Text("resource"), Column::Number("in"), Column::Text("why")];
        let rows = [["events", "1,707", ""], ["x", "3", "ümlaut 地震"]].map(|row| row.map(str::to_owned).to_vec());
        insta::assert_snapshot!(table(&columns, rows), @r"
        resource     in  why
        events    1,707
        x             3  ümlaut 地震
        ");
    }
}
